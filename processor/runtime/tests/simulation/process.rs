//! One simulated processor: the real lane machine, the real memory, a disk that may forget, a producer that may lose its
//! queue, and a consumer that does what it is told.

use crate::checkpoints::disturb;
use crate::cluster::{Appended, Cluster, Rng};
use crate::world::{Did, SimWorld};
use gavel_judge::ControlLog;
use gavel_runtime::lane::{
    Assignment, Delivery, Effects, HaltReason, Kind, Lane, NotTaken, Output, Retired, SeededBug,
    SeekLater, Settings, ShadowVerdict,
};
use gavel_runtime::restore::{Interrupted, Leases, Request, restore};
use gavel_state::{Backend, Batch, MemoryStore, Snapshot, Sweep};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Shadow verdicts that may wait.
const SHADOWS_WAITING: usize = 6;
/// Small enough that a handful of users fill it.
const CONTEXT_BYTES: usize = 4_000;
/// Records that are folded again rather than looking for a checkpoint.
const CHEAP_FOLD: i64 = 25;

struct Pending {
    delivery: Delivery,
    appended: Appended,
}

struct Write {
    assignment: Assignment,
    backend: Arc<dyn Backend>,
    batch: Batch,
}

#[derive(Default)]
struct Consumer {
    position: i64,
    paused: bool,
    strayed: bool,
}

/// The world of one lane.
#[derive(Default)]
pub struct Io {
    consumers: BTreeMap<i32, Consumer>,
    /// Sent, not in the topic yet; in order per topic and partition.
    queued: BTreeMap<(bool, i32), VecDeque<Pending>>,
    /// What candidates said, not in the topic yet.
    shadows: VecDeque<(i32, Appended)>,
    /// Shadow verdicts that were dropped or refused.
    pub shadows_lost: usize,
    /// Partitions whose last write came after they had been given back.
    pub retired_later: usize,
    /// In the topic, not reported yet.
    acks: VecDeque<(Delivery, i64)>,
    restores: Vec<Assignment>,
    writes: VecDeque<Write>,
    consults: Vec<i64>,
    pub unassigned: Vec<i32>,
    commits: Vec<(i32, i64)>,
    pub retired: Vec<(i32, Retired)>,
    producers: usize,
    pub halted: Vec<(i32, HaltReason)>,
    seeks_fail: bool,
    /// The client goes somewhere else than it is told; never twice in a row on one partition.
    seek_strays: bool,
    /// The leader of a dead-letter partition does not answer.
    dead_letters_stall: bool,
}

impl Effects for Io {
    type Headers = ();

    fn produce(&mut self, output: Output<'_, ()>) -> Result<(), NotTaken> {
        let delivery = output.delivery;
        let appended = Appended {
            source_offset: delivery.offset,
            key: output.key.map(<[u8]>::to_vec),
            value: output.value.map(<[u8]>::to_vec),
            reason: output.refusal.map(|refusal| refusal.code()),
        };
        let lane = (
            delivery.kind == Kind::Verdict,
            delivery.assignment.partition,
        );
        self.queued
            .entry(lane)
            .or_default()
            .push_back(Pending { delivery, appended });
        Ok(())
    }

    fn shadow(&mut self, verdict: ShadowVerdict<'_, ()>) {
        if self.shadows.len() >= SHADOWS_WAITING {
            self.shadows_lost += 1;
            return;
        }
        let appended = Appended {
            source_offset: verdict.offset,
            key: verdict.key.map(<[u8]>::to_vec),
            value: Some(verdict.value.to_vec()),
            reason: None,
        };
        self.shadows.push_back((verdict.partition, appended));
    }

    fn pause(&mut self, partition: i32) {
        if let Some(consumer) = self.consumers.get_mut(&partition) {
            consumer.paused = true;
        }
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<(), SeekLater> {
        if self.seeks_fail {
            self.seeks_fail = false;
            return Err(SeekLater);
        }
        let strays = std::mem::take(&mut self.seek_strays);
        let consumer = self.consumers.get_mut(&partition).ok_or(SeekLater)?;
        let strays = strays && !consumer.strayed;
        consumer.strayed = strays;
        consumer.position = if strays { offset + 2 } else { offset };
        Ok(())
    }

    fn resume(&mut self, partition: i32) {
        if let Some(consumer) = self.consumers.get_mut(&partition) {
            consumer.paused = false;
        }
    }

    fn write(&mut self, assignment: Assignment, backend: Arc<dyn Backend>, batch: Batch) {
        self.writes.push_back(Write {
            assignment,
            backend,
            batch,
        });
    }

    fn commit(&mut self, partition: i32, next_offset: i64) {
        self.commits.push((partition, next_offset));
    }

    fn unassign(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.consumers.remove(partition);
            self.unassigned.push(*partition);
        }
    }

