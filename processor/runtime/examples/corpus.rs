//! Writes what is judged by what into a directory, for `scripts/bench`: `texts.txt` with TEXTS chat lines of about BYTES bytes, `terms.csv`
//! with TERMS terms for a policy, WHOLE of a hundred of them whole words, and `words.csv` with the same terms as plain words, for peers that
//! know no patterns.

#[path = "../../judge/tests/corpus/mod.rs"]
mod corpus;

use corpus::{Corpus, Dice, term_list};
use std::fmt::Write as _;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, terms, whole, texts, bytes] = arguments.as_slice() else {
        return Err("usage: corpus DIRECTORY TERMS WHOLE TEXTS BYTES".into());
    };
    let (terms, texts, bytes): (usize, usize, usize) =
        (terms.parse()?, texts.parse()?, bytes.parse()?);
    let corpus = Corpus::new(terms);
    let mut dice = Dice(3);
    let mut lines = String::new();
    for _ in 0..texts {
        // From three quarters of that to five quarters.
        let length = bytes * 3 / 4 + dice.below(bytes / 2 + 1);
        lines.push_str(&corpus.message_of(&mut dice, length));
        lines.push('\n');
    }
    let mut words = String::from("term\n");
    for term in corpus.terms.iter().take(terms) {
        writeln!(words, "{term}")?;
    }
    let directory = Path::new(directory);
    std::fs::write(directory.join("texts.txt"), lines)?;
    std::fs::write(
        directory.join("terms.csv"),
        term_list(&corpus, terms, whole.parse()?),
    )?;
    std::fs::write(directory.join("words.csv"), words)?;
    Ok(())
}
