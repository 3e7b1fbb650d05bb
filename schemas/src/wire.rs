//! Avro's primitive encodings, read without copying and written without allocating.
//!
//! A number has exactly one accepted encoding (the shortest): two different byte strings never decode to the same record, and
//! no length can be negative, over-long or beyond the end of the value.

use crate::Refusal;

/// The bytes of a datum that are still to be read.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(datum: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: datum }
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Refuses what is left over after the datum.
    pub(crate) fn finish(&self) -> Result<(), Refusal> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Refusal::TrailingBytes)
        }
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<i64, Refusal> {
        match self.rest {
            [first @ 0..=0x7F, rest @ ..] => {
                self.rest = rest;
                Ok(zigzag(u64::from(*first)))
            }
            _ => self.multi_byte_long(),
        }
    }

    fn multi_byte_long(&mut self) -> Result<i64, Refusal> {
        let mut value = 0u64;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7F);
            // The tenth byte holds the 64th bit and no more.
            if index == 9 && bits > 1 {
                return Err(Refusal::MalformedAvro);
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                if byte == 0 && index > 0 {
                    return Err(Refusal::MalformedAvro);
                }
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(zigzag(value));
            }
        }
        Err(Refusal::MalformedAvro)
    }

    pub(crate) fn int(&mut self) -> Result<i32, Refusal> {
        i32::try_from(self.long()?).map_err(|_| Refusal::MalformedAvro)
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, Refusal> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Refusal::MalformedAvro),
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Refusal::MalformedAvro)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Refusal> {
        let length = usize::try_from(self.long()?).map_err(|_| Refusal::MalformedAvro)?;
        self.take(length)
    }

    #[inline]
    pub(crate) fn string(&mut self) -> Result<&'a str, Refusal> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Refusal::InvalidUtf8)
    }
}

#[inline]
fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[inline]
pub(crate) fn put_long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest > 0x7F {
        out.push((rest & 0x7F) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[inline]
pub(crate) fn put_int(value: i32, out: &mut Vec<u8>) {
    put_long(i64::from(value), out);
}

/// Lengths in memory never exceed `i64::MAX`.
#[inline]
pub(crate) fn put_count(count: usize, out: &mut Vec<u8>) {
    put_long(count as i64, out);
}

#[inline]
pub(crate) fn put_string(value: &str, out: &mut Vec<u8>) {
    put_count(value.len(), out);
    out.extend_from_slice(value.as_bytes());
}

/// A union whose first branch is `null`.
#[inline]
pub(crate) fn put_nullable_string(value: Option<&str>, out: &mut Vec<u8>) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(2);
            put_string(value, out);
        }
    }
}

/// A union whose first branch is `null`.
#[inline]
pub(crate) fn put_nullable_long(value: Option<i64>, out: &mut Vec<u8>) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(2);
            put_long(value, out);
        }
    }
}

#[inline]
pub(crate) fn put_boolean(value: bool, out: &mut Vec<u8>) {
    out.push(u8::from(value));
}
