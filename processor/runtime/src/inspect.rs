//! Looks into the partition stores of a data directory, for reading only.
//!
//! Invariant: nothing is written, not even a log file of the store, so that it can be run beside a stopped processor as
//! often as anybody likes without changing what will be restored.

use std::io;
use std::path::{Path, PathBuf};

use gavel_judge::{PartitionState, context_expired, describe_context};
use gavel_state::{Backend, Error as StateError, Meta, Shared, Store};
use serde::Serialize;

use crate::hex::hex;
use crate::replay::state_digest;
use crate::shell::partition_dir;

/// Why a store was not shown.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("{}: cannot be read: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("{} holds no partition", path.display())]
    Empty { path: PathBuf },
    #[error(transparent)]
    Store(#[from] StateError),
    #[error("partition {partition}: the stored state cannot be read: {detail}")]
    State { partition: i32, detail: String },
}

impl InspectError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            InspectError::Directory { .. } | InspectError::Empty { .. } => {
                "check --data-dir; a processor makes one store per partition that it has judged"
                    .into()
            }
            InspectError::Store(error) if error.is_locked() => {
                "stop the processor first, or copy the directory".into()
            }
            InspectError::Store(_) | InspectError::State { .. } => {
                "what is stored is a cache of the log: set it aside, and the processor rebuilds it"
                    .into()
            }
        }
    }
}

/// What one partition remembers.
#[derive(Debug, Serialize)]
pub struct Partition {
    pub partition: i32,
    /// Empty before the first commit.
    pub log_id: String,
    /// S: offset of the last record that the state holds; -1 before any.
    pub boundary: i64,
    /// Offset after the newest acknowledged verdict known at S; 0 if none.
    pub verdict_end: i64,
    /// The partition's clock at S in milliseconds since 1970.
    pub clock: i64,
    /// Users with a live context.
    pub contexts: u64,
    /// Users whose context has expired and is not dropped yet; the fold treats it as absent.
    pub expired: u64,
    /// The fold's own state: clock, pending jump, activations by scope.
    pub state: serde_json::Value,
    /// With `digest`: equal for equal state, wherever it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What is remembered of one user.
#[derive(Debug, Serialize)]
pub struct User {
    pub partition: i32,
    /// `community/user`.
    pub user: String,
    /// Whether the fold would treat it as absent.
    pub expired: bool,
    pub context: serde_json::Value,
}

/// The data directory of a processor that is not running.
pub struct DataDir {
    path: PathBuf,
    shared: Shared,
}

/// Memory for looking; small, because every block is read once.
const CACHE_BYTES: usize = 8 << 20;

impl DataDir {
    pub fn new(path: &Path) -> DataDir {
        DataDir {
            path: path.to_owned(),
            shared: Shared::new(CACHE_BYTES, CACHE_BYTES),
        }
    }

    /// The partitions that have a store, in order.
    pub fn partitions(&self) -> Result<Vec<i32>, InspectError> {
        let failed = |source| InspectError::Directory {
            path: self.path.clone(),
            source,
        };
        let mut partitions = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.rsplit('-').next()?.parse().ok());
            // The name says what it is only if it is the one that the processor gives.
            partitions.extend(
                number.filter(|n| {
                    partition_dir(&self.path, *n).file_name() == Some(name.as_os_str())
                }),
            );
        }
        partitions.sort_unstable();
        if partitions.is_empty() {
            Err(InspectError::Empty {
                path: self.path.clone(),
            })
        } else {
            Ok(partitions)
        }
    }

    /// What a partition remembers; reads all of it.
    pub fn partition(&self, partition: i32, digest: bool) -> Result<Partition, InspectError> {
        let store = self.open(partition)?;
        let meta = store.meta()?;
        let state = state(meta.as_ref(), partition)?;
        let clock = state.clock();
        let (mut contexts, mut expired) = (0, 0);
        store.scan(&mut |_, context| {
            let count = if context_expired(context, clock) {
                &mut expired
            } else {
                &mut contexts
            };
            *count += 1;
        })?;
        let digest = if digest {
            Some(hex(&state_digest(&store, &state)?))
        } else {
            None
        };
        let raw = meta.as_ref().map_or(b"null".as_slice(), |meta| &meta.state);
        let unreadable = |error: serde_json::Error| InspectError::State {
            partition,
            detail: error.to_string(),
        };
        Ok(Partition {
            partition,
            boundary: meta.as_ref().map_or(-1, |meta| meta.boundary),
            verdict_end: meta.as_ref().map_or(0, |meta| meta.verdict_end),
            clock,
            contexts,
            expired,
            state: serde_json::from_slice(raw).map_err(unreadable)?,
            digest,
            log_id: meta.map(|meta| meta.identity.log_id).unwrap_or_default(),
        })
    }

    /// What a partition remembers of a user (`community/user`), if anything.
    pub fn user(&self, partition: i32, user: &str) -> Result<Option<User>, InspectError> {
        let store = self.open(partition)?;
        let mut context = Vec::new();
        if !store.get(user.as_bytes(), &mut context)? {
            return Ok(None);
        }
        let state = state(store.meta()?.as_ref(), partition)?;
        let described = serde_json::to_value(describe_context(&context)).map_err(|error| {
            InspectError::State {
                partition,
                detail: error.to_string(),
            }
        })?;
        let expired = context_expired(&context, state.clock());
        Ok(Some(User {
            partition,
            user: user.to_owned(),
            expired,
            context: described,
        }))
    }

    fn open(&self, partition: i32) -> Result<Store, InspectError> {
        Ok(Store::open_read_only(
            &partition_dir(&self.path, partition),
            &self.shared,
        )?)
    }
}

/// The fold's state, which before the first commit is that before the first record.
fn state(meta: Option<&Meta>, partition: i32) -> Result<PartitionState, InspectError> {
    let Some(meta) = meta else {
        return Ok(PartitionState::default());
    };
    PartitionState::from_bytes(&meta.state).map_err(|error| InspectError::State {
        partition,
        detail: error.to_string(),
    })
}
