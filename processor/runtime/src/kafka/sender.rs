//! A producer for commands: sends, waits for acks, says what failed. Not for lanes, which never wait.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};

use super::access::Authenticated;
use super::client::no_client;
use super::log::typed;
use super::{BrokerError, BrokerLog, PATIENCE, producer_config};
use crate::config::Config;

/// Records that may wait for their ack before `send` waits.
const IN_FLIGHT: i32 = 50_000;

/// Between two looks for acks.
const ACK_WAIT: Duration = Duration::from_micros(500);

/// A record on its way out.
pub struct Outgoing<'a> {
    pub topic: &'a str,
    /// `None`: murmur2 of the key.
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: &'a [u8],
    /// Milliseconds since 1970; `None`: now.
    pub timestamp: Option<i64>,
    pub headers: Option<OwnedHeaders>,
}

/// What became of a record.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The number that the caller gave it.
    pub number: usize,
    /// The partition that has it, in all in-sync replicas.
    pub partition: Result<i32, KafkaError>,
}

/// Sends records and counts their acks.
pub struct Sender {
    producer: Authenticated<BaseProducer<SenderContext>>,
    servers: String,
}

impl Sender {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: &Config) -> Result<Sender, BrokerError> {
        let producer = producer_config(config)
            .create_with_context(SenderContext::default())
            .map_err(no_client)?;
        Ok(Sender {
            producer,
            servers: config.kafka.bootstrap_servers.clone(),
        })
    }

    /// Queues one record under the caller's number, waiting while too many are unacknowledged.
    pub fn send(&self, number: usize, record: Outgoing<'_>) -> Result<(), BrokerError> {
        self.wait_below(IN_FLIGHT)?;
        let mut queued = BaseRecord::with_opaque_to(record.topic, number).payload(record.value);
        queued.key = record.key;
        queued.partition = record.partition;
        queued.timestamp = record.timestamp;
        queued.headers = record.headers;
        loop {
            match self.producer.send(queued) {
                Ok(()) => {
                    self.producer.poll(Duration::ZERO);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    queued = back;
                    self.wait_below(self.producer.in_flight_count())?;
                }
                Err((error, _)) => {
                    return Err(self.typed(format!("write to `{}`", record.topic), error));
                }
            }
        }
    }

    /// Waits until everything sent is acknowledged or has failed.
    pub fn wait(&self) -> Result<(), BrokerError> {
        self.wait_below(1)
    }

    /// What became of records since the last call.
    pub fn outcomes(&self) -> Vec<Sent> {
        std::mem::take(
            &mut *self
                .producer
                .context()
                .sent
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Sends one record and waits until it is acknowledged.
    pub fn send_one(&self, record: Outgoing<'_>) -> Result<(), BrokerError> {
        let doing = format!("write to `{}`", record.topic);
        self.send(0, record)?;
        self.wait()?;
        for sent in self.outcomes() {
            sent.partition
                .map_err(|error| self.typed(doing.clone(), error))?;
        }
        Ok(())
    }

    /// The typed error for an outcome of this producer.
    pub fn typed(&self, doing: String, error: KafkaError) -> BrokerError {
        typed(
            doing,
            error,
            &self.servers,
            &self.producer.context().log,
            PATIENCE,
        )
    }

    fn wait_below(&self, limit: i32) -> Result<(), BrokerError> {
        let mut progress = (Instant::now(), self.producer.in_flight_count());
        while self.producer.in_flight_count() >= limit {
            // Not in poll: it spins through the last millisecond of its timeout, and uses all of it.
            std::thread::sleep(ACK_WAIT);
            self.producer.poll(Duration::ZERO);
            let in_flight = self.producer.in_flight_count();
            if in_flight < progress.1 {
                progress = (Instant::now(), in_flight);
            }
            if progress.0.elapsed() >= PATIENCE {
                return Err(BrokerError::NoBroker {
                    servers: self.servers.clone(),
                    waited: PATIENCE,
                    detail: self.producer.context().log.detail(),
                });
            }
        }
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Whoever did not wait does not care; the client would otherwise wait for ever for a broker that is gone.
        self.producer
            .purge(PurgeConfig::default().queue().inflight());
    }
}

#[derive(Default)]
struct SenderContext {
    log: BrokerLog,
    sent: Mutex<Vec<Sent>>,
}

impl ClientContext for SenderContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ProducerContext for SenderContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let partition = match result {
            Ok(message) => Ok(message.partition()),
            Err((error, _)) => Err(error.clone()),
        };
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Sent { number, partition });
    }
}
