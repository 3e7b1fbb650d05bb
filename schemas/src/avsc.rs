//! The schemas as text, and the framing that names one of them.
//!
//! A fingerprint is in every record of every log, so a published schema is never edited: the old text moves to `avsc/old/`
//! and stays known for ever. A reader that forgot one could no longer fold the log again.

use crate::fingerprint::fingerprint;
use apache_avro::Schema;
use std::sync::LazyLock;

pub const CHAT_MESSAGE: &str = include_str!("../avsc/chat_message.avsc");
pub const CONTROL_MARKER: &str = include_str!("../avsc/control_marker.avsc");
pub const VERDICT: &str = include_str!("../avsc/verdict.avsc");
pub const POLICY_DOCUMENT: &str = include_str!("../avsc/policy_document.avsc");
pub const POLICY_ACTIVATED: &str = include_str!("../avsc/policy_activated.avsc");
pub const LOG_OPENED: &str = include_str!("../avsc/log_opened.avsc");
pub const HISTORY_ACCEPTED: &str = include_str!("../avsc/history_accepted.avsc");
pub const USER_ERASED: &str = include_str!("../avsc/user_erased.avsc");
pub const VERDICT_OVERTURNED: &str = include_str!("../avsc/verdict_overturned.avsc");
pub const SCHEMA_REGISTERED: &str = include_str!("../avsc/schema_registered.avsc");

/// Older accepted versions of [`CHAT_MESSAGE`], oldest first.
pub const OLD_CHAT_MESSAGES: [&str; 2] = [
    include_str!("../avsc/old/chat_message_1.avsc"),
    include_str!("../avsc/old/chat_message_2.avsc"),
];

/// `C3 01` and the fingerprint.
pub(crate) const HEADER_BYTES: usize = 10;
const MARKER: [u8; 2] = [0xC3, 0x01];

/// A schema of this crate with the header that its single objects start with.
pub(crate) struct Known {
    pub(crate) schema: Schema,
    pub(crate) fingerprint: u64,
    pub(crate) header: [u8; HEADER_BYTES],
}

impl Known {
    pub(crate) fn parse(avsc: &str) -> Result<Known, Box<apache_avro::Error>> {
        let schema = Schema::parse_str(avsc)?;
        let fingerprint = fingerprint(&schema);
        let mut header = [0; HEADER_BYTES];
        header[..2].copy_from_slice(&MARKER);
        header[2..].copy_from_slice(&fingerprint.to_le_bytes());
        Ok(Known {
            schema,
            fingerprint,
            header,
        })
    }

    /// For the schemas compiled into this crate.
    pub(crate) fn built_in(avsc: &str) -> Known {
        match Known::parse(avsc) {
            Ok(known) => known,
            Err(error) => unreachable!("a schema of this crate does not parse: {error}"),
        }
    }
}

pub(crate) static CHAT_MESSAGE_KNOWN: LazyLock<Known> =
    LazyLock::new(|| Known::built_in(CHAT_MESSAGE));
pub(crate) static CONTROL_MARKER_KNOWN: LazyLock<Known> =
    LazyLock::new(|| Known::built_in(CONTROL_MARKER));

/// Takes the header off a single object: fingerprint and datum. `None` where there is no whole header.
#[inline]
pub(crate) fn split_header(value: &[u8]) -> Option<(u64, &[u8])> {
    let rest = value.strip_prefix(&MARKER)?;
    let (fingerprint, datum) = rest.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*fingerprint), datum))
}
