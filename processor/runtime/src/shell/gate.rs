//! Verdicts that wait for each other, and for those before them.
//!
//! Invariant: of each partition at most one stretch of verdicts is with the producer; what follows is kept here, in order, until that
//! stretch is acknowledged, and for the linger at least. An idempotent librdkafka sends one request per partition at a time anyway; what
//! it is given beyond that it looks at again and again without sleeping, once it is older than its own linger, for as long as the broker
//! takes to answer.

use rdkafka::message::OwnedHeaders;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Of one partition.
#[derive(Default)]
pub struct Gate {
    /// Verdicts with the producer.
    sent: usize,
    held: Held,
    /// When the first of them came.
    since: Option<Instant>,
}

/// What is kept, with the bytes of all of it in one place.
#[derive(Default)]
pub struct Held {
    verdicts: Vec<HeldVerdict>,
    bytes: Vec<u8>,
}

struct HeldVerdict {
    slot: usize,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Option<OwnedHeaders>,
}

/// A verdict on its way to the producer.
pub struct Outgoing<'a> {
    pub slot: usize,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Option<OwnedHeaders>,
}

impl Gate {
    /// One has gone to the producer.
    pub fn sent(&mut self) {
        self.sent += 1;
    }

    /// One has been answered.
    pub fn answered(&mut self) {
        self.sent = self.sent.saturating_sub(1);
    }

    /// Whether those that wait may go.
    pub fn is_due(&self, now: Instant, linger: Duration) -> bool {
        let waited = |since| now.saturating_duration_since(since) >= linger;
        self.sent == 0 && self.since.is_some_and(waited)
    }

    /// Keeps one; whether it is the first that waits.
    pub fn hold(&mut self, verdict: Outgoing<'_>) -> bool {
        let first = self.since.is_none();
        if first {
            self.since = Some(Instant::now());
        }
        let held = &mut self.held;
        let key = verdict.key.map(|key| keep(&mut held.bytes, key));
        let value = verdict.value.map(|value| keep(&mut held.bytes, value));
        held.verdicts.push(HeldVerdict {
            slot: verdict.slot,
            key,
            value,
            headers: verdict.headers,
        });
        first
    }

    /// Takes what waits; `put_back` gives its memory back.
    pub fn release(&mut self) -> Held {
        self.since = None;
        std::mem::take(&mut self.held)
    }

    pub fn put_back(&mut self, mut emptied: Held) {
        emptied.verdicts.clear();
        emptied.bytes.clear();
        self.held = emptied;
    }
}

impl Held {
    /// In the order in which they came.
    pub fn drain(&mut self) -> impl Iterator<Item = Outgoing<'_>> {
        let bytes = &self.bytes;
        self.verdicts.drain(..).map(move |verdict| Outgoing {
            slot: verdict.slot,
            key: verdict.key.map(|range| &bytes[range]),
            value: verdict.value.map(|range| &bytes[range]),
            headers: verdict.headers,
        })
    }
}

fn keep(bytes: &mut Vec<u8>, more: &[u8]) -> Range<usize> {
    let start = bytes.len();
    bytes.extend_from_slice(more);
    start..bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(slot: usize, value: &[u8]) -> Outgoing<'_> {
        Outgoing {
            slot,
            key: None,
            value: Some(value),
            headers: None,
        }
    }

    fn drained(held: &mut Held) -> Vec<(usize, Vec<u8>)> {
        let of = |verdict: Outgoing<'_>| (verdict.slot, verdict.value.unwrap_or_default().to_vec());
        held.drain().map(of).collect()
    }

    const NONE: Duration = Duration::ZERO;

    #[test]
    fn what_waits_goes_in_its_order_once_everything_before_it_is_answered() {
        let mut gate = Gate::default();
        let now = Instant::now();
        assert!(!gate.is_due(now, NONE), "nothing waits");
        gate.sent();
        gate.sent();
        assert!(gate.hold(verdict(7, b"first")));
        assert!(!gate.hold(verdict(3, b"second")));
        gate.answered();
        let later = now + Duration::from_secs(1);
        assert!(!gate.is_due(later, NONE), "one is still with the producer");
        gate.answered();
        assert!(gate.is_due(later, NONE));
        let mut held = gate.release();
        let expected = [(7, b"first".to_vec()), (3, b"second".to_vec())];
        assert_eq!(drained(&mut held), expected);
        gate.put_back(held);
        assert!(!gate.is_due(later, NONE), "nothing waits any more");
    }

    #[test]
    fn verdicts_wait_for_each_other_as_long_as_the_linger() {
        let (mut gate, linger) = (Gate::default(), Duration::from_millis(2));
        let before = Instant::now();
        gate.hold(verdict(0, b"one"));
        assert!(!gate.is_due(before, linger));
        assert!(gate.is_due(Instant::now() + linger, linger));
    }

    #[test]
    fn what_was_kept_before_does_not_come_again() {
        let mut gate = Gate::default();
        for value in [b"old", b"new"] {
            assert!(gate.hold(verdict(0, value)));
            let mut held = gate.release();
            assert_eq!(drained(&mut held), [(0, value.to_vec())]);
            gate.put_back(held);
        }
    }
}
