//! The answer to "why?" in a few sentences, for somebody who knows nothing of policies.

use gavel_judge::{Explanation, FoundHit, JudgedTopic, RecordKind};
use gavel_runtime::replay::{ExplainedRecord, PastMute, RecordedAs};

use super::words::{evasion, list, moment, nth, points, span};
use crate::story::Tone;

/// Words that a sentence names; the steps name all.
const NAMED: usize = 3;

/// A word or two, and how it looks.
pub fn badge(told: &ExplainedRecord) -> (String, Tone) {
    let (badge, tone) = badge_then(told);
    if told.overturned.is_some() {
        return (format!("{badge}; overturned later"), Tone::Neutral);
    }
    (badge, tone)
}

/// As it was when it was judged.
fn badge_then(told: &ExplainedRecord) -> (String, Tone) {
    let explanation = &told.explanation;
    let verdict = &explanation.verdict;
    match (verdict.code.as_str(), explanation.record.kind) {
        ("refused", _) => ("Refused".into(), Tone::Bad),
        (_, RecordKind::Marker) => ("Order".into(), Tone::Neutral),
        ("muted", _) => ("Blocked: user muted".into(), Tone::Bad),
        _ => {
            let (word, tone) = match verdict.action.as_str() {
                "allow" => ("Allowed", Tone::Good),
                "flag" => ("Allowed and flagged", Tone::Careful),
                "mask" => ("Words hidden", Tone::Careful),
                "block" => ("Blocked", Tone::Bad),
                other => (other, Tone::Neutral),
            };
            let muted = verdict.effects.iter().any(|effect| effect.kind == "mute");
            let more = if muted { ", user muted" } else { "" };
            (format!("{word}{more}"), tone)
        }
    }
}

/// The first says what was done and why; the others what follows for the user and whether it can be relied on.
pub fn sentences(told: &ExplainedRecord) -> Vec<String> {
    let explanation = &told.explanation;
    let mut all = vec![first(told)];
    if explanation.verdict.code == "judged" && explanation.verdict.duplicate_of.is_none() {
        all.extend(muting(told));
        all.extend(others(explanation));
    }
    all.extend(told.overturned.as_ref().map(|order| {
        let by = match order.by.as_str() {
            "" => String::new(),
            by => format!(" by {by}"),
        };
        let (number, reason) = (order.order, &order.reason);
        format!("A person has found this verdict wrong since: order {number}{by}, “{reason}”.")
    }));
    all.extend(proof(told));
    all
}

fn first(told: &ExplainedRecord) -> String {
    let explanation = &told.explanation;
    let verdict = &explanation.verdict;
    if let Some(refused) = &explanation.refused {
        return format!(
            "Refused, because this is no record that can be judged: {}.",
            refused.meaning
        );
    }
    if let Some(order) = &explanation.order {
        let by = order.by.as_deref().filter(|by| !by.is_empty());
        let by = by.map_or(String::new(), |by| format!(" by {by}"));
        return format!(
            "Not a message but the place where order {} ({}{by}) took effect: {}.",
            order.number,
            order.kind,
            if order.changed.is_empty() {
                "it changed nothing here".to_owned()
            } else {
                order.changed.join("; ")
            }
        );
    }
    if let Some(first) = verdict.duplicate_of {
        let at = told
            .first_copy_at
            .map_or(String::new(), |at| format!(" ({})", moment(at)));
        return format!(
            "{} as before, because it is the same message as the one at offset {first}{at}, sent once more. It counts for nothing a \
             second time.",
            done(&verdict.action)
        );
    }
    match verdict.code.as_str() {
        "muted" => muted(told),
        "no-policy" => "Allowed, because no policy was in force.".to_owned(),
        _ => judged(explanation),
    }
}

fn muted(told: &ExplainedRecord) -> String {
    let until = told
        .explanation
        .before
        .as_ref()
        .and_then(|before| before.mute_until)
        .map_or(String::new(), |until| format!(" until {}", moment(until)));
    let since = told.muted_by.as_ref().map_or(String::new(), |mute| {
        format!(
            ". The mute came with the message at offset {} ({}){}",
            mute.offset,
            moment(mute.at),
            why_muted(told, mute)
        )
    });
    format!("Blocked without being read, because the user was muted{until}{since}.")
}

