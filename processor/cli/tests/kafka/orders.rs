//! Orders about users on a real Kafka: a verdict that is overturned, and a user who is forgotten.

use crate::common::{Kafka, Running, text};
use gavel_runtime::kafka::{Cluster, admin_client};
use rdkafka::admin::AdminOptions;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use tempfile::TempDir;

const PARTITIONS: usize = 2;
const POLICY: &str = r#"
[policy]
id = "kafka-orders"
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
const WHO: [&str; 4] = ["--community", "c", "--user", "ada"];

struct Chat {
    kafka: Kafka,
    processor: Running,
    /// Verdicts so far.
    judged: usize,
    _files: TempDir,
}

impl Chat {
    /// Ada was rude three times and is muted.
    fn muted(name: &str) -> Chat {
        let files = tempfile::tempdir().expect("a temporary directory");
        let kafka = Kafka::for_test(&format!("orders-{name}"))
            .with("GAVEL_KAFKA_GROUP")
            .set("GAVEL_RUN_EPOCH_MS", "100");
        let partitions = PARTITIONS.to_string();
        kafka
            .run(&["topics", "create", "--partitions", &partitions])
            .expect(0);
        let policy = files.path().join("policy.toml");
        std::fs::write(&policy, POLICY).expect("the policy is written");
        kafka.run(&["policy", "activate", text(&policy)]).expect(0);
        let processor = kafka.start_processor(1);
        let mut chat = Chat {
            kafka,
            processor,
            judged: PARTITIONS,
            _files: files,
        };
        for _ in 0..3 {
            chat.say("drat");
        }
        assert_eq!(chat.say("hello")["code"], "muted");
        chat
    }

    /// The verdict about what Ada says.
    fn say(&mut self, words: &str) -> Value {
        let number = self.judged;
        let line = format!(
            "{{\"message_id\":\"m{number}\",\"community\":\"c\",\"user\":\"ada\",\"text\":\"{words}\"}}\n"
        );
        self.kafka
            .run_with(&["produce", "-"], line.as_bytes())
            .expect(0);
        let id = format!("m{number}");
        let mut verdicts = self.wait(1).into_iter();
        let mine = |verdict: &Value| verdict["message_id"] == *id && verdict["overturns"].is_null();
        verdicts.find(mine).expect("its verdict")
    }

    /// All verdicts, once there are so many more.
    fn wait(&mut self, more: usize) -> Vec<Value> {
        self.judged += more;
        self.kafka.wait_for_verdicts(self.judged)
    }

    /// The one object that an order prints.
    fn order(&self, arguments: &[&str]) -> Value {
        let arguments = [&["state"], arguments, &["--output", "json"]].concat();
        let mut printed = self.kafka.run(&arguments).expect(0).json();
        assert_eq!(printed.len(), 1);
        printed.remove(0)
    }

    /// What the store of the stopped processor says about Ada.
    fn inspect(&self) -> crate::common::Ran {
        let dir = text(self.processor.data_dir()).to_owned();
        let inspect = ["state", "inspect", "--user", "c/ada", "--data-dir", &dir];
        self.kafka.run(&inspect)
    }

    /// As retention does.
    fn trim_verdicts(&self) {
        let config = self.kafka.config();
        let topic = &config.topics.verdicts;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS as i32 {
            let cluster = Cluster::new(&config).expect("a client");
            let end = cluster.bounds(topic, partition).expect("bounds").end;
            list.add_partition_offset(topic, partition, Offset::Offset(end))
                .expect("an offset");
        }
        let admin = admin_client(&config).expect("a client");
        let trimmed = admin.delete_records(&list, &AdminOptions::new());
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(trimmed)
            .expect("trimmed");
    }

    fn stop(&mut self) {
        assert_eq!(self.processor.stop().0, 0, "{}", self.processor.log());
    }
}

fn place(verdict: &Value) -> String {
    format!(
        "{}:{}",
        verdict["source_partition"], verdict["source_offset"]
    )
}

