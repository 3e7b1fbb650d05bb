//! What must hold for any bytes whatever: the same checks for proptest (tests/fuzz.rs) and for libFuzzer (fuzz/). They panic where it does
//! not hold.

#![allow(dead_code, reason = "each binary uses its part")]

#[path = "../corpus/mod.rs"]
pub mod corpus;

use corpus::{Corpus, Partition};
use gavel_judge::{Document, MemoryContexts, Policy, PolicyError};
use gavel_schemas::{ChatMessage, VerdictRecord, decode_verdict, encode_message, limits};
use std::sync::{Arc, LazyLock};

const HEAD: &str = "[policy]\nid = \"p\"\ntopics = [\"vulgar\"]\nlists = [\"list.csv\"]\n[audience.default]\ndefault = { flag = 1, mask = 2 }\n";
const LIST: &str = "id,match,topic,risk\nw1,darn,vulgar,3\n";
/// Rules that speak about users and not about a place in a text.
const PLACELESS: [&str; 5] = ["flood", "near", "order", "spray", "strikes"];

static CORPUS: LazyLock<Corpus> = LazyLock::new(|| Corpus::sized(1_000, 1_000));
static EVERYTHING: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let list = corpus::term_list(&CORPUS, 200, 50);
    corpus::compiled(&corpus::parse(&corpus::everything(&CORPUS), &list))
});
static DETECTORS: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let text = corpus::everything(&CORPUS);
    let at = text.find("[[detector]]").expect("it has detectors");
    let detectors = text[at..].replace("privacy", "vulgar");
    corpus::compiled(&corpus::parse(&format!("{HEAD}{detectors}"), LIST))
});

/// A policy file: it is read or refused, and every problem says where.
pub fn policy(text: &str) {
    let parsed = Document::parse("p.toml", text, &mut |name| match name {
        "list.csv" => Ok(LIST.to_owned()),
        _ => Err("there is no such list".to_owned()),
    });
    read(parsed, text, "");
}

/// A list of terms.
pub fn list(csv: &str) {
    let parsed = Document::parse("p.toml", HEAD, &mut |_| Ok(csv.to_owned()));
    read(parsed, HEAD, csv);
}

fn read(parsed: Result<Document, PolicyError>, text: &str, csv: &str) {
    match parsed {
        Ok(document) => {
            let bytes = document.canonical();
            let again = Document::from_canonical(&bytes).expect("canonical bytes are read again");
            assert_eq!(document, again);
            if let Err(error) = Policy::compile(&document) {
                assert!(error.problems.iter().all(|problem| !problem.is_empty()));
            }
        }
        Err(error) => {
            assert!(!error.problems.is_empty());
            let lines = [("p.toml:", text), ("list.csv:", csv)];
            for problem in &error.problems {
                let placed = lines.iter().any(|(file, text)| {
                    let line = problem
                        .strip_prefix(file)
                        .and_then(|rest| rest.split(':').next());
                    let line = line.and_then(|line| line.parse::<usize>().ok());
                    line.is_some_and(|line| (1..=text.lines().count() + 1).contains(&line))
                });
                // What is about several places names the rule.
                let named = [
                    "rule id ",
                    "context rule",
                    "the context rules",
                    "term ",
                    "an [[allow]]",
                    "guard ",
                    "[audience.default]",
                ]
                .iter()
                .any(|start| problem.starts_with(start));
                assert!(placed || named, "no place in `{problem}`");
            }
        }
    }
}

