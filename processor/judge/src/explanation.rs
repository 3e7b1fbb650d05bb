//! Why a record has its verdict, in the order in which it was decided.
//!
//! Invariant: nothing in here decides anything. It is read from what the fold's own step left behind, beside the very bytes that the step
//! gave; where the two could differ, the verdict is right.
//!
//! Times are milliseconds since 1970, points of strikes and weights thousandths, spans bytes of UTF-8 unless they say otherwise.

use crate::policy::Definition;
use gavel_schemas::VerdictRecord;
use serde::Serialize;

/// Everything that is known of one decision.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    pub record: TheRecord,
    /// Why nobody could read it.
    pub refused: Option<Refused>,
    /// What a marker did.
    pub order: Option<MarkedOrder>,
    pub policy: Option<JudgingPolicy>,
    /// None: the text was not looked at, because the user was muted or there was no policy.
    pub text: Option<ReadText>,
    /// What counted, in the order of the text.
    pub hits: Vec<FoundHit>,
    /// Rules that were found and are more often wrong than right, without company enough to count.
    pub too_weak: Vec<String>,
    /// What the policy says looks like a hit and is none.
    pub excused: Vec<Excused>,
    /// Context rules; empty when nothing was counted: a retry, a muted user, a record that is no message.
    pub rules: Vec<CountedRule>,
    /// Topics with a risk.
    pub topics: Vec<JudgedTopic>,
    pub decided: Option<Decided>,
    /// None: no strikes in the policy, or the message could not bring any.
    pub struck: Option<Struck>,
    /// What was remembered of the user when the record came, and after it.
    pub before: Option<Remembered>,
    pub after: Option<Remembered>,
    pub verdict: VerdictRecord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    Message,
    Marker,
    Unreadable,
}

/// The record as it stands in the log.
#[derive(Debug, Clone, Serialize)]
pub struct TheRecord {
    pub partition: i32,
    pub offset: i64,
    /// As Kafka gave it; None: it had none.
    pub broker_time: Option<i64>,
    /// Whether the broker set it; a producer's time counts only if it is plausible.
    pub set_by_broker: bool,
    /// The fold's clock, at which it was judged.
    pub clock: i64,
    pub key: Option<String>,
    pub value_bytes: usize,
    /// The registry's id in front of the value; None: it has none.
    pub written_with: Option<WrittenWith>,
    pub kind: RecordKind,
    /// The message's fields, with their names in the schema.
    pub message: Option<serde_json::Value>,
}

/// A registry's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WrittenWith {
    /// `confluent:NUMBER` or `glue:UUID`.
    pub id: String,
    /// The order that made it known before this record; None: it was not known here.
    pub order: Option<i64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    pub code: &'static str,
    pub meaning: String,
}

/// The order that a marker names.
#[derive(Debug, Clone, Serialize)]
pub struct MarkedOrder {
    pub number: i64,
    pub kind: String,
    /// False: there is no such order, or it could not be carried out.
    pub counts: bool,
    pub by: Option<String>,
    pub reason: Option<String>,
    /// What it changed in this partition, in words.
    pub changed: Vec<String>,
}

/// The policy that judged.
#[derive(Debug, Clone, Serialize)]
pub struct JudgingPolicy {
    pub digest: String,
    /// The author's name for it; None: its document is not at hand.
    pub id: Option<String>,
    /// `*` or the community.
    pub scope: String,
    /// Number of the order that activated it; -1 without a control log.
    pub order: i64,
    pub activated_by: Option<String>,
    pub reason: Option<String>,
    pub engine: u32,
}

/// The text and the ways in which it was read.
#[derive(Debug, Clone, Serialize)]
pub struct ReadText {
    pub original: String,
    /// The plain one first; others only when the text gave cause.
    pub views: Vec<ReadView>,
    /// Short messages read together with this one.
    pub together: Option<CrossedText>,
}

/// One way to read the text.
#[derive(Debug, Clone, Serialize)]
pub struct ReadView {
    /// `plain`, or what was undone: `leet`, `leet-other`, `repeat`, `spaced`, `censored`; `displayed` for text that overrides turn around.
    pub name: &'static str,
    pub words: Vec<ViewWord>,
}

/// A word of a view, and where it stands in the original.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ViewWord {
    pub text: String,
    pub start: u32,
    pub end: u32,
    /// A hit touches it.
    pub hit: bool,
}