#[test]
fn an_overturned_verdict_frees_its_user_and_the_audit_agrees() {
    let mut chat = Chat::muted("overturn");
    let verdicts = chat.kafka.verdicts();
    let rude = verdicts
        .iter()
        .find(|verdict| verdict["action"] == "mask")
        .expect("she was rude");
    let message = place(rude);
    chat.kafka
        .run(&["state", "overturn", &message])
        .expect_error(2, "--reason");
    let weighed = chat.order(&["overturn", &message, "--dry-run"]);
    assert_eq!(
        [&weighed["user"], &weighed["order"], &weighed["marker"]],
        [&json!("ada"), &Value::Null, &Value::Null]
    );

    let reasoned = [
        "overturn",
        &message,
        "--by",
        "desk",
        "--reason",
        "a quotation",
    ];
    let done = chat.order(&reasoned);
    assert_eq!(done["resumed"], false);
    let verdicts = chat.wait(1);
    let undone = verdicts
        .iter()
        .find(|verdict| verdict["code"] == "overturned")
        .expect("the marker's verdict");
    assert_eq!(
        [&undone["overturns"], &undone["message_id"], &undone["user"]],
        [&rude["source_offset"], &rude["message_id"], &json!("ada")]
    );
    assert_eq!(undone["source_offset"], done["marker"]);
    assert_eq!(undone["source_partition"], rude["source_partition"]);
    assert_eq!(undone["effects"][0]["kind"], "unmute");
    assert_eq!(chat.say("hello")["code"], "judged");

    // Again: the same order, and nothing more is taken back.
    let again = chat.order(&reasoned);
    assert_eq!(
        (&again["order"], &again["resumed"]),
        (&done["order"], &json!(true))
    );
    let verdicts = chat.wait(1);
    let marked = |verdict: &&Value| {
        verdict["source_offset"] == again["marker"]
            && verdict["source_partition"] == rude["source_partition"]
    };
    assert_eq!(
        verdicts.iter().find(marked).expect("its verdict")["code"],
        "control"
    );

    let marker = format!("{}:{}", rude["source_partition"], done["marker"]);
    let refused = ["state", "overturn", &marker, "--reason", "why not"];
    chat.kafka.run(&refused).expect_error(2, "`overturned`");
    let beyond = format!("{}:100000", rude["source_partition"]);
    let refused = ["state", "overturn", &beyond, "--reason", "why not"];
    chat.kafka.run(&refused).expect_error(1, "no verdict");
    let nowhere = ["state", "overturn", "7:0", "--reason", "why not"];
    chat.kafka.run(&nowhere).expect_error(2, "no partition 7");
    chat.stop();
    let shown = chat.inspect().expect(0).json().remove(0);
    let left = shown["context"]["consequences"].as_array().expect("a list");
    assert_eq!(left.len(), 2);
    chat.kafka.run(&["replay", "verify"]).expect(0);

    chat.trim_verdicts();
    let late = [&["state"], &reasoned[..]].concat();
    chat.kafka.run(&late).expect_error(1, "is gone");
}

#[test]
fn an_erased_user_is_nowhere_in_the_store() {
    let mut chat = Chat::muted("erase");
    chat.kafka
        .run(&[&["state", "erase"], &WHO[..]].concat())
        .expect_error(2, "--reason");
    let weighed = chat.order(&[&["erase", "--dry-run"], &WHO[..]].concat());
    assert_eq!(
        (&weighed["order"], &weighed["marked"]),
        (&Value::Null, &json!(false))
    );
    let erase = [&["erase", "--reason", "she asked"], &WHO[..]].concat();
    let done = chat.order(&erase);
    assert_eq!(
        (&done["resumed"], &done["partitions"]),
        (&json!(false), &json!(PARTITIONS))
    );
    chat.wait(PARTITIONS);
    assert_eq!(chat.say("hello")["code"], "judged");

    let again = chat.order(&erase);
    assert_eq!(
        (&again["order"], &again["resumed"]),
        (&done["order"], &json!(true))
    );
    chat.wait(PARTITIONS);
    chat.stop();
    chat.inspect().expect_error(1, "nothing is remembered");
    chat.kafka.run(&["replay", "verify"]).expect(0);
}
