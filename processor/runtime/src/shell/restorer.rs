//! Background threads that make assigned partitions ready.
//!
//! Invariant: a partition is restored by one thread of the process at a time (the lease), and an answer that nobody wants
//! any more is dropped together with the store it holds. What may heal by itself is tried again with growing pauses; only
//! what needs an operator halts.

use super::clients::Clients;
use super::thread::Mail;
use super::world::{KafkaWorld, WorldParts};
use crate::lane::{Assignment, HaltReason, Ready};
use crate::restore::{Interrupted, Leases, Request, restore};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// First pause after a failed attempt; it doubles up to `RETRY_MOST`.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(10);
/// How often a waiting thread looks whether its answer is still wanted.
const LOOK: Duration = Duration::from_millis(10);

/// Tells a restore that nobody waits for it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Sleeps unless cancelled first.
    fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_cancelled() && Instant::now() < until {
            std::thread::sleep(LOOK.min(time));
        }
    }
}

/// One partition to be made ready, and where the answer goes.
pub struct Job {
    pub assignment: Assignment,
    pub cancel: Cancel,
    pub mail: Sender<Mail>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<(VecDeque<Job>, bool)>,
    arrived: Condvar,
}

/// Hands jobs to the restorer threads. Cheap to clone.
#[derive(Clone)]
pub struct Restorers(Arc<Queue>);

impl Restorers {
    /// Starts `threads` threads. They end when `stop` is called and their job is done.
    pub fn start(
        threads: usize,
        parts: &Arc<WorldParts>,
        leases: &Leases,
    ) -> std::io::Result<(Restorers, Vec<std::thread::JoinHandle<()>>)> {
        let queue = Arc::new(Queue::default());
        let mut handles = Vec::new();
        for index in 0..threads {
            let (queue, parts, leases) = (Arc::clone(&queue), Arc::clone(parts), leases.clone());
            let work = move || {
                let mut clients = Clients::new(&parts.config);
                clients.warm();
                while let Some(job) = queue.next() {
                    perform(&parts, &mut clients, &leases, job);
                }
            };
            handles.push(
                std::thread::Builder::new()
                    .name(format!("restorer-{index}"))
                    .spawn(work)?,
            );
        }
        Ok((Restorers(queue), handles))
    }

    pub fn submit(&self, job: Job) {
        self.0
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .push_back(job);
        self.0.arrived.notify_one();
    }

    pub fn stop(&self) {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.0.arrived.notify_all();
    }
}

impl Queue {
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = jobs.0.pop_front() {
                return Some(job);
            }
            if jobs.1 {
                return None;
            }
            jobs = self
                .arrived
                .wait(jobs)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn perform(parts: &Arc<WorldParts>, clients: &mut Clients, leases: &Leases, job: Job) {
    let started = Instant::now();
    let outcome = attempt_until_settled(parts, clients, leases, &job);
    let name = match &outcome {
        None => "cancelled",
        Some(Ok(_)) => "ready",
        Some(Err(_)) => "halted",
    };
    parts.telemetry.restore(name);
    parts.telemetry.restoring(job.assignment.partition, 0);
    let Some(outcome) = outcome else { return };
    parts
        .telemetry
        .restore_seconds
        .observe(started.elapsed().as_secs_f64());
    // A lane that is gone drops the partition, and with it the lease and the store.
    let _gone = job.mail.send(Mail::Restored {
        assignment: job.assignment,
        outcome: Box::new(outcome),
    });
}

/// None: cancelled.
fn attempt_until_settled(
    parts: &Arc<WorldParts>,
    clients: &mut Clients,
    leases: &Leases,
    job: &Job,
) -> Option<Result<Ready, HaltReason>> {
    let partition = job.assignment.partition;
    let mut request = Request {
        partition,
        context_bytes: parts.context_bytes,
        cheap_fold: i64::try_from(parts.config.checkpoints.near_records).unwrap_or(i64::MAX),
        waited: Duration::ZERO,
        #[cfg(feature = "seeded-bugs")]
        bug: None,
        #[cfg(feature = "seeded-bugs")]
        committed: None,
    };
    let (mut pause, began) = (RETRY_FIRST, Instant::now());
    while !job.cancel.is_cancelled() {
        let Some(lease) = leases.take(partition) else {
            job.cancel.sleep(LOOK);
            continue;
        };
        let mut world = KafkaWorld::new(Arc::clone(parts), clients, partition, job.cancel.clone());
        match restore(&mut world, &request, lease) {
            Ok(ready) => return Some(Ok(ready)),
            Err(Interrupted::Halt(reason)) => return Some(Err(reason)),
            Err(Interrupted::Cancelled) => return None,
            Err(Interrupted::Retry(error)) => {
                parts.telemetry.restore("retried");
                tracing::warn!(
                    partition,
                    error,
                    retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(0),
                    "restore failed; it is tried again"
                );
                job.cancel.sleep(pause);
                pause = (pause * 2).min(RETRY_MOST);
                request.waited = began.elapsed();
            }
        }
    }
    None
}
