//! The lines most worth reading, without keeping all of them.
//!
//! Invariant: at most `room` different texts are kept, whatever the file holds. When there are more, the least important half
//! goes, and the list says that its counts may be too low from then on.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::cut;
use super::labelled::{Labelled, Truth};
use super::score::Judged;

/// Different texts kept for each one shown; common texts come late in a file, too.
const ROOM: usize = 64;
const LEAST_ROOM: usize = 4_096;
/// Bytes shown of a text and of a match.
const TEXT_SHOWN: usize = 400;
const MATCH_SHOWN: usize = 80;

/// One text that was judged wrongly, or otherwise than before.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// Of its first line.
    pub line: u64,
    /// Lines with this text.
    pub count: u64,
    pub text: String,
    /// Length of the whole text; more than that of `text` when it is cut.
    pub text_bytes: usize,
    pub action: String,
    pub code: String,
    /// Highest risk of a topic that counts.
    pub risk: i32,
    pub labels: Vec<String>,
    pub rules: Vec<RuleHit>,
    pub audience: String,
    /// What is right: true, false, or topics.
    pub right: Right,
}

/// A rule that spoke and the words that it matched; empty when it is not about a place in the text.
#[derive(Debug, Clone, Serialize)]
pub struct RuleHit {
    pub rule: String,
    pub matched: String,
    pub evasion: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Right {
    Any(bool),
    Topics(Vec<String>),
}

impl Example {
    pub fn new(line: &Labelled, truth: &Truth, judged: &Judged, risk: i32) -> Example {
        let verdict = &judged.verdict;
        let part = |start: i32, end: i32| {
            let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
            line.text.get(range)
        };
        let rules = verdict.reasons.iter().map(|reason| RuleHit {
            rule: reason.rule.clone(),
            matched: cut(
                part(reason.start, reason.end).unwrap_or_default(),
                MATCH_SHOWN,
            )
            .0
            .to_owned(),
            evasion: reason.evasion.clone(),
        });
        let labels = verdict
            .labels
            .iter()
            .map(|label| format!("{}:{}", label.topic, label.risk));
        Example {
            line: line.number,
            count: 1,
            text: cut(&line.text, TEXT_SHOWN).0.to_owned(),
            text_bytes: line.text.len(),
            action: verdict.action.clone(),
            code: verdict.code.clone(),
            risk,
            labels: labels.collect(),
            rules: rules.collect(),
            audience: judged.audience.clone(),
            right: match truth {
                Truth::Any(any) => Right::Any(*any),
                Truth::Topics(topics) => Right::Topics(topics.iter().cloned().collect()),
            },
        }
    }
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Highest risk, then most lines.
    Risk,
    /// Most lines.
    Lines,
}

/// A bounded list of examples.
#[derive(Debug)]
pub struct Worst {
    order: Order,
    shown: usize,
    room: usize,
    /// By a hash of the text: a collision only counts two texts together.
    examples: BTreeMap<u64, Example>,
    /// Texts were forgotten: counts are lower bounds.
    forgot: bool,
}

impl Worst {
    pub fn new(order: Order, shown: usize) -> Worst {
        Worst {
            order,
            shown,
            room: (shown * ROOM).max(LEAST_ROOM),
            examples: BTreeMap::new(),
            forgot: false,
        }
    }

    /// One more line with this text; `example` is called for the first, or when its risk is higher.
    pub fn add(&mut self, text: &str, risk: i32, example: impl FnOnce() -> Example) {
        if self.shown == 0 {
            return;
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let key = hasher.finish();
        if let Some(known) = self.examples.get_mut(&key) {
            let (line, count) = (known.line, known.count + 1);
            if risk > known.risk {
                *known = example();
                known.line = line;
            }
            known.count = count;
            return;
        }
        if self.examples.len() >= self.room {
            self.forget();
        }
        self.examples.insert(key, example());
    }

    /// The worst first.
    pub fn first(&self) -> Vec<Example> {
        let mut all: Vec<&Example> = self.examples.values().collect();
        all.sort_by_key(|example| rank(self.order, example));
        all.into_iter().take(self.shown).cloned().collect()
    }

    pub fn forgot(&self) -> bool {
        self.forgot
    }

    fn forget(&mut self) {
        self.forgot = true;
        let order = self.order;
        let mut ranks: Vec<Rank> = self.examples.values().map(|one| rank(order, one)).collect();
        ranks.sort_unstable();
        if let Some(last) = ranks.get(self.room / 2).copied() {
            self.examples.retain(|_, one| rank(order, one) < last);
        }
    }
}

type Rank = (Reverse<i32>, Reverse<u64>, u64);

/// Ranks are different: each line is first for one text at most.
fn rank(order: Order, example: &Example) -> Rank {
    let risk = match order {
        Order::Risk => example.risk,
        Order::Lines => 0,
    };
    (Reverse(risk), Reverse(example.count), example.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(line: u64, risk: i32) -> Example {
        Example {
            line,
            count: 1,
            text: String::new(),
            text_bytes: 0,
            action: String::new(),
            code: String::new(),
            risk,
            labels: Vec::new(),
            rules: Vec::new(),
            audience: String::new(),
            right: Right::Any(false),
        }
    }

    fn lines(worst: &Worst) -> Vec<(u64, u64)> {
        let first = worst.first();
        first.iter().map(|one| (one.line, one.count)).collect()
    }

    #[test]
    fn the_highest_risk_comes_first_and_then_the_most_common_text() {
        let mut worst = Worst::new(Order::Risk, 3);
        for (line, text, risk) in [
            (1, "a", 2),
            (2, "b", 5),
            (3, "c", 2),
            (4, "c", 2),
            (5, "d", 1),
        ] {
            worst.add(text, risk, || example(line, risk));
        }
        assert_eq!(lines(&worst), [(2, 1), (3, 2), (1, 1)]);
    }

    #[test]
    fn memory_is_bounded_and_what_is_common_stays() {
        let mut worst = Worst::new(Order::Lines, 1);
        for line in 1..=3 {
            worst.add("common", 0, || example(line, 0));
        }
        for line in 4..100_000 {
            worst.add(&line.to_string(), 0, || example(line, 0));
        }
        assert!(worst.examples.len() <= LEAST_ROOM);
        assert!(worst.forgot());
        assert_eq!(lines(&worst), [(1, 3)]);
    }

    #[test]
    fn a_list_of_none_keeps_none() {
        let mut worst = Worst::new(Order::Risk, 0);
        worst.add("a", 1, || example(1, 1));
        assert!(worst.first().is_empty() && worst.examples.is_empty());
    }
}
