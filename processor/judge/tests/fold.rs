//! The semantics of engine 1, rule by rule, through the public fold.

mod bench;

use bench::{Bench, POLICY, T, document, message, mute, opened};
use gavel_judge::*;
use gavel_schemas::*;
use sha2::Digest as _;

#[test]
fn before_the_first_activation_everything_is_allowed_and_says_so() {
    let verdict = Bench::empty().say(0, "crud");
    assert_eq!(
        (
            verdict.action.as_str(),
            verdict.code.as_str(),
            verdict.policy.as_str()
        ),
        ("allow", "no-policy", "")
    );
}

#[test]
fn the_audience_decides_from_which_risk_on_something_is_done() {
    let mut bench = Bench::new();
    let mut ask = |channel: &'static str, audience: Option<&'static str>| {
        bench
            .send(
                20,
                ChatMessage {
                    text: "what the heck".into(),
                    channel: channel.into(),
                    audience: audience.map(Into::into),
                    ..message()
                },
            )
            .action
    };
    assert_eq!(ask("lobby", None), "flag");
    assert_eq!(ask("lobby", Some("under13")), "mask");
    assert_eq!(ask("lobby", Some("nobody knows this one")), "flag");
    assert_eq!(ask("kids-room", None), "mask");
}

#[test]
fn a_masked_text_hides_the_hit_and_nothing_else_and_reasons_point_into_the_original() {
    let verdict = Bench::new().say(0, "é𝄞 D4RN it");
    assert_eq!(verdict.masked_text.as_deref(), Some("é𝄞 **** it"));
    let reason = &verdict.reasons[0];
    assert_eq!(
        (
            reason.rule.as_str(),
            reason.start,
            reason.end,
            reason.start_utf16,
            reason.end_utf16,
            reason.evasion.as_str()
        ),
        ("v3", 7, 11, 4, 8, "leet")
    );
    assert_eq!(
        (verdict.labels[0].topic.as_str(), verdict.labels[0].risk),
        ("vulgar", 3)
    );
}

#[test]
fn exceptions_and_allow_entries_beat_the_hits_they_overlap() {
    let mut bench = Bench::new();
    for text in ["a darning needle", "heck yeah"] {
        assert_eq!(bench.say(20, text).action, "allow", "{text}");
    }
    assert_eq!(bench.say(20, "darning a sock").action, "mask");
    assert_eq!(bench.say(20, "heck, yeah no, heck").action, "flag");
}

#[test]
fn a_retry_gets_the_same_action_and_leaves_the_counters_alone() {
    let mut bench = Bench::new();
    let crud = ChatMessage {
        message_id: "m1".into(),
        text: "crud".into(),
        ..message()
    };
    let first = bench.send(0, crud.clone());
    assert_eq!((first.action.as_str(), first.duplicate_of), ("block", None));
    for _ in 0..5 {
        let again = bench.send(
            1,
            ChatMessage {
                sent_at: 99,
                ..crud.clone()
            },
        );
        assert_eq!(
            (
                again.action.as_str(),
                again.duplicate_of,
                again.effects.len()
            ),
            ("block", Some(first.source_offset), 0)
        );
    }
    // Neither flood nor a second strike came of it; a changed text is another message.
    assert_eq!(bench.say(1, "hello").code, "judged");
    let changed = bench.send(
        1,
        ChatMessage {
            text: "hello".into(),
            ..crud
        },
    );
    assert_eq!(
        (changed.action.as_str(), changed.duplicate_of),
        ("allow", None)
    );
}

#[test]
fn a_retry_of_a_masked_message_is_masked_again_even_under_a_milder_policy() {
    let mut bench = Bench::new();
    let darn = ChatMessage {
        message_id: "m1".into(),
        text: "darn it".into(),
        ..message()
    };
    assert_eq!(
        bench.send(0, darn.clone()).masked_text.as_deref(),
        Some("**** it")
    );
    let milder = bench.publish(&POLICY.replace("darn*", "something else"), "*", 1);
    assert_eq!(bench.mark(milder).code, "control");
    let again = bench.send(1, darn);
    assert_eq!(
        (again.action.as_str(), again.masked_text.as_deref()),
        ("mask", Some("*******"))
    );
}

#[test]
fn a_flood_mutes_and_the_mute_ends() {
    let mut bench = Bench::new();
    for text in ["a", "b", "c"] {
        assert_eq!(bench.say(1, text).action, "allow");
    }
    let flood = bench.say(1, "d");
    assert_eq!(
        (flood.action.as_str(), mute(&flood)),
        ("block", Some(bench.at + 30_000))
    );
    assert_eq!(
        (
            flood.labels[0].topic.as_str(),
            flood.reasons[0].rule.as_str()
        ),
        ("spam", "flood")
    );
    let muted = bench.say(29, "crud");
    assert_eq!(
        (
            muted.code.as_str(),
            muted.action.as_str(),
            muted.labels.len()
        ),
        ("muted", "block", 0)
    );
    assert_eq!(bench.say(1, "e").code, "judged");
}

