//! Takes checkpoints of the partitions of this process, beside the lanes.
//!
//! Invariants: a lane never waits for a checkpoint, nor does anybody who wants a partition that was given back: a snapshot takes
//! milliseconds, and only for these is the store held; what takes long, the upload, works on the snapshot. No snapshot is taken of a
//! store that may hold bytes of an erased user: it is purged first, but not when it is given back, which would keep somebody waiting. An object store that
//! is slow or gone costs checkpoints, nothing else.

use super::leftovers::Leftovers;
use crate::checkpoint;
use crate::clock::wall_ms;
use crate::config;
use crate::lane::Retired;
use crate::restore::Leases;
use crate::telemetry::Telemetry;
use gavel_state::{
    ATTEMPT_MOST, Backend, Identity, Meta, Purged, Repository, Retention, SaveError, Saved,
    Snapshot, Sweep,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often due partitions are looked for.
const LOOK: Duration = Duration::from_millis(100);
/// Between two sweeps of a partition's old checkpoints.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Longest sleep of an upload that keeps to its rate, before it looks again whether it should go on.
const NAP: Duration = Duration::from_millis(50);
/// How long an upload that is told to end may still take.
const GRACE: Duration = Duration::from_secs(1);

/// What the checkpointer is told.
enum Job {
    /// The partition is live here.
    Watch(i32, Weak<dyn Backend>),
    /// It was given back in order.
    Retired(i32, Box<Retired>),
}

/// The lanes' end of it. Without a repository it does nothing but drop what it is given, off the lane.
#[derive(Clone)]
pub struct Checkpoints(Sender<Job>);

impl Checkpoints {
    pub fn watch(&self, partition: i32, backend: &Arc<dyn Backend>) {
        // Who is gone takes no checkpoints any more.
        let _gone = self.0.send(Job::Watch(partition, Arc::downgrade(backend)));
    }

    pub fn retired(&self, partition: i32, retired: Retired) {
        let _gone = self.0.send(Job::Retired(partition, Box::new(retired)));
    }
}

/// Asks where the log of a partition begins (L); None if nobody answers.
pub type LogStart = Box<dyn FnMut(i32) -> Option<i64> + Send>;

/// The two threads: one takes snapshots, one uploads them.
pub struct Checkpointer {
    snapshots: JoinHandle<()>,
    uploads: JoinHandle<()>,
    /// When uploads must end; unset while the process runs.
    deadline: Arc<OnceLock<Instant>>,
    last: Duration,
    /// Closed when the uploads are over.
    over: Receiver<()>,
}

impl Checkpointer {
    /// Ends when every `Checkpoints` is dropped.
    pub fn start(
        settings: &config::Checkpoints,
        (data_dir, leases): (&Path, &Leases),
        repository: Option<Repository>,
        log_start: LogStart,
        telemetry: &Arc<Telemetry>,
    ) -> std::io::Result<(Checkpointer, Checkpoints)> {
        let (jobs, told) = channel();
        let (ready, snapshots) = channel();
        let (end, over) = channel();
        let deadline: Arc<OnceLock<Instant>> = Arc::default();
        let uploading: Arc<Mutex<BTreeSet<i32>>> = Arc::default();
        let every = Duration::from_millis(settings.every_ms);
        let erase_within = Duration::from_millis(settings.erase_within_ms);
        let sweep_every = SWEEP_EVERY.min(erase_within);
        let taker = Taker {
            every,
            on: repository.is_some(),
            ready,
            uploading: Arc::clone(&uploading),
            watched: BTreeMap::new(),
            leftovers: Leftovers {
                data_dir: data_dir.into(),
                leases: leases.clone(),
                within: erase_within,
                every: sweep_every,
                last: Instant::now(),
            },
        };
        let uploader = Uploader {
            repository,
            retention: Retention {
                newest: settings.keep,
                anchor_every: settings.anchor_every_ms.cast_signed(),
                anchor_keep: settings.anchor_keep_ms.cast_signed(),
                erase_within: settings.erase_within_ms.cast_signed(),
            },
            sweep_every,
            bytes_per_second: settings.upload_bytes_per_s.0.max(1),
            deadline: Arc::clone(&deadline),
            uploading,
            log_start,
            telemetry: Arc::clone(telemetry),
            sweeps: BTreeMap::new(),
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let checkpointer = Checkpointer {
            snapshots: thread("snapshots").spawn(move || taker.run(&told))?,
            uploads: thread("checkpoints").spawn(move || {
                let _told_on_drop = end;
                uploader.run(&snapshots);
            })?,
            deadline,
            last: Duration::from_millis(settings.last_ms),
            over,
        };
        Ok((checkpointer, Checkpoints(jobs)))
    }

    /// Uploads what the lanes left, for as long as the settings allow. The lanes must be gone.
    pub fn finish(self, checkpoints: Checkpoints) {
        // Set once, here.
        let _first = self.deadline.set(Instant::now() + self.last);
        drop(checkpoints);
        if self.snapshots.join().is_err() {
            tracing::error!("the thread that takes snapshots panicked");
        }
        // A request that hangs may last longer than anybody wants to wait; it ends with the process.
        match self.over.recv_timeout(self.last + GRACE) {
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!(
                    "the object store does not answer; leaving without the last checkpoints"
                );
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                if self.uploads.join().is_err() {
                    tracing::error!("the thread that uploads checkpoints panicked");
                }
            }
        }
    }
}

/// A name for an attempt.
pub fn attempt() -> String {
    let mut bytes = [0; 6];
    // Without randomness the clock is unique enough: attempts of one partition are rarely two at a time.
    if getrandom::fill(&mut bytes).is_err() {
        bytes.copy_from_slice(&wall_ms().to_be_bytes()[2..]);
    }
    crate::hex::hex(&bytes)
}

/// What the uploader is given.
enum Ready {
    Snapshot(Box<dyn Snapshot>),
    /// Nothing has changed: there is nothing to upload, but old checkpoints expire all the same.
    Quiet(Identity, i64),
}

struct Watched {
    backend: Weak<dyn Backend>,
    due: Instant,
    /// S at the last snapshot.
    at: i64,
}

struct Taker {
    every: Duration,
    on: bool,
    ready: Sender<Ready>,
    uploading: Arc<Mutex<BTreeSet<i32>>>,
    watched: BTreeMap<i32, Watched>,
    leftovers: Leftovers,
}

impl Taker {
    fn run(mut self, told: &Receiver<Job>) {
        loop {
            match told.recv_timeout(LOOK) {
                Ok(Job::Watch(partition, backend)) => {
                    let watched = Watched {
                        backend,
                        due: Instant::now() + self.first_wait(partition),
                        at: -1,
                    };
                    self.watched.insert(partition, watched);
                }
                Ok(Job::Retired(partition, retired)) => {
                    let at = self.watched.remove(&partition).map_or(-1, |was| was.at);
                    self.take_last(partition, retired.memory.backend().as_ref(), at);
                    // Here, because it takes long, and the lease goes with it.
                    let Retired { memory, lease } = *retired;
                    drop(memory);
                    drop(lease);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.take_due();
            self.leftovers.look(wall_ms());
        }
    }

    /// Partitions that came together take turns.
    fn first_wait(&self, partition: i32) -> Duration {
        let part = partition.unsigned_abs().wrapping_mul(0x9e37_79b1) >> 16;
        self.every * (part % 1_000) / 1_000
    }

    fn take_due(&mut self) {
        let now = Instant::now();
        let due = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.due <= now);
        let due: Vec<i32> = due.map(|(partition, _)| *partition).collect();
        for partition in due {
            let Some(watched) = self.watched.get_mut(&partition) else {
                continue;
            };
            watched.due = now + self.every;
            let at = watched.at;
            let Some(backend) = watched.backend.upgrade() else {
                self.watched.remove(&partition);
                continue;
            };
            let taken = self.take(partition, backend.as_ref(), at);
            if let (Some(taken), Some(watched)) = (taken, self.watched.get_mut(&partition)) {
                watched.at = taken;
            }
        }
    }

    /// Of a partition that lives here: purged first, where that is needed.
    fn take(&self, partition: i32, backend: &dyn Backend, at: i64) -> Option<i64> {
        // Also where no checkpoints are taken: what was erased shall leave the disk.
        let erased = backend.meta().and_then(|meta| match &meta {
            Some(meta) => purge(backend, meta),
            None => Ok(()),
        });
        if let Err(error) = erased {
            tracing::warn!(partition, %error, "what was erased may still be in the files of the store; the purge is tried again, and no checkpoint is taken before");
            return None;
        }
        self.take_last(partition, backend, at)
    }

    /// The boundary of the snapshot, if one was taken: something has changed since `at`, no earlier one is on its way, and nothing
    /// that was erased is in it.
    fn take_last(&self, partition: i32, backend: &dyn Backend, at: i64) -> Option<i64> {
        if !self.on || lock(&self.uploading).contains(&partition) {
            return None;
        }
        match backend
            .meta()
            .and_then(|meta| self.snapshot(backend, meta, at))
        {
            Ok(Some(snapshot)) => {
                let boundary = snapshot.meta().boundary;
                lock(&self.uploading).insert(partition);
                // The uploader outlives this thread.
                let _gone = self.ready.send(Ready::Snapshot(snapshot));
                Some(boundary)
            }
            Ok(None) => None,
            Err(error) => {
                // The lane meets the same trouble at its next commit, and acts on it.
                tracing::warn!(partition, %error, "no checkpoint: the store gave no snapshot");
                None
            }
        }
    }

    fn snapshot(
        &self,
        backend: &dyn Backend,
        meta: Option<Meta>,
        at: i64,
    ) -> Result<Option<Box<dyn Snapshot>>, gavel_state::Error> {
        let Some(meta) = meta else { return Ok(None) };
        if meta.boundary <= at {
            let quiet = Ready::Quiet(meta.identity, meta.boundary);
            let _gone = self.ready.send(quiet);
            return Ok(None);
        }
        if unpurged(backend, &meta)?.is_some() {
            return Ok(None);
        }
        let snapshot = backend.snapshot()?;
        // An erasure may have been committed since the purge. Then the next snapshot comes after the next purge.
        match &snapshot {
            Some(taken) if unpurged(backend, taken.meta())?.is_some() => Ok(None),
            _ => Ok(snapshot),
        }
    }
}

/// What a purge of the store would reach, if it may hold what was erased.
fn unpurged(backend: &dyn Backend, meta: &Meta) -> Result<Option<Purged>, gavel_state::Error> {
    let state = checkpoint::state(meta)?;
    let Some(erased_at) = state.erased_at() else {
        return Ok(None);
    };
    let purged = backend.purged()?;
    let is_clean = purged.is_some_and(|purged| purged.covers(erased_at, meta.boundary));
    Ok((!is_clean).then(|| Purged {
        boundary: meta.boundary,
        clock: state.clock(),
    }))
}

fn purge(backend: &dyn Backend, meta: &Meta) -> Result<(), gavel_state::Error> {
    let Some(upto) = unpurged(backend, meta)? else {
        return Ok(());
    };
    let started = Instant::now();
    backend.purge(upto)?;
    tracing::info!(
        partition = meta.identity.partition,
        boundary = upto.boundary,
        ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "the store was rewritten: nothing that was erased is left in its files"
    );
    Ok(())
}

struct Uploader {
    repository: Option<Repository>,
    retention: Retention,
    sweep_every: Duration,
    bytes_per_second: u64,
    deadline: Arc<OnceLock<Instant>>,
    uploading: Arc<Mutex<BTreeSet<i32>>>,
    log_start: LogStart,
    telemetry: Arc<Telemetry>,
    sweeps: BTreeMap<Identity, (Sweep, Option<Instant>)>,
}

impl Uploader {
    fn run(mut self, ready: &Receiver<Ready>) {
        for ready in ready {
            let snapshot = match ready {
                Ready::Snapshot(snapshot) => snapshot,
                Ready::Quiet(identity, boundary) => {
                    self.look_after(&identity, boundary);
                    continue;
                }
            };
            let identity = snapshot.meta().identity.clone();
            let boundary = snapshot.meta().boundary;
            self.upload(snapshot.as_ref());
            drop(snapshot);
            lock(&self.uploading).remove(&identity.partition);
            self.look_after(&identity, boundary);
        }
    }

    fn upload(&self, snapshot: &dyn Snapshot) {
        let Some(repository) = &self.repository else {
            return;
        };
        let (partition, boundary) = (snapshot.meta().identity.partition, snapshot.meta().boundary);
        let started = Instant::now();
        let mut sent = 0;
        let mut pace = |bytes: u64| {
            sent += bytes;
            self.keep_pace(started, sent)
        };
        let every = self.retention.anchor_every;
        let saved = checkpoint::save(repository, snapshot, &attempt(), every, &mut pace);
        let took = started.elapsed();
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match saved {
            Ok(Saved::Created { files, bytes }) => {
                self.telemetry
                    .checkpoint(partition, boundary, took.as_secs_f64(), bytes);
                tracing::debug!(partition, boundary, files, bytes, ms, "checkpoint saved");
            }
            Ok(Saved::Existed) => {
                self.telemetry
                    .checkpoint(partition, boundary, took.as_secs_f64(), 0);
            }
            Err(error) => {
                self.telemetry.checkpoint_failed();
                if matches!(error, SaveError::GivenUp) && self.deadline.get().is_some() {
                    tracing::info!(
                        partition,
                        boundary,
                        "the last checkpoint was not finished in time; the next owner folds more"
                    );
                } else {
                    tracing::warn!(
                        partition,
                        boundary,
                        ms,
                        runbook = "docs/runbooks.md#checkpoints-failing",
                        "no checkpoint: {error}"
                    );
                }
            }
        }
    }

    /// Waits until `sent` bytes are allowed; false when there is no time left.
    fn keep_pace(&self, started: Instant, sent: u64) -> bool {
        loop {
            let over = |deadline: &Instant| Instant::now() >= *deadline;
            if started.elapsed() >= ATTEMPT_MOST || self.deadline.get().is_some_and(over) {
                return false;
            }
            let allowed = started.elapsed().as_secs_f64() * self.bytes_per_second as f64;
            let ahead = sent as f64 - allowed;
            // One second's worth may go at once.
            if ahead <= self.bytes_per_second as f64 || self.deadline.get().is_some() {
                return true;
            }
            std::thread::sleep(NAP);
        }
    }

    /// Now and then: what is old goes, and the log is compared with what was saved.
    fn look_after(&mut self, identity: &Identity, boundary: i64) {
        let (_, last) = self.sweeps.entry(identity.clone()).or_default();
        if self.deadline.get().is_some()
            || last.is_some_and(|last| last.elapsed() < self.sweep_every)
        {
            return;
        }
        *last = Some(Instant::now());
        self.sweep(identity);
        let partition = identity.partition;
        if let Some(start) = (self.log_start)(partition) {
            self.telemetry.log_start(partition, start);
            if start > boundary + 1 {
                tracing::error!(
                    partition,
                    log_start = start,
                    boundary,
                    runbook = "docs/runbooks.md#checkpoints-failing",
                    "retention has passed the newest checkpoint: whoever takes this partition over cannot restore it"
                );
            }
        }
    }

    fn sweep(&mut self, identity: &Identity) {
        let (Some(repository), Some((sweep, _))) =
            (&self.repository, self.sweeps.get_mut(identity))
        else {
            return;
        };
        let (now, attempt) = (wall_ms(), attempt());
        let swept = repository.sweep(identity, &self.retention, (now, &attempt), sweep);
        if let Ok(swept) = &swept
            && swept.broken > 0
        {
            self.telemetry.corrupt("checkpoint");
        }
        match swept {
            Ok(swept) if swept == gavel_state::Swept::default() => {}
            Ok(swept) => tracing::info!(
                partition = identity.partition,
                checkpoints = swept.checkpoints,
                expired = swept.expired,
                files = swept.files,
                "old checkpoints removed"
            ),
            Err(error) => tracing::warn!(
                partition = identity.partition,
                "old checkpoints stay for now: {error}"
            ),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
