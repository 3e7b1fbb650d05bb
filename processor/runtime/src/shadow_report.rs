//! What a candidate would change: the verdicts of the policy in force against those of the shadow.
//!
//! Invariant: figures are about messages that both sides judged; what only one side has is counted apart and never guessed at.
//! Nothing is written. The shadow topic promises nothing, so a report is as complete as that topic is, and says how complete.

mod join;
pub(crate) mod tally;

pub use tally::{Figures, RuleChange, Said, Sample, Tally, TopicChange};

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gavel_judge::{ControlLog, Digest};
use gavel_schemas::{Inbound, Order, RegisteredSchemas, decode_inbound_with};
use rdkafka::Message;

use crate::config::Config;
use crate::control::{self, ControlError};
use crate::kafka::{BrokerError, Cluster, LogReader};
use crate::orders::EVERYWHERE;
use crate::orders::history::{self, Scope, Standing};
use join::{Span, compare};

/// What to report on.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `None`: everywhere.
    pub community: Option<String>,
    /// From this order on; `None`: from that of the present candidate.
    pub since: Option<i64>,
    /// Only the newest verdicts of each partition.
    pub last: Option<i64>,
    /// At most so many compared messages of each partition.
    pub limit: Option<u64>,
    /// Empty: all.
    pub partitions: Vec<i32>,
    /// Samples of each kind of change.
    pub samples: usize,
    /// Whether samples carry text and audience.
    pub texts: bool,
    /// Partitions compared at the same time.
    pub threads: usize,
}

/// A report.
#[derive(Debug, Clone)]
pub struct Report {
    pub candidate: Digest,
    /// What judges the scope now.
    pub in_force: Option<Digest>,
    /// The order from which on was compared.
    pub since: i64,
    pub tally: Tally,
    pub samples: Vec<Sample>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("no candidate judges in shadow for {scope} now")]
    NoCandidate {
        scope: Scope,
        /// The last one's order.
        last: Option<i64>,
    },
    #[error("no candidate judged in shadow for {scope} at order {order}")]
    NotThen { scope: Scope, order: i64 },
    #[error("a thread of the report panicked; the message is above")]
    Panicked,
}

impl ReportError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            ReportError::Broker(error) => error.next_step(),
            ReportError::Control(error) => error.next_step(),
            ReportError::NoCandidate {
                scope,
                last: Some(last),
            } => format!(
                "for the one before: `gavel policy shadow-report --since {last}{}`",
                scope.flag()
            ),
            ReportError::NoCandidate { scope, last: None } => format!(
                "try one: `gavel policy activate --shadow FILE{}`",
                scope.flag()
            ),
            ReportError::NotThen { .. } => {
                "`gavel policy history` shows the orders; --since takes that of a shadow, or of anything activated while it lasted".into()
            }
            ReportError::Panicked => "report this".into(),
        }
    }
}

/// Compares the wanted partitions, several at a time.
pub fn report(config: &Config, wanted: &Wanted) -> Result<Report, ReportError> {
    let control = control::read_whole(config)?;
    let (candidate, span) = span(config, wanted, &control)?;
    let partitions = Cluster::new(config)?.partitions(&config.topics.shadow, &wanted.partitions)?;
    let tally = compare_all(config, wanted, &span, partitions)?;
    let mut samples = tally.samples(wanted.samples);
    if wanted.texts {
        read_texts(config, &control.all_schemas(), &mut samples)?;
    }
    let scope = wanted.community.as_deref().unwrap_or(EVERYWHERE);
    Ok(Report {
        candidate,
        in_force: history::in_force(&control, scope),
        since: span.from.0,
        tally,
        samples,
    })
}

fn compare_all(
    config: &Config,
    wanted: &Wanted,
    span: &Span,
    partitions: Vec<i32>,
) -> Result<Tally, ReportError> {
    let threads = wanted.threads.clamp(1, partitions.len().max(1));
    let queue = Mutex::new(partitions);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<Tally, ReportError> {
        let mut tally = Tally::default();
        while let Some(partition) = next() {
            tally.merge(compare(config, wanted, span, partition)?);
        }
        Ok(tally)
    };
    let mut all = Tally::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            all.merge(worker.join().map_err(|_| ReportError::Panicked)??);
        }
        Ok::<(), ReportError>(())
    })?;
    Ok(all)
}

