//! Verdicts for people: one line each, written as they come, with every word from outside made harmless.

use std::fmt::Write as _;

use gavel_schemas::VerdictRecord;

/// Column widths; a longer word moves the rest of its line and nothing else.
const PLACE: usize = 10;
const ACTION: usize = 6;
const CODE: usize = 9;
const WHO: usize = 24;
const LABELS: usize = 16;

/// The line above the verdicts.
pub fn heading() -> String {
    columns("PLACE", "ACTION", "CODE", "COMMUNITY/USER", "LABELS", "WHY")
}

/// One verdict.
pub fn row(verdict: &VerdictRecord) -> String {
    let labels: Vec<String> = verdict
        .labels
        .iter()
        .map(|label| format!("{}:{}", label.topic, label.risk))
        .collect();
    let who = if verdict.community.is_empty() {
        verdict.user.clone()
    } else {
        format!("{}/{}", verdict.community, verdict.user)
    };
    columns(
        &format!("{}:{}", verdict.source_partition, verdict.source_offset),
        &verdict.action,
        &verdict.code,
        &printable(&who),
        &printable(&or_dash(&labels.join(" "))),
        &printable(&or_dash(&why(verdict))),
    )
}

/// Reasons, effects and what was done to the text.
pub fn why(verdict: &VerdictRecord) -> String {
    let mut parts = Vec::new();
    for reason in &verdict.reasons {
        let mut part = reason.rule.clone();
        if reason.end > reason.start {
            let _ = write!(part, "[{}..{}]", reason.start, reason.end);
        }
        if !reason.evasion.is_empty() {
            let _ = write!(part, "({})", reason.evasion);
        }
        parts.push(part);
    }
    for effect in &verdict.effects {
        let detail = effect.queue.as_deref().or(effect.trust.as_deref());
        parts.push(match (detail, effect.until) {
            (Some(detail), _) => format!("{}={detail}", effect.kind),
            (None, Some(until)) => format!(
                "{} for {}s",
                effect.kind,
                (until - verdict.judged_at) / 1_000
            ),
            (None, None) => effect.kind.clone(),
        });
    }
    if let Some(first) = verdict.duplicate_of {
        parts.push(format!("copy of {first}"));
    }
    if let Some(offset) = verdict.overturns {
        parts.push(format!("overturns {offset}"));
    }
    if let Some(text) = &verdict.masked_text {
        parts.push(format!("\"{text}\""));
    }
    parts.join(" ")
}

fn or_dash(text: &str) -> String {
    if text.is_empty() {
        "-".into()
    } else {
        text.into()
    }
}

fn columns(place: &str, action: &str, code: &str, who: &str, labels: &str, why: &str) -> String {
    let line = format!(
        "{place:>PLACE$}  {action:<ACTION$}  {code:<CODE$}  {who:<WHO$}  {labels:<LABELS$}  {why}"
    );
    line.trim_end().to_owned()
}

/// Escapes what could move the cursor, colour the terminal or turn the writing direction.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || turns {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// As `printable`, with what has no shape of its own made visible too: a report on disguises has to show them.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in printable(text).chars() {
        let shapeless = matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}');
        if shapeless {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Milliseconds since 1970 as a time of the world's clock.
pub fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| format!("{at:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disguise_is_seen() {
        assert_eq!(
            visible("a\u{ad}b\u{e0041}\u{202e}\u{61c}c猫"),
            "a\\u{ad}b\\u{e0041}\\u{202e}\\u{61c}c猫"
        );
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31mb\u{202e}c\n"),
            "a\\u{1b}[31mb\\u{202e}c\\u{a}"
        );
        assert_eq!(printable("a\u{61c}b"), "a\\u{61c}b");
        assert_eq!(printable("žluťoučký 猫"), "žluťoučký 猫");
    }
}
