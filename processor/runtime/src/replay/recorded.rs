//! The verdict that stands in the verdict topic for one record.
//!
//! Invariant: verdicts stand in the order of their records, and a copy is never further than a verdict that stood before it. So all
//! verdicts before the first one of a record are about earlier records, and a search by halves finds it or a copy of it: some twenty
//! reads, however long the topic is.

use serde::Serialize;

use gavel_schemas::peek_verdict_identity;
use rdkafka::Message;

use super::report::Side;
use super::{OpenedLog, ReplayError};
use crate::config::Config;
use crate::kafka::LogReader;

/// Records read at one place until one is a verdict of this log.
const LOOK: i64 = 10_000;

/// How what was recorded compares with what was derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RecordedAs {
    #[serde(rename = "identical")]
    Identical,
    #[serde(rename = "differs")]
    Differs,
    /// Retention has removed it.
    #[serde(rename = "not in the topic any more")]
    Gone,
    #[serde(rename = "not judged yet")]
    NotYet,
    /// The topic goes on behind it without it.
    #[serde(rename = "missing")]
    Missing,
}

impl RecordedAs {
    pub fn as_str(self) -> &'static str {
        match self {
            RecordedAs::Identical => "identical",
            RecordedAs::Differs => "differs",
            RecordedAs::Gone => "not in the topic any more",
            RecordedAs::NotYet => "not judged yet",
            RecordedAs::Missing => "missing",
        }
    }
}

/// What the verdict topic holds.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    pub verdict: RecordedAs,
    /// Its offset in the verdict topic.
    pub offset: Option<i64>,
    /// What it says, where it differs.
    pub found: Option<Side>,
}

/// A verdict of the log that is asked about.
struct Read {
    offset: i64,
    source: i64,
    value: Vec<u8>,
}

/// Looks for the verdict of the record at `source` and compares its bytes.
pub fn recorded(
    config: &Config,
    log: &OpenedLog,
    source: i64,
    derived: &[u8],
) -> Result<Recorded, ReplayError> {
    let mut reader = LogReader::open(config, &config.topics.verdicts, log.partition)?;
    let bounds = reader.bounds()?;
    let log_id = &log.opened.log_id;
    let (mut low, mut high) = (bounds.start, bounds.end);
    let mut candidate: Option<Read> = None;
    while low < high {
        let middle = low + (high - low) / 2;
        match own(&mut reader, log_id, middle, high)? {
            // Another log's: those of former logs stand before.
            None if high - middle > LOOK => low = middle + LOOK,
            None => high = middle,
            Some(read) if read.source >= source => {
                high = middle;
                candidate = Some(read);
            }
            Some(read) => low = read.offset + 1,
        }
    }
    let answer = |verdict, read: Option<&Read>| Recorded {
        verdict,
        offset: read.map(|read| read.offset),
        found: None,
    };
    Ok(match &candidate {
        None if bounds.start == bounds.end && bounds.end > 0 => answer(RecordedAs::Gone, None),
        None => answer(RecordedAs::NotYet, None),
        Some(read) if read.source == source && read.value == derived => {
            answer(RecordedAs::Identical, Some(read))
        }
        Some(read) if read.source == source => Recorded {
            found: Some(Side::of(&read.value)),
            ..answer(RecordedAs::Differs, Some(read))
        },
        // The first of this log that the topic still has is already a later one.
        Some(_) if bounds.start > 0 && low == bounds.start => answer(RecordedAs::Gone, None),
        Some(_) => answer(RecordedAs::Missing, None),
    })
}

/// The first verdict of a log in `from..to`.
fn own(
    reader: &mut LogReader,
    log_id: &str,
    from: i64,
    to: i64,
) -> Result<Option<Read>, ReplayError> {
    let to = to.min(from.saturating_add(LOOK));
    reader.start(from);
    while let Some(record) = reader.read_to(to)? {
        let value = record.payload().unwrap_or_default();
        if let Ok(identity) = peek_verdict_identity(value)
            && identity.log_id == log_id
        {
            return Ok(Some(Read {
                offset: record.offset(),
                source: identity.source_offset,
                value: value.to_vec(),
            }));
        }
    }
    Ok(None)
}
