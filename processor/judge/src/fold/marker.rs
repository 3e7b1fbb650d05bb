//! Markers: where an order gets its place in time.
//!
//! Invariant: a marker changes something only if number, kind and SHA-256 are those of an order that stands in the control log; an
//! activation only if it is newer than the current one of its scope (in force and in shadow apart). So whoever may write chat can forge nothing, and whoever activates
//! can try again.

use super::message::context_key;
use super::{Contexts, EVERYWHERE, Fold, HaltReason, Patience, Place, scoped};
use crate::ENGINE;
use crate::control::{ControlLog, PolicyOf};
use crate::digest::Digest;
use crate::policy::Policy;
use crate::registrations::Registration;
use crate::ruling::{Action, Code};
use crate::state::Activation;
use gavel_schemas::{
    ControlMarker, Order, PolicyActivated, Refusal, SchemaId, SchemaRegistered, UserErased,
    VerdictOverturned,
};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) enum Resolved {
    Await,
    Halt(HaltReason),
    Refused(Refusal),
    Counts(Change),
}

pub(super) enum Change {
    Nothing,
    Activate {
        scope: String,
        shadow: bool,
        activation: Activation,
        policy: Arc<Policy>,
    },
    Erase {
        community: String,
        user: String,
        /// Numbers of the candidates that may have a context of the user.
        candidates: BTreeSet<i64>,
    },
    Overturn(VerdictOverturned),
    Register(Registration),
}

impl Fold {
    pub(super) fn resolve(
        &self,
        marker: &ControlMarker<'_>,
        control: &ControlLog,
        patience: Patience,
    ) -> Resolved {
        if marker.order >= control.read_to() && patience == Patience::Wait {
            return Resolved::Await;
        }
        let recorded = control
            .order(marker.order)
            .filter(|order| order.sha256 == marker.sha256 && order.kind() == marker.kind);
        let Some(recorded) = recorded else {
            return Resolved::Refused(Refusal::MarkerMismatch);
        };
        match recorded.order() {
            Order::PolicyActivated(order) => self.resolve_activation(marker.order, order, control),
            Order::UserErased(order) => Resolved::Counts(Change::Erase {
                community: order.community.clone(),
                user: order.user.clone(),
                candidates: self.candidates(marker.order, order, control),
            }),
            Order::VerdictOverturned(order) if self.is_about_us(order) => {
                Resolved::Counts(Change::Overturn(order.clone()))
            }
            Order::SchemaRegistered(order) => {
                self.resolve_registration(marker.order, order, control)
            }
            Order::PolicyDocument(_)
            | Order::LogOpened(_)
            | Order::HistoryAccepted(_)
            | Order::VerdictOverturned(_) => Resolved::Counts(Change::Nothing),
        }
    }

    /// Every candidate that may ever have heard the user here, also those whose shadow has ended: their contexts stay until they expire.
    /// Of each scope those up to the erasure's own number, and up to the newest that counted here: what else a reader of the control
    /// log has seen by now must not matter.
    fn candidates(&self, number: i64, erased: &UserErased, control: &ControlLog) -> BTreeSet<i64> {
        let state = &self.state;
        let counted = |scope: &str| {
            let newest = state.shadows.get(scope).into_iter();
            newest
                .chain(state.ended_shadows.get(scope))
                .map(|activation| activation.order)
                .max()
        };
        let orders = control.orders().filter(|recorded| {
            let Order::PolicyActivated(order) = recorded.order() else {
                return false;
            };
            let concerned = order.scope == EVERYWHERE || order.scope == erased.community;
            order.shadow
                && concerned
                && (recorded.offset < number || Some(recorded.offset) <= counted(&order.scope))
        });
        orders.map(|recorded| recorded.offset).collect()
    }

