//! What is removed is gone from every file, once the store was purged.

use crate::support::{batch, contents, meta, open};
use gavel_state::{Backend, Purged, Store};
use std::path::Path;

/// Random enough that compression stores it as it is.
const WORDS: &[u8] = b"canary-9f1c7ab26de4803b5ac1";
const USER: &[u8] = b"c/canary-u-71d0e5f34b986c2a";

fn purged(boundary: i64) -> Purged {
    Purged {
        boundary,
        clock: boundary * 1_000,
    }
}

/// Files below `dir` that hold `part`.
fn holding(dir: &Path, part: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("readable");
        if bytes.windows(part.len()).any(|window| window == part) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn fill(store: &Store, boundary: i64) {
    let names: Vec<String> = (0..200).map(|n| format!("c/user-{n:03}")).collect();
    let value = format!("what they said until {boundary}");
    let contexts: Vec<(&[u8], Option<&[u8]>)> = names
        .iter()
        .map(|name| (name.as_bytes(), Some(value.as_bytes())))
        .collect();
    store.commit(&batch(boundary, &contexts)).expect("commit");
}

/// A store whose tables, at several levels, and log hold the user.
fn spoken(dir: &Path) -> Store {
    for boundary in 1..=4 {
        let store = open(dir).expect("open");
        fill(&store, boundary * 2);
        let context = [WORDS, &boundary.to_le_bytes()].concat();
        let said = batch(boundary * 2 + 1, &[(USER, Some(&context))]);
        store.commit(&said).expect("commit");
    }
    let store = open(dir).expect("open");
    let snapshot = store.snapshot().expect("no fault");
    drop(snapshot);
    let said = batch(11, &[(USER, Some(WORDS))]);
    store.commit(&said).expect("commit");
    store
}

#[test]
fn a_removed_user_is_in_no_file_after_a_purge() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = spoken(dir.path());
    store.commit(&batch(12, &[(USER, None)])).expect("commit");
    let mut others = contents(&store).expect("readable").1;
    assert!(!holding(dir.path(), WORDS).is_empty() && !holding(dir.path(), USER).is_empty());
    store.purge(purged(12)).expect("purged");
    assert_eq!(holding(dir.path(), WORDS), Vec::<String>::new());
    assert_eq!(holding(dir.path(), USER), Vec::<String>::new());
    assert_eq!(
        contents(&store).expect("readable"),
        (Some(meta(12)), others.clone())
    );

    // It goes on, and comes back.
    store
        .commit(&batch(13, &[(b"c/new", Some(b"1"))]))
        .expect("commit");
    others.insert(b"c/new".to_vec(), b"1".to_vec());
    drop(store);
    let store = open(dir.path()).expect("open");
    assert_eq!(
        contents(&store).expect("readable"),
        (Some(meta(13)), others)
    );
    assert_eq!(store.purged(), Ok(Some(purged(12))));
}

#[test]
fn who_speaks_again_at_once_has_only_what_was_said_since() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = spoken(dir.path());
    store
        .commit(&batch(12, &[(USER, Some(b"hello again"))]))
        .expect("commit");
    store.purge(purged(12)).expect("purged");
    assert_eq!(holding(dir.path(), WORDS), Vec::<String>::new());
    let mut context = Vec::new();
    assert_eq!(store.get(USER, &mut context), Ok(true));
    assert_eq!(context, b"hello again");
}

#[test]
fn the_last_user_of_a_table_leaves_the_manifest_too() {
    let last = b"~canary-5b3e19fa70c2";
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("open");
    fill(&store, 1);
    let said = batch(2, &[(last, Some(WORDS))]);
    store.commit(&said).expect("commit");
    drop(store);
    let store = open(dir.path()).expect("open");
    let held = holding(dir.path(), last);
    assert!(
        held.iter().any(|file| file.contains("MANIFEST")),
        "the list of tables names their last keys: {held:?}"
    );
    store.commit(&batch(3, &[(last, None)])).expect("commit");
    store.purge(purged(3)).expect("purged");
    assert_eq!(holding(dir.path(), last), Vec::<String>::new());
}

#[test]
fn a_snapshot_after_a_purge_holds_nothing_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = spoken(&dir.path().join("a"));
    store.commit(&batch(12, &[(USER, None)])).expect("commit");
    store.purge(purged(12)).expect("purged");
    let snapshot = store.snapshot().expect("no fault").expect("committed");
    for name in snapshot.files().expect("listed") {
        assert!(name != "PURGED", "the mark is no part of the state");
        let bytes = snapshot.read(&name).expect("readable");
        for part in [WORDS, USER] {
            assert!(
                !bytes.windows(part.len()).any(|window| window == part),
                "{name}"
            );
        }
    }
}

#[test]
fn commits_go_on_while_a_store_is_purged() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = spoken(dir.path());
    std::thread::scope(|scope| {
        let purges = scope.spawn(|| {
            for _ in 0..5 {
                store.purge(purged(11)).expect("purged");
            }
        });
        let mut boundary = 12;
        while !purges.is_finished() {
            fill(&store, boundary);
            boundary += 1;
        }
        purges.join().expect("no panic");
    });
    drop(store);
    open(dir.path()).expect("whole");
}

#[test]
fn no_mark_is_believed_before_the_purge_or_if_it_cannot_be_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = spoken(dir.path());
    assert_eq!(store.purged(), Ok(None));
    std::fs::write(dir.path().join("PURGED"), "12 99").expect("written");
    assert_eq!(
        store.purged(),
        Ok(None),
        "a line that does not end was torn"
    );
}

#[test]
fn a_purge_covers_what_was_erased_before_it_and_nothing_later() {
    let purged = Purged {
        boundary: 10,
        clock: 500,
    };
    assert!(purged.covers(499, 10) && purged.covers(499, 90));
    // The marker was the last record, and nothing has come since.
    assert!(purged.covers(500, 10));
    // Another marker within the same millisecond.
    assert!(!purged.covers(500, 11));
    assert!(!purged.covers(501, 11));
}
