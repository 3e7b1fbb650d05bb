//! The consumer's callbacks. They only record: the loop acts.
//!
//! Invariant: an assigned partition is paused before the callback returns, so no record of it can arrive before its
//! restore. A loss, and every revoke while closing, is answered inside the callback: librdkafka waits for it there, and a
//! partition that belongs to somebody else already must not be drained.

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the group decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    Assigned(Vec<i32>),
    /// To be answered by `incremental_unassign` once drained.
    Revoked(Vec<i32>),
    /// Answered already.
    Lost(Vec<i32>),
    /// The group answered, with nothing for this member.
    Joined,
    /// The client could not carry out a decision; the lane cannot go on.
    Failed(String),
}

/// Records rebalances of one lane's consumer, in order.
pub struct LaneContext {
    /// The topic whose partitions are judged; others are taken and given back without a word.
    topic: String,
    rebalances: Mutex<Vec<Rebalance>>,
    closing: AtomicBool,
}

impl LaneContext {
    pub fn new(topic: &str) -> LaneContext {
        LaneContext {
            topic: topic.to_owned(),
            rebalances: Mutex::default(),
            closing: AtomicBool::default(),
        }
    }

    /// What happened since the last call.
    pub fn take(&self) -> Vec<Rebalance> {
        std::mem::take(
            &mut *self
                .rebalances
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// From here on the consumer is being closed.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn push(&self, rebalance: Rebalance) {
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(rebalance);
    }

    fn assign(consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) -> KafkaResult<()> {
        // Any absolute offset, until the restorer knows the right one: the partition is paused, and the lane takes no record before its
        // restore. Where the log no longer has it, a fetch that slips through before the pause makes the client give the partition up;
        // the seek after the restore then assigns it anew. Not INVALID, which means C; and not End, which librdkafka looks up later, also after a seek, and then goes there.
        list.set_all_offsets(Offset::Offset(0))?;
        consumer.incremental_assign(list)?;
        consumer.pause(list)
    }
}

/// librdkafka's own lines are for those who look for them: what matters of them arrives as an error with a name.
pub(super) fn client_log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(target: "librdkafka", ?level, facility, "{message}");
}

impl ClientContext for LaneContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client_log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
            // Comes again as an error of a poll, which acts on it.
            tracing::debug!(%error, reason, "consumer");
        } else {
            tracing::warn!(%error, reason, "consumer");
        }
    }
}

impl ConsumerContext for LaneContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        decision: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions: Vec<i32> = list
            .elements()
            .iter()
            .filter(|element| element.topic() == self.topic)
            .map(|element| element.partition())
            .collect();
        if decision == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // An empty list is normal under cooperative-sticky, and still wants its answer.
            match Self::assign(consumer, list) {
                Ok(()) if partitions.is_empty() => self.push(Rebalance::Joined),
                Ok(()) => self.push(Rebalance::Assigned(partitions)),
                Err(error) => self.push(Rebalance::Failed(error.to_string())),
            }
            return;
        }
        let lost = consumer.assignment_lost();
        if partitions.is_empty() || lost || self.closing.load(Ordering::Acquire) {
            if let Err(error) = consumer.incremental_unassign(list) {
                self.push(Rebalance::Failed(error.to_string()));
            }
            if !partitions.is_empty() {
                self.push(Rebalance::Lost(partitions));
            }
        } else {
            self.push(Rebalance::Revoked(partitions));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "the lag signal was not committed; the next commit repairs it");
        }
    }
}
