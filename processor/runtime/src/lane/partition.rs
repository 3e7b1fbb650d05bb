//! One partition of a lane: its phase, and what happens to it as time passes.

use super::effects::{Assignment, Effects};
use super::live::{Hold, Live, Sought};
use super::machine::{PartitionView, Settings};
use super::phase::{HaltReason, Phase};
use std::sync::Arc;

pub(super) struct Partition {
    pub assignment: Assignment,
    pub phase: Phase,
    pub live: Option<Box<Live>>,
    /// The offset or boundary of the last failure: a second one there halts the partition.
    pub failed_at: Option<i64>,
    pub deadline: u64,
    /// Draining: everything judged is acknowledged and C says so. The next owner may have it; what is left is to store it here.
    pub acknowledged: bool,
}

impl Live {
    /// Seeks if a seek is owed, then runs; a seek that cannot be done now stays owed.
    pub fn start<E: Effects>(&mut self, effects: &mut E, partition: i32) {
        if let Some(offset) = self.seek {
            if effects.seek(partition, offset).is_err() {
                return;
            }
            self.seek = None;
            self.sought = Sought::First;
        }
        effects.resume(partition);
    }

    /// As `start`, after a gap before `found`.
    pub fn start_again<E: Effects>(&mut self, effects: &mut E, partition: i32, found: i64) {
        self.start(effects, partition);
        if self.seek.is_none() {
            self.sought = Sought::Again(found);
        }
    }

    /// Whether offsets between the one expected and this one may be taken to hold no record.
    pub fn believes_gap(&self, found: i64) -> bool {
        match self.sought {
            Sought::Settled => true,
            Sought::First => false,
            Sought::Again(before) => before == found,
        }
    }
}

impl Partition {
    pub fn enter(&mut self, next: Phase) {
        assert!(
            self.phase.may_become(&next),
            "partition {}: {} -> {}",
            self.assignment.partition,
            self.phase.name(),
            next.name()
        );
        tracing::debug!(
            partition = self.assignment.partition,
            from = self.phase.name(),
            to = next.name(),
            "phase"
        );
        self.phase = next;
    }

    pub fn fails_again(&mut self, offset: i64) -> bool {
        self.failed_at.replace(offset) == Some(offset)
    }

    pub fn restore_again<E: Effects>(&mut self, effects: &mut E, generation: u64) {
        effects.pause(self.assignment.partition);
        self.live = None;
        self.enter(Phase::Restoring);
        self.assignment.generation = generation;
        effects.restore(self.assignment);
    }

    pub fn halt<E: Effects>(&mut self, effects: &mut E, reason: HaltReason) {
        if self.phase != Phase::Restoring {
            effects.pause(self.assignment.partition);
        }
        self.live = None;
        effects.halted(self.assignment.partition, &reason);
        self.enter(Phase::Halted(reason));
    }

    pub fn close<E: Effects>(&mut self, effects: &mut E) {
        if self.phase == Phase::Restoring {
            effects.cancel_restore(self.assignment);
        }
        self.live = None;
        self.enter(Phase::Closed);
    }

    /// As `close`, in order.
    pub fn retire<E: Effects>(&mut self, effects: &mut E) {
        if let Some(live) = self.live.take() {
            effects.retired(self.assignment.partition, live.retire());
        }
        self.close(effects);
    }

    pub fn drain<E: Effects>(&mut self, effects: &mut E, deadline: u64) {
        match self.phase {
            Phase::Live => {
                effects.pause(self.assignment.partition);
                self.deadline = deadline;
                self.enter(Phase::Draining);
            }
            Phase::Assigned | Phase::Restoring | Phase::Halted(_) => self.close(effects),
            Phase::Draining | Phase::Closed => {}
        }
    }

    pub fn tick<E: Effects>(&mut self, effects: &mut E, now: u64, settings: &Settings) {
        let partition = self.assignment.partition;
        let draining = match self.phase {
            Phase::Live => false,
            Phase::Draining => true,
            Phase::Assigned | Phase::Restoring | Phase::Closed | Phase::Halted(_) => return,
        };
        let Some(live) = self.live.as_mut() else {
            return;
        };
        if !draining && live.seek.is_some() {
            live.start(effects, partition);
        }
        let wants = live.wants_epoch(now, settings.epoch_ms);
        let last = draining && !live.epoch_in_flight() && live.ledger.passed() > live.stored();
        if wants || last {
            live.begin_epoch(now);
        }
        let at_most = if draining || live.hold == Some(Hold::Memory) {
            usize::MAX
        } else {
            settings.freeze_per_tick
        };
        if let Some(batch) = live.advance_epoch(at_most, seeded!(settings, StateAheadOfVerdicts)) {
            effects.write(self.assignment, Arc::clone(live.memory.backend()), batch);
        }
        self.acknowledged = draining && live.ledger.in_flight() == 0;
        let every = if self.acknowledged {
            0
        } else {
            settings.commit_ms
        };
        if let Some(next) = live.commit_due(now, every, seeded!(settings, CommitBeforeAck)) {
            effects.commit(partition, next);
        }
        let finished = live.finished();
        if draining && (finished || now >= self.deadline) {
            if !finished {
                tracing::warn!(
                    partition,
                    "given back before everything was acknowledged and stored; its next owner restores from S"
                );
            }
            self.retire(effects);
        }
    }

    /// Whether the group must wait for it.
    pub fn keeps_group_waiting(&self) -> bool {
        self.phase == Phase::Draining && !self.acknowledged
    }

    pub fn view(&self) -> PartitionView {
        let live = self.live.as_ref();
        PartitionView {
            partition: self.assignment.partition,
            phase: self.phase.clone(),
            ladder: live.map(|live| (live.stored(), live.ledger.acknowledged(), live.next)),
            in_flight: live.map_or(0, |live| live.ledger.in_flight()),
            context_bytes: live.map_or(0, |live| live.memory.stats().used_bytes),
            held: live.is_some_and(|live| live.hold.is_some()),
            caught_up: live.is_some_and(|live| live.caught_up()),
        }
    }
}
