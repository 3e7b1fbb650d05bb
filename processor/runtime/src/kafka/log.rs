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
    fn remember(&self, reason: &str) {
        // librdkafka puts its thread's name in front.
        let reason = reason
            .strip_prefix("[thrd:")
            .and_then(|rest| rest.split_once("]: "))
            .map_or(reason, |(_, rest)| rest);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

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
        match facility {
            // A raw setting for producers is no news to a consumer.
            "CONFWARN" => return,
            // Why a connection failed; consumers learn it in no other way.
            "FAIL" => self.remember(message),
            _ => {}
        }
        // What matters of it comes back as a typed error; the lines themselves are for those who look for them.
        tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        // "1/1 brokers are down" says less than the failure before it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.remember(reason);
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
