//! A message by its id.
//!
//! An id is the producer's: it says nothing of where the message stands, so the wanted part of the log is read. How much that is is known
//! before, and told. Several messages may carry one id: retries, and whoever reuses one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use gavel_schemas::{Inbound, RegisteredSchemas, decode_inbound_with};
use rdkafka::Message;
use serde::Serialize;

use super::{Bound, Progress, ReplayError};
use crate::config::Config;
use crate::control;
use crate::kafka::{Cluster, LogReader};

/// A record of the message topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub partition: i32,
    pub offset: i64,
}

/// Which part of the log.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Empty: all.
    pub partitions: Vec<i32>,
    pub from: Option<Bound>,
    /// Without it.
    pub to: Option<Bound>,
}

/// What a search would read.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Registered anywhere: what was refused for coming too early can be found, too.
    schemas: RegisteredSchemas,
    ranges: BTreeMap<i32, Range<i64>>,
}

/// Asks where the part begins and ends.
pub fn plan(config: &Config, part: &Part) -> Result<Plan, ReplayError> {
    let cluster = Cluster::new(config)?;
    let topic = &config.topics.messages;
    let mut ranges = BTreeMap::new();
    for partition in cluster.partitions(topic, &part.partitions)? {
        let log = cluster.bounds(topic, partition)?;
        let offset = |bound: Bound| bound.offset(&cluster, topic, partition, log);
        let from = part.from.map_or(Ok(log.start), offset)?;
        let to = part.to.map_or(Ok(log.end), offset)?;
        let inside = |offset: i64| offset.clamp(log.start, log.end);
        ranges.insert(partition, inside(from)..inside(to));
    }
    let schemas = control::read_whole(config)?.all_schemas();
    Ok(Plan { schemas, ranges })
}

impl Plan {
    /// Offsets to go through.
    pub fn records(&self) -> u64 {
        let lengths = self.ranges.values().map(|range| range.end - range.start);
        lengths
            .map(|length| u64::try_from(length).unwrap_or(0))
            .sum()
    }

    pub fn partitions(&self) -> usize {
        self.ranges.len()
    }
}

/// All places of messages with this id, several partitions at a time.
pub fn find(
    config: &Config,
    plan: &Plan,
    id: &str,
    threads: usize,
    progress: &Progress,
) -> Result<Vec<Place>, ReplayError> {
    progress.total.fetch_add(plan.records(), Ordering::Relaxed);
    let queue: Mutex<Vec<_>> = Mutex::new(plan.ranges.iter().collect());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<Vec<Place>, ReplayError> {
        let mut places = Vec::new();
        while let Some((partition, range)) = next() {
            let wanted = Wanted {
                id,
                schemas: &plan.schemas,
            };
            search(config, (*partition, range), wanted, progress, &mut places)?;
        }
        Ok(places)
    };
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let threads = threads.clamp(1, plan.ranges.len().max(1));
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            all.extend(worker.join().map_err(|_| ReplayError::Panicked)??);
        }
        Ok::<(), ReplayError>(())
    })?;
    all.sort_unstable();
    Ok(all)
}

#[derive(Clone, Copy)]
struct Wanted<'a> {
    id: &'a str,
    schemas: &'a RegisteredSchemas,
}

fn search(
    config: &Config,
    (partition, range): (i32, &Range<i64>),
    wanted: Wanted<'_>,
    progress: &Progress,
    places: &mut Vec<Place>,
) -> Result<(), ReplayError> {
    if range.is_empty() {
        return Ok(());
    }
    let mut reader = LogReader::open(config, &config.topics.messages, partition)?;
    reader.start(range.start);
    while let Some(record) = reader.read_to(range.end)? {
        progress.done.fetch_add(1, Ordering::Relaxed);
        let inbound = record
            .payload()
            .map(|value| decode_inbound_with(value, wanted.schemas));
        if let Some(Ok(Inbound::Message(message))) = inbound
            && message.message_id == wanted.id
        {
            places.push(Place {
                partition,
                offset: record.offset(),
            });
        }
    }
    Ok(())
}
