//! When the group's offset is committed: the lag that autoscalers see, and nothing else.
//!
//! Invariant: the broker's offset becomes the lane's, also where nothing is judged any more. Brokers refuse commits in the middle of a
//! rebalance; without a repetition a partition that falls silent then shows a lag for ever, and the processors that it called never go.

/// After so many intervals an offset is committed again although it has not moved.
const REPEAT: u64 = 20;

/// Of one partition.
#[derive(Debug, Clone, Copy, Default)]
pub struct Commits {
    /// C, as last sent.
    pub sent: i64,
    /// Milliseconds of the lane's clock.
    last: u64,
}

impl Commits {
    /// Whether `next` is to be committed now, which it is taken to be then. `every`: milliseconds between two offsets.
    pub fn is_due(&mut self, next: i64, now: u64, every: u64) -> bool {
        let wait = if next == self.sent {
            every.saturating_mul(REPEAT)
        } else {
            every
        };
        let due = now.saturating_sub(self.last) >= wait;
        if due {
            *self = Commits {
                sent: next,
                last: now,
            };
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_moves_is_committed_at_every_interval_and_one_that_stands_is_committed_again()
    {
        let mut commits = Commits::default();
        let mut sent = Vec::new();
        for now in (0..40_000).step_by(100) {
            // It moves for a second, then the partition is silent.
            let next = 1 + i64::try_from(now.min(1_000)).expect("small");
            if commits.is_due(next, now, 500) {
                sent.push((now, next));
            }
        }
        assert_eq!(
            sent,
            [
                (500, 501),
                (1_000, 1_001),
                (11_000, 1_001),
                (21_000, 1_001),
                (31_000, 1_001)
            ]
        );
    }
}
