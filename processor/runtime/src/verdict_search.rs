//! One verdict, by the message that it is about.
//!
//! Invariant: a verdict that the topic has is found. Verdicts stand in the order of their messages but for copies after a crash, which go
//! back a little and come again, so halving the log only says where to look first; where that fails, all of it is read once.

use gavel_schemas::{VerdictIdentity, VerdictRecord, decode_verdict, peek_verdict_identity};
use rdkafka::Message;

use crate::kafka::{Bounds, BrokerError, LogReader};
use crate::verdict_tail::VerdictsOf;

/// So many records are read rather than halved once more.
const NEAR: i64 = 10_000;

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Verdict(Box<VerdictRecord>),
    /// There is none. `oldest`: the first message whose verdict is still there.
    Nothing {
        oldest: Option<i64>,
    },
}

/// Finds the verdict about the message at `offset` within these bounds of its verdict partition.
pub fn find(
    reader: &mut LogReader,
    bounds: Bounds,
    of: VerdictsOf<'_>,
    offset: i64,
) -> Result<Found, BrokerError> {
    let (mut low, mut high) = (bounds.start, bounds.end);
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        match first(reader, middle, bounds.end, of)? {
            Some((at, source)) if at < high && source <= offset => low = at.max(middle),
            Some(_) | None => high = middle,
        }
    }
    let near = Bounds {
        start: low,
        end: bounds.end.min(high.saturating_add(1)),
    };
    let (found, _) = scan(reader, near, of, offset)?;
    if let Some(verdict) = found {
        return Ok(Found::Verdict(Box::new(verdict)));
    }
    let (found, oldest) = scan(reader, bounds, of, offset)?;
    Ok(found.map_or(Found::Nothing { oldest }, |verdict| {
        Found::Verdict(Box::new(verdict))
    }))
}

/// Whether a record is a verdict of this log; the offset of its message.
fn source(value: Option<&[u8]>, of: VerdictsOf<'_>) -> Option<i64> {
    let VerdictIdentity {
        log_id,
        source_partition,
        source_offset,
    } = peek_verdict_identity(value?).ok()?;
    (log_id == of.log_id && source_partition == of.partition).then_some(source_offset)
}

/// Place and message of the first verdict from `from` on.
fn first(
    reader: &mut LogReader,
    from: i64,
    end: i64,
    of: VerdictsOf<'_>,
) -> Result<Option<(i64, i64)>, BrokerError> {
    reader.start(from);
    while let Some(record) = reader.read_to(end)? {
        if let Some(source) = source(record.payload(), of) {
            return Ok(Some((record.offset(), source)));
        }
    }
    Ok(None)
}

/// Reads all of it: the verdict, and the oldest message that any is about.
fn scan(
    reader: &mut LogReader,
    bounds: Bounds,
    of: VerdictsOf<'_>,
    offset: i64,
) -> Result<(Option<VerdictRecord>, Option<i64>), BrokerError> {
    let mut oldest: Option<i64> = None;
    reader.start(bounds.start);
    while let Some(record) = reader.read_to(bounds.end)? {
        let Some(source) = source(record.payload(), of) else {
            continue;
        };
        oldest = Some(oldest.map_or(source, |oldest| oldest.min(source)));
        if source == offset
            && let Some(Ok(verdict)) = record.payload().map(decode_verdict)
        {
            return Ok((Some(verdict), oldest));
        }
    }
    Ok((None, oldest))
}
