//! The life of a partition on a lane, and why it may stop.
//!
//! Invariant: a partition changes phase only along the declared transitions, so a late event (a restore that
//! finishes after a revoke, an acknowledgement after a loss) can never bring a partition back to life.

use std::fmt;

/// Where a partition stands on the lane that was assigned it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Assigned and paused; nothing has been asked of the restorer yet.
    Assigned,
    /// The restorer is folding it up to V.
    Restoring,
    /// Judged by the lane.
    Live,
    /// Revoked or shutting down: no more judging, outputs and state are being finished.
    Draining,
    /// Given back. Nothing of it is left in memory.
    Closed,
    /// Stopped for a reason that needs an operator; it stays assigned and paused.
    Halted(HaltReason),
}

impl Phase {
    /// The transitions that exist. Everything else is a defect of the machine.
    pub fn may_become(&self, next: &Phase) -> bool {
        use Phase::{Assigned, Closed, Draining, Halted, Live, Restoring};
        match (self, next) {
            (Assigned, Restoring | Closed | Halted(_)) => true,
            (Restoring, Live | Closed | Halted(_)) => true,
            // A delivery or store failure drops what is in memory and restores again.
            (Live, Restoring | Draining | Closed | Halted(_)) => true,
            (Draining, Closed | Halted(_)) => true,
            (Halted(_), Closed) => true,
            (Assigned, Assigned | Live | Draining)
            | (Restoring, Assigned | Restoring | Draining)
            | (Live, Assigned | Live)
            | (Draining, Assigned | Restoring | Live | Draining)
            | (Closed, _)
            | (Halted(_), _) => false,
        }
    }

    /// Short name for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Assigned => "assigned",
            Phase::Restoring => "restoring",
            Phase::Live => "live",
            Phase::Draining => "draining",
            Phase::Closed => "closed",
            Phase::Halted(_) => "halted",
        }
    }
}

/// Why a partition halted. Each has a section in docs/runbooks.md under its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HaltReason {
    /// `chat.control` holds no `LogOpened` that names this partition.
    NotOpened,
    /// The log begins after the offset that the state needs next.
    LostHistory { log_start: i64, needed: i64 },
    /// The local store belongs to another log.
    OtherLog { stored: String, opened: String },
    /// The message topic is another one than that whose records were folded, under the same name.
    TopicRecreated { stored: String, found: String },
    /// The log ends before an offset whose verdict exists.
    LogTruncated { log_end: i64, judged: i64 },
    /// The verdict topic ends before the verdicts known when the state was stored.
    VerdictsTrimmed { verdict_end: i64, known: i64 },
    /// The topic has another number of partitions than its `LogOpened` says.
    PartitionCount { opened: i32, found: i32 },
    /// An order names an engine that this binary does not carry.
    UnknownEngine { engine: u32 },
    /// The state names a policy that the control log does not hold.
    MissingPolicy { digest: String },
    /// The state names an order that the control log does not hold, by which a schema was registered.
    MissingSchema { order: i64 },
    /// A stored context or partition state cannot be read.
    CorruptState { detail: String },
    /// The same output was refused twice.
    Delivery { offset: i64, error: String },
    /// The store failed twice at the same boundary.
    Store { boundary: i64, error: String },
    /// The offset ladder K <= S <= V, C <= V+1 broke: a defect, never an operator's mistake.
    Ladder { detail: String },
}

impl HaltReason {
    /// Stable name for the metric label, the log line and the runbook.
    pub fn code(&self) -> &'static str {
        match self {
            HaltReason::NotOpened => "not-opened",
            HaltReason::LostHistory { .. } => "lost-history",
            HaltReason::OtherLog { .. } => "other-log",
            HaltReason::TopicRecreated { .. } => "topic-recreated",
            HaltReason::LogTruncated { .. } => "log-truncated",
            HaltReason::VerdictsTrimmed { .. } => "verdicts-trimmed",
            HaltReason::PartitionCount { .. } => "partition-count",
            HaltReason::UnknownEngine { .. } => "unknown-engine",
            HaltReason::MissingPolicy { .. } => "missing-policy",
            HaltReason::MissingSchema { .. } => "missing-schema",
            HaltReason::CorruptState { .. } => "corrupt-state",
            HaltReason::Delivery { .. } => "delivery",
            HaltReason::Store { .. } => "store",
            HaltReason::Ladder { .. } => "ladder",
        }
    }
}

