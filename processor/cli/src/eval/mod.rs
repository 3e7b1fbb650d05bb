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
pub use html::{page, safe};
pub use labelled::{Labelled, Problem, read};
pub use report::{Compared, Heading, Report, Unreadable};
pub use score::{Changes, Criterion, Judged, Positive, Score};
pub use text::write;

use crate::table::printable;

/// As `printable`, with what has no shape of its own made visible too: a report on disguises has to show them.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        let shapeless = matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
        if shapeless {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

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
    fn a_disguise_is_seen() {
        assert_eq!(
            visible("a\u{ad}b\u{e0041}\u{202e}\u{61c}c猫"),
            "a\\u{ad}b\\u{e0041}\\u{202e}\\u{61c}c猫"
        );
    }

    #[test]
    fn a_cut_keeps_characters_whole() {
        assert_eq!(cut("猫猫", 4), ("猫", false));
        assert_eq!(cut("猫猫", 6), ("猫猫", true));
        assert_eq!(cut("", 0), ("", true));
    }
}
