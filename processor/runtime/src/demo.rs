//! Everything in one process: a broker, a policy, a chat, the processor, a reader; then the log folded once more.
//!
//! It is the real processor on the real client; only the broker may be librdkafka's mock, which needs nothing installed. Record
//! time is the sample's own time, so a chat of an evening judged in seconds is not one big flood.

use crate::config::{Config, Topics};
use crate::kafka::{BrokerError, Outgoing, Sender, TopicReader, raw_headers};
use crate::orders::{Activation, Author, OrderError, Orders};
use crate::run::{Processor, RunError};
use crate::topics::{TimestampType, TopicsError, Wanted, create};
use gavel_judge::Document;
use gavel_schemas::{VerdictRecord, decode_json_message, decode_verdict};
use rdkafka::Message;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Partitions of the demo's topics.
pub const PARTITIONS: i32 = 4;
/// How long anything may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The header that names a message's line of the sample.
const LINE: &str = "demo.line";
/// How often the demo looks whether something has happened.
const LOOK: Duration = Duration::from_millis(10);

/// librdkafka's mock broker, in this process, on a free port of the loopback interface.
pub struct Embedded {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl Embedded {
    /// Starts it and makes the topics.
    pub fn start(topics: &Topics) -> Result<Embedded, DemoError> {
        let failed = |source| DemoError::Embedded { source };
        let cluster = MockCluster::new(1).map_err(failed)?;
        for (key, name) in topics.named() {
            cluster
                .create_topic(name, if key == "control" { 1 } else { PARTITIONS }, 1)
                .map_err(failed)?;
        }
        Ok(Embedded { cluster })
    }

