//! What a partition is while the lane judges it: its fold, its memory and its place on the offset ladder.
//!
//! Invariant, asserted on every acknowledgement and write of the running process: K <= S <= V and C <= V+1. State is
//! handed to the writer only when V has reached its boundary, so a crash can repeat verdicts but never lose one.

use super::commit::Commits;
use super::ledger::Ledger;
use super::phase::HaltReason;
use crate::restore::Lease;
use gavel_judge::Fold;
use gavel_state::{Batch, Memory, Meta};

/// A partition made ready by the restorer: everything up to `next` - 1 is folded and acknowledged.
pub struct Ready {
    pub fold: Fold,
    pub memory: Memory,
    /// V + 1.
    pub next: i64,
    /// S.
    pub stored: i64,
    pub verdict_end: i64,
    /// The broker's id of the message topic; empty where it cannot be had.
    pub topic: String,
    /// H as the restore saw it: who has judged up to there has caught up.
    pub end: i64,
    /// Held as long as this process works on the partition.
    pub lease: Lease,
}

/// Why a live partition takes no records for the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// The record at `offset` names an order that is not read or not compiled yet.
    Order { order: i64, offset: i64 },
    /// Too many outputs in flight.
    InFlight,
    /// The context budget is full of what is not written yet.
    Memory,
}

/// What is known of the first record after a seek. A client that went elsewhere than it was told would skip records, and their verdicts
/// would be missing for good; offsets without a record look the same, so they are looked at twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sought {
    /// A record has arrived since.
    Settled,
    /// The next record is the first.
    First,
    /// The first record was this one, behind a gap; the seek has been repeated.
    Again(i64),
}

/// What is left of a partition that was given back in order. Whoever gets it may take a last checkpoint; dropping it is slow when
/// it is large, and lets the next worker of this process in.
pub struct Retired {
    pub memory: Memory,
    pub lease: Lease,
}

pub(super) struct Live {
    pub fold: Fold,
    pub memory: Memory,
    pub ledger: Ledger,
    /// The first offset not folded yet: the gate against records delivered twice.
    pub next: i64,
    pub hold: Option<Hold>,
    /// A seek that is owed before the partition may run.
    pub seek: Option<i64>,
    /// Nothing has arrived since the last seek: a gap here is believed only when a second seek shows it again.
    pub sought: Sought,
    /// The offset whose order has been consulted: there the fold no longer waits, it refuses.
    pub consulted: Option<i64>,
    /// Offset up to which records waited when the partition became live.
    end: i64,
    topic: String,
    /// The consumer has met the end of the log since.
    pub met_end: bool,
    stored: i64,
    commits: Commits,
    last_epoch: u64,
    /// Complete, waiting for V.
    ready: Option<Batch>,
    writing: bool,
    lease: Lease,
    /// A defect for tests: the state of the epoch before goes with the contexts of this one.
    #[cfg(feature = "seeded-bugs")]
    stale_state: bool,
    #[cfg(feature = "seeded-bugs")]
    state_before: Option<Vec<u8>>,
}

impl Live {
    pub fn new(ready: Ready, now: u64) -> Live {
        Live {
            ledger: Ledger::new(ready.next - 1, ready.verdict_end),
            fold: ready.fold,
            memory: ready.memory,
            next: ready.next,
            hold: None,
            seek: None,
            sought: Sought::Settled,
            consulted: None,
            end: ready.end,
            topic: ready.topic,
            met_end: false,
            stored: ready.stored,
            commits: Commits::default(),
            last_epoch: now,
            ready: None,
            writing: false,
            lease: ready.lease,
            #[cfg(feature = "seeded-bugs")]
            stale_state: false,
            #[cfg(feature = "seeded-bugs")]
            state_before: None,
        }
    }

