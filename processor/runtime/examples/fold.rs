//! The fold alone: decode, remember, judge, encode, for COUNT messages of USERS users from memory. No Kafka, no store, one thread. With the
//! bare loop (`pass_through`) it says how fast a lane could be at best.
//!
//! Invariant: only the fold is in the figures. Messages are made a stretch at a time, before the clock of that stretch starts.

mod chat;

use chat::{Chat, Sent};
use gavel_judge::{
    Action, ControlLog, Document, Fold, PartitionState, Patience, Policy, Record, Step, Timestamp,
};
use gavel_runtime::restore::MemoryOfPartition;
use gavel_state::{Memory, MemoryStore};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The allocator of `gavel`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STRETCH: usize = 50_000;
/// Nothing is evicted: ten million users fit.
const CONTEXT_BYTES: usize = 8 << 30;
const BEGAN: i64 = 1_767_636_000_000;
/// Records of a second of log time.
const PER_SECOND: i64 = 47_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, policy, texts, count, users] = arguments.as_slice() else {
        return Err("usage: fold POLICY TEXTS COUNT USERS".into());
    };
    let count: usize = count.parse()?;
    let mut chat = Chat::new(users.parse()?, texts)?;
    let state = PartitionState::default();
    let mut fold = Fold::with_policy("fold", 0, state, compiled(Path::new(policy))?);
    let control = ControlLog::new();
    let mut memory = Memory::new(Arc::new(MemoryStore::default()), CONTEXT_BYTES);
    let mut stretch: Vec<Sent> = Vec::new();
    stretch.resize_with(STRETCH, Sent::default);
    let (mut offset, mut bytes, mut not_allowed) = (0usize, 0usize, 0usize);
    let (mut wall, mut cpu) = (Duration::ZERO, 0);
    while offset < count {
        let here = STRETCH.min(count - offset);
        for sent in &mut stretch[..here] {
            chat.next(sent);
        }
        let (began, cpu_began) = (Instant::now(), thread_cpu_ns()?);
        for sent in &stretch[..here] {
            let record = Record {
                offset: offset as i64,
                timestamp: Timestamp::LogAppend(BEGAN + offset as i64 * 1000 / PER_SECOND),
                key: Some(sent.key.as_bytes()),
                value: Some(&sent.value),
                headers_len: 0,
            };
            let mut contexts = MemoryOfPartition(&mut memory);
            match fold.step(&record, &control, Patience::Wait, &mut contexts) {
                Ok(Step::Verdict(ruling)) => {
                    bytes += std::hint::black_box(ruling.verdict).len();
                    not_allowed += usize::from(ruling.action != Action::Allow);
                }
                other => return Err(format!("no verdict: {other:?}").into()),
            }
            offset += 1;
        }
        wall += began.elapsed();
        cpu += thread_cpu_ns()? - cpu_began;
    }
    let events = offset as f64;
    println!(
        "{{\"events\":{offset},\"events_per_second\":{:.0},\"cpu_us_per_event\":{:.4},\"verdict_bytes\":{:.1},\"not_allowed\":{:.4}}}",
        events / wall.as_secs_f64(),
        cpu as f64 / 1000.0 / events,
        bytes as f64 / events,
        not_allowed as f64 / events,
    );
    Ok(())
}

fn compiled(path: &Path) -> Result<Arc<Policy>, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(path)?;
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut list = |name: &str| {
        std::fs::read_to_string(directory.join(name)).map_err(|error| error.to_string())
    };
    let document = Document::parse(&path.to_string_lossy(), &text, &mut list)
        .map_err(|error| error.to_string())?;
    let policy = Policy::compile(&document).map_err(|error| error.to_string())?;
    Ok(Arc::new(policy))
}

/// CPU time of this thread, from the scheduler's own books.
fn thread_cpu_ns() -> Result<u64, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next();
    Ok(first.ok_or("schedstat is empty")?.parse()?)
}
