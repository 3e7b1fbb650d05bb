//! The durable backend: one RocksDB per partition.
//!
//! Invariant: what a crash leaves is whole epochs up to some boundary S, because an epoch is one write batch, that is one
//! record of one write-ahead log, and because logs are replayed in order up to the first gap.
//!
//! No write is synced. A sync per epoch and partition would be dozens a second and would buy nothing but less to fold
//! again: the truth is the message log, and a lost tail only moves S back. A gap would be another matter: a newer epoch
//! without an older one is a state that never was. A power cut can do that, when the operating system has written a newer
//! log file and not yet the end of an older one, so every log names its predecessor's size and last sequence number, and
//! replay ends where they do not agree (`track_and_verify_wals`).

mod failure;
mod options;
mod purge;
mod snapshot;
mod table;

pub use options::Shared;
pub use snapshot::{Checked, Incoming, tidy};
pub use table::{is_table, visit_table};

use crate::backend::{Backend, Purged};
use crate::batch::Batch;
use crate::checkpoint::Snapshot;
use crate::error::Error;
use crate::meta::{FORMAT, Identity, Meta, Unreadable};
use failure::{Doing, failure};
use rocksdb::{DB, DBPinnableSlice, ErrorKind, ReadOptions, WriteBatch, WriteOptions, properties};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Of the one key that holds the [`Meta`].
const META: &[u8] = &[0x00];
/// Of every context's key, before the key itself.
const CONTEXTS: u8 = 0x01;
/// A file in the directory of a store that was found corrupt, with the reason.
const CONDEMNED: &str = "CORRUPT";
const SCAN_READAHEAD_BYTES: usize = 1 << 20;
/// How often a commit that waits for flushes looks whether they are done.
const STALL_LOOK: Duration = Duration::from_millis(1);
/// Longest wait of a commit for flushes and compactions; beyond it the device is as good as broken.
const STALL_MOST: Duration = Duration::from_secs(60);

/// State of one partition in a directory of its own, held by one process at a time.
pub struct Store {
    db: DB,
    path: PathBuf,
    read_only: bool,
    commits: Mutex<Commits>,
}

/// What the next commit is checked against.
struct Commits {
    identity: Option<Identity>,
    stored: Option<Meta>,
    /// The first failure ends all commits: after it nobody knows what the device holds.
    failed: Option<Error>,
}

impl Store {
    /// Opens the store in `dir`, or makes an empty one. It must be that of `identity`.
    pub fn open(dir: &Path, identity: &Identity, shared: &Shared) -> Result<Store, Error> {
        std::fs::create_dir_all(dir).map_err(|error| failure(error, Doing::Open, dir))?;
        refuse_condemned(dir)?;
        refuse_headless(dir)?;
        let db = options::of_a_store(shared)
            .and_then(|options| DB::open(&options, dir))
            .map_err(|error| failure(error, Doing::Open, dir))?;
        let store = Store::over(db, dir, false)?;
        let mut commits = store.commits();
        if let Some(stored) = &commits.stored {
            stored.identity.check(identity, dir)?;
        }
        commits.identity = Some(identity.clone());
        drop(commits);
        Ok(store)
    }

    /// Opens what is stored in `dir` as it is now, for looking only; another process may go on writing to it.
    pub fn open_read_only(dir: &Path, shared: &Shared) -> Result<Store, Error> {
        refuse_headless(dir)?;
        if !dir.join("CURRENT").exists() {
            return Err(Error::Missing { path: dir.into() });
        }
        let db = options::of_a_store(shared)
            .and_then(|options| DB::open_for_read_only(&options, dir, false))
            .map_err(|error| failure(error, Doing::Open, dir))?;
        Store::over(db, dir, true)
    }

