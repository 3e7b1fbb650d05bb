//! Inline tests: what the author expects, judged by the very fold.

use super::document::{Document, Test};
use super::{Policy, PolicyError};
use crate::fold::{Fold, Patience, Step};
use crate::{MemoryContexts, PartitionState, Record, Timestamp};
use gavel_schemas::{ChatMessage, VerdictRecord, decode_verdict, encode_message};
use std::sync::Arc;

/// A test whose verdict is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    pub test: String,
    pub text: String,
    /// What differs: expected and found.
    pub differences: Vec<String>,
}

/// An evening in 2026: tests see one fixed time.
const START: i64 = 1_767_636_000_000;

/// Runs all inline tests, each on its own users.
pub fn run_tests(document: &Document) -> Result<Vec<TestFailure>, PolicyError> {
    let policy = Arc::new(Policy::compile(document)?);
    Ok(document
        .tests
        .iter()
        .filter_map(|test| failure(&policy, test))
        .collect())
}

fn failure(policy: &Arc<Policy>, test: &Test) -> Option<TestFailure> {
    let text = test
        .messages
        .last()
        .map(|message| message.text.clone())
        .unwrap_or_default();
    let failed = |differences| {
        Some(TestFailure {
            test: test.name.clone(),
            text: text.clone(),
            differences,
        })
    };
    let verdict = match judge(policy, test) {
        Ok(verdict) => verdict,
        Err(problem) => return failed(vec![problem]),
    };
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
        let rules: std::collections::BTreeSet<&str> = verdict
            .reasons
            .iter()
            .map(|reason| reason.rule.as_str())
            .collect();
        let wanted: std::collections::BTreeSet<&str> = matched.iter().map(String::as_str).collect();
        compare("matched", Some(format!("{wanted:?}")), format!("{rules:?}"));
    }
    if differences.is_empty() {
        None
    } else {
        failed(differences)
    }
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
