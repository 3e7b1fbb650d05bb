//! Hot contexts of one partition, written behind in epochs.
//!
//! An epoch is everything dirty at a boundary X. Invariants:
//! - The batch of an epoch holds each of its contexts exactly as it was at X: one that is not serialised yet is copied
//!   into the batch before its next change. Otherwise a crash would restore a context that has already seen a record
//!   which is then folded a second time.
//! - A context is clean only after the commit of the epoch in which it last changed, and only clean contexts are
//!   evicted. Otherwise a read would bring back an older value.
//! - So eviction, epochs and their timing never change what `load` gives; they cannot reach a verdict.
//!
//! Epochs are numbered. A context carries the number of its last change, so a commit makes all of its contexts clean by
//! moving one number, whatever their count.

mod table;

use crate::backend::Backend;
use crate::batch::Batch;
use crate::error::Error;
use crate::meta::Meta;
use std::sync::Arc;
use table::{Context, Table};

/// Slots the clock's hand may pass in one call: eviction spreads over the calls that cause it.
const TURNS: usize = 64;

/// Counters since the partition was opened, and gauges in bytes or contexts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Contexts held, with the tombstones of removed ones.
    pub contexts: usize,
    /// Bytes charged to the budget: contexts with their overhead, and the batch of the epoch in flight.
    pub used_bytes: usize,
    pub budget_bytes: usize,
    /// Of these, changed since the last boundary.
    pub dirty_bytes: usize,
    /// Of these, waiting for the commit of the epoch in flight; its batch included.
    pub in_flight_bytes: usize,
    /// Loads answered from RAM.
    pub hits: u64,
    /// Loads that asked the backend.
    pub misses: u64,
    pub evictions: u64,
    /// Contexts serialised because they were about to change.
    pub early_copies: u64,
}

/// The epoch in flight.
struct Flight {
    boundary: i64,
    /// Its contexts not looked at yet.
    unfrozen: Vec<u32>,
    /// Until it is taken.
    batch: Option<Batch>,
}

pub struct Memory {
    backend: Arc<dyn Backend>,
    table: Table,
    budget: usize,
    /// Number of the epoch that collects changes now.
    open: u32,
    /// Every epoch up to this number is in the backend.
    committed: u32,
    flight: Option<Flight>,
    /// Slots changed in the open epoch.
    dirty: Vec<u32>,
    /// The slot read last: the fold stores what it has just loaded.
    last: u32,
    held_bytes: usize,
    dirty_bytes: usize,
    in_flight_bytes: usize,
    batch_bytes: usize,
    hits: u64,
    misses: u64,
    evictions: u64,
    early_copies: u64,
}

impl Memory {
    /// An empty cache over `backend`. `budget_bytes` bounds contexts, their overhead and the batch in flight together.
    pub fn new(backend: Arc<dyn Backend>, budget_bytes: usize) -> Memory {
        Memory {
            backend,
            table: Table::default(),
            budget: budget_bytes,
            open: 1,
            committed: 0,
            flight: None,
            dirty: Vec::new(),
            last: 0,
            held_bytes: 0,
            dirty_bytes: 0,
            in_flight_bytes: 0,
            batch_bytes: 0,
            hits: 0,
            misses: 0,
            evictions: 0,
            early_copies: 0,
        }
    }

    /// Replaces `into` by the context of `key`; false, and an empty `into`, if there is none. Asks the backend for what is
    /// not in RAM. After an error nothing has changed.
    pub fn load(&mut self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error> {
        into.clear();
        let hash = self.table.hash(key);
        if let Some(slot) = self.table.find(hash, key)
            && let Some(context) = self.table.get_mut(slot)
        {
            self.hits += 1;
            self.last = slot;
            context.touched = true;
            let value = context.value();
            into.extend_from_slice(value.unwrap_or_default());
            return Ok(value.is_some());
        }
        self.misses += 1;
        let present = self.backend.get(key, into)?;
        if present {
            let slot = self.table.insert(hash, key, Some(into), 0);
            self.last = slot;
            self.held_bytes += self.table.get(slot).map_or(0, Context::cost);
            self.make_room();
        }
        Ok(present)
    }

    /// Sets the context of `key`.
    ///
    /// # Panics
    /// If the key has 64 KiB or the value 4 GiB: the fold refuses far less.
    pub fn store(&mut self, key: &[u8], value: &[u8]) {
        self.change(key, Some(value));
    }

    /// Removes the context of `key`. A tombstone stands for it until the backend has forgotten it too.
    pub fn remove(&mut self, key: &[u8]) {
        self.change(key, None);
    }

    /// The budget is taken, but for an eighth, by what must not be evicted: take no more records until a commit. The
    /// eighth keeps the search for something to evict short.
    pub fn pressed(&self) -> bool {
        let pinned = self.dirty_bytes + self.in_flight_bytes + self.batch_bytes;
        pinned > self.budget - self.budget / 8
    }

    /// Bytes changed since the last boundary.
    pub fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }

