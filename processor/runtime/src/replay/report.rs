//! What a verification found, for people and for scripts.

use gavel_schemas::{VerdictRecord, decode_verdict};
use serde::Serialize;

use crate::hex::hex;

/// Bytes shown of what cannot be decoded.
const SHOWN_BYTES: usize = 1_024;

/// One partition, up to the end that it had when its verification began.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PartitionReport {
    pub partition: i32,
    pub log_id: String,
    /// Offset after the last record folded.
    pub end: i64,
    /// Records folded.
    pub records: u64,
    /// Records whose verdict is in the topic, byte for byte.
    pub equal: u64,
    /// Further copies, all identical.
    pub copies: u64,
    /// Records at the end that have no verdict yet.
    pub not_yet_judged: u64,
    /// Records at the beginning whose verdicts the topic's retention has removed.
    pub expired: u64,
    /// Further copies that could not be compared, because retention has removed the first.
    pub uncompared: u64,
    /// Records of the verdict topic that belong to an earlier log.
    pub foreign: u64,
    /// Refused records whose dead letter is there.
    pub dead_letters: u64,
    /// Digest of the state after the last record: that of `gavel state inspect --digest` once all is stored.
    pub digest: String,
    pub difference: Option<Difference>,
}

/// The first thing that is not as the fold says.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Offset of the message.
    pub offset: i64,
    pub what: String,
    /// What the fold gives.
    pub derived: Option<Side>,
    /// What the topic holds.
    pub found: Option<Side>,
}

impl Difference {
    pub(super) fn new(offset: i64, what: impl Into<String>) -> Difference {
        Difference {
            offset,
            what: what.into(),
            derived: None,
            found: None,
        }
    }

    pub(super) fn derived(self, derived: Option<Side>) -> Difference {
        Difference { derived, ..self }
    }

    pub(super) fn found(self, value: &[u8]) -> Difference {
        Difference {
            found: Some(Side::of(value)),
            ..self
        }
    }
}

/// A verdict to look at.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Side {
    Verdict(Box<VerdictRecord>),
    /// Bytes that are no verdict, as hexadecimal.
    Undecodable {
        bytes: String,
    },
}

impl Side {
    pub(super) fn of(value: &[u8]) -> Side {
        match decode_verdict(value) {
            Ok(verdict) => Side::Verdict(Box::new(verdict)),
            Err(_) => Side::Undecodable {
                bytes: hex(&value[..value.len().min(SHOWN_BYTES)]),
            },
        }
    }
}
