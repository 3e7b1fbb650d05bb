//! How a lane leaves the group: for a moment or for good.
//!
//! A static member (`run.instance_id`) that closes stays in the group, so that a restart moves nothing; its partitions wait for a whole
//! session if it never comes back. Invariant: one that leaves for good owns nothing by the time it closes, whatever the protocol.
//!
//! librdkafka offers no call for that, and the protocols differ. Classic: `unsubscribe` sends a LeaveGroup, if it is done before the
//! client closes. KIP-848: librdkafka only ever says "back soon" for a static member, also after `unsubscribe`; so the lane subscribes
//! to a topic that is not judged, the group gives its partitions to others at the next heartbeat, and only an empty seat is left.

use super::context::LaneContext;
use crate::config::{Config, Protocol};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Name of the file in the data directory whose presence at a stop means "for good".
const MARKER: &str = "leave";
/// How long a LeaveGroup may take to be on its way. It is sent once the client's fetchers have stopped: within milliseconds, but on a
/// machine without a core to spare 300 of them were not enough. Only the end of the process waits for it.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// How long the group may take to give the partitions to others: a few heartbeats of a broker that asks for one every five seconds.
pub const HANDED_OVER: Duration = Duration::from_secs(15);
/// One wait of the consumer meanwhile.
const POLL: Duration = Duration::from_millis(10);

/// What a lane does about its membership when it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Farewell {
    /// Close. A dynamic member leaves by that; a static one keeps its place.
    Close,
    /// Leave the group, then close.
    Unsubscribe,
    /// Take this topic, which nobody judges, instead of the messages; close once the partitions are gone.
    HandOver { topic: String },
}

impl Farewell {
    /// What these settings and this intention ask for.
    pub fn of(config: &Config, for_good: bool) -> Farewell {
        match (&config.run.instance_id, for_good, config.kafka.protocol) {
            (None, _, _) | (Some(_), false, _) => Farewell::Close,
            (Some(_), true, Protocol::Classic) => Farewell::Unsubscribe,
            (Some(_), true, Protocol::Consumer) => Farewell::HandOver {
                topic: config.topics.control.clone(),
            },
        }
    }

    /// Leaves the group if that is what is asked for and is still to be done; then the consumer may be closed.
    pub fn before_closing(&self, consumer: &BaseConsumer<LaneContext>) {
        if *self != Farewell::Unsubscribe {
            return;
        }
        consumer.unsubscribe();
        let told = Instant::now();
        while told.elapsed() < ON_ITS_WAY {
            // The revoke is answered in here; there are no records any more.
            drop(consumer.poll(POLL));
        }
    }

    /// Tells the group that the messages are not wanted any more. True if the partitions will be revoked, and that is to be awaited.
    pub fn hand_over(&self, consumer: &BaseConsumer<LaneContext>) -> KafkaResult<bool> {
        match self {
            Farewell::Close | Farewell::Unsubscribe => Ok(false),
            Farewell::HandOver { topic } => consumer.subscribe(&[topic]).map(|()| true),
        }
    }
}

/// Where the marker of this data directory is.
pub fn marker(data_dir: &Path) -> PathBuf {
    data_dir.join(MARKER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_static_member_that_leaves_for_good_does_more_than_close() {
        let mut config = Config::default();
        assert_eq!(Farewell::of(&config, true), Farewell::Close);
        config.run.instance_id = Some("gavel-0".into());
        assert_eq!(Farewell::of(&config, false), Farewell::Close);
        assert_eq!(Farewell::of(&config, true), Farewell::Unsubscribe);
        config.kafka.protocol = Protocol::Consumer;
        let topic = config.topics.control.clone();
        assert_eq!(Farewell::of(&config, true), Farewell::HandOver { topic });
    }
}
