//! Settings for each kind of client: what helps speed first, then the user's raw settings, then what the contract fixes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::error::unreachable;
use super::{BrokerError, PATIENCE};
use crate::config::{Config, Protocol};

/// Largest produce request in bytes: below the `max.message.bytes` that `gavel topics create` gives every topic, above
/// any verdict, dead letter (512 KiB and headers) and order (768 KiB).
const REQUEST_BYTES: &str = "1000000";

fn base(config: &Config, role: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", format!("gavel-{role}"));
    client.set("bootstrap.servers", config.kafka.bootstrap_servers.as_str());
    // librdkafka's own lines come through the context; notices about idle connections are noise.
    client.set("log.connection.close", "false");
    client.set_log_level(RDKafkaLogLevel::Warning);
    client
}

fn with_properties(mut client: ClientConfig, config: &Config) -> ClientConfig {
    for (key, value) in config.kafka.properties.iter() {
        client.set(key, value);
    }
    client
}

/// What every consumer has in common by contract.
fn reading(client: &mut ClientConfig) {
    client.set("enable.auto.commit", "false");
    client.set("enable.auto.offset.store", "false");
    client.set("auto.offset.reset", "error");
    client.set("isolation.level", "read_committed");
    client.set("check.crcs", "true");
    client.set("allow.auto.create.topics", "false");
}

/// For reading logs by assignment. librdkafka wants a group name even then; nobody joins it and nothing is committed.
pub fn reader_config(config: &Config) -> ClientConfig {
    let mut client = base(config, "reader");
    client.set(
        "fetch.wait.max.ms",
        config.kafka.fetch_wait_max_ms.to_string(),
    );
    client.set("fetch.error.backoff.ms", "50");
    client.set("fetch.queue.backoff.ms", "5");
    client.set("queued.min.messages", "5000");
    client.set("queued.max.messages.kbytes", "16384");
    let mut client = with_properties(client, config);
    reading(&mut client);
    client.set("group.id", format!("{}-reader", config.kafka.group));
    client.set("enable.partition.eof", "true");
    client
}

/// For a lane: a member of the processor's group. `lane` counts from 0 in this process.
pub fn lane_consumer_config(config: &Config, lane: usize) -> ClientConfig {
    let mut client = base(config, &format!("lane-{lane}"));
    client.set(
        "fetch.wait.max.ms",
        config.kafka.fetch_wait_max_ms.to_string(),
    );
    client.set("fetch.error.backoff.ms", "50");
    client.set("fetch.queue.backoff.ms", "5");
    client.set("queued.min.messages", "10000");
    let mut client = with_properties(client, config);
    reading(&mut client);
    client.set("group.id", config.kafka.group.as_str());
    client.set("enable.partition.eof", "false");
    match config.kafka.protocol {
        Protocol::Classic => {
            client.set("group.protocol", "classic");
            client.set("partition.assignment.strategy", "cooperative-sticky");
            client.set(
                "session.timeout.ms",
                config.kafka.session_timeout_ms.to_string(),
            );
            client.set(
                "heartbeat.interval.ms",
                config.kafka.heartbeat_ms.to_string(),
            );
        }
        // Session, heartbeat and assignor are the broker's here; librdkafka refuses a client that sets them.
        Protocol::Consumer => {
            client.set("group.protocol", "consumer");
        }
    }
    if let Some(instance) = &config.run.instance_id {
        client.set("group.instance.id", format!("{instance}-{lane}"));
    }
    client
}

/// For verdicts, dead letters, orders and produced messages. Not compressed unless `compression.type` says so: verdicts
/// are small, and the broker stores what it gets.
pub fn producer_config(config: &Config) -> ClientConfig {
    let mut client = base(config, "producer");
    client.set("linger.ms", config.kafka.linger_ms.to_string());
    let mut client = with_properties(client, config);
    client.set("enable.idempotence", "true");
    client.set("acks", "all");
    client.set("message.timeout.ms", "0");
    client.set("enable.gapless.guarantee", "true");
    client.set("partitioner", "murmur2");
    client.set("message.max.bytes", REQUEST_BYTES);
    client
}

/// For topics and their settings.
pub fn admin_config(config: &Config) -> ClientConfig {
    with_properties(base(config, "admin"), config)
}

/// An admin client that logs where everything else does.
pub fn admin_client(config: &Config) -> Result<AdminClient<BrokerLog>, BrokerError> {
    admin_config(config)
        .create_with_context(BrokerLog::default())
        .map_err(no_client)
}

pub(super) fn no_client(error: KafkaError) -> BrokerError {
    BrokerError::Client {
        reason: error.to_string(),
    }
}

/// Takes librdkafka's log lines, and remembers the last complaint so that "no broker answered" can say why.
#[derive(Debug, Default, Clone)]
pub struct BrokerLog {
    last: Arc<Mutex<Option<String>>>,
}

impl BrokerLog {
    /// The last complaint, as the end of a sentence: ` (connect to … refused)`.
    pub fn detail(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default()
    }
}

