//! Looks for what should be gone: the context of an erased user, or bytes that somebody planted, in every file and object.
//!
//! Invariant: nothing is taken for searched that was not read. Files are searched as the bytes they are, tables of a store besides as
//! what they hold, because they are compressed and share beginnings of keys; what cannot be read is in the report. Nothing is written
//! but to a scratch directory.

use std::io;
use std::path::{Path, PathBuf};

use gavel_judge::PartitionState;
use gavel_state::{
    Backend, Error as StateError, ObjectAddressError, ObjectError, ObjectOptions, ObjectStore,
    Repository, Retention, Shared, Store, is_table, visit_table,
};
use serde::Serialize;
use std::sync::Arc;

use crate::config::Config;
use crate::shell::{Held, partition_dir};

/// What is searched for.
#[derive(Debug, Clone, Default)]
pub struct Sought {
    pub community: String,
    pub user: String,
    /// Further bytes.
    pub canaries: Vec<String>,
}

/// Something that was found, or could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, or the object in the repository.
    pub place: String,
    pub kind: Kind,
    /// What is there: `context`, `user`, `canary 1`, …, or `unreadable: …`.
    pub found: String,
    /// When it goes by itself, in milliseconds since 1970; None: it should not be there, or nobody knows of an erasure.
    pub until: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// In the store of a partition.
    Store,
    /// In a directory that was set aside, or is on its way.
    Aside,
    /// Another file of the data directory.
    File,
    /// In the repository of checkpoints.
    Checkpoint,
}

/// What was looked at.
#[derive(Debug, Default, Serialize)]
pub struct Proof {
    pub files: u64,
    pub objects: u64,
    pub bytes: u64,
    pub findings: Vec<Finding>,
}

/// Why the search ended early.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error("{}: cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Address(#[from] ObjectAddressError),
    #[error("checkpoints: {0}")]
    Objects(#[from] ObjectError),
}

impl ProofError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            ProofError::Read { .. } => {
                "check --data-dir and its permissions; files that come and go belong to a running processor: stop it first".into()
            }
            ProofError::Address(_) | ProofError::Objects(_) => {
                "set --checkpoints to the directory or s3://BUCKET/PREFIX of checkpoints.store, or to `none`".into()
            }
        }
    }
}

/// Searches the data directory and the checkpoints of this configuration.
pub fn search(config: &Config, sought: &Sought) -> Result<Proof, ProofError> {
    let scratch = tempdir()?;
    let mut search = Search {
        needles: needles(sought),
        key: format!("{}/{}", sought.community, sought.user).into_bytes(),
        scratch: scratch.0.join("table"),
        within: config.checkpoints.erase_within_ms.cast_signed(),
        proof: Proof::default(),
    };
    let address = config.checkpoint_address();
    let objects_at = address.as_deref().map(PathBuf::from);
    search.directory(&config.run.data_dir, objects_at.as_deref())?;
    if let Some(address) = address {
        let store = ObjectStore::open(&address, &ObjectOptions::default())?;
        search.repository(&Repository::new(Arc::new(store)), config)?;
    }
    Ok(search.proof)
}

/// Bytes with what they are called.
fn needles(sought: &Sought) -> Vec<(String, Vec<u8>)> {
    let mut needles = vec![(
        "user".to_owned(),
        format!("{}/{}", sought.community, sought.user).into_bytes(),
    )];
    for (number, canary) in (1..).zip(&sought.canaries) {
        needles.push((format!("canary {number}"), canary.clone().into_bytes()));
    }
    needles
}

struct Search {
    needles: Vec<(String, Vec<u8>)>,
    key: Vec<u8>,
    scratch: PathBuf,
    within: i64,
    proof: Proof,
}

impl Search {
    fn directory(&mut self, data_dir: &Path, objects: Option<&Path>) -> Result<(), ProofError> {
        for path in entries(data_dir)? {
            if Some(path.as_path()) == objects {
                // Searched as a repository.
                continue;
            }
            let held = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(Held::parse);
            let (kind, until) = match held {
                Some(held) if path == partition_dir(data_dir, held.partition) => {
                    (Kind::Store, self.store_until(&path, &held))
                }
                Some(held) => {
                    let since = held.since(&path);
                    (Kind::Aside, since.map(|at| at.saturating_add(self.within)))
                }
                None => (Kind::File, None),
            };
            self.files(&path, kind, until)?;
        }
        Ok(())
    }

