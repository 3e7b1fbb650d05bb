//! A control marker: the place in time of an order.

use crate::avsc::CONTROL_MARKER_KNOWN;
use crate::wire::{put_long, put_string};

/// Points at an order of the control topic; anybody can write one, so the reader compares all three fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlMarker<'a> {
    /// Offset of the order in `chat.control`.
    pub order: i64,
    /// Kind of the order, for example `policy-activated`.
    pub kind: &'a str,
    /// SHA-256 of the order's value bytes.
    pub sha256: [u8; 32],
}

/// Appends the marker as an Avro single object.
pub fn encode_marker(marker: &ControlMarker<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&CONTROL_MARKER_KNOWN.header);
    put_long(marker.order, out);
    put_string(marker.kind, out);
    out.extend_from_slice(&marker.sha256);
}
