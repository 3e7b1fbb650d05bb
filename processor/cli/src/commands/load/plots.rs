//! Plots as inline SVG.
//!
//! Invariant: colours come from the page's classes, so a plot follows light and dark; nothing in here is a word from outside.

use std::fmt::Write as _;

use gavel_runtime::load::{Point, Second, Summary};

use super::text::{decimal, time};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 34.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 48.0;

/// A line of a plot: its class, and its points.
type Line = (&'static str, Vec<(f64, f64)>);

/// Whether distances on an axis are differences or factors.
#[derive(Clone, Copy, PartialEq)]
enum Scale {
    Linear,
    Log,
}

/// What an axis spans.
#[derive(Clone, Copy)]
struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
}

impl Axis {
    /// Where a value lies, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Log => (value / self.from).ln() / (self.to / self.from).ln(),
        };
        part.clamp(0.0, 1.0)
    }

    /// Microseconds, from a round number below the least to one above the most.
    fn times(lines: &[Line]) -> Axis {
        let values = || lines.iter().flat_map(|(_, points)| points).map(|(_, y)| *y);
        let least = values().fold(f64::INFINITY, f64::min).clamp(10.0, 30e6);
        let most = values().fold(0.0, f64::max).max(least * 1.01);
        Axis {
            scale: Scale::Log,
            from: round_down(least),
            to: -round_down(-most),
        }
    }

    /// Round numbers on it: 1, 2, 5 times a power of ten; on a long one the powers only.
    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = step(self.to - self.from);
                let count = ((self.to - self.from) / step + 1e-9).floor() as u32;
                (0..=count)
                    .map(|tick| self.from + f64::from(tick) * step)
                    .collect()
            }
            Scale::Log => {
                let decades = (self.to / self.from).log10();
                let factors: &[f64] = if decades > 3.0 {
                    &[1.0]
                } else {
                    &[1.0, 2.0, 5.0]
                };
                let first = self.from.log10().floor() as i32;
                let last = self.to.log10().ceil() as i32;
                let all = (first..=last)
                    .flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
                all.filter(|tick| *tick >= self.from * 0.999 && *tick <= self.to * 1.001)
                    .collect()
            }
        }
    }
}

