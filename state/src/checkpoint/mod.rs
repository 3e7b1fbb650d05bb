//! Checkpoints of partitions in an object store.
//!
//! Invariants: a checkpoint is complete before it can be seen, because its manifest is put last; it is named by its boundary and
//! the fold's clock there, which are a function of the log, so two owners that race put the same name and neither can harm the
//! other; a file is removed only when no manifest names it, none has for longer than any writer may take, and it is a day old.
//! What is fetched is used only if every byte has the SHA-256 that the manifest gives.
//!
//! Paths, below `<log id>/<partition>/`:
//!
//! ```text
//! manifests/<boundary, 20 digits>-<clock>.json
//! files/<SHA-256>.<attempt>
//! quarantine/<name of a manifest>.<attempt>
//! ```
//!
//! A file's path carries the attempt that uploaded it. Were it the SHA-256 alone, a file that nobody names any more could be named
//! again at the moment in which somebody who thinks so removes it.

mod manifest;
mod retention;
mod snapshot;
mod survey;
mod sweep;

pub use manifest::{About, File, Manifest};
pub use retention::{Checkpoint, Dated, Retention};
pub use snapshot::Snapshot;
pub use survey::Surveyed;
pub use sweep::{Sweep, Swept};

use crate::error::Error;
use crate::meta::Identity;
use crate::objects::{ObjectError, Objects};
use manifest::{Unfit, sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A writer that took longer gives up: files that it counts on may have been removed meanwhile.
pub const ATTEMPT_MOST: Duration = Duration::from_secs(30 * 60);

/// What became of an attempt to save a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It is there now. `files` and `bytes` had to be uploaded; the others were there.
    Created { files: usize, bytes: u64 },
    /// There was one of this boundary.
    Existed,
}

/// Why a checkpoint was not saved. The ones before it are untouched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SaveError {
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] Error),
    /// Told so by `pace`.
    #[error("the upload took too long, or was told to stop; the next checkpoint begins anew")]
    GivenUp,
}

/// Why a checkpoint was not fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// Set it aside and use the one before.
    #[error("checkpoint of offset {boundary} is broken: {detail}")]
    Broken { boundary: i64, detail: String },
    /// Somebody has removed it since it was listed: use the one before.
    #[error("checkpoint of offset {boundary} has been removed")]
    Gone { boundary: i64 },
    /// Leave it where it is and use the one before.
    #[error("checkpoint of offset {boundary} has format {found}, which this binary does not read")]
    Newer { boundary: i64, found: u32 },
    #[error(transparent)]
    Objects(ObjectError),
    /// What it was fetched for could not take it.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Takes the files of a checkpoint, one after the other.
pub type Take<'a> = &'a mut dyn FnMut(&File, Vec<u8>) -> Result<(), Error>;

/// The checkpoints of all partitions of all logs in one store. Cheap to clone.
#[derive(Clone)]
pub struct Repository {
    objects: Arc<dyn Objects>,
    #[cfg(feature = "seeded-bugs")]
    bug: Option<RepositoryBug>,
}

/// Defects that tests seed on purpose, to see that the checks catch them.
#[cfg(feature = "seeded-bugs")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryBug {
    /// Let a checkpoint be seen before it is complete.
    ManifestFirst,
    /// Use what was fetched without looking at its SHA-256.
    SkipVerification,
    /// Take a file of the same name for the same file.
    ShareFilesByName,
    /// Remove old files that manifests still name.
    SweepNamedFiles,
    /// Take the offset of a checkpoint from elsewhere than from its files.
    OffsetBesideTheFiles,
}

/// Whether tests have seeded this defect. Always false, and compiled away, in what is released.
macro_rules! seeded {
    ($repository:expr, $bug:ident) => {{
        #[cfg(feature = "seeded-bugs")]
        let seeded = $repository.bug == Some($crate::checkpoint::RepositoryBug::$bug);
        #[cfg(not(feature = "seeded-bugs"))]
        let seeded = false;
        seeded
    }};
}
use seeded;

/// One attempt to save.
pub struct Attempt<'a> {
    /// A name that no other attempt has, of letters and digits.
    pub name: &'a str,
    pub about: About,
    /// Milliseconds between audit anchors, as in [`Retention`]: the first checkpoint of each stretch shares no file with those before
    /// it, so that what rots in one stretch does not reach the next.
    pub anchor_every: i64,
    /// Called at the beginning, and before and after each upload with the bytes it has; waits as long as the rate limit asks. False: give up.
    pub pace: &'a mut dyn FnMut(u64) -> bool,
}

impl Repository {
    pub fn new(objects: Arc<dyn Objects>) -> Repository {
        Repository {
            objects,
            #[cfg(feature = "seeded-bugs")]
            bug: None,
        }
    }

    #[cfg(feature = "seeded-bugs")]
    #[must_use]
    pub fn with_bug(mut self, bug: Option<RepositoryBug>) -> Repository {
        self.bug = bug;
        self
    }

