//! Partition by partition, several at a time.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ReplayError;
use super::beginning::Past;
use super::scratch::Scratch;
use crate::config::Config;
use crate::kafka::Cluster;

/// Records between two looks at the clock.
const PACE_EVERY: u64 = 256;

/// On what a replay works, and how hard.
#[derive(Debug, Clone, Default)]
pub struct Effort {
    /// Empty: all.
    pub partitions: Vec<i32>,
    /// Partitions folded at the same time.
    pub threads: usize,
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
    pub progress: &'a Progress,
    pace: Option<Pace>,
}

/// What `work` gives for each wanted partition, in their order.
pub fn each<T: Send>(
    config: &Config,
    effort: &Effort,
    progress: &Progress,
    work: impl Fn(&Run<'_>, i32) -> Result<T, ReplayError> + Sync,
) -> Result<Vec<T>, ReplayError> {
    let cluster = Cluster::new(config)?;
    let mut partitions = cluster.partitions(&config.topics.messages, &effort.partitions)?;
    let threads = effort.threads.clamp(1, partitions.len().max(1));
    let scratch = match &effort.work {
        Some(dir) => Scratch::kept(dir),
        None => Scratch::passing(),
    };
    let scratch = scratch.map_err(ReplayError::Scratch)?;
    let context_bytes = usize::try_from(config.run.context_bytes.0).unwrap_or(usize::MAX) / threads;
    let run = Run {
        past: Past::open(config, cluster, &partitions, scratch, context_bytes)?,
        progress,
        pace: effort.most_per_s.map(Pace::new),
    };
    partitions.reverse();
    let queue = Mutex::new(partitions);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<Vec<(i32, T)>, ReplayError> {
        let mut done = Vec::new();
        while let Some(partition) = next() {
            done.push((partition, work(&run, partition)?));
        }
        Ok(done)
    };
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            all.extend(worker.join().map_err(|_| ReplayError::Panicked)??);
        }
        Ok::<(), ReplayError>(())
    })?;
    all.sort_unstable_by_key(|(partition, _)| *partition);
    Ok(all.into_iter().map(|(_, done)| done).collect())
}

impl Run<'_> {
    /// So many offsets more are gone through.
    pub fn expect(&self, offsets: i64) {
        let offsets = u64::try_from(offsets).unwrap_or(0);
        self.progress.total.fetch_add(offsets, Ordering::Relaxed);
    }

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
