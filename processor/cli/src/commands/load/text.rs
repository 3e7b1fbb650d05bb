//! The report for a terminal.
//!
//! Invariant: a void run says so in the first line, whatever else is shown.

use std::io;

use gavel_runtime::load::{Report, Summary, TOP_US, Traffic};

use crate::output::Out;
use crate::table::printable;

/// Columns of a line over time; more seconds are put together, by their worst.
const SPARKS: usize = 60;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub fn write(report: &Report, out: &mut Out) -> io::Result<()> {
    for line in lines(report) {
        out.line(&line)?;
    }
    Ok(())
}

fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(void) = &report.void {
        lines.push(format!("VOID: {void}"));
    }
    lines.push(headline(report));
    lines.push(String::new());
    lines.push(columns("", ["p50", "p90", "p99", "p99.9", "max"]));
    if let Some(latency) = &report.latency {
        lines.extend(latency.all.as_ref().map(|all| row("latency", all)));
        lines.extend(latency.hot.as_ref().map(|hot| row("  hot user", hot)));
        lines.extend(
            latency
                .others
                .as_ref()
                .map(|others| row("  others", others)),
        );
    }
    lines.extend(
        report
            .lateness
            .as_ref()
            .map(|late| row("sent late by", late)),
    );
    lines.push(String::new());
    lines.extend(counted(report));
    lines.extend(over_time(report));
    for outcome in &report.slos {
        let word = if outcome.met { "met" } else { "MISSED" };
        lines.push(format!("slo {}: {}, {word}", outcome.slo, outcome.measured));
    }
    lines
}

fn headline(report: &Report) -> String {
    let (run, plan) = (&report.run, &report.plan);
    format!(
        "{} into {} ({} partitions), verdicts from {}; run {}, load average {}{}",
        traffic(&plan.traffic),
        printable(&run.messages_topic),
        run.messages_partitions,
        printable(&run.verdicts_topic),
        run.id,
        run.load_average_after
            .map_or("unknown".to_owned(), |load| format!("{load:.1}")),
        if report.ended_early {
            "; ended early"
        } else {
            ""
        }
    )
}

/// The plan of a run in words.
pub fn traffic(traffic: &Traffic) -> String {
    let rate = if traffic.from_per_second == traffic.to_per_second {
        format!("{} messages/s", decimal(traffic.from_per_second))
    } else {
        format!(
            "{} to {} messages/s",
            decimal(traffic.from_per_second),
            decimal(traffic.to_per_second)
        )
    };
    let burst = traffic.burst.map_or(String::new(), |burst| {
        format!(
            ", {} times that for {} s of every {} s,",
            burst.factor, burst.seconds, burst.every_seconds
        )
    });
    format!("{rate}{burst} for {} s", traffic.seconds)
}

fn columns(name: &str, cells: [&str; 5]) -> String {
    let [a, b, c, d, e] = cells;
    format!("{name:<14}{a:>12}{b:>12}{c:>14}{d:>12}{e:>12}")
        .trim_end()
        .to_owned()
}

fn row(name: &str, summary: &Summary) -> String {
    let [a, b, c, d, e] = [
        summary.p50_us,
        summary.p90_us,
        summary.p99_us,
        summary.p99_9_us,
        summary.max_us,
    ]
    .map(time);
    columns(name, [&a, &b, &c, &d, &e])
}

