//! One epoch's contexts on their way to the backend.
//!
//! Invariant: a batch is applied whole or not at all, together with its [`Meta`]. It is filled a little at a time on the
//! lane, so it grows in chunks that stay where they are: one growing buffer would copy itself again and again, each time for longer
//! than a verdict may take.

use crate::meta::Meta;
use std::ops::RangeInclusive;

/// A small epoch takes little memory, a large one few chunks.
const CHUNK_BYTES: RangeInclusive<usize> = 4 << 10..=256 << 10;
/// In place of a value's length: the key is removed.
const REMOVED: u32 = u32::MAX;

/// Contexts as they were at the boundary `meta.boundary`. No key occurs twice.
#[derive(Debug)]
pub struct Batch {
    pub meta: Meta,
    chunks: Vec<Vec<u8>>,
    entries: usize,
    bytes: usize,
}

impl Batch {
    pub fn new(meta: Meta) -> Batch {
        Batch {
            meta,
            chunks: Vec::new(),
            entries: 0,
            bytes: 0,
        }
    }

    /// Adds the value of `key`; `None` removes it.
    ///
    /// # Panics
    /// If the key or the value has 4 GiB or more.
    pub fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let key_len = length(key);
        let value_len = value.map_or(REMOVED, length);
        let value = value.unwrap_or_default();
        let size = 8 + key.len() + value.len();
        let chunk = self.chunk_with_room_for(size);
        chunk.extend_from_slice(&key_len.to_le_bytes());
        chunk.extend_from_slice(&value_len.to_le_bytes());
        chunk.extend_from_slice(key);
        chunk.extend_from_slice(value);
        self.entries += 1;
        self.bytes += size;
    }

    /// Keys with their values, `None` where the key is removed, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.chunks.iter().flat_map(|chunk| Entries { rest: chunk })
    }

    /// Contexts in the batch.
    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Bytes of keys and values, with eight for each entry.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn chunk_with_room_for(&mut self, size: usize) -> &mut Vec<u8> {
        let full = self
            .chunks
            .last()
            .is_none_or(|chunk| chunk.capacity() - chunk.len() < size);
        if full {
            let usual = self.bytes.clamp(*CHUNK_BYTES.start(), *CHUNK_BYTES.end());
            self.chunks.push(Vec::with_capacity(usual.max(size)));
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }
}

fn length(bytes: &[u8]) -> u32 {
    match u32::try_from(bytes.len()) {
        Ok(len) if len != REMOVED => len,
        _ => panic!("a key or value of {} bytes", bytes.len()),
    }
}

struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key_len, rest) = self.rest.split_first_chunk()?;
        let (value_len, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at(u32::from_le_bytes(*key_len) as usize);
        let value_len = u32::from_le_bytes(*value_len);
        if value_len == REMOVED {
            self.rest = rest;
            return Some((key, None));
        }
        let (value, rest) = rest.split_at(value_len as usize);
        self.rest = rest;
        Some((key, Some(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Identity;

    fn batch() -> Batch {
        let identity = Identity {
            log_id: "log".into(),
            partition: 0,
        };
        Batch::new(Meta {
            identity,
            boundary: 0,
            verdict_end: 0,
            topic: String::new(),
            state: Vec::new(),
        })
    }

    #[test]
    fn entries_come_back_as_they_were_pushed() {
        let mut batch = batch();
        batch.push(b"a", Some(b"1"));
        batch.push(b"b", None);
        batch.push(b"", Some(b""));
        let entries: Vec<_> = batch.iter().collect();
        assert_eq!(
            entries,
            [(&b"a"[..], Some(&b"1"[..])), (b"b", None), (b"", Some(b""))]
        );
        assert_eq!((batch.len(), batch.bytes()), (3, 3 * 8 + 3));
    }

    #[test]
    fn a_value_larger_than_a_chunk_stays_whole() {
        let mut batch = batch();
        let large = vec![7; 3 * CHUNK_BYTES.end()];
        batch.push(b"small", Some(b"1"));
        batch.push(b"large", Some(&large));
        batch.push(b"last", Some(b"2"));
        let entries: Vec<_> = batch
            .iter()
            .map(|(key, value)| (key, value.map(<[u8]>::len)))
            .collect();
        assert_eq!(
            entries,
            [
                (&b"small"[..], Some(1)),
                (b"large", Some(large.len())),
                (b"last", Some(1))
            ]
        );
    }

    #[test]
    fn many_entries_span_chunks_without_loss() {
        let mut batch = batch();
        for n in 0_u32..20_000 {
            batch.push(&n.to_be_bytes(), Some(&[n as u8; 50]));
        }
        assert!(batch.chunks.len() > 1);
        assert!(
            batch
                .iter()
                .enumerate()
                .all(|(n, (key, value))| key == (n as u32).to_be_bytes()
                    && value == Some(&[n as u8; 50][..]))
        );
        assert_eq!(batch.iter().count(), 20_000);
    }
}
