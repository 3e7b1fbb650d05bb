//! Where a lane's shadow verdicts go.
//!
//! Invariant: nothing here can hold up, fail or end what sends verdicts. It has a client of its own with a small queue and a short
//! patience; what does not fit is dropped, what fails is forgotten, both are counted, and the log hears of it once a minute at most.
//! Through the lane's own producer one shadow verdict for a missing topic would end that producer.

use crate::kafka::{Authenticated, ClientSettings};
use crate::lane::ShadowVerdict;
use crate::telemetry::{Shadowed, Telemetry};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, DeliveryResult};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use rdkafka::ClientContext;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often losses are told at most.
const TELL: Duration = Duration::from_secs(60);
/// How long a lane that ends waits for what it has sent.
const FINISH: Duration = Duration::from_secs(1);
/// Events served in one turn of the lane's loop.
const EVENTS: usize = 16;
/// How long after a client could not be made the next is tried.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Losses since the last line of the log.
#[derive(Default)]
struct Losses {
    lost: u64,
    last_error: String,
    /// Reports served, of any outcome.
    served: u64,
}

/// Counts what becomes of shadow verdicts.
struct Reports {
    telemetry: Arc<Telemetry>,
    losses: Mutex<Losses>,
}

impl Reports {
    fn lose(&self, outcome: Shadowed, error: &KafkaError) {
        self.telemetry.shadowed(outcome);
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.lost += 1;
        if losses.last_error.is_empty() {
            losses.last_error = error.to_string();
        }
    }

    fn served(&self) -> u64 {
        self.losses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .served
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::context::client_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The lane's own clients say what is wrong with a broker; this one only counts what it lost.
        tracing::debug!(%error, reason, "shadow producer");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.telemetry.shadowed(Shadowed::Delivered),
            Err((error, _)) => self.lose(Shadowed::Failed, error),
        }
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.served += 1;
    }
}

/// A producer for shadow verdicts, made when the first one comes.
pub struct ShadowOutbox {
    config: ClientSettings,
    topic: String,
    telemetry: Arc<Telemetry>,
    producer: Option<Authenticated<BaseProducer<Reports>>>,
    /// When the last line was written, or a client could not be made.
    told: Option<Instant>,
    refused: Option<Instant>,
}

impl ShadowOutbox {
    pub fn new(config: ClientSettings, topic: String, telemetry: Arc<Telemetry>) -> ShadowOutbox {
        ShadowOutbox {
            config,
            topic,
            telemetry,
            producer: None,
            told: None,
            refused: None,
        }
    }

    /// Hands a shadow verdict to the producer, which copies it, or drops it. Never blocks.
    pub fn send(&mut self, verdict: &ShadowVerdict<'_, BorrowedHeaders>) {
        self.open();
        let Some(producer) = &self.producer else {
            self.telemetry.shadowed(Shadowed::Failed);
            return;
        };
        let mut record = BaseRecord::<[u8], [u8], ()>::to(&self.topic).partition(verdict.partition);
        record.key = verdict.key;
        record.payload = Some(verdict.value);
        record.headers = verdict.headers.map(BorrowedHeaders::detach);
        if let Err((error, _)) = producer.send(record) {
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            let outcome = if full {
                Shadowed::Dropped
            } else {
                Shadowed::Failed
            };
            producer.context().lose(outcome, &error);
        }
    }

    /// Makes the client, unless there is one or the last attempt was a moment ago.
    fn open(&mut self) {
        if self.producer.is_none() && self.refused.is_none_or(|at| at.elapsed() >= TRY_AGAIN) {
            let context = Reports {
                telemetry: Arc::clone(&self.telemetry),
                losses: Mutex::default(),
            };
            match self.config.create_with_context(context) {
                Ok(producer) => self.producer = Some(producer),
                Err(error) => {
                    self.refused = Some(Instant::now());
                    tracing::warn!(topic = self.topic, %error, "no client for shadow verdicts: what a candidate says is lost, verdicts go on");
                }
            }
        }
    }

