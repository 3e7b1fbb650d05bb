//! The policy file as its author writes it: strict TOML. Every key is known or refused: an author must not believe in a rule that does
//! nothing.
//!
//! The comments on the fields are the author's reference: `gavel policy schema` and `gavel policy reference` print them. Each says what
//! the key means, in what unit, what holds without it, its range, and what goes wrong at the ends of the range.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A Gavel policy: what is risky, for whom, and what follows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Gavel policy")]
pub struct File {
    /// Name, topics and lists: the head of every policy.
    pub policy: Head,
    /// Who is protected, by name, and from which risk on something is done: `[audience.NAME]` holds `default`, which judges every topic
    /// without levels of its own, and such levels by topic. `[audience.default]` must be there: it judges messages that name no audience or
    /// an unknown one.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Levels>>")]
    pub audience: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Levels>>,
    /// Channels by pattern: an exact name, `trade-*`, `*-kids` or `*x*`. Of several that fit, the longest counts, wherever it stands.
    /// Default: none; the message's own audience judges.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Channel>")]
    pub channel: BTreeMap<Spanned<String>, Channel>,
    /// How far the levels move for users who earned mistrust or trust. Default: not at all.
    #[serde(default)]
    pub trust: Trust,
    /// Words and phrases with their risk. Default: none; long lists stand better in the CSV files of `policy.lists`.
    #[serde(default)]
    pub term: Vec<Term>,
    /// What looks like a hit and is none, for all terms. Default: none.
    #[serde(default)]
    pub allow: Vec<Allow>,
    /// What a user does over time: floods, the same text again, one thing after another. Default: none.
    #[serde(default)]
    pub context: Vec<Context>,
    /// Points for what was said, which fade, and what follows from many. Default: nobody gets any.
    pub strikes: Option<Strikes>,
    /// What the author expects: run by `gavel policy check`, and before every activation. Default: none, with a warning.
    #[serde(default)]
    #[schemars(with = "Vec<Test>")]
    pub test: Vec<Spanned<Test>>,
    /// Classes of words, by name, for phrases: `@name` stands for any of them. A list, or a table with `fuzzy` and `lists`; names begin
    /// with a letter. Default: none.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, super::reference::Class>")]
    pub words: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    /// Surroundings, by name, in which a hit says something else than it seems to. Default: none.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Guard>")]
    pub guard: BTreeMap<Spanned<String>, Guard>,
    /// What is recognised by its form and not by words: addresses, numbers, links, floods of letters. Default: none.
    #[serde(default)]
    pub detector: Vec<Detector>,
}

/// Name, topics and lists.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The policy's name, for people. Its version is the digest of all that it means.
    #[schemars(with = "String")]
    pub id: Spanned<String>,
    /// Number of the engine that judges. Default: the newest that the binary carries, and no other is taken; written out, it keeps an
    /// update from changing what the policy does unseen.
    #[schemars(with = "Option<u32>")]
    pub engine: Option<Spanned<u32>>,
    /// CSV files of terms, relative to the policy file. Default: none. They are inlined: the digest covers their words.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub lists: Vec<Spanned<String>>,
    /// Names of what messages are judged for, such as `vulgar`; verdicts list labels in this order. A topic that no rule names never gets
    /// a label.
    #[schemars(with = "Vec<String>")]
    pub topics: Vec<Spanned<String>>,
    /// Files of ordinary words, parted by spaces or lines, `#` begins a remark: these are never taken for a misspelling of a term or for
    /// its pieces. Default: none, and then `fuzzy` terms hit their innocent neighbours.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub ordinary: Vec<Spanned<String>>,
    /// Which disguises are undone. Default: all but joined messages.
    pub normalise: Option<Normalise>,
}

