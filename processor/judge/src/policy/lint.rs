//! Lints: what a policy says and what will never come of it.
//!
//! Invariant: a lint is a function of the document alone, in a fixed order, and it speaks only when it is sure: where it cannot tell
//! whether two patterns meet, it says nothing. It prevents the rule in which its author believes and which does nothing; and the warning
//! that is wrong once and never read again. Lints judge no message: they may be added and mended without a new engine.

mod behaviour;
mod levels;
mod shapes;
mod words;

use super::document::Document;
pub(super) use behaviour::{decimal, duration};
use serde::Serialize;
use shapes::Reader;
use std::collections::BTreeMap;

/// Something that is allowed and hardly meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// The kind, under a name that stays: scripts may count on it.
    pub lint: &'static str,
    /// What it is about: the id of a rule, or the name of a class, a guard, a topic, an audience, a channel; empty: the policy.
    pub rule: String,
    /// What is the matter.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

/// Everything that is odd about a policy; empty for one whose every word matters.
pub fn lint(document: &Document) -> Vec<Lint> {
    let mut lints = Lints::default();
    if document.tests.is_empty() {
        lints.add(
            "no-tests",
            "",
            "no [[test]]: nothing shows that the policy does what its author means",
            "write one [[test]] for each rule, and one for each false alarm that it must not raise",
        );
    }
    let mut reader = Reader::new(document);
    words::lint(document, &mut reader, &mut lints);
    levels::lint(document, &mut lints);
    behaviour::lint(document, &mut lints);
    lints.all
}

#[derive(Default)]
struct Lints {
    all: Vec<Lint>,
}

impl Lints {
    fn add(
        &mut self,
        lint: &'static str,
        rule: &str,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.all.push(Lint {
            lint,
            rule: rule.to_owned(),
            what: what.into(),
            mend: mend.into(),
        });
    }
}

/// The highest risk that any rule brings to each topic.
fn highest_risks(document: &Document) -> BTreeMap<&str, u8> {
    let mut highest = BTreeMap::new();
    for (topic, risk) in risks(document) {
        let slot = highest.entry(topic).or_insert(risk);
        *slot = risk.max(*slot);
    }
    highest
}

/// The topic and the risk of every rule.
fn risks(document: &Document) -> impl Iterator<Item = (&str, u8)> {
    let terms = document
        .terms
        .iter()
        .map(|term| (term.topic.as_str(), term.risk));
    let detectors = document
        .detectors
        .iter()
        .map(|rule| (rule.topic.as_str(), rule.risk));
    let contexts = document
        .contexts
        .iter()
        .map(|rule| (rule.topic.as_str(), rule.risk));
    terms.chain(detectors).chain(contexts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "[policy]\nid = \"p\"\ntopics = [\"vulgar\"]\n[policy.normalise]\n";

    /// Lints of a policy that has a test and sound thresholds, and this besides.
    #[track_caller]
    pub(super) fn lints(rest: &str) -> Vec<Lint> {
        linted(
            "",
            &format!(
                "[audience.default]\ndefault = {{ flag = 1 }}\n[[test]]\nin = {{ text = \"a\" }}\nexpect = {{}}\n{rest}"
            ),
        )
    }

    /// As `lints`, with a list of ordinary words.
    #[track_caller]
    pub(super) fn lints_beside(ordinary: &str, rest: &str) -> Vec<Lint> {
        linted(
            ordinary,
            &format!(
                "[audience.default]\ndefault = {{ flag = 1 }}\n[[test]]\nin = {{ text = \"a\" }}\nexpect = {{}}\n{rest}"
            ),
        )
    }

    #[track_caller]
    pub(super) fn linted(ordinary: &str, rest: &str) -> Vec<Lint> {
        let head = HEAD.replace("[policy.normalise]", "ordinary = [\"words.txt\"]");
        let text = format!("{head}{rest}");
        let parsed = Document::parse("p.toml", &text, &mut |_| Ok(ordinary.to_owned()));
        let document = parsed.unwrap_or_else(|error| panic!("{error}\n{text}"));
        super::super::Policy::compile(&document).expect("a policy that is linted compiles");
        lint(&document)
    }

    /// Kind and rule of each.
    pub(super) fn names(lints: &[Lint]) -> Vec<(&str, &str)> {
        lints
            .iter()
            .map(|lint| (lint.lint, lint.rule.as_str()))
            .collect()
    }

    pub(super) const DARN: &str =
        "[[term]]\nid = \"darn\"\nmatch = [\"darn\"]\ntopic = \"vulgar\"\nrisk = 3\n";

    #[test]
    fn a_policy_whose_every_word_matters_has_none() {
        assert_eq!(lints(DARN), []);
    }

    #[test]
    fn a_policy_without_tests_is_told_so() {
        let found = linted(
            "",
            &format!("[audience.default]\ndefault = {{ flag = 1 }}\n{DARN}"),
        );
        assert_eq!(names(&found), [("no-tests", "")]);
    }
}
