//! The author's reference: every key of a policy file, from the types that read it.
//!
//! Invariant: what is printed here is what is parsed. The keys, their types and their descriptions come from `source`, the columns from
//! `csv`, the patterns from the head of `pattern`, the detectors and disguises are compared with the code by tests; so the page in
//! docs/ cannot promise a key that is refused, nor forget one.

use super::source::File;
use super::{csv, parse};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// How times are written.
pub(super) const TIME: &str = "^[0-9]+(ms|s|m|h|d)$";
/// What an action may be called.
pub(super) const CONSEQUENCES: [&str; 5] = parse::CONSEQUENCES;

/// A class of words.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(
    dead_code,
    reason = "only its schema is used: the parser takes classes apart by itself, to name each mistake"
)]
pub(super) enum Class {
    /// Words, and `@name` for the words of another class; no phrases.
    Words(Vec<String>),
    Table(ClassTable),
}

/// A class of words with more than words.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ClassTable {
    /// Words, and `@name` for the words of another class; no phrases. Default: none, but without `lists` there must be some.
    #[schemars(rename = "match")]
    patterns: Option<Vec<String>>,
    /// Files of words, parted by spaces or lines, `#` begins a remark. Default: none.
    lists: Option<Vec<String>>,
    /// Whether its words are also found misspelt, starred out or in pieces. Default: false; words below four letters are not looked
    /// for misspelt.
    fuzzy: Option<bool>,
}

/// Types of detectors, what they recognise, and their own keys.
const DETECTORS: [(&str, &str); 13] = [
    ("email", "Addresses of mail."),
    ("phone", "Telephone numbers."),
    ("card", "Numbers of payment cards, by their check digit."),
    ("iban", "Numbers of bank accounts, by their check digits."),
    ("ip", "Public internet addresses; private ones are no hits."),
    (
        "postal",
        "Postal addresses: a guess, so give it a low risk.",
    ),
    ("url", "Links to all domains but those of `allow`."),
    ("domain", "Links to the domains of `domains`."),
    (
        "look_alike",
        "Links to domains that look like those of `domains` and are not.",
    ),
    (
        "invite",
        "Invitations to other places: of the well-known services, and links to `domains`.",
    ),
    (
        "caps",
        "Texts of `letters` letters and more, of which `percent` of a hundred are capitals.",
    ),
    (
        "repetition",
        "A character or a word `times` times in a row.",
    ),
    ("emoji", "Texts with `count` pictures and more."),
];

/// Disguises as verdicts name them.
const DISGUISES: [(&str, &str); 14] = [
    ("censored", "letters starred out: `d**n`"),
    ("confusable", "letters of other scripts that look alike"),
    ("emoji-letters", "pictures of letters"),
    (
        "full-width",
        "compatibility forms: full-width, mathematical, circled letters",
    ),
    ("glued", "words run together; for phrases"),
    ("invisible", "invisible characters inside a word"),
    ("joined-messages", "a word spread over several messages"),
    ("leet", "digits and signs for letters: `d4rn`"),
    ("marks", "accents piled up"),
    ("misspelt", "letters swapped, doubled or left out"),
    ("repeat", "long runs: `daaaarn`"),
    ("reversed", "written backwards and displayed forwards"),
    ("spaced", "letters apart: `d a r n`"),
    ("split", "a word in pieces: `dar n`"),
];

/// Tables of a policy file in their order, and the types that read them.
const SECTIONS: [(&str, &str); 20] = [
    ("`[policy]`", "Head"),
    ("`[policy.normalise]`", "Normalise"),
    ("`join_messages` of `[policy.normalise]`", "Join"),
    ("`[audience.NAME]`: `default` and topics", "Levels"),
    ("`[channel]`: patterns", "Channel"),
    ("`urls` of a channel", "Urls"),
    ("`[trust]`", "Trust"),
    ("`[[term]]`", "Term"),
    ("`[[allow]]`", "Allow"),
    ("`[words]`: classes that are tables", "ClassTable"),
    ("`[guard.NAME]`", "Guard"),
    ("`[[detector]]`", "Detector"),
    ("`[[context]]`", "Context"),
    ("`condition` of a `[[context]]`", "Condition"),
    ("`then` of a `[[context]]`", "Then"),
    ("`[strikes]`", "Strikes"),
    ("`at` of `[strikes]`", "Step"),
    ("`[[test]]`", "Test"),
    ("`in` and `messages` of a `[[test]]`", "Input"),
    ("`expect` of a `[[test]]`", "Expect"),
];

