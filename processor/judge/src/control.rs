//! The control log as data: every order by its number, and the policies that they name.
//!
//! Invariant: a policy counts for an order only if all its chunks stand before that order, so what an order means is settled by the
//! log alone and never by when somebody read it. Compilations are shared between snapshots; they are a function of the document.

use crate::ENGINE;
use crate::digest::Digest;
use crate::fold::EVERYWHERE;
use crate::policy::{Document, Policy, PolicyError};
use crate::registrations::Registrations;
use crate::state::{Activation, PartitionState};
use gavel_schemas::{Order, PolicyDocument, RegisteredSchemas, decode_order};
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// An order of `chat.control`.
#[derive(Debug)]
pub struct RecordedOrder {
    /// Its number.
    pub offset: i64,
    /// SHA-256 of its value: what a marker must carry.
    pub sha256: [u8; 32],
    order: Order,
}

impl RecordedOrder {
    pub fn order(&self) -> &Order {
        &self.order
    }

    pub fn kind(&self) -> &'static str {
        self.order.kind()
    }
}

/// Who a partition's log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub log_id: String,
    pub partitions: i32,
    /// The first offset that belongs to the log.
    pub start: i64,
    /// False after an operator accepted a loss: contexts before `start` are unknown.
    pub context_complete: bool,
    /// Ids that the partition's log had before an operator accepted a loss.
    pub former: Vec<String>,
    /// Number of the order that accepted the loss.
    accepted: Option<i64>,
}

/// Why a policy cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NoPolicy {
    #[error("chat.control does not hold all of policy {0}; publish it again")]
    Incomplete(Digest),
    #[error("policy {digest} cannot be used: {source}")]
    Invalid { digest: Digest, source: PolicyError },
}

#[derive(Debug, Default)]
struct Chunks {
    total: Option<i32>,
    parts: BTreeMap<i32, Arc<[u8]>>,
    /// Number of the order that completed it.
    complete: Option<i64>,
}

type Compiled = Arc<OnceLock<Result<Arc<Policy>, NoPolicy>>>;

#[derive(Debug, Clone)]
struct Slot {
    chunks: Arc<Chunks>,
    compiled: Compiled,
}

/// What has been read of the control log. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ControlLog {
    orders: Arc<BTreeMap<i64, Arc<RecordedOrder>>>,
    policies: Arc<BTreeMap<Digest, Slot>>,
    registrations: Arc<Registrations>,
    read_to: i64,
    undecodable: u64,
}

/// The policy that an activation names, as far as it is known.
pub(crate) enum PolicyOf<'a> {
    Ready(&'a Arc<Policy>),
    NotCompiled,
    Incomplete,
    Invalid,
}

impl ControlLog {
    pub fn new() -> ControlLog {
        ControlLog::default()
    }

    /// Takes in one record; offsets only grow. What is no order is counted and stepped over: nobody can point at it.
    pub fn append(&mut self, offset: i64, value: &[u8]) {
        let Ok(order) = decode_order(value) else {
            self.undecodable += 1;
            return;
        };
        if let Order::PolicyDocument(document) = &order {
            self.add_chunk(offset, document);
        }
        if let Order::SchemaRegistered(registered) = &order {
            Arc::make_mut(&mut self.registrations).append(offset, registered);
        }
        let sha256 = sha2::Sha256::digest(value).into();
        Arc::make_mut(&mut self.orders).insert(
            offset,
            Arc::new(RecordedOrder {
                offset,
                sha256,
                order,
            }),
        );
    }

    fn add_chunk(&mut self, offset: i64, document: &PolicyDocument) {
        let Ok(digest) = document.digest.parse::<Digest>() else {
            return;
        };
        let policies = Arc::make_mut(&mut self.policies);
        let slot = policies.entry(digest).or_insert_with(|| Slot {
            chunks: Arc::default(),
            compiled: Arc::default(),
        });
        if slot.chunks.complete.is_some() || !(0..document.chunks).contains(&document.chunk) {
            return;
        }
        let mut chunks = Chunks {
            total: slot.chunks.total,
            parts: slot.chunks.parts.clone(),
            complete: None,
        };
        if chunks.total.is_some_and(|total| total != document.chunks) {
            // Published anew in another cut: the latest cut counts.
            chunks.parts.clear();
        }
        chunks.total = Some(document.chunks);
        chunks
            .parts
            .insert(document.chunk, document.bytes.as_slice().into());
        if i32::try_from(chunks.parts.len()) == Ok(document.chunks) {
            let bytes: Vec<u8> = chunks
                .parts
                .values()
                .flat_map(|part| part.iter().copied())
                .collect();
            // Only bytes that have this digest are this policy; anything else waits for its real chunks.
            if Digest::of(&bytes) == digest {
                chunks.complete = Some(offset);
            } else {
                chunks.parts.clear();
            }
        }
        slot.chunks = Arc::new(chunks);
    }

    /// Every order below `next_offset` has been appended.
    pub fn set_read_to(&mut self, next_offset: i64) {
        self.read_to = next_offset;
    }

    pub fn read_to(&self) -> i64 {
        self.read_to
    }

    /// Records that were no orders.
    pub fn undecodable(&self) -> u64 {
        self.undecodable
    }

