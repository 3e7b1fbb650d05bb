//! What a lane does with records as they come from one poll: judge them all, take the acknowledgements, store what changed. The consumer,
//! the producer and the store's commit are not in it: those are librdkafka's and RocksDB's.

use crate::chat::{self, Chat, Sent, USERS};
use crate::counted;
use crate::fold::CONTEXT_BYTES;
use gavel_judge::{ControlLog, Fold, PartitionState};
use gavel_runtime::lane::{
    Assignment, Delivery, Effects, HaltReason, Lane, NotTaken, Output, Ready, Recorded, Retired,
    SeekLater, Settings, ShadowVerdict,
};
use gavel_runtime::restore::Leases;
use gavel_state::{Backend, Batch, Memory, MemoryStore};
use std::sync::Arc;

/// Records of one batch.
const BATCH: usize = 1_000;
const BATCHES: usize = 10;
const PARTITION: i32 = 0;
/// Contexts serialised per tick.
const FREEZE: usize = 64;

/// As `gavel run` has them when nobody sets anything.
fn settings() -> Settings {
    Settings {
        in_flight: 20_000,
        epoch_ms: 5_000,
        commit_ms: 500,
        freeze_per_tick: FREEZE,
        drain_ms: 1_500,
        #[cfg(feature = "seeded-bugs")]
        bug: None,
    }
}

/// Keeps what the lane sends, in memory that is there already; a lane in good order asks for nothing else.
#[derive(Default)]
struct World {
    assignment: Option<Assignment>,
    sent: Vec<Delivery>,
    bytes: Vec<u8>,
    write: Option<(Arc<dyn Backend>, Batch)>,
    committed: i64,
}

impl Effects for World {
    type Headers = ();

    fn produce(&mut self, output: Output<'_, ()>) -> Result<(), NotTaken> {
        for bytes in [output.key, output.value].into_iter().flatten() {
            self.bytes.extend_from_slice(bytes);
        }
        self.sent.push(output.delivery);
        Ok(())
    }

    fn write(&mut self, _: Assignment, backend: Arc<dyn Backend>, batch: Batch) {
        self.write = Some((backend, batch));
    }

    fn commit(&mut self, _: i32, next_offset: i64) {
        self.committed = next_offset;
    }

    fn restore(&mut self, assignment: Assignment) {
        self.assignment = Some(assignment);
    }

    fn seek(&mut self, _: i32, _: i64) -> Result<(), SeekLater> {
        Ok(())
    }

    fn resume(&mut self, _: i32) {}

    fn pause(&mut self, partition: i32) {
        panic!("partition {partition} was paused");
    }

    fn halted(&mut self, partition: i32, reason: &HaltReason) {
        panic!("partition {partition} was halted: {reason}");
    }

    fn shadow(&mut self, _: ShadowVerdict<'_, ()>) {
        unreachable!("there is no candidate");
    }

    fn unassign(&mut self, _: &[i32]) {
        unreachable!("nothing is revoked");
    }

    fn retired(&mut self, _: i32, _: Retired) {
        unreachable!("nothing is revoked");
    }

    fn cancel_restore(&mut self, _: Assignment) {
        unreachable!("nothing is revoked");
    }

    fn consult(&mut self, _: i64) {
        unreachable!("there are no orders");
    }

    fn replace_producer(&mut self) {
        unreachable!("every delivery succeeds");
    }
}

struct Bench {
    lane: Lane,
    world: World,
    now: u64,
}

impl Bench {
    fn new(chat: &Chat) -> Bench {
        let mut lane = Lane::new(settings(), Arc::new(ControlLog::new()));
        let mut world = World::default();
        lane.assigned(&mut world, &[PARTITION]);
        let (Some(assignment), Some(lease)) = (world.assignment, Leases::default().take(PARTITION))
        else {
            panic!("a new lane did not ask for its partition");
        };
        let state = PartitionState::default();
        let ready = Ready {
            fold: Fold::with_policy("counted-log", PARTITION, state, chat.policy(10_000)),
            memory: Memory::new(Arc::new(MemoryStore::default()), CONTEXT_BYTES),
            next: 0,
            stored: -1,
            verdict_end: 0,
            topic: String::new(),
            end: 0,
            lease,
        };
        lane.restored(&mut world, assignment, Ok(ready));
        Bench {
            lane,
            world,
            now: 0,
        }
    }

    /// Judges `sent` from the offset `from` on, takes every acknowledgement and draws an epoch.
    fn judge(&mut self, sent: &[Sent], from: usize) {
        self.world.sent.clear();
        self.world.bytes.clear();
        for (offset, sent) in (from..).zip(sent) {
            let record = sent.record(offset);
            let recorded = self.lane.record(&mut self.world, PARTITION, &record, None);
            assert!(matches!(recorded, Recorded::Judged { .. }));
        }
        let delivered = std::mem::take(&mut self.world.sent);
        for (at, delivery) in (from as i64..).zip(&delivered) {
            self.lane.acked(&mut self.world, *delivery, at);
        }
        self.world.sent = delivered;
        self.now += settings().epoch_ms;
        self.lane.tick(&mut self.world, self.now);
        while self.world.write.is_none() {
            self.lane.tick(&mut self.world, self.now);
        }
    }

    /// One batch: as `count` says, all of it but the commit is counted.
    fn batch(&mut self, sent: &[Sent], from: usize, count: fn(&mut dyn FnMut())) {
        count(&mut || self.judge(sent, from));
        let written = self.world.write.take();
        let (Some((backend, batch)), Some(assignment)) = (written, self.world.assignment) else {
            panic!("no epoch was drawn");
        };
        let boundary = batch.meta.boundary;
        let mut outcome = Some(backend.commit(&batch));
        drop((backend, batch));
        count(&mut || {
            if let Some(outcome) = outcome.take() {
                self.lane
                    .written(&mut self.world, assignment, boundary, outcome);
            }
        });
    }
}

pub fn batches() -> usize {
    let mut chat = Chat::new();
    let sent = chat::sent(&chat.lines(2 * BATCHES * BATCH), USERS);
    let mut bench = Bench::new(&chat);
    for (number, some) in sent.chunks(BATCH).enumerate() {
        // When the first half is through, contexts are full and nothing is done for the first time any more.
        let count: fn(&mut dyn FnMut()) = if number < BATCHES {
            |work| work()
        } else {
            counted
        };
        bench.batch(some, number * BATCH, count);
    }
    assert_eq!(bench.world.committed, sent.len() as i64);
    BATCHES * BATCH
}
