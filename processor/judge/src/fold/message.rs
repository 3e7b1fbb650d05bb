//! Judging a message: retry, mute, text, windows, thresholds, strikes, in this order.

use super::{Contexts, Fold, HaltReason, Place, Scratch};
use crate::context::{Context, NoContext, Said, context_expired};
use crate::policy::{Policy, TrustLevel};
use crate::ruling::{Action, Code};
use gavel_schemas::ChatMessage;

/// Err: the fold cannot go on.
type Judged = Result<(Action, Code), HaltReason>;

impl Fold {
    /// Judges a message by the policy in force, then by the candidate in shadow, each with contexts of its own.
    pub(super) fn hear<C: Contexts>(
        &mut self,
        place: Place,
        message: &ChatMessage<'_>,
        contexts: &mut C,
    ) -> Result<Judged, C::Error> {
        let policy = self.policy_of(&message.community);
        let shadow = self.shadow_of(&message.community, policy.as_deref());
        if let Some((order, _)) = shadow {
            // Whatever can fail for the candidate fails before anything has changed.
            let scratch = &mut self.scratch;
            context_key(
                &mut scratch.key,
                Some(order),
                &message.community,
                &message.user,
            );
            if contexts.load(&scratch.key, &mut scratch.bytes)?
                && let Err(error) = scratch.context.decode(&scratch.bytes)
            {
                return Ok(Err(corrupt(&error)));
            }
        }
        let judged = match policy {
            None => {
                self.write_message(
                    place,
                    message,
                    Verdict::without_policy(Code::NoPolicy, Action::Allow),
                );
                Ok((Action::Allow, Code::NoPolicy))
            }
            Some(policy) => self.judge(place, message, &policy, None, contexts)?,
        };
        if let (Ok(_), Some((order, candidate))) = (&judged, shadow) {
            let Scratch {
                verdict, shadow, ..
            } = &mut self.scratch;
            std::mem::swap(verdict, shadow);
            let shadowed = self.judge(place, message, &candidate, Some(order), contexts)?;
            let Scratch {
                verdict, shadow, ..
            } = &mut self.scratch;
            std::mem::swap(verdict, shadow);
            if let Err(reason) = shadowed {
                return Ok(Err(reason));
            }
        }
        Ok(judged)
    }

    fn judge<C: Contexts>(
        &mut self,
        place: Place,
        message: &ChatMessage<'_>,
        policy: &Policy,
        shadow: Option<i64>,
        contexts: &mut C,
    ) -> Result<Judged, C::Error> {
        let scratch = &mut self.scratch;
        context_key(&mut scratch.key, shadow, &message.community, &message.user);
        let known = contexts.load(&scratch.key, &mut scratch.bytes)?
            && !context_expired(&scratch.bytes, place.now);
        scratch.context.clear();
        if known && let Err(error) = scratch.context.decode(&scratch.bytes) {
            return Ok(Err(corrupt(&error)));
        }
        let digest = content_digest(message, &mut scratch.bytes);
        let before = if message.message_id.is_empty() {
            None
        } else {
            scratch.context.said_before(&digest)
        };
        if let Some(said) = before {
            self.match_text(policy, message);
            self.scratch.weigh(policy);
            self.decide(policy, message, place.now);
            // The same again: nothing follows from it a second time.
            self.scratch.decision.action = Some(said.action);
            (
                self.scratch.decision.mute_until,
                self.scratch.decision.trust,
            ) = (None, None);
            self.scratch.decision.queues.clear();
            let verdict = Verdict {
                policy: Some(policy),
                code: said.code,
                action: said.action,
                duplicate_of: Some(said.offset),
            };
            self.write_message(place, message, verdict);
            return Ok(Ok((said.action, said.code)));
        }
        let (action, code) = if place.now < self.scratch.context.mute_until {
            self.scratch.context.forget_fragments(policy, place.now);
            self.scratch.decision.clear(policy.topics.len());
            self.scratch.found.hits.clear();
            (Action::Block, Code::Muted)
        } else {
            self.match_text(policy, message);
            self.match_joined(policy, message, place.now);
            self.scratch.weigh(policy);
            self.count(policy, message, place.now);
            self.decide(policy, message, place.now);
            self.strike(policy, place.now);
            (
                self.scratch.decision.action.unwrap_or(Action::Allow),
                Code::Judged,
            )
        };
        let scratch = &mut self.scratch;
        if let Some(until) = scratch.decision.mute_until {
            scratch.context.mute_until = scratch.context.mute_until.max(until);
        }
        scratch.context.say(Said {
            digest,
            offset: place.offset,
            action,
            code,
        });
        scratch.context.encode(place.now, &mut scratch.bytes);
        contexts.store(&scratch.key, &scratch.bytes)?;
        self.write_message(
            place,
            message,
            Verdict {
                policy: Some(policy),
                code,
                action,
                duplicate_of: None,
            },
        );
        Ok(Ok((action, code)))
    }

