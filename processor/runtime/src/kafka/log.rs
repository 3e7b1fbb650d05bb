//! What librdkafka says by itself, and what its errors mean for a person.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::BrokerError;
use super::error::unreachable;

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
