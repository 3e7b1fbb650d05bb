//! The report as one page that needs nothing else.
//!
//! Invariant: every word that comes from the file, the policy or the command line goes through `safe`. The texts are what people sent to hurt; they must not act in the reader's browser.

use std::fmt::Write as _;

use super::cut;
use super::figures::{Estimate, Figures};
use super::plots;
use super::report::{Blame, Compared, Report, RiskPoint, Slice};
use super::text::{interval, share, value};
use super::worst::{Example, Right};
use crate::page::{self, safe};

const STYLE: &str = include_str!("page.css");
/// Bars in one plot; the table beside it has all.
const BARS: usize = 24;

/// The whole page.
pub fn page(report: &Report) -> String {
    let mut html = page::begin(&format!("{}: measured", report.policy.id), STYLE);
    head(report, &mut html);
    tiles(&report.overall, &mut html);
    gates(report, &mut html);
    if let Some(compared) = &report.compared {
        comparison(report, compared, &mut html);
    }
    risks(report, &mut html);
    sliced("By audience", &report.by_audience, &mut html);
    if let Some(by_topic) = &report.by_topic {
        sliced("By topic", &by_topic.topics, &mut html);
        let (micro, mean) = (&by_topic.micro, &by_topic.macro_average);
        let _ = write!(
            html,
            "<p>Over {} lines labelled with topics: micro average: precision {}, recall {}, F1 {}; macro average: precision {}, \
             recall {}, F1 {}.</p>",
            by_topic.lines,
            value(micro.precision),
            value(micro.recall),
            share(micro.f1),
            share(mean.precision),
            share(mean.recall),
            share(mean.f1)
        );
    }
    sliced("By group", &report.by_group, &mut html);
    blamed("Topics of flagged lines", &report.flagged_topics, &mut html);
    let title = if report.rules_that_spoke > report.rules.len() {
        format!(
            "Rules with most false positives ({} of {})",
            report.rules.len(),
            report.rules_that_spoke
        )
    } else {
        "Rules on flagged lines".to_owned()
    };
    blamed(&title, &report.rules, &mut html);
    blamed("Disguises undone", &report.evasions, &mut html);
    examples("Flagged, but clean", &report.false_positives, &mut html);
    examples(
        "Not flagged, but should be",
        &report.false_negatives,
        &mut html,
    );
    if let Some(compared) = &report.compared {
        examples(
            "Better than the other policy",
            &compared.better_lines,
            &mut html,
        );
        examples(
            "Worse than the other policy",
            &compared.worse_lines,
            &mut html,
        );
    }
    page::end(html)
}

fn head(report: &Report, html: &mut String) {
    let (policy, lines) = (&report.policy, &report.lines);
    let _ = write!(
        html,
        "<h1>{}</h1><p class=\"soft digest\">{} · engine {} · {}</p><p>{}: {} labelled lines, {} without a label, {} unreadable; {}. \
         A line is flagged when {}. Intervals are of 95 %, by Wilson.</p>",
        safe(&policy.id),
        safe(&policy.digest),
        policy.engine,
        safe(&policy.file),
        safe(&report.labels),
        lines.labelled,
        lines.context,
        lines.unreadable.count,
        if policy.stateful {
            "judged in the file's order, with counters"
        } else {
            "each judged by itself"
        },
        safe(&report.flagged_means),
    );
    for warning in report.warnings() {
        let _ = write!(html, "<p class=\"bad\">{}</p>", safe(&warning));
    }
}

