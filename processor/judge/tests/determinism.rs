//! The same bytes, whatever runs them: a build with or without optimisation, one thread or several, any language of the machine.
//!
//! The digest is part of the engine: once engine 1 is released it changes with `ENGINE` alone. Until then a change of what any message gets
//! changes it, and the failing test prints the new one; say in the commit what changed.

mod corpus;

use corpus::{Corpus, Partition};
use gavel_judge::{MemoryContexts, Policy};
use std::sync::Arc;

const DIGEST: &str = "6f68c7b8569724ad3a2fa43618ac01705e1a7ee59ee4056681c06a94e7886688";

fn world() -> (Arc<Policy>, Vec<Vec<u8>>) {
    let corpus = Corpus::sized(1_000, 1_000);
    let list = corpus::term_list(&corpus, 500, 50);
    let policy = corpus::compiled(&corpus::parse(&corpus::everything(&corpus), &list));
    let mut texts = corpus.messages(500, 1);
    texts.extend(corpus::mixed(&corpus, 1_500, 2));
    texts.extend(
        corpus::hostile(&corpus, 300, 3)
            .into_iter()
            .map(|(_, text)| text),
    );
    (policy, corpus::records(&texts))
}

fn digest(policy: &Arc<Policy>, records: &[Vec<u8>]) -> String {
    let mut partition = Partition::new(policy, MemoryContexts::default());
    let mut hash = blake3::Hasher::new();
    for record in records {
        let verdict = partition.judge(record);
        hash.update(&(verdict.len() as u64).to_le_bytes());
        hash.update(verdict);
    }
    hash.finalize().to_hex().to_string()
}

#[test]
fn all_verdicts_have_the_same_bytes_in_every_build() {
    let (policy, records) = world();
    assert_eq!(digest(&policy, &records), DIGEST);
}

#[test]
fn threads_do_not_disturb_each_other() {
    let (policy, records) = world();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| digest(&policy, &records)))
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), DIGEST);
        }
    });
}

#[test]
fn the_language_of_the_machine_does_not_matter() {
    let this = std::env::current_exe().unwrap();
    for language in ["C", "tr_TR.UTF-8", "ar_EG.UTF-8"] {
        let run = std::process::Command::new(&this)
            .args(["--exact", "all_verdicts_have_the_same_bytes_in_every_build"])
            .envs([
                ("LANG", language),
                ("LC_ALL", language),
                ("TZ", "Asia/Kathmandu"),
            ])
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{language}: {}",
            String::from_utf8_lossy(&run.stdout)
        );
    }
}
