//! Which entry of a list a pattern belongs to when several have it.
//!
//! Invariant: a pattern stands in the imported list once (once more if it is also found inside words), in the entry with the highest
//! risk; then the one that wrote it as a word and not in disguise; then the first. Merging never makes a word more harmless.

use std::cmp::Reverse;
use std::collections::HashMap;

/// A pattern of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub text: &'a str,
    pub partial: bool,
    pub risk: u8,
    pub is_undone: bool,
}

/// For each claim, whether it is the one that stays.
pub fn winners(claims: &[Claim<'_>]) -> Vec<bool> {
    // Only looked up, never walked: its order is not seen.
    let mut best: HashMap<(&str, bool), usize> = HashMap::new();
    let rank = |at: usize| (claims[at].risk, !claims[at].is_undone, Reverse(at));
    for (at, claim) in claims.iter().enumerate() {
        let holder = best.entry((claim.text, claim.partial)).or_insert(at);
        if rank(at) > rank(*holder) {
            *holder = at;
        }
    }
    let wins =
        |(at, claim): (usize, &Claim<'_>)| best.get(&(claim.text, claim.partial)) == Some(&at);
    claims.iter().enumerate().map(wins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(text: &str, risk: u8, is_undone: bool) -> Claim<'_> {
        Claim {
            text,
            partial: false,
            risk,
            is_undone,
        }
    }

    #[test]
    fn the_highest_risk_wins_then_the_plain_word_then_the_first() {
        let claims = [
            claim("darn", 2, false),
            claim("darn", 5, true),
            claim("heck", 3, true),
            claim("heck", 3, false),
            claim("heck", 3, false),
        ];
        assert_eq!(winners(&claims), [false, true, false, true, false]);
    }

    #[test]
    fn a_word_and_the_same_inside_words_both_stay() {
        let inside = Claim {
            partial: true,
            ..claim("darn", 1, false)
        };
        assert_eq!(winners(&[claim("darn", 2, false), inside]), [true, true]);
    }
}
