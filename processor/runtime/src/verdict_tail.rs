//! V as the verdict topic tells it.
//!
//! Invariant: a scan that sees too little gives a V that is too low, which costs copies of verdicts and nothing else; it must
//! never give one that is too high, so verdicts of other logs and partitions do not count.

use crate::kafka::{Bounds, BrokerError, LogReader};
use crate::restore::VerdictTail;
use gavel_schemas::peek_verdict_identity;

/// Whose verdicts count.
#[derive(Debug, Clone, Copy)]
pub struct VerdictsOf<'a> {
    pub log_id: &'a str,
    pub partition: i32,
}

/// Reads the last `depth` records of a verdict partition with these bounds.
pub fn scan(
    reader: &mut LogReader,
    bounds: Bounds,
    of: VerdictsOf<'_>,
    depth: u64,
) -> Result<VerdictTail, BrokerError> {
    let depth = i64::try_from(depth).unwrap_or(i64::MAX);
    let mut tail = VerdictTail {
        newest: None,
        end: bounds.end,
    };
    reader.start(bounds.end.saturating_sub(depth).max(bounds.start));
    while let Some(message) = reader.read_to(bounds.end)? {
        let identity = rdkafka::Message::payload(&message).map(peek_verdict_identity);
        if let Some(Ok(identity)) = identity
            && identity.log_id == of.log_id
            && identity.source_partition == of.partition
        {
            tail.newest = tail.newest.max(Some(identity.source_offset));
        }
    }
    Ok(tail)
}
