//! What was found in a text, and what beats it.

use super::Marks;
use super::Span;
use super::matcher::Matcher;

/// A term found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    pub span: Span,
    pub term: u32,
    /// What was undone to find it.
    pub marks: Marks,
    /// Places of its first and last cell; only while the text is looked at.
    pub cells: (u32, u32),
    /// The term's risk, or what a guard left of it.
    pub risk: u8,
}

/// A word that guards, found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GuardHit {
    pub guard: u16,
    pub before: bool,
    pub cells: (u32, u32),
}

/// Hits of a text with what beats them. Kept between texts for its memory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub hits: Vec<Hit>,
    pub(crate) exceptions: Vec<(u32, Span)>,
    pub(crate) allows: Vec<(u8, Span)>,
    reach: Vec<u32>,
}

impl Found {
    pub fn clear(&mut self) {
        self.hits.clear();
        self.exceptions.clear();
        self.allows.clear();
    }

    /// Drops what is beaten, lowered to nothing or of another language, and of equal hits keeps the one with the least undone. Hits come
    /// out ordered by span and term, once each.
    pub fn settle(&mut self, matcher: &Matcher, language: Option<&str>) {
        if self.hits.is_empty() {
            return;
        }
        let language = language.map(primary);
        self.hits.retain_mut(|hit| {
            let Some(facts) = matcher.facts(hit.term) else {
                return false;
            };
            hit.risk = hit.risk.min(facts.risk);
            let spoken = match (&facts.language, language) {
                (Some(of_term), Some(of_text)) => primary(of_term).eq_ignore_ascii_case(of_text),
                _ => true,
            };
            spoken && (hit.risk > 0 || facts.risk == 0)
        });
        self.except();
        self.allow(matcher);
        self.hits.sort_unstable_by_key(|hit| {
            (hit.span, hit.term, hit.marks.count(), hit.marks, hit.risk)
        });
        self.hits.dedup_by_key(|hit| (hit.span, hit.term));
    }

    fn except(&mut self) {
        let Found {
            hits,
            exceptions,
            reach,
            ..
        } = self;
        if exceptions.is_empty() {
            return;
        }
        exceptions.sort_unstable();
        // By term: how far the spans up to here reach.
        reach.clear();
        for (at, (term, span)) in exceptions.iter().enumerate() {
            let before = at
                .checked_sub(1)
                .filter(|last| exceptions[*last].0 == *term);
            reach.push(span.end.max(before.map_or(0, |last| reach[last])));
        }
        hits.retain(|hit| {
            let upto = exceptions
                .partition_point(|(term, span)| (*term, span.start) < (hit.term, hit.span.end));
            let last = upto
                .checked_sub(1)
                .filter(|last| exceptions[*last].0 == hit.term);
            last.is_none_or(|last| reach[last] <= hit.span.start)
        });
    }

    fn allow(&mut self, matcher: &Matcher) {
        let Found {
            hits,
            allows,
            reach,
            ..
        } = self;
        if allows.is_empty() {
            return;
        }
        allows.sort_unstable_by_key(|(_, span)| *span);
        let mut risks: Vec<u8> = allows.iter().map(|(risk, _)| *risk).collect();
        risks.sort_unstable();
        risks.dedup();
        for most in risks {
            // Spans that allow this much or more, and how far they reach.
            reach.clear();
            let mut farthest = 0;
            for (risk, span) in allows.iter() {
                if *risk >= most {
                    farthest = farthest.max(span.end);
                }
                reach.push(farthest);
            }
            hits.retain(|hit| {
                if matcher.risk_of(hit.term) > most {
                    return true;
                }
                let upto = allows.partition_point(|(_, span)| span.start < hit.span.end);
                upto.checked_sub(1)
                    .is_none_or(|last| reach[last] <= hit.span.start)
            });
        }
    }
}

/// `de` of `de-AT`.
fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or(tag)
}
