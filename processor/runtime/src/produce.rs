//! Sends chat messages from JSON lines, as any producer should: keyed `community/user`, murmur2, waiting for the acks.
//!
//! Invariant: a line is sent only if the fold would not refuse it, and it counts as sent only once acknowledged by all
//! in-sync replicas. Bad lines are named and skipped; they hold nobody up.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use gavel_schemas::{ChatMessage, Refusal, decode_json_message, encode_message, limits};

use crate::config::Config;
use crate::kafka::{BrokerError, Cluster, Outgoing, Sender};
use crate::lines::LineReader;

/// How a message is written into its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Avro single object.
    Avro,
    /// The line as it stands.
    Json,
}

/// The record time that is asked for; brokers ignore it on topics with LogAppendTime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordTime {
    Now,
    /// The message's own `sent_at`, for back-fills; without one: now.
    SentAt,
}

/// How to send.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub framing: Framing,
    pub record_time: RecordTime,
}

/// A line that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLine {
    /// From 1.
    pub line: u64,
    pub reason: Refusal,
}

/// What became of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Acknowledged messages of each partition.
    pub acked: BTreeMap<i32, u64>,
    pub bad: u64,
    /// Empty lines, which are nobody's message.
    pub blank: u64,
}

/// Why sending ended early. What was acknowledged before stays in the log.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("the input cannot be read: {0}")]
    Input(#[from] io::Error),
}

/// Outcomes are counted every so many lines, so that they do not pile up.
const TALLY_EVERY: u64 = 10_000;

/// Sends every good line and waits for all acks; `bad` hears of the others as they are met.
pub fn produce(
    config: &Config,
    options: Options,
    input: impl BufRead,
    bad: &mut dyn FnMut(BadLine),
) -> Result<Report, ProduceError> {
    Cluster::new(config)?.require(&config.topics.messages)?;
    let sender = Sender::new(config)?;
    let mut lines = LineReader::new(input);
    let mut report = Report::default();
    let mut avro = Vec::new();
    while lines.advance()? {
        let line = lines.line();
        if line.is_empty() {
            report.blank += 1;
            continue;
        }
        let (message, key) = match decode_json_message(line).and_then(with_key) {
            Ok(decoded) => decoded,
            Err(reason) => {
                report.bad += 1;
                bad(BadLine {
                    line: lines.number(),
                    reason,
                });
                continue;
            }
        };
        avro.clear();
        let value = match options.framing {
            Framing::Avro => {
                encode_message(&message, &mut avro);
                &avro
            }
            Framing::Json => line,
        };
        let own_time = options.record_time == RecordTime::SentAt && message.sent_at > 0;
        sender.send(
            usize::try_from(lines.number()).unwrap_or(usize::MAX),
            Outgoing {
                topic: &config.topics.messages,
                partition: None,
                key: Some(key.as_bytes()),
                value,
                timestamp: own_time.then_some(message.sent_at),
                headers: None,
            },
        )?;
        if lines.number().is_multiple_of(TALLY_EVERY) {
            tally(&sender, &mut report)?;
        }
    }
    sender.wait()?;
    tally(&sender, &mut report)?;
    Ok(report)
}

/// The key that keeps a user on one partition, if the fold would take the message with it.
fn with_key(message: ChatMessage<'_>) -> Result<(ChatMessage<'_>, String), Refusal> {
    if message.community.contains('/') {
        return Err(Refusal::BadCommunity);
    }
    let key = format!("{}/{}", message.community, message.user);
    if key.len() > limits::STRING_BYTES {
        return Err(Refusal::KeyTooLong);
    }
    Ok((message, key))
}

fn tally(sender: &Sender, report: &mut Report) -> Result<(), BrokerError> {
    for sent in sender.outcomes() {
        let partition = sent
            .partition
            .map_err(|error| sender.typed(format!("send line {}", sent.number), error))?;
        *report.acked.entry(partition).or_default() += 1;
    }
    Ok(())
}
