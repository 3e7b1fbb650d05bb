//! The restorer's world on Kafka and on disk.

use super::clients::{Clients, Log};
use super::outbox::{Outbox, Report};
use super::restorer::Cancel;
use super::stored::Stored;
use super::thread::record_of;
use crate::config::Config;
use crate::control::ControlFollower;
use crate::kafka::{BrokerError, LogReader};
use crate::lane::{Assignment, Delivery, Kind, Output};
use crate::restore::{Interrupted, LogBounds, VerdictTail, Visitor, World};
use crate::telemetry::Telemetry;
use crate::verdict_tail::{self, VerdictsOf};
use gavel_judge::{ControlLog, Record};
use gavel_schemas::Refusal;
use gavel_state::{Backend, Checkpoint, Identity, Repository, Shared};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

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
pub struct KafkaWorld<'c> {
    parts: Arc<WorldParts>,
    clients: &'c mut Clients,
    partition: i32,
    cancel: Cancel,
    outbox: Option<Outbox>,
    started: Instant,
    told: Instant,
    /// Offset at which the first progress was told.
    folding_from: Option<i64>,
}

impl<'c> KafkaWorld<'c> {
    pub fn new(
        parts: Arc<WorldParts>,
        clients: &'c mut Clients,
        partition: i32,
        cancel: Cancel,
    ) -> KafkaWorld<'c> {
        let now = Instant::now();
        KafkaWorld {
            parts,
            clients,
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

    /// Lends a reader of the partition to `work` and keeps it for later, unless it had trouble.
    fn with_reader<T>(
        &mut self,
        log: Log,
        work: impl FnOnce(&mut Self, &mut LogReader) -> Result<T, Interrupted>,
    ) -> Result<T, Interrupted> {
        let mut reader = self.clients.reader(log, self.partition)?;
        let outcome = work(self, &mut reader);
        if !matches!(outcome, Err(Interrupted::Retry(_))) {
            self.clients.keep(log, reader);
        }
        outcome
    }

    fn stored<'a>(&'a self, wanted: &'a dyn Fn() -> Result<(), Interrupted>) -> Stored<'a> {
        Stored {
            parts: &self.parts,
            partition: self.partition,
            wanted,
        }
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

impl World for KafkaWorld<'_> {
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
        let partition = self.partition;
        Ok(self.clients.ask(|cluster, topics| {
            let layout = cluster.require(&topics.messages)?;
            let bounds = cluster.bounds(&topics.messages, partition)?;
            Ok(LogBounds {
                start: bounds.start,
                end: bounds.end,
                partitions: layout.partitions,
                topic: cluster.topic_id(&topics.messages),
            })
        })?)
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
        let (partition, depth) = (self.partition, self.parts.config.run.tail_scan);
        let bounds = self
            .clients
            .ask(|cluster, topics| cluster.bounds(&topics.verdicts, partition))?;
        self.with_reader(Log::Verdicts, |_, reader| {
            let of = VerdictsOf { log_id, partition };
            Ok(verdict_tail::scan(reader, bounds, of, depth)?)
        })
    }

    fn read(&mut self, from: i64, to: i64, visit: Visitor<'_>) -> Result<(), Interrupted> {
        self.with_reader(Log::Messages, |world, reader| {
            reader.start(from);
            while let Some(message) = reader.read_to(to + 1)? {
                world.wanted()?;
                visit(world, &record_of(&message))?;
                world.poll_outbox()?;
            }
            Ok(())
        })
    }

    fn dead_letter(
        &mut self,
        record: &Record<'_>,
        key_kept: bool,
        refusal: Refusal,
    ) -> Result<(), Interrupted> {
        let outbox = match &mut self.outbox {
            Some(outbox) => outbox,
            empty => empty.insert(
                self.clients
                    .outbox()
                    .map_err(|error| Interrupted::Retry(error.to_string()))?,
            ),
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
        if let Some(outbox) = self.outbox.take() {
            self.clients.keep_outbox(outbox);
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
