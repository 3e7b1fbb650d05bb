//! An erased user on a real Kafka: canaries in a name and in words that the state keeps, looked for everywhere afterwards.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::{Kafka, Ran, Running, text};
use serde_json::{Value, json};
use tempfile::TempDir;

const PARTITIONS: usize = 2;
/// How long nothing may happen before a test gives up.
const SILENCE: Duration = Duration::from_secs(60);
const USER: &str = "canaryuserqzxvjk";
/// Short enough to be kept for the next message.
const WORDS: &str = "canarywordsvxzqkj";
const POLICY: &str = r#"
[policy]
id = "kafka-erasure"
topics = ["rude"]
normalise = { join_messages = { last = 4, within = "5m" } }
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

struct Chat {
    kafka: Kafka,
    files: TempDir,
    /// Verdicts so far.
    judged: usize,
}

impl Chat {
    fn new() -> Chat {
        let files = tempfile::tempdir().expect("a temporary directory");
        let store = files.path().join("checkpoints");
        let kafka = Kafka::for_test("erasure")
            .with("GAVEL_KAFKA_GROUP")
            .set("GAVEL_CHECKPOINTS_STORE", text(&store))
            .set("GAVEL_CHECKPOINTS_EVERY_MS", "200")
            .set("GAVEL_CHECKPOINTS_KEEP", "50")
            .set("GAVEL_CHECKPOINTS_NEAR_RECORDS", "0")
            .set("GAVEL_RUN_EPOCH_MS", "100");
        let partitions = PARTITIONS.to_string();
        kafka
            .run(&["topics", "create", "--partitions", &partitions])
            .expect(0);
        let policy = files.path().join("policy.toml");
        std::fs::write(&policy, POLICY).expect("the policy is written");
        kafka.run(&["policy", "activate", text(&policy)]).expect(0);
        Chat {
            kafka,
            files,
            judged: PARTITIONS,
        }
    }

    /// The verdict's code about what somebody says.
    fn say(&mut self, user: &str, words: &str) -> String {
        let id = format!("m{}", self.judged);
        let line = json!({"message_id": id, "community": "c", "user": user, "text": words});
        let line = format!("{line}\n");
        self.kafka
            .run_with(&["produce", "-"], line.as_bytes())
            .expect(0);
        self.judged += 1;
        let verdicts = self.kafka.wait_for_verdicts(self.judged);
        let verdict = verdicts.iter().find(|verdict| verdict["message_id"] == id);
        let code = verdict.expect("its verdict")["code"].as_str();
        code.expect("a text").to_owned()
    }

    fn everybody_talks(&mut self) {
        for user in [USER, "bob", "eve"] {
            self.say(user, "drat");
            self.say(user, "drat");
            // Of who is muted no words are kept.
            self.say(user, if user == USER { WORDS } else { "drat" });
        }
    }

    fn manifests(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let store = self.files.path().join("checkpoints");
        for log in std::fs::read_dir(store).into_iter().flatten().flatten() {
            for partition in 0..PARTITIONS {
                let dir = log.path().join(partition.to_string()).join("manifests");
                for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                    found.push(entry.path());
                }
            }
        }
        found
    }

    /// Partitions, as often as there are manifests of theirs that know of an erasure, or know of none.
    fn count(&self, erased: bool) -> usize {
        let knows = |path: &&PathBuf| {
            let manifest = std::fs::read_to_string(path).unwrap_or_default();
            !manifest.is_empty() && manifest.contains("\"erased_at\"") == erased
        };
        self.manifests().iter().filter(knows).count()
    }

    fn inspect(&self, processor: &Running, user: &str) -> Ran {
        let dir = text(processor.data_dir()).to_owned();
        let user = format!("c/{user}");
        self.kafka
            .run(&["state", "inspect", "--user", &user, "--data-dir", &dir])
    }

    fn proof(&self, processor: &Running) -> Ran {
        let dir = text(processor.data_dir()).to_owned();
        let mut arguments = vec!["state", "erase-proof", "--community", "c", "--user", USER];
        arguments.extend(["--canary", WORDS, "--canary", USER, "--data-dir", &dir]);
        self.kafka.run(&arguments)
    }
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < SILENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn stop(processor: &mut Running) {
    assert_eq!(processor.stop().0, 0, "{}", processor.log());
}

fn is_purged(data_dir: &Path) -> bool {
    (0..PARTITIONS).all(|partition| {
        let dir = data_dir.join(format!("partition-{partition}"));
        dir.join("PURGED").exists()
    })
}

