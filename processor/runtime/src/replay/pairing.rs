//! What was expected of the last verdicts, so that copies which come later can be compared.
//!
//! Invariant: memory is bounded. A copy comes after a crash and is at most as far back as the state was: some epochs and the
//! verdicts in flight, which is thousands of records where this remembers a million. A copy from further back is reported
//! as not comparable, never passed over.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

/// Verdicts that can still be compared.
const REMEMBERED: usize = 1 << 20;

/// One verdict that was in the topic and was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// Offset of the message.
    source: i64,
    /// Offset in the verdict topic of the first copy.
    place: i64,
    hash: u64,
}

/// The verdicts seen last, by source offset.
pub struct Pairing {
    seen: VecDeque<Seen>,
    hasher: RandomState,
    capacity: usize,
}

/// What a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    Identical,
    /// `first` is where the first copy stands in the verdict topic.
    Differs {
        first: i64,
    },
    /// There was no verdict for this offset.
    Unknown,
    /// Too long ago to be compared.
    Forgotten,
}

impl Pairing {
    pub fn new() -> Pairing {
        Pairing::remembering(REMEMBERED)
    }

    fn remembering(capacity: usize) -> Pairing {
        Pairing {
            seen: VecDeque::new(),
            hasher: RandomState::new(),
            capacity,
        }
    }

    /// Remembers the first copy of a verdict. Source offsets ascend.
    pub fn first(&mut self, source: i64, place: i64, key: Option<&[u8]>, value: &[u8]) {
        if self.seen.len() == self.capacity {
            self.seen.pop_front();
        }
        let hash = self.hasher.hash_one((key, value));
        self.seen.push_back(Seen {
            source,
            place,
            hash,
        });
    }

    /// Whether an offset lies before the first verdict that was seen, none having been forgotten.
    pub fn is_before_the_first(&self, source: i64) -> bool {
        self.seen.len() < self.capacity
            && self.seen.front().is_some_and(|first| source < first.source)
    }

    /// Compares another copy with the first.
    pub fn copy(&self, source: i64, key: Option<&[u8]>, value: &[u8]) -> Copy {
        match self.seen.binary_search_by_key(&source, |seen| seen.source) {
            Ok(at) if self.seen[at].hash == self.hasher.hash_one((key, value)) => Copy::Identical,
            Ok(at) => Copy::Differs {
                first: self.seen[at].place,
            },
            Err(0) if self.seen.len() == self.capacity => Copy::Forgotten,
            Err(_) => Copy::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_told_from_changed_and_unknown_verdicts() {
        let mut pairing = Pairing::new();
        pairing.first(3, 30, Some(b"k"), b"three");
        pairing.first(7, 31, None, b"seven");
        assert_eq!(pairing.copy(3, Some(b"k"), b"three"), Copy::Identical);
        assert_eq!(pairing.copy(3, None, b"three"), Copy::Differs { first: 30 });
        assert_eq!(pairing.copy(7, None, b"Seven"), Copy::Differs { first: 31 });
        assert_eq!(pairing.copy(5, None, b"five"), Copy::Unknown);
        assert_eq!(pairing.copy(1, None, b"one"), Copy::Unknown);
    }

    #[test]
    fn what_was_forgotten_is_not_passed_over() {
        let mut pairing = Pairing::remembering(2);
        for source in 0..3 {
            pairing.first(source, source, None, b"v");
        }
        assert_eq!(pairing.copy(0, None, b"v"), Copy::Forgotten);
        assert_eq!(pairing.copy(1, None, b"v"), Copy::Identical);
    }
}
