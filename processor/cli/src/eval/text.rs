//! The report for people at a terminal.
//!
//! Invariant: every word that comes from the file or the policy is made harmless first: texts are hostile by nature here.

use std::io;

use comfy_table::Table;

use super::cut;
use super::figures::{Estimate, Figures};
use super::report::{Blame, Report, Slice};
use super::worst::{Example, Right};
use crate::output::Out;
use crate::table::visible;

/// Characters shown of a text; the JSON and the page show more.
const TEXT_SHOWN: usize = 100;
/// Slices shown; the JSON and the page show all.
const SLICES: usize = 30;

/// Prints the report.
pub fn write(report: &Report, out: &mut Out) -> io::Result<()> {
    head(report, out)?;
    if let Some(compared) = &report.compared {
        out.line(&format!(
            "\nCompared with {} ({}): {} lines better, {} lines worse",
            visible(&compared.policy.id),
            cut(&compared.policy.digest, 12).0,
            compared.better,
            compared.worse
        ))?;
        let both = [
            Named::new("measured", &report.overall),
            Named::new("other", &compared.overall),
        ];
        figures("POLICY", &both, out)?;
    }
    sliced("AUDIENCE", &report.by_audience, out)?;
    sliced("GROUP", &report.by_group, out)?;
    if let Some(by_topic) = &report.by_topic {
        let mut rows: Vec<Named<'_>> = by_topic.topics.iter().map(Named::from).collect();
        rows.push(Named::new("(micro)", &by_topic.micro));
        out.line("")?;
        figures("TOPIC", &rows, out)?;
        let average = &by_topic.macro_average;
        out.line(&format!(
            " macro average: precision {}, recall {}, F1 {}",
            share(average.precision),
            share(average.recall),
            share(average.f1)
        ))?;
    }
    out.line("\nIf every line of at least this risk were flagged:")?;
    let risks: Vec<(String, &Figures)> = report
        .by_risk
        .iter()
        .map(|point| (point.risk.to_string(), &point.figures))
        .collect();
    let risks: Vec<Named<'_>> = risks
        .iter()
        .map(|(name, figures)| Named::new(name, figures))
        .collect();
    figures("RISK", &risks, out)?;
    blamed("TOPIC OF FLAGGED", &report.flagged_topics, out)?;
    blamed("RULE", &report.rules, out)?;
    blamed("DISGUISE UNDONE", &report.evasions, out)?;
    examples("Flagged, but clean", &report.false_positives, out)?;
    examples("Not flagged, but should be", &report.false_negatives, out)?;
    if let Some(compared) = &report.compared {
        examples("Better than the other policy", &compared.better_lines, out)?;
        examples("Worse than the other policy", &compared.worse_lines, out)?;
    }
    Ok(())
}

fn head(report: &Report, out: &mut Out) -> io::Result<()> {
    let (policy, lines, overall) = (&report.policy, &report.lines, &report.overall);
    out.line(&format!("{}  {}", policy.digest, visible(&policy.id)))?;
    out.line(&format!(
        "{} labelled lines, {} without a label, {} unreadable; {}",
        lines.labelled,
        lines.context,
        lines.unreadable.count,
        if policy.stateful {
            "judged in the file's order"
        } else {
            "each judged by itself"
        }
    ))?;
    for warning in report.warnings() {
        out.line(&format!("warning: {}", visible(&warning)))?;
    }
    out.line(&format!("flagged: {}\n", visible(&report.flagged_means)))?;
    for (name, what, estimate) in [
        ("precision", "of the flagged, right", overall.precision),
        ("recall", "of the bad, flagged", overall.recall),
        (
            "clean flagged",
            "of the clean, flagged",
            overall.clean_flagged,
        ),
    ] {
        out.line(&format!(
            "  {name:<14} {:<7} {:<18} {what}",
            value(estimate),
            interval(estimate)
        ))?;
    }
    out.line(&format!("  {:<14} {}", "F1", share(overall.f1)))?;
    out.line(&format!(
        "  right: {} flagged, {} not flagged; wrong: {} flagged, {} not flagged",
        overall.tp, overall.tn, overall.fp, overall.missed
    ))?;
    for gate in &report.gates {
        out.line(&format!(
            "  {} --{} {}: {}",
            if gate.met { "met    " } else { "NOT MET" },
            gate.gate,
            gate.wanted,
            gate.measured
                .map_or("cannot be measured".to_owned(), |value| format!(
                    "{value:.6}"
                ))
        ))?;
    }
    Ok(())
}

