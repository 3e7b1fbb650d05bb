//! `replay verify` and `verdicts` against verdict topics written here, right and wrong ones.
//!
//! A small processor (one straight fold, no lanes) judges the topics, so that each test can spoil exactly one thing.

use std::path::PathBuf;
use std::sync::Arc;

use crate::common::{Kafka, Ran, text};
use gavel_judge::Record;
use gavel_runtime::config::Config;
use gavel_runtime::control;
use gavel_runtime::kafka::{LogReader, Outgoing, Sender};
use gavel_runtime::replay::StraightFold;
use gavel_runtime::shell::{dead_letter_value, headers_of, record_of};
use serde_json::json;
use tempfile::TempDir;

const POLICY: &str = r#"
[policy]
id = "kafka-replay"
topics = ["rude"]

[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }

[[term]]
id = "rude-1"
match = ["drat"]
topic = "rude"
risk = 3
"#;

/// One message partition, a policy, messages and two records that are none: offsets 0 to 12.
struct Log {
    kafka: Kafka,
    sender: Sender,
    _files: TempDir,
}

/// What a processor writes for one record.
#[derive(Clone)]
struct Output {
    offset: i64,
    key: Option<Vec<u8>>,
    value: Vec<u8>,
    /// Whether the verdict carries the headers of `headered`.
    headers: bool,
    /// Reason and raw value of the dead letter.
    refused: Option<(String, Vec<u8>)>,
}

impl Log {
    fn new(name: &str) -> Log {
        let kafka = Kafka::for_test(name);
        kafka
            .run(&["topics", "create", "--partitions", "1"])
            .expect(0);
        let files = tempfile::tempdir().expect("a temporary directory");
        let policy: PathBuf = files.path().join("policy.toml");
        std::fs::write(&policy, POLICY).expect("the policy is written");
        kafka.run(&["policy", "activate", text(&policy)]).expect(0);
        // One producer for all that is written: each takes half a second to get its id.
        let sender = Sender::new(&kafka.config()).expect("a client");
        let log = Log {
            kafka,
            sender,
            _files: files,
        };
        for n in 0..10 {
            let key = format!("c/u{}", n % 3);
            let message = format!(
                "{{\"user\":\"u{}\",\"community\":\"c\",\"text\":\"drat {n}\"}}",
                n % 3
            );
            log.send(Some(key.as_bytes()), message.as_bytes(), false);
        }
        log.send(Some(b"c/u1"), b"no message at all", true);
        log.send(None, b"", false);
        log
    }

    fn config(&self) -> Config {
        self.kafka.config()
    }

    /// Writes one record into the message partition.
    fn send(&self, key: Option<&[u8]>, value: &[u8], headers: bool) {
        let config = self.config();
        let record = Outgoing {
            topic: &config.topics.messages,
            partition: Some(0),
            key,
            value,
            timestamp: None,
            headers: None,
        };
        self.sender
            .send_one(headered(record, headers))
            .expect("acknowledged");
    }

    /// What the fold gives for every record.
    fn judged(&self) -> Vec<Output> {
        self.judged_as(|_, value| value.to_vec())
    }

    /// What it would have given if the records had been these.
    fn judged_as(&self, was: impl Fn(i64, &[u8]) -> Vec<u8>) -> Vec<Output> {
        let config = self.config();
        let control = Arc::new(control::read_whole(&config).expect("readable"));
        let opened = control.opened(0).expect("opened");
        let mut fold = StraightFold::new(&opened, 0, control).expect("nothing is in force yet");
        let mut messages = LogReader::open(&config, &config.topics.messages, 0).expect("a client");
        let end = messages.bounds().expect("an answer").end;
        messages.start(0);
        let mut outputs = Vec::new();
        while let Some(message) = messages.read_to(end).expect("readable") {
            let record = record_of(&message);
            let value = record.value.map(|value| was(record.offset, value));
            let record = Record {
                value: value.as_deref(),
                ..record
            };
            let output = fold.judge(&record, |ruling| Output {
                offset: record.offset,
                key: record.key.map(<[u8]>::to_vec),
                value: ruling.verdict.to_vec(),
                headers: record.headers_len > 0,
                refused: ruling.dead_letter.map(|refusal| {
                    (
                        refusal.code().to_owned(),
                        dead_letter_value(record.value.unwrap_or_default()).to_vec(),
                    )
                }),
            });
            outputs.push(output.expect("judged"));
        }
        assert_eq!(outputs.len(), 13);
        outputs
    }

