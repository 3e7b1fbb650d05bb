//! Why a list cannot be imported, and what to do next.

use thiserror::Error;

use super::Note;

/// Nothing was written.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ImportError {
    #[error("the list is larger than {} MiB", super::LARGEST >> 20)]
    TooLarge,
    #[error("line {line}: not UTF-8")]
    NotUtf8 { line: usize },
    #[error("line {line} has {bytes} bytes; no word list has such lines")]
    LongLine { line: usize, bytes: usize },
    #[error("line {line}: {what}")]
    Malformed { line: usize, what: String },
    #[error("line 1: there is no column `{0}`")]
    NoColumn(&'static str),
    #[error("the list is empty")]
    Empty,
    #[error("nothing of the list can be imported: {} skipped", .0.len())]
    NothingLeft(Vec<Note>),
    #[error("{place}: no topic: the list gives this term no category")]
    NoCategory { place: String },
    #[error("{place}: no topic: nothing in the category `{category}` can be a topic's name")]
    NoName { place: String, category: String },
    #[error("the policy's reader refuses the imported list: {0}")]
    Refused(String),
}

impl ImportError {
    pub fn next_step(&self) -> String {
        match self {
            ImportError::TooLarge => "check that it is a word list, or import it in parts".into(),
            ImportError::NotUtf8 { .. } => {
                "convert it first, for instance with `iconv -f LATIN1 -t UTF-8`".into()
            }
            ImportError::LongLine { .. }
            | ImportError::Malformed { .. }
            | ImportError::NoColumn(_) => {
                "mend the line, or name the right format with --format".into()
            }
            ImportError::Empty => "check that it is the right file".into(),
            ImportError::NothingLeft(_) => {
                "see the reasons above; name the right format with --format if it was guessed wrong"
                    .into()
            }
            ImportError::NoCategory { .. } => {
                "name a topic for all terms with --topic, or for those without a category with \
                 --topic-map =NAME"
                    .into()
            }
            ImportError::NoName { category, .. } => {
                format!(
                    "name a topic for all terms with --topic, or for these with --topic-map '{category}=NAME'"
                )
            }
            ImportError::Refused(_) => {
                "import the list in parts to find the terms, and please report it".into()
            }
        }
    }
}
