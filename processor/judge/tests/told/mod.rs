//! Explanations held against the verdicts of the same step, and histories to ask about.

use crate::bench::{Bench, message};
use gavel_judge::{
    CountedRule, Explained, Explanation, FoundHit, Patience, Record, RecordKind, Step, Timestamp,
};
use gavel_schemas::{ChatMessage, Order, ReasonRecord, UserErased, encode_message};

/// Everything that the fold knows at once.
const RICH: &str = r#"
[policy]
id = "rich"
topics = ["vulgar", "threat", "spam", "pii"]
[policy.normalise]
join_messages = { last = 3, within = "20s" }
[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 6 }
spam = { flag = 1, block = 4 }
[audience.under13]
default = { flag = 1, mask = 2, block = 4, escalate = 4, queue = "kids" }
[channel]
"kids-*" = { audience = "under13", urls = { allow = ["example.com"], other = "mask" } }
[trust]
untrusted = -2
pinned = ["threat"]
[[term]]
id = "v2"
match = ["heck"]
topic = "vulgar"
risk = 2
[[term]]
id = "v3"
match = ["darn*"]
topic = "vulgar"
risk = 3
exceptions = ["darning needle"]
[[term]]
id = "v5"
match = ["crud"]
topic = "vulgar"
risk = 5
fuzzy = true
guards = ["quoted"]
[[term]]
id = "weak-1"
match = ["alone"]
topic = "threat"
risk = 4
weight = 0.4
[[term]]
id = "weak-2"
match = ["secret"]
topic = "threat"
risk = 3
weight = 0.3
[[term]]
id = "t7"
match = ["i will find you"]
topic = "threat"
risk = 7
[[allow]]
match = ["heck yeah"]
max_risk = 3
[[detector]]
id = "mail"
type = "email"
topic = "pii"
risk = 3
[guard.quoted]
before = ["he said"]
lowers_to = 1
within = 2
[[context]]
id = "flood"
type = "event_count"
group_by = ["user", "channel"]
timespan = "10s"
condition = { gte = 4 }
then = { topic = "spam", risk = 4, action = "mute", for = "30s" }
[[context]]
id = "again"
type = "event_count"
group_by = ["user", "text.fingerprint"]
timespan = "60s"
condition = { gte = 2 }
then = { topic = "spam", risk = 2, action = "flag" }
[[context]]
id = "nearly"
type = "event_count"
group_by = ["user", "text.near"]
timespan = "60s"
condition = { gte = 3 }
then = { topic = "spam", risk = 3 }
[[context]]
id = "rooms"
type = "value_count"
field = "channel"
group_by = ["user"]
timespan = "60s"
condition = { gte = 3 }
then = { topic = "spam", risk = 1, action = "escalate", queue = "raids" }
[[context]]
id = "groom"
type = "temporal_ordered"
group_by = ["user"]
rules = ["weak-1", "weak-2"]
timespan = "60s"
then = { topic = "threat", risk = 6, action = "block" }
[[context]]
id = "rude-twice"
type = "event_count"
group_by = ["user"]
rules = ["topic/vulgar", "again"]
timespan = "30s"
condition = { gte = 2 }
then = { topic = "vulgar", risk = 4 }
[strikes]
per_risk = { "4" = 0.5, "5" = 2.0, "7" = 4.0 }
half_life = "1h"
at = [ { gte = 2.0, trust = "untrusted" }, { gte = 4.0, action = "mute", for = "1m" }, { gte = 5.0, action = "escalate", queue = "repeat" } ]
"#;

const TEXTS: [&str; 26] = [
    "hello there",
    "hello there",
    "hello there!",
    "what the heck",
    "heck yeah",
    "D4RN it",
    "a darning needle",
    "c r u d you",
    "crudd",
    "he said crud",
    "you are alone",
    "a secret",
    "alone with a secret",
    "I will",
    "find you",
    "i will find you",
    "write to me@example.org",
    "see https://evil.example.net/x and https://example.com/y",
    "\u{202e}nrad\u{202c} ok",
    "ｄａｒｎ",
    "d\u{200b}arn",
    "",
    "ok",
    "c*ud",
    "daaaarn",
    "кот 𝄞 crud",
];

