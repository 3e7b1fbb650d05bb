//! Why a record is refused.
//!
//! The code is written into verdicts (`refused/<code>`) and dead letters, so a code never changes its meaning and never
//! disappears: an old log folded again must give the same bytes.

/// Why a record of `chat.messages` gets the verdict `refused`.
///
/// The text of [`Display`](std::fmt::Display) tells the producer what to do; [`code`](Refusal::code) is for machines.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error("the value is empty: send an Avro single object or a JSON object")]
    EmptyValue,
    #[error(
        "the value starts like no framing: send an Avro single object, a JSON object, or Avro behind a Confluent or Glue schema id"
    )]
    UnknownFraming,
    #[error("no known schema has this fingerprint: write with a schema of this project")]
    UnknownSchema,
    #[error(
        "the registry's schema id was not known at this place of the log: `gavel schemas add` makes it known for what is sent later"
    )]
    UnregisteredSchema,
    #[error(
        "the datum behind the schema id is compressed: switch the serialiser's compression off, and Kafka's on"
    )]
    CompressedDatum,
    #[error("the bytes do not follow their Avro schema: check the producer's serialiser")]
    MalformedAvro,
    #[error("not a JSON object with the fields of ChatMessage: `user` and `text` are required")]
    MalformedJson,
    #[error("a string is not UTF-8: encode text as UTF-8")]
    InvalidUtf8,
    #[error("the value is over 256 KiB: split or shorten the message")]
    TooLarge,
    #[error("the text is over 16 KiB of UTF-8: split or shorten the message")]
    TextTooLong,
    #[error("a string other than the text is over 512 bytes: shorten it")]
    StringTooLong,
    #[error("bytes follow the end of the record: send one record per value")]
    TrailingBytes,
    #[error("a skipped field claims more items than the value has bytes")]
    OverBudget,
    #[error("values are nested more than 16 deep")]
    TooDeep,
    #[error("the key is over 512 bytes: use community/user")]
    KeyTooLong,
    #[error("the community contains '/', which separates it from the user in keys")]
    BadCommunity,
    #[error("the marker points at no order of the control topic that equals it")]
    MarkerMismatch,
    #[error(
        "not all chunks of the policy stand before its activation: publish it, then activate again"
    )]
    PolicyIncomplete,
    #[error("the activated policy cannot be used: check it, publish it again, activate again")]
    PolicyInvalid,
    #[error(
        "the schema of this registration cannot be used, or there are too many: `gavel schemas add` says why"
    )]
    SchemaInvalid,
}

impl Refusal {
    /// Every refusal there is.
    pub const ALL: [Refusal; 20] = [
        Refusal::EmptyValue,
        Refusal::UnknownFraming,
        Refusal::UnknownSchema,
        Refusal::UnregisteredSchema,
        Refusal::CompressedDatum,
        Refusal::MalformedAvro,
        Refusal::MalformedJson,
        Refusal::InvalidUtf8,
        Refusal::TooLarge,
        Refusal::TextTooLong,
        Refusal::StringTooLong,
        Refusal::TrailingBytes,
        Refusal::OverBudget,
        Refusal::TooDeep,
        Refusal::KeyTooLong,
        Refusal::BadCommunity,
        Refusal::MarkerMismatch,
        Refusal::PolicyIncomplete,
        Refusal::PolicyInvalid,
        Refusal::SchemaInvalid,
    ];

    /// The stable kebab-case word that stands in verdicts and dead letters.
    pub const fn code(self) -> &'static str {
        match self {
            Refusal::EmptyValue => "empty-value",
            Refusal::UnknownFraming => "unknown-framing",
            Refusal::UnknownSchema => "unknown-schema",
            Refusal::UnregisteredSchema => "unregistered-schema",
            Refusal::CompressedDatum => "compressed-datum",
            Refusal::MalformedAvro => "malformed-avro",
            Refusal::MalformedJson => "malformed-json",
            Refusal::InvalidUtf8 => "invalid-utf8",
            Refusal::TooLarge => "too-large",
            Refusal::TextTooLong => "text-too-long",
            Refusal::StringTooLong => "string-too-long",
            Refusal::TrailingBytes => "trailing-bytes",
            Refusal::OverBudget => "over-budget",
            Refusal::TooDeep => "too-deep",
            Refusal::KeyTooLong => "key-too-long",
            Refusal::BadCommunity => "bad-community",
            Refusal::MarkerMismatch => "marker-mismatch",
            Refusal::PolicyIncomplete => "policy-incomplete",
            Refusal::PolicyInvalid => "policy-invalid",
            Refusal::SchemaInvalid => "schema-invalid",
        }
    }
}
