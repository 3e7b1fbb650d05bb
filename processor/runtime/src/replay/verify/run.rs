//! Partition by partition, several at a time.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::walk::Walk;
use crate::config::Config;
use crate::control;
use crate::kafka::{BrokerError, Cluster};
use crate::replay::beginning::{Past, Stretch};
use crate::replay::report::PartitionReport;
use crate::replay::scratch::Scratch;
use crate::replay::{ReplayError, repository};

/// Records between two looks at the clock.
const PACE_EVERY: u64 = 256;

/// What to verify, and how.
#[derive(Debug, Clone, Default)]
pub struct Verify {
    /// Empty: all.
    pub partitions: Vec<i32>,
    /// Partitions folded at the same time.
    pub threads: usize,
    pub stretch: Stretch,
    /// Whether checkpoints on the way are compared with the fold.
    pub checkpoints: bool,
    /// Records per second, of all threads together.
    pub most_per_s: Option<u64>,
    /// A directory to keep what is done in, so that another run can go on with it.
    pub work: Option<PathBuf>,
}

/// How far it is. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Offsets to go through; grows while partitions are opened.
    pub total: AtomicU64,
    pub done: AtomicU64,
}

/// What all threads share.
pub struct Run<'a> {
    pub past: Past<'a>,
    pub wanted: &'a Verify,
    pub progress: &'a Progress,
    pace: Option<Pace>,
}

/// Verifies the wanted partitions; reports in the order of partitions.
pub fn verify(
    config: &Config,
    wanted: &Verify,
    progress: &Progress,
) -> Result<Vec<PartitionReport>, ReplayError> {
    let partitions = partitions(config, &wanted.partitions)?;
    let threads = wanted.threads.clamp(1, partitions.len().max(1));
    let scratch = match &wanted.work {
        Some(dir) => Scratch::kept(dir),
        None => Scratch::passing(),
    };
    let run = Run {
        past: Past {
            config,
            control: Arc::new(control::read_whole(config)?),
            repository: repository(config)?,
            scratch: scratch.map_err(ReplayError::Scratch)?,
            stores: Past::stores(),
            context_bytes: usize::try_from(config.run.context_bytes.0).unwrap_or(usize::MAX)
                / threads,
        },
        wanted,
        progress,
        pace: wanted.most_per_s.map(Pace::new),
    };
    let queue = Mutex::new(partitions);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<Vec<PartitionReport>, ReplayError> {
        let mut reports = Vec::new();
        while let Some(partition) = next() {
            reports.push(Walk::through(&run, partition)?);
        }
        Ok(reports)
    };
    let mut reports = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            reports.extend(worker.join().map_err(|_| ReplayError::Panicked)??);
        }
        Ok::<(), ReplayError>(())
    })?;
    reports.sort_unstable_by_key(|report| report.partition);
    Ok(reports)
}

/// Those wanted, highest first; all if none is named.
fn partitions(config: &Config, wanted: &[i32]) -> Result<Vec<i32>, ReplayError> {
    let count = Cluster::new(config)?
        .require(&config.topics.messages)?
        .partitions;
    let mut partitions = if wanted.is_empty() {
        (0..count).collect()
    } else {
        wanted.to_vec()
    };
    let unknown = partitions.iter().find(|one| !(0..count).contains(*one));
    if let Some(&partition) = unknown {
        let topic = config.topics.messages.clone();
        return Err(BrokerError::NoPartition {
            topic,
            partition,
            partitions: count,
        }
        .into());
    }
    partitions.sort_unstable_by(|a, b| b.cmp(a));
    partitions.dedup();
    Ok(partitions)
}

impl Run<'_> {
    /// Counts one record, and waits where the rate says so.
    pub fn count(&self) {
        let done = self.progress.done.fetch_add(1, Ordering::Relaxed);
        if let Some(pace) = &self.pace
            && done.is_multiple_of(PACE_EVERY)
        {
            pace.wait(done);
        }
    }
}

/// Keeps records per second below a limit.
struct Pace {
    began: Instant,
    per_s: u64,
}

impl Pace {
    fn new(per_s: u64) -> Pace {
        Pace {
            began: Instant::now(),
            per_s: per_s.max(1),
        }
    }

    fn wait(&self, done: u64) {
        let due = Duration::from_secs_f64(done as f64 / self.per_s as f64);
        std::thread::sleep(due.saturating_sub(self.began.elapsed()));
    }
}
