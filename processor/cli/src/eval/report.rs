//! The report: what the JSON says, and what the table and the page show.
//!
//! Invariant: the three forms are made from this one value, so they cannot disagree.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::figures::{Averages, Estimate, Figures, estimate};
use super::gate::{Gates, Passed};
use super::score::{Changes, Counts, Criterion, Positive, Score, Tally};
use super::worst::{Example, Worst};

/// Rules shown: those with most false positives.
const RULES: usize = 20;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Heading {
    pub id: String,
    pub digest: String,
    pub engine: u32,
    #[serde(skip)]
    pub topics: Vec<String>,
    pub file: String,
    pub stateful: bool,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub policy: Heading,
    /// The file of the lines.
    pub labels: String,
    /// When a line counts as flagged, in words.
    pub flagged_means: String,
    pub lines: Lines,
    pub overall: Figures,
    pub gates: Vec<Passed>,
    pub by_audience: Vec<Slice>,
    pub by_group: Vec<Slice>,
    /// Only if lines are labelled with topics.
    pub by_topic: Option<ByTopic>,
    pub by_risk: Vec<RiskPoint>,
    pub flagged_topics: Vec<Blame>,
    pub rules: Vec<Blame>,
    /// Rules that spoke on a flagged line, shown or not.
    pub rules_that_spoke: usize,
    pub evasions: Vec<Blame>,
    pub false_positives: Vec<Example>,
    pub false_negatives: Vec<Example>,
    /// There were too many different texts: counts of examples may be too low.
    pub examples_are_lower_bounds: bool,
    pub compared: Option<Compared>,
}

#[derive(Debug, Default, Serialize)]
pub struct Lines {
    pub labelled: u64,
    /// Without a label: judged, not counted.
    pub context: u64,
    /// Labelled lines of users who were muted at that time.
    pub muted: u64,
    /// Labelled lines without `sent_at`.
    pub timeless: u64,
    pub unreadable: Unreadable,
}

/// Lines that cannot be measured.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Unreadable {
    pub count: u64,
    pub first: Vec<UnreadableLine>,
}

#[derive(Debug, Clone, Serialize)]
pub struct UnreadableLine {
    pub line: u64,
    pub problem: String,
}

impl Unreadable {
    /// Lines that are named.
    const NAMED: usize = 10;

    pub fn add(&mut self, line: u64, problem: &impl ToString) {
        self.count += 1;
        if self.first.len() < Self::NAMED {
            self.first.push(UnreadableLine {
                line,
                problem: problem.to_string(),
            });
        }
    }
}

/// Figures of a part of the lines.
#[derive(Debug, Serialize)]
pub struct Slice {
    pub name: String,
    #[serde(flatten)]
    pub figures: Figures,
}

/// Topics predicted against topics labelled.
#[derive(Debug, Serialize)]
pub struct ByTopic {
    /// Lines labelled with topics.
    pub lines: u64,
    pub topics: Vec<Slice>,
    /// Decisions about all topics together.
    pub micro: Figures,
    pub macro_average: Averages,
    /// Topics of labels that the policy does not have: it cannot find them.
    pub unknown: Vec<String>,
}

/// If every line with at least this risk were flagged.
#[derive(Debug, Serialize)]
pub struct RiskPoint {
    pub risk: usize,
    #[serde(flatten)]
    pub figures: Figures,
}

/// What spoke on flagged lines, and whether they were flagged rightly.
#[derive(Debug, Serialize)]
pub struct Blame {
    pub name: String,
    pub right: u64,
    pub wrong: u64,
    pub precision: Option<Estimate>,
}

/// Another policy on the same lines.
#[derive(Debug, Serialize)]
pub struct Compared {
    pub policy: Heading,
    pub overall: Figures,
    pub by_risk: Vec<RiskPoint>,
    /// Lines that only the measured policy gets right.
    pub better: u64,
    /// Lines that only the other policy gets right.
    pub worse: u64,
    pub better_lines: Vec<Example>,
    pub worse_lines: Vec<Example>,
}

impl Compared {
    pub fn new(policy: Heading, score: &Score, changes: &Changes) -> Compared {
        Compared {
            policy,
            overall: Figures::from(&score.overall),
            by_risk: risks(score),
            better: changes.better,
            worse: changes.worse,
            better_lines: changes.better_lines.first(),
            worse_lines: changes.worse_lines.first(),
        }
    }
}

