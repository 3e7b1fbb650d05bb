//! Making an assigned partition ready: from what is stored at S to a fold that stands at V+1.
//!
//! Invariants: reading begins at S+1, never at the group's committed offset; verdicts up to V are suppressed because
//! the topic has them, but the dead letters of S+1..V are sent and acknowledged before the partition is handed over,
//! because nobody can tell whether they are there; lost history is refused with a reason, never folded over. The
//! whole procedure talks to the world through `World`, so the simulation runs this very code.

mod lease;
mod source;

pub use lease::{Lease, Leases};

use crate::lane::{HaltReason, Ready};
use gavel_judge::{Contexts, ControlLog, Digest, Fold, PartitionState, Patience, Record, Step};
use gavel_schemas::Refusal;
use gavel_state::{Backend, Checkpoint, Identity, Memory, Meta};
use std::sync::Arc;

/// The newest verdicts of a partition, as a bounded scan of the verdict topic's tail saw them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerdictTail {
    /// Highest source offset with this log's id; None if the scan met none.
    pub newest: Option<i64>,
    /// The verdict partition's end offset.
    pub end: i64,
}

/// Bounds of a message partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBounds {
    /// L.
    pub start: i64,
    /// H, exclusive.
    pub end: i64,
    /// Partitions that the topic has.
    pub partitions: i32,
    /// The broker's id of the topic; empty where it cannot be had.
    pub topic: String,
}

/// Why a restore ended without a partition.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// Nobody wants the answer any more.
    #[error("cancelled")]
    Cancelled,
    /// Worth another attempt from the start: a broker, a lock, a disk that may recover.
    #[error("{0}")]
    Retry(String),
    /// Only an operator can help.
    #[error("{0}")]
    Halt(HaltReason),
}

/// What a restore needs from the world. Every call may block: restores run beside the lanes.
pub trait World {
    /// The control log, read to an end that was fetched inside this call.
    fn control(&mut self) -> Result<Arc<ControlLog>, Interrupted>;
    fn bounds(&mut self) -> Result<LogBounds, Interrupted>;
    /// Opens what this machine has of the partition; None if that is nothing, or nothing readable. What belongs to a log of
    /// `former` is set aside.
    fn local(
        &mut self,
        identity: &Identity,
        former: &[String],
    ) -> Result<Option<Arc<dyn Backend>>, Interrupted>;
    /// An empty store. Only after `local` gave none.
    fn empty(&mut self, identity: &Identity) -> Result<Arc<dyn Backend>, Interrupted>;
    /// The partition's checkpoints, newest first; none where there is no repository.
    fn checkpoints(&mut self, identity: &Identity) -> Result<Vec<Checkpoint>, Interrupted>;
    /// Makes a checkpoint the store of this machine, in the place of what is there; nobody holds that any more. None: it is
    /// broken, and has been set aside.
    fn install(
        &mut self,
        identity: &Identity,
        checkpoint: Checkpoint,
    ) -> Result<Option<Arc<dyn Backend>>, Interrupted>;
    fn verdict_tail(&mut self, log_id: &str) -> Result<VerdictTail, Interrupted>;
    /// Calls `visit` with every record of `from..=to` in order.
    fn read(&mut self, from: i64, to: i64, visit: Visitor<'_>) -> Result<(), Interrupted>;
    /// Queues a dead letter.
    fn dead_letter(
        &mut self,
        record: &Record<'_>,
        key_kept: bool,
        refusal: Refusal,
    ) -> Result<(), Interrupted>;
    /// Returns when every queued dead letter is acknowledged.
    fn flush(&mut self) -> Result<(), Interrupted>;
    /// Told now and then how far the fold is.
    fn progress(&mut self, at: i64, to: i64);
}

/// Receives the records of a stretch; it gets the world back for what a record may need.
pub type Visitor<'a> = &'a mut dyn FnMut(&mut dyn World, &Record<'_>) -> Result<(), Interrupted>;

/// What a restore is told.
#[derive(Debug, Clone)]
pub struct Request {
    pub partition: i32,
    /// Bytes of contexts the partition may hold in memory.
    pub context_bytes: usize,
    /// Records that are folded again rather than looking for a newer checkpoint.
    pub cheap_fold: i64,
    /// How long this has been tried already.
    pub waited: std::time::Duration,
    #[cfg(feature = "seeded-bugs")]
    pub bug: Option<crate::lane::SeededBug>,
    #[cfg(feature = "seeded-bugs")]
    pub committed: Option<i64>,
}

/// The contexts of one partition, as the fold sees them.
pub struct MemoryOfPartition<'a>(pub &'a mut Memory);

impl Contexts for MemoryOfPartition<'_> {
    type Error = gavel_state::Error;

