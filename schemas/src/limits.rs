//! Bounds that every decoder of the project keeps, in bytes unless it says otherwise.
//!
//! They belong to the engine's number: a record that was refused must be refused again when the log is folded once more, so
//! no configuration reaches them, and changing one needs a new engine.

/// A whole record value of `chat.messages`. Larger: `too-large`.
pub const RECORD_BYTES: usize = 256 * 1024;
/// The text of a message, as UTF-8. Larger: `text-too-long`.
pub const TEXT_BYTES: usize = 16 * 1024;
/// Every other string of a message, as UTF-8, and a record key. Larger: `string-too-long`, `key-too-long`.
pub const STRING_BYTES: usize = 512;
/// All header keys and values of a record together. Above it no header travels with the verdict.
pub const HEADER_BYTES: usize = 4 * 1024;
/// Reasons in one verdict (a count).
pub const REASONS: usize = 16;
/// A whole order value of `chat.control`.
pub const ORDER_BYTES: usize = 768 * 1024;
/// The policy bytes in one `PolicyDocument`; leaves room for its other fields under [`ORDER_BYTES`].
pub const CHUNK_BYTES: usize = 512 * 1024;
/// The text of a schema in a `SchemaRegistered`. A longer one cannot be used.
pub const SCHEMA_BYTES: usize = 64 * 1024;
/// Ids of registries that can be registered in one log (a count). Later ones count for nothing.
pub const SCHEMAS: usize = 1_000;
/// A whole verdict value that [`decode_verdict`](crate::decode_verdict) accepts. The largest one that the fold can write is
/// a fraction of it.
pub const VERDICT_BYTES: usize = 1024 * 1024;
/// The value of a dead letter. Of a longer record it holds the beginning, and the header `gavel.sha256` the hash of all.
pub const DEAD_LETTER_BYTES: usize = 512 * 1024;
/// How deep arrays, maps, records and JSON values may lie inside a field that is skipped (a count).
pub const NESTING: usize = 16;
