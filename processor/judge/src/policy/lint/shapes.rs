//! Patterns as the matcher sees them, and whether two of them can meet in a text.
//!
//! Invariant: `covers` errs towards no, `may_meet` towards yes; so nothing is called dead that could live.

use crate::policy::document::{Document, Term};
use crate::policy::pattern::{Pattern, Plain, What};
use crate::text::{Cells, Undo, Views};
use std::collections::{BTreeMap, BTreeSet};

/// Normalised bytes of a run of words. A space at an end is the border of a word; without one that end is open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run(String);

impl Run {
    /// Whether this stands wherever `other` stands.
    pub fn covers(&self, other: &Run) -> bool {
        other.0.contains(&self.0)
    }

    /// Whether it is found in a text that is this one word and nothing else.
    pub fn stands_in(&self, word: &str) -> bool {
        format!(" {word} ").contains(&self.0)
    }

    /// Without the spaces that are borders.
    pub fn words(&self) -> &str {
        self.0.trim()
    }

    fn open_start(&self) -> bool {
        !self.0.starts_with(' ')
    }

    fn open_end(&self) -> bool {
        !self.0.ends_with(' ')
    }

    pub fn is_open(&self) -> bool {
        self.open_start() || self.open_end()
    }

    pub fn is_open_at_both(&self) -> bool {
        self.open_start() && self.open_end()
    }

    /// Whether both can have a letter of some text in common.
    fn may_meet(&self, other: &Run) -> bool {
        self.0.contains(&other.0)
            || other.0.contains(&self.0)
            || self.may_end_in(other)
            || other.may_end_in(self)
    }

    /// Whether the end of this can be the start of the other.
    fn may_end_in(&self, other: &Run) -> bool {
        // A hit of an open pattern reaches to the end of the word: anything can follow.
        self.open_end() && other.open_start()
            || self
                .0
                .char_indices()
                .map(|(at, _)| &self.0[at..])
                .any(|end| !end.trim().is_empty() && other.0.starts_with(end))
    }
}

/// What a pattern can look like in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Run(Run),
    /// Words and the words of classes; None: a gap, so anything may stand inside.
    Phrase(Option<Vec<Run>>),
}

impl Shape {
    pub fn run(&self) -> Option<&Run> {
        match self {
            Shape::Run(run) => Some(run),
            Shape::Phrase(_) => None,
        }
    }
}

/// Words that are innocent, normalised.
pub(super) struct Ordinary {
    /// ` word word `: a run finds its words there.
    text: String,
    words: BTreeSet<String>,
}

impl Ordinary {
    pub fn read(document: &Document, reader: &mut Reader<'_>) -> Ordinary {
        let words: BTreeSet<String> = document
            .ordinary
            .iter()
            .map(|word| reader.words(word))
            .filter(|word| !word.is_empty())
            .collect();
        let mut text = String::from(" ");
        for word in &words {
            text.push_str(word);
            text.push(' ');
        }
        Ordinary { text, words }
    }

    pub fn holds(&self, run: &Run) -> bool {
        self.words.contains(run.words())
    }

    /// The other words that an open run hits.
    pub fn hit_by(&self, run: &Run) -> BTreeSet<&str> {
        let word_at = |(at, _): (usize, &str)| {
            let start = if run.open_start() {
                self.text[..at].rfind(' ').map_or(0, |space| space + 1)
            } else {
                at + 1
            };
            let rest = &self.text[start..];
            rest.split(' ').next().unwrap_or_default()
        };
        let hit = self.text.match_indices(run.0.as_str()).map(word_at);
        hit.filter(|word| *word != run.words()).collect()
    }
}

/// Normalises as the policy does. Kept for its memory.
pub(super) struct Reader<'a> {
    document: &'a Document,
    cells: Cells,
    views: Views,
    plain: Undo,
    all: Undo,
    classes: BTreeMap<&'a str, Vec<Run>>,
}

