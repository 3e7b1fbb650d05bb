//! `gavel load` on a real Kafka: that it leaves nothing out, and that it says so when it cannot know.
//!
//! Figures have lower bounds only: how fast a machine is is no property of the command. A run on a busy machine may be void; its
//! figures are asked for all the same and are as honest as the generator was late, which only makes them larger.

use std::time::Duration;

use crate::common::{Kafka, Ran, Running, load::chat};
use serde_json::Value;

const PARTITIONS: i32 = 4;

/// The report in what a run printed.
#[track_caller]
fn report(ran: &Ran) -> Value {
    let mut lines = ran.json();
    assert_eq!(
        lines.len(),
        1,
        "stdout:\n{}\nstderr:\n{}",
        ran.stdout,
        ran.stderr
    );
    lines.remove(0)
}

#[track_caller]
fn number(report: &Value, path: &str) -> u64 {
    let value = report.pointer(path).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("{path} is no number in {report}"))
}

fn topics(name: &str) -> Kafka {
    let kafka = Kafka::for_test(name);
    kafka
        .run(&["topics", "create", "--partitions", &PARTITIONS.to_string()])
        .expect(0);
    kafka
}

fn run(kafka: &Kafka, more: &[&str]) -> Ran {
    let mut arguments = vec!["load", "--allow-late", "--output", "json", "--warm-up", "1"];
    arguments.extend(more);
    kafka.run(&arguments)
}

/// Stops the processor for this long, this long after now.
fn pause(processor: &Running, after: Duration, time: Duration) {
    std::thread::sleep(after);
    processor.signal("STOP");
    std::thread::sleep(time);
    processor.signal("CONT");
}

#[test]
fn a_stall_of_the_processor_is_in_the_figures_with_everything_that_it_kept_waiting() {
    let kafka = chat("load-stall", "classic", PARTITIONS);
    let processor = kafka.start_processor(1);
    processor.wait_ready();
    let ran = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            run(
                &kafka,
                &[
                    "--rate",
                    "1000",
                    "--seconds",
                    "10",
                    "--drain",
                    "60",
                    "--hot-share",
                    "20%",
                    "--slo",
                    "max<10ms",
                ],
            )
        });
        pause(
            &processor,
            Duration::from_secs(5),
            Duration::from_millis(500),
        );
        load.join().expect("the load ends")
    });
    let report = report(&ran.expect(1));
    assert_eq!(report["slos"][0]["met"], false, "{report}");
    assert_eq!(number(&report, "/counts/intended"), 10_000);
    assert_eq!(number(&report, "/counts/received"), 10_000);
    assert_eq!(number(&report, "/counts/missing"), 0);
    assert!(
        number(&report, "/latency/all/max_us") >= 400_000,
        "{report}"
    );
    // Whoever was meant to leave in the first four tenths of the stall waited for more than one: 400 of 10,000.
    let slow = report["latency"]["all"]["curve"]
        .as_array()
        .expect("a curve")
        .iter()
        .find(|point| point["us"].as_u64() > Some(100_000))
        .and_then(|point| point["quantile"].as_f64())
        .expect("the stall is in the curve");
    assert!(slow <= 0.975, "only those above {slow} waited");
    let split =
        number(&report, "/latency/hot/messages") + number(&report, "/latency/others/messages");
    assert_eq!(split, 10_000);
    let seconds = report["seconds"].as_array().expect("seconds");
    let worst = seconds
        .iter()
        .filter(|second| second["max_us"].as_u64() >= Some(400_000))
        .count();
    assert!(worst >= 1, "{report}");
}

#[test]
fn without_a_processor_everything_is_missing() {
    let kafka = topics("load-missing");
    let ran = run(&kafka, &["--rate", "500", "--seconds", "2", "--drain", "1"]);
    let report = report(&ran.expect(1));
    assert_eq!(number(&report, "/counts/intended"), 1_000);
    assert_eq!(number(&report, "/counts/sent"), 1_000);
    assert_eq!(number(&report, "/counts/acknowledged"), 1_000);
    assert_eq!(number(&report, "/counts/missing"), 1_000);
    assert_eq!(number(&report, "/latency/all/p50_us"), 60_000_000);
    assert_eq!(report["passed"], false);
}

#[test]
fn verdicts_of_other_messages_are_none_of_its_own() {
    let kafka = chat("load-foreign", "classic", PARTITIONS);
    let processor = kafka.start_processor(1);
    processor.wait_ready();
    let page = tempfile::tempdir().expect("a temporary directory");
    let page = page.path().join("report.html");
    let ran = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let html = ["--html", crate::common::text(&page)];
            run(
                &kafka,
                &[
                    &[
                        "--rate",
                        "200",
                        "--seconds",
                        "6",
                        "--drain",
                        "60",
                        "--framing",
                        "json",
                        "--arrivals",
                        "poisson",
                    ][..],
                    &html,
                ]
                .concat(),
            )
        });
        // Within the six seconds, however slow the start.
        std::thread::sleep(Duration::from_secs(3));
        kafka
            .run_with(
                &["produce", "-"],
                b"{\"user\":\"ada\",\"text\":\"hello\"}\n",
            )
            .expect(0);
        load.join().expect("the load ends")
    });
    let report = report(&ran);
    assert_eq!(number(&report, "/counts/missing"), 0, "{report}");
    assert_eq!(number(&report, "/counts/foreign"), 1, "{report}");
    assert_eq!(
        number(&report, "/counts/received"),
        number(&report, "/counts/intended")
    );
    let page = std::fs::read_to_string(page).expect("the page is written");
    assert!(page.contains("<polyline") && page.ends_with("</body></html>\n"));
    // Judged, and not refused: a verdict for each, none of them a dead letter.
    let verdicts = kafka.verdicts();
    let refused = verdicts
        .iter()
        .filter(|verdict| verdict["code"] == "refused");
    assert_eq!(refused.count(), 0);
}

#[test]
fn topics_that_do_not_exist_are_refused_with_what_makes_them() {
    let kafka = Kafka::for_test("load-nowhere");
    run(&kafka, &["--rate", "10"]).expect_error(
        3,
        "`gavel topics create --partitions N` makes what is missing",
    );
}

#[test]
fn a_run_that_no_machine_can_remember_says_what_it_would_need() {
    let kafka = Kafka::for_test("load-large");
    run(&kafka, &["--rate", "150000", "--seconds", "1000"]).expect_error(2, "takes 1163 MiB");
    run(&kafka, &["--rate", "10", "--slo", "others.p99<1ms"]).expect_error(2, "add --hot-share");
}
