//! Prints what encoding and decoding cost on this machine, in nanoseconds per record (the best of several rounds).
//!
//! `cargo run --release -p gavel-schemas --example codec_cost`

use gavel_schemas::{
    ChatMessage, Label, Reason, Verdict, decode_inbound, decode_verdict, encode_message,
    encode_message_json, encode_verdict, peek_verdict_identity,
};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 9;
const RECORDS_PER_ROUND: u32 = 100_000;

fn main() {
    let message = ChatMessage {
        message_id: "0190f5a2-7c1e-7b44-9a53-2f5d0c1e8b77".into(),
        community: "north-gate".into(),
        channel: "raid-planning".into(),
        user: "user-1048576".into(),
        sent_at: 1_760_000_000_000,
        text: "meet at the bridge in five minutes and bring the good potions".into(),
        audience: Some("teen".into()),
        language: Some("en".into()),
        ..ChatMessage::default()
    };
    let mut avro = Vec::new();
    encode_message(&message, &mut avro);
    let mut json = Vec::new();
    encode_message_json(&message, &mut json);
    let verdict = Verdict {
        log_id: "0190f5a2-0000-7000-8000-000000000001",
        source_partition: 5,
        source_offset: 123_456_789,
        message_id: &message.message_id,
        community: &message.community,
        channel: &message.channel,
        user: &message.user,
        sent_at: message.sent_at,
        judged_at: message.sent_at + 40,
        code: "judged",
        action: "flag",
        effects: &[],
        labels: &[Label {
            topic: "insult",
            risk: 3,
        }],
        reasons: &[Reason {
            rule: "insult/mild",
            start: 4,
            end: 11,
            start_utf16: 4,
            end_utf16: 11,
            evasion: "leet+repeats",
        }],
        masked_text: None,
        duplicate_of: None,
        policy: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        engine: 1,
        context_complete: true,
        headers_dropped: false,
        overturns: None,
    };
    let mut verdict_bytes = Vec::new();
    encode_verdict(&verdict, &mut verdict_bytes);

    let mut out = Vec::with_capacity(1024);
    measure("encode message (Avro)", avro.len(), || {
        out.clear();
        encode_message(black_box(&message), &mut out);
        black_box(&out);
    });
    measure("decode message (Avro)", avro.len(), || {
        let _ = black_box(decode_inbound(black_box(&avro)));
    });
    measure("decode message (JSON)", json.len(), || {
        let _ = black_box(decode_inbound(black_box(&json)));
    });
    measure("encode verdict", verdict_bytes.len(), || {
        out.clear();
        encode_verdict(black_box(&verdict), &mut out);
        black_box(&out);
    });
    measure("peek verdict identity", verdict_bytes.len(), || {
        let _ = black_box(peek_verdict_identity(black_box(&verdict_bytes)));
    });
    measure("decode verdict (owned)", verdict_bytes.len(), || {
        let _ = black_box(decode_verdict(black_box(&verdict_bytes)));
    });
}

fn measure(name: &str, bytes: usize, mut record: impl FnMut()) {
    let best = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..RECORDS_PER_ROUND {
                record();
            }
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!(
        "{name:<24} {:>6} ns  ({bytes} bytes)",
        best.as_nanos() / u128::from(RECORDS_PER_ROUND)
    );
}
