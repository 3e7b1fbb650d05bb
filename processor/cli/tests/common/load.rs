//! A paced load, and what became of each of its messages: when the broker took it, and when its verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gavel_runtime::kafka::{Bounds, Cluster, TopicReader};
use gavel_schemas::{ChatMessage, encode_message, peek_verdict_identity};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{Kafka, Running};

/// Every fifth message of the load breaks a rule of it; some users flood.
const POLICY: &str = "[policy]\nid = \"load\"\ntopics = [\"rude\", \"spam\"]\n[audience.default]\ndefault = { flag = 2, mask = 3, block = 5 }\n\
                      [[term]]\nid = \"rude-1\"\nmatch = [\"drat\"]\ntopic = \"rude\"\nrisk = 3\n\
                      [[context]]\nid = \"flood\"\ntype = \"event_count\"\ngroup_by = [\"user\"]\ntimespan = \"10s\"\ncondition = { gte = 30 }\n\
                      then = { topic = \"spam\", risk = 4, action = \"mute\", for = \"3s\" }\n\
                      [strikes]\nper_risk = { \"3\" = 0.5, \"4\" = 1.0 }\nhalf_life = \"30s\"\nat = [ { gte = 3.0, action = \"mute\", for = \"2s\" } ]\n";

/// Topics with an activated policy, for processors that use this group protocol.
pub fn chat(name: &str, protocol: &str, partitions: i32) -> Kafka {
    let kafka = Kafka::for_test(&format!("{name}-{protocol}"))
        .with("GAVEL_KAFKA_GROUP")
        .set("GAVEL_KAFKA_PROTOCOL", protocol);
    kafka
        .run(&["topics", "create", "--partitions", &partitions.to_string()])
        .expect(0);
    let files = tempfile::tempdir().expect("a temporary directory");
    let policy = files.path().join("policy.toml");
    std::fs::write(&policy, POLICY).expect("the policy is written");
    kafka
        .run(&["policy", "activate", super::text(&policy)])
        .expect(0);
    kafka
}

/// Sends evenly to all partitions until told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Load {
    /// `rate` messages a second, all partitions by turns.
    pub fn start(kafka: &Kafka, partitions: i32, rate: u32) -> Load {
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (servers, topic) = (
            kafka.variables["GAVEL_KAFKA_BOOTSTRAP_SERVERS"].clone(),
            kafka.variables["GAVEL_TOPICS_MESSAGES"].clone(),
        );
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let thread = std::thread::spawn(move || {
            let producer: BaseProducer = rdkafka::ClientConfig::new()
                .set("bootstrap.servers", servers)
                .set("enable.idempotence", "true")
                .set("linger.ms", "1")
                .create()
                .expect("a client");
            let started = Instant::now();
            let mut number = 0u32;
            while !stopped.load(Ordering::Acquire) {
                let due = started + Duration::from_secs(1) * number / rate;
                producer.poll(due.saturating_duration_since(Instant::now()));
                let user = format!("u{}", number % 97);
                let text = if number.is_multiple_of(5) {
                    "drat that"
                } else {
                    "hello there"
                };
                let message = ChatMessage {
                    community: "c".into(),
                    channel: "lobby".into(),
                    user: user.as_str().into(),
                    text: text.into(),
                    kind: "message".into(),
                    ..ChatMessage::default()
                };
                let mut value = Vec::new();
                encode_message(&message, &mut value);
                // By turns, so that a silence of a partition is a silence of its processor.
                let partition = i32::try_from(number).unwrap_or(0) % partitions;
                let key = format!("c/{user}");
                producer
                    .send(
                        BaseRecord::to(&topic)
                            .partition(partition)
                            .key(&key)
                            .payload(&value),
                    )
                    .expect("the queue has room");
                number += 1;
                count.store(number as usize, Ordering::Release);
            }
            while producer.in_flight_count() > 0 {
                producer.poll(Duration::from_millis(10));
            }
        });
        Load { stop, sent, thread }
    }

    /// How many were sent and acknowledged.
    pub fn stop(self) -> usize {
        self.stop.store(true, Ordering::Release);
        self.thread.join().expect("the load was sent");
        self.sent.load(Ordering::Acquire)
    }
}

/// Each partition that a processor's log says it was assigned, with the time of that line.
pub fn assignments(processor: &Running) -> Vec<(i64, i32)> {
    let log = processor.log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut found = Vec::new();
    for line in lines.filter(|line| line["message"] == "assigned") {
        let at = line["timestamp"].as_str().and_then(|at| at.parse().ok());
        let at = at.map_or(0, jiff::Timestamp::as_millisecond);
        let list = line["partitions"].as_str().unwrap_or_default();
        let numbers = list.split(|c: char| !c.is_ascii_digit());
        found.extend(numbers.filter_map(|number| Some((at, number.parse().ok()?))));
    }
    found
}

/// One message: when the broker appended it, and how long after that its first verdict. Milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    pub sent: i64,
    pub delay: i64,
}

/// Every message of the log with its verdict, by partition, in log order. Fails if one has none, or two that differ.
#[track_caller]
pub fn judged(kafka: &Kafka) -> BTreeMap<i32, Vec<Judged>> {
    let topics = kafka.config().topics;
    let mut first: BTreeMap<(i32, i64), (i64, Vec<u8>)> = BTreeMap::new();
    each(kafka, &topics.verdicts, |partition, _, at, value| {
        let identity = peek_verdict_identity(value).expect("the topic holds verdicts only");
        assert_eq!(identity.source_partition, partition);
        let key = (partition, identity.source_offset);
        let (_, before) = first.entry(key).or_insert_with(|| (at, value.to_vec()));
        assert!(
            before == value,
            "two verdicts of partition {partition} offset {} differ",
            identity.source_offset
        );
    });
    let mut judged: BTreeMap<i32, Vec<Judged>> = BTreeMap::new();
    each(kafka, &topics.messages, |partition, offset, sent, _| {
        let (at, _) = first
            .get(&(partition, offset))
            .unwrap_or_else(|| panic!("partition {partition} offset {offset} has no verdict"));
        let delay = at - sent;
        judged
            .entry(partition)
            .or_default()
            .push(Judged { sent, delay });
    });
    judged
}

/// Hands every record's partition, offset, time and value to `visit`.
fn each(kafka: &Kafka, topic: &str, mut visit: impl FnMut(i32, i64, i64, &[u8])) {
    let config = kafka.config();
    let cluster = Cluster::new(&config).expect("the broker answers");
    let partitions = cluster
        .require(topic)
        .expect("the topic is there")
        .partitions;
    let ranges: Vec<_> = (0..partitions)
        .map(|partition| {
            let Bounds { start, end } = cluster
                .bounds(topic, partition)
                .expect("the partition is there");
            (partition, start..end)
        })
        .collect();
    let mut reader = TopicReader::open(&config, topic, &ranges).expect("a reader");
    while let Some(record) = reader.read().expect("the topic can be read") {
        let at = record.timestamp().to_millis().expect("records have a time");
        let value = record.payload().unwrap_or_default();
        visit(record.partition(), record.offset(), at, value);
    }
}

/// The wall clock, as brokers write it.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("it is after 1970");
    i64::try_from(since.as_millis()).expect("milliseconds fit")
}