    /// Writes verdicts and dead letters in this order.
    fn write(&self, outputs: &[Output]) {
        let config = self.config();
        for output in outputs {
            let verdict = Outgoing {
                topic: &config.topics.verdicts,
                partition: Some(0),
                key: output.key.as_deref(),
                value: &output.value,
                timestamp: None,
                headers: None,
            };
            self.sender
                .send(0, headered(verdict, output.headers))
                .expect("queued");
            if let Some((reason, value)) = &output.refused {
                let headers = headers_of(
                    &config.topics.messages,
                    0,
                    output.offset,
                    reason,
                    Some(value),
                );
                let letter = Outgoing {
                    topic: &config.topics.dead_letters,
                    partition: Some(0),
                    key: output.key.as_deref(),
                    value,
                    timestamp: None,
                    headers: Some(headers),
                };
                self.sender.send(0, letter).expect("queued");
            }
        }
        self.sender.wait().expect("acknowledged");
    }

    fn verify(&self) -> Ran {
        self.kafka
            .run(&["replay", "verify", "--output", "json", "--digest"])
    }

    /// Verifies what `spoil` made of the right outputs, which must show one difference that says this, and no other one.
    #[track_caller]
    fn must_differ(
        &self,
        offset: i64,
        what: &str,
        spoil: impl FnOnce(&mut Vec<Output>),
    ) -> serde_json::Value {
        self.must_differ_times(1, offset, what, spoil)
    }

    #[track_caller]
    fn must_differ_times(
        &self,
        times: u64,
        offset: i64,
        what: &str,
        spoil: impl FnOnce(&mut Vec<Output>),
    ) -> serde_json::Value {
        let mut outputs = self.judged();
        spoil(&mut outputs);
        self.write(&outputs);
        let report = self
            .verify()
            .expect_error(1, "error: 1 of 1 partitions differ")
            .json()
            .remove(0);
        let difference = report["difference"].clone();
        assert_eq!(report["differences"], json!(times), "{report}");
        assert_eq!(difference["offset"], json!(offset), "{difference}");
        assert!(
            difference["what"]
                .as_str()
                .is_some_and(|found| found.contains(what)),
            "{what} is missing in {difference}"
        );
        difference
    }
}

#[test]
fn right_verdicts_pass_and_the_digest_is_the_same_each_time() {
    let log = Log::new("right");
    log.write(&log.judged());
    let report = log.verify().expect(0).json().remove(0);
    let counts = [
        "records",
        "equal",
        "copies",
        "dead_letters",
        "not_yet_judged",
    ]
    .map(|name| report[name].as_u64());
    assert_eq!(counts, [Some(13), Some(13), Some(0), Some(2), Some(0)]);
    assert_eq!(report["digest"].as_str().map(str::len), Some(64));
    assert_eq!(log.verify().expect(0).json()[0]["digest"], report["digest"]);
    let people = log.kafka.run(&["replay", "verify"]).expect(0).stdout;
    assert!(
        people.contains("equal") && !people.contains("DIGEST"),
        "{people}"
    );
}

