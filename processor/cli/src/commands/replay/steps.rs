//! The steps of a decision, in their order.

use gavel_judge::{Definition, Explanation, ReadText, WrittenWith};
use gavel_runtime::replay::{ExplainedRecord, Recorded};

use super::past::{remembered, strikes};
use super::words::{evasion, moment, span, view};
use crate::story::{Block, Cell, Step};

/// Words of a view and patterns of a rule that are shown; JSON has all.
const WORDS: usize = 60;
const PATTERNS: usize = 12;

pub fn steps(told: &ExplainedRecord) -> Vec<Step> {
    let explanation = &told.explanation;
    let mut steps = vec![record(explanation)];
    steps.extend(text(explanation));
    steps.extend(hits(explanation));
    steps.extend(rules(explanation));
    steps.extend(topics(explanation));
    steps.extend(strikes(told));
    steps.extend(remembered(explanation));
    steps.extend(policy(explanation));
    steps.push(proof(told));
    steps
}

fn facts(facts: Vec<(&str, Option<String>)>) -> Block {
    let known = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Block::Facts(known.collect())
}

fn record(explanation: &Explanation) -> Step {
    let record = &explanation.record;
    let field = |name: &str| {
        let message = record.message.as_ref()?;
        let text = message.get(name)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    let broker = record.broker_time.map(|at| {
        let whose = if record.set_by_broker {
            ""
        } else {
            ", as the producer says"
        };
        format!("{}{whose}", moment(at))
    });
    let clock = (record.broker_time != Some(record.clock)).then(|| {
        format!(
            "{} (the partition's clock never goes back)",
            moment(record.clock)
        )
    });
    let step = Step::new("What came").with(facts(vec![
        (
            "place",
            Some(format!(
                "partition {}, offset {}",
                record.partition, record.offset
            )),
        ),
        ("time", broker),
        ("judged as of", clock),
        ("community", field("community")),
        ("channel", field("channel")),
        ("user", field("user")),
        ("message id", field("message_id")),
        ("kind", field("kind").filter(|kind| kind != "message")),
        ("audience", field("audience")),
        ("language", field("language")),
        ("size", Some(format!("{} bytes", record.value_bytes))),
        ("written with", record.written_with.as_ref().map(written)),
    ]));
    match (&explanation.text, field("text")) {
        (None, Some(text)) => step.with(Block::Words(vec![(text, false)])),
        _ => step,
    }
}

fn written(with: &WrittenWith) -> String {
    match with.order {
        Some(order) => format!("schema {}, registered by order {order}", with.id),
        None => format!("schema {}, which was not registered then", with.id),
    }
}

fn text(explanation: &Explanation) -> Option<Step> {
    let text = explanation.text.as_ref()?;
    let mut step = Step::new("How it was read").with(Block::Words(marked(text, explanation)));
    let plain = text.views.first();
    let rows = text.views.iter().filter_map(|one| {
        let differs = |word: &&gavel_judge::ViewWord| {
            plain.is_none_or(|plain| !plain.words.iter().any(|other| other == *word))
        };
        let changed = one.words.iter().filter(differs).count();
        if one.name != "plain" && changed == 0 {
            return None;
        }
        let words = one.words.iter().take(WORDS).map(|word| {
            if word.hit {
                format!("«{}»", word.text)
            } else {
                word.text.clone()
            }
        });
        let mut read = words.collect::<Vec<_>>().join(" ");
        if one.words.len() > WORDS {
            read.push_str(&format!(" … ({} words more)", one.words.len() - WORDS));
        }
        Some(vec![
            Cell::Text(view(one.name).to_owned()),
            Cell::Words(read),
        ])
    });
    step.blocks.push(Block::Grid {
        header: vec!["Reading", "Words"],
        rows: rows.collect(),
    });
    if let Some(together) = &text.together {
        step.line(format!(
            "Read together with {} short message{} before it:",
            together.earlier,
            if together.earlier == 1 { "" } else { "s" }
        ));
        step.blocks
            .push(Block::Words(vec![(together.text.clone(), false)]));
    }
    Some(step)
}

/// The original text with what was found in it.
fn marked(text: &ReadText, explanation: &Explanation) -> Vec<(String, bool)> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let original = &text.original;
    let part = |from: usize, to: usize| original.get(from..to).unwrap_or_default().to_owned();
    for hit in &explanation.hits {
        let (start, end) = (
            hit.start.unsigned_abs() as usize,
            hit.end.unsigned_abs() as usize,
        );
        if end <= at {
            continue;
        }
        let start = start.max(at);
        if start > at {
            pieces.push((part(at, start), false));
        }
        pieces.push((part(start, end), true));
        at = end;
    }
    if at < original.len() {
        pieces.push((part(at, original.len()), false));
    }
    pieces
}

