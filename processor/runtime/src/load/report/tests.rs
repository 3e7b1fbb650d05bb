use std::time::Duration;

use super::*;
use crate::load::meter::Meter;
use crate::load::schedule::Arrivals;
use crate::load::texts::Texts;
use crate::load::users::Users;

const MS: u64 = 1_000_000;

/// A hundred messages a second, one second of warm-up, two that are measured; each leaves this late.
fn report(slos: &[&str], late_ns: u64, messages: usize) -> Report {
    let plan = Plan {
        traffic: Traffic {
            arrivals: Arrivals::Even,
            from_per_second: 100.0,
            to_per_second: 100.0,
            burst: None,
            warm_up_seconds: 1.0,
            seconds: 2.0,
        },
        crowd: Crowd {
            users: 5,
            zipf_exponent: 0.0,
            hot_share: Some(0.5),
        },
        texts: Texts::made_up(20, 1),
        framing: Framing::Avro,
        community: "load".into(),
        seed: 1,
        senders: 1,
        drain: Duration::from_secs(1),
        slos: slos
            .iter()
            .map(|slo| slo.parse().expect("an SLO"))
            .collect(),
    };
    let schedule = Schedule::new(&plan.traffic, plan.seed);
    let mut meter = Meter::new(&schedule, &Users::new(plan.crowd, plan.seed));
    let mut sent = Sent::none();
    for sequence in 0..messages {
        let due = schedule.time(sequence).expect("it is in the schedule");
        sent.note(&schedule, sequence, due, due + late_ns);
        meter.take(Some(sequence as u64), due + late_ns + 4 * MS);
    }
    let outcomes = Outcomes {
        sent,
        measured: meter.finish(300),
        acknowledged: messages.saturating_sub(100) as u64,
        delivery_failures: 0,
        last_ack_ns: 3_000 * MS,
        messages: 300,
        end_ns: 3_000 * MS,
        ended_early: false,
    };
    let surroundings = Surroundings {
        started_at_ms: 0,
        load_average: None,
        messages_partitions: 8,
        verdicts_partitions: 8,
    };
    let run = RunId::new().expect("random bytes");
    Report::new(
        (&Config::default(), &plan, &schedule),
        run,
        &surroundings,
        &outcomes,
    )
}

#[test]
fn a_run_on_time_with_every_verdict_passes() {
    let report = report(&["p99<30ms", "others.max<5ms"], MS / 2, 300);
    assert_eq!((report.void, report.passed), (None, true));
    assert_eq!((report.counts.intended, report.counts.missing), (200, 0));
    assert_eq!(
        (report.counts.warm_up_sent, report.counts.warm_up_received),
        (100, 100)
    );
    let latency = report.latency.expect("it is not void");
    let all = latency.all.expect("there are verdicts");
    assert_eq!((all.messages, all.max_us), (200, 4_500));
    assert_eq!(
        latency.hot.map_or(0, |s| s.messages) + latency.others.map_or(0, |s| s.messages),
        200
    );
    assert!((report.rates.intended_per_second - 100.0).abs() < 1e-9);
    let seconds: Vec<_> = report
        .seconds
        .iter()
        .map(|second| (second.intended, second.sent, second.received))
        .collect();
    assert_eq!(seconds, [(100, 100, 100), (100, 100, 100)]);
}

#[test]
fn a_run_whose_generator_was_late_is_void_whatever_it_measured() {
    let report = report(&["p99<30s"], 3 * MS, 300);
    let void = report.void.clone().expect("it was late");
    assert!(void.starts_with("the generator was late"), "{void}");
    assert!(!report.passed);
    assert!(report.slos.iter().all(|outcome| outcome.met));
    let withheld = report.withholding_latencies();
    assert!(withheld.latency.is_none() && withheld.seconds.is_empty() && withheld.slos.is_empty());
    assert!(withheld.lateness.is_some_and(|late| late.p99_9_us >= 3_000));
}

#[test]
fn a_run_that_could_not_send_everything_is_void() {
    let sent = Sent::none().of(7);
    assert_eq!(
        (sent.lateness.count(), sent.lateness.max_us()),
        (7, 60_000_000)
    );
    assert!(void(7, &sent.lateness).is_some());
}

#[test]
fn a_missed_slo_fails_the_run() {
    let report = report(&["p50<4ms"], 0, 300);
    assert_eq!((&report.void, report.passed), (&None, false));
    let met: Vec<bool> = report.slos.iter().map(|outcome| outcome.met).collect();
    assert_eq!(met, [false, true], "p50, and nothing is missing");
}

#[test]
fn a_missing_verdict_fails_the_run_unless_some_may_be_missing() {
    let strict = report(&[], 0, 298);
    assert_eq!((strict.counts.missing, strict.passed), (2, false));
    assert_eq!(strict.seconds[1].missing, 2);
    assert_eq!(strict.seconds[1].max_us, Some(60_000_000));
    let tolerant = report(&["missing<3"], 0, 298);
    assert!(tolerant.passed);
}

#[test]
fn a_run_that_ends_in_the_warm_up_measured_nothing_and_is_void() {
    assert_eq!(
        void(0, &Times::new()).as_deref(),
        Some("nothing was measured: it ended during the warm-up")
    );
}
