//! The Kafka clients of one restorer thread, kept from one restore to the next: making one takes longer than most restores.
//!
//! Invariant: a client that had trouble is never used again. It is taken out for use and put back only by whoever had none;
//! what is dropped on the way is made anew by the next restore. What is put back stands still: it reads nothing ahead.
//!
//! Questions have a client of their own: on a reader's connection they would wait behind its last fetch.

use super::outbox::{Outbox, OutputTopics};
use crate::config::{Config, Topics};
use crate::kafka::{BrokerError, Cluster, LogReader, producer_config};
use rdkafka::error::KafkaError;
use std::time::Duration;

/// How long a restore bears a silent broker before it starts over.
const PATIENCE: Duration = Duration::from_secs(30);
/// Milliseconds that a broker may hold an empty fetch of a restore: nobody waits for records that do not exist yet.
const FETCH_WAIT_MS: u64 = 5;
/// How long warming up bears one: nobody waits for it yet.
const WARM: Duration = Duration::from_secs(2);

/// Which of the two logs that a restore reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    Messages,
    Verdicts,
}

/// One client that asks, readers of the message and of the verdict topic, and a producer for dead letters.
pub struct Clients {
    config: Config,
    cluster: Option<Cluster>,
    messages: Option<LogReader>,
    verdicts: Option<LogReader>,
    outbox: Option<Outbox>,
}

impl Clients {
    /// None yet: each is made when it is first taken.
    pub fn new(config: &Config) -> Clients {
        let mut config = config.clone();
        config.kafka.fetch_wait_max_ms = config.kafka.fetch_wait_max_ms.min(FETCH_WAIT_MS);
        Clients {
            config,
            cluster: None,
            messages: None,
            verdicts: None,
            outbox: None,
        }
    }

    /// Makes the clients and their connections before anybody waits for them. Without a broker nothing comes of it.
    pub fn warm(&mut self) {
        if let Err(error) = self.try_warm() {
            tracing::debug!(%error, "no connections ahead of the first restore");
        }
    }

    fn try_warm(&mut self) -> Result<(), BrokerError> {
        let cluster = Cluster::with_patience(&self.config, WARM)?;
        let topics = self.config.topics.clone();
        for (log, topic) in [
            (Log::Messages, topics.messages),
            (Log::Verdicts, topics.verdicts),
        ] {
            let partitions = cluster.require(&topic)?.partitions;
            cluster.connect(&topic, partitions)?;
            let reader = self.reader(log, 0)?.with_patience(WARM);
            reader.connect(partitions)?;
            self.keep(log, reader.with_patience(PATIENCE));
        }
        self.cluster = Some(cluster.patient(PATIENCE));
        Ok(())
    }

    /// Asks with the client kept for that; one that got no answer is thrown away.
    pub fn ask<T>(
        &mut self,
        question: impl FnOnce(&Cluster, &Topics) -> Result<T, BrokerError>,
    ) -> Result<T, BrokerError> {
        let cluster = match self.cluster.take() {
            Some(cluster) => cluster,
            None => Cluster::with_patience(&self.config, PATIENCE)?,
        };
        let answer = question(&cluster, &self.config.topics)?;
        self.cluster = Some(cluster);
        Ok(answer)
    }

    /// A reader of this partition, to be put back by `keep` if all goes well.
    pub fn reader(&mut self, log: Log, partition: i32) -> Result<LogReader, BrokerError> {
        let (slot, topic) = match log {
            Log::Messages => (&mut self.messages, &self.config.topics.messages),
            Log::Verdicts => (&mut self.verdicts, &self.config.topics.verdicts),
        };
        match slot.take() {
            Some(mut reader) => {
                reader.turn_to(partition);
                Ok(reader)
            }
            None => Ok(LogReader::open(&self.config, topic, partition)?.with_patience(PATIENCE)),
        }
    }

    /// Puts a reader back that had no trouble.
    pub fn keep(&mut self, log: Log, mut reader: LogReader) {
        if let Err(error) = reader.rest() {
            tracing::debug!(%error, "a reader is made anew");
            return;
        }
        match log {
            Log::Messages => self.messages = Some(reader),
            Log::Verdicts => self.verdicts = Some(reader),
        }
    }

    /// A producer of dead letters, to be put back by `keep_outbox` once everything is acknowledged.
    pub fn outbox(&mut self) -> Result<Outbox, KafkaError> {
        match self.outbox.take() {
            Some(outbox) => Ok(outbox),
            None => Outbox::new(
                producer_config(&self.config),
                OutputTopics::of(&self.config.topics),
                Duration::ZERO,
            ),
        }
    }

    /// Puts a producer back; one that still waits for something is dropped, so that no report reaches another restore.
    pub fn keep_outbox(&mut self, outbox: Outbox) {
        if outbox.in_flight() == 0 {
            self.outbox = Some(outbox);
        }
    }
}