/// The next of 1, 2, 5 times a power of ten towards minus infinity.
fn round_down(value: f64) -> f64 {
    let size = value.abs();
    let power = 10f64.powf(size.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let rounded = if value > 0.0 {
        factors
            .iter()
            .rev()
            .find(|factor| **factor * power <= size * 1.000_001)
    } else {
        factors
            .iter()
            .find(|factor| **factor * power >= size * 0.999_999)
    };
    rounded.copied().unwrap_or(1.0) * power * value.signum()
}

/// A round distance that divides a span into four to eight parts or so.
fn step(span: f64) -> f64 {
    -round_down(-(span / 8.0).max(1e-9))
}

/// Latency over the part of messages that were faster, with the slowest spread out: as far from one nine to the next as to the first.
pub fn percentiles(summaries: &[(&'static str, &Summary)]) -> String {
    let messages = summaries.iter().map(|(_, summary)| summary.messages).max();
    let most = messages.unwrap_or(1).max(10) as f64;
    let lines: Vec<Line> = summaries
        .iter()
        .map(|(class, summary)| {
            let points = summary.curve.iter().map(|Point { quantile, us }| {
                let slower = (1.0 - quantile).max(1.0 / most);
                (1.0 / slower, *us as f64)
            });
            (*class, points.collect())
        })
        .collect();
    let x = Axis {
        scale: Scale::Log,
        from: 1.0,
        to: most,
    };
    let mut nines = vec![(1.0, "0 %".to_owned()), (2.0, "50 %".to_owned())];
    let mut slower = 10.0;
    while slower <= most {
        let digits = (slower.log10().round() as usize).saturating_sub(2);
        nines.push((slower, format!("{:.digits$} %", 100.0 - 100.0 / slower)));
        slower *= 10.0;
    }
    let y = Axis::times(&lines);
    plot(
        "Latency by percentile",
        (x, &nines, "part of all messages"),
        (y, &times(&y), "latency"),
        &lines,
    )
}

/// Figures of each second.
pub fn latencies(seconds: &[Second]) -> String {
    let of = |class, figure: fn(&Second) -> Option<u64>| -> Line {
        let points = seconds
            .iter()
            .filter_map(|second| Some((second.second as f64 + 0.5, figure(second)? as f64)));
        (class, points.collect())
    };
    let lines = [
        of("max", |second| second.max_us),
        of("p99", |second| second.p99_us),
        of("p50", |second| second.p50_us),
    ];
    let x = time_axis(seconds);
    let y = Axis::times(&lines);
    plot(
        "Latency over time",
        (x, &numbers(&x), "seconds of the measured part"),
        (y, &times(&y), "latency"),
        &lines,
    )
}

/// What was meant to leave, left and came back in each second.
pub fn rates(seconds: &[Second]) -> String {
    let of = |class, count: fn(&Second) -> u64| -> Line {
        let points = seconds
            .iter()
            .map(|second| (second.second as f64 + 0.5, count(second) as f64));
        (class, points.collect())
    };
    let lines = [
        of("received", |second| second.received),
        of("sent", |second| second.sent),
        of("intended", |second| second.intended),
    ];
    let most = lines
        .iter()
        .flat_map(|(_, points)| points)
        .map(|(_, y)| *y)
        .fold(1.0, f64::max);
    let ceiling = (most / step(most)).ceil() * step(most);
    let x = time_axis(seconds);
    let y = Axis {
        scale: Scale::Linear,
        from: 0.0,
        to: ceiling,
    };
    plot(
        "Messages a second over time",
        (x, &numbers(&x), "seconds of the measured part"),
        (y, &numbers(&y), "messages/s"),
        &lines,
    )
}

fn time_axis(seconds: &[Second]) -> Axis {
    Axis {
        scale: Scale::Linear,
        from: 0.0,
        to: seconds.len().max(1) as f64,
    }
}

type Ticks = [(f64, String)];

fn numbers(axis: &Axis) -> Vec<(f64, String)> {
    axis.ticks()
        .into_iter()
        .map(|tick| (tick, decimal(tick)))
        .collect()
}

fn times(axis: &Axis) -> Vec<(f64, String)> {
    // A tick is a round number: `10 ms`, not `10.0 ms`.
    let short = |us: f64| {
        let text = time(us.round() as u64);
        let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
        let number = match number.contains('.') {
            true => number.trim_end_matches('0').trim_end_matches('.'),
            false => number,
        };
        format!("{number} {unit}")
    };
    axis.ticks()
        .into_iter()
        .map(|tick| (tick, short(tick)))
        .collect()
}

fn plot(
    title: &str,
    (x, x_ticks, x_name): (Axis, &Ticks, &str),
    (y, y_ticks, y_name): (Axis, &Ticks, &str),
    lines: &[Line],
) -> String {
    let across = |value: f64| LEFT + x.part(value) * (WIDTH - LEFT - RIGHT);
    let down = |value: f64| HEIGHT - BOTTOM - y.part(value) * (HEIGHT - TOP - BOTTOM);
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" class=\"plot\" role=\"img\" aria-label=\"{title}\">"
    );
    for (tick, name) in y_ticks {
        let y = down(*tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"end\" x=\"{:.1}\" \
             y=\"{:.1}\">{name}</text>",
            LEFT - 7.0,
            y + 4.0
        );
    }
    for (tick, name) in x_ticks {
        let x = across(*tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/><text class=\"mid\" x=\"{x:.1}\" \
             y=\"{:.1}\">{name}</text>",
            bottom + 17.0
        );
    }
    for (class, points) in lines {
        let places: Vec<String> = points
            .iter()
            .map(|(x, y)| format!("{:.1},{:.1}", across(*x), down(*y)))
            .collect();
        let _ = match places.as_slice() {
            // A line needs two places to be seen.
            [one] => {
                let (x, y) = one.split_once(',').unwrap_or_default();
                write!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>"
                )
            }
            places => write!(
                svg,
                "<polyline class=\"{class}\" points=\"{}\"/>",
                places.join(" ")
            ),
        };
    }
    let _ = write!(
        svg,
        "<text class=\"mid\" x=\"{:.1}\" y=\"{:.1}\">{x_name}</text><text class=\"mid\" transform=\"translate(13 {:.1}) \
         rotate(-90)\">{y_name}</text></svg>",
        (LEFT + right) / 2.0,
        HEIGHT - 8.0,
        (TOP + bottom) / 2.0
    );
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: usize, us: u64) -> Second {
        Second {
            second,
            intended: 100,
            missing: 0,
            sent: 100,
            received: 99,
            p50_us: Some(us),
            p99_us: Some(us * 3),
            max_us: Some(us * 10),
        }
    }

    fn summary(points: &[(f64, u64)]) -> Summary {
        Summary {
            messages: 100_000,
            mean_us: 1.0,
            p50_us: 1,
            p90_us: 1,
            p99_us: 1,
            p99_9_us: 1,
            max_us: 1,
            curve: points
                .iter()
                .map(|(quantile, us)| Point {
                    quantile: *quantile,
                    us: *us,
                })
                .collect(),
        }
    }

    /// Every element is closed in order, every attribute is quoted, and no coordinate is infinite or no number.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let (tag, text) = tag.split_once('>').expect("a tag ends");
            assert!(
                tag.matches('"').count() % 2 == 0 && !text.contains('"'),
                "{tag}"
            );
            let name = tag.split_whitespace().next().unwrap_or_default();
            if let Some(name) = name.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(
            !svg.contains("NaN") && !svg.contains("inf,") && !svg.contains(",inf"),
            "{svg}"
        );
    }

    #[test]
    fn plots_are_well_formed_whatever_was_measured() {
        for seconds in [
            vec![],
            vec![second(0, 1)],
            (0..300).map(|at| second(at, 4_000 + at as u64)).collect(),
            vec![
                second(0, 60_000_000),
                Second {
                    p50_us: None,
                    p99_us: None,
                    max_us: None,
                    ..second(1, 0)
                },
            ],
        ] {
            assert_well_formed(&latencies(&seconds));
            assert_well_formed(&rates(&seconds));
        }
        for points in [
            &[][..],
            &[(1.0, 60_000_000)],
            &[(0.0, 0), (0.5, 4_000), (0.99, 9_000), (1.0, 9_500)],
        ] {
            assert_well_formed(&percentiles(&[("all", &summary(points))]));
        }
    }

    #[test]
    fn the_curve_gives_every_nine_the_same_room() {
        let svg = percentiles(&[(
            "all",
            &summary(&[(0.9, 1_000), (0.99, 1_000), (0.999, 2_000), (1.0, 5_000)]),
        )]);
        let points = svg
            .split("points=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default();
        let across: Vec<f64> = points
            .split(' ')
            .filter_map(|point| point.split(',').next()?.parse().ok())
            .collect();
        let gaps: Vec<f64> = across.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((gaps[0] - gaps[1]).abs() < 0.3, "{gaps:?}");
        for label in ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"] {
            assert!(svg.contains(&format!(">{label}<")), "{label} in {svg}");
        }
    }

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(
            (round_down(4_300.0), round_down(-4_300.0)),
            (2_000.0, -5_000.0)
        );
        let axis = Axis {
            scale: Scale::Log,
            from: 1_000.0,
            to: 20_000.0,
        };
        let names: Vec<String> = times(&axis).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["1 ms", "2 ms", "5 ms", "10 ms", "20 ms"]);
        let axis = Axis {
            scale: Scale::Linear,
            from: 0.0,
            to: 60.0,
        };
        assert_eq!(axis.ticks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
    }
}
