//! Questions about topics: do they exist, how many partitions, which offsets.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::access::Authenticated;
use super::client::no_client;
use super::log::typed;
use super::topic_id::topic_id;
use super::{Bounds, BrokerError, BrokerLog, PATIENCE, reader_config};
use crate::config::Config;

/// Between two questions about a partition whose leader is not settled.
const LEADER_WAIT: Duration = Duration::from_millis(20);
/// Longest wait for a topic's id, which not every cluster gives.
const TOPIC_ID: Duration = Duration::from_secs(5);
/// Complaints heard before an error is reported.
const COMPLAINTS: usize = 20;

/// A client that asks; it reads and writes nothing.
pub struct Cluster {
    client: Authenticated<BaseConsumer<BrokerLog>>,
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
        // Without a group there is none to say good-bye to, which would take a moment for every command.
        let client = reader_config(config)
            .without("group.id")
            .create_with_context(log.clone())
            .map_err(no_client)?;
        Ok(Cluster {
            client,
            log,
            servers: config.kafka.bootstrap_servers.clone(),
            patience,
        })
    }

    /// With another patience from now on.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Cluster {
        self.patience = patience;
        self
    }

    /// Connects to every broker that leads one of the topic's partitions, so that a later question need not wait for it.
    pub fn connect(&self, topic: &str, partitions: i32) -> Result<(), BrokerError> {
        connect(&self.client, topic, partitions, self.patience)
            .map_err(|error| self.failed(format!("connect to the leaders of `{topic}`"), error))
    }

    /// The topic's layout, or `None` when it does not exist.
    pub fn topic(&self, name: &str) -> Result<Option<TopicLayout>, BrokerError> {
        let doing = || format!("describe topic `{name}`");
        let topic = metadata_of(&self.client, name, self.patience)
            .map_err(|error| self.failed(doing(), error))?;
        let Some((layout, code)) = topic else {
            return Ok(None);
        };
        match code {
            None => Ok((layout.partitions > 0).then_some(layout)),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Ok(None)
            }
            Some(code) => Err(BrokerError::Refused {
                doing: doing(),
                code,
            }),
        }
    }

    /// The broker's id of a topic; empty where it cannot be had.
    pub fn topic_id(&self, topic: &str) -> String {
        topic_id(&self.client, topic, TOPIC_ID.min(self.patience)).unwrap_or_default()
    }

    /// How many brokers the cluster has now.
    pub fn brokers(&self) -> Result<i32, BrokerError> {
        let doing = "ask for the cluster's brokers".to_owned();
        let metadata = self
            .client
            .fetch_metadata(None, self.patience)
            .map_err(|error| self.failed(doing, error))?;
        Ok(i32::try_from(metadata.brokers().len()).unwrap_or(i32::MAX))
    }

    /// As `topic`, for one that must exist.
    pub fn require(&self, name: &str) -> Result<TopicLayout, BrokerError> {
        self.topic(name)?.ok_or_else(|| BrokerError::NoTopic {
            topic: name.to_owned(),
            servers: self.servers.clone(),
        })
    }

    /// The wanted partitions of a topic in their order, each once; all of them if none is named.
    pub fn partitions(&self, topic: &str, wanted: &[i32]) -> Result<Vec<i32>, BrokerError> {
        let count = self.require(topic)?.partitions;
        if wanted.is_empty() {
            return Ok((0..count).collect());
        }
        let mut partitions = wanted.to_vec();
        partitions.sort_unstable();
        partitions.dedup();
        match partitions.iter().find(|one| !(0..count).contains(*one)) {
            None => Ok(partitions),
            Some(&partition) => Err(BrokerError::NoPartition {
                topic: topic.to_owned(),
                partition,
                partitions: count,
            }),
        }
    }

    /// First offset still in the log, and the end of what is committed.
    pub fn bounds(&self, topic: &str, partition: i32) -> Result<Bounds, BrokerError> {
        let doing = || format!("ask for the offsets of `{topic}` partition {partition}");
        bounds(&self.client, topic, partition, self.patience)
            .map_err(|error| self.failed(doing(), error))
    }

    /// The first offset whose record is not older than this time in milliseconds since 1970; `None` if all are.
    pub fn offset_at(
        &self,
        topic: &str,
        partition: i32,
        time: i64,
    ) -> Result<Option<i64>, BrokerError> {
        let doing = || format!("look for a time in `{topic}` partition {partition}");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(time.max(0)))
            .and_then(|()| self.client.offsets_for_times(list, self.patience))
            .and_then(|found| {
                let element = found.find_partition(topic, partition);
                element.map_or(Ok(None), |element| {
                    element.error()?;
                    Ok(match element.offset() {
                        Offset::Offset(at) => Some(at),
                        _ => None,
                    })
                })
            })
            .map_err(|error| self.failed(doing(), error))
    }

    fn failed(&self, doing: String, error: KafkaError) -> BrokerError {
        hear(&self.client);
        typed(doing, error, &self.servers, &self.log, self.patience)
    }
}

/// Lets the client say what it complains about: it speaks only when polled, and one complaint at a time.
pub(super) fn hear(client: &BaseConsumer<BrokerLog>) {
    for _ in 0..COMPLAINTS {
        // Whatever comes is heard by the log; there are no records, because nothing is waited for any more.
        drop(client.poll(Duration::from_millis(1)));
    }
}

/// What brokers say of a topic: its layout, and an error if there is one.
pub(super) fn metadata_of(
    client: &BaseConsumer<BrokerLog>,
    name: &str,
    patience: Duration,
) -> KafkaResult<Option<(TopicLayout, Option<RDKafkaErrorCode>)>> {
    let metadata = client.fetch_metadata(Some(name), patience)?;
    Ok(metadata
        .topics()
        .iter()
        .find(|topic| topic.name() == name)
        .map(|topic| {
            let partitions = topic.partitions();
            let layout = TopicLayout {
                partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
                replication: partitions
                    .iter()
                    .map(|partition| partition.replicas().len())
                    .min()
                    .unwrap_or(0),
            };
            (layout, topic.error().map(RDKafkaErrorCode::from))
        }))
}

/// Asks every leader for something, all at once; what they answer is of no interest.
pub(super) fn connect(
    client: &BaseConsumer<BrokerLog>,
    topic: &str,
    partitions: i32,
    patience: Duration,
) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Offset(0))?;
    }
    client.offsets_for_times(list, patience).map(drop)
}

pub(super) fn bounds(
    client: &BaseConsumer<BrokerLog>,
    topic: &str,
    partition: i32,
    patience: Duration,
) -> KafkaResult<Bounds> {
    let asked = Instant::now();
    loop {
        // The client reads committed records only, so the end is that of the last finished transaction.
        let error = match client.fetch_watermarks(topic, partition, patience) {
            Ok((start, end)) => return Ok(Bounds { start, end }),
            Err(error) => error,
        };
        // What the client says of a topic that it may not see, too.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownPartition)
            && let Ok(Some((_, Some(code)))) = metadata_of(client, topic, patience)
        {
            return Err(KafkaError::MetadataFetch(code));
        }
        // A partition that has just been made, or whose leader moves, has one again in a moment.
        let passes = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::NotLeaderForPartition | RDKafkaErrorCode::LeaderNotAvailable)
        );
        if !passes || asked.elapsed() >= patience {
            return Err(error);
        }
        std::thread::sleep(LEADER_WAIT);
    }
}
