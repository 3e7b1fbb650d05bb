//! Messages and markers: round trips, with apache-avro as the oracle.

mod common;

use apache_avro::types::Value;
use common::{
    any_long, any_message, any_string, message_value, oracle_datum, oracle_read, oracle_write,
    parse,
};
use gavel_schemas::{
    ChatMessage, ControlMarker, Inbound, avsc, decode_inbound, decode_json_message, encode_marker,
    encode_message, encode_message_json,
};
use proptest::prelude::*;
use std::borrow::Cow;

fn avro(message: &ChatMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_message(message, &mut out);
    out
}

fn json(message: &ChatMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_message_json(message, &mut out);
    out
}

proptest! {
    #[test]
    fn a_message_has_the_bytes_that_apache_avro_writes(message in any_message()) {
        let schema = parse(avsc::CHAT_MESSAGE);
        prop_assert_eq!(avro(&message), oracle_write(&schema, &message_value(&message)));
    }

    #[test]
    fn apache_avro_reads_our_message_as_it_was(message in any_message()) {
        let schema = parse(avsc::CHAT_MESSAGE);
        prop_assert_eq!(oracle_read(&schema, &schema, &avro(&message)), Some(message_value(&message)));
    }

    #[test]
    fn both_framings_give_back_the_message(message in any_message()) {
        for bytes in [avro(&message), json(&message)] {
            prop_assert_eq!(decode_inbound(&bytes), Ok(Inbound::Message(message.clone())));
        }
    }

    #[test]
    fn a_marker_has_the_bytes_that_apache_avro_writes_and_comes_back(
        order in any_long(),
        kind in any_string(),
        sha256 in any::<[u8; 32]>(),
    ) {
        let marker = ControlMarker { order, kind: &kind, sha256 };
        let mut bytes = Vec::new();
        encode_marker(&marker, &mut bytes);
        let oracle = Value::Record(vec![
            ("order".to_owned(), Value::Long(order)),
            ("kind".to_owned(), Value::String(kind.clone())),
            ("sha256".to_owned(), Value::Fixed(32, sha256.to_vec())),
        ]);
        prop_assert_eq!(&bytes, &oracle_write(&parse(avsc::CONTROL_MARKER), &oracle));
        prop_assert_eq!(decode_inbound(&bytes), Ok(Inbound::Marker(marker)));
    }
}

#[test]
fn encoding_appends_to_what_is_there() {
    let message = ChatMessage::default();
    let mut out = b"before".to_vec();
    encode_message(&message, &mut out);
    assert_eq!(out, [b"before".as_slice(), &avro(&message)].concat());
}

#[test]
fn avro_strings_are_borrowed_from_the_record() {
    let bytes = avro(&full());
    let Ok(Inbound::Message(message)) = decode_inbound(&bytes) else {
        panic!("a message");
    };
    assert!(
        strings(&message)
            .iter()
            .all(|text| matches!(text, Cow::Borrowed(_)))
    );
}

#[test]
fn json_strings_are_borrowed_unless_they_have_escapes() {
    let bytes = json(&full());
    let message = decode_json_message(&bytes).expect("a message");
    assert!(
        strings(&message)
            .iter()
            .all(|text| matches!(text, Cow::Borrowed(_)))
    );

    let escaped = br#"{"user":"u\u0031","text":"plain"}"#;
    let message = decode_json_message(escaped).expect("a message");
    assert_eq!((&*message.user, &*message.text), ("u1", "plain"));
    assert!(matches!(message.user, Cow::Owned(_)));
    assert!(matches!(message.text, Cow::Borrowed(_)));
}

#[test]
fn an_owned_copy_is_equal() {
    let message = full();
    assert_eq!(message.clone().into_owned(), message);
}

#[test]
fn json_fields_that_are_missing_have_the_defaults_of_the_schema() {
    let message = decode_json_message(br#"{"text":"hi","user":"u"}"#).expect("a message");
    let expected = ChatMessage {
        user: "u".into(),
        text: "hi".into(),
        ..ChatMessage::default()
    };
    assert_eq!(message, expected);

    // The oracle's defaults: a writer with the two required fields only, resolved by apache-avro.
    let smallest = parse(
        r#"{"type": "record", "name": "ChatMessage", "namespace": "gavel", "fields": [
            {"name": "user", "type": "string"}, {"name": "text", "type": "string"}]}"#,
    );
    let written = Value::Record(vec![
        ("user".to_owned(), Value::String("u".to_owned())),
        ("text".to_owned(), Value::String("hi".to_owned())),
    ]);
    let bytes = [vec![0; 10], oracle_datum(&smallest, &written)].concat();
    let resolved = oracle_read(&smallest, &parse(avsc::CHAT_MESSAGE), &bytes);
    assert_eq!(resolved, Some(message_value(&message)));
}

