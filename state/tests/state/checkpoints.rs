//! Checkpoints: saved from one store, fetched into another, shared, broken, swept.

use crate::support::{batch, contents, digest, identity, meta, open, shared};
use gavel_state::{
    About, Attempt, Backend, Checkpoint, Error, FetchError, Incoming, Listed, Manifest,
    MemoryStore, ObjectError, Objects, Purged, Put, Repository, Retention, SaveError, Saved, Store,
    Sweep, condemn, is_condemned,
};
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const HOUR: i64 = 3_600_000;

/// Objects whose bytes and times a test can change.
#[derive(Default)]
struct Shelf {
    objects: Mutex<BTreeMap<String, (Vec<u8>, i64)>>,
    now: Mutex<i64>,
}

impl Objects for Shelf {
    fn put_if_absent(&self, path: &str, bytes: Vec<u8>) -> Result<Put, ObjectError> {
        let now = *self.now.lock().expect("no panic");
        let mut objects = self.objects.lock().expect("no panic");
        if objects.contains_key(path) {
            return Ok(Put::Existed);
        }
        objects.insert(path.to_owned(), (bytes, now));
        Ok(Put::Created)
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, ObjectError> {
        let objects = self.objects.lock().expect("no panic");
        let found = objects.get(path).map(|(bytes, _)| bytes.clone());
        found.ok_or_else(|| ObjectError::Missing { path: path.into() })
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ObjectError> {
        let objects = self.objects.lock().expect("no panic");
        let below = objects
            .iter()
            .filter(|(path, _)| path.starts_with(&format!("{prefix}/")));
        Ok(below
            .map(|(path, (bytes, modified))| Listed {
                path: path.clone(),
                size: bytes.len() as u64,
                modified: *modified,
            })
            .collect())
    }

    fn delete(&self, path: &str) -> Result<(), ObjectError> {
        self.objects.lock().expect("no panic").remove(path);
        Ok(())
    }
}

impl Shelf {
    fn paths(&self, part: &str) -> Vec<String> {
        let objects = self.objects.lock().expect("no panic");
        objects
            .keys()
            .filter(|path| path.contains(part))
            .cloned()
            .collect()
    }

    fn harm(&self, path: &str, harm: impl FnOnce(&mut Vec<u8>)) {
        let mut objects = self.objects.lock().expect("no panic");
        harm(&mut objects.get_mut(path).expect("it is there").0);
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        self.get(path).expect("it is there")
    }
}

struct Place {
    shelf: Arc<Shelf>,
    repository: Repository,
    attempts: u64,
    /// What the next checkpoint says of the last erasure.
    erased_at: Option<i64>,
}

impl Place {
    fn new() -> Place {
        let shelf: Arc<Shelf> = Arc::default();
        Place {
            repository: Repository::new(Arc::clone(&shelf) as Arc<dyn Objects>),
            shelf,
            attempts: 0,
            erased_at: None,
        }
    }

    fn save(&mut self, backend: &dyn Backend, clock: i64) -> Result<Saved, SaveError> {
        self.save_if(backend, clock, &mut |_| true)
    }

    fn save_if(
        &mut self,
        backend: &dyn Backend,
        clock: i64,
        pace: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Saved, SaveError> {
        self.attempts += 1;
        let name = format!("a{}", self.attempts);
        let snapshot = backend.snapshot()?.expect("something is committed");
        let about = About {
            clock,
            engine: 1,
            policies: vec![],
            erased_at: self.erased_at,
        };
        let attempt = Attempt {
            name: &name,
            about,
            anchor_every: RETENTION.anchor_every,
            pace,
        };
        self.repository.save(snapshot.as_ref(), attempt)
    }

    fn newest(&self) -> Checkpoint {
        let listed = self.repository.list(&identity()).expect("no fault");
        *listed.first().expect("there is one")
    }

    fn manifest(&self, checkpoint: Checkpoint) -> Result<Manifest, FetchError> {
        self.repository.manifest(&identity(), checkpoint)
    }

    /// Into a directory, as a restore does it.
    fn install(&self, checkpoint: Checkpoint, dir: &Path) -> Result<Store, FetchError> {
        let manifest = self.manifest(checkpoint)?;
        let incoming = Incoming::begin(dir)?;
        self.repository
            .fetch(&identity(), &manifest, &mut |file, bytes| {
                incoming.write(&file.name, &bytes)
            })?;
        let checked = incoming.check(&identity(), manifest.boundary, &shared())?;
        Ok(checked.install(&identity(), &shared())?)
    }
}

/// A store with `boundary` epochs that changed some users each.
fn grow(store: &dyn Backend, boundaries: std::ops::RangeInclusive<i64>) {
    for boundary in boundaries {
        let keys: Vec<[u8; 8]> = (0..50).map(|n| (boundary * 7 + n).to_be_bytes()).collect();
        let value = boundary.to_be_bytes().repeat(12);
        let contexts: Vec<(&[u8], Option<&[u8]>)> = keys
            .iter()
            .map(|key| (&key[..], Some(&value[..])))
            .collect();
        store.commit(&batch(boundary, &contexts)).expect("commit");
    }
}

#[test]
fn a_store_made_from_a_checkpoint_is_the_store_at_that_boundary() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    grow(&store, 1..=40);
    let at_40 = digest(&store);
    assert!(matches!(
        place.save(&store, 40),
        Ok(Saved::Created { files: 2.., .. })
    ));
    grow(&store, 41..=60);

    let other = place
        .install(place.newest(), &dir.path().join("b"))
        .expect("whole");
    assert_eq!(other.meta().expect("readable"), Some(meta(40)));
    assert_eq!(digest(&other), at_40);
    grow(&other, 41..=60);
    assert_eq!(
        digest(&other),
        digest(&store),
        "it goes on like the one it was taken from"
    );
    let remains = std::fs::read_dir(dir.path()).expect("readable").count();
    assert_eq!(remains, 2, "nothing is left beside the two stores");
}

#[test]
fn the_next_checkpoint_uploads_only_what_is_new() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    let value = vec![7; 200_000];
    for n in 1_u8..=20 {
        // Bytes that do not compress.
        let value: Vec<u8> = value
            .iter()
            .scan(u64::from(n), |seed, _| {
                *seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                Some((*seed >> 33) as u8)
            })
            .collect();
        store
            .commit(&batch(i64::from(n), &[(&[n], Some(&value))]))
            .expect("commit");
    }
    let Ok(Saved::Created { bytes: all, .. }) = place.save(&store, 20) else {
        panic!("not saved");
    };
    assert!(all > 3_000_000, "{all}");
    grow(&store, 21..=21);
    let Ok(Saved::Created { bytes: new, .. }) = place.save(&store, 21) else {
        panic!("not saved");
    };
    assert!(new < 100_000, "{new} of {all}");
    let restored = place
        .install(place.newest(), &dir.path().join("b"))
        .expect("whole");
    assert_eq!(digest(&restored), digest(&store));
}

#[test]
fn two_owners_that_race_for_a_boundary_leave_one_good_checkpoint() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let first = open(&dir.path().join("a")).expect("open");
    let second = open(&dir.path().join("b")).expect("open");
    for store in [&first, &second] {
        grow(store, 1..=9);
    }
    assert!(matches!(place.save(&first, 9), Ok(Saved::Created { .. })));
    assert!(matches!(place.save(&second, 9), Ok(Saved::Existed)));
    assert_eq!(
        place.repository.list(&identity()).expect("no fault").len(),
        1
    );
    let restored = place
        .install(place.newest(), &dir.path().join("c"))
        .expect("whole");
    assert_eq!(digest(&restored), digest(&first));
}

