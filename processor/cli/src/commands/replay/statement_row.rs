//! One decision as regulators ask for it: after Article 17(3) of the Digital Services Act, in the words of the Commission's database.
//!
//! Invariant: a field holds what the record shows, or nothing; nothing is guessed. No word that a user wrote stands in a field unless
//! the words were asked for, and no cell is a formula to a spreadsheet, whoever wrote it.

use gavel_runtime::replay::{Appeal, Decision};
use gavel_schemas::{EffectRecord, VerdictRecord};
use serde::Serialize;

use super::words::{evasion, list};
use crate::table::visible;

/// Said of every decision, by whoever publishes it.
#[derive(Debug, Clone)]
pub struct Said {
    pub territory: Vec<String>,
    pub redress: String,
    pub texts: bool,
}

/// A rule that spoke, and where in the text, in UTF-8 bytes; zeros: not about a place.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    pub id: String,
    pub start: i32,
    pub end: i32,
    pub evasion: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    pub topic: String,
    pub risk: i32,
}

/// Fields in the order of the columns.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub id: String,
    pub decided_at: String,
    pub content_date: String,
    pub content_type: &'static str,
    pub content_language: String,
    pub territorial_scope: Vec<String>,
    pub community: String,
    pub account: String,
    pub channel: String,
    pub message_id: String,
    pub action: String,
    pub code: String,
    pub decision_visibility: &'static str,
    pub decision_account: &'static str,
    pub end_date_account_restriction: String,
    pub queues: Vec<String>,
    pub decision_ground: &'static str,
    pub incompatible_content_ground: String,
    pub policy_id: String,
    pub policy: String,
    pub engine: i32,
    pub topics: Vec<Topic>,
    pub rules: Vec<Rule>,
    pub decision_facts: String,
    pub source_type: &'static str,
    pub automated_detection: &'static str,
    pub automated_decision: &'static str,
    pub duplicate_of: Option<String>,
    pub appeal: &'static str,
    pub overturned_at: String,
    pub redress: String,
    pub masked_text: Option<String>,
    pub text: Option<String>,
}

/// Names of the cells, which are those of the fields.
pub const COLUMNS: [&str; 33] = [
    "id",
    "decided_at",
    "content_date",
    "content_type",
    "content_language",
    "territorial_scope",
    "community",
    "account",
    "channel",
    "message_id",
    "action",
    "code",
    "decision_visibility",
    "decision_account",
    "end_date_account_restriction",
    "queues",
    "decision_ground",
    "incompatible_content_ground",
    "policy_id",
    "policy",
    "engine",
    "topics",
    "rules",
    "decision_facts",
    "source_type",
    "automated_detection",
    "automated_decision",
    "duplicate_of",
    "appeal",
    "overturned_at",
    "redress",
    "masked_text",
    "text",
];

