//! Removing what no checkpoint needs.
//!
//! Invariant: see the head of the module above. The proof that a file may go: for at least `UNNAMED` no manifest has named it. A
//! writer names files that it uploaded in this attempt, or that a manifest named when the attempt began, and an attempt lasts at
//! most half as long; so whoever could still name it has done so before the second look, or never will.

use super::manifest::Manifest;
use super::retention::{Checkpoint, Dated, Retention};
use super::{ATTEMPT_MOST, FetchError, Repository, manifest_path, parse_aside, root};
use crate::meta::Identity;
use crate::objects::ObjectError;
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds between the two looks that must both find a file without a name.
const UNNAMED: i64 = 2 * ATTEMPT_MOST.as_millis() as i64;
/// Milliseconds that any file stays.
const YOUNG: i64 = 24 * 3_600_000;

/// Milliseconds after which a file that nobody names is gone, unless the owner of its partition was restarted meanwhile: it is never
/// looked at more often than it takes to see it twice.
pub const UNNAMED_FILES_GO: i64 = YOUNG + UNNAMED;

/// What earlier looks at one partition have seen.
#[derive(Debug, Default)]
pub struct Sweep {
    /// Objects that no manifest named, with the time of the first look that found them so.
    unnamed: BTreeMap<String, i64>,
    /// What manifests say. They do not change; but one that was removed may come again under its name, from another attempt and with
    /// other files, so the time at which it was put belongs to it.
    known: BTreeMap<(Checkpoint, i64), Known>,
}

#[derive(Debug)]
struct Known {
    /// Files that it names.
    files: Vec<String>,
    erased_at: Option<i64>,
}

/// What a look removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    pub checkpoints: usize,
    pub files: usize,
    /// Checkpoints removed because they may hold what was erased, among them those set aside.
    pub expired: usize,
    /// Checkpoints set aside because their manifests are broken.
    pub broken: usize,
}

impl Repository {
    /// Removes checkpoints that `retention` does not keep, or that hold what was erased long enough ago, and files that nobody names. `now` is in milliseconds since 1970 and
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
        let complete = self.learn(identity, &listed, attempt, (sweep, &mut swept))?;
        self.expire(identity, retention, now, &listed, (sweep, &mut swept))?;
        if !complete {
            return Ok(swept);
        }
        let named: BTreeSet<String> = sweep
            .known
            .values()
            .flat_map(|known| &known.files)
            .cloned()
            .collect();
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

    /// Reads the manifests that are not known yet. False: there is one of a newer release, and nobody here knows what it names. One
    /// that is broken names nothing; it is set aside.
    fn learn(
        &self,
        identity: &Identity,
        kept: &[(Checkpoint, i64)],
        attempt: &str,
        (sweep, swept): (&mut Sweep, &mut Swept),
    ) -> Result<bool, ObjectError> {
        let mut complete = true;
        sweep.known.retain(|put, _| kept.contains(put));
        for &put in kept {
            let (checkpoint, _) = put;
            if sweep.known.contains_key(&put) {
                continue;
            }
            match self.manifest(identity, checkpoint) {
                Ok(Manifest { files, about, .. }) => {
                    let known = Known {
                        files: files.into_iter().map(|file| file.object).collect(),
                        erased_at: about.erased_at,
                    };
                    sweep.known.insert(put, known);
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
                    complete = false;
                }
            }
        }
        Ok(complete)
    }

    /// Removes what may hold something that was erased long enough ago, also what was set aside.
    fn expire(
        &self,
        identity: &Identity,
        retention: &Retention,
        now: i64,
        kept: &[(Checkpoint, i64)],
        (sweep, swept): (&mut Sweep, &mut Swept),
    ) -> Result<(), ObjectError> {
        let dated = |(put, known): (&(Checkpoint, i64), &Known)| Dated {
            checkpoint: put.0,
            put: put.1,
            erased_at: known.erased_at,
        };
        let dated: Vec<Dated> = sweep.known.iter().map(dated).collect();
        let is_over = |checkpoint| {
            retention
                .expires(checkpoint, &dated)
                .is_some_and(|at| at <= now)
        };
        for put in kept.iter().filter(|(checkpoint, _)| is_over(*checkpoint)) {
            self.objects.delete(&manifest_path(identity, put.0))?;
            sweep.known.remove(put);
            swept.expired += 1;
        }
        let aside = format!("{}/quarantine", root(identity));
        for object in self.objects.list(&aside)? {
            let checkpoint = object.path.strip_prefix(&aside).and_then(parse_aside);
            if checkpoint.is_some_and(is_over) {
                self.objects.delete(&object.path)?;
                swept.expired += 1;
            }
        }
        Ok(())
    }
}
