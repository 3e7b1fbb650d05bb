//! Reads one partition of a log, from an absolute offset to an end that the caller knows.
//!
//! Invariant: `read_to(end)` says "that was all" only after every committed record below `end` has been handed out.
//! Offsets may have gaps (transaction markers), so the last record's offset proves nothing; an end-of-partition event
//! does, but only one that was fetched after the caller learnt `end`: an older one would cut the log short. Hence a gap
//! at the end is confirmed by assigning anew at the current position, which drops every older event.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::client::{no_client, typed};
use super::error::unreachable;
use super::{BrokerError, BrokerLog, PATIENCE, cluster, reader_config};
use crate::config::Config;

/// Offsets of a partition: `start` is the first still there, `end` the one after the last committed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub start: i64,
    pub end: i64,
}

/// A reader of one partition, by assignment; it is a member of no group.
pub struct LogReader {
    consumer: BaseConsumer<BrokerLog>,
    log: BrokerLog,
    servers: String,
    topic: String,
    partition: i32,
    /// Offset of the next record to hand out.
    next: i64,
    /// The end for which an end-of-partition event counts: those fetched since the last assignment.
    confirmed_for: Option<i64>,
    /// The consumer has moved past `next` and must be assigned anew.
    astray: bool,
    patience: Duration,
}

/// One wait of the consumer.
const POLL: Duration = Duration::from_millis(100);

impl LogReader {
    /// Makes the client; nothing is sent yet. Call `start` before reading.
    pub fn open(config: &Config, topic: &str, partition: i32) -> Result<LogReader, BrokerError> {
        let log = BrokerLog::default();
        let consumer = reader_config(config)
            .create_with_context(log.clone())
            .map_err(no_client)?;
        Ok(LogReader {
            consumer,
            log,
            servers: config.kafka.bootstrap_servers.clone(),
            topic: topic.to_owned(),
            partition,
            next: 0,
            confirmed_for: None,
            astray: true,
            patience: PATIENCE,
        })
    }

    /// How long no progress at all is borne before an error; the default is that of commands.
    pub fn with_patience(mut self, patience: Duration) -> LogReader {
        self.patience = patience;
        self
    }

    /// The partition's bounds, asked now.
    pub fn bounds(&self) -> Result<Bounds, BrokerError> {
        cluster::bounds(&self.consumer, &self.topic, self.partition, self.patience)
            .map_err(|error| self.typed("ask for the offsets of", error))
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
    /// of the log.
    pub fn read_to(&mut self, end: i64) -> Result<Option<BorrowedMessage<'_>>, BrokerError> {
        let mut idle_since = Instant::now();
        loop {
            if self.next >= end {
                return Ok(None);
            }
            if self.astray {
                self.assign()?;
                self.astray = false;
                self.confirmed_for = Some(end);
            }
            match self.consumer.poll(POLL) {
                Some(Ok(message)) if message.offset() < self.next => {}
                Some(Ok(message)) if message.offset() >= end => {
                    self.next = end;
                    self.astray = true;
                    return Ok(None);
                }
                Some(Ok(message)) => {
                    self.next = message.offset() + 1;
                    return Ok(Some(message));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    if self.confirmed_for.is_some_and(|known| known >= end) {
                        self.next = end;
                        return Ok(None);
                    }
                    self.astray = true;
                    idle_since = Instant::now();
                }
                Some(Err(error)) => self.bear(error, idle_since)?,
                None if idle_since.elapsed() >= self.patience => return Err(self.no_broker()),
                None => {}
            }
        }
    }

    /// The next record whenever it comes, or `None` if none came within `wait`.
    pub fn follow(&mut self, wait: Duration) -> Result<Option<BorrowedMessage<'_>>, BrokerError> {
        let deadline = Instant::now() + wait;
        loop {
            if self.astray {
                self.assign()?;
                self.astray = false;
                self.confirmed_for = None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.consumer.poll(left.min(POLL)) {
                Some(Ok(message)) if message.offset() < self.next => {}
                Some(Ok(message)) => {
                    self.next = message.offset() + 1;
                    return Ok(Some(message));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                // How long to go without a broker is the follower's own matter.
                Some(Err(error)) => self.bear(error, Instant::now())?,
                None => {}
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    fn assign(&self) -> Result<(), BrokerError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.topic, self.partition, Offset::Offset(self.next))
            .and_then(|()| self.consumer.assign(&list))
            .map_err(|error| self.typed("read", error))
    }

    /// Sorts an error of the consumer: one that passes by itself is borne for as long as patience lasts.
    fn bear(&self, error: KafkaError, idle_since: Instant) -> Result<(), BrokerError> {
        let code = error.rdkafka_error_code();
        match code {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                Err(BrokerError::OffsetGone {
                    topic: self.topic.clone(),
                    partition: self.partition,
                    offset: self.next,
                })
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Err(BrokerError::NoTopic {
                    topic: self.topic.clone(),
                    servers: self.servers.clone(),
                })
            }
            Some(code) if unreachable(code) && idle_since.elapsed() < self.patience => Ok(()),
            // The coordinator of the group that nobody joins.
            Some(
                RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::CoordinatorNotAvailable,
            ) => Ok(()),
            _ => Err(self.typed("read", error)),
        }
    }

    fn no_broker(&self) -> BrokerError {
        BrokerError::NoBroker {
            servers: self.servers.clone(),
            waited: self.patience,
            detail: self.log.detail(),
        }
    }

    fn typed(&self, doing: &str, error: KafkaError) -> BrokerError {
        let doing = format!("{doing} `{}` partition {}", self.topic, self.partition);
        typed(doing, error, &self.servers, &self.log, self.patience)
    }
}
