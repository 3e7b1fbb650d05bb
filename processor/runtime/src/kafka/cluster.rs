//! Questions about topics: do they exist, how many partitions, which offsets.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::client::no_client;
use super::log::typed;
use super::{Bounds, BrokerError, BrokerLog, PATIENCE, reader_config};
use crate::config::Config;

/// A client that asks; it reads and writes nothing.
pub struct Cluster {
    client: BaseConsumer<BrokerLog>,
    log: BrokerLog,
    servers: String,
    patience: Duration,
}

/// A topic as the brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicLayout {
    pub partitions: i32,
    /// The smallest number of replicas that any partition has.
    pub replication: usize,
}

impl Cluster {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: &Config) -> Result<Cluster, BrokerError> {
        Cluster::with_patience(config, PATIENCE)
    }

    /// As `new`, for callers that wait longer or shorter than a command does.
    pub fn with_patience(config: &Config, patience: Duration) -> Result<Cluster, BrokerError> {
        let log = BrokerLog::default();
        let client = reader_config(config)
            .create_with_context(log.clone())
            .map_err(no_client)?;
        Ok(Cluster {
            client,
            log,
            servers: config.kafka.bootstrap_servers.clone(),
            patience,
        })
    }

    /// The topic's layout, or `None` when it does not exist.
    pub fn topic(&self, name: &str) -> Result<Option<TopicLayout>, BrokerError> {
        let doing = || format!("describe topic `{name}`");
        let metadata = self
            .client
            .fetch_metadata(Some(name), self.patience)
            .map_err(|error| typed(doing(), error, &self.servers, &self.log, self.patience))?;
        let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
            return Ok(None);
        };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                return Ok(None);
            }
            Some(code) => {
                return Err(BrokerError::Refused {
                    doing: doing(),
                    code,
                });
            }
        }
        let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
        let replication = topic
            .partitions()
            .iter()
            .map(|partition| partition.replicas().len())
            .min()
            .unwrap_or(0);
        Ok((partitions > 0).then_some(TopicLayout {
            partitions,
            replication,
        }))
    }

    /// How many brokers the cluster has now.
    pub fn brokers(&self) -> Result<i32, BrokerError> {
        let doing = "ask for the cluster's brokers".to_owned();
        let metadata = self
            .client
            .fetch_metadata(None, self.patience)
            .map_err(|error| typed(doing, error, &self.servers, &self.log, self.patience))?;
        Ok(i32::try_from(metadata.brokers().len()).unwrap_or(i32::MAX))
    }

    /// As `topic`, for one that must exist.
    pub fn require(&self, name: &str) -> Result<TopicLayout, BrokerError> {
        self.topic(name)?.ok_or_else(|| BrokerError::NoTopic {
            topic: name.to_owned(),
            servers: self.servers.clone(),
        })
    }

    /// First offset still in the log, and the end of what is committed.
    pub fn bounds(&self, topic: &str, partition: i32) -> Result<Bounds, BrokerError> {
        bounds(&self.client, topic, partition, self.patience).map_err(|error| {
            typed(
                format!("ask for the offsets of `{topic}` partition {partition}"),
                error,
                &self.servers,
                &self.log,
                self.patience,
            )
        })
    }
}

pub(super) fn bounds(
    client: &BaseConsumer<BrokerLog>,
    topic: &str,
    partition: i32,
    patience: Duration,
) -> rdkafka::error::KafkaResult<Bounds> {
    // The client reads committed records only, so the end is that of the last finished transaction.
    let (start, end) = client.fetch_watermarks(topic, partition, patience)?;
    Ok(Bounds { start, end })
}
