//! What a run came to, as data.
//!
//! Invariant: a run whose generator was late says so before anything else, and its figures are withheld unless they are asked for: they
//! describe the generator, not the system. Every field says its unit; what is not there was not measured.

use std::path::Path;

use serde::Serialize;

use super::histogram::{Summary, Times};
use super::mark::RunId;
use super::meter::Measured;
use super::plan::Plan;
use super::schedule::{Schedule, Traffic};
use super::sender::Sent;
use super::slo::{Outcome, Slo};
use super::users::Crowd;
use crate::config::Config;
use crate::produce::Framing;

/// A run is void if more than a thousandth of its messages left later than this.
pub const LATE_US: u64 = 2_000;
/// The part of all messages that may be later.
const LATE_QUANTILE: f64 = 0.999;

/// Everything about a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Why the figures say nothing about the system, if so.
    pub void: Option<String>,
    /// The run was told to end before its plan did.
    pub ended_early: bool,
    /// Whether the run is not void and keeps every SLO.
    pub passed: bool,
    pub run: Run,
    pub plan: Planned,
    pub counts: Counts,
    pub rates: Rates,
    /// From when a message was meant to leave until its verdict came; None: withheld.
    pub latency: Option<Latency>,
    /// From when a message was meant to leave until it left: the generator's own.
    pub lateness: Option<Summary>,
    pub slos: Vec<Outcome>,
    /// By second of the measured part; those behind its end are the drain.
    pub seconds: Vec<Second>,
}

/// Where and with what it ran.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub id: String,
    /// Milliseconds since 1970.
    pub started_at_ms: i64,
    pub host: String,
    pub cores: usize,
    /// Processes that ran or wanted to, over the last minute.
    pub load_average_before: Option<f64>,
    pub load_average_after: Option<f64>,
    pub gavel: String,
    pub librdkafka: String,
    pub bootstrap_servers: String,
    pub messages_topic: String,
    pub messages_partitions: i32,
    pub verdicts_topic: String,
    pub verdicts_partitions: i32,
    pub linger_ms: u64,
    pub fetch_wait_max_ms: u64,
}

/// The plan as it was followed.
#[derive(Debug, Clone, Serialize)]
pub struct Planned {
    pub traffic: Traffic,
    pub crowd: Crowd,
    pub texts: usize,
    pub text_mean_bytes: f64,
    pub framing: &'static str,
    pub community: String,
    pub seed: u64,
    pub senders: usize,
    pub drain_seconds: f64,
}

/// Messages, of the measured part unless it says otherwise.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Counts {
    /// Meant to leave.
    pub intended: u64,
    /// Taken by the client.
    pub sent: u64,
    /// By all in-sync replicas.
    pub acknowledged: u64,
    /// Verdicts, each once.
    pub received: u64,
    /// Meant to leave and without a verdict.
    pub missing: u64,
    /// Verdicts met again.
    pub copies: u64,
    /// Records of the verdict topic without a mark of this run.
    pub foreign: u64,
    /// Messages that brokers refused, warm-up included.
    pub delivery_failures: u64,
    pub warm_up_sent: u64,
    pub warm_up_received: u64,
}

/// Messages per second, of the measured part, from its beginning to the last of their kind.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rates {
    pub intended_per_second: f64,
    pub sent_per_second: f64,
    pub acknowledged_per_second: f64,
    pub received_per_second: f64,
}

/// Of all, and with a hot user also of both sides.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    pub all: Option<Summary>,
    pub hot: Option<Summary>,
    pub others: Option<Summary>,
}

/// One second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Second {
    /// From 0, counted from the end of the warm-up.
    pub second: usize,
    /// Messages meant to leave in it; latencies and missing ones are of these.
    pub intended: u64,
    pub missing: u64,
    /// Messages that left in it.
    pub sent: u64,
    /// Verdicts that came in it.
    pub received: u64,
    /// None: no message was meant to leave in it.
    pub p50_us: Option<u64>,
    pub p99_us: Option<u64>,
    pub max_us: Option<u64>,
}

/// What is known of the surroundings before a run.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub started_at_ms: i64,
    pub load_average: Option<f64>,
    pub messages_partitions: i32,
    pub verdicts_partitions: i32,
}

/// What was counted and timed.
#[derive(Debug)]
pub(super) struct Outcomes {
    pub sent: Sent,
    pub measured: Measured,
    pub acknowledged: u64,
    pub delivery_failures: u64,
    pub last_ack_ns: u64,
    /// Messages of the schedule that belong to the run, warm-up included.
    pub messages: usize,
    /// When the run ended, or was told to.
    pub end_ns: u64,
    pub ended_early: bool,
}

impl Report {
    pub(super) fn new(
        (config, plan, schedule): (&Config, &Plan, &Schedule),
        run: RunId,
        surroundings: &Surroundings,
        outcomes: &Outcomes,
    ) -> Report {
        let counts = counts(schedule, outcomes);
        let void = void(counts.intended, &outcomes.sent.lateness);
        let latency = Latency {
            all: outcomes.measured.all.summary(),
            hot: outcomes
                .measured
                .split
                .as_ref()
                .and_then(|split| split.hot.summary()),
            others: outcomes
                .measured
                .split
                .as_ref()
                .and_then(|split| split.others.summary()),
        };
        let slos: Vec<Outcome> = slos(&plan.slos)
            .iter()
            .map(|slo| slo.judge(&latency, &counts))
            .collect();
        Report {
            passed: void.is_none() && slos.iter().all(|outcome| outcome.met),
            void,
            ended_early: outcomes.ended_early,
            run: where_it_ran(config, run, surroundings),
            plan: planned(plan),
            counts,
            rates: rates(&counts, schedule, outcomes),
            latency: Some(latency),
            lateness: outcomes.sent.lateness.summary(),
            slos,
            seconds: seconds(schedule, outcomes),
        }
    }

