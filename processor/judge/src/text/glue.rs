//! Words run together ("ihatewomen"): taken apart where the policy knows every piece.
//!
//! Invariant: a word is taken apart only as a whole, into as few known words as it can be; "assassin" is no "ass". What is found so
//! counts only in phrases of two pieces and more.

use daachorse::DoubleArrayAhoCorasick;

/// Shorter words are words; of letters that were written apart, a few are enough.
pub(super) const SHORTEST: usize = 8;
pub(super) const SHORTEST_SPACED: usize = 5;
/// Longer ones are no sentence that anybody would read.
const LONGEST: usize = 48;
const PIECES: u32 = 10;

/// Known words.
pub(super) struct Glue(DoubleArrayAhoCorasick<u32>);

/// Memory for one word.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// By end: fewest pieces that lead there, and where the last of them begins.
    best: Vec<Option<(u32, usize)>>,
    /// Ranges of the word.
    pub ranges: Vec<(usize, usize)>,
}

impl Glue {
    pub fn new(mut words: Vec<Box<[u8]>>) -> Result<Option<Glue>, String> {
        // A single letter completes everything, but for those that are words.
        words.retain(|word| word.len() > 1 || matches!(word.as_ref(), b"i" | b"a" | b"u"));
        words.sort_unstable();
        words.dedup();
        if words.is_empty() {
            return Ok(None);
        }
        let built = DoubleArrayAhoCorasick::new(&words).map_err(|error| error.to_string())?;
        Ok(Some(Glue(built)))
    }

    /// Whether `word` is two or more known words and nothing else; they are left in `pieces`.
    pub fn take_apart(&self, word: &[u8], pieces: &mut Pieces) -> bool {
        pieces.ranges.clear();
        if word.len() > LONGEST {
            return false;
        }
        let best = &mut pieces.best;
        best.clear();
        best.resize(word.len() + 1, None);
        best[0] = Some((0, 0));
        // Matches come by their ends, so whatever leads to a start is known when the start is used.
        for found in self.0.find_overlapping_iter(word) {
            let (start, end) = (found.start(), found.end());
            let Some((count, _)) = best[start].filter(|(count, _)| *count < PIECES) else {
                continue;
            };
            let candidate = (count + 1, start);
            if best[end].is_none_or(|known| candidate < known) {
                best[end] = Some(candidate);
            }
        }
        let mut end = word.len();
        while end > 0 {
            let Some((_, start)) = best[end] else {
                pieces.ranges.clear();
                return false;
            };
            pieces.ranges.push((start, end));
            end = start;
        }
        pieces.ranges.reverse();
        // Short pieces are found in every word.
        pieces.ranges.len() >= 2 && 5 * pieces.ranges.len() <= 2 * word.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_taken_apart_into_as_few_known_words_as_it_can_be_or_not_at_all() {
        let words =
            ["i", "hate", "hat", "e", "women", "wo", "men"].map(|word| Box::from(word.as_bytes()));
        let glue = Glue::new(words.to_vec()).unwrap().unwrap();
        let mut pieces = Pieces::default();
        assert!(glue.take_apart(b"ihatewomen", &mut pieces));
        assert_eq!(pieces.ranges, [(0, 1), (1, 5), (5, 10)]);
        assert!(!glue.take_apart(b"ihatewomenx", &mut pieces));
        assert!(!glue.take_apart(b"women", &mut pieces));
        assert!(!glue.take_apart(b"ehatiee", &mut pieces));
    }
}
