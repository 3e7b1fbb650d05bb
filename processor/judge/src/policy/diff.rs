//! What differs between two policies, in the words of their author.
//!
//! Invariant: two policies without changes have the same digest, and the other way round. What is compared is what a document means and
//! not how it is written: rules by their ids, allows by their patterns, thresholds by audience and topic. It prevents the review of a
//! text diff in which a moved table hides a changed risk.

mod definition;
mod facts;

pub(crate) use definition::demand;
pub use definition::{Definition, Property};

use super::document::Document;
use crate::digest::Digest;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How one policy becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    pub from: Digest,
    pub to: Digest,
    /// By what they are about: head, thresholds, people, words, rules, behaviour, tests. Empty: both mean the same.
    pub changes: Vec<Change>,
}

/// One thing that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `term`, `audience`, `strikes` and so on.
    pub group: &'static str,
    /// The id of a rule; `audience/topic` for thresholds; empty where there is one only.
    pub name: String,
    pub kind: ChangeKind,
    pub details: Vec<Detail>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
}

/// One property that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    pub what: String,
    /// None where there was nothing, or where it is a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

/// A property of a rule, an audience, a channel…
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    what: String,
    value: Value,
    /// Not worth a word when the whole thing is new or gone.
    usual: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    One(String),
    Many(BTreeSet<String>),
    /// Too many to name: how many, and how many of these the other policy has not, and the other way round.
    Count {
        number: usize,
        new: usize,
        gone: usize,
    },
}

/// Things of one group by their names.
type Group = BTreeMap<String, Vec<Fact>>;

impl Document {
    /// What changes when `to` takes the place of this policy.
    pub fn diff(&self, to: &Document) -> PolicyDiff {
        let mut changes = Vec::new();
        for (group, of) in facts::GROUPS {
            compare(group, &of(self, to), &of(to, self), &mut changes);
        }
        let (from_digest, to_digest) = (self.digest(), to.digest());
        if changes.is_empty() && from_digest != to_digest {
            // The digest covers all bytes: an order or a grouping that changes no verdict.
            changes.push(Change {
                group: "policy",
                name: String::new(),
                kind: ChangeKind::Changed,
                details: vec![Detail::one(
                    "order or grouping",
                    "one",
                    "another, with the same meaning",
                )],
            });
        }
        PolicyDiff {
            from: from_digest,
            to: to_digest,
            changes,
        }
    }
}

impl PolicyDiff {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

fn compare(group: &'static str, from: &Group, to: &Group, changes: &mut Vec<Change>) {
    let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    for name in names {
        let (kind, details) = match (from.get(name), to.get(name)) {
            (Some(from), Some(to)) => (ChangeKind::Changed, changed(from, to)),
            (None, Some(to)) => (ChangeKind::Added, whole(to, true)),
            (Some(from), None) => (ChangeKind::Removed, whole(from, false)),
            (None, None) => continue,
        };
        if kind != ChangeKind::Changed || !details.is_empty() {
            changes.push(Change {
                group,
                name: name.clone(),
                kind,
                details,
            });
        }
    }
}

fn changed(from: &[Fact], to: &[Fact]) -> Vec<Detail> {
    let value = |facts: &[Fact], what: &str| {
        facts
            .iter()
            .find(|fact| fact.what == what)
            .map(|fact| fact.value.clone())
    };
    let mut details = Vec::new();
    let mut seen = BTreeSet::new();
    for fact in from.iter().chain(to).filter(|fact| seen.insert(&fact.what)) {
        let what = fact.what.as_str();
        match (value(from, what), value(to, what)) {
            (before, after) if before == after && !is_other_count(after.as_ref()) => {}
            (before, after) => details.push(Detail::between(what, before, after)),
        }
    }
    details
}

/// Whether as many are not the same ones.
fn is_other_count(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Count { new, gone, .. }) if new + gone > 0)
}