/// Which candidate, and from which order to which.
fn span(
    config: &Config,
    wanted: &Wanted,
    control: &ControlLog,
) -> Result<(Digest, Span), ReportError> {
    let scope = wanted.community.as_deref().unwrap_or(EVERYWHERE);
    let named = || Scope(scope.to_owned());
    let shadows: Vec<(i64, Digest)> = history::activations(control)
        .into_iter()
        .filter(|one| one.recorded.shadow && one.recorded.scope == scope)
        .map(|one| (one.order, one.digest))
        .rev()
        .collect();
    let (order, candidate) = match wanted.since {
        None => history::candidate(control, scope).ok_or_else(|| ReportError::NoCandidate {
            scope: named(),
            last: last_candidate(control, scope, &shadows),
        })?,
        Some(since) => {
            let then = shadows.iter().rev().find(|(order, _)| *order <= since);
            *then.ok_or_else(|| ReportError::NotThen {
                scope: named(),
                order: since,
            })?
        }
    };
    let from = wanted.since.unwrap_or(order);
    let is_activation = |number: i64| {
        let mut orders = history::activations(control).into_iter();
        orders.any(|one| one.order == number)
    };
    if !is_activation(from) {
        return Err(ReportError::NotThen {
            scope: named(),
            order: from,
        });
    }
    let mut log_ids = BTreeMap::new();
    for partition in 0.. {
        let Some(opened) = control.opened(partition) else {
            break;
        };
        log_ids.insert(partition, opened.log_id);
    }
    let own = history::activations(control).into_iter();
    let elsewhere = own
        .filter(|one| one.standing == Standing::InShadow && one.recorded.scope != EVERYWHERE)
        .map(|one| one.recorded.scope.clone())
        .collect();
    let span = Span {
        log_ids,
        candidate: candidate.to_string(),
        from: (from, time_of(config, from)?),
        to: shadows
            .iter()
            .map(|(order, _)| *order)
            .find(|number| *number > order),
        community: wanted.community.clone(),
        elsewhere,
    };
    Ok((candidate, span))
}

/// The newest order that put another policy into the shadow than the one that judged then anyway.
fn last_candidate(control: &ControlLog, scope: &str, shadows: &[(i64, Digest)]) -> Option<i64> {
    let judged_then = |number: i64| {
        control
            .orders()
            .take_while(|recorded| recorded.offset < number)
            .filter_map(|recorded| match recorded.order() {
                Order::PolicyActivated(order) if !order.shadow => Some(order),
                _ => None,
            })
            .filter(|order| order.scope == scope || order.scope == EVERYWHERE)
            .last()
            .map(|order| order.digest.clone())
    };
    shadows
        .iter()
        .rev()
        .find(|(number, digest)| judged_then(*number) != Some(digest.to_string()))
        .map(|(number, _)| *number)
}

/// The broker's time of an order; 0 if it has none.
fn time_of(config: &Config, order: i64) -> Result<i64, ReportError> {
    let mut reader = LogReader::open(config, &config.topics.control, 0)?;
    reader.start(order);
    let record = reader.read_to(order + 1)?;
    Ok(record
        .and_then(|record| record.timestamp().to_millis())
        .unwrap_or(0))
}

/// Gives samples the words of their messages, where the log still has them.
fn read_texts(
    config: &Config,
    schemas: &RegisteredSchemas,
    samples: &mut [Sample],
) -> Result<(), ReportError> {
    let mut by_partition: BTreeMap<i32, Vec<&mut Sample>> = BTreeMap::new();
    for sample in samples {
        by_partition
            .entry(sample.partition)
            .or_default()
            .push(sample);
    }
    for (partition, samples) in by_partition {
        let mut reader = LogReader::open(config, &config.topics.messages, partition)?;
        let bounds = reader.bounds()?;
        for sample in samples {
            if !(bounds.start..bounds.end).contains(&sample.offset) {
                continue;
            }
            reader.start(sample.offset);
            let Some(record) = reader.read_to(sample.offset + 1)? else {
                continue;
            };
            if let Ok(Inbound::Message(message)) =
                decode_inbound_with(record.payload().unwrap_or_default(), schemas)
            {
                sample.audience = message.audience.map(Into::into);
                sample.text = Some(message.text.into());
            }
        }
    }
    Ok(())
}
