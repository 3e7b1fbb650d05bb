//! What the machine asks for, done with rdkafka, the restorer, the writer and the control log.
//!
//! Invariant: nothing here waits for a network or a disk. What cannot be done at once is postponed, or answered by mail.

use super::checkpointer::Checkpoints;
use super::context::LaneContext;
use super::outbox::Outbox;
use super::restorer::{Cancel, Job, Restorers};
use super::shadow::ShadowOutbox;
use super::thread::Mail;
use crate::control::ControlFollower;
use crate::lane::{
    Assignment, Effects, HaltReason, NotTaken, Output, Retired, SeekLater, ShadowVerdict,
};
use crate::telemetry::Telemetry;
use gavel_state::{Backend, Batch, Writer};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedHeaders;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Longest wait of a seek; it is a local operation.
const SEEK: Duration = Duration::from_millis(500);

/// The effects of the machine on rdkafka, the restorer, the writer and the control log.
pub(super) struct Shell<'c> {
    pub index: usize,
    pub consumer: &'c BaseConsumer<LaneContext>,
    pub topic: String,
    pub outbox: Outbox,
    pub shadow: ShadowOutbox,
    pub restorers: Restorers,
    pub writer: Arc<Writer>,
    pub checkpoints: Checkpoints,
    pub control: Arc<ControlFollower>,
    pub telemetry: Arc<Telemetry>,
    pub mail: Sender<Mail>,
    pub cancels: BTreeMap<i32, (Assignment, Cancel)>,
    pub commits: Vec<(i32, i64)>,
    /// Timestamp of the record at hand.
    pub stamp: i64,
    pub stopping: bool,
    /// A rebalance has been answered since the fetcher was last woken.
    pub resumed: bool,
    /// The client has said that some partition was told an offset that the log does not have.
    pub out_of_range: bool,
    pub failed: Option<String>,
}

impl Shell<'_> {
    pub fn list(&self, partitions: impl IntoIterator<Item = i32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.topic, partition);
        }
        list
    }

    fn list_at(&self, offsets: impl IntoIterator<Item = (i32, i64)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            if let Err(error) =
                list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))
            {
                tracing::debug!(partition, offset, %error, "not an offset");
            }
        }
        list
    }

    /// Checks the answer of a consumer call; an error there means that the client and the machine disagree.
    fn check(&mut self, what: &str, answer: Result<(), KafkaError>) {
        if let Err(error) = answer {
            tracing::error!(what, %error, "the consumer refused");
            self.failed
                .get_or_insert_with(|| format!("{what}: {error}"));
        }
    }

    /// As a seek, for a partition that the client no longer fetches. It runs from here on, as after `resume`.
    fn assign_again(&self, partition: i32, offset: i64) -> Result<(), SeekLater> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))
            .and_then(|()| self.consumer.incremental_unassign(&self.list([partition])))
            .and_then(|()| self.consumer.incremental_assign(&list))
            .map_err(|error| {
                tracing::debug!(partition, offset, %error, "assignment postponed");
                SeekLater
            })
    }

    /// Seeks partitions to where they stand, which changes nothing but wakes a fetcher that sleeps; those that the client has given up.
    pub fn touch(&self, running: impl Iterator<Item = (i32, i64)>) -> Vec<i32> {
        let list = self.list_at(running);
        if list.count() == 0 {
            return Vec::new();
        }
        match self.consumer.seek_partitions(list, SEEK) {
            Ok(list) => {
                let elements = list.elements();
                let given_up = elements
                    .iter()
                    .filter(|element| element.error().is_err_and(|error| is_given_up(&error)));
                given_up.map(|element| element.partition()).collect()
            }
            Err(error) => {
                tracing::debug!(%error, "the fetcher wakes by itself");
                Vec::new()
            }
        }
    }

    pub fn send_commits(&mut self) {
        if self.commits.is_empty() {
            return;
        }
        let commits = std::mem::take(&mut self.commits);
        let list = self.list_at(commits);
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "the lag signal was not committed; the next commit repairs it");
        }
    }
}