#[test]
fn an_upload_that_is_given_up_leaves_no_checkpoint() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(dir.path()).expect("open");
    grow(&store, 1..=9);
    let mut calls = 0;
    loop {
        let mut left = calls;
        let mut pace = |_: u64| {
            left -= 1;
            left >= 0
        };
        match place.save_if(&store, 9, &mut pace) {
            Err(SaveError::GivenUp) => {}
            other => {
                assert!(matches!(other, Ok(Saved::Created { .. })), "{other:?}");
                break;
            }
        }
        assert_eq!(place.repository.list(&identity()).expect("no fault"), []);
        calls += 1;
    }
    assert!(calls >= 4, "{calls}");
}

#[test]
fn a_flipped_byte_anywhere_in_a_checkpoint_is_found_and_the_store_that_is_there_stays() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    grow(&store, 1..=40);
    place.save(&store, 40).expect("saved");
    let (here, newest) = (dir.path().join("b"), place.newest());
    grow(&open(&here).expect("open"), 1..=3);

    let mut trials = 0;
    for path in place.shelf.paths("") {
        let whole = place.shelf.bytes(&path);
        let step = (whole.len() / 40).max(1);
        for at in (0..whole.len()).step_by(step) {
            place.shelf.harm(&path, |bytes| bytes[at] ^= 1 << (at % 8));
            let refused = place.install(newest, &here).err();
            assert!(
                matches!(refused, Some(FetchError::Broken { boundary: 40, .. })),
                "{path} byte {at}: {refused:?}"
            );
            place.shelf.harm(&path, |bytes| *bytes = whole.clone());
            trials += 1;
        }
        place
            .shelf
            .harm(&path, |bytes| bytes.truncate(whole.len() / 2));
        assert!(place.install(newest, &here).is_err(), "{path} cut");
        place.shelf.harm(&path, |bytes| *bytes = whole);
    }
    assert!(trials > 100, "{trials}");
    let kept = open(&here).expect("untouched");
    assert_eq!(kept.meta().expect("readable"), Some(meta(3)));
    drop(kept);
    let restored = place.install(newest, &here).expect("whole again");
    assert_eq!(digest(&restored), digest(&store));
}

