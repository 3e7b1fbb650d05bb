//! Where the fold of a partition's past begins: at the beginning of its log, or at a checkpoint.
//!
//! Invariant: a fold begins only where its state is known. What lies before the first such place cannot be verified, and is said to be
//! so: it is never taken for different.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use gavel_judge::{ControlLog, ENGINE, Opened};
use gavel_state::{
    Backend, Checkpoint, FetchError, Identity, Incoming, Manifest, Repository, Shared, Store,
};
use serde::{Deserialize, Serialize};

use super::scratch::Scratch;
use super::{ReplayError, StraightFold, repository};
use crate::config::Config;
use crate::control;
use crate::kafka::{Bounds, BrokerError, Cluster, LogReader};

/// Memory for blocks and memtables of a replay's stores.
const STORE_BYTES: usize = 64 << 20;

/// A place in the past of every partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Offset(i64),
    /// Milliseconds since 1970, by the broker's clock.
    Time(i64),
}

impl Bound {
    /// In a partition with these bounds, which it may lie outside of.
    pub(super) fn offset(
        self,
        cluster: &Cluster,
        topic: &str,
        partition: i32,
        log: Bounds,
    ) -> Result<i64, BrokerError> {
        match self {
            Bound::Offset(offset) => Ok(offset),
            Bound::Time(time) => Ok(cluster
                .offset_at(topic, partition, time)?
                .unwrap_or(log.end)),
        }
    }
}

/// What of the past is wanted; by default all of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stretch {
    pub from: Option<Bound>,
    /// Exclusive.
    pub to: Option<Bound>,
}

/// What all replays of a run share.
///
/// Invariant: the control log was read after the ends of the messages had been asked for, so every order that a marker below them names is
/// there. Otherwise an order given meanwhile would be taken for a forged one.
pub struct Past<'a> {
    pub config: &'a Config,
    pub cluster: Cluster,
    /// Of the messages, by partition.
    logs: BTreeMap<i32, Bounds>,
    pub control: Arc<ControlLog>,
    /// None: no checkpoints, or none wanted.
    repository: Option<Repository>,
    pub scratch: Scratch,
    stores: Shared,
    /// Bytes of contexts that one partition may hold in memory.
    context_bytes: usize,
}

/// How a fold began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "at")]
pub enum Began {
    /// Where the log was opened: nothing was before.
    #[default]
    Log,
    /// Behind the record of this offset, with the state that was stored there.
    Checkpoint { boundary: i64, clock: i64 },
}

/// A checkpoint that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    pub boundary: i64,
    pub detail: String,
}

/// A fold that is about to begin, and the records it is wanted for.
pub struct Beginning {
    pub opened: Opened,
    pub began: Began,
    pub fold: StraightFold,
    /// Offset of the first record to fold.
    pub next: i64,
    /// First record that is wanted and can be had: the ones before are folded without a word.
    pub from: i64,
    /// Offset after the last one wanted.
    pub to: i64,
    /// Set when records that were wanted lie before every place from which they could be derived.
    pub unverifiable_before: Option<i64>,
    pub damaged: Vec<Damaged>,
    pub messages: LogReader,
}

impl Began {
    /// Offset of the first record to fold.
    fn next(self, opened: &Opened) -> i64 {
        match self {
            Began::Log => opened.start,
            Began::Checkpoint { boundary, .. } => boundary + 1,
        }
    }
}

impl From<Checkpoint> for Began {
    fn from(Checkpoint { boundary, clock }: Checkpoint) -> Began {
        Began::Checkpoint { boundary, clock }
    }
}

