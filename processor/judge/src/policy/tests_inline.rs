//! Inline tests: what the author expects, judged by the very fold.
//!
//! Invariant: a test hears what a partition would: text, user, channel, audience, language and time of each message. A test that left
//! one of them out would pass where the policy fails.

use super::document::{Document, Test};
use super::{Policy, PolicyError};
use crate::fold::{Fold, Patience, Step};
use crate::{MemoryContexts, PartitionState, Record, Timestamp};
use gavel_schemas::{ChatMessage, VerdictRecord, decode_verdict, encode_message};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A test whose verdict is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    pub test: String,
    pub text: String,
    /// What differs: expected and found.
    pub differences: Vec<String>,
}

/// What became of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct TestVerdict {
    pub test: String,
    /// Of the last message.
    pub text: String,
    /// What differs: expected and found. None: it passed.
    pub differences: Vec<String>,
    /// Of the last message; None: the fold gave none.
    pub verdict: Option<VerdictRecord>,
    /// Of the other messages.
    earlier: Vec<String>,
}

impl TestVerdict {
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether `part` is in its name, in one of its texts or in a rule that spoke.
    pub fn speaks_of(&self, part: &str) -> bool {
        let rules = self.verdict.iter().flat_map(|verdict| &verdict.reasons);
        self.test.contains(part)
            || self.text.contains(part)
            || self.earlier.iter().any(|text| text.contains(part))
            || rules.into_iter().any(|reason| reason.rule.contains(part))
    }
}

/// An evening in 2026: tests see one fixed time.
const START: i64 = 1_767_636_000_000;

/// Runs all inline tests, each on its own users; those that fail.
pub fn run_tests(document: &Document) -> Result<Vec<TestFailure>, PolicyError> {
    let failed = test_verdicts(document)?
        .into_iter()
        .filter(|one| !one.passed());
    Ok(failed
        .map(|one| TestFailure {
            test: one.test,
            text: one.text,
            differences: one.differences,
        })
        .collect())
}

/// Runs all inline tests, each on its own users.
pub fn test_verdicts(document: &Document) -> Result<Vec<TestVerdict>, PolicyError> {
    let policy = Arc::new(Policy::compile(document)?);
    let tests = document.tests.iter();
    Ok(tests.map(|test| judged(&policy, test)).collect())
}

fn judged(policy: &Arc<Policy>, test: &Test) -> TestVerdict {
    let mut texts: Vec<String> = test
        .messages
        .iter()
        .map(|message| message.text.clone())
        .collect();
    let text = texts.pop().unwrap_or_default();
    let (differences, verdict) = match judge(policy, test) {
        Ok(verdict) => (differences(test, &verdict), Some(verdict)),
        Err(problem) => (vec![problem], None),
    };
    TestVerdict {
        test: test.name.clone(),
        text,
        differences,
        verdict,
        earlier: texts,
    }
}

fn differences(test: &Test, verdict: &VerdictRecord) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, expected: Option<String>, found: String| {
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            differences.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    compare("action", test.action.clone(), verdict.action.clone());
    compare("code", test.code.clone(), verdict.code.clone());
    compare(
        "masked",
        test.masked.clone(),
        verdict.masked_text.clone().unwrap_or_default(),
    );
    let risk = |topic: &str| {
        verdict
            .labels
            .iter()
            .find(|label| label.topic == topic)
            .map(|label| label.risk)
    };
    if let Some(topic) = &test.topic {
        let found = risk(topic).map_or("no such label".to_owned(), |risk| risk.to_string());
        let expected = test.risk.map_or_else(
            || risk(topic).map_or("a label".to_owned(), |risk| risk.to_string()),
            |risk| risk.to_string(),
        );
        compare(&format!("risk of `{topic}`"), Some(expected), found);
    } else if let Some(expected) = test.risk {
        let highest = verdict
            .labels
            .iter()
            .map(|label| label.risk)
            .max()
            .unwrap_or(0);
        compare("risk", Some(expected.to_string()), highest.to_string());
    }
    if let Some(matched) = &test.matched {
        let rules: BTreeSet<&str> = verdict
            .reasons
            .iter()
            .map(|reason| reason.rule.as_str())
            .collect();
        let wanted: BTreeSet<&str> = matched.iter().map(String::as_str).collect();
        compare("matched", Some(format!("{wanted:?}")), format!("{rules:?}"));
    }
    let kinds: BTreeSet<&str> = verdict
        .effects
        .iter()
        .map(|effect| effect.kind.as_str())
        .collect();
    let wanted: BTreeSet<&str> = test.effects.iter().map(String::as_str).collect();
    // Others may be there: an escalation beside the mute that the test is about.
    if !wanted.is_subset(&kinds) {
        compare("effects", Some(format!("{wanted:?}")), format!("{kinds:?}"));
    }
    differences
}

/// The verdict of the last message.
fn judge(policy: &Arc<Policy>, test: &Test) -> Result<VerdictRecord, String> {
    let mut fold = Fold::with_policy("test", 0, PartitionState::default(), Arc::clone(policy));
    let mut contexts = MemoryContexts::default();
    let control = crate::ControlLog::new();
    let mut last = Err("the test has no messages".to_owned());
    for (offset, message) in (0i64..).zip(&test.messages) {
        let chat = ChatMessage {
            community: "test".into(),
            channel: message.channel.as_str().into(),
            user: message.user.as_str().into(),
            text: message.text.as_str().into(),
            audience: message.audience.as_deref().map(Into::into),
            language: message.language.as_deref().map(Into::into),
            kind: "message".into(),
            ..ChatMessage::default()
        };
        let mut value = Vec::new();
        encode_message(&chat, &mut value);
        let timestamp = Timestamp::LogAppend(START.saturating_add(message.at));
        let record = Record {
            offset,
            timestamp,
            key: None,
            value: Some(&value),
            headers_len: 0,
        };
        let Ok(step) = fold.step(&record, &control, Patience::Refuse, &mut contexts);
        last = match step {
            Step::Verdict(ruling) => {
                decode_verdict(ruling.verdict).map_err(|error| error.to_string())
            }
            Step::Await { .. } | Step::Halt(_) => Err("the fold stopped".to_owned()),
        };
    }
    last
}
