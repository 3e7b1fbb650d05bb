//! Views: the ways to read a message. The plain one always; the others only when the text gives cause.
//!
//! A view is words joined by single spaces, with a space at both ends, so that a word boundary is a space and every separator looks the
//! same. Numbers stay numbers: a digit is read as a letter only in a word that has letters enough.

use super::Span;
use super::cells::{Cell, Cells, LEET, REPEAT, SPACED};

/// One way to read the text.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// ` word word `, normalised.
    pub text: Vec<u8>,
    /// Of each byte of `text`: where it came from, and what was undone.
    origin: Vec<(u32, u32, u8)>,
    /// Each word, as a range of `text`.
    pub words: Vec<(u32, u32)>,
}

impl View {
    fn clear(&mut self) {
        self.text.clear();
        self.origin.clear();
        self.words.clear();
        self.space();
    }

    fn space(&mut self) {
        self.text.push(b' ');
        self.origin.push((0, 0, 0));
    }

    fn push(&mut self, cell: Cell) {
        let mut buffer = [0u8; 4];
        for byte in cell.ch.encode_utf8(&mut buffer).bytes() {
            self.text.push(byte);
            self.origin.push((cell.start, cell.end, cell.marks));
        }
    }

    fn end_word(&mut self, from: usize) {
        if self.text.len() > from {
            self.words.push((from as u32, self.text.len() as u32));
            self.space();
        }
    }

    /// Words are runs of word cells.
    fn fill(&mut self, cells: &[Cell]) {
        self.clear();
        let mut from = self.text.len();
        for cell in cells {
            if cell.is_word() {
                self.push(*cell);
            } else {
                self.end_word(from);
                from = self.text.len();
            }
        }
        self.end_word(from);
    }

    /// Where the bytes `from..to` of this view stand in the original, and what was undone in them.
    pub fn trace(&self, from: usize, to: usize) -> Option<(Span, u8)> {
        let mut words = self
            .origin
            .get(from..to)?
            .iter()
            .filter(|origin| origin.1 > 0);
        let first = words.next()?;
        let (start, mut end, mut marks) = *first;
        for origin in words {
            end = end.max(origin.1);
            marks |= origin.2;
        }
        Some((Span { start, end }, marks))
    }
}

/// All views of one text. Kept between texts for their memory.
#[derive(Debug, Default)]
pub(crate) struct Views {
    plain: View,
    leet: View,
    single: View,
    spaced: View,
    used: [bool; 4],
    scratch: Vec<Cell>,
    decoded: Vec<Cell>,
}

impl Views {
    /// The views that the last text gave cause for.
    pub fn used(&self) -> impl Iterator<Item = &View> {
        let all = [&self.plain, &self.leet, &self.single, &self.spaced];
        all.into_iter()
            .zip(self.used)
            .filter_map(|(view, used)| used.then_some(view))
    }

    pub fn read(&mut self, cells: &Cells) {
        let long_runs = squeeze(&cells.cells, 2, &mut self.scratch);
        self.plain.fill(&self.scratch);
        let leet = decode_leet(&self.scratch, &mut self.decoded);
        if leet {
            self.leet.fill(&self.decoded);
        }
        let spaced = join_spaced(&self.decoded, &mut self.spaced);
        if long_runs {
            squeeze(&cells.cells, 1, &mut self.scratch);
            decode_leet(&self.scratch, &mut self.decoded);
            self.single.fill(&self.decoded);
        }
        self.used = [true, leet, long_runs, spaced];
    }
}

/// Cuts runs of three or more equal letters to `keep`; whether there were any.
fn squeeze(cells: &[Cell], keep: usize, into: &mut Vec<Cell>) -> bool {
    into.clear();
    let mut any = false;
    let mut at = 0;
    while at < cells.len() {
        let cell = cells[at];
        let run = cells[at..]
            .iter()
            .take_while(|other| other.ch == cell.ch)
            .count();
        if run < 3 || !cell.is_letter() {
            into.extend_from_slice(&cells[at..at + run]);
        } else {
            any = true;
            let kept = &cells[at..at + keep];
            into.extend(kept.iter().map(|cell| Cell {
                marks: cell.marks | REPEAT,
                ..*cell
            }));
            if let Some(last) = into.last_mut() {
                last.end = cells[at + run - 1].end;
            }
        }
        at += run;
    }
    any
}

/// The letter that a digit or sign is used for.
fn leet(ch: char) -> Option<char> {
    Some(match ch {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '|' => 'l',
        _ => return None,
    })
}

