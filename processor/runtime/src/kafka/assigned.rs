//! A consumer that reads by assignment, and the one place where its errors are sorted.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use super::access::Authenticated;
use super::client::no_client;
use super::error::unreachable;
use super::log::typed;
use super::{Bounds, BrokerError, BrokerLog, PATIENCE, cluster, reader_config};
use crate::config::Config;

/// One wait of the consumer.
pub(super) const POLL: Duration = Duration::from_millis(100);
/// For asking why nothing comes.
const ASK: Duration = Duration::from_secs(1);

/// Member of no group; reads what it is told to.
pub(super) struct Assigned {
    consumer: Authenticated<BaseConsumer<BrokerLog>>,
    log: BrokerLog,
    servers: String,
    topic: String,
    /// How long no progress at all is borne.
    pub patience: Duration,
}

/// What one poll brought.
pub(super) enum Polled<'a> {
    Record(BorrowedMessage<'a>),
    /// A partition's end was reached by a fetch.
    End(i32),
    /// Nothing, or trouble that may pass.
    Nothing,
}

impl Assigned {
    pub fn open(config: &Config, topic: &str) -> Result<Assigned, BrokerError> {
        let log = BrokerLog::default();
        let consumer = reader_config(config)
            .create_with_context(log.clone())
            .map_err(no_client)?;
        let servers = config.kafka.bootstrap_servers.clone();
        Ok(Assigned {
            consumer,
            log,
            servers,
            topic: topic.to_owned(),
            patience: PATIENCE,
        })
    }

    /// Replaces the assignment. Events of the one before are dropped by the client.
    pub fn assign(&self, positions: &[(i32, i64)]) -> Result<(), BrokerError> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        positions
            .iter()
            .try_for_each(|(partition, next)| {
                list.add_partition_offset(&self.topic, *partition, Offset::Offset(*next))
            })
            .and_then(|()| self.consumer.assign(&list))
            .map_err(|error| self.failed(format!("read `{}`", self.topic), error))
    }

    pub fn bounds(&self, partition: i32) -> Result<Bounds, BrokerError> {
        cluster::bounds(&self.consumer, &self.topic, partition, self.patience).map_err(|error| {
            self.failed(
                format!(
                    "ask for the offsets of `{}` partition {partition}",
                    self.topic
                ),
                error,
            )
        })
    }

    pub fn connect(&self, partitions: i32) -> Result<(), BrokerError> {
        cluster::connect(&self.consumer, &self.topic, partitions, self.patience).map_err(|error| {
            self.failed(format!("connect to the leaders of `{}`", self.topic), error)
        })
    }

    pub fn poll(&self, wait: Duration) -> Result<Polled<'_>, BrokerError> {
        match self.consumer.poll(wait) {
            None => Ok(Polled::Nothing),
            Some(Ok(record)) => Ok(Polled::Record(record)),
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End(partition)),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    Err(BrokerError::OffsetGone {
                        topic: self.topic.clone(),
                    })
                }
                Some(
                    RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic,
                ) => Err(self.no_topic()),
                // The last two are about the coordinator of the group that nobody joins.
                Some(
                    RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::CoordinatorNotAvailable,
                ) => Ok(Polled::Nothing),
                Some(code) if unreachable(code) => Ok(Polled::Nothing),
                _ => Err(self.failed(format!("read `{}`", self.topic), error)),
            },
        }
    }

    /// The error for patience that ran out: librdkafka says nothing of a topic that does not exist for half a minute.
    pub fn silence(&self) -> BrokerError {
        let missing = [
            RDKafkaErrorCode::UnknownTopicOrPartition,
            RDKafkaErrorCode::UnknownTopic,
        ];
        match cluster::metadata_of(&self.consumer, &self.topic, ASK) {
            Ok(Some((_, Some(code)))) if missing.contains(&code) => self.no_topic(),
            Ok(None) => self.no_topic(),
            Ok(Some(_)) | Err(_) => {
                cluster::hear(&self.consumer);
                let (servers, waited) = (self.servers.clone(), self.patience);
                BrokerError::NoBroker {
                    servers,
                    waited,
                    detail: self.log.detail(),
                }
            }
        }
    }

    fn no_topic(&self) -> BrokerError {
        BrokerError::NoTopic {
            topic: self.topic.clone(),
            servers: self.servers.clone(),
        }
    }

    fn failed(&self, doing: String, error: KafkaError) -> BrokerError {
        cluster::hear(&self.consumer);
        typed(doing, error, &self.servers, &self.log, self.patience)
    }
}
