//! A peer: the processor that most teams would write first. An asynchronous consumer and producer, Avro by its generic values, a state store that
//! is asked and told for every message, offsets committed once a second, term matching by one automaton. `scripts/bench` runs it beside `gavel`.
//!
//! Invariant: it is honest. Everything is used as its documentation suggests, nothing waits without need, and it does less than Gavel where
//! it differs (one rule about floods, no disguises, no audit), so that what it costs more is the price of the design. An offset is committed only
//! when the verdicts of all records before it are acknowledged: at least once.

use aho_corasick::{AhoCorasick, MatchKind};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::{Record, Value};
use apache_avro::{GenericSingleObjectWriter, Schema};
use futures_util::stream::{FuturesOrdered, StreamExt};
use rdkafka::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Message};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use rocksdb::{DB, DBCompressionType, Options};
use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The allocator of `gavel`, so that the comparison is not of allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHAT_MESSAGE: &str = include_str!("../../../schemas/avsc/chat_message.avsc");
/// Before the datum. The fingerprint behind these two bytes is left unchecked: apache-avro computes another one where a schema has logical
/// types.
const MARKER: [u8; 2] = [0xC3, 0x01];
const HEADER: usize = 10;
const VERDICT: &str = include_str!("../../../schemas/avsc/verdict.avsc");

const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Verdicts that may wait for their acknowledgement.
const IN_FLIGHT: usize = 20_000;
const CACHE_MIB: u64 = 256;
/// Messages in so many milliseconds that are a flood.
const FLOOD: u32 = 50;
const FLOOD_MS: i64 = 10_000;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, servers, from, to, words, directory] = arguments.as_slice() else {
        return Err("usage: naive BOOTSTRAP FROM-TOPIC TO-TOPIC WORDS.csv DATA-DIRECTORY".into());
    };
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", format!("naive-{to}"))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("fetch.wait.max.ms", "50")
        .set("fetch.queue.backoff.ms", "5")
        .create()?;
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "2")
        .create()?;
    consumer.subscribe(&[from])?;
    let schema = Schema::parse_str(CHAT_MESSAGE)?;
    let mut processor = Processor::new(&schema, words, directory)?;
    // Verdicts without an acknowledgement, and what they are about, in one order.
    let mut in_flight: FuturesOrdered<DeliveryFuture> = FuturesOrdered::new();
    let mut places: VecDeque<(i32, i64)> = VecDeque::new();
    let mut acknowledged: BTreeMap<i32, i64> = BTreeMap::new();
    let mut commit = tokio::time::interval(COMMIT_EVERY);
    commit.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(delivered) = in_flight.next(), if !in_flight.is_empty() => {
                delivered?.map_err(|(error, _)| error)?;
                acknowledged.extend(places.pop_front());
            }
            message = consumer.recv(), if in_flight.len() < IN_FLIGHT => {
                let message = message?;
                let Some(verdict) = processor.judge(&message)? else { continue };
                let mut record = FutureRecord::to(to).partition(message.partition()).payload(&verdict);
                record.key = message.key();
                record.headers = message.headers().map(BorrowedHeaders::detach);
                let sent = producer.send_result(record).map_err(|(error, _)| error)?;
                in_flight.push_back(sent);
                places.push_back((message.partition(), message.offset()));
            }
            _ = commit.tick() => {
                let mut offsets = TopicPartitionList::new();
                for (partition, offset) in std::mem::take(&mut acknowledged) {
                    offsets.add_partition_offset(from, partition, Offset::Offset(offset + 1))?;
                }
                if offsets.count() > 0 {
                    consumer.commit(&offsets, CommitMode::Async)?;
                }
            }
        }
    }
}

/// What a message needs to become a verdict.
struct Processor<'a> {
    reader: GenericDatumReader<'a>,
    writer: GenericSingleObjectWriter,
    schema: Schema,
    terms: Vec<String>,
    automaton: AhoCorasick,
    users: DB,
}

impl<'a> Processor<'a> {
    fn new(message: &'a Schema, words: &str, directory: &str) -> Result<Processor<'a>, Failure> {
        let schema = Schema::parse_str(VERDICT)?;
        let terms: Vec<String> = std::fs::read_to_string(words)?
            .lines()
            .skip(1)
            .map(str::to_lowercase)
            .collect();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&terms)?;
        let mut options = Options::default();
        options.create_if_missing(true);
        options.optimize_for_point_lookup(CACHE_MIB);
        options.set_compression_type(DBCompressionType::Lz4);
        Ok(Processor {
            reader: GenericDatumReader::builder(message).build()?,
            writer: GenericSingleObjectWriter::new_with_capacity(&schema, 512)?,
            schema,
            terms,
            automaton,
            users: DB::open(&options, directory)?,
        })
    }

