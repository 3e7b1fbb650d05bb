//! What a registry's id means is settled by the log: by the first usable order for it, from its marker on.

mod bench;

use bench::{Bench, T, message};
use gavel_judge::{
    ControlLog, Explained, Fold, MemoryContexts, Missing, PartitionState, Patience, Record,
    RecordKind, Step, Timestamp,
};
use gavel_schemas::{
    ChatMessage, HistoryAccepted, Order, SchemaRegistered, VerdictRecord, avsc, encode_message,
    encode_order, limits,
};
use proptest::prelude::*;

const OWN: &str = r#"{"type": "record", "name": "Said", "fields": [
    {"name": "text", "type": "string"}, {"name": "user", "type": "string"}]}"#;
const UUID: &str = "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63";
const UUID_BYTES: [u8; 16] = [
    0xb7, 0xb4, 0xa7, 0xf0, 0x9c, 0x96, 0x4e, 0x4a, 0xa6, 0x87, 0xfb, 0x5d, 0xe9, 0xef, 0x0c, 0x63,
];

fn registration(framing: &str, id: &str, schema: &str) -> Order {
    Order::SchemaRegistered(SchemaRegistered {
        framing: framing.into(),
        id: id.into(),
        schema: schema.into(),
        by: "me".into(),
        reason: "a new producer".into(),
        nonce: vec![9; 16],
        issued_at: 0,
    })
}

fn datum(message: &ChatMessage<'_>) -> Vec<u8> {
    let mut value = Vec::new();
    encode_message(message, &mut value);
    value.split_off(10)
}

/// A message in today's layout behind an id.
fn framed(id: u32, text: &str) -> Vec<u8> {
    let message = ChatMessage {
        text: text.into(),
        ..message()
    };
    [&[0][..], &id.to_be_bytes(), &datum(&message)].concat()
}

/// "hi" by "bob", as `OWN` lays it out.
fn own(id: u32) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), b"\x04hi\x06bob"].concat()
}

fn refusal(verdict: &VerdictRecord) -> &str {
    let refused = verdict
        .reasons
        .first()
        .filter(|_| verdict.code == "refused");
    refused.map_or("", |reason| &reason.rule)
}

#[test]
fn an_id_is_known_from_its_marker_on_and_not_before() {
    for reload in [false, true] {
        let mut bench = Bench::new();
        bench.reload = reload;
        let order = bench.order(&registration("confluent", "7", avsc::CHAT_MESSAGE));
        let glue = bench.order(&registration("glue", UUID, OWN));
        let early = bench.record(&framed(7, "crud"));
        assert_eq!(refusal(&early), "refused/unregistered-schema");
        assert_eq!((early.action.as_str(), early.user.as_str()), ("block", ""));
        assert_eq!(bench.mark(order).code, "control");
        let read = bench.record(&framed(7, "crud"));
        assert_eq!(
            (read.code.as_str(), read.action.as_str()),
            ("judged", "block")
        );
        assert_eq!((read.user.as_str(), read.labels[0].risk), ("u", 5));
        let other = [&[3, 0][..], &UUID_BYTES, b"\x04hi\x06bob"].concat();
        assert_eq!(
            refusal(&bench.record(&other)),
            "refused/unregistered-schema"
        );
        bench.mark(glue);
        assert_eq!(bench.record(&other).user, "bob");
        assert_eq!(
            refusal(&bench.record(&own(8))),
            "refused/unregistered-schema"
        );
    }
}

#[test]
fn a_framed_copy_of_a_message_is_that_message() {
    let mut bench = Bench::new();
    let order = bench.order(&registration("confluent", "7", avsc::CHAT_MESSAGE));
    bench.mark(order);
    let crud = ChatMessage {
        message_id: "m1".into(),
        text: "crud".into(),
        ..message()
    };
    let first = bench.send(0, crud.clone());
    let again = bench.record(&[b"\0\0\0\0\x07".as_slice(), &datum(&crud)].concat());
    assert_eq!(again.duplicate_of, Some(first.source_offset));
}

