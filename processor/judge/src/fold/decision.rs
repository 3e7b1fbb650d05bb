//! From hits and rules to an action: thresholds by audience, topic and trust.

use crate::policy::{Consequence, Levels, Policy, TrustLevel};
use crate::ruling::Action;
use crate::text::Found;
use std::collections::BTreeSet;

/// What is found and decided about one message. Kept between messages for its memory.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// Highest risk by topic.
    pub risks: Vec<Option<u8>>,
    /// By topic: its own action reaches `mask`.
    masked: Vec<bool>,
    /// Context rules that fired, by index.
    pub fired: Vec<usize>,
    /// A step of the strikes applied.
    pub struck: bool,
    pub action: Option<Action>,
    pub mute_until: Option<i64>,
    pub queues: BTreeSet<String>,
    pub trust: Option<TrustLevel>,
}

impl Decision {
    pub fn clear(&mut self, topics: usize) {
        self.risks.clear();
        self.risks.resize(topics, None);
        self.masked.clear();
        self.masked.resize(topics, false);
        self.fired.clear();
        self.struck = false;
        self.action = None;
        self.mute_until = None;
        self.queues.clear();
        self.trust = None;
    }

    pub fn risk(&mut self, topic: usize, risk: u8) {
        if let Some(slot) = self.risks.get_mut(topic) {
            *slot = (*slot).max(Some(risk));
        }
    }

    pub fn hits(&mut self, policy: &Policy, found: &Found) {
        for hit in &found.hits {
            if let Some(term) = policy.terms.get(hit.term as usize) {
                self.risk(term.topic, term.risk);
            }
        }
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
            let Some(risk) = *risk else { continue };
            let (levels, shift) = (audience.levels(topic), policy.shift(topic, trust));
            let own = action_of(levels, shift, risk);
            self.masked[topic] = own >= Action::Mask;
            action = action.max(own);
            if Levels::reached(levels.escalate, shift, risk) {
                self.queues.insert("default".to_owned());
            }
        }
        // What cannot be masked, because no word carries it, is blocked.
        let maskable = found.hits.iter().any(|hit| self.masks(policy, hit.term));
        self.action = Some(if action == Action::Mask && !maskable {
            Action::Block
        } else {
            action
        });
    }

    /// Whether a hit of this term is to be hidden.
    pub fn masks(&self, policy: &Policy, term: u32) -> bool {
        policy
            .terms
            .get(term as usize)
            .is_some_and(|term| self.masked.get(term.topic).copied().unwrap_or(false))
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

/// The most severe action whose level is reached.
fn action_of(levels: Levels, shift: i8, risk: u8) -> Action {
    let order = [
        (levels.block, Action::Block),
        (levels.mask, Action::Mask),
        (levels.flag, Action::Flag),
    ];
    order
        .into_iter()
        .find(|(level, _)| Levels::reached(*level, shift, risk))
        .map_or(Action::Allow, |(_, action)| action)
}