    /// Draws a boundary: everything dirty now belongs to the epoch of `meta`, which tells the fold's state at this moment.
    ///
    /// # Panics
    /// If an epoch is in flight.
    pub fn begin_epoch(&mut self, meta: Meta) {
        assert!(
            self.flight.is_none(),
            "an epoch begins at {} while one is in flight",
            meta.boundary
        );
        self.flight = Some(Flight {
            boundary: meta.boundary,
            unfrozen: std::mem::take(&mut self.dirty),
            batch: Some(Batch::new(meta)),
        });
        self.open += 1;
        self.in_flight_bytes = std::mem::take(&mut self.dirty_bytes);
    }

    /// From `begin_epoch` to `epoch_committed`.
    pub fn epoch_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Serialises up to `at_most` contexts of the epoch in flight; true when its batch is complete.
    pub fn freeze(&mut self, at_most: usize) -> bool {
        let Some(flight) = &mut self.flight else {
            return false;
        };
        let Some(batch) = &mut flight.batch else {
            return true;
        };
        let rest = flight.unfrozen.len().saturating_sub(at_most);
        for slot in flight.unfrozen.drain(rest..) {
            // What changed since the boundary was copied then.
            if let Some(context) = self.table.get_mut(slot)
                && context.epoch < self.open
                && !context.frozen
            {
                context.frozen = true;
                batch.push(context.key(), context.value());
            }
        }
        self.batch_bytes = batch.bytes();
        self.make_room();
        rest == 0
    }

    /// The complete batch, once; None before.
    pub fn take_batch(&mut self) -> Option<Batch> {
        let flight = self.flight.as_mut()?;
        if flight.unfrozen.is_empty() {
            flight.batch.take()
        } else {
            None
        }
    }

    /// The backend holds the batch of `boundary`: what has not changed since is clean.
    ///
    /// # Panics
    /// If that batch was not taken: somebody lost count of epochs, and evicting what is not stored would lose it.
    pub fn epoch_committed(&mut self, boundary: i64) {
        match self.flight.take() {
            Some(flight) if flight.boundary == boundary && flight.batch.is_none() => {}
            _ => panic!("the epoch at {boundary} was committed, but is not in flight"),
        }
        self.committed = self.open - 1;
        self.in_flight_bytes = 0;
        self.batch_bytes = 0;
        self.make_room();
    }

    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    pub fn stats(&self) -> MemoryStats {
        MemoryStats {
            contexts: self.table.len(),
            used_bytes: self.held_bytes + self.batch_bytes,
            budget_bytes: self.budget,
            dirty_bytes: self.dirty_bytes,
            in_flight_bytes: self.in_flight_bytes + self.batch_bytes,
            hits: self.hits,
            misses: self.misses,
            evictions: self.evictions,
            early_copies: self.early_copies,
        }
    }

    fn change(&mut self, key: &[u8], value: Option<&[u8]>) {
        if !self.change_held(self.last, key, value) {
            let hash = self.table.hash(key);
            let held = self
                .table
                .find(hash, key)
                .is_some_and(|slot| self.change_held(slot, key, value));
            if !held {
                let slot = self.table.insert(hash, key, value, self.open);
                let cost = self.table.get(slot).map_or(0, Context::cost);
                self.last = slot;
                self.held_bytes += cost;
                self.dirty_bytes += cost;
                self.dirty.push(slot);
            }
        }
        self.make_room();
    }

    /// Changes the context in `slot` if it is that of `key`.
    fn change_held(&mut self, slot: u32, key: &[u8], value: Option<&[u8]>) -> bool {
        let Some(context) = self
            .table
            .get_mut(slot)
            .filter(|context| context.key() == key)
        else {
            return false;
        };
        if value.is_none() && context.value().is_none() {
            return true;
        }
        let before = context.cost();
        if context.epoch < self.open {
            if context.epoch > self.committed {
                self.in_flight_bytes -= before;
                if !context.frozen
                    && let Some(batch) = self
                        .flight
                        .as_mut()
                        .and_then(|flight| flight.batch.as_mut())
                {
                    batch.push(context.key(), context.value());
                    self.batch_bytes = batch.bytes();
                    self.early_copies += 1;
                }
            }
            context.epoch = self.open;
            context.frozen = false;
            self.dirty_bytes += before;
            self.dirty.push(slot);
        }
        context.set(value);
        let after = context.cost();
        self.held_bytes = self.held_bytes - before + after;
        self.dirty_bytes = self.dirty_bytes - before + after;
        true
    }

    /// Evicts clean contexts while the budget is exceeded.
    fn make_room(&mut self) {
        let mut turns = TURNS;
        let committed = self.committed;
        while self.held_bytes + self.batch_bytes > self.budget
            && self.held_bytes > self.dirty_bytes + self.in_flight_bytes
            && turns > 0
        {
            turns -= 1;
            if let Some(cost) = self.table.turn(|context| context.epoch <= committed) {
                self.held_bytes -= cost;
                self.evictions += 1;
            }
        }
    }
}