fn kinds(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = ran.json();
    let findings = findings.iter().filter(|one| one["kind"].is_string());
    findings
        .map(|one| (text(&one["kind"]), text(&one["found"])))
        .collect()
}

#[test]
fn an_erased_user_leaves_the_disk_at_once_and_the_checkpoints_in_time() {
    let mut chat = Chat::new();
    let mut processor = chat.kafka.start_processor(1);
    chat.everybody_talks();
    stop(&mut processor);
    let bob = chat.inspect(&processor, "bob").expect(0).json();
    chat.inspect(&processor, USER).expect(0);

    // The canaries are where they should be, or finding none later would prove nothing.
    let before = kinds(&chat.proof(&processor).expect_error(1, "should be gone"));
    for (kind, found) in [
        ("store", "context"),
        ("store", "canary 1"),
        ("checkpoint", "context"),
        ("checkpoint", "canary 1"),
    ] {
        let it = (kind.to_owned(), found.to_owned());
        assert!(before.contains(&it), "{it:?} is not in {before:?}");
    }
    assert!(before.iter().all(|(kind, _)| kind != "file"), "{before:?}");

    processor.start_again();
    processor.wait_ready();
    let erase = ["state", "erase", "--reason", "asked", "--community", "c"];
    chat.kafka
        .run(&[&erase[..], &["--user", USER]].concat())
        .expect(0);
    chat.judged += PARTITIONS;
    chat.kafka.wait_for_verdicts(chat.judged);
    wait_until("no store is purged", || is_purged(processor.data_dir()));
    wait_until("no checkpoint follows", || chat.count(true) >= PARTITIONS);
    // Those from before go when there are two: any order makes a record in each partition.
    let policy = chat.files.path().join("policy.toml");
    chat.kafka
        .run(&["policy", "activate", text(&policy)])
        .expect(0);
    chat.judged += PARTITIONS;
    chat.kafka.wait_for_verdicts(chat.judged);
    wait_until("no second one follows", || {
        chat.count(true) >= 2 * PARTITIONS
    });
    let metrics = processor.get("/metrics");
    assert!(!metrics.contains("canary"), "{metrics}");
    stop(&mut processor);

    // Nothing but checkpoints from before holds it, and each says when it goes.
    let after = chat.proof(&processor).expect(4);
    let found = kinds(&after);
    assert!(!found.is_empty());
    assert!(
        found.iter().all(|(kind, _)| kind == "checkpoint"),
        "{found:?}"
    );
    chat.inspect(&processor, USER)
        .expect_error(1, "nothing is remembered");
    assert_eq!(chat.inspect(&processor, "bob").expect(0).json(), bob);
    assert!(!processor.log().contains("canary"));

    // Another machine, where the time is over soon. Nobody speaks.
    chat.kafka = Kafka {
        variables: chat.kafka.variables.clone(),
    }
    .set("GAVEL_CHECKPOINTS_ERASE_WITHIN_MS", "1000");
    let mut other = chat.kafka.start_processor(1);
    other.wait_ready();
    wait_until("old checkpoints stay", || chat.count(false) == 0);
    assert!(chat.count(true) >= PARTITIONS);
    assert!(
        !other.log().contains("the store was rewritten"),
        "{}",
        other.log()
    );
    assert_eq!(chat.say("bob", "hello"), "muted");
    stop(&mut other);
    assert!(!other.log().contains("canary"));
    // Files that nobody names any more have a day.
    let last = chat.proof(&other).expect(4);
    for one in last.json().iter().filter(|one| one["kind"].is_string()) {
        let place = one["place"].as_str().expect("a text");
        assert_eq!(one["kind"], "checkpoint");
        let object = place.rsplit('/').next().expect("a name");
        let named = chat.manifests().iter().any(|manifest| {
            let manifest = std::fs::read_to_string(manifest).expect("readable");
            manifest.contains(object)
        });
        assert!(place.contains("/files/") && !named, "{place}");
    }

    // Verdicts are what they were, and what was said before can still be judged again.
    chat.kafka.run(&["replay", "verify"]).expect(0);
    let mut third = chat.kafka.start_processor(1);
    chat.say(USER, "drat");
    assert_eq!(
        chat.say(USER, "hello"),
        "judged",
        "the other two are forgotten"
    );
    assert_eq!(chat.say("eve", "hello"), "muted");
    stop(&mut third);
    chat.kafka.run(&["replay", "verify"]).expect(0);
}