fn judged(explanation: &Explanation) -> String {
    let verdict = &explanation.verdict;
    let done = done(&verdict.action);
    let Some(decided) = &explanation.decided else {
        return format!("{done}.");
    };
    if verdict.action == "allow" {
        if explanation.hits.is_empty() && explanation.rules.iter().all(|rule| !rule.fired) {
            return "Allowed: no rule spoke about it.".to_owned();
        }
        let found = reasons(explanation, &explanation.topics.iter().collect::<Vec<_>>());
        return format!(
            "Allowed: {found}, which is not enough for anything to be done for the audience “{}”.",
            decided.audience
        );
    }
    let hardest = decided.because.first().map_or("", |one| one.action);
    let mut because = Vec::new();
    let of = |kind: &str| {
        decided
            .because
            .iter()
            .filter(move |one| one.kind == kind && one.action == hardest)
            .map(|one| one.what.as_str())
            .collect::<Vec<_>>()
    };
    let (topics, contexts, links) = (of("topic"), of("context"), of("links"));
    let topics: Vec<&JudgedTopic> = explanation
        .topics
        .iter()
        .filter(|topic| topics.contains(&topic.topic.as_str()))
        .collect();
    if !topics.is_empty() {
        because.push(format!(
            "{}{}",
            reasons(explanation, &topics),
            levels(&topics, hardest, &decided.audience)
        ));
    }
    because.extend(contexts.iter().map(|rule| {
        format!(
            "the rule “{rule}” asks for it ({})",
            counted(explanation, rule)
        )
    }));
    because.extend(
        links
            .iter()
            .map(|channel| format!("the channel “{channel}” does not allow such a link")),
    );
    let whole = if decided.nothing_to_mask {
        " (the words were to be hidden, but no word carries this, so the whole message is blocked)"
    } else {
        ""
    };
    format!("{done}, because {}{whole}.", list(&because))
}

/// What brought the risk of some topics.
fn reasons(explanation: &Explanation, topics: &[&JudgedTopic]) -> String {
    let names = |topic: Option<&str>| topics.iter().any(|one| topic == Some(one.topic.as_str()));
    // Milder words of a topic did not decide.
    let carries = |hit: &FoundHit| {
        topics.iter().any(|one| {
            hit.topic.as_deref() == Some(one.topic.as_str()) && hit.risk == one.from_words
        })
    };
    let mut hits: Vec<&FoundHit> = explanation.hits.iter().filter(|hit| carries(hit)).collect();
    hits.sort_by_key(|hit| std::cmp::Reverse(hit.risk));
    let mut parts: Vec<String> = hits.iter().take(NAMED).map(|hit| found(hit)).collect();
    if hits.len() > NAMED {
        parts.push(format!("{} more", hits.len() - NAMED));
    }
    let mut all = Vec::new();
    if !parts.is_empty() {
        let was = if parts.len() == 1 { "was" } else { "were" };
        all.push(format!("{} {was} found", list(&parts)));
    }
    let fired = explanation.rules.iter().filter(|rule| rule.fired);
    all.extend(
        fired
            .filter(|rule| names(Some(rule.topic.as_str())))
            .map(|rule| {
                format!(
                    "the rule “{}” fired ({})",
                    rule.id,
                    counted(explanation, &rule.id)
                )
            }),
    );
    list(&all)
}

fn found(hit: &FoundHit) -> String {
    let words = hit.across.as_deref().unwrap_or(&hit.words);
    let mut text = format!("“{words}”");
    if let Some(read) = &hit.read_as {
        text.push_str(&format!(" (read as “{read}”)"));
    } else if !hit.evasion.is_empty() {
        text.push_str(&format!(" ({})", evasion(&hit.evasion)));
    }
    text
}