fn hits(explanation: &Explanation) -> Option<Step> {
    explanation.text.as_ref()?;
    let mut step = Step::new("What was found");
    if explanation.hits.is_empty() {
        step.line("Nothing that counts.");
    } else {
        let rows = explanation.hits.iter().map(|hit| {
            let risk = hit
                .risk
                .map_or("-".to_owned(), |risk| match hit.lowered_from {
                    Some(full) => format!("{risk} (lowered from {full})"),
                    None => risk.to_string(),
                });
            let words = hit.across.as_ref().unwrap_or(&hit.words);
            vec![
                Cell::Words(words.clone()),
                Cell::Words(hit.read_as.clone().unwrap_or_default()),
                Cell::Text(evasion(&hit.evasion)),
                Cell::Text(hit.rule.clone()),
                Cell::Text(hit.topic.clone().unwrap_or_default()),
                Cell::Number(risk),
                Cell::Number(format!("{}–{}", hit.start, hit.end)),
            ]
        });
        step.blocks.push(Block::Grid {
            header: vec![
                "Words", "Read as", "Disguise", "Rule", "Topic", "Risk", "Bytes",
            ],
            rows: rows.collect(),
        });
    }
    let mut told = Vec::new();
    for hit in &explanation.hits {
        if let Some(definition) = &hit.definition
            && !told.contains(&&hit.rule)
        {
            step.line(defined(&hit.rule, definition));
            told.push(&hit.rule);
        }
    }
    for excused in &explanation.excused {
        let why = match (&excused.rule, excused.max_risk) {
            (Some(rule), _) => format!("is an exception of the rule “{rule}”"),
            (None, Some(risk)) => format!("is allowed, for all rules up to risk {risk}"),
            (None, None) => "is allowed".to_owned(),
        };
        step.line(format!("“{}” {why}.", excused.words));
    }
    if !explanation.too_weak.is_empty() {
        step.line(format!(
            "Heard, but too often wrong to count alone: {}.",
            explanation.too_weak.join(", ")
        ));
    }
    Some(step)
}

/// A rule as its author wrote it, in one line.
fn defined(id: &str, definition: &Definition) -> String {
    let properties = definition.properties.iter().map(|one| {
        let mut is = one
            .is
            .iter()
            .take(PATTERNS)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        if one.is.len() > PATTERNS {
            is.push_str(&format!(" and {} more", one.is.len() - PATTERNS));
        }
        format!("{} {is}", one.what)
    });
    format!(
        "The {} “{id}” of the policy says: {}.",
        if definition.table == "context" {
            "rule"
        } else {
            definition.table
        },
        properties.collect::<Vec<_>>().join("; ")
    )
}

fn rules(explanation: &Explanation) -> Option<Step> {
    if explanation.rules.is_empty() {
        return None;
    }
    let rows = explanation.rules.iter().map(|rule| {
        let state = match (rule.fired, rule.heard) {
            (true, _) => "fired",
            (false, true) => "counted",
            (false, false) => "not about this message",
        };
        vec![
            Cell::Text(rule.id.clone()),
            Cell::Number(format!("{} of {}", rule.count, rule.needs)),
            Cell::Text(span(rule.timespan)),
            Cell::Text(state.to_owned()),
            Cell::Text(if rule.fired {
                let demands = rule
                    .demands
                    .as_ref()
                    .map_or(String::new(), |what| format!(", {what}"));
                format!("{} of risk {}{demands}", rule.topic, rule.risk)
            } else {
                String::new()
            }),
        ]
    });
    let mut step = Step::new("What the user did before").with(Block::Grid {
        header: vec!["Rule", "Count", "Within", "State", "Brought"],
        rows: rows.collect(),
    });
    for rule in explanation.rules.iter().filter(|rule| rule.fired) {
        if let Some(definition) = &rule.definition {
            step.line(defined(&rule.id, definition));
        }
    }
    Some(step)
}

