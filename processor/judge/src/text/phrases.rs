//! Phrases over word classes: `@hate (0..3) @group`.
//!
//! Invariant: the cost of a phrase is bounded by its own length and gaps, not by the text: from each beginning, a set of reachable ends
//! is carried from element to element, never a tree of choices.

use super::Marks;
use super::Span;
use super::matcher::Meaning;
use super::view::Place;

/// A word of a class, found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClassHit {
    /// Numbers of its first and last word in the message.
    pub first: u32,
    pub last: u32,
    pub class: u16,
    pub place: Place,
}

/// The next element and how many words may stand before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub class: u16,
    pub gap: (u32, u32),
}

#[derive(Debug)]
struct Phrase {
    steps: Box<[Step]>,
    at_start: bool,
    at_end: bool,
    meaning: Meaning,
}

/// All phrases of a policy.
#[derive(Debug, Default)]
pub(super) struct Phrases {
    all: Vec<Phrase>,
    /// By the class of the first element.
    by_first: Vec<Vec<u32>>,
}

/// Memory for one text.
#[derive(Debug, Default)]
pub(super) struct PhraseScratch {
    present: Vec<u64>,
    reached: Vec<Reached>,
    next: Vec<Reached>,
}

/// An end that the elements so far can reach.
#[derive(Debug, Clone, Copy)]
struct Reached {
    last: u32,
    place: Place,
}

impl Phrases {
    pub fn new_class(&mut self) -> Option<u16> {
        let class = u16::try_from(self.by_first.len()).ok()?;
        self.by_first.push(Vec::new());
        Some(class)
    }

    pub fn add(&mut self, steps: Vec<Step>, at_start: bool, at_end: bool, meaning: Meaning) {
        let Some(first) = steps.first().map(|step| usize::from(step.class)) else {
            return;
        };
        if let Some(list) = self.by_first.get_mut(first) {
            list.push(self.all.len() as u32);
            self.all.push(Phrase {
                steps: steps.into_boxed_slice(),
                at_start,
                at_end,
                meaning,
            });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Calls `found` for each phrase in `hits`, which are sorted. `end` is the number of the message's last word.
    pub fn find(
        &self,
        hits: &[ClassHit],
        end: u32,
        scratch: &mut PhraseScratch,
        mut found: impl FnMut(Meaning, Place, (u32, u32)),
    ) {
        scratch.present.clear();
        scratch.present.resize(self.by_first.len().div_ceil(64), 0);
        for hit in hits {
            scratch.present[usize::from(hit.class) / 64] |= 1 << (hit.class % 64);
        }
        for (at, hit) in hits.iter().enumerate() {
            let Some(starting) = self.by_first.get(usize::from(hit.class)) else {
                continue;
            };
            for phrase in starting {
                let phrase = &self.all[*phrase as usize];
                let there = |step: &Step| {
                    scratch.present[usize::from(step.class) / 64] >> (step.class % 64) & 1 == 1
                };
                if (phrase.at_start && hit.first > 0) || !phrase.steps.iter().rev().all(there) {
                    continue;
                }
                if let Some(reached) =
                    phrase.walk(&hits[at..], end, &mut scratch.reached, &mut scratch.next)
                {
                    found(phrase.meaning, reached.place, (hit.first, reached.last));
                }
            }
        }
    }
}

impl Phrase {
    /// The nearest end of the phrase that begins with the first of `hits`.
    fn walk(
        &self,
        hits: &[ClassHit],
        end: u32,
        reached: &mut Vec<Reached>,
        next: &mut Vec<Reached>,
    ) -> Option<Reached> {
        let first = hits.first()?;
        reached.clear();
        reached.push(Reached {
            last: first.last,
            place: first.place,
        });
        for step in self.steps.iter().skip(1) {
            next.clear();
            let farthest = reached.iter().map(|one| one.last).max()? + 1 + step.gap.1;
            for hit in hits.iter().take_while(|hit| hit.first <= farthest) {
                if hit.class != step.class || next.iter().any(|known| known.last == hit.last) {
                    continue;
                }
                let from = reached.iter().find(|one| {
                    let (least, most) = (one.last + 1 + step.gap.0, one.last + 1 + step.gap.1);
                    (least..=most).contains(&hit.first)
                });
                if let Some(from) = from {
                    next.push(Reached {
                        last: hit.last,
                        place: united(from.place, hit.place),
                    });
                }
            }
            std::mem::swap(reached, next);
            if reached.is_empty() {
                return None;
            }
        }
        let fits = |one: &&Reached| !self.at_end || one.last == end;
        reached
            .iter()
            .filter(fits)
            .min_by_key(|one| one.last)
            .copied()
    }
}

fn united(one: Place, other: Place) -> Place {
    let marks: Marks = one.marks.with(other.marks);
    Place {
        span: Span {
            start: one.span.start.min(other.span.start),
            end: one.span.end.max(other.span.end),
        },
        cells: (
            one.cells.0.min(other.cells.0),
            one.cells.1.max(other.cells.1),
        ),
        marks,
    }
}