impl Report {
    pub fn new(
        (policy, labels): (Heading, String),
        score: &Score,
        context: u64,
        unreadable: Unreadable,
        gates: &Gates,
        compared: Option<Compared>,
    ) -> Report {
        let mut rules = blames(&score.rules);
        let rules_that_spoke = rules.len();
        rules.truncate(RULES);
        Report {
            labels,
            flagged_means: meaning(&score.criterion),
            lines: Lines {
                labelled: score.overall.lines(),
                context,
                muted: score.muted,
                timeless: score.timeless,
                unreadable,
            },
            overall: Figures::from(&score.overall),
            gates: gates.check(&score.overall),
            by_audience: slices(&score.by_audience),
            by_group: slices(&score.by_group),
            by_topic: (score.topic_lines > 0).then(|| by_topic(&policy, score)),
            by_risk: risks(score),
            flagged_topics: blames(&score.flagged_topics),
            rules,
            rules_that_spoke,
            evasions: blames(&score.evasions),
            false_positives: score.false_positives.first(),
            false_negatives: score.false_negatives.first(),
            examples_are_lower_bounds: [&score.false_positives, &score.false_negatives]
                .into_iter()
                .any(Worst::forgot),
            compared,
            policy,
        }
    }

    /// What makes the figures say less than they seem to.
    pub fn warnings(&self) -> Vec<String> {
        let lines = &self.lines;
        let mut warnings: Vec<String> = lines
            .unreadable
            .first
            .iter()
            .map(|one| format!("line {}: {}", one.line, one.problem))
            .collect();
        if lines.muted > 0 {
            warnings.push(format!(
                "{} labelled lines were blocked because their user was muted, whatever they say",
                lines.muted
            ));
        }
        if self.policy.stateful && lines.timeless > 0 {
            warnings.push(format!(
                "{} labelled lines have no `sent_at`: the clock stands still there, so floods and mutes do not end",
                lines.timeless
            ));
        }
        if let Some(by_topic) = &self.by_topic
            && !by_topic.unknown.is_empty()
        {
            warnings.push(format!(
                "labels name topics that the policy does not have: {}",
                by_topic.unknown.join(", ")
            ));
        }
        if self.examples_are_lower_bounds {
            warnings.push(
                "there are too many different texts to keep: how often an example occurs may be too low".to_owned(),
            );
        }
        warnings
    }

    /// Gates that are not met.
    pub fn unmet(&self) -> impl Iterator<Item = &Passed> {
        self.gates.iter().filter(|gate| !gate.met)
    }
}

fn meaning(criterion: &Criterion) -> String {
    match &criterion.positive {
        Positive::Action(least) => format!("the action is at least {}", least.as_str()),
        Positive::Topics(topics) => {
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            format!(
                "the risk of {} is at least {}",
                topics.join(" or "),
                criterion.risk
            )
        }
    }
}

/// Most lines first.
fn slices(counts: &BTreeMap<String, Counts>) -> Vec<Slice> {
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.lines()));
    sorted
        .into_iter()
        .map(|(name, counts)| Slice {
            name: name.clone(),
            figures: Figures::from(counts),
        })
        .collect()
}

/// Most wrong first, then most right.
fn blames(tallies: &BTreeMap<String, Tally>) -> Vec<Blame> {
    let mut sorted: Vec<_> = tallies.iter().collect();
    sorted.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.wrong, tally.right)));
    sorted
        .into_iter()
        .map(|(name, &Tally { right, wrong })| Blame {
            name: name.clone(),
            right,
            wrong,
            precision: estimate(right, right + wrong),
        })
        .collect()
}

fn risks(score: &Score) -> Vec<RiskPoint> {
    (1..)
        .zip(&score.by_risk)
        .map(|(risk, counts)| RiskPoint {
            risk,
            figures: Figures::from(counts),
        })
        .collect()
}

/// Every topic of the policy and of the labels that takes part, in the policy's order.
fn by_topic(policy: &Heading, score: &Score) -> ByTopic {
    let known: BTreeSet<&String> = policy.topics.iter().collect();
    let unknown: Vec<String> = score
        .by_topic
        .keys()
        .filter(|topic| !known.contains(topic))
        .cloned()
        .collect();
    let names = policy
        .topics
        .iter()
        .filter(|topic| score.criterion.counts(topic))
        .chain(&unknown);
    let counts: Vec<(String, Counts)> = names
        .map(|name| {
            let mut counts = score.by_topic.get(name).copied().unwrap_or_default();
            counts.tn = score.topic_lines.saturating_sub(counts.lines());
            (name.clone(), counts)
        })
        .collect();
    let micro = Figures::from(&Counts::sum(counts.iter().map(|(_, counts)| counts)));
    let topics: Vec<Slice> = counts
        .iter()
        .map(|(name, counts)| Slice {
            name: name.clone(),
            figures: Figures::from(counts),
        })
        .collect();
    // A topic that nobody labelled and the policy never gave says nothing about the policy.
    let seen: Vec<&Figures> = topics
        .iter()
        .map(|topic| &topic.figures)
        .filter(|figures| figures.f1.is_some())
        .collect();
    ByTopic {
        lines: score.topic_lines,
        macro_average: Averages::of(&seen),
        micro,
        topics,
        unknown,
    }
}