    pub fn servers(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("the embedded broker did not start: {source}")]
    Embedded { source: rdkafka::error::KafkaError },
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Topics(#[from] TopicsError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("{what} did not happen within {} s", PATIENCE.as_secs())]
    Late { what: String },
}

/// One message of the sample with what became of it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Line of the sample, from 0.
    pub line: usize,
    pub partition: i32,
    pub verdict: VerdictRecord,
    /// From the moment of sending to the receipt of the verdict.
    pub delay: Duration,
}

/// What is known after the run.
pub struct Outcome {
    /// In the order of the sample.
    pub judged: Vec<Judged>,
    /// Digest of the policy that was active.
    pub policy: String,
}

/// Makes the topics of a real broker ready; those of an embedded one are.
pub fn create_topics(config: &Config) -> Result<(), DemoError> {
    let wanted = Wanted {
        partitions: PARTITIONS,
        replication: None,
        timestamps: TimestampType::Create,
        retention_ms: 86_400_000,
    };
    create(config, &wanted)?;
    Ok(())
}

/// Activates `policy`, starts a processor, sends `lines` at `per_second`, reads the verdicts, stops.
pub fn run(
    config: &Config,
    policy: &Document,
    lines: &[Vec<u8>],
    per_second: u32,
) -> Result<Outcome, DemoError> {
    let first = lines
        .iter()
        .find_map(|line| decode_json_message(line).ok())
        .map_or(0, |message| message.sent_at);
    let mut orders = Orders::open(config)?;
    orders.open_log(&vec![0; usize::try_from(PARTITIONS).unwrap_or(1)])?;
    orders.publish(policy)?;
    let author = Author {
        by: "demo".into(),
        reason: "the sample policy".into(),
    };
    let activated = orders.activate(&Activation {
        digest: policy.digest(),
        scope: "*".into(),
        shadow: false,
        author,
        marker_time: Some(first),
    })?;

    let processor = Processor::start(config, false)?;
    let outcome = wait_until("the processor", || processor.telemetry.ready().is_ok())
        .and_then(|()| exchange(config, lines, per_second));
    processor.stop()?;
    Ok(Outcome {
        judged: outcome?,
        policy: activated.digest.to_string(),
    })
}

/// A verdict with the moment of its receipt.
struct Received {
    partition: i32,
    verdict: VerdictRecord,
    at: Instant,
}

fn exchange(config: &Config, lines: &[Vec<u8>], per_second: u32) -> Result<Vec<Judged>, DemoError> {
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let reader = {
        let (config, stop, count) = (config.clone(), Arc::clone(&stop), Arc::clone(&count));
        std::thread::spawn(move || receive(&config, &stop, &count))
    };
    // The verdicts of the markers are there already: with one of them the reader is warm, and what is measured is not its start.
    let warm = wait_until("the reader", || count.load(Ordering::Acquire) > 0);
    let sent = warm.and_then(|()| send(config, lines, per_second));
    let complete = sent.and_then(|sent| {
        wait_until("the last verdict", || {
            count.load(Ordering::Acquire) > lines.len()
        })
        .map(|()| sent)
    });
    stop.store(true, Ordering::Release);
    let received = reader.join().unwrap_or_else(|_| Ok(BTreeMap::new()))?;
    let sent = complete?;
    let judged = received.into_iter().filter_map(|(line, received)| {
        let delay = received.at.saturating_duration_since(*sent.get(line)?);
        Some(Judged {
            line,
            partition: received.partition,
            verdict: received.verdict,
            delay,
        })
    });
    Ok(judged.collect())
}

/// Sends the lines, evenly; gives the moment of sending of each.
fn send(config: &Config, lines: &[Vec<u8>], per_second: u32) -> Result<Vec<Instant>, DemoError> {
    let sender = Sender::new(config)?;
    let mut started = Instant::now();
    let mut sent = Vec::with_capacity(lines.len());
    let mut time = None;
    for (number, line) in lines.iter().enumerate() {
        let due = started
            + Duration::from_secs(1) * u32::try_from(number).unwrap_or(u32::MAX)
                / per_second.max(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let message = decode_json_message(line).ok();
        let key = message
            .as_ref()
            .map_or("arena/nobody".to_owned(), |message| {
                format!("{}/{}", message.community, message.user)
            });
        time = message
            .map(|message| message.sent_at)
            .filter(|at| *at > 0)
            .or(time);
        let headers = OwnedHeaders::new().insert(Header {
            key: LINE,
            value: Some(&number.to_string()),
        });
        sent.push(Instant::now());
        let topic = &config.topics.messages;
        let record = Outgoing {
            topic,
            partition: None,
            key: Some(key.as_bytes()),
            value: line,
            timestamp: time,
            headers: Some(headers),
        };
        sender.send(number, record)?;
        if number == 0 {
            // The first record waits for the client's introductions; the clock starts after it.
            sender.wait()?;
            started = Instant::now();
        }
    }
    sender.wait()?;
    for outcome in sender.outcomes() {
        outcome
            .partition
            .map_err(|error| sender.typed("send the sample".into(), error))?;
    }
    Ok(sent)
}

/// Reads the verdict topic until told to stop. A record's headers travel to its verdict, so each names its line.
fn receive(
    config: &Config,
    stop: &AtomicBool,
    count: &AtomicUsize,
) -> Result<BTreeMap<usize, Received>, DemoError> {
    let ranges: Vec<_> = (0..PARTITIONS).map(|partition| (partition, 0..0)).collect();
    let mut reader = TopicReader::open(config, &config.topics.verdicts, &ranges)?;
    let mut received = BTreeMap::new();
    while !stop.load(Ordering::Acquire) {
        let Some(record) = reader.follow(LOOK)? else {
            continue;
        };
        let at = Instant::now();
        let mut line = None;
        raw_headers(&record, |key, value| {
            if key == LINE.as_bytes() {
                line = value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
            }
        });
        if let (Some(line), Ok(verdict)) =
            (line, decode_verdict(record.payload().unwrap_or_default()))
        {
            received.entry(line).or_insert(Received {
                partition: record.partition(),
                verdict,
                at,
            });
        }
        // One more than messages: the markers' verdicts count as one.
        count.store(received.len() + 1, Ordering::Release);
    }
    Ok(received)
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) -> Result<(), DemoError> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return Err(DemoError::Late {
                what: what.to_owned(),
            });
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}
