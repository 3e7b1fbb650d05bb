//! The lane's producer and what it has in flight.
//!
//! Invariant: an acknowledgement reaches the lane exactly once and names the output that it belongs to. A producer that
//! failed once is purged and never polled again, so nothing of it can be acknowledged, or sent on, after its failure.

use super::gate::{Gate, Outgoing};
use crate::kafka::{Authenticated, ClientSettings};
use crate::lane::{Delivery, Kind, NotTaken, Output};
use gavel_schemas::limits::DEAD_LETTER_BYTES;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use sha2::{Digest, Sha256};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Delivery reports as librdkafka hands them over, within `BaseProducer::poll`.
#[derive(Default)]
pub struct Reports(Mutex<Vec<Served>>);

/// Slot and outcome.
type Served = (usize, Result<i64, KafkaError>);

impl Reports {
    fn swap(&self, with: &mut Vec<Served>) {
        let mut reports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *reports, with);
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::context::client_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "producer");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: usize) {
        let outcome = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((slot, outcome));
    }
}

/// What became of one output.
pub struct Report {
    pub delivery: Delivery,
    /// Timestamp of the source record, milliseconds.
    pub stamp: i64,
    /// The output's offset in its partition.
    pub outcome: Result<i64, KafkaError>,
}

/// Where the outputs of a lane go.
#[derive(Debug, Clone)]
pub struct OutputTopics {
    pub messages: String,
    pub verdicts: String,
    pub dead_letters: String,
    pub shadow: String,
}

impl OutputTopics {
    pub fn of(topics: &crate::config::Topics) -> OutputTopics {
        let topics = topics.clone();
        OutputTopics {
            messages: topics.messages,
            verdicts: topics.verdicts,
            dead_letters: topics.dead_letters,
            shadow: topics.shadow,
        }
    }
}

/// A producer with the outputs it has in flight.
pub struct Outbox {
    config: ClientSettings,
    topics: OutputTopics,
    producer: Authenticated<BaseProducer<Reports>>,
    /// With the source record's timestamp, to measure the delay.
    in_flight: Vec<Option<(Delivery, i64)>>,
    free: Vec<usize>,
    /// By partition.
    gates: Vec<Gate>,
    /// Partitions whose verdicts wait.
    waiting: Vec<i32>,
    linger: Duration,
    /// Empty; kept for its memory.
    reports: Vec<Served>,
}

impl Outbox {
    pub fn new(
        config: ClientSettings,
        topics: OutputTopics,
        linger: Duration,
    ) -> Result<Outbox, KafkaError> {
        let producer = config.create_with_context(Reports::default())?;
        Ok(Outbox {
            config,
            topics,
            producer,
            in_flight: Vec::new(),
            free: Vec::new(),
            gates: Vec::new(),
            waiting: Vec::new(),
            linger,
            reports: Vec::new(),
        })
    }