#[test]
fn the_first_order_for_an_id_counts_wherever_the_second_ones_marker_stands() {
    for second_first in [false, true] {
        let mut bench = Bench::new();
        let first = bench.order(&registration("confluent", "7", OWN));
        let second = bench.order(&registration("confluent", "7", avsc::CHAT_MESSAGE));
        if second_first {
            assert_eq!(bench.mark(second).code, "control");
            assert_eq!(
                refusal(&bench.record(&own(7))),
                "refused/unregistered-schema"
            );
        }
        bench.mark(first);
        let known = bench.fold.state().clone();
        assert_eq!(bench.mark(second).code, "control");
        bench.mark(first);
        assert_eq!(known.schemas(), bench.fold.state().schemas());
        assert_eq!(bench.record(&own(7)).user, "bob");
        // By the first one's layout two strings and much that follows them.
        assert_eq!(
            refusal(&bench.record(&framed(7, "hello"))),
            "refused/trailing-bytes"
        );
    }
}

#[test]
fn an_order_that_cannot_be_used_is_refused_and_leaves_its_id_to_the_next() {
    let mut bench = Bench::new();
    let unusable = [
        registration("confluent", "7", r#""string""#),
        registration("confluent", "7", &OWN.replace(r#""user""#, r#""whose""#)),
        registration("confluent", "7", "{"),
        registration("confluent", "07", OWN),
        registration("apicurio", "7", OWN),
        registration("glue", &UUID.to_uppercase(), OWN),
        registration("confluent", "7", &" ".repeat(limits::SCHEMA_BYTES + 1)),
    ]
    .map(|order| bench.order(&order));
    let usable = bench.order(&registration("confluent", "7", OWN));
    let mark_all = |bench: &mut Bench| {
        for order in unusable {
            assert_eq!(refusal(&bench.mark(order)), "refused/schema-invalid");
        }
    };
    mark_all(&mut bench);
    assert_eq!(
        refusal(&bench.record(&own(7))),
        "refused/unregistered-schema"
    );
    assert_eq!(bench.mark(usable).code, "control");
    mark_all(&mut bench);
    assert_eq!(bench.record(&own(7)).user, "bob");
}

#[test]
fn there_is_room_for_so_many_ids_and_no_more() {
    let mut bench = Bench::new();
    let numbers: Vec<i64> = (0..=limits::SCHEMAS)
        .map(|id| bench.order(&registration("confluent", &id.to_string(), OWN)))
        .collect();
    let (last, all) = numbers.split_last().expect("there are some");
    for order in all {
        assert_eq!(bench.mark(*order).code, "control");
    }
    assert_eq!(refusal(&bench.mark(*last)), "refused/schema-invalid");
    assert_eq!(bench.fold.state().schemas().len(), limits::SCHEMAS);
    bench.reload = true;
    assert_eq!(bench.record(&own(limits::SCHEMAS as u32 - 1)).user, "bob");
    let beyond = bench.record(&own(limits::SCHEMAS as u32));
    assert_eq!(refusal(&beyond), "refused/unregistered-schema");
}

#[test]
fn a_forged_marker_registers_nothing() {
    let mut bench = Bench::new();
    let order = bench.order(&registration("confluent", "7", OWN));
    let mut marker = bench.marker(order);
    *marker.last_mut().expect("bytes") ^= 1;
    assert_eq!(refusal(&bench.record(&marker)), "refused/marker-mismatch");
    assert_eq!(
        refusal(&bench.record(&own(7))),
        "refused/unregistered-schema"
    );
}

#[test]
fn a_state_says_by_its_format_that_it_knows_schemas() {
    let mut bench = Bench::new();
    let text = |bench: &Bench| String::from_utf8(bench.fold.state().to_bytes()).expect("JSON");
    let before = text(&bench);
    assert!(
        before.starts_with(r#"{"format":1,"#) && !before.contains("schemas"),
        "{before}"
    );
    let order = bench.order(&registration("confluent", "7", OWN));
    bench.mark(order);
    let after = text(&bench);
    assert!(
        after.starts_with(r#"{"format":2,"#) && after.contains(&format!(r#""schemas":[{order}]"#)),
        "{after}"
    );
    for bytes in [&before, &after] {
        let read = PartitionState::from_bytes(bytes.as_bytes()).expect("a state");
        assert_eq!(&String::from_utf8(read.to_bytes()).expect("JSON"), bytes);
    }
    let wrong = [
        after.replace(r#""format":2"#, r#""format":1"#),
        before.replace(r#""format":1"#, r#""format":2"#),
        before.replace(r#""format":1"#, r#""format":3"#),
    ];
    for bytes in wrong {
        assert!(
            PartitionState::from_bytes(bytes.as_bytes()).is_err(),
            "{bytes}"
        );
    }
}

#[test]
fn a_state_whose_registration_the_control_log_does_not_hold_is_refused() {
    let mut bench = Bench::new();
    let order = bench.order(&registration("confluent", "7", OWN));
    bench.mark(order);
    let mut shorter = ControlLog::new();
    for recorded in bench.control.orders().filter(|one| one.offset != order) {
        shorter.append(recorded.offset, &encode_order(recorded.order()));
    }
    shorter.set_read_to(bench.control.read_to());
    let missing = Fold::new("log", 0, true, bench.fold.state().clone(), &shorter).err();
    assert!(matches!(missing, Some(Missing::Schema { order: missed }) if missed == order));
}

#[test]
fn after_an_accepted_loss_the_schemas_from_before_it_are_known() {
    let mut bench = Bench::new();
    let before = bench.order(&registration("confluent", "7", OWN));
    bench.order(&Order::HistoryAccepted(HistoryAccepted {
        partition: 0,
        start_offset: 100,
        log_id: "log-2".into(),
        by: "me".into(),
        reason: "lost".into(),
        nonce: vec![9; 16],
        issued_at: 0,
    }));
    bench.order(&registration("confluent", "8", OWN));
    let opened = bench.control.opened(0).expect("it is opened");
    let state = bench.control.first_state(&opened);
    assert!(state.schemas().iter().eq([&before]));
}

#[test]
fn an_explanation_says_which_id_a_record_has_and_who_made_it_known() {
    let mut bench = Bench::new();
    let order = bench.order(&registration("confluent", "7", OWN));
    let marker = bench.marker(order);
    let explain = |bench: &mut Bench, value: &[u8]| {
        let record = Record {
            offset: bench.offset,
            timestamp: Timestamp::LogAppend(T),
            key: None,
            value: Some(value),
            headers_len: 0,
        };
        let before = bench.fold.state().clone();
        let explained = bench.fold.explain(
            &record,
            &bench.control,
            Patience::Refuse,
            &mut bench.contexts,
        );
        let Ok(Explained::Explanation(explanation)) = explained else {
            panic!("{explained:?}");
        };
        assert_eq!(bench.fold.state(), &before);
        explanation
    };
    let early = explain(&mut bench, &own(7));
    let with = early.record.written_with.expect("it has an id");
    assert_eq!((with.id.as_str(), with.order), ("confluent:7", None));
    assert_eq!(early.refused.expect("it is").code, "unregistered-schema");
    let marked = explain(&mut bench, &marker).order.expect("an order");
    assert!(
        marked.counts && marked.changed[0].contains("confluent:7"),
        "{marked:?}"
    );
    assert_eq!(marked.reason.as_deref(), Some("a new producer"));
    // Nobody has kept what the explanation did.
    assert_eq!(
        refusal(&bench.record(&own(7))),
        "refused/unregistered-schema"
    );
    bench.mark(order);
    let read = explain(&mut bench, &own(7));
    assert_eq!(read.record.kind, RecordKind::Message);
    assert_eq!(
        read.record.written_with.and_then(|with| with.order),
        Some(order)
    );
    assert_eq!(explain(&mut bench, b"{}").record.written_with, None);
}

#[test]
fn a_walk_for_one_user_hears_framed_messages_too() {
    let mut bench = Bench::new();
    let order = bench.order(&registration("confluent", "7", OWN));
    bench.mark(order);
    for (user, heard) in [("bob", true), ("eve", false)] {
        let record = Record {
            offset: bench.offset,
            timestamp: Timestamp::LogAppend(T),
            key: None,
            value: Some(&own(7)),
            headers_len: 0,
        };
        let step = bench.fold.step_for(
            &record,
            &bench.control,
            Patience::Refuse,
            &mut bench.contexts,
            |_, name| name == user,
        );
        assert_eq!(step.expect("no store").is_some(), heard);
    }
}

/// What may stand at a place of the log.
#[derive(Debug, Clone)]
enum Entry {
    Say(&'static str),
    Framed(u32, &'static str),
    Own(u32),
    /// The marker of one of the orders.
    Mark(usize),
    Bytes(Vec<u8>),
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let texts = prop::sample::select(vec!["hello", "crud", "what the heck"]);
    let entry = prop_oneof![
        texts.clone().prop_map(Entry::Say),
        (0u32..4, texts).prop_map(|(id, text)| Entry::Framed(id, text)),
        (0u32..4).prop_map(Entry::Own),
        any::<prop::sample::Index>().prop_map(|at| Entry::Mark(at.index(6))),
        (
            prop::sample::select(vec![0u8, 3]),
            proptest::collection::vec(any::<u8>(), 0..30)
        )
            .prop_map(|(first, rest)| Entry::Bytes([vec![first], rest].concat())),
    ];
    proptest::collection::vec(entry, 0..40)
}

/// Orders for few ids, some of them for the same, some that cannot be used.
fn orders() -> [Order; 6] {
    [
        registration("confluent", "0", avsc::CHAT_MESSAGE),
        registration("confluent", "1", r#""int""#),
        registration("confluent", "0", OWN),
        registration("confluent", "1", OWN),
        registration("confluent", "2", avsc::OLD_CHAT_MESSAGES[1]),
        registration("confluent", "2", avsc::CHAT_MESSAGE),
    ]
}

/// All verdicts and the state at the end. `late`: an order is read only when its marker is met.
fn run(entries: &[Entry], reload: bool, late: bool) -> (Vec<Vec<u8>>, Vec<u8>, MemoryContexts) {
    let mut bench = Bench::new();
    bench.reload = reload;
    let orders = orders();
    let mut numbers: Vec<i64> = Vec::new();
    if !late {
        numbers = orders.each_ref().map(|order| bench.order(order)).to_vec();
    }
    let mut verdicts = Vec::new();
    for entry in entries {
        let value = match entry {
            Entry::Say(text) => {
                let mut value = Vec::new();
                encode_message(
                    &ChatMessage {
                        text: (*text).into(),
                        ..message()
                    },
                    &mut value,
                );
                value
            }
            Entry::Framed(id, text) => framed(*id, text),
            Entry::Own(id) => own(*id),
            Entry::Mark(which) => {
                while numbers.len() <= *which {
                    numbers.push(bench.order(&orders[numbers.len()]));
                }
                bench.marker(numbers[*which])
            }
            Entry::Bytes(bytes) => bytes.clone(),
        };
        verdicts.push(bench.bytes(&value));
    }
    (verdicts, bench.fold.state().to_bytes(), bench.contexts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wherever_the_markers_stand_every_fold_gives_the_same(entries in entries()) {
        let once = run(&entries, false, false);
        prop_assert_eq!(&once, &run(&entries, true, false));
        prop_assert_eq!(&once, &run(&entries, false, true));
        prop_assert_eq!(&once, &run(&entries, true, true));
    }
}

#[test]
fn a_marker_waits_for_its_order_and_registers_nothing_until_then() {
    let mut bench = Bench::new();
    let order = bench.control.read_to();
    let known = bench.control.clone();
    bench.order(&registration("confluent", "7", OWN));
    let marker = bench.marker(order);
    let record = Record {
        offset: bench.offset,
        timestamp: Timestamp::LogAppend(T),
        key: None,
        value: Some(&marker),
        headers_len: 0,
    };
    let step = bench
        .fold
        .step(&record, &known, Patience::Wait, &mut bench.contexts);
    assert!(matches!(step, Ok(Step::Await { order: waits }) if waits == order));
    assert!(bench.fold.state().schemas().is_empty());
}
