//! Byte strings in order, to find all that a text begins with.
//!
//! Strings that a text begins with are beginnings of each other, so they are one chain: the last string that does not sort after the text
//! and, from each, the longest other string that it begins with.

use std::ops::Range;

/// Byte strings in order, each with a number.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    bytes: Box<[u8]>,
    /// By place in the order; sorted by their bytes.
    entries: Box<[Entry]>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    from: u32,
    to: u32,
    /// The longest other string that this one begins with.
    shorter: u32,
    number: u32,
}

const NONE: u32 = u32::MAX;

impl Sorted {
    /// No string may be there twice.
    pub fn new(mut strings: Vec<(Vec<u8>, u32)>) -> Sorted {
        strings.sort_unstable();
        let mut bytes = Vec::with_capacity(strings.iter().map(|(string, _)| string.len()).sum());
        let mut entries = Vec::with_capacity(strings.len());
        // Places of the strings that the last one begins with, and its own.
        let mut chain: Vec<u32> = Vec::new();
        for (place, (string, number)) in strings.iter().enumerate() {
            while let Some(last) = chain.last()
                && !string.starts_with(&strings[*last as usize].0)
            {
                chain.pop();
            }
            let from = bytes.len() as u32;
            bytes.extend_from_slice(string);
            entries.push(Entry {
                from,
                to: bytes.len() as u32,
                shorter: chain.last().copied().unwrap_or(NONE),
                number: *number,
            });
            chain.push(place as u32);
        }
        Sorted {
            bytes: bytes.into_boxed_slice(),
            entries: entries.into_boxed_slice(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn string(&self, entry: &Entry) -> &[u8] {
        self.bytes
            .get(entry.from as usize..entry.to as usize)
            .unwrap_or_default()
    }

    /// Strings one after another that have the same key, as ranges of places.
    pub fn groups<K: PartialEq>(&self, key: impl Fn(&[u8]) -> K) -> Vec<(K, Range<u32>)> {
        let mut groups: Vec<(K, Range<u32>)> = Vec::new();
        for (entry, place) in self.entries.iter().zip(0..) {
            let key = key(self.string(entry));
            match groups.last_mut() {
                Some((same, places)) if *same == key => places.end = place + 1,
                _ => groups.push((key, place..place + 1)),
            }
        }
        groups
    }

    /// Calls `found` with number and length of each string among `places` that `text` begins with. `places` is a group whose key is some
    /// beginning of its strings, so that all of a chain are in it.
    pub fn beginnings(&self, text: &[u8], places: &Range<u32>, mut found: impl FnMut(u32, usize)) {
        let group = self.entries.get(places.start as usize..places.end as usize);
        let group = group.unwrap_or_default();
        let after = group.partition_point(|entry| self.string(entry) <= text);
        let Some(last) = after.checked_sub(1).and_then(|last| group.get(last)) else {
            return;
        };
        let string = self.string(last);
        let same = string
            .iter()
            .zip(text)
            .take_while(|(one, other)| one == other);
        let same = same.count();
        let mut next = Some(last);
        while let Some(entry) = next {
            let length = (entry.to - entry.from) as usize;
            if length <= same {
                found(entry.number, length);
            }
            next = self.entries.get(entry.shorter as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_begins_with_each_string_of_a_chain_up_to_where_it_differs() {
        let strings = ["a", "ab", "abc", "abd", "abde", "b", "abcx"];
        let numbered = strings.iter().zip(0..);
        let sorted = Sorted::new(
            numbered
                .map(|(string, number)| (string.as_bytes().to_vec(), number))
                .collect(),
        );
        let groups = sorted.groups(|string| string[0]);
        assert_eq!(groups, [(b'a', 0..6), (b'b', 6..7)]);
        let beginnings = |text: &str| {
            let mut all = Vec::new();
            sorted.beginnings(text.as_bytes(), &groups[0].1, |number, length| {
                assert_eq!(strings[number as usize], &text[..length]);
                all.push(strings[number as usize]);
            });
            all
        };
        assert_eq!(beginnings("abdef"), ["abde", "abd", "ab", "a"]);
        assert_eq!(beginnings("abdd"), ["abd", "ab", "a"]);
        assert_eq!(beginnings("abczz"), ["abc", "ab", "a"]);
        assert_eq!(beginnings("ac"), ["a"]);
        assert!(beginnings("").is_empty() && beginnings("b").is_empty());
    }
}
