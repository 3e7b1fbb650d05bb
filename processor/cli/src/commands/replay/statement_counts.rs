//! How many decisions there were, of which kind, and how many of them were wrong: figures for a transparency report.
//!
//! Invariant: a message that was sent twice is decided about once; what stands in two groups (a decision by two rules) counts in both,
//! so groups need not add up to the whole.

use std::collections::{BTreeMap, BTreeSet};

use gavel_runtime::replay::{Appeal, Decision, Looked};
use serde::Serialize;

use super::statement_row::mute;

/// Of the file; a later one may add fields and keeps the number.
pub const FORMAT: u32 = 1;

/// Decisions of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Figures {
    pub decisions: u64,
    /// Those with a mute.
    pub mutes: u64,
    /// Verdicts on messages that were sent once more; they are no decisions.
    pub retries: u64,
    /// Decisions that a person found wrong.
    pub overturned: u64,
    /// Those of them where nothing was left to undo.
    pub overturned_too_late: u64,
    /// Overturned decisions of all.
    pub error_rate: f64,
}

/// Decisions by what they have in common.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    pub all: Figures,
    /// By month of the decision: `2026-01`.
    pub months: BTreeMap<String, Figures>,
    pub communities: BTreeMap<String, Figures>,
    pub topics: BTreeMap<String, Figures>,
    pub actions: BTreeMap<String, Figures>,
    pub rules: BTreeMap<String, Figures>,
    pub policies: BTreeMap<String, Figures>,
    /// Of the first and of the last decision, in milliseconds since 1970.
    pub first_at: Option<i64>,
    pub last_at: Option<i64>,
}

/// The file.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    pub format: u32,
    /// When it was made, in milliseconds since 1970.
    pub at: i64,
    pub messages: &'a str,
    pub verdicts: &'a str,
    pub community: Option<&'a str>,
    pub escalations: bool,
    /// What was looked at: verdicts of all kinds are the whole that decisions are a part of.
    pub partitions: &'a [Looked],
    #[serde(flatten)]
    pub counts: &'a Counts,
}

impl Figures {
    fn add(&mut self, decision: &Decision<'_>) {
        if decision.verdict.duplicate_of.is_some() {
            self.retries += 1;
            return;
        }
        self.decisions += 1;
        self.mutes += u64::from(mute(decision.verdict).is_some());
        self.overturned += u64::from(decision.appeal.is_some());
        self.overturned_too_late += u64::from(decision.appeal == Some(Appeal::TooLate));
        let rate = self.overturned as f64 / self.decisions as f64;
        self.error_rate = (rate * 1e6).round() / 1e6;
    }
}

impl Counts {
    pub fn add(&mut self, decision: &Decision<'_>) {
        let verdict = decision.verdict;
        let at = verdict.judged_at;
        self.first_at = Some(self.first_at.map_or(at, |first| first.min(at)));
        self.last_at = self.last_at.max(Some(at));
        self.all.add(decision);
        let month = jiff::Timestamp::from_millisecond(at).map_or_else(
            |_| "unknown".to_owned(),
            |at| at.strftime("%Y-%m").to_string(),
        );
        let one = |map: &mut BTreeMap<String, Figures>, key: &str| {
            if let Some(figures) = map.get_mut(key) {
                figures.add(decision);
            } else {
                map.entry(key.to_owned()).or_default().add(decision);
            }
        };
        one(&mut self.months, &month);
        one(&mut self.communities, &verdict.community);
        one(&mut self.actions, &verdict.action);
        one(&mut self.policies, &verdict.policy);
        let topics = verdict.labels.iter().map(|label| label.topic.as_str());
        for topic in topics.collect::<BTreeSet<_>>() {
            one(&mut self.topics, topic);
        }
        let mut rules: BTreeSet<&str> = verdict
            .reasons
            .iter()
            .map(|one| one.rule.as_str())
            .collect();
        if verdict.code == "muted" {
            rules.insert("muted");
        }
        for rule in rules {
            one(&mut self.rules, rule);
        }
    }
}
