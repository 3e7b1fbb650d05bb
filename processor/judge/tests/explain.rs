//! An explanation is read from the step itself: its numbers are those of the verdict, and asking for it changes nothing.

mod bench;
mod corpus;
mod told;

use bench::{Bench, POLICY, message};
use gavel_schemas::*;
use std::collections::BTreeSet;
use told::{explained, said};

#[test]
fn a_disguised_word_is_shown_as_it_was_written_and_as_it_was_read() {
    let mut bench = Bench::new();
    let told = said(&mut bench, 0, "é𝄞 D4RN it");
    let hit = &told.hits[0];
    assert_eq!(
        (
            hit.rule.as_str(),
            hit.words.as_str(),
            hit.read_as.as_deref(),
            hit.evasion.as_str()
        ),
        ("v3", "D4RN", Some("darn"), "leet")
    );
    assert_eq!((hit.start, hit.start_utf16, hit.hidden), (7, 4, true));
    let text = told.text.as_ref().expect("it was read");
    let names: Vec<&str> = text.views.iter().map(|view| view.name).collect();
    assert_eq!(names, ["plain", "leet"]);
    let words: Vec<(&str, u32, u32, bool)> = text.views[1]
        .words
        .iter()
        .map(|word| (word.text.as_str(), word.start, word.end, word.hit))
        .collect();
    assert_eq!(
        words,
        [
            ("e", 0, 2, false),
            ("darn", 7, 11, true),
            ("it", 12, 14, false)
        ]
    );
    let definition = hit
        .definition
        .as_ref()
        .expect("the document is in the control log");
    assert_eq!(definition.table, "term");
    assert!(
        definition
            .properties
            .iter()
            .any(|one| one.what == "patterns" && one.is == ["darn*"]),
        "{definition:?}"
    );
    let policy = told.policy.as_ref().expect("one is in force");
    assert_eq!(
        (policy.id.as_deref(), policy.scope.as_str(), policy.order),
        (Some("fold-tests"), "*", 2)
    );
    assert_eq!(policy.activated_by.as_deref(), Some("me"));
}

#[test]
fn thresholds_say_who_named_the_audience_and_how_far_trust_moved_them() {
    let mut bench = Bench::new();
    let plain = said(&mut bench, 0, "what the heck");
    let decided = plain.decided.as_ref().expect("it was judged");
    assert_eq!(
        (decided.audience.as_str(), decided.audience_from.as_str()),
        ("default", "default")
    );
    assert_eq!(
        (plain.topics[0].flag, plain.topics[0].action),
        (Some(2), "flag")
    );
    said(&mut bench, 20, "crud");
    let strict = said(&mut bench, 20, "what the heck");
    assert_eq!(
        strict.decided.as_ref().map(|one| one.trust),
        Some("untrusted")
    );
    assert_eq!(
        (strict.topics[0].shift, strict.topics[0].action),
        (-2, "mask")
    );
    let kids = ChatMessage {
        channel: "kids-room".into(),
        user: "other".into(),
        text: "heck".into(),
        ..message()
    };
    let decided = told::sent(&mut bench, 0, kids).decided.expect("judged");
    assert_eq!(
        (decided.audience.as_str(), decided.audience_from.as_str()),
        ("under13", "channel kids-*")
    );
}

#[test]
fn a_context_rule_shows_how_far_it_was_and_when_it_fired() {
    let mut bench = Bench::new();
    for count in 1..=3 {
        let told = said(&mut bench, 1, "hello");
        let rule = &told.rules[0];
        assert_eq!(
            (
                rule.id.as_str(),
                rule.before,
                rule.count,
                rule.needs,
                rule.fired
            ),
            ("flood", count - 1, count, 4, false)
        );
    }
    let began = bench.at - 2_000;
    let told = said(&mut bench, 1, "hello");
    let rule = &told.rules[0];
    assert_eq!((rule.count, rule.fired, rule.since), (4, true, Some(began)));
    assert_eq!(rule.demands.as_deref(), Some("mute 30s"));
    assert_eq!(
        (told.topics[0].from_words, told.topics[0].risk),
        (None, 4),
        "the rule brought the risk"
    );
    let decided = told.decided.as_ref().expect("judged");
    assert!(decided.nothing_to_mask, "{decided:?}");
    let after = told.after.as_ref().expect("remembered");
    assert_eq!(after.mute_until, Some(bench.at + 30_000));
    assert_eq!(after.windows[0].count, 4);
}