/// Which disguises are undone before matching.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Normalise {
    /// Compatibility forms, such as full-width letters, are read as plain ones. Default and only value: true; without it every word has a
    /// hundred spellings.
    #[schemars(with = "Option<bool>")]
    pub nfkc: Option<Spanned<bool>>,
    /// Zero-width and other invisible characters are dropped. Default and only value: true.
    #[schemars(with = "Option<bool>")]
    pub strip_invisible: Option<Spanned<bool>>,
    /// Letters of other scripts are read as the Latin ones that they look like. Default and only value: true.
    #[schemars(with = "Option<bool>")]
    pub confusables: Option<Spanned<bool>>,
    /// Digits and signs for letters, as in `d4rn`: `beside_letters` reads them in words that have letters enough, so `45 45` stays a
    /// number; `off` never does, and misses all of them. Default: `beside_letters`.
    #[schemars(with = "Option<String>", extend("enum" = ["beside_letters", "off"]))]
    pub leet: Option<Spanned<String>>,
    /// Runs of one letter, as in `daaaarn`: 2 (or 1) reads long ones as two letters and as one, 0 leaves them as they are. Default: 2.
    #[schemars(with = "Option<u32>", range(min = 0, max = 2))]
    pub max_repeat: Option<Spanned<u32>>,
    /// Whether letters with spaces or dots between them, as in `d a r n`, are joined. Default: true.
    pub join_spaced: Option<bool>,
    /// Short messages of one user in one channel are read together, for a word that is spread over several. Default: not; their text is
    /// kept in the state for as long as `within`.
    pub join_messages: Option<Join>,
}

/// Which messages are read together: those of at most 32 bytes, with a next one of at most 64.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// How many messages, the present one included: 2 to 8. More find longer words, and more chance ones.
    #[schemars(with = "u32", range(min = 2, max = 8))]
    pub last: Spanned<u32>,
    /// The longest time between the first of them and the present one, such as `"20s"`; at most `"5m"`. The longer, the more often
    /// unrelated messages make a word.
    #[schemars(with = "String", regex(pattern = super::reference::TIME))]
    pub within: Spanned<String>,
}

/// Where a hit says something else than it seems to: a quotation, a question, a negation. Needs `before`, `after` or `quoted`; of several,
/// all must hold.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Patterns of which one stands before the hit. Default: none are needed.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub before: Vec<Spanned<String>>,
    /// Patterns of which one stands after the hit. Default: none are needed.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub after: Vec<Spanned<String>>,
    /// Most words between the hit and those patterns: 0 to 8. Default: 0, right beside it; at 8 a word of another thought guards.
    #[schemars(with = "Option<u32>", range(min = 0, max = 8))]
    pub within: Option<Spanned<u32>>,
    /// Whether the hit must stand in quotation marks. Default: false. Everybody can write quotation marks: lower the risk, do not drop it.
    #[serde(default)]
    pub quoted: bool,
    /// The risk that is left of a guarded hit: 0 to 7. Default: 0, the hit is dropped; from the term's own risk on it changes nothing.
    #[schemars(with = "Option<u8>", range(min = 0, max = 7))]
    pub lowers_to: Option<Spanned<u8>>,
    /// It guards all terms of these topics. Default: only the terms that name it in `guards`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub topics: Vec<Spanned<String>>,
}

/// What is recognised by its form. Which of the keys from `allow` on belong to which type stands in the list of detectors.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    /// Names the rule in verdicts; each rule of a policy has its own.
    #[schemars(with = "String")]
    pub id: Spanned<String>,
    /// What is recognised.
    #[serde(rename = "type")]
    #[schemars(with = "String", extend("enum" = super::reference::detectors()))]
    pub kind: Spanned<String>,
    /// One of `policy.topics`.
    #[schemars(with = "String")]
    pub topic: Spanned<String>,
    /// 0 harmless to 7 worst: what the audience's levels are compared with. 0 labels and never acts.
    #[schemars(with = "u8", range(min = 0, max = 7))]
    pub risk: Spanned<u8>,
    /// How often a bare hit is right: 0 to 1, three decimals. Default: 1. Below 0.5 a hit counts only together with other weak rules of its
    /// topic; at 0 never.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    pub weight: Option<Spanned<f64>>,
    /// Whether it is at work. Default: true; false keeps its settings in the file and nothing of it in the policy.
    pub enabled: Option<bool>,
    /// For `url`: domains whose links are no hits, with all below them. Default: none, every link is a hit.
    #[schemars(with = "Option<Vec<String>>")]
    pub allow: Option<Spanned<Vec<String>>>,
    /// For `domain`, `look_alike` (both need it) and `invite`: the domains, with all below them, such as `example.com`. Default for
    /// `invite`: only the well-known services.
    #[schemars(with = "Option<Vec<String>>")]
    pub domains: Option<Spanned<Vec<String>>>,
    /// For `caps`: least letters of a text, 1 to 1000. Default: 12; below 5 every `LOL` is a hit.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1000))]
    pub letters: Option<Spanned<u32>>,
    /// For `caps`: least capitals among a hundred letters, 1 to 100. Default: 80; below 30 ordinary sentences with names are hits.
    #[schemars(with = "Option<u32>", range(min = 1, max = 100))]
    pub percent: Option<Spanned<u32>>,
    /// For `repetition`: how often a character or word stands in a row, 3 to 1000. Default: 10; at 3 every `hmmm` is a hit.
    #[schemars(with = "Option<u32>", range(min = 3, max = 1000))]
    pub times: Option<Spanned<u32>>,
    /// For `emoji`: least pictures in a text, 1 to 1000. Default: 10; at 1 every smile is a hit.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1000))]
    pub count: Option<Spanned<u32>>,
}

