//! Finds patterns in views: whole words and the parts of words and rows of words where they can be; phrases over what both have found. A
//! word boundary is a space of the view, so boundaries are part of the patterns.

use super::Marks;
use super::cells::{Cell, Cells};
use super::found::{Found, GuardHit, Hit};
use super::glue::{self, Glue, Pieces};
use super::letters;
use super::parts::{Part, Parts};
use super::phrases::{ClassHit, PhraseScratch, Phrases};
use super::view::{Place, View, Views, Word};
use super::words::{Known, Words};

/// What a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// Index of a term.
    Term(u32),
    /// Beats overlapping hits of this term.
    Exception(u32),
    /// Beats overlapping hits of this risk or less.
    Allow(u8),
    /// A word of this class.
    Class(u16),
    /// Stands before (or after) what this guard guards against.
    Before(u16),
    After(u16),
}

/// What finding needs to know of a term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub risk: u8,
    /// Holds for messages in this language, and in none that is known.
    pub language: Option<Box<str>>,
    pub guards: Box<[u16]>,
}

/// Where a term says something else than it seems to: "not", "he said".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuardFacts {
    pub before: bool,
    pub after: bool,
    /// Words between.
    pub within: u32,
    pub quoted: bool,
    /// What is left of the risk; 0: no hit.
    pub lowers_to: u8,
}

/// The compiled patterns of a policy.
pub(crate) struct Matcher {
    words: Words,
    parts: Parts,
    phrases: Phrases,
    glue: Option<Glue>,
    terms: Vec<Facts>,
    guards: Vec<GuardFacts>,
    /// Some word counts in two pieces; of how many bytes the longest is, and how such words begin.
    split_longest: usize,
    split_starts: Box<[u64]>,
}

impl std::fmt::Debug for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher")
            .field("words", &self.words.len())
            .field("parts", &self.parts.len())
            .finish()
    }
}

/// Memory for one text.
#[derive(Debug, Default)]
pub(crate) struct Work {
    classes: Vec<(ClassHit, u32)>,
    sorted: Vec<ClassHit>,
    guards: Vec<GuardHit>,
    phrases: PhraseScratch,
    pieces: Pieces,
    /// Words that were taken apart, in order: first cell, and how many positions they take more than one.
    apart: Vec<(u32, u32)>,
    /// The same as positions of words, and how many more the words up to there take.
    shifts: Vec<(u32, u32)>,
    /// Where guards stand, in order: guard, whether before, position.
    posts: Vec<(u16, bool, u32)>,
    joined: Vec<u8>,
    /// A view, last byte first.
    backward: Vec<u8>,
    ordinary: Vec<bool>,
    quotes: Vec<(u32, u32)>,
}

/// Two pieces of a word are as long as this together.
const SPLIT_SHORTEST: usize = 4;
/// Most pieces of a word.
const SPLIT_PIECES: usize = 4;
const START_BITS: usize = 1 << 16;

