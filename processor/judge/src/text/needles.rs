//! Byte strings to be found where a text is looked at: everywhere, or only where words begin.
//!
//! At each place the first bytes are looked up in a filter; nearly always it says that nothing begins there, and costs the same whatever
//! the number of strings. Invariant: what is found at a place is exactly what the text has there; filters only ever save a look.

use super::filter::{BITS_EACH, Filter, StartFilter};
use super::sorted::Sorted;
use hashbrown::HashMap;
use std::ops::Range;

/// Strings of so many bytes and more are known by that many of their first bytes.
const LONG: usize = 8;
/// Shorter ones are known by that many at least; the few that are shorter still are tried everywhere.
const SHORT: usize = 4;

/// Strings, each with a number.
#[derive(Debug)]
pub(super) struct Needles {
    /// By `whole`; of fewer bytes than `LONG`.
    short: HashMap<u64, u32>,
    /// What may be a key of `short`.
    short_wholes: Filter,
    /// How all begin that have `SHORT` bytes at least, the long ones too: one look says of nearly every place that nothing begins there.
    starts: StartFilter,
    /// Bit n: there are some of n bytes.
    tiny_lengths: u8,
    short_lengths: u8,
    long_starts: Filter,
    /// By the first bytes: places in `sorted`.
    long: HashMap<u64, Range<u32>>,
    sorted: Sorted,
}

/// The bytes of a text from `at` on as a number, the first one lowest; zeroes for those that it has not.
#[inline]
pub(super) fn start_at(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(start) = rest.first_chunk::<LONG>() {
        return u64::from_le_bytes(*start);
    }
    // Near the end: what is there, out of the last bytes.
    match text.last_chunk::<LONG>() {
        Some(last) if !rest.is_empty() => u64::from_le_bytes(*last) >> (8 * (LONG - rest.len())),
        _ => gathered(rest.iter()),
    }
}

/// The same of the text backwards, from the byte before `to` on.
#[inline]
pub(super) fn start_before(text: &[u8], to: usize) -> u64 {
    let before = text.get(..to).unwrap_or_default();
    before.last_chunk::<LONG>().map_or_else(
        || gathered(before.iter().rev()),
        |last| u64::from_be_bytes(*last),
    )
}

fn gathered<'a>(bytes: impl DoubleEndedIterator<Item = &'a u8>) -> u64 {
    bytes
        .rev()
        .fold(0, |start, byte| start << 8 | u64::from(*byte))
}

/// The first bytes of a start, below `LONG`, and how many they are.
#[inline]
fn whole(start: u64, length: usize) -> u64 {
    let bytes = start & (u64::MAX >> (64 - 8 * length));
    bytes | (length as u64) << 56
}

impl Needles {
    /// No string may be empty, or there twice.
    pub fn new(strings: Vec<(Vec<u8>, u32)>) -> Needles {
        let (long, short): (Vec<_>, Vec<_>) = strings
            .into_iter()
            .partition(|(string, _)| string.len() >= LONG);
        let (mut tiny_lengths, mut short_lengths) = (0, 0);
        let mut starts = Vec::new();
        let mut wholes = Vec::with_capacity(short.len());
        for (string, number) in &short {
            let start = start_at(string, 0);
            wholes.push((whole(start, string.len()), *number));
            if string.len() < SHORT {
                tiny_lengths |= 1 << string.len();
            } else {
                short_lengths |= 1 << string.len();
                starts.push((start, string.len()));
            }
        }
        let sorted = Sorted::new(long);
        let long = sorted.groups(|string| start_at(string, 0));
        starts.extend(long.iter().map(|(start, _)| (*start, LONG)));
        Needles {
            short_wholes: Filter::of(wholes.iter().map(|(whole, _)| *whole), BITS_EACH),
            short: wholes.into_iter().collect(),
            starts: StartFilter::of(&starts),
            tiny_lengths,
            short_lengths,
            long_starts: Filter::of(long.iter().map(|(start, _)| *start), BITS_EACH),
            long: long.into_iter().collect(),
            sorted,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.short.is_empty() && self.sorted.is_empty()
    }

    /// Calls `found` with number, place and length of each string in `text`.
    pub fn anywhere(&self, text: &[u8], mut found: impl FnMut(u32, usize, usize)) {
        for (at, bytes) in text.windows(LONG).enumerate() {
            let start = bytes.try_into().map_or(0, u64::from_le_bytes);
            if self.may_begin(start) {
                let rest = text.get(at..).unwrap_or_default();
                self.look(rest, start, |number, length| found(number, at, length));
            }
        }
        for at in text.len().saturating_sub(LONG - 1)..text.len() {
            let start = start_at(text, at);
            if self.may_begin(start) {
                let rest = text.get(at..).unwrap_or_default();
                self.look(rest, start, |number, length| found(number, at, length));
            }
        }
    }

    /// Whether a text with this start can begin with any of the strings.
    #[inline]
    pub fn may_begin(&self, start: u64) -> bool {
        // Without a branch: it is done everywhere, and hardly ever true.
        (self.tiny_lengths != 0) | self.starts.may_begin(start)
    }

    /// Calls `found` with number and length of each string that `text` begins with; `start` is its start.
    #[inline(never)]
    pub fn look(&self, text: &[u8], start: u64, mut found: impl FnMut(u32, usize)) {
        let mut lengths = self.tiny_lengths;
        let may_begin = self.starts.may_begin(start);
        if may_begin {
            lengths |= self.short_lengths;
        }
        while lengths != 0 {
            let length = lengths.trailing_zeros() as usize;
            lengths &= lengths - 1;
            let whole = whole(start, length);
            if length <= text.len()
                && self.short_wholes.may_have(whole)
                && let Some(number) = self.short.get(&whole)
            {
                found(*number, length);
            }
        }
        if may_begin
            && self.long_starts.may_have(start)
            && let Some(places) = self.long.get(&start)
        {
            self.sorted.beginnings(text, places, found);
        }
    }
}