    /// All orders, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = &RecordedOrder> {
        self.orders.values().map(Arc::as_ref)
    }

    pub(crate) fn order(&self, number: i64) -> Option<&RecordedOrder> {
        self.orders.get(&number).map(Arc::as_ref)
    }

    /// The orders that count as registrations of schemas.
    pub fn registrations(&self) -> &Registrations {
        &self.registrations
    }

    /// Every schema that was ever registered, wherever its marker stands: for reading what is not to be judged.
    pub fn all_schemas(&self) -> RegisteredSchemas {
        self.registrations.schemas(|_| true)
    }

    /// The identity of a message partition; the last `HistoryAccepted` wins over `LogOpened`.
    pub fn opened(&self, partition: i32) -> Option<Opened> {
        let index = usize::try_from(partition).ok()?;
        let mut opened: Option<Opened> = None;
        for recorded in self.orders() {
            match recorded.order() {
                Order::LogOpened(order) if opened.is_none() => {
                    let start = *order.starts.get(index)?;
                    opened = Some(Opened {
                        log_id: order.log_id.clone(),
                        partitions: order.partitions,
                        start,
                        context_complete: true,
                        former: Vec::new(),
                        accepted: None,
                    });
                }
                Order::HistoryAccepted(order) if order.partition == partition => {
                    if let Some(opened) = &mut opened {
                        let former = std::mem::replace(&mut opened.log_id, order.log_id.clone());
                        opened.former.push(former);
                        opened.start = order.start_offset;
                        opened.context_complete = false;
                        opened.accepted = Some(recorded.offset);
                    }
                }
                Order::LogOpened(_)
                | Order::HistoryAccepted(_)
                | Order::PolicyDocument(_)
                | Order::PolicyActivated(_) => {}
                Order::UserErased(_) | Order::VerdictOverturned(_) | Order::SchemaRegistered(_) => {
                }
            }
        }
        opened
    }

    /// What a partition's state is before the first record of its log. After an accepted loss the markers of earlier activations
    /// may be gone with the records: the newest activation of each scope that stands before the acceptance is in force then.
    /// So are the schemas that were registered before it. Compiles policies: never on a lane.
    pub fn first_state(&self, opened: &Opened) -> PartitionState {
        let mut state = PartitionState::default();
        let Some(accepted) = opened.accepted else {
            return state;
        };
        for order in self.registrations.before(accepted) {
            state.register(order);
        }
        for (number, recorded) in self.orders.range(..accepted) {
            let Order::PolicyActivated(order) = recorded.order() else {
                continue;
            };
            let Ok(digest) = order.digest.parse::<Digest>() else {
                continue;
            };
            // What a marker could not have brought into force is not in force; but an engine that is not here stops the
            // partition, as its marker would.
            let here = u32::try_from(order.engine) == Ok(ENGINE);
            let usable = here && self.compile(&digest).is_ok();
            if !order.shadow && (usable || (!here && order.scope == EVERYWHERE)) {
                let activation = Activation {
                    order: *number,
                    digest,
                };
                state.activations.insert(order.scope.clone(), activation);
            }
        }
        state
    }

    /// Whether any policy was ever activated for judging.
    pub fn has_activation(&self) -> bool {
        self.orders().any(
            |recorded| matches!(recorded.order(), Order::PolicyActivated(order) if !order.shadow),
        )
    }

    /// The document, once all of it is there.
    pub fn document(&self, digest: &Digest) -> Option<Document> {
        let slot = self.policies.get(digest)?;
        slot.chunks.complete?;
        Document::from_canonical(&slot.bytes()).ok()
    }

    /// Compiles a policy, once for all snapshots. Slow for a large one: never on a lane.
    pub fn compile(&self, digest: &Digest) -> Result<Arc<Policy>, NoPolicy> {
        let slot = self
            .policies
            .get(digest)
            .filter(|slot| slot.chunks.complete.is_some());
        let slot = slot.ok_or(NoPolicy::Incomplete(*digest))?;
        let compile = || {
            let document = Document::from_canonical(&slot.bytes());
            let policy = document.and_then(|document| Policy::compile(&document));
            policy.map(Arc::new).map_err(|source| NoPolicy::Invalid {
                digest: *digest,
                source,
            })
        };
        slot.compiled.get_or_init(compile).clone()
    }

    /// Compiles what `number` activates, if it activates anything.
    pub fn compile_order(&self, number: i64) {
        if let Some(Order::PolicyActivated(order)) = self.order(number).map(RecordedOrder::order)
            && let Ok(digest) = order.digest.parse::<Digest>()
        {
            // The outcome stays in the shared slot, where the fold finds it.
            let _kept = self.compile(&digest);
        }
    }

    /// Compiles the newest activation of each scope, for judging and in shadow, before a marker asks for it.
    pub fn compile_current(&self) {
        let mut newest: BTreeMap<(&str, bool), i64> = BTreeMap::new();
        for recorded in self.orders() {
            if let Order::PolicyActivated(order) = recorded.order() {
                newest.insert((&order.scope, order.shadow), recorded.offset);
            }
        }
        for number in newest.into_values() {
            self.compile_order(number);
        }
    }

    /// The policy of an activation with this number, without compiling anything.
    pub(crate) fn policy_for(&self, number: i64, digest: &Digest) -> PolicyOf<'_> {
        let complete = self
            .policies
            .get(digest)
            .filter(|slot| slot.chunks.complete.is_some_and(|at| at < number));
        match complete.map(|slot| slot.compiled.get()) {
            None => PolicyOf::Incomplete,
            Some(None) => PolicyOf::NotCompiled,
            Some(Some(Ok(policy))) => PolicyOf::Ready(policy),
            Some(Some(Err(_))) => PolicyOf::Invalid,
        }
    }
}

impl Slot {
    fn bytes(&self) -> Vec<u8> {
        self.chunks
            .parts
            .values()
            .flat_map(|part| part.iter().copied())
            .collect()
    }
}
