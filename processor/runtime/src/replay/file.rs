//! A file of messages as a log of one partition, with one policy from its beginning.
//!
//! Invariant: it is the fold of the lanes with records made from lines. A line's number, from 0, is its offset; its
//! `sent_at` is the broker's time, when it is a time that a broker could give.

use std::sync::Arc;

use gavel_judge::{Policy, Record, Ruling, Timestamp};
use gavel_schemas::decode_json_message;

use super::{ReplayError, StraightFold};

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
    /// Before the first line, with the policy active for every community.
    pub fn new(policy: Arc<Policy>) -> FileJudge {
        FileJudge {
            fold: StraightFold::with_policy(LOG_ID, 0, policy),
            key: Vec::new(),
        }
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
        let record = Record {
            offset,
            timestamp,
            key: Some(&self.key),
            value: Some(line),
            headers_len: 0,
        };
        self.fold.judge(&record, show)
    }
}
