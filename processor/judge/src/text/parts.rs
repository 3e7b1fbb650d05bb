//! All patterns but single whole words, by where in a view they can begin: several words at the words they begin with, open ends at the
//! starts of words, open starts at the ends of words, and only what is open at both ends, or is several words with an open start,
//! anywhere.
//!
//! Invariant: what is found is what one automaton over all of them would find, with the spaces that bound it.

use super::matcher::Meaning;
use super::needles::{self, Needles};
use super::sorted::Sorted;
use super::view::View;
use std::collections::BTreeMap;
use std::ops::Range;

/// The patterns, by their first word for those that are found there.
pub(super) struct Parts {
    /// ` kung fu `, ` kung fu`
    rows: Sorted,
    /// `darn` of ` darn`
    starts: Needles,
    /// `daeh` of `head `
    ends: Needles,
    inside: Needles,
    /// By number of the pattern.
    meanings: Box<[Box<[Meaning]>]>,
}

/// A pattern in a view: its number and its bytes, with the spaces that it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    pub number: u32,
    pub from: usize,
    pub to: usize,
}

impl Parts {
    /// The patterns have a space where they begin or end with a word.
    pub fn new(patterns: BTreeMap<Vec<u8>, Vec<Meaning>>) -> Parts {
        let (mut rows, mut starts, mut ends, mut inside) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut meanings = Vec::with_capacity(patterns.len());
        for ((mut bytes, of_one), number) in patterns.into_iter().zip(0..) {
            meanings.push(of_one.into_boxed_slice());
            let spaces = bytes.iter().filter(|byte| **byte == b' ').count();
            match (bytes.first(), bytes.last()) {
                (Some(b' '), _) if spaces > 1 => rows.push((bytes, number)),
                (Some(b' '), _) => starts.push((bytes.split_off(1), number)),
                (_, Some(b' ')) if spaces == 1 => {
                    bytes.pop();
                    bytes.reverse();
                    ends.push((bytes, number));
                }
                _ => inside.push((bytes, number)),
            }
        }
        Parts {
            rows: Sorted::new(rows),
            starts: Needles::new(starts),
            ends: Needles::new(ends),
            inside: Needles::new(inside),
            meanings: meanings.into_boxed_slice(),
        }
    }

    /// Words that begin patterns, with what `row` needs to find those.
    pub fn first_words(&self) -> Vec<(Box<[u8]>, Range<u32>)> {
        self.rows.groups(|row| {
            let mut words = row.split(|byte| *byte == b' ');
            Box::from(words.nth(1).unwrap_or_default())
        })
    }

    pub fn len(&self) -> usize {
        self.meanings.len()
    }

    pub fn meanings(&self, part: &Part) -> &[Meaning] {
        let meanings = self.meanings.get(part.number as usize);
        meanings.map_or(&[], |meanings| meanings)
    }

    /// Patterns of several words that begin with the one that begins at `from`.
    pub fn row(&self, view: &View, from: u32, rows: &Range<u32>, mut found: impl FnMut(Part)) {
        // Before every word there is a space.
        let Some(from) = (from as usize).checked_sub(1) else {
            return;
        };
        let text = view.text.get(from..).unwrap_or_default();
        self.rows.beginnings(text, rows, |number, length| {
            found(Part {
                number,
                from,
                to: from + length,
            });
        });
    }

