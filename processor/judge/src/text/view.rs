//! Views: the ways to read a message. The plain one always; the others only when the text gives cause.
//!
//! A view is words joined by single spaces, with a space at both ends, so that a word boundary is a space and every separator looks the
//! same. Numbers stay numbers: a digit is read as a letter only in a word that has letters enough.

use super::cells::{Cell, Cells, Kind, Marks};
use super::disguise::{censor, decode, join_spaced, squeeze};
use super::{Span, letters};

/// Which disguises a policy has undone; all of them unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undo {
    pub leet: bool,
    pub spaced: bool,
    pub repeats: bool,
}

impl Default for Undo {
    fn default() -> Undo {
        Undo {
            leet: true,
            spaced: true,
            repeats: true,
        }
    }
}

/// Where a byte of a view came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Origin {
    start: u32,
    end: u32,
    index: u32,
    marks: Marks,
}

/// A word of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    /// Range of the view's text.
    pub from: u32,
    pub to: u32,
    /// Place of its first cell.
    pub cell: u32,
    /// Its number in the message; the end of a sentence counts like some words.
    pub position: u32,
    /// What stands between it and the word before can be taken away: one separator, and no apostrophe.
    pub joins: bool,
    /// It follows an apostrophe that follows a word, as the s of "he's".
    pub hangs: bool,
}

/// Words that the end of a sentence counts for: more than phrases reach over.
const SENTENCE: u32 = 16;

/// What stands before the next word.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    separators: u32,
    /// One of them is an apostrophe or the end of a line.
    parts: bool,
    /// A sentence ends.
    ended: bool,
}

/// A part of a view, in the original text and among its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub span: Span,
    /// Places of the first and the last cell.
    pub cells: (u32, u32),
    pub marks: Marks,
}

/// One way to read the text.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// ` word word `, normalised.
    pub text: Vec<u8>,
    /// Of each byte; empty if the view is straight.
    origin: Vec<Origin>,
    /// Of ASCII with nothing undone: the bytes of a word are those of the original from the word's cell on, which is also their place.
    straight: bool,
    pub words: Vec<Word>,
    /// Words of one letter.
    singles: usize,
}

impl View {
    fn clear(&mut self, straight: bool) {
        self.text.clear();
        self.origin.clear();
        self.words.clear();
        self.singles = 0;
        self.straight = straight;
        self.space();
    }

    fn space(&mut self) {
        self.text.push(b' ');
        if !self.straight {
            self.origin.push(Origin::default());
        }
    }

    fn push(&mut self, cell: &Cell) {
        let origin = Origin {
            start: cell.start,
            end: cell.end,
            index: cell.index,
            marks: cell.marks,
        };
        if cell.ch.is_ascii() {
            self.text.push(cell.ch as u8);
            self.origin.push(origin);
        } else {
            let mut buffer = [0u8; 4];
            let bytes = cell.ch.encode_utf8(&mut buffer).as_bytes();
            self.text.extend_from_slice(bytes);
            self.origin.extend(std::iter::repeat_n(origin, bytes.len()));
        }
    }

    /// Adds a word, and says of each of its bytes where it came from.
    fn push_word(&mut self, word: &[Cell]) {
        let from = self.text.len();
        let mut foreign = false;
        for cell in word {
            foreign |= cell.is_letter() && !cell.ch.is_ascii();
            self.push(cell);
        }
        if foreign {
            // A word of another script is no disguise because some of its letters look like Latin ones.
            for origin in &mut self.origin[from..] {
                origin.marks = origin.marks.without(Marks::CONFUSABLE);
            }
        }
    }

    /// Words are runs of word cells, and pictures.
    fn fill(&mut self, cells: &[Cell]) {
        self.clear(false);
        let (mut gap, mut position, mut at) = (Gap::default(), 0, 0);
        while let Some(cell) = cells.get(at) {
            if !cell.is_word() && !matches!(cell.kind, Kind::Emoji | Kind::Hidden) {
                gap.separators += 1;
                gap.parts |= letters::is_apostrophe(cell.ch) || cell.ch == '\n';
                let next = cells.get(at + 1);
                gap.ended |= cell.ch == '\n'
                    || letters::ends_sentence(cell.ch) && next.is_none_or(|next| !next.is_word());
                at += 1;
                continue;
            }
            let hangs = gap.separators == 1
                && at >= 2
                && letters::is_apostrophe(cells[at - 1].ch)
                && cells[at - 2].is_word();
            let (from, first) = (self.text.len() as u32, at);
            at += 1;
            if cell.kind != Kind::Emoji {
                while let Some(cell) = cells.get(at)
                    && (cell.is_word() || cell.kind == Kind::Hidden)
                {
                    at += 1;
                }
            }
            self.push_word(&cells[first..at]);
            self.singles += usize::from(at - first == 1 && cell.is_letter());
            self.end_word(from, cell.index, hangs, &mut position, &mut gap);
        }
    }