/// A seek is refused like this when the client no longer fetches the partition: it was told an offset that the log does not have.
fn is_given_up(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::State)
}

impl Effects for Shell<'_> {
    type Headers = BorrowedHeaders;

    fn produce(&mut self, output: Output<'_, BorrowedHeaders>) -> Result<(), NotTaken> {
        if let Some(refusal) = output.refusal {
            self.telemetry.dead_letter(refusal.code());
        }
        self.outbox.send(&output, self.stamp)
    }

    fn shadow(&mut self, verdict: ShadowVerdict<'_, BorrowedHeaders>) {
        self.shadow.send(&verdict);
    }

    fn pause(&mut self, partition: i32) {
        let answer = self.consumer.pause(&self.list([partition]));
        self.check("pause", answer);
    }

    fn seek(&mut self, partition: i32, offset: i64) -> Result<(), SeekLater> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, Offset::Offset(offset))
            .map_err(|_| SeekLater)?;
        let answer = self.consumer.seek_partitions(list, SEEK).and_then(|list| {
            list.elements()
                .iter()
                .try_for_each(|element| element.error())
        });
        match answer {
            Err(error) if is_given_up(&error) => self.assign_again(partition, offset),
            Err(error) => {
                tracing::debug!(partition, offset, %error, "seek postponed");
                Err(SeekLater)
            }
            Ok(()) => Ok(()),
        }
    }

    fn resume(&mut self, partition: i32) {
        let answer = self.consumer.resume(&self.list([partition]));
        self.check("resume", answer);
    }

    fn write(&mut self, assignment: Assignment, backend: Arc<dyn Backend>, batch: Batch) {
        let (mail, telemetry, boundary) = (
            self.mail.clone(),
            Arc::clone(&self.telemetry),
            batch.meta.boundary,
        );
        self.writer.submit(backend, batch, move |outcome| {
            telemetry.epoch(outcome.is_ok());
            // A lane that is gone does not need to know.
            let _gone = mail.send(Mail::Written {
                assignment,
                boundary,
                outcome,
            });
        });
    }

    fn commit(&mut self, partition: i32, next_offset: i64) {
        self.commits.push((partition, next_offset));
    }

    fn unassign(&mut self, partitions: &[i32]) {
        tracing::info!(lane = self.index, ?partitions, "given back");
        self.send_commits();
        self.resumed = true;
        if !self.stopping {
            let answer = self
                .consumer
                .incremental_unassign(&self.list(partitions.iter().copied()));
            self.check("incremental_unassign", answer);
        }
    }

    fn retired(&mut self, partition: i32, retired: Retired) {
        self.checkpoints.retired(partition, retired);
    }

    fn restore(&mut self, assignment: Assignment) {
        let cancel = Cancel::default();
        self.cancels
            .insert(assignment.partition, (assignment, cancel.clone()));
        self.restorers.submit(Job {
            assignment,
            cancel,
            mail: self.mail.clone(),
        });
    }

    fn cancel_restore(&mut self, assignment: Assignment) {
        if let Some((_, cancel)) = self
            .cancels
            .remove(&assignment.partition)
            .filter(|(of, _)| *of == assignment)
        {
            cancel.cancel();
        }
    }

    fn consult(&mut self, order: i64) {
        let mail = self.mail.clone();
        self.control.consult(
            order,
            Box::new(move |control| {
                let _gone = mail.send(Mail::Consulted { control, order });
            }),
        );
    }

    fn replace_producer(&mut self) {
        self.telemetry.producers_replaced.inc();
        if let Err(error) = self.outbox.replace() {
            self.failed
                .get_or_insert_with(|| format!("a new producer: {error}"));
        }
    }

    fn halted(&mut self, partition: i32, reason: &HaltReason) {
        tracing::error!(
            partition,
            code = reason.code(),
            runbook = format!("docs/runbooks.md#{}", reason.code()),
            "partition halted: {reason}"
        );
    }
}
