//! What was counted over time, and what is remembered of a user.

use super::Heard;
use crate::context::{Context, Window};
use crate::explanation::{
    CountedRule, Remembered, RememberedSaid, RememberedWindow, StrikeStep, Struck,
};
use crate::fold::Fold;
use crate::policy::{CompiledContext, ContextKind, Named, SameText, TrustLevel, demand};
use crate::text::{fingerprint, fnv, near_fingerprint, nearly};

impl Fold {
    pub(super) fn counted_rules(&self, heard: &Heard<'_>) -> Vec<CountedRule> {
        let rules = heard.policy.contexts.iter().enumerate();
        rules
            .map(|(index, compiled)| {
                let rule = &compiled.rule;
                let events = self.counted_events(&heard.after, compiled, heard);
                CountedRule {
                    id: rule.id.clone(),
                    heard: self.is_heard(index, compiled, heard),
                    before: count(
                        &self.counted_events(&heard.before, compiled, heard),
                        compiled,
                    ),
                    count: count(&events, compiled),
                    needs: needs(compiled),
                    timespan: rule.timespan,
                    since: events.iter().map(|(at, _)| *at).min(),
                    fired: self.scratch.decision.fired.contains(&index),
                    topic: rule.topic.clone(),
                    risk: rule.risk,
                    demands: rule.consequence.as_ref().map(demand),
                    definition: heard
                        .document
                        .and_then(|document| document.definition(&rule.id)),
                }
            })
            .collect()
    }

    /// The events of a context that count for a rule together with this message.
    fn counted_events(
        &self,
        context: &Context,
        compiled: &CompiledContext,
        heard: &Heard<'_>,
    ) -> Vec<(i64, u64)> {
        let plain = self.scratch.views.plain();
        let events = events(context, compiled, heard);
        match compiled.rule.by_text {
            None => events,
            Some(SameText::Fingerprint) => {
                let own = fingerprint(plain);
                let same = events.into_iter().filter(|(_, value)| *value == own);
                same.collect()
            }
            Some(SameText::Near) => {
                let own = near_fingerprint(plain);
                let same = events.into_iter().filter(|(_, value)| nearly(*value, own));
                same.collect()
            }
        }
    }

    /// Whether the rule counts this message: what it names had spoken when its turn came.
    fn is_heard(&self, index: usize, compiled: &CompiledContext, heard: &Heard<'_>) -> bool {
        let scratch = &self.scratch;
        let comes_later = |compiled: &CompiledContext| {
            compiled
                .named
                .iter()
                .any(|named| !matches!(named, Named::Rule(_)))
        };
        let speaks = |named: &Named| match *named {
            Named::Rule(rule) => scratch.decision.spoken.binary_search(&rule).is_ok(),
            Named::Topic(topic) => scratch
                .heard
                .get(topic)
                .copied()
                .flatten()
                .is_some_and(|risk| risk > 0),
            Named::Context(other) => {
                let before = heard
                    .policy
                    .contexts
                    .get(other)
                    .is_some_and(|compiled| !comes_later(compiled) || other < index);
                before && scratch.decision.fired.contains(&other)
            }
        };
        if compiled.rule.kind == ContextKind::ValueCount(crate::policy::Field::ReplyTo)
            && heard.message.reply_to.is_none()
        {
            return false;
        }
        compiled.named.is_empty() || compiled.named.iter().any(speaks)
    }

    pub(super) fn struck(&self, heard: &Heard<'_>) -> Option<Struck> {
        let strikes = heard.policy.strikes.as_ref()?;
        let highest_risk = self.scratch.decision.highest_risk();
        let before = heard
            .before
            .standing
            .strikes_left(heard.now, strikes.half_life);
        let added = strikes
            .per_risk
            .get(usize::from(highest_risk))
            .copied()
            .unwrap_or(0);
        let total = if added > 0 {
            heard.after.standing.strikes
        } else {
            before
        };
        let steps = strikes.steps.iter().map(|step| StrikeStep {
            gte: step.gte,
            reached: added > 0 && total >= step.gte,
            trust: step.trust.map(TrustLevel::as_str),
            demands: step.consequence.as_ref().map(demand),
        });
        Some(Struck {
            highest_risk,
            before,
            added,
            total,
            half_life: strikes.half_life,
            steps: steps.collect(),
        })
    }
}

fn needs(compiled: &CompiledContext) -> usize {
    match compiled.rule.kind {
        ContextKind::TemporalOrdered => compiled.named.len(),
        ContextKind::EventCount | ContextKind::ValueCount(_) => compiled.rule.gte as usize,
    }
}

/// How far a rule is. Of rules one after another the value of an event is its step.
fn count(events: &[(i64, u64)], compiled: &CompiledContext) -> usize {
    match compiled.rule.kind {
        ContextKind::TemporalOrdered => events
            .iter()
            .map(|(_, step)| *step as usize + 1)
            .max()
            .unwrap_or(0),
        ContextKind::EventCount | ContextKind::ValueCount(_) => events.len(),
    }
}

/// The events of a rule's window as of this message, and of its channel where the rule counts by channel.
fn events(context: &Context, compiled: &CompiledContext, heard: &Heard<'_>) -> Vec<(i64, u64)> {
    let mut key = compiled.key;
    if compiled.rule.by_channel {
        key ^= fnv(heard.message.channel.as_bytes());
    }
    let window = Window {
        key,
        timespan: compiled.rule.timespan,
        most: compiled.rule.gte as usize,
    };
    context.counted(window, heard.now).collect()
}

/// A context for people, as of this message.
pub(super) fn remembered(heard: &Heard<'_>, context: &Context, known: bool) -> Remembered {
    let policy = heard.policy;
    let half_life = policy
        .strikes
        .as_ref()
        .map_or(1, |strikes| strikes.half_life);
    let windows = policy.contexts.iter().map(|compiled| RememberedWindow {
        rule: compiled.rule.id.clone(),
        count: count(&events(context, compiled, heard), compiled),
    });
    let messages = context.said().iter().map(|said| RememberedSaid {
        offset: said.offset,
        action: said.action.as_str(),
        code: said.code.as_str(),
    });
    Remembered {
        known,
        strikes: context.standing.strikes_left(heard.now, half_life),
        struck_at: (context.standing.strikes_at > 0).then_some(context.standing.strikes_at),
        mute_until: (context.standing.mute_until > heard.now)
            .then_some(context.standing.mute_until),
        trust: context
            .standing
            .trust(policy.strikes.as_ref(), heard.now)
            .as_str(),
        trust_floor: context.standing.trust_floor,
        windows: windows.collect(),
        messages: messages.collect(),
        short_texts: context.fragments.len(),
    }
}
