//! What is stored beside the contexts, in the same batch.
//!
//! Invariant: `boundary` (S) names the last record whose effect the contexts hold; because it travels in their batch, no
//! crash can part the two.

use crate::error::Error;
use std::fmt;
use std::path::Path;

/// Version of the stored layout. Another version is refused, never guessed at.
pub const FORMAT: u32 = 2;

/// Which log, which partition of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    pub log_id: String,
    pub partition: i32,
}

impl Identity {
    /// This is what the store at `path` holds; `expected` is what somebody takes it for.
    pub(crate) fn check(&self, expected: &Identity, path: &Path) -> Result<(), Error> {
        if self == expected {
            return Ok(());
        }
        Err(Error::WrongIdentity {
            path: path.into(),
            expected: expected.clone(),
            found: self.clone(),
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {} of log {}", self.partition, self.log_id)
    }
}

/// The state of a partition without its contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub identity: Identity,
    /// S: offset of the last record folded into the contexts; -1 before any.
    pub boundary: i64,
    /// Offset after the newest acknowledged verdict known at S; 0 if none.
    pub verdict_end: i64,
    /// The broker's id of the message topic; empty where it cannot be had. A topic that was deleted and made again has another.
    pub topic: String,
    /// The fold's own state at S.
    pub state: Vec<u8>,
}

/// Why stored bytes are no [`Meta`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Format(u32),
    Malformed,
}

impl Meta {
    /// Whether `next` may replace this in the store at `path`: the same partition, no earlier offset.
    pub(crate) fn admit(&self, next: &Meta, path: &Path) -> Result<(), Error> {
        self.identity.check(&next.identity, path)?;
        if next.boundary < self.boundary {
            return Err(Error::Backwards {
                path: path.into(),
                stored: self.boundary,
                offered: next.boundary,
            });
        }
        Ok(())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let log_id = self.identity.log_id.as_bytes();
        let mut out = Vec::with_capacity(48 + log_id.len() + self.topic.len() + self.state.len());
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.identity.partition.to_le_bytes());
        out.extend_from_slice(&self.boundary.to_le_bytes());
        out.extend_from_slice(&self.verdict_end.to_le_bytes());
        out.extend_from_slice(&(log_id.len() as u64).to_le_bytes());
        out.extend_from_slice(log_id);
        out.extend_from_slice(&(self.topic.len() as u64).to_le_bytes());
        out.extend_from_slice(self.topic.as_bytes());
        out.extend_from_slice(&self.state);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Meta, Unreadable> {
        let (format, rest) = split(bytes)?;
        let format = u32::from_le_bytes(format);
        if format != FORMAT {
            return Err(Unreadable::Format(format));
        }
        let (partition, rest) = split(rest)?;
        let (boundary, rest) = split(rest)?;
        let (verdict_end, rest) = split(rest)?;
        let (log_id, rest) = text(rest)?;
        let (topic, state) = text(rest)?;
        Ok(Meta {
            identity: Identity {
                log_id: log_id.to_owned(),
                partition: i32::from_le_bytes(partition),
            },
            boundary: i64::from_le_bytes(boundary),
            verdict_end: i64::from_le_bytes(verdict_end),
            topic: topic.to_owned(),
            state: state.to_vec(),
        })
    }
}

/// A text behind its length.
fn text(bytes: &[u8]) -> Result<(&str, &[u8]), Unreadable> {
    let (len, rest) = split(bytes)?;
    let len = usize::try_from(u64::from_le_bytes(len)).map_err(|_| Unreadable::Malformed)?;
    let (text, rest) = rest.split_at_checked(len).ok_or(Unreadable::Malformed)?;
    let text = std::str::from_utf8(text).map_err(|_| Unreadable::Malformed)?;
    Ok((text, rest))
}

fn split<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Unreadable> {
    let (head, rest) = bytes
        .split_first_chunk::<N>()
        .ok_or(Unreadable::Malformed)?;
    Ok((*head, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta() -> Meta {
        let identity = Identity {
            log_id: "2f5c".into(),
            partition: 7,
        };
        Meta {
            identity,
            boundary: 41,
            verdict_end: 43,
            topic: "zHk".into(),
            state: b"{\"format\":1}".to_vec(),
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        assert_eq!(Meta::decode(&meta().encode()), Ok(meta()));
    }

    #[test]
    fn every_truncation_before_the_state_is_malformed() {
        let bytes = meta().encode();
        for len in 0..bytes.len() - meta().state.len() {
            assert_eq!(
                Meta::decode(&bytes[..len]),
                Err(Unreadable::Malformed),
                "{len} bytes"
            );
        }
    }

    #[test]
    fn another_format_is_named() {
        let mut bytes = meta().encode();
        bytes[0] = 9;
        assert_eq!(Meta::decode(&bytes), Err(Unreadable::Format(9)));
    }

    #[test]
    fn an_absurd_length_is_malformed() {
        let mut bytes = meta().encode();
        bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Meta::decode(&bytes), Err(Unreadable::Malformed));
    }
}
