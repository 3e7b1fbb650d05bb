//! Random schedules against a model: a map, and the map as it was at each boundary.

use crate::support::{Contexts, contents, digest, identity, meta, open, shared};
use gavel_state::{Backend, Batch, Memory, MemoryStore, Store};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Op {
    Load(u8),
    Store(u8, usize),
    Remove(u8),
    BeginEpoch,
    Freeze(usize),
    TakeBatch,
    /// The writer commits; the memory is told.
    Commit,
    /// The writer commits; the process dies before anybody hears of it.
    CommitUnheard,
    FailCommit,
    Sync,
    /// The process dies, and that many of the newest unsynced commits with it.
    Crash(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0_u8..12).prop_map(Op::Load),
        8 => (0_u8..12, 0_usize..300).prop_map(|(key, len)| Op::Store(key, len)),
        2 => (0_u8..12).prop_map(Op::Remove),
        3 => Just(Op::BeginEpoch),
        4 => (0_usize..6).prop_map(Op::Freeze),
        3 => Just(Op::TakeBatch),
        3 => Just(Op::Commit),
        1 => Just(Op::CommitUnheard),
        1 => Just(Op::FailCommit),
        1 => Just(Op::Sync),
        1 => (0_usize..4).prop_map(Op::Crash),
    ]
}

fn budget() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), Just(600), Just(2_000), Just(1 << 20)]
}

/// A backend that can be reopened; the real one does not forget, because nothing here takes power away.
trait Disk {
    fn backend(&self) -> Arc<dyn Backend>;
    /// Gives how many of `forget` commits it forgot.
    fn crash(&mut self, forget: usize) -> usize;
    fn sync(&mut self);
    /// Whether the next commit will fail as asked.
    fn fail_next_commit(&mut self) -> bool;
}

#[derive(Default)]
struct Ram(Arc<MemoryStore>);

impl Disk for Ram {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.0) as Arc<dyn Backend>
    }

    fn crash(&mut self, forget: usize) -> usize {
        let forgotten = forget.min(self.0.unsynced());
        self.0.crash(forget);
        forgotten
    }

    fn sync(&mut self) {
        self.0.sync();
    }

    fn fail_next_commit(&mut self) -> bool {
        self.0.fail_next_commit();
        true
    }
}

struct RocksDb {
    dir: tempfile::TempDir,
    store: Option<Arc<Store>>,
}

impl RocksDb {
    fn new() -> RocksDb {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Some(Arc::new(open(dir.path()).expect("open")));
        RocksDb { dir, store }
    }
}

impl Disk for RocksDb {
    fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(self.store.as_ref().expect("open")) as Arc<dyn Backend>
    }

    fn crash(&mut self, _forget: usize) -> usize {
        let last = self.store.take().and_then(Arc::into_inner);
        assert!(last.is_some(), "nobody else holds the store");
        drop(last);
        self.store = Some(Arc::new(
            Store::open(self.dir.path(), &identity(), &shared()).expect("reopen"),
        ));
        0
    }

    fn sync(&mut self) {}

    fn fail_next_commit(&mut self) -> bool {
        false
    }
}

struct Run<D: Disk> {
    disk: D,
    memory: Option<Memory>,
    budget: usize,
    /// What the memory must show.
    model: Contexts,
    at_boundary: BTreeMap<i64, Contexts>,
    next_boundary: i64,
    /// Boundaries in the backend, oldest first; the state before any is -1.
    committed: Vec<i64>,
    taken: Option<Batch>,
    fail_next: bool,
}

impl<D: Disk> Run<D> {
    fn new(disk: D, budget: usize) -> Run<D> {
        let memory = Some(Memory::new(disk.backend(), budget));
        let at_boundary = BTreeMap::from([(-1, Contexts::new())]);
        let (model, committed) = (Contexts::new(), vec![-1]);
        Run {
            disk,
            memory,
            budget,
            model,
            at_boundary,
            next_boundary: 0,
            committed,
            taken: None,
            fail_next: false,
        }
    }

    fn memory(&mut self) -> &mut Memory {
        self.memory.as_mut().expect("running")
    }