impl Matcher {
    #[expect(
        clippy::too_many_arguments,
        reason = "called by the builder alone, which has each of them at hand"
    )]
    pub(super) fn new(
        words: Words,
        parts: Parts,
        fuzzy: &[Box<[u8]>],
        phrases: Phrases,
        glue: Option<Glue>,
        terms: Vec<Facts>,
        guards: Vec<GuardFacts>,
    ) -> Matcher {
        let mut split_starts = vec![0u64; START_BITS / 64].into_boxed_slice();
        for word in fuzzy {
            if let Some(bit) = start_bit(word) {
                split_starts[bit / 64] |= 1 << (bit % 64);
            }
        }
        Matcher {
            words,
            parts,
            phrases,
            glue,
            terms,
            guards,
            split_longest: fuzzy.iter().map(|word| word.len()).max().unwrap_or(0),
            split_starts,
        }
    }

    /// Adds to `found` what stands in the views of a text.
    pub fn look(&self, cells: &mut Cells, views: &Views, work: &mut Work, found: &mut Found) {
        work.classes.clear();
        work.guards.clear();
        work.apart.clear();
        work.shifts.clear();
        let before = found.hits.len();
        let mut backward = std::mem::take(&mut work.backward);
        for view in views.used() {
            for word in &view.words {
                if let Some(known) = self.words.get(view.of(word)) {
                    self.note_word(view, word, known, work, found);
                    self.parts.row(view, word.from, &known.rows, |part| {
                        self.note_part(view, part, work, found);
                    });
                }
            }
            self.parts.find(view, &mut backward, |part| {
                self.note_part(view, part, work, found)
            });
        }
        work.backward = backward;
        if self.split_longest > 0 {
            self.look_split(views, work, found);
        }
        if let Some(glue) = &self.glue {
            self.look_glued(glue, views, work, found);
        }
        if !work.classes.is_empty() {
            self.look_phrases(views, work, found);
        }
        if found.hits.len() > before && !self.guards.is_empty() {
            self.guard(cells, views, before, work, found);
        }
    }

    fn note_word(
        &self,
        view: &View,
        word: &Word,
        known: &Known,
        work: &mut Work,
        found: &mut Found,
    ) {
        let meanings = self.words.meanings(known);
        if meanings.is_empty() {
            return;
        }
        if let Some(place) = view.trace(word.from as usize, word.to as usize) {
            for (meaning, marks) in meanings {
                let marks = place.marks.with(*marks);
                note(*meaning, Place { marks, ..place }, work, found);
            }
        }
    }

    fn note_part(&self, view: &View, part: Part, work: &mut Work, found: &mut Found) {
        if let Some(place) = view.trace(part.from, part.to) {
            for meaning in self.parts.meanings(&part) {
                note(*meaning, place, work, found);
            }
        }
    }

    /// Words in pieces: "dar n", "d arn". At least one piece is no ordinary word: "the pen is" stays as it is.
    fn look_split(&self, views: &Views, work: &mut Work, found: &mut Found) {
        let view = views.plain();
        let mut ordinary = std::mem::take(&mut work.ordinary);
        ordinary.clear();
        ordinary.extend(view.words.iter().map(|word| {
            self.words
                .get(view.of(word))
                .is_some_and(|slot| slot.ordinary)
        }));
        let mut joined = std::mem::take(&mut work.joined);
        for (first, word) in view.words.iter().enumerate() {
            joined.clear();
            joined.extend_from_slice(view.of(word));
            let mut known = ordinary[first];
            for (next, word) in view
                .words
                .iter()
                .enumerate()
                .skip(first + 1)
                .take(SPLIT_PIECES - 1)
            {
                let piece = view.of(word);
                if !word.joins || joined.len() + piece.len() > self.split_longest {
                    break;
                }
                joined.extend_from_slice(piece);
                known &= ordinary[next];
                let starts = start_bit(&joined)
                    .is_some_and(|bit| self.split_starts[bit / 64] >> (bit % 64) & 1 == 1);
                if !starts {
                    break;
                }
                if known || joined.len() < SPLIT_SHORTEST {
                    continue;
                }
                let Some(slot) = self.words.get(joined.as_slice()).filter(|slot| slot.fuzzy) else {
                    continue;
                };
                if view.words[first].hangs {
                    break;
                }
                let from = view.words[first].from as usize;
                if let Some(place) = view.trace(from, word.to as usize) {
                    for (meaning, _) in self
                        .words
                        .meanings(slot)
                        .iter()
                        .filter(|(_, marks)| *marks == Marks::NONE)
                    {
                        let marks = place.marks.with(Marks::SPLIT);
                        note(*meaning, Place { marks, ..place }, work, found);
                    }
                }
            }
        }
        (work.joined, work.ordinary) = (joined, ordinary);
    }

    /// Words run together: "ihatewomen". The pieces count in phrases only, unless they were written letter by letter.
    fn look_glued(&self, glue: &Glue, views: &Views, work: &mut Work, found: &mut Found) {
        let mut pieces = std::mem::take(&mut work.pieces);
        for view in views.used() {
            // Words of one view begin with different cells: only what other views had can be here already.
            let known = work.apart.len();
            for word in &view.words {
                let bytes = view.of(word);
                if bytes.len() < glue::SHORTEST_SPACED
                    || bytes.len() < glue::SHORTEST && !view.marks_of(word).has(Marks::SPACED)
                    || work.apart[..known]
                        .binary_search_by_key(&word.cell, |(cell, _)| *cell)
                        .is_ok()
                    || self.words.get(bytes).is_some_and(|slot| slot.ordinary)
                    || !glue.take_apart(bytes, &mut pieces)
                {
                    continue;
                }
                work.apart.push((word.cell, pieces.ranges.len() as u32 - 1));
                for (number, (from, to)) in pieces.ranges.iter().enumerate() {
                    let Some(slot) = self.words.get(&bytes[*from..*to]) else {
                        continue;
                    };
                    let base = word.from as usize;
                    let Some(place) = view.trace(base + from, base + to) else {
                        continue;
                    };
                    for (meaning, _) in self
                        .words
                        .meanings(slot)
                        .iter()
                        .filter(|(_, marks)| *marks == Marks::NONE)
                    {
                        let marks = place.marks.with(Marks::GLUED);
                        if place.marks.has(Marks::SPACED) && matches!(meaning, Meaning::Term(_)) {
                            // Nobody writes an innocent sentence letter by letter without its gaps.
                            note(*meaning, Place { marks, ..place }, work, found);
                        }
                        if let Meaning::Class(class) = meaning {
                            // All pieces stand where the word begins; their number parts them.
                            let cells = (word.cell, word.cell);
                            work.class(
                                *class,
                                Place {
                                    cells,
                                    marks,
                                    ..place
                                },
                                number as u32,
                            );
                        }
                    }
                }
            }
            work.apart.sort_unstable();
        }
        work.pieces = pieces;
        let mut sum = 0;
        for (cell, more) in &work.apart {
            sum += more;
            work.shifts.push((views.plain().position_of(*cell), sum));
        }
    }

    fn look_phrases(&self, views: &Views, work: &mut Work, found: &mut Found) {
        let words = views.plain();
        work.sorted.clear();
        for (hit, piece) in &work.classes {
            work.sorted.push(ClassHit {
                first: work.position(words, hit.place.cells.0) + piece,
                last: work.position(words, hit.place.cells.1) + piece,
                ..*hit
            });
        }
        // Of equal hits the one with the least undone.
        work.sorted.sort_unstable_by_key(|hit| {
            (
                hit.first,
                hit.class,
                hit.last,
                hit.place.marks.count(),
                *hit,
            )
        });
        work.sorted
            .dedup_by_key(|hit| (hit.first, hit.class, hit.last));
        let end = words.words.last().map_or(0, |word| {
            work.position(words, word.cell) + work.extra(word.cell)
        });
        let (mut scratch, sorted) = (
            std::mem::take(&mut work.phrases),
            std::mem::take(&mut work.sorted),
        );
        self.phrases
            .find(&sorted, end, &mut scratch, |meaning, place, _| {
                note(meaning, place, work, found);
            });
        (work.phrases, work.sorted) = (scratch, sorted);
    }

    /// Lowers what is negated, quoted or reported, as the policy says.
    fn guard(
        &self,
        cells: &mut Cells,
        views: &Views,
        from: usize,
        work: &mut Work,
        found: &mut Found,
    ) {
        let words = views.plain();
        work.quotes.clear();
        if self.guards.iter().any(|guard| guard.quoted) {
            quotes(cells.all(), &mut work.quotes);
        }
        let mut posts = std::mem::take(&mut work.posts);
        posts.clear();
        posts.extend(work.guards.iter().map(|hit| {
            let cell = if hit.before { hit.cells.1 } else { hit.cells.0 };
            (hit.guard, hit.before, work.position(words, cell))
        }));
        posts.sort_unstable();
        for hit in &mut found.hits[from..] {
            let Some(facts) = self.terms.get(hit.term as usize) else {
                continue;
            };
            if facts.guards.is_empty() {
                continue;
            }
            let first = work.position(words, hit.cells.0);
            let last = work.position(words, hit.cells.1);
            for number in &facts.guards {
                let guard = &self.guards[usize::from(*number)];
                let near = |from: u32, to: u32| to > from && to - from - 1 <= guard.within;
                // The nearest one before the hit, or after it.
                let stands_before = || {
                    let upto = posts.partition_point(|post| *post < (*number, true, first));
                    let post = upto.checked_sub(1).map(|last| posts[last]);
                    post.is_some_and(|post| {
                        (post.0, post.1) == (*number, true) && near(post.2, first)
                    })
                };
                let stands_after = || {
                    let from = posts.partition_point(|post| *post <= (*number, false, last));
                    posts.get(from).is_some_and(|post| {
                        (post.0, post.1) == (*number, false) && near(last, post.2)
                    })
                };
                // Quotations do not overlap: only the last that opens before the hit can hold it.
                let quoted = || {
                    let upto = work.quotes.partition_point(|(open, _)| *open < hit.cells.0);
                    upto.checked_sub(1)
                        .is_some_and(|last| hit.cells.1 < work.quotes[last].1)
                };
                let holds = (!guard.before || stands_before())
                    && (!guard.after || stands_after())
                    && (!guard.quoted || quoted());
                if holds {
                    hit.risk = hit.risk.min(guard.lowers_to);
                }
            }
        }
        work.posts = posts;
    }

    pub fn facts(&self, term: u32) -> Option<&Facts> {
        self.terms.get(term as usize)
    }

    pub fn risk_of(&self, term: u32) -> u8 {
        self.facts(term).map_or(0, |facts| facts.risk)
    }
}

