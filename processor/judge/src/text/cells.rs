//! From characters to cells: folded, compatibility forms undone, look-alikes resolved, invisible ones dropped.
//!
//! Invariant: every cell names the original bytes it came from, on character boundaries; so whatever is matched later can be shown and
//! masked in the text that the user wrote. Cells stand in the order in which the text is read: that of its bytes, or, where bidirectional
//! overrides turn it around, that in which it is displayed.

use super::{Marks, letters};
use unicode_bidi::BidiInfo;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

/// What a cell is to words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Other,
    Letter,
    Digit,
    /// A picture: a word of its own.
    Emoji,
    /// A letter that its writer hid, as in `f*ck`.
    Hidden,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub ch: char,
    pub kind: Kind,
    pub marks: Marks,
    /// Bytes of the original.
    pub start: u32,
    pub end: u32,
    /// Its place among the cells.
    pub index: u32,
}

impl Cell {
    pub fn is_word(self) -> bool {
        matches!(self.kind, Kind::Letter | Kind::Digit)
    }

    pub fn is_letter(self) -> bool {
        self.kind == Kind::Letter
    }
}

/// A character and what it is.
type Folded = (char, Kind, Marks);

/// What a character comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    /// It has no look of its own.
    Invisible,
    /// It stands upon the letter before.
    Stacked,
    Cells(usize, [Folded; 4]),
    /// More than fit.
    Long,
}

const NO_CELL: Folded = (' ', Kind::Other, Marks::NONE);
const MEMO: usize = 1_024;
const LONG_MEMO: usize = 64;

/// The cells of one text. Kept between texts for its memory.
#[derive(Debug)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    /// Every byte is a character, in `lower`; cells are made of them only when somebody asks, because most texts need none.
    ascii: bool,
    lower: Vec<u8>,
    /// Some word has a run of three equal letters.
    pub long_runs: bool,
    /// Something may be a letter in disguise: a digit, a sign, a letter of another script.
    pub signs: bool,
    pending: Marks,
    /// The last characters that were folded, by their number.
    memo: Box<[(char, Fold)]>,
    /// The same of those that come to more than fit.
    long: Box<[(char, Vec<Folded>)]>,
}

impl Default for Cells {
    fn default() -> Cells {
        Cells {
            cells: Vec::new(),
            ascii: false,
            lower: Vec::new(),
            long_runs: false,
            signs: false,
            pending: Marks::NONE,
            memo: vec![('\0', Fold::Invisible); MEMO].into_boxed_slice(),
            long: vec![('\0', Vec::new()); LONG_MEMO].into_boxed_slice(),
        }
    }
}

impl Cells {
    /// Takes `text` apart in the order of its bytes; whether it holds an override that displays it in another order.
    pub fn read(&mut self, text: &str) -> bool {
        self.clear();
        if text.is_ascii() {
            self.read_ascii(text.as_bytes());
            return false;
        }
        let mut overridden = false;
        for (at, ch) in text.char_indices() {
            overridden |= matches!(ch, '\u{202d}' | '\u{202e}');
            self.read_char(ch, position(at), position(at + ch.len_utf8()), Marks::NONE);
        }
        overridden
    }

    /// Takes `text` apart in the order in which it is displayed.
    pub fn read_displayed(&mut self, text: &str) {
        self.clear();
        let bidi = BidiInfo::new(text, None);
        for paragraph in &bidi.paragraphs {
            let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
            for run in runs {
                let backwards = levels.get(run.start).is_some_and(|level| level.is_rtl());
                let marks = if backwards {
                    Marks::REVERSED
                } else {
                    Marks::NONE
                };
                let mut read = |(at, ch): (usize, char)| {
                    let start = run.start + at;
                    self.read_char(ch, position(start), position(start + ch.len_utf8()), marks);
                };
                let part = text.get(run.clone()).unwrap_or_default();
                if backwards {
                    part.char_indices().rev().for_each(&mut read);
                } else {
                    part.char_indices().for_each(&mut read);
                }
            }
        }
    }

    /// A text of ASCII in lower case. None: it has other characters.
    pub fn ascii(&self) -> Option<&[u8]> {
        self.ascii.then_some(self.lower.as_slice())
    }

    pub fn all(&mut self) -> &[Cell] {
        if self.ascii && self.cells.is_empty() {
            let end = position(self.lower.len());
            self.cells
                .extend((0..end).zip(&self.lower).map(|(at, byte)| {
                    let (ch, kind) = letters::ascii_byte(*byte);
                    Cell {
                        ch,
                        kind,
                        marks: Marks::NONE,
                        start: at,
                        // Below the end, so that nothing wraps.
                        end: at.wrapping_add(1),
                        index: at,
                    }
                }));
        }
        &self.cells
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.ascii = false;
        (self.long_runs, self.signs, self.pending) = (false, false, Marks::NONE);
    }

