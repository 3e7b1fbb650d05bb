//! Objects in a directory.

use gavel_state::{ObjectAddressError, ObjectOptions, ObjectStore, Objects, Probe, Put};
use std::path::Path;

fn open(address: &str) -> Result<ObjectStore, ObjectAddressError> {
    ObjectStore::open(address, &ObjectOptions::default())
}

fn open_at(path: &Path) -> ObjectStore {
    open(&path.display().to_string()).expect("open")
}

#[test]
fn a_directory_is_made_with_those_above_it_and_passes_the_probe_again_and_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("not/yet/there");
    for _ in 0..2 {
        let store = open_at(&path);
        assert_eq!(store.probe(Probe::Read), Ok(()));
        assert_eq!(store.probe(Probe::Write), Ok(()));
        assert_eq!(store.address(), path.display().to_string());
    }
}

#[test]
fn objects_are_there_after_opening_again_by_a_file_address() {
    let dir = tempfile::tempdir().expect("a directory");
    let put = open_at(dir.path()).put_if_absent("a/b", vec![1]);
    assert_eq!(put, Ok(Put::Created));
    let store = open(&format!("file://{}", dir.path().display())).expect("open");
    assert_eq!(store.get("a/b"), Ok(vec![1]));
    assert_eq!(store.put_if_absent("a/b", vec![2]), Ok(Put::Existed));
}

#[test]
fn directories_that_became_empty_go_with_their_last_object_but_the_store_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("store");
    let store = open_at(&path);
    store.put_if_absent("a/b/c", vec![1]).expect("created");
    store.delete("a/b/c").expect("deleted");
    assert!(path.is_dir());
    assert!(!path.join("a").exists());
}

#[test]
fn what_a_crash_left_of_a_put_is_not_an_object() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path());
    std::fs::create_dir(dir.path().join("a")).expect("a directory");
    std::fs::write(dir.path().join("a/b#1"), b"half").expect("written");
    assert_eq!(store.list("a"), Ok(vec![]));
    assert_eq!(
        store.put_if_absent("a/b", b"whole".to_vec()),
        Ok(Put::Created)
    );
    assert_eq!(store.get("a/b"), Ok(b"whole".to_vec()));
}

#[test]
fn a_store_may_be_let_go_of_and_used_on_any_thread() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open_at(dir.path());
    std::thread::spawn(move || {
        assert_eq!(store.put_if_absent("a", vec![1]), Ok(Put::Created));
        drop(store);
    })
    .join()
    .expect("no panic");
}
