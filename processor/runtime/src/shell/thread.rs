//! The lane's thread: the rdkafka shell around `lane::Lane`.
//!
//! Invariant: the loop never blocks on anything but the consumer's poll (milliseconds): not on the store, not on the
//! restorer, not on the control log, not on a full producer. What is slow answers through the mailbox.

use super::checkpointer::Checkpoints;
use super::context::{LaneContext, Rebalance};
use super::effects::Shell;
use super::farewell::{Farewell, HANDED_OVER};
use super::murmur2;
use super::outbox::{Outbox, OutputTopics, Report};
use super::restorer::Restorers;
use super::shadow::ShadowOutbox;
use crate::clock::wall_ms;
use crate::control::ControlFollower;
use crate::kafka::{Authenticated, ClientSettings, header_bytes};
use crate::lane::{Assignment, HaltReason, Kind, Lane, Ready, Recorded, Settings};
use crate::telemetry::Telemetry;
use crate::traces::Tracer;
use gavel_judge::{ControlLog, Record, Timestamp};
use gavel_state::Writer;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Records folded between two looks at the mailbox, the group and the acknowledgements.
const BATCH: usize = 1_000;
/// Longest wait for a record.
const IDLE: Duration = Duration::from_millis(5);
/// As `IDLE` while a revoke is unanswered, because librdkafka holds every partition of the consumer until it is, and while verdicts
/// wait for the acknowledgement of others.
const HURRY: Duration = Duration::from_millis(1);
/// How often the lane tells telemetry what it holds, takes a new control log, and asks for positions.
const REPORT: Duration = Duration::from_millis(250);
/// What holds a lane up for longer is worth a line.
const SLOW: Duration = Duration::from_millis(50);
/// One in so many acknowledgements is measured.
const SAMPLE: i64 = 16;

/// What the lane is told from outside.
pub enum Mail {
    Restored {
        assignment: Assignment,
        outcome: Box<Result<Ready, HaltReason>>,
    },
    Written {
        assignment: Assignment,
        boundary: i64,
        outcome: Result<(), gavel_state::Error>,
    },
    Consulted {
        control: Arc<ControlLog>,
        order: i64,
    },
    /// Finish and end.
    Stop(Farewell),
}

/// What a lane is built from.
pub struct LaneParts {
    pub index: usize,
    pub settings: Settings,
    pub consumer: ClientSettings,
    pub producer: ClientSettings,
    /// How long verdicts of one partition wait for each other.
    pub linger: Duration,
    pub shadow: ClientSettings,
    /// None: tracing is off.
    pub tracer: Option<Tracer>,
    pub topics: OutputTopics,
    pub partitions: i32,
    pub restorers: Restorers,
    pub writer: Arc<Writer>,
    pub checkpoints: Checkpoints,
    pub control: Arc<ControlFollower>,
    pub telemetry: Arc<Telemetry>,
    /// Told the lane's index when the lane ends, whatever the reason.
    pub ended: Sender<usize>,
}

/// Why a lane ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the Kafka client refused its configuration: {0}; check the [kafka] section")]
    Client(#[from] KafkaError),
    #[error("the consumer cannot go on: {0}; the process must be restarted")]
    Fatal(String),
}

/// A running lane.
pub struct LaneHandle {
    pub mail: Sender<Mail>,
    pub thread: std::thread::JoinHandle<Result<(), Error>>,
}

/// Starts the lane's thread.
pub fn start(parts: LaneParts) -> std::io::Result<LaneHandle> {
    let (mail, mailbox) = channel();
    let own = mail.clone();
    let name = format!("lane-{}", parts.index);
    let tell = Ended(parts.ended.clone(), parts.index);
    let work = move || {
        let _told_on_drop = tell;
        run(parts, own, &mailbox).inspect_err(|error| tracing::error!(%error, "lane ended"))
    };
    let thread = std::thread::Builder::new().name(name).spawn(work)?;
    Ok(LaneHandle { mail, thread })
}

/// Tells that the lane is gone, also when it panics.
struct Ended(Sender<usize>, usize);

impl Drop for Ended {
    fn drop(&mut self) {
        let _nobody_waits = self.0.send(self.1);
    }
}

