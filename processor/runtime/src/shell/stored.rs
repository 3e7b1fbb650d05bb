//! What a restore finds on this machine and in the repository of checkpoints.
//!
//! Invariant: nothing that might still be of use is deleted here: what is corrupt, or of a log that an operator has given up, is set
//! aside under a name that says so, and stays for as long as erased users may (`leftovers`). A local store is replaced by a checkpoint
//! only after that has been verified.

use super::world::{WorldParts, partition_dir};
use crate::clock::wall_ms;
use crate::lane::HaltReason;
use crate::restore::Interrupted;
use gavel_judge::ENGINE;
use gavel_state::{
    Backend, Checkpoint, FetchError, Identity, Incoming, Manifest, ObjectError, Purged, Repository,
    Store, condemn, is_condemned, tidy,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How often the progress of a download is logged.
const PROGRESS_SECS: u64 = 5;

/// The state of one partition, for one restore.
pub struct Stored<'a> {
    pub parts: &'a WorldParts,
    pub partition: i32,
    /// Whether somebody still waits for the answer.
    pub wanted: &'a dyn Fn() -> Result<(), Interrupted>,
}

impl Stored<'_> {
    fn dir(&self) -> PathBuf {
        partition_dir(&self.parts.config.run.data_dir, self.partition)
    }

    pub fn local(
        &self,
        identity: &Identity,
        former: &[String],
    ) -> Result<Option<Arc<dyn Backend>>, Interrupted> {
        let dir = self.dir();
        tidy(&dir)?;
        if !dir.exists() {
            return Ok(None);
        }
        match Store::open(&dir, identity, &self.parts.store) {
            Ok(store) => Ok(Some(Arc::new(store))),
            Err(gavel_state::Error::WrongIdentity { found, .. })
                if found.partition == identity.partition && former.contains(&found.log_id) =>
            {
                let aside = set_aside(&dir, "former-log")?;
                tracing::warn!(partition = self.partition, log = found.log_id, aside = %aside.display(), "an operator accepted the loss of this log's history; its state is set aside");
                Ok(None)
            }
            Err(gavel_state::Error::WrongIdentity { found, .. }) => {
                let (stored, opened) = (found.log_id, identity.log_id.clone());
                Err(Interrupted::Halt(HaltReason::OtherLog { stored, opened }))
            }
            Err(error) if error.is_corrupt() => {
                // It stays until what replaces it is there, so that a restore that begins anew still knows.
                condemn(&dir, &error);
                tracing::error!(partition = self.partition, %error, "the store is corrupt; the partition comes from a checkpoint, which is read from end to end first, or from the log");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Before something else takes its place.
    fn set_corrupt_aside(&self) -> Result<(), Interrupted> {
        let dir = self.dir();
        if is_condemned(&dir) {
            let aside = set_aside(&dir, "corrupt")?;
            self.parts.telemetry.corrupt("store");
            tracing::warn!(partition = self.partition, aside = %aside.display(), "the corrupt store is set aside");
        }
        Ok(())
    }

    pub fn empty(&self, identity: &Identity) -> Result<Arc<dyn Backend>, Interrupted> {
        self.set_corrupt_aside()?;
        Ok(Arc::new(Store::open(
            &self.dir(),
            identity,
            &self.parts.store,
        )?))
    }

    pub fn checkpoints(&self, identity: &Identity) -> Result<Vec<Checkpoint>, Interrupted> {
        match &self.parts.repository {
            Some(repository) => repository.list(identity).map_err(unreachable),
            None => Ok(Vec::new()),
        }
    }

    pub fn install(
        &self,
        identity: &Identity,
        checkpoint: Checkpoint,
    ) -> Result<Option<Arc<dyn Backend>>, Interrupted> {
        let Some(repository) = &self.parts.repository else {
            return Ok(None);
        };
        let started = Instant::now();
        let outcome = repository
            .manifest(identity, checkpoint)
            .map_err(Problem::from)
            .and_then(|manifest| {
                self.check_engine(&manifest)?;
                self.download(repository, identity, &manifest)
            });
        match outcome {
            Ok((store, bytes)) => {
                tracing::info!(
                    partition = self.partition,
                    boundary = checkpoint.boundary,
                    bytes,
                    ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                    "restored from a checkpoint"
                );
                Ok(Some(Arc::new(store)))
            }
            Err(Problem::Fetch(FetchError::Gone { .. })) => Ok(None),
            Err(Problem::Fetch(FetchError::Newer { boundary, found })) => {
                tracing::warn!(
                    partition = self.partition,
                    boundary,
                    format = found,
                    "a newer release wrote this checkpoint; using the one before"
                );
                Ok(None)
            }
            Err(Problem::Fetch(FetchError::Broken { boundary, detail })) => {
                self.set_checkpoint_aside(repository, identity, checkpoint, &detail)?;
                tracing::error!(
                    partition = self.partition,
                    boundary,
                    detail,
                    runbook = "docs/runbooks.md#corrupt-checkpoint",
                    "the checkpoint is broken; it is set aside, and the one before is used"
                );
                Ok(None)
            }
            Err(Problem::Fetch(FetchError::Objects(error))) => Err(unreachable(error)),
            Err(Problem::Fetch(FetchError::Store(error))) => Err(error.into()),
            Err(Problem::Interrupted(interrupted)) => Err(interrupted),
        }
    }

    fn check_engine(&self, manifest: &Manifest) -> Result<(), Problem> {
        let engine = manifest.about.engine;
        if engine == ENGINE {
            return Ok(());
        }
        Err(Interrupted::Halt(HaltReason::UnknownEngine { engine }).into())
    }

    fn download(
        &self,
        repository: &Repository,
        identity: &Identity,
        manifest: &Manifest,
    ) -> Result<(Store, u64), Problem> {
        let (total, started) = (manifest.size(), Instant::now());
        let (mut done, mut told) = (0, 0);
        let mut cancelled = None;
        let incoming = Incoming::begin(&self.dir())?;
        let fetched = repository.fetch(identity, manifest, &mut |file, bytes| {
            if let Err(interrupted) = (self.wanted)() {
                cancelled = Some(interrupted);
                return Err(given_up(&file.name));
            }
            incoming.write(&file.name, &bytes)?;
            done += bytes.len() as u64;
            self.parts
                .telemetry
                .restoring(self.partition, (total - done.min(total)).cast_signed());
            let seconds = started.elapsed().as_secs();
            if seconds >= told + PROGRESS_SECS {
                told = seconds;
                let eta_s = (total.saturating_sub(done)) * seconds / done.max(1);
                tracing::info!(
                    partition = self.partition,
                    boundary = manifest.boundary,
                    done,
                    total,
                    eta_s,
                    "downloading a checkpoint"
                );
            }
            Ok(())
        });
        if let Some(interrupted) = cancelled {
            return Err(interrupted.into());
        }
        fetched?;
        let checked = incoming.check(identity, manifest.boundary, &self.parts.store);
        let checked = checked.map_err(|error| match error {
            // Every byte is what the manifest says, and yet it is not what it claims to be.
            error if error.is_corrupt() => FetchError::Broken {
                boundary: manifest.boundary,
                detail: error.to_string(),
            },
            gavel_state::Error::Format { found, .. } => FetchError::Newer {
                boundary: manifest.boundary,
                found,
            },
            error => FetchError::Store(error),
        })?;
        self.set_corrupt_aside()?;
        let store = checked.install(identity, &self.parts.store)?;
        if manifest.about.erased_at.is_some() {
            // Its owner has purged it, so that whoever takes a partition over need not rewrite it again.
            store.mark_purged(Purged {
                boundary: manifest.boundary,
                clock: manifest.about.clock,
            })?;
        }
        Ok((store, total))
    }

    fn set_checkpoint_aside(
        &self,
        repository: &Repository,
        identity: &Identity,
        checkpoint: Checkpoint,
        detail: &str,
    ) -> Result<(), Interrupted> {
        self.parts.telemetry.corrupt("checkpoint");
        let attempt = super::checkpointer::attempt();
        repository
            .quarantine(identity, checkpoint, &attempt)
            .map_err(|error| Interrupted::Retry(format!("{detail}; setting it aside: {error}")))
    }
}

/// Why a checkpoint did not become a store.
enum Problem {
    Fetch(FetchError),
    Interrupted(Interrupted),
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Problem {
        Problem::Fetch(error)
    }
}

impl From<gavel_state::Error> for Problem {
    fn from(error: gavel_state::Error) -> Problem {
        Problem::Fetch(error.into())
    }
}

impl From<Interrupted> for Problem {
    fn from(interrupted: Interrupted) -> Problem {
        Problem::Interrupted(interrupted)
    }
}

fn unreachable(error: ObjectError) -> Interrupted {
    Interrupted::Retry(error.to_string())
}

fn given_up(name: &str) -> gavel_state::Error {
    gavel_state::Error::Io {
        operation: "download",
        path: name.into(),
        detail: "nobody waits for it any more".into(),
    }
}

/// Moves a store aside; nothing is deleted.
fn set_aside(dir: &Path, why: &str) -> Result<PathBuf, Interrupted> {
    let aside = dir.with_extension(format!("{why}-{}", wall_ms()));
    std::fs::rename(dir, &aside)
        .map_err(|error| Interrupted::Retry(format!("set {} aside: {error}", dir.display())))?;
    Ok(aside)
}
