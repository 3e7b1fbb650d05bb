//! Bad input: each value is refused with its own code, cheaply and without a panic.

mod common;

use common::{any_message, damaged, header, message_value, oracle_read, parse};
use gavel_schemas::{
    ChatMessage, ControlMarker, Inbound, Refusal, avsc, decode_inbound, decode_json_message,
    encode_marker, encode_message, encode_message_json, limits,
};
use proptest::prelude::*;

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

fn refusal(value: &[u8]) -> Option<Refusal> {
    decode_inbound(value).err()
}

proptest! {
    #[test]
    fn every_truncation_of_a_message_is_refused(message in any_message()) {
        for bytes in [avro(&message), json(&message)] {
            for end in 0..bytes.len() {
                prop_assert!(decode_inbound(&bytes[..end]).is_err());
            }
        }
    }

    #[test]
    fn what_we_accept_of_a_damaged_message_is_what_apache_avro_reads(
        message in any_message(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in any::<u8>(),
    ) {
        let schema = parse(avsc::CHAT_MESSAGE);
        let bytes = damaged(&avro(&message), at, byte, how);
        if let Ok(Inbound::Message(read)) = decode_inbound(&bytes) {
            prop_assert_eq!(oracle_read(&schema, &schema, &bytes), Some(message_value(&read)));
            // One encoding per message.
            prop_assert_eq!(avro(&read), bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_inbound(&bytes);
        let _ = decode_json_message(&bytes);
    }

    #[test]
    fn random_bytes_behind_any_known_header_never_panic(
        which in 0usize..4,
        datum in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let [first, second] = avsc::OLD_CHAT_MESSAGES;
        let schema = [avsc::CHAT_MESSAGE, avsc::CONTROL_MARKER, first, second][which];
        let _ = decode_inbound(&[header(&parse(schema)), datum].concat());
    }

    #[test]
    fn random_json_never_panics(text in r#"\{("(user|text|sent_at|x)":("\PC{0,8}"|[0-9eE.+-]{1,9}|null|\[\]|\{\}),?){0,6}\}?"#) {
        let _ = decode_inbound(text.as_bytes());
    }
}

#[test]
fn values_without_a_known_framing_are_refused() {
    assert_eq!(refusal(b""), Some(Refusal::EmptyValue));
    for value in [
        &b"C3 01"[..],
        b"\x01\0\0\0\x01abc",
        b"\x03",
        b"\x03\x01",
        b"[1]",
        b" {}",
        b"\xC3",
        b"\xC3\x02",
        b"\xEF\xBB\xBF{}",
    ] {
        assert_eq!(refusal(value), Some(Refusal::UnknownFraming), "{value:?}");
    }
    assert_eq!(refusal(b"\xC3\x01\x01\x02"), Some(Refusal::MalformedAvro));
    assert_eq!(refusal(b"\0\0\0\x01"), Some(Refusal::MalformedAvro));
    assert_eq!(
        refusal(b"\0\0\0\0\x01abc"),
        Some(Refusal::UnregisteredSchema)
    );
    assert_eq!(
        refusal(&[0xC3, 1, 1, 2, 3, 4, 5, 6, 7, 8]),
        Some(Refusal::UnknownSchema)
    );
}

#[test]
fn records_of_other_topics_are_unknown_schemas() {
    for schema in [avsc::VERDICT, avsc::POLICY_ACTIVATED] {
        assert_eq!(
            refusal(&header(&parse(schema))),
            Some(Refusal::UnknownSchema)
        );
    }
}

#[test]
fn a_marker_must_be_whole_and_alone() {
    let marker = ControlMarker {
        order: 9,
        kind: "policy-activated",
        sha256: [1; 32],
    };
    let mut bytes = Vec::new();
    encode_marker(&marker, &mut bytes);
    for end in 0..bytes.len() {
        assert!(decode_inbound(&bytes[..end]).is_err());
    }
    bytes.push(0);
    assert_eq!(refusal(&bytes), Some(Refusal::TrailingBytes));
}

#[test]
fn bytes_after_the_record_are_refused_in_both_framings() {
    let message = ChatMessage::default();
    for bytes in [avro(&message), json(&message)] {
        assert_eq!(
            refusal(&[bytes.as_slice(), b"{}"].concat()),
            Some(Refusal::TrailingBytes)
        );
    }
}

#[test]
fn strings_at_their_limit_pass_and_one_byte_more_is_refused_in_both_framings() {
    // Two bytes each: the limits count bytes of UTF-8, not characters.
    let exactly = |bytes: usize| "\u{e9}".repeat(bytes / 2);
    let over = |bytes: usize| exactly(bytes) + "x";
    type Set = fn(&mut ChatMessage<'static>, String);
    let fields: [(Set, usize, Refusal); 10] = [
        (
            |m, s| m.message_id = s.into(),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
        (
            |m, s| m.community = s.into(),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
        (
            |m, s| m.channel = s.into(),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
        (
            |m, s| m.user = s.into(),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
        (
            |m, s| m.text = s.into(),
            limits::TEXT_BYTES,
            Refusal::TextTooLong,
        ),
        (
            |m, s| m.audience = Some(s.into()),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
        (
            |m, s| m.language = Some(s.into()),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
        (
            |m, s| m.kind = s.into(),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
        (
            |m, s| m.revises = Some(s.into()),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
        (
            |m, s| m.reply_to = Some(s.into()),
            limits::STRING_BYTES,
            Refusal::StringTooLong,
        ),
    ];
    for (set, limit, code) in fields {
        let mut message = ChatMessage::default();
        set(&mut message, exactly(limit));
        assert_eq!(
            decode_inbound(&avro(&message)),
            Ok(Inbound::Message(message.clone()))
        );
        assert_eq!(
            decode_inbound(&json(&message)),
            Ok(Inbound::Message(message.clone()))
        );
        set(&mut message, over(limit));
        assert_eq!(refusal(&avro(&message)), Some(code));
        assert_eq!(refusal(&json(&message)), Some(code));
    }
}

#[test]
fn a_record_over_its_limit_is_refused_whatever_it_holds() {
    let mut bytes = json(&ChatMessage::default());
    bytes.resize(limits::RECORD_BYTES, b' ');
    assert_eq!(refusal(&bytes), None);
    bytes.push(b' ');
    assert_eq!(refusal(&bytes), Some(Refusal::TooLarge));
    assert_eq!(decode_json_message(&bytes), Err(Refusal::TooLarge));
    assert_eq!(refusal(&vec![0xFF; 5_000_000]), Some(Refusal::TooLarge));
}

#[test]
fn strings_that_are_not_utf8_are_refused_in_both_framings() {
    let message = ChatMessage {
        user: "??".into(),
        ..ChatMessage::default()
    };
    for invalid in [[0xC0, 0x80], [0xFF, b'a'], [0xED, 0xA0]] {
        for mut bytes in [avro(&message), json(&message)] {
            let at = bytes
                .windows(2)
                .position(|pair| pair == b"??")
                .expect("the user");
            bytes[at..at + 2].copy_from_slice(&invalid);
            assert_eq!(refusal(&bytes), Some(Refusal::InvalidUtf8));
        }
    }
}

#[test]
fn nul_and_control_characters_are_text_like_any_other() {
    let message = ChatMessage {
        user: "\0".into(),
        text: "\u{0}\u{7}\u{1b}[2J\u{202e}\u{feff}".into(),
        ..ChatMessage::default()
    };
    assert_eq!(
        decode_inbound(&avro(&message)),
        Ok(Inbound::Message(message.clone()))
    );
    assert_eq!(
        decode_inbound(&json(&message)),
        Ok(Inbound::Message(message))
    );
}

#[test]
fn absurd_times_are_kept_as_they_are() {
    for sent_at in [i64::MIN, -1, 0, i64::MAX] {
        let message = ChatMessage {
            sent_at,
            ..ChatMessage::default()
        };
        assert_eq!(
            decode_inbound(&avro(&message)),
            Ok(Inbound::Message(message.clone()))
        );
        assert_eq!(
            decode_inbound(&json(&message)),
            Ok(Inbound::Message(message))
        );
    }
}

#[test]
fn numbers_have_one_encoding_and_lengths_are_never_negative() {
    let header = header(&parse(avsc::CHAT_MESSAGE));
    for length in [
        &[0x80, 0x00][..],                                             // 0, over-long
        &[0x82, 0x80, 0x00],                                           // 1, over-long
        &[0x01],                                                       // -1
        &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], // i64::MIN
        &[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], // i64::MAX
        &[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], // over 64 bits
        &[0xFF; 11],                                                   // without an end
    ] {
        let bytes = [header.as_slice(), length, b"abcdefgh"].concat();
        assert_eq!(refusal(&bytes), Some(Refusal::MalformedAvro), "{length:x?}");
    }
}

#[test]
fn a_branch_that_the_union_does_not_have_is_malformed() {
    let good = avro(&ChatMessage::default());
    for branch in [0x01, 0x03, 0x04, 0x7F] {
        let mut bytes = good.clone();
        // The last byte is the branch of reply_to.
        *bytes.last_mut().expect("not empty") = branch;
        assert_eq!(refusal(&bytes), Some(Refusal::MalformedAvro));
    }
}

#[test]
fn json_that_breaks_the_rules_is_malformed() {
    for text in [
        "{",
        "{}",
        r#"{"user":"u"}"#,
        r#"{"text":"t"}"#,
        r#"{"user":null,"text":"t"}"#,
        r#"{"user":"u","text":"t","message_id":null}"#,
        r#"{"user":"u","text":"t","kind":null}"#,
        r#"{"user":"u","text":"t","sent_at":null}"#,
        r#"{"user":1,"text":"t"}"#,
        r#"{"user":"u","text":["t"]}"#,
        r#"{"user":"u","text":"t","audience":false}"#,
        r#"{"user":"u","user":"u","text":"t"}"#,
        r#"{"user":"u","text":"t","audience":null,"audience":"a"}"#,
        r#"{"user":"u","text":"t",}"#,
        r#"{"user":"u","text":"\ud800"}"#,
        r#"{"user":"u","text":"t","x":[}"#,
        "{\"user\":\"u\",\"text\":\"a\nb\"}",
    ] {
        assert_eq!(
            refusal(text.as_bytes()),
            Some(Refusal::MalformedJson),
            "{text}"
        );
    }
    for text in ["[]", "1", "null", "\"user\"", ""] {
        assert_eq!(
            decode_json_message(text.as_bytes()),
            Err(Refusal::MalformedJson),
            "{text}"
        );
    }
}

#[test]
fn a_time_that_is_neither_milliseconds_nor_rfc_3339_is_malformed() {
    for time in [
        "1.5",
        "1e3",
        "9223372036854775808",
        "-9223372036854775809",
        "true",
        "[]",
        r#""""#,
        r#""0""#,
        r#""now""#,
        r#""2025-10-09""#,
        r#""2025-10-09T08:53:20""#,
        r#""2025-10-09 08:53:20Z""#,
        r#""2025-10-09T08:53Z""#,
        r#""2025-10-09T08:53:20.Z""#,
        r#""2025-10-09T08:53:20,5Z""#,
        r#""2025-10-09T08:53:20.0000000001Z""#,
        r#""2025-10-09T08:53:20+02""#,
        r#""2025-10-09T08:53:20+0200""#,
        r#""2025-10-09T08:53:20+24:00""#,
        r#""2025-10-09T08:53:20-00:60""#,
        r#""2025-10-09T08:53:20 00:00""#,
        r#""2025-10-09T08:53:20Z[UTC]""#,
        r#""2025-02-29T00:00:00Z""#,
        r#""2025-13-01T00:00:00Z""#,
        r#""2025-10-09T24:00:00Z""#,
        r#""-002025-10-09T08:53:20Z""#,
        r#""2025-10-09T08:53:2é""#,
    ] {
        let text = format!(r#"{{"user":"u","text":"t","sent_at":{time}}}"#);
        assert_eq!(
            refusal(text.as_bytes()),
            Some(Refusal::MalformedJson),
            "{time}"
        );
    }
}

#[test]
fn ignored_json_may_be_nested_to_the_limit_and_no_deeper() {
    let nested = |depth: usize| {
        format!(
            r#"{{"x":{}{},"user":"u","text":"t"}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(refusal(nested(limits::NESTING).as_bytes()), None);
    assert_eq!(
        refusal(nested(limits::NESTING + 1).as_bytes()),
        Some(Refusal::TooDeep)
    );
    assert_eq!(refusal(nested(100_000).as_bytes()), Some(Refusal::TooDeep));
    let unclosed = format!(r#"{{"x":{}"#, "[".repeat(200_000));
    assert_eq!(refusal(unclosed.as_bytes()), Some(Refusal::MalformedJson));
}

#[test]
fn every_code_is_kebab_case_and_its_own() {
    let mut codes = Refusal::ALL.map(Refusal::code).to_vec();
    assert!(codes.iter().all(|code| {
        code.bytes()
            .all(|b| b.is_ascii_lowercase() || b"-8".contains(&b))
    }));
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Refusal::ALL.len());
}
