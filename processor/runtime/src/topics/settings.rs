//! What each topic must look like, and how what is found differs. Pure: it asks nobody.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Config;
use crate::kafka::TopicLayout;

/// Largest batch of a topic in bytes: Kafka's own default, so that producers need no tuning. Above it every record of the
/// project fits: verdicts, dead letters (512 KiB and headers), orders (768 KiB).
const MAX_MESSAGE_BYTES: i64 = 1_048_588;
/// In-sync replicas that must have a record before it counts, where there are three or more.
const MIN_INSYNC: i64 = 2;

/// Who stamps a message's record time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The broker: no client can lie about time.
    LogAppend,
    /// The producer: for back-fills, whose records belong to the past.
    Create,
}

impl TimestampType {
    const fn setting(self) -> &'static str {
        match self {
            TimestampType::LogAppend => "LogAppendTime",
            TimestampType::Create => "CreateTime",
        }
    }
}

/// What `topics create` is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Partitions of messages, verdicts, dead letters and shadow verdicts; fixed for the life of the log.
    pub partitions: i32,
    /// `None`: three, or as many as there are brokers.
    pub replication: Option<i32>,
    pub timestamps: TimestampType,
    /// How long messages, verdicts and dead letters are kept, in milliseconds: the audit window. -1: for ever.
    pub retention_ms: i64,
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    pub topic: String,
    /// The setting, or `partitions`, `topic`, `LogOpened`.
    pub what: String,
    pub found: String,
    pub wanted: String,
    /// A command that mends it, or why none can.
    pub mend: String,
    /// Whether no log can be opened on it.
    pub is_fatal: bool,
    /// A warning: the contract holds all the same, and there may be a reason for it.
    pub is_advice: bool,
}

/// A topic as it should be.
pub(super) struct TopicSpec {
    pub name: String,
    pub partitions: i32,
    pub settings: Vec<Setting>,
}

/// A topic as it is.
pub(super) struct Found {
    pub layout: TopicLayout,
    pub settings: BTreeMap<String, String>,
}

pub(super) struct Setting {
    pub name: &'static str,
    /// What a new topic gets.
    pub value: String,
    rule: Rule,
}

/// What an existing topic may have.
enum Rule {
    Exactly(String),
    AtLeast(i64),
    /// At least as long as the named topic; -1 is for ever.
    OutlastsTopic(String),
    Anything,
}

/// What `create` makes and wants of what exists.
pub(super) fn specs(config: &Config, wanted: &Wanted, replication: i32) -> Vec<TopicSpec> {
    let timestamps = Rule::Exactly(wanted.timestamps.setting().to_owned());
    layout(config, wanted, timestamps, i64::from(replication))
}

/// What `check` wants of what exists: a back-fill topic may have the producers' time, and replicas are as they are.
pub(super) fn expected(config: &Config, partitions: Option<i32>) -> Vec<TopicSpec> {
    let wanted = Wanted {
        partitions: partitions.unwrap_or(1),
        replication: None,
        timestamps: TimestampType::LogAppend,
        retention_ms: -1,
    };
    layout(config, &wanted, Rule::Anything, 1)
}

fn layout(
    config: &Config,
    wanted: &Wanted,
    message_time: Rule,
    replication: i64,
) -> Vec<TopicSpec> {
    let topics = &config.topics;
    let log_append = || Rule::Exactly(TimestampType::LogAppend.setting().to_owned());
    let spec = |name: &str,
                partitions: i32,
                time: (TimestampType, Rule),
                retention: (i64, Rule)| TopicSpec {
        name: name.to_owned(),
        partitions,
        settings: vec![
            exactly("cleanup.policy", "delete"),
            Setting {
                name: "message.timestamp.type",
                value: time.0.setting().to_owned(),
                rule: time.1,
            },
            Setting {
                name: "retention.ms",
                value: retention.0.to_string(),
                rule: retention.1,
            },
            exactly("retention.bytes", "-1"),
            at_least("max.message.bytes", MAX_MESSAGE_BYTES),
            at_least(
                "min.insync.replicas",
                if replication > MIN_INSYNC {
                    MIN_INSYNC
                } else {
                    1
                },
            ),
            exactly("unclean.leader.election.enable", "false"),
        ],
    };
    let keep = wanted.retention_ms;
    let with_messages = || (keep, Rule::OutlastsTopic(topics.messages.clone()));
    let broker_time = || (TimestampType::LogAppend, log_append());
    let n = wanted.partitions;
    vec![
        spec(
            &topics.messages,
            n,
            (wanted.timestamps, message_time),
            (keep, Rule::Anything),
        ),
        spec(&topics.verdicts, n, broker_time(), with_messages()),
        spec(&topics.dead_letters, n, broker_time(), with_messages()),
        spec(
            &topics.control,
            1,
            broker_time(),
            (-1, Rule::Exactly("-1".into())),
        ),
        spec(&topics.shadow, n, broker_time(), (keep, Rule::Anything)),
    ]
}