    fn retired(&mut self, partition: i32, retired: Retired) {
        // The group did not wait for the store.
        self.retired_later += usize::from(!self.consumers.contains_key(&partition));
        self.retired.push((partition, retired));
    }

    fn restore(&mut self, assignment: Assignment) {
        self.restores.push(assignment);
    }

    fn cancel_restore(&mut self, assignment: Assignment) {
        self.restores.retain(|waiting| *waiting != assignment);
    }

    fn consult(&mut self, order: i64) {
        self.consults.push(order);
    }

    fn replace_producer(&mut self) {
        self.queued.clear();
        self.acks.clear();
        self.producers += 1;
    }

    fn halted(&mut self, partition: i32, reason: &HaltReason) {
        self.halted.push((partition, reason.clone()));
    }
}

pub struct Process {
    pub lane: Lane,
    pub io: Io,
    /// A zombie is alive but does not run; the group has given its partitions away.
    pub zombie: bool,
    pub disk: BTreeMap<i32, Arc<MemoryStore>>,
    leases: Leases,
    control_seen: usize,
    clock: u64,
    pub bug: Option<SeededBug>,
    /// Taken, not uploaded yet, with the time at which the upload of each begins to count.
    pub snapshots: Vec<Box<dyn Snapshot>>,
    pub sweeps: BTreeMap<i32, Sweep>,
    pub did: Did,
    pub saved: usize,
    pub swept: usize,
}

fn settings(bug: Option<SeededBug>) -> Settings {
    Settings {
        in_flight: 12,
        epoch_ms: 5,
        commit_ms: 3,
        freeze_per_tick: 2,
        drain_ms: 40,
        bug,
    }
}

impl Process {
    pub fn start(cluster: &Cluster, bug: Option<SeededBug>) -> Process {
        let control_seen = cluster.control.len();
        Process {
            lane: Lane::new(settings(bug), cluster.control_up_to(control_seen)),
            io: Io::default(),
            zombie: false,
            disk: BTreeMap::new(),
            leases: Leases::default(),
            control_seen,
            clock: 0,
            bug,
            snapshots: Vec::new(),
            sweeps: BTreeMap::new(),
            did: Did::default(),
            saved: 0,
            swept: 0,
        }
    }

    /// kill -9, or a power cut that also loses some of what the disk had not synced.
    pub fn crash(&mut self, cluster: &Cluster, rng: &mut Rng) {
        // What the producer had sent may still arrive; what the writer was given may be on disk or not.
        for write in std::mem::take(&mut self.io.writes) {
            if rng.once_in(2) {
                let _unsynced = if self.bug == Some(SeededBug::EpochInTwoBatches) {
                    write.backend.commit(&half(&write.batch))
                } else {
                    write.backend.commit(&write.batch)
                };
            }
        }
        let power_cut = rng.once_in(3);
        for store in self.disk.values() {
            if power_cut {
                store.crash(rng.below(4));
            }
        }
        let disk = std::mem::take(&mut self.disk);
        *self = Process {
            disk,
            did: self.did,
            saved: self.saved,
            swept: self.swept,
            ..Process::start(cluster, self.bug)
        };
    }

    pub fn lose_disk(&mut self) {
        self.disk.clear();
    }

    pub fn assign(&mut self, partition: i32) {
        self.io.consumers.insert(
            partition,
            Consumer {
                position: i64::MAX,
                paused: true,
                strayed: false,
            },
        );
        self.lane.assigned(&mut self.io, &[partition]);
    }

    pub fn lose(&mut self, partitions: &[i32]) {
        for partition in partitions {
            self.io.consumers.remove(partition);
        }
        self.lane.lost(&mut self.io, partitions);
    }

    pub fn assigned(&self) -> Vec<i32> {
        self.io.consumers.keys().copied().collect()
    }