fn run(parts: LaneParts, mail: Sender<Mail>, mailbox: &Receiver<Mail>) -> Result<(), Error> {
    let consumer: Authenticated<BaseConsumer<LaneContext>> = parts
        .consumer
        .create_with_context(LaneContext::new(&parts.topics.messages))?;
    consumer.subscribe(&[&parts.topics.messages])?;
    let outbox = Outbox::new(parts.producer, parts.topics.clone(), parts.linger)?;
    let shadow = ShadowOutbox::new(
        parts.shadow,
        parts.topics.shadow.clone(),
        Arc::clone(&parts.telemetry),
    );
    let shell = Shell {
        index: parts.index,
        consumer: &consumer,
        topic: parts.topics.messages,
        outbox,
        shadow,
        restorers: parts.restorers,
        writer: parts.writer,
        checkpoints: parts.checkpoints,
        control: Arc::clone(&parts.control),
        telemetry: Arc::clone(&parts.telemetry),
        mail,
        cancels: BTreeMap::new(),
        commits: Vec::new(),
        stamp: 0,
        stopping: false,
        resumed: false,
        out_of_range: false,
        failed: None,
    };
    // Two partitions' worth in flight: above it the lane waits a millisecond for reports before it reads on.
    let brake = parts.settings.in_flight.saturating_mul(2);
    let control = parts.control.snapshot();
    let mut looped = Loop {
        lane: Lane::new(parts.settings, control),
        shell,
        index: parts.index,
        partitions: parts.partitions,
        brake,
        started: Instant::now(),
        reported: None,
        joined: false,
        ended: BTreeSet::new(),
        reports: Vec::new(),
        farewell: Farewell::Close,
        handing_over: None,
        tracer: parts.tracer,
    };
    let outcome = looped.run(mailbox);
    consumer.context().close();
    tracing::info!(lane = parts.index, farewell = ?looped.farewell, "closing the consumer");
    looped.farewell.before_closing(&consumer);
    let shadow = looped.shell.shadow;
    drop(consumer);
    // Last of all: the partitions have their next owner by now, and nobody waits.
    shadow.finish();
    outcome
}

struct Loop<'c> {
    lane: Lane,
    shell: Shell<'c>,
    index: usize,
    partitions: i32,
    brake: usize,
    started: Instant,
    reported: Option<Instant>,
    joined: bool,
    /// Partitions whose end was reached since the last look at positions.
    ended: BTreeSet<i32>,
    reports: Vec<Report>,
    farewell: Farewell,
    /// Since when the group has been asked to give the partitions to others; they are judged until it does.
    handing_over: Option<Instant>,
    tracer: Option<Tracer>,
}

