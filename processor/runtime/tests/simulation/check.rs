//! What must be true at the end of a run, whatever happened in it.

use crate::cluster::Appended;
use crate::reference::{Reference, digest_of};
use crate::workload::LOG_ID;
use crate::{PARTITIONS, Simulation, Tally};
use gavel_runtime::lane::HaltReason;
use gavel_state::{Backend, Identity, MemoryStore};
use std::collections::BTreeMap;

impl Simulation {
    /// Every checkpoint that is listed is whole, but for the one that was harmed, and says of itself what is in it.
    fn check_checkpoints(&self, partition: i32) -> Result<(), String> {
        let (repository, identity) = (self.cluster.calm_repository(), identity(partition));
        let listed = repository
            .list(&identity)
            .map_err(|error| error.to_string())?;
        let mut broken = Vec::new();
        for checkpoint in listed {
            let mut files = BTreeMap::new();
            let fetched = repository
                .manifest(&identity, checkpoint)
                .and_then(|manifest| {
                    repository.fetch(&identity, &manifest, &mut |file, bytes| {
                        files.insert(file.name.clone(), bytes);
                        Ok(())
                    })
                });
            if let Err(problem) = fetched {
                let name = format!("{:020}-{}.json", checkpoint.boundary, checkpoint.clock);
                broken.push(format!("{name}: {problem}"));
                continue;
            }
            let store = MemoryStore::from_files(&files).map_err(|error| error.to_string())?;
            let meta = store.meta().map_err(|error| error.to_string())?;
            if meta.map(|meta| meta.boundary) != Some(checkpoint.boundary) {
                return Err(format!("{checkpoint:?} holds another offset"));
            }
        }
        let harmed = self.cluster.harmed.get(&partition);
        let harmed = harmed.map_or(&[][..], |harm| &harm.objects);
        broken.retain(|problem| {
            // The name of a manifest, or of a file in what is said of one.
            !harmed.iter().any(|path| {
                let name = path.rsplit('/').next().unwrap_or(path);
                problem.contains(name)
            })
        });
        if broken.is_empty() {
            return Ok(());
        }
        Err(format!(
            "partition {partition}: broken checkpoints: {broken:?}"
        ))
    }

    pub fn check(&self, tally: &mut Tally) -> Result<(), String> {
        for partition in 0..PARTITIONS {
            let reference = Reference::fold(&self.cluster, partition);
            check_outputs(
                "verdict",
                partition,
                &self.cluster.verdicts[&partition],
                &reference.verdicts,
                tally,
            )?;
            check_order(partition, &self.cluster.verdicts[&partition])?;
            check_shadows(
                partition,
                &self.cluster.shadows[&partition],
                &reference.shadows,
            )?;
            tally.shadows += self.cluster.shadows[&partition].len();
            check_outputs(
                "dead letter",
                partition,
                &self.cluster.dead_letters[&partition],
                &reference.dead_letters,
                tally,
            )?;
            tally.records += reference.verdicts.len();
            tally.refused += reference.dead_letters.len();
            let behind_id = self.cluster.messages[&partition]
                .records
                .iter()
                .filter(|record| {
                    let value = record.value.as_deref().unwrap_or_default();
                    value.first() == Some(&0)
                        && !reference.dead_letters.contains_key(&record.offset)
                });
            tally.behind_id += behind_id.count();
            self.check_checkpoints(partition)?;
            let owner = &self.processes[self.cluster.owner[&partition]];
            let store = owner
                .store(partition)
                .ok_or(format!("partition {partition} has no store"))?;
            let found = digest_of(store.as_ref())
                .map_err(|error| format!("partition {partition}: {error}"))?;
            if found != reference.digest {
                return Err(format!(
                    "partition {partition}: the state differs from that of a straight fold"
                ));
            }
            for byte in found {
                tally.fingerprint = tally
                    .fingerprint
                    .wrapping_mul(31)
                    .wrapping_add(u64::from(byte));
            }
        }
        Ok(())
    }
}

pub fn identity(partition: i32) -> Identity {
    Identity {
        log_id: LOG_ID.to_owned(),
        partition,
    }
}

const FOREIGN: &str = "another-log";

pub fn foreign_verdict(partition: i32, offset: i64) -> Appended {
    let mut value = Vec::new();
    let verdict = gavel_schemas::Verdict {
        log_id: FOREIGN,
        source_partition: partition,
        source_offset: offset,
        ..Default::default()
    };
    gavel_schemas::encode_verdict(&verdict, &mut value);
    Appended {
        source_offset: offset,
        key: None,
        value: Some(value),
        reason: None,
    }
}

fn is_foreign(output: &Appended) -> bool {
    let identity = output
        .value
        .as_deref()
        .map(gavel_schemas::peek_verdict_identity);
    matches!(identity, Some(Ok(identity)) if identity.log_id == FOREIGN)
}

pub fn is_defect(reason: &HaltReason) -> bool {
    !matches!(
        reason,
        HaltReason::Delivery { .. } | HaltReason::Store { .. }
    )
}

/// Every expected output is there, every copy has its bytes, and there is nothing else.
fn check_outputs(
    what: &str,
    partition: i32,
    found: &[Appended],
    expected: &BTreeMap<i64, Appended>,
    tally: &mut Tally,
) -> Result<(), String> {
    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    for output in found.iter().filter(|output| !is_foreign(output)) {
        if expected.get(&output.source_offset) != Some(output) {
            return Err(format!(
                "partition {partition}: {what} of offset {} differs from that of a straight fold",
                output.source_offset
            ));
        }
        *seen.entry(output.source_offset).or_default() += 1;
    }
    if let Some(missing) = expected.keys().find(|offset| !seen.contains_key(offset)) {
        return Err(format!(
            "partition {partition}: {what} of offset {missing} is missing"
        ));
    }
    tally.duplicates += seen.values().sum::<usize>() - seen.len();
    Ok(())
}

/// Any of them may be missing, but whatever is there is what a straight fold gives.
fn check_shadows(
    partition: i32,
    found: &[Appended],
    expected: &BTreeMap<i64, Appended>,
) -> Result<(), String> {
    let wrong = found
        .iter()
        .find(|output| expected.get(&output.source_offset) != Some(*output));
    wrong.map_or(Ok(()), |output| {
        Err(format!(
            "partition {partition}: the shadow verdict of offset {} differs from that of a straight fold",
            output.source_offset
        ))
    })
}

fn check_order(partition: i32, found: &[Appended]) -> Result<(), String> {
    let mut newest = -1;
    let mut seen = std::collections::BTreeSet::new();
    for output in found.iter().filter(|output| !is_foreign(output)) {
        if seen.insert(output.source_offset) {
            if output.source_offset < newest {
                return Err(format!(
                    "partition {partition}: the first verdict of offset {} follows that of {newest}",
                    output.source_offset
                ));
            }
            newest = output.source_offset;
        }
    }
    Ok(())
}