impl Row {
    pub fn of(decision: &Decision<'_>, said: &Said) -> Row {
        let verdict = decision.verdict;
        let place = |offset: i64| {
            let (log, partition) = (&verdict.log_id, verdict.source_partition);
            format!("{log}:{partition}:{offset}")
        };
        let mute = mute(verdict);
        let (appeal, overturned_at) = match decision.appeal {
            None => ("", String::new()),
            Some(Appeal::Undone(at)) => ("upheld", moment(at)),
            Some(Appeal::TooLate) => ("upheld, nothing left to undo", String::new()),
        };
        let queues = verdict.effects.iter().filter_map(|one| one.queue.clone());
        let topics = verdict.labels.iter().map(|label| Topic {
            topic: label.topic.clone(),
            risk: label.risk,
        });
        let rules = verdict.reasons.iter().map(|reason| Rule {
            id: reason.rule.clone(),
            start: reason.start,
            end: reason.end,
            evasion: reason.evasion.clone(),
        });
        Row {
            id: place(verdict.source_offset),
            decided_at: moment(verdict.judged_at),
            content_date: match verdict.sent_at {
                0 => String::new(),
                sent => moment(sent),
            },
            content_type: "CONTENT_TYPE_TEXT",
            content_language: decision.language.clone().unwrap_or_default(),
            territorial_scope: said.territory.clone(),
            community: verdict.community.clone(),
            account: match verdict.user.as_str() {
                "" => String::new(),
                user => format!("{}/{user}", verdict.community),
            },
            channel: verdict.channel.clone(),
            message_id: verdict.message_id.clone(),
            action: verdict.action.clone(),
            code: verdict.code.clone(),
            decision_visibility: match verdict.action.as_str() {
                "allow" | "flag" => "",
                // A part of it: the words are hidden and the rest is shown.
                "mask" => "DECISION_VISIBILITY_CONTENT_DISABLED",
                _ => "DECISION_VISIBILITY_CONTENT_REMOVED",
            },
            decision_account: mute.map_or("", |_| "DECISION_ACCOUNT_SUSPENDED"),
            end_date_account_restriction: mute
                .and_then(|mute| mute.until)
                .map_or_else(String::new, moment),
            queues: queues.collect(),
            decision_ground: match verdict.code.as_str() {
                // Nobody could read the record: that is no judgement of what it says.
                "refused" => "",
                _ => "DECISION_GROUND_INCOMPATIBLE_CONTENT",
            },
            incompatible_content_ground: ground(decision),
            policy_id: decision.policy.to_owned(),
            policy: verdict.policy.clone(),
            engine: verdict.engine,
            topics: topics.collect(),
            rules: rules.collect(),
            decision_facts: facts(verdict),
            source_type: "SOURCE_VOLUNTARY",
            automated_detection: "Yes",
            automated_decision: match decision.appeal {
                None => "AUTOMATED_DECISION_FULLY",
                Some(_) => "AUTOMATED_DECISION_NOT_AUTOMATED",
            },
            duplicate_of: verdict.duplicate_of.map(place),
            appeal,
            overturned_at,
            redress: said.redress.clone(),
            masked_text: verdict.masked_text.clone().filter(|_| said.texts),
            text: decision.text.clone().filter(|_| said.texts),
        }
    }

    /// One text for each column. What is invisible is made visible, and what a spreadsheet would take for a formula is text.
    pub fn cells(&self) -> [String; 33] {
        let topics = self.topics.iter();
        let topics = topics.map(|one| format!("{} {}", one.topic, one.risk));
        let rules = self.rules.iter().map(|rule| {
            let mut text = rule.id.clone();
            if rule.end > rule.start {
                text.push_str(&format!("[{}..{}]", rule.start, rule.end));
            }
            if !rule.evasion.is_empty() {
                text.push_str(&format!("({})", rule.evasion));
            }
            text
        });
        let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            self.id.clone(),
            self.decided_at.clone(),
            self.content_date.clone(),
            self.content_type.to_owned(),
            self.content_language.clone(),
            self.territorial_scope.join("; "),
            self.community.clone(),
            self.account.clone(),
            self.channel.clone(),
            self.message_id.clone(),
            self.action.clone(),
            self.code.clone(),
            self.decision_visibility.to_owned(),
            self.decision_account.to_owned(),
            self.end_date_account_restriction.clone(),
            self.queues.join("; "),
            self.decision_ground.to_owned(),
            self.incompatible_content_ground.clone(),
            self.policy_id.clone(),
            self.policy.clone(),
            self.engine.to_string(),
            topics.collect::<Vec<_>>().join("; "),
            rules.collect::<Vec<_>>().join("; "),
            self.decision_facts.clone(),
            self.source_type.to_owned(),
            self.automated_detection.to_owned(),
            self.automated_decision.to_owned(),
            or_none(&self.duplicate_of),
            self.appeal.to_owned(),
            self.overturned_at.clone(),
            self.redress.clone(),
            or_none(&self.masked_text),
            or_none(&self.text),
        ];
        cells.map(|cell| harmless(&cell))
    }
}

/// The mute that follows from it.
pub fn mute(verdict: &VerdictRecord) -> Option<&EffectRecord> {
    verdict.effects.iter().find(|effect| effect.kind == "mute")
}

/// To the millisecond, as RFC 3339 has it.
fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| format!("{at:.3}"))
}

