//! One straight fold: what every schedule must come to.

use crate::check::identity;
use crate::cluster::{Appended, Cluster};
use crate::workload::LOG_ID;
use gavel_judge::{Fold, PartitionState, Patience, Step, context_expired};
use gavel_runtime::restore::MemoryOfPartition;
use gavel_state::{Backend, Memory, MemoryStore, Meta};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One straight fold of a partition, in memory, with the whole control log.
pub struct Reference {
    pub verdicts: BTreeMap<i64, Appended>,
    pub dead_letters: BTreeMap<i64, Appended>,
    pub shadows: BTreeMap<i64, Appended>,
    pub digest: [u8; 32],
}

impl Reference {
    pub fn fold(cluster: &Cluster, partition: i32) -> Reference {
        let control = cluster.control_up_to(cluster.control.len());
        let mut fold = Fold::new(LOG_ID, partition, true, PartitionState::default(), &control)
            .expect("no policy is active yet");
        let store: Arc<MemoryStore> = Arc::default();
        let mut memory = Memory::new(Arc::clone(&store) as Arc<dyn Backend>, usize::MAX / 2);
        let (mut verdicts, mut dead_letters) = (BTreeMap::new(), BTreeMap::new());
        let mut shadows = BTreeMap::new();
        for source in &cluster.messages[&partition].records {
            let record = source.as_record();
            let ruling = loop {
                match fold
                    .step(
                        &record,
                        &control,
                        Patience::Refuse,
                        &mut MemoryOfPartition(&mut memory),
                    )
                    .expect("memory does not fail")
                {
                    Step::Verdict(ruling) => {
                        let shadow = ruling.shadow.map(<[u8]>::to_vec);
                        let verdict = (ruling.verdict.to_vec(), shadow);
                        break (verdict, ruling.key_kept, ruling.dead_letter);
                    }
                    Step::Await { order } => control.compile_order(order),
                    Step::Halt(reason) => panic!("the reference halted: {reason:?}"),
                }
            };
            let ((verdict, shadow), key_kept, refusal) = ruling;
            let key = source.key.clone().filter(|_| key_kept);
            if let Some(shadow) = shadow {
                let shadow = Appended {
                    source_offset: source.offset,
                    key: key.clone(),
                    value: Some(shadow),
                    reason: None,
                };
                shadows.insert(source.offset, shadow);
            }
            verdicts.insert(
                source.offset,
                Appended {
                    source_offset: source.offset,
                    key: key.clone(),
                    value: Some(verdict),
                    reason: None,
                },
            );
            if let Some(refusal) = refusal {
                let letter = Appended {
                    source_offset: source.offset,
                    key,
                    value: source.value.clone(),
                    reason: Some(refusal.code()),
                };
                dead_letters.insert(source.offset, letter);
            }
        }
        let end = cluster.messages[&partition].end;
        memory.begin_epoch(Meta {
            identity: identity(partition),
            boundary: end - 1,
            verdict_end: 0,
            topic: String::new(),
            state: fold.state().to_bytes(),
        });
        memory.freeze(usize::MAX);
        store
            .commit(&memory.take_batch().expect("complete"))
            .expect("memory does not fail");
        let digest = digest_of(store.as_ref()).expect("memory does not fail");
        Reference {
            verdicts,
            dead_letters,
            shadows,
            digest,
        }
    }
}

pub fn digest_of(backend: &dyn Backend) -> Result<[u8; 32], gavel_state::Error> {
    let clock = backend
        .meta()?
        .and_then(|meta| PartitionState::from_bytes(&meta.state).ok())
        .map_or(0, |state| state.clock());
    gavel_state::digest(backend, clock, &context_expired)
}
