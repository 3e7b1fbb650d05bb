//! Reads logs from absolute offsets to ends that the caller knows.
//!
//! Invariant: "that was all" is said only after every committed record below the end has been handed out. Offsets have
//! gaps (transaction markers), so the last record's offset proves nothing; an end-of-partition event does, but only one
//! that was fetched after the end was known: an older one would cut the log short. Hence a gap at the end is confirmed
//! by assigning anew at the current position, which drops every older event.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::BrokerError;
use super::assigned::{Assigned, POLL, Polled};
use crate::config::Config;

/// Offsets of a partition: `start` is the first still there, `end` the one after the last committed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub start: i64,
    pub end: i64,
}

/// A reader of one partition, by assignment; it is a member of no group.
pub struct LogReader {
    assigned: Assigned,
    partition: i32,
    /// Offset of the next record to hand out.
    next: i64,
    /// The end that was known when the consumer was last assigned: an end-of-partition event proves it, and no later one.
    provable: Option<i64>,
    /// The consumer does not stand at `next` and must be assigned anew.
    astray: bool,
}

impl LogReader {
    /// Makes the client; nothing is sent yet. Call `start` before reading.
    pub fn open(config: &Config, topic: &str, partition: i32) -> Result<LogReader, BrokerError> {
        Ok(LogReader {
            assigned: Assigned::open(config, topic)?,
            partition,
            next: 0,
            provable: None,
            astray: true,
        })
    }

