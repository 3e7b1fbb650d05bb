//! Saving the state of a partition as a checkpoint.
//!
//! Invariant: K <= S <= V. A checkpoint holds what the store holds, and the store holds nothing that is not acknowledged.

use gavel_judge::{ENGINE, PartitionState};
use gavel_state::{About, Attempt, Error, Meta, Repository, SaveError, Saved, Snapshot};

/// The fold's state in what is stored.
pub fn state(meta: &Meta) -> Result<PartitionState, Error> {
    PartitionState::from_bytes(&meta.state).map_err(|error| Error::Corrupt {
        path: format!("partition {}", meta.identity.partition).into(),
        detail: error.to_string(),
    })
}

/// Saves a snapshot, of a store that was purged of what was erased; the other arguments as in [`Attempt`].
pub fn save(
    repository: &Repository,
    snapshot: &dyn Snapshot,
    name: &str,
    anchor_every: i64,
    pace: &mut dyn FnMut(u64) -> bool,
) -> Result<Saved, SaveError> {
    let meta = snapshot.meta();
    let state = state(meta)?;
    let about = About {
        clock: state.clock(),
        // Whatever is in force here was compiled here.
        engine: ENGINE,
        policies: state.policies().map(|digest| digest.to_string()).collect(),
        erased_at: state.erased_at(),
    };
    let attempt = Attempt {
        name,
        about,
        anchor_every,
        pace,
    };
    repository.save(snapshot, attempt)
}
