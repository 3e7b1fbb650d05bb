//! Seeded schedules of crashes, delays, moves, zombies and failures against the lane machine, the restore procedure, the
//! fold and the memory that run in production. No broker, no clock, no threads: a seed gives one run, on every machine.
//!
//! `GAVEL_SIM_SEEDS=100000 cargo test --release -p gavel-runtime --features seeded-bugs --test simulation` runs more;
//! `GAVEL_SIM_SEED=17` replays one.

mod cluster;
mod process;
mod workload;
mod world;

use cluster::{Appended, Cluster, Rng};
use gavel_judge::{Fold, MemoryContexts, PartitionState, Patience, Step, context_expired};
use gavel_runtime::lane::{HaltReason, SeededBug};
use gavel_runtime::restore::MemoryOfPartition;
use gavel_state::{Backend, Checkpoint, Identity, Memory, MemoryStore, Meta, RepositoryBug};
use process::Process;
use std::collections::BTreeMap;
use std::sync::Arc;
use workload::{LOG_ID, Workload};

const PARTITIONS: i32 = 3;
const PROCESSES: usize = 3;
const FAULTY_STEPS: usize = 2_500;
const HEALING_STEPS: usize = 200_000;

struct Simulation {
    cluster: Cluster,
    processes: Vec<Process>,
    rng: Rng,
    workload: Workload,
    /// Partitions on their way to another process.
    moves: BTreeMap<i32, usize>,
}

/// What a run did, so that a run in which nothing happened cannot pass.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    records: usize,
    duplicates: usize,
    refused: usize,
    crashes: usize,
    zombies: usize,
    moves: usize,
    shadows: usize,
    shadows_lost: usize,
    checkpoints: usize,
    installed: usize,
    quarantined: usize,
    swept: usize,
    trimmed: usize,
    fingerprint: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.records += other.records;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
        self.crashes += other.crashes;
        self.zombies += other.zombies;
        self.moves += other.moves;
        self.shadows += other.shadows;
        self.shadows_lost += other.shadows_lost;
        self.checkpoints += other.checkpoints;
        self.installed += other.installed;
        self.quarantined += other.quarantined;
        self.swept += other.swept;
        self.trimmed += other.trimmed;
    }
}

impl Simulation {
    fn new(seed: u64, bug: Option<SeededBug>) -> Simulation {
        let mut cluster = Cluster::new(PARTITIONS);
        let workload = Workload::new(&mut cluster);
        let mut processes: Vec<Process> = (0..PROCESSES)
            .map(|_| Process::start(&cluster, bug))
            .collect();
        for partition in 0..PARTITIONS {
            let owner = partition as usize % PROCESSES;
            cluster.owner.insert(partition, owner);
            processes[owner].assign(partition);
        }
        Simulation {
            cluster,
            processes,
            rng: Rng(seed),
            workload,
            moves: BTreeMap::new(),
        }
    }