    /// Without what a void run cannot know.
    #[must_use]
    pub fn withholding_latencies(mut self) -> Report {
        self.latency = None;
        self.slos.clear();
        self.seconds.clear();
        self
    }
}

/// What was asked for, and that nothing is missing unless that was allowed.
fn slos(asked: &[Slo]) -> Vec<Slo> {
    let mut slos = asked.to_vec();
    if !slos.iter().any(Slo::is_about_missing) {
        slos.push(Slo::none_missing());
    }
    slos
}

fn void(intended: u64, lateness: &Times) -> Option<String> {
    if intended == 0 {
        return Some("nothing was measured: it ended during the warm-up".into());
    }
    let late = lateness.quantile_us(LATE_QUANTILE);
    (late > LATE_US).then(|| {
        format!(
            "the generator was late: 99.9 % of the messages must leave within {} ms of their time, and left within {:.1} ms",
            LATE_US / 1_000,
            late as f64 / 1e3
        )
    })
}

fn counts(schedule: &Schedule, outcomes: &Outcomes) -> Counts {
    let Outcomes { sent, measured, .. } = outcomes;
    Counts {
        intended: outcomes.messages.saturating_sub(schedule.measured_from()) as u64,
        sent: sent.messages,
        acknowledged: outcomes.acknowledged,
        received: measured.received,
        missing: measured.missing,
        copies: measured.copies,
        foreign: measured.foreign,
        delivery_failures: outcomes.delivery_failures,
        warm_up_sent: sent.warm_up,
        warm_up_received: measured.warm_up_received,
    }
}

fn rates(counts: &Counts, schedule: &Schedule, outcomes: &Outcomes) -> Rates {
    let since = |ns: u64| ns.saturating_sub(schedule.warm_up_ns());
    let planned = since(outcomes.end_ns).max(1);
    let rate = |count: u64, last_ns: u64| count as f64 * 1e9 / since(last_ns).max(planned) as f64;
    Rates {
        intended_per_second: rate(counts.intended, 0),
        sent_per_second: rate(counts.sent, outcomes.sent.last_ns),
        acknowledged_per_second: rate(counts.acknowledged, outcomes.last_ack_ns),
        received_per_second: rate(counts.received, outcomes.measured.last_ns),
    }
}

fn seconds(schedule: &Schedule, outcomes: &Outcomes) -> Vec<Second> {
    let (metered, sent) = (&outcomes.measured.seconds, &outcomes.sent.seconds);
    let of = |second: usize| {
        let metered = metered.get(second);
        let times = metered
            .map(|metered| &metered.times)
            .filter(|times| times.count() > 0);
        Second {
            second,
            intended: times.map_or(0, Times::count),
            missing: metered.map_or(0, |metered| metered.missing),
            sent: sent.get(second).copied().unwrap_or(0),
            received: metered.map_or(0, |metered| metered.received),
            p50_us: times.map(|times| times.quantile_us(0.5)),
            p99_us: times.map(|times| times.quantile_us(0.99)),
            max_us: times.map(Times::max_us),
        }
    };
    let last = schedule.second(outcomes.end_ns.saturating_sub(1));
    let count = last.map_or(0, |last| last + 1);
    (0..count.max(metered.len()).max(sent.len()))
        .map(of)
        .collect()
}

fn where_it_ran(config: &Config, run: RunId, surroundings: &Surroundings) -> Run {
    Run {
        id: run.name().to_string(),
        started_at_ms: surroundings.started_at_ms,
        host: read_line("/proc/sys/kernel/hostname").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        load_average_before: surroundings.load_average,
        load_average_after: load_average(),
        gavel: env!("CARGO_PKG_VERSION").to_owned(),
        librdkafka: rdkafka::util::get_rdkafka_version().1,
        bootstrap_servers: config.kafka.bootstrap_servers.clone(),
        messages_topic: config.topics.messages.clone(),
        messages_partitions: surroundings.messages_partitions,
        verdicts_topic: config.topics.verdicts.clone(),
        verdicts_partitions: surroundings.verdicts_partitions,
        linger_ms: config.kafka.linger_ms,
        fetch_wait_max_ms: config.kafka.fetch_wait_max_ms,
    }
}

fn planned(plan: &Plan) -> Planned {
    Planned {
        traffic: plan.traffic,
        crowd: plan.crowd,
        texts: plan.texts.count(),
        text_mean_bytes: plan.texts.mean_bytes(),
        framing: match plan.framing {
            Framing::Avro => "avro",
            Framing::Json => "json",
        },
        community: plan.community.clone(),
        seed: plan.seed,
        senders: plan.senders,
        drain_seconds: plan.drain.as_secs_f64(),
    }
}

/// That of the last minute, where the system keeps one.
pub(super) fn load_average() -> Option<f64> {
    read_line("/proc/loadavg")?.split(' ').next()?.parse().ok()
}

fn read_line(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.to_owned())
}

#[cfg(test)]
mod tests;
