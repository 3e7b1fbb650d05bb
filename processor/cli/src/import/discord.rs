//! Discord's AutoMod rules, as its API gives them: one rule, a list of them, or an object with `rules`.
//!
//! Invariant: every rule is either imported or named with what cannot come along (regular expressions, Discord's own word lists, rules
//! that are switched off or look at something other than messages). An author who moves over must not believe that a rule came with him.

use serde::Deserialize;

use super::{Allowed, Entry, ImportError, List, Note, json, shown};

/// Of Discord's trigger types, the one whose words are looked for in messages.
const KEYWORD: u64 = 1;

#[derive(Deserialize)]
struct Wrapped {
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    name: String,
    trigger_type: u64,
    trigger_metadata: Option<Trigger>,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    exempt_roles: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    exempt_channels: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Trigger {
    keyword_filter: Vec<String>,
    regex_patterns: Vec<String>,
    allow_list: Vec<String>,
}

fn yes() -> bool {
    true
}

pub fn read(text: &str) -> Result<List, ImportError> {
    let rules: Vec<Rule> = if text.trim_start().starts_with('[') {
        json::read(text)?
    } else if let Some(rules) = json::read::<Wrapped>(text)?.rules {
        rules
    } else {
        vec![json::read(text)?]
    };
    let mut list = List::default();
    for (index, rule) in rules.into_iter().enumerate() {
        add(rule, index + 1, &mut list);
    }
    Ok(list)
}

fn add(rule: Rule, number: usize, list: &mut List) {
    let place = if rule.name.trim().is_empty() {
        format!("rule {number}")
    } else {
        format!("rule {}", shown(&rule.name))
    };
    if let Some(reason) = not_imported(&rule) {
        list.skipped.push(Note::new(&place, reason));
        return;
    }
    let trigger = rule.trigger_metadata.unwrap_or_default();
    for regex in &trigger.regex_patterns {
        let text = format!(
            "{}: regular expressions are not part of the policy language; write its words as terms",
            shown(regex)
        );
        list.skipped.push(Note::new(&place, text));
    }
    if rule.exempt_roles.len() + rule.exempt_channels.len() > 0 {
        let text = "its exempt roles and channels stay behind; see audiences and channels in the guide to policies";
        list.notes.push(Note::new(&place, text));
    }
    for keyword in trigger.keyword_filter {
        let keyword = keyword.trim();
        // `*word*` is how Discord writes "inside words too".
        let inside = keyword
            .strip_prefix('*')
            .and_then(|rest| rest.strip_suffix('*'));
        list.entries.push(Entry {
            place: place.clone(),
            patterns: vec![inside.unwrap_or(keyword).to_owned()],
            category: rule.name.clone(),
            partial: inside.is_some(),
            ..Entry::default()
        });
    }
    if !trigger.allow_list.is_empty() {
        list.allows.push(Allowed {
            place,
            patterns: trigger.allow_list,
        });
    }
}

/// Why nothing of a rule can come along.
fn not_imported(rule: &Rule) -> Option<String> {
    if !rule.enabled {
        return Some("it is switched off in Discord".to_owned());
    }
    let why = match rule.trigger_type {
        KEYWORD => return None,
        3 => "it looks for spam in general; see [[context]] in the guide to policies",
        4 => "it uses Discord's own word lists, which Discord does not give out",
        5 => "it counts mentions, which are no terms",
        6 => "it looks at member profiles; Gavel judges messages",
        other => return Some(format!("its trigger type {other} is unknown")),
    };
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = r#"{"id": "1", "name": "Bad words", "event_type": 1, "trigger_type": 1, "enabled": true,
        "trigger_metadata": {"keyword_filter": ["darn", "heck*", "*head", "*drat*"], "regex_patterns": ["d[a4]rn"],
        "presets": [], "allow_list": ["drat race"]}, "actions": [{"type": 1, "metadata": {}}], "exempt_channels": ["9"]}"#;

    #[test]
    fn keywords_keep_their_wildcards_and_both_ends_mean_partial() {
        let list = read(RULE).unwrap();
        let seen: Vec<(&str, bool)> = list
            .entries
            .iter()
            .map(|entry| (entry.patterns[0].as_str(), entry.partial))
            .collect();
        assert_eq!(
            seen,
            [
                ("darn", false),
                ("heck*", false),
                ("*head", false),
                ("drat", true)
            ]
        );
        assert!(
            list.entries
                .iter()
                .all(|entry| entry.category == "Bad words")
        );
    }

    #[test]
    fn what_cannot_come_along_is_named() {
        let list = read(RULE).unwrap();
        assert_eq!(list.skipped[0].place, "rule `Bad words`");
        assert!(
            list.skipped[0]
                .text
                .contains("`d[a4]rn`: regular expressions")
        );
        assert!(list.notes[0].text.contains("exempt roles and channels"));
        assert_eq!(list.allows[0].patterns, ["drat race"]);
        let other = read(
            r#"[{"name": "a", "trigger_type": 4, "trigger_metadata": {"presets": [1]}}, {"trigger_type": 99},
                {"name": "off", "trigger_type": 1, "enabled": false, "trigger_metadata": {"keyword_filter": ["x"]}}]"#,
        )
        .unwrap();
        let reasons: Vec<String> = other
            .skipped
            .iter()
            .map(|note| format!("{}: {}", note.place, note.text))
            .collect();
        assert_eq!(reasons.len(), 3);
        assert!(reasons[0].starts_with("rule `a`: it uses Discord's own word lists"));
        assert_eq!(reasons[1], "rule 2: its trigger type 99 is unknown");
        assert_eq!(reasons[2], "rule `off`: it is switched off in Discord");
    }

    #[test]
    fn one_rule_a_list_and_an_object_with_rules_read_alike() {
        for text in [
            RULE.to_owned(),
            format!("[{RULE}]"),
            format!(r#"{{"rules": [{RULE}]}}"#),
        ] {
            assert_eq!(read(&text).unwrap().entries.len(), 4);
        }
    }

    #[test]
    fn an_object_that_is_no_rule_is_refused_with_its_line() {
        let error = read("\n{\"name\": 5}").unwrap_err().to_string();
        assert!(error.starts_with("line 2: "), "{error}");
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(9_000), "]".repeat(9_000));
        assert!(matches!(read(&deep), Err(ImportError::Malformed { .. })));
    }
}