    /// How long no progress at all is borne before an error; the default is that of commands.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> LogReader {
        self.assigned.patience = patience;
        self
    }

    /// Reads another partition of the same topic from now on; `start` says from where.
    pub fn turn_to(&mut self, partition: i32) {
        self.partition = partition;
        self.astray = true;
    }

    /// Reads nothing ahead until the next `start`.
    pub fn rest(&mut self) -> Result<(), BrokerError> {
        self.astray = true;
        self.assigned.assign(&[])
    }

    /// Connects to every broker that leads a partition of the topic, so that a later question or read need not wait for it.
    pub fn connect(&self, partitions: i32) -> Result<(), BrokerError> {
        self.assigned.connect(partitions)
    }

    /// The partition's bounds, asked now.
    pub fn bounds(&self) -> Result<Bounds, BrokerError> {
        self.assigned.bounds(self.partition)
    }

    /// Begins at this offset, which must be in the log or its end.
    pub fn start(&mut self, from: i64) {
        self.next = from;
        self.astray = true;
    }

    /// Offset of the next record to hand out: everything below it has been.
    pub fn next_offset(&self) -> i64 {
        self.next
    }

    /// The next record below `end`, or `None` once all of them have been handed out. `end` must not lie beyond the end
    /// of the log. After an error, calling again goes on where it was.
    pub fn read_to(&mut self, end: i64) -> Result<Option<BorrowedMessage<'_>>, BrokerError> {
        // A clock that is asked for each record costs as much as some of the judging.
        let mut idle_since = None;
        while self.next < end {
            if self.astray {
                self.assigned.assign(&[(self.partition, self.next)])?;
                self.astray = false;
                self.provable = Some(end);
            }
            match self.assigned.poll(POLL) {
                Ok(Polled::Record(record)) if record.offset() < self.next => {}
                Ok(Polled::Record(record)) if record.offset() >= end => {
                    self.next = end;
                    self.astray = true;
                }
                Ok(Polled::Record(record)) => {
                    self.next = record.offset() + 1;
                    return Ok(Some(record));
                }
                Ok(Polled::End(_)) if self.provable.is_some_and(|provable| provable >= end) => {
                    self.next = end
                }
                Ok(Polled::End(_)) => self.astray = true,
                Ok(Polled::Nothing) => {
                    let since = *idle_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.assigned.patience {
                        return Err(self.assigned.silence());
                    }
                }
                Err(error) => {
                    self.astray = true;
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// The next record whenever it comes, or `None` if none came within `wait`.
    pub fn follow(&mut self, wait: Duration) -> Result<Option<BorrowedMessage<'_>>, BrokerError> {
        let deadline = Instant::now() + wait;
        loop {
            if self.astray {
                self.assigned.assign(&[(self.partition, self.next)])?;
                self.astray = false;
                self.provable = None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.assigned.poll(left.min(POLL)) {
                Ok(Polled::Record(record)) if record.offset() >= self.next => {
                    self.next = record.offset() + 1;
                    return Ok(Some(record));
                }
                Ok(Polled::Record(_) | Polled::End(_)) => {}
                Ok(Polled::Nothing) if left.is_zero() => return Ok(None),
                Ok(Polled::Nothing) => {}
                Err(error) => {
                    self.astray = true;
                    return Err(error);
                }
            }
        }
    }
}

/// A reader of several partitions of a topic at once, each from its own offset to its own end.
pub struct TopicReader {
    assigned: Assigned,
    /// Partition and what is left of it.
    left: Vec<(i32, Range<i64>)>,
}

impl TopicReader {
    /// Assigns the partitions; the ends must have been asked for before this call.
    pub fn open(
        config: &Config,
        topic: &str,
        ranges: &[(i32, Range<i64>)],
    ) -> Result<TopicReader, BrokerError> {
        let assigned = Assigned::open(config, topic)?;
        let positions: Vec<(i32, i64)> = ranges
            .iter()
            .map(|(partition, range)| (*partition, range.start))
            .collect();
        assigned.assign(&positions)?;
        Ok(TopicReader {
            assigned,
            left: ranges.to_vec(),
        })
    }

    /// Reads from these offsets, which are the ends of their partitions as asked just now. Returns once every partition is being read:
    /// what is appended from now on is seen as soon as a broker has it, and not as soon as a connection is there.
    pub fn tail(
        config: &Config,
        topic: &str,
        ends: &[(i32, i64)],
    ) -> Result<TopicReader, BrokerError> {
        let ranges: Vec<_> = ends
            .iter()
            .map(|(partition, end)| (*partition, *end..*end))
            .collect();
        let reader = TopicReader::open(config, topic, &ranges)?;
        let mut unread: BTreeSet<i32> = ends.iter().map(|(partition, _)| *partition).collect();
        let since = Instant::now();
        while !unread.is_empty() {
            match reader.assigned.poll(POLL)? {
                // Others may write to the topic; either proves that a fetch was answered.
                Polled::Record(record) => unread.remove(&record.partition()),
                Polled::End(partition) => unread.remove(&partition),
                Polled::Nothing if since.elapsed() >= reader.assigned.patience => {
                    return Err(reader.assigned.silence());
                }
                Polled::Nothing => false,
            };
        }
        Ok(reader)
    }

    /// The next record below its partition's end, or `None` once all of all partitions have been handed out. The order
    /// is that of the log within a partition, and any between partitions.
    pub fn read(&mut self) -> Result<Option<BorrowedMessage<'_>>, BrokerError> {
        let idle_since = Instant::now();
        while self.left.iter().any(|(_, range)| !range.is_empty()) {
            match self.assigned.poll(POLL)? {
                Polled::Record(record) => {
                    let offset = record.offset();
                    let Some(range) = range_of(&mut self.left, record.partition()) else {
                        continue;
                    };
                    let wanted = range.contains(&offset);
                    range.start = range.start.max(offset + 1);
                    if wanted {
                        return Ok(Some(record));
                    }
                }
                // Assigned after the ends were asked for: such an event proves them.
                Polled::End(partition) => {
                    if let Some(range) = range_of(&mut self.left, partition) {
                        range.start = range.end;
                    }
                }
                Polled::Nothing if idle_since.elapsed() >= self.assigned.patience => {
                    return Err(self.assigned.silence());
                }
                Polled::Nothing => {}
            }
        }
        Ok(None)
    }

    /// The next record of any partition, however far it is, or `None` if none came within `wait`.
    pub fn follow(&mut self, wait: Duration) -> Result<Option<BorrowedMessage<'_>>, BrokerError> {
        let deadline = Instant::now() + wait;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.assigned.poll(left.min(POLL))? {
                Polled::Record(record) => {
                    let Some(range) = range_of(&mut self.left, record.partition()) else {
                        continue;
                    };
                    if record.offset() >= range.start {
                        range.start = record.offset() + 1;
                        return Ok(Some(record));
                    }
                }
                Polled::End(_) => {}
                Polled::Nothing if left.is_zero() => return Ok(None),
                Polled::Nothing => {}
            }
        }
    }
}

fn range_of(ranges: &mut [(i32, Range<i64>)], partition: i32) -> Option<&mut Range<i64>> {
    ranges
        .iter_mut()
        .find(|(candidate, _)| *candidate == partition)
        .map(|(_, range)| range)
}
