//! Which checkpoints stay.
//!
//! Invariant: the decision depends on nothing but the checkpoints there are, so that two owners of a partition, one of them a
//! zombie, agree on it.

use std::collections::BTreeSet;

/// A checkpoint as its name tells of it: the whole listing is enough to choose from. Ordered by boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checkpoint {
    /// K.
    pub boundary: i64,
    /// The fold's clock there, in milliseconds since 1970.
    pub clock: i64,
}

/// How long checkpoints stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The newest so many; more than one, because the newest may turn out to be broken.
    pub newest: usize,
    /// One of each stretch of so many milliseconds stays as an audit anchor: a place in history from which verdicts can be derived
    /// again without the beginning of the log.
    pub anchor_every: i64,
    /// Milliseconds that anchors stay, counted back from the newest checkpoint's clock.
    pub anchor_keep: i64,
}

impl Retention {
    /// Those of `all` that stay.
    pub fn kept(&self, all: &[Checkpoint]) -> BTreeSet<Checkpoint> {
        let sorted: BTreeSet<Checkpoint> = all.iter().copied().collect();
        let mut kept: BTreeSet<Checkpoint> =
            sorted.iter().rev().take(self.newest).copied().collect();
        let now = sorted.iter().map(|checkpoint| checkpoint.clock).max();
        let oldest = now.unwrap_or_default().saturating_sub(self.anchor_keep);
        let mut stretch = None;
        for checkpoint in sorted {
            let here = checkpoint.clock.div_euclid(self.anchor_every.max(1));
            if stretch != Some(here) && checkpoint.clock >= oldest {
                stretch = Some(here);
                kept.insert(checkpoint);
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention {
        newest: 3,
        anchor_every: 100,
        anchor_keep: 1_000,
    };

    fn at(boundaries: &[(i64, i64)]) -> Vec<Checkpoint> {
        let checkpoint = |&(boundary, clock)| Checkpoint { boundary, clock };
        boundaries.iter().map(checkpoint).collect()
    }

    fn kept(boundaries: &[(i64, i64)]) -> Vec<i64> {
        let kept = RETENTION.kept(&at(boundaries));
        kept.iter().map(|checkpoint| checkpoint.boundary).collect()
    }

    #[test]
    fn the_newest_three_stay_whatever_their_order() {
        assert_eq!(
            kept(&[(5, 5), (2, 2), (4, 4), (3, 3), (1, 1)]),
            [1, 3, 4, 5]
        );
    }

    #[test]
    fn the_first_of_each_stretch_stays_through_the_audit_window() {
        let all: Vec<(i64, i64)> = (0..200).map(|n| (n, n * 10)).collect();
        // Clock 1990 is the newest: stretches from 1000 on have their first, and the one that the window cuts its first inside.
        let expected = [
            99, 100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 197, 198, 199,
        ];
        assert_eq!(kept(&all), expected);
    }

    #[test]
    fn what_stays_stays_when_it_is_looked_at_again() {
        let all: Vec<(i64, i64)> = (0..200).map(|n| (n, n * 7)).collect();
        let once: Vec<Checkpoint> = RETENTION.kept(&at(&all)).into_iter().collect();
        let twice: Vec<Checkpoint> = RETENTION.kept(&once).into_iter().collect();
        assert_eq!(once, twice);
    }

    #[test]
    fn nothing_there_is_nothing_kept() {
        assert!(kept(&[]).is_empty());
    }
}
