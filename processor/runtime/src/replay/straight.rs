//! One straight fold with everything in memory: for files, audits and tests.

use std::sync::Arc;

use gavel_judge::{
    ControlLog, Fold, MemoryContexts, Opened, PartitionState, Patience, Policy, Record, Ruling,
    Step, context_expired,
};
use gavel_state::{Backend, Batch, Error as StateError, Identity, Meta, Snapshot};

use super::ReplayError;

/// A partition folded from its first record on.
pub struct StraightFold {
    fold: Fold,
    control: Arc<ControlLog>,
    contexts: MemoryContexts,
    partition: i32,
    /// Offset of the last record, once there was one.
    boundary: Option<i64>,
}

impl StraightFold {
    /// Before the first record. `control` must have been read to behind every marker that will come.
    pub fn new(
        opened: &Opened,
        partition: i32,
        control: Arc<ControlLog>,
    ) -> Result<StraightFold, ReplayError> {
        let fold = Fold::new(
            &opened.log_id,
            partition,
            opened.context_complete,
            control.first_state(opened),
            &control,
        )?;
        Ok(StraightFold {
            fold,
            control,
            contexts: MemoryContexts::default(),
            partition,
            boundary: None,
        })
    }

    /// Under one policy for every community from the first record on, without a control log.
    pub fn with_policy(log_id: &str, partition: i32, policy: Arc<Policy>) -> StraightFold {
        let fold = Fold::with_policy(log_id, partition, PartitionState::default(), policy);
        StraightFold {
            fold,
            control: Arc::default(),
            contexts: MemoryContexts::default(),
            partition,
            boundary: None,
        }
    }

    /// Judges the next record and shows the ruling, which is gone with the next record.
    pub fn judge<R>(
        &mut self,
        record: &Record<'_>,
        show: impl FnOnce(&Ruling<'_>) -> R,
    ) -> Result<R, ReplayError> {
        let (partition, offset) = (self.partition, record.offset);
        let mut compiled = None;
        loop {
            let Ok(step) =
                self.fold
                    .step(record, &self.control, Patience::Refuse, &mut self.contexts);
            let order = match step {
                Step::Verdict(ruling) => {
                    self.boundary = Some(offset);
                    return Ok(show(&ruling));
                }
                Step::Await { order } => order,
                Step::Halt(reason) => {
                    return Err(ReplayError::Halted {
                        partition,
                        offset,
                        reason: reason.to_string(),
                    });
                }
            };
            if compiled == Some(order) {
                return Err(ReplayError::Waits {
                    partition,
                    offset,
                    order,
                });
            }
            self.control.compile_order(order);
            compiled = Some(order);
        }
    }

    /// Digest of the state after the last record: that of a processor which has stored everything up to here.
    pub fn digest(&self) -> Result<[u8; 32], ReplayError> {
        let meta = self.boundary.map(|boundary| Meta {
            identity: Identity {
                log_id: self.fold.log_id().to_owned(),
                partition: self.partition,
            },
            boundary,
            verdict_end: 0,
            topic: String::new(),
            state: self.fold.state().to_bytes(),
        });
        let folded = Folded {
            contexts: &self.contexts,
            meta,
        };
        Ok(state_digest(&folded, self.fold.state())?)
    }
}

/// The digest of stored state, for comparing two. Expired contexts do not count.
pub fn state_digest(backend: &dyn Backend, state: &PartitionState) -> Result<[u8; 32], StateError> {
    gavel_state::digest(backend, state.clock(), &context_expired)
}

/// A finished fold, seen as if it were stored; nothing can be written to it.
struct Folded<'a> {
    contexts: &'a MemoryContexts,
    meta: Option<Meta>,
}

impl Backend for Folded<'_> {
    fn meta(&self) -> Result<Option<Meta>, StateError> {
        Ok(self.meta.clone())
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, StateError> {
        into.clear();
        let found = self.contexts.0.get(key);
        into.extend_from_slice(found.map_or(&[], Vec::as_slice));
        Ok(found.is_some())
    }

    fn commit(&self, _batch: &Batch) -> Result<(), StateError> {
        Err(StateError::ReadOnly {
            path: "(memory)".into(),
        })
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, StateError> {
        Ok(None)
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<Option<Meta>, StateError> {
        self.contexts
            .0
            .iter()
            .for_each(|(key, value)| visit(key, value));
        Ok(self.meta.clone())
    }
}
