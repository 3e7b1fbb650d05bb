//! From one process to four and back to two under load, with both group protocols: every message is judged, twice the same if twice at
//! all, and how long partitions that move are dark is measured.
//!
//! The time of a message is from its broker time to that of its verdict, so a partition that is dark for a second shows as a message
//! that waited for a second. Nothing here fails on speed: this machine may be busy. `scripts/rebalance` runs `measure` below.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::common::Running;
use crate::common::load::{Judged, Load, assignments, chat, judged, now_ms};

const PARTITIONS: i32 = 12;
/// Messages a second: one per partition every twenty milliseconds.
const RATE: u32 = 600;
/// What a partition may be dark for at least; the longest wait of a quiet time counts on top. A stuck partition waits for a session or more.
const DARK: Duration = Duration::from_secs(15);

/// What happened to the partitions between two moments.
struct Move {
    from: i64,
    to: i64,
    moved: BTreeSet<i32>,
}

impl Move {
    /// `processors` are all that ran between `from` and now.
    fn since<'a>(from: i64, processors: impl Iterator<Item = &'a Running>) -> Move {
        let to = now_ms();
        let moved = processors
            .flat_map(assignments)
            .filter(|(at, _)| (from..=to).contains(at))
            .map(|(_, partition)| partition)
            .collect();
        Move { from, to, moved }
    }

    fn within<'a>(&self, log: &'a [Judged]) -> impl Iterator<Item = i64> + 'a {
        let span = self.from..=self.to;
        log.iter()
            .filter(move |judged| span.contains(&judged.sent))
            .map(|judged| judged.delay)
    }

    /// The longest wait of each partition that moved.
    fn dark(&self, logs: &BTreeMap<i32, Vec<Judged>>) -> Vec<i64> {
        let mut dark: Vec<i64> = self
            .moved
            .iter()
            .filter_map(|partition| self.within(&logs[partition]).max())
            .collect();
        dark.sort_unstable();
        dark
    }

    /// The waits at the partitions that stayed, in order; those of `quiet` at the same partitions too.
    fn stayed(&self, logs: &BTreeMap<i32, Vec<Judged>>, quiet: &Move) -> (Vec<i64>, Vec<i64>) {
        let stay = || {
            logs.iter()
                .filter(|(partition, _)| !self.moved.contains(partition))
        };
        let mut during: Vec<i64> = stay().flat_map(|(_, log)| self.within(log)).collect();
        let mut before: Vec<i64> = stay().flat_map(|(_, log)| quiet.within(log)).collect();
        during.sort_unstable();
        before.sort_unstable();
        (during, before)
    }
}

/// A value of a sorted list by rank; 0 if it is empty.
fn rank(sorted: &[i64], percent: usize) -> i64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or(0)
}

/// One way from one process to four and to two.
struct Figures {
    quiet: Move,
    join: Move,
    leave: Move,
    logs: BTreeMap<i32, Vec<Judged>>,
}

fn scale(protocol: &str) -> Figures {
    let kafka = chat("scaling", protocol, PARTITIONS);
    let first = kafka.start_processor(1);
    first.wait_ready();
    let load = Load::start(&kafka, PARTITIONS, RATE);
    std::thread::sleep(Duration::from_secs(3));
    let begun = now_ms();
    std::thread::sleep(Duration::from_secs(5));
    let quiet = Move::since(begun, std::iter::empty());

    let mut processors = vec![first];
    processors.extend((0..3).map(|_| kafka.start_processor(1)));
    for processor in &processors {
        processor.wait_ready();
    }
    std::thread::sleep(Duration::from_secs(5));
    let join = Move::since(quiet.to, processors.iter());
    let holds: BTreeSet<i32> = processors[1..]
        .iter()
        .flat_map(assignments)
        .map(|(_, partition)| partition)
        .collect();
    assert!(
        holds.len() >= 6,
        "three more processes hold only {holds:?}; log of the first:\n{}",
        processors[0].log()
    );

    let began = now_ms();
    let leaving = processors.split_off(2);
    for processor in &leaving {
        processor.signal("TERM");
    }
    let mut gone = leaving;
    for processor in &mut gone {
        let (code, _) = processor.wait();
        assert_eq!(code, 0, "log:\n{}", processor.log());
    }
    std::thread::sleep(Duration::from_secs(5));
    let leave = Move::since(began, processors.iter());
    assert!(!leave.moved.is_empty(), "nobody took what was left");

    let sent = load.stop() + PARTITIONS as usize;
    assert_eq!(kafka.wait_for_verdicts(sent).len(), sent);
    for processor in &mut processors {
        let (code, _) = processor.stop();
        assert_eq!(code, 0, "log:\n{}", processor.log());
    }
    kafka.run(&["replay", "verify"]).expect(0);
    keep(&processors, &gone, protocol);
    Figures {
        quiet,
        join,
        leave,
        logs: judged(&kafka),
    }
}

