//! Text: what a message says once its disguises are off, with the way back to its original bytes.

mod cells;
pub(crate) mod detect;
mod disguise;
mod filter;
mod fingerprint;
mod found;
mod glue;
pub(crate) mod letters;
mod marks;
mod matcher;
mod needles;
mod parts;
mod patterns;
mod phrases;
mod sorted;
mod spelling;
mod view;
mod words;

pub(crate) use cells::Cells;
pub(crate) use fingerprint::{fingerprint, fnv, near_fingerprint, nearly};
pub(crate) use found::{Found, Hit};
pub(crate) use marks::Marks;
pub(crate) use matcher::{Facts, GuardFacts, Matcher, Meaning, Work};
pub(crate) use patterns::{How, Patterns, Unusable};
pub(crate) use view::{Undo, View, Views};

/// Whether a character is anything to a matcher once it is normalised: a letter, a digit, a picture.
pub(crate) fn carries_meaning(ch: char) -> bool {
    ch.is_alphanumeric() || letters::is_emoji(ch) || letters::emoji_letter(ch).is_some()
}

/// Whether a message that holds `written` is read as `meant`, too: what importers of word lists tell their users.
pub fn reads_as(written: &str, meant: &str) -> bool {
    let (mut cells, mut views) = (Cells::default(), Views::default());
    cells.read(meant);
    views.read(&mut cells, Undo::default());
    let meant = views.plain().text.clone();
    cells.read(written);
    views.read(&mut cells, Undo::default());
    views.used().any(|view| view.text == meant)
}

/// Bytes of the original text: whole characters of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub start: u32,
    pub end: u32,
}