    /// The verdict's bytes; None for what is no chat message.
    fn judge(&mut self, message: &BorrowedMessage<'_>) -> Result<Option<Vec<u8>>, Failure> {
        let payload = message.payload().unwrap_or_default();
        let Some(mut datum) = payload
            .get(HEADER..)
            .filter(|_| payload.starts_with(&MARKER))
        else {
            return Ok(None);
        };
        let Ok(Value::Record(fields)) = self.reader.read_value(&mut datum) else {
            return Ok(None);
        };
        let now = message.timestamp().to_millis().unwrap_or(0);
        let key = message.key().unwrap_or_default();
        let mut user = User::read(self.users.get(key)?.as_deref());
        let text = string(&fields, "text").to_lowercase();
        let found = self.find(&text);
        let flood = user.speaks(now, !found.is_empty());
        #[expect(
            clippy::disallowed_methods,
            reason = "this peer shows what a write for each message costs"
        )]
        self.users.put(key, user.bytes())?;
        let action = match (flood, found.len()) {
            (true, _) => "block",
            (_, 0) => "allow",
            _ => "mask",
        };
        let verdict = self.verdict(message, &fields, action, &found)?;
        let mut bytes = Vec::with_capacity(512);
        self.writer.write_value(verdict, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Terms that stand in the text as whole words: which, from, to.
    fn find(&self, text: &str) -> Vec<(usize, usize, usize)> {
        let is_end = |ch: Option<char>| ch.is_none_or(|ch| !ch.is_alphanumeric());
        self.automaton
            .find_iter(text)
            .map(|found| (found.pattern().as_usize(), found.start(), found.end()))
            .filter(|(_, from, to)| {
                is_end(text[..*from].chars().next_back()) && is_end(text[*to..].chars().next())
            })
            .collect()
    }

    fn verdict(
        &self,
        message: &BorrowedMessage<'_>,
        fields: &[(String, Value)],
        action: &str,
        found: &[(usize, usize, usize)],
    ) -> Result<Value, Failure> {
        let mut verdict = Record::new(&self.schema).ok_or("the verdict's schema is no record")?;
        verdict.put("log_id", "naive");
        verdict.put("source_partition", message.partition());
        verdict.put("source_offset", message.offset());
        for name in ["message_id", "community", "channel", "user"] {
            verdict.put(name, string(fields, name));
        }
        let now = message.timestamp().to_millis().unwrap_or(0);
        verdict.put("sent_at", Value::TimestampMillis(0));
        verdict.put("judged_at", Value::TimestampMillis(now));
        verdict.put("code", "judged");
        verdict.put("action", action);
        verdict.put("effects", Value::Array(Vec::new()));
        let label = || {
            named([
                ("topic", Value::String("vulgar".to_owned())),
                ("risk", Value::Int(3)),
            ])
        };
        let labels = (!found.is_empty()).then(label).into_iter().collect();
        verdict.put("labels", Value::Array(labels));
        let reasons = found.iter().map(|(term, from, to)| {
            named([
                ("rule", Value::String(self.terms[*term].clone())),
                ("start", Value::Int(*from as i32)),
                ("end", Value::Int(*to as i32)),
                ("start_utf16", Value::Int(*from as i32)),
                ("end_utf16", Value::Int(*to as i32)),
                ("evasion", Value::String(String::new())),
            ])
        });
        verdict.put("reasons", Value::Array(reasons.collect()));
        let none = || Value::Union(0, Box::new(Value::Null));
        let masked = match action {
            "mask" => Value::Union(1, Box::new(Value::String(masked(fields, found)))),
            _ => none(),
        };
        verdict.put("masked_text", masked);
        verdict.put("duplicate_of", none());
        verdict.put("policy", "");
        verdict.put("engine", 1);
        verdict.put("context_complete", true);
        verdict.put("headers_dropped", false);
        verdict.put("overturns", none());
        Ok(verdict.into())
    }
}

fn string<'a>(fields: &'a [(String, Value)], name: &str) -> &'a str {
    match fields.iter().find(|(field, _)| field == name) {
        Some((_, Value::String(text))) => text,
        _ => "",
    }
}

fn named<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

/// The text without what was found. Lower case may be longer than what was written: then all of it goes.
fn masked(fields: &[(String, Value)], found: &[(usize, usize, usize)]) -> String {
    let mut text = string(fields, "text").to_owned();
    for (_, from, to) in found.iter().rev() {
        if text.is_char_boundary(*from) && text.is_char_boundary(*to) {
            text.replace_range(*from..*to, &"*".repeat(to - from));
        } else {
            return "*".repeat(text.len());
        }
    }
    text
}

/// What is remembered of a user: 28 bytes.
#[derive(Default)]
struct User {
    messages: u64,
    hits: u64,
    window_began: i64,
    in_window: u32,
}

impl User {
    fn read(bytes: Option<&[u8]>) -> User {
        let eight = |at: usize| bytes?.get(at..at + 8)?.try_into().ok();
        let last = || bytes?.get(24..28)?.try_into().ok();
        User {
            messages: eight(0).map_or(0, u64::from_le_bytes),
            hits: eight(8).map_or(0, u64::from_le_bytes),
            window_began: eight(16).map_or(0, i64::from_le_bytes),
            in_window: last().map_or(0, u32::from_le_bytes),
        }
    }

    /// Whether it is a flood.
    fn speaks(&mut self, now: i64, is_hit: bool) -> bool {
        self.messages += 1;
        self.hits += u64::from(is_hit);
        if now - self.window_began >= FLOOD_MS {
            (self.window_began, self.in_window) = (now, 0);
        }
        self.in_window += 1;
        self.in_window >= FLOOD
    }

    fn bytes(&self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..8].copy_from_slice(&self.messages.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.hits.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.window_began.to_le_bytes());
        bytes[24..].copy_from_slice(&self.in_window.to_le_bytes());
        bytes
    }
}