/// Who says what, from a number.
pub struct History {
    pub bench: Bench,
    seed: u64,
    said: u32,
    /// Made ahead of the fold: a marker of an order that was written just now.
    pending: Vec<Vec<u8>>,
}

impl History {
    pub fn new(seed: u64) -> History {
        let mut bench = Bench::empty();
        let order = bench.publish(RICH, "*", 1);
        bench.mark(order);
        History {
            bench,
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            said: 0,
            pending: Vec::new(),
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % limit
    }

    /// The next record's value; the fold has not seen it yet. Time has moved.
    pub fn next(&mut self) -> Vec<u8> {
        if let Some(value) = self.pending.pop() {
            return value;
        }
        self.bench.at += [0, 500, 2_000, 9_000, 70_000][self.below(5) as usize];
        match self.below(30) {
            0 => return b"nonsense".to_vec(),
            1 => {
                let softer = RICH.replace("risk = 5", "risk = 4");
                let scope = ["*", "c"][self.below(2) as usize];
                let order = self.bench.publish(&softer, scope, 1);
                self.bench.control.compile_order(order);
                return self.bench.marker(order);
            }
            2 => {
                let user = format!("u{}", self.below(3));
                let erased = UserErased {
                    community: "c".into(),
                    user,
                    by: "me".into(),
                    reason: String::new(),
                    nonce: vec![7; 16],
                    issued_at: 0,
                };
                let order = self.bench.order(&Order::UserErased(erased));
                return self.bench.marker(order);
            }
            3 => {
                // A word in two messages, one right after the other.
                let user = format!("u{}", self.below(3));
                let value = |text: &'static str| {
                    let message = ChatMessage {
                        user: user.clone().into(),
                        text: text.into(),
                        ..message()
                    };
                    let mut value = Vec::new();
                    encode_message(&message, &mut value);
                    value
                };
                self.pending.push(value("find you"));
                return value("I will");
            }
            _ => {}
        }
        self.said += 1;
        let text = TEXTS[self.below(TEXTS.len() as u64) as usize];
        let user = format!("u{}", self.below(3));
        let channel = ["lobby", "kids-room", "trade"][self.below(3) as usize];
        let id = format!("m{}", self.said);
        let community = if self.below(8) == 0 { "d" } else { "c" };
        let message = ChatMessage {
            message_id: id.into(),
            community: community.into(),
            user: user.into(),
            channel: channel.into(),
            text: text.into(),
            ..message()
        };
        let mut value = Vec::new();
        encode_message(&message, &mut value);
        if self.below(12) == 0 {
            self.pending.push(value.clone());
        }
        value
    }
}

fn record<'a>(bench: &Bench, value: &'a [u8]) -> Record<'a> {
    Record {
        offset: bench.offset,
        timestamp: Timestamp::LogAppend(bench.at),
        key: None,
        value: Some(value),
        headers_len: 0,
    }
}

/// Explains a record and then folds it: the explanation must have changed nothing and must hold the verdict's bytes.
pub fn explained(bench: &mut Bench, value: &[u8]) -> Explanation {
    let record = record(bench, value);
    let before = (bench.fold.state().to_bytes(), bench.contexts.clone());
    let Ok(explained) = bench.fold.explain(
        &record,
        &bench.control,
        Patience::Refuse,
        &mut bench.contexts,
    );
    assert_eq!(
        (bench.fold.state().to_bytes(), bench.contexts.clone()),
        before
    );
    let Explained::Explanation(told) = explained else {
        panic!("{explained:?}");
    };
    assert_eq!(bench.record(value), told.verdict);
    agree(&told);
    *told
}

pub fn sent(bench: &mut Bench, seconds: i64, message: ChatMessage<'_>) -> Explanation {
    bench.at += seconds * 1_000;
    let mut value = Vec::new();
    encode_message(&message, &mut value);
    explained(bench, &value)
}

