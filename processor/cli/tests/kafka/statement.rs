//! `replay statement` on a real Kafka: what a regulator is told of a past with mutes, masks, copies, retries and an appeal.

use std::collections::BTreeMap;

use crate::common::{Kafka, Ran, Running, text};
use gavel_runtime::kafka::{Bounds, LogReader, Outgoing, Sender, admin_client};
use rdkafka::admin::AdminOptions;
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tempfile::TempDir;

const PARTITIONS: i32 = 2;
const POLICY: &str = r#"
[policy]
id = "house"
topics = ["rude", "threat"]
[audience.default]
default = { flag = 2, mask = 3, block = 5 }
threat = { flag = 1, mask = 5, block = 6, escalate = 2 }
[[term]]
id = "rude-3"
match = ["drat"]
topic = "rude"
risk = 3
[[term]]
id = "rude-5"
match = ["crud"]
topic = "rude"
risk = 5
[[term]]
id = "threat-2"
match = ["watch out"]
topic = "threat"
risk = 2
[strikes]
per_risk = { "5" = 1.0 }
half_life = "24h"
at = [ { gte = 1.5, action = "mute", for = "1h" } ]
"#;

/// Community, user, id and words, in this order; `=` begins a formula.
const SAID: [(&str, &str, &str, &str); 9] = [
    ("c", "ada", "a1", "hello"),
    ("c", "eve", "e1", "dr4t it"),
    ("c", "eve", "e2", "crud"),
    ("c", "ada", "=1+1", "=crud, \"they\" said\nso"),
    ("c", "eve", "e2", "crud"),
    ("c", "eve", "e3", "crud again"),
    ("c", "eve", "e4", "let me speak"),
    ("d", "bob", "b1", "watch out"),
    ("d", "bob", "b2", "drat"),
];

struct House {
    kafka: Kafka,
    files: TempDir,
    _processor: Running,
}

/// Judged, with one verdict overturned and the last verdicts of each partition in the topic twice.
fn house(name: &str) -> House {
    let files = tempfile::tempdir().expect("a temporary directory");
    let kafka = Kafka::for_test(&format!("statement-{name}")).with("GAVEL_KAFKA_GROUP");
    kafka
        .run(&["topics", "create", "--partitions", &PARTITIONS.to_string()])
        .expect(0);
    let policy = files.path().join("policy.toml");
    std::fs::write(&policy, POLICY).expect("written");
    kafka.run(&["policy", "activate", text(&policy)]).expect(0);
    let mut processor = kafka.start_processor(1);
    for (round, said) in SAID.chunks(5).enumerate() {
        let lines: String = said
            .iter()
            .map(|(community, user, id, words)| {
                let message = json!({"community": community, "channel": "lobby", "user": user, "message_id": id, "text": words});
                format!("{message}\n")
            })
            .collect();
        kafka
            .run_with(&["produce", "-"], lines.as_bytes())
            .expect(0);
        kafka.wait_for_verdicts((PARTITIONS as usize + 5 + 4 * round).min(11));
        processor.kill_and_restart();
    }
    let verdicts = kafka.verdicts();
    let wrong = of(&verdicts, "e1");
    let place = format!("{}:{}", wrong["source_partition"], wrong["source_offset"]);
    kafka
        .run(&["state", "overturn", &place, "--reason", "a quotation"])
        .expect(0);
    kafka.wait_for_verdicts(12);
    let house = House {
        kafka,
        files,
        _processor: processor,
    };
    house.copy();
    house
}

fn of<'a>(verdicts: &'a [Value], id: &str) -> &'a Value {
    let mut all = verdicts.iter();
    all.find(|verdict| verdict["message_id"] == id && verdict["overturns"].is_null())
        .expect("it was judged")
}

impl House {
    /// Writes the last verdicts of each partition once more, as a processor does that had no time to store what it did.
    fn copy(&self) {
        let config = self.kafka.config();
        let topic = &config.topics.verdicts;
        let sender = Sender::new(&config).expect("a client");
        for partition in 0..PARTITIONS {
            let mut reader = LogReader::open(&config, topic, partition).expect("a client");
            let Bounds { start, end } = reader.bounds().expect("the broker answers");
            reader.start((end - 4).max(start));
            let mut copies = Vec::new();
            while let Some(record) = reader.read_to(end).expect("readable") {
                let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                copies.push((bytes(record.key()), bytes(record.payload())));
            }
            assert!(copies.len() >= 3);
            for (key, value) in copies {
                let copy = Outgoing {
                    topic,
                    partition: Some(partition),
                    key: key.as_deref(),
                    value: value.as_deref().unwrap_or_default(),
                    timestamp: None,
                    headers: None,
                };
                sender.send_one(copy).expect("acknowledged");
            }
        }
    }

