//! What a context costs: load and store of a hot one, one read from disk, and its share of an epoch.
//!
//! `cargo run --release -p gavel-state --example memory_speed [users] [partitions]`
//!
//! Times are CPU times of the threads that do the work, so they mean something on a busy machine. The real store is used,
//! in a temporary directory.

use gavel_state::{Backend, Identity, Memory, Meta, Shared, Store};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of a context: a last-messages list, strikes, a few windows.
const VALUE_BYTES: usize = 200;
const BUDGET: usize = 4 << 30;
/// What a lane serialises between two polls.
const FREEZE: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (users, partitions) = (number(1_000_000)?, number(1)?);
    let dir = tempfile::tempdir()?;
    let shared = Shared::new(64 << 20, 64 << 20);
    let empty = resident()?;
    let mut lanes = Vec::new();
    for partition in 0..partitions {
        lanes.push(Lane::open(dir.path(), partition as i32, &shared)?);
    }
    println!("{users} users, {partitions} partitions, contexts of {VALUE_BYTES} bytes");

    let before = resident()?;
    println!(
        "open     {:>8.0} KB a store, resident",
        per((before - empty) >> 10, partitions)
    );
    let longest = fill(&mut lanes, users);
    let accounted: usize = lanes
        .iter()
        .map(|lane| lane.memory.stats().used_bytes)
        .sum();
    let resident = resident()?.saturating_sub(before);
    println!(
        "held     {:>8.0} bytes a user accounted, {:.0} resident",
        per(accounted, users),
        per(resident, users)
    );
    println!(
        "longest  {:>8.2} ms for one store while the index grew (wall time)",
        longest * 1e3
    );

    for lane in &mut lanes {
        lane.epoch("first")?;
    }
    hot(&mut lanes, users, "uniform", |random| random as usize);
    // A tenth of the users writes nine tenths of the messages.
    hot(&mut lanes, users, "skewed", |random| {
        let among = if random % 10 == 0 { users } else { users / 10 };
        (random >> 8) as usize % among
    });
    for lane in &mut lanes {
        lane.epoch("second")?;
    }
    cold(&mut lanes, users)?;
    Ok(())
}

struct Lane {
    store: Arc<dyn Backend>,
    memory: Memory,
    identity: Identity,
    boundary: i64,
}

impl Lane {
    fn open(dir: &Path, partition: i32, shared: &Shared) -> Result<Lane, gavel_state::Error> {
        let identity = Identity {
            log_id: "speed".into(),
            partition,
        };
        let store: Arc<dyn Backend> = Arc::new(Store::open(
            &dir.join(partition.to_string()),
            &identity,
            shared,
        )?);
        let memory = Memory::new(Arc::clone(&store), BUDGET);
        Ok(Lane {
            store,
            memory,
            identity,
            boundary: 0,
        })
    }

    fn epoch(&mut self, name: &str) -> Result<(), Box<dyn Error>> {
        self.boundary += 1;
        let (start, mut slices) = (cpu()?, Vec::new());
        let meta = Meta {
            identity: self.identity.clone(),
            boundary: self.boundary,
            verdict_end: 0,
            topic: String::new(),
            state: Vec::new(),
        };
        self.memory.begin_epoch(meta);
        loop {
            let slice = Instant::now();
            let complete = self.memory.freeze(FREEZE);
            slices.push(slice.elapsed().as_secs_f64() * 1e3);
            if complete {
                break;
            }
        }
        let frozen = cpu()?;
        let batch = self.memory.take_batch().ok_or("the batch is complete")?;
        self.store.commit(&batch)?;
        let committed = cpu()?;
        self.memory.epoch_committed(self.boundary);
        let contexts = batch.len();
        println!(
            "epoch    {:>8.0} ns a context on the lane, {:.0} on the writer; {contexts} contexts, {} MB ({name}, partition {})",
            per((frozen - start) as usize, contexts),
            per((committed - frozen) as usize, contexts),
            batch.bytes() >> 20,
            self.identity.partition,
        );
        slices.sort_by(f64::total_cmp);
        let at = |share: f64| slices[(share * (slices.len() - 1) as f64) as usize];
        println!(
            "         {:>8.3} ms a slice of {FREEZE} contexts, 99.9 % {:.3}, longest {:.3} (wall time)",
            at(0.5),
            at(0.999),
            at(1.0),
        );
        Ok(())
    }
}

