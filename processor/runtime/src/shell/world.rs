//! The restorer's world on Kafka and on disk.

use super::outbox::{Outbox, OutputTopics, Report};
use super::restorer::Cancel;
use super::stored::Stored;
use super::thread::record_of;
use crate::config::Config;
use crate::control::ControlFollower;
use crate::kafka::{BrokerError, Cluster, LogReader, producer_config};
use crate::lane::{Assignment, Delivery, Kind, Output};
use crate::restore::{Interrupted, LogBounds, VerdictTail, Visitor, World};
use crate::telemetry::Telemetry;
use crate::verdict_tail;
use gavel_judge::{ControlLog, Record};
use gavel_schemas::Refusal;
use gavel_state::{Backend, Checkpoint, Identity, Repository, Shared};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a restore bears a silent broker before it starts over.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the progress of a long fold is logged.
const PROGRESS: Duration = Duration::from_secs(5);
/// How often a wait looks whether the restore is still wanted.
const LOOK: Duration = Duration::from_millis(20);
/// How often acknowledgements of dead letters are looked for.
const ACK: Duration = Duration::from_millis(2);

/// What all restores of a process share.
pub struct WorldParts {
    pub config: Config,
    pub control: Arc<ControlFollower>,
    pub store: Shared,
    /// Where checkpoints are; None if they are switched off.
    pub repository: Option<Repository>,
    pub telemetry: Arc<Telemetry>,
    /// Bytes of contexts that one partition may hold in memory.
    pub context_bytes: usize,
}

/// One restore.
pub struct KafkaWorld {
    parts: Arc<WorldParts>,
    partition: i32,
    cancel: Cancel,
    outbox: Option<Outbox>,
    started: Instant,
    told: Instant,
    /// Offset at which the first progress was told.
    folding_from: Option<i64>,
}

impl KafkaWorld {
    pub fn new(parts: Arc<WorldParts>, partition: i32, cancel: Cancel) -> KafkaWorld {
        let now = Instant::now();
        KafkaWorld {
            parts,
            partition,
            cancel,
            outbox: None,
            started: now,
            told: now,
            folding_from: None,
        }
    }

    fn wanted(&self) -> Result<(), Interrupted> {
        if self.cancel.is_cancelled() {
            Err(Interrupted::Cancelled)
        } else {
            Ok(())
        }
    }

    fn stored<'a>(&'a self, wanted: &'a dyn Fn() -> Result<(), Interrupted>) -> Stored<'a> {
        Stored {
            parts: &self.parts,
            partition: self.partition,
            wanted,
        }
    }

    fn reader(&self, topic: &str) -> Result<LogReader, Interrupted> {
        Ok(LogReader::open(&self.parts.config, topic, self.partition)?.with_patience(PATIENCE))
    }

    /// Serves delivery reports; a failed one ends this attempt and its producer.
    fn poll_outbox(&mut self) -> Result<(), Interrupted> {
        let Some(outbox) = self.outbox.as_mut() else {
            return Ok(());
        };
        let mut reports: Vec<Report> = Vec::new();
        outbox.poll(&mut reports);
        for report in reports {
            report.outcome.map_err(|error| {
                Interrupted::Retry(format!(
                    "dead letter of offset {}: {error}",
                    report.delivery.offset
                ))
            })?;
        }
        Ok(())
    }
}