    /// What `read_char` comes to where nothing is to be undone, many times faster.
    fn read_ascii(&mut self, text: &[u8]) {
        self.ascii = true;
        self.lower.clear();
        self.lower.extend(text.iter().map(u8::to_ascii_lowercase));
        let lower = self.lower.as_slice();
        // No early end: loops without one are done sixteen bytes at a time.
        self.signs = lower.iter().fold(false, |signs, byte| {
            signs | letters::SIGNS[usize::from(byte & 0x7f)]
        });
        let (next, third) = (lower.get(1..), lower.get(2..));
        let next = next.unwrap_or_default().iter();
        let three = lower.iter().zip(next).zip(third.unwrap_or_default());
        self.long_runs = three.fold(false, |runs, ((one, two), three)| {
            runs | ((one == two) & (two == three) & one.is_ascii_lowercase())
        });
    }

    fn read_char(&mut self, ch: char, start: u32, end: u32, marks: Marks) {
        if let Some((lower, kind)) = letters::ascii(ch) {
            self.push((lower, kind, marks), start, end);
            return;
        }
        let fold = self.fold(ch);
        match fold {
            // It counts only inside a word: an emoji's variation selector is no disguise.
            Fold::Invisible => {
                if self.cells.last().is_some_and(|last| last.is_word()) {
                    self.pending = self.pending.with(Marks::INVISIBLE);
                }
            }
            Fold::Stacked => {
                if let Some(last) = self.cells.last_mut() {
                    last.marks = last.marks.with(Marks::STACKED);
                    // Displayed backwards, a mark is met before its letter.
                    last.end = last.end.max(end);
                }
            }
            Fold::Cells(count, folded) => {
                for (ch, kind, more) in folded.into_iter().take(count) {
                    self.push((ch, kind, more.with(marks)), start, end);
                }
            }
            Fold::Long => {
                let slot = ch as usize % LONG_MEMO;
                let mut long = std::mem::take(&mut self.long[slot]);
                if long.0 != ch {
                    long.0 = ch;
                    long.1.clear();
                    expand(ch, &mut long.1);
                }
                for (ch, kind, more) in &long.1 {
                    self.push((*ch, *kind, more.with(marks)), start, end);
                }
                self.long[slot] = long;
            }
        }
    }

    fn push(&mut self, (ch, kind, marks): Folded, start: u32, end: u32) {
        let marks = marks.with(std::mem::take(&mut self.pending));
        let count = self.cells.len();
        if kind == Kind::Letter {
            self.long_runs |=
                count >= 2 && self.cells[count - 1].ch == ch && self.cells[count - 2].ch == ch;
            self.signs |= !ch.is_ascii();
        } else {
            self.signs |= kind == Kind::Digit || letters::is_sign(ch);
        }
        self.cells.push(Cell {
            ch,
            kind,
            marks,
            start,
            end,
            index: position(count),
        });
    }

    fn fold(&mut self, ch: char) -> Fold {
        let slot = &mut self.memo[ch as usize % MEMO];
        if slot.0 != ch {
            *slot = (ch, fold(ch));
        }
        slot.1
    }
}

fn fold(ch: char) -> Fold {
    if letters::is_invisible(ch) {
        return Fold::Invisible;
    }
    if letters::is_stacked_mark(ch) {
        return Fold::Stacked;
    }
    let mut all = Vec::new();
    expand(ch, &mut all);
    let mut few = [NO_CELL; 4];
    match few.get_mut(..all.len()) {
        Some(slots) => {
            slots.copy_from_slice(&all);
            Fold::Cells(all.len(), few)
        }
        None => Fold::Long,
    }
}

/// The cells of one character; at least one, so that it still parts words.
fn expand(ch: char, into: &mut Vec<Folded>) {
    if let Some(letter) = letters::emoji_letter(ch) {
        into.push((letter, Kind::Letter, Marks::EMOJI));
        return;
    }
    if letters::is_emoji(ch) {
        into.push((ch, Kind::Emoji, Marks::NONE));
        return;
    }
    for plain in std::iter::once(ch).nfkd() {
        if letters::is_stacked_mark(plain) {
            continue;
        }
        let marks = if plain == ch || is_composed(ch, plain) {
            Marks::NONE
        } else {
            Marks::FULL_WIDTH
        };
        resolve(plain, marks, into);
    }
    if into.is_empty() {
        into.push(NO_CELL);
    }
}

/// A look-alike of Latin letters becomes them; whatever else is folded to lower case.
fn resolve(ch: char, marks: Marks, into: &mut Vec<Folded>) {
    if let Some((lower, kind)) = letters::ascii(ch) {
        into.push((lower, kind, marks));
        return;
    }
    if ch == 'ß' || ch == 'ẞ' {
        into.extend([('s', Kind::Letter, marks); 2]);
        return;
    }
    if look_alike(ch, marks, into) {
        return;
    }
    for lower in ch.to_lowercase() {
        if lower == ch || !look_alike(lower, marks, into) {
            into.push((lower, letters::kind(lower), marks));
        }
    }
}

