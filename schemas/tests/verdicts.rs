//! Verdicts: our bytes against apache-avro's, and what readers get back.

mod common;

use apache_avro::types::Value;
use common::{any_value, damaged, header, oracle_read, oracle_write, parse};
use gavel_schemas::{
    DecodeError, Effect, Label, Reason, Verdict, VerdictIdentity, VerdictRecord, avsc,
    decode_verdict, encode_verdict, limits, peek_quiet_verdict, peek_verdict_identity,
};
use proptest::prelude::*;

/// Encodes an owned verdict through the borrowed type.
fn encode(record: &VerdictRecord) -> Vec<u8> {
    let effects: Vec<_> = record
        .effects
        .iter()
        .map(|effect| Effect {
            kind: &effect.kind,
            until: effect.until,
            queue: effect.queue.as_deref(),
            trust: effect.trust.as_deref(),
        })
        .collect();
    let labels: Vec<_> = record
        .labels
        .iter()
        .map(|label| Label {
            topic: &label.topic,
            risk: label.risk,
        })
        .collect();
    let reasons: Vec<_> = record
        .reasons
        .iter()
        .map(|reason| Reason {
            rule: &reason.rule,
            start: reason.start,
            end: reason.end,
            start_utf16: reason.start_utf16,
            end_utf16: reason.end_utf16,
            evasion: &reason.evasion,
        })
        .collect();
    let verdict = Verdict {
        log_id: &record.log_id,
        source_partition: record.source_partition,
        source_offset: record.source_offset,
        message_id: &record.message_id,
        community: &record.community,
        channel: &record.channel,
        user: &record.user,
        sent_at: record.sent_at,
        judged_at: record.judged_at,
        code: &record.code,
        action: &record.action,
        effects: &effects,
        labels: &labels,
        reasons: &reasons,
        masked_text: record.masked_text.as_deref(),
        duplicate_of: record.duplicate_of,
        policy: &record.policy,
        engine: record.engine,
        context_complete: record.context_complete,
        headers_dropped: record.headers_dropped,
        overturns: record.overturns,
    };
    let mut out = Vec::new();
    encode_verdict(&verdict, &mut out);
    out
}

fn any_verdict() -> impl Strategy<Value = (Value, VerdictRecord)> {
    any_value(&parse(avsc::VERDICT)).prop_map(|value| {
        let record = apache_avro::from_value(&value).expect("the type has the schema's fields");
        (value, record)
    })
}