    fn run(mut self) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for _ in 0..FAULTY_STEPS {
            self.cluster.now += self.rng.below(2_000) as i64;
            match self.rng.below(400) {
                0..=99 => self.workload.step(&mut self.cluster, &mut self.rng),
                100 => tally.crashes += usize::from(self.crash()),
                101 => tally.zombies += usize::from(self.make_zombie()),
                102 | 103 => self.wake(),
                104 | 105 => tally.moves += usize::from(self.move_one()),
                106 => self.append_as_zombie(),
                107 | 110..=113 => tally.trimmed += usize::from(self.trim()),
                108 => self.harm(),
                109 => self.append_foreign(),
                _ => self.step(true),
            }
        }
        let lost = self.processes.iter().map(|process| process.io.shadows_lost);
        tally.shadows_lost = lost.sum();
        self.cluster.pass(0);
        self.heal()?;
        for process in &self.processes {
            tally.checkpoints += process.saved;
            tally.installed += process.did.installed;
            tally.quarantined += process.did.quarantined;
            tally.swept += process.swept;
        }
        self.check(&mut tally)?;
        Ok(tally)
    }

    fn running(&self) -> Vec<usize> {
        (0..PROCESSES)
            .filter(|index| !self.processes[*index].zombie)
            .collect()
    }

    fn step(&mut self, faults: bool) {
        let Some(&index) = self.rng.pick(&self.running()) else {
            return;
        };
        self.processes[index].step(&mut self.cluster, &mut self.rng, faults);
        for partition in std::mem::take(&mut self.processes[index].io.unassigned) {
            let target = self.moves.remove(&partition).unwrap_or(index);
            self.give(partition, target);
        }
    }

    fn give(&mut self, partition: i32, to: usize) {
        let running = self.running();
        let to = if running.contains(&to) {
            to
        } else {
            *self.rng.pick(&running).unwrap_or(&to)
        };
        self.cluster.owner.insert(partition, to);
        self.processes[to].assign(partition);
    }

    fn owned(&self, index: usize) -> Vec<i32> {
        self.cluster
            .owner
            .iter()
            .filter(|(_, owner)| **owner == index)
            .map(|(partition, _)| *partition)
            .collect()
    }

    fn move_one(&mut self) -> bool {
        let partition = self.rng.below(PARTITIONS as usize) as i32;
        let from = self.cluster.owner[&partition];
        let to = self.rng.below(PROCESSES);
        if from == to || self.moves.contains_key(&partition) || self.processes[from].zombie {
            return false;
        }
        self.moves.insert(partition, to);
        let process = &mut self.processes[from];
        process.lane.revoked(&mut process.io, &[partition]);
        true
    }

    fn crash(&mut self) -> bool {
        let index = self.rng.below(PROCESSES);
        self.processes[index].crash(&self.cluster, &mut self.rng);
        if self.rng.once_in(4) {
            self.processes[index].lose_disk();
        }
        for partition in self.owned(index) {
            self.moves.remove(&partition);
            let to = self.rng.below(PROCESSES);
            self.give(partition, to);
        }
        true
    }

    /// The process stops (SIGSTOP, a long pause); the group gives its partitions away.
    fn make_zombie(&mut self) -> bool {
        let running = self.running();
        if running.len() < 2 {
            return false;
        }
        let Some(&index) = self.rng.pick(&running) else {
            return false;
        };
        self.processes[index].zombie = true;
        for partition in self.owned(index) {
            self.moves.remove(&partition);
            let to = self.rng.below(PROCESSES);
            self.give(partition, to);
        }
        true
    }

    /// A zombie goes on for a while as if nothing had happened, until the group tells it.
    fn wake(&mut self) {
        let Some(index) = (0..PROCESSES).find(|index| self.processes[*index].zombie) else {
            return;
        };
        let committed = self.cluster.committed.clone();
        let process = &mut self.processes[index];
        for _ in 0..self.rng.below(30) {
            process.step(&mut self.cluster, &mut self.rng, true);
        }
        // The group fences a zombie's commits.
        self.cluster.committed = committed;
        process.io.unassigned.clear();
        let lost = process.assigned();
        process.lose(&lost);
        process.zombie = false;
    }

    /// What a zombie's client had sent before may arrive at any time.
    fn append_as_zombie(&mut self) {
        for process in self.processes.iter_mut().filter(|process| process.zombie) {
            process.append_late(&mut self.cluster, &mut self.rng);
        }
    }

    /// Retention takes the beginning of a log, as far as three checkpoints reach.
    fn trim(&mut self) -> bool {
        let partition = self.rng.below(PARTITIONS as usize) as i32;
        let whole = self.whole_checkpoints(partition);
        let harm = self.cluster.harmed.entry(partition).or_default();
        let Some(third) = whole.get(2).filter(|_| !harm.files) else {
            return false;
        };
        let topic = self.cluster.messages.get_mut(&partition);
        let topic = topic.expect("partition exists");
        if third.boundary < topic.start {
            return false;
        }
        topic.start = third.boundary + 1;
        harm.since_trim = 0;
        true
    }

    /// Checkpoints that could be used, newest first.
    fn whole_checkpoints(&self, partition: i32) -> Vec<Checkpoint> {
        let (repository, identity) = (self.cluster.calm_repository(), identity(partition));
        let mut whole = repository.list(&identity).expect("it does not fail");
        whole.retain(|checkpoint| {
            let manifest = repository.manifest(&identity, *checkpoint);
            manifest.is_ok_and(|manifest| {
                let fetched = repository.fetch(&identity, &manifest, &mut |_, _| Ok(()));
                fetched.is_ok()
            })
        });
        whole
    }

    /// A bit of the newest checkpoint turns over for good: of its manifest, once between two trims, so that a whole one is left;
    /// or of a file, where the log still has its beginning.
    fn harm(&mut self) {
        let partition = self.rng.below(PARTITIONS as usize) as i32;
        let whole = self.whole_checkpoints(partition);
        let Some(newest) = whole.first() else {
            return;
        };
        let manifest = self
            .cluster
            .calm_repository()
            .manifest(&identity(partition), *newest)
            .expect("it is whole");
        let root = format!("{LOG_ID}/{partition}");
        let begins = self.cluster.messages[&partition].start == 0;
        let harm = self.cluster.harmed.entry(partition).or_default();
        let path = if begins && self.rng.once_in(8) {
            harm.files = true;
            let file = self.rng.below(manifest.files.len());
            format!("{root}/{}", manifest.files[file].object)
        } else if harm.since_trim == 0 {
            harm.since_trim += 1;
            let Checkpoint { boundary, clock } = newest;
            format!("{root}/manifests/{boundary:020}-{clock}.json")
        } else {
            return;
        };
        let length = self
            .cluster
            .objects
            .bytes(&path)
            .map_or(0, |bytes| bytes.len());
        if self.cluster.objects.corrupt(&path, self.rng.below(length)) {
            harm.objects.push(path);
        }
    }

    /// A verdict of another log under the same topic, of an offset far ahead.
    fn append_foreign(&mut self) {
        let partition = self.rng.below(PARTITIONS as usize) as i32;
        let ahead = self.cluster.messages[&partition].end + self.rng.below(30) as i64;
        let log = self.cluster.verdicts.get_mut(&partition);
        log.expect("partition exists")
            .push(foreign_verdict(partition, ahead));
    }

    fn heal(&mut self) -> Result<(), String> {
        while self.processes.iter().any(|process| process.zombie) {
            self.wake();
        }
        for step in 0..HEALING_STEPS {
            self.step(false);
            if step % 1_000 == 0 {
                self.fence();
            }
            if let Some((partition, reason)) = self
                .processes
                .iter()
                .flat_map(|process| &process.io.halted)
                .find(|(_, reason)| is_defect(reason))
            {
                return Err(format!("partition {partition} halted: {reason}"));
            }
            self.unhalt();
            let settled = self
                .processes
                .iter()
                .all(|process| process.settled(&self.cluster))
                && self.moves.is_empty();
            if settled {
                return Ok(());
            }
        }
        let views: Vec<_> = self
            .processes
            .iter()
            .map(|process| process.lane.view())
            .collect();
        Err(format!(
            "not settled after {HEALING_STEPS} steps: {views:?}"
        ))
    }

    /// The group tells every member that still holds what belongs to somebody else by now.
    fn fence(&mut self) {
        for (index, process) in self.processes.iter_mut().enumerate() {
            let held = process.lane.view();
            let held = held.iter().map(|view| view.partition);
            let stale: Vec<i32> = held
                .filter(|partition| self.cluster.owner[partition] != index)
                .collect();
            if !stale.is_empty() {
                process.lose(&stale);
            }
        }
        // A move whose first half got lost with a process that died or slept is made up for.
        for (partition, to) in self.moves.clone() {
            let owner = &self.processes[self.cluster.owner[&partition]];
            if owner
                .lane
                .view()
                .iter()
                .all(|view| view.partition != partition)
            {
                self.moves.remove(&partition);
                self.give(partition, to);
            }
        }
    }

    /// The same simulated failure twice at one place halts a partition, as it should; its operator restarts it.
    fn unhalt(&mut self) {
        for index in 0..PROCESSES {
            if !std::mem::take(&mut self.processes[index].io.halted).is_empty() {
                self.processes[index].crash(&self.cluster, &mut self.rng);
                for partition in self.owned(index) {
                    self.moves.remove(&partition);
                    self.give(partition, index);
                }
            }
        }
    }

    /// Every checkpoint that is listed is whole, but for the one that was harmed, and says of itself what is in it.
    fn check_checkpoints(&self, partition: i32) -> Result<(), String> {
        let (repository, identity) = (self.cluster.calm_repository(), identity(partition));
        let listed = repository
            .list(&identity)
            .map_err(|error| error.to_string())?;
        let mut broken = Vec::new();
        for checkpoint in listed {
            let mut files = BTreeMap::new();
            let fetched = repository
                .manifest(&identity, checkpoint)
                .and_then(|manifest| {
                    repository.fetch(&identity, &manifest, &mut |file, bytes| {
                        files.insert(file.name.clone(), bytes);
                        Ok(())
                    })
                });
            if let Err(problem) = fetched {
                let name = format!("{:020}-{}.json", checkpoint.boundary, checkpoint.clock);
                broken.push(format!("{name}: {problem}"));
                continue;
            }
            let store = MemoryStore::from_files(&files).map_err(|error| error.to_string())?;
            let meta = store.meta().map_err(|error| error.to_string())?;
            if meta.map(|meta| meta.boundary) != Some(checkpoint.boundary) {
                return Err(format!("{checkpoint:?} holds another offset"));
            }
        }
        let harmed = self.cluster.harmed.get(&partition);
        let harmed = harmed.map_or(&[][..], |harm| &harm.objects);
        broken.retain(|problem| {
            // The name of a manifest, or of a file in what is said of one.
            !harmed.iter().any(|path| {
                let name = path.rsplit('/').next().unwrap_or(path);
                problem.contains(name)
            })
        });
        if broken.is_empty() {
            return Ok(());
        }
        Err(format!(
            "partition {partition}: broken checkpoints: {broken:?}"
        ))
    }

    fn check(&self, tally: &mut Tally) -> Result<(), String> {
        for partition in 0..PARTITIONS {
            let reference = Reference::fold(&self.cluster, partition);
            check_outputs(
                "verdict",
                partition,
                &self.cluster.verdicts[&partition],
                &reference.verdicts,
                tally,
            )?;
            check_order(partition, &self.cluster.verdicts[&partition])?;
            check_shadows(
                partition,
                &self.cluster.shadows[&partition],
                &reference.shadows,
            )?;
            tally.shadows += self.cluster.shadows[&partition].len();
            check_outputs(
                "dead letter",
                partition,
                &self.cluster.dead_letters[&partition],
                &reference.dead_letters,
                tally,
            )?;
            tally.records += reference.verdicts.len();
            tally.refused += reference.dead_letters.len();
            self.check_checkpoints(partition)?;
            let owner = &self.processes[self.cluster.owner[&partition]];
            let store = owner
                .store(partition)
                .ok_or(format!("partition {partition} has no store"))?;
            let found = digest_of(store.as_ref())
                .map_err(|error| format!("partition {partition}: {error}"))?;
            if found != reference.digest {
                return Err(format!(
                    "partition {partition}: the state differs from that of a straight fold"
                ));
            }
            for byte in found {
                tally.fingerprint = tally
                    .fingerprint
                    .wrapping_mul(31)
                    .wrapping_add(u64::from(byte));
            }
        }
        Ok(())
    }
}

