//! The contexts in RAM: an index over slots, and the hand of a clock.
//!
//! Invariants: nothing outside can see the order of the index or the seed of its hash, so neither can reach a verdict; no
//! operation moves a context other than its own; only a part of the index, eight bytes an entry, is now and then rehashed.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// Slots are allocated in blocks that never move.
const BLOCK: usize = 1024;
/// Parts of the index, each of which grows by itself: as one, a rehash would stop the lane for ten milliseconds a million
/// contexts.
const PARTS: usize = 16;
/// Values change their length by a few bytes at a time: rounding saves most of the reallocations.
const GRAIN: usize = 16;
/// In place of a value's length: there is none.
const ABSENT: u32 = u32::MAX;

/// A key and its value as of the last change. Half a cache line, so that looking at one costs one miss.
#[repr(align(32))]
pub struct Context {
    /// Key, value, room to grow.
    bytes: Box<[u8]>,
    /// Number of the epoch of the last change; 0 for what was loaded.
    pub epoch: u32,
    hash: u32,
    value_len: u32,
    key_len: u16,
    /// Serialised into the batch of the epoch in flight.
    pub frozen: bool,
    /// Read since the clock's hand last passed.
    pub touched: bool,
}

const _: () = assert!(size_of::<Option<Context>>() == 32);

impl Context {
    /// Charged for a context beyond its bytes: the slot, the index (9 bytes at half to seven eighths full), the dirty list,
    /// and the allocator's header and rounding.
    pub const OVERHEAD: usize = size_of::<Option<Context>>() + 16 + 8 + 16;

    fn new(hash: u32, key: &[u8], value: Option<&[u8]>, epoch: u32) -> Context {
        Context {
            bytes: joined(key, value.unwrap_or_default()),
            epoch,
            hash,
            value_len: value.map_or(ABSENT, length),
            key_len: key_length(key),
            frozen: false,
            touched: false,
        }
    }

    pub fn key(&self) -> &[u8] {
        &self.bytes[..usize::from(self.key_len)]
    }

    /// `None`: the key has been removed.
    pub fn value(&self) -> Option<&[u8]> {
        (self.value_len != ABSENT).then(|| {
            let start = usize::from(self.key_len);
            &self.bytes[start..start + self.value_len as usize]
        })
    }

    pub fn set(&mut self, value: Option<&[u8]>) {
        let start = usize::from(self.key_len);
        let bytes = value.unwrap_or_default();
        let end = start + bytes.len();
        if end > self.bytes.len() || end + 4 * GRAIN < self.bytes.len() {
            self.bytes = joined(self.key(), bytes);
        } else {
            self.bytes[start..end].copy_from_slice(bytes);
        }
        self.value_len = value.map_or(ABSENT, length);
    }

    /// Bytes charged to the budget.
    pub fn cost(&self) -> usize {
        self.bytes.len() + Context::OVERHEAD
    }
}

fn joined(key: &[u8], value: &[u8]) -> Box<[u8]> {
    let room = (key.len() + value.len()).next_multiple_of(GRAIN);
    let mut bytes = Vec::with_capacity(room);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    bytes.resize(room, 0);
    bytes.into_boxed_slice()
}

fn length(value: &[u8]) -> u32 {
    match u32::try_from(value.len()) {
        Ok(len) if len != ABSENT => len,
        _ => panic!("a context of {} bytes", value.len()),
    }
}

fn key_length(key: &[u8]) -> u16 {
    u16::try_from(key.len()).unwrap_or_else(|_| panic!("a key of {} bytes", key.len()))
}

/// Where a context is, with enough of its key's hash to find it without looking.
struct Place {
    hash: u32,
    slot: u32,
}

#[derive(Default)]
pub struct Table {
    seed: DefaultHashBuilder,
    index: [HashTable<Place>; PARTS],
    blocks: Vec<Vec<Option<Context>>>,
    free: Vec<u32>,
    hand: u32,
}

impl Table {
    pub fn hash(&self, key: &[u8]) -> u32 {
        // Both halves of the 64 bits are equally good.
        self.seed.hash_one(key) as u32
    }