/// The lowest risk at which each action starts: 1 to 7, and 0 counts as 1, so what is harmless stays allowed. The hardest that is reached
/// counts: `block` over `mask` over `flag`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// From this risk on the message is allowed and marked for whoever looks. Default: never; above `mask` or `block` never either.
    #[schemars(with = "Option<u8>", range(min = 0, max = 7))]
    pub flag: Option<Spanned<u8>>,
    /// From this risk on the words are hidden; when no word carries the risk, the message is blocked. Default: never.
    #[schemars(with = "Option<u8>", range(min = 0, max = 7))]
    pub mask: Option<Spanned<u8>>,
    /// From this risk on the message is not shown. Default: never; at 1 every hit blocks.
    #[schemars(with = "Option<u8>", range(min = 0, max = 7))]
    pub block: Option<Spanned<u8>>,
    /// From this risk on people are asked, whatever else is done. Default: never; at 1 every hit waits for somebody.
    #[schemars(with = "Option<u8>", range(min = 0, max = 7))]
    pub escalate: Option<Spanned<u8>>,
    /// Where an escalation goes: a name for whoever reads the effects. Default: `default`.
    pub queue: Option<String>,
}

/// What is special about channels. Needs `audience`, `urls` or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The audience that judges, whatever the message says. Default: the message's.
    #[schemars(with = "Option<String>")]
    pub audience: Option<Spanned<String>>,
    /// What links may be posted. Default: no rule but those of detectors.
    pub urls: Option<Urls>,
}

/// What links may be posted in a channel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Urls {
    /// Domains whose links are fine, with all below them, also for `url` detectors. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<Spanned<String>>,
    /// What happens to a message with any other link, whoever reads it.
    #[schemars(with = "String", extend("enum" = ["allow", "flag", "mask", "block"]))]
    pub other: Spanned<String>,
}

/// How far a user's trust moves every level. Negative: stricter. Levels never move below 1.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// For untrusted users: -7 to 7. Default: 0; at -7 everything with a risk gets the hardest action that its topic knows.
    #[schemars(with = "Option<i8>", range(min = -7, max = 7))]
    pub untrusted: Option<Spanned<i8>>,
    /// For trusted users: -7 to 7. Default: 0; at 7 nothing is done to what they say.
    #[schemars(with = "Option<i8>", range(min = -7, max = 7))]
    pub trusted: Option<Spanned<i8>>,
    /// Topics whose levels trust does not move, such as threats. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub pinned: Vec<Spanned<String>>,
}