    /// One thing happens in this process, chosen by the seed.
    pub fn step(&mut self, cluster: &mut Cluster, rng: &mut Rng, faults: bool) {
        match rng.below(16) {
            0..=3 => self.deliver(cluster, rng, faults),
            4 | 5 => self.append_one(cluster, rng, faults),
            6 | 7 => self.acknowledge(rng),
            8 => self.complete_write(rng, faults),
            9 => self.complete_restore(cluster, rng, faults),
            10 => self.complete_consult(cluster, rng),
            11 => self.append_shadows(cluster, rng),
            12 => self.take_snapshot(rng),
            13 => self.upload(cluster, rng, faults),
            14 => self.sweep(cluster, rng, faults),
            _ => self.tick(cluster, rng, faults),
        }
        for (partition, next) in self.io.commits.drain(..) {
            // A zombie's commit is fenced by the group; this one is not a zombie while it steps.
            cluster.committed.insert(partition, next);
        }
    }

    fn tick(&mut self, cluster: &Cluster, rng: &mut Rng, faults: bool) {
        self.clock += 1 + rng.below(4) as u64;
        self.io.seeks_fail = faults && rng.once_in(8);
        self.io.seek_strays = faults && rng.once_in(8);
        self.io.dead_letters_stall =
            faults && (rng.once_in(30) || (self.io.dead_letters_stall && !rng.once_in(20)));
        if rng.once_in(3) {
            self.control_seen = cluster.control.len();
            self.lane.control(cluster.control_up_to(self.control_seen));
        }
        self.lane.tick(&mut self.io, self.clock);
    }

    fn deliver(&mut self, cluster: &Cluster, rng: &mut Rng, faults: bool) {
        let running: Vec<i32> = self
            .io
            .consumers
            .iter()
            .filter(|(_, consumer)| !consumer.paused)
            .map(|(partition, _)| *partition)
            .collect();
        let Some(&partition) = rng.pick(&running) else {
            return;
        };
        for _ in 0..=rng.below(4) {
            let Some(consumer) = self
                .io
                .consumers
                .get_mut(&partition)
                .filter(|consumer| !consumer.paused)
            else {
                return;
            };
            // Now and then a record arrives twice.
            let from = if faults && !consumer.strayed && rng.once_in(20) {
                (consumer.position - 2).max(0)
            } else {
                consumer.position
            };
            if let Some(record) = cluster.next_record(partition, from) {
                consumer.position = consumer.position.max(record.offset + 1);
                let _recorded =
                    self.lane
                        .record(&mut self.io, partition, &record.as_record(), None);
            } else {
                consumer.position = consumer.position.max(cluster.messages[&partition].end);
                let position = consumer.position;
                self.lane
                    .reached_end(&mut self.io, partition, Some(position));
            }
        }
    }

    /// A request reaches the broker, or fails for good.
    fn append_one(&mut self, cluster: &mut Cluster, rng: &mut Rng, faults: bool) {
        let waiting: Vec<(bool, i32)> = self
            .io
            .queued
            .iter()
            .filter(|((verdict, _), queue)| {
                !queue.is_empty() && (*verdict || !self.io.dead_letters_stall)
            })
            .map(|(lane, _)| *lane)
            .collect();
        let Some(&(verdict, partition)) = rng.pick(&waiting) else {
            return;
        };
        let Some(pending) = self
            .io
            .queued
            .get_mut(&(verdict, partition))
            .and_then(VecDeque::pop_front)
        else {
            return;
        };
        if faults && rng.once_in(120) {
            self.lane
                .delivery_failed(&mut self.io, pending.delivery, "simulated");
            return;
        }
        let topic = if verdict {
            &mut cluster.verdicts
        } else {
            &mut cluster.dead_letters
        };
        let log = topic.get_mut(&partition).expect("partition exists");
        log.push(pending.appended);
        self.io
            .acks
            .push_back((pending.delivery, log.len() as i64 - 1));
    }

    /// Shadow verdicts reach their topic, or fail, which nobody is told.
    fn append_shadows(&mut self, cluster: &mut Cluster, rng: &mut Rng) {
        for _ in 0..=rng.below(8) {
            let Some((partition, appended)) = self.io.shadows.pop_front() else {
                return;
            };
            if rng.once_in(4) {
                self.io.shadows_lost += 1;
                continue;
            }
            let log = cluster.shadows.get_mut(&partition);
            log.expect("partition exists").push(appended);
        }
    }

    /// A request that was on its way when the process stopped.
    pub fn append_late(&mut self, cluster: &mut Cluster, rng: &mut Rng) {
        self.append_one(cluster, rng, false);
    }

