//! Who writes each message.
//!
//! Invariant: a message's user follows from the seed and its number, so the reader knows the hot user's messages without a byte of them
//! being decoded. Nothing is kept per user but one number, and only where users differ.

use super::dice::{Dice, Purpose};

/// Who they are: `count` users, drawn by Zipf's law, and beside them perhaps one who has a share of everything.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Crowd {
    pub users: u32,
    /// The k-th user writes in proportion to `1 / k^exponent`; 0: all the same.
    pub zipf_exponent: f64,
    /// The part of all messages that one more user writes.
    pub hot_share: Option<f64>,
}

/// A user of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    Hot,
    /// From 0, the busiest first.
    Other(u32),
}

/// Draws users.
#[derive(Debug, Clone)]
pub struct Users {
    crowd: Crowd,
    hot: Dice,
    dice: Dice,
    /// Sums of the weights up to each user; empty if all have the same.
    sums: Vec<f64>,
}

impl Users {
    pub fn new(crowd: Crowd, seed: u64) -> Users {
        let mut sums = Vec::new();
        if crowd.zipf_exponent > 0.0 {
            let mut sum = 0.0;
            sums.extend((1..=crowd.users).map(|rank| {
                sum += f64::from(rank).powf(-crowd.zipf_exponent);
                sum
            }));
        }
        Users {
            crowd,
            hot: Dice::new(seed, Purpose::HotUser),
            dice: Dice::new(seed, Purpose::User),
            sums,
        }
    }

    /// The user of this message.
    pub fn of(&self, sequence: u64) -> User {
        if self.is_hot(sequence) {
            return User::Hot;
        }
        let Some(all) = self.sums.last() else {
            let user = self.dice.below(sequence, self.crowd.users.max(1) as usize);
            return User::Other(user as u32);
        };
        let drawn = self.dice.unit(sequence) * all;
        User::Other(self.sums.partition_point(|sum| *sum <= drawn) as u32)
    }

    /// Whether this message is the hot user's.
    pub fn is_hot(&self, sequence: u64) -> bool {
        self.crowd
            .hot_share
            .is_some_and(|share| self.hot.unit(sequence) < share)
    }

    /// Whether there is a hot user.
    pub fn have_hot(&self) -> bool {
        self.crowd.hot_share.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DRAWS: u64 = 200_000;

    fn counts(crowd: Crowd) -> (u64, Vec<u64>) {
        let users = Users::new(crowd, 5);
        let mut others = vec![0u64; crowd.users as usize];
        let mut hot = 0;
        for sequence in 0..DRAWS {
            match users.of(sequence) {
                User::Hot => hot += 1,
                User::Other(user) => others[user as usize] += 1,
            }
        }
        (hot, others)
    }

    #[test]
    fn with_exponent_zero_all_write_as_much() {
        let (hot, others) = counts(Crowd {
            users: 100,
            zipf_exponent: 0.0,
            hot_share: None,
        });
        assert_eq!(hot, 0);
        assert!(
            others.iter().all(|count| (1_700..2_300).contains(count)),
            "{others:?}"
        );
    }

    #[test]
    fn zipf_gives_the_second_half_of_what_the_first_has_and_the_tenth_a_tenth() {
        let (_, others) = counts(Crowd {
            users: 1_000,
            zipf_exponent: 1.0,
            hot_share: None,
        });
        let share = |rank: usize| others[rank - 1] as f64 / others[0] as f64;
        assert!((share(2) - 0.5).abs() < 0.03, "{}", share(2));
        assert!((share(10) - 0.1).abs() < 0.01, "{}", share(10));
        let first = others[0] as f64 / DRAWS as f64;
        assert!((first - 1.0 / 7.4855).abs() < 0.005, "{first}");
    }

    #[test]
    fn the_hot_user_has_its_share_and_the_others_keep_their_law() {
        let (hot, others) = counts(Crowd {
            users: 1_000,
            zipf_exponent: 1.0,
            hot_share: Some(0.2),
        });
        let share = hot as f64 / DRAWS as f64;
        assert!((share - 0.2).abs() < 0.005, "{share}");
        let half = others[1] as f64 / others[0] as f64;
        assert!((half - 0.5).abs() < 0.03, "{half}");
    }

    proptest! {
        #[test]
        fn every_draw_is_one_of_the_users(
            users in 1..5_000u32, zipf_exponent in 0.0..3.0f64, hot in 0.0..1.0f64, seed in any::<u64>(), sequence in any::<u64>(),
        ) {
            let drawn = Users::new(Crowd { users, zipf_exponent, hot_share: Some(hot) }, seed);
            match drawn.of(sequence) {
                User::Hot => prop_assert!(drawn.is_hot(sequence)),
                User::Other(user) => prop_assert!(user < users && !drawn.is_hot(sequence)),
            }
        }
    }
}