    fn decide(&mut self, policy: &Policy, message: &ChatMessage<'_>, now: i64) {
        let scratch = &mut self.scratch;
        let trust = trust_of(policy, &scratch.context, now);
        scratch.decision.decide(
            policy,
            &message.channel,
            message.audience.as_deref(),
            trust,
            &scratch.found,
        );
    }

    fn strike(&mut self, policy: &Policy, now: i64) {
        let Some(strikes) = &policy.strikes else {
            return;
        };
        let scratch = &mut self.scratch;
        let highest = scratch.decision.highest_risk();
        let points = strikes
            .per_risk
            .get(usize::from(highest))
            .copied()
            .unwrap_or(0);
        if points == 0 {
            return;
        }
        let before = trust_of(policy, &scratch.context, now);
        let total = scratch
            .context
            .strikes_left(now, strikes.half_life)
            .saturating_add(points);
        (scratch.context.strikes, scratch.context.strikes_at) = (total, now);
        for step in strikes.steps.iter().filter(|step| total >= step.gte) {
            scratch.decision.struck = true;
            if let Some(consequence) = &step.consequence
                && let Some(ms) = consequence.mute()
            {
                let until = scratch.context.mute_until.max(now.saturating_add(ms));
                scratch.decision.mute_until = scratch.decision.mute_until.max(Some(until));
            } else if let Some(consequence) = &step.consequence {
                // The message at hand is decided; only what follows for the user counts here.
                let action = scratch.decision.action;
                scratch
                    .decision
                    .consequence(consequence, now, scratch.context.mute_until);
                scratch.decision.action = action;
            }
        }
        let reached = strikes.steps.iter().filter(|step| total >= step.gte);
        if let Some((trust, gte)) = reached
            .filter_map(|step| Some((step.trust?, step.gte)))
            .next_back()
        {
            (scratch.context.trust, scratch.context.trust_floor) = (trust, (gte / 2).max(1));
        }
        let after = trust_of(policy, &scratch.context, now);
        scratch.decision.trust = (after != before).then_some(after);
    }
}

/// Where a user's context lives: `community/user`, and for a candidate its own, behind a byte that no text begins with. A later
/// candidate starts with empty contexts.
pub(super) fn context_key(key: &mut Vec<u8>, shadow: Option<i64>, community: &str, user: &str) {
    key.clear();
    if let Some(order) = shadow {
        key.push(0xff);
        key.extend_from_slice(&order.to_be_bytes());
    }
    key.extend_from_slice(community.as_bytes());
    key.push(b'/');
    key.extend_from_slice(user.as_bytes());
}

fn corrupt(error: &NoContext) -> HaltReason {
    HaltReason::CorruptContext {
        detail: error.to_string(),
    }
}

/// What `write_message` needs to know besides the decision.
pub(super) struct Verdict<'a> {
    pub policy: Option<&'a Policy>,
    pub code: Code,
    pub action: Action,
    pub duplicate_of: Option<i64>,
}

impl Verdict<'_> {
    fn without_policy(code: Code, action: Action) -> Verdict<'static> {
        Verdict {
            policy: None,
            code,
            action,
            duplicate_of: None,
        }
    }
}

/// The level that a step of the strikes gave, as long as at least half of the points for that step are left: a user who has just
/// reached a step stays there for a half-life and not for a millisecond.
pub(super) fn trust_of(policy: &Policy, context: &Context, now: i64) -> TrustLevel {
    let half_life = policy
        .strikes
        .as_ref()
        .map_or(1, |strikes| strikes.half_life);
    let holds =
        context.trust_floor > 0 && context.strikes_left(now, half_life) >= context.trust_floor;
    if holds {
        context.trust
    } else {
        TrustLevel::default()
    }
}

/// All that makes two messages the same, which is everything but the time of sending. A strong hash: a weak one would let a sender
/// give a bad message the verdict of a good one.
fn content_digest(message: &ChatMessage<'_>, buffer: &mut Vec<u8>) -> [u8; 16] {
    buffer.clear();
    let fields = [
        &message.message_id,
        &message.community,
        &message.channel,
        &message.user,
        &message.text,
        &message.kind,
    ];
    for field in fields {
        buffer.extend_from_slice(&(field.len() as u64).to_le_bytes());
        buffer.extend_from_slice(field.as_bytes());
    }
    for field in [
        &message.audience,
        &message.language,
        &message.revises,
        &message.reply_to,
    ] {
        match field.as_deref() {
            None => buffer.push(0),
            Some(text) => {
                buffer.push(1);
                buffer.extend_from_slice(&(text.len() as u64).to_le_bytes());
                buffer.extend_from_slice(text.as_bytes());
            }
        }
    }
    let mut digest = [0u8; 16];
    digest.copy_from_slice(&blake3::hash(buffer).as_bytes()[..16]);
    digest
}
