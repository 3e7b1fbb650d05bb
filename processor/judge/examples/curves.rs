//! How the cost of a message grows with the policy and with bad will: ratios within one run, so that they mean something on any machine.
//!
//!     cargo run --release -p gavel-judge --example curves
//!
//! Every figure is the least of several rounds, and the rounds of what is compared take turns: what disturbs the machine disturbs all.
//! "Whole fold" is decoding, context, matching, decision and the verdict's bytes; a message without text shows what of that is not
//! matching.

#![expect(
    clippy::disallowed_methods,
    reason = "it measures time; nothing is judged by it"
)]

#[path = "../tests/corpus/mod.rs"]
mod corpus;

use corpus::{Corpus, NoContexts, Partition};
use gavel_judge::{Document, Policy};
use rustrict::CensorStr;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const MESSAGES: usize = 3_000;
const ROUNDS: usize = 15;
const LONG: usize = 16_000;

/// Nanoseconds that each of `all` takes at least.
fn race(rounds: usize, all: &mut [Box<dyn FnMut() -> usize + '_>]) -> Vec<f64> {
    let mut least = vec![f64::INFINITY; all.len()];
    for _ in 0..rounds {
        for (one, least) in all.iter_mut().zip(&mut least) {
            let since = Instant::now();
            black_box(one());
            *least = least.min(since.elapsed().as_nanos() as f64);
        }
    }
    least
}

fn folding<'a>(policy: &Arc<Policy>, records: &'a [Vec<u8>]) -> Box<dyn FnMut() -> usize + 'a> {
    let mut partition = Partition::new(policy, NoContexts);
    Box::new(move || partition.judge_all(records))
}

fn main() {
    let corpus = Corpus::new(100_000);
    let texts = corpus.messages(MESSAGES, 3);
    let bytes: usize = texts.iter().map(String::len).sum();
    let records = corpus::records(&texts);
    let each = |nanos: f64| nanos / MESSAGES as f64;
    println!("{MESSAGES} messages of {} bytes", bytes / MESSAGES);

    println!("\nterms        80 % whole words        half whole words    build: parse, compile");
    let sizes = [1_000, 10_000, 100_000];
    let (mut policies, mut builds) = (Vec::new(), Vec::new());
    for size in sizes {
        for whole in [80, 50] {
            let list = corpus::term_list(&corpus, size, whole);
            let since = Instant::now();
            let document = corpus::document(&list);
            let parsed = since.elapsed();
            let since = Instant::now();
            policies.push(corpus::compiled(&document));
            builds.push((parsed, since.elapsed()));
        }
    }
    let empty = corpus::records(&vec![String::new(); MESSAGES]);
    let mut all: Vec<_> = policies
        .iter()
        .map(|policy| folding(policy, &records))
        .collect();
    all.push(folding(&policies[2], &empty));
    all.push(Box::new(|| {
        texts.iter().filter(|text| text.is_inappropriate()).count()
    }));
    let least = race(ROUNDS, &mut all);
    for (row, size) in sizes.iter().enumerate() {
        let cell = |column: usize| {
            let nanos = least[2 * row + column];
            format!("{:6.0} ns {:5.2}x", each(nanos), nanos / least[column])
        };
        let (parse, compile) = builds[2 * row + 1];
        println!(
            "{size:<10} {:>18} {:>23} {:>15} ms {:>5} ms",
            cell(0),
            cell(1),
            parse.as_millis(),
            compile.as_millis()
        );
    }
    let (fixed, rustrict) = (least[6], least[7]);
    println!(
        "\nwithout text (decoding, context, verdict)   {:6.0} ns",
        each(fixed)
    );
    println!(
        "rustrict, is_inappropriate                  {:6.0} ns",
        each(rustrict)
    );
    for (row, size) in sizes.iter().enumerate().take(2) {
        let nanos = least[2 * row];
        println!(
            "messages/s to rustrict's, {size:>6} terms: whole fold {:4.1}x, matching alone {:4.1}x",
            rustrict / nanos,
            rustrict / (nanos - fixed)
        );
    }
    drop(all);

    let list = corpus::term_list(&corpus, 10_000, 80);
    let phrases = corpus::compiled(&corpus::parse(&corpus::phrases(&corpus), &list));
    let everything = corpus::compiled(&corpus::parse(&corpus::everything(&corpus), &list));
    let document: Document = corpus::document(&list);
    let plain = corpus::compiled(&document);
    let mut all = vec![
        folding(&plain, &records),
        folding(&phrases, &records),
        folding(&everything, &records),
    ];
    let least = race(ROUNDS, &mut all);
    println!(
        "\n10,000 terms, 80 % whole words              {:6.0} ns",
        each(least[0])
    );
    println!(
        "  and 200 phrases over 30 classes           {:6.0} ns {:5.2}x",
        each(least[1]),
        least[1] / least[0]
    );
    println!(
        "  and every feature, all detectors          {:6.0} ns {:5.2}x",
        each(least[2]),
        least[2] / least[0]
    );
    drop(all);

    println!("\nhostile texts, ns/byte to that of ordinary messages");
    println!("                        words alone                     every feature");
    println!("                       80 bytes          16 KB       80 bytes          16 KB");
    let per_message = MESSAGES / 10;
    let mut names: Vec<&str> = vec!["ordinary"];
    let mut short = vec![
        records
            .iter()
            .take(per_message)
            .cloned()
            .collect::<Vec<_>>(),
    ];
    let mut joined = texts.join(" ");
    while joined.len() > LONG || !joined.is_char_boundary(joined.len()) {
        joined.pop();
    }
    let mut long = vec![vec![corpus::record(&joined, 0)]];
    let mut sizes = vec![(
        texts
            .iter()
            .take(per_message)
            .map(String::len)
            .sum::<usize>(),
        joined.len(),
    )];
    let many: Vec<_> = (0..per_message)
        .map(|seed| corpus::hostile(&corpus, 80, seed as u64))
        .collect();
    for (index, (name, text)) in corpus::hostile(&corpus, LONG, 5).into_iter().enumerate() {
        let texts: Vec<String> = many.iter().map(|all| all[index].1.clone()).collect();
        names.push(name);
        sizes.push((texts.iter().map(String::len).sum(), text.len()));
        short.push(corpus::records(&texts));
        long.push(vec![corpus::record(&text, 0)]);
    }
    let mut columns = Vec::new();
    for policy in [&plain, &everything] {
        for texts in [&short, &long] {
            let mut all: Vec<_> = texts
                .iter()
                .map(|records| folding(policy, records))
                .collect();
            columns.push(race(8, &mut all));
        }
    }
    let per_byte = |column: usize, row: usize| {
        let (short, long) = sizes[row];
        columns[column][row]
            / if column.is_multiple_of(2) {
                short
            } else {
                long
            } as f64
    };
    for (row, name) in names.iter().enumerate() {
        print!("{name:<16}");
        for column in 0..4 {
            let ordinary = per_byte(column / 2 * 2, 0);
            print!(
                "{:4.0} ns {:5.2}x",
                per_byte(column, row),
                per_byte(column, row) / ordinary
            );
        }
        println!();
    }
}
