//! Raw librdkafka settings, minus those that the contract fixes.
//!
//! Invariant: no raw setting can weaken what the wire contract promises (acknowledged by all, in order, from the stored
//! offset, committed records only, Java's partitioner), and a name that librdkafka does not know is found at start, not
//! in the log of a client that ignored it.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::bindings;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use toml::de::{DeTable, DeValue};

use super::setting::{FromWritten, Written, suggestion};

/// Settings for every client, in key order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

/// Says what to use instead, for settings that have a name of their own here.
const OWN: &[(&[&str], &str)] = &[
    (
        &["bootstrap.servers", "metadata.broker.list"],
        "use kafka.bootstrap_servers or --bootstrap-servers",
    ),
    (
        &["group.id"],
        "use kafka.group: readers and the processor must not share a group by accident",
    ),
    (&["group.protocol"], "use kafka.protocol"),
    (
        &["group.instance.id"],
        "use run.instance_id: each lane needs its own",
    ),
    (
        &["session.timeout.ms"],
        "use kafka.session_timeout_ms: drain_ms is checked against it",
    ),
    (
        &["heartbeat.interval.ms"],
        "use kafka.heartbeat_ms: it is checked against the session",
    ),
    (
        &["linger.ms", "queue.buffering.max.ms"],
        "use kafka.linger_ms",
    ),
    (&["fetch.wait.max.ms"], "use kafka.fetch_wait_max_ms"),
    (&["fetch.min.bytes"], "use kafka.fetch_min_bytes"),
];

/// Settings that the contract fixes, with the reason.
const FIXED: &[(&[&str], &str)] = &[
    (
        &["enable.idempotence"],
        "without it a retry could write a verdict twice or out of order; it is always true",
    ),
    (
        &["acks", "request.required.acks"],
        "a verdict counts once all in-sync replicas have it; it is always all",
    ),
    (
        &["max.in.flight", "max.in.flight.requests.per.connection"],
        "idempotence keeps the order up to 5; it is left there",
    ),
    (
        &["retries", "message.send.max.retries"],
        "a verdict is retried until it is acknowledged",
    ),
    (
        &["message.timeout.ms", "delivery.timeout.ms"],
        "a verdict that gives up leaves a gap; it is always 0, which waits for ever",
    ),
    (
        &["enable.gapless.guarantee"],
        "a gap in the verdicts must end the producer; it is always true",
    ),
    (
        &["queuing.strategy"],
        "verdicts leave in the order of their messages",
    ),
    (
        &["delivery.report.only.error"],
        "acknowledgements move the stored offset on; all are reported",
    ),
    (
        &["transactional.id"],
        "verdicts are not transactional: copies are identical and carry their offset",
    ),
    (
        &["partitioner", "partitioner_cb"],
        "all of a user's messages go to one partition as Java's murmur2 finds it",
    ),
    (
        &["message.max.bytes"],
        "it follows from the limits of the records and the topics' max.message.bytes",
    ),
    (
        &[
            "enable.auto.commit",
            "auto.commit.enable",
            "auto.commit.interval.ms",
        ],
        "the stored offset is the truth; the committed one is a lag signal that the processor writes itself",
    ),
    (
        &["enable.auto.offset.store"],
        "the stored offset is the truth; it is always false",
    ),
    (
        &["offset.store.method"],
        "the offset is stored with the state",
    ),
    (
        &["auto.offset.reset"],
        "a missing offset means lost history and must halt the partition; it is always error",
    ),
    (
        &["partition.assignment.strategy"],
        "partitions move one by one: always cooperative-sticky",
    ),
    (
        &["check.crcs"],
        "a record damaged on its way must not be judged; it is always true",
    ),
    (
        &["isolation.level"],
        "only committed records are judged; it is always read_committed",
    ),
    (
        &["enable.partition.eof"],
        "readers rely on it to know a log's end",
    ),
    (
        &["allow.auto.create.topics"],
        "topics are made by `gavel topics create`, with their settings; it is always false",
    ),
    (
        &["enabled_events", "log.queue"],
        "the client library's events belong to the processor",
    ),
];

/// Why a raw setting is refused, when it is.
pub fn refusal(key: &str) -> Option<&'static str> {
    OWN.iter()
        .chain(FIXED)
        .find(|(keys, _)| keys.contains(&key))
        .map(|(_, reason)| *reason)
}

