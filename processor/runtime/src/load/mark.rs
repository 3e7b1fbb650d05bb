//! The mark by which a message's verdict is known again.
//!
//! Invariant: the mark alone names a run and one message of it. It travels as a header, which the processor copies to the verdict as any
//! pass-through does, so the meter needs to understand no value and also works on the topics of another system.

use std::fmt;

use gavel_schemas::limits::HEADER_BYTES;

/// The header's key.
pub const HEADER: &str = "gavel-load";
/// The run, then the sequence number, big-endian.
const MARK_BYTES: usize = 16;

// A message whose headers were dropped would count as missing.
const _: () = assert!(HEADER.len() + MARK_BYTES <= HEADER_BYTES);

/// One run of the load, unlike every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId([u8; 8]);

impl RunId {
    pub fn new() -> Result<RunId, getrandom::Error> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        Ok(RunId(bytes))
    }

    /// As text.
    pub fn name(self) -> RunName {
        RunName(u64::from_be_bytes(self.0))
    }

    /// The header's value for this message.
    pub fn mark(self, sequence: u64) -> [u8; MARK_BYTES] {
        let mut mark = [0; MARK_BYTES];
        mark[..8].copy_from_slice(&self.0);
        mark[8..].copy_from_slice(&sequence.to_be_bytes());
        mark
    }

    /// The sequence number in a header's value, if it is a mark of this run.
    pub fn sequence(self, value: &[u8]) -> Option<u64> {
        let mark: &[u8; MARK_BYTES] = value.try_into().ok()?;
        let (run, sequence) = mark.split_first_chunk::<8>()?;
        let sequence: &[u8; 8] = sequence.try_into().ok()?;
        (*run == self.0).then(|| u64::from_be_bytes(*sequence))
    }
}

/// Sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub struct RunName(u64);

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_by_its_own_run_only() {
        let (run, other) = (RunId([1; 8]), RunId([2; 8]));
        assert_eq!(run.sequence(&run.mark(47_000)), Some(47_000));
        assert_eq!(other.sequence(&run.mark(47_000)), None);
        for wrong in [&b""[..], b"short", &[1; 17]] {
            assert_eq!(run.sequence(wrong), None);
        }
    }
}