/// What of the rules of the house it is about.
fn ground(decision: &Decision<'_>) -> String {
    let verdict = decision.verdict;
    if verdict.code == "muted" {
        return "the account was muted by an earlier decision".to_owned();
    }
    let mut rules: Vec<&str> = Vec::new();
    for reason in &verdict.reasons {
        if !rules.contains(&reason.rule.as_str()) {
            rules.push(&reason.rule);
        }
    }
    let topics: Vec<&str> = verdict
        .labels
        .iter()
        .map(|one| one.topic.as_str())
        .collect();
    let mut parts = Vec::new();
    if !decision.policy.is_empty() {
        parts.push(format!("policy {}", decision.policy));
    }
    for (name, items) in [("rules", rules), ("topics", topics)] {
        if !items.is_empty() {
            parts.push(format!("{name} {}", items.join(", ")));
        }
    }
    parts.join("; ")
}

/// A sentence without a word of the user, and without a name.
fn facts(verdict: &VerdictRecord) -> String {
    let what = match verdict.code.as_str() {
        "muted" => {
            return "The message was not read and not shown, because the account was muted by an earlier decision.".to_owned();
        }
        "refused" => {
            return "The record could not be judged and was not shown: see the rule.".to_owned();
        }
        _ => "An automated check judged the message by the rules of the community",
    };
    let labels = verdict.labels.iter();
    let labels = labels.map(|label| format!("{} of risk {} of 7", label.topic, label.risk));
    let labels: Vec<String> = labels.collect();
    let mut text = what.to_owned();
    if !labels.is_empty() {
        text.push_str(&format!(" and found {}", list(&labels)));
    }
    let mut disguises: Vec<String> = Vec::new();
    for reason in verdict.reasons.iter().filter(|one| !one.evasion.is_empty()) {
        let words = evasion(&reason.evasion);
        if !disguises.contains(&words) {
            disguises.push(words);
        }
    }
    if !disguises.is_empty() {
        text.push_str(&format!(", disguised ({})", disguises.join("; ")));
    }
    text.push('.');
    if mute(verdict).is_some() {
        text.push_str(" With the strikes before it this led to a mute of the account.");
    }
    text
}

