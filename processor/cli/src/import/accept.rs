//! What the policy's own reader accepts.
//!
//! Invariant: the rules of a pattern live in one place, the reader of policies, which is asked; a second copy of them here would drift, and
//! write lists that `gavel policy check` refuses, or drop terms that it would have taken.

use std::collections::BTreeMap;

use gavel_judge::{Document, Policy};

/// The list's name in the policies that are only asked about.
const LIST: &str = "list";

/// The patterns that the reader refuses, each with its reason.
pub fn refused(patterns: &[&str]) -> BTreeMap<String, String> {
    let mut refused = BTreeMap::new();
    let mut open = vec![patterns];
    // By halves: a list with few bad patterns is read a few times, and no message has to be taken apart.
    while let Some(part) = open.pop() {
        let Err(reason) = is_accepted(&asking(part), &["topic"]) else {
            continue;
        };
        if let [pattern] = part {
            refused.insert((*pattern).to_owned(), without_place(&reason));
        } else {
            let (left, right) = part.split_at(part.len() / 2);
            open.extend([left, right]);
        }
    }
    refused
}

/// Whether a policy with this list and these topics can be published.
pub fn is_accepted(csv: &str, topics: &[&str]) -> Result<(), String> {
    let topics: Vec<String> = topics.iter().map(|topic| quoted(topic)).collect();
    let policy = format!(
        "[policy]\nid = \"import\"\ntopics = [{}]\nlists = [\"{LIST}\"]\n[audience.default]\ndefault = {{}}\n",
        topics.join(", ")
    );
    let mut lists = |_: &str| Ok(csv.to_owned());
    Document::parse("policy", &policy, &mut lists)
        .and_then(|document| Policy::compile(&document))
        .map(drop)
        .map_err(|error| error.to_string())
}

/// As a TOML string. JSON's strings are TOML's, but for one character that no list needs.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('\u{7f}', " ")).to_string()
}

fn asking(patterns: &[&str]) -> String {
    let mut csv = String::from("id,match,topic,risk\n");
    for (index, pattern) in patterns.iter().enumerate() {
        let cell = pattern.replace('"', "\"\"");
        csv.push_str(&format!("{index},\"{cell}\",topic,0\n"));
    }
    csv
}

/// The reason without the place in a list that nobody has seen.
fn without_place(reason: &str) -> String {
    let first = reason.lines().next().unwrap_or_default();
    let first = first.strip_prefix(LIST).unwrap_or(first);
    let first = first.strip_prefix(":2: ").unwrap_or(first);
    first.strip_prefix("term `0`: ").unwrap_or(first).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_says_which_patterns_it_refuses_and_why() {
        let long = "x".repeat(300);
        let patterns = [
            "darn",
            "a*b",
            "kung \"fu\"",
            "...",
            &long,
            "*head*",
            "\u{3164}",
        ];
        let refused = refused(&patterns);
        assert_eq!(refused.len(), 4, "{refused:?}");
        assert!(refused["a*b"].contains("stands only at an end"));
        assert!(refused["..."].starts_with("`...` has no letter"));
        assert!(refused[&long].contains("longer than 200 bytes"));
        assert!(refused.contains_key("\u{3164}"));
    }

    #[test]
    fn topics_are_quoted() {
        assert!(is_accepted("id,match,topic,risk\na,b,\"x\"\"y\\\",1\n", &["x\"y\\"]).is_ok());
        assert!(is_accepted("id,match,topic,risk\na,b,z,1\n", &["x"]).is_err());
    }
}
