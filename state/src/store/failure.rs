//! From what RocksDB and the operating system say to what has to be done.

use crate::error::Error;
use rocksdb::ErrorKind;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Open,
    Read,
    Commit,
    /// A flush or a compaction.
    Background,
    Destroy,
    /// Taking a snapshot, or reading one.
    Snapshot,
    /// Rewriting everything, so that what was removed is gone.
    Purge,
    /// Putting a checkpoint in the place of a store.
    Install,
}

impl Doing {
    pub fn name(self) -> &'static str {
        match self {
            Doing::Open => "opening",
            Doing::Read => "reading",
            Doing::Commit => "commit",
            Doing::Background => "background work",
            Doing::Destroy => "removal",
            Doing::Snapshot => "snapshot",
            Doing::Purge => "purge",
            Doing::Install => "installation",
        }
    }

    /// What is stored is at fault, then, not what is being written.
    fn reads(self) -> bool {
        matches!(self, Doing::Open | Doing::Read)
    }
}

/// What either of the two reports.
pub enum Cause {
    RocksDb(rocksdb::Error),
    System(std::io::Error),
}

impl From<rocksdb::Error> for Cause {
    fn from(error: rocksdb::Error) -> Cause {
        Cause::RocksDb(error)
    }
}

impl From<std::io::Error> for Cause {
    fn from(error: std::io::Error) -> Cause {
        Cause::System(error)
    }
}

pub fn failure(cause: impl Into<Cause>, doing: Doing, path: &Path) -> Error {
    match cause.into() {
        Cause::RocksDb(error) => of_rocksdb(&error, doing, path),
        Cause::System(error) if error.kind() == std::io::ErrorKind::StorageFull => Error::Full {
            path: path.into(),
            detail: error.to_string(),
        },
        Cause::System(error) => Error::Io {
            operation: doing.name(),
            path: path.into(),
            detail: error.to_string(),
        },
    }
}

fn of_rocksdb(error: &rocksdb::Error, doing: Doing, path: &Path) -> Error {
    let detail = error.as_ref().to_owned();
    let path = path.to_path_buf();
    let says = |text: &str| detail.contains(text);
    match error.kind() {
        ErrorKind::IOError
            if says("No space left on device")
                || says("Space limit reached")
                || says("Disk quota exceeded") =>
        {
            Error::Full { path, detail }
        }
        ErrorKind::IOError if says("lock hold by current process") || says("While lock file") => {
            Error::Locked { path }
        }
        // A file that the store itself names is gone.
        ErrorKind::IOError if doing.reads() && says("No such file or directory") => {
            Error::Corrupt { path, detail }
        }
        ErrorKind::Corruption => Error::Corrupt { path, detail },
        // Files of another make, or bytes that only look like some: RocksDB cannot read them as this store.
        ErrorKind::NotFound
        | ErrorKind::NotSupported
        | ErrorKind::InvalidArgument
        | ErrorKind::Unknown
            if doing.reads() =>
        {
            Error::Corrupt { path, detail }
        }
        ErrorKind::NotFound
        | ErrorKind::NotSupported
        | ErrorKind::InvalidArgument
        | ErrorKind::IOError
        | ErrorKind::MergeInProgress
        | ErrorKind::Incomplete
        | ErrorKind::ShutdownInProgress
        | ErrorKind::TimedOut
        | ErrorKind::Aborted
        | ErrorKind::Busy
        | ErrorKind::Expired
        | ErrorKind::TryAgain
        | ErrorKind::CompactionTooLarge
        | ErrorKind::ColumnFamilyDropped
        | ErrorKind::Unknown => Error::Io {
            operation: doing.name(),
            path,
            detail,
        },
    }
}