#[test]
fn a_checkpoint_under_the_name_of_another_is_found() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    grow(&store, 1..=5);
    place.save(&store, 5).expect("saved");
    let old = place.shelf.bytes(&place.shelf.paths("manifests")[0]);
    grow(&store, 6..=9);
    place.save(&store, 9).expect("saved");
    let newest = place.shelf.paths("manifests").pop().expect("two");
    place.shelf.harm(&newest, |bytes| *bytes = old);
    assert!(matches!(
        place.install(place.newest(), &dir.path().join("b")),
        Err(FetchError::Broken { boundary: 9, .. })
    ));
}

#[test]
fn a_broken_checkpoint_is_set_aside_and_the_one_before_is_whole() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    grow(&store, 1..=5);
    place.save(&store, 5).expect("saved");
    let at_5 = digest(&store);
    grow(&store, 6..=9);
    place.save(&store, 9).expect("saved");
    let newest = place.newest();
    // One that the checkpoint before does not share.
    let path = place.shelf.paths(".a2").pop().expect("it is there");
    place.shelf.harm(&path, |bytes| bytes.clear());

    assert!(place.install(newest, &dir.path().join("b")).is_err());
    place
        .repository
        .quarantine(&identity(), newest, "q")
        .expect("no fault");
    assert_eq!(place.shelf.paths("quarantine").len(), 1);
    let restored = place
        .install(place.newest(), &dir.path().join("b"))
        .expect("whole");
    assert_eq!(digest(&restored), at_5);
}

/// The only table of the store in `dir`.
fn table(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).expect("readable");
    let mut tables = files
        .map(|file| file.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "sst"));
    let table = tables.next().expect("a table");
    assert_eq!(tables.next(), None);
    table
}

/// Amid the data: at the beginning is the meta record, which every opening reads.
fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    std::fs::write(file, bytes).expect("written");
}

#[test]
fn what_takes_the_place_of_a_corrupt_store_does_not_carry_its_damage() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let (here, there) = (dir.path().join("a"), dir.path().join("b"));
    let store = open(&here).expect("open");
    grow(&store, 1..=40);
    place.save(&store, 40).expect("saved");
    let (at_40, whole) = (digest(&store), place.newest());
    drop(store);
    damage(&table(&here));
    let store = open(&here).expect("opening does not read the data");
    grow(&store, 41..=42);
    place
        .save(&store, 42)
        .expect("an upload reads bytes, not blocks");
    let damaged = place.newest();
    assert_eq!(damaged.boundary, 42);
    let read = contents(&store).expect_err("the read does");
    drop(store);

    // Who takes it over elsewhere finds the damage in its turn; here it is known already.
    place.install(damaged, &there).expect("each byte is right");
    assert!(is_condemned(&here));
    let refused = place.install(damaged, &here).err();
    assert!(
        matches!(&refused, Some(FetchError::Store(error)) if error.is_corrupt()),
        "{refused:?}"
    );
    assert_eq!(open(&here).err(), Some(read), "it is not replaced");
    let restored = place.install(whole, &here).expect("not a bit less");
    assert_eq!(digest(&restored), at_40);
}

