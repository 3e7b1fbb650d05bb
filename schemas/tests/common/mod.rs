//! What the tests share: apache-avro as the oracle, and random values of any schema.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use gavel_schemas::{ChatMessage, avsc};
use proptest::prelude::*;

pub fn parse(avsc: &str) -> Schema {
    Schema::parse_str(avsc).expect("the schema parses")
}

/// Every accepted version of every record, older ones first, with its fingerprint as Python's fastavro computes it, in
/// the order of the header's bytes.
///
/// A line here is never edited: it stands in the headers of records. A changed schema is a new version with a new line.
pub const PUBLISHED: [(&str, u64); 12] = [
    (avsc::OLD_CHAT_MESSAGES[0], 0xd0ba_76d2_dcdb_47d7),
    (avsc::OLD_CHAT_MESSAGES[1], 0x9653_04c7_ae52_11ee),
    (avsc::CHAT_MESSAGE, 0x9c0f_821b_af35_0705),
    (avsc::CONTROL_MARKER, 0x55a2_68ca_2e5c_c84b),
    (avsc::VERDICT, 0x63a1_4de9_98b0_5cfc),
    (avsc::POLICY_DOCUMENT, 0x593e_4505_02cf_c37b),
    (avsc::POLICY_ACTIVATED, 0xebc2_bc42_fe70_34c5),
    (avsc::LOG_OPENED, 0x40a0_ef8f_87c6_59a6),
    (avsc::HISTORY_ACCEPTED, 0x55c9_b99a_e0fc_0624),
    (avsc::USER_ERASED, 0x2317_dfae_21e5_8675),
    (avsc::VERDICT_OVERTURNED, 0x6ed5_569d_3da2_2068),
    (avsc::SCHEMA_REGISTERED, 0x7569_fc4c_ede9_7b3e),
];

/// `C3 01` and the published fingerprint.
pub fn header(schema: &Schema) -> Vec<u8> {
    let (_, fingerprint) = PUBLISHED
        .iter()
        .find(|(avsc, _)| parse(avsc).canonical_form() == schema.canonical_form())
        .expect("a published schema");
    [&[0xC3, 0x01], fingerprint.to_be_bytes().as_slice()].concat()
}

/// A datum as apache-avro writes it.
pub fn oracle_datum(schema: &Schema, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    GenericDatumWriter::builder(schema)
        .build()
        .and_then(|writer| writer.write_value_ref(&mut out, value))
        .expect("the value fits its schema");
    out
}

/// A single object as apache-avro writes it.
pub fn oracle_write(schema: &Schema, value: &Value) -> Vec<u8> {
    [header(schema), oracle_datum(schema, value)].concat()
}

/// Reads a single object written with `writer` as `reader` sees it, whatever its header says. `None`: apache-avro refuses
/// it or leaves bytes over.
pub fn oracle_read(writer: &Schema, reader: &Schema, value: &[u8]) -> Option<Value> {
    let mut datum = value.get(10..)?;
    let read = GenericDatumReader::builder(writer)
        .reader_schema(reader)
        .build()
        .and_then(|reader| reader.read_value(&mut datum))
        .ok()?;
    datum.is_empty().then_some(read)
}

