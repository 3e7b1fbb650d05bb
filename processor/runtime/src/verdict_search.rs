//! Verdicts, by the messages that they are about.
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
    let near = halve(bounds, NEAR, offset, |from| {
        first(reader, from, bounds.end, of)
    })?;
    let (found, _) = scan(reader, near, of, offset)?;
    if let Some(verdict) = found {
        return Ok(Found::Verdict(Box::new(verdict)));
    }
    let (found, oldest) = scan(reader, bounds, of, offset)?;
    Ok(found.map_or(Found::Nothing { oldest }, |verdict| {
        Found::Verdict(Box::new(verdict))
    }))
}

/// A place in the topic from which on no verdict about a message at `from` or later is missed: the first one there is about such a message.
/// It may stand behind others that are, as a copy after a crash; from it on everything stands once more.
pub fn place(
    reader: &mut LogReader,
    bounds: Bounds,
    of: VerdictsOf<'_>,
    from: i64,
) -> Result<i64, BrokerError> {
    match first(reader, bounds.start, bounds.end, of)? {
        Some((_, source)) if source < from => {}
        _ => return Ok(bounds.start),
    }
    let halved = halve(bounds, 1, from - 1, |from| {
        first(reader, from, bounds.end, of)
    })?;
    Ok(halved.end)
}

/// Halves the bounds to at most `near` records that have the verdict unless all is unusual. `first` gives place and message of the first
/// verdict from a place on.
fn halve<E>(
    bounds: Bounds,
    near: i64,
    offset: i64,
    mut first: impl FnMut(i64) -> Result<Option<(i64, i64)>, E>,
) -> Result<Bounds, E> {
    // What stands at `start` is about this message or one before, what stands at `end` about one behind; in between every message is passed.
    let Bounds { mut start, mut end } = bounds;
    while end - start > near.max(1) {
        let middle = start + (end - start) / 2;
        match first(middle)? {
            Some((at, source)) if at < end && source <= offset => start = at,
            Some(_) | None => end = middle,
        }
    }
    Ok(Bounds { start, end })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Verdicts about messages 100 to 400 but for every seventh, with other records between, and with copies after a crash here and there.
    fn topic() -> Vec<Option<i64>> {
        let mut topic = Vec::new();
        for source in 100..400i64 {
            if source % 7 == 0 {
                continue;
            }
            topic.push(Some(source));
            if source % 11 == 0 {
                topic.push(None);
            }
            if source % 45 == 0 {
                let again = source - source % 31..source;
                topic.extend(
                    again
                        .filter(|source| source % 7 != 0 && *source >= 100)
                        .map(Some),
                );
                topic.push(Some(source));
            }
        }
        topic
    }

    #[test]
    fn what_is_left_after_halving_has_the_verdict_whatever_was_copied() {
        let topic = topic();
        let bounds = Bounds {
            start: 1_000,
            end: 1_000 + topic.len() as i64,
        };
        for wanted in topic.iter().flatten() {
            let mut asked = 0;
            let Ok(left) = halve(bounds, 8, *wanted, |from| {
                asked += 1;
                let rest = (from..).zip(&topic[(from - 1_000) as usize..]);
                let mut verdicts = rest.filter_map(|(at, source)| Some((at, (*source)?)));
                Ok::<_, Infallible>(verdicts.next())
            });
            let left = (left.start - 1_000) as usize..(left.end - 1_000) as usize;
            assert!(
                topic[left.clone()].contains(&Some(*wanted)),
                "{wanted} in {left:?}"
            );
            assert!(left.len() <= 8 && asked < 12, "{left:?} after {asked}");
        }
    }
}
