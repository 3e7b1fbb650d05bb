//! Text: what a message says once its disguises are off, with the way back to its original bytes.

mod cells;
mod matcher;
mod view;

pub(crate) use cells::{Cells, MARK_NAMES};
pub(crate) use matcher::{Found, Matcher, Meaning, Patterns};
pub(crate) use view::Views;

/// Bytes of the original text: whole characters of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    pub fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }
}