    /// The same of ASCII in lower case, as it stands.
    fn fill_straight(&mut self, text: &[u8]) {
        self.clear(true);
        // One for the space before.
        self.text.reserve(text.len() + 2);
        let class = |at: usize| {
            text.get(at)
                .map_or(0, |byte| letters::CLASSES[usize::from(byte & 0x7f)])
        };
        let (mut gap, mut position, mut at) = (Gap::default(), 0, 0);
        while at < text.len() {
            let of = class(at);
            if of != letters::WORD {
                gap.separators += 1;
                gap.parts |= of & (letters::APOSTROPHE | letters::NEWLINE) != 0;
                gap.ended |= of == letters::NEWLINE
                    || of == letters::SENTENCE_END && class(at + 1) != letters::WORD;
                at += 1;
                continue;
            }
            let hangs = gap.separators == 1
                && at >= 2
                && class(at - 1) == letters::APOSTROPHE
                && class(at - 2) == letters::WORD;
            let (from, first) = (self.text.len() as u32, at);
            while class(at) == letters::WORD {
                at += 1;
            }
            let word = text.get(first..at).unwrap_or_default();
            self.text.extend_from_slice(word);
            self.singles += usize::from(word.len() == 1 && word[0].is_ascii_lowercase());
            self.end_word(from, first as u32, hangs, &mut position, &mut gap);
        }
    }

    /// Ends the word that begins at `from` of this view.
    fn end_word(&mut self, from: u32, cell: u32, hangs: bool, position: &mut u32, gap: &mut Gap) {
        if gap.ended && !self.words.is_empty() {
            *position += SENTENCE;
        }
        self.words.push(Word {
            from,
            to: self.text.len() as u32,
            cell,
            position: *position,
            joins: !gap.parts && gap.separators <= 1,
            hangs,
        });
        self.space();
        *position += 1;
        *gap = Gap::default();
    }

    /// Counts letters that were written apart as the one word that they are.
    fn close(&mut self, spaced: &View) {
        let joined = spaced
            .words
            .iter()
            .filter(|word| spaced.marks_of(word).has(Marks::SPACED));
        let mut joined = joined
            .map(|word| (word.cell, spaced.last_cell(word)))
            .peekable();
        let (mut fewer, mut inside) = (0, None);
        for word in &mut self.words {
            while joined.next_if(|(_, last)| *last < word.cell).is_some() {
                inside = None;
            }
            match joined.peek() {
                Some((first, _)) if *first <= word.cell => match inside {
                    None => inside = Some(word.position - fewer),
                    Some(position) => {
                        fewer = word.position - position;
                        word.position = position;
                        continue;
                    }
                },
                _ => inside = None,
            }
            word.position -= fewer;
        }
    }

    fn last_cell(&self, word: &Word) -> u32 {
        if self.straight {
            return (word.cell + (word.to - word.from)).saturating_sub(1);
        }
        let last = (word.to as usize).checked_sub(1);
        last.and_then(|last| self.origin.get(last))
            .map_or(word.cell, |origin| origin.index)
    }

    /// Where the bytes `from..to` of this view stand in the original, and what was undone in them.
    pub fn trace(&self, from: usize, to: usize) -> Option<Place> {
        if self.straight {
            return self.trace_straight(from as u32, to as u32);
        }
        let mut all = self.origin.get(from..to)?.iter().filter(|one| one.end > 0);
        let first = all.next()?;
        let mut place = Place {
            span: Span {
                start: first.start,
                end: first.end,
            },
            cells: (first.index, first.index),
            marks: first.marks,
        };
        for one in all {
            // Displayed backwards, later cells stand earlier in the text.
            place.span.start = place.span.start.min(one.start);
            place.span.end = place.span.end.max(one.end);
            place.cells.1 = one.index;
            place.marks = place.marks.with(one.marks);
        }
        Some(place)
    }

    /// The same where the words say it: from the first byte that is no space to the last one.
    fn trace_straight(&self, from: u32, to: u32) -> Option<Place> {
        let first = self.words.partition_point(|word| word.to <= from);
        let first = self.words.get(first)?;
        let last = self.words.partition_point(|word| word.from < to);
        let last = self.words.get(last.checked_sub(1)?)?;
        let start = first.cell + from.saturating_sub(first.from);
        let end = last.cell + to.min(last.to) - last.from;
        (start < end).then(|| Place {
            span: Span { start, end },
            cells: (start, end - 1),
            marks: Marks::NONE,
        })
    }

