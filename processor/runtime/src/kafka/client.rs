//! Settings for each kind of client: what helps speed first, then the user's raw settings, then what the contract fixes.

use rdkafka::admin::AdminClient;
use rdkafka::error::KafkaError;

use super::access::{Authenticated, ClientSettings};
use super::{BrokerError, BrokerLog};
use crate::config::{Config, Protocol};

/// Largest produce request in bytes: below the `max.message.bytes` that `gavel topics create` gives every topic, above
/// any verdict, dead letter (512 KiB and headers) and order (768 KiB).
const REQUEST_BYTES: &str = "1000000";

/// Shadow verdicts of a lane that may wait for their ack, and their bytes in KiB; what comes on top is dropped.
const SHADOW_IN_FLIGHT: &str = "20000";
const SHADOW_KIBIBYTES: &str = "32768";

/// Messages of a generated load that may wait for their ack: twenty seconds at 47,000 a second.
const LOAD_QUEUE: &str = "queue.buffering.max.messages";
const LOAD_IN_FLIGHT: &str = "1000000";

fn base(config: &Config, role: &str) -> ClientSettings {
    let mut client = ClientSettings::new(&config.kafka);
    client.set("client.id", format!("gavel-{role}"));
    client.set("bootstrap.servers", config.kafka.bootstrap_servers.as_str());
    // A broker that hangs (and does not refuse) is left after this long, and its successor as leader found; librdkafka's own
    // defaults, a minute and five, keep the partitions of such a broker dark for more than a minute.
    client.set("socket.timeout.ms", "10000");
    client.set("topic.metadata.refresh.interval.ms", "3000");
    // librdkafka's own lines come through the context; notices about idle connections are noise.
    client.set("log.connection.close", "false");
    client
}

fn with_properties(mut client: ClientSettings, config: &Config) -> ClientSettings {
    for (key, value) in config.kafka.properties.iter() {
        client.set(key, value);
    }
    client
}

/// What every consumer has in common by contract.
fn reading(client: &mut ClientSettings) {
    client.set("enable.auto.commit", "false");
    client.set("enable.auto.offset.store", "false");
    client.set("auto.offset.reset", "error");
    client.set("isolation.level", "read_committed");
    client.set("check.crcs", "true");
    client.set("allow.auto.create.topics", "false");
}

/// For reading logs by assignment. librdkafka wants a group name even then; nobody joins it and nothing is committed.
pub fn reader_config(config: &Config) -> ClientSettings {
    let mut client = base(config, "reader");
    client.set(
        "fetch.wait.max.ms",
        config.kafka.fetch_wait_max_ms.to_string(),
    );
    client.set("fetch.error.backoff.ms", "50");
    client.set("fetch.queue.backoff.ms", "5");
    client.set("queued.min.messages", "5000");
    client.set("queued.max.messages.kbytes", "16384");
    let mut client = with_properties(client, config);
    reading(&mut client);
    client.set("group.id", format!("{}-reader", config.kafka.group));
    client.set("enable.partition.eof", "true");
    client
}

/// For a lane: a member of the processor's group. `lane` counts from 0 in this process.
pub fn lane_consumer_config(config: &Config, lane: usize) -> ClientSettings {
    let mut client = base(config, &format!("lane-{lane}"));
    client.set(
        "fetch.wait.max.ms",
        config.kafka.fetch_wait_max_ms.to_string(),
    );
    client.set("fetch.min.bytes", config.kafka.fetch_min_bytes.to_string());
    client.set("fetch.error.backoff.ms", "50");
    client.set("fetch.queue.backoff.ms", "5");
    client.set("queued.min.messages", "10000");
    let mut client = with_properties(client, config);
    reading(&mut client);
    client.set("group.id", config.kafka.group.as_str());
    client.set("enable.partition.eof", "false");
    match config.kafka.protocol {
        Protocol::Classic => {
            client.set("group.protocol", "classic");
            client.set("partition.assignment.strategy", "cooperative-sticky");
            client.set(
                "session.timeout.ms",
                config.kafka.session_timeout_ms.to_string(),
            );
            client.set(
                "heartbeat.interval.ms",
                config.kafka.heartbeat_ms.to_string(),
            );
        }
        // Session, heartbeat and assignor are the broker's here; librdkafka refuses a client that sets them.
        Protocol::Consumer => {
            client.set("group.protocol", "consumer");
        }
    }
    if let Some(instance) = &config.run.instance_id {
        client.set("group.instance.id", format!("{instance}-{lane}"));
    }
    client
}

