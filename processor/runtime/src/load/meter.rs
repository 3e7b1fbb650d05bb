//! Verdicts against the times at which their messages were meant to leave.
//!
//! Invariant: every message that was meant to leave is in the figures once. A copy of its verdict adds nothing, a verdict that never came
//! counts as the top, and records of others are counted and otherwise ignored. It prevents figures that look good because what went
//! wrong is not in them.

use super::histogram::Times;
use super::schedule::Schedule;
use super::users::Users;

/// What a record of the verdict topic was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// The verdict of a message of this run.
    First,
    /// One that was met before.
    Copy,
    /// Somebody else's.
    Foreign,
}

/// Takes verdicts as they come.
#[derive(Debug)]
pub struct Meter {
    schedule: Schedule,
    users: Users,
    /// A bit for each message.
    seen: Vec<u64>,
    figures: Measured,
}

/// What came of it.
#[derive(Debug)]
pub struct Measured {
    pub all: Times,
    /// The hot user and the others; None: there is no hot user.
    pub split: Option<Split>,
    /// By the second in which messages were meant to leave, or verdicts came.
    pub seconds: Vec<Second>,
    /// Verdicts of the measured part.
    pub received: u64,
    pub missing: u64,
    pub warm_up_received: u64,
    pub copies: u64,
    pub foreign: u64,
    /// When the last verdict of the measured part came.
    pub last_ns: u64,
}

#[derive(Debug)]
pub struct Split {
    pub hot: Times,
    pub others: Times,
}

/// One second of the measured part.
#[derive(Debug)]
pub struct Second {
    /// Of the messages meant to leave in it.
    pub times: Times,
    /// Of these, without a verdict.
    pub missing: u64,
    /// Verdicts that came in it.
    pub received: u64,
}

impl Meter {
    pub fn new(schedule: &Schedule, users: &Users) -> Meter {
        Meter {
            seen: vec![0; schedule.len().div_ceil(64)],
            figures: Measured {
                all: Times::new(),
                split: users.have_hot().then(|| Split {
                    hot: Times::new(),
                    others: Times::new(),
                }),
                seconds: Vec::new(),
                received: 0,
                missing: 0,
                warm_up_received: 0,
                copies: 0,
                foreign: 0,
                last_ns: 0,
            },
            schedule: schedule.clone(),
            users: users.clone(),
        }
    }

    /// A record that came at this time, with the sequence number of its mark if it bears one of this run.
    pub fn take(&mut self, sequence: Option<u64>, now_ns: u64) -> Taken {
        let sequence = sequence.and_then(|sequence| usize::try_from(sequence).ok());
        let meant = sequence.and_then(|sequence| Some((sequence, self.schedule.time(sequence)?)));
        let Some((sequence, meant_ns)) = meant else {
            self.figures.foreign += 1;
            return Taken::Foreign;
        };
        if !self.see(sequence) {
            self.figures.copies += 1;
            return Taken::Copy;
        }
        if sequence < self.schedule.measured_from() {
            self.figures.warm_up_received += 1;
            return Taken::First;
        }
        self.figures.received += 1;
        self.figures.last_ns = now_ns;
        let late_ns = now_ns.saturating_sub(meant_ns);
        self.each(sequence, meant_ns, |times| times.record_ns(late_ns));
        if let Some(second) = self.schedule.second(now_ns) {
            self.second(second).received += 1;
        }
        Taken::First
    }

    /// Verdicts of this run so far, each once.
    pub fn received(&self) -> u64 {
        self.figures.received + self.figures.warm_up_received
    }

    /// The end: of the first `until` messages, those without a verdict will have none.
    pub fn finish(mut self, until: usize) -> Measured {
        for sequence in self.schedule.measured_from()..until {
            if !self.see(sequence) {
                continue;
            }
            let Some(meant_ns) = self.schedule.time(sequence) else {
                break;
            };
            self.figures.missing += 1;
            self.each(sequence, meant_ns, |times| times.record_missing(1));
            if let Some(second) = self.schedule.second(meant_ns) {
                self.second(second).missing += 1;
            }
        }
        self.figures
    }

