//! The five topics: created with the settings that the contract needs, opened once, and compared with what brokers say.
//!
//! Invariant: nothing is created beside a topic that differs from what is wanted, and nothing that exists is changed here: a
//! setting is mended by a person, with a command that is shown. A partition count is never mended: it would move users to
//! partitions that do not know them.

mod settings;

pub use settings::{Drift, TimestampType, Wanted};

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use crate::config::Config;
use crate::kafka::{BrokerError, BrokerLog, Cluster, PATIENCE, TopicLayout, admin_client};
use crate::orders::{Opened, OrderError, Orders};
use settings::{Found, TopicSpec, compare, expected, specs};

/// Replicas of a topic where there are as many brokers.
const REPLICAS: i32 = 3;

/// Why topics were not created or adopted.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("{} of what exists differs from what is wanted; nothing was changed", .0.len())]
    Drift(Vec<Drift>),
    #[error(
        "`{topic}` partition {partition} begins at offset {start}, so this log has a history that was not recorded from its beginning"
    )]
    HasHistory {
        topic: String,
        partition: i32,
        start: i64,
    },
    #[error("the log was opened with {opened} partitions, not {wanted}")]
    OpenedWith { opened: i32, wanted: i32 },
    #[error("`{topic}` was created but the brokers do not list it after {} s", .waited.as_secs())]
    NotVisible { topic: String, waited: Duration },
}

impl TopicsError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            TopicsError::Broker(error) => error.next_step(),
            TopicsError::Order(error) => error.next_step(),
            TopicsError::Drift(_) => "mend what the table shows, or name other topics in [topics], then run again".into(),
            TopicsError::HasHistory { .. } => {
                "to take the log over as it is, with its present start offsets, run `gavel topics adopt`".into()
            }
            TopicsError::OpenedWith { opened, .. } => {
                format!("use --partitions {opened}, or other topics; the number is fixed for the life of a log")
            }
            TopicsError::NotVisible { .. } => "run it again; it creates only what is missing".into(),
        }
    }
}

/// What `create` or `adopt` found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub created: Vec<String>,
    pub existed: Vec<String>,
    pub opened: Opened,
}

/// Creates what is missing and opens the log. The second run changes nothing.
pub fn create(config: &Config, wanted: &Wanted) -> Result<Report, TopicsError> {
    let cluster = Cluster::new(config)?;
    let admin = admin_client(config)?;
    let replication = match wanted.replication {
        Some(replication) => replication,
        None => cluster.brokers()?.clamp(1, REPLICAS),
    };
    let specs = specs(config, wanted, replication);
    let found = look(&cluster, &admin, &specs)?;
    let drift = compare(&specs, &found, &config.kafka.bootstrap_servers);
    if !drift.is_empty() {
        return Err(TopicsError::Drift(drift));
    }
    let missing: Vec<&TopicSpec> = specs
        .iter()
        .filter(|spec| !found.contains_key(spec.name.as_str()))
        .collect();
    create_missing(&admin, &missing, replication)?;
    for spec in &missing {
        wait_for(&cluster, spec)?;
    }
    let mut orders = Orders::open(config)?;
    check_opened(&orders, wanted.partitions)?;
    let opened = if orders.control().opened(0).is_some() {
        orders.open_log(&[])?
    } else {
        let starts = starts(&cluster, config, wanted.partitions)?;
        if let Some((partition, start)) = (0i32..).zip(&starts).find(|(_, start)| **start > 0) {
            return Err(TopicsError::HasHistory {
                topic: config.topics.messages.clone(),
                partition,
                start: *start,
            });
        }
        orders.open_log(&starts)?
    };
    let name = |spec: &TopicSpec| spec.name.clone();
    Ok(Report {
        created: missing.iter().map(|spec| name(spec)).collect(),
        existed: specs
            .iter()
            .filter(|spec| found.contains_key(spec.name.as_str()))
            .map(name)
            .collect(),
        opened,
    })
}

/// Opens the log of topics that exist already, at the offsets where they begin now.
pub fn adopt(config: &Config) -> Result<Report, TopicsError> {
    let cluster = Cluster::new(config)?;
    let partitions = cluster.require(&config.topics.messages)?.partitions;
    for (_, name) in config.topics.named() {
        cluster.require(name)?;
    }
    let drift: Vec<Drift> = check(config)?
        .into_iter()
        .filter(|drift| drift.is_fatal)
        .collect();
    if !drift.is_empty() {
        return Err(TopicsError::Drift(drift));
    }
    let mut orders = Orders::open(config)?;
    check_opened(&orders, partitions)?;
    let starts = starts(&cluster, config, partitions)?;
    let opened = orders.open_log(&starts)?;
    let existed = config
        .topics
        .named()
        .iter()
        .map(|(_, name)| (*name).to_owned())
        .collect();
    Ok(Report {
        created: Vec::new(),
        existed,
        opened,
    })
}