#[test]
fn a_store_that_was_read_through_has_no_damage_that_a_later_read_would_find() {
    let dir = tempfile::tempdir().expect("a directory");
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    let store = open(&first).expect("open");
    grow(&store, 1..=40);
    let snapshot = store.snapshot().expect("taken").expect("not empty");
    let (_, all) = contents(&store).expect("readable");
    drop(store);
    let corrupt = Error::Corrupt {
        path: second.clone(),
        detail: "for the test".into(),
    };
    let (mut found, mut harmless) = (0, 0);
    let size = std::fs::metadata(table(&first)).expect("readable").len() as usize;
    for at in (0..size).step_by(size / 97) {
        std::fs::create_dir_all(&second).expect("made");
        condemn(&second, &corrupt);
        let incoming = Incoming::begin(&second).expect("begun");
        for name in snapshot.files().expect("readable") {
            let mut bytes = snapshot.read(&name).expect("readable");
            if name.ends_with(".sst") {
                bytes[at] ^= 0x20;
            }
            incoming.write(&name, &bytes).expect("written");
        }
        match incoming.check(&identity(), 40, &shared()) {
            Err(error) => {
                assert!(error.is_corrupt(), "{at}: {error}");
                found += 1;
            }
            Ok(checked) => {
                let store = checked.install(&identity(), &shared()).expect("checked");
                let mut value = Vec::new();
                for (key, expected) in &all {
                    assert_eq!(store.get(key, &mut value), Ok(true), "{at}");
                    assert_eq!(&value, expected, "{at}");
                }
                harmless += 1;
            }
        }
    }
    assert!(found > 60, "{found} found, {harmless} harmless");
}

#[test]
fn what_rots_in_the_object_store_is_uploaded_anew_while_its_owner_has_it() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    grow(&store, 1..=9);
    place.save(&store, 9).expect("saved");
    let newest = place.newest();
    for file in place.manifest(newest).expect("readable").files {
        let path = place.shelf.paths(&file.object).pop().expect("it is there");
        if file.name.ends_with(".sst") {
            place.shelf.harm(&path, |bytes| bytes[0] ^= 1);
        }
    }
    // One file is looked at each time: after as many checkpoints as there are files, each has had its turn.
    for boundary in 10..=30 {
        grow(&store, boundary..=boundary);
        place.save(&store, boundary).expect("saved");
    }
    let restored = place
        .install(place.newest(), &dir.path().join("b"))
        .expect("whole");
    assert_eq!(digest(&restored), digest(&store));
}

const RETENTION: Retention = Retention {
    newest: 3,
    anchor_every: 10 * HOUR,
    anchor_keep: 100 * HOUR,
    erase_within: 48 * HOUR,
};

#[test]
fn files_go_a_day_after_nobody_names_them_and_what_stays_is_whole() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    let mut sweep = Sweep::default();
    let (mut most, mut swept_files) = (0, 0);
    for hour in 1..=60 {
        *place.shelf.now.lock().expect("no panic") = hour * HOUR;
        grow(&store, hour..=hour);
        place.save(&store, hour * HOUR).expect("saved");
        let swept = place
            .repository
            .sweep(&identity(), &RETENTION, (hour * HOUR, "s"), &mut sweep)
            .expect("no fault");
        swept_files += swept.files;
        let listed = place.repository.list(&identity()).expect("no fault");
        most = most.max(listed.len());
        if hour % 20 == 0 {
            for checkpoint in listed {
                let to = dir.path().join("b");
                let restored = place.install(checkpoint, &to).expect("whole");
                let at = restored.meta().expect("readable").map(|meta| meta.boundary);
                assert_eq!(at, Some(checkpoint.boundary));
            }
        }
    }
    // Three, and an anchor for each ten hours.
    assert!((8..=10).contains(&most), "{most}");
    assert!(swept_files > 50, "{swept_files}");
}

#[test]
fn no_file_goes_while_there_is_a_manifest_of_a_newer_release() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(dir.path()).expect("open");
    for hour in 1..=5 {
        grow(&store, hour..=hour);
        place.save(&store, hour).expect("saved");
    }
    let newest = place.shelf.paths("manifests").pop().expect("five");
    place.shelf.harm(&newest, |bytes| {
        let text = String::from_utf8(bytes.clone()).expect("text");
        let body = text.lines().next().expect("a line");
        let body = body.replace("\"format\":1", "\"format\":2");
        let sum = sha2::Sha256::digest(body.as_bytes());
        let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        *bytes = format!("{body}\n{sum}\n").into_bytes();
    });
    let mut sweep = Sweep::default();
    for days in 0..10 {
        let now = (days * 24 * HOUR, "s");
        let swept = place
            .repository
            .sweep(&identity(), &RETENTION, now, &mut sweep)
            .expect("no fault");
        assert_eq!((swept.files, swept.broken), (0, 0));
    }
    assert_eq!(place.newest().boundary, 5, "it is left for who can read it");
}

