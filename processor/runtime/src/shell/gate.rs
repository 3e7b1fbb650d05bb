//! Verdicts that wait for those before them.
//!
//! Invariant: of each partition at most one stretch of verdicts is with the producer, and what follows is kept here, in order, until
//! that stretch is acknowledged. An idempotent librdkafka sends one request per partition at a time anyway; what it is given beyond
//! that it looks at again and again without sleeping, once it is older than the linger, for as long as the broker takes to answer.

use rdkafka::message::OwnedHeaders;
use std::ops::Range;

/// Of one partition.
#[derive(Default)]
pub struct Gate {
    /// Verdicts with the producer.
    sent: usize,
    held: Held,
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
    /// Whether a verdict may go to the producer now.
    pub fn is_open(&self) -> bool {
        self.sent == 0 && self.held.verdicts.is_empty()
    }

    /// One has gone to the producer.
    pub fn sent(&mut self) {
        self.sent += 1;
    }

    /// One has been answered. True: those that wait may go.
    pub fn answered(&mut self) -> bool {
        self.sent = self.sent.saturating_sub(1);
        self.sent == 0 && !self.held.verdicts.is_empty()
    }

    pub fn hold(&mut self, verdict: Outgoing<'_>) {
        let held = &mut self.held;
        let key = verdict.key.map(|key| keep(&mut held.bytes, key));
        let value = verdict.value.map(|value| keep(&mut held.bytes, value));
        held.verdicts.push(HeldVerdict {
            slot: verdict.slot,
            key,
            value,
            headers: verdict.headers,
        });
    }

    /// Takes what waits; `put_back` gives its memory back.
    pub fn release(&mut self) -> Held {
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

    #[test]
    fn what_waits_goes_in_its_order_once_everything_before_it_is_answered() {
        let mut gate = Gate::default();
        assert!(gate.is_open());
        gate.sent();
        gate.sent();
        assert!(!gate.is_open());
        gate.hold(verdict(7, b"first"));
        gate.hold(verdict(3, b"second"));
        assert!(!gate.answered(), "one is still with the producer");
        assert!(gate.answered());
        assert!(
            !gate.is_open(),
            "the next must not overtake those that wait"
        );
        let mut held = gate.release();
        let expected = [(7, b"first".to_vec()), (3, b"second".to_vec())];
        assert_eq!(drained(&mut held), expected);
        gate.sent();
        gate.put_back(held);
        assert!(!gate.answered(), "nothing waits");
        assert!(gate.is_open());
    }

    #[test]
    fn what_was_kept_before_does_not_come_again() {
        let mut gate = Gate::default();
        for value in [b"old", b"new"] {
            gate.sent();
            gate.hold(verdict(0, value));
            assert!(gate.answered());
            let mut held = gate.release();
            assert_eq!(drained(&mut held), [(0, value.to_vec())]);
            gate.put_back(held);
        }
    }
}
