//! Judging a message: retry, mute, text, windows, thresholds, strikes, in this order.

use super::{Contexts, Fold, HaltReason, Place, Scratch};
use crate::context::{Given, NoContext, Said, context_expired};
use crate::policy::Policy;
use crate::ruling::{Action, Code};
use gavel_schemas::ChatMessage;

/// Err: the fold cannot go on.
pub(super) type Judged = Result<(Action, Code), HaltReason>;

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
        let user = User {
            community: &message.community,
            name: &message.user,
        };
        if let Some((order, _)) = shadow
            && let Err(reason) = self.remember(place, user, Some(order), contexts)?
        {
            // Whatever can fail for the candidate fails before anything has changed.
            return Ok(Err(reason));
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
        let user = User {
            community: &message.community,
            name: &message.user,
        };
        if let Err(reason) = self.remember(place, user, shadow, contexts)? {
            return Ok(Err(reason));
        }
        let scratch = &mut self.scratch;
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
        let (action, code) = if place.now < self.scratch.context.standing.mute_until {
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
            self.strike(policy, place);
            (
                self.scratch.decision.action.unwrap_or(Action::Allow),
                Code::Judged,
            )
        };
        let scratch = &mut self.scratch;
        if let Some(until) = scratch.decision.mute_until {
            let standing = &mut scratch.context.standing;
            standing.mute_until = standing.mute_until.max(until);
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
        let trust = scratch.context.standing.trust(policy.strikes.as_ref(), now);
        scratch.decision.decide(
            policy,
            &message.channel,
            message.audience.as_deref(),
            trust,
            &scratch.found,
        );
    }

    /// Gives the message's points, and notes what it brought its user.
    fn strike(&mut self, policy: &Policy, place: Place) {
        let scratch = &mut self.scratch;
        let highest = scratch.decision.highest_risk();
        let given = Given {
            offset: place.offset,
            at: place.now,
            points: policy.strikes.as_ref().map_or(0, |strikes| {
                let points = strikes.per_risk.get(usize::from(highest));
                points.copied().unwrap_or(0)
            }),
            mute_until: scratch.decision.mute_until.unwrap_or(0),
        };
        if given.points > 0 || given.mute_until > 0 {
            scratch.context.give(given, policy.strikes.as_ref());
        }
        let Some(strikes) = policy.strikes.as_ref().filter(|_| given.points > 0) else {
            return;
        };
        let (now, standing) = (place.now, &mut scratch.context.standing);
        let before = standing.trust(Some(strikes), now);
        let total = standing.strike(strikes, given.points, now);
        for step in strikes.steps.iter().filter(|step| total >= step.gte) {
            scratch.decision.struck = true;
            if let Some(consequence) = &step.consequence {
                // The message at hand is decided; only what follows for the user counts here.
                let action = scratch.decision.action;
                scratch
                    .decision
                    .consequence(consequence, now, standing.mute_until);
                scratch.decision.action = action;
            }
        }
        let after = standing.trust(Some(strikes), now);
        scratch.decision.trust = (after != before).then_some(after);
    }

    /// Takes a user's context into the scratch: empty if there is none or it has expired.
    pub(super) fn remember<C: Contexts>(
        &mut self,
        place: Place,
        user: User<'_>,
        shadow: Option<i64>,
        contexts: &mut C,
    ) -> Result<Result<(), HaltReason>, C::Error> {
        let scratch = &mut self.scratch;
        context_key(&mut scratch.key, shadow, user.community, user.name);
        let known = contexts.load(&scratch.key, &mut scratch.bytes)?
            && !context_expired(&scratch.bytes, place.now);
        scratch.context.clear();
        if known && let Err(error) = scratch.context.decode(&scratch.bytes) {
            return Ok(Err(corrupt(&error)));
        }
        Ok(Ok(()))
    }
}

/// Whose context.
#[derive(Debug, Clone, Copy)]
pub(super) struct User<'a> {
    pub community: &'a str,
    pub name: &'a str,
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
