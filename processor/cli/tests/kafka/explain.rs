//! `replay explain` and `replay timeline` against a real broker and a real processor.

use std::sync::Arc;

use crate::common::{Kafka, text};
use gavel_runtime::control;
use gavel_runtime::kafka::{Outgoing, Sender};
use gavel_schemas::{Verdict, encode_verdict};
use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str = r#"
[policy]
id = "kafka-explain"
topics = ["rude", "spam"]

[audience.default]
default = { flag = 2, mask = 3, block = 5 }

[[term]]
id = "rude-2"
match = ["drat"]
topic = "rude"
risk = 3

[[term]]
id = "rude-5"
match = ["crud"]
topic = "rude"
risk = 5

[[context]]
id = "again"
type = "event_count"
group_by = ["user", "text.fingerprint"]
timespan = "10m"
condition = { gte = 3 }
then = { topic = "spam", risk = 2 }

[strikes]
per_risk = { "5" = 1.0 }
half_life = "1h"
at = [ { gte = 2.5, action = "mute", for = "10m" } ]
"#;

/// Who says what, in this order; `<` and overrides are somebody's joke.
const SAID: [(&str, &str, &str); 9] = [
    ("ada", "a1", "hello"),
    ("eve", "e1", "D r a t it"),
    ("eve", "e2", "cr\u{200b}ud"),
    ("ada", "a2", "<script>alert(1)</script> \u{202e}ok"),
    ("eve", "e3", "CRUD"),
    ("eve", "e2", "cr\u{200b}ud"),
    ("eve", "e4", "crud again"),
    ("eve", "e5", "let me speak"),
    ("ada", "a3", "bye"),
];

struct Room {
    kafka: Kafka,
    files: TempDir,
    /// By message id, in the order of the log.
    verdicts: Vec<Value>,
}

/// A room that was judged by a processor which has ended.
fn room(name: &str) -> Room {
    let kafka = Kafka::for_test(name);
    kafka
        .run(&["topics", "create", "--partitions", "3"])
        .expect(0);
    let files = tempfile::tempdir().expect("a temporary directory");
    let policy = files.path().join("policy.toml");
    std::fs::write(&policy, POLICY).expect("the policy is written");
    kafka.run(&["policy", "activate", text(&policy)]).expect(0);
    let mut lines = String::new();
    for (user, id, words) in SAID {
        let message = json!({"community": "c", "channel": "lobby", "user": user, "message_id": id, "text": words});
        lines.push_str(&format!("{message}\n"));
    }
    kafka
        .run_with(&["produce", "-"], lines.as_bytes())
        .expect(0);
    let mut processor = kafka.start_processor(1);
    // Each partition has a marker, too.
    let verdicts = kafka.wait_for_verdicts(SAID.len() + 3);
    processor.stop();
    Room {
        kafka,
        files,
        verdicts,
    }
}

impl Room {
    /// The verdicts of an id, in the order of the log.
    fn of(&self, id: &str) -> Vec<&Value> {
        let all = self.verdicts.iter();
        all.filter(|verdict| verdict["message_id"] == id).collect()
    }

    fn place(&self, id: &str, copy: usize) -> String {
        let verdict = self.of(id)[copy];
        format!(
            "{}:{}",
            verdict["source_partition"], verdict["source_offset"]
        )
    }

    #[track_caller]
    fn explain(&self, arguments: &[&str]) -> Value {
        let all = ["replay", "explain", "--output", "json"].iter();
        let all: Vec<&str> = all.chain(arguments).copied().collect();
        self.kafka.run(&all).expect(0).json().remove(0)
    }
}

