//! Plots as inline SVG.
//!
//! Invariant: colours come from the page's classes, so a plot follows light and dark; words are escaped by the page's `safe`.

use std::fmt::Write as _;

use super::cut;
use super::report::RiskPoint;
use crate::page::safe;
use crate::table::visible;

/// Bytes shown of a name beside a bar.
const NAME_SHOWN: usize = 18;

/// Precision over recall, a point for each risk from which on lines could be flagged.
pub fn curve(measured: &[RiskPoint], other: Option<&[RiskPoint]>) -> String {
    const SIZE: f64 = 300.0;
    const LEFT: f64 = 52.0;
    const TOP: f64 = 14.0;
    let x = |recall: f64| LEFT + recall * SIZE;
    let y = |precision: f64| TOP + (1.0 - precision) * SIZE;
    let mut svg = String::from(
        "<svg viewBox=\"0 0 380 372\" class=\"curve\" role=\"img\" aria-label=\"Precision over recall by risk\">",
    );
    for step in 0..=5 {
        let share = f64::from(step) / 5.0;
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/><line class=\"grid\" y1=\"{}\" y2=\"{}\" \
             x1=\"{x}\" x2=\"{x}\"/><text x=\"{}\" y=\"{}\" class=\"end\">{share:.1}</text><text x=\"{x}\" y=\"{}\" \
             class=\"mid\">{share:.1}</text>",
            x(0.0),
            x(1.0),
            y(0.0),
            y(1.0),
            x(0.0) - 7.0,
            y(share) + 4.0,
            y(0.0) + 17.0,
            x = x(share),
            y = y(share),
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" class=\"mid\">recall</text><text class=\"mid\" transform=\"translate(14 {}) rotate(-90)\">\
         precision</text>",
        x(0.5),
        y(0.0) + 36.0,
        y(0.5)
    );
    let curves = [(other, "other"), (Some(measured), "measured")];
    for (points, class) in curves {
        let Some(points) = points else { continue };
        let path: Vec<String> = merged(points)
            .into_iter()
            .map(|(_, _, recall, precision)| format!("{:.1},{:.1}", x(recall), y(precision)))
            .collect();
        let _ = write!(
            svg,
            "<polyline class=\"{class}\" points=\"{}\"/>",
            path.join(" ")
        );
    }
    for (points, class) in curves {
        for (first, last, recall, precision) in points.map(merged).unwrap_or_default() {
            let (x, y) = (x(recall), y(precision));
            let _ = write!(
                svg,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>risk {}: precision {precision:.3}, recall \
                 {recall:.3}</title></circle>",
                range(first, last)
            );
            if class == "measured" {
                // Above and to the inner side of its point, clear of the axes.
                let (class, aside) = if x > LEFT + SIZE - 40.0 {
                    ("end strong", -7.0)
                } else {
                    ("strong", 7.0)
                };
                let below = if y < TOP + 20.0 { 17.0 } else { -7.0 };
                let _ = write!(
                    svg,
                    "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    x + aside,
                    y + below,
                    range(first, last)
                );
            }
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Points that have both figures; neighbours at (nearly) one place become one, or their labels would lie on each other.
fn merged(points: &[RiskPoint]) -> Vec<(usize, usize, f64, f64)> {
    const NEAR: f64 = 0.035;
    let mut places: Vec<(usize, usize, f64, f64)> = Vec::new();
    for point in points {
        let (Some(precision), Some(recall)) = (point.figures.precision, point.figures.recall)
        else {
            continue;
        };
        let (precision, recall) = (precision.value, recall.value);
        match places.last_mut() {
            Some((_, last, x, y))
                if (*x - recall).abs() < NEAR && (*y - precision).abs() < NEAR =>
            {
                *last = point.risk;
            }
            _ => places.push((point.risk, point.risk, recall, precision)),
        }
    }
    places
}

fn range(first: usize, last: usize) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}–{last}")
    }
}

/// A bar between 0 and 1 for each name; None: there is nothing to measure.
pub fn shares(rows: &[(&str, Option<f64>)]) -> String {
    let mut svg = bars_of(rows.len());
    for (at, (name, share)) in rows.iter().enumerate() {
        let y = row(&mut svg, at, name);
        let width = share.unwrap_or(0.0) * BAR;
        let _ = write!(
            svg,
            "<rect class=\"track\" x=\"{NAMES}\" y=\"{y}\" width=\"{BAR}\" height=\"{THICK}\"/><rect class=\"share\" x=\"{NAMES}\" \
             y=\"{y}\" width=\"{width:.1}\" height=\"{THICK}\"/><text x=\"{}\" y=\"{}\">{}</text>",
            NAMES + BAR + 8.0,
            y + 12.0,
            share.map_or("–".to_owned(), |share| format!("{share:.3}"))
        );
    }
    svg.push_str("</svg>");
    svg
}

/// A bar for each name, in two parts.
pub fn parts(rows: &[(&str, u64, u64)]) -> String {
    let most = rows
        .iter()
        .map(|(_, right, wrong)| right + wrong)
        .max()
        .unwrap_or(0)
        .max(1);
    let mut svg = bars_of(rows.len());
    for (at, (name, right, wrong)) in rows.iter().enumerate() {
        let y = row(&mut svg, at, name);
        let width = |count: u64| count as f64 / most as f64 * BAR;
        let _ = write!(
            svg,
            "<rect class=\"wrong\" x=\"{NAMES}\" y=\"{y}\" width=\"{:.1}\" height=\"{THICK}\"/><rect class=\"right\" x=\"{:.1}\" \
             y=\"{y}\" width=\"{:.1}\" height=\"{THICK}\"/><text x=\"{:.1}\" y=\"{}\">{wrong} | {right}</text>",
            width(*wrong),
            NAMES + width(*wrong),
            width(*right),
            NAMES + width(right + wrong) + 8.0,
            y + 12.0,
        );
    }
    svg.push_str("</svg>");
    svg
}

const NAMES: f64 = 150.0;
const BAR: f64 = 280.0;
const THICK: f64 = 15.0;
const STEP: f64 = 23.0;

fn bars_of(rows: usize) -> String {
    let height = rows as f64 * STEP + 6.0;
    format!(
        "<svg viewBox=\"0 0 520 {height}\" class=\"bars\" role=\"img\" aria-label=\"Bars; the table has the same figures\">"
    )
}

fn row(svg: &mut String, at: usize, name: &str) -> f64 {
    let y = at as f64 * STEP + 4.0;
    // Escapes are longer than what they stand for: first escaped, then cut.
    let name = visible(name);
    let (shown, is_all) = cut(&name, NAME_SHOWN);
    let _ = write!(
        svg,
        "<text class=\"end\" x=\"{}\" y=\"{}\">{}{}</text>",
        NAMES - 8.0,
        y + 12.0,
        safe(shown),
        if is_all { "" } else { "…" }
    );
    y
}