/// For verdicts, dead letters, orders and produced messages. Not compressed unless `compression.type` says so: verdicts
/// are small, and the broker stores what it gets.
pub fn producer_config(config: &Config) -> ClientSettings {
    let mut client = base(config, "producer");
    client.set("linger.ms", config.kafka.linger_ms.to_string());
    let mut client = with_properties(client, config);
    client.set("enable.idempotence", "true");
    client.set("acks", "all");
    client.set("message.timeout.ms", "0");
    client.set("enable.gapless.guarantee", "true");
    client.set("partitioner", "murmur2");
    client.set("message.max.bytes", REQUEST_BYTES);
    client
}

/// For a lane, whose verdicts have waited for each other before they come to it: long enough that those of a partition go together.
pub fn lane_producer_config(config: &Config) -> ClientSettings {
    let mut client = producer_config(config);
    client.set("linger.ms", "0.5");
    client
}

/// For a generated load: as for produced messages, with room for what is sent while brokers are silent, because a full queue would hold
/// the generator up, which the run would have to report as its own failure.
pub fn load_producer_config(config: &Config) -> ClientSettings {
    let mut client = producer_config(config);
    if config
        .kafka
        .properties
        .iter()
        .all(|(key, _)| key != LOAD_QUEUE)
    {
        client.set(LOAD_QUEUE, LOAD_IN_FLIGHT);
    }
    client
}

/// For what a candidate says in shadow. It may fail at any time and nobody minds: it gives up after a while, holds little, and is a
/// client of its own, because an idempotent producer with `enable.gapless.guarantee` ends with the first record that it loses.
pub fn shadow_producer_config(config: &Config) -> ClientSettings {
    let mut client = base(config, "shadow");
    client.set("linger.ms", "50");
    let mut client = with_properties(client, config);
    client.set("enable.idempotence", "false");
    client.set("acks", "1");
    client.set("message.timeout.ms", "10000");
    client.set("queue.buffering.max.messages", SHADOW_IN_FLIGHT);
    client.set("queue.buffering.max.kbytes", SHADOW_KIBIBYTES);
    client.set("partitioner", "murmur2");
    client.set("message.max.bytes", REQUEST_BYTES);
    client
}

/// For topics and their settings.
pub fn admin_config(config: &Config) -> ClientSettings {
    with_properties(base(config, "admin"), config)
}

/// An admin client that logs where everything else does.
pub fn admin_client(config: &Config) -> Result<Authenticated<AdminClient<BrokerLog>>, BrokerError> {
    admin_config(config)
        .create_with_context(BrokerLog::default())
        .map_err(no_client)
}

