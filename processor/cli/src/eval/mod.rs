//! Measuring a policy on messages whose right answer is known.
//!
//! Invariant: integers are counted and integers decide (what is flagged, which gate is met); a float is made only where a
//! person reads it. So a gate cannot pass on one machine and fail on another. Memory does not grow with the file: counters
//! have a bounded number of names and examples a bounded number of texts, so a whole log can be measured.

mod figures;
mod gate;
mod html;
mod labelled;
mod plots;
mod report;
mod score;
mod text;
mod worst;

pub use gate::{Gates, Share};
pub use html::page;
pub use labelled::{Labelled, Problem, read};
pub use report::{Compared, Heading, Report, Unreadable};
pub use score::{Changes, Criterion, Judged, Positive, Score};
pub use text::write;

/// The beginning of a text, and whether that is all of it. Never cuts a character.
pub fn cut(text: &str, bytes: usize) -> (&str, bool) {
    if text.len() <= bytes {
        return (text, true);
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_characters_whole() {
        assert_eq!(cut("猫猫", 4), ("猫", false));
        assert_eq!(cut("猫猫", 6), ("猫猫", true));
        assert_eq!(cut("", 0), ("", true));
    }
}
