//! `topics`, `policy publish|activate`, `produce` and `verdicts` on a real broker.

use std::path::PathBuf;

use crate::common::{Kafka, text};
use serde_json::json;
use tempfile::TempDir;

const POLICY: &str = r#"
[policy]
id = "kafka-admin"
topics = ["rude"]

[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }

[[term]]
id = "rude-1"
match = ["drat"]
topic = "rude"
risk = 3
"#;

fn policy(content: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("policy.toml");
    std::fs::write(&path, content).expect("the policy is written");
    (directory, path)
}

fn created(name: &str, partitions: &str) -> Kafka {
    let kafka = Kafka::for_test(name);
    kafka
        .run(&["topics", "create", "--partitions", partitions])
        .expect(0);
    kafka
}

#[test]
fn creating_topics_twice_changes_nothing() {
    let kafka = Kafka::for_test("create");
    let create = ["topics", "create", "--partitions", "3", "--output", "json"];
    let first = kafka.run(&create).expect(0).json().remove(0);
    assert_eq!(
        (
            first["created"].as_array().map(Vec::len),
            &first["opened_now"]
        ),
        (Some(5), &json!(true))
    );
    let second = kafka.run(&create).expect(0).json().remove(0);
    assert_eq!(
        (&second["created"], &second["opened_now"], &second["log_id"]),
        (&json!([]), &json!(false), &first["log_id"])
    );
    assert!(
        kafka
            .run(&["topics", "check"])
            .expect(0)
            .stdout
            .contains("nothing differs")
    );
    let adopted = kafka
        .run(&["topics", "adopt", "--output", "json"])
        .expect(0)
        .json()
        .remove(0);
    assert_eq!(
        (&adopted["opened_now"], &adopted["log_id"]),
        (&json!(false), &first["log_id"])
    );
}

#[test]
fn another_partition_count_is_refused_and_nothing_is_changed() {
    let kafka = created("drift", "2");
    let ran = kafka
        .run(&["topics", "create", "--partitions", "3"])
        .expect_error(1, "nothing was changed");
    assert!(
        ran.stdout.contains("partitions") && ran.stdout.contains("fixed for the life of a log"),
        "{}",
        ran.stdout
    );
    kafka.run(&["topics", "check"]).expect(0);
}

#[test]
fn missing_topics_are_named_with_the_command_that_makes_them() {
    let kafka = Kafka::for_test("missing");
    let ran = kafka
        .run(&["topics", "check", "--output", "json"])
        .expect(1);
    let drift = ran.json();
    assert_eq!(drift.len(), 5);
    assert!(
        drift
            .iter()
            .all(|one| one["found"] == "missing"
                && one["mend"] == "gavel topics create --partitions N"),
        "{drift:?}"
    );
    kafka
        .run(&["topics", "adopt"])
        .expect_error(3, "does not exist");
    kafka.run(&["verdicts"]).expect_error(3, "does not exist");
    kafka
        .run_with(&["produce", "-"], b"{\"user\":\"u\",\"text\":\"x\"}\n")
        .expect_error(3, "gavel topics create");
}

#[test]
fn back_fill_topics_take_the_producers_time() {
    let kafka = Kafka::for_test("backfill");
    kafka
        .run(&[
            "topics",
            "create",
            "--partitions",
            "1",
            "--timestamp-type",
            "create",
            "--retention",
            "forever",
        ])
        .expect(0);
    kafka.run(&["topics", "check"]).expect(0);
    let ran = kafka
        .run(&["topics", "create", "--partitions", "1"])
        .expect(1);
    assert!(
        ran.stdout.contains("message.timestamp.type") && ran.stdout.contains("LogAppendTime"),
        "{}",
        ran.stdout
    );
}

#[test]
fn an_order_needs_an_opened_log_and_a_published_policy() {
    let kafka = created("unpublished", "1");
    let (_directory, file) = policy(POLICY);
    let checked = kafka
        .run(&["policy", "check", text(&file), "--output", "json"])
        .expect(0)
        .json()
        .remove(0);
    let digest = checked["digest"].as_str().expect("a digest");
    kafka
        .run(&["policy", "activate", digest])
        .expect_error(1, "no complete policy");
    kafka
        .run(&["policy", "activate", text(&file), "--community", "a/b"])
        .expect_error(2, "`a/b` is no scope");
}