/// Stores every user once; gives the longest store in seconds.
fn fill(lanes: &mut [Lane], users: usize) -> f64 {
    let (mut key, mut longest) = (Vec::new(), 0.0_f64);
    for user in 0..users {
        name(user, &mut key);
        let lane = user % lanes.len();
        let start = Instant::now();
        lanes[lane].memory.store(&key, &[user as u8; VALUE_BYTES]);
        longest = longest.max(start.elapsed().as_secs_f64());
    }
    longest
}

/// Load, change, store, as the fold does it.
fn hot(lanes: &mut [Lane], users: usize, what: &str, choose: impl Fn(u64) -> usize) {
    let (mut key, mut value, mut random) = (Vec::new(), Vec::new(), 1_u64);
    let (messages, count) = (2_000_000, lanes.len());
    let mut run = |with_memory: bool| -> Result<u64, Box<dyn Error>> {
        let start = cpu()?;
        for _ in 0..messages {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let user = choose(random >> 20) % users;
            name(user, &mut key);
            if with_memory {
                let memory = &mut lanes[user % count].memory;
                memory.load(&key, &mut value)?;
                value[0] = value[0].wrapping_add(1);
                memory.store(&key, &value);
            }
        }
        Ok(cpu()? - start)
    };
    match (run(false), run(true)) {
        (Ok(bare), Ok(full)) => println!(
            "hot      {:>8.0} ns for load and store, {what} users",
            per(full.saturating_sub(bare) as usize, messages)
        ),
        (Err(error), _) | (_, Err(error)) => println!("hot      failed: {error}"),
    }
}

/// Every load goes to the store.
fn cold(lanes: &mut [Lane], users: usize) -> Result<(), Box<dyn Error>> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let loads = users.min(100_000);
    for absent in [false, true] {
        let (held, start) = (contexts(lanes), cpu()?);
        for lane in lanes.iter_mut() {
            lane.memory = Memory::new(Arc::clone(&lane.store), BUDGET);
        }
        let dropped = per((cpu()? - start) as usize, held);
        println!("drop     {dropped:>8.0} ns a context held");
        let start = cpu()?;
        for n in 0..loads {
            let user = n * (users / loads);
            let lane = user % lanes.len();
            name(user + if absent { users } else { 0 }, &mut key);
            let present = lanes[lane].memory.load(&key, &mut value)?;
            assert!(present != absent, "user {user}");
        }
        let what = if absent { "who is not there" } else { "who is" };
        println!(
            "cold     {:>8.0} ns to load a user {what}",
            per((cpu()? - start) as usize, loads)
        );
    }
    Ok(())
}

fn contexts(lanes: &[Lane]) -> usize {
    lanes.iter().map(|lane| lane.memory.stats().contexts).sum()
}

fn name(user: usize, key: &mut Vec<u8>) {
    use std::io::Write;
    key.clear();
    // Writing to a Vec does not fail.
    let _written = write!(key, "community-{}/user-{user:08}", user % 50);
}

fn per(total: usize, count: usize) -> f64 {
    total as f64 / count.max(1) as f64
}

/// Nanoseconds this thread has been on a CPU.
fn cpu() -> Result<u64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat
        .split(' ')
        .next()
        .ok_or("an empty schedstat")?
        .parse()?)
}

/// Bytes of this process in RAM.
fn resident() -> Result<usize, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/statm")?;
    Ok(stat
        .split(' ')
        .nth(1)
        .ok_or("an empty statm")?
        .parse::<usize>()?
        * 4096)
}
