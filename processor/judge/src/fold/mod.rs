//! The fold: (control log, partition state, context of the user, record) -> (state', context', verdict).
//!
//! Invariant: the outcome depends on these inputs alone: no wall clock, no randomness, no map order, no configuration. A step that
//! returns `Await` or an error has changed nothing, so it can be repeated.

mod counting;
mod decision;
mod explain;
mod marker;
mod message;
mod one_user;
mod overturn;
mod reading;
mod write;

use crate::Timestamp;
use crate::context::Context;
use crate::control::ControlLog;
use crate::digest::Digest;
use crate::policy::Policy;
use crate::ruling::{Action, Code};
use crate::state::{Activation, PartitionState};
use crate::text::detect::Detected;
use crate::text::{Cells, Found, Views, Work};
use decision::Decision;
use gavel_schemas::{Inbound, Refusal, RegisteredSchemas, decode_inbound_with, limits};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use explain::Explained;
pub use one_user::Standing;

/// One record of a message partition, as Kafka gave it.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// Bytes of all header keys and values.
    pub headers_len: usize,
}

/// Where contexts live. Keys are `community/user`.
pub trait Contexts {
    type Error;

    /// Replaces `into` by the context; false if there is none.
    fn load(&mut self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Self::Error>;
    fn store(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;
    fn remove(&mut self, key: &[u8]) -> Result<(), Self::Error>;
}

/// What to do with a marker whose order is not in the control log as read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It may be on its way: ask for it.
    Wait,
    /// The log was read to an end fetched after the marker was met: there is no such order.
    Refuse,
}

/// What a step came to.
#[derive(Debug)]
pub enum Step<'f> {
    Verdict(Ruling<'f>),
    /// Nothing has changed. Read the control log to its end, compile what this order names, and call again.
    Await {
        order: i64,
    },
    /// The partition cannot go on with this binary and this state. Nothing has changed.
    Halt(HaltReason),
}

/// Why the fold cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HaltReason {
    #[error("an activation asks for engine {engine}, which this binary does not carry")]
    UnknownEngine { engine: u32 },
    #[error("a stored context cannot be read: {detail}")]
    CorruptContext { detail: String },
}

/// A verdict and what goes with it.
#[derive(Debug)]
pub struct Ruling<'f> {
    /// Avro single object.
    pub verdict: &'f [u8],
    /// The verdict of the candidate in shadow, if there is one for this message's community: for the shadow topic alone.
    pub shadow: Option<&'f [u8]>,
    /// Whether the outputs carry the record's key.
    pub key_kept: bool,
    /// Whether the verdict carries the record's headers.
    pub headers_kept: bool,
    /// The record is also a dead letter.
    pub dead_letter: Option<Refusal>,
    pub action: Action,
    pub code: Code,
}

/// The state names what the control log does not hold, or what cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Missing {
    #[error("policy {digest} of scope `{scope}` cannot be had: {problem}")]
    Policy {
        digest: Digest,
        scope: String,
        problem: String,
    },
    #[error("the control log does not hold order {order}, which registered a schema")]
    Schema { order: i64 },
}

/// One partition's fold.
pub struct Fold {
    log_id: String,
    partition: i32,
    context_complete: bool,
    state: PartitionState,
    policies: BTreeMap<String, Arc<Policy>>,
    shadows: BTreeMap<String, Arc<Policy>>,
    /// Of the registries' ids that are known by now.
    schemas: RegisteredSchemas,
    /// What would have been: candidates that were recorded are left out.
    without_shadows: bool,
    scratch: Scratch,
    /// A defect for tests: labels in the order of a hash map.
    #[cfg(feature = "seeded-bugs")]
    pub hash_map_order: bool,
}

/// Memory that is used again for every record; nothing in it outlives a step.
#[derive(Default)]
struct Scratch {
    cells: Cells,
    views: Views,
    work: Work,
    found: Found,
    /// Hits and views of messages read together.
    apart: Found,
    views_apart: Views,
    joined: String,
    detected: Detected,
    decision: Decision,
    /// Risks by topic, before the context rules that name topics.
    heard: Vec<Option<u8>>,
    context: Context,
    key: Vec<u8>,
    bytes: Vec<u8>,
    verdict: Vec<u8>,
    shadow: Vec<u8>,
}

/// The scope of all communities.
pub(crate) const EVERYWHERE: &str = "*";

impl Fold {
    /// A fold that stands where `state` does. Compiles what is in force, if nobody has: not for a lane's thread.
    pub fn new(
        log_id: &str,
        partition: i32,
        context_complete: bool,
        state: PartitionState,
        control: &ControlLog,
    ) -> Result<Fold, Missing> {
        let compile = |activations: &BTreeMap<String, Activation>| {
            let compiled = activations.iter().map(|(scope, activation)| {
                let missing = |error: crate::NoPolicy| Missing::Policy {
                    digest: activation.digest,
                    scope: scope.clone(),
                    problem: error.to_string(),
                };
                let policy = control.compile(&activation.digest).map_err(missing)?;
                Ok((scope.clone(), policy))
            });
            compiled.collect::<Result<BTreeMap<_, _>, Missing>>()
        };
        let registrations = control.registrations();
        let mut orders = state.schemas().iter().copied();
        if let Some(order) = orders.find(|order| registrations.of_order(*order).is_none()) {
            return Err(Missing::Schema { order });
        }
        let schemas = registrations.schemas(|order| state.schemas().contains(&order));
        let (policies, shadows) = (compile(state.activations())?, compile(state.shadows())?);
        Ok(Fold {
            log_id: log_id.to_owned(),
            partition,
            context_complete,
            state,
            policies,
            shadows,
            schemas,
            without_shadows: false,
            scratch: Scratch::default(),
            #[cfg(feature = "seeded-bugs")]
            hash_map_order: false,
        })
    }

