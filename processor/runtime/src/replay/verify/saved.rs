//! A verification in the middle of a partition, to be gone on with.
//!
//! Invariant: it counts only together with the store beside it that holds the fold's state behind the same record; either alone is thrown
//! away.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::replay::report::PartitionReport;

/// What is not in the store.
#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    /// Offset of the last record folded.
    pub boundary: i64,
    /// Link of the chain behind it.
    pub link: [u8; 32],
    /// Offset in the verdict topic of the first verdict not looked at.
    pub verdicts_from: i64,
    /// Whether all of the partition is done.
    pub is_whole: bool,
    pub report: PartitionReport,
}

impl Saved {
    /// What an earlier run left; `None` if that is nothing, or nothing readable.
    pub fn read(path: &Path) -> Option<Saved> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    pub fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("new");
        std::fs::write(&beside, serde_json::to_vec(self)?)?;
        std::fs::rename(beside, path)
    }
}
