//! From patterns to a matcher. Slow, and never on a hot thread.

use super::glue::Glue;
use super::matcher::{Facts, GuardFacts, Matcher, Meaning};
use super::parts::Parts;
use super::phrases::{Phrases, Step};
use super::spelling;
use super::view::{Undo, Views};
use super::words::{Slot, Words};
use super::{Cells, Marks};
use crate::policy::pattern::{Pattern, Phrase, Plain, What};
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Whether a pattern is matched more freely than its author wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct How {
    /// Inside words too.
    pub partial: bool,
    /// Also misspelt, starred out, in two pieces or run together.
    pub fuzzy: bool,
}

/// Patterns on their way into a matcher.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    words: HashMap<Box<[u8]>, Slot>,
    parts: BTreeMap<Vec<u8>, Vec<Meaning>>,
    fuzzy: Vec<(Box<[u8]>, Meaning)>,
    classes: BTreeMap<String, u16>,
    literals: BTreeMap<(String, bool, bool, bool), u16>,
    phrases: Phrases,
    glue: Vec<Box<[u8]>>,
    terms: Vec<Facts>,
    guards: Vec<GuardFacts>,
    undo: Undo,
    cells: Cells,
    views: Views,
}

/// Why a pattern cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("nothing of `{0}` is left to match once it is normalised")]
    Nothing(String),
    #[error("there is no `[words]` class `{0}`")]
    NoClass(String),
    #[error("more than {} classes and different words in phrases", u16::MAX)]
    TooManyClasses,
    #[error("the patterns are too many for the matcher: {0}")]
    TooMany(String),
}

impl Patterns {
    pub fn new(undo: Undo) -> Patterns {
        Patterns {
            undo,
            ..Patterns::default()
        }
    }

    /// A term, by the index that its hits carry.
    pub fn term(&mut self, facts: Facts) {
        self.terms.push(facts);
    }

    pub fn guard(&mut self, facts: GuardFacts) {
        self.guards.push(facts);
    }

    /// A word that is never a misspelling of another, nor a piece of one.
    pub fn ordinary(&mut self, word: &str) {
        let mut words = self.words_of(word);
        if !word.is_ascii() {
            for cased in cases(word) {
                words.extend(self.words_of(&cased));
            }
        }
        for word in words {
            self.glue.push(word.clone());
            self.words.entry(word).or_default().ordinary = true;
        }
    }

    /// A class of words, to be named in phrases.
    pub fn class(&mut self, name: &str, patterns: &[Plain], how: How) -> Result<(), Unusable> {
        let class = self.phrases.new_class().ok_or(Unusable::TooManyClasses)?;
        self.classes.insert(name.to_owned(), class);
        for pattern in patterns {
            self.plain(pattern, how, Meaning::Class(class))?;
        }
        Ok(())
    }

    pub fn add(&mut self, pattern: &Pattern, how: How, meaning: Meaning) -> Result<(), Unusable> {
        match pattern {
            Pattern::Plain(plain) => {
                let words = self.words_of(&plain.text);
                if how.fuzzy && !how.partial && words.len() > 1 {
                    // Word by word, each in its own disguise.
                    let steps = self.literal_steps(plain, &words, how)?;
                    self.phrases.add(steps, false, false, meaning);
                }
                self.plain(plain, how, meaning)
            }
            Pattern::Phrase(phrase) => self.phrase(phrase, how, meaning),
        }
    }

    fn phrase(&mut self, phrase: &Phrase, how: How, meaning: Meaning) -> Result<(), Unusable> {
        let mut steps = Vec::with_capacity(phrase.elements.len());
        for element in &phrase.elements {
            let class = match &element.what {
                What::Class(name) => {
                    let class = self.classes.get(name).copied();
                    class.ok_or_else(|| Unusable::NoClass(name.clone()))?
                }
                What::Words(plain) => self.literal(plain, how)?,
            };
            steps.push(Step {
                class,
                gap: element.gap,
            });
        }
        self.phrases
            .add(steps, phrase.at_start, phrase.at_end, meaning);
        Ok(())
    }

    fn literal_steps(
        &mut self,
        plain: &Plain,
        words: &[Box<[u8]>],
        how: How,
    ) -> Result<Vec<Step>, Unusable> {
        let mut steps = Vec::with_capacity(words.len());
        for (place, word) in words.iter().enumerate() {
            let literal = Plain {
                text: String::from_utf8_lossy(word).into_owned(),
                open_start: plain.open_start && place == 0,
                open_end: plain.open_end && place + 1 == words.len(),
            };
            steps.push(Step {
                class: self.literal(&literal, how)?,
                gap: (0, 0),
            });
        }
        Ok(steps)
    }