fn topics(explanation: &Explanation) -> Option<Step> {
    let decided = explanation.decided.as_ref()?;
    let mut step = Step::new("What was decided");
    if explanation.verdict.code == "judged" {
        let who = match decided.audience_from.as_str() {
            "message" => "named by the message".to_owned(),
            "default" => "nobody named a known one".to_owned(),
            channel => match channel.strip_prefix("channel ") {
                Some(pattern) => format!("that of channels “{pattern}”"),
                None => channel.to_owned(),
            },
        };
        step.line(format!(
            "Judged for the audience “{}” ({who}); the user's trust was {}.",
            decided.audience, decided.trust
        ));
    }
    if !explanation.topics.is_empty() {
        let level = |level: Option<u8>| level.map_or("never".to_owned(), |level| level.to_string());
        let rows = explanation.topics.iter().map(|topic| {
            vec![
                Cell::Text(topic.topic.clone()),
                Cell::Number(
                    topic
                        .from_words
                        .map_or("-".to_owned(), |risk| risk.to_string()),
                ),
                Cell::Number(topic.risk.to_string()),
                Cell::Number(format!(
                    "{} / {} / {}",
                    level(topic.flag),
                    level(topic.mask),
                    level(topic.block)
                )),
                Cell::Number(match topic.shift {
                    0 => "-".to_owned(),
                    shift => format!("{shift:+}"),
                }),
                Cell::Action(topic.action.to_owned()),
                Cell::Text(topic.queue.clone().unwrap_or_default()),
            ]
        });
        step.blocks.push(Block::Grid {
            header: vec![
                "Topic",
                "Risk of words",
                "Risk",
                "Flag / mask / block from",
                "Moved by trust",
                "So",
                "Asks",
            ],
            rows: rows.collect(),
        });
    }
    let verdict = &explanation.verdict;
    step.blocks.push(facts(vec![
        ("action", Some(verdict.action.clone())),
        ("shown as", verdict.masked_text.clone()),
        (
            "repeat of offset",
            verdict.duplicate_of.map(|first| first.to_string()),
        ),
        ("effects", effects(explanation)),
    ]));
    Some(step)
}

fn effects(explanation: &Explanation) -> Option<String> {
    let effects = explanation.verdict.effects.iter();
    let said: Vec<String> = effects
        .map(
            |effect| match (effect.until, &effect.queue, &effect.trust) {
                (Some(until), _, _) => format!("{} until {}", effect.kind, moment(until)),
                (None, Some(queue), _) => format!("{} to {queue}", effect.kind),
                (None, None, Some(trust)) => format!("{} {trust}", effect.kind),
                (None, None, None) => effect.kind.clone(),
            },
        )
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn policy(explanation: &Explanation) -> Option<Step> {
    let policy = explanation.policy.as_ref()?;
    let scope = if policy.scope == "*" {
        "all communities without one of their own".to_owned()
    } else {
        format!("the community “{}”", policy.scope)
    };
    let order = (policy.order >= 0).then(|| {
        let by = policy.activated_by.as_ref().filter(|by| !by.is_empty());
        let by = by.map_or(String::new(), |by| format!(" by {by}"));
        let why = policy.reason.as_ref().filter(|reason| !reason.is_empty());
        let why = why.map_or(String::new(), |reason| format!(": {reason}"));
        format!("order {}{by}{why}", policy.order)
    });
    Some(Step::new("The policy that judged").with(facts(vec![
        ("name", policy.id.clone()),
        ("version", Some(policy.digest.clone())),
        ("for", Some(scope)),
        ("activated with", order),
        ("engine", Some(policy.engine.to_string())),
    ])))
}

fn proof(told: &ExplainedRecord) -> Step {
    let Recorded {
        verdict,
        offset,
        found,
    } = &told.recorded;
    let place = offset.map_or(String::new(), |at| format!(", at offset {at} of its topic"));
    let mut step = Step::new("Proof").with(facts(vec![
        (
            "recorded verdict",
            Some(format!("{}{place}", verdict.as_str())),
        ),
        ("log", Some(told.log_id.clone())),
        (
            "derived from",
            Some(format!(
                "{} records, from offset {} on",
                told.folded + 1,
                told.folded_from
            )),
        ),
    ]));
    step.line("The verdict that the log gives:");
    step.blocks.push(json(&told.explanation.verdict));
    if let Some(found) = found {
        step.line("The verdict in the topic, which differs:");
        step.blocks.push(json(found));
    }
    step
}

fn json(value: &impl serde::Serialize) -> Block {
    // Strings and numbers: there is nothing JSON could refuse.
    Block::Code(serde_json::to_string_pretty(value).unwrap_or_default())
}
