//! What a user's past had to do with a decision.

use gavel_judge::{Explanation, Remembered};
use gavel_runtime::replay::ExplainedRecord;

use super::words::{moment, number, points, span};
use crate::story::{Block, Cell, Step};

/// The points that the message brought, and those of earlier ones.
pub fn strikes(told: &ExplainedRecord) -> Option<Step> {
    let struck = told.explanation.struck.as_ref();
    if struck.is_none_or(|struck| struck.added == 0) && told.strikes.is_empty() {
        return None;
    }
    let mut step = Step::new("Strikes");
    if let Some(struck) = struck.filter(|struck| struck.added > 0) {
        step.line(format!(
            "Risk {} brings {}. With the {} that were left of earlier messages this makes {}; half of them are gone after {}.",
            struck.highest_risk,
            points(struck.added),
            number(struck.before),
            points(struck.total),
            span(struck.half_life)
        ));
        let rows = struck.steps.iter().map(|one| {
            let mut what: Vec<String> = one.demands.iter().cloned().collect();
            what.extend(one.trust.map(|trust| format!("trust: {trust}")));
            vec![
                Cell::Number(number(one.gte)),
                Cell::Text(what.join(", ")),
                Cell::Text(
                    if one.reached {
                        "reached"
                    } else {
                        "not reached"
                    }
                    .to_owned(),
                ),
            ]
        });
        step.blocks.push(Block::Grid {
            header: vec!["From points", "What follows", "Now"],
            rows: rows.collect(),
        });
    }
    let rows = told.strikes.iter().map(|strike| {
        vec![
            Cell::Text(moment(strike.at)),
            Cell::Number(strike.offset.to_string()),
            Cell::Action(strike.action.clone()),
            Cell::Text(strike.rules.join(", ")),
            Cell::Number(format!("+{}", number(strike.added))),
            Cell::Number(number(strike.total)),
        ]
    });
    step.blocks.push(Block::Grid {
        header: vec![
            "Message of",
            "Offset",
            "Action",
            "Rules",
            "Brought",
            "Points then",
        ],
        rows: rows.collect(),
    });
    Some(step)
}

/// What the partition knew of the user before and after.
pub fn remembered(explanation: &Explanation) -> Option<Step> {
    let (before, after) = (explanation.before.as_ref()?, explanation.after.as_ref()?);
    let row = |name: &str, of: &dyn Fn(&Remembered) -> String| {
        vec![
            Cell::Text(name.to_owned()),
            Cell::Text(of(before)),
            Cell::Text(of(after)),
        ]
    };
    let time = |at: Option<i64>, without: &str| at.map_or(without.to_owned(), moment);
    let offsets = |one: &Remembered| {
        let offsets = one.messages.iter().map(|said| said.offset.to_string());
        offsets.collect::<Vec<_>>().join(", ")
    };
    let windows = |one: &Remembered| {
        let counts = one
            .windows
            .iter()
            .map(|window| format!("{} {}", window.rule, window.count));
        counts.collect::<Vec<_>>().join(", ")
    };
    let mut step = Step::new("What was remembered of the user").with(Block::Grid {
        header: vec!["", "Before", "After"],
        rows: vec![
            row("points of strikes", &|one| number(one.strikes)),
            row("last strike", &|one| time(one.struck_at, "never")),
            row("muted until", &|one| time(one.mute_until, "not muted")),
            row("trust", &|one| one.trust.to_owned()),
            row("events kept for rules", &windows),
            row("last messages (offsets)", &offsets),
        ],
    });
    if !before.known {
        step.line("Nothing was known of this user before.");
    }
    if !explanation.verdict.context_complete {
        step.line("Earlier history of this partition was lost and accepted as lost: more may have been known once.");
    }
    Some(step)
}
