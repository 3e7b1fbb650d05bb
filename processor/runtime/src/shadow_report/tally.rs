//! What differs between verdicts and what a candidate said of the same messages, counted. Pure: it asks nobody.
//!
//! Invariant: every pair is counted once in `compared` and once in `actions`; the other figures are about those same pairs. Merging the
//! tallies of partitions gives the tally of all of them.

use std::collections::{BTreeMap, BTreeSet};

use gavel_schemas::VerdictRecord;
use serde::Serialize;

/// How a candidate treats a message, compared with the policy in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    pub compared: u64,
    /// Pairs whose action or effects differ.
    pub differing: u64,
    /// Blocked or muted by the candidate alone.
    pub new_blocks: u64,
    /// Blocked or muted by the policy in force alone.
    pub lost_blocks: u64,
}

/// How the risk of a topic differs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TopicChange {
    /// Named by the candidate alone.
    pub appears: u64,
    /// Named by the policy in force alone.
    pub vanishes: u64,
    pub higher: u64,
    pub lower: u64,
}

/// Messages for which a rule speaks on one side only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleChange {
    pub candidate_only: u64,
    pub active_only: u64,
}

/// A message that the two treat differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sample {
    pub partition: i32,
    pub offset: i64,
    pub message_id: String,
    pub community: String,
    pub channel: String,
    pub user: String,
    pub active: Said,
    pub candidate: Said,
    /// From the message itself, when it was asked for and is still there.
    pub audience: Option<String>,
    pub text: Option<String>,
}

/// One side of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    pub action: String,
    pub code: String,
    pub effects: Vec<String>,
    pub rules: Vec<String>,
}

/// Actions of the policy in force and of the candidate.
type Actions = (String, String);

/// The differences of any number of pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub figures: Figures,
    pub actions: BTreeMap<Actions, u64>,
    pub topics: BTreeMap<String, TopicChange>,
    pub rules: BTreeMap<String, RuleChange>,
    /// By `community/channel`.
    pub channels: BTreeMap<String, Figures>,
    /// Messages under a mute, by `community/user`.
    muted_by_active: BTreeMap<String, u64>,
    muted_by_candidate: BTreeMap<String, u64>,
    /// Verdicts without a shadow verdict, and the other way round.
    pub verdict_only: u64,
    pub shadow_only: u64,
    /// Verdicts behind the newest shadow verdict.
    pub waiting: u64,
    samples: BTreeMap<Actions, Vec<Sample>>,
}

impl Tally {
    /// Counts a pair; keeps the first `samples` of each kind of change.
    pub fn compare(
        &mut self,
        active: &VerdictRecord,
        candidate: &VerdictRecord,
        samples: usize,
    ) -> Figures {
        let figures = figures_of(active, candidate);
        self.figures.add(&figures);
        let channel = format!("{}/{}", active.community, active.channel);
        self.channels.entry(channel).or_default().add(&figures);
        let actions = (active.action.clone(), candidate.action.clone());
        self.compare_topics(active, candidate);
        self.compare_rules(active, candidate);
        let user = || format!("{}/{}", active.community, active.user);
        if is_muted(active) {
            *self.muted_by_active.entry(user()).or_default() += 1;
        }
        if is_muted(candidate) {
            *self.muted_by_candidate.entry(user()).or_default() += 1;
        }
        if figures.differing > 0 {
            let kept = self.samples.entry(actions.clone()).or_default();
            if kept.len() < samples {
                kept.push(Sample::of(active, candidate));
            }
        }
        *self.actions.entry(actions).or_default() += 1;
        figures
    }

    /// Counts messages of a channel that both let pass without a word.
    pub fn quiet(&mut self, channel: &str, count: u64) {
        let figures = Figures {
            compared: count,
            ..Figures::default()
        };
        self.figures.add(&figures);
        match self.channels.get_mut(channel) {
            Some(own) => own.add(&figures),
            None => {
                self.channels.insert(channel.to_owned(), figures);
            }
        }
        let allow = || "allow".to_owned();
        *self.actions.entry((allow(), allow())).or_default() += count;
    }

    /// Whether the message compared last is among the samples.
    pub fn keeps(&self, partition: i32, offset: i64) -> bool {
        let mut newest = self.samples.values().filter_map(|kept| kept.last());
        newest.any(|sample| (sample.partition, sample.offset) == (partition, offset))
    }

    /// Whether a verdict keeps a message, or its user, from being heard.
    pub fn is_blocked(verdict: &VerdictRecord) -> bool {
        verdict.action == "block" || is_muted(verdict)
    }