    /// All other patterns of a view. `backward` is memory for it.
    pub fn find(&self, view: &View, backward: &mut Vec<u8>, mut found: impl FnMut(Part)) {
        let text = view.text.as_slice();
        if !self.starts.is_empty() {
            for word in &view.words {
                let from = word.from as usize;
                let start = needles::start_at(text, from);
                if self.starts.may_begin(start) {
                    let rest = text.get(from..).unwrap_or_default();
                    self.starts.look(rest, start, |number, length| {
                        found(Part {
                            number,
                            from: from.saturating_sub(1),
                            to: from + length,
                        });
                    });
                }
            }
        }
        if !self.ends.is_empty() {
            backward.clear();
            for word in &view.words {
                let to = word.to as usize;
                let start = needles::start_before(text, to);
                if self.ends.may_begin(start) {
                    if backward.is_empty() {
                        backward.extend(text.iter().rev());
                    }
                    let rest = backward.get(text.len().saturating_sub(to)..);
                    self.ends
                        .look(rest.unwrap_or_default(), start, |number, length| {
                            found(Part {
                                number,
                                from: to - length,
                                to: to + 1,
                            });
                        });
                }
            }
        }
        if !self.inside.is_empty() {
            self.inside.anywhere(text, |number, from, length| {
                found(Part {
                    number,
                    from,
                    to: from + length,
                });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::{Slot, Words};
    use super::super::{Cells, Undo, Views};
    use super::*;
    use daachorse::DoubleArrayAhoCorasick;
    use hashbrown::HashMap;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn view_of(text: &str, views: &mut Views) {
        let mut cells = Cells::default();
        cells.read(text);
        views.read(&mut cells, Undo::default());
    }

    fn by_tiers(patterns: &BTreeSet<Vec<u8>>, view: &View) -> Vec<Part> {
        let with_meanings = patterns.iter().map(|pattern| (pattern.clone(), Vec::new()));
        let parts = Parts::new(with_meanings.collect());
        let mut slots: HashMap<Box<[u8]>, Slot> = HashMap::new();
        for (word, rows) in parts.first_words() {
            slots.entry(word).or_default().rows = rows;
        }
        let words = Words::new(slots);
        let mut found = Vec::new();
        for word in &view.words {
            if let Some(known) = words.get(view.of(word)) {
                parts.row(view, word.from, &known.rows, |part| found.push(part));
            }
        }
        parts.find(view, &mut Vec::new(), |part| found.push(part));
        found.sort_unstable();
        found
    }

    fn by_automaton(patterns: &BTreeSet<Vec<u8>>, view: &View) -> Vec<Part> {
        let automaton = DoubleArrayAhoCorasick::<u32>::new(patterns).unwrap();
        let matches = automaton.find_overlapping_iter(&view.text);
        let mut found: Vec<Part> = matches
            .map(|found| Part {
                number: found.value(),
                from: found.start(),
                to: found.end(),
            })
            .collect();
        found.sort_unstable();
        found
    }

    fn check(patterns: &[String], text: &str) {
        let patterns: BTreeSet<Vec<u8>> = patterns
            .iter()
            .map(|pattern| pattern.as_bytes().to_vec())
            .collect();
        let mut views = Views::default();
        view_of(text, &mut views);
        for view in views.used() {
            assert_eq!(
                by_tiers(&patterns, view),
                by_automaton(&patterns, view),
                "{}",
                String::from_utf8_lossy(&view.text)
            );
        }
    }

    #[test]
    fn every_occurrence_of_overlapping_patterns_is_found() {
        let patterns = [
            " da",
            " darn",
            " darned ",
            " darn it",
            " darn it ",
            " darn",
            "rn ",
            "arn ",
            "n ",
            "ar",
            "r",
            "darn",
            "rn it ",
            "darneddarn",
            " darneddarn",
            "darneddarn ",
            "é",
            "né ",
            " é",
        ];
        let patterns = patterns.map(str::to_owned);
        for text in [
            "darn it, darned darn",
            "darneddarn darneddarned, DARN IT",
            "d4rn 1t daaaarn",
            "é né ené",
            "r",
            "",
            "darn",
        ] {
            check(&patterns, text);
        }
    }

    /// A pattern or text of few letters, so that much of it meets.
    fn words(most: usize) -> impl Strategy<Value = String> {
        let word = "[ab]{1,2}|[abé]{1,5}|(ab|aab|é){2,6}|[ab]{7,9}|[abж😀]{1,4}";
        let word = word.prop_map(|word| word.replace('😀', " 😀 ").trim().to_owned());
        proptest::collection::vec(word, 1..=most).prop_map(|words| words.join(" "))
    }

    fn pattern() -> impl Strategy<Value = String> {
        (words(3), any::<bool>(), any::<bool>()).prop_map(|(words, open_start, open_end)| {
            let space = |open| if open { "" } else { " " };
            let words: Vec<&str> = words.split_whitespace().collect();
            format!(
                "{}{}{}",
                space(open_start),
                words.join(" "),
                space(open_end)
            )
        })
    }

    proptest! {
        #[test]
        fn the_tiers_find_what_one_automaton_finds(
            patterns in proptest::collection::vec(pattern(), 1..60),
            texts in proptest::collection::vec(words(12), 1..6),
        ) {
            for text in &texts {
                check(&patterns, text);
                // Some of the text as patterns.
                let all: Vec<&str> = text.split_whitespace().collect();
                let half = format!(" {}", all[..all.len().div_ceil(2)].join(" "));
                check(&[half, format!("{} ", all.join(" ")), all.join(" ")], text);
            }
        }
    }
}
