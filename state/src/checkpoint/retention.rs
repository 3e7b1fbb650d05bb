//! Which checkpoints stay.
//!
//! Invariant: which stay for later use depends on nothing but the checkpoints there are, so that two owners of a partition, one of
//! them a zombie, agree on it. Which go because they hold what was erased depends on the time besides, or those of a quiet partition
//! would stay for ever; none goes without two newer ones from after the erasure, so that owners whose clocks differ take nothing from each
//! other that they need.

use std::collections::BTreeSet;

/// A checkpoint as its name tells of it: the whole listing is enough to choose from. Ordered by boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checkpoint {
    /// K.
    pub boundary: i64,
    /// The fold's clock there, in milliseconds since 1970.
    pub clock: i64,
}

/// So many newer ones must be clean of an erasure before it ends a checkpoint: a single one may turn out to be broken when the log no
/// longer has what lies before it.
const SUCCESSORS: usize = 2;

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
    /// Milliseconds after an erasure at which the checkpoints that hold what was erased go, anchors and the newest as well.
    pub erase_within: i64,
}

/// What is known of a checkpoint when it is decided whether an erasure ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dated {
    pub checkpoint: Checkpoint,
    /// When its manifest was put, in milliseconds since 1970: bounds a clock of the log that runs ahead.
    pub put: i64,
    /// As in [`super::About`]; None also where it cannot be read.
    pub erased_at: Option<i64>,
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

    /// When `checkpoint`, one of `all` or gone from them, must go because it may hold what was erased since; None: nothing that it
    /// may hold was erased, as far as the checkpoints know, or no other has taken its place.
    ///
    /// Of several erasures a checkpoint knows only the last. So the time of the first one after `checkpoint` is not known, but that it
    /// came after the last checkpoint that does not know of any: it is counted from there, too early by what lies between two
    /// checkpoints, and never too late.
    pub fn expires(&self, checkpoint: Checkpoint, all: &[Dated]) -> Option<i64> {
        let mut later: Vec<&Dated> = all
            .iter()
            .filter(|other| other.checkpoint.boundary >= checkpoint.boundary)
            .collect();
        later.sort_unstable();
        let takes_its_place = |other: &Dated| {
            // The same millisecond may lie on either side of the marker.
            other.checkpoint.boundary > checkpoint.boundary
                && other.erased_at.is_some_and(|at| at >= checkpoint.clock)
        };
        if later.iter().filter(|other| takes_its_place(other)).count() < SUCCESSORS {
            return None;
        }
        let mut before = checkpoint.clock;
        for other in later {
            if takes_its_place(other) {
                return Some(before.saturating_add(self.erase_within));
            }
            before = other.checkpoint.clock.min(other.put);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETENTION: Retention = Retention {
        newest: 3,
        anchor_every: 100,
        anchor_keep: 1_000,
        erase_within: 5_000,
    };

    fn dated(all: &[(i64, i64, Option<i64>)]) -> Vec<Dated> {
        let dated = |&(boundary, clock, erased_at)| Dated {
            checkpoint: Checkpoint { boundary, clock },
            put: clock,
            erased_at,
        };
        all.iter().map(dated).collect()
    }

    fn expire(all: &[Dated]) -> Vec<Option<i64>> {
        let expires = |dated: &Dated| RETENTION.expires(dated.checkpoint, all);
        all.iter().map(expires).collect()
    }

    #[test]
    fn what_was_taken_before_an_erasure_expires_and_what_came_after_stays() {
        let all = dated(&[
            (1, 100, None),
            (2, 200, None),
            (3, 300, Some(250)),
            (4, 400, Some(250)),
        ]);
        assert_eq!(expire(&all), [Some(5_200), Some(5_200), None, None]);
    }

    #[test]
    fn nothing_expires_without_two_checkpoints_from_after_the_erasure() {
        let all = dated(&[(1, 100, None), (2, 200, Some(50)), (3, 300, Some(50))]);
        assert_eq!(expire(&all), [None, None, None]);
        // The marker was the last record: the second was taken at its time, and is after it.
        let all = dated(&[(1, 100, None), (2, 200, Some(200)), (3, 300, Some(200))]);
        assert_eq!(expire(&all), [Some(5_100), None, None]);
        assert_eq!(expire(&all[..2]), [None, None], "it may be broken");
    }

    #[test]
    fn a_later_erasure_does_not_put_off_the_earlier_one() {
        let all = dated(&[
            (1, 100, None),
            (3, 300, Some(250)),
            (5, 900, Some(850)),
            (9, 9_000, Some(8_900)),
        ]);
        assert_eq!(expire(&all), [Some(5_100), Some(5_300), None, None]);
        // The one that knew of the first is gone: too early rather than too late.
        let fewer = [all[0], all[2], all[3]];
        assert_eq!(expire(&fewer), [Some(5_100), None, None]);
    }

    #[test]
    fn a_log_whose_clock_runs_ahead_does_not_put_it_off_either() {
        let mut all = dated(&[
            (1, 100, None),
            (2, 90_000, None),
            (3, 90_100, Some(90_050)),
            (4, 90_200, Some(90_050)),
        ]);
        all[1].put = 200;
        assert_eq!(expire(&all)[0], Some(5_200));
    }

    #[test]
    fn one_that_is_gone_from_the_list_expires_by_those_that_are_there() {
        let all = dated(&[(3, 300, None), (4, 400, Some(350)), (5, 500, Some(350))]);
        let gone = |boundary, clock| RETENTION.expires(Checkpoint { boundary, clock }, &all);
        assert_eq!(gone(1, 100), Some(5_300));
        assert_eq!(gone(4, 400), None);
    }

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