#[test]
fn copies_after_a_crash_pass_and_are_read_once() {
    let log = Log::new("copies");
    let outputs = log.judged();
    log.write(&outputs[..11]);
    log.write(&outputs[6..13]);
    let report = log.verify().expect(0).json().remove(0);
    assert_eq!(
        (&report["equal"], &report["copies"], &report["dead_letters"]),
        (&json!(13), &json!(5), &json!(2))
    );
    let shown = log.kafka.run(&["verdicts"]).expect(0).json();
    let offsets: Vec<i64> = shown
        .iter()
        .filter_map(|verdict| verdict["source_offset"].as_i64())
        .collect();
    assert_eq!(offsets, (0..13).collect::<Vec<_>>());
}

#[test]
fn verdicts_are_filtered_and_limited() {
    let log = Log::new("filter");
    log.write(&log.judged());
    let count = |arguments: &[&str]| {
        let all: Vec<&str> = ["verdicts"].iter().chain(arguments).copied().collect();
        log.kafka.run(&all).expect(0).stdout.lines().count()
    };
    assert_eq!(count(&["--code", "refused"]), 2);
    assert_eq!(count(&["--action", "mask"]), 10);
    assert_eq!(
        (
            count(&["--user", "c/u1"]),
            count(&["--user", "u1"]),
            count(&["--user", "d/u1"])
        ),
        (3, 3, 0)
    );
    assert_eq!(
        (
            count(&["--limit", "4"]),
            count(&["--from", "end"]),
            count(&["--partition", "0"])
        ),
        (4, 0, 13)
    );
    assert_eq!(count(&["--follow", "--limit", "13"]), 13);
    // A heading, and one line each.
    assert_eq!(count(&["--output", "table", "--code", "control"]), 2);
    log.kafka
        .run(&["verdicts", "--partition", "1"])
        .expect_error(2, "has no partition 1");
}

#[test]
fn what_is_not_judged_yet_is_no_difference() {
    let log = Log::new("behind");
    log.write(&log.judged()[..9]);
    let report = log.verify().expect(0).json().remove(0);
    assert_eq!(
        (
            &report["equal"],
            &report["not_yet_judged"],
            &report["difference"]
        ),
        (&json!(9), &json!(4), &json!(null))
    );
}

#[test]
fn a_changed_verdict_is_shown_with_both_sides() {
    let log = Log::new("changed");
    let difference = log.must_differ(5, "the verdict differs", |outputs| {
        flip_headers_dropped(&mut outputs[5])
    });
    assert_eq!(
        (
            &difference["derived"]["headers_dropped"],
            &difference["found"]["headers_dropped"]
        ),
        (&json!(false), &json!(true))
    );
    let people = log.kafka.run(&["replay", "verify"]).expect(1).stdout;
    assert!(
        people.contains("partition 0: 1 difference(s), the first at offset 5")
            && people.contains("derived: {"),
        "{people}"
    );
}

#[test]
fn a_message_that_was_changed_after_its_verdict_is_one_difference() {
    let log = Log::new("event");
    let outputs = log.judged_as(|offset, value| match offset {
        5 => String::from_utf8_lossy(value)
            .replace("drat", "good")
            .into_bytes(),
        _ => value.to_vec(),
    });
    log.write(&outputs);
    let report = log.verify().expect(1).json().remove(0);
    assert_eq!(report["differences"], json!(1), "{report}");
    let difference = &report["difference"];
    assert_eq!(
        (
            &difference["offset"],
            &difference["derived"]["action"],
            &difference["found"]["action"]
        ),
        (&json!(5), &json!("mask"), &json!("allow"))
    );
}

#[test]
fn a_changed_copy_is_shown_with_both_sides() {
    let log = Log::new("copy");
    let difference = log.must_differ(4, "a copy differs", |outputs| {
        let mut copy = outputs[4].clone();
        flip_headers_dropped(&mut copy);
        outputs.push(copy);
    });
    assert_eq!(
        (
            &difference["derived"]["headers_dropped"],
            &difference["found"]["headers_dropped"]
        ),
        (&json!(false), &json!(true))
    );
}