    /// Defects for tests, around a record that is about to be folded.
    #[cfg(feature = "seeded-bugs")]
    pub fn seed<'a>(
        &mut self,
        bug: Option<super::SeededBug>,
        record: &gavel_judge::Record<'a>,
        now: u64,
    ) -> gavel_judge::Record<'a> {
        use super::SeededBug;
        let mut record = *record;
        match bug {
            Some(SeededBug::HashMapOrder) => self.fold.hash_map_order = true,
            Some(SeededBug::WallClock) => {
                let now = 1_700_000_000_000 + now.cast_signed();
                record.timestamp = gavel_judge::Timestamp::LogAppend(now);
            }
            Some(SeededBug::EvictDirtyContexts) if self.memory.pressed() => {
                let backend = std::sync::Arc::clone(self.memory.backend());
                self.memory = Memory::new(backend, usize::MAX / 2);
                self.ready = None;
            }
            Some(SeededBug::StaleFoldState) => self.stale_state = true,
            _ => {}
        }
        record
    }

    pub fn retire(self) -> Retired {
        Retired {
            memory: self.memory,
            lease: self.lease,
        }
    }

    /// What waited when the partition became live has been judged.
    pub fn caught_up(&self) -> bool {
        self.met_end || self.next >= self.end
    }

    /// S.
    pub fn stored(&self) -> i64 {
        self.stored
    }

    /// Whether an epoch should begin: there is something to store and it is time, or memory asks for it.
    pub fn wants_epoch(&self, now: u64, every: u64) -> bool {
        !self.epoch_in_flight()
            && self.ledger.passed() > self.stored
            && (now.saturating_sub(self.last_epoch) >= every || self.memory.pressed())
    }

    pub fn epoch_in_flight(&self) -> bool {
        self.writing || self.ready.is_some() || self.memory.epoch_in_flight()
    }

    /// Draws the boundary X at the newest offset folded.
    pub fn begin_epoch(&mut self, now: u64) {
        self.last_epoch = now;
        let (log_id, partition) = (self.fold.log_id().to_owned(), self.fold.partition());
        let state = self.fold.state().to_bytes();
        #[cfg(feature = "seeded-bugs")]
        let state = match self.state_before.replace(state.clone()) {
            Some(before) if self.stale_state => before,
            _ => state,
        };
        self.memory.begin_epoch(Meta {
            identity: gavel_state::Identity { log_id, partition },
            boundary: self.ledger.passed(),
            verdict_end: self.ledger.verdict_end(),
            topic: self.topic.clone(),
            state,
        });
    }

    /// Serialises up to `at_most` contexts of the epoch in flight; gives the batch once it is complete and V has
    /// reached its boundary (`ahead_of_v` is the seeded defect that does not wait).
    pub fn advance_epoch(&mut self, at_most: usize, ahead_of_v: bool) -> Option<Batch> {
        if self.ready.is_none()
            && self.memory.epoch_in_flight()
            && !self.writing
            && self.memory.freeze(at_most)
        {
            self.ready = self.memory.take_batch();
        }
        let boundary = self.ready.as_ref()?.meta.boundary;
        if boundary > self.ledger.acknowledged() && !ahead_of_v {
            return None;
        }
        let mut batch = self.ready.take()?;
        batch.meta.verdict_end = self.ledger.verdict_end();
        self.writing = true;
        Some(batch)
    }

    /// The batch of `boundary` is in the store: S moves.
    pub fn written(&mut self, boundary: i64) {
        self.writing = false;
        self.stored = boundary;
        self.memory.epoch_committed(boundary);
    }

    /// C, if it is time to commit it (`before_ack` is the seeded defect that does not wait).
    pub fn commit_due(&mut self, now: u64, every: u64, before_ack: bool) -> Option<i64> {
        let newest = if before_ack {
            self.ledger.passed()
        } else {
            self.ledger.acknowledged()
        };
        let next = newest + 1;
        self.commits.is_due(next, now, every).then_some(next)
    }

    /// Everything judged is acknowledged and stored.
    pub fn finished(&self) -> bool {
        self.ledger.in_flight() == 0
            && self.stored == self.ledger.passed()
            && !self.epoch_in_flight()
    }

    /// The offset ladder, on this process's own values.
    pub fn check_ladder(&self) -> Result<(), HaltReason> {
        let (stored, acknowledged) = (self.stored, self.ledger.acknowledged());
        if stored <= acknowledged && self.commits.sent <= acknowledged + 1 {
            return Ok(());
        }
        let detail = format!("S={stored} V={acknowledged} C={}", self.commits.sent);
        Err(HaltReason::Ladder { detail })
    }
}