pub fn said(bench: &mut Bench, seconds: i64, text: &str) -> Explanation {
    let message = ChatMessage {
        text: text.into(),
        ..message()
    };
    sent(bench, seconds, message)
}

/// The verdict of a walk for some users, if the record is one that it folds.
pub fn step_for(
    bench: &mut Bench,
    value: &[u8],
    wanted: &mut dyn FnMut(&str, &str) -> bool,
) -> Option<Vec<u8>> {
    let record = record(bench, value);
    bench.offset += 1;
    let Ok(step) = bench.fold.step_for(
        &record,
        &bench.control,
        Patience::Refuse,
        &mut bench.contexts,
        wanted,
    );
    match step? {
        Step::Verdict(ruling) => Some(ruling.verdict.to_vec()),
        other => panic!("{other:?}"),
    }
}

/// The numbers of an explanation are those of its verdict.
#[track_caller]
fn agree(told: &Explanation) {
    let verdict = &told.verdict;
    assert_eq!(told.record.clock, verdict.judged_at);
    if told.record.kind != RecordKind::Message || told.refused.is_some() {
        return;
    }
    let labels: Vec<(&str, i32)> = verdict
        .labels
        .iter()
        .map(|label| (label.topic.as_str(), label.risk))
        .collect();
    let topics: Vec<(&str, i32)> = told
        .topics
        .iter()
        .map(|topic| (topic.topic.as_str(), i32::from(topic.risk)))
        .collect();
    assert_eq!(topics, labels);
    assert_eq!(reasons(told), verdict.reasons);
    effects(told);
    action(told);
    for topic in &told.topics {
        let fired = told.rules.iter().filter(|rule| rule.fired);
        let of_rules = fired
            .filter(|rule| rule.topic == topic.topic)
            .map(|rule| rule.risk);
        assert_eq!(
            Some(topic.risk),
            of_rules.chain(topic.from_words).max(),
            "{told:#?}"
        );
    }
    told.rules.iter().for_each(|rule| fires(rule, told));
    let text = told.text.as_ref().map_or("", |text| &text.original);
    for hit in &told.hits {
        let part = text.get(hit.start as usize..hit.end as usize);
        assert_eq!(part, Some(hit.words.as_str()));
    }
    for word in told
        .text
        .iter()
        .flat_map(|text| text.views.iter().flat_map(|view| &view.words))
    {
        let part = text.get(word.start as usize..word.end as usize);
        assert!(
            part.is_some_and(|part| !part.is_empty()),
            "{word:?} of {text}"
        );
    }
    if let (Some(struck), Some(after)) = (&told.struck, &told.after) {
        assert_eq!(struck.total, struck.before + struck.added);
        assert_eq!(struck.total, after.strikes);
    }
}

#[track_caller]
fn fires(rule: &CountedRule, told: &Explanation) {
    let ordered = rule.definition.as_ref().is_some_and(|definition| {
        let mut properties = definition.properties.iter();
        properties.any(|one| one.is == ["rules one after another"])
    });
    if ordered {
        assert!(!rule.fired || (rule.heard && rule.count == rule.needs));
    } else {
        assert_eq!(
            rule.fired,
            rule.heard && rule.count >= rule.needs,
            "{rule:?} of {told:#?}"
        );
    }
}

fn reasons(told: &Explanation) -> Vec<ReasonRecord> {
    let plain = |rule: &str| ReasonRecord {
        rule: rule.to_owned(),
        start: 0,
        end: 0,
        start_utf16: 0,
        end_utf16: 0,
        evasion: String::new(),
    };
    let fired = told.rules.iter().filter(|rule| rule.fired);
    let mut all: Vec<ReasonRecord> = fired.map(|rule| plain(&rule.id)).collect();
    if let Some(struck) = &told.struck
        && struck.steps.iter().any(|step| step.reached)
    {
        all.push(plain("strikes"));
    }
    all.sort_by(|a, b| a.rule.cmp(&b.rule));
    all.extend(told.hits.iter().map(|hit| ReasonRecord {
        rule: hit.rule.clone(),
        start: hit.start,
        end: hit.end,
        start_utf16: hit.start_utf16,
        end_utf16: hit.end_utf16,
        evasion: hit.evasion.clone(),
    }));
    all.truncate(16);
    all
}