    /// A store that has seen an erasure and was not purged of it yet is purged by its owner, or goes for lack of one.
    fn store_until(&self, dir: &Path, held: &Held) -> Option<i64> {
        let store = Store::open_read_only(dir, &Shared::for_a_look()).ok()?;
        let meta = store.meta().ok()??;
        let erased_at = PartitionState::from_bytes(&meta.state).ok()?.erased_at()?;
        let purged = store.purged().ok()?;
        let is_clean = purged.is_some_and(|purged| purged.covers(erased_at, meta.boundary));
        if is_clean {
            return None;
        }
        Some(held.since(dir)?.saturating_add(self.within))
    }

    fn files(&mut self, path: &Path, kind: Kind, until: Option<i64>) -> Result<(), ProofError> {
        if path.is_dir() {
            for entry in entries(path)? {
                self.files(&entry, kind, until)?;
            }
            return Ok(());
        }
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            // A running processor has removed it since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => {
                return Err(ProofError::Read {
                    path: path.into(),
                    source,
                });
            }
        };
        self.proof.files += 1;
        self.bytes(&bytes, &path.display().to_string(), kind, until);
        Ok(())
    }

    fn repository(&mut self, repository: &Repository, config: &Config) -> Result<(), ProofError> {
        let retention = Retention {
            newest: config.checkpoints.keep,
            anchor_every: config.checkpoints.anchor_every_ms.cast_signed(),
            anchor_keep: config.checkpoints.anchor_keep_ms.cast_signed(),
            erase_within: self.within,
        };
        for object in repository.survey(&retention)? {
            if let Some(bytes) = repository.bytes(&object.path)? {
                self.proof.objects += 1;
                self.bytes(&bytes, &object.path, Kind::Checkpoint, object.until);
            }
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8], place: &str, kind: Kind, until: Option<i64>) {
        self.proof.bytes += bytes.len() as u64;
        let mut found: Vec<String> = self
            .needles
            .iter()
            .filter(|(_, needle)| contains(bytes, needle))
            .map(|(name, _)| name.clone())
            .collect();
        if is_table(bytes) {
            let (needles, key) = (&self.needles, &self.key);
            let visited = visit_table(bytes, &self.scratch, &mut |stored, value| {
                if is_of(stored, key) {
                    found.push("context".into());
                }
                for (name, needle) in needles.iter().skip(1) {
                    if contains(stored, needle) || contains(value, needle) {
                        found.push(name.clone());
                    }
                }
            });
            if let Err(error) = visited {
                found.push(unreadable(&error));
            }
        }
        found.sort_unstable();
        found.dedup();
        let findings = found.into_iter().map(|found| Finding {
            place: place.to_owned(),
            kind,
            found,
            until,
        });
        self.proof.findings.extend(findings);
    }
}

fn unreadable(error: &StateError) -> String {
    format!("unreadable: {error}")
}

/// Whether a stored key is this user's, by the policy in force or by a candidate, whose number stands before it.
fn is_of(stored: &[u8], key: &[u8]) -> bool {
    stored == key || (stored.first() == Some(&0xff) && stored.get(9..) == Some(key))
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else {
        return false;
    };
    let mut bytes = bytes;
    while let Some(at) = bytes.iter().position(|byte| byte == first) {
        bytes = &bytes[at + 1..];
        if bytes.starts_with(rest) {
            return true;
        }
    }
    false
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, ProofError> {
    let failed = |source| ProofError::Read {
        path: dir.into(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Removed when dropped: what was found is not left behind by those who look for it.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _tried = std::fs::remove_dir_all(&self.0);
    }
}

fn tempdir() -> Result<Scratch, ProofError> {
    let path = std::env::temp_dir().join(format!(
        "gavel-erase-proof-{}-{}",
        std::process::id(),
        crate::clock::wall_ms()
    ));
    std::fs::create_dir_all(&path).map_err(|source| ProofError::Read {
        path: path.clone(),
        source,
    })?;
    Ok(Scratch(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        for (bytes, needle, there) in [
            ("aab", "ab", true),
            ("xaaab", "aab", true),
            ("ab", "abc", false),
            ("", "a", false),
            ("a", "", false),
        ] {
            assert_eq!(
                contains(bytes.as_bytes(), needle.as_bytes()),
                there,
                "{bytes}"
            );
        }
    }

    #[test]
    fn a_candidates_context_is_the_users_too() {
        let shadow = [&[0xff][..], &7_i64.to_be_bytes(), b"c/ada"].concat();
        assert!(is_of(b"c/ada", b"c/ada") && is_of(&shadow, b"c/ada"));
        assert!(!is_of(b"c/ada2", b"c/ada") && !is_of(b"cc/ada", b"c/ada"));
    }
}