pub fn identity(partition: i32) -> Identity {
    Identity {
        log_id: LOG_ID.to_owned(),
        partition,
    }
}

const FOREIGN: &str = "another-log";

fn foreign_verdict(partition: i32, offset: i64) -> Appended {
    let mut value = Vec::new();
    let verdict = gavel_schemas::Verdict {
        log_id: FOREIGN,
        source_partition: partition,
        source_offset: offset,
        ..Default::default()
    };
    gavel_schemas::encode_verdict(&verdict, &mut value);
    Appended {
        source_offset: offset,
        key: None,
        value: Some(value),
        reason: None,
    }
}

fn is_foreign(output: &Appended) -> bool {
    let identity = output
        .value
        .as_deref()
        .map(gavel_schemas::peek_verdict_identity);
    matches!(identity, Some(Ok(identity)) if identity.log_id == FOREIGN)
}

fn is_defect(reason: &HaltReason) -> bool {
    !matches!(
        reason,
        HaltReason::Delivery { .. } | HaltReason::Store { .. }
    )
}

/// Every expected output is there, every copy has its bytes, and there is nothing else.
fn check_outputs(
    what: &str,
    partition: i32,
    found: &[Appended],
    expected: &BTreeMap<i64, Appended>,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    for output in found.iter().filter(|output| !is_foreign(output)) {
        if expected.get(&output.source_offset) != Some(output) {
            return Err(format!(
                "partition {partition}: {what} of offset {} differs from that of a straight fold",
                output.source_offset
            ));
        }
        *seen.entry(output.source_offset).or_default() += 1;
    }
    if let Some(missing) = expected.keys().find(|offset| !seen.contains_key(offset)) {
        return Err(format!(
            "partition {partition}: {what} of offset {missing} is missing"
        ));
    }
    tally.duplicates += seen.values().sum::<usize>() - seen.len();
    Ok(())
}

