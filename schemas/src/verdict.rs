//! A verdict as the fold writes it: borrowed, one encoding, no allocation.
//!
//! The bytes are compared by replays and by consumers that drop repeats, so the encoding is canonical: shortest numbers, each
//! list one block, and nothing depends on the machine.

use crate::avsc::{self, Known};
use crate::limits;
use crate::wire::{
    put_boolean, put_count, put_int, put_long, put_nullable_long, put_nullable_string, put_string,
};
use std::sync::LazyLock;

/// One verdict, in the field order of `verdict.avsc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict<'a> {
    pub log_id: &'a str,
    pub source_partition: i32,
    pub source_offset: i64,
    pub message_id: &'a str,
    pub community: &'a str,
    pub channel: &'a str,
    pub user: &'a str,
    /// Milliseconds since 1970, unchecked.
    pub sent_at: i64,
    /// Milliseconds since 1970 by the partition's clock.
    pub judged_at: i64,
    pub code: &'a str,
    pub action: &'a str,
    pub effects: &'a [Effect<'a>],
    pub labels: &'a [Label<'a>],
    /// At most [`limits::REASONS`]; what follows is not written.
    pub reasons: &'a [Reason<'a>],
    pub masked_text: Option<&'a str>,
    /// Offset of the first copy of a retried message.
    pub duplicate_of: Option<i64>,
    /// 64 hex digits, or empty before the first activation.
    pub policy: &'a str,
    pub engine: i32,
    pub context_complete: bool,
    pub headers_dropped: bool,
    /// Offset of the message whose verdict this one undoes.
    pub overturns: Option<i64>,
}

/// What follows for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect<'a> {
    /// `mute`, `escalate`, `trust` or `unmute`.
    pub kind: &'a str,
    /// End of a mute, milliseconds since 1970; none for an unmute: it is over.
    pub until: Option<i64>,
    pub queue: Option<&'a str>,
    pub trust: Option<&'a str>,
}

/// A topic and how bad it is, 0 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    pub topic: &'a str,
    pub risk: i32,
}

/// A rule that spoke, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    pub rule: &'a str,
    /// UTF-8 bytes of the original text.
    pub start: i32,
    pub end: i32,
    /// The same span in UTF-16 units.
    pub start_utf16: i32,
    pub end_utf16: i32,
    /// Evasions undone, joined by `+`; empty: none.
    pub evasion: &'a str,
}

pub(crate) static VERDICT_KNOWN: LazyLock<Known> = LazyLock::new(|| Known::built_in(avsc::VERDICT));

/// Appends the verdict as an Avro single object. Allocates only if `out` must grow.
pub fn encode_verdict(verdict: &Verdict<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&VERDICT_KNOWN.header);
    put_string(verdict.log_id, out);
    put_int(verdict.source_partition, out);
    put_long(verdict.source_offset, out);
    put_string(verdict.message_id, out);
    put_string(verdict.community, out);
    put_string(verdict.channel, out);
    put_string(verdict.user, out);
    put_long(verdict.sent_at, out);
    put_long(verdict.judged_at, out);
    put_string(verdict.code, out);
    put_string(verdict.action, out);
    put_list(verdict.effects, out, |effect, out| {
        put_string(effect.kind, out);
        put_nullable_long(effect.until, out);
        put_nullable_string(effect.queue, out);
        put_nullable_string(effect.trust, out);
    });
    put_list(verdict.labels, out, |label, out| {
        put_string(label.topic, out);
        put_int(label.risk, out);
    });
    let reasons = &verdict.reasons[..verdict.reasons.len().min(limits::REASONS)];
    put_list(reasons, out, |reason, out| {
        put_string(reason.rule, out);
        put_int(reason.start, out);
        put_int(reason.end, out);
        put_int(reason.start_utf16, out);
        put_int(reason.end_utf16, out);
        put_string(reason.evasion, out);
    });
    put_nullable_string(verdict.masked_text, out);
    put_nullable_long(verdict.duplicate_of, out);
    put_string(verdict.policy, out);
    put_int(verdict.engine, out);
    put_boolean(verdict.context_complete, out);
    put_boolean(verdict.headers_dropped, out);
    put_nullable_long(verdict.overturns, out);
}

/// One block with its count, then the empty block that ends an Avro array.
#[inline]
fn put_list<T>(items: &[T], out: &mut Vec<u8>, mut put: impl FnMut(&T, &mut Vec<u8>)) {
    if !items.is_empty() {
        put_count(items.len(), out);
        for item in items {
            put(item, out);
        }
    }
    put_count(0, out);
}
