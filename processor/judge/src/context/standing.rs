//! Where a user stands: mute, points and trust.
//!
//! Invariant: there is one way to count points. Judging adds them one by one; an appeal adds those that are left from the beginning.
//! Two ways would differ by a rounding one day, and a user would get another mute back than the one without the verdict.

use super::long;
use crate::policy::{Consequence, Strikes, TrustLevel};

/// What follows from everything a user did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub mute_until: i64,
    /// Thousandths of a point, as of `strikes_at`.
    pub strikes: u64,
    pub strikes_at: i64,
    /// Holds while at least `trust_floor` thousandths of a point are left.
    pub trust: TrustLevel,
    pub trust_floor: u64,
}

impl Standing {
    /// Reads what the bytes begin with.
    pub(super) fn read(bytes: &[u8]) -> Option<Standing> {
        Some(Standing {
            mute_until: long(bytes, 0)?,
            strikes: long(bytes, 8)? as u64,
            strikes_at: long(bytes, 16)?,
            trust_floor: long(bytes, 24)? as u64,
            trust: TrustLevel::from_byte(*bytes.get(32)?)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for value in [
            self.mute_until,
            self.strikes as i64,
            self.strikes_at,
            self.trust_floor as i64,
        ] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.push(self.trust.as_byte());
    }

    /// Adds points and what their steps bring for the time after. Gives the total.
    pub fn strike(&mut self, strikes: &Strikes, points: u64, at: i64) -> u64 {
        let total = self
            .strikes_left(at, strikes.half_life)
            .saturating_add(points);
        (self.strikes, self.strikes_at) = (total, at);
        for step in strikes.steps.iter().filter(|step| total >= step.gte) {
            if let Some(ms) = step.consequence.as_ref().and_then(Consequence::mute) {
                self.mute_until = self.mute_until.max(at.saturating_add(ms));
            }
            if let Some(trust) = step.trust {
                (self.trust, self.trust_floor) = (trust, (step.gte / 2).max(1));
            }
        }
        total
    }

    /// Thousandths of points left at `now`.
    pub fn strikes_left(&self, now: i64, half_life: i64) -> u64 {
        decay(
            self.strikes,
            now.saturating_sub(self.strikes_at).max(0),
            half_life,
        )
    }

    /// The level that a step of the strikes gave, as long as at least half of the points for that step are left: a user who has just
    /// reached a step stays there for a half-life and not for a millisecond.
    pub fn trust(&self, strikes: Option<&Strikes>, now: i64) -> TrustLevel {
        let holds = self.trust_floor > 0
            && self.strikes_left(now, half_life_of(strikes)) >= self.trust_floor;
        if holds {
            self.trust
        } else {
            TrustLevel::default()
        }
    }

    /// This one, but in no respect worse for the user at `now` than `before`.
    pub fn no_worse_than(
        mut self,
        before: &Standing,
        strikes: Option<&Strikes>,
        now: i64,
    ) -> Standing {
        self.mute_until = self.mute_until.min(before.mute_until);
        let half_life = half_life_of(strikes);
        if self.strikes_left(now, half_life) > before.strikes_left(now, half_life) {
            (self.strikes, self.strikes_at) = (before.strikes, before.strikes_at);
        }
        let held = before.trust(strikes, now);
        if self.trust(strikes, now) >= held {
            return self;
        }
        (self.trust, self.trust_floor) = (held, 0);
        if held > TrustLevel::default() {
            // A level above the usual holds only on points: as from a step that what is left has just reached.
            let left = self.strikes_left(now, half_life).max(1);
            (self.strikes, self.strikes_at) = (left, now);
            self.trust_floor = (left / 2).max(1).min(before.trust_floor);
        }
        self
    }
}

/// Without strikes in the policy, points are gone at once.
fn half_life_of(strikes: Option<&Strikes>) -> i64 {
    strikes.map_or(1, |strikes| strikes.half_life)
}

/// 2^(-i/16) in units of 2^-32.
const SIXTEENTHS: [u64; 17] = [
    4_294_967_296,
    4_112_874_773,
    3_938_502_376,
    3_771_522_796,
    3_611_622_603,
    3_458_501_653,
    3_311_872_529,
    3_171_459_999,
    3_037_000_500,
    2_908_241_642,
    2_784_941_738,
    2_666_869_345,
    2_553_802_834,
    2_445_529_972,
    2_341_847_524,
    2_242_560_872,
    2_147_483_648,
];

/// Halved once per half-life; in between along a line between sixteenths (at most 0.03 % off). Integers only.
fn decay(points: u64, elapsed: i64, half_life: i64) -> u64 {
    let (elapsed, half_life) = (elapsed.max(0) as u64, half_life.max(1) as u64);
    let (halvings, rest) = (elapsed / half_life, elapsed % half_life);
    if halvings >= 64 {
        return 0;
    }
    // In 1/65536 of a half-life: fine enough, and no product below can overflow.
    let fine = (u128::from(rest) * 65_536 / u128::from(half_life)) as u64;
    let (index, part) = ((fine / 4_096) as usize, fine % 4_096);
    let factor = SIXTEENTHS[index] - (SIXTEENTHS[index] - SIXTEENTHS[index + 1]) * part / 4_096;
    ((u128::from(points >> halvings) * u128::from(factor)) >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn points_halve_exactly_with_each_half_life_and_fall_steadily_between() {
        assert_eq!(
            [0, 10, 20, 30].map(|elapsed| decay(8_000, elapsed, 10)),
            [8_000, 4_000, 2_000, 1_000]
        );
        let fall: Vec<u64> = (0..=1_000)
            .map(|elapsed| decay(1_000_000, elapsed, 1_000))
            .collect();
        assert!(fall.windows(2).all(|pair| pair[1] <= pair[0]));
        assert!((fall[500] as i64 - 707_107).abs() < 300);
        assert_eq!(decay(u64::MAX, i64::MAX, 1), 0);
    }

    fn any_standing() -> impl Strategy<Value = Standing> {
        (0..9_000i64, 0..9_000u64, 0..5_000i64, 0u8..3, 0..5_000u64).prop_map(
            |(mute_until, strikes, strikes_at, trust, trust_floor)| Standing {
                mute_until,
                strikes,
                strikes_at,
                trust: TrustLevel::from_byte(trust).unwrap_or_default(),
                trust_floor,
            },
        )
    }

    proptest! {
        #[test]
        fn no_worse_means_in_no_respect(
            after in any_standing(),
            before in any_standing(),
            half_life in proptest::option::of(1i64..9_000),
            now in 5_000i64..9_000,
        ) {
            let strikes = half_life.map(|half_life| Strikes { per_risk: [0; 8], half_life, steps: Vec::new() });
            let (strikes, half_life) = (strikes.as_ref(), half_life.unwrap_or(1));
            let mended = after.no_worse_than(&before, strikes, now);
            prop_assert!(mended.mute_until <= before.mute_until);
            prop_assert!(mended.strikes_left(now, half_life) <= before.strikes_left(now, half_life));
            prop_assert!(mended.trust(strikes, now) >= before.trust(strikes, now));
        }
    }
}
