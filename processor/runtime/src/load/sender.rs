//! Sends each message when it is due.
//!
//! Invariant: a message leaves at its intended time or, if the thread or the client was not ready, as soon after it as can be; none is
//! left out and none is put off for another. How late each one was is measured, so that a run whose generator could not keep up is known
//! and void instead of flattering.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gavel_schemas::{ChatMessage, encode_message, encode_message_json};

use super::clock::Clock;
use super::histogram::Times;
use super::mark::{HEADER, RunId};
use super::plan::Plan;
use super::schedule::Schedule;
use super::users::{User, Users};
use super::{Ends, Progress};
use crate::clock::wall_ms;
use crate::kafka::{BrokerError, Deliveries, EagerSender, Marked, Queued};
use crate::produce::Framing;

/// A sender wakes up no more often than this, and then sends everything that has become due.
const SLOT_NS: u64 = 500_000;
/// Between two tries while the client's queue is full.
const FULL_WAIT: Duration = Duration::from_micros(200);
/// Between two looks for acknowledgements.
const ACK_WAIT: Duration = Duration::from_millis(5);
/// Channels that users write in.
const CHANNELS: u32 = 50;

/// Hears acknowledgements until `is_done`. A thread of its own, at intervals: reports come in batches, and each wake-up costs the
/// measured system a little of the machine. Gives the time of the last one that was heard.
pub(super) fn hear(
    senders: &[EagerSender],
    deliveries: &Deliveries,
    clock: Clock,
    is_done: impl Fn() -> bool,
) -> u64 {
    let (mut heard, mut last_ns) = (0, 0);
    while !is_done() {
        std::thread::sleep(ACK_WAIT);
        senders.iter().for_each(EagerSender::hear);
        if deliveries.acknowledged() > heard {
            (heard, last_ns) = (deliveries.acknowledged(), clock.ns());
        }
    }
    last_ns
}

/// What all senders share.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub plan: &'a Plan,
    pub schedule: &'a Schedule,
    pub users: &'a Users,
    pub run: RunId,
    pub clock: Clock,
    pub ends: &'a Ends,
    pub progress: &'a Progress,
}

/// How a sender fared.
#[derive(Debug)]
pub(super) struct Sent {
    /// Measured messages: from when they were meant to leave until they left.
    pub lateness: Times,
    /// Measured messages, and those of the warm-up.
    pub messages: u64,
    pub warm_up: u64,
    /// By the second in which they left.
    pub seconds: Vec<u64>,
    /// When the last one left.
    pub last_ns: u64,
}

impl Sent {
    pub fn none() -> Sent {
        Sent {
            lateness: Times::new(),
            messages: 0,
            warm_up: 0,
            seconds: Vec::new(),
            last_ns: 0,
        }
    }

    pub(super) fn note(&mut self, schedule: &Schedule, sequence: usize, due_ns: u64, now_ns: u64) {
        self.last_ns = now_ns;
        if sequence < schedule.measured_from() {
            self.warm_up += 1;
            return;
        }
        self.messages += 1;
        self.lateness.record_ns(now_ns.saturating_sub(due_ns));
        if let Some(second) = schedule.second(now_ns) {
            if self.seconds.len() <= second {
                self.seconds.resize(second + 1, 0);
            }
            self.seconds[second] += 1;
        }
    }

    /// Of a run of so many: what a full queue kept back until the end left later than anything.
    #[must_use]
    pub fn of(mut self, messages: usize) -> Sent {
        let unsent = (messages as u64).saturating_sub(self.messages + self.warm_up);
        self.lateness
            .record_missing(u32::try_from(unsent).unwrap_or(u32::MAX));
        self
    }

    pub fn add(&mut self, other: &Sent) {
        self.lateness.add(&other.lateness);
        self.messages += other.messages;
        self.warm_up += other.warm_up;
        self.last_ns = self.last_ns.max(other.last_ns);
        self.seconds
            .resize(self.seconds.len().max(other.seconds.len()), 0);
        for (sum, more) in self.seconds.iter_mut().zip(&other.seconds) {
            *sum += more;
        }
    }
}