    /// The class of one word in a phrase.
    fn literal(&mut self, plain: &Plain, how: How) -> Result<u16, Unusable> {
        let key = (
            plain.text.clone(),
            plain.open_start,
            plain.open_end,
            how.fuzzy,
        );
        if let Some(class) = self.literals.get(&key) {
            return Ok(*class);
        }
        let class = self.phrases.new_class().ok_or(Unusable::TooManyClasses)?;
        self.literals.insert(key, class);
        self.plain(plain, how, Meaning::Class(class))?;
        Ok(class)
    }

    fn plain(&mut self, plain: &Plain, how: How, meaning: Meaning) -> Result<(), Unusable> {
        let words = self.words_of(&plain.text);
        if !plain.text.is_ascii() {
            for cased in cases(&plain.text) {
                let other = self.words_of(&cased);
                // A reading that is all Latin would find the words of another language.
                if other != words && !other.iter().all(|word| word.is_ascii()) {
                    self.written(plain, other, how, meaning)?;
                }
            }
        }
        self.written(plain, words, how, meaning)
    }

    fn written(
        &mut self,
        plain: &Plain,
        mut words: Vec<Box<[u8]>>,
        how: How,
        meaning: Meaning,
    ) -> Result<(), Unusable> {
        let (open_start, open_end) = (
            plain.open_start || how.partial,
            plain.open_end || how.partial,
        );
        let single = words.len() == 1;
        if words.is_empty() {
            return Err(Unusable::Nothing(plain.text.clone()));
        }
        if single && how.fuzzy && !how.partial {
            self.glue.push(words[0].clone());
            self.fuzzy.push((words[0].clone(), meaning));
        }
        if single && !open_start && !open_end {
            if matches!(meaning, Meaning::Class(_)) {
                self.glue.push(words[0].clone());
            }
            let slot = self.words.entry(words.swap_remove(0)).or_default();
            slot.fuzzy |= how.fuzzy;
            slot.add(meaning, Marks::NONE);
            return Ok(());
        }
        let mut bytes = Vec::new();
        if !open_start {
            bytes.push(b' ');
        }
        bytes.extend_from_slice(&words.join(&b' '));
        if !open_end {
            bytes.push(b' ');
        }
        let meanings = self.parts.entry(bytes).or_default();
        if !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
        Ok(())
    }

    /// A text as the plain view has its words.
    fn words_of(&mut self, text: &str) -> Vec<Box<[u8]>> {
        self.cells.read(text);
        self.views.read(
            &mut self.cells,
            Undo {
                leet: false,
                spaced: false,
                repeats: self.undo.repeats,
            },
        );
        let view = self.views.plain();
        view.words.iter().map(|word| view.of(word).into()).collect()
    }

    /// Adds the ways to misspell; what is a word already stays one.
    fn spell(&mut self) {
        for (word, meaning) in std::mem::take(&mut self.fuzzy) {
            let word = String::from_utf8_lossy(&word);
            let reach = if matches!(meaning, Meaning::Class(_)) {
                &spelling::IN_PHRASE
            } else {
                &spelling::ALONE
            };
            for (variant, marks) in spelling::variants(&word, reach) {
                let bytes: Box<[u8]> = variant.into_bytes().into();
                let taken = self
                    .words
                    .get(&bytes)
                    .is_some_and(|slot| slot.ordinary || slot.is_exact());
                if !taken {
                    self.words.entry(bytes).or_default().add(meaning, marks);
                }
            }
        }
    }

    /// Builds the matcher.
    pub fn build(mut self) -> Result<Matcher, Unusable> {
        let fuzzy: Vec<Box<[u8]>> = self.fuzzy.iter().map(|(word, _)| word.clone()).collect();
        self.spell();
        let parts = Parts::new(self.parts);
        for (word, rows) in parts.first_words() {
            self.words.entry(word).or_default().rows = rows;
        }
        let glue = if self.phrases.is_empty() {
            None
        } else {
            Glue::new(self.glue).map_err(Unusable::TooMany)?
        };
        Ok(Matcher::new(
            Words::new(self.words),
            parts,
            &fuzzy,
            self.phrases,
            glue,
            self.terms,
            self.guards,
        ))
    }
}

/// A text in capitals, and with a capital at the beginning of each word. A capital may look like a Latin letter where the small one does
/// not ("В", "в"), so what folds to one text in Latin letters may be several in others.
fn cases(text: &str) -> [String; 2] {
    let mut title = String::with_capacity(text.len());
    let mut first = true;
    for ch in text.chars() {
        if first {
            title.extend(ch.to_uppercase());
        } else {
            title.extend(ch.to_lowercase());
        }
        first = !ch.is_alphanumeric();
    }
    [text.to_uppercase(), title]
}
