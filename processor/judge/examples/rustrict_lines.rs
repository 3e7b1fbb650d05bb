//! rustrict on labelled lines, for comparison: one JSON object per line on standard input, with `text` and `label`; prints the counts.
//!
//!     cargo run --release -p gavel-judge --example rustrict_lines < labelled.jsonl

use std::io::BufRead;

use rustrict::{CensorStr, Type};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    text: String,
    label: Option<bool>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Everything that it knows but "spam", which for it is repetition and shouting.
    let wanted = Type::ANY & !Type::SPAM;
    let mut counts = [[0u64; 2]; 2];
    for line in std::io::stdin().lock().lines() {
        let line: Line = serde_json::from_str(&line?)?;
        if let Some(label) = line.label {
            counts[usize::from(label)][usize::from(line.text.is(wanted))] += 1;
        }
    }
    let [[tn, fp], [fn_, tp]] = counts;
    println!("{{\"tp\":{tp},\"fp\":{fp},\"fn\":{fn_},\"tn\":{tn}}}");
    Ok(())
}