    pub fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        let found = self.index[part(hash)].find(spread(hash), |place| {
            place.hash == hash
                && self
                    .get(place.slot)
                    .is_some_and(|context| context.key() == key)
        });
        found.map(|place| place.slot)
    }

    pub fn get(&self, slot: u32) -> Option<&Context> {
        let (block, at) = position(slot);
        self.blocks.get(block)?.get(at)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Context> {
        let (block, at) = position(slot);
        self.blocks.get_mut(block)?.get_mut(at)?.as_mut()
    }

    /// Adds a key that is not there.
    pub fn insert(&mut self, hash: u32, key: &[u8], value: Option<&[u8]>, epoch: u32) -> u32 {
        let context = Context::new(hash, key, value, epoch);
        let slot = self.place(context);
        self.index[part(hash)].insert_unique(spread(hash), Place { hash, slot }, |place| {
            spread(place.hash)
        });
        slot
    }

    /// Moves the clock's hand one slot on. A context there that `may_go` and was not read since the last round is dropped;
    /// gives its cost.
    pub fn turn(&mut self, may_go: impl Fn(&Context) -> bool) -> Option<usize> {
        let slot = self.hand;
        self.hand += 1;
        if self.hand as usize >= self.slots() {
            self.hand = 0;
        }
        let (block, at) = position(slot);
        let place = self.blocks.get_mut(block)?.get_mut(at)?;
        let context = place.as_mut().filter(|context| may_go(context))?;
        if context.touched {
            context.touched = false;
            return None;
        }
        let (hash, cost) = (context.hash, context.cost());
        *place = None;
        self.free.push(slot);
        if let Ok(entry) =
            self.index[part(hash)].find_entry(spread(hash), |place| place.slot == slot)
        {
            entry.remove();
        }
        Some(cost)
    }

    /// Contexts held, tombstones included.
    pub fn len(&self) -> usize {
        self.index.iter().map(HashTable::len).sum()
    }

    fn slots(&self) -> usize {
        self.blocks
            .last()
            .map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    fn place(&mut self, context: Context) -> u32 {
        if let Some(slot) = self.free.pop() {
            let (block, at) = position(slot);
            self.blocks[block][at] = Some(context);
            return slot;
        }
        let slot = u32::try_from(self.slots())
            .unwrap_or_else(|_| panic!("more than 2^32 contexts in one partition"));
        if self.blocks.last().is_none_or(|last| last.len() == BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        if let Some(last) = self.blocks.last_mut() {
            last.push(Some(context));
        }
        slot
    }
}

fn position(slot: u32) -> (usize, usize) {
    (slot as usize / BLOCK, slot as usize % BLOCK)
}

fn part(hash: u32) -> usize {
    // The top bits: a part of the index finds its buckets by the others.
    (hash >> (u32::BITS - PARTS.ilog2())) as usize
}

/// A part of the index wants its tag in the top bits and its bucket in the bottom ones.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_found_by_its_key_among_many() {
        let mut table = Table::default();
        for n in 0_u32..5_000 {
            let key = n.to_be_bytes();
            table.insert(table.hash(&key), &key, Some(&[n as u8]), 0);
        }
        for n in 0_u32..5_000 {
            let key = n.to_be_bytes();
            let slot = table.find(table.hash(&key), &key).expect("found");
            assert_eq!(
                table.get(slot).and_then(Context::value),
                Some(&[n as u8][..])
            );
        }
        assert_eq!(table.find(table.hash(b"no"), b"no"), None);
    }

    #[test]
    fn a_value_may_grow_shrink_and_go() {
        let mut context = Context::new(0, b"key", Some(b"value"), 0);
        for value in [
            Some(vec![1; 1000]),
            Some(vec![2; 990]),
            Some(vec![]),
            None,
            Some(vec![3; 20]),
        ] {
            context.set(value.as_deref());
            assert_eq!(
                (context.key(), context.value()),
                (&b"key"[..], value.as_deref())
            );
        }
        assert!(
            context.cost() < 100 + Context::OVERHEAD,
            "the room of the large value is given back"
        );
    }

    #[test]
    fn the_hand_spares_what_was_read_once_and_what_may_not_go() {
        let mut table = Table::default();
        for key in [b"a", b"b", b"c"] {
            table.insert(table.hash(key), key, Some(b"1"), 0);
        }
        let read = table.find(table.hash(b"a"), b"a").expect("found");
        table.get_mut(read).expect("held").touched = true;
        let may_go = |context: &Context| context.key() != b"b";
        let first: Vec<bool> = (0..3).map(|_| table.turn(may_go).is_some()).collect();
        let second: Vec<bool> = (0..3).map(|_| table.turn(may_go).is_some()).collect();
        assert_eq!(
            (first, second),
            (vec![false, false, true], vec![true, false, false])
        );
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_freed_slot_is_used_again() {
        let mut table = Table::default();
        let slot = table.insert(table.hash(b"a"), b"a", Some(b"1"), 0);
        assert!(table.turn(|_| true).is_some());
        assert_eq!(table.insert(table.hash(b"b"), b"b", None, 0), slot);
        assert_eq!((table.find(table.hash(b"a"), b"a"), table.len()), (None, 1));
    }
}
