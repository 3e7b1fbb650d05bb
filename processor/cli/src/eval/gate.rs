//! What a policy must reach for a build to go on.
//!
//! Invariant: a gate compares integers, and one that cannot be measured is not met. A test set that lost its labels would
//! otherwise let everything pass.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::score::Counts;

/// Millionths.
const ONE: u64 = 1_000_000;

/// A share such as `0.7` or `1%`, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let wrong = || {
            format!(
                "`{text}` is no share: write 0.7 or 70%, between 0 and 1, with at most 6 places"
            )
        };
        let (number, unit) = match text.strip_suffix('%') {
            Some(percent) => (percent, ONE / 100),
            None => (text, ONE),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || !is_number(whole) || !is_number(part) {
            return Err(wrong());
        }
        let mut millionths = whole.parse::<u64>().map_err(|_| wrong())? * unit;
        let mut place = unit;
        for digit in part.bytes() {
            if place % 10 != 0 {
                return Err(wrong());
            }
            place /= 10;
            millionths += u64::from(digit - b'0') * place;
        }
        (millionths <= ONE)
            .then_some(Share(millionths))
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / ONE, self.0 % ONE);
        out.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.0 as f64 / ONE as f64)
    }
}

impl Share {
    /// How a part of a whole compares with this share; None: there is no whole.
    fn against(self, part: u64, whole: u64) -> Option<std::cmp::Ordering> {
        let (part, whole) = (u128::from(part), u128::from(whole));
        (whole > 0).then(|| (part * u128::from(ONE)).cmp(&(whole * u128::from(self.0))))
    }
}

/// The gates of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gates {
    pub max_false_positives: Option<Share>,
    pub min_precision: Option<Share>,
    pub min_recall: Option<Share>,
    pub min_f1: Option<Share>,
}

/// A gate and how it went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Passed {
    /// The flag's name.
    pub gate: &'static str,
    pub wanted: Share,
    /// None: it could not be measured.
    pub measured: Option<f64>,
    pub met: bool,
}

impl Gates {
    pub fn check(&self, counts: &Counts) -> Vec<Passed> {
        let &Counts { tp, fp, missed, tn } = counts;
        let gates = [
            (
                "max-false-positives",
                self.max_false_positives,
                (fp, fp + tn),
            ),
            ("min-precision", self.min_precision, (tp, tp + fp)),
            ("min-recall", self.min_recall, (tp, tp + missed)),
            ("min-f1", self.min_f1, counts.f1()),
        ];
        let check = |(gate, wanted, (part, whole)): (&'static str, Option<Share>, (u64, u64))| {
            let wanted = wanted?;
            let order = wanted.against(part, whole);
            let met = if gate.starts_with("max") {
                order.is_some_and(std::cmp::Ordering::is_le)
            } else {
                order.is_some_and(std::cmp::Ordering::is_ge)
            };
            Some(Passed {
                gate,
                wanted,
                measured: (whole > 0).then(|| part as f64 / whole as f64),
                met,
            })
        };
        gates.into_iter().filter_map(check).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_fraction_or_a_percentage() {
        let share = |text: &str| text.parse::<Share>().map(|share| share.0);
        assert_eq!(share("0.7"), Ok(700_000));
        assert_eq!(share("70%"), Ok(700_000));
        assert_eq!(share("0.5%"), Ok(5_000));
        assert_eq!(share("1"), Ok(1_000_000));
        assert_eq!(share("0"), Ok(0));
        assert_eq!(share("0.000001"), Ok(1));
        for wrong in [
            "",
            "%",
            ".5",
            "-1",
            "1.1",
            "101%",
            "0.0000001",
            "0.7.1",
            "1e-1",
            "nan",
            "99999999999999999999",
        ] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Share(700_000).to_string(), "0.7");
        assert_eq!(Share(1_000_000).to_string(), "1");
    }

    #[test]
    fn a_gate_is_met_exactly_at_its_share() {
        let gates = Gates {
            min_precision: "0.333333".parse().ok(),
            min_recall: "0.333334".parse().ok(),
            max_false_positives: "50%".parse().ok(),
            min_f1: None,
        };
        let counts = Counts {
            tp: 1,
            fp: 2,
            missed: 2,
            tn: 2,
        };
        let met: Vec<bool> = gates.check(&counts).iter().map(|one| one.met).collect();
        assert_eq!(met, [true, true, false]);
    }

    #[test]
    fn what_cannot_be_measured_is_not_met() {
        let gates = Gates {
            min_precision: Some(Share(0)),
            max_false_positives: Some(Share(ONE)),
            ..Gates::default()
        };
        let passed = gates.check(&Counts::default());
        assert!(passed.iter().all(|one| !one.met && one.measured.is_none()));
        assert_eq!(passed.len(), 2);
    }
}
