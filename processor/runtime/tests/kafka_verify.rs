//! Verification of logs whose verdicts have partly expired.

mod broker;

use std::sync::Arc;

use gavel_runtime::config::Config;
use gavel_runtime::control;
use gavel_runtime::kafka::{LogReader, Outgoing, Sender, admin_client};
use gavel_runtime::replay::{PartitionReport, Progress, ReplayError, StraightFold, Verify, verify};
use gavel_runtime::shell::record_of;
use gavel_runtime::topics::{self, TimestampType, Wanted};
use rdkafka::admin::AdminOptions;
use rdkafka::{Offset, TopicPartitionList};

fn send(sender: &Sender, topic: &str, value: &[u8]) {
    let record = Outgoing {
        topic,
        partition: Some(0),
        key: None,
        value,
        timestamp: None,
        headers: None,
    };
    sender.send_one(record).expect("acknowledged");
}

/// Six messages, their verdicts, and copies of the last four.
fn judged(config: &Config) {
    let wanted = Wanted {
        partitions: 1,
        replication: None,
        timestamps: TimestampType::LogAppend,
        retention_ms: -1,
    };
    topics::create(config, &wanted).expect("created");
    let sender = Sender::new(config).expect("a client");
    for n in 0..6 {
        send(
            &sender,
            &config.topics.messages,
            format!("{{\"user\":\"u\",\"text\":\"{n}\"}}").as_bytes(),
        );
    }
    let control = Arc::new(control::read_whole(config).expect("readable"));
    let opened = control.opened(0).expect("opened");
    let mut fold = StraightFold::new(&opened, 0, control).expect("nothing is in force");
    let mut messages = LogReader::open(config, &config.topics.messages, 0).expect("a client");
    messages.start(0);
    let mut verdicts = Vec::new();
    while let Some(message) = messages.read_to(6).expect("readable") {
        let verdict = fold.judge(&record_of(&message), |ruling| ruling.verdict.to_vec());
        verdicts.push(verdict.expect("judged"));
    }
    for verdict in verdicts.iter().chain(&verdicts[2..]) {
        send(&sender, &config.topics.verdicts, verdict);
    }
}

async fn delete_below(config: &Config, topic: &str, offset: i64) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset))
        .expect("a valid offset");
    let admin = admin_client(config).expect("a client");
    admin
        .delete_records(&list, &AdminOptions::new())
        .await
        .expect("deleted");
}

fn verified(config: &Config) -> Result<PartitionReport, ReplayError> {
    Ok(verify(config, &Verify::default(), &Progress::default())?.remove(0))
}

#[tokio::test]
async fn verdicts_that_retention_removed_are_counted_and_the_others_compared() {
    let config = broker::config("expired");
    judged(&config);
    let before = verified(&config).expect("verified");
    // Kept: the verdicts of 4 and 5, then the copies of 2 to 5.
    delete_below(&config, &config.topics.verdicts, 4).await;
    let after = verified(&config).expect("verified");
    assert!(after.difference.is_none(), "{:?}", after.difference);
    let counts = (
        after.records,
        after.equal,
        after.expired,
        after.copies,
        after.uncompared,
    );
    assert_eq!(counts, (6, 2, 4, 2, 2));
    assert_eq!(before.digest, after.digest);
}

#[tokio::test]
async fn messages_that_retention_removed_are_unverifiable_and_not_different() {
    let config = broker::config("lost");
    judged(&config);
    delete_below(&config, &config.topics.messages, 2).await;
    let report = verified(&config).expect("no error");
    assert_eq!(report.unverifiable_before, Some(6), "not one of them");
    assert_eq!((report.records, report.differences), (0, 0));
}