#[test]
fn every_verdict_is_explained_by_its_place_and_is_the_recorded_one() {
    let room = room("explain");
    for verdict in &room.verdicts {
        let place = format!(
            "{}:{}",
            verdict["source_partition"], verdict["source_offset"]
        );
        let told = room.explain(&[&place]);
        assert_eq!(told["explanation"]["verdict"], *verdict, "{place}");
        assert_eq!(told["recorded"]["verdict"], "identical", "{place}");
    }
    let mute = room.explain(&[&room.place("e4", 0)]);
    let summary = mute["summary"].to_string();
    assert!(
        summary.starts_with("[\"Blocked, because “crud” was found: rude, risk 5 of 7"),
        "{summary}"
    );
    assert!(
        summary.contains("The user is muted until")
            && summary.contains("because this was the 3rd strike within"),
        "{summary}"
    );
    assert_eq!(mute["strikes"].as_array().map(Vec::len), Some(3));
    let muted = room.explain(&[&room.place("e5", 0)]);
    assert_eq!(
        muted["muted_by"]["offset"],
        room.of("e4")[0]["source_offset"]
    );
    assert!(
        muted["summary"][0]
            .as_str()
            .is_some_and(|text| text
                .starts_with("Blocked without being read, because the user was muted until")),
        "{}",
        muted["summary"]
    );
}