#[test]
fn a_policy_is_published_once_and_an_activation_can_be_run_again() {
    let kafka = created("activate", "3");
    let (_directory, file) = policy(POLICY);
    let publish = ["policy", "publish", text(&file), "--output", "json"];
    assert_eq!(kafka.run(&publish).expect(0).json()[0]["chunks_written"], 1);
    assert_eq!(kafka.run(&publish).expect(0).json()[0]["chunks_written"], 0);

    let activate = [
        "policy",
        "activate",
        text(&file),
        "--by",
        "ana",
        "--output",
        "json",
    ];
    let first = kafka.run(&activate).expect(0).json().remove(0);
    assert_eq!(
        (&first["resumed"], &first["partitions"], &first["scope"]),
        (&json!(false), &json!(3), &json!("*"))
    );
    let again = kafka.run(&activate).expect(0).json().remove(0);
    assert_eq!(
        (&again["resumed"], &again["order"]),
        (&json!(true), &first["order"])
    );

    // For one community it is another order, and for all it still is the newest.
    let digest = first["digest"].as_str().expect("a digest");
    let one = kafka
        .run(&[
            "policy",
            "activate",
            digest,
            "--community",
            "c",
            "--output",
            "json",
        ])
        .expect(0)
        .json()
        .remove(0);
    assert!(one["order"].as_i64() > first["order"].as_i64(), "{one}");
    assert_eq!(kafka.run(&activate).expect(0).json()[0]["resumed"], true);

    // Another policy and back again are new orders.
    let (_other_directory, other) = policy(&POLICY.replace("risk = 3", "risk = 4"));
    let other = kafka
        .run(&["policy", "activate", text(&other), "--output", "json"])
        .expect(0)
        .json()
        .remove(0);
    let back = kafka.run(&activate).expect(0).json().remove(0);
    assert_eq!(back["resumed"], false);
    assert!(back["order"].as_i64() > other["order"].as_i64(), "{back}");
}

#[test]
fn a_policy_that_does_not_compile_is_never_published() {
    let kafka = created("broken", "1");
    let (_directory, file) = policy(&POLICY.replace("risk = 3", "risk = 30"));
    kafka
        .run(&["policy", "publish", text(&file)])
        .expect_error(1, "policy.toml:");
    kafka
        .run(&["policy", "activate", text(&file)])
        .expect_error(1, "policy.toml:");
}

#[test]
fn a_policy_whose_own_tests_fail_is_not_activated() {
    let kafka = created("failing-tests", "1");
    let failing = format!(
        "{POLICY}\n[[test]]\nin = {{ text = \"drat\" }}\nexpect = {{ action = \"allow\" }}\n"
    );
    let (_directory, path) = policy(&failing);
    kafka
        .run(&["policy", "activate", text(&path)])
        .expect_error(1, "expected allow, found mask");
    let verdicts = kafka.run(&["verdicts", "--from", "beginning"]).expect(0);
    assert_eq!(verdicts.stdout, "");
}

#[test]
fn a_large_policy_is_published_in_chunks() {
    let kafka = created("chunks", "1");
    let (directory, file) = policy(&POLICY.replace("topics =", "lists = [\"many.csv\"]\ntopics ="));
    let rows: String = (0..30_000)
        .map(|n| format!("many-{n},word{n:06}x,rude,3\n"))
        .collect();
    std::fs::write(
        directory.path().join("many.csv"),
        format!("id,match,topic,risk\n{rows}"),
    )
    .expect("the list is written");
    let published = kafka
        .run(&["policy", "publish", text(&file), "--output", "json"])
        .expect(0)
        .json()
        .remove(0);
    assert!(
        published["chunks_written"].as_u64() > Some(1),
        "{published}"
    );
    let activated = kafka
        .run(&["policy", "activate", text(&file), "--output", "json"])
        .expect(0)
        .json()
        .remove(0);
    assert_eq!(activated["digest"], published["digest"]);
}

#[test]
fn bad_lines_are_named_and_the_others_sent() {
    let kafka = created("produce", "4");
    let input = b"{\"user\":\"u\",\"text\":\"a\"}\nnot json\n\n{\"user\":\"v\",\"text\":\"b\",\"community\":\"a/b\"}\n{\"user\":\"w\",\"text\":\"c\"}\n";
    for framing in ["avro", "json"] {
        let ran = kafka.run_with(
            &["produce", "-", "--framing", framing, "--output", "json"],
            input,
        );
        let ran = ran
            .expect_error(1, "-:2: not sent: malformed-json")
            .expect_error(1, "-:4: not sent: bad-community");
        let report = &ran.json()[0];
        assert_eq!(
            (&report["acked"], &report["bad"], &report["blank"]),
            (&json!(2), &json!(2), &json!(1))
        );
    }
}

#[test]
fn nobody_there_is_said_within_ten_seconds() {
    let mut kafka = Kafka::for_test("nobody");
    kafka
        .variables
        .insert("GAVEL_KAFKA_BOOTSTRAP_SERVERS".into(), "127.0.0.1:1".into());
    let ran = kafka
        .run(&["topics", "check"])
        .expect_error(3, "error: no broker answered at 127.0.0.1:1 within 10 s");
    assert!(
        ran.stderr
            .contains("next: is it up? check --bootstrap-servers"),
        "{}",
        ran.stderr
    );
}
