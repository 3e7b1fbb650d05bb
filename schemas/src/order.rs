//! Orders: what operators write into `chat.control`.
//!
//! An order's SHA-256 stands in its markers, so the bytes of an order are written once and never encoded again; and it holds
//! a random nonce, so that nobody who cannot read the control topic can make a marker that fits.

use crate::known::{Readable, open};
use crate::{DecodeError, avsc, limits};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// One chunk of a policy document in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDocument {
    /// SHA-256 of the whole document, 64 hex digits.
    pub digest: String,
    /// From 0.
    pub chunk: i32,
    pub chunks: i32,
    /// At most [`limits::CHUNK_BYTES`].
    #[serde(with = "apache_avro::serde::bytes")]
    pub bytes: Vec<u8>,
    #[serde(with = "apache_avro::serde::bytes")]
    pub nonce: Vec<u8>,
    pub issued_at: i64,
}

/// From its marker on, a scope is judged by this policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyActivated {
    /// `*` or one community.
    pub scope: String,
    pub digest: String,
    pub engine: i32,
    pub shadow: bool,
    pub by: String,
    pub reason: String,
    #[serde(with = "apache_avro::serde::bytes")]
    pub nonce: Vec<u8>,
    pub issued_at: i64,
}

/// Gives the message log its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogOpened {
    pub log_id: String,
    pub partitions: i32,
    pub engine: i32,
    /// First offset of each partition.
    pub starts: Vec<i64>,
    #[serde(with = "apache_avro::serde::bytes")]
    pub nonce: Vec<u8>,
    pub issued_at: i64,
}

/// An operator accepts that what a partition remembered is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryAccepted {
    pub partition: i32,
    pub start_offset: i64,
    pub log_id: String,
    pub by: String,
    pub reason: String,
    #[serde(with = "apache_avro::serde::bytes")]
    pub nonce: Vec<u8>,
    pub issued_at: i64,
}

/// From its marker on, nothing is remembered of what the user did before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserErased {
    pub community: String,
    pub user: String,
    pub by: String,
    pub reason: String,
    #[serde(with = "apache_avro::serde::bytes")]
    pub nonce: Vec<u8>,
    pub issued_at: i64,
}

/// A person decided that a verdict was wrong. From its marker on, what followed from it is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictOverturned {
    pub log_id: String,
    pub source_partition: i32,
    pub source_offset: i64,
    /// Of the message, as the verdict has them.
    pub community: String,
    pub user: String,
    pub message_id: String,
    pub by: String,
    pub reason: String,
    #[serde(with = "apache_avro::serde::bytes")]
    pub nonce: Vec<u8>,
    pub issued_at: i64,
}

/// From its marker on, values that begin with a registry's id are read as written with this schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRegistered {
    /// With `id`: a [`SchemaId`](crate::SchemaId).
    pub framing: String,
    pub id: String,
    /// At most [`limits::SCHEMA_BYTES`].
    pub schema: String,
    pub by: String,
    pub reason: String,
    #[serde(with = "apache_avro::serde::bytes")]
    pub nonce: Vec<u8>,
    pub issued_at: i64,
}

/// Any record of `chat.control`. The offset there is the order's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    PolicyDocument(PolicyDocument),
    PolicyActivated(PolicyActivated),
    LogOpened(LogOpened),
    HistoryAccepted(HistoryAccepted),
    UserErased(UserErased),
    VerdictOverturned(VerdictOverturned),
    SchemaRegistered(SchemaRegistered),
}

impl Order {
    /// The word that stands in markers.
    pub const fn kind(&self) -> &'static str {
        match self {
            Order::PolicyDocument(_) => "policy-document",
            Order::PolicyActivated(_) => "policy-activated",
            Order::LogOpened(_) => "log-opened",
            Order::HistoryAccepted(_) => "history-accepted",
            Order::UserErased(_) => "user-erased",
            Order::VerdictOverturned(_) => "verdict-overturned",
            Order::SchemaRegistered(_) => "schema-registered",
        }
    }
}

struct Schemas {
    policy_document: Readable,
    policy_activated: Readable,
    log_opened: Readable,
    history_accepted: Readable,
    user_erased: Readable,
    verdict_overturned: Readable,
    schema_registered: Readable,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| Schemas {
    policy_document: Readable::built_in("policy document", avsc::POLICY_DOCUMENT, &[]),
    policy_activated: Readable::built_in("policy activation", avsc::POLICY_ACTIVATED, &[]),
    log_opened: Readable::built_in("log opening", avsc::LOG_OPENED, &[]),
    history_accepted: Readable::built_in("history acceptance", avsc::HISTORY_ACCEPTED, &[]),
    user_erased: Readable::built_in("user erasure", avsc::USER_ERASED, &[]),
    verdict_overturned: Readable::built_in("overturned verdict", avsc::VERDICT_OVERTURNED, &[]),
    schema_registered: Readable::built_in("schema registration", avsc::SCHEMA_REGISTERED, &[]),
});

/// Encodes an order as an Avro single object.
///
/// The size is not checked: a policy is to be cut into chunks of at most [`limits::CHUNK_BYTES`] before.
pub fn encode_order(order: &Order) -> Vec<u8> {
    let schemas = &*SCHEMAS;
    match order {
        Order::PolicyDocument(order) => schemas.policy_document.encode(order),
        Order::PolicyActivated(order) => schemas.policy_activated.encode(order),
        Order::LogOpened(order) => schemas.log_opened.encode(order),
        Order::HistoryAccepted(order) => schemas.history_accepted.encode(order),
        Order::UserErased(order) => schemas.user_erased.encode(order),
        Order::VerdictOverturned(order) => schemas.verdict_overturned.encode(order),
        Order::SchemaRegistered(order) => schemas.schema_registered.encode(order),
    }
}

/// Decodes one value of the control topic, which holds single objects only.
///
/// # Errors
/// [`DecodeError`]: over [`limits::ORDER_BYTES`], no single object, an unknown schema, or damaged bytes.
pub fn decode_order(value: &[u8]) -> Result<Order, DecodeError> {
    let (fingerprint, datum) = open(value, limits::ORDER_BYTES)?;
    let schemas = &*SCHEMAS;
    if schemas.policy_document.knows(fingerprint) {
        let order = schemas.policy_document.decode(fingerprint, datum)?;
        Ok(Order::PolicyDocument(order))
    } else if schemas.policy_activated.knows(fingerprint) {
        let order = schemas.policy_activated.decode(fingerprint, datum)?;
        Ok(Order::PolicyActivated(order))
    } else if schemas.log_opened.knows(fingerprint) {
        let order = schemas.log_opened.decode(fingerprint, datum)?;
        Ok(Order::LogOpened(order))
    } else if schemas.history_accepted.knows(fingerprint) {
        let order = schemas.history_accepted.decode(fingerprint, datum)?;
        Ok(Order::HistoryAccepted(order))
    } else if schemas.user_erased.knows(fingerprint) {
        let order = schemas.user_erased.decode(fingerprint, datum)?;
        Ok(Order::UserErased(order))
    } else if schemas.verdict_overturned.knows(fingerprint) {
        let order = schemas.verdict_overturned.decode(fingerprint, datum)?;
        Ok(Order::VerdictOverturned(order))
    } else if schemas.schema_registered.knows(fingerprint) {
        let order = schemas.schema_registered.decode(fingerprint, datum)?;
        Ok(Order::SchemaRegistered(order))
    } else {
        Err(DecodeError::UnknownSchema { fingerprint })
    }
}
