//! Activations: into force, into the shadow, out of it, and back.
//!
//! Invariant: every command can be run again. What is wanted is compared with the newest activation of the scope, and when that one
//! names it already only its markers are sent again. A rollback is the exception that must not be repeated blindly, since the second
//! would go back one further: when its markers fail it says which command finishes it.

use gavel_judge::{Digest, NoPolicy};
use gavel_schemas::{Order, PolicyActivated, limits};

use super::history::{self, Meant, Scope, in_force, newest};
use super::{Author, EVERYWHERE, OrderError, Orders, nonce};
use crate::clock::wall_ms;
use crate::kafka::Cluster;

/// What to activate.
#[derive(Debug, Clone)]
pub struct Activation {
    pub digest: Digest,
    /// `*` or one community.
    pub scope: String,
    /// As a candidate that judges beside the policy in force.
    pub shadow: bool,
    pub author: Author,
    /// Record time of the markers in milliseconds since 1970, for topics with CreateTime; `None`: now.
    pub marker_time: Option<i64>,
}

/// What `activate` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activated {
    /// Offset of the order in the control topic.
    pub order: i64,
    pub digest: Digest,
    /// True when the newest activation of the scope named this policy already, and only its markers were sent (again).
    pub resumed: bool,
    /// Message partitions that have its marker.
    pub partitions: i32,
}

/// What `rollback` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// What was in force before, and its order.
    pub from: (i64, Digest),
    pub activated: Activated,
}

