//! The broker's own id of a topic, which a topic made anew under the same name does not have.

#![expect(
    unsafe_code,
    reason = "rdkafka does not wrap the description of topics"
)]

use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::ptr;
use std::time::Duration;

use rdkafka::bindings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::{RDKafka, RDKafkaRespErr};

use super::BrokerLog;

/// The id as text; None if the broker is too old to give one (before 2.8), does not allow it, or is silent.
pub(super) fn topic_id(
    client: &BaseConsumer<BrokerLog>,
    topic: &str,
    patience: Duration,
) -> Option<String> {
    let name = CString::new(topic).ok()?;
    let patience = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client outlives this call; every object made here is freed here, after the last use of what it owns, and the
    // id is copied out of the event before that is destroyed.
    unsafe {
        let native = client.client().native_ptr();
        let queue = bindings::rd_kafka_queue_new(native);
        let event = describe(native, queue, &name, patience);
        let id = if event.is_null() {
            None
        } else {
            let id = id_of(event);
            bindings::rd_kafka_event_destroy(event);
            id
        };
        bindings::rd_kafka_queue_destroy(queue);
        id
    }
}

/// Asks, and waits for the answer: null if none comes.
unsafe fn describe(
    native: *mut RDKafka,
    queue: *mut bindings::rd_kafka_queue_t,
    name: &CStr,
    patience: i32,
) -> *mut bindings::rd_kafka_event_t {
    // SAFETY: as in `topic_id`; the collection copies the names, and the request copies collection and options.
    unsafe {
        let operation = bindings::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = bindings::rd_kafka_AdminOptions_new(native, operation);
        bindings::rd_kafka_AdminOptions_set_request_timeout(options, patience, ptr::null_mut(), 0);
        let mut names = [name.as_ptr()];
        let topics = bindings::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), 1);
        bindings::rd_kafka_DescribeTopics(native, topics, options, queue);
        bindings::rd_kafka_TopicCollection_destroy(topics);
        bindings::rd_kafka_AdminOptions_destroy(options);
        bindings::rd_kafka_queue_poll(queue, patience)
    }
}

unsafe fn id_of(event: *mut bindings::rd_kafka_event_t) -> Option<String> {
    // SAFETY: the event is alive, and everything read here belongs to it.
    unsafe {
        if bindings::rd_kafka_event_error(event) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let result = bindings::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let mut count = 0_usize;
        let topics = bindings::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if count != 1 {
            return None;
        }
        let error = bindings::rd_kafka_TopicDescription_error(*topics);
        if bindings::rd_kafka_error_code(error) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let id = bindings::rd_kafka_TopicDescription_topic_id(*topics);
        if id.is_null()
            || (bindings::rd_kafka_Uuid_most_significant_bits(id) == 0
                && bindings::rd_kafka_Uuid_least_significant_bits(id) == 0)
        {
            return None;
        }
        let text: *const c_char = bindings::rd_kafka_Uuid_base64str(id);
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}
