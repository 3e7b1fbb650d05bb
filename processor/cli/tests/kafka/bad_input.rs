//! Everything that can be wrong with a record, sent to a real broker: each gives exactly one verdict, a refused one also a dead letter,
//! and the processor goes on.

use std::time::Duration;

use crate::common::Kafka;
use gavel_schemas::{ChatMessage, ControlMarker, encode_marker, encode_message};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const POLICY: &str = "[policy]\nid = \"bad-input\"\ntopics = [\"rude\"]\n[audience.default]\ndefault = { flag = 2, mask = 3, block = 5 }\n\
                      [[term]]\nid = \"rude-1\"\nmatch = [\"drat\"]\ntopic = \"rude\"\nrisk = 3\n";

/// One record and what must come of it.
struct Case {
    name: &'static str,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: Option<i64>,
    headers: Option<OwnedHeaders>,
    code: &'static str,
    /// Of a refused record.
    reason: Option<&'static str>,
}

fn case(name: &'static str, value: Option<Vec<u8>>) -> Case {
    Case {
        name,
        key: Some(b"c/u".to_vec()),
        value,
        timestamp: None,
        headers: None,
        code: "judged",
        reason: None,
    }
}

fn refused(name: &'static str, value: Option<Vec<u8>>, reason: &'static str) -> Case {
    Case {
        code: "refused",
        reason: Some(reason),
        ..case(name, value)
    }
}

fn message(text: &str) -> ChatMessage<'_> {
    ChatMessage {
        community: "c".into(),
        channel: "lobby".into(),
        user: "u".into(),
        text: text.into(),
        kind: "message".into(),
        ..ChatMessage::default()
    }
}

fn avro(message: &ChatMessage<'_>) -> Vec<u8> {
    let mut value = Vec::new();
    encode_message(message, &mut value);
    value
}

/// Strings that have broken software: control characters, direction marks, piles of accents, markup, half surrogates of other
/// encodings, numbers that are none.
const HOSTILE: [&str; 14] = [
    "\u{0}\u{1}\u{7f}\r\n\t\u{b}",
    "\u{202e}txet desrever\u{202c}\u{2066}\u{2069}",
    "Z\u{334}\u{321}\u{31b}a\u{336}l\u{335}g\u{337}o\u{338}\u{30d}\u{30e}\u{304}",
    "\u{feff}\u{200b}\u{200c}\u{200d}\u{2060}\u{ad}",
    "\u{fdfa}\u{fdfd}\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{fe0f}\u{1f3f3}",
    "\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}\u{10ffff}",
    "';DROP TABLE verdicts;--\"`$(reboot)`${HOME}%n%s%x{{7*7}}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "../../../../etc/passwd\\..\\..\\con.txt",
    "NaN Infinity -0 1e309 0x7fffffff 9223372036854775808 null undefined true",
    "\u{130}\u{131}\u{17f}\u{df}\u{1e9e}\u{3a3}\u{3c2}",
    "drat\u{0}drat d\u{200b}r\u{200b}a\u{200b}t",
    "\u{1f1e6}\u{1f1e7}\u{1f595}\u{1f3ff}\u{e0061}\u{e007f}",
    "\u{915}\u{94d}\u{937}\u{93f} \u{e01}\u{e33} \u{621}\u{64b}\u{651}",
];

