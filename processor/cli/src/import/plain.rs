//! One term a line, as in LDNOOBW and most lists that people keep themselves.
//!
//! Invariant: `#` begins a comment only at a line's start or after a space, and only with a space (or nothing) behind it: `#term` and
//! `c# term` are terms, and a list that lost them would not say so.

use super::{Entry, ImportError, List, check_lines};

pub fn read(text: &str) -> Result<List, ImportError> {
    check_lines(text)?;
    let entries = text.lines().enumerate().filter_map(|(index, line)| {
        let term = without_comment(line).trim();
        (!term.is_empty()).then(|| Entry {
            place: format!("line {}", index + 1),
            patterns: vec![term.to_owned()],
            ..Entry::default()
        })
    });
    Ok(List {
        entries: entries.collect(),
        ..List::default()
    })
}

fn without_comment(line: &str) -> &str {
    let comment = line.match_indices('#').find(|(at, _)| {
        let (before, after) = (&line[..*at], &line[at + 1..]);
        let opens = before.is_empty() || before.ends_with(char::is_whitespace);
        opens && (after.is_empty() || after.starts_with(char::is_whitespace))
    });
    comment.map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let list = read(text).unwrap();
        list.entries
            .into_iter()
            .map(|entry| format!("{}: {}", entry.place, entry.patterns.join("|")))
            .collect()
    }

    #[test]
    fn each_line_is_a_term_and_keeps_its_wildcards() {
        assert_eq!(
            terms("darn*\r\n\n  kung fu \n*head"),
            ["line 1: darn*", "line 3: kung fu", "line 4: *head"]
        );
    }

    #[test]
    fn a_comment_needs_a_space_behind_its_sign() {
        assert_eq!(
            terms("# a comment\n#\n#darn\nheck # mild\nc# fan\nx #1\n"),
            [
                "line 3: #darn",
                "line 4: heck",
                "line 5: c# fan",
                "line 6: x #1"
            ]
        );
    }

    #[test]
    fn a_line_of_megabytes_is_refused_by_its_number() {
        let text = format!("darn\n{}\n", "x".repeat(10 << 20));
        assert_eq!(
            read(&text).unwrap_err(),
            ImportError::LongLine {
                line: 2,
                bytes: 10 << 20
            }
        );
    }
}
