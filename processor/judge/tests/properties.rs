//! What must hold for any text whatever.

use std::sync::Arc;

use gavel_judge::{
    ControlLog, Document, Fold, MemoryContexts, PartitionState, Patience, Policy, Record, Step,
    Timestamp,
};
use gavel_schemas::{ChatMessage, VerdictRecord, decode_verdict, encode_message};
use proptest::prelude::*;

const POLICY: &str = "[policy]\nid = \"p\"\ntopics = [\"vulgar\"]\n[audience.default]\ndefault = { flag = 1, mask = 2 }\n[[term]]\nid = \"a\"\n\
                      match = [\"darn\", \"*heck\", \"kung fu*\"]\ntopic = \"vulgar\"\nrisk = 3\n[[term]]\nid = \"b\"\nmatch = [\"u\"]\ntopic = \"vulgar\"\nrisk = 2\npartial = true\n";

fn judge(text: &str) -> VerdictRecord {
    let document = Document::parse("p.toml", POLICY, &mut |_| Err(String::new())).expect("valid");
    let policy = Arc::new(Policy::compile(&document).expect("it compiles"));
    let mut fold = Fold::with_policy("log", 0, PartitionState::default(), policy);
    let message = ChatMessage {
        user: "u".into(),
        text: text.into(),
        kind: "message".into(),
        ..ChatMessage::default()
    };
    let mut value = Vec::new();
    encode_message(&message, &mut value);
    let record = Record {
        offset: 0,
        timestamp: Timestamp::Missing,
        key: None,
        value: Some(&value),
        headers_len: 0,
    };
    match fold.step(
        &record,
        &ControlLog::new(),
        Patience::Refuse,
        &mut MemoryContexts::default(),
    ) {
        Ok(Step::Verdict(ruling)) => decode_verdict(ruling.verdict).expect("a verdict"),
        other => panic!("{other:?}"),
    }
}

/// Text in which hits, disguises and anything at all are mixed.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("darn".to_owned()),
        Just("d4rn".to_owned()),
        Just("d a r n".to_owned()),
        Just("ｄａｒｎ".to_owned()),
        Just("d\u{200b}arn".to_owned()),
        Just("u\u{336}\u{301}".to_owned()),
        Just("heeeck".to_owned()),
        Just("kung-fu".to_owned()),
        Just("ﷺ".to_owned()),
        Just("\u{202e}".to_owned()),
        "\\PC{0,12}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12)
        .prop_map(|pieces| pieces.join(" "))
        .prop_filter("within the limit", |text| text.len() <= 16_384)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn spans_lie_on_characters_of_the_original_in_both_units(text in texts()) {
        let verdict = judge(&text);
        let units: Vec<u16> = text.encode_utf16().collect();
        for reason in &verdict.reasons {
            let (start, end) = (reason.start as usize, reason.end as usize);
            let part = text.get(start..end).expect("a span of whole characters");
            prop_assert!(!part.is_empty());
            let same = String::from_utf16_lossy(&units[reason.start_utf16 as usize..reason.end_utf16 as usize]);
            prop_assert_eq!(part, same);
        }
    }

    #[test]
    fn masking_changes_no_length_in_characters_and_nothing_but_hits(text in texts()) {
        let verdict = judge(&text);
        if let Some(masked) = &verdict.masked_text {
            prop_assert_eq!(masked.chars().count(), text.chars().count());
            let hits: Vec<(usize, usize)> = verdict.reasons.iter().map(|reason| (reason.start as usize, reason.end as usize)).collect();
            for ((at, before), after) in text.char_indices().zip(masked.chars()) {
                let within = hits.iter().any(|(start, end)| (*start..*end).contains(&at));
                if verdict.reasons.len() < 16 {
                    prop_assert_eq!(after, if within { '*' } else { before });
                } else {
                    prop_assert!(after == before || after == '*');
                }
            }
        }
    }

    #[test]
    fn the_same_text_has_the_same_verdict(text in texts()) {
        prop_assert_eq!(judge(&text), judge(&text));
    }
}