pub(super) fn no_client(error: KafkaError) -> BrokerError {
    BrokerError::Client {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::consumer::BaseConsumer;
    use rdkafka::producer::{BaseProducer, DefaultProducerContext};

    fn config(protocol: Protocol) -> Config {
        let mut config = Config::default();
        config.kafka.protocol = protocol;
        config.run.instance_id = Some("pod-0".into());
        config.kafka.properties.set("queued.min.messages", "77");
        config.kafka.properties.set("compression.type", "lz4");
        // Refused by `Config::load`; even if they came through, the contract would win.
        config.kafka.properties.set("auto.offset.reset", "latest");
        config.kafka.properties.set("acks", "1");
        config.kafka.properties.set("partitioner", "random");
        config
    }

    #[test]
    fn the_contract_wins_over_raw_settings_and_these_over_the_defaults() {
        let config = config(Protocol::Classic);
        let lane = lane_consumer_config(&config, 1);
        assert_eq!(
            (
                lane.get("queued.min.messages"),
                lane.get("auto.offset.reset")
            ),
            (Some("77"), Some("error"))
        );
        assert_eq!(
            (lane.get("isolation.level"), lane.get("check.crcs")),
            (Some("read_committed"), Some("true"))
        );
        assert_eq!(
            (lane.get("group.id"), lane.get("group.instance.id")),
            (Some("gavel"), Some("pod-0-1"))
        );
        let producer = producer_config(&config);
        assert_eq!(
            (producer.get("acks"), producer.get("partitioner")),
            (Some("all"), Some("murmur2"))
        );
        assert_eq!(
            (
                producer.get("compression.type"),
                producer.get("message.timeout.ms")
            ),
            (Some("lz4"), Some("0"))
        );
        assert_ne!(reader_config(&config).get("group.id"), lane.get("group.id"));
    }

    #[test]
    fn what_a_candidate_says_is_given_up_after_a_while_and_never_fills_the_memory() {
        let mut config = config(Protocol::Classic);
        config
            .kafka
            .properties
            .set("queue.buffering.max.messages", "9000000");
        let shadow = shadow_producer_config(&config);
        assert_eq!(shadow.get("message.timeout.ms"), Some("10000"));
        assert_eq!(
            shadow.get("queue.buffering.max.messages"),
            Some(SHADOW_IN_FLIGHT)
        );
        assert_eq!(shadow.get("enable.gapless.guarantee"), None);
    }

    #[test]
    fn a_load_queues_for_long_unless_told_otherwise_and_keeps_the_contract() {
        let mut config = config(Protocol::Classic);
        let load = load_producer_config(&config);
        assert_eq!(load.get(LOAD_QUEUE), Some(LOAD_IN_FLIGHT));
        assert_eq!(
            (load.get("acks"), load.get("partitioner")),
            (Some("all"), Some("murmur2"))
        );
        config.kafka.properties.set(LOAD_QUEUE, "77");
        assert_eq!(load_producer_config(&config).get(LOAD_QUEUE), Some("77"));
    }

    #[test]
    fn only_a_lanes_producer_does_not_linger_as_the_settings_say() {
        let mut config = config(Protocol::Classic);
        config.kafka.linger_ms = 7;
        for producer in [producer_config(&config), load_producer_config(&config)] {
            assert_eq!(producer.get("linger.ms"), Some("7"));
        }
        assert_eq!(lane_producer_config(&config).get("linger.ms"), Some("0.5"));
    }

    #[test]
    fn sessions_are_the_brokers_with_the_consumer_protocol() {
        let lane = lane_consumer_config(&config(Protocol::Consumer), 0);
        for key in [
            "session.timeout.ms",
            "heartbeat.interval.ms",
            "partition.assignment.strategy",
        ] {
            assert_eq!(lane.get(key), None, "{key}");
        }
        let lane = lane_consumer_config(&config(Protocol::Classic), 0);
        assert_eq!(
            lane.get("partition.assignment.strategy"),
            Some("cooperative-sticky")
        );
    }

    #[test]
    fn librdkafka_takes_every_one_of_them() {
        for protocol in [Protocol::Classic, Protocol::Consumer] {
            let config = config(protocol);
            let lane: Authenticated<BaseConsumer<BrokerLog>> = lane_consumer_config(&config, 0)
                .create_with_context(BrokerLog::default())
                .expect("a lane's consumer");
            drop(lane);
            let reader: Authenticated<BaseConsumer<BrokerLog>> = reader_config(&config)
                .create_with_context(BrokerLog::default())
                .expect("a reader");
            drop(reader);
            let producer: Authenticated<BaseProducer> = producer_config(&config)
                .create_with_context(DefaultProducerContext)
                .expect("a producer");
            drop(producer);
            let load: Authenticated<BaseProducer> = load_producer_config(&config)
                .create_with_context(DefaultProducerContext)
                .expect("a producer of load");
            drop(load);
            let shadow: Authenticated<BaseProducer> = shadow_producer_config(&config)
                .create_with_context(DefaultProducerContext)
                .expect("a producer of shadow verdicts");
            drop(shadow);
            admin_client(&config).expect("an admin client");
        }
    }
}