impl Orders<'_> {
    /// Orders that a scope be judged by a published policy from here on, for real or in shadow, and tells every message partition.
    pub fn activate(&mut self, activation: &Activation) -> Result<Activated, OrderError> {
        let partitions = self.message_partitions()?;
        let engine = self.usable_engine(&activation.digest)?;
        check_scope(&activation.scope)?;
        self.check_engine(activation, engine)?;
        if activation.shadow {
            self.check_shadow(activation, partitions)?;
        }
        self.order_and_mark(activation, engine, partitions)
    }

    /// Ends the shadow of a scope, by an activation in shadow of what judges it anyway.
    pub fn end_shadow(&mut self, scope: &str, author: Author) -> Result<Activated, OrderError> {
        check_scope(scope)?;
        let partitions = self.message_partitions()?;
        let named = || Scope(scope.to_owned());
        let shadowed = [scope, EVERYWHERE].map(|scope| newest(self.control(), scope, true));
        if shadowed.iter().all(Option::is_none) {
            return Err(OrderError::NoShadow { scope: named() });
        }
        let digest = in_force(self.control(), scope)
            .ok_or_else(|| OrderError::NothingInForce { scope: named() })?;
        let engine = self.usable_engine(&digest)?;
        let activation = Activation {
            digest,
            scope: scope.to_owned(),
            shadow: true,
            author,
            marker_time: None,
        };
        self.order_and_mark(&activation, engine, partitions)
    }

    /// Activates again what was in force in a scope before, or what `target` names: an order's number or a digest of that scope's
    /// history.
    pub fn rollback(
        &mut self,
        scope: &str,
        target: Option<&str>,
        author: Author,
    ) -> Result<RolledBack, OrderError> {
        check_scope(scope)?;
        let named = || Scope(scope.to_owned());
        let mut stack = history::stack(self.control(), scope);
        let from = stack
            .pop()
            .ok_or_else(|| OrderError::NothingInForce { scope: named() })?;
        let digest =
            match target {
                None => stack.pop().map(|(_, digest)| digest).ok_or_else(|| {
                    OrderError::NothingBefore {
                        digest: from.1,
                        scope: named(),
                        others: history::undone(self.control(), scope),
                    }
                })?,
                Some(target) => match history::find(self.control(), scope, target) {
                    Meant::One(digest) => digest,
                    Meant::Several => {
                        return Err(OrderError::Ambiguous {
                            target: target.to_owned(),
                            scope: named(),
                        });
                    }
                    Meant::None => {
                        return Err(OrderError::NotInHistory {
                            target: target.to_owned(),
                            scope: named(),
                        });
                    }
                },
            };
        if digest == from.1 {
            return Err(OrderError::GoneBackAlready {
                digest,
                scope: named(),
                order: from.0,
            });
        }
        let activated = self.activate(&Activation {
            digest,
            scope: scope.to_owned(),
            shadow: false,
            author,
            marker_time: None,
        })?;
        Ok(RolledBack { from, activated })
    }

    fn order_and_mark(
        &mut self,
        activation: &Activation,
        engine: u32,
        partitions: i32,
    ) -> Result<Activated, OrderError> {
        let (control, scope) = (self.control(), activation.scope.as_str());
        let resumed = newest(control, scope, activation.shadow)
            .filter(|(_, digest, _)| *digest == activation.digest)
            .map(|(number, ..)| number)
            // A shadow that has ended does not begin again by its markers.
            .filter(|number| {
                let judges = in_force(control, scope) == Some(activation.digest);
                let candidate = history::candidate(control, scope);
                !activation.shadow || judges || candidate.is_some_and(|(order, _)| order == *number)
            });
        let order = match resumed {
            Some(number) => number,
            None => {
                let order = Order::PolicyActivated(PolicyActivated {
                    scope: activation.scope.clone(),
                    digest: activation.digest.to_string(),
                    engine: engine.cast_signed(),
                    shadow: activation.shadow,
                    by: activation.author.by.clone(),
                    reason: activation.author.reason.clone(),
                    nonce: nonce()?,
                    issued_at: wall_ms(),
                });
                self.write(&activation.scope, &order)?
            }
        };
        self.mark(order, 0..partitions, activation.marker_time)
            .map_err(|source| OrderError::NotMarked {
                order,
                finish: self.finishing(activation),
                source: Box::new(source),
            })?;
        Ok(Activated {
            order,
            digest: activation.digest,
            resumed: resumed.is_some(),
            partitions,
        })
    }

    /// The command that sends the markers of an activation again.
    fn finishing(&self, activation: &Activation) -> String {
        let Activation { digest, scope, .. } = activation;
        let ends = activation.shadow && in_force(self.control(), scope) == Some(*digest);
        let what = match (activation.shadow, ends) {
            (false, _) => digest.to_string(),
            (true, true) => "--end-shadow".to_owned(),
            (true, false) => format!("--shadow {digest}"),
        };
        format!(
            "gavel policy activate {what}{}",
            Scope(scope.clone()).flag()
        )
    }

    /// A candidate must differ from what judges, and its verdicts must have somewhere to go: partition i of messages, verdicts and
    /// shadow verdicts belong together.
    fn check_shadow(&self, activation: &Activation, partitions: i32) -> Result<(), OrderError> {
        if in_force(self.control(), &activation.scope) == Some(activation.digest) {
            return Err(OrderError::InForceAlready {
                digest: activation.digest,
                scope: Scope(activation.scope.clone()),
            });
        }
        let topic = &self.config.topics.shadow;
        let found = Cluster::new(self.config)?.require(topic)?.partitions;
        if found == partitions {
            return Ok(());
        }
        Err(OrderError::ShadowPartitions {
            topic: topic.clone(),
            found,
            opened: partitions,
        })
    }

    /// The engine of a policy that is completely published and compiles.
    fn usable_engine(&self, digest: &Digest) -> Result<u32, OrderError> {
        match self.control().compile(digest) {
            Ok(policy) => self.check_tests(digest).map(|()| policy.engine()),
            Err(NoPolicy::Incomplete(digest)) => Err(OrderError::NotPublished {
                digest,
                control: self.control_topic(),
            }),
            Err(NoPolicy::Invalid { digest, source }) => Err(OrderError::Policy { digest, source }),
        }
    }

    /// A policy's inline tests are its author's word for what it does: it goes into force only if they hold.
    fn check_tests(&self, digest: &Digest) -> Result<(), OrderError> {
        let document = self.control().document(digest);
        let failures =
            document.map_or(Ok(Vec::new()), |document| gavel_judge::run_tests(&document));
        let failures = failures.map_err(|source| OrderError::Policy {
            digest: *digest,
            source,
        })?;
        if failures.is_empty() {
            return Ok(());
        }
        let failed = failures
            .iter()
            .map(|failure| format!("{} ({})", failure.test, failure.differences.join(", ")))
            .collect();
        Err(OrderError::Tests {
            digest: *digest,
            failed,
        })
    }

    /// Only `*` may change the engine; the fold would refuse the marker of a community that tries.
    fn check_engine(&self, activation: &Activation, engine: u32) -> Result<(), OrderError> {
        if activation.scope == EVERYWHERE {
            return Ok(());
        }
        match newest(self.control(), EVERYWHERE, false) {
            Some((_, _, everywhere)) if everywhere.engine != engine.cast_signed() => {
                Err(OrderError::EngineOfScope {
                    digest: activation.digest,
                    engine,
                    current: everywhere.engine.cast_unsigned(),
                })
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn check_scope(scope: &str) -> Result<(), OrderError> {
    let named = !scope.is_empty() && !scope.contains('/') && scope.len() <= limits::STRING_BYTES;
    if scope == EVERYWHERE || named {
        Ok(())
    } else {
        Err(OrderError::Scope {
            scope: scope.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_everything_or_one_community() {
        for scope in ["*", "lobby", "ž"] {
            assert!(check_scope(scope).is_ok(), "{scope}");
        }
        for scope in ["", "a/b", &"x".repeat(513)] {
            assert!(check_scope(scope).is_err(), "{scope}");
        }
    }
}
