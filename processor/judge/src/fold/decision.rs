//! From hits and rules to an action: thresholds by audience, topic and trust.

use crate::policy::{Consequence, Levels, Policy, TrustLevel};
use crate::ruling::Action;
use crate::text::{Found, Hit};
use std::collections::BTreeSet;

/// Thousandths: hits count once it is more likely than not that one of them is right.
const EVEN: u32 = 500;

/// What is found and decided about one message. Kept between messages for its memory.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// Highest risk by topic.
    pub risks: Vec<Option<u8>>,
    /// By topic: its own action reaches `mask`.
    masked: Vec<bool>,
    /// Links that the channel does not allow are to be hidden.
    mask_links: bool,
    /// Context rules that fired, by index.
    pub fired: Vec<usize>,
    /// A step of the strikes applied.
    pub struck: bool,
    pub action: Option<Action>,
    pub mute_until: Option<i64>,
    pub queues: BTreeSet<String>,
    pub trust: Option<TrustLevel>,
    /// Rules that were found, in order, also those too weak to count: context rules may name them.
    pub spoken: Vec<u32>,
    weak: Vec<Weak>,
}

/// A hit that is more often wrong than right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weak {
    topic: usize,
    /// Highest first.
    risk: std::cmp::Reverse<u8>,
    term: u32,
    weight: u32,
}

impl Decision {
    pub fn clear(&mut self, topics: usize) {
        self.risks.clear();
        self.risks.resize(topics, None);
        self.masked.clear();
        self.masked.resize(topics, false);
        self.mask_links = false;
        self.fired.clear();
        self.struck = false;
        self.action = None;
        self.mute_until = None;
        self.queues.clear();
        self.trust = None;
        self.spoken.clear();
        self.weak.clear();
    }

    pub fn risk(&mut self, topic: usize, risk: u8) {
        if let Some(slot) = self.risks.get_mut(topic) {
            *slot = (*slot).max(Some(risk));
        }
    }

    /// Takes in what was found: a hit counts by itself if it is right at least every other time, and several weaker ones of a topic when
    /// one of them is right more likely than not. Drops the hits that do not count.
    pub fn hits(&mut self, policy: &Policy, found: &mut Found) {
        self.spoken.extend(found.hits.iter().map(|hit| hit.term));
        self.spoken.sort_unstable();
        for hit in &found.hits {
            let Some(rule) = policy.rule(hit.term) else {
                continue;
            };
            match rule.topic {
                Some(topic) if rule.weight >= EVEN => self.risk(topic, hit.risk),
                Some(topic) => self.weak.push(Weak {
                    topic,
                    risk: std::cmp::Reverse(hit.risk),
                    term: hit.term,
                    weight: rule.weight,
                }),
                None => {}
            }
        }
        if !self.weak.is_empty() {
            self.weigh();
            let risks = &self.risks;
            found.hits.retain(|hit| {
                let topic = policy.rule(hit.term).and_then(|rule| rule.topic);
                topic.is_none_or(|topic| {
                    risks
                        .get(topic)
                        .copied()
                        .flatten()
                        .is_some_and(|risk| risk >= hit.risk)
                })
            });
        }
    }

    /// By topic, from the highest risk down: how likely all are wrong, each rule counting once.
    fn weigh(&mut self) {
        let mut weak = std::mem::take(&mut self.weak);
        weak.sort_unstable();
        weak.dedup_by_key(|one| (one.topic, one.term));
        let (mut topic, mut wrong) = (usize::MAX, 1_000);
        for one in &weak {
            if one.topic != topic {
                (topic, wrong) = (one.topic, 1_000);
            }
            wrong = wrong * (1_000 - one.weight) / 1_000;
            if wrong <= EVEN {
                self.risk(topic, one.risk.0);
            }
        }
        weak.clear();
        self.weak = weak;
    }

    pub fn highest_risk(&self) -> u8 {
        self.risks.iter().flatten().copied().max().unwrap_or(0)
    }

    /// Applies the thresholds; what context rules demand besides is in already.
    pub fn decide(
        &mut self,
        policy: &Policy,
        channel: &str,
        audience: Option<&str>,
        trust: TrustLevel,
        found: &Found,
    ) {
        let audience = policy.audience(channel, audience);
        let mut action = self.action.unwrap_or(Action::Allow);
        for (topic, risk) in self.risks.iter().enumerate() {
            let (Some(risk), Some(levels)) = (*risk, audience.levels(topic)) else {
                continue;
            };
            let shift = policy.shift(topic, trust);
            let own = levels.action(shift, risk);
            self.masked[topic] = own >= Action::Mask;
            action = action.max(own);
            if Levels::reached(levels.escalate, shift, risk) {
                self.queues
                    .insert(levels.queue.clone().unwrap_or_else(|| "default".to_owned()));
            }
        }
        if found.hits.iter().any(|hit| hit.term == policy.link_rule)
            && let Some(urls) = policy.urls(channel)
        {
            let own = urls.other.action();
            self.mask_links = own >= Action::Mask;
            action = action.max(own);
        }
        // What cannot be masked, because no word carries it, is blocked.
        let maskable = found.hits.iter().any(|hit| self.masks(policy, hit));
        self.action = Some(if action == Action::Mask && !maskable {
            Action::Block
        } else {
            action
        });
    }

    /// Whether a hit is to be hidden.
    pub fn masks(&self, policy: &Policy, hit: &Hit) -> bool {
        match policy.rule(hit.term).map(|rule| rule.topic) {
            Some(Some(topic)) => self.masked.get(topic).copied().unwrap_or(false),
            Some(None) => self.mask_links,
            None => false,
        }
    }

    pub fn consequence(&mut self, consequence: &Consequence, now: i64, mute_until: i64) {
        let at_least = |action: Option<Action>, other: Action| {
            Some(action.unwrap_or(Action::Allow).max(other))
        };
        match consequence {
            Consequence::Flag => self.action = at_least(self.action, Action::Flag),
            Consequence::Mask => self.action = at_least(self.action, Action::Mask),
            Consequence::Block => self.action = at_least(self.action, Action::Block),
            Consequence::Mute(ms) => {
                self.mute_until = self
                    .mute_until
                    .max(Some(mute_until.max(now.saturating_add(*ms))))
            }
            Consequence::Escalate(queue) => {
                self.queues.insert(queue.clone());
            }
        }
    }
}
