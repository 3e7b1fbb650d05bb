//! Inline tests.

use super::super::document::{Test, TestMessage};
use super::super::error::did_you_mean;
use super::super::source;
use super::Parser;
use toml::Spanned;

/// What a verdict may bring about for its user.
const EFFECTS: [&str; 3] = ["mute", "escalate", "trust"];

impl Parser<'_> {
    pub(super) fn test(&mut self, index: usize, test: Spanned<source::Test>) -> Option<Test> {
        let at = test.span().start;
        let test = test.into_inner();
        let inputs = match (test.input, test.messages) {
            (Some(input), messages) if messages.is_empty() => vec![input],
            (None, messages) if !messages.is_empty() => messages,
            _ => {
                self.problems.at(at, "a test has either `in` or `messages`");
                return None;
            }
        };
        let mut messages = Vec::new();
        for input in inputs {
            let since = input.at.as_ref().map_or(0, |at| self.duration_or_zero(at));
            if messages
                .last()
                .is_some_and(|last: &TestMessage| last.at > since)
            {
                self.problems.at(
                    at,
                    "the messages of a test must be in the order of their times",
                );
            }
            let user = input.user.unwrap_or_else(|| "user".to_owned());
            messages.push(TestMessage {
                at: since,
                user,
                channel: input.channel,
                audience: input.audience,
                language: input.language,
                text: input.text,
            });
        }
        let expect = test.expect;
        for kind in &expect.effects {
            if !EFFECTS.contains(&kind.as_str()) {
                let hint = did_you_mean(kind, &EFFECTS);
                self.problems
                    .at(at, format!("unknown effect `{kind}`{hint}"));
            }
        }
        let name = format!("test {}", index + 1);
        Some(Test {
            name,
            messages,
            action: expect.action,
            code: expect.code,
            topic: expect.topic,
            risk: expect.risk,
            matched: expect.matched,
            masked: expect.masked,
            effects: expect.effects,
        })
    }
}
