//! The fold over the memory that it has in production: decode, context, text, decision, the verdict's bytes.

use crate::chat::{self, Chat, Sent, USERS};
use crate::counted;
use gavel_judge::{Action, ControlLog, Fold, PartitionState, Patience, Policy, Step};
use gavel_runtime::restore::MemoryOfPartition;
use gavel_state::{Memory, MemoryStore};
use std::hint::black_box;
use std::sync::Arc;

const EVENTS: usize = 10_000;
const LONG_EVENTS: usize = 500;
const LONG: usize = 2_000;
const LONG_USERS: usize = 50;
/// Nothing is evicted.
pub const CONTEXT_BYTES: usize = 64 << 20;

pub fn thousand_terms() -> usize {
    ordinary(1_000)
}

pub fn ten_thousand_terms() -> usize {
    ordinary(10_000)
}

fn ordinary(terms: usize) -> usize {
    let mut chat = Chat::new();
    let lines = chat.lines(2 * EVENTS);
    let length = lines.iter().map(String::len).sum::<usize>() / lines.len();
    let share = second_half(&chat.policy(terms), &chat::sent(&lines, USERS));
    assert!(
        (55..=65).contains(&length),
        "{length} bytes in a message are not what people write"
    );
    assert!(
        (0.01..0.1).contains(&share),
        "{share} of the messages are not simply allowed: that is no chat"
    );
    EVENTS
}

pub fn long_texts() -> usize {
    let mut chat = Chat::new();
    let sent = chat::sent(&chat.pages(2 * LONG_EVENTS, LONG), LONG_USERS);
    second_half(&chat.policy(10_000), &sent);
    LONG_EVENTS
}

/// Counts the second half, when contexts are full and nothing is done for the first time any more; gives the share of it that was not allowed.
fn second_half(policy: &Arc<Policy>, sent: &[Sent]) -> f64 {
    let state = PartitionState::default();
    let mut fold = Fold::with_policy("counted-log", 0, state, Arc::clone(policy));
    let control = ControlLog::new();
    let mut memory = Memory::new(Arc::new(MemoryStore::default()), CONTEXT_BYTES);
    let mut judge = |offset: usize| {
        let record = sent[offset].record(offset);
        let mut contexts = MemoryOfPartition(&mut memory);
        match fold.step(&record, &control, Patience::Wait, &mut contexts) {
            Ok(Step::Verdict(ruling)) => {
                black_box(ruling.verdict);
                ruling.action != Action::Allow
            }
            other => panic!("no verdict: {other:?}"),
        }
    };
    let half = sent.len() / 2;
    for offset in 0..half {
        judge(offset);
    }
    let mut found = 0;
    counted(&mut || {
        for offset in half..sent.len() {
            found += usize::from(judge(offset));
        }
    });
    found as f64 / half as f64
}
