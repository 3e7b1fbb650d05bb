//! The lane's state machine: events in, effects out, no I/O and no clock of its own.

use super::effects::{Assignment, Delivery, Effects, Output, ShadowVerdict};
use super::ledger::Kind;
use super::live::{Hold, Live, Ready, Sought};
use super::partition::Partition;
use super::phase::{HaltReason, Phase};
use crate::restore::MemoryOfPartition;
use gavel_judge::{Action, Code, ControlLog, Patience, Record, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Limits of a lane. None of them reaches the fold.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Outputs of one partition in flight before it pauses; it resumes at half.
    pub in_flight: usize,
    /// Milliseconds between epochs.
    pub epoch_ms: u64,
    /// Milliseconds between commits of C.
    pub commit_ms: u64,
    /// Contexts serialised per partition and tick.
    pub freeze_per_tick: usize,
    /// Milliseconds a revoked partition may take to finish.
    pub drain_ms: u64,
    #[cfg(feature = "seeded-bugs")]
    pub bug: Option<super::SeededBug>,
}

/// What became of a record that was handed to the lane.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Judged {
        action: Action,
        code: Code,
        in_flight: usize,
    },
    /// Not live, held, or already folded: the record will come again or is not ours.
    Ignored,
}

/// What telemetry may know of a partition.
#[derive(Debug, Clone)]
pub struct PartitionView {
    pub partition: i32,
    pub phase: Phase,
    /// S, V, next offset to fold; None unless live or draining.
    pub ladder: Option<(i64, i64, i64)>,
    pub in_flight: usize,
    pub context_bytes: usize,
    pub held: bool,
    /// What waited when the partition became live has been judged.
    pub caught_up: bool,
}

/// One lane's partitions and what it owes the world.
pub struct Lane {
    settings: Settings,
    control: Arc<ControlLog>,
    partitions: BTreeMap<i32, Partition>,
    /// Revokes not answered yet.
    revokes: Vec<Vec<i32>>,
    generation: u64,
    now: u64,
}

impl Lane {
    pub fn new(settings: Settings, control: Arc<ControlLog>) -> Lane {
        Lane {
            settings,
            control,
            partitions: BTreeMap::new(),
            revokes: Vec::new(),
            generation: 0,
            now: 0,
        }
    }

    // ---- group membership ------------------------------------------------------------------------------------

    /// The consumer was given these partitions; it has them paused.
    pub fn assigned<E: Effects>(&mut self, effects: &mut E, partitions: &[i32]) {
        for &partition in partitions {
            self.generation += 1;
            let assignment = Assignment {
                partition,
                generation: self.generation,
            };
            let entry = Partition {
                assignment,
                phase: Phase::Assigned,
                live: None,
                failed_at: None,
                deadline: 0,
                acknowledged: false,
            };
            if let Some(mut old) = self.partitions.insert(partition, entry) {
                old.close(effects);
            }
            if let Some(entry) = self.partitions.get_mut(&partition) {
                entry.enter(Phase::Restoring);
                effects.restore(assignment);
            }
        }
    }

    /// The group wants these back. They are given back together when what was judged of each is acknowledged, or time is out:
    /// nobody waits for the store, which the next owner does not read.
    pub fn revoked<E: Effects>(&mut self, effects: &mut E, partitions: &[i32]) {
        let deadline = self.now.saturating_add(self.settings.drain_ms);
        for partition in partitions {
            if let Some(entry) = self.partitions.get_mut(partition) {
                entry.drain(effects, deadline);
            }
        }
        self.revokes.push(partitions.to_vec());
        self.settle(effects);
    }

    /// The group has already given these to somebody else: drop them, commit nothing.
    pub fn lost<E: Effects>(&mut self, effects: &mut E, partitions: &[i32]) {
        for partition in partitions {
            if let Some(mut entry) = self.partitions.remove(partition) {
                entry.close(effects);
            }
        }
        self.settle(effects);
    }

    /// Finish everything; `drained` tells when.
    pub fn shut_down<E: Effects>(&mut self, effects: &mut E) {
        let all: Vec<i32> = self.partitions.keys().copied().collect();
        self.revoked(effects, &all);
    }

