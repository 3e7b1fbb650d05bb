//! The control log of a real broker: followed, consulted, adopted.

mod broker;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use broker::config;
use gavel_judge::Document;
use gavel_runtime::control::{self, ControlError, ControlFollower};
use gavel_runtime::kafka::{Outgoing, Sender, admin_client};
use gavel_runtime::orders::{Activation, Author, EVERYWHERE, Orders};
use gavel_runtime::topics::{self, TimestampType, TopicsError, Wanted};
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::{Offset, TopicPartitionList};

const POLICY: &str = r#"
[policy]
id = "control"
topics = ["rude"]
[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }
[[term]]
id = "rude-1"
match = ["drat"]
topic = "rude"
risk = 3
"#;

fn wanted(partitions: i32) -> Wanted {
    Wanted {
        partitions,
        replication: None,
        timestamps: TimestampType::LogAppend,
        retention_ms: -1,
    }
}

fn document() -> Document {
    Document::parse("policy.toml", POLICY, &mut |name| {
        Err(format!("no list {name}"))
    })
    .expect("a valid policy")
}

fn activation(document: &Document) -> Activation {
    Activation {
        digest: document.digest(),
        scope: EVERYWHERE.into(),
        shadow: false,
        author: Author::default(),
        marker_time: None,
    }
}

#[test]
fn a_consultation_sees_what_was_acknowledged_before_it_and_finds_the_policy_compiled() {
    let config = config("consult");
    topics::create(&config, &wanted(2)).expect("created");
    let follower = ControlFollower::start(&config).expect("started");
    let first = follower.consult_and_wait(-1).expect("answered");
    assert!(
        first.opened(0).is_some_and(|opened| opened.partitions == 2) && !first.has_activation()
    );

    let document = document();
    let mut orders = Orders::open(&config).expect("readable");
    orders.publish(&document).expect("published");
    let order = orders
        .activate(&activation(&document))
        .expect("activated")
        .order;
    let (answered, answer) = mpsc::channel();
    follower.consult(
        order,
        Box::new(move |log| answered.send(log).expect("the test waits")),
    );
    let log = answer
        .recv_timeout(Duration::from_secs(10))
        .expect("answered");
    assert!(log.read_to() > order && log.has_activation());
    let asked = Instant::now();
    log.compile(&document.digest()).expect("it compiles");
    assert!(
        asked.elapsed() < Duration::from_millis(5),
        "it was compiled before the answer"
    );
    assert!(follower.snapshot().read_to() >= log.read_to());
}