fn tiles(overall: &Figures, html: &mut String) {
    html.push_str("<div class=\"tiles\">");
    let mut tile = |name: &str, figure: String, below: String| {
        let _ = write!(
            html,
            "<div class=\"tile\"><span>{name}</span><b>{figure}</b><span>{below}</span></div>"
        );
    };
    let Figures {
        tp, fp, missed, tn, ..
    } = overall;
    let with = |estimate: Option<Estimate>, part: &u64, whole: u64| {
        let range = interval(estimate);
        let range = if range.is_empty() {
            range
        } else {
            format!("{range} · ")
        };
        format!("{range}{part} of {whole}")
    };
    tile(
        "Precision: of the flagged, right",
        value(overall.precision),
        with(overall.precision, tp, tp + fp),
    );
    tile(
        "Recall: of the bad, flagged",
        value(overall.recall),
        with(overall.recall, tp, tp + missed),
    );
    tile(
        "F1: their harmonic mean",
        share(overall.f1),
        format!("{} right, {} wrong", tp + tn, fp + missed),
    );
    tile(
        "Of the clean, flagged",
        value(overall.clean_flagged),
        with(overall.clean_flagged, fp, fp + tn),
    );
    html.push_str("</div>");
}

fn gates(report: &Report, html: &mut String) {
    for gate in &report.gates {
        let (class, word) = if gate.met {
            ("good", "met")
        } else {
            ("bad", "not met")
        };
        let _ = write!(
            html,
            "<p>--{} {}: <b class=\"{class}\">{word}</b> ({})</p>",
            gate.gate,
            gate.wanted,
            gate.measured
                .map_or("cannot be measured".to_owned(), |value| format!(
                    "{value:.6}"
                ))
        );
    }
}

fn comparison(report: &Report, compared: &Compared, html: &mut String) {
    let _ = write!(
        html,
        "<h2>Compared with {}</h2><p class=\"soft digest\">{} · {}</p><p><b class=\"good\">{} lines better</b>, <b class=\"bad\">{} \
         lines worse</b></p>",
        safe(&compared.policy.id),
        safe(&compared.policy.digest),
        safe(&compared.policy.file),
        compared.better,
        compared.worse
    );
    let both = [
        ("measured".to_owned(), &report.overall),
        ("other".to_owned(), &compared.overall),
    ];
    table("Policy", both.into_iter(), html);
}

fn risks(report: &Report, html: &mut String) {
    html.push_str("<h2>If every line of at least this risk were flagged</h2>");
    let other = report
        .compared
        .as_ref()
        .map(|compared| compared.by_risk.as_slice());
    if other.is_some() {
        html.push_str(
            "<p><span class=\"key measured\"></span>measured<span class=\"key other\"></span>other</p>",
        );
    }
    html.push_str("<div class=\"side\"><div>");
    html.push_str(&plots::curve(&report.by_risk, other));
    html.push_str("</div><div class=\"wide\"><table><tr><th>Risk<th class=\"n\">Precision<th class=\"n\">Recall<th class=\"n\">F1<th \
                   class=\"n\">Clean flagged</tr>");
    for RiskPoint { risk, figures } in &report.by_risk {
        let _ = write!(
            html,
            "<tr><td>{risk}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}</tr>",
            value(figures.precision),
            value(figures.recall),
            share(figures.f1),
            value(figures.clean_flagged)
        );
    }
    html.push_str("</table></div></div>");
}

fn sliced(title: &str, slices: &[Slice], html: &mut String) {
    if slices.is_empty() {
        return;
    }
    let _ = write!(html, "<h2>{title}</h2>");
    if slices.len() > 1 {
        let bars: Vec<(&str, Option<f64>)> = slices
            .iter()
            .take(BARS)
            .map(|slice| (slice.name.as_str(), slice.figures.f1))
            .collect();
        html.push_str("<p class=\"soft\">F1</p>");
        html.push_str(&plots::shares(&bars));
    }
    let rows = slices
        .iter()
        .map(|slice| (slice.name.clone(), &slice.figures));
    table("Name", rows, html);
}