/// Words and phrases of one risk.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// Names the rule in verdicts; each rule of a policy has its own.
    #[schemars(with = "String")]
    pub id: Spanned<String>,
    /// Patterns, any of which is a hit; at least one.
    #[serde(rename = "match")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub patterns: Vec<Spanned<String>>,
    /// One of `policy.topics`.
    #[schemars(with = "String")]
    pub topic: Spanned<String>,
    /// 0 harmless to 7 worst: what the audience's levels are compared with. At 0 only context rules hear of it.
    #[schemars(with = "u8", range(min = 0, max = 7))]
    pub risk: Spanned<u8>,
    /// How often a bare hit is right: 0 to 1, three decimals. Default: 1. Below 0.5 a hit counts only together with other weak rules of its
    /// topic; at 0 never.
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    pub weight: Option<Spanned<f64>>,
    /// Only in messages of this language, such as `de`, which counts for `de-AT` too; a message that names none may be of any. Default:
    /// every language.
    pub language: Option<String>,
    /// Whether it is found inside words too. Default: false; below four letters it hits innocent words everywhere.
    #[serde(default)]
    pub partial: bool,
    /// Whether it is also found misspelt, starred out (`d**n`) or in pieces (`dar n`). Default: false; words below four letters are not looked
    /// for misspelt. Beside `partial` it does nothing.
    #[serde(default)]
    pub fuzzy: bool,
    /// Names of guards, besides those of its topic. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub guards: Vec<Spanned<String>>,
    /// Patterns that beat this term where they overlap its hit: `darning needle`. Default: none; one without a word of the term does
    /// nothing.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub exceptions: Vec<Spanned<String>>,
}

/// What looks like a hit and is none.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Patterns that beat every hit that they overlap.
    #[serde(rename = "match")]
    #[schemars(with = "Vec<String>")]
    pub patterns: Vec<Spanned<String>>,
    /// The highest risk of a rule whose hits it beats: 0 to 7. At 7 a worst word beside an allowed one is let through.
    #[schemars(with = "u8", range(min = 0, max = 7))]
    pub max_risk: Spanned<u8>,
}

/// A rule about what one user does over time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Names the rule in verdicts, and its counters: an edited rule goes on counting, one under a new id begins anew.
    #[schemars(with = "String")]
    pub id: Spanned<String>,
    /// `event_count` counts messages, `value_count` different values of `field`, `temporal_ordered` hears `rules` one after another.
    #[serde(rename = "type")]
    #[schemars(with = "String", extend("enum" = ["event_count", "value_count", "temporal_ordered"]))]
    pub kind: Spanned<String>,
    /// What is counted apart: always `user`; with `channel` in each channel; for `event_count`, with `text.fingerprint` each text, whatever
    /// its capitals, signs and look-alike letters; with `text.near` also nearly the same ones.
    #[schemars(with = "Vec<String>", extend("items" = { "type": "string", "enum": ["user", "channel", "text.fingerprint", "text.near"] }))]
    pub group_by: Spanned<Vec<String>>,
    /// For `value_count`, which needs it: what is counted. Default: no other type takes it.
    #[schemars(with = "Option<String>", extend("enum" = ["channel", "text.fingerprint", "reply_to"]))]
    pub field: Option<Spanned<String>>,
    /// Only messages that these rules speak about count: ids of terms, detectors and context rules, or `topic/NAME`. For
    /// `temporal_ordered` 2 to 8, in their order. Default: all messages count.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub rules: Vec<Spanned<String>>,
    /// How far back the window reaches: a number with `ms`, `s`, `m`, `h` or `d`, at most `"90d"`. What is in it stays in the state of
    /// each user: beyond an hour write [strikes].
    #[schemars(with = "String", regex(pattern = super::reference::TIME))]
    pub timespan: Spanned<String>,
    /// From how many on the rule fires. Default: `temporal_ordered` has none, the other types need it.
    pub condition: Option<Condition>,
    /// What follows for the message that fires it.
    pub then: Then,
}

/// From how many on a context rule fires.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// 1 to 100 events, the present message included; all windows of a policy count to at most 512. At 1 every message fires.
    #[schemars(with = "i64", range(min = 1, max = 100))]
    pub gte: Spanned<i64>,
}

/// What follows when a context rule fires.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// The topic of the label that the message gets: one of `policy.topics`.
    #[schemars(with = "String")]
    pub topic: Spanned<String>,
    /// The risk of that label: 0 to 7. The audience's levels apply; as no word carries it, `mask` becomes `block`.
    #[schemars(with = "u8", range(min = 0, max = 7))]
    pub risk: Spanned<u8>,
    /// What is done besides, at least: an action for the message, or a mute or escalation of its user. Default: what the levels say.
    #[schemars(with = "Option<String>", extend("enum" = super::reference::CONSEQUENCES))]
    pub action: Option<Spanned<String>>,
    /// How long a mute lasts, such as `"60s"`; at most `"90d"`. It binds from the next message on. Default: none; only a mute takes it, and
    /// needs it.
    #[serde(rename = "for")]
    #[schemars(with = "Option<String>", regex(pattern = super::reference::TIME))]
    pub duration: Option<Spanned<String>>,
    /// Where an escalation goes. Default: `default`.
    pub queue: Option<String>,
}

