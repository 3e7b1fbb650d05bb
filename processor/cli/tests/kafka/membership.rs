//! Static members (`run.instance_id`): a restart moves nothing, and one that leaves for good is not waited for.
//!
//! A static member that closes stays in the group for a whole session. Sessions here are longer than any pause of the machine, so that
//! "within a session" says who acted, not how fast.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::common::Running;
use crate::common::load::{Load, assignments, chat, judged, now_ms};

const PARTITIONS: i32 = 6;
/// Messages a second.
const RATE: u32 = 300;
/// Only for protocol `classic`; with `consumer` it is the broker's setting.
const SESSION_MS: &str = "30000";
/// The session of scripts/kafka for protocol `consumer`, the shorter of both.
const SESSION: Duration = Duration::from_secs(20);
/// How long nothing may happen before the test gives up.
const SILENCE: Duration = Duration::from_secs(60);

/// The partitions assigned from this moment on.
fn since(processor: &Running, from: i64) -> BTreeSet<i32> {
    let assigned = assignments(processor).into_iter();
    assigned
        .filter(|(at, _)| *at >= from)
        .map(|(_, partition)| partition)
        .collect()
}

/// Waits until the processor was assigned these since that moment; the time of the last one.
#[track_caller]
fn wait_for(processor: &Running, from: i64, wanted: &BTreeSet<i32>) -> i64 {
    let began = Instant::now();
    while !since(processor, from).is_superset(wanted) {
        assert!(
            began.elapsed() < SILENCE,
            "{wanted:?} were not assigned; log:\n{}",
            processor.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let times = assignments(processor).into_iter();
    times
        .filter(|(at, partition)| *at >= from && wanted.contains(partition))
        .map(|(at, _)| at)
        .max()
        .unwrap_or(from)
}

fn restart_and_leave(protocol: &str) {
    let kafka =
        chat("membership", protocol, PARTITIONS).set("GAVEL_KAFKA_SESSION_TIMEOUT_MS", SESSION_MS);
    let member = |name| kafka.start_processor_with(1, &[("GAVEL_RUN_INSTANCE_ID", name)]);
    let mut first = member("pod-0");
    first.wait_ready();
    let mut second = member("pod-1");
    let began = Instant::now();
    while since(&second, 0).len() < PARTITIONS as usize / 2 {
        assert!(began.elapsed() < SILENCE, "log:\n{}", second.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    second.wait_ready();
    let held = since(&second, 0);
    let load = Load::start(&kafka, PARTITIONS, RATE);
    std::thread::sleep(Duration::from_secs(2));

    let restarted = now_ms();
    assert_eq!(second.stop().0, 0, "log:\n{}", second.log());
    second.start_again();
    wait_for(&second, restarted, &held);
    second.wait_ready();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(since(&second, restarted), held, "log:\n{}", second.log());
    assert_eq!(
        since(&first, restarted),
        BTreeSet::new(),
        "a restart moved partitions; log:\n{}",
        first.log()
    );

    let left = now_ms();
    let marker = second.data_dir().join("leave");
    std::fs::write(&marker, "").expect("the marker is written");
    assert_eq!(second.stop().0, 0, "log:\n{}", second.log());
    let taken = wait_for(&first, left, &held);
    println!(
        "{protocol}: taken over {} ms after the signal of a member that left for good",
        taken - left
    );
    let taken = Duration::from_millis((taken - left).unsigned_abs());
    assert!(
        taken < SESSION,
        "the group waited for a session; log:\n{}",
        second.log()
    );

    second.start_again();
    second.wait_ready();
    assert!(
        !marker.exists(),
        "it came back, so it has not left for good"
    );
    let sent = load.stop() + PARTITIONS as usize;
    assert_eq!(kafka.wait_for_verdicts(sent).len(), sent);
    for processor in [&mut first, &mut second] {
        assert_eq!(processor.stop().0, 0, "log:\n{}", processor.log());
    }
    kafka.run(&["replay", "verify"]).expect(0);
    let dark = |from: i64, to: i64| {
        let logs = judged(&kafka);
        let waits = held.iter().flat_map(|partition| &logs[partition]);
        waits
            .filter(|judged| (from..=to).contains(&judged.sent))
            .map(|judged| judged.delay)
            .max()
            .unwrap_or(0)
    };
    println!(
        "{protocol}: dark {} ms over the restart, {} ms over the leave",
        dark(restarted, left),
        dark(left, left + 5_000)
    );
}

#[test]
fn a_static_member_moves_nothing_by_a_restart_and_leaves_for_good_when_told_to_with_the_classic_protocol()
 {
    restart_and_leave("classic");
}

#[test]
fn a_static_member_moves_nothing_by_a_restart_and_leaves_for_good_when_told_to_with_the_consumer_protocol()
 {
    restart_and_leave("consumer");
}
