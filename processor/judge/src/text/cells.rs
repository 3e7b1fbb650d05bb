//! From characters to cells: folded, compatibility forms undone, look-alikes resolved, invisible ones dropped.
//!
//! Invariant: every cell names the original bytes it came from, on character boundaries, in order; so whatever is matched later can be
//! shown and masked in the text that the user wrote.

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

/// What was undone to get a cell.
pub(crate) const LEET: u8 = 1;
pub(crate) const INVISIBLE: u8 = 2;
pub(crate) const CONFUSABLE: u8 = 4;
pub(crate) const FULL_WIDTH: u8 = 8;
pub(crate) const REPEAT: u8 = 16;
pub(crate) const SPACED: u8 = 32;
pub(crate) const MARKS: u8 = 64;

/// Names of the bits above, as verdicts carry them.
pub(crate) const MARK_NAMES: [(u8, &str); 7] = [
    (CONFUSABLE, "confusable"),
    (FULL_WIDTH, "full-width"),
    (INVISIBLE, "invisible"),
    (LEET, "leet"),
    (MARKS, "marks"),
    (REPEAT, "repeat"),
    (SPACED, "spaced"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub ch: char,
    pub start: u32,
    pub end: u32,
    pub marks: u8,
}

impl Cell {
    pub fn is_word(self) -> bool {
        if self.ch.is_ascii() {
            self.ch.is_ascii_alphanumeric()
        } else {
            self.ch.is_alphanumeric()
        }
    }

    pub fn is_letter(self) -> bool {
        if self.ch.is_ascii() {
            self.ch.is_ascii_alphabetic()
        } else {
            self.ch.is_alphabetic()
        }
    }
}

/// The cells of one text. Kept between texts for its memory.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    pub cells: Vec<Cell>,
    pending: u8,
}

impl Cells {
    /// Takes `text` apart. The text is at most a few megabytes; positions are 32 bits.
    pub fn read(&mut self, text: &str) {
        self.cells.clear();
        self.pending = 0;
        for (at, ch) in text.char_indices() {
            let (start, end) = (position(at), position(at + ch.len_utf8()));
            if ch.is_ascii() {
                self.push(ch.to_ascii_lowercase(), start, end, 0);
            } else {
                self.read_wide(ch, start, end);
            }
        }
    }

    fn push(&mut self, ch: char, start: u32, end: u32, marks: u8) {
        let marks = marks | std::mem::take(&mut self.pending);
        self.cells.push(Cell {
            ch,
            start,
            end,
            marks,
        });
    }

    fn read_wide(&mut self, ch: char, start: u32, end: u32) {
        if is_invisible(ch) {
            // It counts only inside a word: an emoji's variation selector is no disguise.
            if self.cells.last().is_some_and(|last| last.is_word()) {
                self.pending |= INVISIBLE;
            }
            return;
        }
        if is_stacked_mark(ch) {
            if let Some(last) = self.cells.last_mut() {
                last.marks |= MARKS;
                last.end = end;
            }
            return;
        }
        let before = self.cells.len();
        for plain in std::iter::once(ch).nfkd() {
            if is_stacked_mark(plain) {
                continue;
            }
            let compatible = if plain == ch || is_composed(ch, plain) {
                0
            } else {
                FULL_WIDTH
            };
            for folded in plain.to_lowercase() {
                self.push_resolved(folded, start, end, compatible);
            }
        }
        if self.cells.len() == before {
            // Nothing is left of it: it still parts words.
            self.push(' ', start, end, 0);
        }
    }

    /// A look-alike of Latin letters becomes them.
    fn push_resolved(&mut self, ch: char, start: u32, end: u32, marks: u8) {
        if ch.is_ascii() {
            self.push(ch, start, end, marks);
            return;
        }
        let mut buffer = [0u8; 4];
        let text = ch.encode_utf8(&mut buffer);
        let mut resolved = [' '; 2];
        let mut count = 0;
        for plain in skeleton(text) {
            if count == resolved.len() {
                count = usize::MAX;
                break;
            }
            resolved[count] = plain.to_ascii_lowercase();
            count += 1;
        }
        let latin = resolved
            .get(..count)
            .filter(|all| !all.is_empty() && all.iter().all(char::is_ascii_alphanumeric));
        match latin {
            Some(letters) => letters
                .iter()
                .for_each(|letter| self.push(*letter, start, end, marks | CONFUSABLE)),
            None => self.push(ch, start, end, marks),
        }
    }
}

/// Texts are bounded far below 4 GiB.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// An accented letter taken apart is no evasion, only another way to write it.
fn is_composed(ch: char, base: char) -> bool {
    std::iter::once(ch).nfd().next() == Some(base)
}

/// Zero-width, bidirectional controls, variation selectors, soft hyphen, tags.
fn is_invisible(ch: char) -> bool {
    matches!(ch,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Marks that are put upon Latin letters: accents, and the piles of them called zalgo. Vowel signs of other scripts are not here: they
/// are letters to those who write them.
fn is_stacked_mark(ch: char) -> bool {
    matches!(ch, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut cells = Cells::default();
        cells.read(text);
        cells.cells.iter().map(|cell| cell.ch).collect()
    }

    #[test]
    fn disguises_come_off() {
        assert_eq!(folded("DaRn"), "darn");
        assert_eq!(folded("ｄａｒｎ"), "darn");
        assert_eq!(folded("d\u{200b}a\u{ad}rn"), "darn");
        assert_eq!(folded("dаrn"), "darn"); // Cyrillic а
        assert_eq!(folded("d\u{336}a\u{336}r\u{336}n\u{336}"), "darn");
        assert_eq!(folded("𝐝𝐚𝐫𝐧"), "darn");
        assert_eq!(folded("café"), "cafe");
    }

    #[test]
    fn an_accent_is_no_evasion_and_a_look_alike_is() {
        let mut cells = Cells::default();
        cells.read("é");
        assert_eq!(cells.cells[0].marks, 0);
        cells.read("а");
        assert_eq!(cells.cells[0].marks, CONFUSABLE);
    }

    #[test]
    fn every_cell_names_whole_characters_of_the_original() {
        let text = "a\u{200b}ｄé\u{301}ﷺ!";
        let mut cells = Cells::default();
        cells.read(text);
        for cell in &cells.cells {
            assert!(
                text.is_char_boundary(cell.start as usize)
                    && text.is_char_boundary(cell.end as usize)
                    && cell.start < cell.end
            );
        }
    }
}
