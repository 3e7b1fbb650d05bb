//! Damaged files and full disks give typed errors or the right content, never a panic and never other content.

use crate::support::{Contexts, batch, contents, identity, open, shared};
use gavel_state::{Backend, Error, Shared, Store};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Several tables, a manifest with history, and a log with the last epoch in it.
fn build(dir: &Path) {
    let mut boundary = 0;
    for _ in 0..3 {
        for _ in 0..4 {
            boundary += 1;
            let store = open(dir).expect("open");
            store.commit(&epoch(boundary)).expect("commit");
        }
        // RocksDB's own flush, as a full memtable would cause it.
        let db = rocksdb::DB::open_default(dir).expect("open");
        db.flush().expect("flush");
    }
    open(dir)
        .expect("open")
        .commit(&epoch(boundary + 1))
        .expect("commit");
}

const LAST: i64 = 13;

/// Every key holds the boundary.
fn epoch(boundary: i64) -> gavel_state::Batch {
    let value = boundary.to_be_bytes().repeat(20);
    let keys: Vec<[u8; 4]> = (0_u32..200).map(u32::to_be_bytes).collect();
    let contexts: Vec<(&[u8], Option<&[u8]>)> = keys
        .iter()
        .map(|key| (&key[..], Some(&value[..])))
        .collect();
    batch(boundary, &contexts)
}

/// The boundary, if every key agrees with it.
fn read_all(dir: &Path) -> Result<i64, Error> {
    let store = open(dir)?;
    let (meta, contexts) = contents(&store)?;
    let boundary = meta.map_or(-1, |meta| meta.boundary);
    let value = boundary.to_be_bytes().repeat(20);
    let expected: Contexts = match boundary {
        -1 => Contexts::new(),
        _ => (0_u32..200)
            .map(|n| (n.to_be_bytes().to_vec(), value.clone()))
            .collect(),
    };
    assert_eq!(contexts, expected, "a whole boundary");
    Ok(boundary)
}

fn files(dir: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("readable");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    files.retain(|file| {
        file.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(&wanted)
    });
    files.sort();
    files
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a directory");
    for file in files(from, |_| true) {
        std::fs::copy(&file, to.path().join(file.file_name().expect("a name"))).expect("copy");
    }
    to
}

#[derive(Debug, Clone, Copy)]
enum Harm {
    Flip(usize),
    Truncate(usize),
    Remove,
}

/// Harms `file` in a copy of `built` and reads everything.
fn harmed(built: &Path, file: &Path, harm: Harm) -> Result<i64, Error> {
    let dir = copy(built);
    let file = dir.path().join(file.file_name().expect("a name"));
    let mut bytes = std::fs::read(&file).expect("readable");
    match harm {
        Harm::Flip(at) => bytes[at] ^= 0x20,
        Harm::Truncate(len) => bytes.truncate(len),
        Harm::Remove => {}
    }
    match harm {
        Harm::Remove => std::fs::remove_file(&file).expect("remove"),
        Harm::Flip(_) | Harm::Truncate(_) => std::fs::write(&file, bytes).expect("write"),
    }
    read_all(dir.path())
}

/// Flips and cuts all over the file, and the file gone.
fn harms(file: &Path, count: usize) -> Vec<Harm> {
    let len = std::fs::metadata(file).expect("readable").len() as usize;
    let at = |n: usize| n * (len - 1) / count;
    let mut harms: Vec<Harm> = (0..=count).map(|n| Harm::Flip(at(n))).collect();
    harms.extend((0..=count).map(|n| Harm::Truncate(at(n))));
    harms.push(Harm::Remove);
    harms
}

#[test]
fn damage_to_a_table_a_manifest_or_current_is_corruption_or_harmless() {
    let built = tempfile::tempdir().expect("a directory");
    build(built.path());
    assert_eq!(read_all(copy(built.path()).path()), Ok(LAST));
    let tables = files(built.path(), |name| name.ends_with(".sst"));
    let manifests = files(built.path(), |name| name.starts_with("MANIFEST-"));
    let current = files(built.path(), |name| name == "CURRENT");
    assert!(!tables.is_empty() && manifests.len() == 1 && current.len() == 1);
    for file in tables.iter().chain(&manifests).chain(&current) {
        let mut detected = 0;
        for harm in harms(file, 8) {
            match harmed(built.path(), file, harm) {
                Ok(boundary) => assert_eq!(boundary, LAST, "{harm:?} of {}", file.display()),
                Err(error) if error.is_corrupt() => detected += 1,
                Err(error) => panic!("{harm:?} of {}: {error:?}", file.display()),
            }
        }
        assert!(
            detected >= 6,
            "{detected} of the harms to {} detected",
            file.display()
        );
    }
}

#[test]
fn damage_found_by_a_read_is_remembered_at_the_next_opening() {
    let built = tempfile::tempdir().expect("a directory");
    build(built.path());
    let table = files(built.path(), |name| name.ends_with(".sst"))
        .pop()
        .expect("a table");
    let mut bytes = std::fs::read(&table).expect("readable");
    bytes[100] ^= 0x20;
    std::fs::write(&table, bytes).expect("write");
    let store = open(built.path()).expect("opening does not read the data");
    let read = contents(&store).expect_err("the read does");
    assert!(read.is_corrupt(), "{read:?}");
    drop(store);
    for _ in 0..2 {
        assert_eq!(open(built.path()).map(|_| ()), Err(read.clone()));
    }
}