    fn acknowledge(&mut self, rng: &mut Rng) {
        for _ in 0..=rng.below(5) {
            let Some((delivery, at)) = self.io.acks.pop_front() else {
                return;
            };
            self.lane.acked(&mut self.io, delivery, at);
        }
    }

    fn complete_write(&mut self, rng: &mut Rng, faults: bool) {
        let Some(write) = self.io.writes.pop_front() else {
            return;
        };
        let boundary = write.batch.meta.boundary;
        if faults && rng.once_in(60) {
            self.fail_next_write(write.assignment.partition);
        }
        let outcome = write.backend.commit(&write.batch);
        drop(write.backend);
        self.lane
            .written(&mut self.io, write.assignment, boundary, outcome);
        if rng.once_in(4) {
            self.disk.values().for_each(|store| store.sync());
        }
    }

    fn fail_next_write(&self, partition: i32) {
        if let Some(store) = self.disk.get(&partition) {
            store.fail_next_commit();
        }
    }

    fn complete_restore(&mut self, cluster: &mut Cluster, rng: &mut Rng, faults: bool) {
        if self.io.restores.is_empty() {
            return;
        }
        let index = rng.below(self.io.restores.len());
        let assignment = self.io.restores[index];
        let partition = assignment.partition;
        // RocksDB's lock: the store cannot be opened while the writer still holds it.
        if self
            .io
            .writes
            .iter()
            .any(|write| write.assignment.partition == partition)
        {
            return;
        }
        let Some(lease) = self.leases.take(partition) else {
            return;
        };
        let committed = cluster.committed.get(&partition).copied();
        let request = Request {
            partition,
            context_bytes: CONTEXT_BYTES,
            cheap_fold: CHEAP_FOLD,
            waited: Duration::from_secs(rng.below(60) as u64),
            bug: self.bug,
            committed,
        };
        if faults {
            disturb(cluster, rng);
        }
        let mut world = SimWorld {
            cluster,
            partition,
            disk: &mut self.disk,
            rng,
            faults,
            unsent: Vec::new(),
            did: &mut self.did,
            bug: self.bug,
        };
        let outcome = restore(&mut world, &request, lease);
        // What was handed over before it was acknowledged may arrive or not.
        let unsent = std::mem::take(&mut world.unsent);
        for letter in unsent {
            if outcome.is_ok() && world.rng.once_in(2) {
                let log = world.cluster.dead_letters.get_mut(&partition);
                log.expect("partition exists").push(letter);
            }
        }
        match outcome {
            Ok(ready) => {
                self.io.restores.remove(index);
                self.lane.restored(&mut self.io, assignment, Ok(ready));
            }
            Err(Interrupted::Halt(reason)) => {
                self.io.restores.remove(index);
                self.lane.restored(&mut self.io, assignment, Err(reason));
            }
            Err(Interrupted::Retry(_) | Interrupted::Cancelled) => {}
        }
    }

    fn complete_consult(&mut self, cluster: &Cluster, rng: &mut Rng) {
        if self.io.consults.is_empty() {
            return;
        }
        let order = self
            .io
            .consults
            .swap_remove(rng.below(self.io.consults.len()));
        let control: Arc<ControlLog> = cluster.control_up_to(cluster.control.len());
        self.control_seen = cluster.control.len();
        control.compile_order(order);
        self.lane.consulted(&mut self.io, control, order);
    }

    /// Nothing left to do but wait for new records.
    pub fn settled(&self, cluster: &Cluster) -> bool {
        self.io.restores.is_empty()
            && self.io.writes.is_empty()
            && self.io.consults.is_empty()
            && self.io.acks.is_empty()
            && self.io.queued.values().all(VecDeque::is_empty)
            && self.lane.view().iter().all(|view| {
                let end = cluster.messages[&view.partition].end;
                view.ladder.is_some_and(|(stored, acknowledged, next)| {
                    next == end && acknowledged == end - 1 && stored == end - 1
                })
            })
    }

    pub fn store(&self, partition: i32) -> Option<&Arc<MemoryStore>> {
        self.disk.get(&partition)
    }
}

/// What a store that is not atomic may have of a batch after a crash.
fn half(batch: &Batch) -> Batch {
    let mut half = Batch::new(batch.meta.clone());
    for (key, value) in batch.iter().step_by(2) {
        half.push(key, value);
    }
    half
}
