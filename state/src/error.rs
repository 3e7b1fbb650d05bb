//! What can go wrong, named by what to do next.

use crate::meta::Identity;
use std::path::PathBuf;

/// A failure of a store. The variant says how to recover; the log is the truth, so nothing here loses a verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Wait and open again.
    #[error("{} is held by another lane or process; it can be opened once that one has closed it", path.display())]
    Locked { path: PathBuf },
    /// Set the directory aside and rebuild from the log. Seen at opening and at any read.
    #[error("{} is corrupt ({detail}); set it aside and rebuild the partition from the log", path.display())]
    Corrupt { path: PathBuf, detail: String },
    /// Stop the partition; open again once there is room.
    #[error("no space left for {} ({detail}); free some, then reopen it", path.display())]
    Full { path: PathBuf, detail: String },
    /// Stop the partition; open again once the device works. Never go on with the same handle: after a failed write
    /// nobody knows what the device holds.
    #[error("{operation} of {} failed ({detail}); check the device, then reopen it", path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        detail: String,
    },
    /// Start a binary that reads this format, or set the directory aside and rebuild from the log.
    #[error("{} has format {found}, this binary reads {supported}; run a matching version, or set it aside and rebuild", path.display())]
    Format {
        path: PathBuf,
        found: u32,
        supported: u32,
    },
    /// The state of another partition or another log: an operator must say which one is meant.
    #[error("{} holds the state of {found}, not of {expected}; point to the right directory, or set it aside", path.display())]
    WrongIdentity {
        path: PathBuf,
        expected: Identity,
        found: Identity,
    },
    /// A defect of the caller: stop the partition.
    #[error("refused to move {} from offset {stored} back to {offered}; two owners write to it", path.display())]
    Backwards {
        path: PathBuf,
        stored: i64,
        offered: i64,
    },
    /// Opened for reading.
    #[error("{} is open for reading only", path.display())]
    ReadOnly { path: PathBuf },
    /// Nothing has ever been stored there.
    #[error("there is no store at {}; check the data directory and the partition number", path.display())]
    Missing { path: PathBuf },
}

impl Error {
    /// The stored bytes are not what was written: set aside, rebuild.
    pub fn is_corrupt(&self) -> bool {
        matches!(self, Error::Corrupt { .. })
    }

    /// Somebody else still has it open: wait.
    pub fn is_locked(&self) -> bool {
        matches!(self, Error::Locked { .. })
    }
}
