//! An open-loop load and the time that its verdicts take.
//!
//! Invariant: messages leave by a schedule that is fixed beforehand and that nothing moves, and a verdict's time counts from when its
//! message was meant to leave. A system that stalls is asked as much as before and every message that it kept waiting is in the figures;
//! a meter that waits for answers, or starts its watch when it gets round to sending, would leave them out.
//!
//! Generator and meter are one process, so one monotonic clock measures both ends. A message is known again by the header that it bears
//! ([`mark`]), not by what its verdict says.

mod clock;
mod dice;
mod histogram;
mod mark;
mod meter;
mod plan;
mod receiver;
mod report;
mod schedule;
mod sender;
mod slo;
mod texts;
mod users;

pub use histogram::{Point, Summary, TOP_US};
pub use plan::{MESSAGES_MAX, Plan, PlanError, SECONDS_MAX};
pub use report::{Counts, LATE_US, Latency, Planned, Rates, Report, Run, Second};
pub use schedule::{Arrivals, Burst, Traffic};
pub use slo::{Outcome, Slo};
pub use texts::{Texts, TextsError};
pub use users::Crowd;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use crate::clock::wall_ms;
use crate::config::Config;
use crate::kafka::{BrokerError, Cluster, Deliveries, EagerSender, TopicReader};
use clock::{Clock, nanoseconds};
use mark::RunId;
use meter::Meter;
use report::{Outcomes, Surroundings};
use schedule::Schedule;
use sender::{SendingThread, Sent, Shared};
use users::Users;

/// From when all threads are asked for until the first message is due.
const LEAD: Duration = Duration::from_millis(200);
/// How often the run looks whether it is over.
const LOOK: Duration = Duration::from_millis(10);
/// A run that is told to end does so this much later: by then every sender knows, and all end at the same message.
const NOTICE: Duration = Duration::from_millis(300);

/// Why a run did not take place, or has no report.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("no random number for the run's name: {0}")]
    Name(getrandom::Error),
    #[error("a thread of the load panicked")]
    Panicked,
}

/// Shared with whoever watches the run.
#[derive(Debug, Default)]
pub struct Progress {
    /// Set to end the run early; it is reported all the same.
    pub stop: AtomicBool,
    /// Messages of the plan, sent, and with a verdict; warm-up included.
    pub planned: AtomicU64,
    pub sent: AtomicU64,
    pub received: AtomicU64,
}

/// When the run is over for whom. Set once each; until then far away.
#[derive(Debug)]
struct Ends {
    /// Messages meant to leave at or after it do not belong to the run.
    stop_ns: AtomicU64,
    /// How long after that a sender still tries.
    drain_ns: u64,
    /// How many messages belong to the run, once that is known.
    messages: AtomicU64,
    /// No verdict is waited for after it.
    drained_ns: AtomicU64,
}

impl Ends {
    fn new(end_ns: u64, drain: Duration) -> Ends {
        Ends {
            stop_ns: AtomicU64::new(end_ns),
            drain_ns: nanoseconds(drain),
            messages: AtomicU64::new(u64::MAX),
            drained_ns: AtomicU64::new(u64::MAX),
        }
    }

    fn stop_ns(&self) -> u64 {
        self.stop_ns.load(Ordering::Acquire)
    }

    fn give_up_ns(&self) -> u64 {
        self.stop_ns().saturating_add(self.drain_ns)
    }

    /// All senders have ended: the run has so many messages, and their verdicts are waited for, or not.
    fn close(&self, messages: usize, clock: Clock, is_waiting: bool) {
        let drain_ns = if is_waiting { self.drain_ns } else { 0 };
        self.messages.store(messages as u64, Ordering::Release);
        self.drained_ns
            .store(clock.ns() + drain_ns, Ordering::Release);
    }

    fn messages(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }

    fn drained_ns(&self) -> u64 {
        self.drained_ns.load(Ordering::Acquire)
    }
}

/// Sends the load and measures it. Writes to the message topic and reads the verdict topic, and nothing else.
pub fn run(config: &Config, plan: &Plan, progress: &Progress) -> Result<Report, LoadError> {
    plan.check()?;
    let cluster = Cluster::new(config)?;
    let (messages, verdicts) = (&config.topics.messages, &config.topics.verdicts);
    let surroundings = Surroundings {
        started_at_ms: wall_ms(),
        load_average: report::load_average(),
        messages_partitions: cluster.require(messages)?.partitions,
        verdicts_partitions: cluster.require(verdicts)?.partitions,
    };
    let run = RunId::new().map_err(LoadError::Name)?;
    let schedule = Schedule::new(&plan.traffic, plan.seed);
    if schedule.is_empty() {
        return Err(PlanError::Nothing.into());
    }
    progress
        .planned
        .store(schedule.len() as u64, Ordering::Relaxed);
    let users = Users::new(plan.crowd, plan.seed);
    let deliveries = Arc::new(Deliveries::counted_from(schedule.measured_from()));
    let senders = (0..plan.senders)
        .map(|_| EagerSender::open(config, messages, &deliveries))
        .collect::<Result<Vec<_>, _>>()?;
    // Last, so that nothing of others is read for long.
    let ends = (0..surroundings.verdicts_partitions)
        .map(|partition| Ok((partition, cluster.bounds(verdicts, partition)?.end)))
        .collect::<Result<Vec<_>, BrokerError>>()?;
    let mut reader = TopicReader::tail(config, verdicts, &ends)?;
    let load = Load {
        plan,
        schedule: &schedule,
        users: &users,
        run,
        senders: &senders,
        deliveries: &deliveries,
        progress,
    };
    let outcomes = load.send_and_measure(&mut reader)?;
    Ok(Report::new(
        (config, plan, &schedule),
        run,
        &surroundings,
        &outcomes,
    ))
}