/// One sending thread: it has its own users, so that a user's messages leave in order.
pub(super) struct SendingThread<'a> {
    shared: Shared<'a>,
    sender: &'a EagerSender,
    number: usize,
    words: Words,
}

impl<'a> SendingThread<'a> {
    pub fn new(shared: Shared<'a>, sender: &'a EagerSender, number: usize) -> SendingThread<'a> {
        SendingThread {
            shared,
            sender,
            number,
            words: Words::default(),
        }
    }

    /// Sends its part of the schedule, until the end of it or of the run.
    pub fn run(mut self) -> Result<Sent, BrokerError> {
        let Shared {
            schedule,
            clock,
            ends,
            progress,
            ..
        } = self.shared;
        let mut sent = Sent::none();
        clock.wait_for_start();
        let (mut now, mut woke) = (clock.ns(), 0);
        for sequence in 0..schedule.len() {
            let user = self.shared.users.of(sequence as u64);
            let Some(due) = schedule.time(sequence).filter(|_| self.is_mine(user)) else {
                continue;
            };
            if due > now {
                let wake = due.max(woke + SLOT_NS);
                while now < wake && due < ends.stop_ns() {
                    clock.sleep_towards(wake);
                    now = clock.ns();
                }
                woke = now;
            }
            if due >= ends.stop_ns() {
                break;
            }
            let Some(left) = self.send(sequence, user)? else {
                break;
            };
            now = left;
            sent.note(schedule, sequence, due, now);
            progress.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(sent)
    }

    fn is_mine(&self, user: User) -> bool {
        match user {
            User::Hot => self.number == 0,
            User::Other(user) => user as usize % self.shared.plan.senders == self.number,
        }
    }

    /// Hands a message to the client; gives the time of the try that succeeded, or None if the run ended before.
    fn send(&mut self, sequence: usize, user: User) -> Result<Option<u64>, BrokerError> {
        let Shared {
            plan,
            run,
            clock,
            ends,
            ..
        } = self.shared;
        self.words.write(plan, run, sequence as u64, user);
        let record = Marked {
            key: self.words.key.as_bytes(),
            value: &self.words.value,
            header: HEADER,
            mark: &run.mark(sequence as u64),
        };
        loop {
            let now = clock.ns();
            match self.sender.try_send(sequence, &record)? {
                Queued::Taken => return Ok(Some(now)),
                Queued::Full if now > ends.give_up_ns() => return Ok(None),
                Queued::Full => std::thread::sleep(FULL_WAIT),
            }
        }
    }
}

/// A message as bytes, written over the one before.
#[derive(Default)]
struct Words {
    key: String,
    id: String,
    user: String,
    channel: String,
    value: Vec<u8>,
}

impl Words {
    fn write(&mut self, plan: &Plan, run: RunId, sequence: u64, user: User) {
        for text in [
            &mut self.key,
            &mut self.id,
            &mut self.user,
            &mut self.channel,
        ] {
            text.clear();
        }
        let channel = match user {
            User::Hot => {
                self.user.push_str("hot");
                0
            }
            User::Other(user) => {
                push(&mut self.user, format_args!("u{user}"));
                user % CHANNELS
            }
        };
        push(&mut self.channel, format_args!("room-{channel}"));
        push(
            &mut self.key,
            format_args!("{}/{}", plan.community, self.user),
        );
        push(&mut self.id, format_args!("{}-{sequence}", run.name()));
        let message = ChatMessage {
            message_id: self.id.as_str().into(),
            community: plan.community.as_str().into(),
            channel: self.channel.as_str().into(),
            user: self.user.as_str().into(),
            sent_at: wall_ms(),
            text: plan.texts.of(sequence).into(),
            ..ChatMessage::default()
        };
        self.value.clear();
        match plan.framing {
            Framing::Avro => encode_message(&message, &mut self.value),
            Framing::Json => encode_message_json(&message, &mut self.value),
        }
    }
}

fn push(text: &mut String, words: std::fmt::Arguments<'_>) {
    // A string takes everything.
    let _written = text.write_fmt(words);
}