    /// Removes the store in `dir` and the directory. Nothing there: nothing done.
    pub fn destroy(dir: &Path) -> Result<(), Error> {
        if !dir.exists() {
            return Ok(());
        }
        // First through RocksDB, which refuses while somebody holds the lock.
        DB::destroy(&rocksdb::Options::default(), dir)
            .map_err(|error| failure(error, Doing::Destroy, dir))?;
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failure(error, Doing::Destroy, dir))
            }
            _ => Ok(()),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn over(db: DB, dir: &Path, read_only: bool) -> Result<Store, Error> {
        let commits = Mutex::new(Commits {
            identity: None,
            stored: None,
            failed: None,
        });
        let store = Store {
            db,
            path: dir.into(),
            read_only,
            commits,
        };
        let stored = store.meta()?;
        store.commits().stored = stored;
        Ok(store)
    }

    fn commits(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decode(&self, meta: &[u8]) -> Result<Meta, Error> {
        Meta::decode(meta).map_err(|unreadable| match unreadable {
            Unreadable::Format(found) => Error::Format {
                path: self.path.clone(),
                found,
                supported: FORMAT,
            },
            Unreadable::Malformed => self.corrupt("the partition's meta record is malformed"),
        })
    }

    fn corrupt(&self, detail: &str) -> Error {
        self.condemn(Error::Corrupt {
            path: self.path.clone(),
            detail: detail.into(),
        })
    }

    fn failure(&self, error: rocksdb::Error, doing: Doing) -> Error {
        self.condemn(failure(error, doing, &self.path))
    }

    /// Opening looks at the ends of the files only. What a read or a compaction finds in the middle is written down, or
    /// the store would be opened again and again, to fail at the same place each time.
    fn condemn(&self, error: Error) -> Error {
        if !self.read_only {
            condemn(&self.path, &error);
        }
        error
    }

    fn find(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, Error> {
        self.db
            .get_pinned(key)
            .map_err(|error| self.failure(error, Doing::Read))
    }

    /// One write for the whole epoch. It never waits inside RocksDB: there a write would wait for a flush that is
    /// repeated until the disk has room again, and with it the writer and every other partition.
    fn write(&self, batch: &Batch) -> Result<(), Error> {
        let mut no_waiting = WriteOptions::default();
        no_waiting.set_sync(false);
        no_waiting.set_no_slowdown(true);
        no_waiting.set_memtable_insert_hint_per_batch(true);
        let mut stalled = Duration::ZERO;
        loop {
            let outcome = self.db.write_opt(encode(batch), &no_waiting);
            self.background(&no_waiting)?;
            match outcome {
                Err(error) if error.kind() == ErrorKind::Incomplete && stalled < STALL_MOST => {
                    std::thread::sleep(STALL_LOOK);
                    stalled += STALL_LOOK;
                }
                outcome => return outcome.map_err(|error| self.failure(error, Doing::Commit)),
            }
        }
    }

    /// Failures of flushes and compactions, which RocksDB would repeat on a device that nobody can trust any more.
    fn background(&self, no_waiting: &WriteOptions) -> Result<(), Error> {
        let count = self.db.property_int_value(properties::BACKGROUND_ERRORS);
        let count = count.map_err(|error| self.failure(error, Doing::Commit))?;
        if count.is_none_or(|count| count == 0) {
            return Ok(());
        }
        // A write is the only way to be told why.
        match self.db.write_opt(WriteBatch::default(), no_waiting) {
            Err(error) if error.kind() != ErrorKind::Incomplete => {
                Err(self.failure(error, Doing::Background))
            }
            _ => {
                let detail = "a flush or a compaction, its LOG file says why".into();
                let (operation, path) = (Doing::Background.name(), self.path.clone());
                Err(Error::Io {
                    operation,
                    path,
                    detail,
                })
            }
        }
    }
}

fn encode(batch: &Batch) -> WriteBatch {
    // Per entry RocksDB adds a tag, two lengths of up to five bytes, and here the prefix.
    let mut write = WriteBatch::with_capacity_bytes(batch.bytes() + 12 * batch.len() + 1024);
    write.put(META, batch.meta.encode());
    // In key order, with the hint that `write` gives, a memtable finds the place of each key beside the last one.
    let mut entries: Vec<_> = batch.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    let mut prefixed = Vec::new();
    for (key, value) in entries {
        prefix(key, &mut prefixed);
        match value {
            Some(value) => write.put(&prefixed, value),
            None => write.delete(&prefixed),
        }
    }
    write
}

impl Backend for Store {
    fn meta(&self) -> Result<Option<Meta>, Error> {
        self.find(META)?
            .map(|bytes| self.decode(&bytes))
            .transpose()
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error> {
        prefix(key, into);
        let value = self.find(into)?;
        into.clear();
        into.extend_from_slice(value.as_deref().unwrap_or_default());
        Ok(value.is_some())
    }

    fn commit(&self, batch: &Batch) -> Result<(), Error> {
        let mut commits = self.commits();
        if self.read_only {
            return Err(Error::ReadOnly {
                path: self.path.clone(),
            });
        }
        if let Some(error) = &commits.failed {
            return Err(error.clone());
        }
        if let Some(identity) = &commits.identity {
            identity.check(&batch.meta.identity, &self.path)?;
        }
        if let Some(stored) = &commits.stored {
            stored.admit(&batch.meta, &self.path)?;
        }
        match self.write(batch) {
            Ok(()) => commits.stored = Some(batch.meta.clone()),
            Err(error) => commits.failed = Some(error.clone()),
        }
        commits.failed.clone().map_or(Ok(()), Err)
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, Error> {
        self.take_snapshot()
    }

    fn purge(&self, upto: Purged) -> Result<(), Error> {
        self.purge_files(upto)
    }

    fn purged(&self) -> Result<Option<Purged>, Error> {
        self.read_mark()
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<Option<Meta>, Error> {
        let mut once = ReadOptions::default();
        once.fill_cache(false);
        once.set_total_order_seek(true);
        once.set_readahead_size(SCAN_READAHEAD_BYTES);
        // One iterator sees one moment; the meta record sorts first.
        let mut entries = self.db.raw_iterator_opt(once);
        entries.seek_to_first();
        let mut meta = None;
        while let Some((key, value)) = entries.item() {
            match key.split_first() {
                Some((&CONTEXTS, key)) if meta.is_some() => visit(key, value),
                _ if key == META => meta = Some(self.decode(value)?),
                _ => return Err(self.corrupt("a key that no batch has written")),
            }
            entries.next();
        }
        entries
            .status()
            .map_err(|error| self.failure(error, Doing::Read))?;
        Ok(meta)
    }
}

fn prefix(key: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.push(CONTEXTS);
    into.extend_from_slice(key);
}

/// Writes down that the store in `dir` is corrupt; any other error leaves no trace.
pub fn condemn(dir: &Path, error: &Error) {
    if let Error::Corrupt { detail, .. } = error {
        // If it cannot be written, the next read finds the same damage.
        let _written = std::fs::write(dir.join(CONDEMNED), detail);
    }
}

/// Whether the store in `dir` was found corrupt.
pub fn is_condemned(dir: &Path) -> bool {
    dir.join(CONDEMNED).exists()
}

fn refuse_condemned(dir: &Path) -> Result<(), Error> {
    match std::fs::read(dir.join(CONDEMNED)) {
        Ok(detail) => Err(Error::Corrupt {
            path: dir.into(),
            detail: String::from_utf8_lossy(&detail).into_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failure(error, Doing::Open, dir)),
    }
}

/// RocksDB takes a directory without CURRENT for an empty one, and would delete the files of the store that lost it.
fn refuse_headless(dir: &Path) -> Result<(), Error> {
    if dir.join("CURRENT").exists() {
        return Ok(());
    }
    let files = match std::fs::read_dir(dir) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failure(error, Doing::Open, dir)),
    };
    for file in files {
        let name = file
            .map_err(|error| failure(error, Doing::Open, dir))?
            .file_name();
        let name = name.to_string_lossy();
        if name.starts_with("MANIFEST-") || name.ends_with(".sst") || name.ends_with(".log") {
            return Err(Error::Corrupt {
                path: dir.into(),
                detail: format!("{name} without CURRENT"),
            });
        }
    }
    Ok(())
}