/// A run with everything that it needs.
struct Load<'a> {
    plan: &'a Plan,
    schedule: &'a Schedule,
    users: &'a Users,
    run: RunId,
    senders: &'a [EagerSender],
    deliveries: &'a Deliveries,
    progress: &'a Progress,
}

type Sending<'scope> = ScopedJoinHandle<'scope, Result<Sent, BrokerError>>;
type Receiving<'scope> = ScopedJoinHandle<'scope, Result<Meter, BrokerError>>;

impl Load<'_> {
    fn send_and_measure(&self, reader: &mut TopicReader) -> Result<Outcomes, LoadError> {
        let end_ns = nanoseconds(Duration::from_secs_f64(self.plan.traffic.all_seconds()));
        let ends = Ends::new(end_ns, self.plan.drain);
        let is_over = AtomicBool::new(false);
        let meter = Meter::new(self.schedule, self.users);
        let clock = Clock::starting_in(LEAD);
        let shared = Shared {
            plan: self.plan,
            schedule: self.schedule,
            users: self.users,
            run: self.run,
            clock,
            ends: &ends,
            progress: self.progress,
        };
        thread::scope(|scope| {
            let hearing = scope.spawn(|| {
                sender::hear(self.senders, self.deliveries, clock, || {
                    is_over.load(Ordering::Acquire)
                })
            });
            let progress = (&ends, self.progress);
            let receiving =
                scope.spawn(move || receiver::receive(reader, meter, shared.run, clock, progress));
            let sending: Vec<Sending<'_>> = self
                .senders
                .iter()
                .enumerate()
                .map(|(number, sender)| {
                    scope.spawn(move || {
                        let sent = SendingThread::new(shared, sender, number).run();
                        // Without this one's part the others' load is another one.
                        sent.inspect_err(|_| shared.ends.stop_ns.store(0, Ordering::Release))
                    })
                })
                .collect();
            let sent = self.follow(sending, &receiving, clock, &ends);
            let messages = self.schedule.before(ends.stop_ns());
            // After an error nothing is waited for.
            ends.close(messages, clock, sent.is_ok());
            let measured = joined(receiving);
            if sent.is_ok() && measured.is_ok() {
                self.wait_for_acks(clock, &ends);
            }
            is_over.store(true, Ordering::Release);
            let last_ack_ns = hearing.join().map_err(|_| LoadError::Panicked)?;
            Ok(Outcomes {
                sent: sent?.of(messages),
                measured: measured?.finish(messages),
                acknowledged: self.deliveries.acknowledged(),
                delivery_failures: self.deliveries.failed(),
                last_ack_ns,
                messages,
                end_ns: ends.stop_ns(),
                ended_early: ends.stop_ns() < end_ns,
            })
        })
    }

    /// Acknowledgements come apart from verdicts, the last ones a little later perhaps.
    fn wait_for_acks(&self, clock: Clock, ends: &Ends) {
        let in_flight = || self.senders.iter().any(|sender| sender.in_flight() > 0);
        while clock.ns() < ends.drained_ns() && in_flight() {
            thread::sleep(LOOK);
        }
    }

    /// Waits for the senders, and ends the run early when it is told to or when the receiver has failed.
    fn follow(
        &self,
        sending: Vec<Sending<'_>>,
        receiving: &Receiving<'_>,
        clock: Clock,
        ends: &Ends,
    ) -> Result<Sent, LoadError> {
        while !sending.iter().all(ScopedJoinHandle::is_finished) {
            thread::sleep(LOOK);
            if self.progress.stop.load(Ordering::Acquire) || receiving.is_finished() {
                let stop = clock.ns() + nanoseconds(NOTICE);
                ends.stop_ns.fetch_min(stop, Ordering::AcqRel);
                break;
            }
        }
        let mut all = Sent::none();
        for one in sending {
            all.add(&joined(one)?);
        }
        Ok(all)
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, BrokerError>>) -> Result<T, LoadError> {
    Ok(thread.join().map_err(|_| LoadError::Panicked)??)
}
