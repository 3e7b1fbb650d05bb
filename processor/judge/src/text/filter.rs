//! A first look at a number: whether it can be one of a set. Most are not, and to say so costs one bit.

/// More bits are wrong less often, fewer stay in the cache.
const BITS_EACH: usize = 16;
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
    pub fn of(numbers: impl ExactSizeIterator<Item = u64>) -> Filter {
        let least = if numbers.len() == 0 { 64 } else { LEAST_BITS };
        let bits = (numbers.len() * BITS_EACH).next_power_of_two().max(least);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_never_missed_and_most_else_is() {
        let filter = Filter::of((0..1_000u32).map(|number| u64::from(number) * 7));
        assert!((0..1_000).all(|number| filter.may_have(number * 7)));
        let wrong = (0..10_000)
            .filter(|number| filter.may_have(number * 7 + 1))
            .count();
        assert!(wrong < 2_500, "{wrong}");
        assert!(!Filter::of(std::iter::empty()).may_have(1));
    }
}
