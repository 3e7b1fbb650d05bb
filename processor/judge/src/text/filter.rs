//! A first look at a number: whether it can be one of a set. Most are not, and to say so costs one bit.

/// More bits are wrong less often, fewer stay in the cache.
pub(super) const BITS_EACH: usize = 16;
/// Two kilobytes are in the cache whatever else is.
const LEAST_BITS: usize = 1 << 14;
/// 2^64 by the golden ratio: the upper bits of a product with it depend on all bits of the number.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A set that may hold what was never added, but always what was.
#[derive(Debug)]
pub(super) struct Filter {
    bits: Box<[u64]>,
    shift: u32,
}

impl Filter {
    pub fn of(numbers: impl ExactSizeIterator<Item = u64>, bits_each: usize) -> Filter {
        let least = if numbers.len() == 0 { 64 } else { LEAST_BITS };
        let bits = (numbers.len() * bits_each).next_power_of_two().max(least);
        let mut filter = Filter {
            bits: vec![0; bits / 64].into_boxed_slice(),
            shift: 64 - bits.trailing_zeros(),
        };
        for number in numbers {
            let bit = filter.bit(number);
            filter.bits[bit / 64] |= 1 << (bit % 64);
        }
        filter
    }

    #[inline]
    fn bit(&self, number: u64) -> usize {
        (number.wrapping_mul(SPREAD) >> self.shift) as usize
    }

    #[inline]
    pub fn may_have(&self, number: u64) -> bool {
        let bit = self.bit(number);
        self.bits
            .get(bit / 64)
            .is_some_and(|bits| bits >> (bit % 64) & 1 == 1)
    }
}

/// The same for beginnings of texts: whether some string of four bytes or more can begin there. By the first four bytes a number of bits,
/// by two more which of them; a string that has not as many has all that they could be.
#[derive(Debug)]
pub(super) struct StartFilter {
    bits: Box<[u64]>,
    shift: u32,
}

const LEAST_STARTS: usize = 1 << 8;

impl StartFilter {
    /// Of strings as their first eight bytes, lowest first, and their lengths.
    pub fn of(strings: &[(u64, usize)]) -> StartFilter {
        // One number would leave nothing to shift by.
        let least = if strings.is_empty() { 2 } else { LEAST_STARTS };
        let count = strings.len().next_power_of_two().max(least);
        let mut filter = StartFilter {
            bits: vec![0; count].into_boxed_slice(),
            shift: 64 - count.trailing_zeros(),
        };
        for (start, length) in strings {
            let at = filter.at(*start);
            filter.bits[at] |= match length {
                ..=4 => u64::MAX,
                5 => 0x0101_0101_0101_0101 << (start >> 32 & 7),
                _ => 1 << bit_of(*start),
            };
        }
        filter
    }

    #[inline]
    fn at(&self, start: u64) -> usize {
        (u64::from(start as u32).wrapping_mul(SPREAD) >> self.shift) as usize
    }

    #[inline]
    pub fn may_begin(&self, start: u64) -> bool {
        self.bits
            .get(self.at(start))
            .is_some_and(|bits| bits >> bit_of(start) & 1 == 1)
    }
}

/// Three bits of the fifth byte and three of the sixth.
#[inline]
fn bit_of(start: u64) -> u64 {
    start >> 32 & 0o7 | start >> 37 & 0o70
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_never_missed_and_most_else_is() {
        let filter = Filter::of((0..1_000u32).map(|number| u64::from(number) * 7), BITS_EACH);
        assert!((0..1_000).all(|number| filter.may_have(number * 7)));
        let wrong = (0..10_000)
            .filter(|number| filter.may_have(number * 7 + 1))
            .count();
        assert!(wrong < 2_500, "{wrong}");
        assert!(!Filter::of(std::iter::empty(), BITS_EACH).may_have(1));
    }
    #[test]
    fn a_text_that_begins_with_a_string_is_never_missed() {
        let start = |text: &str| {
            let mut bytes = [0; 8];
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            u64::from_le_bytes(bytes)
        };
        let strings = ["darn", "heckx", "crudes", "shootin"];
        let filter = StartFilter::of(&strings.map(|string| (start(string), string.len())));
        for text in [
            "darn", "darnzz", "heckx", "heckxab", "crudes", "crudesy", "shooting",
        ] {
            assert!(filter.may_begin(start(text)), "{text}");
        }
        for text in ["dbrn", "hecky", "crudet", "crudds", "shoojin"] {
            assert!(!filter.may_begin(start(text)), "{text}");
        }
        assert!(!StartFilter::of(&[]).may_begin(start("darn")));
    }
}
