//! What is seen of a running processor: metrics, health and readiness.
//!
//! Invariant: no label and no log line holds a user, a message id or message text. Names are constants here, each with its
//! unit and its meaning, so that dashboards and alerts have one place to look.

use crate::lane::{PartitionView, Phase};
use gavel_judge::{Action, Code};
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Verdicts handed to the producer, by `action` and `code`. Rate is the throughput.
pub const VERDICTS: &str = "gavel_verdicts_total";
/// Dead letters sent, by `reason`. Alert on a rise: a producer sends what nobody can judge.
pub const DEAD_LETTERS: &str = "gavel_dead_letters_total";
/// Records whose key belongs to another partition under the Java partitioner: some producer lacks `murmur2`.
pub const MISROUTED: &str = "gavel_misrouted_records_total";
/// Seconds from a record's timestamp to the acknowledgement of its verdict, sampled. Meaningful for LogAppendTime topics.
pub const VERDICT_DELAY: &str = "gavel_verdict_delay_seconds";
/// 1 for the phase that a partition of this process is in, by `partition` and `phase`. Alert on `halted`.
pub const PARTITION_PHASE: &str = "gavel_partition_phase";
/// Offsets of a partition, by `partition` and `kind`: `log_start` (L, asked for now and
/// then), `checkpoint` (K, the newest that this process saved), `stored` (S), `acknowledged` (V), `next` (to be folded).
pub const PARTITION_OFFSET: &str = "gavel_partition_offset";
/// Outputs not acknowledged yet, by `partition`.
pub const IN_FLIGHT: &str = "gavel_outputs_in_flight";
/// Bytes of contexts in memory, by `partition`.
pub const CONTEXT_BYTES: &str = "gavel_context_bytes";
/// Halted partitions, by `partition` and `reason`: each reason is a section of docs/runbooks.md. Alert when present.
pub const HALTED: &str = "gavel_partition_halted";
/// Batches of state committed, by `outcome` (`ok`, `failed`).
pub const EPOCHS: &str = "gavel_epochs_total";
/// Partitions made ready by the restorer, by `outcome` (`ready`, `retried`, `halted`, `cancelled`).
pub const RESTORES: &str = "gavel_restores_total";
/// Seconds that a restore took.
pub const RESTORE_SECONDS: &str = "gavel_restore_seconds";
/// What a restore still has to do, by `partition`: bytes of a checkpoint to download, then records to fold; gone when it is done.
pub const RESTORE_REMAINING: &str = "gavel_restore_remaining";
/// Checkpoints, by `outcome` (`saved`, `failed`). Alert when none is saved for several `checkpoints.every_ms`.
pub const CHECKPOINTS: &str = "gavel_checkpoints_total";
/// Seconds that saving a checkpoint took.
pub const CHECKPOINT_SECONDS: &str = "gavel_checkpoint_seconds";
/// Bytes uploaded for checkpoints.
pub const CHECKPOINT_BYTES: &str = "gavel_checkpoint_uploaded_bytes_total";
/// Stored state that was found broken and set aside, by `kind` (`store`, `checkpoint`). Alert on any.
pub const CORRUPT: &str = "gavel_corrupt_state_total";
/// Producers ended after a failed delivery. Alert on any.
pub const PRODUCERS_REPLACED: &str = "gavel_producers_replaced_total";
/// What candidates said, by `outcome`: `delivered`, `dropped` (too many were waiting), `failed` (refused or given up). Verdicts are
/// not touched by any of it; alert on the last two only while a shadow report matters.
pub const SHADOW_VERDICTS: &str = "gavel_shadow_verdicts_total";
/// Spans of traced messages, by `outcome`: `exported`, `dropped` (too many were waiting), `failed` (the collector took them not).
pub const SPANS: &str = "gavel_spans_total";
/// Rebalances seen, by `kind` (`assigned`, `revoked`, `lost`).
pub const REBALANCES: &str = "gavel_rebalances_total";

/// What became of a shadow verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shadowed {
    Delivered,
    Dropped,
    Failed,
}

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spanned {
    Exported,
    Dropped,
    Failed,
}