    /// What was undone in the last letter of a word.
    pub fn marks_of(&self, word: &Word) -> Marks {
        let last = (word.to as usize).checked_sub(1);
        last.and_then(|last| self.origin.get(last))
            .map_or(Marks::NONE, |origin| origin.marks)
    }

    pub fn of(&self, word: &Word) -> &[u8] {
        self.text
            .get(word.from as usize..word.to as usize)
            .unwrap_or_default()
    }

    /// The number of the word that holds a cell.
    pub fn position_of(&self, cell: u32) -> u32 {
        let after = self.words.partition_point(|word| word.cell <= cell);
        after
            .checked_sub(1)
            .and_then(|last| self.words.get(last))
            .map_or(0, |word| word.position)
    }
}

/// All views of one text. Kept between texts for their memory.
#[derive(Debug, Default)]
pub(crate) struct Views {
    plain: View,
    others: [View; 5],
    used: [bool; 5],
    short: Vec<Cell>,
    decoded: Vec<Cell>,
    other: Vec<Cell>,
}

/// Which of the other views is which.
const LEET: usize = 0;
const LEET_OTHER: usize = 1;
const SINGLE: usize = 2;
const SPACED: usize = 3;
const CENSORED: usize = 4;

impl Views {
    /// The text as it stands, but for what has no meaning: its words are the words of the message.
    pub fn plain(&self) -> &View {
        &self.plain
    }

    /// The views that the last text gave cause for, the plain one first.
    pub fn used(&self) -> impl Iterator<Item = &View> {
        let others = self.others.iter().zip(self.used);
        std::iter::once(&self.plain).chain(others.filter_map(|(view, used)| used.then_some(view)))
    }

    /// The same with what was undone in each, for people.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &View)> {
        const NAMES: [&str; 5] = ["leet", "leet-other", "repeat", "spaced", "censored"];
        let others = self.others.iter().zip(NAMES).zip(self.used);
        std::iter::once(("plain", &self.plain))
            .chain(others.filter_map(|((view, name), used)| used.then_some((name, view))))
    }

    pub fn read(&mut self, cells: &mut Cells, undo: Undo) {
        self.used = [false; 5];
        let any_signs = cells.signs;
        let (signs, long_runs) = (any_signs && undo.leet, cells.long_runs && undo.repeats);
        let straight = cells.ascii().filter(|_| !long_runs);
        if let Some(text) = straight {
            self.plain.fill_straight(text);
        } else if long_runs {
            squeeze(cells.all(), 2, &mut self.short);
            self.plain.fill(&self.short);
        } else {
            self.plain.fill(cells.all());
        }
        // Three at least are joined, two of them letters; the third may be a digit or a sign.
        let apart = undo.spaced && self.plain.singles >= if any_signs { 2 } else { 3 };
        if signs || apart || long_runs {
            self.read_otherwise(cells.all(), undo, (signs, apart, long_runs));
        }
    }

    /// The other views, for signs, for letters that stand apart, for long runs.
    fn read_otherwise(
        &mut self,
        cells: &[Cell],
        undo: Undo,
        (signs, apart, long_runs): (bool, bool, bool),
    ) {
        let source: &[Cell] = if long_runs { &self.short } else { cells };
        if signs {
            self.used[LEET] = decode(source, letters::leet, &mut self.decoded);
            if self.used[LEET] {
                self.others[LEET].fill(&self.decoded);
                let other = |ch| letters::leet_other(ch).or_else(|| letters::leet(ch));
                decode(source, other, &mut self.other);
                self.used[LEET_OTHER] = differ(&self.other, &self.decoded);
                if self.used[LEET_OTHER] {
                    self.others[LEET_OTHER].fill(&self.other);
                }
            }
            self.used[CENSORED] = censor(source, &mut self.other);
            if self.used[CENSORED] {
                self.others[CENSORED].fill(&self.other);
            }
        }
        if apart {
            let decoded: &[Cell] = if self.used[LEET] {
                &self.decoded
            } else {
                source
            };
            self.used[SPACED] = join_spaced(source, decoded, undo.leet, &mut self.other);
            if self.used[SPACED] {
                self.others[SPACED].fill(&self.other);
                self.plain.close(&self.others[SPACED]);
            }
        }
        if long_runs {
            squeeze(cells, 1, &mut self.short);
            self.used[SINGLE] = true;
            let single = if signs && decode(&self.short, letters::leet, &mut self.decoded) {
                &self.decoded
            } else {
                &self.short
            };
            self.others[SINGLE].fill(single);
        }
    }
}