/// All that is worth saying of something new or gone.
fn whole(facts: &[Fact], is_new: bool) -> Vec<Detail> {
    let worth = |fact: &&Fact| match &fact.value {
        Value::One(one) => one != fact.usual,
        Value::Many(many) => !many.is_empty(),
        Value::Count { number, .. } => *number > 0,
    };
    let detail = |fact: &Fact| {
        let value = Some(fact.value.clone());
        if is_new {
            Detail::between(&fact.what, None, value)
        } else {
            Detail::between(&fact.what, value, None)
        }
    };
    facts.iter().filter(worth).map(detail).collect()
}

impl Detail {
    fn one(what: &str, from: &str, to: &str) -> Detail {
        let one = |text: &str| Some(Value::One(text.to_owned()));
        Detail::between(what, one(from), one(to))
    }

    fn between(what: &str, from: Option<Value>, to: Option<Value>) -> Detail {
        let single = |value: &Option<Value>, is_new: bool| match value {
            Some(Value::One(one)) => Some(one.clone()),
            Some(Value::Count { number, new, gone }) if is_new => {
                Some(format!("{number} ({new} new, {gone} gone)"))
            }
            Some(Value::Count { number, .. }) => Some(number.to_string()),
            Some(Value::Many(_)) | None => None,
        };
        let many = |value: &Option<Value>| match value {
            Some(Value::Many(many)) => many.clone(),
            Some(Value::One(_) | Value::Count { .. }) | None => BTreeSet::new(),
        };
        let (before, after) = (many(&from), many(&to));
        Detail {
            what: what.to_owned(),
            from: single(&from, false),
            to: single(&to, true),
            added: after.difference(&before).cloned().collect(),
            removed: before.difference(&after).cloned().collect(),
        }
    }
}