/// Keeps the logs of the processes if somebody wants to see where the time went.
fn keep(stayed: &[Running], gone: &[Running], protocol: &str) {
    let Ok(directory) = std::env::var("GAVEL_REBALANCE_LOGS") else {
        return;
    };
    for (number, processor) in stayed.iter().chain(gone).enumerate() {
        let file = format!("{directory}/{protocol}-{number}.log");
        std::fs::write(file, processor.log()).expect("the log is kept");
    }
}

impl Figures {
    fn print(&self, protocol: &str) {
        for (what, step) in [("join", &self.join), ("leave", &self.leave)] {
            let dark = step.dark(&self.logs);
            let (during, before) = step.stayed(&self.logs, &self.quiet);
            println!(
                "{protocol:8} {what:5} {:2} moved: dark p50 {:5} max {:5} ms; others: p99 {:4} ms, before {:4} ms, max {:4} and {:4} ms",
                dark.len(),
                rank(&dark, 50),
                rank(&dark, 100),
                rank(&during, 99),
                rank(&before, 99),
                rank(&during, 100),
                rank(&before, 100),
            );
        }
    }

    /// No partition stood still for good, however slow the machine.
    fn check(&self) {
        let (_, quiet) = self.quiet.stayed(&self.logs, &self.quiet);
        let most = Duration::from_millis(rank(&quiet, 100).unsigned_abs()) * 10 + DARK;
        for step in [&self.join, &self.leave] {
            let dark = Duration::from_millis(rank(&step.dark(&self.logs), 100).unsigned_abs());
            assert!(dark <= most, "a moved partition was dark for {dark:?}");
        }
    }
}

#[test]
fn one_process_becomes_four_and_then_two_with_the_classic_protocol() {
    let figures = scale("classic");
    figures.print("classic");
    figures.check();
}

#[test]
fn one_process_becomes_four_and_then_two_with_the_consumer_protocol() {
    let figures = scale("consumer");
    figures.print("consumer");
    figures.check();
}

#[test]
#[ignore = "takes minutes; scripts/rebalance runs it"]
fn measure() {
    let rounds = std::env::var("GAVEL_REBALANCE_ROUNDS").map_or(3, |rounds| {
        rounds
            .parse()
            .expect("GAVEL_REBALANCE_ROUNDS is a whole number")
    });
    for protocol in ["classic", "consumer"] {
        let (mut join, mut leave, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let figures = scale(protocol);
            figures.print(protocol);
            join.extend(figures.join.dark(&figures.logs));
            leave.extend(figures.leave.dark(&figures.logs));
            for step in [&figures.join, &figures.leave] {
                let (during, before) = step.stayed(&figures.logs, &figures.quiet);
                ratios.push(rank(&during, 99) as f64 / rank(&before, 99).max(1) as f64);
            }
        }
        join.sort_unstable();
        leave.sort_unstable();
        ratios.sort_by(f64::total_cmp);
        println!(
            "{protocol:8} all {rounds} rounds: join dark p50 {} max {} ms; leave dark p50 {} max {} ms; p99 of the others {:.2} times that before (median)",
            rank(&join, 50),
            rank(&join, 100),
            rank(&leave, 50),
            rank(&leave, 100),
            ratios.get(ratios.len() / 2).copied().unwrap_or(0.0)
        );
    }
}
