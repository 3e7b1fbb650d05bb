//! V: the newest offset up to which every output is acknowledged.
//!
//! Invariant: V never passes an offset whose verdict or dead letter is still in flight. State is written only up
//! to V, so a record can never be counted in the state while its verdict is lost.

use std::collections::VecDeque;

/// Which topic an output went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Verdict,
    DeadLetter,
}

/// An acknowledgement that the ledger did not expect: the producer broke its order promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?} of offset {offset} was acknowledged, expected {expected:?}")]
pub struct OutOfOrder {
    pub kind: Kind,
    pub offset: i64,
    pub expected: Option<i64>,
}

/// Outputs in flight of one partition, per topic in the order in which they were sent (an idempotent producer
/// acknowledges in that order).
#[derive(Debug)]
pub struct Ledger {
    verdicts: VecDeque<i64>,
    dead_letters: VecDeque<i64>,
    passed: i64,
    verdict_end: i64,
    #[cfg(feature = "seeded-bugs")]
    ignores_dead_letters: bool,
}

impl Ledger {
    /// A ledger on which everything up to `passed` is acknowledged; `verdict_end` is the offset after the newest
    /// acknowledged verdict in the verdict partition (0 = none known).
    pub fn new(passed: i64, verdict_end: i64) -> Ledger {
        Ledger {
            verdicts: VecDeque::new(),
            dead_letters: VecDeque::new(),
            passed,
            verdict_end,
            #[cfg(feature = "seeded-bugs")]
            ignores_dead_letters: false,
        }
    }

    /// A defect for tests.
    #[cfg(feature = "seeded-bugs")]
    pub(super) fn seed(&mut self, bug: Option<super::SeededBug>) {
        self.ignores_dead_letters = bug == Some(super::SeededBug::VIgnoresDeadLetters);
    }

    /// Notes an output of `offset` as in flight.
    pub fn sent(&mut self, kind: Kind, offset: i64) {
        self.queue(kind).push_back(offset);
    }

    /// Notes that every output of `offset` has been sent, or that the log has no record there.
    pub fn pass(&mut self, offset: i64) {
        debug_assert!(offset >= self.passed);
        self.passed = self.passed.max(offset);
    }

    /// Notes an acknowledgement; `at` is the output's offset in its own partition.
    pub fn acked(&mut self, kind: Kind, offset: i64, at: i64) -> Result<(), OutOfOrder> {
        let queue = self.queue(kind);
        if queue.front() != Some(&offset) {
            return Err(OutOfOrder {
                kind,
                offset,
                expected: queue.front().copied(),
            });
        }
        queue.pop_front();
        if kind == Kind::Verdict {
            self.verdict_end = self.verdict_end.max(at.saturating_add(1));
        }
        Ok(())
    }

    /// V.
    pub fn acknowledged(&self) -> i64 {
        #[cfg(feature = "seeded-bugs")]
        if self.ignores_dead_letters {
            let verdict = self.verdicts.front().map_or(i64::MAX, |offset| offset - 1);
            return self.passed.min(verdict);
        }
        let first = |queue: &VecDeque<i64>| queue.front().map_or(i64::MAX, |offset| offset - 1);
        self.passed
            .min(first(&self.verdicts))
            .min(first(&self.dead_letters))
    }

    /// The newest offset folded, or known to hold no record.
    pub fn passed(&self) -> i64 {
        self.passed
    }

    /// Outputs in flight.
    pub fn in_flight(&self) -> usize {
        self.verdicts.len() + self.dead_letters.len()
    }

    /// The offset after the newest acknowledged verdict in the verdict partition.
    pub fn verdict_end(&self) -> i64 {
        self.verdict_end
    }

    fn queue(&mut self, kind: Kind) -> &mut VecDeque<i64> {
        match kind {
            Kind::Verdict => &mut self.verdicts,
            Kind::DeadLetter => &mut self.dead_letters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v_waits_for_the_dead_letter_of_an_acknowledged_verdict() {
        let mut ledger = Ledger::new(9, 0);
        for offset in [10, 11] {
            ledger.sent(Kind::Verdict, offset);
            if offset == 10 {
                ledger.sent(Kind::DeadLetter, offset);
            }
            ledger.pass(offset);
        }
        ledger.acked(Kind::Verdict, 10, 100).unwrap();
        ledger.acked(Kind::Verdict, 11, 101).unwrap();
        assert_eq!(ledger.acknowledged(), 9);
        ledger.acked(Kind::DeadLetter, 10, 0).unwrap();
        assert_eq!((ledger.acknowledged(), ledger.verdict_end()), (11, 102));
    }

    #[test]
    fn an_offset_without_a_record_counts_as_acknowledged_when_passed() {
        let mut ledger = Ledger::new(-1, 0);
        ledger.sent(Kind::Verdict, 0);
        ledger.pass(0);
        ledger.pass(3);
        assert_eq!(ledger.acknowledged(), -1);
        ledger.acked(Kind::Verdict, 0, 0).unwrap();
        assert_eq!(ledger.acknowledged(), 3);
    }

    #[test]
    fn an_acknowledgement_out_of_order_is_an_error() {
        let mut ledger = Ledger::new(-1, 0);
        ledger.sent(Kind::Verdict, 0);
        ledger.sent(Kind::Verdict, 1);
        assert!(ledger.acked(Kind::Verdict, 1, 0).is_err());
    }
}
