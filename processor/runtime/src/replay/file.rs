//! A file of messages as a log of one partition, with one policy from its beginning.
//!
//! Invariant: it is the fold of the lanes with records made from lines. A line's number, from 0, is its offset; its
//! `sent_at` is the broker's time, when it is a time that a broker could give.

use std::sync::Arc;

use gavel_judge::{ControlLog, Document, ENGINE, Record, Ruling, Timestamp};
use gavel_schemas::{ControlMarker, Order, PolicyActivated, decode_json_message, encode_marker, encode_order};
use sha2::{Digest as _, Sha256};

use super::{ReplayError, StraightFold};
use crate::orders::{EVERYWHERE, chunks};

/// The log's name in verdicts.
const LOG_ID: &str = "file";
/// 2001-01-01 and 2101-01-01, UTC, in milliseconds: record times outside are no times.
const YEARS: std::ops::Range<i64> = 978_307_200_000..4_133_980_800_000;

/// Judges line after line.
pub struct FileJudge {
    fold: StraightFold,
    key: Vec<u8>,
}

impl FileJudge {
    /// Before the first line, with the policy active everywhere.
    pub fn new(document: &Document) -> Result<FileJudge, ReplayError> {
        let (control, marker) = activated(document)?;
        let mut fold = StraightFold::new(LOG_ID, 0, true, Arc::new(control))?;
        let activation =
            Record { offset: -1, timestamp: Timestamp::Missing, key: None, value: Some(&marker), headers_len: 0 };
        fold.judge(&activation, |_| ())?;
        Ok(FileJudge { fold, key: Vec::new() })
    }

    /// Judges one line and shows the ruling. `line` is the JSON text of a message; anything else is refused.
    pub fn judge<R>(
        &mut self,
        offset: i64,
        line: &[u8],
        show: impl FnOnce(&Ruling<'_>) -> R,
    ) -> Result<R, ReplayError> {
        let mut timestamp = Timestamp::Missing;
        self.key.clear();
        if let Ok(message) = decode_json_message(line) {
            if YEARS.contains(&message.sent_at) {
                timestamp = Timestamp::LogAppend(message.sent_at);
            }
            // The key that `gavel produce` gives it.
            self.key.extend_from_slice(message.community.as_bytes());
            self.key.push(b'/');
            self.key.extend_from_slice(message.user.as_bytes());
        }
        let record = Record { offset, timestamp, key: Some(&self.key), value: Some(line), headers_len: 0 };
        self.fold.judge(&record, show)
    }
}

/// A control log that publishes and activates the policy, and the activation's marker.
fn activated(document: &Document) -> Result<(ControlLog, Vec<u8>), ReplayError> {
    let digest = document.digest();
    // Nobody else writes to this log, so there is nothing that a random nonce would keep out.
    let nonce = || Ok::<_, std::convert::Infallible>(vec![0; 16]);
    let mut control = ControlLog::new();
    let mut order = 0;
    let Ok(documents) = chunks(document, 0, nonce);
    for document in &documents {
        control.append(order, &encode_order(document));
        order += 1;
    }
    let activation = encode_order(&Order::PolicyActivated(PolicyActivated {
        scope: EVERYWHERE.into(),
        digest: digest.to_string(),
        engine: ENGINE.cast_signed(),
        shadow: false,
        by: String::new(),
        reason: String::new(),
        nonce: vec![0; 16],
        issued_at: 0,
    }));
    control.append(order, &activation);
    control.set_read_to(order + 1);
    control.compile(&digest).map_err(|error| ReplayError::Policy { digest, reason: error.to_string() })?;
    let mut marker = Vec::new();
    encode_marker(
        &ControlMarker { order, kind: "policy-activated", sha256: Sha256::digest(&activation).into() },
        &mut marker,
    );
    Ok((control, marker))
}
