//! What a run must keep, as typed: `p99<30ms`, `others.p99.9<50ms`, `missing<0.01%`.
//!
//! Invariant: a verdict that never came weighs as much as it can. It is the top of every time, and unless a run says how many may be
//! missing, none may.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::histogram::Summary;
use super::report::{Counts, Latency};

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    typed: String,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Time {
        of: Whose,
        figure: Figure,
        below_us: f64,
    },
    Missing(Share),
}

/// Whose verdicts are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    All,
    Hot,
    Others,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    P50,
    P90,
    P99,
    P999,
    Max,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Share {
    Messages(u64),
    Percent(f64),
}

/// What became of one.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub slo: Slo,
    /// The measured figure as a person writes it.
    pub measured: String,
    pub met: bool,
}

/// What may be written.
const FORMS: &str = "write for example p99<30ms, others.p99<30ms, max<1s, missing<10 or missing<0.1%; figures are p50, p90, p99, \
                     p99.9 and max, units us, ms and s";

impl Slo {
    /// That nothing is missing.
    pub fn none_missing() -> Slo {
        Slo {
            typed: "missing<1".into(),
            what: What::Missing(Share::Messages(1)),
        }
    }

    pub fn is_about_missing(&self) -> bool {
        matches!(self.what, What::Missing(_))
    }

    /// Whether it tells a hot user from the others.
    pub fn needs_hot(&self) -> bool {
        matches!(
            self.what,
            What::Time {
                of: Whose::Hot | Whose::Others,
                ..
            }
        )
    }

    /// Compares with what was measured.
    pub fn judge(&self, latency: &Latency, counts: &Counts) -> Outcome {
        let (measured, met) = match self.what {
            What::Time {
                of,
                figure,
                below_us,
            } => {
                let summary = match of {
                    Whose::All => latency.all.as_ref(),
                    Whose::Hot => latency.hot.as_ref(),
                    Whose::Others => latency.others.as_ref(),
                };
                match summary.map(|summary| figure.of(summary)) {
                    Some(us) => (milliseconds(us), (us as f64) < below_us),
                    None => ("nothing".to_owned(), false),
                }
            }
            What::Missing(Share::Messages(below)) => {
                (counts.missing.to_string(), counts.missing < below)
            }
            What::Missing(Share::Percent(below)) => {
                let percent = counts.missing as f64 * 100.0 / counts.intended.max(1) as f64;
                (format!("{percent:.4}%"), percent < below)
            }
        };
        Outcome {
            slo: self.clone(),
            measured,
            met,
        }
    }
}

impl Figure {
    fn of(self, summary: &Summary) -> u64 {
        match self {
            Figure::P50 => summary.p50_us,
            Figure::P90 => summary.p90_us,
            Figure::P99 => summary.p99_us,
            Figure::P999 => summary.p99_9_us,
            Figure::Max => summary.max_us,
        }
    }
}

impl FromStr for Slo {
    type Err = String;

    fn from_str(typed: &str) -> Result<Slo, String> {
        let wrong = |what: String| format!("{what}; {FORMS}");
        let (name, below) = typed
            .split_once('<')
            .ok_or_else(|| wrong("there is no `<`".into()))?;
        let (name, below) = (name.trim(), below.trim());
        let what =
            if name == "missing" {
                What::Missing(share(below).ok_or_else(|| {
                    wrong(format!("`{below}` is neither a number nor a percentage"))
                })?)
            } else {
                let (of, figure) = match name.split_once('.') {
                    Some(("hot", figure)) => (Whose::Hot, figure),
                    Some(("others", figure)) => (Whose::Others, figure),
                    Some(_) | None => (Whose::All, name),
                };
                let figure = match figure {
                    "p50" => Figure::P50,
                    "p90" => Figure::P90,
                    "p99" => Figure::P99,
                    "p99.9" => Figure::P999,
                    "max" => Figure::Max,
                    other => return Err(wrong(format!("`{other}` is no figure"))),
                };
                let below_us = microseconds(below)
                    .ok_or_else(|| wrong(format!("`{below}` is no time with a unit")))?;
                What::Time {
                    of,
                    figure,
                    below_us,
                }
            };
        Ok(Slo {
            typed: typed.to_owned(),
            what,
        })
    }
}

fn share(text: &str) -> Option<Share> {
    match text.strip_suffix('%') {
        Some(percent) => positive(percent).map(Share::Percent),
        None => text.parse().ok().filter(|n| *n > 0).map(Share::Messages),
    }
}

fn microseconds(text: &str) -> Option<f64> {
    // `s` last: it ends the others, too.
    [("us", 1.0), ("ms", 1e3), ("s", 1e6)]
        .iter()
        .find_map(|(unit, us)| positive(text.strip_suffix(unit)?).map(|value| value * us))
}

fn positive(text: &str) -> Option<f64> {
    let value: f64 = text.trim().parse().ok()?;
    (value > 0.0 && value.is_finite()).then_some(value)
}

fn milliseconds(us: u64) -> String {
    format!("{:.3} ms", us as f64 / 1e3)
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

impl Serialize for Slo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::histogram::{TOP_US, Times};

    fn outcome(slo: &str, times_us: &[u64], missing: u32) -> (String, bool) {
        let mut times = Times::new();
        for us in times_us {
            times.record_ns(us * 1_000);
        }
        times.record_missing(missing);
        let latency = Latency {
            all: times.summary(),
            hot: None,
            others: times.summary(),
        };
        let counts = Counts {
            intended: times.count(),
            missing: u64::from(missing),
            ..Counts::default()
        };
        let outcome = slo.parse::<Slo>().expect("an SLO").judge(&latency, &counts);
        (outcome.measured, outcome.met)
    }

    #[test]
    fn a_figure_is_compared_with_its_bound() {
        let times = [1_000, 2_000, 3_000, 40_000];
        assert_eq!(outcome("p50<2.5ms", &times, 0), ("2.000 ms".into(), true));
        assert!(!outcome("max<40ms", &times, 0).1, "less means less");
        assert!(outcome("max < 40001us", &times, 0).1);
        assert!(outcome("others.p99.9<1s", &times, 0).1);
        assert_eq!(outcome("hot.p99<1s", &times, 0), ("nothing".into(), false));
    }

    #[test]
    fn what_is_missing_is_the_top_of_every_time() {
        let times = [1_000; 98];
        assert!(outcome("p90<2ms", &times, 2).1);
        assert_eq!(outcome("max<60s", &times, 2), (milliseconds(TOP_US), false));
        assert!(!outcome("missing<2", &times, 2).1);
        assert!(outcome("missing<3", &times, 2).1);
        assert_eq!(outcome("missing<2.1%", &times, 2), ("2.0000%".into(), true));
        assert!(!outcome("missing<1%", &times, 2).1);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_can() {
        for wrong in [
            "",
            "p99",
            "p99<",
            "p99<30",
            "p99<-3ms",
            "p99<infs",
            "p98<3ms",
            "cold.p99<3ms",
            "missing<0",
            "missing<1.5",
            "missing<x%",
            "p99>3ms",
        ] {
            let error = wrong.parse::<Slo>().expect_err(wrong);
            assert!(error.contains("p99<30ms"), "{error}");
        }
    }
}
