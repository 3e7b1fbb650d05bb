//! Terms and exemptions as a policy reads them.
//!
//! Invariant: whatever a list holds, what is written here is accepted by the policy's reader, or the import failed before: the test below
//! asks it with lists that nobody would write.

use super::accept::quoted;
use super::gather::{Allow, Term};
use crate::table::printable;

const HEADER: [&str; 7] = [
    "id",
    "match",
    "topic",
    "risk",
    "partial",
    "exceptions",
    "language",
];

/// A list of terms, for `lists` of a policy.
pub fn csv(terms: &[Term], language: &str) -> String {
    let mut csv = String::new();
    row(&mut csv, &HEADER);
    for term in terms {
        let cells = [
            term.id.as_str(),
            &term.patterns.join("|"),
            &term.topic,
            &term.risk.to_string(),
            if term.partial { "true" } else { "" },
            &term.exceptions.join("|"),
            language,
        ];
        row(&mut csv, &cells);
    }
    csv
}

fn row(csv: &mut String, cells: &[&str]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            csv.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            csv.push('"');
            csv.push_str(&cell.replace('"', "\"\""));
            csv.push('"');
        } else {
            csv.push_str(cell);
        }
    }
    csv.push('\n');
}

/// What the list lets pass, for the policy itself.
pub fn allows(allows: &[Allow]) -> String {
    let mut toml = String::new();
    for allow in allows {
        let patterns: Vec<String> = allow
            .patterns
            .iter()
            .map(|pattern| quoted(pattern))
            .collect();
        toml.push_str(&format!(
            "[[allow]]  # {}\nmatch = [{}]\nmax_risk = {}\n",
            printable(&allow.place),
            patterns.join(", "),
            allow.max_risk
        ));
    }
    toml
}

#[cfg(test)]
mod tests {
    use super::super::{Choices, Format, gather, is_accepted};
    use super::*;
    use clap::ValueEnum;
    use proptest::prelude::*;

    /// Accepted by the reader, or an error of its own.
    fn check(format: Format, text: &str) {
        let choices = Choices {
            topic_map: vec![(String::new(), "other".into())],
            id_prefix: "p".into(),
            ..Choices::default()
        };
        let Ok(all) = format.read(text).and_then(|list| gather(list, &choices)) else {
            return;
        };
        let topics: Vec<&str> = all.topics.keys().map(String::as_str).collect();
        let csv = csv(&all.terms, "en");
        if let Err(error) = is_accepted(&csv, &topics) {
            panic!("{error}\n{csv}");
        }
        let policy = format!(
            "[policy]\nid = \"p\"\ntopics = []\n[audience.default]\ndefault = {{}}\n{}",
            allows(&all.allows)
        );
        let mut none = |_: &str| Err("there are no lists".to_owned());
        if let Err(error) = gavel_judge::Document::parse("policy", &policy, &mut none) {
            panic!("{error}\n{policy}");
        }
    }

    fn term() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,12}",
            "[a-c*|@$!+15 \"',;#^(.)-]{0,10}",
            "[abAB] ?[ab-]{0,3}\\*?",
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn whatever_a_list_holds_the_result_is_accepted_or_an_error(
            terms in prop::collection::vec((term(), term(), 0_u8..5), 0..12)
        ) {
            let lines: Vec<&str> = terms.iter().map(|(term, _, _)| term.as_str()).collect();
            for format in Format::value_variants() {
                check(*format, &lines.join("\n"));
            }
            let mut surge = String::from("text,category_1,severity_rating\n");
            for (term, category, severity) in &terms {
                row(&mut surge, &[term, category, &severity.clamp(&1, &3).to_string()]);
            }
            check(Format::Surge, &surge);
            let listed: Vec<serde_json::Value> = terms
                .iter()
                .map(|(term, tag, severity)| serde_json::json!({
                    "id": tag, "match": term, "tags": [tag], "severity": severity.clamp(&1, &4), "exceptions": [term, tag, "*a"],
                }))
                .collect();
            check(Format::Dsojevic, &serde_json::Value::from(listed).to_string());
            let rules: Vec<serde_json::Value> = terms
                .iter()
                .map(|(term, other, kind)| serde_json::json!({
                    "name": other, "trigger_type": kind,
                    "trigger_metadata": {"keyword_filter": [term, other], "allow_list": [other]},
                }))
                .collect();
            check(Format::Discord, &serde_json::Value::from(rules).to_string());
        }
    }
}