    pub fn drained(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Whether the group waits for partitions to be given back.
    pub fn owes_answer(&self) -> bool {
        !self.revokes.is_empty()
    }

    // ---- records and their acknowledgements --------------------------------------------------------------------

    /// Folds one record and sends its outputs.
    pub fn record<E: Effects>(
        &mut self,
        effects: &mut E,
        partition: i32,
        record: &Record<'_>,
        headers: Option<&E::Headers>,
    ) -> Recorded {
        let Some(entry) = self.partitions.get_mut(&partition) else {
            return Recorded::Ignored;
        };
        let assignment = entry.assignment;
        let (Phase::Live, Some(live)) = (&entry.phase, entry.live.as_mut()) else {
            return Recorded::Ignored;
        };
        if live.hold.is_some() || live.seek.is_some() {
            return Recorded::Ignored;
        }
        if record.offset < live.next && !seeded!(self.settings, FoldTwice) {
            return Recorded::Ignored;
        }
        if record.offset > live.next
            && !live.believes_gap(record.offset)
            && !seeded!(self.settings, BelieveEveryGap)
        {
            tracing::info!(
                partition,
                expected = live.next,
                found = record.offset,
                "the first record after a seek lies behind a gap; seeking once more"
            );
            effects.pause(partition);
            live.seek = Some(live.next);
            live.start_again(effects, partition, record.offset);
            return Recorded::Ignored;
        }
        live.sought = Sought::Settled;
        #[cfg(feature = "seeded-bugs")]
        let record = &live.seed(self.settings.bug, record, self.now);
        if live.memory.pressed() {
            live.hold = Some(Hold::Memory);
            effects.pause(partition);
            return Recorded::Ignored;
        }
        let patience = if live.consulted == Some(record.offset) {
            Patience::Refuse
        } else {
            Patience::Wait
        };
        let mut contexts = MemoryOfPartition(&mut live.memory);
        let ruling = match live
            .fold
            .step(record, &self.control, patience, &mut contexts)
        {
            Ok(Step::Verdict(ruling)) => ruling,
            Ok(Step::Await { order }) => {
                live.hold = Some(Hold::Order {
                    order,
                    offset: record.offset,
                });
                effects.pause(partition);
                effects.consult(order);
                return Recorded::Ignored;
            }
            Ok(Step::Halt(reason)) => {
                entry.halt(effects, reason.into());
                return Recorded::Ignored;
            }
            Err(error) => {
                self.store_failed(effects, assignment, &error);
                return Recorded::Ignored;
            }
        };
        let key = if ruling.key_kept { record.key } else { None };
        let delivery = Delivery {
            assignment,
            kind: Kind::Verdict,
            offset: record.offset,
        };
        let headers = if ruling.headers_kept { headers } else { None };
        live.ledger.sent(Kind::Verdict, record.offset);
        let mut taken = effects.produce(Output {
            delivery,
            key,
            value: Some(ruling.verdict),
            headers,
            refusal: None,
        });
        if let (Ok(()), Some(refusal)) = (&taken, ruling.dead_letter) {
            live.ledger.sent(Kind::DeadLetter, record.offset);
            let delivery = Delivery {
                kind: Kind::DeadLetter,
                ..delivery
            };
            taken = effects.produce(Output {
                delivery,
                key,
                value: record.value,
                headers: None,
                refusal: Some(refusal),
            });
        }
        // Not for a record that will be judged again.
        if let (Ok(()), Some(value)) = (&taken, ruling.shadow) {
            effects.shadow(ShadowVerdict {
                partition,
                offset: record.offset,
                key,
                value,
                headers,
            });
        }
        let (action, code) = (ruling.action, ruling.code);
        live.next = record.offset + 1;
        live.ledger.pass(record.offset);
        let in_flight = live.ledger.in_flight();
        if let Err(error) = taken {
            self.delivery_failed(effects, delivery, &error.0);
        } else if in_flight >= self.settings.in_flight {
            live.hold = Some(Hold::InFlight);
            effects.pause(partition);
        }
        Recorded::Judged {
            action,
            code,
            in_flight,
        }
    }

    /// The consumer has delivered every record there is, all below `position` if it knows one. Offsets without a
    /// record (transaction markers) are passed by this.
    pub fn reached_end<E: Effects>(
        &mut self,
        effects: &mut E,
        partition: i32,
        position: Option<i64>,
    ) {
        let Some(entry) = self.partitions.get_mut(&partition) else {
            return;
        };
        let (Phase::Live, Some(live)) = (&entry.phase, entry.live.as_mut()) else {
            return;
        };
        if live.hold.is_some() || live.seek.is_some() {
            return;
        }
        live.met_end = true;
        if let Some(position) = position.filter(|&position| position > live.next) {
            if !live.believes_gap(position) {
                effects.pause(partition);
                live.seek = Some(live.next);
                live.start_again(effects, partition, position);
                return;
            }
            live.sought = Sought::Settled;
            live.next = position;
            live.ledger.pass(position - 1);
            if let Err(reason) = live.check_ladder() {
                entry.halt(effects, reason);
            }
        }
    }

    /// The client has given up a partition that runs, because the log has no record where it stands: the restorer finds out why, and
    /// halts it if its history is lost.
    pub fn out_of_range<E: Effects>(&mut self, effects: &mut E, partition: i32) {
        let Some(entry) = self.partitions.get_mut(&partition) else {
            return;
        };
        if entry.phase == Phase::Live {
            tracing::warn!(
                partition,
                "the log has no record where the partition stands; restoring it"
            );
            self.generation += 1;
            entry.restore_again(effects, self.generation);
        }
    }

    /// An output has been delivered; `at` is its offset in its own partition.
    pub fn acked<E: Effects>(&mut self, effects: &mut E, delivery: Delivery, at: i64) {
        let Some(entry) = self.partitions.get_mut(&delivery.assignment.partition) else {
            return;
        };
        if entry.assignment != delivery.assignment && !seeded!(self.settings, TakeStaleAnswers) {
            return;
        }
        let Some(live) = entry.live.as_mut() else {
            return;
        };
        let outcome = live.ledger.acked(delivery.kind, delivery.offset, at);
        if let Err(error) = outcome {
            entry.halt(
                effects,
                HaltReason::Ladder {
                    detail: error.to_string(),
                },
            );
        } else if live.hold == Some(Hold::InFlight)
            && live.ledger.in_flight() <= self.settings.in_flight / 2
        {
            live.hold = None;
            effects.resume(delivery.assignment.partition);
        }
    }

    /// An output will not be delivered. That producer ends; every live partition restores from S, and the one whose
    /// output failed twice at one offset halts.
    pub fn delivery_failed<E: Effects>(
        &mut self,
        effects: &mut E,
        delivery: Delivery,
        error: &str,
    ) {
        if seeded!(self.settings, SendOnAfterDeliveryError) {
            return;
        }
        // Also when the output belongs to an assignment that is over: what the producer still holds comes after it.
        let failed = delivery.assignment;
        effects.replace_producer();
        let mut generation = self.generation;
        for entry in self.partitions.values_mut() {
            match entry.phase {
                Phase::Live => {
                    if entry.assignment == failed && entry.fails_again(delivery.offset) {
                        let error = error.to_owned();
                        entry.halt(
                            effects,
                            HaltReason::Delivery {
                                offset: delivery.offset,
                                error,
                            },
                        );
                    } else {
                        generation += 1;
                        entry.restore_again(effects, generation);
                    }
                }
                // What was in flight is gone; its next owner restores from S.
                Phase::Draining => entry.close(effects),
                Phase::Assigned | Phase::Restoring | Phase::Closed | Phase::Halted(_) => {}
            }
        }
        self.generation = generation;
        self.settle(effects);
    }

    // ---- answers -------------------------------------------------------------------------------------------------

    /// The restorer is done with a partition, or says why it must halt.
    pub fn restored<E: Effects>(
        &mut self,
        effects: &mut E,
        assignment: Assignment,
        outcome: Result<Ready, HaltReason>,
    ) {
        let now = self.now;
        let Some(entry) = self.partitions.get_mut(&assignment.partition) else {
            return;
        };
        if entry.assignment != assignment || entry.phase != Phase::Restoring {
            return;
        }
        match outcome {
            Ok(ready) => {
                let next = ready.next;
                entry.enter(Phase::Live);
                let live = entry.live.insert(Box::new(Live::new(ready, now)));
                #[cfg(feature = "seeded-bugs")]
                live.ledger.seed(self.settings.bug);
                live.seek = Some(next);
                live.start(effects, assignment.partition);
            }
            Err(reason) => entry.halt(effects, reason),
        }
    }

    /// The writer committed a batch, or could not.
    pub fn written<E: Effects>(
        &mut self,
        effects: &mut E,
        assignment: Assignment,
        boundary: i64,
        outcome: Result<(), gavel_state::Error>,
    ) {
        let Some(entry) = self.partitions.get_mut(&assignment.partition) else {
            return;
        };
        if entry.assignment != assignment && !seeded!(self.settings, TakeStaleAnswers) {
            return;
        }
        let Some(live) = entry.live.as_mut() else {
            return;
        };
        match outcome {
            Ok(()) => {
                live.written(boundary);
                let checked = live.check_ladder();
                if let Err(reason) = checked {
                    entry.halt(effects, reason);
                } else if live.hold == Some(Hold::Memory) && !live.memory.pressed() {
                    live.hold = None;
                    live.seek = Some(live.next);
                    live.start(effects, assignment.partition);
                }
            }
            Err(error) => self.store_failed(effects, assignment, &error),
        }
    }

    /// A newer snapshot of the control log.
    pub fn control(&mut self, control: Arc<ControlLog>) {
        if control.read_to() >= self.control.read_to() {
            self.control = control;
        }
    }

    /// The control log has been read to an end that was fetched after `order` was asked for, and what the order
    /// names is compiled: whoever waits for it goes on, and refuses what still is not there.
    pub fn consulted<E: Effects>(&mut self, effects: &mut E, control: Arc<ControlLog>, order: i64) {
        self.control(control);
        for entry in self.partitions.values_mut() {
            let partition = entry.assignment.partition;
            let (Phase::Live, Some(live)) = (&entry.phase, entry.live.as_mut()) else {
                continue;
            };
            if let Some(Hold::Order {
                order: awaited,
                offset,
            }) = live.hold
                && awaited == order
            {
                live.hold = None;
                live.consulted = Some(offset);
                live.seek = Some(live.next);
                live.start(effects, partition);
            }
        }
    }

    /// Time passes: epochs, commits, drains, owed seeks. `now` is in milliseconds of any steady clock.
    pub fn tick<E: Effects>(&mut self, effects: &mut E, now: u64) {
        self.now = now;
        let settings = self.settings.clone();
        for entry in self.partitions.values_mut() {
            entry.tick(effects, now, &settings);
        }
        self.settle(effects);
    }

    /// The partitions that take records at this moment, with the next offset of each.
    pub fn running(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.partitions.values().filter_map(|entry| {
            let live = entry.live.as_ref().filter(|live| {
                entry.phase == Phase::Live && live.hold.is_none() && live.seek.is_none()
            })?;
            Some((entry.assignment.partition, live.next))
        })
    }

    /// One line per partition, for metrics, readiness and the log.
    pub fn view(&self) -> Vec<PartitionView> {
        self.partitions.values().map(Partition::view).collect()
    }

    /// The store failed a partition. The first time it restores from what is on disk; a second failure at the same
    /// boundary halts it: an fsync or write error is never retried on the same handle.
    fn store_failed<E: Effects>(
        &mut self,
        effects: &mut E,
        assignment: Assignment,
        error: &gavel_state::Error,
    ) {
        let Some(entry) = self.partitions.get_mut(&assignment.partition) else {
            return;
        };
        let boundary = entry.live.as_ref().map_or(-1, |live| live.stored());
        tracing::error!(partition = assignment.partition, boundary, %error, "the store failed; the partition restores from what is on disk");
        let again = entry.fails_again(boundary);
        match entry.phase {
            Phase::Live if !again => {
                self.generation += 1;
                entry.restore_again(effects, self.generation);
            }
            Phase::Draining => entry.close(effects),
            Phase::Live | Phase::Assigned | Phase::Restoring | Phase::Closed | Phase::Halted(_) => {
                entry.halt(
                    effects,
                    HaltReason::Store {
                        boundary,
                        error: error.to_string(),
                    },
                );
            }
        }
        self.settle(effects);
    }

    /// Answers every revoke whose partitions keep nobody waiting.
    fn settle<E: Effects>(&mut self, effects: &mut E) {
        self.partitions
            .retain(|_, entry| entry.phase != Phase::Closed);
        let held = &self.partitions;
        self.revokes.retain(|partitions| {
            let open = partitions
                .iter()
                .any(|p| held.get(p).is_some_and(Partition::keeps_group_waiting));
            if !open {
                effects.unassign(partitions);
            }
            open
        });
    }
}
