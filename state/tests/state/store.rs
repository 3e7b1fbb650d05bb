//! The real store: opening, identity, format, locks.

use crate::support::{batch, commit_epoch, contents, digest, identity, load, meta, open, shared};
use gavel_state::{Backend, Error, FORMAT, Identity, Memory, MemoryStore, Store};
use std::sync::Arc;

#[test]
fn a_new_store_is_empty() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir.path().join("partition-3")).expect("open");
    assert_eq!(store.meta(), Ok(None));
    assert_eq!(contents(&store), Ok((None, Default::default())));
    assert_eq!(store.get(b"a", &mut b"left over".to_vec()), Ok(false));
    assert_eq!(store.path(), dir.path().join("partition-3"));
    assert_eq!(digest(&store), digest(&MemoryStore::default()));
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("open");
    store
        .commit(&batch(
            5,
            &[(b"a", Some(b"1")), (b"b", Some(b"2")), (b"", Some(b""))],
        ))
        .expect("commit");
    store.commit(&batch(6, &[(b"a", None)])).expect("commit");
    let before = digest(&store);
    drop(store);
    let store = open(dir.path()).expect("reopen");
    assert_eq!(store.meta(), Ok(Some(meta(6))));
    let mut value = Vec::new();
    assert_eq!(
        (store.get(b"a", &mut value), value.as_slice()),
        (Ok(false), &b""[..])
    );
    assert_eq!(
        (store.get(b"b", &mut value), value.as_slice()),
        (Ok(true), &b"2"[..])
    );
    assert_eq!(
        (store.get(b"", &mut value), value.as_slice()),
        (Ok(true), &b""[..])
    );
    assert_eq!(digest(&store), before);
}

#[test]
fn equal_content_has_an_equal_digest_in_memory_and_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Backend> = Arc::new(open(dir.path()).expect("open"));
    let ram: Arc<dyn Backend> = Arc::new(MemoryStore::default());
    let mut on_disk = Memory::new(Arc::clone(&disk), 5_000);
    let mut in_ram = Memory::new(Arc::clone(&ram), 1 << 20);
    for n in 0_u32..300 {
        let key = [&b"community/user-"[..], &n.to_be_bytes()].concat();
        on_disk.store(&key, &vec![n as u8; n as usize]);
        in_ram.store(&key, &vec![n as u8; n as usize]);
        if n % 40 == 0 {
            commit_epoch(&mut on_disk, i64::from(n));
        }
    }
    commit_epoch(&mut on_disk, 300);
    commit_epoch(&mut in_ram, 300);
    assert_eq!(digest(&*disk), digest(&*ram));
    assert_eq!(
        load(&mut on_disk, b"community/user-\0\0\0\x09"),
        Some(vec![9; 9])
    );
    assert!(on_disk.stats().evictions > 0);
}

#[test]
fn a_second_open_is_locked_until_the_first_closes() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("open");
    let second = open(dir.path()).map(|_| ()).expect_err("locked");
    assert!(second.is_locked(), "{second}");
    let removed = Store::destroy(dir.path()).expect_err("locked");
    assert!(removed.is_locked(), "{removed}");
    store
        .commit(&batch(1, &[(b"a", Some(b"1"))]))
        .expect("the first is unharmed");
    drop(store);
    open(dir.path()).expect("free again");
}

#[test]
fn the_store_of_another_partition_or_log_is_refused_and_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path())
        .expect("open")
        .commit(&batch(1, &[(b"a", Some(b"1"))]))
        .expect("commit");
    let others = [
        Identity {
            partition: 4,
            ..identity()
        },
        Identity {
            log_id: "log-2".into(),
            ..identity()
        },
    ];
    for other in others {
        match Store::open(dir.path(), &other, &shared()).map(|_| ()) {
            Err(Error::WrongIdentity {
                expected, found, ..
            }) => assert_eq!((expected, found), (other, identity())),
            outcome => panic!("{outcome:?}"),
        }
    }
    assert_eq!(open(dir.path()).expect("open").meta(), Ok(Some(meta(1))));
}