#[track_caller]
fn effects(told: &Explanation) {
    let verdict = &told.verdict;
    let of = |kind: &'static str| {
        verdict
            .effects
            .iter()
            .filter(move |effect| effect.kind == kind)
    };
    if let (Some(before), Some(after)) = (&told.before, &told.after) {
        let until = of("mute").next().and_then(|effect| effect.until);
        if until.is_some() {
            assert_eq!(until, after.mute_until);
        } else {
            assert_eq!(before.mute_until, after.mute_until);
        }
        let trust = of("trust")
            .next()
            .and_then(|effect| effect.trust.as_deref());
        assert_eq!(trust, (before.trust != after.trust).then_some(after.trust));
    }
    let mut queues: Vec<String> = Vec::new();
    if verdict.duplicate_of.is_none() {
        queues.extend(told.topics.iter().filter_map(|topic| topic.queue.clone()));
        let fired = told.rules.iter().filter(|rule| rule.fired);
        let demands = fired.filter_map(|rule| rule.demands.as_deref());
        let steps = told.struck.iter().flat_map(|struck| &struck.steps);
        let stepped = steps
            .filter(|step| step.reached)
            .filter_map(|step| step.demands.as_deref());
        let asked = demands.chain(stepped);
        queues.extend(asked.filter_map(|what| what.strip_prefix("escalate to ").map(String::from)));
    }
    queues.sort();
    queues.dedup();
    let named: Vec<String> = of("escalate")
        .filter_map(|effect| effect.queue.clone())
        .collect();
    assert_eq!(named, queues);
}

#[track_caller]
fn action(told: &Explanation) {
    let decided = told.decided.as_ref().expect("a message is decided");
    let hardest = decided.because.first().map_or("allow", |one| one.action);
    let expected = if decided.nothing_to_mask {
        "block"
    } else {
        hardest
    };
    assert_eq!(told.verdict.action, expected, "{told:#?}");
}

/// What an explanation is an example of.
pub fn met(told: &Explanation) -> Vec<&'static str> {
    let mut met = Vec::new();
    let mut note = |is: bool, name| met.extend(is.then_some(name));
    let verdict = &told.verdict;
    for code in ["judged", "muted", "refused", "control"] {
        note(verdict.code == code, code);
    }
    for rule in ["flood", "again", "nearly", "rooms", "groom", "rude-twice"] {
        note(
            told.rules.iter().any(|one| one.id == rule && one.fired),
            rule,
        );
    }
    let hit = |is: &dyn Fn(&FoundHit) -> bool| told.hits.iter().any(is);
    note(hit(&|hit| hit.across.is_some()), "across");
    note(hit(&|hit| hit.lowered_from.is_some()), "lowered");
    note(hit(&|hit| hit.rule == "mail"), "mail");
    note(hit(&|hit| hit.topic.is_none()), "links");
    note(!told.too_weak.is_empty(), "too weak");
    note(!told.excused.is_empty(), "excused");
    note(told.excused.iter().any(|one| one.rule.is_none()), "allowed");
    note(verdict.duplicate_of.is_some(), "duplicate");
    note(verdict.action == "mask", "mask");
    let mut views = told.text.iter().flat_map(|text| &text.views);
    note(views.any(|view| view.name == "displayed"), "displayed");
    let nothing = told.decided.as_ref().is_some_and(|one| one.nothing_to_mask);
    note(nothing, "nothing to mask");
    note(told.topics.iter().any(|topic| topic.shift != 0), "shift");
    let mut steps = told.struck.iter().flat_map(|struck| &struck.steps);
    note(steps.any(|step| step.reached), "strikes");
    met
}