    /// Every checkpoint of a partition, newest first.
    pub fn list(&self, identity: &Identity) -> Result<Vec<Checkpoint>, ObjectError> {
        let listed = self.listed(identity)?;
        Ok(listed
            .into_iter()
            .map(|(checkpoint, _)| checkpoint)
            .collect())
    }

    /// With the time at which each manifest was put.
    fn listed(&self, identity: &Identity) -> Result<Vec<(Checkpoint, i64)>, ObjectError> {
        let prefix = format!("{}/manifests", root(identity));
        let listed = self.objects.list(&prefix)?;
        let mut found: Vec<(Checkpoint, i64)> = listed
            .iter()
            .filter_map(|object| {
                Some((parse(object.path.strip_prefix(&prefix)?)?, object.modified))
            })
            .collect();
        found.sort_unstable();
        found.reverse();
        Ok(found)
    }

    /// The manifest of a listed checkpoint.
    pub fn manifest(&self, identity: &Identity, of: Checkpoint) -> Result<Manifest, FetchError> {
        let broken = |detail| FetchError::Broken {
            boundary: of.boundary,
            detail,
        };
        let bytes = match self.objects.get(&manifest_path(identity, of)) {
            Err(ObjectError::Missing { .. }) => {
                return Err(FetchError::Gone {
                    boundary: of.boundary,
                });
            }
            other => other.map_err(FetchError::Objects)?,
        };
        let manifest = Manifest::decode(&bytes, identity).map_err(|unfit| match unfit {
            Unfit::Broken(detail) => broken(detail),
            Unfit::Newer(found) => FetchError::Newer {
                boundary: of.boundary,
                found,
            },
        })?;
        if (manifest.boundary, manifest.about.clock) != (of.boundary, of.clock) {
            return Err(broken(format!(
                "it was taken at offset {}",
                manifest.boundary
            )));
        }
        Ok(manifest)
    }

    /// Uploads what the newest checkpoint does not have, then the manifest.
    pub fn save(&self, snapshot: &dyn Snapshot, attempt: Attempt<'_>) -> Result<Saved, SaveError> {
        let meta = snapshot.meta();
        let identity = &meta.identity;
        let ahead = i64::from(seeded!(self, OffsetBesideTheFiles));
        let this = Checkpoint {
            boundary: meta.boundary + ahead,
            clock: attempt.about.clock,
        };
        if !(attempt.pace)(0) {
            return Err(SaveError::GivenUp);
        }
        let listed = self.list(identity)?;
        if listed.contains(&this) {
            return Ok(Saved::Existed);
        }
        let stretch = |clock: i64| clock.div_euclid(attempt.anchor_every.max(1));
        let anchor = listed
            .first()
            .is_none_or(|newest| stretch(newest.clock) != stretch(this.clock));
        let present = if anchor {
            BTreeMap::new()
        } else {
            self.present(identity, &listed)?
        };
        #[cfg(feature = "seeded-bugs")]
        if self.bug == Some(RepositoryBug::ManifestFirst) {
            self.put_manifest_first(snapshot, &attempt, this)?;
        }
        let (mut files, mut uploaded, mut bytes) = (Vec::new(), 0, 0);
        for name in snapshot.files()? {
            let content = snapshot.read(&name)?;
            let (size, sum) = (content.len() as u64, sha256(&content));
            let shared = if seeded!(self, ShareFilesByName) {
                present.values().find(|file| file.name == name)
            } else {
                present.get(&sum)
            };
            let object = match shared {
                Some(file) if file.size == size => file.object.clone(),
                _ => {
                    if !(attempt.pace)(size) {
                        return Err(SaveError::GivenUp);
                    }
                    let object = format!("files/{sum}.{}", attempt.name);
                    // Twice the same bytes in one snapshot is the same object.
                    self.objects
                        .put_if_absent(&format!("{}/{object}", root(identity)), content)?;
                    uploaded += 1;
                    bytes += size;
                    object
                }
            };
            files.push(File {
                name,
                size,
                sha256: sum,
                object,
            });
        }
        if !(attempt.pace)(0) {
            return Err(SaveError::GivenUp);
        }
        let mut manifest = Manifest::new(meta, attempt.about, files);
        manifest.boundary = this.boundary;
        // Should somebody have put the same name meanwhile, theirs is as good, and our files are swept one day.
        self.objects
            .put_if_absent(&manifest_path(identity, this), manifest.encode())?;
        if !(attempt.pace)(0) {
            // Too late to be sure of the files it shares: nobody shall rely on it.
            self.objects.delete(&manifest_path(identity, this))?;
            return Err(SaveError::GivenUp);
        }
        Ok(Saved::Created {
            files: uploaded,
            bytes,
        })
    }