fn table<'a>(what: &str, rows: impl Iterator<Item = (String, &'a Figures)>, html: &mut String) {
    let _ = write!(
        html,
        "<div class=\"wide\"><table><tr><th>{what}<th class=\"n\">Precision<th class=\"n\">Recall<th class=\"n\">F1<th \
         class=\"n\">Clean flagged<th class=\"n\">TP<th class=\"n\">FP<th class=\"n\">FN<th class=\"n\">TN</tr>"
    );
    for (name, figures) in rows {
        let _ = write!(
            html,
            "<tr><td class=\"name\"><bdi>{}</bdi>{}{}<td class=\"n\">{}{}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td \
             class=\"n\">{}</tr>",
            safe(&name),
            estimated(figures.precision),
            estimated(figures.recall),
            share(figures.f1),
            estimated(figures.clean_flagged),
            figures.tp,
            figures.fp,
            figures.missed,
            figures.tn
        );
    }
    html.push_str("</table></div>");
}

/// A cell with a share and its interval.
fn estimated(estimate: Option<Estimate>) -> String {
    format!(
        "<td class=\"n\">{}<br><small>{}</small>",
        value(estimate),
        interval(estimate)
    )
}

fn blamed(title: &str, blames: &[Blame], html: &mut String) {
    if blames.is_empty() {
        return;
    }
    let bars: Vec<(&str, u64, u64)> = blames
        .iter()
        .take(BARS)
        .map(|blame| (blame.name.as_str(), blame.right, blame.wrong))
        .collect();
    let _ = write!(
        html,
        "<h2>{title}</h2><p class=\"soft\">Lines flagged<span class=\"key wrong\"></span>wrongly<span class=\"key right\"></span>\
         rightly</p><div class=\"side\"><div>{}</div><div class=\"wide\"><table><tr><th>Name<th class=\"n\">Wrong<th \
         class=\"n\">Right<th class=\"n\">Precision</tr>",
        plots::parts(&bars)
    );
    for blame in blames {
        let _ = write!(
            html,
            "<tr><td class=\"name\"><bdi>{}</bdi><td class=\"n\">{}<td class=\"n\">{}{}</tr>",
            safe(&blame.name),
            blame.wrong,
            blame.right,
            format_args!(
                "<td class=\"n\">{} <small>{}</small>",
                value(blame.precision),
                interval(blame.precision)
            )
        );
    }
    html.push_str("</table></div></div>");
}

fn examples(title: &str, examples: &[Example], html: &mut String) {
    if examples.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<h2>{title}</h2><div class=\"wide\"><table class=\"lines\"><tr><th class=\"n\">Line<th class=\"n\">Times<th>Action<th>Labels<th \
         class=\"said\">Text<th class=\"spoke\">Rules and what they matched</tr>"
    );
    for example in examples {
        let more = if example.text.len() < example.text_bytes {
            format!("… <small>{} bytes</small>", example.text_bytes)
        } else {
            String::new()
        };
        let right = match &example.right {
            Right::Any(_) => String::new(),
            Right::Topics(topics) if topics.is_empty() => "<br><small>right: none</small>".into(),
            Right::Topics(topics) => {
                format!("<br><small>right: {}</small>", safe(&topics.join(" ")))
            }
        };
        let labels = if example.labels.is_empty() {
            "–".to_owned()
        } else {
            safe(&example.labels.join(" "))
        };
        let _ = write!(
            html,
            "<tr><td class=\"n\">{}<td class=\"n\">{}<td>{}<br><small>{}</small><td class=\"name\">{labels}{right}<td><div class=\"text\" dir=\"auto\">\
             {}{more}</div><td class=\"rules\">",
            example.line,
            example.count,
            safe(&example.action),
            safe(&example.audience),
            safe(&example.text)
        );
        for hit in &example.rules {
            let _ = write!(html, "<div>{}", safe(&hit.rule));
            if !hit.matched.is_empty() {
                let _ = write!(html, " “<bdi>{}</bdi>”", safe(cut(&hit.matched, 80).0));
            }
            if !hit.evasion.is_empty() {
                let _ = write!(html, " <small>{}</small>", safe(&hit.evasion));
            }
            html.push_str("</div>");
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
}