/// A pattern: refused by name, or kept as it is; and words find themselves.
pub fn pattern(pattern: &str) {
    let quoted = toml::Value::String(pattern.to_owned());
    let text = format!(
        "{HEAD}[words]\nx = [\"x\"]\n[[term]]\nid = \"t\"\nmatch = [{quoted}]\ntopic = \"vulgar\"\nrisk = 3\n"
    );
    let parsed = Document::parse("p.toml", &text, &mut |_| Ok(LIST.to_owned()));
    if let Err(error) = &parsed {
        // One each for classes that are not there.
        let first = error.problems.first();
        let one = |problem: &String| {
            Some(problem) == first || problem.contains("there is no `[words]` class")
        };
        assert!(error.problems.iter().all(one), "{error}");
    }
    if let Ok(document) = &parsed {
        match Policy::compile(document) {
            Err(error) => assert!(error.to_string().contains("term `t`"), "{error}"),
            Ok(policy) => {
                let plain = pattern
                    .split_whitespace()
                    .all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
                let runs = pattern
                    .as_bytes()
                    .windows(3)
                    .any(|run| run[0] == run[1] && run[1] == run[2]);
                if plain && !runs {
                    let verdict = &judge(&Arc::new(policy), "lobby", &[pattern])[0];
                    assert!(
                        verdict.reasons.iter().any(|reason| reason.rule == "t"),
                        "{verdict:?}"
                    );
                }
            }
        }
    }
    read(parsed, &text, "");
}

/// Messages of one user, by a policy with every feature.
pub fn messages(texts: &[&str]) {
    for channel in ["lobby", "links-only"] {
        let verdicts = judge(&EVERYTHING, channel, texts);
        for (text, verdict) in texts.iter().zip(&verdicts) {
            holds(text, verdict);
        }
        assert_eq!(
            verdicts,
            judge(&EVERYTHING, channel, texts),
            "the same again"
        );
    }
}

/// A text, by detectors alone.
pub fn detectors(text: &str) {
    holds(text, &judge(&DETECTORS, "lobby", &[text])[0]);
}

fn judge(policy: &Arc<Policy>, channel: &str, texts: &[&str]) -> Vec<VerdictRecord> {
    let mut partition = Partition::new(policy, MemoryContexts::default());
    let judge = texts.iter().map(|text| {
        let message = ChatMessage {
            channel: channel.into(),
            user: "u".into(),
            text: (*text).into(),
            kind: "message".into(),
            ..ChatMessage::default()
        };
        let mut value = Vec::new();
        encode_message(&message, &mut value);
        decode_verdict(partition.judge(&value)).expect("a verdict")
    });
    judge.collect()
}

/// Spans are whole characters of the text, the same in both units; masking keeps the number of characters and touches nothing but hits.
fn holds(text: &str, verdict: &VerdictRecord) {
    if text.len() > limits::TEXT_BYTES {
        assert_eq!(verdict.code, "refused");
        return;
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut spans = Vec::new();
    for reason in &verdict.reasons {
        let (start, end) = (reason.start as usize, reason.end as usize);
        if PLACELESS.contains(&reason.rule.as_str()) {
            assert_eq!((start, end), (0, 0));
            continue;
        }
        let part = text.get(start..end).expect("whole characters of the text");
        assert!(!part.is_empty(), "{reason:?}");
        let same = units.get(reason.start_utf16 as usize..reason.end_utf16 as usize);
        assert_eq!(same.map(String::from_utf16_lossy).as_deref(), Some(part));
        spans.push(start..end);
    }
    assert!(verdict.reasons.len() <= limits::REASONS);
    assert_eq!(verdict.masked_text.is_some(), verdict.action == "mask");
    let Some(masked) = &verdict.masked_text else {
        return;
    };
    assert!(masked.len() <= text.len());
    assert_eq!(masked.chars().count(), text.chars().count());
    // What was too much for the verdict's reasons is masked all the same.
    let unknown = verdict.reasons.len() == limits::REASONS;
    let mut shown = vec![false; spans.len()];
    for ((at, before), after) in text.char_indices().zip(masked.chars()) {
        let mut within = false;
        for (span, shown) in spans.iter().zip(&mut shown) {
            within |= span.contains(&at);
            *shown |= span.contains(&at) && after != '*';
        }
        let hidden = after == '*' && (within || unknown);
        assert!(
            after == before || hidden,
            "byte {at} of {text:?}: {masked:?}"
        );
    }
    assert!(
        unknown || shown.contains(&false),
        "no hit is hidden in {masked:?}"
    );
}