#[test]
fn a_mute_by_strikes_shows_the_points_before_and_the_step_that_was_reached() {
    let mut bench = Bench::new();
    said(&mut bench, 0, "crud");
    said(&mut bench, 20, "crud");
    let told = said(&mut bench, 20, "crud");
    let struck = told.struck.as_ref().expect("there are strikes");
    assert_eq!((struck.highest_risk, struck.added), (5, 2_000));
    assert_eq!(struck.total, struck.before + 2_000);
    let reached: Vec<bool> = struck.steps.iter().map(|step| step.reached).collect();
    assert_eq!(reached, [true, true]);
    assert_eq!(struck.steps[1].demands.as_deref(), Some("mute 10m"));
}

#[test]
fn a_muted_message_is_not_read_and_says_until_when() {
    let mut bench = Bench::new();
    for _ in 0..4 {
        said(&mut bench, 1, "hello");
    }
    let until = bench.at + 30_000;
    let told = said(&mut bench, 5, "crud");
    assert_eq!(told.verdict.code, "muted");
    assert!(told.text.is_none() && told.hits.is_empty() && told.rules.is_empty());
    assert_eq!(
        told.before.as_ref().and_then(|before| before.mute_until),
        Some(until)
    );
    assert_eq!(
        told.decided.as_ref().map(|one| one.because[0].kind),
        Some("mute")
    );
}

#[test]
fn a_retry_names_the_first_copy_and_counts_nothing() {
    let mut bench = Bench::new();
    let crud = ChatMessage {
        message_id: "m1".into(),
        text: "crud".into(),
        ..message()
    };
    let first = told::sent(&mut bench, 0, crud.clone());
    let again = told::sent(&mut bench, 1, crud);
    assert_eq!(
        again.verdict.duplicate_of,
        Some(first.verdict.source_offset)
    );
    assert_eq!(
        again.decided.as_ref().map(|one| one.because[0].kind),
        Some("retry")
    );
    assert!(again.rules.is_empty() && again.struck.is_none());
    let offsets: Vec<i64> = again
        .before
        .iter()
        .flat_map(|before| before.messages.iter().map(|said| said.offset))
        .collect();
    assert_eq!(offsets, [first.verdict.source_offset]);
    assert_eq!(again.before, again.after);
}

#[test]
fn a_refusal_says_what_was_wrong_and_a_missing_policy_too() {
    let mut bench = Bench::new();
    let told = explained(&mut bench, b"no message");
    let refused = told.refused.as_ref().expect("it was refused");
    assert_eq!(refused.code, "unknown-framing");
    assert!(refused.meaning.contains("JSON"), "{}", refused.meaning);
    assert!(told.policy.is_none() && told.before.is_none());
    let told = said(&mut Bench::empty(), 0, "crud");
    assert_eq!(
        told.decided.as_ref().map(|one| one.because[0].kind),
        Some("no-policy")
    );
}

#[test]
fn a_marker_says_which_order_it_named_and_what_it_changed() {
    let mut bench = Bench::new();
    said(&mut bench, 0, "crud");
    let order = bench.publish(&POLICY.replace("risk = 5", "risk = 1"), "*", 1);
    bench.control.compile_order(order);
    let marker = bench.marker(order);
    let told = explained(&mut bench, &marker);
    let marked = told.order.as_ref().expect("a marker");
    assert_eq!(
        (marked.number, marked.kind.as_str(), marked.counts),
        (order, "policy-activated", true)
    );
    assert!(
        marked.changed[0].contains("in force for *, instead of"),
        "{:?}",
        marked.changed
    );
    // Once more: nothing is newer.
    assert_eq!(
        explained(&mut bench, &marker).order.map(|one| one.changed),
        Some(Vec::new())
    );
    let erased = UserErased {
        community: "c".into(),
        user: "u".into(),
        by: "me".into(),
        reason: "asked".into(),
        nonce: vec![5; 16],
        issued_at: 0,
    };
    let order = bench.order(&Order::UserErased(erased));
    let marker = bench.marker(order);
    let told = explained(&mut bench, &marker);
    let marked = told.order.expect("a marker");
    assert_eq!(marked.changed, ["nothing is remembered of c/u any more"]);
    assert_eq!(marked.reason.as_deref(), Some("asked"));
    let forged = ControlMarker {
        order,
        kind: "user-erased",
        sha256: [0; 32],
    };
    let mut value = Vec::new();
    encode_marker(&forged, &mut value);
    let marked = explained(&mut bench, &value).order.expect("a marker");
    assert_eq!((marked.counts, marked.by), (false, None));
}

