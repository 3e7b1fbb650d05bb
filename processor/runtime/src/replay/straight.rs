//! One straight fold of a partition: for files, audits and tests.

use std::sync::Arc;

use gavel_judge::{
    ControlLog, Fold, Opened, PartitionState, Patience, Policy, Record, Ruling, Step,
    context_expired,
};
use gavel_schemas::RegisteredSchemas;
use gavel_state::{Backend, Error as StateError, Identity, Memory, MemoryStore, Meta};

use super::ReplayError;
use crate::restore::{MemoryOfPartition, write_all};

/// A partition folded record after record.
pub struct StraightFold {
    fold: Fold,
    control: Arc<ControlLog>,
    memory: Memory,
    partition: i32,
    /// Offset of the last record, once there was one.
    boundary: Option<i64>,
}

impl StraightFold {
    /// Before the first record, with all contexts in memory. `control` must have been read to behind every marker that will come.
    pub fn new(
        opened: &Opened,
        partition: i32,
        control: Arc<ControlLog>,
    ) -> Result<StraightFold, ReplayError> {
        let backend: Arc<MemoryStore> = Arc::default();
        StraightFold::over(opened, partition, control, backend, usize::MAX)
    }

    /// Behind what `backend` holds, with at most so many bytes of contexts in memory.
    pub fn over(
        opened: &Opened,
        partition: i32,
        control: Arc<ControlLog>,
        backend: Arc<dyn Backend>,
        context_bytes: usize,
    ) -> Result<StraightFold, ReplayError> {
        let meta = backend.meta()?;
        let state = match &meta {
            Some(meta) => PartitionState::from_bytes(&meta.state)?,
            None => control.first_state(opened),
        };
        let (id, complete) = (&opened.log_id, opened.context_complete);
        Ok(StraightFold {
            fold: Fold::new(id, partition, complete, state, &control)?,
            control,
            memory: Memory::new(backend, context_bytes),
            partition,
            boundary: meta.map(|meta| meta.boundary),
        })
    }

    /// Under one policy for every community from the first record on, without a control log.
    pub fn with_policy(log_id: &str, partition: i32, policy: Arc<Policy>) -> StraightFold {
        let backend: Arc<MemoryStore> = Arc::default();
        StraightFold {
            fold: Fold::with_policy(log_id, partition, PartitionState::default(), policy),
            control: Arc::default(),
            memory: Memory::new(backend, usize::MAX),
            partition,
            boundary: None,
        }
    }

    /// From the next record on as if this policy had been put in force.
    pub fn suppose(&mut self, scope: &str, policy: Arc<Policy>) {
        self.fold.suppose(scope, policy);
    }

    /// What registries' ids mean to the next record.
    pub fn schemas(&self) -> &RegisteredSchemas {
        self.fold.schemas()
    }

    /// Offset of the last record folded, if there was one.
    pub fn boundary(&self) -> Option<i64> {
        self.boundary
    }

    /// Judges the next record and shows the ruling, which is gone with the next record.
    pub fn judge<R>(
        &mut self,
        record: &Record<'_>,
        show: impl FnOnce(&Ruling<'_>) -> R,
    ) -> Result<R, ReplayError> {
        if self.memory.pressed() {
            self.store()?;
        }
        let (partition, offset) = (self.partition, record.offset);
        let mut compiled = None;
        loop {
            let mut contexts = MemoryOfPartition(&mut self.memory);
            let step = self
                .fold
                .step(record, &self.control, Patience::Refuse, &mut contexts)?;
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

    /// Writes everything into the backend, with the fold's state.
    pub fn store(&mut self) -> Result<(), ReplayError> {
        let Some(boundary) = self.boundary else {
            return Ok(());
        };
        let meta = Meta {
            identity: Identity {
                log_id: self.fold.log_id().to_owned(),
                partition: self.partition,
            },
            boundary,
            verdict_end: 0,
            topic: String::new(),
            state: self.fold.state().to_bytes(),
        };
        Ok(write_all(&mut self.memory, meta)?)
    }

    /// The same for a boundary behind which no record is before the next one to be folded.
    pub fn digest_at(&mut self, boundary: i64) -> Result<[u8; 32], ReplayError> {
        self.boundary = self.boundary.max(Some(boundary));
        self.digest()
    }

    /// Digest of the state after the last record: that of a processor which has stored everything up to here.
    pub fn digest(&mut self) -> Result<[u8; 32], ReplayError> {
        self.store()?;
        Ok(state_digest(
            self.memory.backend().as_ref(),
            self.fold.state(),
        )?)
    }
}

/// The digest of stored state, for comparing two. Expired contexts do not count.
pub fn state_digest(backend: &dyn Backend, state: &PartitionState) -> Result<[u8; 32], StateError> {
    gavel_state::digest(backend, state.clock(), &context_expired)
}

/// The digest of what a store holds.
pub fn stored_digest(backend: &dyn Backend) -> Result<[u8; 32], ReplayError> {
    let state = match backend.meta()? {
        Some(meta) => PartitionState::from_bytes(&meta.state)?,
        None => PartitionState::default(),
    };
    Ok(state_digest(backend, &state)?)
}
