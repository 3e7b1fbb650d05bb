//! A chat room under one policy: what is said there, and which rules spoke.

#![allow(dead_code, reason = "each test binary uses its part")]

use gavel_judge::{
    ControlLog, Document, Fold, MemoryContexts, PartitionState, Patience, Policy, Record, Step,
    Timestamp,
};
use gavel_schemas::{ChatMessage, VerdictRecord, decode_verdict, encode_message};
use std::sync::Arc;

const HEAD: &str = r#"
[policy]
id = "language"
topics = ["rude", "hate", "threat", "pii", "spam"]
"#;
const AUDIENCE: &str =
    "[audience.default]\ndefault = { flag = 1, mask = 3, block = 5, escalate = 7 }\n";

/// The rules that most tests need.
pub const DARN: &str = r#"
[[term]]
id = "darn"
match = ["darn"]
topic = "rude"
risk = 3
"#;

/// Who hates whom, and what says so.
pub const HATE: &str = r#"
[words]
pronoun = ["i"]
hate = { fuzzy = true, match = ["hate", "despise", "cant stand", "can't stand"] }
group = { fuzzy = true, match = ["groups", "klingons", "@small_group"] }
small_group = ["gnomes", "dwarv*"]
[[term]]
id = "hate"
match = ["@hate (0..3) @group"]
topic = "hate"
risk = 5
"#;

pub struct Room {
    fold: Fold,
    control: ControlLog,
    contexts: MemoryContexts,
    offset: i64,
    at: i64,
}

/// A room under these rules, with the usual topics and thresholds.
#[track_caller]
pub fn room(rules: &str) -> Room {
    room_with(HEAD, rules, &[])
}

/// A room under a head of its own and lists.
#[track_caller]
pub fn room_with(head: &str, rules: &str, lists: &[(&str, &str)]) -> Room {
    let audience = if rules.contains("[audience.default]") {
        ""
    } else {
        AUDIENCE
    };
    Room::under(&format!("{head}{audience}{rules}"), lists)
}

/// The problems of a policy with these rules.
pub fn problems(rules: &str) -> String {
    let text = format!("{HEAD}{AUDIENCE}{rules}");
    let parsed = Document::parse("p.toml", &text, &mut |_| Err("no lists".into()));
    parsed.map_or_else(|error| error.problems.join("\n"), |_| String::new())
}

impl Room {
    /// A room under a whole policy.
    #[track_caller]
    pub fn under(text: &str, lists: &[(&str, &str)]) -> Room {
        let document = Document::parse("p.toml", text, &mut |name| {
            let list = lists.iter().find(|(known, _)| *known == name);
            list.map(|(_, text)| (*text).to_owned())
                .ok_or("no such list".to_owned())
        });
        let document = document.unwrap_or_else(|error| panic!("{error}"));
        let policy = Arc::new(Policy::compile(&document).expect("it compiles"));
        Room {
            fold: Fold::with_policy("log", 0, PartitionState::default(), policy),
            control: ControlLog::new(),
            contexts: MemoryContexts::default(),
            offset: 0,
            at: 1_767_636_000_000,
        }
    }

    /// So many seconds later, somebody sends this.
    pub fn send(&mut self, seconds: i64, message: ChatMessage<'_>) -> VerdictRecord {
        self.at += seconds * 1_000;
        let mut value = Vec::new();
        encode_message(&message, &mut value);
        let record = Record {
            offset: self.offset,
            timestamp: Timestamp::LogAppend(self.at),
            key: None,
            value: Some(&value),
            headers_len: 0,
        };
        self.offset += 1;
        match self
            .fold
            .step(&record, &self.control, Patience::Refuse, &mut self.contexts)
        {
            Ok(Step::Verdict(ruling)) => decode_verdict(ruling.verdict).expect("a verdict"),
            other => panic!("{other:?}"),
        }
    }

    /// So many seconds later, one user says this.
    pub fn say(&mut self, seconds: i64, text: &str) -> VerdictRecord {
        self.send(seconds, of(text))
    }

    /// What is said about a text of somebody who has said nothing before.
    pub fn hear(&mut self, text: &str) -> VerdictRecord {
        let user = format!("newcomer-{}", self.offset);
        self.send(
            0,
            ChatMessage {
                user: user.into(),
                ..of(text)
            },
        )
    }

    /// The rules that speak about such a text.
    pub fn found(&mut self, text: &str) -> String {
        rules(&self.hear(text))
    }

    pub fn action(&mut self, text: &str) -> String {
        self.hear(text).action
    }

    /// Which disguise the first hit wore.
    pub fn disguise(&mut self, text: &str) -> String {
        let verdict = self.hear(text);
        let first = verdict.reasons.first();
        first.map_or_else(|| "not found".to_owned(), |reason| reason.evasion.clone())
    }

    /// Each of the texts is found by this rule alone.
    #[track_caller]
    pub fn finds(&mut self, rule: &str, texts: &[&str]) {
        for text in texts {
            assert_eq!(self.found(text), rule, "{text}");
        }
    }

    /// Nothing is said about any of the texts.
    #[track_caller]
    pub fn passes(&mut self, texts: &[&str]) {
        for text in texts {
            let verdict = self.hear(text);
            assert_eq!(rules(&verdict), "", "{text}");
            assert_eq!(verdict.action, "allow", "{text}");
        }
    }

    /// Whether this is still kept of any user.
    pub fn remembers(&self, text: &str) -> bool {
        let mut kept = self.contexts.0.values();
        kept.any(|bytes| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        })
    }
}

/// A message of one user in the lobby.
pub fn of(text: &str) -> ChatMessage<'_> {
    ChatMessage {
        community: "c".into(),
        channel: "lobby".into(),
        user: "u".into(),
        text: text.into(),
        kind: "message".into(),
        ..ChatMessage::default()
    }
}

/// The rules of a verdict, once each and in the order of their names.
pub fn rules(verdict: &VerdictRecord) -> String {
    let mut rules: Vec<&str> = verdict
        .reasons
        .iter()
        .map(|reason| reason.rule.as_str())
        .collect();
    rules.sort_unstable();
    rules.dedup();
    rules.join(" ")
}

/// The risk of a topic, if it has a label.
pub fn risk(verdict: &VerdictRecord, topic: &str) -> Option<i32> {
    let label = verdict.labels.iter().find(|label| label.topic == topic);
    label.map(|label| label.risk)
}

/// Kinds of effects, and what they name.
pub fn effects(verdict: &VerdictRecord) -> Vec<String> {
    let effects = verdict.effects.iter().map(|effect| {
        let what = effect.queue.as_deref().or(effect.trust.as_deref());
        what.map_or_else(
            || effect.kind.clone(),
            |what| format!("{} {what}", effect.kind),
        )
    });
    effects.collect()
}

/// A context rule.
pub fn context(kind: &str, group: &str, gte: u32, more: &str) -> String {
    format!(
        "[[context]]\nid = \"often\"\ntype = \"{kind}\"\ngroup_by = [{group}]\ntimespan = \"10s\"\ncondition = {{ gte = {gte} }}\n\
         then = {{ topic = \"spam\", risk = 2 }}\n{more}\n"
    )
}
