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
use crate::kafka::{Bounds, LogReader};

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
    /// No verdict of this log stands before it.
    is_first: bool,
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
    let candidate = search(bounds, source, |from, to| {
        own(&mut reader, log_id, from, to)
    })?;
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
        Some(read) if bounds.start > 0 && read.is_first => answer(RecordedAs::Gone, None),
        Some(_) => answer(RecordedAs::Missing, None),
    })
}

/// The first verdict of a record at or after `source`, or a copy of it; `read` gives the first of the log in a range.
fn search<E>(
    bounds: Bounds,
    source: i64,
    mut read: impl FnMut(i64, i64) -> Result<Option<Read>, E>,
) -> Result<Option<Read>, E> {
    let (mut low, mut high) = (bounds.start, bounds.end);
    let mut candidate: Option<Read> = None;
    let mut is_first = true;
    while low < high {
        let middle = low + (high - low) / 2;
        match read(middle, high)? {
            // Another log's: those of former logs stand before.
            None if high - middle > LOOK => low = middle + LOOK,
            None => high = middle,
            Some(one) if one.source >= source => {
                high = middle;
                candidate = Some(one);
            }
            Some(one) => {
                low = one.offset + 1;
                is_first = false;
            }
        }
    }
    Ok(candidate.map(|one| Read { is_first, ..one }))
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
                is_first: false,
            }));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// The verdict topic from an offset on: the source of each verdict, or another log's.
    fn found(start: i64, topic: &[Option<i64>], source: i64) -> Option<(i64, bool)> {
        let end = start + topic.len() as i64;
        let read = |from: i64, to: i64| {
            let to = to.min(from + LOOK);
            let mut places = from..to;
            let place = places.find(|place| topic[(place - start) as usize].is_some());
            Ok::<_, Infallible>(place.map(|offset| Read {
                offset,
                source: topic[(offset - start) as usize].unwrap_or_default(),
                value: Vec::new(),
                is_first: false,
            }))
        };
        let Ok(found) = search(Bounds { start, end }, source, read);
        found.map(|read| (read.source, read.is_first))
    }

    #[test]
    fn every_verdict_is_found_among_copies_and_those_of_former_logs() {
        // A crash after 6: 4 to 6 again; another after 9: 3 to 9 again.
        let sources = (0..=6).chain(4..=9).chain(3..=40);
        let mut topic: Vec<Option<i64>> = vec![None; 12_345];
        topic.extend(sources.map(Some));
        for start in [0, 77] {
            for source in 0..=40 {
                let found = found(start, &topic, source).map(|(source, _)| source);
                assert_eq!(found, Some(source));
            }
            assert_eq!(found(start, &topic, 41), None);
        }
    }

    #[test]
    fn what_retention_removed_is_told_from_what_was_never_written() {
        let topic: Vec<Option<i64>> = (10..20).filter(|one| *one != 15).map(Some).collect();
        assert_eq!(found(10, &topic, 5), Some((10, true)), "gone");
        assert_eq!(found(10, &topic, 15), Some((16, false)), "missing");
        assert_eq!(found(10, &topic, 10), Some((10, true)));
        assert_eq!(found(0, &[], 3), None);
    }
}
