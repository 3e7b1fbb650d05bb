//! Counting: what a user does over time, as the policy's context rules ask.
//!
//! Invariant: which rules fire depends on no order of their ids: those that name topics or other context rules come after all others and
//! hear what had been said until then.

use super::{Fold, Scratch};
use crate::context::Window;
use crate::policy::{CompiledContext, ContextKind, Field, Named, Policy, SameText};
use crate::text::{fingerprint, fnv, near_fingerprint, nearly};
use gavel_schemas::ChatMessage;

impl Fold {
    pub(super) fn count(&mut self, policy: &Policy, message: &ChatMessage<'_>, now: i64) {
        let Some(keep) = policy
            .contexts
            .iter()
            .map(|compiled| compiled.rule.timespan)
            .max()
        else {
            return;
        };
        self.scratch.context.forget(now, keep);
        // Rules that name topics or context rules come after those that name neither, and hear what had been said until then: an order of
        // their ids would decide otherwise.
        let hears_rules = |compiled: &CompiledContext| {
            compiled
                .named
                .iter()
                .any(|named| !matches!(named, Named::Rule(_)))
        };
        for later in [false, true] {
            let Scratch {
                heard, decision, ..
            } = &mut self.scratch;
            heard.clone_from(&decision.risks);
            for (index, compiled) in policy.contexts.iter().enumerate() {
                if hears_rules(compiled) == later && self.scratch.fires(compiled, message, now) {
                    let scratch = &mut self.scratch;
                    scratch.decision.fired.push(index);
                    scratch.decision.risk(compiled.topic, compiled.rule.risk);
                    if let Some(consequence) = &compiled.rule.consequence {
                        scratch.decision.consequence(
                            consequence,
                            now,
                            scratch.context.standing.mute_until,
                        );
                    }
                }
            }
        }
    }
}

impl Scratch {
    /// Counts the message for a rule, if it is of its kind; whether the rule fires.
    fn fires(&mut self, compiled: &CompiledContext, message: &ChatMessage<'_>, now: i64) -> bool {
        let rule = &compiled.rule;
        let speaks = |named: &Named| match *named {
            Named::Rule(index) => self.decision.spoken.binary_search(&index).is_ok(),
            Named::Topic(topic) => self
                .heard
                .get(topic)
                .copied()
                .flatten()
                .is_some_and(|risk| risk > 0),
            Named::Context(index) => self.decision.fired.contains(&index),
        };
        let mut window = Window {
            key: compiled.key,
            timespan: rule.timespan,
            most: rule.gte as usize,
        };
        if rule.by_channel {
            window.key ^= fnv(message.channel.as_bytes());
        }
        if rule.kind == ContextKind::TemporalOrdered {
            let taken: Vec<u64> = (0u64..)
                .zip(&compiled.named)
                .filter(|(_, named)| speaks(named))
                .map(|(step, _)| step)
                .collect();
            let last = compiled.named.len() as u64 - 1;
            // From the last step back: one message takes one step of an order. All are taken, whether or not the last fires.
            let mut fired = false;
            for step in taken.into_iter().rev() {
                fired |= self.context.step(window, now, step) && step == last;
            }
            return fired;
        }
        if !compiled.named.is_empty() && !compiled.named.iter().any(speaks) {
            return false;
        }
        let count = match (rule.kind, rule.by_text) {
            (ContextKind::ValueCount(field), _) => {
                let value = match field {
                    Field::Channel => fnv(message.channel.as_bytes()),
                    Field::ReplyTo => match message.reply_to.as_deref() {
                        Some(reply) => fnv(reply.as_bytes()),
                        None => return false,
                    },
                    Field::Text => fingerprint(self.views.plain()),
                };
                self.context.count_different(window, now, value)
            }
            (_, None) => self.context.count(window, now, 0, |_, _| true),
            (_, Some(same)) => {
                // Other texts stand between.
                window.most = (4 * window.most).max(16);
                match same {
                    SameText::Fingerprint => self.context.count(
                        window,
                        now,
                        fingerprint(self.views.plain()),
                        |one, other| one == other,
                    ),
                    SameText::Near => self.context.count(
                        window,
                        now,
                        near_fingerprint(self.views.plain()),
                        nearly,
                    ),
                }
            }
        };
        count >= rule.gte as usize
    }
}