    fn step(&mut self, op: &Op, number: usize) {
        match *op {
            Op::Load(key) => self.check_read(key),
            Op::Store(key, len) => {
                let value = vec![number as u8; len];
                self.memory().store(&[key], &value);
                self.model.insert(vec![key], value);
            }
            Op::Remove(key) => {
                self.memory().remove(&[key]);
                self.model.remove(&[key][..]);
            }
            Op::BeginEpoch if !self.memory().epoch_in_flight() => {
                let boundary = self.next_boundary;
                self.next_boundary += 1 + (number as i64 % 3);
                self.memory().begin_epoch(meta(boundary));
                self.at_boundary.insert(boundary, self.model.clone());
            }
            Op::Freeze(at_most) => {
                self.memory().freeze(at_most);
            }
            Op::TakeBatch => {
                let batch = self.memory().take_batch();
                assert!(batch.is_none() || self.taken.is_none());
                self.taken = batch.or(self.taken.take());
            }
            Op::Commit => self.commit(true),
            Op::CommitUnheard => self.commit(false),
            Op::FailCommit => self.fail_next = self.disk.fail_next_commit(),
            Op::Sync => self.disk.sync(),
            Op::Crash(forget) => self.crash(forget),
            Op::BeginEpoch => {}
        }
        self.check_budget();
    }

    fn commit(&mut self, heard: bool) {
        let Some(batch) = self.taken.take() else {
            return;
        };
        let boundary = batch.meta.boundary;
        let outcome = self.disk.backend().commit(&batch);
        assert_eq!(outcome.is_err(), std::mem::take(&mut self.fail_next));
        if outcome.is_ok() {
            self.committed.push(boundary);
        }
        if outcome.is_ok() && heard {
            self.memory().epoch_committed(boundary);
        } else {
            self.crash(0);
        }
    }

    fn crash(&mut self, forget: usize) {
        self.memory = None;
        self.taken = None;
        let forgotten = self.disk.crash(forget);
        self.committed.truncate(self.committed.len() - forgotten);
        let boundary = *self.committed.last().expect("-1 at least");
        let (meta, found) = contents(&*self.disk.backend()).expect("readable");
        assert_eq!(meta.map_or(-1, |meta| meta.boundary), boundary);
        assert_eq!(
            found, self.at_boundary[&boundary],
            "exactly the model as of {boundary}"
        );
        self.model = found;
        self.memory = Some(Memory::new(self.disk.backend(), self.budget));
    }

    fn check_read(&mut self, key: u8) {
        let expected = self.model.get(&[key][..]).cloned();
        let mut value = b"left over".to_vec();
        let present = self.memory().load(&[key], &mut value).expect("readable");
        assert_eq!(present.then_some(value), expected, "key {key}");
    }

    fn check_budget(&mut self) {
        let budget = self.budget;
        let stats = self.memory().stats();
        let pinned = stats.dirty_bytes + stats.in_flight_bytes;
        assert!(pinned <= stats.used_bytes);
        assert!(
            stats.used_bytes <= budget.max(pinned),
            "what could be evicted was: {stats:?}"
        );
        assert_eq!(self.memory().pressed(), pinned > budget - budget / 8);
    }

    /// Everything readable, and the digest that of the same content written in one go.
    fn finish(mut self) {
        for key in 0..12 {
            self.check_read(key);
        }
        self.crash(0);
        let boundary = *self.committed.last().expect("-1 at least");
        let straight = MemoryStore::default();
        if boundary >= 0 {
            let mut batch = Batch::new(meta(boundary));
            for (key, value) in self.model.iter().rev() {
                batch.push(key, Some(value));
            }
            straight.commit(&batch).expect("commit");
        }
        assert_eq!(digest(&*self.disk.backend()), digest(&straight));
    }
}

fn run<D: Disk>(disk: D, budget: usize, ops: &[Op]) {
    let mut run = Run::new(disk, budget);
    for (number, op) in ops.iter().enumerate() {
        run.step(op, number);
    }
    run.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_schedule_reads_as_the_model_and_a_crash_leaves_a_whole_boundary(
        budget in budget(), ops in prop::collection::vec(op(), 1..300)
    ) {
        run(Ram::default(), budget, &ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_schedule_on_the_real_store_reads_as_the_model_across_reopening(
        budget in budget(), ops in prop::collection::vec(op(), 1..150)
    ) {
        run(RocksDb::new(), budget, &ops);
    }
}