#[test]
fn floods_are_counted_by_channel() {
    let mut bench = Bench::new();
    for channel in ["a", "b", "c", "d", "a", "b"] {
        let verdict = bench.send(
            1,
            ChatMessage {
                channel: channel.into(),
                ..message()
            },
        );
        assert_eq!(verdict.action, "allow", "{channel}");
    }
}

#[test]
fn an_edited_rule_keeps_its_counters() {
    let mut bench = Bench::new();
    for text in ["a", "b", "c"] {
        bench.say(1, text);
    }
    let stricter = bench.publish(&POLICY.replace("for = \"30s\"", "for = \"60s\""), "*", 1);
    bench.mark(stricter);
    assert_eq!(mute(&bench.say(1, "d")), Some(bench.at + 60_000));
}

#[test]
fn strikes_change_trust_then_mute_and_decay() {
    let mut bench = Bench::new();
    let first = bench.say(0, "crud");
    assert_eq!(
        first
            .effects
            .iter()
            .map(|effect| effect.trust.clone())
            .collect::<Vec<_>>(),
        [Some("untrusted".to_owned())]
    );
    // Untrusted: the thresholds are two lower, so what was allowed or flagged is masked or blocked; pinned topics stay.
    assert_eq!(bench.say(20, "what the heck").action, "mask");
    let second = bench.say(20, "crud");
    assert!(
        mute(&second).is_none(),
        "3.98 points are left below the step: {second:?}"
    );
    let third = bench.say(20, "crud");
    assert_eq!(mute(&third), Some(bench.at + 600_000));
    assert_eq!(bench.say(60, "hello").code, "muted");
    // Six half-lives later fewer than two points are left.
    assert_eq!(bench.say(6 * 3_600, "what the heck").action, "flag");
}

#[test]
fn a_high_risk_is_escalated() {
    let verdict = Bench::new().say(0, "I will find you");
    assert!(
        verdict
            .effects
            .iter()
            .any(|effect| effect.kind == "escalate" && effect.queue.as_deref() == Some("default")),
        "{verdict:?}"
    );
}

#[test]
fn a_forged_or_early_marker_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    let before = bench.fold.state().activations().clone();
    for (order, kind, sha256) in [
        (2, "policy-activated", [0; 32]),
        (2, "user-erased", [1; 32]),
        (77, "policy-activated", [0; 32]),
        (-1, "policy-activated", [0; 32]),
    ] {
        let mut value = Vec::new();
        encode_marker(
            &ControlMarker {
                order,
                kind,
                sha256,
            },
            &mut value,
        );
        let verdict = bench.record(&value);
        assert_eq!(
            (verdict.code.as_str(), verdict.reasons[0].rule.as_str()),
            ("refused", "refused/marker-mismatch")
        );
    }
    assert_eq!(bench.fold.state().activations(), &before);
}

#[test]
fn an_early_marker_has_the_same_verdict_once_its_number_exists() {
    let mut value = Vec::new();
    encode_marker(
        &ControlMarker {
            order: 3,
            kind: "policy-activated",
            sha256: [9; 32],
        },
        &mut value,
    );
    let mut early = Bench::new();
    let first = early.bytes(&value);
    let mut late = Bench::new();
    late.publish(POLICY, "*", 1);
    assert_eq!(late.bytes(&value), first);
}

#[test]
fn an_older_activation_is_ignored_and_a_repeated_one_too() {
    let mut bench = Bench::empty();
    let old = bench.publish(POLICY, "*", 1);
    let new = bench.publish(&POLICY.replace("risk = 5", "risk = 1"), "*", 1);
    bench.control.compile_order(old);
    for order in [new, old, new] {
        assert_eq!(bench.mark(order).code, "control");
    }
    assert_eq!(bench.say(0, "crud").action, "allow");
}

#[test]
fn an_activation_whose_document_is_not_complete_before_it_is_refused() {
    let mut bench = Bench::empty();
    let document = document(POLICY);
    let order = bench.activate(document.digest(), "*", 1);
    let verdict = bench.mark(order);
    assert_eq!(verdict.reasons[0].rule, "refused/policy-incomplete");
    // The chunk comes too late for this order, and in time for the next.
    let next = bench.publish(POLICY, "*", 1);
    assert_eq!(
        bench.mark(order).reasons[0].rule,
        "refused/policy-incomplete"
    );
    assert_eq!(bench.mark(next).code, "control");
}

#[test]
fn a_document_with_other_bytes_than_its_digest_never_counts() {
    let mut bench = Bench::empty();
    let real = document(POLICY);
    let forged = PolicyDocument {
        digest: real.digest().to_string(),
        chunk: 0,
        chunks: 1,
        bytes: b"{}".to_vec(),
        nonce: vec![0; 16],
        issued_at: 0,
    };
    bench.order(&Order::PolicyDocument(forged));
    let order = bench.activate(real.digest(), "*", 1);
    assert_eq!(
        bench.mark(order).reasons[0].rule,
        "refused/policy-incomplete"
    );
}

