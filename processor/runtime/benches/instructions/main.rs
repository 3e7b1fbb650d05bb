//! How many instructions an event costs: the codec, the fold, a batch of a lane. `scripts/instructions` runs each workload in a process of
//! its own under callgrind, and compares with `baseline.json` beside this file.
//!
//! Invariant: what is counted follows from the sources and the compiler alone: no clock, no Kafka, no thread, no file, and everything is
//! made from a number. A count that moved by itself would teach everybody to accept a new baseline unread. What still moves it from
//! machine to machine: memchr, blake3, sha2 and libc choose their code by CPUID, of which valgrind shows the program its own version,
//! made from the host's (AVX2 at most); so the baseline names what it was taken with.

mod chat;
mod codec;
mod fold;
mod lane;

#[path = "../../../judge/tests/corpus/mod.rs"]
mod corpus;

use std::hint::black_box;
use std::process::ExitCode;

/// The allocator of `gavel`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A name, and what prepares, counts and gives the number of events.
type Workload = (&'static str, fn() -> usize);

const WORKLOADS: [Workload; 7] = [
    ("decode-avro", codec::decode_avro),
    ("decode-json", codec::decode_json),
    ("encode-verdict", codec::encode),
    ("fold-1000-terms", fold::thousand_terms),
    ("fold-10000-terms", fold::ten_thousand_terms),
    ("fold-2000-bytes", fold::long_texts),
    ("lane-batch", lane::batches),
];

/// What happens in here is counted, everything else is not: callgrind knows this function by its name.
#[inline(never)]
pub fn counted(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

/// Without a name it prints all names, with one the events of that workload.
fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    match wanted.filter(|word| !word.starts_with('-')) {
        None => {
            for (name, _) in WORKLOADS {
                println!("{name}");
            }
        }
        Some(wanted) => {
            let Some((_, run)) = WORKLOADS.iter().find(|(name, _)| *name == wanted) else {
                eprintln!("there is no workload `{wanted}`");
                return ExitCode::FAILURE;
            };
            println!("{}", run());
        }
    }
    ExitCode::SUCCESS
}