impl World for KafkaWorld {
    fn control(&mut self) -> Result<Arc<ControlLog>, Interrupted> {
        // No order has this number: the question is only for the end.
        let (answered, answer) = mpsc::sync_channel(1);
        self.parts.control.consult(
            i64::MAX,
            Box::new(move |control| drop(answered.send(control))),
        );
        loop {
            self.wanted()?;
            match answer.recv_timeout(LOOK) {
                Ok(control) => return Ok(control),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Interrupted::Cancelled),
            }
        }
    }

    fn bounds(&mut self) -> Result<LogBounds, Interrupted> {
        let messages = &self.parts.config.topics.messages;
        let cluster = Cluster::with_patience(&self.parts.config, PATIENCE)?;
        let layout = cluster.require(messages)?;
        let bounds = self.reader(messages)?.bounds()?;
        Ok(LogBounds {
            start: bounds.start,
            end: bounds.end,
            partitions: layout.partitions,
            topic: cluster.topic_id(messages),
        })
    }

    fn local(
        &mut self,
        identity: &Identity,
        former: &[String],
    ) -> Result<Option<Arc<dyn Backend>>, Interrupted> {
        self.stored(&|| self.wanted()).local(identity, former)
    }

    fn empty(&mut self, identity: &Identity) -> Result<Arc<dyn Backend>, Interrupted> {
        self.stored(&|| self.wanted()).empty(identity)
    }

    fn checkpoints(&mut self, identity: &Identity) -> Result<Vec<Checkpoint>, Interrupted> {
        self.stored(&|| self.wanted()).checkpoints(identity)
    }

    fn install(
        &mut self,
        identity: &Identity,
        checkpoint: Checkpoint,
    ) -> Result<Option<Arc<dyn Backend>>, Interrupted> {
        self.stored(&|| self.wanted()).install(identity, checkpoint)
    }

    fn verdict_tail(&mut self, log_id: &str) -> Result<VerdictTail, Interrupted> {
        let mut reader = self.reader(&self.parts.config.topics.verdicts)?;
        let depth = self.parts.config.run.tail_scan;
        Ok(verdict_tail::scan(
            &mut reader,
            log_id,
            self.partition,
            depth,
        )?)
    }

    fn read(&mut self, from: i64, to: i64, visit: Visitor<'_>) -> Result<(), Interrupted> {
        let mut reader = self.reader(&self.parts.config.topics.messages)?;
        reader.start(from);
        while let Some(message) = reader.read_to(to + 1)? {
            self.wanted()?;
            visit(self, &record_of(&message))?;
            self.poll_outbox()?;
        }
        Ok(())
    }

    fn dead_letter(
        &mut self,
        record: &Record<'_>,
        key_kept: bool,
        refusal: Refusal,
    ) -> Result<(), Interrupted> {
        let outbox = match &mut self.outbox {
            Some(outbox) => outbox,
            empty => {
                let topics = OutputTopics::of(&self.parts.config.topics);
                empty.insert(
                    Outbox::new(producer_config(&self.parts.config), topics)
                        .map_err(|error| Interrupted::Retry(error.to_string()))?,
                )
            }
        };
        let assignment = Assignment {
            partition: self.partition,
            generation: 0,
        };
        let delivery = Delivery {
            assignment,
            kind: Kind::DeadLetter,
            offset: record.offset,
        };
        let key = if key_kept { record.key } else { None };
        let output = Output {
            delivery,
            key,
            value: record.value,
            headers: None,
            refusal: Some(refusal),
        };
        self.parts.telemetry.dead_letter(refusal.code());
        outbox
            .send(&output, 0)
            .map_err(|error| Interrupted::Retry(error.to_string()))
    }

    fn flush(&mut self) -> Result<(), Interrupted> {
        while self
            .outbox
            .as_ref()
            .is_some_and(|outbox| outbox.in_flight() > 0)
        {
            self.wanted()?;
            std::thread::sleep(ACK);
            self.poll_outbox()?;
        }
        Ok(())
    }

    fn progress(&mut self, at: i64, to: i64) {
        let from = *self.folding_from.get_or_insert(at);
        self.parts.telemetry.restoring(self.partition, to - at);
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            let folded = u64::try_from(at - from).unwrap_or(0);
            let left = u64::try_from(to - at).unwrap_or(0);
            let eta_s = left.saturating_mul(seconds) / folded.max(1);
            tracing::info!(
                partition = self.partition,
                at,
                to,
                seconds,
                eta_s,
                "restoring"
            );
        }
    }
}

/// Where a partition's store lives.
pub fn partition_dir(data_dir: &Path, partition: i32) -> PathBuf {
    data_dir.join(format!("partition-{partition}"))
}

impl From<BrokerError> for Interrupted {
    fn from(error: BrokerError) -> Interrupted {
        Interrupted::Retry(format!("{error}; {}", error.next_step()))
    }
}
