//! What a checkpoint repository needs of an object store, and no more.
//!
//! Invariant: an object appears whole or not at all, and none is ever replaced: two writers that race for a path cannot
//! undo each other. Whoever is told `Put::Existed` may be looking at its own earlier attempt, whose answer got lost; only the
//! bytes tell.

mod address;
mod failure;
mod memory;
mod path;
mod store;

pub use address::{ObjectAddressError, ObjectOptions};
pub use memory::{MemoryObjects, ObjectFault};
pub use store::{ObjectLimits, ObjectStore, Probe};

use std::fmt;

/// Outcome of a put that never replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Created,
    /// Something is there already, perhaps from an attempt of our own that seemed to fail.
    Existed,
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// From the root of the store, without a leading slash.
    pub path: String,
    pub size: u64,
    /// Milliseconds since 1970 by the store's clock.
    pub modified: i64,
}

/// Why an object store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// No such object.
    #[error("there is no object {path}")]
    Missing { path: String },
    /// The store refuses for good: credentials, permissions, a bucket that is not there. Mend that; trying again changes nothing.
    #[error(
        "{operation} of {path} was refused ({detail}); check the store's address, credentials and permissions"
    )]
    Refused {
        operation: Operation,
        path: String,
        detail: String,
    },
    /// Everything else, also answers that got lost: the operation may have happened or not. Try again later.
    #[error("{operation} of {path} failed ({detail}); it will be tried again")]
    Failed {
        operation: Operation,
        path: String,
        detail: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Put,
    Get,
    List,
    Delete,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Put => "put",
            Operation::Get => "get",
            Operation::List => "list",
            Operation::Delete => "delete",
        })
    }
}

/// A flat name space of immutable objects. Every call may block for as long as the store's own limits allow: never on a lane,
/// and never on a thread of an asynchronous runtime.
///
/// Paths are `/`-separated, of characters that need no escaping anywhere: letters and digits of ASCII, `-`, `_`, `.` and `~`,
/// with no part that is empty, `.` or `..`. Others are refused. No object's path is the directory of another's, because a
/// store on a file system has no room for both.
pub trait Objects: Send + Sync {
    /// Creates the object, if there is none.
    fn put_if_absent(&self, path: &str, bytes: Vec<u8>) -> Result<Put, ObjectError>;

    /// The whole object.
    fn get(&self, path: &str) -> Result<Vec<u8>, ObjectError>;

    /// Every object whose path begins with `prefix` and a slash, or every object if `prefix` is empty, in the order of their
    /// paths. It may lag behind: an object that is there may not be listed yet, and one that is gone may still be.
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ObjectError>;

    /// Removes the object. Nothing there: nothing done.
    fn delete(&self, path: &str) -> Result<(), ObjectError>;
}