/// Points for what was said, and what follows from many.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Strikes {
    /// Points by the highest risk of a message, `"0"` to `"7"`: 0 to 1000, three decimals. A risk that is not named gives none; points for
    /// risk 0 or 1 punish what is hardly wrong.
    #[schemars(with = "BTreeMap<String, f64>")]
    pub per_risk: BTreeMap<Spanned<String>, Spanned<f64>>,
    /// After which time half of the points are left, such as `"7d"`; at most `"90d"`. Shorter than the mutes of `at`, it forgets users
    /// before they are back.
    #[schemars(with = "String", regex(pattern = super::reference::TIME))]
    pub half_life: Spanned<String>,
    /// What follows at how many points; all steps that are reached count.
    pub at: Vec<Step>,
}

/// What follows when a user's points reach a number. Needs `trust`, `action` or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Points, three decimals, up to a million. At 0 the first point is enough.
    #[schemars(with = "f64", range(min = 0.0, max = 1_000_000.0))]
    pub gte: Spanned<f64>,
    /// The trust level that the user gets, for as long as half of these points are left. Default: it stays.
    #[schemars(with = "Option<String>", extend("enum" = ["untrusted", "normal", "trusted"]))]
    pub trust: Option<Spanned<String>>,
    /// `mute` or `escalate`; actions on messages come too late here and do nothing. Default: none.
    #[schemars(with = "Option<String>", extend("enum" = super::reference::CONSEQUENCES))]
    pub action: Option<Spanned<String>>,
    /// How long a mute lasts, such as `"10m"`; at most `"90d"`. Default: none; only a mute takes it, and needs it.
    #[serde(rename = "for")]
    #[schemars(with = "Option<String>", regex(pattern = super::reference::TIME))]
    pub duration: Option<Spanned<String>>,
    /// Where an escalation goes. Default: `default`.
    pub queue: Option<String>,
}

/// One message, or several with times, and what the last one must get.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// The one message. Default: those of `messages`, and one of the two must be there.
    #[serde(rename = "in")]
    pub input: Option<Input>,
    /// Several messages in the order of their times. Default: the one of `in`.
    #[serde(default)]
    pub messages: Vec<Input>,
    /// What the verdict of the last message must be.
    pub expect: Expect,
}

/// A message of a test.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What the user writes.
    pub text: String,
    /// The audience that the message names. Default: none, so `default` judges it.
    pub audience: Option<String>,
    /// The language that the message names. Default: none, so terms of every language are heard.
    pub language: Option<String>,
    /// The channel. Default: one with an empty name, which only `*` fits.
    #[serde(default)]
    pub channel: String,
    /// Who writes. Default: `user`; tests know nothing of each other's users.
    pub user: Option<String>,
    /// Time since the first message, such as `"5s"`. Default: `"0s"`.
    #[schemars(with = "Option<String>", regex(pattern = super::reference::TIME))]
    pub at: Option<Spanned<String>>,
}

/// What the verdict of the last message must be; what is not named may be anything.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// `allow`, `flag`, `mask` or `block`. Default: any.
    pub action: Option<String>,
    /// How it was judged: `judged`, or `muted` while a mute binds. Default: any.
    pub code: Option<String>,
    /// A topic that must have a label. Default: any.
    pub topic: Option<String>,
    /// The risk of that topic's label; without `topic` the highest of all. Default: any.
    #[schemars(range(min = 0, max = 7))]
    pub risk: Option<u8>,
    /// The ids of all rules that speak, in any order; `[]`: none does. Default: any.
    pub matched: Option<Vec<String>>,
    /// The text with its words hidden. Default: any.
    pub masked: Option<String>,
    /// Kinds of effects that must be there, beside which there may be others. Default: any.
    #[serde(default)]
    #[schemars(extend("items" = { "type": "string", "enum": ["mute", "escalate", "trust"] }))]
    pub effects: Vec<String>,
}