impl Loop<'_> {
    fn run(&mut self, mailbox: &Receiver<Mail>) -> Result<(), Error> {
        loop {
            let mut watch = Watch::start(self.index);
            while let Ok(mail) = mailbox.try_recv() {
                self.receive(mail);
            }
            watch.lap("mail");
            self.rebalance()?;
            watch.lap("rebalance");
            self.acknowledge();
            watch.lap("acknowledgements");
            let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.lane.tick(&mut self.shell, now);
            watch.lap("tick");
            self.shell.send_commits();
            self.wake_fetcher();
            watch.lap("commit");
            self.report();
            self.hand_over();
            watch.lap("report");
            if let Some(reason) = self.shell.failed.take() {
                return Err(Error::Fatal(reason));
            }
            if self.shell.stopping && self.lane.drained() {
                return Ok(());
            }
            self.consume()?;
            watch.lap("consume");
        }
    }

    fn receive(&mut self, mail: Mail) {
        let (lane, shell) = (&mut self.lane, &mut self.shell);
        match mail {
            Mail::Restored {
                assignment,
                outcome,
            } => {
                if let Ok(ready) = outcome.as_ref() {
                    shell
                        .checkpoints
                        .watch(assignment.partition, ready.memory.backend());
                }
                lane.restored(shell, assignment, *outcome);
            }
            Mail::Written {
                assignment,
                boundary,
                outcome,
            } => lane.written(shell, assignment, boundary, outcome),
            Mail::Consulted { control, order } => lane.consulted(shell, control, order),
            Mail::Stop(farewell) => {
                match farewell.hand_over(shell.consumer) {
                    Ok(true) => self.handing_over = Some(Instant::now()),
                    Ok(false) => self.shut_down(),
                    Err(error) => {
                        tracing::warn!(%error, "the partitions are not handed over; they wait for a session");
                        self.shut_down();
                    }
                }
                self.farewell = farewell;
            }
        }
    }

    fn shut_down(&mut self) {
        self.handing_over = None;
        self.shell.stopping = true;
        self.lane.shut_down(&mut self.shell);
    }

    /// Ends once the group has taken everything back, or takes too long.
    fn hand_over(&mut self) {
        let Some(since) = self.handing_over else {
            return;
        };
        if self.lane.drained() {
            self.shut_down();
        } else if since.elapsed() >= HANDED_OVER {
            tracing::warn!(
                lane = self.index,
                "the group did not take the partitions back; they wait for a session"
            );
            self.shut_down();
        }
    }

    fn rebalance(&mut self) -> Result<(), Error> {
        for rebalance in self.shell.consumer.context().take() {
            self.joined = true;
            self.shell.resumed = true;
            match rebalance {
                Rebalance::Assigned(partitions) => {
                    tracing::info!(lane = self.index, ?partitions, "assigned");
                    self.shell.telemetry.rebalance("assigned");
                    self.lane.assigned(&mut self.shell, &partitions);
                    if self.shell.stopping {
                        self.lane.shut_down(&mut self.shell);
                    }
                }
                Rebalance::Revoked(partitions) => {
                    tracing::info!(lane = self.index, ?partitions, "revoked");
                    self.shell.telemetry.rebalance("revoked");
                    self.lane.revoked(&mut self.shell, &partitions);
                }
                Rebalance::Lost(partitions) => {
                    tracing::warn!(
                        lane = self.index,
                        ?partitions,
                        "lost: another member judges them already"
                    );
                    self.shell.telemetry.rebalance("lost");
                    self.forget_traces();
                    self.lane.lost(&mut self.shell, &partitions);
                }
                Rebalance::Joined => {}
                Rebalance::Failed(error) => return Err(Error::Fatal(error)),
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self) {
        let mut reports = std::mem::take(&mut self.reports);
        self.shell.outbox.poll(&mut reports);
        self.shell.shadow.poll();
        let wall = if reports.is_empty() { 0 } else { wall_ms() };
        for report in reports.drain(..) {
            match report.outcome {
                Ok(at) => {
                    if report.delivery.offset % SAMPLE == 0 && report.stamp > 0 {
                        self.shell
                            .telemetry
                            .verdict_delay
                            .observe((wall - report.stamp).max(0) as f64 / 1000.0);
                    }
                    if let Some(tracer) = &mut self.tracer
                        && report.delivery.kind == Kind::Verdict
                    {
                        let delivery = &report.delivery;
                        tracer.acknowledged(delivery.assignment.partition, delivery.offset);
                    }
                    self.lane.acked(&mut self.shell, report.delivery, at);
                }
                Err(error) => {
                    let (partition, offset) =
                        (report.delivery.assignment.partition, report.delivery.offset);
                    self.forget_traces();
                    tracing::error!(partition, offset, %error, "an output was not delivered; this lane's partitions restore with a new producer");
                    self.lane
                        .delivery_failed(&mut self.shell, report.delivery, &error.to_string());
                    // The rest are reports of the producer that has just ended.
                    break;
                }
            }
        }
        reports.clear();
        self.reports = reports;
    }

    fn consume(&mut self) -> Result<(), Error> {
        if self.shell.outbox.in_flight() > self.brake {
            // Not by polling the producer: with a timeout it spins for all of it.
            std::thread::sleep(Duration::from_millis(1));
            return Ok(());
        }
        let hurry = self.lane.owes_answer() || self.shell.outbox.holds();
        let mut wait = if hurry { HURRY } else { IDLE };
        let consumer = self.shell.consumer;
        for _ in 0..BATCH {
            match consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => self.judge(&message),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.ended.insert(partition);
                }
                Some(Err(KafkaError::MessageConsumptionFatal(error))) => {
                    return Err(Error::Fatal(error.to_string()));
                }
                // It does not say which; those that it has given up no longer let themselves be sought.
                Some(Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset))) => {
                    self.shell.out_of_range = true;
                }
                Some(Err(error)) => tracing::warn!(lane = self.index, %error, "consumer"),
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    fn forget_traces(&mut self) {
        if let Some(tracer) = &mut self.tracer {
            tracer.forget();
        }
    }

    fn judge(&mut self, message: &BorrowedMessage<'_>) {
        let begun = self.tracer.as_ref().and_then(|one| one.begin(message));
        let record = record_of(message);
        self.shell.stamp = if let Timestamp::LogAppend(at) = record.timestamp {
            at
        } else {
            0
        };
        match self.lane.record(
            &mut self.shell,
            message.partition(),
            &record,
            message.headers(),
        ) {
            Recorded::Judged { action, code, .. } => {
                self.shell.telemetry.judged(action, code);
                if let (Some(tracer), Some(begun)) = (&mut self.tracer, begun) {
                    tracer.judged(begun, message, action, code);
                }
                if record.key.is_some_and(|key| {
                    murmur2::partition_of(key, self.partitions) != message.partition()
                }) {
                    self.shell.telemetry.misrouted.inc();
                }
            }
            Recorded::Ignored => {}
        }
    }

    /// librdkafka pauses every partition of a consumer from the moment a rebalance arrives until it is answered, and when it resumes
    /// them its fetching thread may sleep on for half a second. A seek to where they stand wakes it.
    fn wake_fetcher(&mut self) {
        let resumed = std::mem::take(&mut self.shell.resumed);
        let out_of_range = std::mem::take(&mut self.shell.out_of_range);
        if !(resumed || out_of_range) || self.shell.stopping {
            return;
        }
        let given_up = self.shell.touch(self.lane.running());
        for partition in given_up {
            self.lane.out_of_range(&mut self.shell, partition);
        }
    }

    /// Tells telemetry what the lane holds, and the lane how far the consumer is where it met an end.
    fn report(&mut self) {
        if self.reported.is_some_and(|at| at.elapsed() < REPORT) {
            return;
        }
        self.reported = Some(Instant::now());
        if !self.ended.is_empty()
            && let Ok(positions) = self.shell.consumer.position()
        {
            for element in positions.elements() {
                if !self.ended.contains(&element.partition()) {
                    continue;
                }
                let position = if let Offset::Offset(at) = element.offset() {
                    Some(at)
                } else {
                    None
                };
                self.lane
                    .reached_end(&mut self.shell, element.partition(), position);
            }
            self.ended.clear();
        }
        self.lane.control(self.shell.control.snapshot());
        self.shell
            .telemetry
            .lane(self.index, self.joined, self.lane.view());
    }
}

/// Says which part of the loop took long: every partition of the lane waited for it.
struct Watch {
    lane: usize,
    since: Instant,
}

impl Watch {
    fn start(lane: usize) -> Watch {
        Watch {
            lane,
            since: Instant::now(),
        }
    }

    fn lap(&mut self, part: &str) {
        let now = Instant::now();
        let took = now.duration_since(self.since);
        if took > SLOW {
            tracing::warn!(
                lane = self.lane,
                part,
                ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "the lane was held up"
            );
        }
        self.since = now;
    }
}

/// A Kafka record as the fold sees it.
pub fn record_of<'a>(message: &'a BorrowedMessage<'_>) -> Record<'a> {
    let timestamp = match message.timestamp() {
        rdkafka::Timestamp::NotAvailable => Timestamp::Missing,
        rdkafka::Timestamp::CreateTime(at) => Timestamp::Create(at),
        rdkafka::Timestamp::LogAppendTime(at) => Timestamp::LogAppend(at),
    };
    let headers_len = message.headers().map_or(0, |_| header_bytes(message));
    Record {
        offset: message.offset(),
        timestamp,
        key: message.key(),
        value: message.payload(),
        headers_len,
    }
}
