//! V as the verdict topic tells it.
//!
//! Invariant: a scan that sees too little gives a V that is too low, which costs copies of verdicts and nothing else; it must
//! never give one that is too high, so verdicts of other logs and partitions do not count.

use crate::kafka::{BrokerError, LogReader};
use crate::restore::VerdictTail;
use gavel_schemas::peek_verdict_identity;

/// Reads the last `depth` records of a verdict partition.
pub fn scan(
    reader: &mut LogReader,
    log_id: &str,
    partition: i32,
    depth: u64,
) -> Result<VerdictTail, BrokerError> {
    let bounds = reader.bounds()?;
    let depth = i64::try_from(depth).unwrap_or(i64::MAX);
    let mut tail = VerdictTail {
        newest: None,
        end: bounds.end,
    };
    reader.start(bounds.end.saturating_sub(depth).max(bounds.start));
    while let Some(message) = reader.read_to(bounds.end)? {
        let identity = rdkafka::Message::payload(&message).map(peek_verdict_identity);
        if let Some(Ok(identity)) = identity
            && identity.log_id == log_id
            && identity.source_partition == partition
        {
            tail.newest = tail.newest.max(Some(identity.source_offset));
        }
    }
    Ok(tail)
}
