//! Surge AI's profanity list: CSV, a text with up to three categories and a severity from 1 to 3 with decimals.
//!
//! Invariant: columns are found by name and a severity outside of its scale is refused, so a list with shifted columns cannot pass as one
//! in which everything is mild.

use super::{Entry, ImportError, List, Note, check_lines};

/// What the header must have.
pub const COLUMNS: [&str; 3] = ["text", "category_1", "severity_rating"];

pub fn read(text: &str) -> Result<List, ImportError> {
    check_lines(text)?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| malformed(&error))?.clone();
    let place = |column: &'static str| {
        let found = header.iter().position(|name| name == column);
        found.ok_or(ImportError::NoColumn(column))
    };
    let [text_at, category_at, severity_at] =
        [place(COLUMNS[0])?, place(COLUMNS[1])?, place(COLUMNS[2])?];
    let second_at = header.iter().position(|name| name == "category_2");
    let mut list = List::default();
    let mut in_two = 0_usize;
    for row in reader.records() {
        let row = row.map_err(|error| malformed(&error))?;
        let line = line_of(row.position());
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let place = format!("line {line}");
        let severity = cell(severity_at);
        let risk = risk(severity).ok_or_else(|| ImportError::Malformed {
            line,
            what: format!("severity_rating `{severity}` is unknown: 1 (mild) to 3 (severe)"),
        })?;
        in_two += usize::from(second_at.is_some_and(|at| !cell(at).is_empty()));
        list.entries.push(Entry {
            place,
            patterns: vec![cell(text_at).to_owned()],
            category: cell(category_at).to_owned(),
            risk: Some(risk),
            ..Entry::default()
        });
    }
    if in_two > 0 {
        list.notes.push(Note::new(
            "the list",
            format!(
                "{in_two} terms have further categories; a term has one topic, from category_1"
            ),
        ));
    }
    Ok(list)
}

/// 1 is risk 2 and 3 is risk 6; steps of a half between.
fn risk(severity: &str) -> Option<u8> {
    let rating: f64 = severity.parse().ok()?;
    // `contains` is false for NaN.
    if !(1.0..=3.0).contains(&rating) {
        return None;
    }
    // In range, so the conversion keeps the value.
    Some((2.0 * rating).round() as u8)
}

fn malformed(error: &csv::Error) -> ImportError {
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} columns where the header has {expected_len}"),
        _ => error.to_string(),
    };
    ImportError::Malformed {
        line: line_of(error.position()),
        what,
    }
}

fn line_of(position: Option<&csv::Position>) -> usize {
    position.map_or(1, |position| {
        usize::try_from(position.line()).unwrap_or(usize::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "text,canonical_form_1,category_1,category_2,severity_rating,severity_description\n";

    fn line(rows: &str) -> Result<List, ImportError> {
        read(&format!("{HEADER}{rows}"))
    }

    #[test]
    fn a_row_is_a_term_with_category_and_risk() {
        let list = line(
            "darns,darn,mild / oaths,other,1.4,Mild\n\"heck, no\",heck,mild / oaths,,3,Severe\n",
        )
        .unwrap();
        let seen: Vec<(&str, &str, Option<u8>)> = list
            .entries
            .iter()
            .map(|entry| {
                (
                    entry.patterns[0].as_str(),
                    entry.category.as_str(),
                    entry.risk,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("darns", "mild / oaths", Some(3)),
                ("heck, no", "mild / oaths", Some(6))
            ]
        );
        assert!(list.notes[0].text.starts_with("1 terms have further"));
    }

    #[test]
    fn severities_spread_over_risks_2_to_6() {
        let risks = ["1", "1.2", "1.4", "1.8", "2", "2.2", "2.6", "2.8", "3"].map(risk);
        assert_eq!(
            risks.map(Option::unwrap_or_default),
            [2, 2, 3, 4, 4, 4, 5, 6, 6]
        );
        for bad in ["", "0", "3.1", "NaN", "inf", "-2", "severe", "1e300"] {
            assert_eq!(risk(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        let error = |rows| line(rows).unwrap_err().to_string();
        assert!(error("darn,,x,,1,\nheck,,x,,9,\n").starts_with("line 3: severity_rating `9`"));
        assert!(error("darn,,x\n").starts_with("line 2: 3 columns where the header has 6"));
        assert_eq!(
            read("text,severity_rating\ndarn,1\n").unwrap_err(),
            ImportError::NoColumn("category_1")
        );
    }
}