fn exactly(name: &'static str, value: &str) -> Setting {
    Setting {
        name,
        value: value.to_owned(),
        rule: Rule::Exactly(value.to_owned()),
    }
}

fn at_least(name: &'static str, value: i64) -> Setting {
    Setting {
        name,
        value: value.to_string(),
        rule: Rule::AtLeast(value),
    }
}

/// Differences of those topics that exist.
pub(super) fn compare(
    specs: &[TopicSpec],
    found: &BTreeMap<String, Found>,
    servers: &str,
) -> Vec<Drift> {
    let mut drift = Vec::new();
    for spec in specs {
        let Some(topic) = found.get(&spec.name) else {
            continue;
        };
        if topic.layout.partitions != spec.partitions {
            drift.push(Drift {
                topic: spec.name.clone(),
                what: "partitions".into(),
                found: topic.layout.partitions.to_string(),
                wanted: spec.partitions.to_string(),
                mend: "none: the number is fixed for the life of a log; name another topic".into(),
                is_fatal: true,
                is_advice: false,
            });
        }
        for setting in &spec.settings {
            drift.extend(setting.drift(spec, topic, found, servers));
        }
    }
    drift
}

impl Setting {
    fn drift(
        &self,
        spec: &TopicSpec,
        topic: &Found,
        all: &BTreeMap<String, Found>,
        servers: &str,
    ) -> Option<Drift> {
        // A setting that the broker does not know is one that it does not have.
        let value = topic.settings.get(self.name)?;
        let wanted = self.rule.wanted(self.name, value, topic, all)?;
        let mended = wanted.strip_prefix("at least ").unwrap_or(&wanted);
        Some(Drift {
            topic: spec.name.clone(),
            what: self.name.to_owned(),
            found: value.clone(),
            mend: format!(
                "kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {} --add-config {}={mended}",
                spec.name, self.name
            ),
            wanted,
            // Without every record there is no log to derive verdicts from.
            is_fatal: self.name == "cleanup.policy",
            is_advice: false,
        })
    }
}

impl Rule {
    /// What the value should be, or `None` when it is all right.
    fn wanted(
        &self,
        name: &str,
        value: &str,
        topic: &Found,
        all: &BTreeMap<String, Found>,
    ) -> Option<String> {
        match self {
            Rule::Anything => None,
            Rule::Exactly(wanted) => (value != wanted).then(|| wanted.clone()),
            Rule::AtLeast(least) => {
                let replicas = topic.layout.replication;
                let least = if name == "min.insync.replicas" && replicas > 2 {
                    MIN_INSYNC
                } else {
                    *least
                };
                let enough = value.parse::<i64>().is_ok_and(|value| value >= least);
                (!enough).then(|| format!("at least {least}"))
            }
            Rule::OutlastsTopic(other) => {
                let other = all.get(other)?.settings.get(name)?;
                let span = |text: &str| {
                    text.parse::<i64>()
                        .map(|ms| if ms < 0 { i64::MAX } else { ms })
                };
                let outlasts =
                    matches!((span(value), span(other)), (Ok(own), Ok(theirs)) if own >= theirs);
                (!outlasts).then(|| format!("at least {other}"))
            }
        }
    }
}

