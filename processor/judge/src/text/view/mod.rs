//! One way to read a message.
//!
//! A view is words joined by single spaces, with a space at both ends, so that a word boundary is a space and every separator looks the
//! same.

mod views;

pub(crate) use views::{Undo, Views};

use super::cells::{Cell, Kind};
use super::{Marks, Span, letters};

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