impl fmt::Display for Detail {
    /// `risk 3 -> 4`, `patterns + "dang" - "durn"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, " {from} -> {to}")?,
            (None, Some(one)) | (Some(one), None) => write!(f, " {one}")?,
            (None, None) => {}
        }
        for (sign, list) in [('+', &self.added), ('-', &self.removed)] {
            if !list.is_empty() {
                let quoted: Vec<String> = list.iter().map(|one| format!("\"{one}\"")).collect();
                write!(f, " {sign} {}", quoted.join(", "))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    /// `term vul-darn: risk 3 -> 4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.group)?;
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        f.write_str(match self.kind {
            ChangeKind::Added => " added",
            ChangeKind::Removed => " removed",
            ChangeKind::Changed => "",
        })?;
        let details: Vec<String> = self.details.iter().map(Detail::to_string).collect();
        if details.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", details.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = include_str!("diff/base.toml");

    fn parse(text: &str) -> Document {
        let parsed = Document::parse("p.toml", text, &mut |_| {
            Ok("id,match,topic,risk\nlisted,heck,vulgar,2\n".into())
        });
        parsed.unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The changes when `old` becomes `new` in the base.
    #[track_caller]
    fn changes(old: &str, new: &str) -> Vec<String> {
        assert!(BASE.contains(old), "the base has no `{old}`");
        let (from, to) = (parse(BASE), parse(&BASE.replacen(old, new, 1)));
        let diff = from.diff(&to);
        assert_eq!(diff.is_empty(), diff.from == diff.to);
        // And back again: as many.
        assert_eq!(to.diff(&from).changes.len(), diff.changes.len());
        diff.changes.iter().map(Change::to_string).collect()
    }

    #[test]
    fn a_policy_that_is_written_in_another_order_means_the_same() {
        assert_eq!(
            changes(
                "match = [\"darn*\", \"dang\"]",
                "match = [\"dang\", \"darn*\"]"
            ),
            [""; 0]
        );
        assert!(
            parse(BASE)
                .diff(&parse(&format!("{BASE}\n# a remark\n")))
                .is_empty()
        );
    }

    #[test]
    fn a_term_is_compared_by_its_id() {
        assert_eq!(
            changes("risk = 3", "risk = 4"),
            ["term vul-darn: risk 3 -> 4"]
        );
        assert_eq!(
            changes(
                "match = [\"darn*\", \"dang\"]",
                "match = [\"darn*\", \"durn\"]\nfuzzy = true\nweight = 0.75"
            ),
            ["term vul-darn: weight 1 -> 0.75; fuzzy no -> yes; patterns + \"durn\" - \"dang\""]
        );
        assert_eq!(
            changes("id = \"vul-darn\"", "id = \"vul-durn\""),
            [
                "term vul-darn removed: topic vulgar; risk 3; patterns - \"dang\", \"darn*\"; exceptions - \"darning needle\"",
                "term vul-durn added: topic vulgar; risk 3; patterns + \"dang\", \"darn*\"; exceptions + \"darning needle\"",
            ]
        );
    }

    #[test]
    fn thresholds_are_compared_by_audience_and_topic() {
        assert_eq!(
            changes(
                "default = { flag = 2, block = 5 }",
                "default = { flag = 1, block = 5 }"
            ),
            ["audience default: flag 2 -> 1"]
        );
        // What a topic gets is compared, whether it is its own or the audience's.
        assert_eq!(
            changes("threat = { block = 2, escalate = 5 }\n", ""),
            [
                "audience under13/threat: flag never -> 1; block 2 -> 4; escalate 5 -> never; queue default -> none; levels of its own yes -> no"
            ]
        );
    }

    #[test]
    fn everything_else_is_named_too() {
        for (old, new, expected) in [
            (
                "topics = [\"vulgar\", \"threat\", \"spam\"]",
                "topics = [\"threat\", \"vulgar\", \"spam\"]",
                "policy: order of topics vulgar, threat, spam -> threat, vulgar, spam",
            ),
            (
                "id = \"base\"",
                "id = \"other\"",
                "policy: id base -> other",
            ),
            (
                "join_spaced = true",
                "join_spaced = false",
                "normalise: spaced letters joined yes -> no",
            ),
            (
                "\"kids-*\" = { audience = \"under13\" }",
                "\"kids-*\" = { audience = \"default\" }",
                "channel kids-*: audience under13 -> default",
            ),
            (
                "untrusted = -1",
                "untrusted = -2",
                "trust: untrusted -1 -> -2",
            ),
            (
                "mild = [\"wee\", \"tiny\"]",
                "mild = [\"wee\"]",
                "class mild: words - \"tiny\"",
            ),
            (
                "before = [\"he said\"]",
                "before = [\"she said\"]",
                "guard quote: before + \"she said\" - \"he said\"",
            ),
            (
                "max_risk = 4",
                "max_risk = 5",
                "allow kung fu: up to risk 4 -> 5",
            ),
            (
                "letters = 20",
                "letters = 30",
                "detector caps: letters 20 -> 30",
            ),
            ("gte = 6", "gte = 8", "context flood: at least 6 -> 8"),
            (
                "timespan = \"10s\"",
                "timespan = \"1m\"",
                "context flood: within 10s -> 1m",
            ),
            (
                "half_life = \"7d\"",
                "half_life = \"14d\"",
                "strikes: half-life 7d -> 14d",
            ),
            (
                "\"4\" = 1.0",
                "\"4\" = 1.5",
                "strikes: points of risk 4 1.0 -> 1.5",
            ),
            (
                "for = \"10m\"",
                "for = \"1h\"",
                "step at 4.0: action mute 10m -> mute 1h",
            ),
            (
                "in = { text = \"darn\" }",
                "in = { text = \"dang\" }",
                "tests: number 1 -> 1 (1 new, 1 gone)",
            ),
        ] {
            assert_eq!(changes(old, new), [expected], "{new}");
        }
    }

    #[test]
    fn ordinary_words_are_counted() {
        let with = |words: &'static str| {
            let text = BASE.replacen("id = \"base\"", "id = \"base\"\nordinary = [\"w\"]", 1);
            Document::parse("p.toml", &text, &mut |_| Ok(words.into())).expect("it is sound")
        };
        let diff = with("a b c").diff(&with("b c d e"));
        assert_eq!(
            diff.changes[0].to_string(),
            "ordinary: words 3 -> 4 (2 new, 1 gone)"
        );
    }

    #[test]
    fn what_is_only_grouped_in_another_way_is_said_to_mean_the_same() {
        let allow = "match = [\"kung fu\"]\nmax_risk = 4\n";
        let twice = format!("{allow}[[allow]]\n{allow}");
        assert_eq!(
            changes(allow, &twice),
            ["policy: order or grouping one -> another, with the same meaning"]
        );
    }
}