/// Topics that do not exist.
pub(super) fn missing(
    specs: &[TopicSpec],
    found: &BTreeMap<String, Found>,
    partitions: Option<i32>,
) -> Vec<Drift> {
    let count = partitions.map_or_else(|| "N".to_owned(), |n| n.to_string());
    specs
        .iter()
        .filter(|spec| !found.contains_key(&spec.name))
        .map(|spec| Drift {
            topic: spec.name.clone(),
            what: "topic".into(),
            found: "missing".into(),
            wanted: "present".into(),
            mend: format!("gavel topics create --partitions {count}"),
            is_fatal: true,
            is_advice: false,
        })
        .collect()
}

/// Topics that keep what users wrote, or what was said of it, for longer than erased users may take to be gone: an order to forget
/// somebody does not reach into topics.
pub(super) fn outlasting(
    config: &Config,
    found: &BTreeMap<String, Found>,
    servers: &str,
) -> Vec<Drift> {
    let topics = &config.topics;
    let within = config.checkpoints.erase_within_ms;
    let of_users = [
        &topics.messages,
        &topics.verdicts,
        &topics.dead_letters,
        &topics.shadow,
    ];
    let mut drift = Vec::new();
    for name in of_users {
        let kept = found
            .get(name)
            .and_then(|topic| topic.settings.get("retention.ms"));
        let Some(kept) = kept else { continue };
        // Negative: for ever.
        if kept.parse::<u64>().is_ok_and(|kept| kept <= within) {
            continue;
        }
        drift.push(Drift {
            topic: name.clone(),
            what: "retention.ms".into(),
            found: kept.clone(),
            wanted: format!(
                "at most {within} (checkpoints.erase_within_ms), or texts and users encrypted by the producer with keys that an erasure destroys"
            ),
            mend: format!(
                "kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {name} --add-config retention.ms={within}"
            ),
            is_fatal: false,
            is_advice: true,
        });
    }
    drift
}

