//! Reading logs from a real broker: gaps, growing ends, lost beginnings.

mod broker;

use std::time::Duration;

use gavel_runtime::config::Config;
use gavel_runtime::kafka::{
    Authenticated, BrokerError, Cluster, LogReader, Outgoing, Sender, TopicReader, admin_client,
    producer_config,
};
use rdkafka::Message;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Offset, TopicPartitionList};

/// A configuration, and in it a topic of this test.
async fn topic(name: &str, partitions: i32) -> (Config, String) {
    let config = broker::config(name);
    let topic = config.topics.messages.clone();
    let new = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
    let admin = admin_client(&config).expect("a client");
    for result in admin
        .create_topics([&new], &AdminOptions::new())
        .await
        .expect("an answer")
    {
        result.expect("created");
    }
    let cluster = Cluster::new(&config).expect("a client");
    while (0..partitions).any(|partition| cluster.bounds(&topic, partition).is_err()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (config, topic)
}

fn send(sender: &Sender, topic: &str, partition: i32, value: &str) {
    let record = Outgoing {
        topic,
        partition: Some(partition),
        key: None,
        value: value.as_bytes(),
        timestamp: None,
        headers: None,
    };
    sender.send_one(record).expect("acknowledged");
}

/// Everything below `end`, as text.
fn read(reader: &mut LogReader, end: i64) -> Vec<String> {
    let mut values = Vec::new();
    while let Some(record) = reader.read_to(end).expect("readable") {
        values.push(String::from_utf8(record.payload().expect("a value").to_vec()).expect("UTF-8"));
    }
    values
}

#[tokio::test]
async fn a_log_that_ends_in_transaction_markers_is_read_to_its_end() {
    let (config, topic) = topic("gaps", 1).await;
    let transactional: Authenticated<BaseProducer> = producer_config(&config)
        .set("transactional.id", &topic)
        .set("message.timeout.ms", "10000")
        .create_with_context(DefaultProducerContext)
        .expect("a client");
    let patience = Duration::from_secs(20);
    transactional
        .init_transactions(patience)
        .expect("initialised");
    let mut end = 0;
    for (value, keep) in [
        ("kept", true),
        ("aborted", false),
        ("kept too", true),
        ("aborted too", false),
    ] {
        transactional.begin_transaction().expect("begun");
        transactional
            .send(
                BaseRecord::<(), str>::to(&topic)
                    .partition(0)
                    .payload(value),
            )
            .expect("queued");
        if keep {
            transactional
                .commit_transaction(patience)
                .expect("committed");
        } else {
            // An aborted record must reach the log first: otherwise there is nothing to skip.
            while transactional.in_flight_count() > 0 {
                transactional.poll(Duration::from_millis(1));
            }
            transactional.abort_transaction(patience).expect("aborted");
        }
        end += 2;
    }
    let mut reader = LogReader::open(&config, &topic, 0).expect("a client");
    // The last marker is written in the background.
    while reader.bounds().expect("an answer").end < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    reader.start(0);
    assert_eq!(read(&mut reader, end), ["kept", "kept too"]);
    assert_eq!(reader.next_offset(), end);
    // Going on behind the gap, and reading a stretch that holds markers only.
    assert!(read(&mut reader, end).is_empty());
    reader.start(end - 3);
    assert!(read(&mut reader, end).is_empty());
}

#[tokio::test]
async fn a_growing_log_is_never_cut_short_by_an_older_end() {
    let (config, topic) = topic("grows", 1).await;
    let sender = Sender::new(&config).expect("a client");
    let mut reader = LogReader::open(&config, &topic, 0).expect("a client");
    reader.start(0);
    for round in 0..30 {
        send(&sender, &topic, 0, &format!("{round}"));
        let end = reader.bounds().expect("an answer").end;
        assert_eq!(end, round + 1);
        assert_eq!(read(&mut reader, end), [format!("{round}")]);
        // Lets the event of this end arrive, which must not answer for the next.
        if round % 3 == 0 {
            assert!(
                reader
                    .follow(Duration::from_millis(30))
                    .expect("readable")
                    .is_none()
            );
        }
    }
}

#[tokio::test]
async fn reading_stops_at_the_end_that_was_asked_for_and_goes_on_there() {
    let (config, topic) = topic("stops", 1).await;
    let sender = Sender::new(&config).expect("a client");
    for n in 0..10 {
        send(&sender, &topic, 0, &format!("{n}"));
    }
    let mut reader = LogReader::open(&config, &topic, 0).expect("a client");
    reader.start(2);
    assert_eq!(read(&mut reader, 5), ["2", "3", "4"]);
    assert_eq!(read(&mut reader, 7), ["5", "6"]);
    let followed = reader
        .follow(Duration::from_secs(5))
        .expect("readable")
        .expect("there is more");
    assert_eq!(followed.offset(), 7);
}

#[tokio::test]
async fn several_partitions_are_read_each_to_its_own_end() {
    let (config, topic) = topic("several", 3).await;
    let sender = Sender::new(&config).expect("a client");
    for n in 0..4 {
        send(&sender, &topic, 0, &format!("{n}"));
        send(&sender, &topic, 2, &format!("{n}"));
    }
    let mut reader =
        TopicReader::open(&config, &topic, &[(0, 1..3), (1, 0..0), (2, 0..4)]).expect("a client");
    let mut seen = Vec::new();
    while let Some(record) = reader.read().expect("readable") {
        seen.push((record.partition(), record.offset()));
    }
    seen.sort_unstable();
    assert_eq!(seen, [(0, 1), (0, 2), (2, 0), (2, 1), (2, 2), (2, 3)]);
}

#[tokio::test]
async fn a_beginning_that_is_gone_is_an_error_and_not_a_skip() {
    let (config, topic) = topic("gone", 1).await;
    let sender = Sender::new(&config).expect("a client");
    for n in 0..5 {
        send(&sender, &topic, 0, &format!("{n}"));
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(3))
        .expect("a valid offset");
    let admin = admin_client(&config).expect("a client");
    admin
        .delete_records(&list, &AdminOptions::new())
        .await
        .expect("deleted");
    let mut reader = LogReader::open(&config, &topic, 0).expect("a client");
    assert_eq!(reader.bounds().expect("an answer").start, 3);
    reader.start(0);
    let error = reader.read_to(5).expect_err("an error");
    assert!(matches!(error, BrokerError::OffsetGone { .. }), "{error}");
    reader.start(3);
    assert_eq!(read(&mut reader, 5), ["3", "4"]);
}

#[tokio::test]
async fn a_topic_that_does_not_exist_is_named() {
    let config = broker::config("nowhere");
    let error = Cluster::new(&config)
        .expect("a client")
        .require(&config.topics.messages)
        .expect_err("no such topic");
    assert!(
        matches!(&error, BrokerError::NoTopic { topic, .. } if *topic == config.topics.messages),
        "{error}"
    );
    let reader = LogReader::open(&config, &config.topics.messages, 0).expect("a client");
    let mut reader = reader.with_patience(Duration::from_millis(500));
    assert!(reader.bounds().is_err());
    reader.start(0);
    let error = reader.read_to(1).expect_err("an error");
    assert!(matches!(error, BrokerError::NoTopic { .. }), "{error}");
}

#[test]
fn silence_is_an_error_that_says_where_and_why() {
    let mut config = Config::default();
    config.kafka.bootstrap_servers = "127.0.0.1:1".into();
    let cluster = Cluster::with_patience(&config, Duration::from_secs(1)).expect("a client");
    let error = cluster.require("any").expect_err("nobody is there");
    assert!(matches!(error, BrokerError::NoBroker { .. }), "{error}");
    let said = error.to_string();
    assert!(
        said.contains("127.0.0.1:1") && said.contains("refused"),
        "{said}"
    );
}

#[tokio::test]
async fn a_reader_that_rested_reads_another_partition_from_where_it_is_told() {
    let (config, topic) = topic("turning", 2).await;
    let sender = Sender::new(&config).expect("a client");
    for (partition, value) in [(0, "a"), (0, "b"), (1, "c"), (1, "d"), (0, "e")] {
        send(&sender, &topic, partition, value);
    }
    let mut reader = LogReader::open(&config, &topic, 0).expect("a reader");
    reader.connect(2).expect("the brokers answer");
    reader.start(0);
    assert_eq!(read(&mut reader, 2), ["a", "b"]);
    reader.rest().expect("nothing is sent for it");
    reader.turn_to(1);
    reader.start(1);
    assert_eq!(read(&mut reader, 2), ["d"]);
    // In the middle of a log, without a rest: what was fetched ahead is not handed out.
    reader.turn_to(0);
    reader.start(1);
    assert_eq!(read(&mut reader, 3), ["b", "e"]);
}