impl fmt::Display for HaltReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HaltReason::NotOpened => write!(
                f,
                "chat.control has no LogOpened for this partition; run `gavel topics create`, or `gavel topics adopt` for topics made elsewhere"
            ),
            HaltReason::LostHistory { log_start, needed } => write!(
                f,
                "the log begins at offset {log_start}, the state needs {needed}: records are gone that no checkpoint covers"
            ),
            HaltReason::OtherLog { stored, opened } => write!(
                f,
                "the store in the data directory belongs to log {stored}, chat.control opens log {opened}: wrong --data-dir, or the topics were made anew"
            ),
            HaltReason::TopicRecreated { stored, found } => write!(
                f,
                "the message topic has the id {found}, the state was folded from {stored}: it was deleted and made again"
            ),
            HaltReason::LogTruncated { log_end, judged } => write!(
                f,
                "the log ends at offset {log_end}, yet offset {judged} has a verdict: the topic lost records"
            ),
            HaltReason::VerdictsTrimmed { verdict_end, known } => write!(
                f,
                "the verdict partition ends at offset {verdict_end}, the state knows of {known}: the verdict topic lost records"
            ),
            HaltReason::PartitionCount { opened, found } => write!(
                f,
                "the log was opened with {opened} partitions, the topic has {found}: partitions must not be added to a live topic"
            ),
            HaltReason::UnknownEngine { engine } => write!(
                f,
                "an activation asks for engine {engine}, which this binary does not carry: deploy a release that does"
            ),
            HaltReason::MissingPolicy { digest } => write!(
                f,
                "the state was made under policy {digest}, which chat.control does not hold"
            ),
            HaltReason::MissingSchema { order } => write!(
                f,
                "the state was made with the schema that order {order} registered, which chat.control does not hold"
            ),
            HaltReason::CorruptState { detail } => write!(
                f,
                "stored state cannot be read ({detail}): move the partition's directory aside, it is rebuilt from the log"
            ),
            HaltReason::Delivery { offset, error } => write!(
                f,
                "an output of offset {offset} could not be delivered twice: {error}"
            ),
            HaltReason::Store { boundary, error } => write!(
                f,
                "the state of boundary {boundary} could not be written twice: {error}"
            ),
            HaltReason::Ladder { detail } => write!(
                f,
                "offset ladder broken ({detail}): this is a defect, keep the data directory and report it"
            ),
        }
    }
}

impl From<gavel_judge::HaltReason> for HaltReason {
    fn from(reason: gavel_judge::HaltReason) -> HaltReason {
        match reason {
            gavel_judge::HaltReason::UnknownEngine { engine } => {
                HaltReason::UnknownEngine { engine }
            }
            gavel_judge::HaltReason::CorruptContext { detail } => {
                HaltReason::CorruptState { detail }
            }
        }
    }
}

impl From<gavel_judge::Missing> for HaltReason {
    fn from(missing: gavel_judge::Missing) -> HaltReason {
        match missing {
            gavel_judge::Missing::Policy { digest, .. } => HaltReason::MissingPolicy {
                digest: digest.to_string(),
            },
            gavel_judge::Missing::Schema { order } => HaltReason::MissingSchema { order },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_partition_never_comes_back() {
        for next in [
            Phase::Assigned,
            Phase::Restoring,
            Phase::Live,
            Phase::Draining,
            Phase::Closed,
        ] {
            assert!(!Phase::Closed.may_become(&next));
        }
    }

    #[test]
    fn only_a_restored_partition_becomes_live() {
        let live = Phase::Live;
        assert!(Phase::Restoring.may_become(&live));
        for phase in [
            Phase::Assigned,
            Phase::Draining,
            Phase::Halted(HaltReason::NotOpened),
        ] {
            assert!(!phase.may_become(&live));
        }
    }
}
