//! The yardstick: a bare consume-produce loop on librdkafka, with nothing in between.
//!
//! Idempotent, acks=all, delivery reports read, keys and headers copied, one thread. It drains all partitions of one topic
//! into another and prints rate and CPU time as JSON; with `--follow` it says `ready` and copies from the topic's end on until it is
//! terminated. `scripts/bench` runs it beside the processor.

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

struct Options {
    servers: String,
    from: String,
    to: String,
    follow: bool,
    linger_ms: String,
    fetch_wait_ms: String,
    fetch_min_bytes: String,
}

impl Options {
    fn read() -> Result<Options, Box<dyn std::error::Error>> {
        let (mut names, mut follow) = (Vec::new(), false);
        let (mut linger_ms, mut fetch_wait_ms) = ("2".to_owned(), "50".to_owned());
        let mut fetch_min_bytes = "1".to_owned();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--follow" => follow = true,
                "--linger-ms" => linger_ms = words.next().ok_or("--linger-ms wants a number")?,
                "--fetch-wait-ms" => {
                    fetch_wait_ms = words.next().ok_or("--fetch-wait-ms wants a number")?;
                }
                "--fetch-min-bytes" => {
                    fetch_min_bytes = words.next().ok_or("--fetch-min-bytes wants a number")?;
                }
                _ => names.push(word),
            }
        }
        let Ok([servers, from, to]) = <[String; 3]>::try_from(names) else {
            return Err("usage: pass_through BOOTSTRAP FROM-TOPIC TO-TOPIC [--follow] [--linger-ms 2] [--fetch-wait-ms 50] [--fetch-min-bytes 1]".into());
        };
        Ok(Options {
            servers,
            from,
            to,
            follow,
            linger_ms,
            fetch_wait_ms,
            fetch_min_bytes,
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::read()?;
    let (servers, from, to) = (&options.servers, &options.from, &options.to);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "pass-through")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("check.crcs", "true")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", &options.fetch_wait_ms)
        .set("fetch.min.bytes", &options.fetch_min_bytes)
        .create()?;
    let producer: BaseProducer<Acks> = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", "0")
        .set("enable.gapless.guarantee", "true")
        .set("linger.ms", &options.linger_ms)
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
        let first = if options.follow { high } else { low };
        list.add_partition_offset(from, partition, Offset::Offset(first))?;
        wanted += u64::try_from(high - low)?;
    }
    consumer.assign(&list)?;
    if options.follow {
        println!("ready");
    }
    let mut seen = 0u64;
    let mut started: Option<(Instant, Cpu)> = None;
    while options.follow || producer.context().delivered.load(Ordering::Relaxed) < wanted {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(5)) {
            started.get_or_insert_with(|| (Instant::now(), Cpu::now()));
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
    let Some((began, before)) = started else {
        return Err("the topic is empty".into());
    };
    let (wall, after, events) = (began.elapsed().as_secs_f64(), Cpu::now(), seen as f64);
    println!(
        "{{\"events\":{seen},\"seconds\":{wall:.3},\"events_per_second\":{:.0},\"cpu_us_per_event\":{:.3},\"librdkafka_us_per_event\":{:.3}}}",
        events / wall,
        (after.all_ns - before.all_ns) as f64 / 1000.0 / events,
        (after.librdkafka_ns - before.librdkafka_ns) as f64 / 1000.0 / events,
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
struct Cpu {
    all_ns: u64,
    /// Of those that the client library made.
    librdkafka_ns: u64,
}

impl Cpu {
    fn now() -> Cpu {
        let mut cpu = Cpu {
            all_ns: 0,
            librdkafka_ns: 0,
        };
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
        for task in tasks.flatten() {
            let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            let text = read("schedstat");
            let ns: u64 = text
                .split_whitespace()
                .next()
                .and_then(|ns| ns.parse().ok())
                .unwrap_or(0);
            cpu.all_ns += ns;
            if read("comm").starts_with("rdk:") {
                cpu.librdkafka_ns += ns;
            }
        }
        cpu
    }
}