    /// A fold under one policy from the first record on, without a control log: for files and tests.
    pub fn with_policy(
        log_id: &str,
        partition: i32,
        mut state: PartitionState,
        policy: Arc<Policy>,
    ) -> Fold {
        state.activations.insert(
            EVERYWHERE.to_owned(),
            Activation {
                order: -1,
                digest: policy.digest(),
            },
        );
        let policies = BTreeMap::from([(EVERYWHERE.to_owned(), policy)]);
        Fold {
            log_id: log_id.to_owned(),
            partition,
            context_complete: true,
            state,
            policies,
            shadows: BTreeMap::new(),
            schemas: RegisteredSchemas::default(),
            without_shadows: false,
            scratch: Scratch::default(),
            #[cfg(feature = "seeded-bugs")]
            hash_map_order: false,
        }
    }

    pub fn log_id(&self) -> &str {
        &self.log_id
    }

    pub fn partition(&self) -> i32 {
        self.partition
    }

    pub fn state(&self) -> &PartitionState {
        &self.state
    }

    /// What registries' ids mean to the next record.
    pub fn schemas(&self) -> &RegisteredSchemas {
        &self.schemas
    }

    /// From the next record on as if this policy had been put in force for a scope, and nothing else ever after: what is asked is what
    /// would have been, so no such verdict may leave this process. Candidates are left out, as they never change a verdict.
    pub fn suppose(&mut self, scope: &str, policy: Arc<Policy>) {
        let activation = Activation {
            // Newer than all that may come.
            order: i64::MAX,
            digest: policy.digest(),
        };
        self.state.activations.insert(scope.to_owned(), activation);
        self.policies.insert(scope.to_owned(), policy);
        self.state.shadows.clear();
        self.shadows.clear();
        self.without_shadows = true;
    }

    /// Folds one record.
    pub fn step<C: Contexts>(
        &mut self,
        record: &Record<'_>,
        control: &ControlLog,
        patience: Patience,
        contexts: &mut C,
    ) -> Result<Step<'_>, C::Error> {
        let key_kept = record
            .key
            .is_none_or(|key| key.len() <= limits::STRING_BYTES);
        let inbound = match record.value {
            _ if !key_kept => Err(Refusal::KeyTooLong),
            None => Err(Refusal::EmptyValue),
            Some(value) => decode_inbound_with(value, &self.schemas),
        };
        self.scratch.shadow.clear();
        let mut clock = self.state.clock;
        let now = clock.tick(record.timestamp);
        let place = Place {
            offset: record.offset,
            now,
            headers_dropped: record.headers_len > limits::HEADER_BYTES,
        };
        let (action, code, dead_letter) = match inbound {
            Err(refusal) => self.refuse(place, refusal),
            Ok(Inbound::Marker(marker)) => match self.resolve(&marker, control, patience) {
                marker::Resolved::Await => {
                    return Ok(Step::Await {
                        order: marker.order,
                    });
                }
                marker::Resolved::Halt(reason) => return Ok(Step::Halt(reason)),
                marker::Resolved::Refused(refusal) => self.refuse(place, refusal),
                marker::Resolved::Counts(change) => {
                    match self.carry_out(place, change, contexts)? {
                        Ok(code) => (Action::Allow, code, None),
                        Err(reason) => return Ok(Step::Halt(reason)),
                    }
                }
            },
            Ok(Inbound::Message(message)) if message.community.contains('/') => {
                self.refuse(place, Refusal::BadCommunity)
            }
            Ok(Inbound::Message(message)) => match self.hear(place, &message, contexts)? {
                Ok((action, code)) => (action, code, None),
                Err(reason) => return Ok(Step::Halt(reason)),
            },
        };
        self.state.clock = clock;
        let (verdict, shadow) = (&self.scratch.verdict, &self.scratch.shadow);
        Ok(Step::Verdict(Ruling {
            verdict,
            shadow: (!shadow.is_empty()).then_some(shadow),
            key_kept,
            headers_kept: !place.headers_dropped,
            dead_letter,
            action,
            code,
        }))
    }

    fn refuse(&mut self, place: Place, refusal: Refusal) -> (Action, Code, Option<Refusal>) {
        self.write_refused(place, refusal);
        (Action::Block, Code::Refused, Some(refusal))
    }

    /// The policy for a community: its own activation, else that of all.
    fn policy_of(&self, community: &str) -> Option<Arc<Policy>> {
        scoped(&self.policies, community).map(|(_, policy)| Arc::clone(policy))
    }

    /// The candidate for a community and the number of the order that named it, unless it is what judges anyway.
    fn shadow_of(&self, community: &str, policy: Option<&Policy>) -> Option<(i64, Arc<Policy>)> {
        let (scope, candidate) = scoped(&self.shadows, community)?;
        let order = self.state.shadows.get(scope)?.order;
        let differs = policy.is_none_or(|policy| policy.digest() != candidate.digest());
        differs.then(|| (order, Arc::clone(candidate)))
    }
}

fn scoped<'a>(
    policies: &'a BTreeMap<String, Arc<Policy>>,
    community: &str,
) -> Option<(&'a String, &'a Arc<Policy>)> {
    if policies.is_empty() {
        return None;
    }
    policies
        .get_key_value(community)
        .or_else(|| policies.get_key_value(EVERYWHERE))
}

/// What every verdict says about its record.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: i64,
    now: i64,
    headers_dropped: bool,
}