/// Any of them may be missing, but whatever is there is what a straight fold gives.
fn check_shadows(
    partition: i32,
    found: &[Appended],
    expected: &BTreeMap<i64, Appended>,
) -> Result<(), String> {
    let wrong = found
        .iter()
        .find(|output| expected.get(&output.source_offset) != Some(*output));
    wrong.map_or(Ok(()), |output| {
        Err(format!(
            "partition {partition}: the shadow verdict of offset {} differs from that of a straight fold",
            output.source_offset
        ))
    })
}

fn check_order(partition: i32, found: &[Appended]) -> Result<(), String> {
    let mut newest = -1;
    let mut seen = std::collections::BTreeSet::new();
    for output in found.iter().filter(|output| !is_foreign(output)) {
        if seen.insert(output.source_offset) {
            if output.source_offset < newest {
                return Err(format!(
                    "partition {partition}: the first verdict of offset {} follows that of {newest}",
                    output.source_offset
                ));
            }
            newest = output.source_offset;
        }
    }
    Ok(())
}

/// One straight fold of a partition, in memory, with the whole control log.
struct Reference {
    verdicts: BTreeMap<i64, Appended>,
    dead_letters: BTreeMap<i64, Appended>,
    shadows: BTreeMap<i64, Appended>,
    digest: [u8; 32],
}

