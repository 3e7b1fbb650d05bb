//! What a verification found, for people and for scripts.

use gavel_schemas::{VerdictRecord, decode_verdict};
use serde::{Deserialize, Serialize};

use super::beginning::{Began, Damaged};
use crate::hex::hex;

/// Bytes shown of what cannot be decoded.
const SHOWN_BYTES: usize = 1_024;
/// Differences behind the first that are listed.
const LISTED: usize = 20;

/// One partition, up to the end that it had when its verification began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PartitionReport {
    pub partition: i32,
    pub log_id: String,
    pub began: Began,
    /// Offset of the first record verified.
    pub from: i64,
    /// Offset after the last record folded.
    pub end: i64,
    /// Records before this offset were to be verified, and cannot be: neither the beginning of the log nor a checkpoint is left from
    /// which they could be derived.
    pub unverifiable_before: Option<i64>,
    /// Records verified.
    pub records: u64,
    /// Records between the beginning of the fold and the first one verified.
    pub lead_in: u64,
    /// Records whose verdict is in the topic, byte for byte.
    pub equal: u64,
    /// Further copies, all identical.
    pub copies: u64,
    /// Records at the end that have no verdict yet.
    pub not_yet_judged: u64,
    /// Records at the beginning whose verdicts the topic's retention has removed.
    pub expired: u64,
    /// Further copies that could not be compared, because retention has removed the first or it lies before the beginning.
    pub uncompared: u64,
    /// Records of the verdict topic that belong to an earlier log.
    pub foreign: u64,
    /// Refused records whose dead letter is there.
    pub dead_letters: u64,
    /// Records of erased users whose verdicts are not as the fold says: what is erased cannot be held to the record.
    pub erased: u64,
    /// Records, verdicts and dead letters that are not as the fold says.
    pub differences: u64,
    /// The first of them.
    pub difference: Option<Difference>,
    /// Some of the others.
    pub further: Vec<Further>,
    /// Orders met, by their markers.
    pub orders: Vec<OrderMet>,
    /// Checkpoints compared with the fold at their places.
    pub checkpoints: Vec<CheckpointMet>,
    /// Checkpoints that the fold could not begin with.
    pub damaged: Vec<Damaged>,
    /// Head of the chain over records and verdicts.
    pub chain: String,
    /// Digest of the state after the last record: that of `gavel state inspect --digest` once all is stored.
    pub digest: String,
}

impl PartitionReport {
    pub(super) fn differs(&mut self, difference: Difference) {
        self.differences += 1;
        if self.difference.is_none() {
            self.difference = Some(difference);
        } else if self.further.len() < LISTED {
            self.further.push(Further {
                offset: difference.offset,
                what: difference.what,
            });
        }
    }

    /// Everything is as the fold says, as far as it could be looked at.
    pub fn is_equal(&self) -> bool {
        self.differences == 0
            && self.damaged.is_empty()
            && self
                .checkpoints
                .iter()
                .all(|checkpoint| checkpoint.wrong.is_none())
    }
}

/// Where something is not as the fold says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Further {
    pub offset: i64,
    pub what: String,
}

/// An order's marker in a message partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderMet {
    /// Of the marker.
    pub offset: i64,
    /// Number of the order: its offset in the control log.
    pub order: i64,
    pub kind: String,
    /// False: it names an order that does not stand in the control log as it says.
    pub counts: bool,
}

/// A checkpoint whose place the fold has passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointMet {
    pub boundary: i64,
    /// None: it holds the state of the fold at that place.
    pub wrong: Option<String>,
}

/// Something that is not as the fold says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