/// The JSON Schema of a policy file, for editors.
pub fn policy_schema() -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = Value::from(generator.into_root_schema_for::<File>());
    plain(&mut schema);
    schema
}

/// The reference as Markdown.
pub fn policy_reference() -> String {
    let schema = policy_schema();
    let mut page = String::from(
        "# Reference of a policy\n\nEvery key that a policy file may have; any other is refused. `gavel policy reference` prints this page, \
         and `gavel policy\nschema` the same as JSON Schema for editors. How they play together is told in [policy.md](policy.md).\n",
    );
    section(&mut page, "The file", &schema);
    for (heading, name) in SECTIONS {
        section(&mut page, heading, &schema["definitions"][name]);
    }
    page.push_str("\n## Patterns\n\n");
    page.push_str(&head_of(include_str!("pattern.rs")));
    page.push_str("\n## Term lists\n\nA CSV file named in `policy.lists` has a header with these columns, in any order:\n\n");
    for (place, (column, meaning)) in csv::columns().enumerate() {
        let need = if place < csv::REQUIRED {
            " (required)"
        } else {
            ""
        };
        let _ = writeln!(page, "- **`{column}`**{need}: {meaning}");
    }
    page.push_str("\n## Types of detectors\n\n");
    for (name, meaning) in DETECTORS {
        let _ = writeln!(page, "- **`{name}`**: {meaning}");
    }
    page.push_str("\n## Disguises\n\nWhat was undone to find a word, as the `evasion` of a verdict's reason names it, joined by `+`:\n\n");
    for (name, meaning) in DISGUISES {
        let _ = writeln!(page, "- **`{name}`**: {meaning}");
    }
    page
}

/// Names of the types of detectors, for the schema.
pub(super) fn detectors() -> Vec<&'static str> {
    parse::DETECTORS.to_vec()
}

/// The comment at the head of a module.
fn head_of(module: &str) -> String {
    let lines = module.lines().map_while(|line| line.strip_prefix("//!"));
    lines.fold(String::new(), |page, line| {
        page + line.strip_prefix(' ').unwrap_or(line) + "\n"
    })
}

