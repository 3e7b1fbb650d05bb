//! The simulated cluster: logs that only grow, a control log, a group that owns assignments.

use gavel_judge::{ControlLog, Record, Timestamp};
use gavel_runtime::lane::SeededBug;
use gavel_state::{Listed, MemoryObjects, ObjectError, Objects, Operation, Put, Repository};
use std::collections::BTreeMap;
use std::sync::Arc;

/// splitmix64: a seed gives one schedule, on every machine.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() {
            None
        } else {
            Some(&items[self.below(items.len())])
        }
    }
}

#[derive(Clone, Debug)]
pub struct LogRecord {
    pub offset: i64,
    pub at: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl LogRecord {
    pub fn as_record(&self) -> Record<'_> {
        Record {
            offset: self.offset,
            timestamp: Timestamp::LogAppend(self.at),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers_len: 0,
        }
    }
}

/// An output as it stands in its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub source_offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub reason: Option<&'static str>,
}

#[derive(Default)]
pub struct Topic {
    pub records: Vec<LogRecord>,
    /// What retention has left: records below are there for the straight fold only.
    pub start: i64,
    pub end: i64,
}

/// Damage done to the checkpoints of a partition.
#[derive(Default)]
pub struct Harm {
    /// Objects in which a bit was turned over.
    pub objects: Vec<String>,
    /// Manifests among them since the log was last trimmed.
    pub since_trim: usize,
    /// A file that later checkpoints may share: from then on only the whole log is safe.
    pub files: bool,
}

/// Everything that survives any crash of a processor.
#[derive(Default)]
pub struct Cluster {
    pub now: i64,
    pub messages: BTreeMap<i32, Topic>,
    pub verdicts: BTreeMap<i32, Vec<Appended>>,
    pub dead_letters: BTreeMap<i32, Vec<Appended>>,
    pub shadows: BTreeMap<i32, Vec<Appended>>,
    pub control: Vec<Vec<u8>>,
    /// C per partition.
    pub committed: BTreeMap<i32, i64>,
    /// Checkpoints.
    pub objects: Arc<MemoryObjects>,
    pub harmed: BTreeMap<i32, Harm>,
    /// Time that uploads took.
    uploading: i64,
    /// Which process the group believes to own a partition.
    pub owner: BTreeMap<i32, usize>,
    compiled: ControlLog,
}

impl Cluster {
    pub fn new(partitions: i32) -> Cluster {
        let mut cluster = Cluster {
            now: 1_700_000_000_000,
            ..Cluster::default()
        };
        for partition in 0..partitions {
            cluster.messages.insert(partition, Topic::default());
            cluster.verdicts.insert(partition, Vec::new());
            cluster.dead_letters.insert(partition, Vec::new());
            cluster.shadows.insert(partition, Vec::new());
        }
        cluster
    }

    pub fn append(&mut self, partition: i32, key: Option<Vec<u8>>, value: Option<Vec<u8>>) -> i64 {
        let at = self.now;
        let topic = self.messages.get_mut(&partition).expect("partition exists");
        let offset = topic.end;
        topic.records.push(LogRecord {
            offset,
            at,
            key,
            value,
        });
        topic.end += 1;
        offset
    }

    /// Leaves a hole in the offsets, as a transaction marker does.
    pub fn append_hole(&mut self, partition: i32) {
        self.messages
            .get_mut(&partition)
            .expect("partition exists")
            .end += 1;
    }

    /// Appends an order and gives its number.
    pub fn append_order(&mut self, value: Vec<u8>) -> i64 {
        let number = self.control.len() as i64;
        self.compiled.append(number, &value);
        self.control.push(value);
        number
    }

    /// The control log as somebody sees it who has read everything below `end`. Compilations are shared: they are a
    /// function of the document.
    pub fn control_up_to(&self, end: usize) -> Arc<ControlLog> {
        let mut log = if end == self.control.len() {
            self.compiled.clone()
        } else {
            let mut log = ControlLog::new();
            for (number, value) in self.control[..end].iter().enumerate() {
                log.append(number as i64, value);
            }
            log
        };
        log.set_read_to(end as i64);
        Arc::new(log)
    }

    /// As a process with this defect sees it.
    pub fn repository(&self, bug: Option<SeededBug>) -> Repository {
        Repository::new(Arc::clone(&self.objects) as Arc<dyn Objects>)
            .with_bug(bug.and_then(SeededBug::of_repository))
    }

    /// What is really there, past all faults; for looking only.
    pub fn calm_repository(&self) -> Repository {
        Repository::new(Arc::new(Calm(Arc::clone(&self.objects))))
    }

    /// The object store's clock, which runs faster than the log's so that a run sees days of it.
    pub fn wall(&self) -> i64 {
        self.now * 100 + self.uploading
    }

    /// Lets time pass for the object store alone.
    pub fn pass(&mut self, ms: i64) {
        self.uploading += ms;
        self.objects.set_time(self.wall());
    }

    pub fn next_record(&self, partition: i32, from: i64) -> Option<&LogRecord> {
        let records = &self.messages[&partition].records;
        records.get(records.partition_point(|record| record.offset < from))
    }
}

struct Calm(Arc<MemoryObjects>);

impl Objects for Calm {
    fn put_if_absent(&self, path: &str, _bytes: Vec<u8>) -> Result<Put, ObjectError> {
        Err(only_looking(Operation::Put, path))
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, ObjectError> {
        let missing = || ObjectError::Missing { path: path.into() };
        self.0.bytes(path).ok_or_else(missing)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ObjectError> {
        let below = format!("{prefix}/");
        let paths = self.0.paths().into_iter();
        Ok(paths
            .filter(|path| path.starts_with(&below))
            .map(|path| Listed {
                path,
                size: 0,
                modified: 0,
            })
            .collect())
    }

    fn delete(&self, path: &str) -> Result<(), ObjectError> {
        Err(only_looking(Operation::Delete, path))
    }
}

fn only_looking(operation: Operation, path: &str) -> ObjectError {
    ObjectError::Refused {
        operation,
        path: path.into(),
        detail: "only looking".into(),
    }
}
