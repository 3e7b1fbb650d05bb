//! From what a list says to the terms of a policy.
//!
//! Invariant: every pattern of the list is in the result, merged into one that says the same, or named among the skipped. Terms without a
//! topic are an error: under an invented topic they would meet thresholds that nobody wrote for them.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{Named, ids};
use super::merge::{Claim, winners};
use super::spelling::{Spelled, spell};
use super::topics::topic;
use super::{Entry, ImportError, List, Note, accept, shown};

/// Of terms whose list has no severity.
const RISK: u8 = 4;

/// What the author wants.
#[derive(Debug, Default)]
pub struct Choices {
    /// Of all terms.
    pub topic: Option<String>,
    /// From a list's category, or the topic that would be made of it, to a topic.
    pub topic_map: Vec<(String, String)>,
    /// Of all terms.
    pub risk: Option<u8>,
    pub id_prefix: String,
    /// Find all terms inside words too.
    pub partial: bool,
}

#[derive(Debug)]
pub struct Term {
    pub id: String,
    pub patterns: Vec<String>,
    pub topic: String,
    pub risk: u8,
    pub partial: bool,
    pub exceptions: Vec<String>,
}

/// What passes, up to a risk.
#[derive(Debug)]
pub struct Allow {
    pub place: String,
    pub patterns: Vec<String>,
    pub max_risk: u8,
}

#[derive(Debug)]
pub struct Gathered {
    pub terms: Vec<Term>,
    pub allows: Vec<Allow>,
    pub skipped: Vec<Note>,
    pub notes: Vec<Note>,
    /// Patterns that another term has already.
    pub merged: usize,
    /// Terms by topic.
    pub topics: BTreeMap<String, usize>,
}

/// An entry with its patterns in the policy's spelling.
struct Draft {
    entry: Entry,
    patterns: Vec<(String, Spelled)>,
    exceptions: Vec<String>,
    risk: u8,
    partial: bool,
}

pub fn gather(list: List, choices: &Choices) -> Result<Gathered, ImportError> {
    let List {
        entries,
        allows,
        mut skipped,
        mut notes,
    } = list;
    let mut drafts: Vec<Draft> = entries
        .into_iter()
        .map(|entry| draft(entry, choices, &mut skipped))
        .collect();
    let mut allows: Vec<Allow> = allows
        .into_iter()
        .map(|allowed| Allow {
            patterns: spelled(&allowed.patterns, &allowed.place, "allowed", &mut notes),
            max_risk: choices.risk.unwrap_or(RISK),
            place: allowed.place,
        })
        .collect();
    drop_refused(&mut drafts, &mut allows, &mut skipped, &mut notes);
    let merged = keep_winners(&mut drafts, &mut notes);
    drafts.retain(|draft| !draft.patterns.is_empty());
    allows.retain(|allow| !allow.patterns.is_empty());
    if drafts.is_empty() && allows.is_empty() {
        return Err(ImportError::NothingLeft(skipped));
    }
    let terms = named(drafts, choices, &mut notes)?;
    let mut topics = BTreeMap::new();
    for term in &terms {
        *topics.entry(term.topic.clone()).or_default() += 1;
    }
    Ok(Gathered {
        terms,
        allows,
        skipped,
        notes,
        merged,
        topics,
    })
}

fn draft(mut entry: Entry, choices: &Choices, skipped: &mut Vec<Note>) -> Draft {
    let mut patterns = Vec::with_capacity(entry.patterns.len());
    for pattern in std::mem::take(&mut entry.patterns) {
        match spell(&pattern) {
            Ok(spelled) => patterns.push((pattern, spelled)),
            Err(reason) => skipped.push(Note::new(
                &entry.place,
                format!("{}: {reason}", shown(&pattern)),
            )),
        }
    }
    let exceptions = spelled(&entry.exceptions, &entry.place, "exception", skipped);
    Draft {
        patterns,
        exceptions,
        risk: choices.risk.or(entry.risk).unwrap_or(RISK),
        partial: entry.partial || choices.partial,
        entry,
    }
}

/// Exceptions or allowed words: each once, in order.
fn spelled(patterns: &[String], place: &str, kind: &str, notes: &mut Vec<Note>) -> Vec<String> {
    let mut all = BTreeSet::new();
    for pattern in patterns {
        match spell(pattern) {
            Ok(spelled) => {
                all.insert(spelled.text);
            }
            Err(reason) => notes.push(Note::new(
                place,
                format!("{kind} {}: {reason}", shown(pattern)),
            )),
        }
    }
    all.into_iter().collect()
}

