//! Verifies a log: folds every partition again and compares each verdict with the verdict topic.
//!
//! Invariant: a partition passes only if every record of the stretch has, as its first verdict and in the order of the records, exactly
//! the bytes that the fold gives, with the record's key and headers; every further copy is identical; every refused record has its dead
//! letter; and every checkpoint on the way holds the fold's state. The fold reads nothing but the messages and the orders, so what
//! somebody did to one verdict is one difference.

mod saved;
mod walk;

use super::ReplayError;
use super::beginning::Stretch;
use super::report::PartitionReport;
use super::run::{Effort, Progress, each};
use crate::config::Config;

/// What to verify, and how.
#[derive(Debug, Clone, Default)]
pub struct Verify {
    pub effort: Effort,
    pub stretch: Stretch,
    /// Whether checkpoints on the way are compared with the fold.
    pub checkpoints: bool,
}

/// Verifies the wanted partitions; reports in the order of partitions.
pub fn verify(
    config: &Config,
    wanted: &Verify,
    progress: &Progress,
) -> Result<Vec<PartitionReport>, ReplayError> {
    each(config, &wanted.effort, progress, |run, partition| {
        walk::Walk::through(run, wanted, partition)
    })
}
