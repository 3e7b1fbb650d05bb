//! What a candidate would have changed, as a page for the people who decide about it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gavel_runtime::replay::{Differences, Step};
use gavel_runtime::shadow_report::{Figures, Said, Sample};

use super::what_if::Report;
use crate::page::{self, STYLE, Tone, safe};
use crate::share::{WHOLE, percent};
use crate::table::time;

/// Of the plot, in its own units.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 28.0;

pub fn page(report: &Report, found: &Differences, samples: &[Sample], top: usize) -> String {
    let mut html = page::begin(&format!("what if: {}", report.candidate_id), STYLE);
    headline(&mut html, report, found);
    actions(&mut html, found);
    said(&mut html, samples);
    plot(&mut html, &found.over_time);
    for (what, users) in [
        ("Newly muted users", found.tally.newly_muted()),
        ("Users no longer muted", found.tally.no_longer_muted()),
    ] {
        muted(&mut html, what, &users, top);
    }
    changes(&mut html, found, top);
    figures(
        &mut html,
        "By audience",
        "audience",
        found.audiences.iter().collect(),
    );
    let mut channels: Vec<_> = found.tally.channels.iter().collect();
    channels.retain(|(_, figures)| figures.differing > 0);
    channels.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.differing));
    channels.truncate(top);
    figures(&mut html, "By channel", "channel", channels);
    figures(&mut html, "By user", "user", found.worst_users(top));
    let _ = write!(
        html,
        "<h2>What was asked</h2><dl><dt>candidate</dt><dd class=\"digest\">{}</dd><dt>compared with</dt><dd class=\"digest\">{}</dd>\
         <dt>messages</dt><dd>{}</dd></dl><p class=\"soft\">Strikes, mutes and counters are those that the candidate would have built up \
         since the beginning of the stretch; what users brought along at that point is from the past as it was.</p>",
        safe(&report.candidate),
        safe(&report.baseline),
        safe(&report.messages)
    );
    page::end(html)
}

fn headline(html: &mut String, report: &Report, found: &Differences) {
    let share = |part: u64| percent(part, report.compared);
    let baseline = match report.baseline.as_str() {
        "recorded" => "the verdicts as they were given".to_owned(),
        digest => format!("policy {digest}"),
    };
    let what = format!(
        "What if “{}” had judged? Compared with {baseline}, {}",
        report.candidate_id,
        time(report.at)
    );
    let badge = format!(
        "{} more blocked, {} fewer",
        report.new_blocks, report.lost_blocks
    );
    let mut sentences = vec![format!(
        "Of {} messages “{}” would have blocked {} that passed ({}), and let {} pass that were blocked ({}). Otherwise different: {} ({}).",
        report.compared,
        report.candidate_id,
        report.new_blocks,
        share(report.new_blocks),
        report.lost_blocks,
        share(report.lost_blocks),
        otherwise(report),
        share(otherwise(report)),
    )];
    sentences.push(format!(
        "Users: {} muted who were not, {} spared who were.",
        found.tally.newly_muted().len(),
        found.tally.no_longer_muted().len()
    ));
    let mut tone = Tone::Neutral;
    if let Some(budget) = report.budget {
        let most = percent(budget.max_new_blocks, WHOLE);
        (tone, sentences) = if budget.is_kept {
            sentences.push(format!("The budget of {most} for new blocks is kept."));
            (Tone::Good, sentences)
        } else {
            sentences.push(format!(
                "The budget of {most} for new blocks is exceeded: the policy will not be activated with this report."
            ));
            (Tone::Bad, sentences)
        };
    }
    if report.is_incomplete() {
        sentences.push(
            "A part of the stretch could not be judged, because neither the beginning of the log nor a checkpoint is left."
                .to_owned(),
        );
        if tone != Tone::Bad {
            tone = Tone::Careful;
        }
    }
    page::header(html, tone, (&what, &badge), &sentences);
}

/// Messages that differ in something else than being shown at all.
fn otherwise(report: &Report) -> u64 {
    let blocks = report.new_blocks + report.lost_blocks;
    report.differing.saturating_sub(blocks)
}

/// New blocks upwards, those that fall away downwards, over time.
fn plot(html: &mut String, steps: &BTreeMap<i64, Step>) {
    let (Some(first), Some(last)) = (steps.keys().next(), steps.keys().next_back()) else {
        return;
    };
    let most = steps
        .values()
        .map(|step| step.new_blocks.max(step.lost_blocks));
    let most = most.max().unwrap_or(0).max(1) as f64;
    let count = ((last - first) / super::what_if::STEP_MS + 1) as f64;
    let (wide, high) = ((WIDTH - LEFT) / count, (HEIGHT - BOTTOM) / 2.0);
    let _ = write!(
        html,
        "<h2>Over time</h2><p class=\"soft\">Messages per hour:<span class=\"key more\"></span>newly blocked<span class=\"key \
         less\"></span>no longer blocked</p><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"changes over time\">\
         <line class=\"grid\" x1=\"{LEFT}\" y1=\"{high}\" x2=\"{WIDTH}\" y2=\"{high}\"/>\
         <text class=\"end\" x=\"{}\" y=\"12\">{most}</text><text class=\"end\" x=\"{}\" y=\"{}\">0</text>\
         <text class=\"end\" x=\"{}\" y=\"{}\">{most}</text>",
        LEFT - 8.0,
        LEFT - 8.0,
        high + 4.0,
        LEFT - 8.0,
        2.0 * high
    );
    for (at, step) in steps {
        let x = LEFT + (at - first) as f64 / super::what_if::STEP_MS as f64 * wide;
        let bar = (wide * 0.86).clamp(0.5, 40.0);
        let (up, down) = (
            step.new_blocks as f64 / most * high,
            step.lost_blocks as f64 / most * high,
        );
        let _ = write!(
            html,
            "<rect class=\"more\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{bar:.1}\" height=\"{up:.1}\"><title>{}: {} new of {}</title></rect>\
             <rect class=\"less\" x=\"{x:.1}\" y=\"{high}\" width=\"{bar:.1}\" height=\"{down:.1}\"><title>{}: {} fewer</title></rect>",
            high - up,
            time(*at),
            step.new_blocks,
            step.messages,
            time(*at),
            step.lost_blocks
        );
    }
    let _ = write!(
        html,
        "<text x=\"{LEFT}\" y=\"{}\">{}</text><text class=\"end\" x=\"{WIDTH}\" y=\"{}\">{}</text></svg>",
        HEIGHT - 6.0,
        time(*first),
        HEIGHT - 6.0,
        time(last + super::what_if::STEP_MS)
    );
}

