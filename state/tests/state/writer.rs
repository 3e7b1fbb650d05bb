//! The thread that commits.

use crate::support::{batch, contents, digest, open};
use gavel_state::{Backend, Batch, Error, MemoryStore, Meta, Purged, Snapshot, Writer};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

/// Commits only when both sides have come to the barrier.
struct Slow(MemoryStore, Barrier);

impl Backend for Slow {
    fn meta(&self) -> Result<Option<Meta>, Error> {
        self.0.meta()
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error> {
        self.0.get(key, into)
    }

    fn commit(&self, batch: &Batch) -> Result<(), Error> {
        self.1.wait();
        assert!(batch.meta.boundary != 13, "a backend with a defect");
        self.0.commit(batch)
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, Error> {
        self.0.snapshot()
    }

    fn purge(&self, upto: Purged) -> Result<(), Error> {
        self.0.purge(upto)
    }

    fn purged(&self) -> Result<Option<Purged>, Error> {
        self.0.purged()
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<Option<Meta>, Error> {
        self.0.scan(visit)
    }
}

#[test]
fn submitting_waits_for_nothing_and_the_outcome_follows() {
    let slow = Arc::new(Slow(MemoryStore::default(), Barrier::new(2)));
    let writer = Writer::start().expect("a thread");
    let (outcomes, told) = channel();
    for boundary in 1..=3 {
        let outcomes = outcomes.clone();
        let backend = Arc::clone(&slow) as Arc<dyn Backend>;
        writer.submit(
            backend,
            batch(boundary, &[(b"a", Some(b"1"))]),
            move |outcome| {
                let _told = outcomes.send((boundary, outcome));
            },
        );
    }
    assert!(
        told.try_recv().is_err(),
        "nothing is committed yet, and submit has returned"
    );
    for boundary in 1..=3 {
        slow.1.wait();
        assert_eq!(told.recv(), Ok((boundary, Ok(()))));
    }
    assert_eq!(
        slow.meta().expect("readable").map(|meta| meta.boundary),
        Some(3)
    );
}

#[test]
fn dropping_the_writer_commits_what_is_queued() {
    let store = Arc::new(MemoryStore::default());
    let writer = Writer::start().expect("a thread");
    for boundary in 1..=100 {
        let backend = Arc::clone(&store) as Arc<dyn Backend>;
        writer.submit(
            backend,
            batch(boundary, &[(&boundary.to_be_bytes(), Some(b"1"))]),
            |outcome| assert_eq!(outcome, Ok(())),
        );
    }
    drop(writer);
    assert_eq!(contents(&*store).expect("readable").1.len(), 100);
}

#[test]
fn a_failure_is_delivered_and_the_next_partition_is_served() {
    let (failing, sound) = (
        Arc::new(MemoryStore::default()),
        Arc::new(MemoryStore::default()),
    );
    failing.fail_next_commit();
    let writer = Writer::start().expect("a thread");
    let (outcomes, told) = channel();
    for (name, store) in [("failing", &failing), ("sound", &sound)] {
        let outcomes = outcomes.clone();
        writer.submit(
            Arc::clone(store) as Arc<dyn Backend>,
            batch(1, &[]),
            move |outcome| {
                let _told = outcomes.send((name, outcome.is_ok()));
            },
        );
    }
    assert_eq!(
        (told.recv(), told.recv()),
        (Ok(("failing", false)), Ok(("sound", true)))
    );
}

#[test]
fn a_backend_that_panics_is_an_outcome_like_any_other() {
    let slow = Arc::new(Slow(MemoryStore::default(), Barrier::new(1)));
    let writer = Writer::start().expect("a thread");
    let (outcomes, told) = channel();
    for boundary in [13, 14] {
        let outcomes = outcomes.clone();
        writer.submit(
            Arc::clone(&slow) as Arc<dyn Backend>,
            batch(boundary, &[]),
            move |outcome| {
                let _told = outcomes.send((boundary, outcome.is_ok()));
            },
        );
    }
    assert_eq!(
        (told.recv(), told.recv()),
        (Ok((13, false)), Ok((14, true)))
    );
}

#[test]
fn when_the_outcome_is_known_the_store_can_be_opened_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let store: Arc<dyn Backend> = Arc::new(open(dir.path()).expect("open"));
    let writer = Writer::start().expect("a thread");
    let (outcomes, told) = channel();
    writer.submit(store, batch(1, &[(b"a", Some(b"1"))]), move |outcome| {
        let _told = outcomes.send(outcome);
    });
    assert_eq!(told.recv(), Ok(Ok(())));
    let reopened = open(dir.path()).expect("the writer has let go of it");
    let same = MemoryStore::default();
    same.commit(&batch(1, &[(b"a", Some(b"1"))]))
        .expect("commit");
    assert_eq!(digest(&reopened), digest(&same));
}
