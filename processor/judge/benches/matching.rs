//! What one message costs, with criterion's statistics: `cargo bench -p gavel-judge`. For the curves as ratios, in seconds instead of
//! minutes: `cargo run --release -p gavel-judge --example curves`.

#[path = "../tests/corpus/mod.rs"]
mod corpus;

use corpus::{Corpus, NoContexts, Partition};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gavel_judge::Policy;
use rustrict::CensorStr;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const MESSAGES: usize = 1_000;

fn fold(bench: &mut criterion::Bencher<'_>, policy: &Arc<Policy>, records: &[Vec<u8>]) {
    let mut partition = Partition::new(policy, NoContexts);
    bench.iter(|| black_box(partition.judge_all(records)));
}

/// A thousand ordinary messages by the number of terms.
fn growth(criterion: &mut Criterion) {
    let corpus = Corpus::new(100_000);
    let texts = corpus.messages(MESSAGES, 3);
    let records = corpus::records(&texts);
    let mut group = criterion.benchmark_group("growth");
    group.throughput(Throughput::Elements(MESSAGES as u64));
    for whole in [80, 50] {
        for size in [1_000, 10_000, 100_000] {
            let policy =
                corpus::compiled(&corpus::document(&corpus::term_list(&corpus, size, whole)));
            let id = BenchmarkId::new(format!("{whole} percent whole words"), size);
            group.bench_function(id, |bench| fold(bench, &policy, &records));
        }
    }
    let list = corpus::term_list(&corpus, 10_000, 80);
    for (name, text) in [
        ("200 phrases over 30 classes", corpus::phrases(&corpus)),
        ("every feature", corpus::everything(&corpus)),
    ] {
        let policy = corpus::compiled(&corpus::parse(&text, &list));
        group.bench_function(name, |bench| fold(bench, &policy, &records));
    }
    group.bench_function("rustrict", |bench| {
        bench.iter(|| texts.iter().filter(|text| text.is_inappropriate()).count());
    });
    group.finish();
}

/// Texts that try to cost more than they should.
fn hostile(criterion: &mut Criterion) {
    let corpus = Corpus::new(10_000);
    let list = corpus::term_list(&corpus, 10_000, 80);
    let policy = corpus::compiled(&corpus::parse(&corpus::everything(&corpus), &list));
    let mut group = criterion.benchmark_group("hostile, 16 KB, every feature");
    let ordinary = corpus.messages(180, 3).join(" ");
    let mut all = vec![("ordinary", ordinary)];
    all.extend(corpus::hostile(&corpus, 16_000, 5));
    for (name, text) in all {
        let records = [corpus::record(&text, 0)];
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bench| fold(bench, &policy, &records));
    }
    group.finish();
}

/// From the canonical document to what judges.
fn build(criterion: &mut Criterion) {
    let corpus = Corpus::new(100_000);
    let mut group = criterion.benchmark_group("build");
    for size in [1_000, 100_000] {
        let document = corpus::document(&corpus::term_list(&corpus, size, 50));
        group.bench_function(BenchmarkId::new("compile", size), |bench| {
            bench.iter(|| black_box(corpus::compiled(&document)));
        });
    }
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = growth, hostile, build
}
criterion_main!(all);