    fn compare_topics(&mut self, active: &VerdictRecord, candidate: &VerdictRecord) {
        let risks = |verdict: &VerdictRecord| -> BTreeMap<String, i32> {
            let labels = verdict.labels.iter();
            labels
                .map(|label| (label.topic.clone(), label.risk))
                .collect()
        };
        let (before, after) = (risks(active), risks(candidate));
        for topic in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let (before, after) = (before.get(topic), after.get(topic));
            if before == after {
                continue;
            }
            let change = self.topics.entry(topic.clone()).or_default();
            match (before, after) {
                (None, _) => change.appears += 1,
                (_, None) => change.vanishes += 1,
                (Some(before), Some(after)) if after > before => change.higher += 1,
                (Some(_), Some(_)) => change.lower += 1,
            }
        }
    }

    fn compare_rules(&mut self, active: &VerdictRecord, candidate: &VerdictRecord) {
        let (before, after) = (rules(active), rules(candidate));
        for rule in before.symmetric_difference(&after) {
            let change = self.rules.entry((*rule).to_owned()).or_default();
            if after.contains(rule) {
                change.candidate_only += 1;
            } else {
                change.active_only += 1;
            }
        }
    }

    /// Takes in the tally of another partition.
    pub fn merge(&mut self, other: Tally) {
        self.figures.add(&other.figures);
        self.verdict_only += other.verdict_only;
        self.shadow_only += other.shadow_only;
        self.waiting += other.waiting;
        for (actions, count) in other.actions {
            *self.actions.entry(actions).or_default() += count;
        }
        for (topic, change) in other.topics {
            let own = self.topics.entry(topic).or_default();
            own.appears += change.appears;
            own.vanishes += change.vanishes;
            own.higher += change.higher;
            own.lower += change.lower;
        }
        for (rule, change) in other.rules {
            let own = self.rules.entry(rule).or_default();
            own.candidate_only += change.candidate_only;
            own.active_only += change.active_only;
        }
        for (channel, figures) in other.channels {
            self.channels.entry(channel).or_default().add(&figures);
        }
        for (own, theirs) in [
            (&mut self.muted_by_active, other.muted_by_active),
            (&mut self.muted_by_candidate, other.muted_by_candidate),
        ] {
            for (user, count) in theirs {
                *own.entry(user).or_default() += count;
            }
        }
        for (actions, samples) in other.samples {
            self.samples.entry(actions).or_default().extend(samples);
        }
    }

    /// Users that only the candidate mutes, with the number of their messages under its mute; most first.
    pub fn newly_muted(&self) -> Vec<(&str, u64)> {
        only_in(&self.muted_by_candidate, &self.muted_by_active)
    }

    /// Users that only the policy in force mutes.
    pub fn no_longer_muted(&self) -> Vec<(&str, u64)> {
        only_in(&self.muted_by_active, &self.muted_by_candidate)
    }

    /// Differing messages, at most so many of each kind of change, by their place.
    pub fn samples(&self, of_each: usize) -> Vec<Sample> {
        let mut all = Vec::new();
        for samples in self.samples.values() {
            let mut samples = samples.clone();
            samples.sort_by_key(|sample| (sample.offset, sample.partition));
            samples.truncate(of_each);
            all.extend(samples);
        }
        all
    }
}

impl Figures {
    pub fn add(&mut self, other: &Figures) {
        self.compared += other.compared;
        self.differing += other.differing;
        self.new_blocks += other.new_blocks;
        self.lost_blocks += other.lost_blocks;
    }
}

fn figures_of(active: &VerdictRecord, candidate: &VerdictRecord) -> Figures {
    let (before, after) = (Tally::is_blocked(active), Tally::is_blocked(candidate));
    let differs = active.action != candidate.action || active.effects != candidate.effects;
    Figures {
        compared: 1,
        differing: u64::from(differs),
        new_blocks: u64::from(after && !before),
        lost_blocks: u64::from(before && !after),
    }
}

fn is_muted(verdict: &VerdictRecord) -> bool {
    verdict.code == "muted" || verdict.effects.iter().any(|effect| effect.kind == "mute")
}

fn rules(verdict: &VerdictRecord) -> BTreeSet<&str> {
    let reasons = verdict.reasons.iter();
    reasons.map(|reason| reason.rule.as_str()).collect()
}

