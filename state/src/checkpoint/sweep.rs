//! Removing what no checkpoint needs.
//!
//! Invariant: see the head of the module above. The proof that a file may go: for at least `UNNAMED` no manifest has named it. A
//! writer names files that it uploaded in this attempt, or that a manifest named when the attempt began, and an attempt lasts at
//! most half as long; so whoever could still name it has done so before the second look, or never will.

use super::manifest::Manifest;
use super::retention::{Checkpoint, Retention};
use super::{ATTEMPT_MOST, FetchError, Repository, manifest_path, root};
use crate::meta::Identity;
use crate::objects::ObjectError;
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds between the two looks that must both find a file without a name.
const UNNAMED: i64 = 2 * ATTEMPT_MOST.as_millis() as i64;
/// Milliseconds that any file stays.
const YOUNG: i64 = 24 * 3_600_000;

/// What earlier looks at one partition have seen.
#[derive(Debug, Default)]
pub struct Sweep {
    /// Objects that no manifest named, with the time of the first look that found them so.
    unnamed: BTreeMap<String, i64>,
    /// Files named by a manifest. Manifests do not change; but one that was removed may come again under its name, from another
    /// attempt and with other files, so the time at which it was put belongs to it.
    named: BTreeMap<(Checkpoint, i64), Vec<String>>,
}

/// What a look removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    pub checkpoints: usize,
    pub files: usize,
    /// Checkpoints set aside because their manifests are broken.
    pub broken: usize,
}

impl Repository {
    /// Removes checkpoints that `retention` does not keep, and files that nobody names. `now` is in milliseconds since 1970 and
    /// need not be exact: a clock that is wrong by less than an hour harms nothing. `attempt` as in [`super::Attempt`].
    pub fn sweep(
        &self,
        identity: &Identity,
        retention: &Retention,
        (now, attempt): (i64, &str),
        sweep: &mut Sweep,
    ) -> Result<Swept, ObjectError> {
        let mut swept = Swept::default();
        // Files first: one that is uploaded between the two listings is not looked at, and not missed by its manifest.
        let files = self.objects.list(&format!("{}/files", root(identity)))?;
        let mut listed = self.listed(identity)?;
        let all: Vec<Checkpoint> = listed.iter().map(|(checkpoint, _)| *checkpoint).collect();
        let kept = retention.kept(&all);
        for checkpoint in all {
            if !kept.contains(&checkpoint) {
                self.objects.delete(&manifest_path(identity, checkpoint))?;
                swept.checkpoints += 1;
            }
        }
        listed.retain(|(checkpoint, _)| kept.contains(checkpoint));
        let Some(named) = self.named(identity, &listed, attempt, (sweep, &mut swept))? else {
            return Ok(swept);
        };
        let root = root(identity);
        let mut unnamed = BTreeMap::new();
        for file in files {
            let object = file.path.strip_prefix(&root).unwrap_or_default();
            let age = now.saturating_sub(file.modified);
            // What is too young to be remembered is looked at again before it may go; there may be many such files.
            if age < YOUNG - UNNAMED {
                continue;
            }
            if named.contains(object.trim_start_matches('/'))
                && !super::seeded!(self, SweepNamedFiles)
            {
                continue;
            }
            let since = sweep.unnamed.get(&file.path).copied().unwrap_or(now);
            if now.saturating_sub(since) >= UNNAMED && age >= YOUNG {
                self.objects.delete(&file.path)?;
                swept.files += 1;
            } else {
                unnamed.insert(file.path, since);
            }
        }
        sweep.unnamed = unnamed;
        Ok(swept)
    }

    /// None: there is a manifest of a newer release, and nobody here knows what it names. One that is broken names nothing; it
    /// is set aside.
    fn named(
        &self,
        identity: &Identity,
        kept: &[(Checkpoint, i64)],
        attempt: &str,
        (sweep, swept): (&mut Sweep, &mut Swept),
    ) -> Result<Option<BTreeSet<String>>, ObjectError> {
        sweep.named.retain(|put, _| kept.contains(put));
        for &put in kept {
            let (checkpoint, _) = put;
            if sweep.named.contains_key(&put) {
                continue;
            }
            match self.manifest(identity, checkpoint) {
                Ok(Manifest { files, .. }) => {
                    let objects = files.into_iter().map(|file| file.object).collect();
                    sweep.named.insert(put, objects);
                }
                Err(FetchError::Objects(error)) => return Err(error),
                Err(FetchError::Gone { .. }) => {}
                Err(FetchError::Broken { boundary, detail }) => {
                    tracing::error!(
                        partition = identity.partition,
                        boundary,
                        detail,
                        runbook = "docs/runbooks.md#corrupt-checkpoint",
                        "a checkpoint is broken; it is set aside"
                    );
                    self.quarantine(identity, checkpoint, attempt)?;
                    swept.broken += 1;
                }
                Err(problem) => {
                    tracing::warn!(partition = identity.partition, %problem, "no file is removed while there is a manifest of a newer release");
                    return Ok(None);
                }
            }
        }
        Ok(Some(sweep.named.values().flatten().cloned().collect()))
    }
}