impl Reference {
    fn fold(cluster: &Cluster, partition: i32) -> Reference {
        let control = cluster.control_up_to(cluster.control.len());
        let mut fold = Fold::new(LOG_ID, partition, true, PartitionState::default(), &control)
            .expect("no policy is active yet");
        let store: Arc<MemoryStore> = Arc::default();
        let mut memory = Memory::new(Arc::clone(&store) as Arc<dyn Backend>, usize::MAX / 2);
        let (mut verdicts, mut dead_letters) = (BTreeMap::new(), BTreeMap::new());
        let mut shadows = BTreeMap::new();
        for source in &cluster.messages[&partition].records {
            let record = source.as_record();
            let ruling = loop {
                match fold
                    .step(
                        &record,
                        &control,
                        Patience::Refuse,
                        &mut MemoryOfPartition(&mut memory),
                    )
                    .expect("memory does not fail")
                {
                    Step::Verdict(ruling) => {
                        let shadow = ruling.shadow.map(<[u8]>::to_vec);
                        let verdict = (ruling.verdict.to_vec(), shadow);
                        break (verdict, ruling.key_kept, ruling.dead_letter);
                    }
                    Step::Await { order } => control.compile_order(order),
                    Step::Halt(reason) => panic!("the reference halted: {reason:?}"),
                }
            };
            let ((verdict, shadow), key_kept, refusal) = ruling;
            let key = source.key.clone().filter(|_| key_kept);
            if let Some(shadow) = shadow {
                let shadow = Appended {
                    source_offset: source.offset,
                    key: key.clone(),
                    value: Some(shadow),
                    reason: None,
                };
                shadows.insert(source.offset, shadow);
            }
            verdicts.insert(
                source.offset,
                Appended {
                    source_offset: source.offset,
                    key: key.clone(),
                    value: Some(verdict),
                    reason: None,
                },
            );
            if let Some(refusal) = refusal {
                let letter = Appended {
                    source_offset: source.offset,
                    key,
                    value: source.value.clone(),
                    reason: Some(refusal.code()),
                };
                dead_letters.insert(source.offset, letter);
            }
        }
        let identity = Identity {
            log_id: LOG_ID.to_owned(),
            partition,
        };
        let end = cluster.messages[&partition].end;
        memory.begin_epoch(Meta {
            identity,
            boundary: end - 1,
            verdict_end: 0,
            topic: String::new(),
            state: fold.state().to_bytes(),
        });
        memory.freeze(usize::MAX);
        store
            .commit(&memory.take_batch().expect("complete"))
            .expect("memory does not fail");
        let digest = digest_of(store.as_ref()).expect("memory does not fail");
        Reference {
            verdicts,
            dead_letters,
            shadows,
            digest,
        }
    }
}

