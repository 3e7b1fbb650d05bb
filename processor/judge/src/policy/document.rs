//! A policy in its canonical form: integers, everything inlined, everything in a fixed order.
//!
//! Invariant: two files that mean the same have the same canonical bytes, so the same digest; and the bytes alone, without files beside
//! them, are the whole policy.

use super::error::PolicyError;
use crate::digest::Digest;
pub use crate::text::detect::Detector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest risk.
pub const RISK_MAX: u8 = 7;

/// The normalised policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    pub(crate) engine: u32,
    pub(crate) id: String,
    /// In the author's order: labels of a verdict follow it.
    pub(crate) topics: Vec<String>,
    pub(crate) normalise: Normalise,
    pub(crate) audiences: BTreeMap<String, Thresholds>,
    /// The first that fits counts, longest pattern first.
    pub(crate) channels: Vec<Channel>,
    pub(crate) trust: TrustShift,
    /// Classes of words for phrases.
    pub(crate) words: BTreeMap<String, Words>,
    /// Words that are never a misspelling nor a piece of another.
    pub(crate) ordinary: Vec<String>,
    pub(crate) guards: BTreeMap<String, Guard>,
    pub(crate) terms: Vec<Term>,
    pub(crate) allows: Vec<Allow>,
    pub(crate) detectors: Vec<DetectorRule>,
    pub(crate) contexts: Vec<ContextRule>,
    pub(crate) strikes: Option<Strikes>,
    pub(crate) tests: Vec<Test>,
}

/// Which disguises are undone. Folding of case, compatibility forms, look-alikes and invisible characters always is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    pub leet: bool,
    pub spaced: bool,
    pub repeats: bool,
    pub join: Option<Join>,
}

impl Default for Normalise {
    fn default() -> Normalise {
        Normalise {
            leet: true,
            spaced: true,
            repeats: true,
            join: None,
        }
    }
}

/// Short messages of one user in one channel are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// How many, the present one included.
    pub last: u32,
    /// Milliseconds.
    pub within: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    pub pattern: String,
    pub audience: Option<String>,
    pub urls: Option<Urls>,
}

/// What links may be posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Urls {
    pub allow: Vec<String>,
    /// What happens to a message with any other link.
    pub other: LinkAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkAction {
    Allow,
    Flag,
    Mask,
    Block,
}

/// A class of words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub patterns: Vec<String>,
    pub fuzzy: bool,
}

/// Where a hit says something else than it seems to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// Words between.
    pub within: u32,
    pub quoted: bool,
    pub lowers_to: u8,
    /// It guards all terms of these topics, besides those that name it.
    pub topics: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorRule {
    pub id: String,
    pub topic: String,
    pub risk: u8,
    pub weight: u32,
    pub detector: Detector,
}

/// Of one audience.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    pub default: Levels,
    pub topics: BTreeMap<String, Levels>,
}

/// The lowest risk at which each starts; None = never.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    pub flag: Option<u8>,
    pub mask: Option<u8>,
    pub block: Option<u8>,
    pub escalate: Option<u8>,
    /// Where an escalation goes; None: `default`.
    pub queue: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustShift {
    pub untrusted: i8,
    pub trusted: i8,
    pub pinned: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    pub id: String,
    pub patterns: Vec<String>,
    pub topic: String,
    pub risk: u8,
    /// Thousandths: how often a bare hit is right.
    pub weight: u32,
    pub language: Option<String>,
    pub partial: bool,
    /// Also misspelt, starred out, in two pieces or run together.
    pub fuzzy: bool,
    pub guards: Vec<String>,
    pub exceptions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    pub patterns: Vec<String>,
    pub max_risk: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextRule {
    pub id: String,
    pub kind: ContextKind,
    /// Counted per channel, not only per user.
    pub by_channel: bool,
    /// Counted per text.
    pub by_text: Option<SameText>,
    /// Only messages that these rules (or `topic/NAME`) speak about count; empty: all. In their order for `temporal_ordered`.
    pub rules: Vec<String>,
    /// Milliseconds.
    pub timespan: i64,
    pub gte: u32,
    pub topic: String,
    pub risk: u8,
    pub consequence: Option<Consequence>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextKind {
    /// Messages.
    EventCount,
    /// Different values.
    ValueCount(Field),
    /// The rules spoke one after another.
    TemporalOrdered,
}

/// Whose values are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Channel,
    Text,
    ReplyTo,
}

/// When two texts are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameText {
    /// The same words once they are normalised.
    Fingerprint,
    /// Nearly.
    Near,
}

/// What a context rule or a strikes step brings about besides risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Consequence {
    Flag,
    Mask,
    Block,
    /// Milliseconds.
    Mute(i64),
    /// Queue.
    Escalate(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strikes {
    /// Thousandths of a point by risk.
    pub per_risk: [u64; RISK_MAX as usize + 1],
    /// Milliseconds.
    pub half_life: i64,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Thousandths of a point.
    pub gte: u64,
    pub trust: Option<TrustLevel>,
    pub consequence: Option<Consequence>,
}

/// The order is that of how much is borne.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrustLevel {
    Untrusted,
    #[default]
    Normal,
    Trusted,
}

impl TrustLevel {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            TrustLevel::Untrusted => "untrusted",
            TrustLevel::Normal => "normal",
            TrustLevel::Trusted => "trusted",
        }
    }

    pub(crate) fn as_byte(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_byte(byte: u8) -> Option<TrustLevel> {
        [
            TrustLevel::Untrusted,
            TrustLevel::Normal,
            TrustLevel::Trusted,
        ]
        .get(usize::from(byte))
        .copied()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// For messages to a person: where the test stands.
    pub name: String,
    pub messages: Vec<TestMessage>,
    pub action: Option<String>,
    pub code: Option<String>,
    pub topic: Option<String>,
    pub risk: Option<u8>,
    pub matched: Option<Vec<String>>,
    pub masked: Option<String>,
    /// Kinds of effects, each of which must be there.
    pub effects: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestMessage {
    /// Milliseconds since the first.
    pub at: i64,
    pub user: String,
    pub channel: String,
    pub audience: Option<String>,
    pub language: Option<String>,
    pub text: String,
}

impl Document {
    /// The bytes that are published, hashed and compiled.
    pub fn canonical(&self) -> Vec<u8> {
        // Strings, integers and maps with string keys: there is nothing JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads canonical bytes; any other form of the same document is refused, or two digests would name one policy.
    pub fn from_canonical(bytes: &[u8]) -> Result<Document, PolicyError> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| PolicyError::one(format!("not a policy document: {error}")))?;
        if document.canonical() == bytes {
            Ok(document)
        } else {
            Err(PolicyError::one(
                "not the canonical form of a policy document",
            ))
        }
    }

    /// The policy's version.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.canonical())
    }

    pub fn engine(&self) -> u32 {
        self.engine
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Terms, inlined lists included.
    pub fn terms(&self) -> usize {
        self.terms.len()
    }

    /// Inline tests.
    pub fn tests(&self) -> usize {
        self.tests.len()
    }

    pub fn topics(&self) -> &[String] {
        &self.topics
    }
}