fn counted(report: &Report) -> Vec<String> {
    let (counts, rates) = (&report.counts, &report.rates);
    let numbers = [
        counts.intended,
        counts.sent,
        counts.acknowledged,
        counts.received,
        counts.missing,
    ]
    .map(grouped);
    let [a, b, c, d, e] = &numbers;
    let speeds = [
        rates.intended_per_second,
        rates.sent_per_second,
        rates.acknowledged_per_second,
        rates.received_per_second,
    ]
    .map(decimal);
    let [f, g, h, i] = &speeds;
    vec![
        columns(
            "",
            ["intended", "sent", "acknowledged", "verdicts", "missing"],
        ),
        columns("messages", [a, b, c, d, e]),
        columns("per second", [f, g, h, i, ""]),
        format!(
            "{} copies, {} records of others, {} delivery failures; warm-up: {} sent, {} verdicts",
            grouped(counts.copies),
            grouped(counts.foreign),
            grouped(counts.delivery_failures),
            grouped(counts.warm_up_sent),
            grouped(counts.warm_up_received)
        ),
        String::new(),
    ]
}

fn over_time(report: &Report) -> Vec<String> {
    let of = |figure: fn(&gavel_runtime::load::Second) -> Option<u64>| -> Vec<u64> {
        report.seconds.iter().filter_map(figure).collect()
    };
    let figures = [
        ("p50 over time", of(|second| second.p50_us)),
        ("p99 over time", of(|second| second.p99_us)),
        ("max over time", of(|second| second.max_us)),
    ];
    let line = |(name, us): (&str, Vec<u64>)| {
        let (least, most) = (us.iter().min()?, us.iter().max()?);
        Some(format!(
            "{name}  {}  {} to {}",
            sparks(&us),
            time(*least).trim(),
            time(*most).trim()
        ))
    };
    let mut lines: Vec<String> = figures.into_iter().filter_map(line).collect();
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// A character for each second, higher with the logarithm.
fn sparks(us: &[u64]) -> String {
    let together = us.len().div_ceil(SPARKS).max(1);
    let worst: Vec<f64> = us
        .chunks(together)
        .map(|seconds| (seconds.iter().copied().max().unwrap_or(0).max(1) as f64).ln())
        .collect();
    let least = worst.iter().copied().fold(f64::INFINITY, f64::min);
    let most = worst.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Below a factor of e differences are shown as the small ones that they are.
    let span = (most - least).max(1.0);
    let top = (LEVELS.len() - 1) as f64;
    worst
        .iter()
        .map(|value| LEVELS[((value - least) / span * top).round() as usize])
        .collect()
}

/// Microseconds for a person, to about three digits.
pub fn time(us: u64) -> String {
    let ms = us as f64 / 1e3;
    match us {
        TOP_US.. => "60 s".to_owned(),
        10_000_000.. => format!("{:.1} s", ms / 1e3),
        1_000_000.. => format!("{:.2} s", ms / 1e3),
        100_000.. => format!("{ms:.0} ms"),
        10_000.. => format!("{ms:.1} ms"),
        _ => format!("{ms:.2} ms"),
    }
}

/// Thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate; below a thousand with a digit behind the point, where it has one.
pub fn decimal(number: f64) -> String {
    if number < 1_000.0 && number.fract().abs() >= 0.05 {
        format!("{number:.1}")
    } else {
        grouped(number.round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!(
            [0, 999, 1_000, 2_820_000].map(grouped),
            ["0", "999", "1,000", "2,820,000"]
        );
        assert_eq!(
            [0.0, 0.5, 47_000.0, 46_999.6].map(decimal),
            ["0", "0.5", "47,000", "47,000"]
        );
        assert_eq!(
            [250, 4_310, 12_340, 512_000, 1_684_000, 12_345_000, TOP_US].map(time),
            [
                "0.25 ms", "4.31 ms", "12.3 ms", "512 ms", "1.68 s", "12.3 s", "60 s"
            ]
        );
    }

    #[test]
    fn a_line_over_time_shows_the_worst_and_keeps_its_width() {
        assert_eq!(sparks(&[1_000, 1_000, 1_000_000]), "▁▁█");
        assert_eq!(sparks(&[5_000; 3]), "▁▁▁");
        let mut long = vec![1_000; 600];
        long[599] = 1_000_000;
        let line = sparks(&long);
        assert_eq!((line.chars().count(), line.ends_with('█')), (60, true));
    }
}