fn digest_of(backend: &dyn Backend) -> Result<[u8; 32], gavel_state::Error> {
    let clock = backend
        .meta()?
        .and_then(|meta| PartitionState::from_bytes(&meta.state).ok())
        .map_or(0, |state| state.clock());
    gavel_state::digest(backend, clock, &context_expired)
}

fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    match number("GAVEL_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("GAVEL_SIM_SEEDS").unwrap_or(default),
    }
}

#[test]
fn every_schedule_ends_with_the_verdicts_and_the_state_of_a_straight_fold() {
    let range = seeds(10_000);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    // Each seed is a run of its own, so how they are shared out changes nothing.
    let runs = |first: u64| {
        let mut total = Tally::default();
        for seed in (range.start + first..range.end).step_by(cores as usize) {
            match Simulation::new(seed, None).run() {
                Ok(tally) => total.add(tally),
                Err(problem) => panic!(
                    "seed {seed}: {problem}\nreplay: GAVEL_SIM_SEED={seed} cargo test --release -p gavel-runtime --features seeded-bugs --test simulation every_schedule"
                ),
            }
        }
        total
    };
    let total = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|first| {
                let runs = &runs;
                scope.spawn(move || runs(first))
            })
            .collect();
        let mut total = Tally::default();
        for thread in threads {
            total.add(thread.join().expect("a seed failed, as it says above"));
        }
        total
    });
    println!("{} seeds: {total:?}", range.end - range.start);
    if range.end - range.start > 100 {
        assert!(
            total.records > 10_000 && total.duplicates > 100 && total.refused > 100,
            "the schedules did nothing: {total:?}"
        );
        assert!(
            total.crashes > 100 && total.zombies > 100 && total.moves > 100,
            "the schedules broke nothing: {total:?}"
        );
        assert!(
            total.checkpoints > 1_000 && total.installed > 100 && total.trimmed > 100,
            "checkpoints were not needed: {total:?}"
        );
        assert!(
            total.quarantined > 10 && total.swept > 100,
            "no checkpoint was broken or swept: {total:?}"
        );
        assert!(
            total.shadows > 1_000 && total.shadows_lost > 1_000,
            "no candidate judged, or nothing of it was lost: {total:?}"
        );
    }
}

#[test]
fn a_seed_replays_identically() {
    for seed in [3, 11, 12_345] {
        let first = Simulation::new(seed, None).run();
        assert_eq!(first, Simulation::new(seed, None).run());
        assert!(first.is_ok(), "{first:?}");
    }
}

fn caught(bug: SeededBug) -> Option<(u64, String)> {
    (0..500)
        .find_map(|seed| {
            Simulation::new(seed, Some(bug))
                .run()
                .err()
                .map(|problem| (seed, problem))
        })
        .inspect(|(seed, problem)| println!("{bug:?}: caught at seed {seed}: {problem}"))
}

#[test]
fn restarting_from_the_committed_offset_is_caught() {
    assert!(caught(SeededBug::RestartFromCommitted).is_some());
}

#[test]
fn writing_state_ahead_of_its_verdicts_is_caught() {
    assert!(caught(SeededBug::StateAheadOfVerdicts).is_some());
}

#[test]
fn handing_over_before_dead_letters_are_acknowledged_is_caught() {
    assert!(caught(SeededBug::HandOverBeforeDeadLetters).is_some());
}

#[test]
fn committing_before_the_acknowledgement_is_caught() {
    assert!(caught(SeededBug::CommitBeforeAck).is_some());
}