#[test]
fn a_community_may_have_its_own_policy_and_may_not_change_the_engine() {
    let mut bench = Bench::new();
    let own = bench.publish(&POLICY.replace("risk = 5", "risk = 1"), "c", 1);
    assert_eq!(bench.mark(own).code, "control");
    assert_eq!(bench.say(0, "crud").action, "allow");
    assert_eq!(
        bench
            .send(
                0,
                ChatMessage {
                    community: "d".into(),
                    text: "crud".into(),
                    ..message()
                }
            )
            .action,
        "block"
    );
    let engine = bench.publish(POLICY, "c", 2);
    assert_eq!(bench.mark(engine).reasons[0].rule, "refused/policy-invalid");
}

#[test]
fn an_unknown_engine_halts_the_partition() {
    let mut bench = Bench::new();
    let order = bench.publish(POLICY, "*", 2);
    let marker = bench.marker(order);
    let record = Record {
        offset: 9,
        timestamp: Timestamp::LogAppend(T),
        key: None,
        value: Some(&marker),
        headers_len: 0,
    };
    let Ok(step) = bench.fold.step(
        &record,
        &bench.control,
        Patience::Refuse,
        &mut bench.contexts,
    );
    assert!(
        matches!(step, Step::Halt(HaltReason::UnknownEngine { engine: 2 })),
        "{step:?}"
    );
}

#[test]
fn awaiting_an_order_changes_nothing() {
    let mut bench = Bench::new();
    bench.say(0, "hello");
    let mut marker = Vec::new();
    encode_marker(
        &ControlMarker {
            order: 99,
            kind: "policy-activated",
            sha256: [0; 32],
        },
        &mut marker,
    );
    let before = (bench.fold.state().to_bytes(), bench.contexts.clone());
    let record = Record {
        offset: 9,
        timestamp: Timestamp::LogAppend(T + 999_999),
        key: None,
        value: Some(&marker),
        headers_len: 0,
    };
    let Ok(step) = bench
        .fold
        .step(&record, &bench.control, Patience::Wait, &mut bench.contexts);
    assert!(matches!(step, Step::Await { order: 99 }), "{step:?}");
    assert_eq!(
        (bench.fold.state().to_bytes(), bench.contexts.clone()),
        before
    );
    // An order that is there but not compiled is awaited with either patience.
    let order = bench.publish(&POLICY.replace("risk = 5", "risk = 4"), "*", 1);
    let marker = bench.marker(order);
    let record = Record {
        value: Some(&marker),
        ..record
    };
    let Ok(step) = bench.fold.step(
        &record,
        &bench.control,
        Patience::Refuse,
        &mut bench.contexts,
    );
    assert!(matches!(step, Step::Await { .. }), "{step:?}");
}

#[test]
fn an_erased_user_has_no_history() {
    let mut bench = Bench::new();
    bench.say(0, "crud");
    let erased = UserErased {
        community: "c".into(),
        user: "u".into(),
        by: "me".into(),
        reason: String::new(),
        nonce: vec![5; 16],
        issued_at: 0,
    };
    let order = bench.order(&Order::UserErased(erased));
    assert_eq!(bench.mark(order).code, "control");
    assert!(bench.contexts.0.is_empty());
}

#[test]
fn a_corrupt_context_halts_and_is_never_read_as_another() {
    let mut bench = Bench::new();
    bench.contexts.0.insert(b"c/u".to_vec(), vec![1; 50]);
    let mut value = Vec::new();
    encode_message(&message(), &mut value);
    let record = Record {
        offset: 9,
        timestamp: Timestamp::Missing,
        key: None,
        value: Some(&value),
        headers_len: 0,
    };
    let Ok(step) = bench.fold.step(
        &record,
        &bench.control,
        Patience::Refuse,
        &mut bench.contexts,
    );
    assert!(
        matches!(step, Step::Halt(HaltReason::CorruptContext { .. })),
        "{step:?}"
    );
}

#[test]
fn storing_and_loading_between_any_two_records_changes_no_byte() {
    let texts = [
        "hello",
        "crud",
        "darn it",
        "what the heck",
        "hello",
        "d a r n",
        "crud",
        "crud",
        "I will find you",
        "ok",
    ];
    let run = |reload: bool| {
        let mut bench = Bench::new();
        bench.reload = reload;
        let verdicts: Vec<VerdictRecord> = (0..60)
            .map(|n: usize| {
                let id = format!("m{}", n % 7);
                let user = format!("u{}", n % 3);
                let text = texts[(n * 7) % texts.len()];
                bench.send(
                    (n % 5) as i64,
                    ChatMessage {
                        message_id: id.into(),
                        user: user.into(),
                        text: text.into(),
                        ..message()
                    },
                )
            })
            .collect();
        (verdicts, bench.contexts, bench.fold.state().to_bytes())
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn the_hash_of_an_order_is_that_of_its_bytes() {
    let mut control = ControlLog::new();
    control.append(0, &opened());
    let recorded = control.orders().next().expect("one order");
    assert_eq!(
        recorded.sha256,
        <[u8; 32]>::from(sha2::Sha256::digest(opened()))
    );
}
