//! Seeded schedules of crashes, delays, moves, zombies and failures against the lane machine, the restore procedure, the
//! fold and the memory that run in production. No broker, no clock, no threads: a seed gives one run, on every machine.
//!
//! `GAVEL_SIM_SEEDS=100000 cargo test --release -p gavel-runtime --features seeded-bugs --test simulation` runs more;
//! `GAVEL_SIM_SEED=17` replays one.

mod check;
mod checkpoints;
mod cluster;
mod process;
mod reference;
mod seeded;
mod workload;
mod world;

use check::{foreign_verdict, identity, is_defect};
use cluster::{Cluster, Rng};
use gavel_judge::{Fold, MemoryContexts, PartitionState, Patience, Step};
use gavel_runtime::lane::SeededBug;
use gavel_runtime::restore::MemoryOfPartition;
use gavel_state::{Backend, Checkpoint, Memory, MemoryStore};
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
    /// Records behind a registry's id that were read.
    behind_id: usize,
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
    retired_later: usize,
    fingerprint: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.records += other.records;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
        self.behind_id += other.behind_id;
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
        self.retired_later += other.retired_later;
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
            tally.retired_later += process.io.retired_later;
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
    if range.end - range.start >= 1_000 {
        assert!(
            total.records > 10_000 && total.duplicates > 100 && total.refused > 100,
            "the schedules did nothing: {total:?}"
        );
        assert!(
            total.behind_id > 1_000,
            "nobody registered a schema: {total:?}"
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
            total.retired_later > 100,
            "the group always waited for the store: {total:?}"
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
