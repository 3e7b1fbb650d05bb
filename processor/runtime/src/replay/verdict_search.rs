//! Finds where the verdicts of a stretch begin.

use gavel_schemas::peek_verdict_identity;
use rdkafka::Message;

use super::ReplayError;
use crate::kafka::{Bounds, LogReader};

/// A place in the verdict topic from which on no verdict for a message at `from` or later is missed. Copies after a crash go back a
/// little; the search may therefore end at a later copy, from which on everything stands once more.
pub fn first(
    verdicts: &mut LogReader,
    held: Bounds,
    partition: i32,
    from: i64,
) -> Result<i64, ReplayError> {
    let (mut low, mut high) = (held.start, held.end);
    // All before `low` are about earlier messages, as far as was looked; whatever stands at `high` is not.
    while low < high {
        let middle = low + (high - low) / 2;
        verdicts.start(middle);
        let mut place = None;
        while let Some(record) = verdicts.read_to(high)? {
            let identity = peek_verdict_identity(record.payload().unwrap_or_default());
            // What is no verdict of this partition says nothing about its place.
            if let Ok(identity) = identity
                && identity.source_partition == partition
            {
                place = Some((record.offset(), identity.source_offset));
                break;
            }
        }
        match place {
            Some((at, source)) if source < from => low = at + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
