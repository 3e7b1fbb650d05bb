//! The policy file as its author writes it: strict TOML. Every key is known or refused: an author must not believe in a rule that does
//! nothing.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub policy: Head,
    #[serde(default)]
    pub audience: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Levels>>,
    #[serde(default)]
    pub channel: BTreeMap<Spanned<String>, Channel>,
    #[serde(default)]
    pub trust: Trust,
    #[serde(default)]
    pub term: Vec<Term>,
    #[serde(default)]
    pub allow: Vec<Allow>,
    #[serde(default)]
    pub context: Vec<Context>,
    pub strikes: Option<Strikes>,
    #[serde(default)]
    pub test: Vec<Spanned<Test>>,
    #[serde(default)]
    pub words: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    #[serde(default)]
    pub guard: BTreeMap<Spanned<String>, Guard>,
    #[serde(default)]
    pub detector: Vec<Detector>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    pub id: Spanned<String>,
    pub engine: Option<Spanned<u32>>,
    #[serde(default)]
    pub lists: Vec<Spanned<String>>,
    pub topics: Vec<Spanned<String>>,
    /// Files of ordinary words.
    #[serde(default)]
    pub ordinary: Vec<Spanned<String>>,
    pub normalise: Option<Normalise>,
}

/// Which disguises are undone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    pub nfkc: Option<Spanned<bool>>,
    pub strip_invisible: Option<Spanned<bool>>,
    pub confusables: Option<Spanned<bool>>,
    pub leet: Option<Spanned<String>>,
    pub max_repeat: Option<Spanned<u32>>,
    pub join_spaced: Option<bool>,
    pub join_messages: Option<Join>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    pub last: Spanned<u32>,
    pub within: Spanned<String>,
}

/// Where a hit says something else than it seems to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    #[serde(default)]
    pub before: Vec<Spanned<String>>,
    #[serde(default)]
    pub after: Vec<Spanned<String>>,
    pub within: Option<Spanned<u32>>,
    #[serde(default)]
    pub quoted: bool,
    pub lowers_to: Option<Spanned<u8>>,
    #[serde(default)]
    pub topics: Vec<Spanned<String>>,
}

/// What is recognised by its form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    pub id: Spanned<String>,
    #[serde(rename = "type")]
    pub kind: Spanned<String>,
    pub topic: Spanned<String>,
    pub risk: Spanned<u8>,
    pub weight: Option<Spanned<f64>>,
    pub enabled: Option<bool>,
    pub allow: Option<Spanned<Vec<String>>>,
    pub domains: Option<Spanned<Vec<String>>>,
    pub letters: Option<Spanned<u32>>,
    pub percent: Option<Spanned<u32>>,
    pub times: Option<Spanned<u32>>,
    pub count: Option<Spanned<u32>>,
}

/// The lowest risk at which each action starts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    pub flag: Option<Spanned<u8>>,
    pub mask: Option<Spanned<u8>>,
    pub block: Option<Spanned<u8>>,
    pub escalate: Option<Spanned<u8>>,
    /// Where an escalation goes.
    pub queue: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    pub audience: Option<Spanned<String>>,
    pub urls: Option<Urls>,
}

/// What links may be posted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Urls {
    #[serde(default)]
    pub allow: Vec<Spanned<String>>,
    pub other: Spanned<String>,
}

/// How far a user's trust moves every threshold. Negative: stricter.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    pub untrusted: Option<Spanned<i8>>,
    pub trusted: Option<Spanned<i8>>,
    #[serde(default)]
    pub pinned: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub id: Spanned<String>,
    #[serde(rename = "match")]
    pub patterns: Vec<Spanned<String>>,
    pub topic: Spanned<String>,
    pub risk: Spanned<u8>,
    pub weight: Option<Spanned<f64>>,
    pub language: Option<String>,
    #[serde(default)]
    pub partial: bool,
    #[serde(default)]
    pub fuzzy: bool,
    #[serde(default)]
    pub guards: Vec<Spanned<String>>,
    #[serde(default)]
    pub exceptions: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    #[serde(rename = "match")]
    pub patterns: Vec<Spanned<String>>,
    pub max_risk: Spanned<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    pub id: Spanned<String>,
    #[serde(rename = "type")]
    pub kind: Spanned<String>,
    pub group_by: Spanned<Vec<String>>,
    pub field: Option<Spanned<String>>,
    #[serde(default)]
    pub rules: Vec<Spanned<String>>,
    pub timespan: Spanned<String>,
    pub condition: Option<Condition>,
    pub then: Then,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub gte: Spanned<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    pub topic: Spanned<String>,
    pub risk: Spanned<u8>,
    pub action: Option<Spanned<String>>,
    #[serde(rename = "for")]
    pub duration: Option<Spanned<String>>,
    pub queue: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strikes {
    pub per_risk: BTreeMap<Spanned<String>, Spanned<f64>>,
    pub half_life: Spanned<String>,
    pub at: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub gte: Spanned<f64>,
    pub trust: Option<Spanned<String>>,
    pub action: Option<Spanned<String>>,
    #[serde(rename = "for")]
    pub duration: Option<Spanned<String>>,
    pub queue: Option<String>,
}

/// One message, or several with times.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    #[serde(rename = "in")]
    pub input: Option<Input>,
    #[serde(default)]
    pub messages: Vec<Input>,
    pub expect: Expect,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    pub text: String,
    pub audience: Option<String>,
    pub language: Option<String>,
    #[serde(default)]
    pub channel: String,
    pub user: Option<String>,
    /// Time since the first message.
    pub at: Option<Spanned<String>>,
}

/// What the verdict of the last message must be; what is not named may be anything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub action: Option<String>,
    pub code: Option<String>,
    pub topic: Option<String>,
    pub risk: Option<u8>,
    pub matched: Option<Vec<String>>,
    pub masked: Option<String>,
    #[serde(default)]
    pub effects: Vec<String>,
}
