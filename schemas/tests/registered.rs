//! Records behind a registry's id: read by the schema registered for it as apache-avro reads them, cheaply whatever that schema is.

mod common;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use common::{any_value, damaged, message_value, oracle_datum, parse};
use gavel_schemas::{
    ChatMessage, Inbound, MessageSchema, Refusal, RegisteredSchemas, SchemaId, UnusableSchema,
    avsc, decode_inbound, decode_inbound_with, limits,
};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ID: SchemaId = SchemaId::Confluent(7);
const GLUE: SchemaId = SchemaId::Glue([0xA5; 16]);

fn registered(avsc: &str) -> RegisteredSchemas {
    let schema = Arc::new(MessageSchema::compile(avsc).expect("a schema of messages"));
    let mut registered = RegisteredSchemas::default();
    registered.insert(ID, Arc::clone(&schema));
    registered.insert(GLUE, schema);
    registered
}

fn confluent(datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 7], datum].concat()
}

fn glue(datum: &[u8]) -> Vec<u8> {
    [&[3, 0][..], &[0xA5; 16], datum].concat()
}

/// What apache-avro makes of a datum that `writer` wrote.
fn oracle(writer: &Schema, mut datum: &[u8]) -> Option<Value> {
    let reader = parse(avsc::CHAT_MESSAGE);
    let read = GenericDatumReader::builder(writer)
        .reader_schema(&reader)
        .build()
        .and_then(|reader| reader.read_value(&mut datum))
        .ok()?;
    datum.is_empty().then_some(read)
}

fn message<'a>(read: &'a Result<Inbound<'a>, Refusal>) -> Option<&'a ChatMessage<'a>> {
    match read {
        Ok(Inbound::Message(message)) => Some(message),
        Ok(Inbound::Marker(_)) | Err(_) => None,
    }
}