fn counted(explanation: &Explanation, id: &str) -> String {
    let mut rules = explanation.rules.iter();
    rules
        .find(|rule| rule.id == id)
        .map_or(String::new(), |rule| {
            format!(
                "{} within {}, {} are enough",
                rule.count,
                span(rule.timespan),
                rule.needs
            )
        })
}

/// Why the risk of the topics was enough.
fn levels(topics: &[&JudgedTopic], action: &str, audience: &str) -> String {
    let does = match action {
        "flag" => "flags",
        "mask" => "hides words",
        _ => "blocks",
    };
    let each: Vec<String> = topics
        .iter()
        .map(|topic| {
            let level = match action {
                "flag" => topic.flag,
                "mask" => topic.mask,
                _ => topic.block,
            };
            let from = level.map_or(String::new(), |level| {
                let moved = (i16::from(level) + i16::from(topic.shift)).max(1);
                let trust = if topic.shift == 0 {
                    String::new()
                } else {
                    format!(", moved from {level} by this user's trust")
                };
                format!(" (the audience “{audience}” {does} from {moved} on{trust})")
            });
            format!("{}, risk {} of 7{from}", topic.topic, topic.risk)
        })
        .collect();
    format!(": {}", list(&each))
}

fn done(action: &str) -> &'static str {
    match action {
        "allow" => "Allowed",
        "flag" => "Allowed and flagged",
        "mask" => "Shown with words hidden",
        _ => "Blocked",
    }
}

/// What the message did to its user.
fn muting(told: &ExplainedRecord) -> Option<String> {
    let mute = told.muted_by.as_ref()?;
    let set_here = mute.offset == told.place.offset;
    set_here.then(|| {
        format!(
            "The user is muted until {}{}.",
            moment(mute.until),
            why_muted(told, mute)
        )
    })
}

/// `, because this was the 3rd strike within 40 s and the rule “flood” fired`.
fn why_muted(told: &ExplainedRecord, mute: &PastMute) -> String {
    let mut because = Vec::new();
    for rule in &mute.rules {
        if rule != "strikes" {
            because.push(format!("the rule “{rule}” fired"));
            continue;
        }
        let until_then = told
            .strikes
            .iter()
            .filter(|strike| strike.offset <= mute.offset);
        let strikes: Vec<_> = until_then.collect();
        let (Some(first), Some(last)) = (strikes.first(), strikes.last()) else {
            because.push("of earlier strikes".to_owned());
            continue;
        };
        let which = if strikes.len() == 1 {
            "this was the first strike".to_owned()
        } else {
            format!(
                "this was the {} strike within {}",
                nth(strikes.len()),
                match last.at - first.at {
                    ..1_000 => "a second".to_owned(),
                    more => span(more),
                }
            )
        };
        because.push(format!("{which} ({})", points(last.total)));
    }
    if because.is_empty() {
        String::new()
    } else {
        format!(", because {}", list(&because))
    }
}

fn others(explanation: &Explanation) -> Option<String> {
    let effects = explanation.verdict.effects.iter();
    let said: Vec<String> = effects
        .filter_map(|effect| match effect.kind.as_str() {
            "escalate" => effect
                .queue
                .as_ref()
                .map(|queue| format!("people of the queue “{queue}” were asked")),
            "trust" => effect
                .trust
                .as_ref()
                .map(|trust| format!("the user counts as {trust} now")),
            _ => None,
        })
        .collect();
    (!said.is_empty()).then(|| {
        let text = list(&said);
        let mut letters = text.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        format!("{}{}.", first.unwrap_or_default(), letters.as_str())
    })
}

fn proof(told: &ExplainedRecord) -> Option<String> {
    let text = match told.recorded.verdict {
        RecordedAs::Identical => return None,
        RecordedAs::Differs => {
            "Careful: the verdict that was given is another one than the log gives. What is told here is what the log gives."
        }
        RecordedAs::Gone => {
            "The verdict itself is not in its topic any more; what is told here is derived from the messages."
        }
        RecordedAs::NotYet => {
            "This was not judged yet; what is told here is what its verdict will be."
        }
        RecordedAs::Missing => "Careful: the verdict topic holds no verdict for this record.",
    };
    Some(text.to_owned())
}
