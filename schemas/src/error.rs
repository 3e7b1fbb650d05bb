//! Errors of the readers of verdicts and orders.

use crate::Refusal;

/// Why a verdict or an order cannot be read.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The value is over the limit of its topic.
    #[error(
        "the value has {bytes} bytes, more than the {limit} allowed: it is not a record of this topic"
    )]
    TooLarge { bytes: usize, limit: usize },
    /// The value does not start with `C3 01` and a fingerprint.
    #[error("not an Avro single object: is this the right topic?")]
    NotSingleObject,
    /// Written with a schema that this build does not know.
    #[error(
        "unknown schema fingerprint {fingerprint:016x}: is this the right topic, and is this program as new as its writer?"
    )]
    UnknownSchema { fingerprint: u64 },
    /// The bytes break their own schema.
    #[error("damaged {record}: {refusal}")]
    Damaged {
        record: &'static str,
        refusal: Refusal,
    },
    /// The bytes follow their schema, which does not resolve to today's.
    #[error("{record} does not resolve to the current schema: {source}")]
    Unresolved {
        record: &'static str,
        source: Box<apache_avro::Error>,
    },
}