    fn statement(&self, more: &[&str]) -> Ran {
        self.kafka.run(&[&["replay", "statement"], more].concat())
    }

    fn rows(&self, more: &[&str]) -> Vec<Value> {
        let all = [&["--format", "jsonl"], more].concat();
        self.statement(&all).expect(0).json()
    }

    /// Removes the verdicts below this offset of each partition.
    fn trim_verdicts(&self, below: i64) {
        let config = self.kafka.config();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&config.topics.verdicts, partition, Offset::Offset(below))
                .expect("an offset");
        }
        let admin = admin_client(&config).expect("a client");
        tokio::runtime::Runtime::new()
            .expect("a runtime")
            .block_on(admin.delete_records(&list, &AdminOptions::new()))
            .expect("deleted");
    }
}

fn ids(rows: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["message_id"].as_str())
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
fn each_restriction_is_told_once_with_its_ground_and_its_end() {
    let house = house("rows");
    let rows = house.rows(&["--territory", "DE,FR"]);
    // The retry of e2 is one more verdict, and says so.
    assert_eq!(ids(&rows), ["=1+1", "b2", "e1", "e2", "e2", "e3", "e4"]);
    let verdicts = house.kafka.verdicts();
    let row = |id: &str| {
        let mut all = rows.iter();
        all.find(|row| row["message_id"] == id && row["duplicate_of"].is_null())
            .expect("a row")
    };
    let (log, block) = (&verdicts[0]["log_id"], of(&verdicts, "e2"));
    let id = format!(
        "{}:{}:{}",
        log.as_str().expect("a text"),
        block["source_partition"],
        block["source_offset"]
    );
    assert_eq!(row("e2")["id"], json!(id));
    assert_eq!(
        row("e2")["decision_visibility"],
        "DECISION_VISIBILITY_CONTENT_REMOVED"
    );
    assert_eq!(row("e2")["territorial_scope"], json!(["DE", "FR"]));
    assert_eq!(
        row("e2")["incompatible_content_ground"],
        "policy house; rules rude-5; topics rude"
    );
    assert_eq!(
        (
            &row("e1")["decision_visibility"],
            &row("e1")["rules"][0]["evasion"]
        ),
        (
            &json!("DECISION_VISIBILITY_CONTENT_DISABLED"),
            &json!("leet")
        )
    );
    let muting = row("e3");
    assert_eq!(muting["decision_account"], "DECISION_ACCOUNT_SUSPENDED");
    assert!(
        muting["end_date_account_restriction"]
            .as_str()
            .expect("a time")
            > muting["decided_at"].as_str().expect("a time")
    );
    assert_eq!(row("e4")["code"], "muted");
    let retry = rows.iter().find(|row| !row["duplicate_of"].is_null());
    assert_eq!(retry.expect("a retry")["duplicate_of"], json!(id));
    // Of all of them one was overturned.
    let undone: Vec<&Value> = rows.iter().filter(|row| row["appeal"] != "").collect();
    assert_eq!(undone.len(), 1);
    assert_eq!(
        (&undone[0]["message_id"], &undone[0]["automated_decision"]),
        (&json!("e1"), &json!("AUTOMATED_DECISION_NOT_AUTOMATED"))
    );
    assert!(undone[0]["overturned_at"].as_str() > undone[0]["decided_at"].as_str());
    assert!(
        rows.iter()
            .all(|row| row["text"].is_null() && row["masked_text"].is_null())
    );

    assert_eq!(ids(&house.rows(&["--community", "d"])), ["b2"]);
    assert_eq!(
        ids(&house.rows(&["--community", "d", "--escalations"])),
        ["b1", "b2"]
    );
    let texts = house.rows(&["--texts"]);
    let masked = texts.iter().find(|row| row["message_id"] == "e1");
    let masked = masked.expect("a row");
    assert_eq!(
        (&masked["text"], &masked["masked_text"]),
        (&json!("dr4t it"), &json!("**** it"))
    );
    house.kafka.run(&["replay", "verify"]).expect(0);
}