/// A cell that is text to every spreadsheet.
fn harmless(cell: &str) -> String {
    // Full-width signs count for some of them.
    let begins = cell
        .trim_start_matches(' ')
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = visible(cell);
    if begins { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gavel_schemas::{LabelRecord, ReasonRecord};

    fn verdict(action: &str) -> VerdictRecord {
        VerdictRecord {
            log_id: "log".into(),
            source_partition: 3,
            source_offset: 17,
            message_id: "=cmd()".into(),
            community: "arena".into(),
            channel: "lobby".into(),
            user: "ada".into(),
            sent_at: 0,
            judged_at: 1_767_636_000_123,
            code: "judged".into(),
            action: action.into(),
            effects: Vec::new(),
            labels: vec![LabelRecord {
                topic: "rude".into(),
                risk: 5,
            }],
            reasons: vec![ReasonRecord {
                rule: "rude-5".into(),
                start: 0,
                end: 4,
                start_utf16: 0,
                end_utf16: 4,
                evasion: "leet".into(),
            }],
            masked_text: Some("**** you".into()),
            duplicate_of: None,
            policy: "ab".repeat(32),
            engine: 1,
            context_complete: true,
            headers_dropped: false,
            overturns: None,
        }
    }

    fn row(verdict: &VerdictRecord, appeal: Option<Appeal>, texts: bool) -> Row {
        let decision = Decision {
            verdict,
            policy: "mine",
            appeal,
            text: Some("crud you".into()),
            language: None,
        };
        let said = Said {
            territory: vec!["DE".into()],
            redress: "complain".into(),
            texts,
        };
        Row::of(&decision, &said)
    }

    #[test]
    fn the_columns_are_the_fields_in_their_order() {
        let row = row(&verdict("mask"), None, true);
        let value = serde_json::to_string(&row).unwrap();
        let mut place = 0;
        for column in COLUMNS {
            let found = value[place..].find(&format!("\"{column}\":"));
            place += found.unwrap_or_else(|| panic!("{column} in {value}"));
        }
        let fields = serde_json::to_value(&row).unwrap();
        assert_eq!(fields.as_object().unwrap().len(), COLUMNS.len());
    }

    #[test]
    fn each_kind_of_restriction_has_its_words() {
        let shown = |verdict: &VerdictRecord| {
            let row = row(verdict, None, false);
            (row.decision_visibility, row.decision_account)
        };
        let (removed, disabled) = (
            "DECISION_VISIBILITY_CONTENT_REMOVED",
            "DECISION_VISIBILITY_CONTENT_DISABLED",
        );
        assert_eq!(shown(&verdict("block")), (removed, ""));
        assert_eq!(shown(&verdict("a-word-from-the-future")), (removed, ""));
        assert_eq!(shown(&verdict("mask")), (disabled, ""));
        let mut muting = verdict("flag");
        muting.effects = vec![EffectRecord {
            kind: "mute".into(),
            until: Some(1_767_636_600_000),
            queue: None,
            trust: None,
        }];
        assert_eq!(shown(&muting), ("", "DECISION_ACCOUNT_SUSPENDED"));
        let row = row(&muting, None, false);
        assert_eq!(row.end_date_account_restriction, "2026-01-05T18:10:00.000Z");
        assert!(row.decision_facts.ends_with("mute of the account."));
    }

    #[test]
    fn a_decision_says_what_when_why_and_how() {
        let row = row(&verdict("block"), None, false);
        assert_eq!(row.id, "log:3:17");
        assert_eq!(row.decided_at, "2026-01-05T18:00:00.123Z");
        assert_eq!(row.content_date, "", "the message does not say");
        assert_eq!(
            row.incompatible_content_ground,
            "policy mine; rules rude-5; topics rude"
        );
        assert_eq!(
            row.decision_facts,
            "An automated check judged the message by the rules of the community and found rude of risk 5 of 7, disguised (digits or \
             signs for letters)."
        );
        assert_eq!(row.automated_decision, "AUTOMATED_DECISION_FULLY");
        assert_eq!(row.account, "arena/ada");
        let mut muted = verdict("block");
        muted.code = "muted".into();
        let row = super::tests::row(&muted, None, false);
        assert!(row.decision_facts.contains("by an earlier decision"));
    }

    #[test]
    fn what_a_person_overturned_is_not_automated_any_more() {
        let undone = row(&verdict("block"), Some(Appeal::Undone(0)), false);
        assert_eq!(
            (undone.appeal, undone.overturned_at.as_str()),
            ("upheld", "1970-01-01T00:00:00.000Z")
        );
        let late = row(&verdict("block"), Some(Appeal::TooLate), false);
        assert_eq!(
            (late.appeal, late.overturned_at.as_str()),
            ("upheld, nothing left to undo", "")
        );
        for row in [undone, late] {
            assert_eq!(row.automated_decision, "AUTOMATED_DECISION_NOT_AUTOMATED");
        }
    }

    #[test]
    fn words_are_there_only_when_asked_for() {
        let row_without = row(&verdict("mask"), None, false);
        assert_eq!(
            (&row_without.masked_text, &row_without.text),
            (&None, &None)
        );
        let with = row(&verdict("mask"), None, true);
        assert_eq!(with.text.as_deref(), Some("crud you"));
        assert_eq!(with.masked_text.as_deref(), Some("**** you"));
    }

    #[test]
    fn no_cell_is_a_formula_and_no_cell_breaks_a_line() {
        for (cell, safe) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\\u{9}=1"),
            ("\r=1", "'\\u{d}=1"),
            ("  =1", "'  =1"),
            ("＝1", "'＝1"),
            ("a\n\u{202e}b", "a\\u{a}\\u{202e}b"),
            ("plain, \"quoted\"", "plain, \"quoted\""),
        ] {
            assert_eq!(harmless(cell), safe);
        }
        assert_eq!(row(&verdict("mask"), None, true).cells()[9], "'=cmd()");
    }
}
