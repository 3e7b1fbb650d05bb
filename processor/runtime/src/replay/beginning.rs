//! Where the fold of a partition's past begins: at the beginning of its log, or at a checkpoint.
//!
//! Invariant: a fold begins only where its state is known. What lies before the first such place cannot be verified, and is said to be
//! so: it is never taken for different.

use std::sync::Arc;

use gavel_judge::{ControlLog, ENGINE, Opened};
use gavel_state::{
    Backend, Checkpoint, FetchError, Identity, Incoming, Manifest, Repository, Shared, Store,
};
use serde::{Deserialize, Serialize};

use super::scratch::Scratch;
use super::{ReplayError, StraightFold, repository};
use crate::config::Config;
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

/// What of the past is wanted; by default all of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stretch {
    pub from: Option<Bound>,
    /// Exclusive.
    pub to: Option<Bound>,
}

/// What all replays of a run share.
pub struct Past<'a> {
    pub config: &'a Config,
    /// As it was after the end of the messages had been asked for.
    pub control: Arc<ControlLog>,
    /// None: no checkpoints, or none wanted.
    pub repository: Option<Repository>,
    pub scratch: Scratch,
    pub stores: Shared,
    /// Bytes of contexts that one partition may hold in memory.
    pub context_bytes: usize,
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

/// Bounds of a message partition with the wanted stretch in offsets.
struct Wanted {
    log: Bounds,
    from: i64,
    to: i64,
}

impl<'a> Past<'a> {
    /// Without a limit to memory, in a directory that goes with it.
    pub fn open(config: &'a Config, control: Arc<ControlLog>) -> Result<Past<'a>, ReplayError> {
        Ok(Past {
            config,
            control,
            repository: repository(config)?,
            scratch: Scratch::passing().map_err(ReplayError::Scratch)?,
            stores: Past::stores(),
            context_bytes: usize::MAX,
        })
    }

    pub fn stores() -> Shared {
        Shared::new(STORE_BYTES, STORE_BYTES)
    }

    fn identity(opened: &Opened, partition: i32) -> Identity {
        Identity {
            log_id: opened.log_id.clone(),
            partition,
        }
    }

    /// Makes the fold of a partition ready for a stretch of its past.
    pub fn begin(&self, partition: i32, stretch: Stretch) -> Result<Beginning, ReplayError> {
        self.begin_in(&format!("partition-{partition}"), partition, stretch)
    }

    /// The same once more, with a store of its own.
    pub fn begin_beside(&self, partition: i32, stretch: Stretch) -> Result<Beginning, ReplayError> {
        self.begin_in(&format!("beside-{partition}"), partition, stretch)
    }

    fn begin_in(
        &self,
        name: &str,
        partition: i32,
        stretch: Stretch,
    ) -> Result<Beginning, ReplayError> {
        let opened = self.opened(partition)?;
        let messages = LogReader::open(self.config, &self.config.topics.messages, partition)?;
        let log = messages.bounds()?;
        let wanted = self.wanted(partition, stretch, &opened, log)?;
        let mut damaged = Vec::new();
        let whole = log.start <= opened.start;
        let mut places = self.places(&opened, partition, &wanted)?;
        if !(whole && wanted.from == opened.start) {
            while let Some(checkpoint) = places.pop() {
                match self.install(&opened, partition, checkpoint, name)? {
                    Err(detail) => damaged.push(Damaged {
                        boundary: checkpoint.boundary,
                        detail,
                    }),
                    Ok(store) => {
                        let next = checkpoint.boundary + 1;
                        let began = Began::Checkpoint {
                            boundary: checkpoint.boundary,
                            clock: checkpoint.clock,
                        };
                        let fold = self.fold(&opened, partition, Arc::new(store))?;
                        return Ok(Beginning {
                            opened,
                            began,
                            fold,
                            next,
                            from: wanted.from.max(next),
                            to: wanted.to,
                            unverifiable_before: (next > wanted.from).then_some(next),
                            damaged,
                            messages,
                        });
                    }
                }
            }
        }
        if !whole {
            return Err(ReplayError::LostHistory {
                partition,
                start: log.start,
                opened: opened.start,
            });
        }
        let dir = self.scratch.path(name);
        Store::destroy(&dir)?;
        let identity = Past::identity(&opened, partition);
        let store = Store::open(&dir, &identity, &self.stores)?;
        let fold = self.fold(&opened, partition, Arc::new(store))?;
        Ok(Beginning {
            began: Began::Log,
            next: opened.start,
            from: wanted.from,
            to: wanted.to,
            unverifiable_before: None,
            opened,
            fold,
            damaged,
            messages,
        })
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
        let messages = LogReader::open(self.config, &self.config.topics.messages, partition)?;
        let wanted = self.wanted(partition, stretch, &opened, messages.bounds()?)?;
        Ok(Some(Beginning {
            began,
            next: boundary + 1,
            from: wanted.from,
            to: wanted.to,
            unverifiable_before: None,
            fold: self.fold(&opened, partition, Arc::new(store))?,
            opened,
            damaged: Vec::new(),
            messages,
        }))
    }

    /// The store of the oldest checkpoint that leads into a stretch whose beginning is gone, and the offset behind it.
    pub fn oldest(&self, partition: i32, stretch: Stretch) -> Result<(Store, i64), ReplayError> {
        let opened = self.opened(partition)?;
        let log = Cluster::new(self.config)?.bounds(&self.config.topics.messages, partition)?;
        let wanted = self.wanted(partition, stretch, &opened, log)?;
        let mut places = self.places(&opened, partition, &wanted)?;
        while let Some(checkpoint) = places.pop() {
            let name = format!("partition-{partition}");
            if let Ok(store) = self.install(&opened, partition, checkpoint, &name)? {
                return Ok((store, checkpoint.boundary + 1));
            }
        }
        Err(ReplayError::LostHistory {
            partition,
            start: log.start,
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

    /// The identity of a partition and its wanted stretch in offsets, without asking whether the messages are still there; with the
    /// bounds of the messages that are.
    pub fn place(
        &self,
        partition: i32,
        stretch: Stretch,
    ) -> Result<(Opened, std::ops::Range<i64>, Bounds), ReplayError> {
        let opened = self.opened(partition)?;
        let log = Cluster::new(self.config)?.bounds(&self.config.topics.messages, partition)?;
        let wanted = self.wanted(partition, stretch, &opened, log)?;
        Ok((opened, wanted.from..wanted.to, log))
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
        wanted: &Wanted,
    ) -> Result<Vec<Checkpoint>, ReplayError> {
        let mut all = self.checkpoints(opened, partition)?;
        all.retain(|place| (wanted.log.start..=wanted.to).contains(&(place.boundary + 1)));
        let (mut before, mut inside): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|place| place.boundary < wanted.from);
        if wanted.log.start <= opened.start {
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
        log: Bounds,
    ) -> Result<Wanted, BrokerError> {
        let cluster = Cluster::new(self.config)?;
        let offset = |bound: Bound| match bound {
            Bound::Offset(offset) => Ok(offset),
            Bound::Time(time) => cluster
                .offset_at(&self.config.topics.messages, partition, time)
                .map(|found| found.unwrap_or(log.end)),
        };
        let from = stretch.from.map_or(Ok(opened.start), offset)?;
        let to = stretch.to.map_or(Ok(log.end), offset)?;
        Ok(Wanted {
            log,
            from: from.clamp(opened.start, log.end.max(opened.start)),
            to: to.clamp(opened.start, log.end.max(opened.start)),
        })
    }
}