#[test]
fn a_flush_that_is_not_atomic_is_caught() {
    assert!(caught(SeededBug::EpochInTwoBatches).is_some());
}

#[test]
fn evicting_a_dirty_context_is_caught() {
    assert!(caught(SeededBug::EvictDirtyContexts).is_some());
}

#[test]
fn trusting_the_tail_blindly_is_caught() {
    assert!(caught(SeededBug::TrustTheTailBlindly).is_some());
}

#[test]
fn sending_on_after_a_delivery_error_is_caught() {
    assert!(caught(SeededBug::SendOnAfterDeliveryError).is_some());
}

#[test]
fn letting_v_pass_a_dead_letter_in_flight_is_caught() {
    assert!(caught(SeededBug::VIgnoresDeadLetters).is_some());
}

#[test]
fn folding_a_record_twice_is_caught() {
    assert!(caught(SeededBug::FoldTwice).is_some());
}

#[test]
fn believing_every_gap_after_a_seek_is_caught() {
    assert!(caught(SeededBug::BelieveEveryGap).is_some());
}

#[test]
fn taking_answers_of_an_earlier_assignment_is_caught() {
    assert!(caught(SeededBug::TakeStaleAnswers).is_some());
}

#[test]
fn storing_the_folds_state_of_an_earlier_epoch_is_caught() {
    assert!(caught(SeededBug::StaleFoldState).is_some());
}

#[test]
fn the_order_of_a_hash_map_in_the_fold_is_caught() {
    assert!(caught(SeededBug::HashMapOrder).is_some());
}

#[test]
fn a_wall_clock_in_the_fold_is_caught() {
    assert!(caught(SeededBug::WallClock).is_some());
}

#[test]
fn a_checkpoint_that_is_seen_before_it_is_complete_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::ManifestFirst)).is_some());
}

#[test]
fn using_a_checkpoint_without_verifying_it_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::SkipVerification)).is_some());
}

#[test]
fn taking_a_file_of_the_same_name_for_the_same_file_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::ShareFilesByName)).is_some());
}

#[test]
fn deleting_a_file_that_a_checkpoint_names_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::SweepNamedFiles)).is_some());
}

#[test]
fn an_offset_that_is_not_that_of_the_checkpoint_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::OffsetBesideTheFiles)).is_some());
}

#[test]
fn folding_a_dead_letter_silently_is_caught() {
    let (_, problem) = caught(SeededBug::SilentDeadLetter).expect("caught");
    assert!(problem.contains("dead letter"), "{problem}");
}

#[test]
fn the_contexts_of_the_fold_reach_the_memory_of_tests_too() {
    // MemoryContexts (file mode) and Memory (lanes) are two homes of one thing: the same bytes under the same keys.
    let mut contexts = MemoryContexts::default();
    let store: Arc<MemoryStore> = Arc::default();
    let mut memory = Memory::new(store as Arc<dyn Backend>, 1 << 20);
    let mut cluster = Cluster::new(1);
    let mut workload = Workload::new(&mut cluster);
    let mut rng = Rng(5);
    for _ in 0..400 {
        workload.step(&mut cluster, &mut rng);
    }
    let control = cluster.control_up_to(cluster.control.len());
    let mut folds = [0, 1].map(|_| {
        Fold::new(LOG_ID, 0, true, PartitionState::default(), &control).expect("no policy yet")
    });
    for source in &cluster.messages[&0].records {
        let record = source.as_record();
        let verdicts = loop {
            let [first, second] = &mut folds;
            let first = first
                .step(&record, &control, Patience::Refuse, &mut contexts)
                .expect("never fails");
            let second = second
                .step(
                    &record,
                    &control,
                    Patience::Refuse,
                    &mut MemoryOfPartition(&mut memory),
                )
                .expect("never fails");
            match (first, second) {
                (Step::Verdict(first), Step::Verdict(second)) => {
                    break (first.verdict.to_vec(), second.verdict.to_vec());
                }
                (Step::Await { order }, _) => control.compile_order(order),
                _ => panic!("halted"),
            }
        };
        assert_eq!(verdicts.0, verdicts.1);
    }
}
