//! What each message says.
//!
//! Invariant: every text is one that a real producer may send (UTF-8, within the limits of the records), and all exist before the first
//! message leaves: making them is no part of the load.

use std::io::{self, BufRead};

use gavel_schemas::limits::TEXT_BYTES;

use super::dice::{Dice, Purpose};
use crate::lines::LineReader;

/// Most texts that are kept; those behind are not used.
const TEXTS_MAX: usize = 1_000_000;
/// Made-up texts of a run. More would only be more of the same words.
const MADE_UP: usize = 4_096;

/// Why a file of texts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TextsError {
    #[error("the texts cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("line {line} is not UTF-8")]
    NotUtf8 { line: u64 },
    #[error("line {line} is longer than the {TEXT_BYTES} bytes that a text may have")]
    TooLong { line: u64 },
    #[error("there is no text: every line is empty")]
    None,
}

/// The texts of a run.
#[derive(Debug, Clone)]
pub struct Texts {
    texts: Vec<Box<str>>,
    dice: Dice,
}

impl Texts {
    /// One text per line; empty lines are skipped.
    pub fn read(input: impl BufRead, seed: u64) -> Result<Texts, TextsError> {
        let mut lines = LineReader::new(input);
        let mut texts = Vec::new();
        while texts.len() < TEXTS_MAX && lines.advance()? {
            let line = lines.number();
            let text = str::from_utf8(lines.line()).map_err(|_| TextsError::NotUtf8 { line })?;
            if text.len() > TEXT_BYTES {
                return Err(TextsError::TooLong { line });
            }
            if !text.is_empty() {
                texts.push(text.into());
            }
        }
        if texts.is_empty() {
            return Err(TextsError::None);
        }
        Ok(Texts {
            texts,
            dice: Dice::new(seed, Purpose::Text),
        })
    }

    /// Texts of common chat words, as long as fits into so many bytes.
    pub fn made_up(bytes: usize, seed: u64) -> Texts {
        let words = Dice::new(seed, Purpose::Word);
        let mut drawn = 0;
        let mut word = || {
            drawn += 1;
            WORDS[words.below(drawn, WORDS.len())]
        };
        let texts = (0..MADE_UP).map(|_| {
            let mut text = word().to_owned();
            loop {
                let next = word();
                if text.len() + 1 + next.len() > bytes {
                    text.truncate(bytes);
                    return text.into();
                }
                text.push(' ');
                text.push_str(next);
            }
        });
        Texts {
            texts: texts.collect(),
            dice: Dice::new(seed, Purpose::Text),
        }
    }

    /// The text of this message.
    pub fn of(&self, sequence: u64) -> &str {
        &self.texts[self.dice.below(sequence, self.texts.len())]
    }

    /// How many different ones there are.
    pub fn count(&self) -> usize {
        self.texts.len()
    }

    /// Their mean length in bytes.
    pub fn mean_bytes(&self) -> f64 {
        let all: usize = self.texts.iter().map(|text| text.len()).sum();
        all as f64 / self.texts.len() as f64
    }
}

/// ASCII, so that a text can be cut anywhere.
const WORDS: [&str; 96] = [
    "gg", "nice", "play", "raid", "starts", "soon", "who", "has", "keys", "lol", "wait", "for",
    "me", "darn", "that", "was", "close", "trade", "potion", "north", "gate", "heal", "please",
    "thanks", "hey", "all", "anyone", "up", "dungeon", "need", "one", "more", "tank", "brb",
    "back", "in", "five", "minutes", "what", "a", "save", "how", "did", "you", "do", "it", "the",
    "boss", "is", "down", "again", "server", "lag", "today", "my", "team", "your", "turn", "go",
    "left", "right", "behind", "us", "watch", "out", "good", "game", "well", "played", "see", "ya",
    "tomorrow", "join", "guild", "no", "worries", "same", "here", "just", "got", "new", "mount",
    "looks", "great", "where", "find", "quest", "map", "buy", "sell", "gold", "price", "too",
    "high", "ok", "haha",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_texts_are_words_as_long_as_wanted_and_differ() {
        for bytes in [1, 2, 20, 80, 400] {
            let texts = Texts::made_up(bytes, 1);
            assert!(
                texts
                    .texts
                    .iter()
                    .all(|text| text.len() <= bytes && !text.is_empty())
            );
        }
        let texts = Texts::made_up(80, 1);
        assert!(texts.mean_bytes() > 74.0, "{}", texts.mean_bytes());
        assert!(texts.of(3).split(' ').all(|word| WORDS.contains(&word)));
        assert_ne!(texts.of(3), texts.of(4));
        assert_eq!(texts.of(3), Texts::made_up(80, 1).of(3));
        assert_ne!(texts.of(3), Texts::made_up(80, 2).of(3));
    }

    #[test]
    fn a_file_gives_its_lines_and_a_bad_one_is_named() {
        let texts = Texts::read(&b"one\n\n  two \r\nthree"[..], 1).expect("texts");
        assert_eq!(
            texts.texts.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
            ["one", "two", "three"]
        );
        let error = |bytes: &[u8]| match Texts::read(bytes, 1) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(error(b"fine\n\xff\n"), "line 2 is not UTF-8");
        assert_eq!(
            error(&[b'x'; TEXT_BYTES + 1]),
            "line 1 is longer than the 16384 bytes that a text may have"
        );
        assert_eq!(error(b"\n\n"), "there is no text: every line is empty");
    }
}