    /// Takes an output; `poll` hands verdicts to the producer when they are due. What it needs is copied.
    pub fn send(
        &mut self,
        output: &Output<'_, BorrowedHeaders>,
        stamp: i64,
    ) -> Result<(), NotTaken> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.in_flight.push(None);
            self.in_flight.len() - 1
        });
        let delivery = output.delivery;
        let partition = delivery.assignment.partition;
        let taken = match delivery.kind {
            Kind::Verdict => {
                let verdict = Outgoing {
                    slot,
                    key: output.key,
                    value: output.value,
                    headers: output.headers.map(BorrowedHeaders::detach),
                };
                self.hold(partition, verdict);
                Ok(())
            }
            Kind::DeadLetter => {
                let letter = Outgoing {
                    slot,
                    key: output.key,
                    value: output.value.map(dead_letter_value),
                    headers: Some(dead_letter_headers(&self.topics.messages, output)),
                };
                produce(&self.producer, &self.topics.dead_letters, partition, letter)
            }
        };
        match taken {
            Ok(()) => self.in_flight[slot] = Some((delivery, stamp)),
            Err(_) => self.free.push(slot),
        }
        taken.map_err(|error| NotTaken(error.to_string()))
    }

    fn hold(&mut self, partition: i32, verdict: Outgoing<'_>) {
        let at = index(partition);
        if self.gates.len() <= at {
            self.gates.resize_with(at + 1, Gate::default);
        }
        if self.gates[at].hold(verdict) {
            self.waiting.push(partition);
        }
    }

    /// Serves the delivery reports that are there and appends them to `into`, then sends the verdicts that are due. Never blocks.
    pub fn poll(&mut self, into: &mut Vec<Report>) {
        self.producer.poll(Duration::ZERO);
        let mut reports = std::mem::take(&mut self.reports);
        self.producer.context().swap(&mut reports);
        for (slot, outcome) in reports.drain(..) {
            if let Some(report) = self.report(slot, outcome) {
                if report.delivery.kind == Kind::Verdict {
                    self.gates[index(report.delivery.assignment.partition)].answered();
                }
                into.push(report);
            }
        }
        self.reports = reports;
        self.send_due(into);
    }

    fn send_due(&mut self, into: &mut Vec<Report>) {
        if self.waiting.is_empty() {
            return;
        }
        let (now, linger) = (Instant::now(), self.linger);
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|partition| {
            let due = self.gates[index(*partition)].is_due(now, linger);
            if due {
                self.release(*partition, into);
            }
            !due
        });
        self.waiting = waiting;
    }

    /// Frees a slot; None if nothing is in it.
    fn report(&mut self, slot: usize, outcome: Result<i64, KafkaError>) -> Option<Report> {
        let (delivery, stamp) = self.in_flight[slot].take()?;
        self.free.push(slot);
        Some(Report {
            delivery,
            stamp,
            outcome,
        })
    }

    /// Hands what waited to the producer, up to what it does not take.
    fn release(&mut self, partition: i32, into: &mut Vec<Report>) {
        let gate = &mut self.gates[index(partition)];
        let mut held = gate.release();
        let mut refused = None;
        for verdict in held.drain() {
            let slot = verdict.slot;
            match produce(&self.producer, &self.topics.verdicts, partition, verdict) {
                Ok(()) => gate.sent(),
                // As if it had been sent in vain: the lane ends this producer.
                Err(error) => {
                    refused = Some((slot, error));
                    break;
                }
            }
        }
        gate.put_back(held);
        if let Some((slot, error)) = refused {
            into.extend(self.report(slot, Err(error)));
        }
    }

    /// Whether verdicts wait.
    pub fn holds(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Outputs that have no report yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() - self.free.len()
    }

    /// Ends this producer, unsent outputs and all, and opens a new one.
    pub fn replace(&mut self) -> Result<(), KafkaError> {
        let fresh = self.config.create_with_context(Reports::default())?;
        let old = std::mem::replace(&mut self.producer, fresh);
        old.purge(PurgeConfig::default().queue().inflight());
        self.in_flight.clear();
        self.free.clear();
        self.gates.clear();
        self.waiting.clear();
        // Destroying a client waits for its broker threads; a lane must not.
        std::thread::spawn(move || drop(old));
        Ok(())
    }
}

fn produce(
    producer: &BaseProducer<Reports>,
    topic: &str,
    partition: i32,
    output: Outgoing<'_>,
) -> Result<(), KafkaError> {
    let mut record =
        BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, output.slot).partition(partition);
    record.key = output.key;
    record.payload = output.value;
    record.headers = output.headers;
    producer.send(record).map_err(|(error, _)| error)
}

/// Partitions are not negative.
fn index(partition: i32) -> usize {
    usize::try_from(partition).unwrap_or_default()
}

/// A dead letter's value: the raw bytes, or above the limit their beginning (the SHA-256 of all is in a header).
pub fn dead_letter_value(value: &[u8]) -> &[u8] {
    &value[..value.len().min(DEAD_LETTER_BYTES)]
}

/// Says where the record came from and why it was refused.
fn dead_letter_headers(topic: &str, output: &Output<'_, BorrowedHeaders>) -> OwnedHeaders {
    let delivery = output.delivery;
    let reason = output.refusal.map_or("", |refusal| refusal.code());
    headers_of(
        topic,
        delivery.assignment.partition,
        delivery.offset,
        reason,
        output.value,
    )
}

/// The headers of a dead letter.
pub fn headers_of(
    topic: &str,
    partition: i32,
    offset: i64,
    reason: &str,
    value: Option<&[u8]>,
) -> OwnedHeaders {
    let (partition, offset) = (partition.to_string(), offset.to_string());
    let mut headers = OwnedHeaders::new()
        .insert(Header {
            key: "gavel.topic",
            value: Some(topic),
        })
        .insert(Header {
            key: "gavel.partition",
            value: Some(&partition),
        })
        .insert(Header {
            key: "gavel.offset",
            value: Some(&offset),
        })
        .insert(Header {
            key: "gavel.reason",
            value: Some(reason),
        });
    if let Some(value) = value.filter(|value| value.len() > DEAD_LETTER_BYTES) {
        let sum: String = Sha256::digest(value)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        headers = headers.insert(Header {
            key: "gavel.sha256",
            value: Some(&sum),
        });
    }
    headers
}
