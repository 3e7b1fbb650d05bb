//! Whole words by hash: what a policy knows of each. Most words of most messages are in no policy, and to say so costs one bit of a
//! filter.

use super::Marks;
use super::filter::{BITS_EACH, Filter};
use super::matcher::Meaning;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

/// All that is known of a word, while a matcher is built.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub ordinary: bool,
    /// It counts in two pieces, too.
    pub fuzzy: bool,
    meanings: Vec<(Meaning, Marks)>,
    /// Patterns of several words that begin with it.
    pub rows: Range<u32>,
}

impl Slot {
    pub fn add(&mut self, meaning: Meaning, marks: Marks) {
        if !self.meanings.contains(&(meaning, marks)) {
            self.meanings.push((meaning, marks));
        }
    }

    /// It stands in the policy as it is.
    pub fn is_exact(&self) -> bool {
        self.meanings.iter().any(|(_, marks)| *marks == Marks::NONE)
    }
}

/// The same in the matcher: ranges instead of lists, so that more words are in the cache.
#[derive(Debug)]
pub(super) struct Known {
    /// Its bytes among all.
    from: u32,
    length: u32,
    meanings: Range<u32>,
    pub rows: Range<u32>,
    pub ordinary: bool,
    pub fuzzy: bool,
}

/// The words of a policy.
#[derive(Debug)]
pub(super) struct Words {
    hasher: DefaultHashBuilder,
    filter: Filter,
    table: HashTable<Known>,
    bytes: Box<[u8]>,
    meanings: Box<[(Meaning, Marks)]>,
}

impl Words {
    pub fn new(slots: HashMap<Box<[u8]>, Slot>) -> Words {
        let hasher = DefaultHashBuilder::default();
        let mut table = HashTable::with_capacity(slots.len());
        let mut hashes = Vec::with_capacity(slots.len());
        let (mut bytes, mut meanings) = (Vec::new(), Vec::new());
        let range = |from: usize, to: usize| from as u32..to as u32;
        // Hash order: it says where things lie and nothing else.
        for (word, slot) in slots {
            let (first_byte, first_meaning) = (bytes.len(), meanings.len());
            bytes.extend_from_slice(&word);
            meanings.extend(slot.meanings);
            let known = Known {
                from: first_byte as u32,
                length: word.len() as u32,
                meanings: range(first_meaning, meanings.len()),
                rows: slot.rows,
                ordinary: slot.ordinary,
                fuzzy: slot.fuzzy,
            };
            let hash = hash(&hasher, &word);
            hashes.push(hash);
            table.insert_unique(hash, known, |known| {
                self::hash(&hasher, word_of(&bytes, known))
            });
        }
        Words {
            filter: Filter::of(hashes.into_iter(), BITS_EACH),
            hasher,
            table,
            bytes: bytes.into_boxed_slice(),
            meanings: meanings.into_boxed_slice(),
        }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub fn get(&self, word: &[u8]) -> Option<&Known> {
        let hash = hash(&self.hasher, word);
        if !self.filter.may_have(hash) {
            return None;
        }
        self.table
            .find(hash, |known| word_of(&self.bytes, known) == word)
    }

    pub fn meanings(&self, known: &Known) -> &[(Meaning, Marks)] {
        let Range { start, end } = known.meanings;
        self.meanings
            .get(start as usize..end as usize)
            .unwrap_or_default()
    }
}

#[inline]
fn hash(hasher: &DefaultHashBuilder, word: &[u8]) -> u64 {
    // The bytes alone: a slice's own `Hash` would add its length.
    let mut hasher = hasher.build_hasher();
    hasher.write(word);
    hasher.finish()
}

fn word_of<'a>(bytes: &'a [u8], known: &Known) -> &'a [u8] {
    let (from, length) = (known.from as usize, known.length as usize);
    bytes.get(from..from + length).unwrap_or_default()
}
