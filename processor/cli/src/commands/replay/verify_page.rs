//! The report of a verification as a page, for an auditor who has no terminal.

use std::fmt::Write as _;

use gavel_runtime::replay::{Began, Difference, PartitionReport, Side};

use super::verify::{Outcome, Report, result};
use crate::page::{self, safe};
use crate::table::time;

const STYLE: &str = include_str!("../../page.css");

pub fn page(report: &Report) -> String {
    let mut html = page::begin("gavel replay verify", STYLE);
    let _ = write!(
        html,
        "<h1>Verification of {}</h1><p class=\"soft\">{}, topic of verdicts: {}, engine {}</p>",
        safe(&report.messages),
        time(report.at),
        safe(&report.verdicts),
        report.engine
    );
    headline(&mut html, report);
    tiles(&mut html, report);
    partitions(&mut html, report);
    differences(&mut html, report);
    checkpoints(&mut html, report);
    orders(&mut html, report);
    html.push_str(
        "<h2>What this says</h2><p>Every message that was in the log was judged again by the same rules, in the same order, with nothing \
         but the log and the recorded orders to go by, and what came out was compared with the recorded verdicts byte for byte. The chain is \
         one number over every message and verdict that was read: two audits of the same stretch that show the same chain have seen the \
         same record.</p>",
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
    let (class, text) = match report.result() {
        Outcome::Equal => (
            "result",
            format!(
                "All {records} records were derived again, and every verdict is as recorded, byte for byte."
            ),
        ),
        Outcome::Incomplete => (
            "result open",
            format!(
                "Nothing differs in the {records} records that could be derived again. A part of what was asked for cannot be verified, \
                 because neither the beginning of the log nor a checkpoint is left from which it could be derived."
            ),
        ),
        Outcome::Differs => (
            "result bad",
            format!(
                "{differences} of {records} records are not as the log and its rules say, and {damaged} checkpoints are not what they \
                 should be. The record was changed, or was not made from this log."
            ),
        ),
    };
    let _ = write!(html, "<p class=\"{class}\">{text}</p>");
}

fn tiles(html: &mut String, report: &Report) {
    let records = report.sum(|report| report.records + report.lead_in);
    let per_s = records as f64 / report.seconds.max(0.001);
    html.push_str("<div class=\"tiles\">");
    for (number, what) in [
        (report.sum(|report| report.records), "records verified"),
        (report.sum(|report| report.equal), "verdicts equal"),
        (report.sum(|report| report.differences), "differences"),
        (
            report.sum(|report| report.copies),
            "further copies, identical",
        ),
        (
            report.sum(|report| report.dead_letters),
            "dead letters found",
        ),
        (
            report.sum(|report| report.erased),
            "records of erased users",
        ),
        (report.sum(|report| report.not_yet_judged), "not yet judged"),
        (
            report.sum(|report| report.expired),
            "verdicts removed by retention",
        ),
    ] {
        let _ = write!(
            html,
            "<div class=\"tile\"><b>{number}</b><span>{what}</span></div>"
        );
    }
    let _ = write!(
        html,
        "</div><p class=\"soft\">Took {:.1} s: {per_s:.0} records per second.</p>",
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
            _ => "other",
        };
        let began = match one.began {
            Began::Log => "at the beginning of the log".to_owned(),
            Began::Checkpoint { boundary, .. } => format!("at the checkpoint of offset {boundary}"),
        };
        let before = one
            .unverifiable_before
            .map(|before| {
                format!("<br><small class=\"other\">unverifiable before offset {before}</small>")
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
            "<h2 class=\"bad\">Partition {}: {} difference(s)</h2><p>The first is at offset {}: {}.</p>",
            one.partition,
            one.differences,
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
    for name in names {
        let (left, right) = (value(&derived, name), value(&found, name));
        let class = if left == right { "" } else { " class=\"off\"" };
        let _ = write!(
            html,
            "<tr{class}><td>{}</td><td>{}</td><td>{}</td></tr>",
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
        "<h2>Checkpoints</h2><p>A checkpoint is what a partition remembered at an offset. Each one in the stretch was compared with what the \
         fold remembers there.</p><table><tr><th class=\"n\">partition</th><th class=\"n\">offset</th><th>result</th></tr>",
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