#[test]
fn a_json_null_is_an_absent_nullable_field() {
    let message = decode_json_message(br#"{"user":"u","text":"","audience":null,"reply_to":"m"}"#)
        .expect("a message");
    assert_eq!(
        (message.audience, message.reply_to.as_deref()),
        (None, Some("m"))
    );
}

#[test]
fn unknown_json_fields_are_ignored() {
    let bytes = br#"{"mood":{"deep":[1e999,"]]",null,{"\"":-0.5}]},"user":"u","text":"t","n":12345678901234567890123}"#;
    assert_eq!(decode_json_message(bytes).expect("a message").user, "u");
}

#[test]
fn a_json_field_name_may_be_escaped_and_white_space_may_surround_the_object() {
    let bytes = b" \t{ \"us\\u0065r\" : \"u\" , \"text\":\"t\" }\r\n ";
    assert_eq!(decode_json_message(bytes).expect("a message").user, "u");
}

#[test]
fn sent_at_in_json_is_milliseconds_or_rfc_3339() {
    let sent_at = |value: &str| {
        let bytes = format!(r#"{{"user":"u","text":"t","sent_at":{value}}}"#);
        decode_json_message(bytes.as_bytes()).map(|message| message.sent_at)
    };
    for (value, milliseconds) in [
        ("0", 0),
        ("-1", -1),
        ("1760000000123", 1_760_000_000_123),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        (r#""1970-01-01T00:00:00Z""#, 0),
        (r#""2025-10-09T08:53:20.123Z""#, 1_760_000_000_123),
        (r#""2025-10-09T08:53:20.123999999z""#, 1_760_000_000_123),
        (r#""2025-10-09t10:53:20.1+02:00""#, 1_760_000_000_100),
        (r#""2025-10-09T08:53:20-00:00""#, 1_760_000_000_000),
        (r#""1969-12-31T23:59:59Z""#, -1000),
        (r#""2000-02-29T12:00:00Z""#, 951_825_600_000),
        (r#""2016-12-31T23:59:60Z""#, 1_483_228_799_000),
        (r#""9999-12-31T23:59:59-23:59""#, 253_402_387_139_000),
        (r#""0000-01-01T00:00:00+23:59""#, -62_167_305_540_000),
    ] {
        assert_eq!(sent_at(value), Ok(milliseconds), "{value}");
    }
}

#[test]
fn records_written_by_fastavro_are_read() {
    // fastavro.schemaless_writer behind a header made with fastavro.schema.fingerprint, today's schema and the oldest.
    let today = "c3019c0f821baf350705066d2d310a6e6f7274680006616461f681e682b96614636166c3a920f09f9880\
                 00000e6d6573736167650002066d2d30";
    let oldest = "c301d0ba76d2dcdb47d70002067765620e04040261046263000a6e6f7274680006616461000468690200\
                  00000000000000000000000000000000000000000000000000000000000000120806616c740602780277\
                  04000000000000f83f046f6b0201086e6f6e650000000204656e";
    let expected = [
        ChatMessage {
            message_id: "m-1".into(),
            community: "north".into(),
            user: "ada".into(),
            sent_at: 1_760_000_000_123,
            text: "caf\u{e9} \u{1f600}".into(),
            reply_to: Some("m-0".into()),
            ..ChatMessage::default()
        },
        ChatMessage {
            community: "north".into(),
            user: "ada".into(),
            text: "hi".into(),
            language: Some("en".into()),
            ..ChatMessage::default()
        },
    ];
    for (written, expected) in [today, oldest].into_iter().zip(expected) {
        let bytes: Vec<u8> = (0..written.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&written[at..at + 2], 16).expect("hex"))
            .collect();
        assert_eq!(decode_inbound(&bytes), Ok(Inbound::Message(expected)));
    }
}

fn full() -> ChatMessage<'static> {
    ChatMessage {
        message_id: "m-1".into(),
        community: "north".into(),
        channel: "raid".into(),
        user: "u".into(),
        sent_at: 1_760_000_000_000,
        text: "meet at the bridge, caf\u{e9}".into(),
        audience: Some("teen".into()),
        language: Some("en".into()),
        kind: "edit".into(),
        revises: Some("m-0".into()),
        reply_to: Some("m-9".into()),
    }
}

fn strings<'m>(message: &'m ChatMessage<'m>) -> Vec<&'m Cow<'m, str>> {
    let required = [
        &message.message_id,
        &message.community,
        &message.channel,
        &message.user,
        &message.text,
        &message.kind,
    ];
    let nullable = [
        &message.audience,
        &message.language,
        &message.revises,
        &message.reply_to,
    ];
    required
        .into_iter()
        .chain(nullable.into_iter().flatten())
        .collect()
}
