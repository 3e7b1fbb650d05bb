//! What the tests on a real broker share.

use std::time::{SystemTime, UNIX_EPOCH};

use gavel_runtime::config::Config;

/// The test broker, with topic names that no other test and no other run has.
pub fn config(name: &str) -> Config {
    let mut config = Config::default();
    config.kafka.bootstrap_servers = std::env::var("GAVEL_TEST_KAFKA").unwrap_or_else(|_| {
        panic!("this test needs a real Kafka: run scripts/test, or set GAVEL_TEST_KAFKA to what scripts/kafka start prints")
    });
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970")
        .as_nanos();
    let topics = &mut config.topics;
    for topic in [
        &mut topics.messages,
        &mut topics.verdicts,
        &mut topics.dead_letters,
        &mut topics.control,
        &mut topics.shadow,
    ] {
        *topic = format!("test-{name}-{now}-{topic}");
    }
    config
}
