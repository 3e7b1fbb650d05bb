//! One line per policy that stands for every verdict over some 100,000 made messages. Before and after a change that must not change any
//! outcome, the lines are the same:
//!
//!     cargo run --release -p gavel-judge --example digest

#[path = "../tests/corpus/mod.rs"]
mod corpus;

use corpus::{Corpus, Partition};
use gavel_judge::MemoryContexts;

fn main() {
    let corpus = Corpus::new(10_000);
    let mut texts = corpus.messages(30_000, 1);
    for seed in 0..200 {
        texts.extend(
            corpus::hostile(&corpus, 80, seed)
                .into_iter()
                .map(|(_, text)| text),
        );
    }
    texts.extend(
        corpus::hostile(&corpus, 3_000, 9)
            .into_iter()
            .map(|(_, text)| text),
    );
    texts.extend(corpus::mixed(&corpus, 65_000, 2));
    let records = corpus::records(&texts);
    let list = corpus::term_list(&corpus, 3_000, 50);
    let everything = corpus::everything(&corpus);
    let plainly = everything.replace(
        "join_messages = { last = 4, within = \"1m\" }",
        "leet = \"off\", max_repeat = 0, join_spaced = false",
    );
    // Nothing is left out of a verdict for want of room, and the strikes do not mute.
    let gently = everything
        .replace("block = 7, escalate = 7", "mask = 1")
        .replace("mask = 3, ", "");
    for (name, text) in [
        ("words", None),
        ("phrases", Some(corpus::phrases(&corpus))),
        ("everything", Some(everything)),
        ("nothing undone", Some(plainly)),
        ("all masked", Some(gently)),
    ] {
        let document = match text {
            None => corpus::document(&list),
            Some(text) => corpus::parse(&text, &list),
        };
        let mut partition = Partition::new(&corpus::compiled(&document), MemoryContexts::default());
        let mut hash = blake3::Hasher::new();
        let mut reasons = 0usize;
        for record in &records {
            let verdict = partition.judge(record);
            hash.update(&(verdict.len() as u64).to_le_bytes());
            hash.update(verdict);
            if let Ok(verdict) = gavel_schemas::decode_verdict(verdict) {
                reasons += verdict.reasons.len();
            }
        }
        for (key, context) in &partition.contexts.0 {
            hash.update(key);
            hash.update(context);
        }
        println!(
            "{name:<16} {} {reasons} reasons, {} messages",
            &hash.finalize().to_hex()[..32],
            records.len()
        );
    }
}