/// Makes a schema say no more than TOML can: no null, no sizes of integers, paragraphs without line breaks.
fn plain(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(plain),
        Value::Object(object) => {
            object.values_mut().for_each(plain);
            object.remove("format");
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [name] = types.as_slice() {
                    let name = name.clone();
                    object.insert("type".to_owned(), name);
                }
            }
            unwrap_option(object);
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text
                    .split("\n\n")
                    .map(|paragraph| paragraph.replace('\n', " "))
                    .collect::<Vec<_>>()
                    .join("\n\n");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `X or null` becomes X: a TOML key that has no value is not there.
fn unwrap_option(object: &mut Map<String, Value>) {
    let Some(Value::Array(any)) = object.get_mut("anyOf") else {
        return;
    };
    any.retain(|one| one["type"] != "null");
    if let [one] = any.as_slice() {
        let one = one.clone();
        object.remove("anyOf");
        // Beside a `$ref`, draft 7 ignores what else is there.
        object.insert("allOf".to_owned(), Value::Array(vec![one]));
    }
}

fn section(page: &mut String, heading: &str, schema: &Value) {
    let _ = writeln!(page, "\n## {heading}\n");
    if let Some(text) = schema["description"].as_str() {
        let _ = writeln!(page, "{text}\n");
    }
    let empty = Map::new();
    let keys = schema["properties"].as_object().unwrap_or(&empty);
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let needed = keys
        .iter()
        .filter(|(key, _)| required.contains(&key.as_str()));
    let others = keys
        .iter()
        .filter(|(key, _)| !required.contains(&key.as_str()));
    for (key, value) in needed.chain(others) {
        let need = if required.contains(&key.as_str()) {
            ", required"
        } else {
            ""
        };
        let text = value["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "- **`{key}`** ({}{need}): {text}", kind(value));
    }
}

/// What a value is, for people.
fn kind(schema: &Value) -> String {
    let words = |names: &[Value]| -> String {
        let quoted: Vec<String> = names
            .iter()
            .filter_map(Value::as_str)
            .map(|name| format!("`\"{name}\"`"))
            .collect();
        quoted.join(", ")
    };
    if let Some(names) = schema["enum"].as_array() {
        return format!("one of {}", words(names));
    }
    let range = match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        _ => String::new(),
    };
    match schema["type"].as_str() {
        Some("string") if schema["pattern"].is_string() => "time".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer") => format!("whole number{range}"),
        Some("number") => format!("number{range}"),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => match schema["items"]["type"].as_str() {
            Some("string") => match schema["items"]["enum"].as_array() {
                Some(names) => format!("list of {}", words(names)),
                None => "list of texts".to_owned(),
            },
            _ => "list of tables".to_owned(),
        },
        Some("object") => match schema["additionalProperties"]["type"].as_str() {
            Some("number") => "table of numbers".to_owned(),
            _ => "tables by name".to_owned(),
        },
        _ => "table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Marks;

    /// All keys with their schemas, as `Type.key`, and whether they are required.
    fn keys(schema: &Value) -> Vec<(String, Value, bool)> {
        let definitions = schema["definitions"].as_object().expect("definitions");
        let all = definitions
            .iter()
            .map(|(name, definition)| (name.as_str(), definition))
            .chain([("File", schema)]);
        let mut keys = Vec::new();
        for (name, definition) in all {
            for (key, value) in definition["properties"].as_object().into_iter().flatten() {
                let required = definition["required"]
                    .as_array()
                    .is_some_and(|required| required.iter().any(|one| one == key));
                keys.push((format!("{name}.{key}"), value.clone(), required));
            }
        }
        keys
    }

    #[test]
    fn every_key_has_a_description_and_says_what_holds_without_it() {
        let keys = keys(&policy_schema());
        assert!(keys.len() > 80, "{}", keys.len());
        for (key, value, required) in keys {
            let text = value["description"].as_str().unwrap_or_default();
            assert!(
                text.len() > 10,
                "{key} has no description: write one in policy/source.rs"
            );
            assert!(
                required || text.contains("Default") || text.contains("must be there"),
                "{key} may be left out and does not say what holds then: {text}"
            );
        }
    }

    #[test]
    fn the_schema_knows_ranges_and_choices_and_no_null() {
        let schema = policy_schema();
        let term = &schema["definitions"]["Term"];
        assert_eq!(
            (
                &term["properties"]["risk"]["minimum"],
                &term["properties"]["risk"]["maximum"]
            ),
            (&0.into(), &7.into())
        );
        assert_eq!(term["additionalProperties"], false);
        assert_eq!(
            term["required"],
            serde_json::json!(["id", "match", "topic", "risk"])
        );
        let leet = &schema["definitions"]["Normalise"]["properties"]["leet"];
        assert_eq!(
            (&leet["type"], &leet["enum"][1]),
            (&"string".into(), &"off".into())
        );
        assert_eq!(
            schema["definitions"]["Detector"]["properties"]["letters"]["maximum"],
            1_000
        );
        assert!(!schema.to_string().contains("\"null\""), "{schema}");
        assert!(schema["properties"]["policy"].is_object());
    }

    #[test]
    fn every_table_has_its_section() {
        let schema = policy_schema();
        let definitions = schema["definitions"].as_object().expect("definitions");
        let mut known: Vec<&str> = SECTIONS.iter().map(|(_, name)| *name).collect();
        known.push("Class");
        for name in definitions.keys() {
            assert!(
                known.contains(&name.as_str()),
                "`{name}` has no section: add it to SECTIONS"
            );
        }
        for name in known {
            assert!(
                definitions.contains_key(name),
                "no table is `{name}`: take it out of SECTIONS"
            );
        }
    }

    #[test]
    fn every_detector_and_every_disguise_is_explained() {
        assert_eq!(DETECTORS.map(|(name, _)| name), parse::DETECTORS);
        assert_eq!(
            DISGUISES.map(|(name, _)| name),
            Marks::NAMES.map(|(_, name)| name)
        );
    }

    #[test]
    fn the_page_in_docs_is_what_the_code_says() {
        assert!(
            policy_reference() == include_str!("../../../../docs/policy-reference.md"),
            "docs/policy-reference.md is stale; renew it with: cargo run --release -p gavel -- policy reference > docs/policy-reference.md"
        );
    }
}
