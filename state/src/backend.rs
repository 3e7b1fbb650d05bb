//! Where batches end up.

use crate::batch::Batch;
use crate::checkpoint::Snapshot;
use crate::error::Error;
use crate::meta::Meta;

/// Up to where the files of a backend hold nothing that has been removed: the boundary and the fold's clock there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    pub boundary: i64,
    /// Milliseconds since 1970.
    pub clock: i64,
}

/// Durable state of one partition, shared by the lane, which reads, and the writer, which commits.
///
/// Promise: after any crash it holds exactly the commits up to some point, whole and in order. How many of the newest are
/// lost may depend on the crash; that costs nothing but time, because the log is folded again from the boundary found.
pub trait Backend: Send + Sync {
    /// `None` before the first commit.
    fn meta(&self) -> Result<Option<Meta>, Error>;

    /// Replaces `into` by the value of `key`; false, and an empty `into`, if there is none.
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error>;

    /// Applies the batch. After an error the backend takes no further commit: reopen it.
    fn commit(&self, batch: &Batch) -> Result<(), Error>;

    /// The state of some commit, the newest or one shortly before it, apart from everything that is committed later; `None` before
    /// the first. At most one snapshot of a backend at a time.
    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, Error>;

    /// Rewrites what is stored, so that nothing is left of what commits up to `upto` have removed or replaced. Takes as
    /// long as reading and writing everything does; commits and reads go on meanwhile.
    fn purge(&self, upto: Purged) -> Result<(), Error>;

    /// The last purge that is known, if there was one.
    fn purged(&self) -> Result<Option<Purged>, Error>;

    /// Visits every context in key order, all of one moment, and gives the [`Meta`] of that same moment.
    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<Option<Meta>, Error>;
}
