//! A candidate in shadow on a real Kafka: its verdicts arrive beside the others, nothing that becomes of them reaches those, and what was
//! activated can be looked up and taken back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::common::{Kafka, Ran, Running, text};
use gavel_runtime::kafka::{Cluster, Outgoing, Sender, TopicReader, admin_client};
use gavel_schemas::{VerdictRecord, decode_verdict};
use rdkafka::admin::AdminOptions;
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use serde_json::{Value, json};
use tempfile::TempDir;

const PARTITIONS: i32 = 2;
const POLICY: &str = r#"
[policy]
id = "kafka-shadow"
topics = ["rude", "spam"]

[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }

[[term]]
id = "rude-1"
match = ["drat"]
topic = "rude"
risk = 3

[[term]]
id = "spam-1"
match = ["buy gold"]
topic = "spam"
risk = 5
"#;

/// Blocks `drat`, lets `buy gold` go, and mutes who said `drat` once.
fn candidate() -> String {
    POLICY
        .replace("id = \"kafka-shadow\"", "id = \"candidate\"")
        .replace("mask = 3, block = 5", "mask = 2, block = 3")
        .replace("topic = \"spam\"\nrisk = 5", "topic = \"spam\"\nrisk = 1")
        + "\n[strikes]\nper_risk = { \"3\" = 4.0 }\nhalf_life = \"1h\"\nat = [ { gte = 4.0, action = \"mute\", for = \"10m\" } ]\n"
}

/// Topics, the two policies as files, and a client to send with.
struct Chat {
    kafka: Kafka,
    sender: Sender,
    files: TempDir,
}

impl Chat {
    fn new(name: &str) -> Chat {
        let kafka = Kafka::for_test(name).with("GAVEL_KAFKA_GROUP");
        let partitions = PARTITIONS.to_string();
        kafka
            .run(&["topics", "create", "--partitions", &partitions])
            .expect(0);
        let files = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(files.path().join("policy.toml"), POLICY).expect("written");
        std::fs::write(files.path().join("candidate.toml"), candidate()).expect("written");
        let sender = Sender::new(&kafka.config()).expect("a client");
        let chat = Chat {
            kafka,
            sender,
            files,
        };
        chat.policy(&["activate", &chat.file("policy")]).expect(0);
        chat
    }

    fn file(&self, name: &str) -> String {
        let path: PathBuf = self.files.path().join(format!("{name}.toml"));
        text(&path).to_owned()
    }

    /// `gavel policy …`
    fn policy(&self, arguments: &[&str]) -> Ran {
        self.kafka.run(&[&["policy"], arguments].concat())
    }

    /// The same, as JSON lines.
    fn policy_json(&self, arguments: &[&str]) -> Vec<Value> {
        self.policy(&[arguments, &["--output", "json"]].concat())
            .expect(0)
            .json()
    }

    /// One message into the partition of its number, with a header that names it.
    fn say(&self, number: usize, user: &str, words: &str) {
        let config = self.kafka.config();
        let key = format!("c/{user}");
        let value = format!(
            "{{\"message_id\":\"m{number}\",\"user\":\"{user}\",\"community\":\"c\",\"channel\":\"lobby\",\"text\":\"{words}\"}}"
        );
        let number_text = number.to_string();
        let headers = OwnedHeaders::new().insert(Header {
            key: "number",
            value: Some(&number_text),
        });
        self.sender
            .send_one(Outgoing {
                topic: &config.topics.messages,
                partition: Some(i32::try_from(number).expect("small") % PARTITIONS),
                key: Some(key.as_bytes()),
                value: value.as_bytes(),
                timestamp: None,
                headers: Some(headers),
            })
            .expect("acknowledged");
    }

