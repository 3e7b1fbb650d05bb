//! The yardstick: a bare consume-produce loop on librdkafka, with nothing in between.
//!
//! Idempotent, acks=all, delivery reports read, keys and headers copied, one thread. It drains all partitions of one topic
//! into another and prints rate and CPU time as JSON. `scripts/speed` runs it beside the processor.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Acks {
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() {
            &self.delivered
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, servers, from, to] = arguments.as_slice() else {
        return Err("usage: pass_through BOOTSTRAP FROM-TOPIC TO-TOPIC".into());
    };
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "pass-through")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", "50")
        .create()?;
    let producer: BaseProducer<Acks> = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set("enable.gapless.guarantee", "true")
        .set("linger.ms", "2")
        .create_with_context(Acks::default())?;
    let metadata = consumer.fetch_metadata(Some(from), Duration::from_secs(10))?;
    let partitions = metadata
        .topics()
        .first()
        .map_or(0, |topic| topic.partitions().len());
    let mut list = TopicPartitionList::new();
    let mut wanted = 0u64;
    for partition in 0..i32::try_from(partitions)? {
        let (low, high) = consumer.fetch_watermarks(from, partition, Duration::from_secs(10))?;
        list.add_partition_offset(from, partition, Offset::Offset(low))?;
        wanted += u64::try_from(high - low)?;
    }
    consumer.assign(&list)?;
    let mut seen = 0u64;
    let mut started: Option<(Instant, u64)> = None;
    while producer.context().delivered.load(Ordering::Relaxed) < wanted {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(5)) {
            started.get_or_insert_with(|| (Instant::now(), cpu_ns()));
            send(&producer, to, &message);
            seen += 1;
            for _ in 0..999 {
                let Some(Ok(message)) = consumer.poll(Duration::ZERO) else {
                    break;
                };
                send(&producer, to, &message);
                seen += 1;
            }
        }
        producer.poll(Duration::ZERO);
        if producer.context().failed.load(Ordering::Relaxed) > 0 {
            return Err("a record was not delivered".into());
        }
    }
    let (wall, cpu) = started.map_or((0.0, 0), |(at, cpu)| {
        (at.elapsed().as_secs_f64(), cpu_ns() - cpu)
    });
    println!(
        "{{\"events\":{seen},\"seconds\":{wall:.3},\"events_per_second\":{:.0},\"cpu_us_per_event\":{:.3}}}",
        seen as f64 / wall,
        cpu as f64 / 1000.0 / seen as f64
    );
    Ok(())
}

fn send(
    producer: &BaseProducer<Acks>,
    topic: &str,
    message: &rdkafka::message::BorrowedMessage<'_>,
) {
    let mut record = BaseRecord::<[u8], [u8]>::to(topic).partition(message.partition());
    record.key = message.key();
    record.payload = message.payload();
    record.headers = message.headers().map(BorrowedHeaders::detach);
    while let Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) =
        producer.send(record)
    {
        producer.poll(Duration::from_millis(1));
        record = back;
    }
}

/// CPU time of all threads of this process, from the scheduler's own books.
fn cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let times = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    times.sum()
}