#[test]
fn orders_arrive_without_being_asked_for() {
    let config = config("arrive");
    topics::create(&config, &wanted(1)).expect("created");
    let follower = ControlFollower::start(&config).expect("started");
    follower.consult_and_wait(-1).expect("answered");
    let document = document();
    let mut orders = Orders::open(&config).expect("readable");
    orders.publish(&document).expect("published");
    orders.activate(&activation(&document)).expect("activated");
    let end = orders.control().read_to();
    let deadline = Instant::now() + Duration::from_secs(10);
    while follower.snapshot().read_to() < end {
        assert!(
            Instant::now() < deadline,
            "read to {} of {end}",
            follower.snapshot().read_to()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(follower.snapshot().has_activation());
    let dropped = Instant::now();
    drop(follower);
    assert!(
        dropped.elapsed() < Duration::from_secs(2),
        "it took {:?} to stop",
        dropped.elapsed()
    );
}

#[test]
fn a_question_waits_until_the_log_can_be_read_and_dies_with_the_follower() {
    let config = config("waits");
    let follower = ControlFollower::start(&config).expect("started");
    let (answered, answer) = mpsc::channel();
    follower.consult(
        0,
        Box::new(move |log| answered.send(log.read_to()).expect("the test waits")),
    );
    assert!(
        answer.recv_timeout(Duration::from_millis(500)).is_err(),
        "there is no topic to read"
    );
    assert_eq!(follower.snapshot().read_to(), 0);
    topics::create(&config, &wanted(1)).expect("created");
    let answered = answer
        .recv_timeout(Duration::from_secs(30))
        .expect("answered");
    // The topic may have been asked before or after it was opened, but never before it existed.
    assert!((0..=1).contains(&answered), "{answered}");
    assert_eq!(follower.consult_and_wait(0).expect("answered").read_to(), 1);

    let (never, answer) = mpsc::channel::<()>();
    let mut gone = config.clone();
    gone.kafka.bootstrap_servers = "127.0.0.1:1".into();
    let follower = ControlFollower::start(&gone).expect("started");
    follower.consult(
        0,
        Box::new(move |_| never.send(()).expect("the test waits")),
    );
    drop(follower);
    assert_eq!(answer.recv(), Err(mpsc::RecvError));
}

#[tokio::test]
async fn a_control_topic_without_its_beginning_gives_no_answer() {
    let config = config("truncated");
    topics::create(&config, &wanted(1)).expect("created");
    let mut orders = Orders::open(&config).expect("readable");
    orders.publish(&document()).expect("published");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&config.topics.control, 0, Offset::Offset(1))
        .expect("a valid offset");
    let admin = admin_client(&config).expect("a client");
    admin
        .delete_records(&list, &AdminOptions::new())
        .await
        .expect("deleted");
    let error = control::read_whole(&config).expect_err("its beginning is gone");
    assert!(
        matches!(error, ControlError::Truncated { start: 1, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn existing_topics_are_adopted_at_their_present_start_and_never_created_over() {
    let config = config("adopt");
    let admin = admin_client(&config).expect("a client");
    let new: Vec<NewTopic<'_>> = config
        .topics
        .named()
        .iter()
        .map(|(key, name)| {
            let partitions = if *key == "control" { 1 } else { 2 };
            let retention = if *key == "messages" { "3600000" } else { "-1" };
            NewTopic::new(name, partitions, TopicReplication::Fixed(1))
                .set("retention.ms", retention)
                .set("message.timestamp.type", "LogAppendTime")
        })
        .collect();
    for result in admin
        .create_topics(&new, &AdminOptions::new())
        .await
        .expect("an answer")
    {
        result.expect("created");
    }
    let sender = Sender::new(&config).expect("a client");
    for _ in 0..5 {
        let value = b"{\"user\":\"u\",\"text\":\"x\"}";
        let topic = &config.topics.messages;
        let record = Outgoing {
            topic,
            partition: Some(1),
            key: None,
            value,
            timestamp: None,
            headers: None,
        };
        sender.send_one(record).expect("acknowledged");
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&config.topics.messages, 1, Offset::Offset(3))
        .expect("a valid offset");
    admin
        .delete_records(&list, &AdminOptions::new())
        .await
        .expect("deleted");

    let error = topics::create(&config, &wanted(2)).expect_err("it has a history");
    assert!(
        matches!(
            error,
            TopicsError::HasHistory {
                partition: 1,
                start: 3,
                ..
            }
        ),
        "{error}"
    );
    let found = topics::check(&config).expect("an answer");
    // Records that outlive the time for erasures are lawful or not; the check cannot know.
    let (advice, drift): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.is_advice);
    assert!(
        advice.len() == 3 && advice.iter().all(|one| one.what == "retention.ms"),
        "{advice:?}"
    );
    assert!(
        drift.len() == 1 && drift[0].what == "LogOpened" && drift[0].mend == "gavel topics adopt",
        "{drift:?}"
    );
    let report = topics::adopt(&config).expect("adopted");
    assert!(report.opened.written && report.opened.partitions == 2);
    let control = control::read_whole(&config).expect("readable");
    let starts = [0, 1].map(|partition| control.opened(partition).map(|opened| opened.start));
    assert_eq!(starts, [Some(0), Some(3)]);
    let found = topics::check(&config).expect("an answer");
    assert!(found.iter().all(|one| one.is_advice), "{found:?}");
    assert!(
        !topics::adopt(&config)
            .expect("adopted before")
            .opened
            .written
    );
}
