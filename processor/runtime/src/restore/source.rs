//! Where the state of a partition comes from: this machine, a checkpoint, or nothing.
//!
//! Invariants: the newer of local store and checkpoint is used, unless so little lies between that folding it again is quicker
//! than asking; a checkpoint that is broken costs nothing but the one before it; without any, the partition is folded from the
//! beginning of its log, where that is still there. An object store that cannot be reached stops nobody who can do without.

use super::{Interrupted, LogBounds, Request, World};
use gavel_judge::Opened;
use gavel_state::{Backend, Identity};
use std::sync::Arc;
use std::time::Duration;

/// After so long a partition that could be folded from the beginning of its log no longer waits for the object store.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn open(
    world: &mut dyn World,
    request: &Request,
    identity: &Identity,
    opened: &Opened,
    bounds: &LogBounds,
) -> Result<Arc<dyn Backend>, Interrupted> {
    let mut local = world.local(identity, &opened.former)?;
    let stored = match &local {
        Some(backend) => backend.meta()?.map(|meta| meta.boundary),
        None => None,
    };
    let at = stored.unwrap_or(opened.start - 1);
    let foldable = bounds.start <= at + 1;
    let near = bounds.end - at <= request.cheap_fold;
    let can_do_without = foldable && (stored.is_some() || request.waited >= PATIENCE);
    if !(foldable && near) {
        match newer(world, identity, at, &mut local) {
            Ok(Some(backend)) => return Ok(backend),
            Ok(None) => {}
            Err(Interrupted::Retry(problem)) if can_do_without => tracing::warn!(
                partition = identity.partition,
                problem,
                "checkpoints cannot be had; going on from {}, which takes longer",
                if stored.is_some() {
                    "the local store"
                } else {
                    "the beginning of the log"
                }
            ),
            Err(interrupted) => return Err(interrupted),
        }
    }
    match local {
        Some(local) => Ok(local),
        // Checkpoints that are broken or cannot be had leave the local store as it was.
        None => match world.local(identity, &opened.former)? {
            Some(local) => Ok(local),
            None => world.empty(identity),
        },
    }
}

/// The newest whole checkpoint that goes further than `at`.
fn newer(
    world: &mut dyn World,
    identity: &Identity,
    at: i64,
    local: &mut Option<Arc<dyn Backend>>,
) -> Result<Option<Arc<dyn Backend>>, Interrupted> {
    for checkpoint in world.checkpoints(identity)? {
        if checkpoint.boundary <= at {
            break;
        }
        // The local store is replaced, so nobody may hold it.
        drop(local.take());
        if let Some(backend) = world.install(identity, checkpoint)? {
            return Ok(Some(backend));
        }
    }
    Ok(None)
}
