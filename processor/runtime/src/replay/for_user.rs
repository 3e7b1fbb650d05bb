//! A fold for the sake of one user: time and orders of all records, messages of that user alone.
//!
//! Invariant: what is derived for the user is what the whole fold derives, because contexts of two users never touch (see
//! `Fold::step_for`). A partition of millions of records is gone through at the speed of reading it.

use std::sync::Arc;

use gavel_judge::{
    ControlLog, Explained, Explanation, Fold, MemoryContexts, Opened, PartitionState, Patience,
    Record, Standing, Step,
};
use gavel_schemas::{RegisteredSchemas, VerdictRecord, decode_verdict};
use gavel_state::Backend;

use super::beginning::{Bound, Past, Stretch};
use super::scratch::Scratch;
use super::{OpenedLog, ReplayError};
use crate::config::Config;
use crate::kafka::Cluster;

/// What a fold begins with: that of the log, or that of a checkpoint.
pub struct Beginning {
    pub state: PartitionState,
    pub contexts: MemoryContexts,
    /// Offset of the first record to fold.
    pub first: i64,
}

impl Beginning {
    /// Before the first record of the partition's log. Where that is gone: behind the oldest checkpoint that still leads to `to`.
    pub(super) fn of(
        config: &Config,
        log: &OpenedLog,
        who: &Who,
        to: i64,
    ) -> Result<Beginning, ReplayError> {
        if log.bounds.start <= log.opened.start {
            return Ok(Beginning {
                state: log.control.first_state(&log.opened),
                contexts: MemoryContexts::default(),
                first: log.opened.start,
            });
        }
        let scratch = Scratch::passing().map_err(ReplayError::Scratch)?;
        let cluster = Cluster::new(config)?;
        let past = Past::open(config, cluster, &[log.partition], scratch, usize::MAX)?;
        let stretch = Stretch {
            from: None,
            to: Some(Bound::Offset(to)),
        };
        let (store, first) = past.oldest(log.partition, stretch)?;
        let meta = store.meta()?;
        let state = meta.map(|meta| PartitionState::from_bytes(&meta.state));
        let mut contexts = MemoryContexts::default();
        let (key, mut context) = (who.key().into_bytes(), Vec::new());
        if store.get(&key, &mut context)? {
            contexts.0.insert(key, context);
        }
        Ok(Beginning {
            state: state.transpose()?.unwrap_or_default(),
            contexts,
            first,
        })
    }
}

/// A user, or nobody: then only orders are folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    pub community: String,
    pub user: String,
}

impl Who {
    pub fn is(&self, community: &str, user: &str) -> bool {
        self.community == community && self.user == user
    }

    /// `community/user`: the key of records and of contexts.
    pub fn key(&self) -> String {
        format!("{}/{}", self.community, self.user)
    }
}

/// One partition folded for one user.
pub struct UserFold {
    fold: Fold,
    control: Arc<ControlLog>,
    contexts: MemoryContexts,
    partition: i32,
    who: Who,
    key: Vec<u8>,
}

/// A record that was folded, and how the user stood before and after it.
pub struct Walked {
    pub verdict: VerdictRecord,
    pub before: Standing,
    pub after: Standing,
}

impl UserFold {
    /// `control` must have been read to behind every marker that will come.
    pub fn new(
        opened: &Opened,
        partition: i32,
        control: Arc<ControlLog>,
        beginning: Beginning,
        who: Who,
    ) -> Result<UserFold, ReplayError> {
        let fold = Fold::new(
            &opened.log_id,
            partition,
            opened.context_complete,
            beginning.state,
            &control,
        )?;
        Ok(UserFold {
            fold,
            control,
            contexts: beginning.contexts,
            partition,
            key: who.key().into_bytes(),
            who,
        })
    }

    pub fn control(&self) -> &ControlLog {
        &self.control
    }

    pub fn schemas(&self) -> &RegisteredSchemas {
        self.fold.schemas()
    }

    /// Takes the next record in. None: it is neither an order nor the user's, or nothing can be said of it.
    pub fn walk(&mut self, record: &Record<'_>) -> Result<Option<Walked>, ReplayError> {
        let mut compiled = None;
        let before = self.contexts.0.get(&self.key).cloned();
        let value = loop {
            let who = &self.who;
            let Ok(step) = self.fold.step_for(
                record,
                &self.control,
                Patience::Refuse,
                &mut self.contexts,
                |community, user| who.is(community, user),
            );
            let order = match step {
                None => return Ok(None),
                Some(Step::Verdict(ruling)) => break ruling.verdict.to_vec(),
                Some(Step::Await { order }) => order,
                Some(Step::Halt(reason)) => {
                    return Err(halted(self.partition, record.offset, &reason.to_string()));
                }
            };
            self.compile(order, record.offset, &mut compiled)?;
        };
        let Ok(verdict) = decode_verdict(&value) else {
            return Ok(None);
        };
        let standing = |stored: Option<&Vec<u8>>| {
            let stored = stored.map(Vec::as_slice);
            self.fold
                .standing(&self.who.community, stored, verdict.judged_at)
        };
        let (before, after) = (
            standing(before.as_ref()),
            standing(self.contexts.0.get(&self.key)),
        );
        Ok(Some(Walked {
            verdict,
            before,
            after,
        }))
    }

    /// Why the next record gets the verdict that it gets. Changes nothing.
    pub fn explain(&mut self, record: &Record<'_>) -> Result<Explanation, ReplayError> {
        let mut compiled = None;
        loop {
            let Ok(explained) =
                self.fold
                    .explain(record, &self.control, Patience::Refuse, &mut self.contexts);
            match explained {
                Explained::Explanation(explanation) => return Ok(*explanation),
                Explained::Await { order } => self.compile(order, record.offset, &mut compiled)?,
                Explained::Halt(reason) => {
                    return Err(halted(self.partition, record.offset, &reason.to_string()));
                }
            }
        }
    }

    /// The bytes that the next record's verdict has.
    pub fn derive(&mut self, record: &Record<'_>) -> Result<Vec<u8>, ReplayError> {
        let Ok(step) = self
            .fold
            .step(record, &self.control, Patience::Refuse, &mut self.contexts);
        match step {
            Step::Verdict(ruling) => Ok(ruling.verdict.to_vec()),
            Step::Await { order } => Err(ReplayError::Waits {
                partition: self.partition,
                offset: record.offset,
                order,
            }),
            Step::Halt(reason) => Err(halted(self.partition, record.offset, &reason.to_string())),
        }
    }

    fn compile(
        &self,
        order: i64,
        offset: i64,
        compiled: &mut Option<i64>,
    ) -> Result<(), ReplayError> {
        if *compiled == Some(order) {
            return Err(ReplayError::Waits {
                partition: self.partition,
                offset,
                order,
            });
        }
        self.control.compile_order(order);
        *compiled = Some(order);
        Ok(())
    }
}

fn halted(partition: i32, offset: i64, reason: &str) -> ReplayError {
    ReplayError::Halted {
        partition,
        offset,
        reason: reason.to_owned(),
    }
}