#[test]
fn a_damaged_log_loses_epochs_from_the_end_only() {
    let built = tempfile::tempdir().expect("a directory");
    build(built.path());
    let logs = files(built.path(), |name| name.ends_with(".log"));
    let log = logs
        .iter()
        .max_by_key(|file| std::fs::metadata(file).expect("readable").len())
        .expect("a log");
    let mut lost = 0;
    for harm in harms(log, 12) {
        match harmed(built.path(), log, harm) {
            Ok(boundary) => {
                assert!(
                    (LAST - 1..=LAST).contains(&boundary),
                    "{boundary} after {harm:?}"
                );
                lost += i64::from(boundary < LAST);
            }
            Err(error) => assert!(error.is_corrupt(), "{harm:?}: {error:?}"),
        }
    }
    assert!(
        lost > 0,
        "a torn tail is no corruption: it only moves S back"
    );
}

#[test]
fn a_store_that_lost_current_is_corrupt_and_not_empty() {
    let built = tempfile::tempdir().expect("a directory");
    build(built.path());
    std::fs::remove_file(built.path().join("CURRENT")).expect("remove");
    let before = files(built.path(), |_| true);
    for _ in 0..2 {
        assert!(open(built.path()).is_err_and(|error| error.is_corrupt()));
        assert!(
            Store::open_read_only(built.path(), &shared()).is_err_and(|error| error.is_corrupt())
        );
    }
    assert_eq!(
        files(built.path(), |_| true),
        before,
        "what is left is left alone"
    );
}

#[test]
fn a_flush_that_fails_in_the_background_ends_all_commits() {
    let dir = tempfile::tempdir().expect("a directory");
    let store =
        Store::open(dir.path(), &identity(), &Shared::new(1 << 20, 256 << 10)).expect("open");
    // Tables take the next file numbers; a directory of that name is in the way.
    for number in 1..200 {
        std::fs::create_dir(dir.path().join(format!("{number:06}.sst"))).expect("create");
    }
    let mut boundary = 0;
    let error = loop {
        boundary += 1;
        match store.commit(&epoch(boundary)) {
            Ok(()) => assert!(boundary < 5_000, "a memtable is flushed long before"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    for number in 1..200 {
        std::fs::remove_dir(dir.path().join(format!("{number:06}.sst"))).expect("remove");
    }
    assert_eq!(
        store.commit(&epoch(boundary)),
        Err(error),
        "even when the cause is gone"
    );
    drop(store);
    let found = read_all(dir.path()).expect("the log has everything");
    assert!(
        (boundary - 1..=boundary).contains(&found),
        "{found} of {boundary}"
    );
}

/// A file system of its own, unmounted when dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(size: &str) -> Option<Tmpfs> {
        let dir = tempfile::tempdir().expect("a directory");
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Tmpfs(dir))
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let output = Command::new("mount")
            .args(["-o", &options])
            .arg(self.0.path())
            .output()
            .expect("mount");
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_stops_the_store_for_good_and_loses_no_whole_epoch() {
    let Some(disk) = Tmpfs::mount("12m") else {
        println!(
            "SKIPPED a_full_disk_stops_the_store_for_good_and_loses_no_whole_epoch: mounting a tmpfs needs root"
        );
        return;
    };
    let dir = disk.0.path().join("partition-3");
    let store = open(&dir).expect("open");
    // Does not compress, so that it fills the disk.
    let noise = |boundary: i64, key: u32| {
        let mut value = vec![0; 10_000];
        blake3::Hasher::new()
            .update(&boundary.to_be_bytes())
            .update(&key.to_be_bytes())
            .finalize_xof()
            .fill(&mut value);
        value
    };
    let epoch = |boundary: i64| {
        let mut batch = batch(boundary, &[]);
        (0..100_u32).for_each(|key| {
            batch.push(
                &(boundary as u32 % 7 * 1000 + key).to_be_bytes(),
                Some(&noise(boundary, key)),
            )
        });
        batch
    };
    let mut boundary = 0;
    let error = loop {
        match store.commit(&epoch(boundary + 1)) {
            Ok(()) => boundary += 1,
            Err(error) => break error,
        }
        assert!(boundary < 200, "a disk of 12 MB does not hold 200 MB");
    };
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    println!("after {boundary} epochs: {error}");

    disk.resize("200m");
    assert_eq!(
        store.commit(&epoch(boundary + 1)),
        Err(error),
        "room does not heal a handle that has failed"
    );
    drop(store);
    let store = open(&dir).expect("room heals the store");
    let found = store
        .meta()
        .expect("readable")
        .expect("epochs were committed")
        .boundary;
    assert!(
        (boundary..=boundary + 1).contains(&found),
        "{found} of {boundary}"
    );
    let mut value = Vec::new();
    for key in 0..100_u32 {
        assert_eq!(
            store.get(&(found as u32 % 7 * 1000 + key).to_be_bytes(), &mut value),
            Ok(true)
        );
        assert!(value == noise(found, key), "key {key}");
    }
    store.commit(&epoch(found + 1)).expect("and goes on");
}

#[test]
fn a_store_does_not_open_on_a_full_disk() {
    let Some(disk) = Tmpfs::mount("64k") else {
        println!("SKIPPED a_store_does_not_open_on_a_full_disk: mounting a tmpfs needs root");
        return;
    };
    std::fs::write(disk.0.path().join("ballast"), vec![1; 60 << 10]).expect("fits");
    let outcome =
        open(&disk.0.path().join("partition-3")).and_then(|store| store.commit(&epoch(1)));
    assert!(matches!(outcome, Err(Error::Full { .. })), "{outcome:?}");
}
