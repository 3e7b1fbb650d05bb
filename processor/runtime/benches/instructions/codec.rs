//! Bytes to messages and verdicts to bytes, without the fold between them.

use crate::chat::{self, Chat, USERS};
use crate::counted;
use gavel_schemas::{Label, Reason, Verdict, decode_inbound, encode_message_json, encode_verdict};
use std::hint::black_box;

const EVENTS: usize = 5_000;

pub fn decode_avro() -> usize {
    let texts = Chat::new().lines(EVENTS);
    let values: Vec<Vec<u8>> = chat::sent(&texts, USERS)
        .into_iter()
        .map(|sent| sent.value)
        .collect();
    decode(&values)
}

pub fn decode_json() -> usize {
    let texts = Chat::new().lines(EVENTS);
    let json = |(number, text): (usize, &String)| {
        let mut value = Vec::new();
        encode_message_json(&chat::message(text, number, USERS), &mut value);
        value
    };
    let values: Vec<Vec<u8>> = texts.iter().enumerate().map(json).collect();
    decode(&values)
}

fn decode(values: &[Vec<u8>]) -> usize {
    // The first decoding of a process reads the schemas.
    assert!(values.iter().all(|value| decode_inbound(value).is_ok()));
    counted(&mut || {
        for value in values {
            let _ = black_box(decode_inbound(black_box(value)));
        }
    });
    values.len()
}

/// One verdict in twenty masks a term and says why.
pub fn encode() -> usize {
    let texts = Chat::new().lines(EVENTS);
    let messages: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| chat::message(text, number, USERS))
        .collect();
    let labels = [Label {
        topic: "vulgar",
        risk: 3,
    }];
    let reasons = [Reason {
        rule: "t000042",
        start: 10,
        end: 17,
        start_utf16: 10,
        end_utf16: 17,
        evasion: "leet",
    }];
    let policy = "5".repeat(64);
    let verdict = |number: usize| {
        let (message, masked) = (&messages[number], number.is_multiple_of(20));
        Verdict {
            log_id: "counted-log",
            source_partition: 3,
            source_offset: number as i64,
            message_id: &message.message_id,
            community: &message.community,
            channel: &message.channel,
            user: &message.user,
            sent_at: message.sent_at,
            judged_at: message.sent_at + 7,
            code: if masked { "rule" } else { "clean" },
            action: if masked { "mask" } else { "allow" },
            labels: if masked { &labels } else { &[] },
            reasons: if masked { &reasons } else { &[] },
            masked_text: masked.then_some(&message.text),
            policy: &policy,
            engine: 1,
            context_complete: true,
            ..Verdict::default()
        }
    };
    let verdicts: Vec<Verdict<'_>> = (0..EVENTS).map(verdict).collect();
    let mut out = Vec::with_capacity(4_096);
    let mut encode_all = || {
        for verdict in &verdicts {
            out.clear();
            encode_verdict(black_box(verdict), &mut out);
            black_box(&out);
        }
    };
    encode_all();
    counted(&mut encode_all);
    EVENTS
}
