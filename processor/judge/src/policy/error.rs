//! What is wrong with a policy, each with the place and the mend.

use std::fmt;

/// Everything that was found wrong, one line each: `file:line: what; what to write instead`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    pub problems: Vec<String>,
}

impl PolicyError {
    pub(crate) fn one(problem: impl Into<String>) -> PolicyError {
        PolicyError {
            problems: vec![problem.into()],
        }
    }
}

impl PolicyError {
    /// Says whose problem it is.
    pub(crate) fn prefixed(self, whose: &str) -> PolicyError {
        let named = |problem| format!("{whose}: {problem}");
        PolicyError {
            problems: self.problems.into_iter().map(named).collect(),
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for PolicyError {}

/// Collects problems of one file and knows its lines.
pub(crate) struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<String>,
}

impl<'a> Problems<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Problems<'a> {
        Problems {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// Notes a problem at a byte of the file.
    pub fn at(&mut self, byte: usize, what: impl fmt::Display) {
        let line = self
            .text
            .as_bytes()
            .iter()
            .take(byte)
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        self.found.push(format!("{}:{line}: {what}", self.file));
    }

    /// Notes a problem whose place is already in its text.
    pub fn add(&mut self, problem: String) {
        self.found.push(problem);
    }

    /// What the TOML reader refused; unknown keys get the nearest known one.
    pub fn toml(&mut self, error: &toml::de::Error) {
        let byte = error.span().map_or(0, |span| span.start);
        self.at(byte, suggest(error.message()));
    }

    pub fn finish(self) -> Result<(), PolicyError> {
        if self.found.is_empty() {
            Ok(())
        } else {
            Err(PolicyError {
                problems: self.found,
            })
        }
    }
}

/// "unknown field `x`, expected one of `a`, `b`" as a person would say it.
fn suggest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (Some(rest), Some(unknown)) = (message.strip_prefix("unknown field "), quoted.next())
    else {
        return message.to_owned();
    };
    debug_assert!(rest.starts_with('`'));
    let known: Vec<&str> = quoted.collect();
    match nearest(unknown, &known) {
        Some(near) => format!("unknown key `{unknown}`; did you mean `{near}`?"),
        None => format!("unknown key `{unknown}`; known here: {}", known.join(", ")),
    }
}

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate));
    scored
        .min()
        .filter(|(distance, _)| *distance <= (word.chars().count() / 2).max(1))
        .map(|(_, candidate)| candidate)
}

/// "; did you mean `x`?" or nothing.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known).map_or_else(
        || format!("; known: {}", known.join(", ")),
        |near| format!("; did you mean `{near}`?"),
    )
}
