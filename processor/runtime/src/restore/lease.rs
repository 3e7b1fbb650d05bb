//! One worker per partition and process.
//!
//! Invariant: while a lease is held, no other lane or restorer of this process opens that partition's store. It covers
//! the move of a partition between two lanes of one pod, where the old lane may still be finishing its last write.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The leases of a process.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Mutex<BTreeSet<i32>>>);

/// Gives the partition back when dropped.
#[derive(Debug)]
pub struct Lease {
    partition: i32,
    leases: Leases,
}

impl Leases {
    /// The lease of `partition`, unless somebody holds it.
    pub fn take(&self, partition: i32) -> Option<Lease> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(partition).then(|| Lease {
            partition,
            leases: self.clone(),
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut held = self.leases.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_leased_once_until_it_is_given_back() {
        let leases = Leases::default();
        let lease = leases.take(3);
        assert!(lease.is_some() && leases.take(3).is_none() && leases.take(4).is_some());
        drop(lease);
        assert!(leases.take(3).is_some());
    }
}
