//! Public word lists, read into one form: what people already have, so that they can bring it.
//!
//! Invariant: a list is understood to its last entry or refused with the line at fault, and whatever the policy language cannot hold is
//! named. A list that was half read looks like one that works, and lets through what its author meant to stop.

mod accept;
mod discord;
mod dsojevic;
mod error;
mod gather;
mod ids;
mod json;
mod merge;
mod plain;
mod spelling;
mod surge;
mod topics;
mod write;

pub use accept::{is_accepted, quoted};
pub use error::ImportError;
pub use gather::{Choices, Gathered, gather};
pub use ids::slug;
pub use write::{allows, csv};

use clap::ValueEnum;

/// Larger input is no word list.
pub const LARGEST: u64 = 64 << 20;
/// The longest line of a list that is read by lines. Terms have at most 200 bytes; a surge row has several columns.
const LONGEST_LINE: usize = 64 << 10;

/// How a list is written.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One term a line, `# ` begins a comment (LDNOOBW and most others)
    Plain,
    /// CSV with the columns text, category_1 and severity_rating (Surge AI's profanity list)
    Surge,
    /// JSON with id, match, tags, severity and exceptions (dsojevic/profanity-list)
    Dsojevic,
    /// AutoMod rules as Discord's API gives them, as JSON
    Discord,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Plain => "plain",
            Format::Surge => "surge",
            Format::Dsojevic => "dsojevic",
            Format::Discord => "discord",
        }
    }

    /// What the text looks like. Never fails: a text like no other is plain.
    pub fn guess(text: &str) -> Format {
        let start = text.trim_start();
        let is_json = start.starts_with('{')
            || start
                .strip_prefix('[')
                .is_some_and(|rest| rest.trim_start().starts_with(['{', ']']));
        if is_json {
            let discord = ["\"trigger_metadata\"", "\"trigger_type\"", "\"rules\""];
            if discord.iter().any(|key| text.contains(key)) {
                return Format::Discord;
            }
            return Format::Dsojevic;
        }
        let header = start.lines().next().unwrap_or_default();
        let columns: Vec<&str> = header.split(',').map(|column| column.trim()).collect();
        if surge::COLUMNS.iter().all(|column| columns.contains(column)) {
            return Format::Surge;
        }
        Format::Plain
    }

    /// Reads a list.
    pub fn read(self, text: &str) -> Result<List, ImportError> {
        if text.trim().is_empty() {
            return Err(ImportError::Empty);
        }
        match self {
            Format::Plain => plain::read(text),
            Format::Surge => surge::read(text),
            Format::Dsojevic => dsojevic::read(text),
            Format::Discord => discord::read(text),
        }
    }
}

/// What a list says, in its own order and its own words.
#[derive(Debug, Default)]
pub struct List {
    pub entries: Vec<Entry>,
    pub allows: Vec<Allowed>,
    /// What was left out while reading.
    pub skipped: Vec<Note>,
    /// What its author should know.
    pub notes: Vec<Note>,
}

/// One term of a list.
#[derive(Debug, Default)]
pub struct Entry {
    /// For messages to a person.
    pub place: String,
    /// The list's own id.
    pub name: Option<String>,
    pub patterns: Vec<String>,
    /// The list's word for it; empty if it has none.
    pub category: String,
    /// None if the list does not say.
    pub risk: Option<u8>,
    pub partial: bool,
    pub exceptions: Vec<String>,
}

/// What a rule of the list lets pass.
#[derive(Debug)]
pub struct Allowed {
    pub place: String,
    pub patterns: Vec<String>,
}

/// Something said about a place of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub place: String,
    pub text: String,
}

impl Note {
    fn new(place: &str, text: impl Into<String>) -> Note {
        Note {
            place: place.to_owned(),
            text: text.into(),
        }
    }
}

/// Bytes as text. A byte order mark is not part of the first term.
pub fn text_of(bytes: &[u8]) -> Result<&str, ImportError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        ImportError::NotUtf8 { line }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Refuses lines that no word list has.
fn check_lines(text: &str) -> Result<(), ImportError> {
    let long = text
        .lines()
        .enumerate()
        .find(|(_, line)| line.len() > LONGEST_LINE);
    long.map_or(Ok(()), |(index, line)| {
        Err(ImportError::LongLine {
            line: index + 1,
            bytes: line.len(),
        })
    })
}

/// The start of a pattern, for messages.
fn shown(pattern: &str) -> String {
    const LONGEST: usize = 40;
    let mut shown: String = pattern.chars().take(LONGEST).collect();
    if pattern.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_guessed_from_the_content() {
        let cases = [
            ("darn\nheck\n", Format::Plain),
            ("", Format::Plain),
            ("[darn]\n", Format::Plain),
            (
                "text,canonical_form_1,category_1,severity_rating\n",
                Format::Surge,
            ),
            (
                r#" [ {"id": "a", "match": "b", "severity": 1}]"#,
                Format::Dsojevic,
            ),
            ("[]", Format::Dsojevic),
            (r#"{"rules": []}"#, Format::Discord),
            (r#"[{"name": "n", "trigger_type": 1}]"#, Format::Discord),
        ];
        for (text, format) in cases {
            assert_eq!(Format::guess(text), format, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_name_their_line() {
        let error = text_of(b"darn\nh\xe9ck\n").unwrap_err();
        assert!(
            error.to_string().starts_with("line 2: not UTF-8"),
            "{error}"
        );
        assert_eq!(text_of("\u{feff}darn".as_bytes()).unwrap(), "darn");
    }

    #[test]
    fn a_list_without_anything_is_refused_in_every_format() {
        for format in Format::value_variants() {
            assert!(
                matches!(format.read(" \n\n"), Err(ImportError::Empty)),
                "{format:?}"
            );
        }
    }
}