    /// Messages with these numbers, of several users, some of them rude.
    fn chatter(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let words = ["hello there", "drat", "gg", "buy gold now"][number / 2 % 4];
            self.say(number, &format!("u{}", number % 7), words);
        }
    }

    /// Every record of a topic of verdicts: partition, key, number in the header, verdict.
    fn read(&self, topic: &str) -> Vec<Read> {
        let config = self.kafka.config();
        let cluster = Cluster::new(&config).expect("a client");
        let ranges: Vec<_> = (0..PARTITIONS)
            .map(|partition| {
                let bounds = cluster
                    .bounds(topic, partition)
                    .expect("the topic is there");
                (partition, bounds.start..bounds.end)
            })
            .collect();
        let mut reader = TopicReader::open(&config, topic, &ranges).expect("a reader");
        let mut all = Vec::new();
        while let Some(record) = reader.read().expect("readable") {
            all.push(Read {
                partition: record.partition(),
                key: record.key().map(<[u8]>::to_vec),
                number: record.headers().map(|headers| {
                    assert_eq!(headers.count(), 1);
                    let mut value = Vec::new();
                    gavel_runtime::kafka::raw_headers(&record, |_, found| {
                        value = found.unwrap_or_default().to_vec();
                    });
                    value
                }),
                verdict: decode_verdict(record.payload().unwrap_or_default()).expect("a verdict"),
            });
        }
        all
    }

    fn shadows(&self) -> Vec<Read> {
        self.read(&self.kafka.config().topics.shadow)
    }

    /// Waits until there are this many shadow verdicts.
    #[track_caller]
    fn wait_for_shadows(&self, count: usize) -> Vec<Read> {
        let since = Instant::now();
        loop {
            let shadows = self.shadows();
            if shadows.len() >= count {
                return shadows;
            }
            assert!(
                since.elapsed() < Duration::from_secs(60),
                "{} of {count} shadow verdicts",
                shadows.len()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn digest(&self, name: &str) -> String {
        let published = self.policy_json(&["check", &self.file(name)]);
        published[0]["digest"]
            .as_str()
            .expect("a digest")
            .to_owned()
    }

    /// Activations of everywhere as (into, now, first letter of the policy's id), newest first.
    fn history(&self) -> Vec<(bool, String, String)> {
        let lines = self.policy_json(&["history"]).into_iter();
        lines
            .map(|line| {
                let word = |key: &str| line[key].as_str().expect("a word").to_owned();
                (line["shadow"] == true, word("now"), word("policy"))
            })
            .collect()
    }
}

/// A record of a topic of verdicts.
struct Read {
    partition: i32,
    key: Option<Vec<u8>>,
    number: Option<Vec<u8>>,
    verdict: VerdictRecord,
}

impl Read {
    fn place(&self) -> (i32, i64) {
        (self.verdict.source_partition, self.verdict.source_offset)
    }
}

/// The value of a counter with these labels.
fn metric(running: &Running, line: &str) -> u64 {
    let page = running.get("/metrics");
    let found = page.lines().find_map(|found| found.strip_prefix(line));
    found
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {line} in:\n{page}"))
}

fn shadow_metric(running: &Running, outcome: &str) -> u64 {
    metric(
        running,
        &format!("gavel_shadow_verdicts_total{{outcome=\"{outcome}\"}}"),
    )
}

#[test]
fn what_a_candidate_says_stands_beside_the_verdicts_and_changes_none_of_them() {
    let chat = Chat::new("shadow-beside");
    let mut running = chat.kafka.start_processor(1);
    chat.chatter(0..20);
    let activated = chat.policy_json(&["activate", "--shadow", &chat.file("candidate")]);
    assert_eq!(
        (&activated[0]["shadow"], &activated[0]["resumed"]),
        (&json!(true), &json!(false))
    );
    // Interrupted and run again: the same order.
    let again = chat.policy_json(&["activate", "--shadow", &chat.digest("candidate")]);
    assert_eq!(
        (&again[0]["order"], &again[0]["resumed"]),
        (&activated[0]["order"], &json!(true))
    );
    chat.chatter(20..60);
    // Two activations, one of them twice, and all messages.
    chat.kafka.wait_for_verdicts(6 + 60);
    let shadows = chat.wait_for_shadows(40);
    assert_eq!(shadows.len(), 40);
    let verdicts: BTreeMap<_, _> = chat
        .read(&chat.kafka.config().topics.verdicts)
        .into_iter()
        .map(|verdict| (verdict.place(), verdict))
        .collect();
    for shadow in &shadows {
        let beside = &verdicts[&shadow.place()];
        assert_eq!(
            (shadow.partition, &shadow.key, &shadow.number),
            (beside.partition, &beside.key, &beside.number)
        );
        assert_eq!(shadow.partition, shadow.verdict.source_partition);
        assert_eq!(shadow.verdict.policy, chat.digest("candidate"));
        assert_eq!(beside.verdict.policy, chat.digest("policy"));
        assert_eq!(shadow.verdict.message_id, beside.verdict.message_id);
    }
    assert!(shadows.iter().any(|shadow| shadow.verdict.code == "muted"));
    assert!(verdicts.values().all(|one| one.verdict.code != "muted"));
    assert_eq!(shadow_metric(&running, "delivered"), 40);
    assert_eq!(running.stop().0, 0, "log:\n{}", running.log());
    chat.kafka.run(&["replay", "verify"]).expect(0);
}

#[test]
fn a_shadow_outlives_a_kill_in_the_middle() {
    let chat = Chat::new("shadow-kill");
    let mut running = chat.kafka.start_processor(1);
    chat.policy(&["activate", "--shadow", &chat.file("candidate")])
        .expect(0);
    chat.chatter(0..100);
    chat.wait_for_shadows(40);
    running.kill_and_restart();
    chat.chatter(100..200);
    chat.kafka.wait_for_verdicts(4 + 200);
    let is_late = |read: &Read| {
        let id = read.verdict.message_id.trim_start_matches('m');
        id.parse::<usize>().is_ok_and(|number| number >= 100)
    };
    let since = Instant::now();
    let late = loop {
        let late: Vec<Read> = chat.shadows().into_iter().filter(is_late).collect();
        if late.len() >= 100 || since.elapsed() > Duration::from_secs(30) {
            break late;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(late.len(), 100, "log:\n{}", running.log());
    // Its strikes came through the kill: whoever was muted by it still is.
    assert!(late.iter().any(|shadow| shadow.verdict.code == "muted"));
    assert_eq!(running.stop().0, 0, "log:\n{}", running.log());
    chat.kafka.run(&["replay", "verify"]).expect(0);
}

#[test]
fn a_shadow_topic_that_is_gone_stops_no_verdict() {
    let chat = Chat::new("shadow-gone");
    let config = chat.kafka.config();
    let mut running = chat.kafka.start_processor(1);
    chat.policy(&["activate", "--shadow", &chat.file("candidate")])
        .expect(0);
    chat.chatter(0..40);
    chat.wait_for_shadows(40);
    let admin = admin_client(&config).expect("a client");
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let topics = [config.topics.shadow.as_str()];
    let deleted = tokio.block_on(admin.delete_topics(&topics, &AdminOptions::new()));
    assert!(deleted.expect("an answer")[0].is_ok());
    chat.chatter(40..100);
    chat.kafka.wait_for_verdicts(4 + 100);
    let since = Instant::now();
    while shadow_metric(&running, "failed") == 0 {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "log:\n{}",
            running.log()
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    chat.chatter(100..140);
    chat.kafka.wait_for_verdicts(4 + 140);
    assert_eq!(metric(&running, "gavel_producers_replaced_total"), 0);
    let told = running.log().matches("shadow verdicts are lost").count();
    assert_eq!(told, 1, "log:\n{}", running.log());

    // A candidate needs the topic; ending the shadow does not.
    chat.policy(&["activate", "--shadow", &chat.file("candidate")])
        .expect_error(3, "does not exist")
        .expect_error(3, "gavel topics create");
    // Made again, it fills again.
    let partitions = PARTITIONS.to_string();
    chat.kafka
        .run(&["topics", "create", "--partitions", &partitions])
        .expect(0);
    let since = Instant::now();
    let mut number = 140;
    while chat.shadows().is_empty() {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "log:\n{}",
            running.log()
        );
        chat.chatter(number..number + 10);
        number += 10;
        std::thread::sleep(Duration::from_secs(1));
    }
    chat.kafka.wait_for_verdicts(4 + number);
    assert_eq!(running.stop().0, 0, "log:\n{}", running.log());
    chat.kafka.run(&["replay", "verify"]).expect(0);
}

#[test]
fn a_shadow_is_refused_where_its_verdicts_could_not_stand_beside_the_others() {
    let other = Kafka::for_test("shadow-narrow-other");
    other
        .run(&["topics", "create", "--partitions", "1"])
        .expect(0);
    let mut chat = Chat::new("shadow-narrow");
    chat.kafka.variables.insert(
        "GAVEL_TOPICS_SHADOW".into(),
        other.variables["GAVEL_TOPICS_SHADOW"].clone(),
    );
    chat.policy(&["activate", "--shadow", &chat.file("candidate")])
        .expect_error(1, "has 1 partitions, but the log was opened with 2");
    chat.policy(&["activate", "--shadow", &chat.file("policy")])
        .expect_error(1, "judges all communities")
        .expect_error(1, "--end-shadow");
    chat.policy(&["activate"]).expect_error(2, "DIGEST|FILE");
    chat.policy(&["activate", "--end-shadow", &chat.file("policy")])
        .expect_error(2, "cannot be used with");
}

#[test]
fn a_shadow_ends_when_told_to_and_not_before_there_is_one() {
    let chat = Chat::new("shadow-end");
    chat.policy(&["activate", "--end-shadow"])
        .expect_error(1, "no candidate has been activated");
    let mut running = chat.kafka.start_processor(1);
    chat.policy(&["activate", "--shadow", &chat.file("candidate")])
        .expect(0);
    chat.chatter(0..20);
    let ended = chat.policy_json(&["activate", "--end-shadow"]);
    let again = chat.policy_json(&["activate", "--end-shadow"]);
    assert_eq!(
        (
            &ended[0]["resumed"],
            &again[0]["resumed"],
            &again[0]["order"]
        ),
        (&json!(false), &json!(true), &ended[0]["order"])
    );
    chat.chatter(20..40);
    chat.kafka.wait_for_verdicts(8 + 40);
    assert_eq!(running.stop().0, 0, "log:\n{}", running.log());
    let shadows = chat.wait_for_shadows(20);
    assert_eq!(shadows.len(), 20);
    let words = |shadow, now: &str, policy: &str| (shadow, now.to_owned(), policy.to_owned());
    assert_eq!(
        chat.history(),
        [
            words(true, "no-shadow", "kafka-shadow"),
            words(true, "past", "candidate"),
            words(false, "in-force", "kafka-shadow"),
        ]
    );
    chat.kafka.run(&["replay", "verify"]).expect(0);
}

#[test]
fn history_shows_what_stands_and_rollback_goes_back_step_by_step() {
    let chat = Chat::new("shadow-history");
    let third = POLICY.replace("kafka-shadow", "third");
    std::fs::write(chat.files.path().join("third.toml"), third).expect("written");
    let (first, second, third) = (
        chat.digest("policy"),
        chat.digest("candidate"),
        chat.digest("third"),
    );
    chat.policy(&["rollback"])
        .expect_error(1, "there is no policy before")
        .expect_error(1, "activate another one");
    for name in ["candidate", "third"] {
        chat.policy(&["activate", &chat.file(name), "--reason", name])
            .expect(0);
    }
    chat.policy(&["activate", "--shadow", &second]).expect(0);
    chat.policy(&["activate", &second, "--community", "c"])
        .expect(0);
    let back = |arguments: &[&str]| {
        chat.policy_json(&[&["rollback"], arguments].concat())
            .remove(0)
    };
    let one = back(&["--reason", "too strict"]);
    assert_eq!(
        (&one["from"]["digest"], &one["to"]),
        (&json!(third), &json!(second))
    );
    let two = back(&[]);
    assert_eq!(
        (&two["from"]["digest"], &two["to"]),
        (&json!(second), &json!(first))
    );
    assert_eq!(two["from"]["order"], one["order"]);
    assert!(two["order"].as_i64() > one["order"].as_i64());
    // At the bottom it says how to go up again.
    chat.policy(&["rollback"])
        .expect_error(1, "there is no policy before")
        .expect_error(1, &format!("--to {second}"));
    // What is in force is not gone back to, and not taken for an interrupted command.
    for target in [&first, &first[..8], &two["order"].to_string()] {
        chat.policy(&["rollback", "--to", target])
            .expect_error(1, "is in force for all communities")
            .expect_error(1, &format!("gavel policy activate {first}"));
    }
    chat.policy(&["rollback", "--to", "999999"])
        .expect_error(1, "no activation in the history");
    let three = back(&["--to", &third[..8]]);
    assert_eq!(three["to"], json!(third));
    let four = back(&[]);
    assert_eq!(four["to"], json!(first));
    // A community has a history of its own.
    chat.policy(&["rollback", "--community", "c"])
        .expect_error(1, "community c");
    chat.policy(&["rollback", "--community", "d"])
        .expect_error(1, "no policy has been activated for community d");

    let history = chat.policy_json(&["history"]);
    let now = |number: usize| (history[number]["now"].as_str(), &history[number]["digest"]);
    assert_eq!(now(0), (Some("in-force"), &json!(first)));
    assert_eq!(history.len(), 9);
    assert_eq!(history[3]["reason"], "too strict");
    assert_eq!(now(4), (Some("in-force"), &json!(second)));
    assert_eq!(now(5), (Some("no-shadow"), &json!(second)));
    assert!(
        [1, 2, 3, 6, 7, 8]
            .iter()
            .all(|past| now(*past).0 == Some("past"))
    );
    let community = chat.policy_json(&["history", "--community", "c", "--limit", "5"]);
    assert_eq!(community.len(), 1);
    let table = chat.policy(&["history", "--limit", "1"]).expect(0).stdout;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(
        table.contains(&first[..12]) && !table.contains(&first[..13]),
        "{table}"
    );
    chat.kafka.run(&["topics", "check"]).expect(0);
}

/// A chat in which a candidate judged messages 10 to 15 and nothing else; its order.
fn compared_chat(name: &str) -> (Chat, i64) {
    let chat = Chat::new(name);
    let mut running = chat.kafka.start_processor(1);
    chat.chatter(0..10);
    let activated = chat.policy_json(&["activate", "--shadow", &chat.file("candidate")]);
    let order = activated[0]["order"].as_i64().expect("a number");
    let said = [
        ("a", "hello there"),
        ("b", "drat"),
        ("c", "buy gold now"),
        ("b", "sorry"),
        ("a", "gg"),
        ("d", "buy gold"),
    ];
    for (number, (user, words)) in (10..).zip(said) {
        chat.say(number, user, words);
    }
    chat.kafka.wait_for_verdicts(4 + 16);
    chat.wait_for_shadows(6);
    assert_eq!(running.stop().0, 0, "log:\n{}", running.log());
    (chat, order)
}

impl Chat {
    fn report(&self, arguments: &[&str]) -> Value {
        self.policy_json(&[&["shadow-report"], arguments].concat())
            .remove(0)
    }

    fn compared(&self, arguments: &[&str]) -> i64 {
        let report = self.report(arguments);
        report["figures"]["compared"].as_i64().expect("a number")
    }
}

#[test]
fn a_report_counts_exactly_what_the_candidate_would_change() {
    let (chat, order) = compared_chat("shadow-report");
    let report = chat.report(&["--texts"]);
    assert_eq!(
        (&report["candidate"], &report["in_force"], &report["since"]),
        (
            &json!(chat.digest("candidate")),
            &json!(chat.digest("policy")),
            &json!(order)
        )
    );
    let figures = json!({"compared": 6, "differing": 4, "new_blocks": 2, "lost_blocks": 2});
    assert_eq!(report["figures"], figures);
    assert_eq!(
        report["actions"],
        json!({"allow": {"allow": 2, "block": 1}, "mask": {"block": 1}, "block": {"allow": 2}})
    );
    assert_eq!(
        report["topics"],
        json!({"spam": {"appears": 0, "vanishes": 0, "higher": 0, "lower": 2}})
    );
    assert_eq!(
        report["rules"],
        json!({"strikes": {"candidate_only": 1, "active_only": 0}})
    );
    assert_eq!(
        report["newly_muted"],
        json!({"count": 1, "top": [{"user": "c/b", "messages": 2}]})
    );
    assert_eq!(report["no_longer_muted"]["count"], 0);
    assert_eq!(
        report["channels"],
        json!([{"channel": "c/lobby", "figures": figures}])
    );
    let missing = ["verdict_only", "shadow_only", "waiting"].map(|key| report[key].clone());
    assert_eq!(missing, [0, 0, 0].map(Value::from));
    let samples = report["samples"].as_array().expect("a list");
    let texts: Vec<_> = samples.iter().map(|sample| &sample["text"]).collect();
    assert_eq!(texts.len(), 4);
    for text in ["drat", "sorry", "buy gold now", "buy gold"] {
        assert!(texts.contains(&&json!(text)), "{texts:?}");
    }

    assert_eq!(chat.compared(&["--last", "2"]), 4);
    assert_eq!(chat.compared(&["--limit", "1"]), 2);
    assert_eq!(chat.compared(&["--partitions", "0"]), 3);
    let table = chat
        .policy(&["shadow-report", "--samples", "1"])
        .expect(0)
        .stdout;
    for part in [
        "compared         6",
        "newly blocked    2 (33.3%)",
        "c/b",
        "+mute",
    ] {
        assert!(table.contains(part), "`{part}` is missing in:\n{table}");
    }

    // Two of six are 33.33 percent.
    chat.policy(&["shadow-report", "--max-new-blocks", "33.4%"])
        .expect(0);
    chat.policy(&["shadow-report", "--max-new-blocks", "33.3%"])
        .expect_error(1, "newly blocks or mutes 2 of 6 messages");
    chat.policy(&["shadow-report", "--max-new-blocks", "3"])
        .expect_error(2, "percentage");
}

#[test]
fn a_report_tells_what_is_missing_from_what_is_not_compared() {
    let (chat, order) = compared_chat("shadow-missing");
    // What b's first message would have got is lost.
    let config = chat.kafka.config();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(&config.topics.shadow, 1, rdkafka::Offset::Offset(1))
        .expect("an offset");
    let admin = admin_client(&config).expect("a client");
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    tokio
        .block_on(admin.delete_records(&list, &AdminOptions::new()))
        .expect("deleted");
    let report = chat.report(&[]);
    assert_eq!(
        (&report["figures"]["compared"], &report["verdict_only"]),
        (&json!(5), &json!(1))
    );
    list = rdkafka::TopicPartitionList::new();
    list.add_partition_offset(&config.topics.shadow, 1, rdkafka::Offset::End)
        .expect("an offset");
    tokio
        .block_on(admin.delete_records(&list, &AdminOptions::new()))
        .expect("deleted");
    let report = chat.report(&[]);
    assert_eq!(
        (&report["figures"]["compared"], &report["waiting"]),
        (&json!(3), &json!(3))
    );

    // A shadow that has ended can still be looked at, and what came after it does not count.
    chat.policy(&["activate", "--end-shadow"]).expect(0);
    chat.policy(&["shadow-report"])
        .expect_error(1, "no candidate judges in shadow")
        .expect_error(1, &format!("shadow-report --since {order}"));
    let mut running = chat.kafka.start_processor(1);
    chat.chatter(16..36);
    chat.kafka.wait_for_verdicts(6 + 36);
    assert_eq!(running.stop().0, 0, "log:\n{}", running.log());
    let since = order.to_string();
    let report = chat.report(&["--since", &since]);
    assert_eq!(
        (&report["figures"]["compared"], &report["waiting"]),
        (&json!(3), &json!(3))
    );
    chat.policy(&["shadow-report", "--community", "d"])
        .expect_error(1, "gavel policy activate --shadow FILE --community d");
    chat.policy(&["shadow-report", "--since", "0"])
        .expect_error(2, "gavel policy history");
    chat.policy(&[
        "shadow-report",
        "--partitions",
        "1",
        "--since",
        &since,
        "--max-new-blocks",
        "100%",
    ])
    .expect_error(1, "nothing was compared");
}
