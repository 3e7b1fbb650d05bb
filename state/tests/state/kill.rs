//! kill -9 in the middle of writing, and what a power cut makes of the files.

use crate::support::{batch, contents, identity};
use gavel_state::{Backend, Batch, Error, Shared, Store};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set for the child process: where it writes.
const DIR: &str = "GAVEL_STATE_TEST_DIR";
const KEYS: i64 = 1_000;
/// Epoch `n` touches one key in `STRIDE`, so that an epoch that is missing shows.
const STRIDE: i64 = 5;

/// Small enough that memtables are flushed and tables compacted all the time.
fn shared() -> Shared {
    Shared::new(1 << 20, 256 << 10)
}

fn open(dir: &Path) -> Result<Store, Error> {
    Store::open(dir, &identity(), &shared())
}

/// What epoch `n` does to `key`, if it is one of its keys: every seventh is removed.
fn value(n: i64, key: i64) -> Option<Vec<u8>> {
    ((key + n) % 7 != 0).then(|| n.to_be_bytes().repeat(100))
}

fn epoch(n: i64) -> Batch {
    let mut epoch = batch(n, &[]);
    for key in (0..KEYS).filter(|key| key % STRIDE == n % STRIDE) {
        epoch.push(&key.to_be_bytes(), value(n, key).as_deref());
    }
    epoch
}

/// The boundary found; panics if anything in the store is not as of that boundary.
fn whole_epoch(dir: &Path) -> Result<i64, Error> {
    let (meta, mut contexts) = contents(&open(dir)?)?;
    let boundary = meta.map_or(-1, |meta| meta.boundary);
    for key in 0..KEYS {
        let last = boundary - (boundary - key).rem_euclid(STRIDE);
        let expected = (last >= 0).then(|| value(last, key)).flatten();
        let found = contexts.remove(&key.to_be_bytes()[..]);
        assert!(found == expected, "key {key} is not as of {boundary}");
    }
    assert!(contexts.is_empty());
    Ok(boundary)
}

/// The child: epochs without end, each announced once it is committed.
fn write_until_killed(dir: &Path) -> ! {
    let store = open(dir).expect("open");
    let mut n = store
        .meta()
        .expect("readable")
        .map_or(-1, |meta| meta.boundary);
    loop {
        n += 1;
        store.commit(&epoch(n)).expect("commit");
        println!("committed {n}");
        std::io::stdout().flush().expect("a parent that listens");
    }
}

/// Runs the test `name` of this binary as the child, kills it after `epochs` announcements, gives the last one.
fn kill_after(name: &str, dir: &Path, epochs: usize) -> i64 {
    let binary = std::env::current_exe().expect("this binary");
    let mut command = Command::new(binary);
    command
        .args(["--exact", name, "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped());
    let mut child = command.spawn().expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok);
    let mut committed =
        lines.filter_map(|line| line.strip_prefix("committed ")?.parse::<i64>().ok());
    let last = committed
        .by_ref()
        .take(epochs)
        .last()
        .expect("the child commits");
    child.kill().expect("kill");
    // What it announced between the last line read and its death counts too.
    let last = committed.last().unwrap_or(last);
    child.wait().expect("wait");
    last
}

fn child_dir() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

#[test]
fn a_store_killed_in_the_middle_of_writing_holds_the_last_epoch_whole() {
    if let Some(dir) = child_dir() {
        write_until_killed(&dir);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let name = "kill::a_store_killed_in_the_middle_of_writing_holds_the_last_epoch_whole";
    for round in 0..12 {
        let announced = kill_after(name, dir.path(), 3 + 5 * round);
        let found = whole_epoch(dir.path()).expect("readable");
        assert!(
            (announced..=announced + 1).contains(&found),
            "{found} found, {announced} announced"
        );
    }
}

fn logs(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir)
        .expect("readable")
        .map(|file| file.expect("file").path());
    let mut logs: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs.retain(|log| std::fs::metadata(log).expect("readable").len() > 0);
    logs
}

#[test]
fn a_hole_between_two_logs_is_never_skipped() {
    if let Some(dir) = child_dir() {
        write_until_killed(&dir);
    }
    let name = "kill::a_hole_between_two_logs_is_never_skipped";
    let (mut holes, mut shortened) = (0, 0);
    for round in 0..60 {
        let dir = tempfile::tempdir().expect("a directory");
        let announced = kill_after(name, dir.path(), 10 + round);
        let logs = logs(dir.path());
        // A power cut: the newer log reached the disk, the end of the older one did not.
        let [.., older, _newer] = &logs[..] else {
            continue;
        };
        let len = std::fs::metadata(older).expect("readable").len();
        let kept = [0, len / 2, 0, len - 1][holes % 4];
        let file = std::fs::OpenOptions::new().write(true).open(older);
        file.and_then(|file| file.set_len(kept)).expect("truncate");
        holes += 1;
        match whole_epoch(dir.path()) {
            // The older log may have been in the tables already.
            Ok(found) => {
                assert!(found <= announced + 1, "{found} of {announced}");
                shortened += usize::from(found < announced);
            }
            Err(error) => assert!(error.is_corrupt(), "{error:?}"),
        }
        if holes >= 12 && shortened >= 4 {
            return;
        }
    }
    panic!("{holes} of 60 kills left two logs behind, {shortened} of them with both in use");
}