#[test]
fn a_broken_manifest_is_set_aside_by_the_sweep() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(dir.path()).expect("open");
    for hour in 1..=2 {
        grow(&store, hour..=hour);
        place.save(&store, hour).expect("saved");
    }
    let newest = place.shelf.paths("manifests").pop().expect("two");
    place.shelf.harm(&newest, |bytes| bytes[0] ^= 1);
    let mut sweep = Sweep::default();
    let swept = place
        .repository
        .sweep(&identity(), &RETENTION, (0, "s"), &mut sweep)
        .expect("no fault");
    assert_eq!(swept.broken, 1);
    assert_eq!(place.newest().boundary, 1);
    assert_eq!(place.shelf.paths("quarantine").len(), 1);
}

#[test]
fn the_first_checkpoint_of_a_stretch_shares_no_file_with_those_before_it() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    grow(&store, 1..=9);
    place.save(&store, 1).expect("saved");
    let first = place.newest();
    grow(&store, 10..=10);
    place.save(&store, RETENTION.anchor_every).expect("saved");
    for file in place.manifest(first).expect("readable").files {
        let path = place.shelf.paths(&file.object).pop().expect("it is there");
        place.shelf.harm(&path, |bytes| bytes[0] ^= 1);
    }
    let restored = place
        .install(place.newest(), &dir.path().join("b"))
        .expect("whole");
    assert_eq!(digest(&restored), digest(&store));
}

#[test]
fn both_backends_come_back_from_their_files() {
    let (mut place, memory) = (Place::new(), MemoryStore::default());
    grow(&memory, 1..=20);
    place.save(&memory, 20).expect("saved");
    let manifest = place.manifest(place.newest()).expect("readable");
    let mut files = BTreeMap::new();
    let fetched = place
        .repository
        .fetch(&identity(), &manifest, &mut |file, bytes| {
            files.insert(file.name.clone(), bytes);
            Ok(())
        });
    fetched.expect("whole");
    let restored = MemoryStore::from_files(&files).expect("whole");
    assert_eq!(
        contents(&restored).expect("readable"),
        contents(&memory).expect("readable")
    );
}

#[test]
fn what_was_taken_before_an_erasure_is_gone_after_its_time_and_a_newer_one_stays() {
    let (mut place, dir) = (Place::new(), tempfile::tempdir().expect("a directory"));
    let store = open(&dir.path().join("a")).expect("open");
    let mut sweep = Sweep::default();
    let canary = b"canary-41c0a9d2b7e85f63";
    store
        .commit(&batch(1, &[(b"c/u", Some(canary))]))
        .expect("commit");
    *place.shelf.now.lock().expect("no panic") = HOUR;
    place.save(&store, HOUR).expect("saved");
    place.save(&store, HOUR - 1).expect("saved");
    let broken = place.shelf.paths("manifests").remove(0);
    place.shelf.harm(&broken, |bytes| bytes[0] ^= 1);
    store.commit(&batch(2, &[(b"c/u", None)])).expect("commit");
    store
        .purge(Purged {
            boundary: 2,
            clock: 2 * HOUR,
        })
        .expect("purged");
    // One more record behind the marker, and nobody speaks for days.
    *place.shelf.now.lock().expect("no panic") = 2 * HOUR;
    place.erased_at = Some(2 * HOUR);
    place.save(&store, 2 * HOUR).expect("saved");
    store.commit(&batch(3, &[])).expect("commit");
    place.save(&store, 2 * HOUR).expect("saved");
    let holding = |place: &Place| {
        let paths = place.shelf.paths("files");
        let holds = |path: &&String| {
            let bytes = place.shelf.bytes(path);
            bytes.windows(canary.len()).any(|window| window == canary)
        };
        paths.iter().filter(holds).count()
    };
    assert!(holding(&place) > 0);
    let mut at = |hour: i64| {
        let now = (hour * HOUR, "s");
        let swept = place
            .repository
            .sweep(&identity(), &RETENTION, now, &mut sweep)
            .expect("no fault");
        let listed = place.repository.list(&identity()).expect("no fault");
        let aside = place.shelf.paths("quarantine").len();
        (swept.expired, listed.len(), aside, holding(&place) > 0)
    };
    // One of the two at offset 1 is broken; the three that are left are no more than `newest`.
    assert_eq!(at(3), (0, 3, 1, true));
    assert_eq!(at(48), (0, 3, 1, true));
    assert_eq!(at(49), (2, 2, 0, true), "48 hours after they were taken");
    assert_eq!(at(50), (0, 2, 0, false), "nobody names the files any more");
    let to = dir.path().join("b");
    place.install(place.newest(), &to).expect("whole");
}
