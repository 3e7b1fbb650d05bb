//! Producers with a schema registry on a real Kafka: refused before their schema is registered, read from its marker on, for ever and by
//! whoever folds the log.

use std::path::PathBuf;

use crate::common::{Kafka, Running, text};
use gavel_runtime::kafka::{Outgoing, Sender};
use serde_json::{Value, json};
use tempfile::TempDir;

const PARTITIONS: usize = 2;
const POLICY: &str = r#"
[policy]
id = "kafka-registrations"
topics = ["rude"]
[audience.default]
default = { flag = 2, mask = 3, block = 5 }
[[term]]
id = "rude-1"
match = ["drat"]
topic = "rude"
risk = 3
[strikes]
per_risk = { "3" = 1.0 }
half_life = "24h"
at = [ { gte = 2.5, action = "mute", for = "1h" } ]
"#;
/// Somebody else's record.
const SAID: &str = r#"{"type": "record", "name": "Said", "namespace": "com.example", "fields": [
    {"name": "meta", "type": ["null", {"type": "map", "values": "string"}], "default": null},
    {"name": "text", "type": "string"},
    {"name": "user", "type": "string"},
    {"name": "community", "type": "string"},
    {"name": "message_id", "type": {"type": "string", "logicalType": "uuid"}}]}"#;
const CONFLUENT: &str = "confluent:7";
const GLUE: &str = "glue:b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63";
const GLUE_HEAD: [u8; 18] = [
    3, 0, 0xb7, 0xb4, 0xa7, 0xf0, 0x9c, 0x96, 0x4e, 0x4a, 0xa6, 0x87, 0xfb, 0x5d, 0xe9, 0xef, 0x0c,
    0x63,
];

/// A datum of `SAID`; all words are short.
fn said(id: &str, user: &str, words: &str) -> Vec<u8> {
    let mut datum = vec![0];
    for word in [words, user, "c", id] {
        datum.push(u8::try_from(word.len() * 2).expect("short"));
        datum.extend_from_slice(word.as_bytes());
    }
    datum
}

fn confluent(datum: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 7], datum].concat()
}

fn glue(datum: &[u8]) -> Vec<u8> {
    [&GLUE_HEAD, datum].concat()
}

struct Chat {
    kafka: Kafka,
    sender: Sender,
    files: TempDir,
    /// Verdicts so far.
    judged: usize,
}

impl Chat {
    fn new() -> Chat {
        let files = tempfile::tempdir().expect("a temporary directory");
        let store = files.path().join("checkpoints");
        let kafka = Kafka::for_test("registrations")
            .with("GAVEL_KAFKA_GROUP")
            .set("GAVEL_CHECKPOINTS_STORE", text(&store))
            .set("GAVEL_CHECKPOINTS_EVERY_MS", "200")
            .set("GAVEL_CHECKPOINTS_NEAR_RECORDS", "0")
            .set("GAVEL_RUN_EPOCH_MS", "100");
        let partitions = PARTITIONS.to_string();
        kafka
            .run(&["topics", "create", "--partitions", &partitions])
            .expect(0);
        let sender = Sender::new(&kafka.config()).expect("a client");
        let chat = Chat {
            kafka,
            sender,
            files,
            judged: PARTITIONS,
        };
        let policy = chat.file("policy.toml", POLICY);
        chat.kafka
            .run(&["policy", "activate", text(&policy)])
            .expect(0);
        chat
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, content).expect("the file is written");
        path
    }

    /// The verdict about a value in the first partition.
    fn send(&mut self, value: &[u8]) -> Value {
        self.sender
            .send_one(Outgoing {
                topic: &self.kafka.config().topics.messages,
                partition: Some(0),
                key: Some(b"c/bob"),
                value,
                timestamp: None,
                headers: None,
            })
            .expect("it is sent");
        self.judged += 1;
        let verdicts = self.kafka.wait_for_verdicts(self.judged);
        let mut first: Vec<Value> = verdicts
            .into_iter()
            .filter(|verdict| verdict["source_partition"] == 0)
            .collect();
        first.sort_by_key(|verdict| verdict["source_offset"].as_i64());
        first.pop().expect("its verdict")
    }

    /// What `schemas add` says.
    fn add(&self, arguments: &[&str]) -> Value {
        let arguments = [&["schemas", "add"], arguments, &["--output", "json"]].concat();
        let mut printed = self.kafka.run(&arguments).expect(0).json();
        assert_eq!(printed.len(), 1);
        printed.remove(0)
    }

    fn stop(&self, processor: &mut Running) {
        assert_eq!(processor.stop().0, 0, "{}", processor.log());
    }
}

fn refusal(verdict: &Value) -> &str {
    verdict["reasons"][0]["rule"].as_str().unwrap_or_default()
}

fn place(verdict: &Value) -> String {
    format!("0:{}", verdict["source_offset"])
}

