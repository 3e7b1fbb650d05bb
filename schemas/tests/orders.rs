//! Orders of the control topic.

mod common;

use apache_avro::types::Value;
use common::{any_value, damaged, header, oracle_write, parse};
use gavel_schemas::{
    DecodeError, HistoryAccepted, LogOpened, Order, PolicyActivated, PolicyDocument,
    SchemaRegistered, UserErased, VerdictOverturned, avsc, decode_order, encode_order, limits,
};
use proptest::prelude::*;

const SCHEMAS: [&str; 7] = [
    avsc::POLICY_DOCUMENT,
    avsc::POLICY_ACTIVATED,
    avsc::LOG_OPENED,
    avsc::HISTORY_ACCEPTED,
    avsc::USER_ERASED,
    avsc::VERDICT_OVERTURNED,
    avsc::SCHEMA_REGISTERED,
];

/// An order as the oracle writes it.
fn any_order() -> impl Strategy<Value = Vec<u8>> {
    proptest::strategy::Union::new(SCHEMAS.map(|avsc| {
        let schema = parse(avsc);
        any_value(&schema).prop_map(move |value: Value| oracle_write(&schema, &value))
    }))
}

proptest! {
    #[test]
    fn an_order_written_by_apache_avro_is_read_and_has_those_bytes_again(bytes in any_order()) {
        let order = decode_order(&bytes).expect("an order");
        prop_assert_eq!(encode_order(&order), bytes);
    }

    #[test]
    fn every_truncation_of_an_order_is_an_error(bytes in any_order()) {
        for end in 0..bytes.len() {
            prop_assert!(decode_order(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn a_damaged_order_is_an_error_or_another_order_but_never_a_panic(
        bytes in any_order(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in any::<u8>(),
    ) {
        let _ = decode_order(&damaged(&bytes, at, byte, how));
    }
}

const NONCE: [u8; 16] = [7; 16];

fn one_of_each() -> [Order; 7] {
    let (by, reason) = ("ops".to_owned(), "because".to_owned());
    [
        Order::PolicyDocument(PolicyDocument {
            digest: "ab".repeat(32),
            chunk: 1,
            chunks: 3,
            bytes: vec![0, 255, 1],
            nonce: NONCE.to_vec(),
            issued_at: 1,
        }),
        Order::PolicyActivated(PolicyActivated {
            scope: "*".to_owned(),
            digest: "ab".repeat(32),
            engine: 1,
            shadow: true,
            by: by.clone(),
            reason: reason.clone(),
            nonce: NONCE.to_vec(),
            issued_at: 2,
        }),
        Order::LogOpened(LogOpened {
            log_id: "log".to_owned(),
            partitions: 2,
            engine: 1,
            starts: vec![0, 77],
            nonce: NONCE.to_vec(),
            issued_at: 3,
        }),
        Order::HistoryAccepted(HistoryAccepted {
            partition: 1,
            start_offset: 90,
            log_id: "log-2".to_owned(),
            by: by.clone(),
            reason: reason.clone(),
            nonce: NONCE.to_vec(),
            issued_at: 4,
        }),
        Order::UserErased(UserErased {
            community: "north".to_owned(),
            user: "u".to_owned(),
            by: by.clone(),
            reason: reason.clone(),
            nonce: NONCE.to_vec(),
            issued_at: 5,
        }),
        Order::VerdictOverturned(VerdictOverturned {
            log_id: "log".to_owned(),
            source_partition: 1,
            source_offset: 12,
            community: "north".to_owned(),
            user: "u".to_owned(),
            message_id: "m".to_owned(),
            by: by.clone(),
            reason: reason.clone(),
            nonce: NONCE.to_vec(),
            issued_at: 6,
        }),
        Order::SchemaRegistered(SchemaRegistered {
            framing: "confluent".to_owned(),
            id: "7".to_owned(),
            schema: avsc::CHAT_MESSAGE.to_owned(),
            by,
            reason,
            nonce: NONCE.to_vec(),
            issued_at: 7,
        }),
    ]
}

#[test]
fn each_kind_of_order_comes_back_as_it_was() {
    for order in one_of_each() {
        assert_eq!(
            decode_order(&encode_order(&order)).expect("an order"),
            order
        );
    }
}

#[test]
fn the_kinds_are_the_words_that_markers_carry() {
    let kinds = one_of_each().map(|order| order.kind());
    assert_eq!(
        kinds,
        [
            "policy-document",
            "policy-activated",
            "log-opened",
            "history-accepted",
            "user-erased",
            "verdict-overturned",
            "schema-registered"
        ]
    );
}

#[test]
fn a_full_chunk_fits_into_an_order() {
    let order = Order::PolicyDocument(PolicyDocument {
        digest: "ab".repeat(32),
        chunk: i32::MAX,
        chunks: i32::MAX,
        bytes: vec![b'x'; limits::CHUNK_BYTES],
        nonce: NONCE.to_vec(),
        issued_at: i64::MAX,
    });
    let bytes = encode_order(&order);
    assert_eq!(decode_order(&bytes).expect("an order"), order);
}

#[test]
fn the_longest_schema_fits_into_an_order() {
    let order = Order::SchemaRegistered(SchemaRegistered {
        framing: "glue".to_owned(),
        id: "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63".to_owned(),
        schema: "x".repeat(limits::SCHEMA_BYTES),
        by: "x".repeat(limits::STRING_BYTES),
        reason: "x".repeat(limits::STRING_BYTES),
        nonce: NONCE.to_vec(),
        issued_at: i64::MAX,
    });
    assert_eq!(
        decode_order(&encode_order(&order)).expect("an order"),
        order
    );
}

#[test]
fn an_order_is_a_single_object_of_its_own_topic() {
    let large = vec![0; limits::ORDER_BYTES + 1];
    assert!(matches!(
        decode_order(&large),
        Err(DecodeError::TooLarge { .. })
    ));
    assert!(matches!(
        decode_order(b"{}"),
        Err(DecodeError::NotSingleObject)
    ));
    let message = header(&parse(avsc::CHAT_MESSAGE));
    assert!(matches!(
        decode_order(&message),
        Err(DecodeError::UnknownSchema { .. })
    ));
    let mut trailing = encode_order(&one_of_each()[4]);
    trailing.push(0);
    assert!(matches!(
        decode_order(&trailing),
        Err(DecodeError::Damaged { .. })
    ));
}

#[test]
fn a_list_of_starts_that_promises_more_than_it_holds_is_damaged_before_memory_is_reserved() {
    let mut bytes = header(&parse(avsc::LOG_OPENED));
    // log_id "", partitions 0, engine 0, then 2^40 starts.
    bytes.extend([0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]);
    assert!(matches!(
        decode_order(&bytes),
        Err(DecodeError::Damaged { .. })
    ));
}