    fn resolve_activation(
        &self,
        number: i64,
        order: &PolicyActivated,
        control: &ControlLog,
    ) -> Resolved {
        if order.shadow && self.without_shadows {
            return Resolved::Counts(Change::Nothing);
        }
        let state = &self.state;
        let current = if order.shadow {
            let ended = state.ended_shadows.get(&order.scope);
            state.shadows.get(&order.scope).or(ended)
        } else {
            state.activations.get(&order.scope)
        };
        if current.is_some_and(|current| current.order >= number) {
            return Resolved::Counts(Change::Nothing);
        }
        let (Ok(digest), Ok(engine)) =
            (order.digest.parse::<Digest>(), u32::try_from(order.engine))
        else {
            return Resolved::Refused(Refusal::PolicyInvalid);
        };
        if engine != ENGINE {
            // Only an activation for all may change the engine; a candidate never stops a partition.
            let everywhere = order.scope == EVERYWHERE;
            return if everywhere && !order.shadow {
                Resolved::Halt(HaltReason::UnknownEngine { engine })
            } else {
                Resolved::Refused(Refusal::PolicyInvalid)
            };
        }
        match control.policy_for(number, &digest) {
            PolicyOf::NotCompiled => Resolved::Await,
            PolicyOf::Incomplete => Resolved::Refused(Refusal::PolicyIncomplete),
            PolicyOf::Ready(policy) if policy.engine() == engine => {
                Resolved::Counts(Change::Activate {
                    scope: order.scope.clone(),
                    shadow: order.shadow,
                    activation: Activation {
                        order: number,
                        digest,
                    },
                    policy: Arc::clone(policy),
                })
            }
            PolicyOf::Ready(_) | PolicyOf::Invalid => Resolved::Refused(Refusal::PolicyInvalid),
        }
    }

    fn resolve_registration(
        &self,
        number: i64,
        order: &SchemaRegistered,
        control: &ControlLog,
    ) -> Resolved {
        let registrations = control.registrations();
        if let Some(registration) = registrations.of_order(number) {
            return Resolved::Counts(if self.state.schemas().contains(&number) {
                Change::Nothing
            } else {
                Change::Register(registration.clone())
            });
        }
        // Only what stands before the order in the control log is the same for everybody who meets its marker.
        let first = SchemaId::of_order(&order.framing, &order.id)
            .ok()
            .and_then(|id| registrations.of_id(id));
        match first {
            Some(first) if first.order < number => Resolved::Counts(Change::Nothing),
            Some(_) | None => Resolved::Refused(Refusal::SchemaInvalid),
        }
    }

    /// Makes the change and writes the marker's verdict.
    pub(super) fn carry_out<C: Contexts>(
        &mut self,
        place: Place,
        change: Change,
        contexts: &mut C,
    ) -> Result<Result<Code, HaltReason>, C::Error> {
        match change {
            Change::Nothing => {}
            Change::Activate {
                scope,
                shadow: false,
                activation,
                policy,
            } => {
                let candidate = self.state.shadows.get(&scope);
                if candidate.is_some_and(|candidate| candidate.digest == activation.digest) {
                    self.end_shadow(&scope);
                }
                self.policies.insert(scope.clone(), policy);
                self.state.activations.insert(scope, activation);
            }
            Change::Activate {
                scope,
                shadow: true,
                activation,
                policy,
            } => {
                let in_force = scoped(&self.policies, &scope);
                let ends = in_force.is_some_and(|(_, judges)| judges.digest() == activation.digest);
                self.shadows.insert(scope.clone(), policy);
                self.state.ended_shadows.remove(&scope);
                self.state.shadows.insert(scope.clone(), activation);
                if ends {
                    self.end_shadow(&scope);
                }
            }
            Change::Erase {
                community,
                user,
                candidates,
            } => {
                let key = &mut self.scratch.key;
                for number in candidates {
                    context_key(key, Some(number), &community, &user);
                    contexts.remove(key)?;
                }
                context_key(key, None, &community, &user);
                contexts.remove(key)?;
                self.state.erased_at = Some(place.now);
            }
            Change::Register(registration) => {
                self.state.register(registration.order);
                self.schemas.insert(registration.id, registration.schema);
            }
            Change::Overturn(order) => match self.overturn(place, &order, contexts)? {
                Ok(Some(relief)) => {
                    self.write_overturned(place, &order, relief);
                    return Ok(Ok(Code::Overturned));
                }
                Ok(None) => {}
                Err(reason) => return Ok(Err(reason)),
            },
        }
        self.write_plain(place, Code::Control, Action::Allow);
        Ok(Ok(Code::Control))
    }

    /// For good: a later policy in force does not wake the candidate.
    fn end_shadow(&mut self, scope: &str) {
        self.shadows.remove(scope);
        if let Some((scope, activation)) = self.state.shadows.remove_entry(scope) {
            self.state.ended_shadows.insert(scope, activation);
        }
    }
}
