//! Judging a log once more.
//!
//! Invariant: there is no second judge. What folds here is the fold that runs in the lanes, over the same records, with the
//! orders as they were recorded; so a verdict that differs was not derived from this log.

mod beginning;
mod chain;
mod dead_letters;
mod explain;
mod file;
mod find;
mod for_user;
mod opened;
mod pairing;
mod recorded;
mod report;
mod run;
mod scratch;
mod statement;
mod straight;
mod timeline;
mod verify;
mod what_if;

pub use beginning::{Began, Bound, Damaged, Stretch};
pub use explain::{ExplainedRecord, Overturned, PastMute, PastStrike, explain};
pub use file::FileJudge;
pub use find::{Part, Place, Plan, find, plan};
pub use for_user::{UserFold, Walked, Who};
pub use opened::OpenedLog;
pub use recorded::{Recorded, RecordedAs};
pub use report::{CheckpointMet, Difference, Further, OrderMet, PartitionReport, Side};
pub use run::{Effort, Progress};
pub use scratch::Scratch;
pub use statement::{Appeal, Decision, Looked, Sink, Statement, statement};
pub use straight::{StraightFold, state_digest};
pub use timeline::{Said, Timeline, TimelineEntry, TimelineOrder, timeline};
pub use verify::{Verify, verify};
pub use what_if::{Baseline, Covered, Differences, Step, Supposed, WhatIf, what_if};

use gavel_judge::{CorruptState, Missing, NoPolicy};

use crate::config::Config;
use crate::control::ControlError;
use crate::kafka::BrokerError;
use gavel_state::{
    ObjectAddressError, ObjectError, ObjectOptions, ObjectStore, Objects, Repository,
};
use std::sync::Arc;

/// Why a log could not be judged once more. A difference is no error but a result.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("partition {partition} has no identity: `{control}` holds no LogOpened for it")]
    NotOpened { partition: i32, control: String },
    #[error(
        "partition {partition} begins at offset {start}, its history began at {opened}, and no checkpoint bridges the gap"
    )]
    LostHistory {
        partition: i32,
        start: i64,
        opened: i64,
    },
    #[error(
        "partition {partition}, offset {offset}: the log needs {reason}, which this binary does not have"
    )]
    Halted {
        partition: i32,
        offset: i64,
        reason: String,
    },
    #[error(
        "partition {partition}, offset {offset}: the fold still waits for order {order} although the control log was read"
    )]
    Waits {
        partition: i32,
        offset: i64,
        order: i64,
    },
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error("the replay's own state: {0}")]
    State(#[from] gavel_state::Error),
    #[error(transparent)]
    CorruptState(#[from] CorruptState),
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    ObjectAddress(#[from] ObjectAddressError),
    #[error("partition {partition}: the checkpoint that was there a moment ago: {detail}")]
    Checkpoint { partition: i32, detail: String },
    #[error(transparent)]
    NoPolicy(#[from] NoPolicy),
    #[error(
        "partition {partition}: the record of the verdict topic for offset {offset} cannot be read"
    )]
    NoVerdict { partition: i32, offset: i64 },
    #[error("the directory for the replay's stores: {0}")]
    Scratch(#[source] std::io::Error),
    #[error(
        "partition {partition} has no record at offset {offset}: its log holds {start} to {end}"
    )]
    NoRecord {
        partition: i32,
        offset: i64,
        start: i64,
        /// The one after the last.
        end: i64,
    },
    #[error("partition {partition}, offset {offset}: the record was there and is not any more")]
    Vanished { partition: i32, offset: i64 },
    #[error("no message with the id `{id}` among {records} records")]
    NoMessage { id: String, records: u64 },
    #[error("what was found cannot be written: {0}")]
    Output(#[source] std::io::Error),
    #[error("a replay thread panicked; the message is above")]
    Panicked,
}

impl ReplayError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            ReplayError::Broker(error) => error.next_step(),
            ReplayError::Control(error) => error.next_step(),
            ReplayError::NotOpened { .. } => "run `gavel topics adopt`, or check [topics]".into(),
            ReplayError::LostHistory { .. } => {
                "retention is shorter than the audit: verdicts from before it cannot be derived from the log alone; verify the other partitions with --partitions".into()
            }
            ReplayError::Halted { .. } => "use the release that wrote these verdicts, or a later one that knows the engine".into(),
            ReplayError::Objects(_) | ReplayError::ObjectAddress(_) => {
                "check checkpoints.store and its credentials, or replay without checkpoints: --checkpoints none".into()
            }
            ReplayError::Checkpoint { .. } => "run it again".into(),
            ReplayError::NoPolicy(_) => "name a policy that is published (`gavel policy history`), or a file".into(),
            ReplayError::NoVerdict { .. } => "`gavel replay verify` shows what stands there".into(),
            ReplayError::Scratch(_) => "set TMPDIR to a directory with room, or name one with --work".into(),
            ReplayError::Output(_) => "check the directory and the space on its disk".into(),
            ReplayError::NoRecord { .. } => {
                "take partition and offset from the verdict: source_partition:source_offset; transactions leave offsets without a record".into()
            }
            ReplayError::Vanished { .. } => "retention has removed it just now: ask for a later one".into(),
            ReplayError::NoMessage { .. } => {
                "check the id and --partition, --from and --to; retention may have removed it".into()
            }
            ReplayError::Waits { .. }
            | ReplayError::Missing(_)
            | ReplayError::State(_)
            | ReplayError::CorruptState(_)
            | ReplayError::Panicked => "report this with the partition and the offset".into(),
        }
    }
}

/// The repository of checkpoints, if there is one.
fn repository(config: &Config) -> Result<Option<Repository>, ReplayError> {
    let Some(address) = config.checkpoint_address() else {
        return Ok(None);
    };
    if config.checkpoints.store.is_empty() && !std::path::Path::new(&address).exists() {
        // Nobody has named a place, and the default one is on another machine.
        return Ok(None);
    }
    let store = ObjectStore::open(&address, &ObjectOptions::default())?;
    Ok(Some(Repository::new(Arc::new(store) as Arc<dyn Objects>)))
}