#[test]
fn a_batch_of_another_partition_is_refused_even_as_the_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("open");
    let mut foreign = batch(1, &[(b"a", Some(b"1"))]);
    foreign.meta.identity.partition = 4;
    assert!(matches!(
        store.commit(&foreign),
        Err(Error::WrongIdentity { .. })
    ));
    assert_eq!(contents(&store), Ok((None, Default::default())));
}

#[test]
fn the_boundary_never_moves_back() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path())
        .expect("open")
        .commit(&batch(9, &[]))
        .expect("commit");
    let store = open(dir.path()).expect("reopen");
    let outcome = store.commit(&batch(8, &[(b"a", Some(b"1"))]));
    assert!(
        matches!(
            outcome,
            Err(Error::Backwards {
                stored: 9,
                offered: 8,
                ..
            })
        ),
        "{outcome:?}"
    );
    assert_eq!(
        store.commit(&batch(9, &[])),
        Ok(()),
        "nor does a repeat hurt"
    );
}

#[test]
fn another_format_is_refused_by_number() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(open(dir.path()).expect("open"));
    let mut write = rocksdb::WriteBatch::default();
    write.put([0x00], (FORMAT + 1).to_le_bytes());
    rocksdb::DB::open_default(dir.path())
        .and_then(|db| db.write(write))
        .expect("write");
    match open(dir.path()).map(|_| ()) {
        Err(Error::Format {
            found, supported, ..
        }) => assert_eq!((found, supported), (FORMAT + 1, FORMAT)),
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_key_that_no_batch_wrote_is_corruption() {
    let dir = tempfile::tempdir().expect("a directory");
    open(dir.path())
        .expect("open")
        .commit(&batch(1, &[]))
        .expect("commit");
    let mut write = rocksdb::WriteBatch::default();
    write.put([0x02], b"?");
    rocksdb::DB::open_default(dir.path())
        .and_then(|db| db.write(write))
        .expect("write");
    let outcome = contents(&open(dir.path()).expect("open"));
    assert!(
        outcome.as_ref().is_err_and(Error::is_corrupt),
        "{outcome:?}"
    );
}

#[test]
fn a_reader_looks_at_a_store_in_use_without_a_lock_and_without_a_way_to_write() {
    let dir = tempfile::tempdir().expect("a directory");
    let owner = open(dir.path()).expect("open");
    owner
        .commit(&batch(1, &[(b"a", Some(b"1"))]))
        .expect("commit");
    let reader = Store::open_read_only(dir.path(), &shared()).expect("open");
    assert_eq!(contents(&reader), contents(&owner));
    assert!(matches!(
        reader.commit(&batch(2, &[])),
        Err(Error::ReadOnly { .. })
    ));
    owner
        .commit(&batch(2, &[(b"a", None)]))
        .expect("the owner is unharmed");
    assert_eq!(
        reader.meta(),
        Ok(Some(meta(1))),
        "a reader sees the moment at which it opened"
    );
}

#[test]
fn a_reader_of_nothing_is_told_so_and_makes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let absent = dir.path().join("partition-9");
    let outcome = Store::open_read_only(&absent, &shared()).map(|_| ());
    assert!(matches!(outcome, Err(Error::Missing { .. })), "{outcome:?}");
    assert!(!absent.exists());
}

#[test]
fn a_destroyed_store_is_gone_and_destroying_nothing_is_fine() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("partition-3");
    open(&path)
        .expect("open")
        .commit(&batch(1, &[(b"a", Some(b"1"))]))
        .expect("commit");
    assert_eq!(Store::destroy(&path), Ok(()));
    assert!(!path.exists());
    assert_eq!(Store::destroy(&path), Ok(()));
    assert_eq!(open(&path).expect("open anew").meta(), Ok(None));
}
