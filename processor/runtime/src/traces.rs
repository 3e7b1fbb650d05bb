//! Spans from message to verdict, for messages whose sender traces them: W3C `traceparent` in, OTLP over HTTP out.
//!
//! The sender decides what is traced (the `sampled` flag), and the context travels on to the verdict with all other headers, so that a
//! trace goes from the chat backend through the judging to whoever acts on the verdict. Invariant: a trace costs a lane a look at one
//! header and never a wait. What the collector does not take in time is dropped and counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gavel_judge::{Action, Code};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use serde_json::{Value, json};

use crate::config;
use crate::kafka::raw_headers;
use crate::telemetry::{Spanned, Telemetry};

/// Spans that may wait for the exporter.
const WAITING: usize = 8_192;
/// Spans of one lane whose verdict is not acknowledged yet; above it no new ones are begun.
const OPEN: usize = 4_096;
/// Spans of one request, and how long the first of them waits for others.
const BATCH: usize = 512;
const GATHER: Duration = Duration::from_secs(1);
/// Longest request.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two lines about a collector that takes nothing.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// OTLP's number for a span that handles a message.
const KIND_CONSUMER: u8 = 5;

/// Which trace a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parent {
    trace: u128,
    span: u64,
}

/// Reads a `traceparent`; `None` if it is none, or its sender does not sample this trace.
fn parent(header: &[u8]) -> Option<Parent> {
    let text = std::str::from_utf8(header).ok()?;
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may have more behind the flags.
    let exact = version == "00" && parts.next().is_some();
    let shaped = [(version, 2), (trace, 32), (span, 16), (flags, 2)]
        .iter()
        .all(|(part, length)| {
            part.len() == *length
                && part
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
    if !shaped || exact || version == "ff" {
        return None;
    }
    let found = Parent {
        trace: u128::from_str_radix(trace, 16).ok()?,
        span: u64::from_str_radix(span, 16).ok()?,
    };
    let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
    (sampled && found.trace != 0 && found.span != 0).then_some(found)
}

/// A finished span.
#[derive(Debug)]
struct Span {
    parent: Parent,
    began_ns: u128,
    ended_ns: u128,
    place: (i32, i64),
    /// Milliseconds from the record's timestamp to the moment it was read.
    waited_ms: Option<i64>,
    action: Action,
    code: Code,
}

/// Begins and ends the spans of one lane.
pub struct Tracer {
    spans: SyncSender<Span>,
    telemetry: Arc<Telemetry>,
    one_in: u128,
    /// By partition and offset: those whose verdict has no acknowledgement yet.
    open: BTreeMap<(i32, i64), Span>,
}

/// What the lane learns of a message before it is judged.
pub struct Begun {
    parent: Parent,
    began_ns: u128,
}

impl Tracer {
    /// A look at the message's headers; `None`: it is not traced.
    pub fn begin(&self, message: &BorrowedMessage<'_>) -> Option<Begun> {
        let mut found = None;
        raw_headers(message, |key, value| {
            if key == b"traceparent" {
                found = value.and_then(parent);
            }
        });
        let parent = found?;
        let wanted = parent.trace % self.one_in == 0 && self.open.len() < OPEN;
        wanted.then(|| Begun {
            parent,
            began_ns: now_ns(),
        })
    }

    /// The message was judged; its span ends when the verdict is acknowledged.
    pub fn judged(
        &mut self,
        begun: Begun,
        message: &BorrowedMessage<'_>,
        action: Action,
        code: Code,
    ) {
        let Begun { parent, began_ns } = begun;
        let read_ms = i64::try_from(began_ns / 1_000_000).unwrap_or(i64::MAX);
        let place = (message.partition(), message.offset());
        self.open.insert(
            place,
            Span {
                parent,
                began_ns,
                ended_ns: began_ns,
                place,
                waited_ms: message
                    .timestamp()
                    .to_millis()
                    .map(|stamp| (read_ms - stamp).max(0)),
                action,
                code,
            },
        );
    }

    /// The verdict of this record is in the log.
    pub fn acknowledged(&mut self, partition: i32, offset: i64) {
        if self.open.is_empty() {
            return;
        }
        let Some(mut span) = self.open.remove(&(partition, offset)) else {
            return;
        };
        span.ended_ns = now_ns();
        match self.spans.try_send(span) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.telemetry.spanned(Spanned::Dropped, 1);
            }
        }
    }

    /// Acknowledgements that were awaited may not come any more.
    pub fn forget(&mut self) {
        self.open.clear();
    }
}

fn now_ns() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}

/// Sends spans to the collector, on a thread of its own.
pub struct Exporter {
    spans: SyncSender<Span>,
    telemetry: Arc<Telemetry>,
    one_in: u64,
    thread: JoinHandle<()>,
}