/// The log has no identity.
pub(super) fn not_opened(control: &str) -> Drift {
    Drift {
        topic: control.to_owned(),
        what: "LogOpened".into(),
        found: "missing".into(),
        wanted: "one".into(),
        mend: "gavel topics adopt".into(),
        is_fatal: false,
        is_advice: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn wanted() -> Wanted {
        Wanted {
            partitions: 4,
            replication: None,
            timestamps: TimestampType::LogAppend,
            retention_ms: DAY,
        }
    }

    fn as_created(specs: &[TopicSpec], replication: usize) -> BTreeMap<String, Found> {
        let found = |spec: &TopicSpec| Found {
            layout: TopicLayout {
                partitions: spec.partitions,
                replication,
            },
            settings: spec
                .settings
                .iter()
                .map(|setting| (setting.name.to_owned(), setting.value.clone()))
                .collect(),
        };
        specs
            .iter()
            .map(|spec| (spec.name.clone(), found(spec)))
            .collect()
    }

    fn drift_after(change: impl FnOnce(&mut BTreeMap<String, Found>)) -> Vec<String> {
        let config = Config::default();
        let mut found = as_created(&specs(&config, &wanted(), 3), 3);
        change(&mut found);
        let drift = compare(&expected(&config, Some(4)), &found, "b:1");
        drift
            .into_iter()
            .map(|d| format!("{} {} {} -> {}", d.topic, d.what, d.found, d.wanted))
            .collect()
    }

    fn set(found: &mut BTreeMap<String, Found>, topic: &str, name: &str, value: &str) {
        let topic = found.get_mut(topic).expect("the topic exists");
        topic.settings.insert(name.to_owned(), value.to_owned());
    }

    #[test]
    fn what_create_makes_passes_check() {
        assert_eq!(drift_after(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn the_control_topic_never_expires_and_has_one_partition() {
        let config = Config::default();
        let specs = specs(&config, &wanted(), 1);
        let control = specs
            .iter()
            .find(|spec| spec.name == "chat.control")
            .expect("there is one");
        let value = |name| {
            control
                .settings
                .iter()
                .find(|setting| setting.name == name)
                .map(|s| s.value.as_str())
        };
        assert_eq!(
            (
                control.partitions,
                value("retention.ms"),
                value("cleanup.policy")
            ),
            (1, Some("-1"), Some("delete"))
        );
        assert_eq!(
            drift_after(|f| set(f, "chat.control", "retention.ms", "5")),
            ["chat.control retention.ms 5 -> -1"]
        );
        let compacted = drift_after(|f| set(f, "chat.control", "cleanup.policy", "compact"));
        assert_eq!(compacted, ["chat.control cleanup.policy compact -> delete"]);
    }

    #[test]
    fn a_back_fill_topic_may_have_the_producers_time_but_verdicts_may_not() {
        assert!(
            drift_after(|f| set(f, "chat.messages", "message.timestamp.type", "CreateTime"))
                .is_empty()
        );
        let verdicts =
            drift_after(|f| set(f, "chat.verdicts", "message.timestamp.type", "CreateTime"));
        assert_eq!(
            verdicts,
            ["chat.verdicts message.timestamp.type CreateTime -> LogAppendTime"]
        );
    }

    #[test]
    fn verdicts_outlast_their_messages() {
        let shorter = drift_after(|f| set(f, "chat.verdicts", "retention.ms", "1000"));
        assert_eq!(
            shorter,
            [format!("chat.verdicts retention.ms 1000 -> at least {DAY}")]
        );
        assert!(drift_after(|f| set(f, "chat.verdicts", "retention.ms", "-1")).is_empty());
        let for_ever = drift_after(|f| set(f, "chat.messages", "retention.ms", "-1"));
        assert_eq!(
            for_ever.len(),
            2,
            "verdicts and dead letters now expire first: {for_ever:?}"
        );
    }

    #[test]
    fn topics_that_outlast_an_erasure_are_shown_as_advice() {
        let config = Config::default();
        let mut found = as_created(&specs(&config, &wanted(), 3), 3);
        assert_eq!(outlasting(&config, &found, "b:1"), []);
        set(&mut found, "chat.messages", "retention.ms", "-1");
        set(&mut found, "chat.shadow", "retention.ms", "2592000001");
        let advice = outlasting(&config, &found, "b:1");
        let topics: Vec<&str> = advice.iter().map(|drift| drift.topic.as_str()).collect();
        assert_eq!(topics, ["chat.messages", "chat.shadow"]);
        assert!(
            advice
                .iter()
                .all(|drift| drift.is_advice && !drift.is_fatal)
        );
    }

    #[test]
    fn three_replicas_want_two_in_sync() {
        let weaker = drift_after(|f| set(f, "chat.verdicts", "min.insync.replicas", "1"));
        assert_eq!(
            weaker,
            ["chat.verdicts min.insync.replicas 1 -> at least 2"]
        );
        assert!(
            drift_after(|f| set(f, "chat.verdicts", "max.message.bytes", "9000000")).is_empty()
        );
        let smaller = drift_after(|f| set(f, "chat.verdicts", "max.message.bytes", "1000"));
        assert_eq!(
            smaller,
            ["chat.verdicts max.message.bytes 1000 -> at least 1048588"]
        );
    }

    #[test]
    fn another_partition_count_is_fatal_and_cannot_be_mended() {
        let config = Config::default();
        let mut found = as_created(&specs(&config, &wanted(), 1), 1);
        found
            .get_mut("chat.verdicts")
            .expect("the topic exists")
            .layout
            .partitions = 5;
        let drift = compare(&specs(&config, &wanted(), 1), &found, "b:1");
        assert_eq!(drift.len(), 1);
        assert!(
            drift[0].is_fatal && drift[0].mend.starts_with("none: "),
            "{drift:?}"
        );
    }

    #[test]
    fn the_mending_command_carries_the_plain_value() {
        let config = Config::default();
        let mut found = as_created(&specs(&config, &wanted(), 1), 1);
        set(&mut found, "chat.shadow", "max.message.bytes", "7");
        let drift = compare(&specs(&config, &wanted(), 1), &found, "b:1");
        assert!(
            drift[0]
                .mend
                .ends_with("--entity-name chat.shadow --add-config max.message.bytes=1048588"),
            "{drift:?}"
        );
    }
}
