//! A walk through a log for the sake of a few users, at a fraction of the cost.
//!
//! Invariant: contexts of two users never touch, so the verdicts of the users that are wanted are those of the whole fold as long as time
//! and orders are folded for every record. What is left out is only what the others said.

use super::{Contexts, Fold, Patience, Record, Step};
use crate::context::{Context, context_expired};
use crate::control::ControlLog;
use gavel_schemas::{Inbound, decode_inbound_with, limits};
use serde::Serialize;

/// How a user stands at a time: what a person looks at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Thousandths of a point that are left.
    pub strikes: u64,
    /// When the last ones came; None: never.
    pub struck_at: Option<i64>,
    /// None: not muted.
    pub mute_until: Option<i64>,
    pub trust: &'static str,
}

impl Fold {
    /// Folds one record as `step` does if it is an order or a message of somebody who is wanted (community, user); of any other record
    /// only the time. None: it was one of those.
    pub fn step_for<C: Contexts>(
        &mut self,
        record: &Record<'_>,
        control: &ControlLog,
        patience: Patience,
        contexts: &mut C,
        wanted: impl FnOnce(&str, &str) -> bool,
    ) -> Result<Option<Step<'_>>, C::Error> {
        let key_kept = record
            .key
            .is_none_or(|key| key.len() <= limits::STRING_BYTES);
        let inbound = record
            .value
            .map(|value| decode_inbound_with(value, &self.schemas));
        let is_wanted = key_kept
            && match inbound {
                Some(Ok(Inbound::Marker(_))) => true,
                Some(Ok(Inbound::Message(message))) => {
                    !message.community.contains('/') && wanted(&message.community, &message.user)
                }
                Some(Err(_)) | None => false,
            };
        if is_wanted {
            return self.step(record, control, patience, contexts).map(Some);
        }
        self.state.clock.tick(record.timestamp);
        Ok(None)
    }

    /// How the user of a stored context stands at a time, by the policy of a community as it is now. Bytes that are no context stand
    /// like none.
    pub fn standing(&self, community: &str, stored: Option<&[u8]>, at: i64) -> Standing {
        let mut context = Context::default();
        if let Some(bytes) = stored.filter(|bytes| !context_expired(bytes, at))
            && context.decode(bytes).is_err()
        {
            context.clear();
        }
        let policy = self.policy_of(community);
        let strikes = policy.as_ref().and_then(|policy| policy.strikes.as_ref());
        let half_life = strikes.map_or(1, |strikes| strikes.half_life);
        let standing = context.standing;
        Standing {
            strikes: standing.strikes_left(at, half_life),
            struck_at: (standing.strikes_at > 0).then_some(standing.strikes_at),
            mute_until: (standing.mute_until > at).then_some(standing.mute_until),
            trust: standing.trust(strikes, at).as_str(),
        }
    }
}
