//! One number for what an audit has read, so that two audits can be compared.
//!
//! Invariant: equal chains mean equal bytes, in the same order, from the same first offset on. The chain has a link for each block of
//! 4,096 offsets, so that an audit can be gone on with, and so that two that differ can be told where.

use gavel_judge::Timestamp;

use crate::hex::hex;

/// Offsets of a block.
const BLOCK: i64 = 4_096;

/// BLAKE3 over blocks of records: link = BLAKE3(link before, BLAKE3(block)).
#[derive(Debug, Clone)]
pub struct Chain {
    link: [u8; 32],
    /// Number of the block that is being collected.
    number: i64,
    block: Vec<u8>,
}

impl Chain {
    /// Before the record at `from`.
    pub fn new(log_id: &str, partition: i32, from: i64) -> Chain {
        let mut first = blake3::Hasher::new_derive_key("gavel audit chain 1");
        first.update(&(log_id.len() as u64).to_le_bytes());
        first.update(log_id.as_bytes());
        first.update(&partition.to_le_bytes());
        first.update(&from.to_le_bytes());
        Chain {
            link: *first.finalize().as_bytes(),
            number: from.div_euclid(BLOCK),
            block: Vec::new(),
        }
    }

    /// Behind a block that ended with this link; the next record is at `from`.
    pub fn go_on(link: [u8; 32], from: i64) -> Chain {
        Chain {
            link,
            number: from.div_euclid(BLOCK),
            block: Vec::new(),
        }
    }

    /// A record and what was decided about it: offset, time, key, value and verdict, each as it stands in its topic.
    pub fn add(
        &mut self,
        offset: i64,
        time: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        verdict: Option<&[u8]>,
    ) {
        if offset.div_euclid(BLOCK) != self.number {
            self.close();
            self.number = offset.div_euclid(BLOCK);
        }
        self.block.extend_from_slice(&offset.to_le_bytes());
        let (kind, at) = match time {
            Timestamp::Missing => (0, 0),
            Timestamp::Create(at) => (1, at),
            Timestamp::LogAppend(at) => (2, at),
        };
        self.block.push(kind);
        self.block.extend_from_slice(&at.to_le_bytes());
        for part in [key, value, verdict] {
            let length = part.map_or(-1, |part| part.len().cast_signed() as i64);
            self.block.extend_from_slice(&length.to_le_bytes());
            self.block.extend_from_slice(part.unwrap_or_default());
        }
    }

    /// The last link.
    pub fn link(&self) -> [u8; 32] {
        self.link
    }

    /// Whether the record at `offset` begins another block.
    pub fn begins(&self, offset: i64) -> bool {
        offset.div_euclid(BLOCK) != self.number
    }

    /// Ends the block that is being collected.
    pub fn close(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let block = blake3::hash(&self.block);
        self.block.clear();
        let mut both = [0; 64];
        both[..32].copy_from_slice(&self.link);
        both[32..].copy_from_slice(block.as_bytes());
        self.link = *blake3::hash(&both).as_bytes();
    }

    /// The last link, as hexadecimal.
    pub fn head(mut self) -> String {
        self.close();
        hex(&self.link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(records: &[(i64, &str)]) -> Chain {
        let mut chain = Chain::new("log", 0, 0);
        for (offset, value) in records {
            let value = Some(value.as_bytes());
            chain.add(*offset, Timestamp::LogAppend(*offset), None, value, None);
        }
        chain
    }

    #[test]
    fn one_changed_byte_changes_the_head_and_every_link_after_it() {
        let whole = chain(&[(0, "a"), (1, "b"), (5_000, "c")]).head();
        assert_eq!(whole, chain(&[(0, "a"), (1, "b"), (5_000, "c")]).head());
        for other in [
            chain(&[(0, "a"), (1, "B"), (5_000, "c")]),
            chain(&[(0, "ab"), (1, ""), (5_000, "c")]),
            chain(&[(0, "a"), (5_000, "c")]),
            chain(&[(0, "a"), (2, "b"), (5_000, "c")]),
            chain(&[(0, "a"), (1, "b"), (5_000, "c"), (5_001, "")]),
        ] {
            assert_ne!(other.head(), whole);
        }
    }

    #[test]
    fn a_chain_that_is_gone_on_with_ends_as_the_whole_one() {
        let whole = chain(&[(7, "a"), (4_095, "b"), (4_096, "c"), (9_000, "d")]).head();
        let mut first = chain(&[(7, "a"), (4_095, "b")]);
        assert!(first.begins(4_096) && !first.begins(4_000));
        first.close();
        let mut rest = Chain::go_on(first.link(), 4_096);
        for (offset, value) in [(4_096, "c"), (9_000, "d")] {
            rest.add(
                offset,
                Timestamp::LogAppend(offset),
                None,
                Some(value.as_bytes()),
                None,
            );
        }
        assert_eq!(rest.head(), whole);
    }
}