impl<'a> Reader<'a> {
    pub fn new(document: &'a Document) -> Reader<'a> {
        let normalise = &document.normalise;
        let mut reader = Reader {
            document,
            cells: Cells::default(),
            views: Views::default(),
            plain: Undo {
                leet: false,
                spaced: false,
                repeats: normalise.repeats,
            },
            all: Undo {
                leet: normalise.leet,
                spaced: normalise.spaced,
                repeats: normalise.repeats,
            },
            classes: BTreeMap::new(),
        };
        for (name, class) in &document.words {
            let runs = class
                .patterns
                .iter()
                .filter_map(|pattern| reader.shape(pattern, false).and_then(into_run))
                .collect();
            reader.classes.insert(name, runs);
        }
        reader
    }

    /// The words of a text, parted by single spaces.
    pub fn words(&mut self, text: &str) -> String {
        self.cells.read(text);
        self.views.read(&mut self.cells, self.plain);
        String::from_utf8_lossy(&self.views.plain().text)
            .trim()
            .to_owned()
    }

    /// None: it does not parse, or nothing of it is left.
    pub fn shape(&mut self, pattern: &str, partial: bool) -> Option<Shape> {
        match Pattern::parse(pattern).ok()? {
            Pattern::Plain(plain) => self.run(&plain, partial).map(Shape::Run),
            Pattern::Phrase(phrase) => {
                let mut runs = Vec::new();
                for element in &phrase.elements {
                    if element.gap.1 > 0 {
                        return Some(Shape::Phrase(None));
                    }
                    match &element.what {
                        What::Words(plain) => runs.extend(self.run(plain, false)),
                        What::Class(name) => {
                            runs.extend(self.classes.get(name.as_str())?.iter().cloned())
                        }
                    }
                }
                Some(Shape::Phrase(Some(runs)))
            }
        }
    }

    fn run(&mut self, plain: &Plain, partial: bool) -> Option<Run> {
        let words = self.words(&plain.text);
        let border = |open: bool| if open || partial { "" } else { " " };
        let (start, end) = (border(plain.open_start), border(plain.open_end));
        (!words.is_empty()).then(|| Run(format!("{start}{words}{end}")))
    }

    /// A pattern in every way in which a message of its words would be read: an allow of `4ss` meets a term `ass`.
    fn readings(&mut self, pattern: &str) -> Option<Vec<Run>> {
        let Some(Shape::Run(plain)) = self.shape(pattern, false) else {
            return None;
        };
        self.cells.read(pattern.trim_matches('*'));
        self.views.read(&mut self.cells, self.all);
        let mut runs = vec![plain.clone()];
        for view in self.views.used() {
            let words = String::from_utf8_lossy(&view.text).trim().to_owned();
            let start = if plain.open_start() { "" } else { " " };
            let end = if plain.open_end() { "" } else { " " };
            runs.push(Run(format!("{start}{words}{end}")));
        }
        runs.dedup();
        Some(runs)
    }

    /// The patterns of all terms.
    pub fn terms(&mut self) -> Vec<TermShapes<'a>> {
        let document = self.document;
        let shaped = document.terms.iter().map(|term| TermShapes {
            term,
            shapes: term
                .patterns
                .iter()
                .filter_map(|pattern| Some((pattern.as_str(), self.shape(pattern, term.partial)?)))
                .collect(),
        });
        shaped.collect()
    }

    /// A pattern of an allow or an exception, to be compared with many terms.
    pub fn beater(&mut self, pattern: &str) -> Beater {
        match self.readings(pattern) {
            Some(runs) => {
                let words = runs
                    .iter()
                    .flat_map(|run| run.words().split(' ').map(str::to_owned))
                    .collect();
                Beater { runs, words }
            }
            None => Beater {
                runs: Vec::new(),
                words: Vec::new(),
            },
        }
    }
}

fn into_run(shape: Shape) -> Option<Run> {
    match shape {
        Shape::Run(run) => Some(run),
        Shape::Phrase(_) => None,
    }
}

/// A term with its patterns, as written and as matched.
pub(super) struct TermShapes<'a> {
    pub term: &'a Term,
    pub shapes: Vec<(&'a str, Shape)>,
}

/// What beats hits by overlapping them. Without runs it is a phrase, of which nothing is said.
pub(super) struct Beater {
    runs: Vec<Run>,
    words: Vec<String>,
}

impl Beater {
    /// Whether a hit of the term can overlap it.
    pub fn may_meet(&self, shaped: &TermShapes<'_>) -> bool {
        self.runs.is_empty()
            || shaped.shapes.iter().any(|(_, shape)| match shape {
                Shape::Run(run) => self.meets(run, shaped.term.fuzzy),
                Shape::Phrase(None) => true,
                // The words of a class may be fuzzy by themselves.
                Shape::Phrase(Some(runs)) => runs.iter().any(|run| self.meets(run, true)),
            })
    }

    fn meets(&self, run: &Run, fuzzy: bool) -> bool {
        self.runs.iter().any(|own| own.may_meet(run)) || fuzzy && self.resembles(run)
    }

    /// Whether a misspelling, a part or a joining of its words could be a word of the run.
    fn resembles(&self, run: &Run) -> bool {
        let joined = self.words.concat();
        run.words().split(' ').any(|word| {
            joined.contains(word)
                || self.words.iter().any(|own| is_near(own, word))
                || word.contains(&joined)
        })
    }
}

/// Whether one slip makes a word of the other.
fn is_near(one: &str, other: &str) -> bool {
    // A slip is at one place: the words begin alike or end alike. That spares nearly all comparisons of long lists.
    let short = one.len().min(other.len()) < 3;
    let alike = one.as_bytes().first() == other.as_bytes().first()
        || one.as_bytes().last() == other.as_bytes().last();
    (short || alike)
        && one.len().abs_diff(other.len()) <= 4
        && strsim::damerau_levenshtein(one, other) <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Run {
        Run(text.into())
    }

    #[test]
    fn a_word_is_near_when_one_slip_makes_it() {
        for near in ["draft", "rdaft", "raft", "drafft", "drat", "drafs"] {
            assert!(is_near("draft", near), "{near}");
        }
        assert!(is_near("ab", "ba"));
        assert!(!is_near("draft", "drift wood") && !is_near("draft", "croft"));
    }

    #[test]
    fn a_run_covers_what_it_stands_in() {
        assert!(run(" kung ").covers(&run(" kung fu ")));
        assert!(run("ass").covers(&run(" class ")));
        assert!(!run(" darn ").covers(&run(" darn")));
        assert!(!run(" dar ").covers(&run(" darn ")));
    }

    #[test]
    fn runs_meet_in_a_letter_and_not_in_the_space_between_words() {
        assert!(run(" kung fu ").may_meet(&run(" fu manchu ")));
        assert!(!run(" kung fu ").may_meet(&run(" manchu ")));
        assert!(!run(" a b ").may_meet(&run(" c ")));
        assert!(run(" darn").may_meet(&run(" darning ")));
        assert!(run(" dar").may_meet(&run("ning ")));
        assert!(!run(" fu").may_meet(&run(" kung ")));
    }
}
