//! Terms, allows, exceptions, classes, guards: words that are never found, or found where nobody meant them.

use super::Lints;
use super::shapes::{Beater, Ordinary, Reader, Run, Shape, TermShapes};
use crate::policy::document::{Detector, Document, Term, Words};
use crate::policy::pattern::Pattern;
use std::collections::{BTreeMap, BTreeSet};

/// A part of a word that is shorter than this stands in too many innocent ones.
const PARTIAL_LETTERS: usize = 4;
/// Words shorter than this are not looked for misspelt.
const FUZZY_LETTERS: usize = 4;
/// Innocent words that are named.
const EXAMPLES: usize = 5;
/// Thousandths: from here on a hit counts by itself.
const EVEN: u32 = 500;

pub(super) fn lint(document: &Document, reader: &mut Reader<'_>, lints: &mut Lints) {
    let terms = reader.terms();
    let ordinary = Ordinary::read(document, reader);
    let named: BTreeSet<&str> = document
        .contexts
        .iter()
        .flat_map(|rule| &rule.rules)
        .map(String::as_str)
        .collect();
    repeated(&terms, &named, lints);
    let allows = allows(document, reader);
    for shaped in &terms {
        harmless(shaped.term, &named, lints);
        allowed(shaped, &allows, lints);
        exceptions(shaped, reader, lints);
        short(shaped, &ordinary, &allows, (reader, lints));
        is_ordinary(shaped, &ordinary, lints);
    }
    idle_allows(document, &terms, reader, lints);
    classes(document, lints);
    guards(document, lints);
}

/// A pattern that stands in another term of its topic that says at least as much.
fn repeated(terms: &[TermShapes<'_>], named: &BTreeSet<&str>, lints: &mut Lints) {
    let mut holders: BTreeMap<(&str, &Run), Vec<&Term>> = BTreeMap::new();
    for shaped in terms {
        for run in shaped.shapes.iter().filter_map(|(_, shape)| shape.run()) {
            let all = holders
                .entry((shaped.term.topic.as_str(), run))
                .or_default();
            all.push(shaped.term);
        }
    }
    for shaped in terms {
        let term = shaped.term;
        // A context rule counts what this term finds, whatever else finds it too.
        if named.contains(term.id.as_str()) {
            continue;
        }
        for (written, run) in runs(shaped) {
            let all = holders.get(&(term.topic.as_str(), run));
            let better = all.into_iter().flatten().find(|other| {
                // Of two that say the same the first counts.
                other.id != term.id
                    && says_as_much(other, term)
                    && (!says_as_much(term, other) || other.id < term.id)
            });
            if let Some(better) = better {
                lints.add(
                    "repeated-pattern",
                    &term.id,
                    format!(
                        "`{written}` stands in term `{}` too, with the same topic and risk {}: here, with risk {}, it changes nothing",
                        better.id, better.risk, term.risk
                    ),
                    format!("take it out of one of the two, or give `{}` the higher risk", term.id),
                );
            }
        }
    }
}

/// Whether everything that `term` does to a text with a pattern of both, `other` does too.
fn says_as_much(other: &Term, term: &Term) -> bool {
    let language = other.language.is_none() || other.language == term.language;
    let counts = other.weight >= EVEN || other.weight >= term.weight;
    let within = |ours: &[String], theirs: &[String]| ours.iter().all(|one| theirs.contains(one));
    other.risk >= term.risk
        && language
        && counts
        && (other.fuzzy || !term.fuzzy)
        && within(&other.exceptions, &term.exceptions)
        && within(&other.guards, &term.guards)
}

fn runs<'t>(shaped: &'t TermShapes<'_>) -> impl Iterator<Item = (&'t str, &'t Run)> {
    shaped
        .shapes
        .iter()
        .filter_map(|(written, shape)| Some((*written, shape.run()?)))
}

fn harmless(term: &Term, named: &BTreeSet<&str>, lints: &mut Lints) {
    if term.risk == 0 && !named.contains(term.id.as_str()) {
        lints.add(
            "harmless-term",
            &term.id,
            "risk 0 reaches no threshold, and no context rule names the term",
            "give it a risk from 1 on, name it in the `rules` of a [[context]], or take it out",
        );
    }
}

/// What an allow says that is no phrase.
struct AllowRun<'a> {
    written: &'a str,
    max_risk: u8,
    run: Run,
}

