//! Headers as they are on the wire.
//!
//! rdkafka's own accessors panic on a header key that is not UTF-8, and such keys arrive: any producer can send one.

#![expect(
    unsafe_code,
    reason = "rdkafka has no accessor that takes header keys as bytes"
)]

use std::ffi::CStr;
use std::os::raw::c_char;
use std::ptr;

use rdkafka::bindings;
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;

/// Calls `visit` with key and value (`None` = null) of each header, in order.
pub fn raw_headers(message: &BorrowedMessage<'_>, mut visit: impl FnMut(&[u8], Option<&[u8]>)) {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is alive for the whole function, and the headers belong to it. Name, value and size are
    // written by a successful call only, and point into the message.
    unsafe {
        if bindings::rd_kafka_message_headers(message.ptr(), &mut headers)
            != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
        {
            return;
        }
        for index in 0.. {
            let mut name: *const c_char = ptr::null();
            let mut value: *const std::os::raw::c_void = ptr::null();
            let mut size = 0usize;
            let found =
                bindings::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut size);
            if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
            let value =
                (!value.is_null()).then(|| std::slice::from_raw_parts(value.cast::<u8>(), size));
            visit(CStr::from_ptr(name).to_bytes(), value);
        }
    }
}

/// Total bytes of all keys and values, which is what the limit on headers counts.
pub fn header_bytes(message: &BorrowedMessage<'_>) -> usize {
    let mut total = 0;
    raw_headers(message, |key, value| {
        total += key.len() + value.map_or(0, <[u8]>::len)
    });
    total
}