impl Exporter {
    /// None: tracing is off.
    pub fn start(
        config: &config::Traces,
        instance: Option<&str>,
        telemetry: &Arc<Telemetry>,
    ) -> std::io::Result<Option<Exporter>> {
        let Some(endpoint) = &config.endpoint else {
            return Ok(None);
        };
        let (spans, waiting) = sync_channel(WAITING);
        let sink = Sink {
            url: format!("{}/v1/traces", endpoint.trim_end_matches('/')),
            resource: resource(instance),
            telemetry: Arc::clone(telemetry),
            told: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("traces".into())
            .spawn(move || sink.run(&waiting, &runtime))?;
        Ok(Some(Exporter {
            spans,
            telemetry: Arc::clone(telemetry),
            one_in: config.one_in,
            thread,
        }))
    }

    /// For one lane.
    pub fn tracer(&self) -> Tracer {
        Tracer {
            spans: self.spans.clone(),
            telemetry: Arc::clone(&self.telemetry),
            one_in: u128::from(self.one_in.max(1)),
            open: BTreeMap::new(),
        }
    }

    /// Sends what waits, once every tracer is gone.
    pub fn finish(self) {
        drop(self.spans);
        if self.thread.join().is_err() {
            tracing::error!("the exporter of traces panicked");
        }
    }
}

struct Sink {
    url: String,
    resource: Value,
    telemetry: Arc<Telemetry>,
    told: Option<Instant>,
}

impl Sink {
    fn run(mut self, waiting: &Receiver<Span>, runtime: &tokio::runtime::Runtime) {
        // An earlier choice of the process stands.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = match reqwest::Client::builder().timeout(PATIENCE).build() {
            Ok(client) => client,
            Err(error) => {
                tracing::warn!(%error, "no client for traces: none are sent");
                return;
            }
        };
        while let Ok(first) = waiting.recv() {
            let mut batch = vec![first];
            let until = Instant::now() + GATHER;
            while batch.len() < BATCH {
                match waiting.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(span) => batch.push(span),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            self.send(&client, runtime, &batch);
        }
    }

    fn send(
        &mut self,
        client: &reqwest::Client,
        runtime: &tokio::runtime::Runtime,
        batch: &[Span],
    ) {
        let spans: Vec<Value> = batch.iter().map(otlp).collect();
        let body = json!({ "resourceSpans": [{
            "resource": self.resource,
            "scopeSpans": [{ "scope": { "name": "gavel" }, "spans": spans }],
        }] });
        let request = client
            .post(&self.url)
            .header("content-type", "application/json")
            .body(body.to_string());
        let answer = runtime.block_on(async { request.send().await?.error_for_status() });
        let outcome = match answer {
            Ok(_) => Spanned::Exported,
            Err(error) => {
                if self.told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                    self.told = Some(Instant::now());
                    tracing::warn!(url = self.url, %error, "the collector took no spans: they are lost, verdicts go on");
                }
                Spanned::Failed
            }
        };
        self.telemetry.spanned(outcome, batch.len());
    }
}

fn resource(instance: Option<&str>) -> Value {
    let mut attributes = vec![
        text("service.name", "gavel"),
        text("service.version", env!("CARGO_PKG_VERSION")),
    ];
    attributes.extend(instance.map(|name| text("service.instance.id", name)));
    json!({ "attributes": attributes })
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// OTLP's JSON has 64-bit numbers as strings.
fn number(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

/// A span of its own number: two processes that judge the same record again are two spans of one trace.
fn fresh_id() -> u64 {
    let mut bytes = [0u8; 8];
    // Without randomness the number is 0, which collectors drop.
    let _random = getrandom::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

fn otlp(span: &Span) -> Value {
    let mut trace = String::with_capacity(32);
    let _infallible = write!(trace, "{:032x}", span.parent.trace);
    let (partition, offset) = span.place;
    let mut attributes = vec![
        text("messaging.system", "kafka"),
        text("messaging.operation.name", "judge"),
        text("messaging.destination.partition.id", &partition.to_string()),
        number("messaging.kafka.offset", offset),
        text("gavel.action", span.action.as_str()),
        text("gavel.code", span.code.as_str()),
    ];
    attributes.extend(
        span.waited_ms
            .map(|waited| number("gavel.waited_ms", waited)),
    );
    json!({
        "traceId": trace,
        "spanId": format!("{:016x}", fresh_id()),
        "parentSpanId": format!("{:016x}", span.parent.span),
        "name": "judge",
        "kind": KIND_CONSUMER,
        "startTimeUnixNano": span.began_ns.to_string(),
        "endTimeUnixNano": span.ended_ns.to_string(),
        "attributes": attributes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_counts_if_it_is_whole_and_sampled() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let found = parent(good.as_bytes()).expect("a parent");
        assert_eq!(found.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(found.span, 0x00f0_67aa_0ba9_02b7);
        assert!(parent(b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03-more").is_some());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parent(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parent(b"\xff\xfe"), None);
    }

    #[test]
    fn a_span_is_otlp_and_holds_nothing_of_the_user() {
        let span = Span {
            parent: parent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
                .expect("a parent"),
            began_ns: 1_000_000_007,
            ended_ns: 1_004_000_007,
            place: (3, 77),
            waited_ms: Some(12),
            action: Action::Block,
            code: Code::Judged,
        };
        let json = otlp(&span);
        assert_eq!(json["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(json["parentSpanId"], "00f067aa0ba902b7");
        assert_eq!(json["startTimeUnixNano"], "1000000007");
        assert_eq!(json["endTimeUnixNano"], "1004000007");
        assert_eq!(json["kind"], 5);
        let attributes: BTreeMap<&str, &Value> = json["attributes"]
            .as_array()
            .expect("attributes")
            .iter()
            .map(|one| (one["key"].as_str().expect("a key"), &one["value"]))
            .collect();
        assert_eq!(attributes["gavel.action"]["stringValue"], "block");
        assert_eq!(attributes["gavel.waited_ms"]["intValue"], "12");
        assert_eq!(attributes["messaging.kafka.offset"]["intValue"], "77");
        assert_eq!(attributes.len(), 7, "one more: is it about a user?");
    }
}
