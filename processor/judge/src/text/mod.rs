//! Text: what a message says once its disguises are off, with the way back to its original bytes.

mod cells;
pub(crate) mod detect;
mod disguise;
mod filter;
mod fingerprint;
mod found;
mod glue;
pub(crate) mod letters;
mod matcher;
mod needles;
mod parts;
mod patterns;
mod phrases;
mod sorted;
mod spelling;
mod view;
mod words;

pub(crate) use cells::{Cells, Marks};
pub(crate) use fingerprint::{fingerprint, fnv, near_fingerprint, nearly};
pub(crate) use found::{Found, Hit};
pub(crate) use matcher::{Facts, GuardFacts, Matcher, Meaning, Work};
pub(crate) use patterns::{How, Patterns, Unusable};
pub(crate) use view::{Undo, Views};

/// Whether a character is anything to a matcher once it is normalised: a letter, a digit, a picture.
pub(crate) fn carries_meaning(ch: char) -> bool {
    ch.is_alphanumeric() || letters::is_emoji(ch) || letters::emoji_letter(ch).is_some()
}

/// Bytes of the original text: whole characters of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub start: u32,
    pub end: u32,
}