/// From what was decided to what would have been.
fn actions(html: &mut String, found: &Differences) {
    html.push_str(
        "<h2>What would change</h2><table><tr><th>decided</th><th>by the candidate</th><th class=\"n\">messages</th></tr>",
    );
    let mut rows: Vec<_> = found.tally.actions.iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for ((before, after), count) in rows {
        let class = if before == after {
            " class=\"soft\""
        } else {
            ""
        };
        let _ = write!(
            html,
            "<tr{class}><td>{}</td><td>{}</td><td class=\"n\">{count}</td></tr>",
            safe(before),
            safe(after)
        );
    }
    html.push_str("</table>");
}

fn figures(html: &mut String, title: &str, column: &str, rows: Vec<(&String, &Figures)>) {
    if rows.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<h2>{title}</h2><table><tr><th>{column}</th><th class=\"n\">differing</th><th class=\"n\">newly blocked</th><th class=\"n\">no longer blocked</th></tr>"
    );
    for (name, figures) in rows {
        let _ = write!(
            html,
            "<tr><td class=\"name\"><bdi>{}</bdi></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            safe(name),
            figures.differing,
            figures.new_blocks,
            figures.lost_blocks
        );
    }
    html.push_str("</table>");
}

fn changes(html: &mut String, found: &Differences, top: usize) {
    let mut rules: Vec<_> = found.tally.rules.iter().collect();
    rules.sort_by_key(|(_, change)| std::cmp::Reverse(change.candidate_only + change.active_only));
    if !rules.is_empty() {
        html.push_str(
            "<h2>By rule</h2><table><tr><th>rule</th><th class=\"n\">speaks newly</th><th class=\"n\">falls silent</th></tr>",
        );
        for (rule, change) in rules.into_iter().take(top) {
            let _ = write!(
                html,
                "<tr><td class=\"name\"><bdi>{}</bdi></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                safe(rule),
                change.candidate_only,
                change.active_only
            );
        }
        html.push_str("</table>");
    }
    if !found.tally.topics.is_empty() {
        html.push_str(
            "<h2>By topic</h2><table><tr><th>topic</th><th class=\"n\">appears</th><th class=\"n\">vanishes</th><th class=\"n\">higher</th><th class=\"n\">lower</th></tr>",
        );
        for (topic, change) in &found.tally.topics {
            let _ = write!(
                html,
                "<tr><td class=\"name\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                safe(topic),
                change.appears,
                change.vanishes,
                change.higher,
                change.lower
            );
        }
        html.push_str("</table>");
    }
}

fn muted(html: &mut String, title: &str, users: &[(&str, u64)], top: usize) {
    if users.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<h2>{title}: {}</h2><table><tr><th>user</th><th class=\"n\">messages under the mute</th></tr>",
        users.len()
    );
    for (user, count) in users.iter().take(top) {
        let _ = write!(
            html,
            "<tr><td class=\"name\"><bdi>{}</bdi></td><td class=\"n\">{count}</td></tr>",
            safe(user)
        );
    }
    html.push_str("</table>");
}

fn said(html: &mut String, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    html.push_str(
        "<h2>Examples</h2><div class=\"wide\"><table class=\"diff\"><tr><th>message</th><th>decided</th><th>by the candidate</th></tr>",
    );
    let side = |said: &Said| {
        let mut words = vec![said.action.clone()];
        if said.code != "judged" {
            words.push(format!("[{}]", said.code));
        }
        words.extend(said.effects.iter().map(|effect| format!("+{effect}")));
        words.extend(said.rules.iter().cloned());
        safe(&words.join(" "))
    };
    for sample in samples {
        let _ = write!(
            html,
            "<tr><td><bdi>{}</bdi><br><small class=\"soft\">{}:{} <bdi>{}/{}</bdi> by <bdi>{}</bdi>, {}</small></td><td>{}</td><td>{}</td></tr>",
            safe(sample.text.as_deref().unwrap_or_default()),
            sample.partition,
            sample.offset,
            safe(&sample.community),
            safe(&sample.channel),
            safe(&sample.user),
            safe(sample.audience.as_deref().unwrap_or("default")),
            side(&sample.active),
            side(&sample.candidate)
        );
    }
    html.push_str("</table></div>");
}