/// The oracle's value of a message.
pub fn message_value(message: &ChatMessage<'_>) -> Value {
    let string = |text: &str| Value::String(text.to_owned());
    let nullable = |text: Option<&str>| match text {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(text) => Value::Union(1, Box::new(string(text))),
    };
    let fields = [
        ("message_id", string(&message.message_id)),
        ("community", string(&message.community)),
        ("channel", string(&message.channel)),
        ("user", string(&message.user)),
        ("sent_at", Value::TimestampMillis(message.sent_at)),
        ("text", string(&message.text)),
        ("audience", nullable(message.audience.as_deref())),
        ("language", nullable(message.language.as_deref())),
        ("kind", string(&message.kind)),
        ("revises", nullable(message.revises.as_deref())),
        ("reply_to", nullable(message.reply_to.as_deref())),
    ];
    Value::Record(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// Strings with all that UTF-8 allows, NUL and control characters among it.
pub fn any_string() -> BoxedStrategy<String> {
    prop_oneof![
        Just(String::new()),
        "[a-z0-9-]{1,40}",
        proptest::collection::vec(any::<char>(), 0..40)
            .prop_map(|chars| chars.into_iter().collect()),
    ]
    .boxed()
}

/// Numbers from both ends and around every change of encoded length.
pub fn any_long() -> BoxedStrategy<i64> {
    prop_oneof![
        any::<i64>(),
        (0u32..63, -1i64..=1, any::<bool>()).prop_map(|(bits, beside, negative)| {
            let value = (1i64 << bits) + beside;
            if negative { -value } else { value }
        }),
    ]
    .boxed()
}

pub fn any_message() -> impl Strategy<Value = ChatMessage<'static>> {
    let strings = (
        any_string(),
        any_string(),
        any_string(),
        any_string(),
        any_string(),
        any_string(),
    );
    let nullables = (
        proptest::option::of(any_string()),
        proptest::option::of(any_string()),
        proptest::option::of(any_string()),
        proptest::option::of(any_string()),
    );
    (strings, any_long(), nullables).prop_map(
        |(
            (message_id, community, channel, user, text, kind),
            sent_at,
            (audience, language, revises, reply_to),
        )| ChatMessage {
            message_id: message_id.into(),
            community: community.into(),
            channel: channel.into(),
            user: user.into(),
            sent_at,
            text: text.into(),
            audience: audience.map(Into::into),
            language: language.map(Into::into),
            kind: kind.into(),
            revises: revises.map(Into::into),
            reply_to: reply_to.map(Into::into),
        },
    )
}

/// Values of a schema: the types that the schemas of this crate use.
pub fn any_value(schema: &Schema) -> BoxedStrategy<Value> {
    match schema {
        Schema::Null => Just(Value::Null).boxed(),
        Schema::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Schema::Int => any::<i32>().prop_map(Value::Int).boxed(),
        Schema::Long => any_long().prop_map(Value::Long).boxed(),
        Schema::TimestampMillis => any_long().prop_map(Value::TimestampMillis).boxed(),
        Schema::Double => any::<i32>()
            .prop_map(|n| Value::Double(f64::from(n)))
            .boxed(),
        Schema::Bytes => proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(Value::Bytes)
            .boxed(),
        Schema::String => any_string().prop_map(Value::String).boxed(),
        Schema::Fixed(fixed) => {
            let size = fixed.size;
            proptest::collection::vec(any::<u8>(), size)
                .prop_map(move |bytes| Value::Fixed(size, bytes))
                .boxed()
        }
        Schema::Enum(words) => {
            let symbols = words.symbols.clone();
            (0..symbols.len())
                .prop_map(move |index| Value::Enum(index as u32, symbols[index].clone()))
                .boxed()
        }
        Schema::Array(array) => proptest::collection::vec(any_value(&array.items), 0..4)
            .prop_map(Value::Array)
            .boxed(),
        Schema::Map(map) => {
            proptest::collection::hash_map(any_string(), any_value(&map.types), 0..4)
                .prop_map(Value::Map)
                .boxed()
        }
        Schema::Union(union) => {
            let branches: Vec<_> = union
                .variants()
                .iter()
                .enumerate()
                .map(|(index, branch)| {
                    any_value(branch)
                        .prop_map(move |value| Value::Union(index as u32, Box::new(value)))
                        .boxed()
                })
                .collect();
            proptest::strategy::Union::new(branches).boxed()
        }
        Schema::Record(record) => {
            let names: Vec<_> = record.fields.iter().map(|f| f.name.clone()).collect();
            let fields: Vec<_> = record.fields.iter().map(|f| any_value(&f.schema)).collect();
            fields
                .prop_map(move |values| Value::Record(names.iter().cloned().zip(values).collect()))
                .boxed()
        }
        other => panic!("no strategy for {other:?}"),
    }
}

/// One change to the bytes: a byte altered, put in, taken out, or the end cut off.
pub fn damaged(bytes: &[u8], at: prop::sample::Index, byte: u8, how: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = at.index(bytes.len());
    match how % 4 {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => {
            bytes.remove(at);
        }
        _ => bytes.truncate(at),
    }
    bytes
}