fn only_in<'a>(
    these: &'a BTreeMap<String, u64>,
    those: &BTreeMap<String, u64>,
) -> Vec<(&'a str, u64)> {
    let mut only: Vec<_> = these
        .iter()
        .filter(|(user, _)| !those.contains_key(*user))
        .map(|(user, count)| (user.as_str(), *count))
        .collect();
    only.sort_by_key(|(user, count)| (std::cmp::Reverse(*count), *user));
    only
}

impl Sample {
    pub fn of(active: &VerdictRecord, candidate: &VerdictRecord) -> Sample {
        Sample {
            partition: active.source_partition,
            offset: active.source_offset,
            message_id: active.message_id.clone(),
            community: active.community.clone(),
            channel: active.channel.clone(),
            user: active.user.clone(),
            active: said(active),
            candidate: said(candidate),
            audience: None,
            text: None,
        }
    }
}

fn said(verdict: &VerdictRecord) -> Said {
    let effects = verdict.effects.iter();
    Said {
        action: verdict.action.clone(),
        code: verdict.code.clone(),
        effects: effects.map(|effect| effect.kind.clone()).collect(),
        rules: rules(verdict).into_iter().map(ToOwned::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gavel_schemas::{EffectRecord, LabelRecord, ReasonRecord};

    fn verdict(offset: i64, user: &str, action: &str) -> VerdictRecord {
        VerdictRecord {
            log_id: "log".into(),
            source_offset: offset,
            message_id: format!("m{offset}"),
            community: "c".into(),
            channel: "lobby".into(),
            user: user.into(),
            code: "judged".into(),
            action: action.into(),
            engine: 1,
            context_complete: true,
            ..VerdictRecord::default()
        }
    }

    fn because(mut verdict: VerdictRecord, rule: &str, topic: &str, risk: i32) -> VerdictRecord {
        verdict.labels.push(LabelRecord {
            topic: topic.into(),
            risk,
        });
        verdict.reasons.push(ReasonRecord {
            rule: rule.into(),
            start: 0,
            end: 0,
            start_utf16: 0,
            end_utf16: 0,
            evasion: String::new(),
        });
        verdict
    }

    fn muting(mut verdict: VerdictRecord) -> VerdictRecord {
        verdict.effects.push(EffectRecord {
            kind: "mute".into(),
            until: Some(9),
            queue: None,
            trust: None,
        });
        verdict
    }

    fn some() -> Tally {
        let mut tally = Tally::default();
        let pairs = [
            (verdict(0, "a", "allow"), verdict(0, "a", "allow")),
            (
                because(verdict(1, "a", "mask"), "r", "rude", 3),
                because(verdict(1, "a", "block"), "r", "rude", 4),
            ),
            (
                because(verdict(2, "b", "block"), "s", "spam", 5),
                verdict(2, "b", "allow"),
            ),
            (verdict(3, "a", "flag"), muting(verdict(3, "a", "flag"))),
            (muting(verdict(4, "b", "block")), verdict(4, "b", "block")),
        ];
        for (active, candidate) in &pairs {
            tally.compare(active, candidate, 1);
        }
        tally
    }

    #[test]
    fn a_mute_counts_as_a_block_and_every_pair_stands_in_the_matrix_once() {
        let tally = some();
        assert_eq!(
            tally.figures,
            Figures {
                compared: 5,
                differing: 4,
                new_blocks: 2,
                lost_blocks: 1
            }
        );
        assert_eq!(tally.actions.values().sum::<u64>(), 5);
        assert_eq!(tally.actions[&("mask".into(), "block".into())], 1);
        assert_eq!(tally.channels["c/lobby"], tally.figures);
    }

    #[test]
    fn topics_rules_and_users_are_named_for_the_side_that_has_them() {
        let tally = some();
        assert_eq!(
            (tally.topics["rude"].higher, tally.topics["spam"].vanishes),
            (1, 1)
        );
        assert_eq!(tally.rules["s"].active_only, 1);
        assert!(!tally.rules.contains_key("r"), "both sides have it");
        assert_eq!(tally.newly_muted(), [("c/a", 1)]);
        assert_eq!(tally.no_longer_muted(), [("c/b", 1)]);
    }

    #[test]
    fn merged_tallies_are_the_tally_of_all() {
        let mut merged = some();
        merged.merge(some());
        assert_eq!(merged.figures.compared, 10);
        assert_eq!(merged.rules["s"].active_only, 2);
        assert_eq!(merged.newly_muted(), [("c/a", 2)]);
        assert_eq!(merged.samples(1).len(), some().samples(1).len());
    }
}
