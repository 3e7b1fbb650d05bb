//! How people write a word without writing it: two letters swapped, one left out or doubled, some starred out.
//!
//! Invariant: the variants of a word are a function of the word alone, so a policy's digest says what they are. A variant that is a word
//! of its own is not one: the matcher drops those that the policy lists as ordinary.

use super::Marks;

/// Shorter words have too many neighbours, longer ones are not worth it.
pub(super) const SHORTEST: usize = 3;
const LONGEST: usize = 24;

/// How short a word may be to be known swapped, doubled or with a letter left out. In a phrase other words stand by it.
pub(super) struct Reach {
    swapped: usize,
    doubled: usize,
    shortened: usize,
    starred: usize,
}

pub(super) const ALONE: Reach = Reach {
    swapped: 4,
    doubled: 4,
    shortened: 5,
    starred: 3,
};
pub(super) const IN_PHRASE: Reach = Reach {
    swapped: 4,
    doubled: 4,
    shortened: 4,
    starred: 4,
};

/// The variants of a normalised word, each with what was done to it. May repeat itself.
pub(super) fn variants(word: &str, reach: &Reach) -> Vec<(String, Marks)> {
    let letters: Vec<char> = word.chars().collect();
    let count = letters.len();
    if !(SHORTEST..=LONGEST).contains(&count) {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut add = |letters: Vec<char>, mark| all.push((String::from_iter(letters), mark));
    if count >= reach.swapped {
        for at in 0..count - 1 {
            if letters[at] != letters[at + 1] {
                let mut swapped = letters.clone();
                swapped.swap(at, at + 1);
                add(swapped, Marks::MISSPELT);
            }
        }
    }
    if count >= reach.shortened {
        for at in 1..count - 1 {
            let mut short = letters.clone();
            short.remove(at);
            add(short, Marks::MISSPELT);
        }
    }
    if count >= reach.doubled {
        for at in 0..count {
            let mut doubled = letters.clone();
            doubled.insert(at, letters[at]);
            add(doubled, Marks::MISSPELT);
        }
    }
    // The first letter and one more must be seen.
    let starred = if count >= reach.starred { count } else { 0 };
    for from in 1..starred {
        for to in from + 1..=count {
            if count - (to - from) >= 2 && (to < count || from >= 2) {
                let mut hidden = letters.clone();
                hidden[from..to].fill('*');
                add(hidden, Marks::CENSORED);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_known_swapped_shortened_doubled_and_starred() {
        let all = variants("darn", &IN_PHRASE);
        let with = |mark: Marks| {
            let mut words: Vec<&str> = all
                .iter()
                .filter(|(_, found)| *found == mark)
                .map(|(word, _)| word.as_str())
                .collect();
            words.sort_unstable();
            words.dedup();
            words
        };
        assert_eq!(
            with(Marks::MISSPELT),
            [
                "adrn", "daarn", "dan", "darnn", "darrn", "danr", "ddarn", "drn", "dran"
            ]
            .sorted()
        );
        assert_eq!(
            with(Marks::CENSORED),
            ["d**n", "d*rn", "da*n", "da**", "dar*"].sorted()
        );
        // By itself a short word is not known with a letter left out.
        let short = |(word, mark): &(String, Marks)| *mark == Marks::MISSPELT && word.len() < 4;
        assert!(!variants("darn", &ALONE).iter().any(short));
        assert!(variants("ab", &IN_PHRASE).is_empty());
        assert!(
            variants("ass", &IN_PHRASE)
                .iter()
                .all(|(_, mark)| *mark == Marks::CENSORED)
        );
    }

    trait Sorted {
        fn sorted(self) -> Self;
    }

    impl<const N: usize> Sorted for [&str; N] {
        fn sorted(mut self) -> Self {
            self.sort_unstable();
            self
        }
    }
}
