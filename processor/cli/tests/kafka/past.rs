//! The past of a log that a real processor judged, with checkpoints: verified from anywhere, tampered with, and judged by other policies.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Kafka, Ran, Running, text};
use gavel_runtime::kafka::{Cluster, LogReader, Outgoing, Sender, admin_client};
use gavel_schemas::{Order, decode_order, encode_order};
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use tempfile::TempDir;

const PARTITIONS: i32 = 2;
/// `drat` alone is rude, and a mute follows from three of them.
const MILD: &str = r#"
[policy]
id = "mild"
topics = ["rude"]
[audience.default]
default = { flag = 2, mask = 3, block = 5 }
[[term]]
id = "rude-1"
match = ["drat"]
topic = "rude"
risk = 3
[strikes]
per_risk = { "3" = 1.0, "6" = 2.0 }
half_life = "90d"
at = [ { gte = 2.5, action = "mute", for = "1h" } ]
"#;

/// A past, and the processor that is still there.
struct Past {
    kafka: Kafka,
    files: TempDir,
    _processor: Running,
}

impl Past {
    /// Judged by this policy from the beginning; `rounds` times twelve users say one line each, the last of them always the same word.
    fn new(name: &str, policy: &str, rounds: usize) -> Past {
        let files = tempfile::tempdir().expect("a temporary directory");
        let store = files.path().join("checkpoints");
        let kafka = Kafka::for_test(&format!("past-{name}"))
            .with("GAVEL_KAFKA_GROUP")
            .set("GAVEL_CHECKPOINTS_STORE", text(&store))
            .set("GAVEL_CHECKPOINTS_EVERY_MS", "200")
            // All of them stay.
            .set("GAVEL_CHECKPOINTS_ANCHOR_EVERY_MS", "1")
            .set("GAVEL_RUN_EPOCH_MS", "100");
        let partitions = PARTITIONS.to_string();
        kafka
            .run(&["topics", "create", "--partitions", &partitions])
            .expect(0);
        write(&files, "policy.toml", policy);
        let path = files.path().join("policy.toml");
        kafka.run(&["policy", "activate", text(&path)]).expect(0);
        let processor = kafka.start_processor(1);
        let mut judged = PARTITIONS as usize;
        for round in 0..rounds {
            let lines: String = (0..12)
                .map(|user| {
                    let words = match (round + user) % 4 {
                        _ if user == 11 => "drat",
                        0 => "drat",
                        1 => "heck",
                        _ => "hello",
                    };
                    format!(
                        "{{\"message_id\":\"m{round}-{user}\",\"community\":\"c\",\"channel\":\"ch{}\",\"user\":\"u{user}\",\"text\":\"{words} {round}\"}}\n",
                        user % 3
                    )
                })
                .collect();
            kafka
                .run_with(&["produce", "-"], lines.as_bytes())
                .expect(0);
            judged += 12;
            kafka.wait_for_verdicts(judged);
            // Time for a checkpoint.
            std::thread::sleep(Duration::from_millis(400));
        }
        Past {
            kafka,
            files,
            _processor: processor,
        }
    }

    fn verify(&self, more: &[&str]) -> Ran {
        let all = [&["replay", "verify", "--output", "json"], more].concat();
        self.kafka.run(&all)
    }

    /// Where a partition's messages end.
    fn end(&self, partition: i32) -> i64 {
        let config = self.kafka.config();
        let cluster = Cluster::new(&config).expect("a client");
        let bounds = cluster.bounds(&config.topics.messages, partition);
        bounds.expect("the broker answers").end
    }