#[test]
fn words_in_several_messages_are_shown_across_them() {
    let joining = POLICY.replace(
        "[audience.default]",
        "[policy.normalise]\njoin_messages = { last = 3, within = \"20s\" }\n[audience.default]",
    );
    let mut bench = Bench::empty();
    let order = bench.publish(&joining, "*", 1);
    bench.mark(order);
    said(&mut bench, 1, "I will");
    let told = said(&mut bench, 1, " find you");
    let hit = &told.hits[0];
    assert_eq!(
        (hit.rule.as_str(), hit.words.as_str(), hit.across.as_deref()),
        ("t7", "find you", Some("I will find you"))
    );
    let together = told.text.as_ref().and_then(|text| text.together.as_ref());
    assert_eq!(
        together.map(|one| (one.text.as_str(), one.own_from, one.earlier)),
        Some(("I will find you", 7, 1))
    );
}

#[test]
fn a_candidate_in_shadow_changes_no_explanation() {
    let run = |shadow: bool| {
        let mut bench = Bench::new();
        if shadow {
            bench.shadow(&POLICY.replace("risk = 3", "risk = 7"), "*");
        } else {
            let order = bench.publish(&POLICY.replace("risk = 3", "risk = 7"), "elsewhere", 1);
            bench.mark(order);
        }
        ["darn it", "crud", "hello", "darn"].map(|text| {
            let told = said(&mut bench, 1, text);
            (
                told.hits.len(),
                told.topics[..].first().map(|topic| topic.risk),
                told.after,
            )
        })
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn whatever_is_said_in_a_room_the_explanation_agrees_with_the_verdict() {
    let mut met = BTreeSet::new();
    for seed in 0..120 {
        let mut history = told::History::new(seed);
        for _ in 0..60 {
            let value = history.next();
            // Holds every number against the verdict.
            let told = explained(&mut history.bench, &value);
            met.extend(told::met(&told));
        }
    }
    // A history in which nothing happens proves nothing.
    let all = [
        "across",
        "again",
        "allowed",
        "control",
        "displayed",
        "duplicate",
        "excused",
        "flood",
        "groom",
        "judged",
        "links",
        "lowered",
        "mail",
        "mask",
        "muted",
        "nearly",
        "nothing to mask",
        "refused",
        "rooms",
        "rude-twice",
        "shift",
        "strikes",
        "too weak",
    ];
    assert_eq!(met, BTreeSet::from(all));
}

#[test]
fn hostile_texts_are_explained_within_their_own_bytes() {
    let corpus = corpus::Corpus::sized(500, 200);
    let mut history = told::History::new(7);
    for (name, text) in corpus::hostile(&corpus, 400, 3) {
        let message = ChatMessage {
            text: text.into(),
            ..message()
        };
        let told = told::sent(&mut history.bench, 40, message);
        assert!(told.policy.is_some(), "{name}");
    }
}

#[test]
fn who_folds_for_one_user_gets_the_bytes_of_the_whole_fold() {
    for seed in 100..140 {
        let mut whole = told::History::new(seed);
        let mut for_one = told::History::new(seed);
        let mut mine = 0;
        for n in 0..80 {
            let value = whole.next();
            let same = for_one.next();
            assert_eq!(value, same, "histories are made from their number alone");
            let full = whole.bench.bytes(&value);
            let mut wanted = |community: &str, user: &str| community == "c" && user == "u1";
            let walked = told::step_for(&mut for_one.bench, &value, &mut wanted);
            if let Some(bytes) = walked {
                assert_eq!(bytes, full, "seed {seed}, record {n}");
                mine += 1;
            }
        }
        assert!(mine > 10, "the user says something");
        assert_eq!(
            whole.bench.fold.state().to_bytes(),
            for_one.bench.fold.state().to_bytes()
        );
        let key = b"c/u1".as_slice();
        assert_eq!(
            whole.bench.contexts.0.get(key),
            for_one.bench.contexts.0.get(key)
        );
        assert!(
            for_one
                .bench
                .contexts
                .0
                .keys()
                .all(|one| one.ends_with(key))
        );
    }
}
