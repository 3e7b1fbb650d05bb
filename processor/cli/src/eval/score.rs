//! Counting: what a policy decided against what is right.
//!
//! Invariant: every labelled line is counted exactly once in `overall`, in one audience, in at most one group and at every
//! risk, so that slices add up to the whole. Only integers; and names from the file have a bound, so memory has one.

use std::collections::{BTreeMap, BTreeSet};

use gavel_judge::Action;
use gavel_schemas::VerdictRecord;

use super::labelled::{Labelled, Truth};
use super::worst::{Example, Order, Worst};

/// Highest risk there is.
pub const RISKS: usize = 7;
/// Names of slices that are counted apart; the rest is counted together.
const NAMES: usize = 1_000;
const OTHER: &str = "(other)";
/// Stands for the rule where a mute and no rule is the reason.
const MUTED: &str = "(muted)";

/// Decisions by whether they were right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flagged and rightly so.
    pub tp: u64,
    /// Flagged, but clean.
    pub fp: u64,
    /// Not flagged, but should be.
    pub missed: u64,
    /// Clean and not flagged.
    pub tn: u64,
}

impl Counts {
    pub fn add(&mut self, flagged: bool, right: bool) {
        let count = match (flagged, right) {
            (true, true) => &mut self.tp,
            (true, false) => &mut self.fp,
            (false, true) => &mut self.missed,
            (false, false) => &mut self.tn,
        };
        *count += 1;
    }

    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Counts>) -> Counts {
        all.into_iter().fold(Counts::default(), |sum, one| Counts {
            tp: sum.tp + one.tp,
            fp: sum.fp + one.fp,
            missed: sum.missed + one.missed,
            tn: sum.tn + one.tn,
        })
    }

    pub fn lines(&self) -> u64 {
        self.tp + self.fp + self.missed + self.tn
    }

    /// F1 as a part and a whole.
    pub fn f1(&self) -> (u64, u64) {
        (2 * self.tp, 2 * self.tp + self.fp + self.missed)
    }
}

/// Of the flagged lines with something: how many were flagged rightly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub right: u64,
    pub wrong: u64,
}

impl Tally {
    fn add(&mut self, right: bool) {
        *(if right {
            &mut self.right
        } else {
            &mut self.wrong
        }) += 1;
    }
}

/// When a line counts as flagged.
#[derive(Debug, Clone)]
pub enum Positive {
    /// Its action is at least this one.
    Action(Action),
    /// It has a label of one of these topics with at least the criterion's risk.
    Topics(BTreeSet<String>),
}

/// What is measured.
#[derive(Debug, Clone)]
pub struct Criterion {
    pub positive: Positive,
    /// From which risk on a label says its topic.
    pub risk: i32,
}

impl Criterion {
    /// Whether a topic takes part.
    pub fn counts(&self, topic: &str) -> bool {
        match &self.positive {
            Positive::Action(_) => true,
            Positive::Topics(topics) => topics.contains(topic),
        }
    }

    pub fn right(&self, truth: &Truth) -> bool {
        match truth {
            Truth::Any(any) => *any,
            Truth::Topics(topics) => topics.iter().any(|topic| self.counts(topic)),
        }
    }

    pub fn flagged(&self, judged: &Judged) -> bool {
        match &self.positive {
            Positive::Action(least) => judged.action >= *least,
            Positive::Topics(_) => self.risk_of(&judged.verdict) >= self.risk,
        }
    }

    /// The highest risk of a topic that takes part.
    pub fn risk_of(&self, verdict: &VerdictRecord) -> i32 {
        let risks = verdict
            .labels
            .iter()
            .filter(|label| self.counts(&label.topic))
            .map(|label| label.risk);
        risks.max().unwrap_or(0)
    }
}

/// What a policy said to a line.
#[derive(Debug)]
pub struct Judged {
    pub action: Action,
    pub verdict: VerdictRecord,
    /// Whose thresholds applied.
    pub audience: String,
}

/// All counts of one policy.
#[derive(Debug)]
pub struct Score {
    pub criterion: Criterion,
    pub overall: Counts,
    pub by_audience: BTreeMap<String, Counts>,
    pub by_group: BTreeMap<String, Counts>,
    /// Lines labelled with topics. `tn` of a topic is the rest of them.
    pub topic_lines: u64,
    pub by_topic: BTreeMap<String, Counts>,
    /// Of flagged lines, by the topics that the policy gave them.
    pub flagged_topics: BTreeMap<String, Tally>,
    /// Of flagged lines, by the rules that spoke.
    pub rules: BTreeMap<String, Tally>,
    /// Of flagged lines, by the disguises undone.
    pub evasions: BTreeMap<String, Tally>,
    /// At index i: if every line of at least risk i + 1 were flagged.
    pub by_risk: [Counts; RISKS],
    /// Labelled lines of muted users.
    pub muted: u64,
    /// Labelled lines that do not say when they were sent.
    pub timeless: u64,
    pub false_positives: Worst,
    pub false_negatives: Worst,
}

impl Score {
    /// Before the first line; so many examples are shown.
    pub fn new(criterion: Criterion, shown: usize) -> Score {
        Score {
            criterion,
            overall: Counts::default(),
            by_audience: BTreeMap::new(),
            by_group: BTreeMap::new(),
            topic_lines: 0,
            by_topic: BTreeMap::new(),
            flagged_topics: BTreeMap::new(),
            rules: BTreeMap::new(),
            evasions: BTreeMap::new(),
            by_risk: [Counts::default(); RISKS],
            muted: 0,
            timeless: 0,
            false_positives: Worst::new(Order::Risk, shown),
            false_negatives: Worst::new(Order::Lines, shown),
        }
    }

