//! Undoing what followed from a verdict.
//!
//! Invariant: an order says which verdict was wrong, and nothing about what followed from it: that is known to the contexts alone. So an
//! order for a verdict that nothing is remembered of, or a second one for the same, changes nothing.

use super::message::User;
use super::{Contexts, Fold, HaltReason, Place};
use crate::context::Relief;
use crate::policy::Policy;
use gavel_schemas::{VerdictOverturned, limits};

/// None: there was nothing to undo. Err: the fold cannot go on.
pub(super) type Undone = Result<Option<Relief>, HaltReason>;

impl Fold {
    /// Whether an order is about a verdict of this partition's log, and names its user as a context can be found by.
    pub(super) fn is_about_us(&self, order: &VerdictOverturned) -> bool {
        // Another community and user could have the same key if there were a second `/`; an id that no message can have would make a
        // verdict that is too large.
        order.log_id == self.log_id
            && order.source_partition == self.partition
            && !order.community.contains('/')
            && order.message_id.len() <= limits::STRING_BYTES
    }

    /// Undoes it in the context of the policy in force, and in that of the candidate.
    pub(super) fn overturn<C: Contexts>(
        &mut self,
        place: Place,
        order: &VerdictOverturned,
        contexts: &mut C,
    ) -> Result<Undone, C::Error> {
        let policy = self.policy_of(&order.community);
        let shadow = self.shadow_of(&order.community, policy.as_deref());
        let user = User {
            community: &order.community,
            name: &order.user,
        };
        if let Some((number, _)) = shadow
            && let Err(reason) = self.remember(place, user, Some(number), contexts)?
        {
            // Whatever can fail for the candidate fails before anything has changed.
            return Ok(Err(reason));
        }
        let undone = match policy {
            None => Ok(None),
            Some(policy) => self.undo(place, order, (&policy, None), contexts)?,
        };
        if let (Ok(_), Some((number, candidate))) = (&undone, shadow)
            && let Err(reason) = self.undo(place, order, (&candidate, Some(number)), contexts)?
        {
            return Ok(Err(reason));
        }
        Ok(undone)
    }

    fn undo<C: Contexts>(
        &mut self,
        place: Place,
        order: &VerdictOverturned,
        (policy, shadow): (&Policy, Option<i64>),
        contexts: &mut C,
    ) -> Result<Undone, C::Error> {
        let user = User {
            community: &order.community,
            name: &order.user,
        };
        if let Err(reason) = self.remember(place, user, shadow, contexts)? {
            return Ok(Err(reason));
        }
        let scratch = &mut self.scratch;
        let strikes = policy.strikes.as_ref();
        let relief = scratch
            .context
            .overturn(order.source_offset, strikes, place.now);
        if relief.is_some() {
            scratch.context.encode(place.now, &mut scratch.bytes);
            contexts.store(&scratch.key, &scratch.bytes)?;
        }
        Ok(Ok(relief))
    }
}