fn differ(one: &[Cell], other: &[Cell]) -> bool {
    one.iter().zip(other).any(|(one, other)| one.ch != other.ch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(text: &str) -> Vec<String> {
        let (mut cells, mut views) = (Cells::default(), Views::default());
        cells.read(text);
        views.read(&mut cells, Undo::default());
        views
            .used()
            .map(|view| String::from_utf8_lossy(&view.text).trim().to_owned())
            .collect()
    }

    #[test]
    fn plain_text_has_one_view() {
        assert_eq!(views("Kung Fu, anyone?"), ["kung fu anyone"]);
        assert_eq!(
            views("45 45 and 45s, 1v1, 100km, 2nd!"),
            ["45 45 and 45s 1v1 100km 2nd"]
        );
        assert_eq!(views("class assessment"), ["class assessment"]);
    }

    #[test]
    fn digits_and_signs_become_letters_only_beside_letters() {
        assert_eq!(views("d4rn it!"), ["d4rn it", "darn it"]);
        assert_eq!(views("$h00t"), ["h00t", "shoot"]);
        assert_eq!(views("k1ss"), ["k1ss", "kiss", "klss"]);
        assert_eq!(views("you a$$"), ["you a", "you ass"]);
    }

    #[test]
    fn letters_of_other_scripts_are_read_as_latin_ones_only_among_those() {
        assert_eq!(views("dаяп"), ["daяп", "darn"]);
        assert_eq!(views("дом").len(), 1);
    }

    #[test]
    fn long_runs_are_read_short_and_shorter() {
        assert_eq!(views("daaaarn"), ["daarn", "darn"]);
        assert_eq!(views("goooood"), ["good", "god"]);
    }

    #[test]
    fn spaced_letters_are_joined_among_the_other_words() {
        assert_eq!(
            views("oh d a r n  i t me").last().unwrap(),
            "oh darn i t me"
        );
        assert_eq!(views("d.a.r.n").last().unwrap(), "darn");
        assert_eq!(views("d - a - r - n").last().unwrap(), "darn");
        assert_eq!(views("d  a  r  n").last().unwrap(), "darn");
        assert_eq!(views("I d 4 r n").last().unwrap(), "i darn");
        assert_eq!(views("a b").len(), 1);
        assert_eq!(views("1 2 3 4").len(), 1);
    }

    #[test]
    fn letters_that_are_hidden_leave_a_star() {
        assert_eq!(views("oh d*rn").last().unwrap(), "oh d*rn");
        assert_eq!(views("d**n it").last().unwrap(), "d**n it");
        assert_eq!(views("dar* it").last().unwrap(), "dar* it");
        assert_eq!(views("2*3 *hello* a - b"), ["2 3 hello a b"]);
    }

    #[test]
    fn a_word_is_traced_to_its_original_bytes() {
        let (mut cells, mut views) = (Cells::default(), Views::default());
        cells.read("ok D A R N!");
        views.read(&mut cells, Undo::default());
        let view = views.used().last().unwrap();
        let word = view.words[1];
        let place = view.trace(word.from as usize, word.to as usize).unwrap();
        assert_eq!(
            (place.span, place.marks),
            (Span { start: 3, end: 10 }, Marks::SPACED)
        );
        assert_eq!(views.plain().position_of(place.cells.0), 1);
    }

    #[test]
    fn letters_written_apart_are_one_word_among_the_others() {
        let (mut cells, mut views) = (Cells::default(), Views::default());
        cells.read("oh d a r n it. a b c d me");
        views.read(&mut cells, Undo::default());
        let positions = views.plain().words.iter().map(|word| word.position);
        assert_eq!(
            positions.collect::<Vec<u32>>(),
            [0, 1, 1, 1, 1, 2, 19, 19, 19, 19, 20]
        );
    }

    #[test]
    fn the_end_of_a_sentence_keeps_words_apart() {
        let (mut cells, mut views) = (Cells::default(), Views::default());
        cells.read("I hate it. They left!!! a.b");
        views.read(&mut cells, Undo::default());
        let positions: Vec<u32> = views
            .plain()
            .words
            .iter()
            .map(|word| word.position)
            .collect();
        assert_eq!(positions, [0, 1, 2, 19, 20, 37, 38]);
    }
}