/// Reads digits and signs as letters where letters stand beside them; whether there were any. `into` is a copy either way.
fn decode_leet(cells: &[Cell], into: &mut Vec<Cell>) -> bool {
    into.clear();
    into.extend_from_slice(cells);
    let belongs = |cell: &Cell| cell.is_word() || leet(cell.ch).is_some();
    let mut any = false;
    let mut at = 0;
    while at < into.len() {
        let run = into[at..].iter().take_while(|cell| belongs(cell)).count();
        if run == 0 {
            at += 1;
            continue;
        }
        let word = &mut into[at..at + run];
        at += run;
        // A sign at the end is punctuation.
        let end = word
            .iter()
            .rposition(|cell| cell.is_word())
            .map_or(0, |last| last + 1);
        let word = &mut word[..end];
        let letters = word.iter().filter(|cell| cell.is_letter()).count();
        let signs = word.iter().filter(|cell| leet(cell.ch).is_some()).count();
        // "$h00t" and "b00b5" are words, "45s" and "h264" are not.
        let word_like = letters >= signs || (letters >= 2 && 2 * letters >= signs);
        if signs == 0 || letters == 0 || !word_like {
            continue;
        }
        for cell in word {
            if let Some(letter) = leet(cell.ch) {
                *cell = Cell {
                    ch: letter,
                    marks: cell.marks | LEET,
                    ..*cell
                };
                any = true;
            }
        }
    }
    any
}

/// Single letters with one separator between them ("d a r n", "d.a.r.n"), three or more, joined to words; whether there were any.
fn join_spaced(cells: &[Cell], view: &mut View) -> bool {
    view.clear();
    let single = |at: usize| -> bool {
        let word = |at: usize| cells.get(at).is_some_and(|cell| cell.is_word());
        word(at) && !word(at + 1) && !at.checked_sub(1).is_some_and(word)
    };
    let mut any = false;
    let mut at = 0;
    while at < cells.len() {
        if !single(at) {
            at += 1;
            continue;
        }
        let first = at;
        while at + 2 < cells.len() && single(at + 2) {
            at += 2;
        }
        let letters = (at - first) / 2 + 1;
        let run: Vec<Cell> = cells[first..=at].iter().step_by(2).copied().collect();
        if letters >= 3 && run.iter().any(|cell| cell.is_letter()) {
            any = true;
            spaced_word(view, &run);
            // "I d a r n": the pronoun is a word of its own.
            if letters > 3 && matches!(run[0].ch, 'i' | 'a' | 'u') {
                spaced_word(view, &run[1..]);
            }
        }
        at += 1;
    }
    any
}

fn spaced_word(view: &mut View, run: &[Cell]) {
    let from = view.text.len();
    let mut decoded = Vec::new();
    decode_leet(run, &mut decoded);
    for cell in decoded {
        view.push(Cell {
            marks: cell.marks | SPACED,
            ..cell
        });
    }
    view.end_word(from);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn views(text: &str) -> Vec<String> {
        let (mut cells, mut views) = (Cells::default(), Views::default());
        cells.read(text);
        views.read(&cells);
        views
            .used()
            .map(|view| String::from_utf8_lossy(&view.text).trim().to_owned())
            .collect()
    }

    #[test]
    fn plain_text_has_one_view() {
        assert_eq!(views("Kung-Fu, anyone?"), ["kung fu anyone"]);
        assert_eq!(views("45 45 and 45s"), ["45 45 and 45s"]);
        assert_eq!(views("class assessment"), ["class assessment"]);
    }

    #[test]
    fn digits_become_letters_only_beside_letters() {
        assert_eq!(views("d4rn it!"), ["d4rn it", "darn it"]);
        assert_eq!(views("$h00t"), ["h00t", "shoot"]);
    }

    #[test]
    fn long_runs_are_read_short_and_shorter() {
        assert_eq!(views("daaaarn"), ["daarn", "darn"]);
        assert_eq!(views("goooood"), ["good", "god"]);
    }

    #[test]
    fn spaced_letters_are_joined_and_gaps_part_words() {
        assert_eq!(views("d a r n  i t").last().unwrap(), "darn");
        assert_eq!(views("d.a.r.n").last().unwrap(), "darn");
        assert_eq!(views("I d 4 r n").last().unwrap(), "idarn darn");
    }

    #[test]
    fn a_word_is_traced_to_its_original_bytes() {
        let (mut cells, mut views) = (Cells::default(), Views::default());
        cells.read("ok D A R N!");
        views.read(&cells);
        let view = views.used().last().unwrap();
        let (from, to) = view.words[0];
        let (span, marks) = view.trace(from as usize, to as usize).unwrap();
        assert_eq!((span, marks), (Span { start: 3, end: 10 }, SPACED));
    }
}
