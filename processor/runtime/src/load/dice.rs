//! Chance that can be asked again.
//!
//! Invariant: what a die shows for a number follows from the seed, the purpose and that number alone. So a sender and the reader
//! agree on whose message number 17 is without telling each other, in any order, and a seed repeats a run.

/// What is drawn; each purpose has its own numbers.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    Arrival,
    HotUser,
    User,
    Text,
    Word,
}

/// A die for one purpose.
#[derive(Debug, Clone, Copy)]
pub struct Dice {
    origin: u64,
}

impl Dice {
    pub fn new(seed: u64, purpose: Purpose) -> Dice {
        Dice {
            origin: mix(seed ^ mix(purpose as u64 + 1)),
        }
    }

    /// 64 random bits for this number.
    pub fn bits(&self, number: u64) -> u64 {
        mix(self.origin.wrapping_add(number.wrapping_mul(GOLDEN)))
    }

    /// At least 0 and less than 1.
    pub fn unit(&self, number: u64) -> f64 {
        const STEPS: f64 = (1u64 << 53) as f64;
        (self.bits(number) >> 11) as f64 / STEPS
    }

    /// At least 0 and less than `count`, which is not 0.
    pub fn below(&self, number: u64, count: usize) -> usize {
        let scaled = u128::from(self.bits(number)) * count as u128;
        (scaled >> 64) as usize
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_die_shows_the_same_again_and_something_else_for_every_purpose_and_seed() {
        let first = Dice::new(7, Purpose::User);
        assert_eq!(
            first.bits(41),
            Dice::new(7, Purpose::User).bits(41),
            "asked again"
        );
        assert_ne!(first.bits(41), Dice::new(7, Purpose::Text).bits(41));
        assert_ne!(first.bits(41), Dice::new(8, Purpose::User).bits(41));
    }

    #[test]
    fn every_face_comes_up_about_as_often() {
        let dice = Dice::new(1, Purpose::Text);
        let mut faces = [0u32; 10];
        for number in 0..100_000 {
            faces[dice.below(number, 10)] += 1;
        }
        assert!(
            faces.iter().all(|count| (9_500..10_500).contains(count)),
            "{faces:?}"
        );
        let mean: f64 = (0..100_000).map(|n| dice.unit(n)).sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
    }
}
