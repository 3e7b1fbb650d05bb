//! Numbers as typed on the command line of the load.

use gavel_runtime::load::{Burst, SECONDS_MAX};

/// More would be a typo: no machine sends that much.
const RATE_MAX: f64 = 10_000_000.0;
/// Above it one user writes nearly everything: that is `--hot-share`.
const ZIPF_MAX: f64 = 10.0;

/// A rate that changes from one to the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    pub from: f64,
    pub to: f64,
}

impl Ramp {
    pub fn constant(rate: f64) -> Ramp {
        Ramp {
            from: rate,
            to: rate,
        }
    }
}

pub fn rate(text: &str) -> Result<f64, String> {
    within(text, 0.0..=RATE_MAX)
        .filter(|rate| *rate > 0.0)
        .ok_or_else(|| format!("write messages a second, more than 0 and at most {RATE_MAX}"))
}

pub fn ramp(text: &str) -> Result<Ramp, String> {
    let bounds = text.split_once("..").and_then(|(from, to)| {
        Some(Ramp {
            from: within(from, 0.0..=RATE_MAX)?,
            to: within(to, 0.0..=RATE_MAX)?,
        })
    });
    bounds.ok_or_else(|| "write two rates in messages a second, for example 1000..50000".into())
}

pub fn burst(text: &str) -> Result<Burst, String> {
    let burst = || {
        let (factor, times) = text.split_once('x')?;
        let (seconds, every) = times.split_once('/')?;
        Some(Burst {
            factor: within(factor, 0.0..=1_000.0)?,
            seconds: within(seconds, 0.0..=SECONDS_MAX)?,
            every_seconds: within(every, 0.0..=SECONDS_MAX)?,
        })
    };
    burst().ok_or_else(|| "write a factor and seconds, for example 3x2/10: three times the rate for 2 s of every 10 s".into())
}

pub fn seconds(text: &str) -> Result<f64, String> {
    within(text, 0.0..=SECONDS_MAX).ok_or_else(|| format!("write seconds, from 0 to {SECONDS_MAX}"))
}

pub fn zipf(text: &str) -> Result<f64, String> {
    within(text, 0.0..=ZIPF_MAX).ok_or_else(|| format!("write a number from 0 to {ZIPF_MAX}"))
}

pub fn share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => within(percent, 0.0..=100.0).map(|percent| percent / 100.0),
        None => within(text, 0.0..=1.0),
    };
    share
        .filter(|share| *share > 0.0 && *share < 1.0)
        .ok_or_else(|| "write a part of all, for example 0.2 or 20%".into())
}

fn within(text: &str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    range.contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_ramps_and_bursts_are_read_as_written() {
        assert_eq!(rate("47000"), Ok(47_000.0));
        assert_eq!(rate("0.5"), Ok(0.5));
        assert_eq!(
            ramp("1000..50000"),
            Ok(Ramp {
                from: 1_000.0,
                to: 50_000.0
            })
        );
        let wanted = Burst {
            factor: 3.0,
            seconds: 2.0,
            every_seconds: 10.0,
        };
        assert_eq!(burst("3x2/10"), Ok(wanted));
        assert_eq!((share("0.2"), share("20%")), (Ok(0.2), Ok(0.2)));
        assert_eq!((seconds("1.5"), zipf("0")), (Ok(1.5), Ok(0.0)));
    }

    #[test]
    fn what_is_no_number_or_beyond_reason_is_refused() {
        for wrong in ["", "0", "-1", "NaN", "inf", "1e9", "47k"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        for wrong in ["1000", "1000..", "..1000", "a..b", "1..-2"] {
            assert!(ramp(wrong).is_err(), "{wrong}");
        }
        for wrong in ["3", "3x", "3x2", "x2/10", "3x2/", "-3x2/10"] {
            assert!(burst(wrong).is_err(), "{wrong}");
        }
        for wrong in ["0", "1", "100%", "1.5", "x%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert!(seconds("7201").is_err() && zipf("11").is_err());
    }
}
