//! Follows the control log on a thread of its own, so that no lane ever reads, decodes or compiles an order.
//!
//! Invariant: a consultation is answered only after an end that was fetched *after* the question has been read to, and
//! after whatever the named order activates is compiled. While brokers are silent the answer waits; it is never wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gavel_judge::ControlLog;

use super::{ControlError, ControlReader};
use crate::config::Config;

/// Called with the log once it has been read far enough.
pub type Consulted = Box<dyn FnOnce(Arc<ControlLog>) + Send>;

/// How often arrivals are taken in while nobody asks.
const IDLE: Duration = Duration::from_millis(20);
/// After this long without an answer from a broker the follower tries anew.
const BROKER_PATIENCE: Duration = Duration::from_secs(5);
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_LAST: Duration = Duration::from_secs(5);
/// How long a shutdown waits for the thread.
const FAREWELL: Duration = Duration::from_millis(500);

/// The process's copy of the control log, kept up to date. Dropping it stops the thread.
pub struct ControlFollower {
    snapshot: Snapshot,
    questions: mpsc::Sender<Question>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

type Snapshot = Arc<Mutex<Arc<ControlLog>>>;

struct Question {
    /// The order whose policy is to be compiled; any number that names none is only read to.
    order: i64,
    answer: Consulted,
}

/// Least milliseconds that a broker may hold an empty fetch: orders are rare, and whoever needs one asks for it.
const FETCH_WAIT_MS: u64 = 50;

impl ControlFollower {
    /// Starts the thread. The first snapshot is empty (`read_to() == 0`).
    pub fn start(config: &Config) -> Result<ControlFollower, ControlError> {
        let mut config = config.clone();
        config.kafka.fetch_wait_max_ms = config.kafka.fetch_wait_max_ms.max(FETCH_WAIT_MS);
        let reader = ControlReader::following(&config, BROKER_PATIENCE)?;
        let snapshot = Snapshot::default();
        let (questions, asked) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let follower = Follower {
            reader,
            snapshot: Arc::clone(&snapshot),
            asked,
            waiting: Vec::new(),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new()
            .name("gavel-control".into())
            .spawn(move || follower.run())
            .map_err(|error| crate::kafka::BrokerError::Client {
                reason: format!("no thread: {error}"),
            })?;
        Ok(ControlFollower {
            snapshot,
            questions,
            stop,
            thread: Some(thread),
        })
    }

    /// The log as far as it is known. Cheap.
    pub fn snapshot(&self) -> Arc<ControlLog> {
        Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads to the end as it is at some moment after this call, compiles what `order` activates, then calls `answer`
    /// on the follower's thread. If the follower is stopped before, `answer` is dropped uncalled.
    pub fn consult(&self, order: i64, answer: Consulted) {
        // The thread is gone only when this follower is being dropped.
        drop(self.questions.send(Question { order, answer }));
    }

    /// As `consult`, and waits for the answer. For threads that may block; an error means that the follower stopped.
    pub fn consult_and_wait(&self, order: i64) -> Result<Arc<ControlLog>, ControlError> {
        let (answered, answer) = mpsc::sync_channel(1);
        self.consult(order, Box::new(move |log| drop(answered.send(log))));
        answer.recv().map_err(|_| ControlError::Stopped)
    }
}

impl Drop for ControlFollower {
    /// Waits for the thread only as long as a shutdown can: it may be asking a broker that does not answer, and it ends
    /// by itself.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let (nobody_asks, _) = mpsc::channel();
        self.questions = nobody_asks;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let told = Instant::now();
        while !thread.is_finished() && told.elapsed() < FAREWELL {
            std::thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() && thread.join().is_err() {
            tracing::error!("the control follower panicked");
        }
    }
}

struct Follower {
    reader: ControlReader,
    snapshot: Snapshot,
    asked: mpsc::Receiver<Question>,
    waiting: Vec<Question>,
    stop: Arc<AtomicBool>,
}

impl Follower {
    fn run(mut self) {
        let mut backoff = BACKOFF_FIRST;
        // Known before anybody asks: policies compile while partitions are still being assigned.
        let mut behind = true;
        while !self.stop.load(Ordering::Acquire) {
            match self
                .asked
                .recv_timeout(if behind || !self.waiting.is_empty() {
                    Duration::ZERO
                } else {
                    IDLE
                }) {
                Ok(question) => self.waiting.push(question),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.waiting.extend(self.asked.try_iter());
            let step = if behind || !self.waiting.is_empty() {
                self.catch_up()
            } else {
                self.take_arrived()
            };
            match step {
                Ok(()) => {
                    behind = false;
                    backoff = BACKOFF_FIRST;
                }
                Err(error) => {
                    tracing::warn!(%error, next = error.next_step(), questions = self.waiting.len(), "the control log cannot be read");
                    self.sleep(backoff);
                    backoff = (backoff * 2).min(BACKOFF_LAST);
                    behind = true;
                }
            }
        }
    }

    /// Answers every question that was asked before the end was.
    fn catch_up(&mut self) -> Result<(), ControlError> {
        self.reader.catch_up()?;
        let log = self.publish();
        for question in self.waiting.drain(..) {
            log.compile_order(question.order);
            (question.answer)(Arc::clone(&log));
        }
        log.compile_current();
        Ok(())
    }

    fn take_arrived(&mut self) -> Result<(), ControlError> {
        if self.reader.take_arrived()? {
            // Compiled before a marker can ask for it, as a rule.
            self.publish().compile_current();
        }
        Ok(())
    }

    fn publish(&self) -> Arc<ControlLog> {
        let log = Arc::new(self.reader.log().clone());
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&log);
        log
    }

    fn sleep(&self, wait: Duration) {
        let slice = Duration::from_millis(50);
        let mut left = wait;
        while !left.is_zero() && !self.stop.load(Ordering::Acquire) {
            std::thread::sleep(left.min(slice));
            left = left.saturating_sub(slice);
        }
    }
}