    /// Serves delivery reports. Never blocks.
    pub fn poll(&mut self) {
        let Some(producer) = &self.producer else {
            return;
        };
        // One call serves one event, which holds the reports of one request.
        for _ in 0..EVENTS {
            let before = producer.context().served();
            producer.poll(Duration::ZERO);
            if producer.context().served() == before {
                break;
            }
        }
        self.tell();
    }

    fn tell(&mut self) {
        let Some(producer) = &self.producer else {
            return;
        };
        if self.told.is_some_and(|at| at.elapsed() < TELL) {
            return;
        }
        let mut losses = producer
            .context()
            .losses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if losses.lost == 0 {
            return;
        }
        tracing::warn!(
            topic = self.topic,
            lost = losses.lost,
            error = losses.last_error,
            "shadow verdicts are lost, verdicts go on; `gavel topics check` shows whether the topic is as it should be"
        );
        losses.lost = 0;
        losses.last_error.clear();
        drop(losses);
        self.told = Some(Instant::now());
    }

    /// Waits for what has been sent, for a moment.
    pub fn finish(self) {
        let Some(producer) = self.producer else {
            return;
        };
        let deadline = Instant::now() + FINISH;
        while producer.in_flight_count() > 0 && Instant::now() < deadline {
            producer.poll(Duration::ZERO);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Kafka;

    fn outcome(telemetry: &Telemetry, outcome: &str) -> u64 {
        let page = telemetry.render().expect("metrics");
        let line = format!(
            "{}{{outcome=\"{outcome}\"}} ",
            crate::telemetry::SHADOW_VERDICTS
        );
        let found = page.lines().find_map(|found| found.strip_prefix(&line));
        found.and_then(|count| count.parse().ok()).expect("counted")
    }

    #[test]
    fn without_a_broker_everything_is_lost_soon_and_nobody_waits() {
        let telemetry = Arc::new(Telemetry::new(1).expect("metrics"));
        let mut config = ClientSettings::new(&Kafka::default());
        config
            .set("bootstrap.servers", "127.0.0.1:1")
            .set("queue.buffering.max.messages", "10")
            .set("message.timeout.ms", "300");
        let topic = "chat.shadow".to_owned();
        let mut outbox = ShadowOutbox::new(config, topic, Arc::clone(&telemetry));
        let started = Instant::now();
        for offset in 0..25 {
            outbox.send(&ShadowVerdict {
                partition: 0,
                offset,
                key: None,
                value: b"what it says",
                headers: None,
            });
        }
        assert!(started.elapsed() < Duration::from_millis(250), "it waited");
        assert_eq!(outcome(&telemetry, "dropped"), 15);
        while outcome(&telemetry, "failed") < 10 {
            assert!(started.elapsed() < Duration::from_secs(20), "never failed");
            outbox.poll();
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(outbox.told.is_some());
        let told = outbox.told;
        outbox.poll();
        assert_eq!(outbox.told, told, "told again within a minute");
        outbox.finish();
        assert_eq!(outcome(&telemetry, "delivered"), 0);
    }

    #[test]
    fn a_client_that_cannot_be_made_is_counted_and_not_tried_for_every_verdict() {
        let telemetry = Arc::new(Telemetry::new(1).expect("metrics"));
        let mut config = ClientSettings::new(&Kafka::default());
        config.set("no.such.setting", "1");
        let topic = "chat.shadow".to_owned();
        let mut outbox = ShadowOutbox::new(config, topic, Arc::clone(&telemetry));
        for offset in 0..3 {
            outbox.send(&ShadowVerdict {
                partition: 0,
                offset,
                key: None,
                value: b"",
                headers: None,
            });
        }
        assert!(outbox.refused.is_some());
        assert_eq!(outcome(&telemetry, "failed"), 3);
    }
}
