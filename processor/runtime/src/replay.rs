//! Judging a log once more.
//!
//! Invariant: there is no second judge. What folds here is the fold that runs in the lanes, over the same records, with the
//! orders as they were recorded; so a verdict that differs was not derived from this log.

mod dead_letters;
mod explain;
mod file;
mod find;
mod for_user;
mod opened;
mod pairing;
mod recorded;
mod report;
mod straight;
mod timeline;
mod verify;

pub use explain::{ExplainedRecord, PastMute, PastStrike, explain};
pub use file::FileJudge;
pub use find::{Part, Place, Plan, When, find, plan};
pub use for_user::{Beginning, UserFold, Walked, Who};
pub use opened::OpenedLog;
pub use recorded::{Recorded, RecordedAs};
pub use report::{Difference, PartitionReport, Side};
pub use straight::{StraightFold, state_digest};
pub use timeline::{Said, Timeline, TimelineEntry, TimelineOrder, timeline};
pub use verify::{Progress, Verify, verify};

use gavel_judge::MissingPolicy;

use crate::control::ControlError;
use crate::kafka::BrokerError;

/// Why a log could not be judged once more. A difference is no error but a result.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("partition {partition} has no identity: `{control}` holds no LogOpened for it")]
    NotOpened { partition: i32, control: String },
    #[error("partition {partition} begins at offset {start}, but its history began at {opened}")]
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
    MissingPolicy(#[from] MissingPolicy),
    #[error("the state's digest cannot be computed: {0}")]
    State(#[from] gavel_state::Error),
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
            ReplayError::NoRecord { .. } => {
                "take partition and offset from the verdict: source_partition:source_offset; transactions leave offsets without a record".into()
            }
            ReplayError::Vanished { .. } => "retention has removed it just now: ask for a later one".into(),
            ReplayError::NoMessage { .. } => {
                "check the id and --partition, --from and --to; retention may have removed it".into()
            }
            ReplayError::Waits { .. }
            | ReplayError::MissingPolicy(_)
            | ReplayError::State(_)
            | ReplayError::Panicked => "report this with the partition and the offset".into(),
        }
    }
}
