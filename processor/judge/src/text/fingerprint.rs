//! When two texts are the same, and when nearly.

use super::view::View;

/// Bits in which nearly equal texts may differ.
const NEAR_BITS: u32 = 16;
/// Shorter texts are equal or not.
const NEAR_BYTES: usize = 24;
const SHINGLE: usize = 4;

/// Of the words of a text, whatever stands between them.
pub(crate) fn fingerprint(view: &View) -> u64 {
    fnv(&view.text)
}

/// Simhash of the text's four-byte shingles, without digits: texts that differ in little differ in few bits. Charikar, STOC 2002.
pub(crate) fn near_fingerprint(view: &View) -> u64 {
    let letters: Vec<u8> = view
        .text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_digit())
        .collect();
    if letters.len() < NEAR_BYTES {
        return fnv(&letters);
    }
    let mut votes = [0i32; 64];
    for shingle in letters.windows(SHINGLE) {
        let hash = mix(fnv(shingle));
        for (bit, vote) in votes.iter_mut().enumerate() {
            *vote += if hash >> bit & 1 == 1 { 1 } else { -1 };
        }
    }
    votes
        .iter()
        .enumerate()
        .fold(0, |all, (bit, vote)| all | u64::from(*vote > 0) << bit)
}

/// Whether two near-fingerprints are of nearly equal texts.
pub(crate) fn nearly(one: u64, other: u64) -> bool {
    (one ^ other).count_ones() <= NEAR_BITS
}

/// FNV-1a.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Spreads every bit over all: the finaliser of MurmurHash3.
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Cells, Undo, Views};

    fn near(one: &str, other: &str) -> bool {
        let print = |text: &str| {
            let (mut cells, mut views) = (Cells::default(), Views::default());
            cells.read(text);
            views.read(&mut cells, Undo::default());
            near_fingerprint(views.plain())
        };
        nearly(print(one), print(other))
    }

    #[test]
    fn texts_that_differ_in_little_are_nearly_the_same_and_others_are_not() {
        assert!(near(
            "buy cheap gold at goldshop 1234 now",
            "BUY cheap gold at goldshop 99 now!!!"
        ));
        assert!(near(
            "selling my account with all skins, whisper me for the price, very cheap",
            "selling my account with all skins, whisper me for the price, so cheap"
        ));
        assert!(!near(
            "selling my account with all skins, whisper me",
            "anyone up for ranked tonight after the raid?"
        ));
        assert!(!near(
            "where are you guys going after this match",
            "what are we doing about the other dragon"
        ));
        assert!(near("gg wp", "GG WP!") && !near("gg wp", "gg ez"));
    }
}
