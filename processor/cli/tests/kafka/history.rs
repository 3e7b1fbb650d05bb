//! Checkpoints and lost history on a real Kafka: what comes back, what is refused, and the operator's way out.
//!
//! The policy mutes for an hour who was rude three times, so whether a context is still there shows in the next verdict.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::{Kafka, Running, text};
use gavel_runtime::kafka::{Cluster, admin_client};
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use tempfile::TempDir;

const PARTITIONS: i32 = 2;
/// How long nothing may happen before a test gives up.
const SILENCE: Duration = Duration::from_secs(60);
const POLICY: &str = r#"
[policy]
id = "kafka-history"
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

/// Of both partitions.
const ACCEPT: [&str; 6] = [
    "state",
    "accept-history",
    "--partition",
    "0",
    "--partition",
    "1",
];

struct Chat {
    kafka: Kafka,
    files: TempDir,
}

impl Chat {
    fn new(name: &str) -> Chat {
        let files = tempfile::tempdir().expect("a temporary directory");
        let store = files.path().join("checkpoints");
        let kafka = Kafka::for_test(&format!("history-{name}"))
            .with("GAVEL_KAFKA_GROUP")
            .set("GAVEL_CHECKPOINTS_STORE", text(&store))
            .set("GAVEL_CHECKPOINTS_EVERY_MS", "200")
            // Whatever a checkpoint has is fetched, however little it is.
            .set("GAVEL_CHECKPOINTS_NEAR_RECORDS", "0")
            .set("GAVEL_RUN_EPOCH_MS", "100");
        let partitions = PARTITIONS.to_string();
        kafka
            .run(&["topics", "create", "--partitions", &partitions])
            .expect(0);
        let policy = files.path().join("policy.toml");
        std::fs::write(&policy, POLICY).expect("the policy is written");
        kafka.run(&["policy", "activate", text(&policy)]).expect(0);
        Chat { kafka, files }
    }

    fn without_checkpoints(name: &str) -> Chat {
        let Chat { kafka, files } = Chat::new(name);
        let kafka = kafka.set("GAVEL_CHECKPOINTS_STORE", "none");
        Chat { kafka, files }
    }

    /// Each user says this once.
    fn say(&self, users: std::ops::Range<usize>, words: &str) {
        let lines: String = users
            .map(|user| {
                format!("{{\"community\":\"c\",\"user\":\"u{user}\",\"text\":\"{words}\"}}\n")
            })
            .collect();
        self.kafka
            .run_with(&["produce", "-"], lines.as_bytes())
            .expect(0);
    }

    /// A processor, and the verdicts so far: twelve users were rude often enough to be muted.
    fn rude(&self) -> (Running, usize) {
        let processor = self.kafka.start_processor(1);
        for _ in 0..3 {
            self.say(0..12, "drat");
        }
        let judged = PARTITIONS as usize + 36;
        self.kafka.wait_for_verdicts(judged);
        (processor, judged)
    }

    fn bounds(&self) -> Vec<gavel_runtime::kafka::Bounds> {
        let config = self.kafka.config();
        let cluster = Cluster::new(&config).expect("a client");
        (0..PARTITIONS)
            .map(|partition| cluster.bounds(&config.topics.messages, partition))
            .collect::<Result<_, _>>()
            .expect("the broker answers")
    }

    /// As retention does: everything that is there now goes.
    fn trim(&self) {
        let config = self.kafka.config();
        let mut list = TopicPartitionList::new();
        for (partition, bounds) in (0..).zip(self.bounds()) {
            list.add_partition_offset(
                &config.topics.messages,
                partition,
                Offset::Offset(bounds.end),
            )
            .expect("an offset");
        }
        let admin = admin_client(&config).expect("a client");
        wait(admin.delete_records(&list, &AdminOptions::new())).expect("deleted");
    }

    /// Deletes a topic and makes another of the same name.
    fn make_anew(&self, topic: &str) {
        let config = self.kafka.config();
        let (admin, options) = (
            admin_client(&config).expect("a client"),
            AdminOptions::new(),
        );
        wait(admin.delete_topics(&[topic], &options)).expect("deleted");
        let cluster = Cluster::new(&config).expect("a client");
        let since = Instant::now();
        while cluster.topic(topic).expect("the broker answers").is_some() {
            assert!(since.elapsed() < SILENCE, "the topic stays");
            std::thread::sleep(Duration::from_millis(100));
        }
        let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime");
        wait(admin.create_topics([&new], &options)).expect("created");
    }

