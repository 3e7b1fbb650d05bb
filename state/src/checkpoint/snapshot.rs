//! A store as it was at one boundary.

use crate::error::Error;
use crate::meta::Meta;

/// Files of one moment, which neither later commits nor the end of the store change. Dropping it gives up what it holds.
pub trait Snapshot: Send {
    /// Read from the files themselves, not from the store they come from: what a checkpoint claims is what is in it.
    fn meta(&self) -> &Meta;

    /// Names of all files, sorted.
    fn files(&self) -> Result<Vec<String>, Error>;

    /// All of one file.
    fn read(&self, name: &str) -> Result<Vec<u8>, Error>;
}