fn look_alike(ch: char, marks: Marks, into: &mut Vec<Folded>) -> bool {
    let mut buffer = [0u8; 4];
    let before = into.len();
    for plain in skeleton(ch.encode_utf8(&mut buffer)) {
        if letters::is_stacked_mark(plain) {
            continue;
        }
        match letters::ascii(plain) {
            // A letter that looks like a digit is still a letter to those who write it.
            Some((lower, kind @ (Kind::Letter | Kind::Digit)))
                if into.len() < before + 2 && (kind == Kind::Letter || !ch.is_alphabetic()) =>
            {
                into.push((lower, kind, marks.with(Marks::CONFUSABLE)));
            }
            _ => {
                into.truncate(before);
                return false;
            }
        }
    }
    into.len() > before
}

/// Texts are bounded far below 4 GiB.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// An accented letter taken apart is no evasion, only another way to write it.
fn is_composed(ch: char, base: char) -> bool {
    std::iter::once(ch).nfd().next() == Some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut cells = Cells::default();
        if cells.read(text) {
            cells.read_displayed(text);
        }
        cells.all().iter().map(|cell| cell.ch).collect()
    }

    #[test]
    fn disguises_come_off() {
        for disguised in [
            "DaRn",
            "ｄａｒｎ",
            "d\u{200b}a\u{ad}rn",
            "dаrn", // Cyrillic а
            "d\u{336}a\u{336}r\u{336}n\u{336}",
            "𝐝𝐚𝐫𝐧",
            "đárn",
            "🅳🅰🆁🅽",
            "🇩🇦🇷🇳",
            "ⓓⓐⓡⓝ",
            "🄳🄰🅁🄽",
        ] {
            assert_eq!(folded(disguised), "darn", "{disguised}");
        }
        assert_eq!(folded("café"), "cafe");
        assert_eq!(folded("Straße"), "strasse");
    }

    #[test]
    fn text_turned_around_by_an_override_is_read_as_it_is_displayed() {
        assert_eq!(folded("\u{202e}nrad"), "darn");
        assert_eq!(folded("oh \u{202e}nrad\u{202c} it"), "oh darn it");
        let mut cells = Cells::default();
        cells.read_displayed("\u{202e}nrad");
        let first = cells.all()[0];
        assert_eq!((first.ch, first.start, first.end), ('d', 6, 7));
        assert!(first.marks.has(Marks::REVERSED));
        // Hebrew is not turned around: nobody hides anything by writing it.
        assert!(!cells.read("שלום"));
    }

    #[test]
    fn an_accent_is_no_evasion_and_a_look_alike_is() {
        let mut cells = Cells::default();
        cells.read("é");
        assert_eq!(cells.all()[0].marks, Marks::NONE);
        cells.read("а");
        assert_eq!(cells.all()[0].marks, Marks::CONFUSABLE);
    }

    #[test]
    fn every_cell_names_whole_characters_of_the_original() {
        let text = "a\u{200b}ｄé\u{301}ﷺ!\u{202e}ab\u{301}c";
        let mut cells = Cells::default();
        for displayed in [false, true] {
            if displayed {
                cells.read_displayed(text);
            } else {
                cells.read(text);
            }
            for cell in cells.all() {
                let (start, end) = (cell.start as usize, cell.end as usize);
                assert!(start < end && text.is_char_boundary(start) && text.is_char_boundary(end));
            }
        }
    }

    #[test]
    fn ascii_is_read_as_it_is_among_other_characters() {
        let (mut alone, mut beside) = (Cells::default(), Cells::default());
        for text in [
            "",
            "a",
            "Kung Fu",
            "nOoO way",
            "n0 way",
            "a!",
            "a*",
            "#",
            "aa a",
            "111",
            "....",
            "a\0\u{7f}\nb",
            "zZz",
            "~@[`{",
        ] {
            alone.read(text);
            beside.read(&format!("{text}\u{3002}"));
            let sign = beside.cells.pop();
            assert_eq!(sign.map(|cell| cell.kind), Some(Kind::Other));
            assert_eq!(alone.all(), beside.all(), "{text}");
            assert_eq!(
                (alone.signs, alone.long_runs),
                (beside.signs, beside.long_runs),
                "{text}"
            );
        }
    }

    #[test]
    fn a_remembered_character_folds_as_it_did_the_first_time() {
        let mut cells = Cells::default();
        for ch in ('\u{80}'..='\u{3000}').chain('\u{1f000}'..='\u{1f9ff}') {
            cells.read(&format!("{ch}{ch}"));
            let (first, second) = {
                let all = cells.all();
                all.split_at(all.len() / 2)
            };
            let look = |part: &[Cell]| {
                part.iter()
                    .map(|cell| (cell.ch, cell.kind))
                    .collect::<Vec<_>>()
            };
            assert_eq!(look(first), look(second), "{ch:?}");
        }
    }
}