    #[cfg(feature = "seeded-bugs")]
    fn put_manifest_first(
        &self,
        snapshot: &dyn Snapshot,
        attempt: &Attempt<'_>,
        this: Checkpoint,
    ) -> Result<(), SaveError> {
        let mut files = Vec::new();
        for name in snapshot.files()? {
            let content = snapshot.read(&name)?;
            let sum = sha256(&content);
            files.push(File {
                name,
                size: content.len() as u64,
                object: format!("files/{sum}.{}", attempt.name),
                sha256: sum,
            });
        }
        let meta = snapshot.meta();
        let manifest = Manifest::new(meta, attempt.about.clone(), files);
        self.objects
            .put_if_absent(&manifest_path(&meta.identity, this), manifest.encode())?;
        Ok(())
    }

    /// Files of the newest readable checkpoint by SHA-256. One of them is read again each time: what rots is found while its
    /// owner still has the bytes, not when they are needed.
    fn present(
        &self,
        identity: &Identity,
        listed: &[Checkpoint],
    ) -> Result<BTreeMap<String, File>, SaveError> {
        for &checkpoint in listed {
            let manifest = match self.manifest(identity, checkpoint) {
                Ok(manifest) => manifest,
                Err(FetchError::Objects(error)) => return Err(error.into()),
                Err(_) => continue,
            };
            let mut files: BTreeMap<String, File> = manifest
                .files
                .into_iter()
                .map(|file| (file.sha256.clone(), file))
                .collect();
            let turn = usize::try_from(listed.len() as u64 ^ checkpoint.boundary.unsigned_abs())
                .unwrap_or_default();
            if let Some(file) = files.values().nth(turn % files.len().max(1)).cloned()
                && !self.intact(identity, &file)?
            {
                tracing::error!(
                    partition = identity.partition,
                    boundary = checkpoint.boundary,
                    object = file.object,
                    "a file of the newest checkpoint is broken in the object store; uploading it anew for the next one"
                );
                files.remove(&file.sha256);
            }
            return Ok(files);
        }
        Ok(BTreeMap::new())
    }

    fn intact(&self, identity: &Identity, file: &File) -> Result<bool, ObjectError> {
        match self.objects.get(&object_path(identity, file)) {
            Ok(bytes) => Ok(bytes.len() as u64 == file.size && sha256(&bytes) == file.sha256),
            Err(ObjectError::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Hands out every file of a checkpoint, each verified. After an error what was handed out is worth nothing.
    pub fn fetch(
        &self,
        identity: &Identity,
        manifest: &Manifest,
        take: Take<'_>,
    ) -> Result<(), FetchError> {
        for file in &manifest.files {
            let broken = |detail: &str| FetchError::Broken {
                boundary: manifest.boundary,
                detail: format!("{} ({}) {detail}", file.name, file.object),
            };
            let bytes = match self.objects.get(&object_path(identity, file)) {
                Err(ObjectError::Missing { .. }) => return Err(broken("is gone")),
                other => other.map_err(FetchError::Objects)?,
            };
            if bytes.len() as u64 != file.size && !seeded!(self, SkipVerification) {
                return Err(broken("has another length"));
            }
            if sha256(&bytes) != file.sha256 && !seeded!(self, SkipVerification) {
                return Err(broken("does not have its SHA-256"));
            }
            take(file, bytes)?;
        }
        Ok(())
    }

    /// Takes a broken checkpoint out of the list and keeps its manifest for whoever looks into it.
    pub fn quarantine(
        &self,
        identity: &Identity,
        checkpoint: Checkpoint,
        attempt: &str,
    ) -> Result<(), ObjectError> {
        let path = manifest_path(identity, checkpoint);
        match self.objects.get(&path) {
            Ok(bytes) => {
                let aside = format!(
                    "{}/quarantine/{}.{attempt}",
                    root(identity),
                    name(checkpoint)
                );
                self.objects.put_if_absent(&aside, bytes)?;
            }
            Err(ObjectError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        self.objects.delete(&path)
    }
}

fn root(identity: &Identity) -> String {
    format!("{}/{}", identity.log_id, identity.partition)
}

fn name(checkpoint: Checkpoint) -> String {
    format!("{:020}-{}.json", checkpoint.boundary, checkpoint.clock)
}

fn parse(name: &str) -> Option<Checkpoint> {
    let (boundary, clock) = name
        .strip_prefix('/')?
        .strip_suffix(".json")?
        .split_once('-')?;
    Some(Checkpoint {
        boundary: boundary.parse().ok()?,
        clock: clock.parse().ok()?,
    })
}

/// Of a manifest that was set aside; behind its name stands the attempt that did so.
fn parse_aside(name: &str) -> Option<Checkpoint> {
    parse(name.rsplit_once('.')?.0)
}

fn manifest_path(identity: &Identity, checkpoint: Checkpoint) -> String {
    format!("{}/manifests/{}", root(identity), name(checkpoint))
}

fn object_path(identity: &Identity, file: &File) -> String {
    format!("{}/{}", root(identity), file.object)
}