    /// Whether this message is seen for the first time.
    fn see(&mut self, sequence: usize) -> bool {
        let (word, bit) = (&mut self.seen[sequence / 64], 1 << (sequence % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Every distribution that this message belongs to.
    fn each(&mut self, sequence: usize, meant_ns: u64, record: impl Fn(&mut Times)) {
        record(&mut self.figures.all);
        if let Some(split) = &mut self.figures.split {
            record(if self.users.is_hot(sequence as u64) {
                &mut split.hot
            } else {
                &mut split.others
            });
        }
        if let Some(second) = self.schedule.second(meant_ns) {
            record(&mut self.second(second).times);
        }
    }

    fn second(&mut self, second: usize) -> &mut Second {
        let seconds = &mut self.figures.seconds;
        if seconds.len() <= second {
            seconds.resize_with(second + 1, || Second {
                times: Times::small(),
                missing: 0,
                received: 0,
            });
        }
        &mut seconds[second]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::histogram::TOP_US;
    use crate::load::schedule::{Arrivals, Traffic};
    use crate::load::users::Crowd;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    /// 100 messages a second: one second that is not measured, two that are.
    fn meter(hot_share: Option<f64>) -> Meter {
        let traffic = Traffic {
            arrivals: Arrivals::Even,
            from_per_second: 100.0,
            to_per_second: 100.0,
            burst: None,
            warm_up_seconds: 1.0,
            seconds: 2.0,
        };
        let crowd = Crowd {
            users: 10,
            zipf_exponent: 0.0,
            hot_share,
        };
        Meter::new(&Schedule::new(&traffic, 1), &Users::new(crowd, 1))
    }

    fn meant(meter: &Meter, sequence: u64) -> u64 {
        meter
            .schedule
            .time(sequence as usize)
            .expect("it is in the schedule")
    }

    #[test]
    fn time_counts_from_when_a_message_was_meant_to_leave() {
        let mut meter = meter(None);
        // Sent at once or sent after a pause of the generator: the meter cannot tell, and must not.
        for sequence in 100..300 {
            let meant = meant(&meter, sequence);
            meter.take(Some(sequence), (meant + 5 * MS).max(2_500 * MS));
        }
        let measured = meter.finish(300);
        assert_eq!((measured.received, measured.missing), (200, 0));
        assert_eq!(measured.all.max_us(), 1_500_000);
        assert!(measured.seconds[0].times.quantile_us(0.5) > 900_000);
        assert!(measured.seconds[1].times.quantile_us(0.01) < 600_000);
        assert_eq!(
            measured
                .seconds
                .iter()
                .map(|s| s.received)
                .collect::<Vec<_>>(),
            [0, 200]
        );
    }

    #[test]
    fn a_copy_and_a_record_of_others_add_nothing_to_the_figures() {
        let mut meter = meter(None);
        let at = meant(&meter, 150) + 3 * MS;
        assert_eq!(meter.take(Some(150), at), Taken::First);
        assert_eq!(meter.take(Some(150), at + 900 * MS), Taken::Copy);
        assert_eq!(meter.take(Some(300), at), Taken::Foreign);
        assert_eq!(meter.take(Some(u64::MAX), at), Taken::Foreign);
        assert_eq!(meter.take(None, at), Taken::Foreign);
        assert_eq!(meter.received(), 1);
        let measured = meter.finish(151);
        assert_eq!((measured.copies, measured.foreign), (1, 3));
        assert_eq!(measured.all.count(), 51, "1 came, 50 did not");
        assert_eq!((measured.received, measured.missing), (1, 50));
    }

    #[test]
    fn what_never_came_counts_as_the_top_in_its_own_second() {
        let mut meter = meter(None);
        for sequence in (100..300).filter(|sequence| *sequence != 210) {
            let meant = meant(&meter, sequence);
            meter.take(Some(sequence), meant + MS);
        }
        let measured = meter.finish(300);
        assert_eq!((measured.missing, measured.all.max_us()), (1, TOP_US));
        assert!(measured.all.quantile_us(0.99) < 2_000);
        assert_eq!(
            (measured.seconds[0].missing, measured.seconds[1].missing),
            (0, 1)
        );
        assert_eq!(measured.seconds[0].times.max_us(), 1_000);
    }

    #[test]
    fn the_warm_up_is_received_and_not_measured() {
        let mut meter = meter(None);
        meter.take(Some(7), 999 * MS);
        meter.take(Some(7), 999 * MS);
        assert_eq!(meter.received(), 1);
        let measured = meter.finish(100);
        assert_eq!((measured.warm_up_received, measured.copies), (1, 1));
        assert_eq!((measured.all.count(), measured.missing), (0, 0));
    }

    #[test]
    fn the_hot_users_delay_is_kept_from_the_others() {
        let mut meter = meter(Some(0.3));
        for sequence in 100..300 {
            let delay = if meter.users.is_hot(sequence) { 400 } else { 2 };
            let meant = meant(&meter, sequence);
            meter.take(Some(sequence), meant + delay * MS);
        }
        let split = meter.finish(300).split.expect("there is a hot user");
        assert_eq!(
            (split.hot.max_us(), split.others.max_us()),
            (400_000, 2_000)
        );
        assert_eq!(split.hot.count() + split.others.count(), 200);
        assert!(
            (40..80).contains(&split.hot.count()),
            "{}",
            split.hot.count()
        );
    }

    proptest! {
        #[test]
        fn every_message_is_counted_once_whatever_comes(
            records in proptest::collection::vec((proptest::option::of(0..400u64), 0..5_000u64), 0..600), until in 0..=300usize,
        ) {
            let mut meter = meter(Some(0.5));
            let mut taken = 0;
            for (sequence, at) in &records {
                if sequence.is_none_or(|sequence| sequence < until as u64 || sequence >= 300) {
                    meter.take(*sequence, at * MS);
                    taken += 1;
                }
            }
            let measured = meter.finish(until);
            let meant = until.saturating_sub(100) as u64;
            prop_assert_eq!(measured.received + measured.missing, meant);
            prop_assert_eq!(measured.all.count(), meant);
            let split = measured.split.as_ref().expect("there is a hot user");
            prop_assert_eq!(split.hot.count() + split.others.count(), meant);
            prop_assert_eq!(measured.received + measured.warm_up_received + measured.copies + measured.foreign, taken);
            prop_assert_eq!(measured.seconds.iter().map(|second| second.times.count()).sum::<u64>(), meant);
        }
    }
}