    fn load(&mut self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Self::Error> {
        self.0.load(key, into)
    }

    fn store(&mut self, key: &[u8], value: &[u8]) -> Result<(), Self::Error> {
        self.0.store(key, value);
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), Self::Error> {
        self.0.remove(key);
        Ok(())
    }
}

/// Restores one partition.
pub fn restore(
    world: &mut dyn World,
    request: &Request,
    lease: Lease,
) -> Result<Ready, Interrupted> {
    let partition = request.partition;
    let control = world.control()?;
    let opened = control
        .opened(partition)
        .ok_or(Interrupted::Halt(HaltReason::NotOpened))?;
    let bounds = world.bounds()?;
    if bounds.partitions != opened.partitions {
        let (opened, found) = (opened.partitions, bounds.partitions);
        return Err(Interrupted::Halt(HaltReason::PartitionCount {
            opened,
            found,
        }));
    }
    let identity = Identity {
        log_id: opened.log_id.clone(),
        partition,
    };
    let backend = source::open(world, request, &identity, &opened, &bounds)?;
    let meta = backend.meta()?;
    let stored = meta.as_ref().map_or(opened.start - 1, |meta| meta.boundary);
    let known = meta.as_ref().map_or(0, |meta| meta.verdict_end);
    let state = match &meta {
        Some(meta) => PartitionState::from_bytes(&meta.state).map_err(|error| corrupt(&error))?,
        None => control.first_state(&opened),
    };
    if let Some(meta) = &meta {
        refuse_another_topic(meta, &bounds)?;
    }
    let tail = world.verdict_tail(&identity.log_id)?;
    let judged = tail.newest.map_or(stored, |newest| newest.max(stored));
    refuse_lost_history(&bounds, tail, stored, known, judged)?;

    let mut fold = new_fold(
        &opened.log_id,
        partition,
        opened.context_complete,
        state,
        &control,
    )?;
    let mut memory = Memory::new(Arc::clone(&backend), request.context_bytes);
    let mut catch_up = CatchUp {
        control,
        stored,
        verdict_end: tail.end,
        topic: bounds.topic.clone(),
        at: stored,
        silent_dead_letters: false,
    };
    let mut from = stored + 1;
    #[cfg(feature = "seeded-bugs")]
    {
        use crate::lane::SeededBug;
        catch_up.silent_dead_letters = request.bug == Some(SeededBug::SilentDeadLetter);
        if let (Some(SeededBug::RestartFromCommitted), Some(committed)) =
            (request.bug, request.committed)
        {
            from = from.max(committed);
        }
    }
    if from <= judged {
        world.read(from, judged, &mut |world, record| {
            catch_up.fold(world, &mut fold, &mut memory, record, judged)
        })?;
    } else {
        from = judged + 1;
    }
    #[cfg(feature = "seeded-bugs")]
    let flush = request.bug != Some(crate::lane::SeededBug::HandOverBeforeDeadLetters);
    #[cfg(not(feature = "seeded-bugs"))]
    let flush = true;
    if flush {
        world.flush()?;
    }
    tracing::info!(
        partition,
        stored,
        judged,
        folded = judged - from + 1,
        "restored"
    );
    Ok(Ready {
        fold,
        memory,
        next: judged + 1,
        stored: catch_up.stored,
        verdict_end: tail.end,
        topic: bounds.topic,
        end: bounds.end,
        lease,
    })
}

/// The silent fold of S+1..V.
struct CatchUp {
    control: Arc<ControlLog>,
    stored: i64,
    verdict_end: i64,
    topic: String,
    at: i64,
    silent_dead_letters: bool,
}

impl CatchUp {
    fn fold(
        &mut self,
        world: &mut dyn World,
        fold: &mut Fold,
        memory: &mut Memory,
        record: &Record<'_>,
        to: i64,
    ) -> Result<(), Interrupted> {
        if memory.pressed() {
            self.store(world, fold, memory)?;
        }
        let mut patience = Patience::Wait;
        loop {
            let order = match fold.step(
                record,
                &self.control,
                patience,
                &mut MemoryOfPartition(memory),
            )? {
                Step::Verdict(ruling) => {
                    if let Some(refusal) = ruling.dead_letter.filter(|_| !self.silent_dead_letters)
                    {
                        world.dead_letter(record, ruling.key_kept, refusal)?;
                    }
                    break;
                }
                Step::Await { order } => order,
                Step::Halt(reason) => return Err(Interrupted::Halt(reason.into())),
            };
            self.control = world.control()?;
            // Slow for a large policy, which is why no lane does this.
            self.control.compile_order(order);
            patience = Patience::Refuse;
        }
        self.at = record.offset;
        if record.offset % 4096 == 0 {
            world.progress(record.offset, to);
        }
        Ok(())
    }