/// A lane that has not been heard of for this long makes the process unhealthy.
const LANE_SILENCE: Duration = Duration::from_secs(60);

struct LaneStatus {
    heard: Instant,
    joined: bool,
    partitions: Vec<PartitionView>,
}

impl LaneStatus {
    fn starting() -> LaneStatus {
        LaneStatus {
            heard: Instant::now(),
            joined: false,
            partitions: Vec::new(),
        }
    }
}

/// Shared by all lanes, the restorers and the HTTP server.
pub struct Telemetry {
    registry: Registry,
    verdicts: BTreeMap<(Action, Code), IntCounter>,
    dead_letters: IntCounterVec,
    phases: IntGaugeVec,
    offsets: IntGaugeVec,
    in_flight: IntGaugeVec,
    context_bytes: IntGaugeVec,
    halted: IntGaugeVec,
    epochs: IntCounterVec,
    restores: IntCounterVec,
    remaining: IntGaugeVec,
    checkpoints: IntCounterVec,
    corrupt: IntCounterVec,
    checkpoint_bytes: IntCounter,
    checkpoint_seconds: Histogram,
    /// Offsets of partitions that no lane reports: `log_start` and `checkpoint`.
    beside: Mutex<BTreeMap<(i32, &'static str), i64>>,
    rebalances: IntCounterVec,
    shadowed: [IntCounter; 3],
    spans: [IntCounter; 3],
    pub misrouted: IntCounter,
    pub producers_replaced: IntCounter,
    pub verdict_delay: Histogram,
    pub restore_seconds: Histogram,
    lanes: Mutex<BTreeMap<usize, LaneStatus>>,
}

impl Telemetry {
    /// For a process of so many lanes. They are known from the first moment, so that nobody is told that the process is ready
    /// between the start of HTTP and that of the lanes.
    pub fn new(lanes: usize) -> Result<Telemetry, prometheus::Error> {
        let registry = Registry::new();
        let counter =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let vec = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(vec.clone()))?;
                Ok(vec)
            };
        let gauge =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
                let vec = IntGaugeVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(vec.clone()))?;
                Ok(vec)
            };
        let single = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let single = IntCounter::new(name, help)?;
            registry.register(Box::new(single.clone()))?;
            Ok(single)
        };
        let histogram =
            |name: &str, help: &str, buckets: Vec<f64>| -> Result<Histogram, prometheus::Error> {
                let histogram =
                    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
                registry.register(Box::new(histogram.clone()))?;
                Ok(histogram)
            };
        let by_ruling = counter(
            VERDICTS,
            "Verdicts handed to the producer",
            &["action", "code"],
        )?;
        let verdicts = Action::ALL
            .iter()
            .flat_map(|action| Code::ALL.iter().map(move |code| (*action, *code)));
        let verdicts = verdicts
            .map(|(action, code)| {
                (
                    (action, code),
                    by_ruling.with_label_values(&[action.as_str(), code.as_str()]),
                )
            })
            .collect();
        let by_outcome = counter(SHADOW_VERDICTS, "What candidates said", &["outcome"])?;
        let by_end = counter(SPANS, "Spans of traced messages", &["outcome"])?;
        Ok(Telemetry {
            verdicts,
            spans: ["exported", "dropped", "failed"]
                .map(|outcome| by_end.with_label_values(&[outcome])),
            shadowed: ["delivered", "dropped", "failed"]
                .map(|outcome| by_outcome.with_label_values(&[outcome])),
            dead_letters: counter(DEAD_LETTERS, "Dead letters sent", &["reason"])?,
            phases: gauge(
                PARTITION_PHASE,
                "1 for the phase a partition is in",
                &["partition", "phase"],
            )?,
            offsets: gauge(
                PARTITION_OFFSET,
                "Offsets of a partition: stored (S), acknowledged (V), next",
                &["partition", "kind"],
            )?,
            in_flight: gauge(IN_FLIGHT, "Outputs not acknowledged yet", &["partition"])?,
            context_bytes: gauge(CONTEXT_BYTES, "Bytes of contexts in memory", &["partition"])?,
            halted: gauge(
                HALTED,
                "Halted partitions; the reason is a section of docs/runbooks.md",
                &["partition", "reason"],
            )?,
            epochs: counter(EPOCHS, "Batches of state committed", &["outcome"])?,
            restores: counter(
                RESTORES,
                "Partitions made ready by the restorer",
                &["outcome"],
            )?,
            remaining: gauge(
                RESTORE_REMAINING,
                "Bytes, then records, that a restore still has to do",
                &["partition"],
            )?,
            checkpoints: counter(CHECKPOINTS, "Checkpoints saved", &["outcome"])?,
            corrupt: counter(
                CORRUPT,
                "Stored state found broken and set aside",
                &["kind"],
            )?,
            checkpoint_bytes: single(CHECKPOINT_BYTES, "Bytes uploaded for checkpoints")?,
            checkpoint_seconds: histogram(
                CHECKPOINT_SECONDS,
                "Seconds that saving a checkpoint took",
                prometheus::exponential_buckets(0.01, 2.0, 16)?,
            )?,
            beside: Mutex::default(),
            rebalances: counter(REBALANCES, "Rebalances seen", &["kind"])?,
            misrouted: single(
                MISROUTED,
                "Records whose key belongs to another partition under murmur2",
            )?,
            producers_replaced: single(
                PRODUCERS_REPLACED,
                "Producers ended after a failed delivery",
            )?,
            verdict_delay: histogram(
                VERDICT_DELAY,
                "Seconds from record timestamp to acknowledged verdict, sampled",
                delay_buckets(),
            )?,
            restore_seconds: histogram(
                RESTORE_SECONDS,
                "Seconds that a restore took",
                prometheus::exponential_buckets(0.01, 2.0, 16)?,
            )?,
            lanes: Mutex::new(
                (0..lanes)
                    .map(|lane| (lane, LaneStatus::starting()))
                    .collect(),
            ),
            registry,
        })
    }

    pub fn judged(&self, action: Action, code: Code) {
        if let Some(counter) = self.verdicts.get(&(action, code)) {
            counter.inc();
        }
    }

    pub fn dead_letter(&self, reason: &str) {
        self.dead_letters.with_label_values(&[reason]).inc();
    }

    pub fn shadowed(&self, outcome: Shadowed) {
        self.shadowed[outcome as usize].inc();
    }

    pub fn spanned(&self, outcome: Spanned, count: usize) {
        self.spans[outcome as usize].inc_by(count as u64);
    }

    pub fn epoch(&self, committed: bool) {
        self.epochs
            .with_label_values(&[if committed { "ok" } else { "failed" }])
            .inc();
    }

    pub fn restore(&self, outcome: &str) {
        self.restores.with_label_values(&[outcome]).inc();
    }

    /// What a restore still has to do; 0 when it is done.
    pub fn restoring(&self, partition: i32, remaining: i64) {
        let partition = partition.to_string();
        if remaining > 0 {
            let gauge = self.remaining.with_label_values(&[&partition]);
            gauge.set(remaining);
        } else {
            // Not there any more is as good as removed.
            let _gone = self.remaining.remove_label_values(&[&partition]);
        }
    }

    pub fn checkpoint(&self, partition: i32, boundary: i64, seconds: f64, uploaded: u64) {
        self.checkpoints.with_label_values(&["saved"]).inc();
        self.checkpoint_seconds.observe(seconds);
        self.checkpoint_bytes.inc_by(uploaded);
        self.note(partition, "checkpoint", boundary);
    }

    /// L.
    pub fn log_start(&self, partition: i32, start: i64) {
        self.note(partition, "log_start", start);
    }

    fn note(&self, partition: i32, kind: &'static str, offset: i64) {
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.insert((partition, kind), offset);
    }

    pub fn checkpoint_failed(&self) {
        self.checkpoints.with_label_values(&["failed"]).inc();
    }

    /// Stored state was found broken: `store` or `checkpoint`.
    pub fn corrupt(&self, kind: &str) {
        self.corrupt.with_label_values(&[kind]).inc();
    }

    pub fn rebalance(&self, kind: &str) {
        self.rebalances.with_label_values(&[kind]).inc();
    }

    /// A lane's sign of life with what it holds. `joined`: the group has answered it at least once.
    pub fn lane(&self, lane: usize, joined: bool, partitions: Vec<PartitionView>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.insert(
            lane,
            LaneStatus {
                heard: Instant::now(),
                joined,
                partitions,
            },
        );
    }

    /// All partitions of this process.
    pub fn partitions(&self) -> Vec<PartitionView> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes
            .values()
            .flat_map(|lane| lane.partitions.iter().cloned())
            .collect()
    }

    /// Err names the lane that is silent.
    pub fn healthy(&self) -> Result<(), String> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = lanes
            .iter()
            .find(|(_, status)| status.heard.elapsed() > LANE_SILENCE);
        silent.map_or(Ok(()), |(lane, _)| {
            Err(format!(
                "lane {lane} has not reported for {} s",
                LANE_SILENCE.as_secs()
            ))
        })
    }

    /// Ready: every lane is in the group, and every assigned partition is live and caught up, or halted (an alarm of its
    /// own: restarting the process would not help). Err says what is missing.
    pub fn ready(&self) -> Result<(), String> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((lane, _)) = lanes.iter().find(|(_, status)| !status.joined) {
            return Err(format!("lane {lane} has not joined the group"));
        }
        for view in lanes.values().flat_map(|status| &status.partitions) {
            let waiting = match view.phase {
                Phase::Live => (!view.caught_up).then_some("catching up"),
                Phase::Halted(_) => None,
                Phase::Assigned | Phase::Restoring | Phase::Draining | Phase::Closed => {
                    Some(view.phase.name())
                }
            };
            if let Some(waiting) = waiting {
                return Err(format!("partition {} is {waiting}", view.partition));
            }
        }
        Ok(())
    }

    /// The exposition text.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        for gauge in [
            &self.phases,
            &self.offsets,
            &self.in_flight,
            &self.context_bytes,
            &self.halted,
        ] {
            gauge.reset();
        }
        let beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        for view in self.partitions() {
            let partition = view.partition.to_string();
            for kind in ["log_start", "checkpoint"] {
                if let Some(offset) = beside.get(&(view.partition, kind)) {
                    self.offsets
                        .with_label_values(&[partition.as_str(), kind])
                        .set(*offset);
                }
            }
            self.phases
                .with_label_values(&[partition.as_str(), view.phase.name()])
                .set(1);
            if let Phase::Halted(reason) = &view.phase {
                self.halted
                    .with_label_values(&[partition.as_str(), reason.code()])
                    .set(1);
            }
            if let Some((stored, acknowledged, next)) = view.ladder {
                for (kind, offset) in [
                    ("stored", stored),
                    ("acknowledged", acknowledged),
                    ("next", next),
                ] {
                    self.offsets
                        .with_label_values(&[partition.as_str(), kind])
                        .set(offset);
                }
            }
            self.in_flight
                .with_label_values(&[&partition])
                .set(view.in_flight as i64);
            self.context_bytes
                .with_label_values(&[&partition])
                .set(view.context_bytes as i64);
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

/// Around the promise of 30 ms.
fn delay_buckets() -> Vec<f64> {
    vec![
        0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_only_when_all_its_lanes_have_joined_the_group() {
        let telemetry = Telemetry::new(2).expect("metrics");
        assert!(telemetry.healthy().is_ok());
        let waits_for = |lane: &str| {
            let missing = telemetry.ready().expect_err("a lane is missing");
            assert!(missing.contains(lane), "{missing}");
        };
        waits_for("lane 0");
        telemetry.lane(0, true, Vec::new());
        waits_for("lane 1");
        telemetry.lane(1, false, Vec::new());
        waits_for("lane 1");
        telemetry.lane(1, true, Vec::new());
        assert_eq!(telemetry.ready(), Ok(()));
    }
}
