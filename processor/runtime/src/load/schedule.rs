//! When each message is meant to leave.
//!
//! Invariant: all times are fixed before the first message leaves, by the traffic and the seed alone; they never go back, and
//! nothing that happens during a run moves them. It prevents coordinated omission: a load that waits for a slow system asks less of
//! it just then, and the messages that would have suffered are missing from the figures.

use std::sync::Arc;

use serde::Serialize;

use super::dice::{Dice, Purpose};

/// Nanoseconds of a second.
const SECOND: f64 = 1e9;

/// How messages follow each other at a given rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// As a clock ticks.
    Even,
    /// As independent people write: exponential gaps.
    Poisson,
}

/// A periodic multiple of the rate: at the end of every `every_seconds`, for `seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Burst {
    pub factor: f64,
    pub seconds: f64,
    pub every_seconds: f64,
}

/// How many messages, when. The warm-up runs at the first rate and without bursts; what is measured comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Traffic {
    pub arrivals: Arrivals,
    /// Messages a second at the beginning of the measured part.
    pub from_per_second: f64,
    /// And at its end; in between the rate changes linearly.
    pub to_per_second: f64,
    pub burst: Option<Burst>,
    pub warm_up_seconds: f64,
    pub seconds: f64,
}

/// A stretch of time in which the rate changes linearly, or not at all.
#[derive(Debug, Clone, Copy)]
struct Segment {
    begin_seconds: f64,
    seconds: f64,
    from: f64,
    to: f64,
}

impl Segment {
    fn messages(&self) -> f64 {
        self.seconds * (self.from + self.to) / 2.0
    }

    /// Seconds after the segment's beginning at which `messages` of it are due: the inverse of the integral of the rate, in the form
    /// that neither divides by a slope of zero nor loses digits near it.
    fn seconds_of(&self, messages: f64) -> f64 {
        // A ramp from nothing has no rate to divide by at its beginning.
        if messages <= 0.0 {
            return 0.0;
        }
        let slope = (self.to - self.from) / self.seconds;
        let root = (self.from * self.from + 2.0 * slope * messages)
            .max(0.0)
            .sqrt();
        (2.0 * messages / (self.from + root)).min(self.seconds)
    }
}

impl Traffic {
    /// How many messages that makes, on average over seeds.
    pub fn expected(&self) -> f64 {
        self.segments().iter().map(Segment::messages).sum()
    }

    /// Seconds from the first message to the end of the plan.
    pub fn all_seconds(&self) -> f64 {
        self.warm_up_seconds + self.seconds
    }

    fn segments(&self) -> Vec<Segment> {
        let rate = |at: f64| {
            self.from_per_second + (self.to_per_second - self.from_per_second) * at / self.seconds
        };
        let mut segments = Vec::new();
        if self.warm_up_seconds > 0.0 {
            segments.push(Segment {
                begin_seconds: 0.0,
                seconds: self.warm_up_seconds,
                from: self.from_per_second,
                to: self.from_per_second,
            });
        }
        for (from, to, factor) in self.stretches() {
            segments.push(Segment {
                begin_seconds: self.warm_up_seconds + from,
                seconds: to - from,
                from: rate(from) * factor,
                to: rate(to) * factor,
            });
        }
        segments
    }

    /// The measured part cut where bursts begin and end: from, to, factor.
    fn stretches(&self) -> Vec<(f64, f64, f64)> {
        let Some(burst) = self.burst else {
            return vec![(0.0, self.seconds, 1.0)];
        };
        let mut stretches = Vec::new();
        let mut begin = 0.0;
        let mut period = 0.0;
        while begin < self.seconds {
            period += 1.0;
            let end = (period * burst.every_seconds).min(self.seconds);
            let quiet = (period * burst.every_seconds - burst.seconds).min(self.seconds);
            stretches.push((begin, quiet, 1.0));
            stretches.push((quiet, end, burst.factor));
            begin = end;
        }
        stretches.retain(|(from, to, _)| to > from);
        stretches
    }
}

/// The times of a run, by sequence number.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Nanoseconds after the run's beginning.
    times: Arc<[u64]>,
    /// The sequence number that is measured first.
    measured_from: usize,
    warm_up_ns: u64,
}

impl Schedule {
    pub fn new(traffic: &Traffic, seed: u64) -> Schedule {
        let mut positions = positions(traffic.arrivals, seed).peekable();
        let mut times: Vec<u64> = Vec::with_capacity(traffic.expected() as usize + 1);
        let mut before = 0.0;
        for segment in traffic.segments() {
            let end = before + segment.messages();
            while let Some(position) = positions.next_if(|position| *position < end) {
                let at = segment.begin_seconds + segment.seconds_of(position - before);
                // Where segments meet, rounding could step back by a nanosecond.
                let last = times.last().copied().unwrap_or(0);
                times.push(((at * SECOND) as u64).max(last));
            }
            before = end;
        }
        let warm_up_ns = (traffic.warm_up_seconds * SECOND) as u64;
        Schedule {
            measured_from: times.partition_point(|time| *time < warm_up_ns),
            times: times.into(),
            warm_up_ns,
        }
    }

    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Nanoseconds after the run's beginning at which this message is meant to leave.
    pub fn time(&self, sequence: usize) -> Option<u64> {
        self.times.get(sequence).copied()
    }

    /// How many are meant to leave before this time.
    pub fn before(&self, ns: u64) -> usize {
        self.times.partition_point(|time| *time < ns)
    }

    /// The sequence number that is measured first.
    pub fn measured_from(&self) -> usize {
        self.measured_from
    }

    /// The second of the measured part that a time lies in; None: in the warm-up.
    pub fn second(&self, ns: u64) -> Option<usize> {
        let measured = ns.checked_sub(self.warm_up_ns)?;
        usize::try_from(measured / SECOND as u64).ok()
    }

    /// Nanoseconds of the warm-up.
    pub fn warm_up_ns(&self) -> u64 {
        self.warm_up_ns
    }
}

/// Where messages stand if one is due per unit: time is this, bent by the rate.
fn positions(arrivals: Arrivals, seed: u64) -> Box<dyn Iterator<Item = f64>> {
    match arrivals {
        Arrivals::Even => Box::new((0u64..).map(|number| number as f64)),
        Arrivals::Poisson => {
            let dice = Dice::new(seed, Purpose::Arrival);
            Box::new((0u64..).scan(0.0, move |position, number| {
                *position -= (-dice.unit(number)).ln_1p();
                Some(*position)
            }))
        }
    }
}

#[cfg(test)]
mod tests;