proptest! {
    #[test]
    fn a_quiet_verdict_is_one_that_passes_and_says_nothing(
        (_, mut record) in any_verdict(),
        passes in any::<bool>(),
        says in 0..8u8,
    ) {
        if passes {
            record.action = "allow".into();
        }
        if says & 1 == 0 {
            record.effects.clear();
        }
        if says & 2 == 0 {
            record.labels.clear();
        }
        if says & 4 == 0 {
            record.reasons.clear();
        }
        let bytes = encode(&record);
        let is_quiet = record.action == "allow"
            && record.effects.is_empty()
            && record.labels.is_empty()
            && record.reasons.is_empty();
        let found = peek_quiet_verdict(&bytes);
        prop_assert_eq!(found.is_some(), is_quiet);
        if let Some(quiet) = found {
            prop_assert_eq!(quiet.community, &record.community);
            prop_assert_eq!(quiet.channel, &record.channel);
            prop_assert_eq!(quiet.judged_at, record.judged_at);
        }
    }

    #[test]
    fn a_verdict_has_the_bytes_that_apache_avro_writes((value, record) in any_verdict()) {
        prop_assert_eq!(encode(&record), oracle_write(&parse(avsc::VERDICT), &value));
    }

    #[test]
    fn apache_avro_reads_our_verdict_as_it_was((value, record) in any_verdict()) {
        let schema = parse(avsc::VERDICT);
        prop_assert_eq!(oracle_read(&schema, &schema, &encode(&record)), Some(value));
    }

    #[test]
    fn a_decoded_verdict_is_the_encoded_one((_, record) in any_verdict()) {
        let bytes = encode(&record);
        prop_assert_eq!(
            peek_verdict_identity(&bytes).expect("an identity"),
            VerdictIdentity {
                log_id: &record.log_id,
                source_partition: record.source_partition,
                source_offset: record.source_offset,
            }
        );
        prop_assert_eq!(decode_verdict(&bytes).expect("a verdict"), record);
    }

    #[test]
    fn every_truncation_of_a_verdict_is_an_error((_, record) in any_verdict()) {
        let bytes = encode(&record);
        for end in 0..bytes.len() {
            prop_assert!(decode_verdict(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn a_damaged_verdict_is_an_error_or_another_verdict_but_never_a_panic(
        (_, record) in any_verdict(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in any::<u8>(),
    ) {
        let bytes = damaged(&encode(&record), at, byte, how);
        let _ = peek_verdict_identity(&bytes);
        if let Ok(read) = decode_verdict(&bytes) {
            // One encoding per verdict: what decodes is what that verdict encodes to.
            prop_assert_eq!(encode(&read), bytes);
        }
    }

    #[test]
    fn random_bytes_after_the_header_never_panic(datum in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [header(&parse(avsc::VERDICT)), datum].concat();
        let _ = peek_verdict_identity(&bytes);
        let _ = decode_verdict(&bytes);
    }
}

fn plain() -> VerdictRecord {
    VerdictRecord {
        log_id: "log".to_owned(),
        source_partition: 3,
        source_offset: 41,
        code: "judged".to_owned(),
        action: "allow".to_owned(),
        engine: 1,
        context_complete: true,
        ..VerdictRecord::default()
    }
}

#[test]
fn the_json_form_has_the_field_names_of_the_schema_in_their_order() {
    let json = serde_json::to_string(&plain()).expect("JSON");
    let apache_avro::Schema::Record(schema) = parse(avsc::VERDICT) else {
        panic!("a record");
    };
    let mut from = 0;
    for field in &schema.fields {
        let at = json[from..].find(&format!("\"{}\":", field.name));
        from += at.unwrap_or_else(|| panic!("{} in its place in {json}", field.name));
    }
    let read: VerdictRecord = serde_json::from_str(&json).expect("a verdict");
    assert_eq!(read, plain());
}

#[test]
fn reasons_over_the_limit_are_not_written() {
    let reason = Reason {
        rule: "r",
        start: 0,
        end: 1,
        start_utf16: 0,
        end_utf16: 1,
        evasion: "",
    };
    let reasons = [reason; limits::REASONS + 1];
    let verdict = Verdict {
        log_id: "log",
        source_partition: 0,
        source_offset: 0,
        message_id: "",
        community: "",
        channel: "",
        user: "",
        sent_at: 0,
        judged_at: 0,
        code: "judged",
        action: "flag",
        effects: &[],
        labels: &[],
        reasons: &reasons,
        masked_text: None,
        duplicate_of: None,
        policy: "",
        engine: 1,
        context_complete: true,
        headers_dropped: false,
        overturns: None,
    };
    let mut bytes = Vec::new();
    encode_verdict(&verdict, &mut bytes);
    let read = decode_verdict(&bytes).expect("a verdict");
    assert_eq!(read.reasons.len(), limits::REASONS);
}

#[test]
fn errors_say_what_is_wrong_with_the_value() {
    let bytes = encode(&plain());
    let trailing = [bytes.as_slice(), &[0]].concat();
    let mut unknown = bytes.clone();
    unknown[5] ^= 1;
    let large = vec![0; limits::VERDICT_BYTES + 1];
    type Read = fn(&[u8]) -> Option<DecodeError>;
    let readers: [Read; 2] = [
        |value| decode_verdict(value).err(),
        |value| peek_verdict_identity(value).err(),
    ];
    for read in readers {
        assert!(matches!(read(b""), Some(DecodeError::NotSingleObject)));
        assert!(matches!(read(b"{}"), Some(DecodeError::NotSingleObject)));
        assert!(matches!(
            read(&bytes[..9]),
            Some(DecodeError::NotSingleObject)
        ));
        assert!(matches!(
            read(&unknown),
            Some(DecodeError::UnknownSchema { .. })
        ));
        assert!(matches!(read(&large), Some(DecodeError::TooLarge { .. })));
        assert!(matches!(
            read(&bytes[..10]),
            Some(DecodeError::Damaged { .. })
        ));
        assert!(read(&bytes).is_none());
    }
    assert!(matches!(
        decode_verdict(&trailing),
        Err(DecodeError::Damaged { .. })
    ));
}