    /// Counts a labelled line.
    pub fn add(&mut self, line: &Labelled, truth: &Truth, judged: &Judged) {
        let criterion = &self.criterion;
        let (right, flagged) = (criterion.right(truth), criterion.flagged(judged));
        let risk = criterion.risk_of(&judged.verdict);
        self.overall.add(flagged, right);
        slot(&mut self.by_audience, &judged.audience).add(flagged, right);
        if let Some(group) = &line.group {
            slot(&mut self.by_group, group).add(flagged, right);
        }
        for (least, counts) in (1..).zip(&mut self.by_risk) {
            counts.add(risk >= least, right);
        }
        self.muted += u64::from(judged.verdict.code == "muted");
        self.timeless += u64::from(judged.verdict.sent_at == 0);
        if let Truth::Topics(topics) = truth {
            self.add_topics(topics, &judged.verdict);
        }
        if flagged {
            self.add_causes(truth, right, &judged.verdict);
        }
        if flagged != right {
            let worst = if flagged {
                &mut self.false_positives
            } else {
                &mut self.false_negatives
            };
            worst.add(&line.text, risk, || Example::new(line, truth, judged, risk));
        }
    }

    fn add_topics(&mut self, right: &BTreeSet<String>, verdict: &VerdictRecord) {
        self.topic_lines += 1;
        let criterion = &self.criterion;
        let said = topics_of(criterion, verdict);
        let all: BTreeSet<&str> = right
            .iter()
            .map(String::as_str)
            .filter(|topic| criterion.counts(topic))
            .chain(said.iter().copied())
            .collect();
        for topic in all {
            slot(&mut self.by_topic, topic).add(said.contains(topic), right.contains(topic));
        }
    }

    fn add_causes(&mut self, truth: &Truth, right: bool, verdict: &VerdictRecord) {
        for topic in topics_of(&self.criterion, verdict) {
            let right = match truth {
                Truth::Any(any) => *any,
                Truth::Topics(topics) => topics.contains(topic),
            };
            slot(&mut self.flagged_topics, topic).add(right);
        }
        let muted = (verdict.code == "muted").then_some(MUTED);
        let rules: BTreeSet<&str> = verdict
            .reasons
            .iter()
            .map(|reason| reason.rule.as_str())
            .chain(muted)
            .collect();
        for rule in rules {
            // As many as the policy has: no bound needed, and none wanted.
            self.rules.entry(rule.to_owned()).or_default().add(right);
        }
        let evasions: BTreeSet<&str> = verdict
            .reasons
            .iter()
            .flat_map(|reason| reason.evasion.split('+'))
            .filter(|evasion| !evasion.is_empty())
            .collect();
        for evasion in evasions {
            self.evasions
                .entry(evasion.to_owned())
                .or_default()
                .add(right);
        }
    }
}

/// Topics that the verdict gives, by the criterion.
fn topics_of<'v>(criterion: &Criterion, verdict: &'v VerdictRecord) -> BTreeSet<&'v str> {
    let labels = verdict.labels.iter();
    labels
        .filter(|label| label.risk >= criterion.risk && criterion.counts(&label.topic))
        .map(|label| label.topic.as_str())
        .collect()
}

/// The count of a name; once there are too many names, that of all others.
fn slot<'m, T: Default>(names: &'m mut BTreeMap<String, T>, name: &str) -> &'m mut T {
    let known = names.len() < NAMES || names.contains_key(name);
    let name = if known { name } else { OTHER };
    names.entry(name.to_owned()).or_default()
}

/// What one policy does otherwise than the other.
#[derive(Debug)]
pub struct Changes {
    /// Lines that only the new policy gets right.
    pub better: u64,
    /// Lines that only the old policy gets right.
    pub worse: u64,
    pub better_lines: Worst,
    pub worse_lines: Worst,
}

impl Changes {
    pub fn new(shown: usize) -> Changes {
        Changes {
            better: 0,
            worse: 0,
            better_lines: Worst::new(Order::Lines, shown),
            worse_lines: Worst::new(Order::Lines, shown),
        }
    }

    /// Counts a labelled line that both have judged.
    pub fn add(
        &mut self,
        criterion: &Criterion,
        line: &Labelled,
        truth: &Truth,
        (new, old): (&Judged, &Judged),
    ) {
        let is_flagged = criterion.flagged(new);
        if is_flagged == criterion.flagged(old) {
            return;
        }
        let (count, lines) = if is_flagged == criterion.right(truth) {
            (&mut self.better, &mut self.better_lines)
        } else {
            (&mut self.worse, &mut self.worse_lines)
        };
        *count += 1;
        // What spoke is in the verdict of the policy that flags.
        let telling = if is_flagged { new } else { old };
        let risk = criterion.risk_of(&telling.verdict);
        lines.add(&line.text, risk, || {
            Example::new(line, truth, telling, risk)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_bound() {
        let mut names: BTreeMap<String, Tally> = BTreeMap::new();
        for name in 0..NAMES + 5 {
            slot(&mut names, &name.to_string()).add(true);
        }
        slot(&mut names, "0").add(true);
        assert_eq!(names.len(), NAMES + 1);
        assert_eq!((names[OTHER].right, names["0"].right), (5, 2));
    }
}
