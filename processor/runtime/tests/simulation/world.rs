//! The restorer's world in the simulation: the same logs, with reads that fail and dead letters that may or may not
//! arrive before a failure.

use crate::cluster::{Appended, Cluster, LogRecord, Rng};
use gavel_judge::{ControlLog, Record};
use gavel_runtime::restore::{Interrupted, LogBounds, VerdictTail, Visitor, World};
use gavel_schemas::{Refusal, peek_verdict_identity};
use gavel_state::{Backend, Identity, MemoryStore};
use std::sync::Arc;

/// Verdicts that the tail scan looks at: fewer than can be in flight, so that it is sometimes too low.
const TAIL: usize = 8;

pub struct SimWorld<'a> {
    cluster: &'a mut Cluster,
    partition: i32,
    store: Arc<MemoryStore>,
    rng: &'a mut Rng,
    faults: bool,
    unsent: Vec<Appended>,
}

impl<'a> SimWorld<'a> {
    pub fn new(
        cluster: &'a mut Cluster,
        partition: i32,
        store: Arc<MemoryStore>,
        rng: &'a mut Rng,
        faults: bool,
    ) -> SimWorld<'a> {
        SimWorld {
            cluster,
            partition,
            store,
            rng,
            faults,
            unsent: Vec::new(),
        }
    }

    fn fail_sometimes(&mut self, once_in: usize) -> Result<(), Interrupted> {
        if self.faults && self.rng.once_in(once_in) {
            return Err(Interrupted::Retry("simulated".to_owned()));
        }
        Ok(())
    }
}

impl World for SimWorld<'_> {
    fn control(&mut self) -> Result<Arc<ControlLog>, Interrupted> {
        self.fail_sometimes(10)?;
        Ok(self.cluster.control_up_to(self.cluster.control.len()))
    }

    fn bounds(&mut self) -> Result<LogBounds, Interrupted> {
        let partitions = self.cluster.messages.len() as i32;
        Ok(LogBounds {
            start: 0,
            end: self.cluster.messages[&self.partition].end,
            partitions,
        })
    }

    fn store(&mut self, _identity: &Identity) -> Result<Arc<dyn Backend>, Interrupted> {
        Ok(Arc::clone(&self.store) as Arc<dyn Backend>)
    }

    fn verdict_tail(&mut self, log_id: &str) -> Result<VerdictTail, Interrupted> {
        let log = &self.cluster.verdicts[&self.partition];
        let tail = &log[log.len().saturating_sub(TAIL)..];
        let offsets = tail.iter().filter_map(|record| {
            let identity = peek_verdict_identity(record.value.as_deref()?).ok()?;
            (identity.log_id == log_id).then_some(identity.source_offset)
        });
        Ok(VerdictTail {
            newest: offsets.max(),
            end: log.len() as i64,
        })
    }

    fn read(&mut self, from: i64, to: i64, visit: Visitor<'_>) -> Result<(), Interrupted> {
        let records: Vec<LogRecord> = self.cluster.messages[&self.partition]
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
