//! Saving the state of a partition as a checkpoint.
//!
//! Invariant: K <= S <= V. A checkpoint holds what the store holds, and the store holds nothing that is not acknowledged.

use gavel_judge::{ENGINE, PartitionState};
use gavel_state::{About, Attempt, Repository, SaveError, Saved, Snapshot};

/// Saves a snapshot under a name that no other attempt has; `pace` as in [`Attempt`].
pub fn save(
    repository: &Repository,
    snapshot: &dyn Snapshot,
    name: &str,
    pace: &mut dyn FnMut(u64) -> bool,
) -> Result<Saved, SaveError> {
    let meta = snapshot.meta();
    let state =
        PartitionState::from_bytes(&meta.state).map_err(|error| gavel_state::Error::Corrupt {
            path: format!("partition {}", meta.identity.partition).into(),
            detail: error.to_string(),
        })?;
    let about = About {
        clock: state.clock(),
        // Whatever is in force here was compiled here.
        engine: ENGINE,
        policies: state.policies().map(|digest| digest.to_string()).collect(),
    };
    repository.save(snapshot, Attempt { name, about, pace })
}
