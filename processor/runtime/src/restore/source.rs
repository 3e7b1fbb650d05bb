//! Where the state of a partition comes from: this machine, a checkpoint, or nothing.
//!
//! Invariants: the newer of local store and checkpoint is used, unless so little lies between that folding it again is quicker
//! than asking; a checkpoint that is broken costs nothing but the one before it; without any, the partition is folded from the
//! beginning of its log, where that is still there. An object store that cannot be reached stops nobody who can do without.

use super::{Interrupted, LogBounds, Request, World};
use gavel_judge::Opened;
use gavel_state::{Backend, Checkpoint, Identity};
use std::sync::Arc;

/// Attempts after which a partition that could be folded from the beginning of its log no longer waits for the object store.
const PATIENCE: u32 = 5;

pub(super) fn open(
    world: &mut dyn World,
    request: &Request,
    identity: &Identity,
    opened: &Opened,
    bounds: &LogBounds,
) -> Result<Arc<dyn Backend>, Interrupted> {
    let local = world.local(identity, &opened.former)?;
    let stored = match &local {
        Some(backend) => backend.meta()?.map(|meta| meta.boundary),
        None => None,
    };
    let at = stored.unwrap_or(opened.start - 1);
    let foldable = bounds.start <= at + 1;
    let near = bounds.end - at <= request.cheap_fold;
    let mut local = local;
    if !(foldable && near) {
        for checkpoint in checkpoints(world, request, identity, stored.is_some(), foldable)? {
            if checkpoint.boundary <= at {
                break;
            }
            // The local store is replaced, so nobody may hold it.
            drop(local.take());
            if let Some(backend) = world.install(identity, checkpoint)? {
                return Ok(backend);
            }
        }
    }
    match local {
        Some(local) => Ok(local),
        // Broken checkpoints leave the local store as it was.
        None => match world.local(identity, &opened.former)? {
            Some(local) => Ok(local),
            None => world.empty(identity),
        },
    }
}

/// The checkpoints there are; none if the object store cannot tell and the partition can do without.
fn checkpoints(
    world: &mut dyn World,
    request: &Request,
    identity: &Identity,
    has_store: bool,
    foldable: bool,
) -> Result<Vec<Checkpoint>, Interrupted> {
    match world.checkpoints(identity) {
        Err(Interrupted::Retry(problem))
            if foldable && (has_store || request.failed_before >= PATIENCE) =>
        {
            tracing::warn!(
                partition = identity.partition,
                problem,
                "checkpoints cannot be listed; going on from {}, which takes longer",
                if has_store {
                    "the local store"
                } else {
                    "the beginning of the log"
                }
            );
            Ok(Vec::new())
        }
        other => other,
    }
}