impl<'a> Past<'a> {
    /// Of these partitions, as they are now.
    pub fn open(
        config: &'a Config,
        cluster: Cluster,
        partitions: &[i32],
        scratch: Scratch,
        context_bytes: usize,
    ) -> Result<Past<'a>, ReplayError> {
        let bounds = |partition: &i32| {
            let bounds = cluster.bounds(&config.topics.messages, *partition)?;
            Ok((*partition, bounds))
        };
        let logs: Result<_, BrokerError> = partitions.iter().map(bounds).collect();
        Ok(Past {
            config,
            logs: logs?,
            cluster,
            control: Arc::new(control::read_whole(config)?),
            repository: repository(config)?,
            scratch,
            stores: Shared::new(STORE_BYTES, STORE_BYTES),
            context_bytes,
        })
    }

    fn identity(opened: &Opened, partition: i32) -> Identity {
        Identity {
            log_id: opened.log_id.clone(),
            partition,
        }
    }

    /// Bounds of the messages of a partition, one of those this was opened for.
    pub fn log(&self, partition: i32) -> Bounds {
        let none = Bounds { start: 0, end: 0 };
        self.logs.get(&partition).copied().unwrap_or(none)
    }

    /// Makes the fold of a partition ready for a stretch of its past.
    pub fn begin(&self, partition: i32, stretch: Stretch) -> Result<Beginning, ReplayError> {
        let opened = self.opened(partition)?;
        let log = self.log(partition);
        let wanted = self.wanted(partition, stretch, &opened)?;
        let whole = log.start <= opened.start;
        let mut places: Vec<Began> = Vec::new();
        if whole {
            places.push(Began::Log);
        }
        if !(whole && wanted.start == opened.start) {
            let checkpoints = self.places(&opened, partition, &wanted)?;
            places.extend(checkpoints.into_iter().map(Began::from));
        }
        let name = format!("partition-{partition}");
        let mut damaged = Vec::new();
        let (began, fold) = loop {
            let began = places.pop().ok_or(ReplayError::LostHistory {
                partition,
                start: log.start,
                opened: opened.start,
            })?;
            match (self.fold_from(&name, &opened, partition, began)?, began) {
                (Ok(fold), _) => break (began, fold),
                (Err(detail), Began::Checkpoint { boundary, .. }) => {
                    damaged.push(Damaged { boundary, detail });
                }
                (Err(_), Began::Log) => {}
            }
        };
        let next = began.next(&opened);
        Ok(Beginning {
            opened,
            began,
            fold,
            next,
            from: wanted.start.max(next),
            to: wanted.end,
            unverifiable_before: (next > wanted.start).then_some(next),
            damaged,
            messages: LogReader::open(self.config, &self.config.topics.messages, partition)?,
        })
    }

    /// A second fold from the place where one began, with a store of its own.
    pub fn begin_beside(
        &self,
        partition: i32,
        opened: &Opened,
        began: Began,
    ) -> Result<StraightFold, ReplayError> {
        let name = format!("beside-{partition}");
        self.fold_from(&name, opened, partition, began)?
            .map_err(|detail| ReplayError::Checkpoint { partition, detail })
    }

    /// Err: what is wrong with the checkpoint.
    fn fold_from(
        &self,
        name: &str,
        opened: &Opened,
        partition: i32,
        began: Began,
    ) -> Result<Result<StraightFold, String>, ReplayError> {
        let store = match began {
            Began::Checkpoint { boundary, clock } => {
                let checkpoint = Checkpoint { boundary, clock };
                match self.install(opened, partition, checkpoint, name)? {
                    Ok(store) => store,
                    Err(detail) => return Ok(Err(detail)),
                }
            }
            Began::Log => {
                let dir = self.scratch.path(name);
                Store::destroy(&dir)?;
                Store::open(&dir, &Past::identity(opened, partition), &self.stores)?
            }
        };
        self.fold(opened, partition, Arc::new(store)).map(Ok)
    }

    /// Goes on behind `boundary` with the store of an earlier run; `None` if that is not what it holds.
    pub fn go_on(
        &self,
        partition: i32,
        stretch: Stretch,
        (boundary, began): (i64, Began),
    ) -> Result<Option<Beginning>, ReplayError> {
        let opened = self.opened(partition)?;
        let dir = self.scratch.path(&format!("partition-{partition}"));
        let identity = Past::identity(&opened, partition);
        let Ok(store) = Store::open(&dir, &identity, &self.stores) else {
            return Ok(None);
        };
        if store.meta()?.map(|meta| meta.boundary) != Some(boundary) {
            return Ok(None);
        }
        let wanted = self.wanted(partition, stretch, &opened)?;
        let fold = self.fold(&opened, partition, Arc::new(store))?;
        let messages = LogReader::open(self.config, &self.config.topics.messages, partition)?;
        Ok(Some(Beginning {
            began,
            next: boundary + 1,
            from: wanted.start,
            to: wanted.end,
            unverifiable_before: None,
            fold,
            opened,
            damaged: Vec::new(),
            messages,
        }))
    }

    /// The store of the oldest checkpoint that leads into a stretch whose beginning is gone, and the offset behind it.
    pub fn oldest(&self, partition: i32, stretch: Stretch) -> Result<(Store, i64), ReplayError> {
        let opened = self.opened(partition)?;
        let wanted = self.wanted(partition, stretch, &opened)?;
        let mut places = self.places(&opened, partition, &wanted)?;
        while let Some(checkpoint) = places.pop() {
            let name = format!("partition-{partition}");
            if let Ok(store) = self.install(&opened, partition, checkpoint, &name)? {
                return Ok((store, checkpoint.boundary + 1));
            }
        }
        Err(ReplayError::LostHistory {
            partition,
            start: self.log(partition).start,
            opened: opened.start,
        })
    }

    /// All checkpoints of a partition, oldest first.
    pub fn checkpoints(
        &self,
        opened: &Opened,
        partition: i32,
    ) -> Result<Vec<Checkpoint>, ReplayError> {
        let Some(repository) = &self.repository else {
            return Ok(Vec::new());
        };
        let mut all = repository.list(&Past::identity(opened, partition))?;
        all.sort_unstable();
        Ok(all)
    }

    /// Makes a checkpoint a store of this replay, of this name. Err: what is wrong with it.
    pub fn install(
        &self,
        opened: &Opened,
        partition: i32,
        checkpoint: Checkpoint,
        name: &str,
    ) -> Result<Result<Store, String>, ReplayError> {
        let Some(repository) = &self.repository else {
            return Ok(Err("there are no checkpoints".into()));
        };
        let identity = Past::identity(opened, partition);
        let fetched = repository
            .manifest(&identity, checkpoint)
            .and_then(|manifest| {
                let engine = manifest.about.engine;
                if engine != ENGINE {
                    return Ok(Err(format!(
                        "it is of engine {engine}, and this binary carries {ENGINE}"
                    )));
                }
                self.fetch(repository, &identity, &manifest, name).map(Ok)
            });
        match fetched {
            Ok(outcome) => Ok(outcome),
            Err(FetchError::Objects(error)) => Err(error.into()),
            Err(FetchError::Store(error)) if !error.is_corrupt() => Err(error.into()),
            Err(damage) => Ok(Err(damage.to_string())),
        }
    }

    fn fetch(
        &self,
        repository: &Repository,
        identity: &Identity,
        manifest: &Manifest,
        name: &str,
    ) -> Result<Store, FetchError> {
        let incoming = Incoming::begin(&self.scratch.path(name))?;
        repository.fetch(identity, manifest, &mut |file, bytes| {
            incoming.write(&file.name, &bytes)
        })?;
        let checked = incoming.check(identity, manifest.boundary, &self.stores)?;
        Ok(checked.install(identity, &self.stores)?)
    }

    /// The identity of a partition and its wanted stretch in offsets, without asking whether the messages are still there.
    pub fn place(
        &self,
        partition: i32,
        stretch: Stretch,
    ) -> Result<(Opened, Range<i64>), ReplayError> {
        let opened = self.opened(partition)?;
        let wanted = self.wanted(partition, stretch, &opened)?;
        Ok((opened, wanted))
    }

    fn opened(&self, partition: i32) -> Result<Opened, ReplayError> {
        self.control
            .opened(partition)
            .ok_or_else(|| ReplayError::NotOpened {
                partition,
                control: self.config.topics.control.clone(),
            })
    }

    fn fold(
        &self,
        opened: &Opened,
        partition: i32,
        backend: Arc<dyn Backend>,
    ) -> Result<StraightFold, ReplayError> {
        let control = Arc::clone(&self.control);
        StraightFold::over(opened, partition, control, backend, self.context_bytes)
    }

    /// Checkpoints to begin with, the best last: the newest before the stretch, or else the oldest inside it. Only those behind which
    /// the log still goes on.
    fn places(
        &self,
        opened: &Opened,
        partition: i32,
        wanted: &Range<i64>,
    ) -> Result<Vec<Checkpoint>, ReplayError> {
        let mut all = self.checkpoints(opened, partition)?;
        let log = self.log(partition);
        all.retain(|place| (log.start..=wanted.end).contains(&(place.boundary + 1)));
        let (mut before, mut inside): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|place| place.boundary < wanted.start);
        if log.start <= opened.start {
            // Whatever lies inside would leave out what can be derived from the beginning.
            return Ok(before);
        }
        inside.reverse();
        inside.append(&mut before);
        Ok(inside)
    }

    fn wanted(
        &self,
        partition: i32,
        stretch: Stretch,
        opened: &Opened,
    ) -> Result<Range<i64>, BrokerError> {
        let (log, topic) = (self.log(partition), &self.config.topics.messages);
        let offset = |bound: Bound| bound.offset(&self.cluster, topic, partition, log);
        let from = stretch.from.map_or(Ok(opened.start), offset)?;
        let to = stretch.to.map_or(Ok(log.end), offset)?;
        let end = log.end.max(opened.start);
        Ok(from.clamp(opened.start, end)..to.clamp(opened.start, end))
    }
}