#[test]
fn a_spreadsheet_gets_text_and_the_figures_are_those_of_the_rows() {
    let house = house("csv");
    let (out, counts) = (
        house.files.path().join("rows.csv"),
        house.files.path().join("counts.json"),
    );
    let files = ["--out", text(&out), "--counts", text(&counts), "--texts"];
    let ran = house.statement(&files).expect(0);
    assert!(
        ran.stdout.contains("decisions    6 (66.7%)"),
        "{}",
        ran.stdout
    );
    let mut reader = csv::Reader::from_path(&out).expect("readable");
    let header: Vec<String> = reader
        .headers()
        .expect("a heading")
        .iter()
        .map(ToOwned::to_owned)
        .collect();
    let rows: Vec<BTreeMap<String, String>> = reader
        .records()
        .map(|row| {
            let row = row.expect("a row");
            header
                .iter()
                .cloned()
                .zip(row.iter().map(ToOwned::to_owned))
                .collect()
        })
        .collect();
    assert_eq!(rows.len(), 7);
    let hostile = rows.iter().find(|row| row["message_id"] == "'=1+1");
    let hostile = hostile.expect("the id is no formula");
    assert_eq!(hostile["text"], "'=crud, \"they\" said\\u{a}so");
    assert_eq!(hostile["topics"], "rude 5");
    assert_eq!(
        std::fs::read_to_string(&out)
            .expect("readable")
            .lines()
            .count(),
        8,
        "a row is a line"
    );

    let counts: Value =
        serde_json::from_slice(&std::fs::read(&counts).expect("written")).expect("JSON");
    let all = json!({"decisions": 6, "mutes": 1, "retries": 1, "overturned": 1, "overturned_too_late": 0, "error_rate": 0.166667});
    assert_eq!(counts["all"], all);
    assert_eq!(counts["communities"]["c"]["decisions"], 5);
    assert_eq!(counts["topics"]["rude"]["decisions"], 5);
    assert_eq!(counts["rules"]["muted"]["decisions"], 1);
    assert_eq!(counts["actions"]["mask"]["overturned"], 1);
    assert_eq!(
        counts["months"].as_object().map(serde_json::Map::len),
        Some(1)
    );
    let verdicts: u64 = counts["partitions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["verdicts"].as_u64())
        .sum();
    assert_eq!(verdicts, SAID.len() as u64);
    let names: Vec<_> = std::fs::read_dir(house.files.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(names.len(), 3, "nothing is left beside: {names:?}");
}

#[test]
fn a_stretch_is_cut_at_its_bounds_and_what_retention_took_is_said() {
    let house = house("bounds");
    let all = house.rows(&[]);
    let verdicts = house.kafka.verdicts();
    let cut = of(&verdicts, "e3");
    let (partition, offset) = (
        cut["source_partition"].to_string(),
        cut["source_offset"].to_string(),
    );
    let only = ["--partitions", &partition];
    let before = house.rows(&[&only[..], &["--to", &offset]].concat());
    let after = house.rows(&[&only[..], &["--from", &offset]].concat());
    let whole = house.rows(&only);
    assert_eq!(whole, [&before[..], &after[..]].concat());
    assert_eq!(after[0]["message_id"], "e3");
    // The appeal came after the stretch, and is told.
    assert!(before.iter().any(|row| row["appeal"] == "upheld"));
    assert_eq!(
        house.rows(&["--to", "2020-01-01T00:00:00Z"]),
        Vec::<Value>::new()
    );
    assert_eq!(house.rows(&["--from", "2020-01-01T00:00:00Z"]), all);
    house
        .statement(&["--partitions", "7"])
        .expect_error(2, "no partition 7");
    let nowhere = house.files.path().join("none/rows.csv");
    house
        .statement(&["--out", text(&nowhere)])
        .expect_error(3, "cannot be written");

    house.trim_verdicts(3);
    let left = house
        .statement(&["--format", "jsonl"])
        .expect_error(4, "does not hold the whole stretch")
        .json();
    assert!(!left.is_empty() && left.len() < all.len());
    house.rows(&[&only[..], &["--from", &offset]].concat());
}
