//! From counts to figures that a person reads.

use serde::Serialize;

use super::score::Counts;

/// 95 % of a normal distribution lie within so many deviations.
const Z: f64 = 1.959_963_984_540_054;

/// A share of a count, with its 95 % interval by Wilson, which holds for few cases and for shares near 0 and 1, too.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// None: there is nothing to take a share of.
pub fn estimate(part: u64, whole: u64) -> Option<Estimate> {
    if whole == 0 {
        return None;
    }
    let (count, share) = (whole as f64, part as f64 / whole as f64);
    let square = Z * Z;
    let divisor = 1.0 + square / count;
    let centre = (share + square / (2.0 * count)) / divisor;
    let half =
        Z * (share * (1.0 - share) / count + square / (4.0 * count * count)).sqrt() / divisor;
    Some(Estimate {
        value: rounded(share),
        low: rounded((centre - half).max(0.0)),
        high: rounded((centre + half).min(1.0)),
    })
}

/// Counts with what follows from them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    pub tp: u64,
    pub fp: u64,
    #[serde(rename = "fn")]
    pub missed: u64,
    pub tn: u64,
    /// Of what is flagged, how much is right.
    pub precision: Option<Estimate>,
    /// Of what should be flagged, how much is.
    pub recall: Option<Estimate>,
    pub f1: Option<f64>,
    /// Of what is clean, how much is flagged.
    pub clean_flagged: Option<Estimate>,
}

impl From<&Counts> for Figures {
    fn from(counts: &Counts) -> Figures {
        let &Counts { tp, fp, missed, tn } = counts;
        let (part, whole) = counts.f1();
        Figures {
            tp,
            fp,
            missed,
            tn,
            precision: estimate(tp, tp + fp),
            recall: estimate(tp, tp + missed),
            f1: (whole > 0).then(|| rounded(part as f64 / whole as f64)),
            clean_flagged: estimate(fp, fp + tn),
        }
    }
}

/// Averages over topics, each topic counting the same. A figure that a topic does not have counts as 0, so that all three are
/// about the same topics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Averages {
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
}

impl Averages {
    pub fn of(figures: &[&Figures]) -> Averages {
        let mean = |of: &dyn Fn(&Figures) -> Option<f64>| {
            let sum: f64 = figures.iter().filter_map(|one| of(one)).sum();
            (!figures.is_empty()).then(|| rounded(sum / figures.len() as f64))
        };
        Averages {
            precision: mean(&|one| Some(one.precision?.value)),
            recall: mean(&|one| Some(one.recall?.value)),
            f1: mean(&|one| one.f1),
        }
    }
}

/// Six places: more would claim what no test set can show.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_wilson() {
        // Roots of (share - p)² = z² p (1 - p) / n, solved apart from this program.
        let near = |part, whole, low: f64, high: f64| {
            let found = estimate(part, whole).expect("there are cases");
            assert!((found.low - low).abs() < 1e-6, "{found:?}");
            assert!((found.high - high).abs() < 1e-6, "{found:?}");
        };
        near(8, 10, 0.490_162, 0.943_318);
        near(0, 10, 0.0, 0.277_533);
        near(10, 10, 0.722_467, 1.0);
        near(1, 2, 0.094_531, 0.905_469);
        assert_eq!(estimate(0, 0), None);
    }

    #[test]
    fn a_figure_without_cases_is_none() {
        let figures = Figures::from(&Counts {
            tn: 3,
            ..Counts::default()
        });
        assert_eq!(
            (figures.precision, figures.recall, figures.f1),
            (None, None, None)
        );
        assert_eq!(figures.clean_flagged.map(|share| share.value), Some(0.0));
    }
}