    /// Writes what is dirty: everything folded here is acknowledged already, once its dead letters are.
    fn store(
        &mut self,
        world: &mut dyn World,
        fold: &Fold,
        memory: &mut Memory,
    ) -> Result<(), Interrupted> {
        world.flush()?;
        let meta = Meta {
            identity: Identity {
                log_id: fold.log_id().to_owned(),
                partition: fold.partition(),
            },
            boundary: self.at,
            verdict_end: self.verdict_end,
            topic: self.topic.clone(),
            state: fold.state().to_bytes(),
        };
        write_all(memory, meta)?;
        self.stored = self.at;
        Ok(())
    }
}

/// Writes what is dirty, at once.
pub(crate) fn write_all(memory: &mut Memory, meta: Meta) -> Result<(), gavel_state::Error> {
    let boundary = meta.boundary;
    memory.begin_epoch(meta);
    memory.freeze(usize::MAX);
    if let Some(batch) = memory.take_batch() {
        memory.backend().commit(&batch)?;
        memory.epoch_committed(boundary);
    }
    Ok(())
}

fn new_fold(
    log_id: &str,
    partition: i32,
    complete: bool,
    state: PartitionState,
    control: &ControlLog,
) -> Result<Fold, Interrupted> {
    let digests: Vec<Digest> = state.policies().collect();
    for digest in digests {
        // Already active, so it compiled once; what is missing shows as MissingPolicy below.
        let _compiled = control.compile(&digest);
    }
    Fold::new(log_id, partition, complete, state, control)
        .map_err(|error| Interrupted::Halt(error.into()))
}

/// L <= S+1, V+1 <= H, and the verdict topic still ends where the state says at least.
fn refuse_lost_history(
    bounds: &LogBounds,
    tail: VerdictTail,
    stored: i64,
    known: i64,
    judged: i64,
) -> Result<(), Interrupted> {
    let reason = if bounds.start > stored + 1 {
        HaltReason::LostHistory {
            log_start: bounds.start,
            needed: stored + 1,
        }
    } else if judged >= bounds.end {
        HaltReason::LogTruncated {
            log_end: bounds.end,
            judged,
        }
    } else if tail.end < known {
        HaltReason::VerdictsTrimmed {
            verdict_end: tail.end,
            known,
        }
    } else {
        return Ok(());
    };
    Err(Interrupted::Halt(reason))
}

/// A topic that was deleted and made again under its name has other records at the same offsets.
fn refuse_another_topic(meta: &Meta, bounds: &LogBounds) -> Result<(), Interrupted> {
    let (stored, found) = (meta.topic.clone(), bounds.topic.clone());
    if stored.is_empty() || found.is_empty() || stored == found {
        return Ok(());
    }
    Err(Interrupted::Halt(HaltReason::TopicRecreated {
        stored,
        found,
    }))
}

fn corrupt(error: &dyn std::fmt::Display) -> Interrupted {
    Interrupted::Halt(HaltReason::CorruptState {
        detail: error.to_string(),
    })
}

impl From<gavel_state::Error> for Interrupted {
    fn from(error: gavel_state::Error) -> Interrupted {
        Interrupted::Retry(error.to_string())
    }
}