impl ClientContext for BrokerLog {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // A raw setting for producers is no news to a consumer.
        if facility == "CONFWARN" {
            return;
        }
        // What matters of it comes back as a typed error; the lines themselves are for those who look for them.
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        let all_down = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // "1/1 brokers are down" says less than the failure before it.
        if !all_down || last.is_none() {
            *last = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for BrokerLog {}

impl ProducerContext for BrokerLog {
    type DeliveryOpaque = Box<Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Box<Delivery>) {
        let outcome = match result {
            Ok(message) => Ok((
                rdkafka::Message::partition(message),
                rdkafka::Message::offset(message),
            )),
            Err((error, _)) => Err(error.clone()),
        };
        delivery
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((delivery.1, outcome));
    }
}

/// Where the outcome of one record goes, and the number that the caller gave it.
pub struct Delivery(Outcomes, u64);
type Outcomes = Arc<Mutex<Vec<(u64, Result<(i32, i64), KafkaError>)>>>;

/// A producer for commands: sends, waits for acks, says what failed. Not for lanes, which never wait.
pub struct Sender {
    producer: BaseProducer<BrokerLog>,
    outcomes: Outcomes,
    servers: String,
    log: BrokerLog,
}

/// Records that may wait for their ack before `send` waits.
const IN_FLIGHT: i32 = 50_000;

impl Sender {
    pub fn new(config: &Config) -> Result<Sender, BrokerError> {
        let log = BrokerLog::default();
        let producer: BaseProducer<BrokerLog> = producer_config(config)
            .create_with_context(log.clone())
            .map_err(no_client)?;
        Ok(Sender {
            producer,
            outcomes: Outcomes::default(),
            servers: config.kafka.bootstrap_servers.clone(),
            log,
        })
    }

    pub fn client(&self) -> &Client<BrokerLog> {
        self.producer.client()
    }

    /// Queues one record under the caller's number, waiting while too many are unacknowledged. A partition of `None`
    /// means murmur2 of the key.
    pub fn send(&self, number: u64, mut record: Outgoing<'_>) -> Result<(), BrokerError> {
        self.wait_below(IN_FLIGHT)?;
        loop {
            let mut base = BaseRecord::with_opaque_to(
                record.topic,
                Box::new(Delivery(Arc::clone(&self.outcomes), number)),
            )
            .payload(record.value);
            base.key = record.key;
            base.partition = record.partition;
            base.timestamp = record.timestamp;
            base.headers = record.headers.take();
            match self.producer.send(base) {
                Ok(()) => {
                    self.producer.poll(Duration::ZERO);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record.headers = back.headers;
                    self.producer.poll(Duration::from_millis(5));
                }
                Err((error, _)) => {
                    return Err(self.typed(format!("send to `{}`", record.topic), error));
                }
            }
        }
    }

    /// Waits until everything sent is acknowledged or has failed.
    pub fn wait(&self) -> Result<(), BrokerError> {
        self.wait_below(1)
    }

    /// Outcomes since the last call, in the order in which they arrived: the caller's number, then partition and
    /// offset, or the error.
    pub fn outcomes(&self) -> Vec<(u64, Result<(i32, i64), KafkaError>)> {
        std::mem::take(&mut *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends one record and waits for its ack; the partition and offset it got.
    pub fn send_one(&self, record: Outgoing<'_>) -> Result<(i32, i64), BrokerError> {
        let doing = format!("write to `{}`", record.topic);
        self.outcomes();
        self.send(0, record)?;
        self.wait()?;
        match self.outcomes().pop() {
            Some((_, Ok(place))) => Ok(place),
            Some((_, Err(error))) => Err(self.typed(doing, error)),
            None => Err(BrokerError::Failed {
                doing,
                source: KafkaError::Canceled,
            }),
        }
    }

    fn wait_below(&self, limit: i32) -> Result<(), BrokerError> {
        let mut waited_from = (Instant::now(), self.producer.in_flight_count());
        while self.producer.in_flight_count() >= limit {
            // poll uses all of its timeout: a short one, because acks come in batches.
            self.producer.poll(Duration::from_millis(1));
            let now = self.producer.in_flight_count();
            if now < waited_from.1 {
                waited_from = (Instant::now(), now);
            }
            if waited_from.0.elapsed() >= PATIENCE {
                return Err(self.no_broker());
            }
        }
        Ok(())
    }

    fn no_broker(&self) -> BrokerError {
        BrokerError::NoBroker {
            servers: self.servers.clone(),
            waited: PATIENCE,
            detail: self.log.detail(),
        }
    }

    /// The typed error for an outcome or a failed request of this producer.
    pub fn typed(&self, doing: String, error: KafkaError) -> BrokerError {
        typed(doing, error, &self.servers, &self.log, PATIENCE)
    }
}

/// A record on its way out.
pub struct Outgoing<'a> {
    pub topic: &'a str,
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    pub value: &'a [u8],
    /// Milliseconds since 1970; `None`: now.
    pub timestamp: Option<i64>,
    pub headers: Option<rdkafka::message::OwnedHeaders>,
}

/// Sorts a client error into those that a person can act on.
pub(super) fn typed(
    doing: String,
    error: KafkaError,
    servers: &str,
    log: &BrokerLog,
    waited: Duration,
) -> BrokerError {
    match error.rdkafka_error_code() {
        Some(code) if unreachable(code) => BrokerError::NoBroker {
            servers: servers.to_owned(),
            waited,
            detail: log.detail(),
        },
        Some(
            code @ (RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::InvalidConfig
            | RDKafkaErrorCode::PolicyViolation),
        ) => BrokerError::Refused { doing, code },
        _ => BrokerError::Failed {
            doing,
            source: error,
        },
    }
}
