//! Getting rid of the bytes of what was removed.
//!
//! Invariant: when a purge has succeeded, no file of the store holds a key or a value that the commits before it had removed or
//! replaced, and a crash does not make anybody believe so before it is true: the mark is written last.
//!
//! RocksDB forgets late. A removal is one more record; the old value stays in the write-ahead log, in older tables, and its key, as the
//! smallest or largest of a table, in the manifest. So everything is rewritten: the memtables are flushed, which begins a new log; all
//! tables are compacted down to the bottom, where removals themselves go; and two more manifests follow (see `options`), since the
//! one that records the compaction begins with the tables before it. Not only the ranges of removed keys: a user who is erased and
//! speaks again within one epoch is a value replaced, like any other, and the store cannot tell which replacements matter.

use super::failure::{Doing, failure};
use super::{Store, options};
use crate::backend::Purged;
use crate::error::Error;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// The mark: boundary and clock in one line. No part of the state: a copy of the store has none of its own.
const MARK: &str = "PURGED";
/// A key that nobody ever has: its removal is something to flush.
const NOTHING: &[u8] = &[0x00, 0x00];
/// How long files may stay that somebody still reads; then the purge has failed and is tried again one day.
const LINGER_MOST: Duration = Duration::from_secs(10);
const LINGER_LOOK: Duration = Duration::from_millis(5);

impl Store {
    /// Says that the store holds nothing removed before: it was made from the files of one that did not.
    pub fn mark_purged(&self, purged: Purged) -> Result<(), Error> {
        write_mark(&self.path, purged)
            .map_err(|error| failure(error, Doing::Purge, &self.path.join(MARK)))
    }

    pub(super) fn read_mark(&self) -> Result<Option<Purged>, Error> {
        let path = self.path.join(MARK);
        match std::fs::read_to_string(&path) {
            // What cannot be read says nothing, and the store is purged once more.
            Ok(text) => Ok(parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure(error, Doing::Purge, &path)),
        }
    }

    pub(super) fn purge_files(&self, upto: Purged) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::ReadOnly {
                path: self.path.clone(),
            });
        }
        let mut old = self.files()?;
        self.flush_something()?;
        self.db
            .compact_range_opt(None::<&[u8]>, None::<&[u8]>, &options::of_a_purge());
        // A compaction reports nothing: what it could not do shows in the files that are still there.
        old.extend(
            self.files()?
                .into_iter()
                .filter(|name| name.starts_with("MANIFEST-")),
        );
        self.flush_something()?;
        self.flush_something()?;
        let began = Instant::now();
        while let Some(left) = self.files()?.intersection(&old).next() {
            if began.elapsed() >= LINGER_MOST {
                return Err(Error::Io {
                    operation: Doing::Purge.name(),
                    path: self.path.join(left),
                    detail: "it is still in use, or could not be rewritten; see the store's LOG"
                        .into(),
                });
            }
            std::thread::sleep(LINGER_LOOK);
        }
        self.mark_purged(upto)
    }

    /// Begins a new write-ahead log, a new table and a new manifest.
    #[expect(
        clippy::disallowed_methods,
        reason = "it removes a key that is no context, and parts nothing from its offset"
    )]
    fn flush_something(&self) -> Result<(), Error> {
        let failed = |error| self.failure(error, Doing::Purge);
        self.db.delete(NOTHING).map_err(failed)?;
        self.db.flush().map_err(failed)
    }

    /// Those that hold keys or values.
    fn files(&self) -> Result<BTreeSet<String>, Error> {
        let failed = |error| failure(error, Doing::Purge, &self.path);
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy().into_owned();
            if name.ends_with(".sst") || name.ends_with(".log") || name.starts_with("MANIFEST-") {
                names.insert(name);
            }
        }
        Ok(names)
    }
}

impl Purged {
    /// Whether files purged up to here hold nothing of what was erased at `erased_at`, the last time before `boundary`.
    pub fn covers(self, erased_at: i64, boundary: i64) -> bool {
        // Several erasures may have the same time; only behind the same boundary are they the same.
        erased_at < self.clock || boundary <= self.boundary
    }
}

fn parse(text: &str) -> Option<Purged> {
    let (boundary, clock) = text.strip_suffix('\n')?.split_once(' ')?;
    Some(Purged {
        boundary: boundary.parse().ok()?,
        clock: clock.parse().ok()?,
    })
}

fn write_mark(dir: &Path, purged: Purged) -> io::Result<()> {
    let new = dir.join(format!("{MARK}.new"));
    let mut file = File::create(&new)?;
    writeln!(file, "{} {}", purged.boundary, purged.clock)?;
    file.sync_all()?;
    std::fs::rename(&new, dir.join(MARK))?;
    File::open(dir)?.sync_all()
}
