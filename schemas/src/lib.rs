//! The records on the wire: schemas, types, codec, framings.
//!
//! Everything else in the project knows records only through this crate, and this crate knows no Kafka and no store. What it
//! promises: decoding depends on the bytes alone, no bytes make it panic or cost more than a small multiple of their size,
//! and a record written with any version of a schema that was ever accepted can still be read.
//!
//! ```
//! use gavel_schemas::{ChatMessage, Inbound, Refusal, decode_inbound, encode_message};
//!
//! let message = ChatMessage {
//!     community: "north".into(),
//!     channel: "lobby".into(),
//!     user: "ada".into(),
//!     text: "good game".into(),
//!     ..ChatMessage::default()
//! };
//! let mut value = Vec::new();
//! encode_message(&message, &mut value);
//! assert_eq!(value[..2], [0xC3, 0x01]);
//! assert_eq!(decode_inbound(&value), Ok(Inbound::Message(message)));
//!
//! // JSON is told apart by its first byte.
//! let value = br#"{"community": "north", "user": "ada", "text": "good game"}"#;
//! let Ok(Inbound::Message(message)) = decode_inbound(value) else {
//!     panic!("not a message");
//! };
//! assert_eq!((&*message.user, &*message.kind), ("ada", "message"));
//!
//! // What cannot be decoded has a code, which its verdict and its dead letter carry.
//! assert_eq!(decode_inbound(b"hello").map_err(Refusal::code), Err("unknown-framing"));
//! ```

pub mod avsc;
mod error;
mod fingerprint;
mod inbound;
mod json;
mod known;
pub mod limits;
mod marker;
mod message;
mod order;
mod plan;
mod refusal;
mod registered;
mod rfc3339;
mod schema_id;
mod shape;
mod verdict;
mod verdict_record;
mod wire;

pub use error::DecodeError;
pub use inbound::{Inbound, decode_inbound, decode_inbound_with};
pub use json::{decode_json_message, encode_message_json};
pub use marker::{ControlMarker, encode_marker};
pub use message::{ChatMessage, encode_message};
pub use order::{
    HistoryAccepted, LogOpened, Order, PolicyActivated, PolicyDocument, SchemaRegistered,
    UserErased, VerdictOverturned, decode_order, encode_order,
};
pub use refusal::Refusal;
pub use registered::{MessageSchema, RegisteredSchemas, UnusableSchema};
pub use schema_id::{NoSchemaId, SchemaId};
pub use verdict::{Effect, Label, Reason, Verdict, encode_verdict};
pub use verdict_record::{
    EffectRecord, LabelRecord, QuietVerdict, ReasonRecord, VerdictIdentity, VerdictRecord,
    decode_verdict, peek_quiet_verdict, peek_verdict_identity,
};