fn cases() -> Vec<Case> {
    let good = avro(&message("hello"));
    let mut foreign = good.clone();
    foreign[2] ^= 0xff;
    let mut bad_utf8 = good.clone();
    if let Some(at) = bad_utf8.windows(5).position(|part| part == b"hello") {
        bad_utf8[at] = 0xff;
    }
    let mut trailing = good.clone();
    trailing.push(0);
    let mut marker = Vec::new();
    encode_marker(
        &ControlMarker {
            order: 1,
            kind: "policy-activated",
            sha256: [7; 32],
        },
        &mut marker,
    );
    let mut early = Vec::new();
    encode_marker(
        &ControlMarker {
            order: 999_999,
            kind: "policy-activated",
            sha256: [7; 32],
        },
        &mut early,
    );
    let nested = format!(
        "{{\"user\":\"u\",\"text\":\"t\",\"more\":{}{}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    let mut all = vec![
        refused(
            "truncated",
            Some(good[..good.len() / 2].to_vec()),
            "malformed-avro",
        ),
        refused("only a header", Some(good[..10].to_vec()), "malformed-avro"),
        refused("foreign schema", Some(foreign), "unknown-schema"),
        refused("empty value", Some(Vec::new()), "empty-value"),
        refused("null value", None, "empty-value"),
        refused(
            "no framing",
            Some(b"\x01\x00\x00\x00\x05hello".to_vec()),
            "unknown-framing",
        ),
        refused(
            "an id that nobody registered",
            Some(b"\x00\x00\x00\x00\x05confluent".to_vec()),
            "unregistered-schema",
        ),
        refused(
            "half an id",
            Some(b"\x00\x00\x00".to_vec()),
            "malformed-avro",
        ),
        refused(
            "compressed by a registry's serialiser",
            Some([&[3, 5][..], &[7; 40]].concat()),
            "compressed-datum",
        ),
        refused("invalid UTF-8", Some(bad_utf8), "invalid-utf8"),
        refused("trailing bytes", Some(trailing), "trailing-bytes"),
        refused(
            "JSON without a user",
            Some(b"{\"text\":\"x\"}".to_vec()),
            "malformed-json",
        ),
        refused(
            "JSON with half a surrogate",
            Some(br#"{"user":"u","text":"\ud800"}"#.to_vec()),
            "malformed-json",
        ),
        refused("nested arrays", Some(nested.into_bytes()), "too-deep"),
        refused(
            "5 MB of JSON",
            Some(format!("{{\"user\":\"u\",\"text\":\"{}\"}}", "x".repeat(5 << 20)).into_bytes()),
            "too-large",
        ),
        refused("5 MB of nothing", Some(vec![0; 5 << 20]), "too-large"),
        refused(
            "text of 17 KiB",
            Some(avro(&message(&"x".repeat(17 << 10)))),
            "text-too-long",
        ),
        refused(
            "a slash in the community",
            Some(avro(&ChatMessage {
                community: "a/b".into(),
                ..message("x")
            })),
            "bad-community",
        ),
        refused(
            "user of 513 bytes",
            Some(avro(&ChatMessage {
                user: "u".repeat(513).into(),
                ..message("x")
            })),
            "string-too-long",
        ),
        refused("forged marker", Some(marker), "marker-mismatch"),
        refused(
            "marker of an order that does not exist",
            Some(early),
            "marker-mismatch",
        ),
        Case {
            key: Some(vec![b'k'; 513]),
            ..refused("key of 513 bytes", Some(good.clone()), "key-too-long")
        },
        Case {
            key: None,
            ..case("null key", Some(good.clone()))
        },
        Case {
            key: Some(vec![0xff, 0xfe]),
            ..case("key that is no text", Some(good.clone()))
        },
    ];
    for timestamp in [1, 978_307_199_999, 4_133_980_800_000, i64::MAX] {
        all.push(Case {
            timestamp: Some(timestamp),
            ..case("absurd timestamp", Some(good.clone()))
        });
    }
    let large = OwnedHeaders::new().insert(Header {
        key: "large",
        value: Some(&vec![b'h'; 5 << 10]),
    });
    all.push(Case {
        headers: Some(large),
        ..case("headers of 5 KiB", Some(good))
    });
    for text in HOSTILE {
        let fields: [fn(&mut ChatMessage<'static>, &'static str); 6] = [
            |m, text| m.text = text.into(),
            |m, text| m.message_id = text.into(),
            |m, text| m.channel = text.into(),
            |m, text| m.user = text.into(),
            |m, text| m.audience = Some(text.into()),
            |m, text| m.kind = text.into(),
        ];
        for set in fields {
            let mut hostile = message("plain").into_owned();
            set(&mut hostile, text);
            let json = serde_json::to_vec(&hostile).expect("a message is JSON");
            all.push(case("hostile string, Avro", Some(avro(&hostile))));
            all.push(case("hostile string, JSON", Some(json)));
        }
    }
    all
}

/// A header whose key is not UTF-8, as any C client can send it.
#[allow(unsafe_code)]
fn header_of_bytes() -> OwnedHeaders {
    let bytes = vec![0xff, 0xfe, b'k'];
    // SAFETY: the client only copies the bytes; nothing reads this as text.
    let key = unsafe { std::str::from_utf8_unchecked(&bytes) };
    OwnedHeaders::new().insert(Header {
        key,
        value: Some("v"),
    })
}

fn allow_large_records(servers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .create()
        .expect("a client");
    let any_time = i64::MAX.to_string();
    let entries = [
        ("max.message.bytes", "8388608"),
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.after.max.ms", &any_time),
        ("message.timestamp.before.max.ms", &any_time),
    ];
    let change = AlterConfig {
        specifier: ResourceSpecifier::Topic(topic),
        entries: entries.into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let answers = runtime
        .block_on(admin.alter_configs([&change], &AdminOptions::new()))
        .expect("the broker answers");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[test]
fn every_bad_record_gives_one_verdict_and_every_refused_one_a_dead_letter() {
    let kafka = Kafka::for_test("bad-input").with("GAVEL_KAFKA_GROUP");
    let servers = kafka.variables["GAVEL_KAFKA_BOOTSTRAP_SERVERS"].clone();
    let topic = kafka.variables["GAVEL_TOPICS_MESSAGES"].clone();
    kafka
        .run(&[
            "topics",
            "create",
            "--partitions",
            "1",
            "--timestamp-type",
            "create",
        ])
        .expect(0);
    allow_large_records(&servers, &topic);
    let files = tempfile::tempdir().expect("a temporary directory");
    let policy = files.path().join("policy.toml");
    std::fs::write(&policy, POLICY).expect("the policy is written");
    kafka
        .run(&["policy", "activate", crate::common::text(&policy)])
        .expect(0);
    let mut processor = kafka.start_processor(1);

    let mut cases = cases();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &servers)
        .set("message.max.bytes", "8000000")
        .set("compression.type", "none")
        .create()
        .expect("a client");
    cases.push(Case {
        headers: Some(header_of_bytes()),
        ..case("header key that is no text", Some(avro(&message("hello"))))
    });
    for case in &cases {
        let mut record = BaseRecord::<[u8], [u8]>::to(&topic).partition(0);
        record.key = case.key.as_deref();
        record.payload = case.value.as_deref();
        record.timestamp = case.timestamp;
        record.headers = case.headers.clone();
        producer
            .send(record)
            .unwrap_or_else(|(error, _)| panic!("{}: {error}", case.name));
    }
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(20));
    }

    // The activation's marker is the first record.
    let verdicts = kafka.wait_for_verdicts(cases.len() + 1);
    assert_eq!(verdicts.len(), cases.len() + 1);
    for (case, verdict) in cases.iter().zip(&verdicts[1..]) {
        let name = case.name;
        assert_eq!(verdict["code"], case.code, "{name}: {verdict}");
        let reason = verdict["reasons"][0]["rule"].as_str().unwrap_or_default();
        if let Some(expected) = case.reason {
            assert_eq!(reason, format!("refused/{expected}"), "{name}");
            assert_eq!(verdict["action"], "block", "{name}");
        }
        assert_eq!(
            verdict["headers_dropped"],
            name == "headers of 5 KiB",
            "{name}"
        );
        let judged_at = verdict["judged_at"].as_i64().expect("a time");
        assert!(
            (978_307_200_000..4_133_980_800_000).contains(&judged_at),
            "{name}: judged at {judged_at}"
        );
    }
    assert!(processor.is_running(), "log:\n{}", processor.log());
    processor.wait_ready();
    // Also compares keys, headers and dead letters, byte for byte.
    kafka.run(&["replay", "verify"]).expect(0);
    let (code, took) = processor.stop();
    assert_eq!(code, 0, "log:\n{}", processor.log());
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(!processor.log().contains("panicked"), "{}", processor.log());
}
