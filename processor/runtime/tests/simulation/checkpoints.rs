//! Checkpoints of a simulated process: the real repository over objects that fail, with time and other owners in between.

use crate::check::identity;
use crate::cluster::{Cluster, Rng};
use crate::process::Process;
use gavel_state::{ATTEMPT_MOST, Backend, ObjectFault, Retention, Saved, Sweep};
use std::sync::Arc;

const RETENTION: Retention = Retention {
    newest: 3,
    anchor_every: 300_000,
    anchor_keep: 3_000_000,
    erase_within: 600_000,
};

impl Process {
    /// Of a live partition, or of one that was given back; then its store is free.
    pub fn take_snapshot(&mut self, rng: &mut Rng) {
        let (partition, backend) = if self.io.retired.is_empty() {
            let live: Vec<i32> = self.disk.keys().copied().collect();
            let Some(&partition) = rng.pick(&live) else {
                return;
            };
            (
                partition,
                Arc::clone(&self.disk[&partition]) as Arc<dyn Backend>,
            )
        } else {
            let (partition, retired) = self.io.retired.remove(0);
            (partition, Arc::clone(retired.memory.backend()))
        };
        let taken = self
            .snapshots
            .iter()
            .any(|snapshot| snapshot.meta().identity.partition == partition);
        if let Some(snapshot) = backend.snapshot().expect("memory does not fail")
            && !taken
        {
            self.snapshots.push(snapshot);
        }
    }

    /// Between two uploads time passes and others work on the same objects.
    pub fn upload(&mut self, cluster: &mut Cluster, rng: &mut Rng, faults: bool) {
        if self.snapshots.is_empty() {
            return;
        }
        let snapshot = self.snapshots.remove(rng.below(self.snapshots.len()));
        let identity = snapshot.meta().identity.clone();
        let repository = cluster.repository(self.bug);
        if faults {
            disturb(cluster, rng);
        }
        cluster.pass(0);
        let began = cluster.wall();
        let mut other = Sweep::default();
        let name = format!("a{}", rng.next());
        let mut pace = |_: u64| {
            if faults {
                cluster.pass(rng.below(400_000) as i64);
                if rng.once_in(3) {
                    let now = cluster.wall();
                    let attempt = format!("o{}", rng.next());
                    let _failed =
                        repository.sweep(&identity, &RETENTION, (now, &attempt), &mut other);
                }
                if rng.once_in(40) {
                    return false;
                }
            }
            cluster.wall() - began < ATTEMPT_MOST.as_millis() as i64
        };
        let every = RETENTION.anchor_every;
        let saved = gavel_runtime::checkpoint::save(
            &repository,
            snapshot.as_ref(),
            &name,
            every,
            &mut pace,
        );
        self.saved += usize::from(matches!(saved, Ok(Saved::Created { .. })));
    }

    pub fn sweep(&mut self, cluster: &mut Cluster, rng: &mut Rng, faults: bool) {
        let held: Vec<i32> = self.lane.view().iter().map(|view| view.partition).collect();
        let Some(&partition) = rng.pick(&held) else {
            return;
        };
        if faults {
            disturb(cluster, rng);
        }
        cluster.pass(0);
        let sweep = self.sweeps.entry(partition).or_default();
        let identity = identity(partition);
        let repository = cluster.repository(self.bug);
        let now = (cluster.wall(), format!("s{}", rng.next()));
        if let Ok(swept) = repository.sweep(&identity, &RETENTION, (now.0, &now.1), sweep) {
            self.swept += swept.files;
        }
    }
}

/// Now and then the object store fails at one of the next calls.
pub fn disturb(cluster: &Cluster, rng: &mut Rng) {
    if rng.once_in(3) && cluster.objects.faults_left() == 0 {
        let faults = [
            ObjectFault::NotDone,
            ObjectFault::Refused,
            ObjectFault::AnswerLost,
            ObjectFault::ListLags,
        ];
        cluster.objects.fail_next(faults[rng.below(faults.len())]);
    }
}