    /// Waits until each partition has a checkpoint of everything that there is.
    fn wait_for_checkpoints(&self) {
        let since = Instant::now();
        let ends: Vec<i64> = self.bounds().iter().map(|bounds| bounds.end).collect();
        while (0..).zip(&ends).any(|(partition, end)| {
            let manifests = self.manifests(partition);
            manifests
                .last()
                .is_none_or(|newest| boundary(newest) != end - 1)
        }) {
            assert!(since.elapsed() < SILENCE, "no checkpoint of the end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Oldest first.
    fn manifests(&self, partition: i32) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let store = self.files.path().join("checkpoints");
        for log in std::fs::read_dir(store).into_iter().flatten().flatten() {
            let dir = log.path().join(partition.to_string()).join("manifests");
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|kind| kind == "json") {
                    found.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }

    fn digests(&self, processor: &Running) -> Vec<Value> {
        let dir = text(processor.data_dir()).to_owned();
        let inspect = ["state", "inspect", "--digest", "--data-dir", &dir];
        let ran = self.kafka.run(&inspect).expect(0);
        ran.json().iter().map(|one| one["digest"].clone()).collect()
    }

    fn halts(&self, processor: &Running, reason: &str) {
        let since = Instant::now();
        let line = |partition: i32| {
            format!("gavel_partition_halted{{partition=\"{partition}\",reason=\"{reason}\"}} 1")
        };
        loop {
            let metrics = processor.get("/metrics");
            if (0..PARTITIONS).all(|partition| metrics.contains(&line(partition))) {
                break;
            }
            assert!(
                since.elapsed() < SILENCE,
                "not halted; log:\n{}",
                processor.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let runbook = format!("docs/runbooks.md#{reason}");
        assert!(processor.log().contains(&runbook), "{}", processor.log());
    }
}

fn boundary(manifest: &Path) -> i64 {
    let name = manifest.file_name().map(|name| name.to_string_lossy());
    let name = name.expect("it has a name");
    let number = name.split('-').next().expect("digits");
    number.parse().expect("a number")
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

#[track_caller]
fn stop(processor: &mut Running) {
    assert_eq!(processor.stop().0, 0, "{}", processor.log());
}

/// Removes the stores of a processor that is not running.
fn wipe(processor: &Running) {
    for partition in 0..PARTITIONS {
        std::fs::remove_dir_all(processor.data_dir().join(format!("partition-{partition}")))
            .expect("it was there");
    }
}

fn codes(verdicts: &[Value]) -> Vec<&str> {
    let mut codes: Vec<&str> = verdicts
        .iter()
        .map(|verdict| verdict["code"].as_str().expect("a code"))
        .collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[test]
fn a_wiped_disk_comes_back_from_checkpoints_although_the_log_has_lost_its_beginning() {
    let chat = Chat::new("restore");
    let (mut processor, judged) = chat.rude();
    chat.wait_for_checkpoints();
    stop(&mut processor);
    let before = chat.digests(&processor);
    wipe(&processor);
    chat.trim();

    processor.start_again();
    processor.wait_ready();
    assert!(
        processor.log().contains("restored from a checkpoint"),
        "{}",
        processor.log()
    );
    chat.say(0..12, "hello");
    let verdicts = chat.kafka.wait_for_verdicts(judged + 12);
    let last: Vec<Value> = verdicts
        .into_iter()
        .filter(|verdict| verdict["masked_text"].is_null() && verdict["code"] == "muted")
        .collect();
    assert!(last.len() >= 12, "the mutes are remembered: {last:?}");
    assert!(
        last.iter()
            .all(|verdict| verdict["context_complete"] == true)
    );
    stop(&mut processor);
    wipe(&processor);
    processor.start_again();
    processor.wait_ready();
    stop(&mut processor);
    assert_ne!(chat.digests(&processor), before, "it went on from there");
}

#[test]
fn a_broken_checkpoint_is_set_aside_and_the_one_before_gives_the_same_state() {
    let chat = Chat::new("broken");
    let (mut processor, judged) = chat.rude();
    chat.wait_for_checkpoints();
    chat.say(0..12, "drat");
    chat.kafka.wait_for_verdicts(judged + 12);
    chat.wait_for_checkpoints();
    stop(&mut processor);
    let before = chat.digests(&processor);
    wipe(&processor);
    for partition in 0..PARTITIONS {
        let newest = chat.manifests(partition).pop().expect("there is one");
        let mut bytes = std::fs::read(&newest).expect("readable");
        bytes[20] ^= 1;
        std::fs::write(&newest, bytes).expect("writable");
    }

    processor.start_again();
    processor.wait_ready();
    let log = processor.log();
    assert!(log.contains("the checkpoint is broken"), "{log}");
    let metrics = processor.get("/metrics");
    assert!(
        metrics.contains("gavel_corrupt_state_total{kind=\"checkpoint\"} 2"),
        "{metrics}"
    );
    assert_eq!(processor.stop().0, 0, "{log}");
    assert_eq!(chat.digests(&processor), before);
    chat.kafka.run(&["replay", "verify"]).expect(0);
}

#[test]
fn lost_history_halts_until_an_operator_accepts_it() {
    let chat = Chat::without_checkpoints("lost");
    let (mut processor, judged) = chat.rude();
    stop(&mut processor);
    wipe(&processor);
    chat.trim();
    chat.say(0..12, "hello");

    processor.start_again();
    chat.halts(&processor, "lost-history");
    assert_eq!(chat.kafka.verdicts().len(), judged, "nothing is judged");
    stop(&mut processor);

    chat.kafka.run(&ACCEPT).expect_error(2, "--reason");
    let weighed = [&ACCEPT[..], &["--dry-run", "--output", "json"]].concat();
    let weighed = chat.kafka.run(&weighed).expect(0).json();
    assert!(
        weighed
            .iter()
            .all(|one| one["order"].is_null() && one["start"] == one["log_start"])
    );
    let accepted = [&ACCEPT[..], &["--reason", "the disk and the log are gone"]].concat();
    let said = chat.kafka.run(&accepted).expect(0).stdout;
    assert!(said.contains("begins anew at offset"), "{said}");

    processor.start_again();
    let verdicts = chat.kafka.wait_for_verdicts(judged + 12);
    let anew: Vec<Value> = verdicts
        .into_iter()
        .filter(|verdict| verdict["context_complete"] == false)
        .collect();
    assert_eq!(anew.len(), 12);
    // Nobody is muted any more, and the policy is in force although its marker is gone.
    assert_eq!(codes(&anew), ["judged"]);
    stop(&mut processor);
    chat.kafka.run(&["replay", "verify"]).expect(0);
}

#[test]
fn records_that_are_removed_before_a_live_partition_has_judged_them_halt_it() {
    let chat = Chat::new("overtaken");
    let (mut processor, _) = chat.rude();
    chat.wait_for_checkpoints();
    processor.signal("STOP");
    for _ in 0..5 {
        chat.say(0..12, "hello");
    }
    chat.trim();
    processor.signal("CONT");
    chat.halts(&processor, "lost-history");
    stop(&mut processor);
}

#[test]
fn a_topic_made_anew_under_its_name_is_refused_however_long_it_is() {
    let chat = Chat::new("anew");
    let (mut processor, judged) = chat.rude();
    stop(&mut processor);
    chat.make_anew(&chat.kafka.config().topics.messages);
    // More than the old one had: the offsets alone would not tell.
    for _ in 0..5 {
        chat.say(0..12, "hello");
    }
    processor.start_again();
    chat.halts(&processor, "topic-recreated");
    assert_eq!(chat.kafka.verdicts().len(), judged, "nothing is judged");
    stop(&mut processor);

    let accept = [
        &ACCEPT[..],
        &["--from", "0", "--reason", "made anew on purpose"],
    ]
    .concat();
    chat.kafka.run(&accept).expect(0);
    processor.start_again();
    chat.kafka.wait_for_verdicts(judged + 60);
    assert!(
        processor.log().contains("its state is set aside"),
        "{}",
        processor.log()
    );
    stop(&mut processor);
}

#[test]
fn verdicts_that_are_gone_are_noticed() {
    let chat = Chat::new("verdicts");
    let (mut processor, _) = chat.rude();
    stop(&mut processor);
    chat.make_anew(&chat.kafka.config().topics.verdicts);
    processor.start_again();
    chat.halts(&processor, "verdicts-trimmed");
    stop(&mut processor);
}
