//! Hands verdicts to the meter as they come.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock::Clock;
use super::mark::{HEADER, RunId};
use super::meter::{Meter, Taken};
use super::{Ends, Progress};
use crate::kafka::{BrokerError, TopicReader, raw_headers};

/// One wait for more, after which the end of the run is looked for.
const WAIT: Duration = Duration::from_millis(20);

/// Reads until every message of the run has its verdict, or the time for that is over.
pub(super) fn receive(
    reader: &mut TopicReader,
    mut meter: Meter,
    run: RunId,
    clock: Clock,
    (ends, progress): (&Ends, &Progress),
) -> Result<Meter, BrokerError> {
    while clock.ns() < ends.drained_ns() && meter.received() < ends.messages() {
        let Some(record) = reader.follow(WAIT)? else {
            continue;
        };
        let now = clock.ns();
        let mut sequence = None;
        raw_headers(&record, |key, value| {
            if key == HEADER.as_bytes() {
                sequence = value.and_then(|value| run.sequence(value));
            }
        });
        if meter.take(sequence, now) == Taken::First {
            progress.received.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(meter)
}
