//! Finds terms in views: whole words by hash, whose cost does not grow with their number; everything else by one double-array
//! Aho-Corasick automaton. A word boundary is a space of the view, so boundaries are part of the patterns.

use super::Span;
use super::cells::Cells;
use super::view::{View, Views};
use daachorse::DoubleArrayAhoCorasick;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// What a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// Index of a term.
    Term(u32),
    /// Beats overlapping hits of this term.
    Exception(u32),
    /// Beats overlapping hits of this risk or less.
    Allow(u8),
}

/// A term found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub span: Span,
    pub term: u32,
    /// What was undone to find it.
    pub marks: u8,
}

/// Patterns on their way into a matcher.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    by_bytes: BTreeMap<Vec<u8>, Vec<Meaning>>,
    cells: Cells,
    views: Views,
}

impl Patterns {
    /// Adds a pattern as its author wrote it; `partial` finds it inside words too. False if nothing of it is left to match.
    pub fn add(&mut self, pattern: &str, partial: bool, meaning: Meaning) -> bool {
        let (prefix, inner) = pattern
            .strip_prefix('*')
            .map_or((partial, pattern), |rest| (true, rest));
        let (suffix, inner) = inner
            .strip_suffix('*')
            .map_or((partial, inner), |rest| (true, rest));
        self.cells.read(inner);
        self.views.read(&self.cells);
        let Some(plain) = self
            .views
            .used()
            .next()
            .filter(|view| !view.words.is_empty())
        else {
            return false;
        };
        let from = usize::from(prefix);
        let to = plain.text.len() - usize::from(suffix);
        let meanings = self
            .by_bytes
            .entry(plain.text[from..to].to_vec())
            .or_default();
        if !meanings.contains(&meaning) {
            meanings.push(meaning);
        }
        true
    }

    /// Builds the matcher.
    pub fn build(self) -> Result<Matcher, String> {
        let (mut words, mut others) = (HashMap::new(), Vec::new());
        for (bytes, meanings) in self.by_bytes {
            let whole = bytes.len() > 2 && bytes.starts_with(b" ") && bytes.ends_with(b" ");
            if whole && !bytes[1..bytes.len() - 1].contains(&b' ') {
                words.insert(
                    bytes[1..bytes.len() - 1].into(),
                    meanings.into_boxed_slice(),
                );
            } else {
                others.push((bytes, meanings.into_boxed_slice()));
            }
        }
        let (patterns, meanings): (Vec<_>, Vec<_>) = others.into_iter().unzip();
        let parts = if patterns.is_empty() {
            None
        } else {
            Some(DoubleArrayAhoCorasick::new(&patterns).map_err(|error| error.to_string())?)
        };
        Ok(Matcher {
            words,
            parts,
            meanings,
        })
    }
}

/// The compiled patterns of a policy.
pub(crate) struct Matcher {
    words: HashMap<Box<[u8]>, Box<[Meaning]>>,
    parts: Option<DoubleArrayAhoCorasick<u32>>,
    /// By pattern of `parts`.
    meanings: Vec<Box<[Meaning]>>,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher")
            .field("words", &self.words.len())
            .field("parts", &self.meanings.len())
            .finish()
    }
}

/// Hits of a text with what beats them. Kept between texts for its memory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub hits: Vec<Hit>,
    exceptions: Vec<(u32, Span)>,
    allows: Vec<(u8, Span)>,
}

impl Matcher {
    /// Finds everything in the views of a text; `risk_of` gives a term's risk. Hits come ordered by span and term, once each.
    pub fn find(&self, views: &Views, found: &mut Found, risk_of: impl Fn(u32) -> u8) {
        found.hits.clear();
        found.exceptions.clear();
        found.allows.clear();
        for view in views.used() {
            for (from, to) in &view.words {
                let (from, to) = (*from as usize, *to as usize);
                if let Some(meanings) = self.words.get(&view.text[from..to]) {
                    found.note(view, from, to, meanings);
                }
            }
            if let Some(parts) = &self.parts {
                for matched in parts.find_overlapping_iter(&view.text) {
                    if let Some(meanings) = self.meanings.get(matched.value() as usize) {
                        found.note(view, matched.start(), matched.end(), meanings);
                    }
                }
            }
        }
        found.settle(risk_of);
    }
}

impl Found {
    fn note(&mut self, view: &View, from: usize, to: usize, meanings: &[Meaning]) {
        let Some((span, marks)) = view.trace(from, to) else {
            return;
        };
        for meaning in meanings {
            match *meaning {
                Meaning::Term(term) => self.hits.push(Hit { span, term, marks }),
                Meaning::Exception(term) => self.exceptions.push((term, span)),
                Meaning::Allow(risk) => self.allows.push((risk, span)),
            }
        }
    }

    /// Drops what is beaten, and of equal hits keeps the one with the least undone.
    fn settle(&mut self, risk_of: impl Fn(u32) -> u8) {
        let Found {
            hits,
            exceptions,
            allows,
        } = self;
        if !exceptions.is_empty() || !allows.is_empty() {
            hits.retain(|hit| {
                let excepted = exceptions
                    .iter()
                    .any(|(term, span)| *term == hit.term && span.overlaps(hit.span));
                let allowed = || {
                    allows
                        .iter()
                        .any(|(risk, span)| risk_of(hit.term) <= *risk && span.overlaps(hit.span))
                };
                !excepted && !allowed()
            });
        }
        hits.sort_unstable_by_key(|hit| (hit.span, hit.term, hit.marks.count_ones(), hit.marks));
        hits.dedup_by_key(|hit| (hit.span, hit.term));
    }
}