fn allows<'a>(document: &'a Document, reader: &mut Reader<'_>) -> Vec<AllowRun<'a>> {
    let patterns = document.allows.iter().flat_map(|allow| {
        allow
            .patterns
            .iter()
            .map(|pattern| (pattern.as_str(), allow.max_risk))
    });
    patterns
        .filter_map(|(written, max_risk)| match reader.shape(written, false)? {
            Shape::Run(run) => Some(AllowRun {
                written,
                max_risk,
                run,
            }),
            Shape::Phrase(_) => None,
        })
        .collect()
}

/// Terms that an allow beats always, and allows that repeat a pattern.
fn allowed(shaped: &TermShapes<'_>, allows: &[AllowRun<'_>], lints: &mut Lints) {
    let term = shaped.term;
    let mut beaten = Vec::new();
    for (written, run) in runs(shaped) {
        let covering = allows
            .iter()
            .filter(|allow| allow.max_risk >= term.risk)
            .find(|allow| allow.run.covers(run));
        if let Some(allow) = covering {
            beaten.push((written, allow));
        }
    }
    // A misspelt word is not the allowed one.
    if beaten.len() == shaped.shapes.len() && !beaten.is_empty() && !term.fuzzy {
        let by: BTreeSet<&str> = beaten.iter().map(|(_, allow)| allow.written).collect();
        lints.add(
            "dead-term",
            &term.id,
            format!(
                "all of it is allowed up to risk {} by {}: the term, of risk {}, never fires",
                beaten
                    .iter()
                    .map(|(_, allow)| allow.max_risk)
                    .min()
                    .unwrap_or(term.risk),
                quoted(by),
                term.risk
            ),
            "lower the `max_risk` of the [[allow]], make its pattern longer, or take the term out",
        );
        return;
    }
    for (written, run) in runs(shaped) {
        for allow in allows.iter().filter(|allow| allow.run == *run) {
            let (what, mend) = if allow.max_risk >= term.risk {
                (
                    format!(
                        "`{written}` is in an [[allow]] up to risk {}, word for word: the term, of risk {}, does not find it",
                        allow.max_risk, term.risk
                    ),
                    "take it out of the term or out of the [[allow]]",
                )
            } else {
                (
                    format!(
                        "`{written}` is in an [[allow]] too, word for word, but only up to risk {}: the term has risk {} and wins",
                        allow.max_risk, term.risk
                    ),
                    "raise `max_risk`, or take the pattern out of the [[allow]]",
                )
            };
            lints.add("allow-contradicts", &term.id, what, mend);
        }
    }
}

fn exceptions(shaped: &TermShapes<'_>, reader: &mut Reader<'_>, lints: &mut Lints) {
    for exception in &shaped.term.exceptions {
        if !reader.beater(exception).may_meet(shaped) {
            lints.add(
                "idle-exception",
                &shaped.term.id,
                format!("the exception `{exception}` holds no word of the term: it excepts nothing"),
                "an exception must overlap the hit: write the innocent words with the term's word among them",
            );
        }
    }
}