/// A row of figures.
struct Named<'a> {
    name: String,
    figures: &'a Figures,
}

impl<'a> Named<'a> {
    fn new(name: &str, figures: &'a Figures) -> Named<'a> {
        Named {
            name: cut(&visible(name), 40).0.to_owned(),
            figures,
        }
    }
}

impl<'a> From<&'a Slice> for Named<'a> {
    fn from(slice: &'a Slice) -> Named<'a> {
        Named::new(&slice.name, &slice.figures)
    }
}

fn sliced(what: &str, slices: &[Slice], out: &mut Out) -> io::Result<()> {
    if slices.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let rows: Vec<Named<'_>> = slices.iter().take(SLICES).map(Named::from).collect();
    figures(what, &rows, out)?;
    let more = slices.len().saturating_sub(SLICES);
    if more > 0 {
        out.line(&format!(" and {more} more: --output json shows all"))?;
    }
    Ok(())
}

fn figures(what: &str, rows: &[Named<'_>], out: &mut Out) -> io::Result<()> {
    let mut table = plain([
        what,
        "PRECISION",
        "95 %",
        "RECALL",
        "95 %",
        "F1",
        "CLEAN FLAGGED",
        "TP",
        "FP",
        "FN",
        "TN",
    ]);
    for Named { name, figures } in rows {
        table.add_row([
            name.clone(),
            value(figures.precision),
            interval(figures.precision),
            value(figures.recall),
            interval(figures.recall),
            share(figures.f1),
            value(figures.clean_flagged),
            figures.tp.to_string(),
            figures.fp.to_string(),
            figures.missed.to_string(),
            figures.tn.to_string(),
        ]);
    }
    out.line(&table.trim_fmt())
}

fn blamed(what: &str, blames: &[Blame], out: &mut Out) -> io::Result<()> {
    if blames.is_empty() {
        return Ok(());
    }
    let mut table = plain([what, "WRONG", "RIGHT", "PRECISION", "95 %"]);
    for blame in blames {
        table.add_row([
            cut(&visible(&blame.name), 60).0.to_owned(),
            blame.wrong.to_string(),
            blame.right.to_string(),
            value(blame.precision),
            interval(blame.precision),
        ]);
    }
    out.line("")?;
    out.line(&table.trim_fmt())
}

fn examples(what: &str, examples: &[Example], out: &mut Out) -> io::Result<()> {
    if examples.is_empty() {
        return Ok(());
    }
    out.line(&format!("\n{what}:"))?;
    for example in examples {
        let text = visible(&example.text);
        let (shown, is_all) = cut(&text, TEXT_SHOWN);
        let more = if is_all && example.text.len() == example.text_bytes {
            ""
        } else {
            "…"
        };
        out.line(&format!(
            "  line {} ×{} {} {}  {shown}{more}",
            example.line,
            example.count,
            example.action,
            visible(&or_dash(example.labels.join(" ")))
        ))?;
        let rules: Vec<String> = example
            .rules
            .iter()
            .map(|hit| {
                let matched = if hit.matched.is_empty() {
                    String::new()
                } else {
                    format!(" \"{}\"", visible(&hit.matched))
                };
                let evasion = if hit.evasion.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", visible(&hit.evasion))
                };
                format!("{}{matched}{evasion}", visible(&hit.rule))
            })
            .collect();
        if !rules.is_empty() {
            out.line(&format!("      {}", rules.join(", ")))?;
        }
        if let Right::Topics(topics) = &example.right {
            let topics = visible(&or_dash(topics.join(" ")));
            out.line(&format!("      right: {topics}"))?;
        }
    }
    Ok(())
}

fn plain<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    // A table as wide as what it says: folded figures cannot be compared.
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(header);
    table
}

pub(super) fn value(estimate: Option<Estimate>) -> String {
    share(estimate.map(|estimate| estimate.value))
}

pub(super) fn interval(estimate: Option<Estimate>) -> String {
    estimate.map_or(String::new(), |estimate| {
        format!("{:.3} to {:.3}", estimate.low, estimate.high)
    })
}

pub(super) fn share(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.4}"))
}

pub(super) fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}
