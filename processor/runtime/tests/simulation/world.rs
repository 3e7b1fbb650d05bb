//! The restorer's world in the simulation: the same logs and objects, with reads that fail and dead letters that may or may
//! not arrive before a failure.

use crate::cluster::{Appended, Cluster, LogRecord, Rng};
use gavel_judge::{ControlLog, Record};
use gavel_runtime::lane::SeededBug;
use gavel_runtime::restore::{Interrupted, LogBounds, VerdictTail, Visitor, World};
use gavel_schemas::{Refusal, peek_verdict_identity};
use gavel_state::{Backend, Checkpoint, FetchError, Identity, MemoryStore};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Verdicts that the tail scan looks at: fewer than can be in flight, so that it is sometimes too low.
const TAIL: usize = 8;

pub struct SimWorld<'a> {
    pub cluster: &'a mut Cluster,
    pub partition: i32,
    pub disk: &'a mut BTreeMap<i32, Arc<MemoryStore>>,
    pub rng: &'a mut Rng,
    pub faults: bool,
    pub unsent: Vec<Appended>,
    pub did: &'a mut Did,
    pub bug: Option<SeededBug>,
}

/// What restores of a process did with checkpoints.
#[derive(Debug, Default, Clone, Copy)]
pub struct Did {
    pub installed: usize,
    pub quarantined: usize,
}

impl SimWorld<'_> {
    fn fail_sometimes(&mut self, once_in: usize) -> Result<(), Interrupted> {
        if self.faults && self.rng.once_in(once_in) {
            return Err(Interrupted::Retry("simulated".to_owned()));
        }
        Ok(())
    }

    fn fetch(
        &mut self,
        identity: &Identity,
        checkpoint: Checkpoint,
    ) -> Result<MemoryStore, FetchError> {
        let repository = self.cluster.repository(self.bug);
        let manifest = repository.manifest(identity, checkpoint)?;
        let mut files = BTreeMap::new();
        repository.fetch(identity, &manifest, &mut |file, bytes| {
            files.insert(file.name.clone(), bytes);
            Ok(())
        })?;
        let broken = |detail: String| FetchError::Broken {
            boundary: checkpoint.boundary,
            detail,
        };
        let store = MemoryStore::from_files(&files).map_err(|error| broken(error.to_string()))?;
        let found = store.meta()?.map(|meta| meta.boundary);
        if found == Some(checkpoint.boundary) {
            Ok(store)
        } else {
            Err(broken(format!("holds offset {found:?}")))
        }
    }
}

impl World for SimWorld<'_> {
    fn control(&mut self) -> Result<Arc<ControlLog>, Interrupted> {
        self.fail_sometimes(10)?;
        Ok(self.cluster.control_up_to(self.cluster.control.len()))
    }

    fn bounds(&mut self) -> Result<LogBounds, Interrupted> {
        let partitions = self.cluster.messages.len() as i32;
        let topic = &self.cluster.messages[&self.partition];
        Ok(LogBounds {
            start: topic.start,
            end: topic.end,
            partitions,
            topic: "simulated-topic".to_owned(),
        })
    }

    fn local(
        &mut self,
        _identity: &Identity,
        _former: &[String],
    ) -> Result<Option<Arc<dyn Backend>>, Interrupted> {
        let store = self.disk.get(&self.partition);
        Ok(store.map(|store| Arc::clone(store) as Arc<dyn Backend>))
    }

    fn empty(&mut self, _identity: &Identity) -> Result<Arc<dyn Backend>, Interrupted> {
        let store = self.disk.entry(self.partition).or_default();
        Ok(Arc::clone(store) as Arc<dyn Backend>)
    }

    fn checkpoints(&mut self, identity: &Identity) -> Result<Vec<Checkpoint>, Interrupted> {
        self.fail_sometimes(10)?;
        let listed = self.cluster.repository(self.bug).list(identity);
        listed.map_err(|error| Interrupted::Retry(error.to_string()))
    }

    fn install(
        &mut self,
        identity: &Identity,
        checkpoint: Checkpoint,
    ) -> Result<Option<Arc<dyn Backend>>, Interrupted> {
        match self.fetch(identity, checkpoint) {
            Ok(store) => {
                let store = Arc::new(store);
                self.disk.insert(self.partition, Arc::clone(&store));
                self.did.installed += 1;
                Ok(Some(store))
            }
            Err(FetchError::Broken { .. }) => {
                let attempt = format!("q{}", self.rng.next());
                self.did.quarantined += 1;
                let aside = self
                    .cluster
                    .repository(self.bug)
                    .quarantine(identity, checkpoint, &attempt);
                aside.map_err(|error| Interrupted::Retry(error.to_string()))?;
                Ok(None)
            }
            Err(FetchError::Gone { .. }) => Ok(None),
            Err(error) => Err(Interrupted::Retry(error.to_string())),
        }
    }

    fn verdict_tail(&mut self, log_id: &str) -> Result<VerdictTail, Interrupted> {
        let log = &self.cluster.verdicts[&self.partition];
        let tail = &log[log.len().saturating_sub(TAIL)..];
        let offsets = tail.iter().filter_map(|record| {
            let identity = peek_verdict_identity(record.value.as_deref()?).ok()?;
            (identity.log_id == log_id || self.bug == Some(SeededBug::TrustTheTailBlindly))
                .then_some(identity.source_offset)
        });
        Ok(VerdictTail {
            newest: offsets.max(),
            end: log.len() as i64,
        })
    }

    fn read(&mut self, from: i64, to: i64, visit: Visitor<'_>) -> Result<(), Interrupted> {
        let topic = &self.cluster.messages[&self.partition];
        assert!(from >= topic.start, "read below the start of the log");
        let records: Vec<LogRecord> = topic
            .records
            .iter()
            .filter(|record| (from..=to).contains(&record.offset))
            .cloned()
            .collect();
        for record in &records {
            self.fail_sometimes(200)?;
            visit(self, &record.as_record())?;
        }
        Ok(())
    }

    fn dead_letter(
        &mut self,
        record: &Record<'_>,
        key_kept: bool,
        refusal: Refusal,
    ) -> Result<(), Interrupted> {
        self.unsent.push(Appended {
            source_offset: record.offset,
            key: record.key.filter(|_| key_kept).map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            reason: Some(refusal.code()),
        });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Interrupted> {
        for letter in std::mem::take(&mut self.unsent) {
            self.fail_sometimes(30)?;
            self.cluster
                .dead_letters
                .get_mut(&self.partition)
                .expect("partition exists")
                .push(letter);
        }
        Ok(())
    }

    fn progress(&mut self, _at: i64, _to: i64) {}
}
