//! What an epoch holds, what may be evicted, when a partition has to pause.

use crate::support::{commit_epoch, contents, digest, load, memory, meta};
use gavel_state::{Backend, Memory};
use std::sync::Arc;

const ROOMY: usize = 1 << 20;

fn value_in(backend: &dyn Backend, key: &[u8]) -> Option<Vec<u8>> {
    contents(backend).expect("readable").1.remove(key)
}

#[test]
fn a_context_changed_while_it_waits_is_written_as_it_was_and_next_time_as_it_is() {
    let (store, mut memory) = memory(ROOMY);
    memory.store(b"a", b"old");
    memory.store(b"b", b"old");
    memory.begin_epoch(meta(1));
    memory.store(b"a", b"new");
    memory.remove(b"b");
    assert_eq!(memory.stats().early_copies, 2);
    assert!(memory.freeze(usize::MAX));
    let batch = memory.take_batch().expect("complete");
    store.commit(&batch).expect("commit");
    memory.epoch_committed(1);
    assert_eq!(value_in(&*store, b"a").as_deref(), Some(&b"old"[..]));
    assert_eq!(value_in(&*store, b"b").as_deref(), Some(&b"old"[..]));
    assert_eq!(load(&mut memory, b"a").as_deref(), Some(&b"new"[..]));
    assert_eq!(load(&mut memory, b"b"), None);

    commit_epoch(&mut memory, 2);
    assert_eq!(value_in(&*store, b"a").as_deref(), Some(&b"new"[..]));
    assert_eq!(value_in(&*store, b"b"), None);
}

#[test]
fn a_context_changed_after_it_was_serialised_is_written_once_in_each_epoch() {
    let (store, mut memory) = memory(ROOMY);
    memory.store(b"a", b"old");
    memory.begin_epoch(meta(1));
    assert!(memory.freeze(1));
    memory.store(b"a", b"new");
    let batch = memory.take_batch().expect("complete");
    assert_eq!(
        batch.iter().collect::<Vec<_>>(),
        [(&b"a"[..], Some(&b"old"[..]))]
    );
    store.commit(&batch).expect("commit");
    memory.epoch_committed(1);
    memory.begin_epoch(meta(2));
    assert!(memory.freeze(usize::MAX));
    let batch = memory.take_batch().expect("complete");
    assert_eq!(
        batch.iter().collect::<Vec<_>>(),
        [(&b"a"[..], Some(&b"new"[..]))]
    );
}

#[test]
fn an_epoch_is_serialised_a_few_contexts_at_a_time_and_taken_once() {
    let (_, mut memory) = memory(ROOMY);
    for n in 0_u8..10 {
        memory.store(&[n], &[n]);
    }
    memory.begin_epoch(meta(1));
    assert!(!memory.freeze(4));
    assert!(memory.take_batch().is_none(), "incomplete");
    assert!(!memory.freeze(4));
    assert!(memory.freeze(4));
    assert_eq!(memory.take_batch().map(|batch| batch.len()), Some(10));
    assert!(memory.take_batch().is_none(), "taken");
    assert!(memory.epoch_in_flight());
    memory.epoch_committed(1);
    assert!(!memory.epoch_in_flight());
}

#[test]
fn an_epoch_without_changes_still_moves_the_boundary() {
    let (store, mut memory) = memory(ROOMY);
    commit_epoch(&mut memory, 7);
    assert_eq!(store.meta().expect("readable"), Some(meta(7)));
}

#[test]
fn the_meta_of_a_batch_is_that_of_its_boundary() {
    let (store, mut memory) = memory(ROOMY);
    memory.store(b"a", b"1");
    memory.begin_epoch(meta(1));
    memory.store(b"a", b"2");
    assert!(memory.freeze(1));
    store
        .commit(&memory.take_batch().expect("complete"))
        .expect("commit");
    assert_eq!(store.meta().expect("readable"), Some(meta(1)));
}