#[test]
fn a_missing_verdict_is_found() {
    let difference =
        Log::new("gap").must_differ(7, "no verdict", |outputs| drop(outputs.remove(7)));
    assert_eq!(
        (
            &difference["derived"]["source_offset"],
            &difference["found"]
        ),
        (&json!(7), &json!(null))
    );
}

#[test]
fn verdicts_out_of_order_are_found() {
    // The one that is missing in its place, and the one that stands in another.
    Log::new("order").must_differ_times(
        2,
        3,
        "no verdict: the topic goes on with that of offset 4",
        |outputs| outputs.swap(3, 4),
    );
}

#[test]
fn a_verdict_for_no_record_is_found() {
    let log = Log::new("extra");
    let other = Log::new("extra-other");
    other.send(None, b"one more", false);
    // A log of its own gives a verdict for offset 13; under this log's name it is a forgery.
    let forged = {
        let config = other.config();
        let control = Arc::new(control::read_whole(&log.config()).expect("readable"));
        let opened = control.opened(0).expect("opened");
        let mut fold = StraightFold::new(&opened, 0, control).expect("nothing is in force yet");
        let mut messages = LogReader::open(&config, &config.topics.messages, 0).expect("a client");
        messages.start(13);
        let message = messages.read_to(14).expect("readable").expect("a record");
        let value = fold
            .judge(&record_of(&message), |ruling| ruling.verdict.to_vec())
            .expect("judged");
        Output {
            offset: 13,
            key: None,
            value,
            headers: false,
            refused: None,
        }
    };
    log.must_differ(13, "an offset that the log does not have yet", |outputs| {
        outputs.push(forged)
    });
}

#[test]
fn bytes_that_are_no_verdict_are_found() {
    Log::new("garbage").must_differ(13, "holds no verdict", |outputs| {
        let garbage = Output {
            offset: 13,
            key: None,
            value: b"garbage".to_vec(),
            headers: false,
            refused: None,
        };
        outputs.push(garbage);
    });
}

#[test]
fn another_key_is_found() {
    Log::new("key").must_differ(6, "another key", |outputs| {
        outputs[6].key = Some(b"c/somebody".to_vec())
    });
}

#[test]
fn headers_that_did_not_travel_or_came_from_nowhere_are_found() {
    Log::new("headers").must_differ(11, "other headers", |outputs| outputs[11].headers = false);
    Log::new("more-headers").must_differ(6, "other headers", |outputs| outputs[6].headers = true);
}

#[test]
fn a_missing_dead_letter_is_found() {
    Log::new("letter").must_differ(11, "there is no dead letter", |outputs| {
        outputs[11].refused = None
    });
}

#[test]
fn a_dead_letter_with_another_reason_or_value_is_found() {
    Log::new("reason").must_differ(
        12,
        "the reason `too-large` instead of `empty-value`",
        |outputs| {
            outputs[12].refused = Some(("too-large".into(), Vec::new()));
        },
    );
    Log::new("value").must_differ(11, "bytes that are not the record's", |outputs| {
        outputs[11].refused = Some(("unknown-framing".into(), b"something else".to_vec()));
    });
}

#[test]
fn what_cannot_be_verified_is_said() {
    let log = Log::new("refuses");
    log.kafka
        .run(&["replay", "verify", "--partitions", "1"])
        .expect_error(2, "has no partition 1");
    log.kafka
        .run(&["replay", "verify", "--partitions", "x"])
        .expect_error(2, "neither a partition nor a range");
}

/// The record, with some headers if it is to have any.
fn headered(record: Outgoing<'_>, headers: bool) -> Outgoing<'_> {
    Outgoing {
        headers: headers.then(|| headers_of("any", 0, 7, "headers", None)),
        ..record
    }
}

/// A boolean before the last field, which is null: the bytes stay a verdict, and say something else.
fn flip_headers_dropped(output: &mut Output) {
    let [.., dropped, 0] = output.value.as_mut_slice() else {
        panic!("a verdict that overturns nothing");
    };
    *dropped = 1 - *dropped;
}