impl Properties {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub fn set(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), value.to_owned());
    }

    /// Names that are refused or unknown, and values that librdkafka does not take.
    pub(super) fn problems(&self) -> Vec<String> {
        self.iter()
            .filter_map(|(key, value)| problem(key, value))
            .collect()
    }
}

fn problem(key: &str, value: &str) -> Option<String> {
    if let Some(reason) = refusal(key) {
        return Some(format!("kafka.properties: `{key}` is refused: {reason}"));
    }
    let error = ClientConfig::new()
        .set(key, value)
        .create_native_config()
        .err()?;
    Some(match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..) => {
            let known = known_keys();
            let near = suggestion(
                key,
                known
                    .iter()
                    .map(String::as_str)
                    .filter(|key| refusal(key).is_none()),
            );
            format!("kafka.properties: librdkafka knows no setting `{key}`{near}")
        }
        // The value stays out of the message: it may be a password.
        KafkaError::ClientConfig(_, description, ..) if secret(key) => {
            format!(
                "kafka.properties: `{key}`: not accepted{}",
                if description.is_empty() {
                    ""
                } else {
                    " by librdkafka"
                }
            )
        }
        KafkaError::ClientConfig(_, description, ..) => {
            format!("kafka.properties: `{key}`: {description}")
        }
        other => format!("kafka.properties: `{key}`: {other}"),
    })
}

/// Every setting that the linked librdkafka has a default for.
#[expect(
    unsafe_code,
    reason = "rdkafka does not wrap the dump of a configuration"
)]
fn known_keys() -> Vec<String> {
    let mut count = 0usize;
    let mut keys = Vec::new();
    // SAFETY: `conf` is a fresh configuration that only this function holds; the dump is an array of `count` C strings,
    // name and value in turn, which stays valid until it is freed below, after every name has been copied.
    unsafe {
        let conf = bindings::rd_kafka_conf_new();
        let dump = bindings::rd_kafka_conf_dump(conf, &mut count);
        for i in (0..count).step_by(2) {
            keys.push(CStr::from_ptr(*dump.add(i)).to_string_lossy().into_owned());
        }
        bindings::rd_kafka_conf_dump_free(dump, count);
        bindings::rd_kafka_conf_destroy(conf);
    }
    keys.extend(WITHOUT_DEFAULT.iter().map(|key| (*key).to_owned()));
    keys
}

/// Settings that people need most among those without a default, which a dump leaves out.
const WITHOUT_DEFAULT: &[&str] = &[
    "security.protocol",
    "sasl.username",
    "sasl.password",
    "sasl.mechanism",
    "sasl.oauthbearer.config",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "debug",
    "client.rack",
    "compression.type",
    "batch.size",
];

fn secret(key: &str) -> bool {
    ["password", "secret", "passphrase", "pem", "ssl.key"]
        .iter()
        .any(|part| key.contains(part))
        || key == "sasl.oauthbearer.config"
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .iter()
            .map(|(key, value)| (key, if secret(key) { "(hidden)" } else { value }));
        f.debug_map().entries(shown).finish()
    }
}

impl FromWritten for Properties {
    fn take(&mut self, written: &Written<'_>) -> Result<(), String> {
        match written {
            Written::Text(text) => {
                for piece in text
                    .split([';', '\n'])
                    .map(str::trim)
                    .filter(|piece| !piece.is_empty())
                {
                    let (key, value) = piece
                        .split_once('=')
                        .ok_or_else(|| format!("expected key=value, found `{piece}`"))?;
                    self.set(key.trim(), value.trim());
                }
                Ok(())
            }
            Written::Toml(DeValue::Table(table)) => self.take_table("", table),
            Written::Toml(_) => Err(
                "expected a table: [kafka.properties], then one librdkafka setting per line".into(),
            ),
        }
    }
}

impl Properties {
    /// `security.protocol = "SSL"` without quotes is a nested table in TOML; it is what a person means all the same.
    fn take_table(&mut self, prefix: &str, table: &DeTable<'_>) -> Result<(), String> {
        for (key, value) in table {
            let key = format!("{prefix}{}", key.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) => self.take_table(&format!("{key}."), inner)?,
                DeValue::String(text) => self.set(&key, text),
                DeValue::Integer(number) => self.set(&key, number.as_str()),
                DeValue::Float(number) => self.set(&key, number.as_str()),
                DeValue::Boolean(value) => self.set(&key, if *value { "true" } else { "false" }),
                DeValue::Array(_) | DeValue::Datetime(_) => {
                    return Err(format!("`{key}`: expected a text, a number or true/false"));
                }
            }
        }
        Ok(())
    }
}