#[test]
#[should_panic(expected = "while one is in flight")]
fn a_second_epoch_in_flight_is_a_defect() {
    let (_, mut memory) = memory(ROOMY);
    memory.begin_epoch(meta(1));
    memory.begin_epoch(meta(2));
}

#[test]
#[should_panic(expected = "is not in flight")]
fn the_commit_of_a_batch_that_was_not_taken_is_a_defect() {
    let (_, mut memory) = memory(ROOMY);
    memory.store(b"a", b"1");
    memory.begin_epoch(meta(1));
    memory.epoch_committed(1);
}

#[test]
fn eviction_never_changes_what_is_read() {
    let (_, mut memory) = memory(4_000);
    for n in 0_u32..500 {
        memory.store(&n.to_be_bytes(), &[n as u8; 40]);
        commit_epoch(&mut memory, i64::from(n));
    }
    let stats = memory.stats();
    assert!(stats.evictions > 400, "{stats:?}");
    assert!(stats.used_bytes <= 4_000, "{stats:?}");
    for n in (0_u32..500).rev() {
        assert_eq!(load(&mut memory, &n.to_be_bytes()), Some(vec![n as u8; 40]));
    }
    assert_eq!(load(&mut memory, b"absent"), None);
}

#[test]
fn what_is_read_often_stays_and_what_passes_once_goes() {
    let (_, mut memory) = memory(8_000);
    memory.store(b"regular", b"value");
    commit_epoch(&mut memory, 0);
    for n in 1_u32..1_000 {
        assert_eq!(
            load(&mut memory, b"regular").as_deref(),
            Some(&b"value"[..])
        );
        memory.store(&n.to_be_bytes(), &[0; 40]);
        commit_epoch(&mut memory, i64::from(n));
    }
    assert_eq!(memory.stats().misses, 0, "it was never evicted");
    assert!(memory.stats().evictions > 900);
}

#[test]
fn only_what_is_committed_is_evicted() {
    let (store, mut memory) = memory(2_000);
    for n in 0_u32..50 {
        memory.store(&n.to_be_bytes(), &[1; 40]);
    }
    memory.begin_epoch(meta(1));
    assert!(memory.freeze(usize::MAX));
    let batch = memory.take_batch().expect("complete");
    for n in 50_u32..100 {
        memory.store(&n.to_be_bytes(), &[2; 40]);
    }
    assert_eq!(
        (memory.stats().evictions, memory.stats().contexts),
        (0, 100)
    );
    assert!((0..100_u32).all(|n| load(&mut memory, &n.to_be_bytes()).is_some()));
    store.commit(&batch).expect("commit");
    memory.epoch_committed(1);
    for _ in 0..10 {
        memory.store(&99_u32.to_be_bytes(), &[2; 40]);
    }
    let stats = memory.stats();
    assert_eq!((stats.evictions, stats.contexts), (50, 50), "{stats:?}");
    for n in 0..100_u32 {
        assert!(load(&mut memory, &n.to_be_bytes()).is_some());
    }
    assert!(memory.stats().misses >= 50);
}

#[test]
fn pressed_is_reported_when_nothing_can_go_and_relieved_by_a_commit() {
    let (store, mut memory) = memory(10_000);
    assert!(!memory.pressed());
    let mut n = 0_u32;
    while !memory.pressed() {
        memory.store(&n.to_be_bytes(), &[0; 100]);
        n += 1;
        assert!(
            n < 100,
            "100 contexts of 100 bytes and more exceed the budget"
        );
    }
    assert!(memory.dirty_bytes() > 8_750 && memory.stats().used_bytes <= 10_000);
    memory.begin_epoch(meta(1));
    assert!(memory.pressed(), "in flight is not free yet");
    assert_eq!(memory.dirty_bytes(), 0);
    assert!(memory.freeze(usize::MAX));
    store
        .commit(&memory.take_batch().expect("complete"))
        .expect("commit");
    assert!(memory.pressed(), "nobody told the memory");
    memory.epoch_committed(1);
    assert!(!memory.pressed());
}