#[test]
fn a_message_is_found_by_its_id_and_all_its_copies_are_named() {
    let room = room("explain-id");
    let ran = room
        .kafka
        .run(&["replay", "explain", "e2", "--output", "json"])
        .expect(0);
    assert!(
        ran.stderr.contains("searching 12 records of 3 partitions"),
        "{}",
        ran.stderr
    );
    let told = ran.json().remove(0);
    let copies = room.of("e2");
    assert_eq!(told["found"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["found"][1]["offset"], copies[1]["source_offset"]);
    let hit = &told["explanation"]["hits"][0];
    assert_eq!(
        (
            &hit["rule"],
            &hit["read_as"],
            &hit["evasion"],
            &hit["start"],
            &hit["end"]
        ),
        (
            &json!("rude-5"),
            &json!("crud"),
            &json!("invisible"),
            &json!(0),
            &json!(7)
        )
    );
    let retry = room.explain(&[&room.place("e2", 1)]);
    assert_eq!(
        retry["explanation"]["verdict"]["duplicate_of"],
        copies[0]["source_offset"]
    );
    assert!(retry["first_copy_at"].is_i64(), "{retry}");
    let partition = copies[0]["source_partition"].to_string();
    room.explain(&[
        "e2",
        "--partition",
        &partition,
        "--from",
        "2020-01-01T00:00:00Z",
    ]);
    room.kafka
        .run(&["replay", "explain", "e2", "--to", "2020-01-01T00:00:00Z"])
        .expect_error(2, "no message with the id `e2` among 0 records");
    room.kafka
        .run(&["replay", "explain", "0:999"])
        .expect_error(2, "partition 0 has no record at offset 999");
    room.kafka
        .run(&["replay", "explain", "e2", "--from", "4"])
        .expect_error(2, "an offset means something in one partition only");
}

#[test]
fn a_verdict_that_the_log_does_not_give_is_told_from_one_that_is_not_there_yet() {
    let kafka = Kafka::for_test("explain-differs");
    kafka
        .run(&["topics", "create", "--partitions", "1"])
        .expect(0);
    let line = b"{\"community\":\"c\",\"user\":\"u\",\"text\":\"hello\"}\n";
    kafka.run_with(&["produce", "-"], line).expect(0);
    let explain = || kafka.run(&["replay", "explain", "0:0", "--output", "json"]);
    let told = explain().expect(0).json().remove(0);
    assert_eq!(told["recorded"]["verdict"], "not judged yet");
    assert_eq!(
        told["summary"][0],
        "Allowed, because no policy was in force."
    );
    let config = kafka.config();
    let control = Arc::new(control::read_whole(&config).expect("readable"));
    let opened = control.opened(0).expect("opened");
    let forged = Verdict {
        log_id: &opened.log_id,
        source_partition: 0,
        source_offset: 0,
        message_id: "",
        community: "c",
        channel: "",
        user: "u",
        sent_at: 0,
        judged_at: 1,
        code: "judged",
        action: "block",
        effects: &[],
        labels: &[],
        reasons: &[],
        masked_text: None,
        duplicate_of: None,
        policy: "",
        engine: 1,
        context_complete: true,
        headers_dropped: false,
        overturns: None,
    };
    let mut value = Vec::new();
    encode_verdict(&forged, &mut value);
    let verdict = Outgoing {
        topic: &config.topics.verdicts,
        partition: Some(0),
        key: Some(b"c/u"),
        value: &value,
        timestamp: None,
        headers: None,
    };
    let sender = Sender::new(&config).expect("a client");
    sender.send_one(verdict).expect("acknowledged");
    let ran = explain().expect_error(1, "the recorded verdict: differs");
    let told = ran.json().remove(0);
    assert_eq!(told["recorded"]["found"]["action"], "block");
    assert_eq!(told["explanation"]["verdict"]["action"], "allow");
}

#[test]
fn a_timeline_holds_all_that_a_user_said_and_what_came_of_it() {
    let room = room("timeline");
    let arguments = ["replay", "timeline", "--community", "c", "--user", "eve"];
    let page = room.files.path().join("eve.html");
    let json: Vec<&str> = arguments
        .iter()
        .copied()
        .chain(["--output", "json", "--html", text(&page)])
        .collect();
    let told = room.kafka.run(&json).expect(0).json().remove(0);
    let entries = told["entries"].as_array().expect("entries");
    let orders: Vec<&Value> = entries
        .iter()
        .filter(|one| !one["order"].is_null())
        .collect();
    assert_eq!(orders.len(), 1);
    assert_eq!(
        (&orders[0]["order"]["kind"], &orders[0]["order"]["policy"]),
        (&json!("policy-activated"), &json!("kafka-explain"))
    );
    let said: Vec<&Value> = entries
        .iter()
        .filter(|one| !one["message"].is_null())
        .collect();
    let actions: Vec<&str> = said
        .iter()
        .filter_map(|one| one["verdict"]["action"].as_str())
        .collect();
    assert_eq!(
        actions,
        ["mask", "block", "block", "block", "block", "block"]
    );
    let codes: Vec<&str> = said
        .iter()
        .filter_map(|one| one["verdict"]["code"].as_str())
        .collect();
    assert_eq!(codes[4..], ["judged", "muted"]);
    assert_eq!(said[1]["after"]["strikes"], 1_000);
    assert!(said[4]["after"]["mute_until"].is_i64());
    let recorded: Vec<&Value> = room
        .verdicts
        .iter()
        .filter(|verdict| verdict["user"] == "eve")
        .collect();
    let derived: Vec<&Value> = said.iter().map(|one| &one["verdict"]).collect();
    assert_eq!(derived, recorded);
    let html = std::fs::read_to_string(&page).expect("the page is there");
    assert!(
        html.contains("Muted 1 time") && !html.contains('\u{200b}'),
        "{html}"
    );
    let nobody = room
        .kafka
        .run(&["replay", "timeline", "--community", "c", "--user", "nobody"])
        .expect(0);
    assert!(
        nobody.stdout.contains("No message of this user"),
        "{}",
        nobody.stdout
    );
}

#[test]
fn a_page_says_why_in_its_first_sentence_and_no_word_of_a_user_acts_in_it() {
    let room = room("explain-page");
    let page = room.files.path().join("page.html");
    let place = room.place("a2", 0);
    let ran = room
        .kafka
        .run(&["replay", "explain", &place, "--html", text(&page)])
        .expect(0);
    assert!(
        ran.stdout.contains("Allowed: no rule spoke about it."),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains('\u{202e}'), "{}", ran.stdout);
    let html = std::fs::read_to_string(&page).expect("the page is there");
    assert!(
        html.contains("&lt;script&gt;alert(1)") && !html.contains("<script"),
        "{html}"
    );
    assert!(!html.contains('\u{202e}'), "{html}");
}
