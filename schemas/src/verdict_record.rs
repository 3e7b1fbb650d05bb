//! Verdicts as readers take them: owned, serialisable, from any known version of the schema.
//!
//! Every version of the schema begins with log_id, source_partition and source_offset, so that a verdict's identity can be
//! read without decoding it.

use crate::known::{Readable, open};
use crate::verdict::VERDICT_KNOWN;
use crate::wire::Cursor;
use crate::{DecodeError, Refusal, avsc, limits};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// One verdict with the field names, order and units of `verdict.avsc`. As JSON it is what the command line prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Verdict")]
pub struct VerdictRecord {
    pub log_id: String,
    pub source_partition: i32,
    pub source_offset: i64,
    pub message_id: String,
    pub community: String,
    pub channel: String,
    pub user: String,
    /// Milliseconds since 1970, unchecked.
    pub sent_at: i64,
    /// Milliseconds since 1970 by the partition's clock.
    pub judged_at: i64,
    pub code: String,
    pub action: String,
    pub effects: Vec<EffectRecord>,
    pub labels: Vec<LabelRecord>,
    pub reasons: Vec<ReasonRecord>,
    pub masked_text: Option<String>,
    pub duplicate_of: Option<i64>,
    pub policy: String,
    pub engine: i32,
    pub context_complete: bool,
    pub headers_dropped: bool,
    pub overturns: Option<i64>,
}

/// Owned [`Effect`](crate::Effect).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Effect")]
pub struct EffectRecord {
    pub kind: String,
    pub until: Option<i64>,
    pub queue: Option<String>,
    pub trust: Option<String>,
}

/// Owned [`Label`](crate::Label).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Label")]
pub struct LabelRecord {
    pub topic: String,
    pub risk: i32,
}

/// Owned [`Reason`](crate::Reason).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Reason")]
pub struct ReasonRecord {
    pub rule: String,
    pub start: i32,
    pub end: i32,
    pub start_utf16: i32,
    pub end_utf16: i32,
    pub evasion: String,
}

/// Which record of which log a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictIdentity<'a> {
    pub log_id: &'a str,
    pub source_partition: i32,
    pub source_offset: i64,
}

static VERDICTS: LazyLock<Readable> =
    LazyLock::new(|| Readable::built_in("verdict", avsc::VERDICT, &[]));

/// Decodes one value of the verdict topic.
///
/// # Errors
/// [`DecodeError`]: too large, no single object, an unknown schema, or damaged bytes.
pub fn decode_verdict(value: &[u8]) -> Result<VerdictRecord, DecodeError> {
    let (fingerprint, datum) = open(value, limits::VERDICT_BYTES)?;
    VERDICTS.decode(fingerprint, datum)
}

/// Reads only the identity of a verdict, without checking the rest of the value.
///
/// # Errors
/// [`DecodeError`]: too large, no single object, an unknown schema, or damaged within the identity.
pub fn peek_verdict_identity(value: &[u8]) -> Result<VerdictIdentity<'_>, DecodeError> {
    let (fingerprint, datum) = open(value, limits::VERDICT_BYTES)?;
    if !VERDICTS.knows(fingerprint) {
        return Err(DecodeError::UnknownSchema { fingerprint });
    }
    let mut cursor = Cursor::new(datum);
    let mut read = || {
        Ok(VerdictIdentity {
            log_id: cursor.string()?,
            source_partition: cursor.int()?,
            source_offset: cursor.long()?,
        })
    };
    read().map_err(|refusal| DecodeError::Damaged {
        record: "verdict",
        refusal,
    })
}

/// A verdict that lets a message pass and says nothing else: no effects, no labels, no reasons. Of most messages, so it can be read
/// without decoding the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietVerdict<'a> {
    pub community: &'a str,
    pub channel: &'a str,
    /// Milliseconds since 1970 by the partition's clock.
    pub judged_at: i64,
}

/// `None`: it says more, or is no verdict of the present schema.
pub fn peek_quiet_verdict(value: &[u8]) -> Option<QuietVerdict<'_>> {
    let datum = value.strip_prefix(VERDICT_KNOWN.header.as_slice())?;
    let mut cursor = Cursor::new(datum);
    let mut read = || {
        // log_id, source_partition, source_offset, message_id
        cursor.string()?;
        cursor.int()?;
        cursor.long()?;
        cursor.string()?;
        let (community, channel, _user) = (cursor.string()?, cursor.string()?, cursor.string()?);
        let _sent_at = cursor.long()?;
        let judged_at = cursor.long()?;
        let _code = cursor.string()?;
        let passes = cursor.string()? == "allow";
        // An empty array is the one byte 0.
        let is_quiet = passes && cursor.take(3)? == [0; 3];
        Ok::<_, Refusal>(is_quiet.then_some(QuietVerdict {
            community,
            channel,
            judged_at,
        }))
    };
    read().ok().flatten()
}