/// Somebody else's record: some of our fields in any order, among fields of all types.
fn any_writer() -> impl Strategy<Value = String> {
    let string = r#""string""#;
    let nullable = r#"["null", "string"]"#;
    let turned = r#"["string", "null"]"#;
    let ours = [
        ("message_id", vec![string]),
        ("community", vec![string]),
        (
            "channel",
            vec![
                string,
                r#"{"type": "string", "avro.java.string": "String"}"#,
            ],
        ),
        (
            "sent_at",
            vec![
                r#""long""#,
                r#""int""#,
                r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
            ],
        ),
        ("audience", vec![string, nullable, turned]),
        ("language", vec![nullable, turned]),
        ("kind", vec![string]),
        ("reply_to", vec![nullable]),
    ];
    let theirs = [
        r#""null""#,
        r#""boolean""#,
        r#""double""#,
        r#""bytes""#,
        r#"{"type": "array", "items": "null"}"#,
        r#"{"type": "map", "values": ["null", "long"]}"#,
        r#"{"type": "record", "name": "Empty_N", "fields": []}"#,
        r#"{"type": "record", "name": "Pair_N", "fields": [{"name": "a", "type": "null"}, {"name": "b", "type": "int"}]}"#,
        r#"{"type": "enum", "name": "Word_N", "symbols": ["x", "y"]}"#,
        r#"{"type": "fixed", "name": "Fixed_N", "size": 3}"#,
    ];
    let ours: Vec<BoxedStrategy<Option<String>>> = ours
        .into_iter()
        .map(|(name, types)| {
            let field = prop::sample::select(types)
                .prop_map(move |of| format!(r#"{{"name": "{name}", "type": {of}}}"#));
            proptest::option::of(field).boxed()
        })
        .collect();
    let theirs = proptest::collection::vec(prop::sample::select(theirs.to_vec()), 0..4);
    (ours, theirs).prop_flat_map(|(ours, theirs)| {
        let required = ["user", "text"].map(|name| format!(r#"{{"name": "{name}", "type": "string"}}"#));
        let theirs = (0..).zip(theirs).map(|(n, of): (usize, &str)| {
            format!(r#"{{"name": "own_{n}", "type": {}}}"#, of.replace("_N", &n.to_string()))
        });
        let fields: Vec<String> = ours.into_iter().flatten().chain(required).chain(theirs).collect();
        Just(fields).prop_shuffle().prop_map(|fields| {
            format!(r#"{{"type": "record", "name": "Said", "namespace": "com.example.v2", "fields": [{}]}}"#, fields.join(", "))
        })
    })
}

fn any_record() -> impl Strategy<Value = (String, Value)> {
    any_writer().prop_flat_map(|avsc| {
        let value = any_value(&parse(&avsc));
        (Just(avsc), value)
    })
}

proptest! {
    #[test]
    fn what_a_registered_schema_writes_is_read_as_apache_avro_resolves_it((avsc, value) in any_record()) {
        let (writer, registered) = (parse(&avsc), registered(&avsc));
        let datum = oracle_datum(&writer, &value);
        let expected = oracle(&writer, &datum);
        prop_assert!(expected.is_some());
        for value in [confluent(&datum), glue(&datum)] {
            let read = decode_inbound_with(&value, &registered);
            prop_assert_eq!(message(&read).map(message_value), expected.clone());
            // Nobody has heard of the id.
            prop_assert_eq!(decode_inbound(&value), Err(Refusal::UnregisteredSchema));
            for end in 0..value.len() {
                prop_assert!(decode_inbound_with(&value[..end], &registered).is_err());
            }
        }
    }

    #[test]
    fn what_we_accept_of_a_damaged_record_is_what_apache_avro_reads(
        (avsc, value) in any_record(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in any::<u8>(),
    ) {
        let (writer, registered) = (parse(&avsc), registered(&avsc));
        let datum = damaged(&oracle_datum(&writer, &value), at, byte, how);
        let value = confluent(&datum);
        if let Some(message) = message(&decode_inbound_with(&value, &registered)) {
            prop_assert_eq!(oracle(&writer, &datum), Some(message_value(message)));
        }
    }

    #[test]
    fn any_bytes_behind_a_registered_id_never_panic(
        avsc in any_writer(),
        datum in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let registered = registered(&avsc);
        let _ = decode_inbound_with(&confluent(&datum), &registered);
        let _ = decode_inbound_with(&glue(&datum), &registered);
        let _ = decode_inbound_with(&datum, &registered);
    }

    #[test]
    fn any_text_as_a_schema_never_panics(text in "\\PC{0,40}") {
        let _ = MessageSchema::compile(&text);
    }

    #[test]
    fn a_damaged_schema_never_panics(
        avsc in any_writer(),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), "[\\x20-\\x7e]", any::<u8>()), 1..6),
    ) {
        let mut bytes = avsc.into_bytes();
        for (at, with, how) in damages {
            bytes = damaged(&bytes, at, with.as_bytes()[0], how);
            if bytes.is_empty() {
                break;
            }
        }
        let _ = MessageSchema::compile(&String::from_utf8_lossy(&bytes));
    }
}

fn record(fields: &str) -> String {
    format!(
        r#"{{"type": "record", "name": "R", "fields": [{{"name": "user", "type": "string"}}, {{"name": "text", "type": "string"}}{fields}]}}"#
    )
}

fn problem(avsc: &str) -> String {
    let error = MessageSchema::compile(avsc).expect_err("it cannot be used");
    error.to_string()
}

#[test]
fn a_schema_that_cannot_be_used_says_which_field_is_why() {
    let nobody =
        r#"{"type": "record", "name": "R", "fields": [{"name": "text", "type": "string"}]}"#;
    assert!(problem(nobody).contains("`user`"));
    let number = record(r#", {"name": "channel", "type": "long"}"#);
    assert!(problem(&number).contains("`channel`") && problem(&number).contains("string"));
    let nullable = record(r#", {"name": "kind", "type": ["null", "string"]}"#);
    assert!(problem(&nullable).contains("`kind`"));
    for unit in ["timestamp-micros", "local-timestamp-millis", "time-micros"] {
        let time = format!(
            r#", {{"name": "sent_at", "type": {{"type": "long", "logicalType": "{unit}"}}}}"#
        );
        assert!(problem(&record(&time)).contains("`sent_at`"), "{unit}");
    }
    assert!(problem(r#""string""#).contains("no record"));
    assert!(matches!(
        MessageSchema::compile("{"),
        Err(UnusableSchema::NotAvro(_))
    ));
    let long = record(&format!(
        r#", {{"name": "own", "type": "string", "doc": "{}"}}"#,
        "x".repeat(limits::SCHEMA_BYTES)
    ));
    assert_eq!(
        MessageSchema::compile(&long).err(),
        Some(UnusableSchema::TooLarge { bytes: long.len() })
    );
}

#[test]
fn the_name_of_a_record_is_free() {
    let schema = MessageSchema::compile(&record("")).expect("a schema of messages");
    assert_eq!(schema.name(), "R");
    let value = confluent(b"\x02u\x04hi");
    let read = decode_inbound_with(&value, &registered(&record("")));
    let message = message(&read).expect("a message");
    assert_eq!(
        (&*message.user, &*message.text, &*message.kind),
        ("u", "hi", "message")
    );
}

#[test]
fn the_limits_of_messages_hold_behind_an_id_too() {
    let registered = registered(&record(""));
    let string = |length: usize| {
        let text = "x".repeat(length);
        oracle_datum(&Schema::String, &Value::String(text))
    };
    let refusal = |user: usize, text: usize| {
        let value = confluent(&[string(user), string(text)].concat());
        decode_inbound_with(&value, &registered).err()
    };
    assert_eq!(refusal(limits::STRING_BYTES, limits::TEXT_BYTES), None);
    assert_eq!(
        refusal(limits::STRING_BYTES + 1, 1),
        Some(Refusal::StringTooLong)
    );
    assert_eq!(
        refusal(1, limits::TEXT_BYTES + 1),
        Some(Refusal::TextTooLong)
    );
    assert_eq!(refusal(1, limits::RECORD_BYTES), Some(Refusal::TooLarge));
}

#[test]
fn a_compressed_datum_is_refused_by_name() {
    let value = [&[3, 5][..], &[0xA5; 16], b"\x78\x9c"].concat();
    assert_eq!(
        decode_inbound_with(&value, &registered(&record(""))),
        Err(Refusal::CompressedDatum)
    );
}

/// Sixteen records, each of which contains the next a hundred times, and the last nothing.
fn bomb() -> String {
    let mut inner = r#"{"type": "record", "name": "B0", "fields": []}"#.to_owned();
    for level in 1..15 {
        let below = format!("B{}", level - 1);
        let more: Vec<String> = (1..100)
            .map(|n| format!(r#"{{"name": "f{n}", "type": "{below}"}}"#))
            .collect();
        inner = format!(
            r#"{{"type": "record", "name": "B{level}", "fields": [{{"name": "f0", "type": {inner}}}, {}]}}"#,
            more.join(", ")
        );
    }
    record(&format!(r#", {{"name": "bomb", "type": {inner}}}"#))
}

#[test]
fn records_of_no_size_within_each_other_end_with_the_budget() {
    let (bomb, since) = (bomb(), Instant::now());
    assert!(bomb.len() <= limits::SCHEMA_BYTES, "{}", bomb.len());
    let value = confluent(b"\x02u\x04hi");
    let read = decode_inbound_with(&value, &registered(&bomb));
    assert_eq!(read, Err(Refusal::OverBudget));
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_record_of_no_size_costs_a_short_message_nothing() {
    let empty = record(
        r#", {"name": "meta", "type": {"type": "record", "name": "M", "fields": [{"name": "a", "type": "null"}]}}"#,
    );
    let value = confluent(b"\x02u\x02t");
    assert!(decode_inbound_with(&value, &registered(&empty)).is_ok());
}

#[test]
fn schemas_that_nest_without_end_are_errors() {
    let deep = format!(
        "{}\"null\"{}",
        r#"{"type": "array", "items": "#.repeat(2_000),
        "}".repeat(2_000)
    );
    let unions = format!("{}\"null\"{}", "[".repeat(30_000), "]".repeat(30_000));
    let endless = r#"{"type": "record", "name": "E", "fields": [{"name": "e", "type": "E"}]}"#;
    for (hostile, compiles) in [(deep.as_str(), false), (&unions, false), (endless, true)] {
        let avsc = record(&format!(r#", {{"name": "own", "type": {hostile}}}"#));
        assert_eq!(MessageSchema::compile(&avsc).is_ok(), compiles);
    }
    let endless = record(&format!(r#", {{"name": "own", "type": {endless}}}"#));
    let read = decode_inbound_with(b"\0\0\0\0\x07\x02u\x02t", &registered(&endless)).err();
    assert_eq!(read, Some(Refusal::TooDeep));
}

#[test]
fn a_wide_schema_is_compiled_in_no_time() {
    let fields: String = (0..1_200)
        .map(|n| format!(r#", {{"name": "f{n}", "type": ["null", "string"]}}"#))
        .collect();
    let union: Vec<String> = (0..1_000)
        .map(|n| format!(r#"{{"type": "fixed", "name": "F{n}", "size": 9}}"#))
        .collect();
    let since = Instant::now();
    let wide = record(&fields);
    assert!(wide.len() <= limits::SCHEMA_BYTES);
    MessageSchema::compile(&wide).expect("a schema of messages");
    let union = record(&format!(
        r#", {{"name": "own", "type": [{}]}}"#,
        union.join(", ")
    ));
    assert!(union.len() <= limits::SCHEMA_BYTES);
    MessageSchema::compile(&union).expect("a schema of messages");
    assert!(since.elapsed() < Duration::from_secs(5));
}
