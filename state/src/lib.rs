//! What a partition remembers: its contexts, and the offset they belong to.
//!
//! Invariant: contexts, the fold's state and the offset S of the last record folded into them change together or not at
//! all, so that a restart from S+1 folds exactly what is missing. A store that mixed two moments would give verdicts that
//! nobody could derive again. This crate knows bytes only; what they mean is the fold's business. RocksDB lives only here.
//!
//! The way of a context: the fold changes it in [`Memory`]; at a boundary X an epoch begins, and everything dirty is
//! serialised into one [`Batch`]; when every output up to X is acknowledged the [`Writer`] commits the batch to the
//! [`Backend`], a [`Store`] or, in simulations, a [`MemoryStore`].

mod backend;
mod batch;
mod checkpoint;
mod digest;
mod error;
mod memory;
mod memory_store;
mod meta;
mod objects;
mod store;
mod writer;

pub use backend::{Backend, Purged};
pub use batch::Batch;
#[cfg(feature = "seeded-bugs")]
pub use checkpoint::RepositoryBug;
pub use checkpoint::{
    ATTEMPT_MOST, About, Attempt, Checkpoint, Dated, FetchError, File, Manifest, Repository,
    Retention, SaveError, Saved, Snapshot, Surveyed, Sweep, Swept,
};
pub use digest::digest;
pub use error::Error;
pub use memory::{Memory, MemoryStats};
pub use memory_store::MemoryStore;
pub use meta::{FORMAT, Identity, Meta};
pub use objects::{
    Listed, MemoryObjects, ObjectAddressError, ObjectError, ObjectFault, ObjectLimits,
    ObjectOptions, ObjectStore, Objects, Operation, Probe, Put,
};
pub use store::{
    Checked, Incoming, Shared, Store, condemn, is_condemned, is_table, tidy, visit_table,
};
pub use writer::Writer;
