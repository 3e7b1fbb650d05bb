//! The report of a verification as a page, for an auditor who has no terminal.

use std::fmt::Write as _;

use gavel_runtime::replay::{Began, Difference, PartitionReport, Side};

use super::verify::{Outcome, Report, result};
use crate::page::{self, STYLE, Tone, safe};
use crate::table::time;

pub fn page(report: &Report) -> String {
    let mut html = page::begin("gavel replay verify", STYLE);
    headline(&mut html, report);
    tiles(&mut html, report);
    differences(&mut html, report);
    partitions(&mut html, report);
    checkpoints(&mut html, report);
    orders(&mut html, report);
    html.push_str(
        "<h2>What this says</h2><p>Every message was judged again by the rules that were in force then, in the same order, with nothing but \
         the log of messages and the recorded orders to go by. What came out was compared with the recorded verdicts, byte for byte.</p>",
    );
    if report.result() == Outcome::Equal {
        html.push_str(
            "<p>So no verdict that stands there was changed, added or left out afterwards, and none was made by other rules than those on \
             record.</p>",
        );
    }
    html.push_str(
        "<p>It does not say that the log holds what people wrote: for that you rely on who may write to the topics, and on the brokers' \
         clocks. The chain is one number over every message and verdict that was read. Keep it: a later audit of the same stretch that shows \
         the same chain has read the same record, messages included.</p>",
    );
    page::end(html)
}

fn headline(html: &mut String, report: &Report) {
    let (records, differences) = (
        report.sum(|report| report.records),
        report.sum(|report| report.differences),
    );
    let damaged = report.sum(|report| {
        let wrong = report.checkpoints.iter().filter(|one| one.wrong.is_some());
        (wrong.count() + report.damaged.len()) as u64
    });
    let (tone, badge, sentence) = match report.result() {
        Outcome::Equal => (
            Tone::Good,
            "The record is as it should be",
            format!(
                "All {records} records were judged again, and every verdict is as recorded, byte for byte."
            ),
        ),
        Outcome::Incomplete => (
            Tone::Careful,
            "Nothing differs, but not all could be checked",
            format!(
                "Nothing differs in the {records} records that could be judged again. For the others neither the beginning of the log nor a \
                 checkpoint is left to begin from: they are neither proven nor in doubt."
            ),
        ),
        Outcome::Differs => {
            let mut wrong = Vec::new();
            if differences > 0 {
                wrong.push(format!(
                    "{differences} of {records} records are not as the log and its rules say"
                ));
            }
            if damaged > 0 {
                wrong.push(format!(
                    "{damaged} checkpoints do not hold what they should"
                ));
            }
            (
                Tone::Bad,
                "The record was changed, or was not made from this log",
                format!(
                    "{}. Below is the first place, with both sides. Keep all topics and checkpoints as they are.",
                    wrong.join(", and ")
                ),
            )
        }
    };
    let what = format!("Verification of {}, {}", report.messages, time(report.at));
    page::header(html, tone, (&what, badge), &[sentence]);
}

fn tiles(html: &mut String, report: &Report) {
    let records = report.sum(|report| report.records + report.lead_in);
    let per_s = records as f64 / report.seconds.max(0.001);
    html.push_str("<div class=\"tiles\">");
    let tile = |html: &mut String, number: u64, what: &str| {
        let _ = write!(
            html,
            "<div class=\"tile\"><b>{number}</b><span>{what}</span></div>"
        );
    };
    for (number, what) in [
        (report.sum(|report| report.records), "records judged again"),
        (report.sum(|report| report.equal), "verdicts equal"),
        (report.sum(|report| report.differences), "differences"),
    ] {
        tile(html, number, what);
    }
    // What there is none of needs no place.
    for (number, what) in [
        (
            report.sum(|report| report.copies),
            "identical copies after restarts",
        ),
        (
            report.sum(|report| report.dead_letters),
            "unreadable records, on file",
        ),
        (
            report.sum(|report| report.erased),
            "records of erased users",
        ),
        (
            report.sum(|report| report.not_yet_judged),
            "at the end, not judged yet",
        ),
        (
            report.sum(|report| report.expired),
            "verdicts removed by retention",
        ),
    ] {
        if number > 0 {
            tile(html, number, what);
        }
    }
    let _ = write!(
        html,
        "</div><p class=\"soft\">Verdicts from the topic {}; engine {}; took {:.1} s, {per_s:.0} records per second.</p>",
        safe(&report.verdicts),
        report.engine,
        report.seconds
    );
}

fn partitions(html: &mut String, report: &Report) {
    html.push_str(
        "<h2>Partitions</h2><div class=\"wide\"><table><tr><th class=\"n\">partition</th><th>result</th><th>began</th>\
         <th class=\"n\">from</th><th class=\"n\">to</th><th class=\"n\">records</th><th class=\"n\">equal</th><th>chain</th></tr>",
    );
    for one in &report.partitions {
        let class = match result(one) {
            "DIFFERS" => "bad",
            "equal" => "good",
            _ => "careful",
        };
        let began = match one.began {
            Began::Log => "at the beginning of the log".to_owned(),
            Began::Checkpoint { boundary, .. } => format!("at the checkpoint of offset {boundary}"),
        };
        let before = one
            .unverifiable_before
            .map(|before| {
                format!("<br><small class=\"careful\">unverifiable before offset {before}</small>")
            })
            .unwrap_or_default();
        let _ = write!(
            html,
            "<tr><td class=\"n\">{}</td><td class=\"{class}\">{}{before}</td><td>{began}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"digest\">{}</td></tr>",
            one.partition,
            result(one),
            one.from,
            one.end,
            one.records,
            one.equal,
            safe(&one.chain)
        );
    }
    html.push_str("</table></div>");
}

