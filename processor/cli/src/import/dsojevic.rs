//! dsojevic/profanity-list: JSON, with severities from 1 to 4, and exceptions in which `*` stands for the word that was found.
//!
//! Invariant: a `*` in `match` is read as that list means it, "the character before, once or more", and not as an open end: read as an
//! open end, `haji*` would stop every word that begins like it. Runs of a letter come off in the matcher, so the sign is dropped.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::{Entry, ImportError, List, Note, json};

/// Most words that one entry's exceptions may become: alternatives times exceptions grow fast in a hostile list.
const EXCEPTIONS_MAX: usize = 10_000;
/// The longest word that an exception may become, a little above the longest pattern.
const LONGEST: usize = 400;

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(rename = "match")]
    alternatives: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(deserialize_with = "risk")]
    severity: u8,
    // The list's own example writes it in both ways.
    #[serde(default, alias = "partial_match", deserialize_with = "flag")]
    allow_partial: Option<bool>,
    #[serde(default)]
    exceptions: Vec<String>,
}

pub fn read(text: &str) -> Result<List, ImportError> {
    let listed: Vec<Listed> = json::read(text)?;
    let mut list = List::default();
    let (mut unsaid, mut in_two) = (0_usize, 0_usize);
    for one in listed {
        let place = format!("entry {}", super::shown(&one.id));
        let patterns: Vec<String> = one
            .alternatives
            .split('|')
            .map(|alternative| alternative.replace('*', "").trim().to_owned())
            .filter(|alternative| !alternative.is_empty())
            .collect();
        if patterns.is_empty() {
            list.skipped.push(Note::new(&place, "nothing in `match`"));
            continue;
        }
        let Some(exceptions) = expanded(&one.exceptions, &patterns) else {
            let text =
                format!("its exceptions become more than {EXCEPTIONS_MAX} words, or too long ones");
            list.skipped.push(Note::new(&place, text));
            continue;
        };
        unsaid += usize::from(one.allow_partial.is_none() && exceptions.is_empty());
        in_two += usize::from(one.tags.len() > 1);
        list.entries.push(Entry {
            place,
            name: Some(one.id),
            patterns,
            category: one.tags.into_iter().next().unwrap_or_default(),
            risk: Some(one.severity),
            // Someone who lists exceptions looked at the words around; without them `hell` would stop every `hello`.
            partial: one.allow_partial.unwrap_or(!exceptions.is_empty()),
            exceptions,
        });
    }
    if unsaid > 0 {
        let text = format!(
            "{unsaid} entries have neither allow_partial nor exceptions: they match whole words only; --partial finds them inside words too"
        );
        list.notes.push(Note::new("the list", text));
    }
    if in_two > 0 {
        let text =
            format!("{in_two} entries have several tags; a term has one topic, from the first");
        list.notes.push(Note::new("the list", text));
    }
    Ok(list)
}

/// Each exception with each alternative in the place of its `*`; None if that is too much.
fn expanded(exceptions: &[String], patterns: &[String]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for exception in exceptions {
        let stars = exception.matches('*').count();
        let words = if stars == 0 { &patterns[..1] } else { patterns };
        for word in words {
            // Checked before it is built: a row of stars times a long word is a bomb.
            let length = exception
                .len()
                .saturating_add(stars.saturating_mul(word.len()));
            if length > LONGEST || all.len() >= EXCEPTIONS_MAX {
                return None;
            }
            all.push(exception.replace('*', word));
        }
    }
    Some(all)
}

fn risk<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u64::deserialize(deserializer)? {
        1 => Ok(2),
        2 => Ok(3),
        3 => Ok(4),
        4 => Ok(6),
        other => Err(D::Error::custom(format!(
            "severity {other} is unknown: 1 (mild) to 4 (severe)"
        ))),
    }
}

fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Plain(bool),
        Text(String),
        Nothing(()),
    }
    let unknown = || D::Error::custom("allow_partial is true or false");
    match Flag::deserialize(deserializer).map_err(|_| unknown())? {
        Flag::Plain(flag) => Ok(Some(flag)),
        Flag::Text(text) if text == "true" => Ok(Some(true)),
        Flag::Text(text) if text == "false" => Ok(Some(false)),
        Flag::Nothing(()) => Ok(None),
        Flag::Text(_) => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(entry: &str) -> Entry {
        let mut list = read(&format!("[{entry}]")).unwrap();
        list.entries.pop().unwrap()
    }

    #[test]
    fn a_star_in_match_repeats_a_letter_and_opens_nothing() {
        let entry =
            one(r#"{"id": "drat", "match": "dra*t| drats*", "severity": 1, "tags": ["oath"]}"#);
        assert_eq!(entry.patterns, ["drat", "drats"]);
        assert_eq!((entry.category.as_str(), entry.risk), ("oath", Some(2)));
        assert!(!entry.partial);
    }

    #[test]
    fn a_star_in_an_exception_stands_for_each_alternative() {
        let entry = one(
            r#"{"id": "d", "match": "da*rn|durn", "severity": 4, "exceptions": ["*ing needle", "mac*", "plain"]}"#,
        );
        assert_eq!(
            entry.exceptions,
            [
                "darning needle",
                "durning needle",
                "macdarn",
                "macdurn",
                "plain"
            ]
        );
        assert!(entry.partial, "exceptions only make sense inside words");
    }

    #[test]
    fn allow_partial_is_believed_however_it_is_written() {
        let partial = |field: &str| {
            one(&format!(
                r#"{{"id": "d", "match": "d", "severity": 1, {field}}}"#
            ))
            .partial
        };
        assert!(partial(r#""allow_partial": true"#));
        assert!(!partial(r#""allow_partial": false, "exceptions": ["a*"]"#));
        assert!(!partial(r#""partial_match": "false""#));
        assert!(!partial(r#""allow_partial": null"#));
    }

    #[test]
    fn an_unknown_severity_names_its_line() {
        let text = "[\n{\"id\": \"a\", \"match\": \"a\",\n\"severity\": 9}]";
        let error = read(text).unwrap_err().to_string();
        assert!(
            error.starts_with("line 3: severity 9 is unknown"),
            "{error}"
        );
    }

    #[test]
    fn bombs_are_refused_or_skipped() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(
            read(&deep),
            Err(ImportError::Malformed { line: 1, .. })
        ));
        let wide = format!(
            r#"[{{"id": "w", "match": "{}", "severity": 1, "exceptions": [{}]}}]"#,
            vec!["w"; 1_000].join("|"),
            vec!["\"a*\""; 1_000].join(",")
        );
        assert_eq!(read(&wide).unwrap().skipped.len(), 1);
        let stars = format!(
            r#"[{{"id": "s", "match": "{}", "severity": 1, "exceptions": ["{}"]}}]"#,
            "s".repeat(100_000),
            "*".repeat(100_000)
        );
        assert_eq!(read(&stars).unwrap().skipped.len(), 1);
    }
}