    /// As retention does.
    fn trim(&self, below: i64) {
        let config = self.kafka.config();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&config.topics.messages, partition, Offset::Offset(below))
                .expect("an offset");
        }
        let admin = admin_client(&config).expect("a client");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime
            .block_on(admin.delete_records(&list, &AdminOptions::new()))
            .expect("deleted");
    }

    /// One partition, for orders.
    fn make_topic(&self, name: &str) {
        let admin = admin_client(&self.kafka.config()).expect("a client");
        let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let made = runtime.block_on(admin.create_topics(&[topic], &AdminOptions::new()));
        for one in made.expect("an answer") {
            one.expect("made");
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// Files of a kind in the store of checkpoints.
    fn objects(&self, part: &str) -> Vec<PathBuf> {
        fn below(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(dir).expect("readable") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    below(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        below(&self.file("checkpoints"), &mut found);
        found.retain(|path| text(path).contains(part));
        found.sort();
        found
    }
}

fn write(files: &TempDir, name: &str, content: &str) {
    std::fs::write(files.path().join(name), content).expect("written");
}

fn field(reports: &[Value], name: &str) -> Vec<Value> {
    reports.iter().map(|report| report[name].clone()).collect()
}

fn checkpoints(report: &Value) -> &Vec<Value> {
    report["checkpoints"].as_array().expect("a list")
}

#[test]
fn a_past_is_verified_from_its_beginning_and_from_any_checkpoint_with_the_same_chain() {
    let past = Past::new("verify", MILD, 6);
    let whole = past.verify(&[]).expect(0).json();
    for report in &whole {
        assert_eq!(report["began"], json!({"at": "log"}));
        assert_eq!(report["records"], report["equal"], "{report}");
        assert!(checkpoints(report).len() >= 2, "{report}");
        assert_eq!(report["orders"].as_array().map(Vec::len), Some(1));
    }
    let from = (past.end(0).min(past.end(1)) - 6).to_string();
    let late = past.verify(&["--from", &from]).expect(0).json();
    let early = past
        .verify(&["--from", &from, "--checkpoints", "none"])
        .expect(0)
        .json();
    for (late, early) in late.iter().zip(&early) {
        assert_eq!(late["began"]["at"], "checkpoint", "{late}");
        assert_eq!(early["began"]["at"], "log", "{early}");
        for name in ["from", "records", "equal", "chain"] {
            assert_eq!(late[name], early[name], "{name}");
        }
        assert!(late["lead_in"].as_u64() < early["lead_in"].as_u64());
        assert!(late["records"].as_u64() >= Some(6));
    }
}

#[test]
fn an_audit_is_split_interrupted_gone_on_with_and_put_together() {
    let past = Past::new("split", MILD, 3);
    let (first, second) = (past.file("0.json"), past.file("1.json"));
    let work = past.file("work");
    for (partition, file) in [("0", &first), ("1", &second), ("1", &second)] {
        let arguments = ["--partitions", partition, "--work", text(&work)];
        let all = [&arguments[..], &["--report", text(file)]].concat();
        past.verify(&all).expect(0);
    }
    let page = past.file("page.html");
    let merged = past
        .kafka
        .run(&[
            "replay",
            "merge",
            text(&first),
            text(&second),
            "--output",
            "json",
            "--html",
            text(&page),
        ])
        .expect(0)
        .json();
    let whole = past.verify(&["--digest"]).expect(0).json();
    assert_eq!(merged, whole);
    let page = std::fs::read_to_string(page).expect("written");
    assert!(page.contains("every verdict is as recorded, byte for byte"));
    past.kafka
        .run(&["replay", "merge", text(&first), text(&first)])
        .expect_error(2, "partition 0 stands in another report too");
}

#[test]
fn an_audit_that_was_killed_goes_on_where_it_was() {
    let past = Past::new("killed", MILD, 1);
    let lines: String = (0..24_000)
        .map(|n| {
            let (user, words) = (n % 500, if n % 3 == 0 { "drat" } else { "hello" });
            format!("{{\"community\":\"c\",\"user\":\"v{user}\",\"text\":\"{words} {n}\"}}\n")
        })
        .collect();
    past.kafka
        .run_with(&["produce", "-"], lines.as_bytes())
        .expect(0);
    past.kafka
        .wait_for_verdicts(PARTITIONS as usize + 12 + 24_000);
    let whole = past.verify(&["--digest"]).expect(0).json();
    let work = past.file("work");
    let mut slow = Command::new(env!("CARGO_BIN_EXE_gavel"))
        .args(["replay", "verify", "--rate", "3000", "--parallel", "1"])
        .args(["--work", text(&work)])
        .envs(&past.kafka.variables)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let saved = work.join("partition-0.json");
    let since = Instant::now();
    while !saved.exists() {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "nothing is saved"
        );
        assert!(slow.try_wait().expect("a child").is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    slow.kill().expect("killed");
    slow.wait().expect("a child");
    let before: Value =
        serde_json::from_slice(&std::fs::read(&saved).expect("readable")).expect("JSON");
    assert_eq!(before["is_whole"], json!(false));
    assert!(before["report"]["records"].as_u64() > Some(0));
    let after = past.verify(&["--digest", "--work", text(&work)]).expect(0);
    assert_eq!(after.json(), whole);
}

#[test]
fn what_retention_has_taken_is_unverifiable_and_never_different() {
    let past = Past::new("retention", MILD, 6);
    past.trim(14);
    let reports = past
        .verify(&[])
        .expect_error(4, "a part cannot be verified")
        .json();
    for report in &reports {
        let before = report["unverifiable_before"].as_i64().expect("an offset");
        assert!(before >= 14, "{report}");
        assert_eq!(report["from"], json!(before));
        assert_eq!(report["began"]["boundary"], json!(before - 1));
        assert!(report["records"].as_u64() > Some(0) && report["differences"] == json!(0));
    }
    let from = reports[0]["from"].as_i64().max(reports[1]["from"].as_i64());
    let from = from.expect("an offset").to_string();
    past.verify(&["--from", &from]).expect(0);
    past.verify(&["--checkpoints", "none"])
        .expect_error(4, "a part cannot be verified");
}

#[test]
fn a_checkpoint_that_was_tampered_with_is_flagged_and_nothing_else() {
    let past = Past::new("tamper", MILD, 4);
    let manifest = past.objects("/0/manifests/").pop().expect("there are some");
    let boundary: i64 = text(&manifest)
        .rsplit('/')
        .next()
        .and_then(|name| name.split(['-', '.']).next())
        .and_then(|number| number.parse().ok())
        .expect("the name begins with the offset");
    let mut bytes = std::fs::read(&manifest).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&manifest, bytes).expect("written");
    let reports = past.verify(&[]).expect_error(1, "1 of 2 partitions").json();
    let wrong: Vec<&Value> = reports
        .iter()
        .flat_map(checkpoints)
        .filter(|checkpoint| !checkpoint["wrong"].is_null())
        .collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(wrong[0]["boundary"], json!(boundary));
    assert_eq!(field(&reports, "differences"), [json!(0), json!(0)]);
    past.verify(&["--skip-checkpoints"]).expect(0);
}

#[test]
fn an_order_that_was_changed_is_flagged_where_its_marker_stands() {
    let past = Past::new("order", MILD, 2);
    let milder = MILD
        .replace("\"mild\"", "\"milder\"")
        .replace("risk = 3\n", "risk = 2\n");
    write(&past.files, "milder.toml", &milder);
    let path = past.file("milder.toml");
    let activate = ["policy", "activate", text(&path), "--output", "json"];
    let order = past.kafka.run(&activate).expect(0).json().remove(0)["order"].clone();
    let judged = 2 * PARTITIONS as usize + 24;
    past.kafka.wait_for_verdicts(judged);
    past.verify(&[]).expect(0);
    // The control topic once more, but for one byte of that order: its nonce, so that it says what it said.
    let config = past.kafka.config();
    let copy = format!("{}-copy", config.topics.control);
    let other = past.kafka.clone().set("GAVEL_TOPICS_CONTROL", &copy);
    past.make_topic(&copy);
    let mut control = LogReader::open(&config, &config.topics.control, 0).expect("a client");
    let end = control.bounds().expect("the broker answers").end;
    let sender = Sender::new(&config).expect("a client");
    control.start(0);
    while let Some(record) = control.read_to(end).expect("readable") {
        let mut value = record.payload().expect("an order").to_vec();
        if json!(record.offset()) == order {
            let Ok(Order::PolicyActivated(mut activated)) = decode_order(&value) else {
                panic!("it is an activation");
            };
            activated.nonce[0] ^= 1;
            value = encode_order(&Order::PolicyActivated(activated));
        }
        let copied = Outgoing {
            topic: &copy,
            partition: Some(0),
            key: record.key(),
            value: &value,
            timestamp: None,
            headers: None,
        };
        sender.send_one(copied).expect("acknowledged");
    }
    let all = [
        "replay",
        "verify",
        "--output",
        "json",
        "--checkpoints",
        "none",
    ];
    let reports = other.run(&all).expect(1).json();
    for report in &reports {
        let orders = report["orders"].as_array().expect("a list");
        let refused: Vec<&Value> = orders.iter().filter(|met| met["counts"] == false).collect();
        assert_eq!(refused.len(), 1, "{report}");
        assert_eq!(refused[0]["order"], order);
        assert_eq!(report["difference"]["offset"], refused[0]["offset"]);
        assert_eq!(report["differences"], json!(1), "{report}");
    }
}

#[test]
fn the_policy_that_judged_would_have_judged_the_same() {
    let past = Past::new("same", MILD, 4);
    let policy = past.file("policy.toml");
    for baseline in ["recorded", text(&policy)] {
        let all = ["replay", "what-if", "--policy", text(&policy)];
        let all = [&all[..], &["--baseline", baseline, "--output", "json"]].concat();
        let report = past.kafka.run(&all).expect(0).json().remove(0);
        assert_eq!(report["compared"], json!(48), "{report}");
        assert_eq!(report["differing"], json!(0), "{report}");
        assert_eq!(report["differences"]["rules"], json!({}));
    }
}

#[test]
fn a_candidate_would_have_given_what_a_log_under_it_gives() {
    let strict = MILD
        .replace("\"mild\"", "\"strict\"")
        .replace("[\"drat\"]", "[\"heck\"]")
        .replace("risk = 3\n", "risk = 6\n");
    let (past, other) = (
        Past::new("candidate", MILD, 5),
        Past::new("under-it", &strict, 5),
    );
    write(&past.files, "strict.toml", &strict);
    let candidate = past.file("strict.toml");
    let report = past
        .kafka
        .run(&[
            "replay",
            "what-if",
            "--policy",
            text(&candidate),
            "--output",
            "json",
        ])
        .expect(0)
        .json()
        .remove(0);
    // Verdicts of the same messages under the two, judged in truth.
    let judged = |past: &Past| {
        let verdicts = past.kafka.run(&["verdicts"]).expect(0).json();
        let of_messages = verdicts.into_iter().filter(|one| one["code"] != "control");
        of_messages
            .map(|one| {
                let id = one["message_id"].as_str().expect("a text").to_owned();
                (id, one["action"].as_str().expect("a text").to_owned())
            })
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let (before, after) = (judged(&past), judged(&other));
    let mut expected = json!({});
    for (id, action) in &before {
        let count = &mut expected[action][&after[id]];
        *count = json!(count.as_u64().unwrap_or(0) + 1);
    }
    assert_eq!(report["differences"]["actions"], expected);
    assert!(report["differences"]["newly_muted"]["count"].as_u64() > Some(0));
    assert!(report["differences"]["no_longer_muted"]["count"].as_u64() > Some(0));
    assert!(report["differences"]["samples"][0]["text"].is_string());
}

#[test]
fn a_policy_is_activated_only_after_a_what_if_that_kept_its_budget() {
    let past = Past::new("gate", MILD, 3);
    write(
        &past.files,
        "strict.toml",
        &MILD
            .replace("\"mild\"", "\"strict\"")
            .replace("[\"drat\"]", "[\"drat\", \"heck\"]")
            .replace("risk = 3\n", "risk = 6\n"),
    );
    let (strict, report) = (past.file("strict.toml"), past.file("report.json"));
    let page = past.file("page.html");
    let ask = |more: &[&str]| {
        let all = ["replay", "what-if", "--policy", text(&strict)];
        let files = ["--report", text(&report), "--html", text(&page)];
        past.kafka.run(&[&all[..], &files, more].concat())
    };
    let activate = || {
        past.kafka.run(&[
            "policy",
            "activate",
            text(&strict),
            "--after-what-if",
            text(&report),
        ])
    };
    activate().expect_error(1, "nothing was activated");
    ask(&[]).expect(0);
    activate().expect_error(1, "it has no budget for new blocks");
    ask(&["--max-new-blocks", "0.1%"]).expect_error(1, "newly blocks or mutes");
    activate().expect_error(1, "exceeds the budget");
    ask(&["--max-new-blocks", "100%", "--partitions", "0"]).expect(0);
    activate().expect_error(1, "leaves out a part");
    ask(&["--max-new-blocks", "100%", "--community", "c"]).expect(0);
    activate().expect_error(1, "about the scope `c`");
    ask(&["--max-new-blocks", "100%"]).expect(0);
    let shown = std::fs::read_to_string(&page).expect("written");
    assert!(shown.contains("What if “strict” had judged?") && shown.contains("kept"));
    activate().expect(0);
    activate().expect_error(1, "another policy has come into force since");
}