/// Parts of words, and misspellings of short ones.
fn short(
    shaped: &TermShapes<'_>,
    ordinary: &Ordinary,
    allows: &[AllowRun<'_>],
    (reader, lints): (&mut Reader<'_>, &mut Lints),
) {
    let term = shaped.term;
    if term.fuzzy && term.partial {
        lints.add(
            "fuzzy-partial",
            &term.id,
            "`fuzzy` does nothing beside `partial`: misspellings are those of whole words",
            "drop one of the two, or make two terms",
        );
    }
    let excepted: Vec<Run> = term
        .exceptions
        .iter()
        .filter_map(|exception| reader.shape(exception, false)?.run().cloned())
        .collect();
    let allowed = allows
        .iter()
        .filter(|allow| allow.max_risk >= term.risk)
        .map(|allow| &allow.run);
    let innocents: Vec<&Run> = excepted.iter().chain(allowed).collect();
    for (written, run) in runs(shaped) {
        let letters = run.words().chars().count();
        let single = !run.words().contains(' ');
        let inner = run.is_open() && single;
        if inner {
            let mut innocent: Vec<&str> = ordinary.hit_by(run).into_iter().collect();
            innocent.retain(|word| !innocents.iter().any(|one| one.stands_in(word)));
            if !innocent.is_empty() {
                let more = innocent.len().saturating_sub(EXAMPLES);
                let more = if more > 0 {
                    format!(" and {more} more")
                } else {
                    String::new()
                };
                lints.add(
                    "hits-ordinary",
                    &term.id,
                    format!(
                        "`{written}` hits ordinary words: {}{more}",
                        innocent[..innocent.len().min(EXAMPLES)].join(", ")
                    ),
                    "write whole words, or name the innocent ones in `exceptions`",
                );
            } else if letters < PARTIAL_LETTERS && run.is_open_at_both() {
                lints.add(
                    "short-partial",
                    &term.id,
                    format!("`{written}` is found inside words and has {letters} letters: so little stands in many an innocent word"),
                    "write whole words, or parts of four letters and more; a list of `ordinary` words lets this check name examples",
                );
            }
        } else if term.fuzzy && !term.partial && single && letters < FUZZY_LETTERS {
            let what = if letters < 3 {
                "nothing but itself"
            } else {
                "only starred and split"
            };
            lints.add(
                "short-fuzzy",
                &term.id,
                format!("`{written}` has {letters} letters: with `fuzzy` it is found {what}, because its misspellings are other words"),
                "drop `fuzzy` there, or write out the spellings that are meant",
            );
        }
    }
}

fn is_ordinary(shaped: &TermShapes<'_>, ordinary: &Ordinary, lints: &mut Lints) {
    for (written, run) in runs(shaped).filter(|(_, run)| !run.is_open()) {
        if ordinary.holds(run) {
            lints.add(
                "ordinary-term",
                &shaped.term.id,
                format!(
                    "`{written}` is on the list of ordinary words, and every use of it is a hit"
                ),
                "take it off that list, or make the term a phrase that says what is meant",
            );
        }
    }
}

fn idle_allows(
    document: &Document,
    terms: &[TermShapes<'_>],
    reader: &mut Reader<'_>,
    lints: &mut Lints,
) {
    for allow in &document.allows {
        for pattern in &allow.patterns {
            let beater: Beater = reader.beater(pattern);
            let beats = terms
                .iter()
                .any(|shaped| shaped.term.risk <= allow.max_risk && beater.may_meet(shaped))
                || document
                    .detectors
                    .iter()
                    .any(|rule| rule.risk <= allow.max_risk && may_detect(&rule.detector, pattern));
            if !beats {
                lints.add(
                    "idle-allow",
                    "",
                    format!(
                        "the allow of `{pattern}` beats nothing: no term up to risk {} can stand there",
                        allow.max_risk
                    ),
                    "take it out, or raise `max_risk`; an allow must overlap the hit that it beats",
                );
            }
        }
    }
}

/// Whether a detector's hit can hold the pattern: floods hold whole texts, the others numbers and addresses.
fn may_detect(detector: &Detector, pattern: &str) -> bool {
    matches!(
        detector,
        Detector::Caps { .. }
            | Detector::Repetition { .. }
            | Detector::Emoji { .. }
            | Detector::Postal
    ) || pattern.contains(|ch: char| !ch.is_alphabetic() && ch != ' ')
}

fn classes(document: &Document, lints: &mut Lints) {
    let terms = document
        .terms
        .iter()
        .flat_map(|term| term.patterns.iter().chain(&term.exceptions));
    let allows = document.allows.iter().flat_map(|allow| &allow.patterns);
    let guards = document
        .guards
        .values()
        .flat_map(|guard| guard.before.iter().chain(&guard.after));
    let mut used = BTreeSet::new();
    for pattern in terms.chain(allows).chain(guards) {
        if let Ok(pattern) = Pattern::parse(pattern) {
            used.extend(pattern.classes().map(str::to_owned));
        }
    }
    for (name, class) in &document.words {
        // Classes within classes are flattened before they come here: one whose words are all in a used one was named there.
        let is_part = |other: &Words| {
            class
                .patterns
                .iter()
                .all(|pattern| other.patterns.contains(pattern))
        };
        let parts = used.iter().filter_map(|used| document.words.get(used));
        if !used.contains(name) && !parts.into_iter().any(is_part) {
            lints.add(
                "unused-class",
                name,
                format!("no pattern names `@{name}`"),
                format!("write `@{name}` where it is meant, or take the class out"),
            );
        }
    }
}

fn guards(document: &Document, lints: &mut Lints) {
    for (name, guard) in &document.guards {
        let guards = |term: &Term| term.guards.contains(name) || guard.topics.contains(&term.topic);
        let mut guarded = document.terms.iter().filter(|term| guards(term)).peekable();
        if guarded.peek().is_none() {
            lints.add(
                "unused-guard",
                name,
                "no term names it, and its `topics` have no terms",
                "name it in the `guards` of a term, or give it `topics`",
            );
        } else if guarded.all(|term| term.risk <= guard.lowers_to) {
            lints.add(
                "idle-guard",
                name,
                format!(
                    "it lowers to risk {}, and no term that it guards has more",
                    guard.lowers_to
                ),
                "lower `lowers_to`; 0 drops the hit",
            );
        }
    }
}

/// `a`, `b` and so on.
fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests;