/// Everything that differs from what the contract wants, missing topics included.
pub fn check(config: &Config) -> Result<Vec<Drift>, TopicsError> {
    let cluster = Cluster::new(config)?;
    let admin = admin_client(config)?;
    let opened = match cluster.topic(&config.topics.control)? {
        Some(_) => Orders::open(config)?
            .control()
            .opened(0)
            .map(|opened| opened.partitions),
        None => None,
    };
    let messages = cluster.topic(&config.topics.messages)?;
    let partitions = opened.or(messages.map(|layout| layout.partitions));
    let specs = expected(config, partitions);
    let found = look(&cluster, &admin, &specs)?;
    let mut drift = compare(&specs, &found, &config.kafka.bootstrap_servers);
    drift.extend(settings::missing(&specs, &found, partitions));
    drift.extend(settings::outlasting(
        config,
        &found,
        &config.kafka.bootstrap_servers,
    ));
    if opened.is_none() && found.contains_key(config.topics.control.as_str()) {
        drift.push(settings::not_opened(&config.topics.control));
    }
    Ok(drift)
}

fn check_opened(orders: &Orders<'_>, wanted: i32) -> Result<(), TopicsError> {
    match orders.control().opened(0) {
        Some(opened) if opened.partitions != wanted => Err(TopicsError::OpenedWith {
            opened: opened.partitions,
            wanted,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Layout and settings of those topics that exist.
fn look(
    cluster: &Cluster,
    admin: &AdminClient<BrokerLog>,
    specs: &[TopicSpec],
) -> Result<BTreeMap<String, Found>, BrokerError> {
    let mut layouts: Vec<(&TopicSpec, TopicLayout)> = Vec::new();
    for spec in specs {
        if let Some(layout) = cluster.topic(&spec.name)? {
            layouts.push((spec, layout));
        }
    }
    if layouts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let asked: Vec<ResourceSpecifier<'_>> = layouts
        .iter()
        .map(|(spec, _)| ResourceSpecifier::Topic(&spec.name))
        .collect();
    let doing = || "describe the topics' settings".to_owned();
    let described =
        wait(admin.describe_configs(&asked, &options())).map_err(|source| BrokerError::Failed {
            doing: doing(),
            source,
        })?;
    let mut found = BTreeMap::new();
    for ((spec, layout), described) in layouts.into_iter().zip(described) {
        let described = described.map_err(|code| BrokerError::Refused {
            doing: doing(),
            code,
        })?;
        let settings = described
            .entries
            .into_iter()
            .filter_map(|entry| Some((entry.name, entry.value?)))
            .collect();
        found.insert(spec.name.clone(), Found { layout, settings });
    }
    Ok(found)
}

fn create_missing(
    admin: &AdminClient<BrokerLog>,
    missing: &[&TopicSpec],
    replication: i32,
) -> Result<(), BrokerError> {
    if missing.is_empty() {
        return Ok(());
    }
    let topics: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|spec| {
            let topic = NewTopic::new(
                &spec.name,
                spec.partitions,
                TopicReplication::Fixed(replication),
            );
            spec.settings.iter().fold(topic, |topic, setting| {
                topic.set(setting.name, &setting.value)
            })
        })
        .collect();
    let results =
        wait(admin.create_topics(&topics, &options())).map_err(|source| BrokerError::Failed {
            doing: "create topics".into(),
            source,
        })?;
    for result in results {
        match result {
            // Somebody else is creating them too; what they made is compared on the next run.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                return Err(BrokerError::Refused {
                    doing: format!("create topic `{topic}`"),
                    code,
                });
            }
        }
    }
    Ok(())
}

/// Waits until brokers list a topic and lead its partitions; what goes wrong meanwhile is part of the waiting.
fn wait_for(cluster: &Cluster, spec: &TopicSpec) -> Result<(), TopicsError> {
    let asked = Instant::now();
    while asked.elapsed() < PATIENCE {
        let listed = cluster.topic(&spec.name);
        if matches!(listed, Ok(Some(layout)) if layout.partitions == spec.partitions)
            && cluster.bounds(&spec.name, spec.partitions - 1).is_ok()
        {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(TopicsError::NotVisible {
        topic: spec.name.clone(),
        waited: PATIENCE,
    })
}

fn starts(cluster: &Cluster, config: &Config, partitions: i32) -> Result<Vec<i64>, BrokerError> {
    (0..partitions)
        .map(|partition| Ok(cluster.bounds(&config.topics.messages, partition)?.start))
        .collect()
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE))
}

/// Waits for an answer of the admin client, which has a thread of its own: nothing here drives it.
fn wait<T>(answer: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut answer = std::pin::pin!(answer);
    loop {
        match answer.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
