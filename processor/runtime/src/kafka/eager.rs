//! A producer that takes a record now or says that it cannot, and never waits. For the load, whose schedule nothing may move.
//!
//! Invariant: a record is either queued or handed back to the caller's next try; what becomes of queued ones is counted apart, on the
//! thread that calls `hear`, so that sending does nothing but send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};

use super::access::Authenticated;
use super::client::no_client;
use super::log::typed;
use super::{BrokerError, BrokerLog, PATIENCE, load_producer_config};
use crate::config::Config;

/// A record with the one header that it bears.
pub struct Marked<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub header: &'a str,
    pub mark: &'a [u8],
}

/// What a try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Queued {
    Taken,
    /// Too much waits for brokers: try again.
    Full,
}

/// What became of queued records, over all senders that share it.
#[derive(Debug)]
pub struct Deliveries {
    /// Records with a smaller number are not counted as acknowledged.
    from: usize,
    acknowledged: AtomicU64,
    failed: AtomicU64,
    heard: AtomicU64,
}

impl Deliveries {
    /// Counts acknowledgements from this number on.
    pub fn counted_from(from: usize) -> Deliveries {
        Deliveries {
            from,
            acknowledged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        }
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// All that failed, whatever their number.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Sends to one topic.
pub struct EagerSender {
    producer: Authenticated<BaseProducer<Context>>,
    topic: String,
    servers: String,
}

impl EagerSender {
    /// Makes the client and lets it learn the topic, so that the first record need not wait for that.
    pub fn open(
        config: &Config,
        topic: &str,
        deliveries: &Arc<Deliveries>,
    ) -> Result<EagerSender, BrokerError> {
        let context = Context {
            log: BrokerLog::default(),
            deliveries: Arc::clone(deliveries),
        };
        let producer: Authenticated<BaseProducer<Context>> = load_producer_config(config)
            .create_with_context(context)
            .map_err(no_client)?;
        let sender = EagerSender {
            producer,
            topic: topic.to_owned(),
            servers: config.kafka.bootstrap_servers.clone(),
        };
        match sender
            .producer
            .client()
            .fetch_metadata(Some(topic), PATIENCE)
        {
            Ok(_) => Ok(sender),
            Err(error) => Err(sender.failed(error)),
        }
    }

    /// Queues a record under the caller's number.
    pub fn try_send(&self, number: usize, record: &Marked<'_>) -> Result<Queued, BrokerError> {
        let headers = OwnedHeaders::new_with_capacity(1).insert(Header {
            key: record.header,
            value: Some(record.mark),
        });
        let queued = BaseRecord::with_opaque_to(&self.topic, number)
            .key(record.key)
            .payload(record.value)
            .headers(headers);
        match self.producer.send(queued) {
            Ok(()) => Ok(Queued::Taken),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                Ok(Queued::Full)
            }
            Err((error, _)) => Err(self.failed(error)),
        }
    }

    /// Counts what has become of records since the last call.
    pub fn hear(&self) {
        let heard = || {
            self.producer
                .context()
                .deliveries
                .heard
                .load(Ordering::Relaxed)
        };
        // A poll without a timeout serves one batch of reports; as long as each brings something, another may wait.
        loop {
            let before = heard();
            self.producer.poll(Duration::ZERO);
            if heard() == before {
                return;
            }
        }
    }

    /// Records whose fate is not known.
    pub fn in_flight(&self) -> i32 {
        self.producer.in_flight_count()
    }

    fn failed(&self, error: KafkaError) -> BrokerError {
        let doing = format!("write to `{}`", self.topic);
        let log = &self.producer.context().log;
        typed(doing, error, &self.servers, log, PATIENCE)
    }
}

impl Drop for EagerSender {
    fn drop(&mut self) {
        // What is unacknowledged now is counted as such; the client would otherwise wait for ever for a broker that is gone.
        self.producer
            .purge(PurgeConfig::default().queue().inflight());
    }
}

struct Context {
    log: BrokerLog,
    deliveries: Arc<Deliveries>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.log.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.log.error(error, reason);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let deliveries = &self.deliveries;
        if result.is_err() {
            deliveries.failed.fetch_add(1, Ordering::Relaxed);
        } else if number >= deliveries.from {
            deliveries.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        deliveries.heard.fetch_add(1, Ordering::Relaxed);
    }
}
