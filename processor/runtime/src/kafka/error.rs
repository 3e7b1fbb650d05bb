//! What can go wrong between here and a broker, each with the step that mends it.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A request that a broker did not fulfil.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BrokerError {
    #[error("no broker answered at {servers} within {} s{detail}", .waited.as_secs())]
    NoBroker {
        servers: String,
        waited: Duration,
        detail: String,
    },
    #[error("topic `{topic}` does not exist at {servers}")]
    NoTopic { topic: String, servers: String },
    #[error("topic `{topic}` has no partition {partition}; it has {partitions}")]
    NoPartition {
        topic: String,
        partition: i32,
        partitions: i32,
    },
    #[error("`{topic}`: the offset to read from is not in the log")]
    OffsetGone { topic: String },
    #[error("the broker refused to {doing}: {code}")]
    Refused {
        doing: String,
        code: RDKafkaErrorCode,
    },
    #[error("no Kafka client could be made: {reason}")]
    Client { reason: String },
    #[error("could not {doing}: {source}")]
    Failed { doing: String, source: KafkaError },
}

impl BrokerError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            BrokerError::NoBroker { .. } => {
                "is it up? check --bootstrap-servers, and TLS or SASL settings (-X security.protocol=…)".into()
            }
            BrokerError::NoTopic { .. } => {
                "check the [topics] names; `gavel topics create --partitions N` makes what is missing".into()
            }
            BrokerError::NoPartition { .. } => "check the partition number; partitions count from 0".into(),
            BrokerError::OffsetGone { .. } => {
                "retention removed it, or the log is another one; see `gavel topics check` for the log's bounds".into()
            }
            BrokerError::Refused { code, .. } => match code {
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                    "give this client's principal the ACL, or use another (-X sasl.username=…)".into()
                }
                RDKafkaErrorCode::MessageSizeTooLarge => "raise the topic's max.message.bytes; see `gavel topics check`".into(),
                RDKafkaErrorCode::InvalidReplicationFactor => "use --replication-factor with at most the number of brokers".into(),
                _ => "see the broker's log for the reason".into(),
            },
            BrokerError::Client { .. } => "check [kafka.properties] and -X".into(),
            BrokerError::Failed { .. } => "try again; if it stays, see the broker's log".into(),
        }
    }

    /// Whether waiting and asking again can help without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            BrokerError::NoBroker { .. } | BrokerError::Failed { .. } => true,
            BrokerError::NoTopic { .. }
            | BrokerError::NoPartition { .. }
            | BrokerError::OffsetGone { .. }
            | BrokerError::Refused { .. }
            | BrokerError::Client { .. } => false,
        }
    }
}

/// Whether an error means that no broker was reached, as opposed to one that answered.
pub(super) fn unreachable(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::MessageTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SSL
    )
}