/// Asks the policy's reader about every pattern, all at once.
fn drop_refused(
    drafts: &mut [Draft],
    allows: &mut [Allow],
    skipped: &mut Vec<Note>,
    notes: &mut Vec<Note>,
) {
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    for draft in drafts.iter() {
        asked.extend(
            draft
                .patterns
                .iter()
                .map(|(_, pattern)| pattern.text.as_str()),
        );
        asked.extend(draft.exceptions.iter().map(String::as_str));
    }
    for allow in allows.iter() {
        asked.extend(allow.patterns.iter().map(String::as_str));
    }
    let refused = accept::refused(&asked.into_iter().collect::<Vec<_>>());
    if refused.is_empty() {
        return;
    }
    for draft in drafts {
        let place = &draft.entry.place;
        draft.patterns.retain(|(_, pattern)| {
            let reason = refused.get(&pattern.text);
            skipped.extend(reason.map(|reason| Note::new(place, reason)));
            reason.is_none()
        });
        draft.exceptions.retain(|exception| {
            let reason = refused.get(exception);
            skipped.extend(reason.map(|reason| Note::new(place, format!("exception {reason}"))));
            reason.is_none()
        });
    }
    for allow in allows {
        allow.patterns.retain(|pattern| {
            let reason = refused.get(pattern);
            notes.extend(reason.map(|reason| Note::new(&allow.place, format!("allowed {reason}"))));
            reason.is_none()
        });
    }
}

/// Leaves each pattern in one entry; the number of those that went.
fn keep_winners(drafts: &mut [Draft], notes: &mut Vec<Note>) -> usize {
    let claims: Vec<Claim<'_>> = drafts
        .iter()
        .flat_map(|draft| {
            draft.patterns.iter().map(|(_, pattern)| Claim {
                text: &pattern.text,
                partial: draft.partial,
                risk: draft.risk,
                is_undone: pattern.is_undone,
            })
        })
        .collect();
    let mut wins = winners(&claims).into_iter();
    let mut merged = 0;
    for draft in drafts {
        draft.patterns.retain(|(written, pattern)| {
            let stays = wins.next().unwrap_or(true);
            merged += usize::from(!stays);
            if pattern.is_undone {
                let (written, text) = (shown(written), shown(&pattern.text));
                let how = if stays {
                    format!("{written} is written {text}")
                } else {
                    format!("{written} is left out, for {text} is there")
                };
                let finds = if pattern.is_found {
                    "which finds it too"
                } else {
                    "but in messages this disguise stays undetected"
                };
                notes.push(Note::new(&draft.entry.place, format!("{how}, {finds}")));
            }
            stays
        });
    }
    merged
}

fn named(
    drafts: Vec<Draft>,
    choices: &Choices,
    notes: &mut Vec<Note>,
) -> Result<Vec<Term>, ImportError> {
    let mut unused: BTreeSet<&str> = choices
        .topic_map
        .iter()
        .map(|(from, _)| from.as_str())
        .collect();
    let topics = drafts
        .iter()
        .map(|draft| topic(&draft.entry, choices, &mut unused))
        .collect::<Result<Vec<String>, ImportError>>()?;
    for from in unused {
        let text = format!("--topic-map: no term has the category {}", shown(from));
        notes.push(Note::new("the list", text));
    }
    let names: Vec<Named<'_>> = drafts
        .iter()
        .map(|draft| {
            let first = draft.patterns.first().map_or("", |(_, first)| &first.text);
            Named {
                name: draft.entry.name.as_deref().unwrap_or(first),
                distinct: format!("{first}|{}", draft.partial),
            }
        })
        .collect();
    let ids = ids(&choices.id_prefix, &names);
    drop(names);
    let terms = drafts.into_iter().zip(topics).zip(ids);
    Ok(terms
        .map(|((draft, topic), id)| Term {
            id,
            topic,
            patterns: draft
                .patterns
                .into_iter()
                .map(|(_, pattern)| pattern.text)
                .collect(),
            risk: draft.risk,
            partial: draft.partial,
            exceptions: draft.exceptions,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    fn gathered(text: &str, choices: &Choices) -> Result<Gathered, ImportError> {
        gather(Format::Plain.read(text).unwrap(), choices)
    }

    fn rude() -> Choices {
        Choices {
            topic: Some("rude".into()),
            id_prefix: "en".into(),
            ..Choices::default()
        }
    }

    #[test]
    fn every_pattern_is_imported_merged_or_skipped() {
        let all = gathered("Darn\ndarn \nh*ck\nd@rn\n@heck\n🙈🙈\u{7}\n", &rude()).unwrap();
        let ids: Vec<&str> = all.terms.iter().map(|term| term.id.as_str()).collect();
        assert_eq!(ids, ["en-darn", "en-aheck"]);
        assert_eq!((all.merged, all.skipped.len()), (2, 2));
        assert!(
            all.notes[0]
                .text
                .contains("`d@rn` is left out, for `darn` is there")
        );
        assert!(all.notes[1].text.contains("`@heck` is written `aheck`"));
        assert_eq!(all.topics["rude"], 2);
        assert_eq!(all.terms[0].risk, RISK);
    }

    #[test]
    fn a_list_of_which_nothing_is_left_is_an_error() {
        let error = gathered("a*b\n...\n", &rude()).unwrap_err();
        assert!(
            matches!(&error, ImportError::NothingLeft(skipped) if skipped.len() == 2),
            "{error}"
        );
    }
}
