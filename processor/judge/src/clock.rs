//! The partition's clock: event time from record timestamps.
//!
//! Invariant: time never goes back, and one record with an absurd timestamp cannot move it. A clock that jumped to the year 2099
//! would end every mute and every window of the partition for good.

use serde::{Deserialize, Serialize};

/// A record's timestamp, as Kafka gave it, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamp {
    Missing,
    /// Set by the producer, who may lie.
    Create(i64),
    /// Set by the broker.
    LogAppend(i64),
}

/// 2001-01-01 and 2101-01-01, UTC: a producer's time outside of this is no time.
const PLAUSIBLE: std::ops::Range<i64> = 978_307_200_000..4_133_980_800_000;
/// A producer's time that is further ahead than this wants a second witness.
const JUMP: i64 = 3_600_000;

/// Milliseconds since 1970; 0 before any time counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    now: i64,
    /// A jump that the next record may confirm.
    pending: Option<i64>,
}

impl Clock {
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Takes in a record's timestamp and gives the time at which that record is judged.
    pub fn tick(&mut self, timestamp: Timestamp) -> i64 {
        match timestamp {
            Timestamp::Missing => self.pending = None,
            Timestamp::LogAppend(at) => {
                self.pending = None;
                self.now = self.now.max(at);
            }
            Timestamp::Create(at) if !PLAUSIBLE.contains(&at) => self.pending = None,
            Timestamp::Create(at) => {
                let confirmed = self
                    .pending
                    .is_some_and(|pending| (at - pending).abs() <= JUMP);
                if confirmed || at <= self.now.saturating_add(JUMP) {
                    self.pending = None;
                    self.now = self.now.max(at);
                } else {
                    self.pending = Some(at);
                    // Nothing has counted yet: better this record's own word than the year 1970.
                    if self.now == 0 {
                        return at;
                    }
                }
            }
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: i64 = 1_700_000_000_000;

    #[test]
    fn a_brokers_time_counts_as_it_is_and_never_goes_back() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick(Timestamp::LogAppend(T)), T);
        assert_eq!(clock.tick(Timestamp::LogAppend(T - 5)), T);
        assert_eq!(
            clock.tick(Timestamp::LogAppend(T + 900_000_000)),
            T + 900_000_000
        );
    }

    #[test]
    fn a_producers_jump_counts_only_if_the_next_record_confirms_it() {
        let mut clock = Clock::default();
        assert_eq!(clock.tick(Timestamp::Create(T)), T);
        assert_eq!(clock.now(), 0);
        assert_eq!(clock.tick(Timestamp::Create(T + 1)), T + 1);
        assert_eq!(clock.tick(Timestamp::Create(T + JUMP * 5)), T + 1);
        assert_eq!(clock.tick(Timestamp::Create(T + 2)), T + 2);
        assert_eq!(clock.tick(Timestamp::Create(T + JUMP * 5)), T + 2);
        assert_eq!(
            clock.tick(Timestamp::Create(T + JUMP * 5 + 1)),
            T + JUMP * 5 + 1
        );
    }

    #[test]
    fn absurd_times_are_no_times() {
        let mut clock = Clock::default();
        clock.tick(Timestamp::LogAppend(T));
        for at in [i64::MIN, -1, 0, i64::MAX, 4_133_980_800_000] {
            assert_eq!(clock.tick(Timestamp::Create(at)), T);
        }
        assert_eq!(clock.tick(Timestamp::Missing), T);
    }
}