fn differences(html: &mut String, report: &Report) {
    for one in &report.partitions {
        let Some(difference) = &one.difference else {
            continue;
        };
        let _ = write!(
            html,
            "<h2 class=\"bad\">Partition {}: {} {}</h2><p>The first is at offset {}: {}. Fields that differ are marked.</p>",
            one.partition,
            one.differences,
            if one.differences == 1 {
                "difference"
            } else {
                "differences"
            },
            difference.offset,
            safe(&difference.what)
        );
        sides(html, difference);
        if !one.further.is_empty() {
            html.push_str("<table><tr><th class=\"n\">then at offset</th><th></th></tr>");
            for place in &one.further {
                let _ = write!(
                    html,
                    "<tr><td class=\"n\">{}</td><td>{}</td></tr>",
                    place.offset,
                    safe(&place.what)
                );
            }
            html.push_str("</table>");
        }
    }
}

/// Field by field, with those that differ marked.
fn sides(html: &mut String, difference: &Difference) {
    let (derived, found) = (
        fields(difference.derived.as_ref()),
        fields(difference.found.as_ref()),
    );
    let mut names: Vec<&String> = derived.iter().map(|(name, _)| name).collect();
    names.extend(
        found
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !derived.iter().any(|(known, _)| known == *name)),
    );
    let value = |side: &[(String, String)], name: &str| {
        let field = side.iter().find(|(known, _)| known == name);
        field.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    html.push_str(
        "<table class=\"diff\"><tr><th>field</th><th>as the log and its rules say</th><th>as recorded</th></tr>",
    );
    // What differs comes first.
    names.sort_by_key(|name| value(&derived, name) == value(&found, name));
    for name in names {
        let (left, right) = (value(&derived, name), value(&found, name));
        let class = if left == right { "" } else { " class=\"off\"" };
        let _ = write!(
            html,
            "<tr{class}><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
            safe(name),
            safe(&left),
            safe(&right)
        );
    }
    html.push_str("</table>");
}

fn fields(side: Option<&Side>) -> Vec<(String, String)> {
    match side.map(|side| serde_json::json!(side)) {
        Some(serde_json::Value::Object(fields)) => fields
            .into_iter()
            .map(|(name, value)| (name, value.to_string()))
            .collect(),
        _ => Vec::new(),
    }
}

fn checkpoints(html: &mut String, report: &Report) {
    let all = |one: &PartitionReport| (one.checkpoints.len() + one.damaged.len()) as u64;
    if report.sum(all) == 0 {
        return;
    }
    html.push_str(
        "<h2>Checkpoints</h2><p>A checkpoint is a stored copy of what was remembered of users at an offset. Each one in the stretch was \
         compared with what judging again remembers there.</p><table><tr><th class=\"n\">partition</th><th class=\"n\">offset</th><th>result</th></tr>",
    );
    for one in &report.partitions {
        let met = one
            .checkpoints
            .iter()
            .map(|met| (met.boundary, met.wrong.as_deref()));
        let damaged = one
            .damaged
            .iter()
            .map(|damaged| (damaged.boundary, Some(damaged.detail.as_str())));
        for (boundary, wrong) in met.chain(damaged) {
            let (class, text) = wrong.map_or(("good", "equal"), |wrong| ("bad", wrong));
            let _ = write!(
                html,
                "<tr><td class=\"n\">{}</td><td class=\"n\">{boundary}</td><td class=\"{class}\">{}</td></tr>",
                one.partition,
                safe(text)
            );
        }
    }
    html.push_str("</table>");
}

fn orders(html: &mut String, report: &Report) {
    if report.sum(|one| one.orders.len() as u64) == 0 {
        return;
    }
    html.push_str(
        "<h2>Orders</h2><p>Activations of policies, erasures and overturned verdicts, where they took effect. The number is the order's \
         offset in the control topic.</p><table><tr><th class=\"n\">order</th><th>kind</th><th>partition:offset</th></tr>",
    );
    let mut orders: std::collections::BTreeMap<(i64, &str, bool), Vec<String>> = Default::default();
    for one in &report.partitions {
        for met in &one.orders {
            let places = orders
                .entry((met.order, met.kind.as_str(), met.counts))
                .or_default();
            places.push(format!("{}:{}", one.partition, met.offset));
        }
    }
    for ((order, kind, counts), places) in orders {
        let kind = if counts {
            safe(kind)
        } else {
            format!(
                "{} <span class=\"bad\">refused: it does not stand in the control topic like that</span>",
                safe(kind)
            )
        };
        let _ = write!(
            html,
            "<tr><td class=\"n\">{order}</td><td>{kind}</td><td>{}</td></tr>",
            places.join(", ")
        );
    }
    html.push_str("</table>");
}