/// Several short messages as one text.
#[derive(Debug, Clone, Serialize)]
pub struct CrossedText {
    pub text: String,
    /// Where this message begins in it.
    pub own_from: usize,
    /// Earlier messages in it.
    pub earlier: usize,
}

/// A rule that was found in the text.
#[derive(Debug, Clone, Serialize)]
pub struct FoundHit {
    pub rule: String,
    /// None: a link that the channel does not allow, which brings no risk but an action.
    pub topic: Option<String>,
    pub risk: Option<u8>,
    /// The rule's own risk, where a guard lowered it.
    pub lowered_from: Option<u8>,
    pub weight: u32,
    pub start: i32,
    pub end: i32,
    pub start_utf16: i32,
    pub end_utf16: i32,
    /// The original words there.
    pub words: String,
    /// How they were read to be found, where that is not how they are written.
    pub read_as: Option<String>,
    /// What was undone, joined by `+`; empty: nothing.
    pub evasion: String,
    /// The words that reach back into earlier messages.
    pub across: Option<String>,
    /// Whether a masked text hides it.
    pub hidden: bool,
    pub definition: Option<Definition>,
}

/// A place in which the policy lets something pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excused {
    /// The rule whose exception it is; None: an `[[allow]]`, for all rules up to `max_risk`.
    pub rule: Option<String>,
    pub max_risk: Option<u8>,
    pub words: String,
    pub start: u32,
    pub end: u32,
}

/// A context rule and its window.
#[derive(Debug, Clone, Serialize)]
pub struct CountedRule {
    pub id: String,
    /// Whether it counts this message.
    pub heard: bool,
    /// In its window before and with this message. For rules one after another: how many of them were heard in order.
    pub before: usize,
    pub count: usize,
    pub needs: usize,
    pub timespan: i64,
    /// The oldest that counts.
    pub since: Option<i64>,
    pub fired: bool,
    pub topic: String,
    pub risk: u8,
    /// What it demands besides risk, in words.
    pub demands: Option<String>,
    pub definition: Option<Definition>,
}

/// A topic with its risk and what followed from it.
#[derive(Debug, Clone, Serialize)]
pub struct JudgedTopic {
    pub topic: String,
    /// From the words alone; None: no word carries it.
    pub from_words: Option<u8>,
    /// With the context rules: the label.
    pub risk: u8,
    /// The audience's levels before trust moved them.
    pub flag: Option<u8>,
    pub mask: Option<u8>,
    pub block: Option<u8>,
    pub escalate: Option<u8>,
    /// How far trust moved them; no level moves below 1.
    pub shift: i8,
    pub action: &'static str,
    /// The queue that is asked.
    pub queue: Option<String>,
}

/// How the action came about.
#[derive(Debug, Clone, Serialize)]
pub struct Decided {
    pub audience: String,
    /// `channel PATTERN`, `message` or `default`: who named the audience.
    pub audience_from: String,
    pub trust: &'static str,
    /// All that asked for an action, the hardest first.
    pub because: Vec<Because>,
    /// To be masked, but no word carries it: blocked.
    pub nothing_to_mask: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Because {
    pub action: &'static str,
    /// `topic`, `context`, `links`, `retry`, `mute`, `no-policy`.
    pub kind: &'static str,
    /// Its name.
    pub what: String,
}

/// Points that the message brought.
#[derive(Debug, Clone, Serialize)]
pub struct Struck {
    pub highest_risk: u8,
    /// What was left of earlier ones.
    pub before: u64,
    pub added: u64,
    pub total: u64,
    pub half_life: i64,
    pub steps: Vec<StrikeStep>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StrikeStep {
    pub gte: u64,
    /// Reached by this message, which must have brought points.
    pub reached: bool,
    pub trust: Option<&'static str>,
    pub demands: Option<String>,
}

/// What a partition remembers of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remembered {
    /// False: nothing, or nothing any more.
    pub known: bool,
    /// Points left.
    pub strikes: u64,
    pub struck_at: Option<i64>,
    /// None: not muted.
    pub mute_until: Option<i64>,
    pub trust: &'static str,
    /// The level holds while so many points are left.
    pub trust_floor: u64,
    pub windows: Vec<RememberedWindow>,
    /// The messages among which a retry is recognised, oldest first.
    pub messages: Vec<RememberedSaid>,
    /// Short texts kept to be read together with the next.
    pub short_texts: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RememberedWindow {
    pub rule: String,
    /// In this channel, where the rule counts by channel.
    pub count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RememberedSaid {
    pub offset: i64,
    pub action: &'static str,
    pub code: &'static str,
}