/// How a word begins, as a number below `START_BITS`.
fn start_bit(word: &[u8]) -> Option<usize> {
    let (first, second) = (word.first()?, word.get(1)?);
    Some(usize::from(*first) << 8 | usize::from(*second))
}

impl Work {
    fn class(&mut self, class: u16, place: Place, piece: u32) {
        let hit = ClassHit {
            first: 0,
            last: 0,
            class,
            place,
        };
        self.classes.push((hit, piece));
    }

    /// The number of the word that holds a cell, counting the pieces of words that were taken apart.
    fn position(&self, words: &View, cell: u32) -> u32 {
        let position = words.position_of(cell);
        let before = self.shifts.partition_point(|(at, _)| *at < position);
        let shift = before.checked_sub(1).map_or(0, |last| self.shifts[last].1);
        position + shift
    }

    /// How many pieces the word that begins with this cell has, less one.
    fn extra(&self, cell: u32) -> u32 {
        let found = self.apart.binary_search_by_key(&cell, |(first, _)| *first);
        found.map_or(0, |at| self.apart[at].1)
    }
}

fn note(meaning: Meaning, place: Place, work: &mut Work, found: &mut Found) {
    match meaning {
        Meaning::Term(term) => found.hits.push(Hit {
            span: place.span,
            term,
            marks: place.marks,
            cells: place.cells,
            risk: u8::MAX,
        }),
        Meaning::Exception(term) => found.exceptions.push((term, place.span)),
        Meaning::Allow(risk) => found.allows.push((risk, place.span)),
        Meaning::Class(class) => work.class(class, place, 0),
        Meaning::Before(guard) => work.guards.push(GuardHit {
            guard,
            before: true,
            cells: place.cells,
        }),
        Meaning::After(guard) => work.guards.push(GuardHit {
            guard,
            before: false,
            cells: place.cells,
        }),
    }
}

/// What stands between quotation marks, as places of cells. A mark that is never closed opens nothing.
fn quotes(cells: &[Cell], into: &mut Vec<(u32, u32)>) {
    let mut open: Option<(char, u32)> = None;
    for cell in cells.iter().filter(|cell| letters::is_quote(cell.ch)) {
        match open {
            Some((mark, at)) if letters::closes_quote(mark, cell.ch) => {
                into.push((at, cell.index));
                open = None;
            }
            Some(_) => {}
            None => open = Some((cell.ch, cell.index)),
        }
    }
}
