//! What each message brought its user, so that it can be taken back one by one.
//!
//! Invariant: counted by the policy that gave it, a ledger comes to the running standing, byte for byte. What it has no room for is added
//! to a base in the way in which it was added to the standing; from then on it can no longer be taken back.
//!
//! Layout: one byte in the head of the context (entries, and 128 if there is a base); then the base if there is one (a standing), then the
//! entries (offset i64, at i64, points u64 in thousandths, mute_until i64). Most users have none of it.

use super::{STANDING, Standing, long};
use crate::policy::{Strikes, TrustLevel};

/// More than that many messages of one user cannot be taken back one by one.
const ENTRIES: usize = 16;
const ENTRY: usize = 8 * 4;
const BASE: u8 = 128;

/// What a message brought its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    pub offset: i64,
    pub at: i64,
    /// Thousandths.
    pub points: u64,
    /// By context rules; what the points bring is counted again. 0: none.
    pub mute_until: i64,
}

/// What changed for a user when a verdict was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relief {
    /// Some: a mute that was still on is shorter now. Its new end, None if that is past.
    pub unmute: Option<Option<i64>>,
    pub trust: Option<TrustLevel>,
}

impl Relief {
    pub fn between(
        before: &Standing,
        after: &Standing,
        strikes: Option<&Strikes>,
        now: i64,
    ) -> Relief {
        let shorter = after.mute_until < before.mute_until && now < before.mute_until;
        let trust = after.trust(strikes, now);
        Relief {
            unmute: shorter.then(|| (now < after.mute_until).then_some(after.mute_until)),
            trust: (trust != before.trust(strikes, now)).then_some(trust),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    /// What came of the messages that there was no room for.
    base: Standing,
    /// Oldest first.
    entries: Vec<Given>,
}

impl Ledger {
    pub fn clear(&mut self) {
        self.base = Standing::default();
        self.entries.clear();
    }

    pub fn entries(&self) -> &[Given] {
        &self.entries
    }

    /// Notes what a message brought. `strikes` are those in force, by which the running standing is counted too.
    pub fn give(&mut self, given: Given, strikes: Option<&Strikes>) {
        if self.entries.len() == ENTRIES {
            let oldest = self.entries.remove(0);
            add(&mut self.base, oldest, strikes);
        }
        self.entries.push(given);
    }

    /// Takes out what the message at `offset` brought; whether it was there.
    pub fn take(&mut self, offset: i64) -> bool {
        let found = self.entries.iter().position(|given| given.offset == offset);
        found.is_some_and(|at| self.entries.remove(at).offset == offset)
    }

    /// What all of it comes to by these strikes.
    pub fn count(&self, strikes: Option<&Strikes>) -> Standing {
        let mut standing = self.base;
        for given in &self.entries {
            add(&mut standing, *given, strikes);
        }
        standing
    }

    /// The byte in the head.
    pub fn mark(&self) -> u8 {
        let base = if self.base == Standing::default() {
            0
        } else {
            BASE
        };
        // At most ENTRIES.
        self.entries.len() as u8 | base
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        if self.mark() & BASE != 0 {
            self.base.write(out);
        }
        for given in &self.entries {
            for value in [
                given.offset,
                given.at,
                given.points as i64,
                given.mute_until,
            ] {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// Reads a ledger with this mark, and gives what follows it.
    pub fn read<'a>(&mut self, mark: u8, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if mark == 0 {
            return Some(bytes);
        }
        let mut rest = bytes;
        if mark & BASE != 0 {
            let (base, after) = rest.split_at_checked(STANDING)?;
            (self.base, rest) = (Standing::read(base)?, after);
        }
        let entries = usize::from(mark & !BASE);
        if entries > ENTRIES {
            return None;
        }
        let (given, rest) = rest.split_at_checked(entries * ENTRY)?;
        for one in given.chunks_exact(ENTRY) {
            self.entries.push(Given {
                offset: long(one, 0)?,
                at: long(one, 8)?,
                points: long(one, 16)? as u64,
                mute_until: long(one, 24)?,
            });
        }
        Some(rest)
    }
}

/// As the message that gave it was judged: first its context rules, then its points.
fn add(standing: &mut Standing, given: Given, strikes: Option<&Strikes>) {
    standing.mute_until = standing.mute_until.max(given.mute_until);
    if let Some(strikes) = strikes
        && given.points > 0
    {
        standing.strike(strikes, given.points, given.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Consequence, Step};

    fn strikes() -> Strikes {
        Strikes {
            per_risk: [0; 8],
            half_life: 1_000,
            steps: vec![
                Step {
                    gte: 2_000,
                    trust: Some(TrustLevel::Untrusted),
                    consequence: None,
                },
                Step {
                    gte: 3_000,
                    trust: None,
                    consequence: Some(Consequence::Mute(500)),
                },
            ],
        }
    }

    fn given(n: i64) -> Given {
        Given {
            offset: n,
            at: 300 * n,
            points: 1_000,
            mute_until: if n % 5 == 0 { 300 * n + 70 } else { 0 },
        }
    }

    #[test]
    fn a_ledger_comes_to_the_running_standing_also_beyond_its_room() {
        let (strikes, mut ledger, mut running) =
            (strikes(), Ledger::default(), Standing::default());
        for n in 0..50 {
            ledger.give(given(n), Some(&strikes));
            add(&mut running, given(n), Some(&strikes));
            assert_eq!(ledger.count(Some(&strikes)), running, "{n}");
            assert!(ledger.entries.len() <= ENTRIES);
        }
        assert!(!ledger.take(33) && ledger.take(34) && !ledger.take(34));
    }

    #[test]
    fn an_empty_ledger_takes_no_bytes_and_a_full_one_reads_back() {
        let mut ledger = Ledger::default();
        let mut bytes = Vec::new();
        ledger.write(&mut bytes);
        assert_eq!((ledger.mark(), bytes.len()), (0, 0));
        for n in 0..20 {
            ledger.give(given(n), Some(&strikes()));
        }
        ledger.write(&mut bytes);
        let mut read = Ledger::default();
        assert_eq!(read.read(ledger.mark(), &bytes), Some(&[][..]));
        assert_eq!(read, ledger);
        assert!(Ledger::default().read(17, &[0; 999]).is_none());
    }
}
