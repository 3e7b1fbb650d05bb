//! What a lane asks of the world. The rdkafka shell and the simulation implement this trait; the machine that calls
//! it is the same in both, so a schedule that breaks it in the simulation would break it on Kafka.

use super::ledger::Kind;
use super::live::Retired;
use super::phase::HaltReason;
use gavel_schemas::Refusal;
use gavel_state::{Backend, Batch};
use std::sync::Arc;

/// Names one assignment of a partition to this lane. An event that carries another generation than the partition
/// has now comes from an earlier life of it and is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Assignment {
    pub partition: i32,
    pub generation: u64,
}

/// Names an output, so that its acknowledgement finds its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    pub assignment: Assignment,
    pub kind: Kind,
    /// Source offset.
    pub offset: i64,
}

/// One record to be sent, to the partition of its source. `H` is the shell's handle on the source's headers.
pub struct Output<'a, H: ?Sized> {
    pub delivery: Delivery,
    pub key: Option<&'a [u8]>,
    /// For a verdict its bytes, for a dead letter the source's value.
    pub value: Option<&'a [u8]>,
    /// The source's headers, to be copied verbatim; None = send none.
    pub headers: Option<&'a H>,
    /// Only for dead letters.
    pub refusal: Option<Refusal>,
}

/// What a candidate says of one record, to be sent to the partition of its source.
pub struct ShadowVerdict<'a, H: ?Sized> {
    pub partition: i32,
    /// Source offset.
    pub offset: i64,
    pub key: Option<&'a [u8]>,
    pub value: &'a [u8],
    /// As for a verdict.
    pub headers: Option<&'a H>,
}

/// The producer took nothing (its queue is full, it is fatal): the lane treats it as a failed delivery.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct NotTaken(pub String);

/// The consumer could not seek now; the lane asks again at its next tick.
#[derive(Debug)]
pub struct SeekLater;

/// The world of one lane.
pub trait Effects {
    /// Borrowed headers of the record at hand.
    type Headers: ?Sized;

    fn produce(&mut self, output: Output<'_, Self::Headers>) -> Result<(), NotTaken>;
    /// Sends what a candidate says, if that is easily done. It has no outcome on purpose: whatever becomes of it, nothing that the lane
    /// does afterwards may depend on it.
    fn shadow(&mut self, verdict: ShadowVerdict<'_, Self::Headers>);
    /// From here on no record of the partition arrives until `resume`.
    fn pause(&mut self, partition: i32);
    /// The next record to arrive is the first at or after `offset`.
    fn seek(&mut self, partition: i32, offset: i64) -> Result<(), SeekLater>;
    fn resume(&mut self, partition: i32);
    /// Commits `batch` in the background; answered by `Lane::written`.
    fn write(&mut self, assignment: Assignment, backend: Arc<dyn Backend>, batch: Batch);
    /// C, the lag signal: the group's next offset. Never read back.
    fn commit(&mut self, partition: i32, next_offset: i64);
    /// Answers a revoke: these partitions are given back together.
    fn unassign(&mut self, partitions: &[i32]);
    /// A partition was given back in order: what is left of it, for a last checkpoint. Nobody waits for that.
    fn retired(&mut self, partition: i32, retired: Retired);
    /// Asks the restorer; answered by `Lane::restored`.
    fn restore(&mut self, assignment: Assignment);
    /// The answer to that request is no longer wanted.
    fn cancel_restore(&mut self, assignment: Assignment);
    /// Reads the control log to its end as it is now and makes `order` ready; answered by `Lane::consulted`.
    fn consult(&mut self, order: i64);
    /// Ends the producer: nothing that is queued in it may still be sent; later outputs go through a new one.
    fn replace_producer(&mut self);
    /// Raises the alarm of a halted partition.
    fn halted(&mut self, partition: i32, reason: &HaltReason);
}