#[test]
fn the_batch_in_flight_counts_against_the_budget() {
    let (_, mut memory) = memory(ROOMY);
    memory.store(b"a", &[0; 1_000]);
    let before = memory.stats().used_bytes;
    memory.begin_epoch(meta(1));
    assert!(memory.freeze(1));
    let batch = memory.take_batch().expect("complete");
    assert_eq!(memory.stats().used_bytes, before + batch.bytes());
    memory.epoch_committed(1);
    assert_eq!(memory.stats().used_bytes, before);
}

#[test]
fn a_budget_without_limit_is_never_pressed() {
    let (_, mut memory) = memory(usize::MAX);
    memory.store(b"a", &[0; 100_000]);
    assert!(!memory.pressed());
}

#[test]
fn a_removed_context_stays_absent_until_and_after_the_store_forgets_it() {
    let (store, mut memory) = memory(ROOMY);
    memory.store(b"a", b"1");
    commit_epoch(&mut memory, 1);
    memory.remove(b"a");
    assert_eq!(load(&mut memory, b"a"), None);
    assert!(
        value_in(&*store, b"a").is_some(),
        "the store has not heard of it"
    );
    commit_epoch(&mut memory, 2);
    assert_eq!(value_in(&*store, b"a"), None);
    assert_eq!(load(&mut memory, b"a"), None);
    memory.store(b"a", b"again");
    assert_eq!(load(&mut memory, b"a").as_deref(), Some(&b"again"[..]));
}

#[test]
fn removing_what_was_never_read_removes_it_from_the_store() {
    let (store, mut first) = memory(ROOMY);
    first.store(b"a", b"1");
    commit_epoch(&mut first, 1);
    let mut second = Memory::new(Arc::clone(first.backend()), ROOMY);
    second.remove(b"a");
    commit_epoch(&mut second, 2);
    assert_eq!(value_in(&*store, b"a"), None);
}

#[test]
fn the_digest_depends_on_content_and_boundary_and_on_nothing_else() {
    let (one, mut roomy) = memory(ROOMY);
    let (other, mut tight) = memory(0);
    for n in 0_u32..100 {
        roomy.store(&n.to_be_bytes(), b"1");
    }
    for n in (0_u32..100).rev() {
        tight.store(&n.to_be_bytes(), b"0");
        commit_epoch(&mut tight, i64::from(100 - n));
        tight.store(&n.to_be_bytes(), b"1");
    }
    roomy.remove(&7_u32.to_be_bytes());
    tight.remove(&7_u32.to_be_bytes());
    commit_epoch(&mut roomy, 200);
    commit_epoch(&mut tight, 200);
    assert!(tight.stats().evictions > 0);
    assert_eq!(digest(&*one), digest(&*other));

    commit_epoch(&mut tight, 201);
    assert_ne!(digest(&*one), digest(&*other), "another boundary");
    commit_epoch(&mut roomy, 201);
    assert_eq!(digest(&*one), digest(&*other));
    roomy.store(b"x", b"yz");
    tight.store(b"xy", b"z");
    commit_epoch(&mut roomy, 202);
    commit_epoch(&mut tight, 202);
    assert_ne!(
        digest(&*one),
        digest(&*other),
        "the same bytes, parted elsewhere"
    );
}

#[test]
fn the_digest_skips_what_has_expired_at_the_clock() {
    let (with, mut first) = memory(ROOMY);
    let (without, mut second) = memory(ROOMY);
    first.store(b"gone", b"\x05");
    first.store(b"here", b"\x09");
    second.store(b"here", b"\x09");
    commit_epoch(&mut first, 1);
    commit_epoch(&mut second, 1);
    let expired = |value: &[u8], clock: i64| i64::from(value[0]) <= clock;
    let at = |backend: &dyn Backend, clock| {
        gavel_state::digest(backend, clock, &expired).expect("readable")
    };
    assert_ne!(at(&*with, 4), at(&*without, 4));
    assert_eq!(at(&*with, 5), at(&*without, 5));
    assert_ne!(at(&*with, 5), at(&*with, 9));
}