#[test]
fn a_schema_is_known_from_its_marker_on_to_everybody_who_folds_the_log() {
    let mut chat = Chat::new();
    let mut processor = chat.kafka.start_processor(1);
    let early = chat.send(&confluent(&said("m1", "bob", "drat")));
    assert_eq!(refusal(&early), "refused/unregistered-schema");
    assert_eq!(
        refusal(&chat.send(&glue(&said("m2", "bob", "drat")))),
        "refused/unregistered-schema"
    );

    // What cannot be registered is not, and says why.
    let said_file = chat.file("said.avsc", SAID);
    let avsc = text(&said_file);
    let nobody = chat.file("nobody.avsc", &SAID.replace("\"user\"", "\"whose\""));
    let add = |id: &str, file: &str| chat.kafka.run(&["schemas", "add", id, file]);
    add(CONFLUENT, text(&nobody)).expect_error(1, "`user`");
    add("confluent:seven", avsc).expect_error(2, "confluent:NUMBER");
    add(CONFLUENT, "/nowhere.avsc").expect_error(2, "cannot be read");
    let weighed = chat.add(&[CONFLUENT, avsc, "--dry-run"]);
    assert_eq!(
        (&weighed["record"], &weighed["order"], &weighed["marked"]),
        (&json!("com.example.Said"), &Value::Null, &json!(false))
    );
    let listed = || {
        chat.kafka
            .run(&["schemas", "list", "--output", "json"])
            .expect(0)
            .json()
    };
    assert_eq!(listed().len(), 0);

    let done = chat.add(&[CONFLUENT, avsc, "--reason", "the new client"]);
    assert_eq!(
        (&done["resumed"], &done["partitions"]),
        (&json!(false), &json!(PARTITIONS))
    );
    // The same in another layout is the same, another one for the id is a mistake.
    let compact: Value = serde_json::from_str(SAID).expect("JSON");
    let compact = chat.file("compact.avsc", &compact.to_string());
    let again = chat.add(&[CONFLUENT, text(&compact)]);
    assert_eq!(
        (&again["order"], &again["resumed"]),
        (&done["order"], &json!(true))
    );
    let other = chat.file("other.avsc", &SAID.replace("Said", "Uttered"));
    add(CONFLUENT, text(&other)).expect_error(1, "is registered by order");
    chat.add(&[GLUE, avsc]);
    chat.judged += 3 * PARTITIONS;
    chat.kafka.wait_for_verdicts(chat.judged);
    let all = chat
        .kafka
        .run(&["schemas", "list", "--output", "json"])
        .expect(0)
        .json();
    let ids: Vec<&Value> = all.iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [CONFLUENT, GLUE]);
    assert_eq!(
        (&all[0]["order"], &all[0]["reason"]),
        (&done["order"], &json!("the new client"))
    );

    // Points come from both framings and are remembered over a crash.
    let read = chat.send(&confluent(&said("m3", "bob", "drat it")));
    assert_eq!(
        (
            &read["action"],
            &read["masked_text"],
            &read["user"],
            &read["message_id"]
        ),
        (
            &json!("mask"),
            &json!("**** it"),
            &json!("bob"),
            &json!("m3")
        )
    );
    processor.kill_and_restart();
    assert_eq!(
        chat.send(&glue(&said("m4", "bob", "drat")))["action"],
        "mask"
    );
    let compressed = [&[3, 5], &GLUE_HEAD[2..], b"\x78\x9c".as_slice()].concat();
    assert_eq!(refusal(&chat.send(&compressed)), "refused/compressed-datum");
    chat.stop(&mut processor);
    let dir = text(processor.data_dir()).to_owned();
    let stored = ["state", "inspect", "--partition", "0", "--data-dir", &dir];
    let stored = chat.kafka.run(&stored).expect(0).json().remove(0);
    assert_eq!(
        stored["state"]["schemas"],
        json!([all[0]["order"], all[1]["order"]])
    );

    // A machine that has nothing but the checkpoint and the log.
    let mut other = chat.kafka.start_processor(1);
    other.wait_ready();
    let muted = chat.send(&confluent(&said("m5", "bob", "drat")));
    assert!(muted["effects"][0]["kind"] == "mute", "{muted}");
    chat.stop(&mut other);
    chat.kafka.run(&["replay", "verify"]).expect(0);

    // The early one stays refused, and whoever asks is told why.
    let told = |place: &str| {
        chat.kafka
            .run(&["replay", "explain", place])
            .expect(0)
            .stdout
    };
    assert!(told(&place(&early)).contains("confluent:7, which was not registered then"));
    let by = format!("confluent:7, registered by order {}", done["order"]);
    assert!(told(&place(&read)).contains(&by), "{}", told(&place(&read)));
    assert!(told("m3").contains(&by));
    assert!(told("m1").contains("gavel schemas add"));
    let timeline = ["replay", "timeline", "--community", "c", "--user", "bob"];
    let timeline = chat
        .kafka
        .run(&[&timeline[..], &["--partitions", "0", "--output", "json"]].concat());
    let told = timeline.expect(0).stdout;
    for (id, is_told) in [
        ("m1", false),
        ("m2", false),
        ("m3", true),
        ("m4", true),
        ("m5", true),
    ] {
        assert_eq!(
            told.contains(&format!("\"{id}\"")),
            is_told,
            "{id} in {told}"
        );
    }
}
