//! The ways to read a message: the plain one always, the others only when the text gives cause. Numbers stay numbers: a digit is read as a
//! letter only in a word that has letters enough.

use super::View;
use crate::text::cells::{Cell, Cells};
use crate::text::disguise::{censor, decode, join_spaced, squeeze};
use crate::text::letters;

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
    use crate::text::{Marks, Span};

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
