//! A candidate in shadow judges beside the policy in force and changes nothing of what that one says.

mod bench;

use bench::{Bench, POLICY, document};
use gavel_schemas::{Order, UserErased};

/// Stricter, and with strikes that mute at once.
fn candidate() -> String {
    POLICY
        .replace(
            "flag = 2, mask = 3, block = 5",
            "flag = 1, mask = 2, block = 3",
        )
        .replace(
            "per_risk = { \"5\" = 2.0",
            "per_risk = { \"3\" = 4.0, \"5\" = 2.0",
        )
}

fn shadow_action(bench: &Bench) -> Option<&str> {
    bench
        .shadowed
        .as_ref()
        .map(|verdict| verdict.action.as_str())
}

#[test]
fn a_candidate_says_what_it_would_have_done_and_counts_for_itself() {
    let mut bench = Bench::new();
    bench.shadow(&candidate(), "*");
    assert_eq!(bench.say(20, "darn it").action, "mask");
    assert_eq!(shadow_action(&bench), Some("block"));
    let verdict = bench.shadowed.clone().expect("a shadow");
    assert_eq!(verdict.policy, document(&candidate()).digest().to_string());
    assert_eq!(verdict.source_offset, 2);
    // Its strikes mute this user, in its own world only.
    let next = bench.say(20, "hello");
    assert_eq!(
        (next.action.as_str(), next.code.as_str()),
        ("allow", "judged")
    );
    assert_eq!(
        bench.shadowed.as_ref().map(|verdict| verdict.code.as_str()),
        Some("muted")
    );
}

#[test]
fn verdicts_are_the_same_bytes_with_and_without_a_shadow() {
    let texts = [
        "darn",
        "crud you",
        "heck yeah",
        "hello",
        "crud",
        "crud",
        "hi",
    ];
    let run = |shadow: bool| {
        let mut bench = Bench::new();
        bench.reload = true;
        if shadow {
            bench.shadow(&candidate(), "*");
        } else {
            // The same number of records stands in the log.
            let order = bench.publish(&candidate(), "elsewhere", 1);
            bench.mark(order);
        }
        texts.map(|text| bench.say(1, text))
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn the_shadow_of_one_community_hears_that_community_alone() {
    let mut bench = Bench::new();
    bench.shadow(&candidate(), "somewhere-else");
    bench.say(20, "darn");
    assert_eq!(shadow_action(&bench), None);
    bench.shadow(&candidate(), "c");
    bench.say(20, "darn");
    assert_eq!(shadow_action(&bench), Some("block"));
}

#[test]
fn a_shadow_ends_when_the_policy_in_force_takes_its_place() {
    let mut bench = Bench::new();
    bench.shadow(&candidate(), "*");
    bench.say(20, "darn");
    assert!(bench.shadowed.is_some());
    bench.shadow(POLICY, "*");
    bench.say(20, "darn");
    assert!(bench.shadowed.is_none());
}

#[test]
fn a_candidate_that_takes_force_is_no_longer_its_own_shadow() {
    let mut bench = Bench::new();
    bench.shadow(&candidate(), "*");
    let order = bench.publish(&candidate(), "*", 1);
    bench.mark(order);
    bench.say(20, "hello");
    assert!(bench.shadowed.is_none());
}

#[test]
fn a_later_candidate_begins_with_empty_contexts() {
    let mut bench = Bench::new();
    bench.shadow(&candidate(), "*");
    bench.say(20, "darn");
    bench.say(20, "hello");
    assert_eq!(
        bench.shadowed.as_ref().map(|verdict| verdict.code.as_str()),
        Some("muted")
    );
    bench.shadow(&candidate().replace("mask = 2", "mask = 3"), "*");
    bench.say(1, "hello");
    assert_eq!(
        bench.shadowed.as_ref().map(|verdict| verdict.code.as_str()),
        Some("judged")
    );
}

#[test]
fn an_erased_user_is_forgotten_in_the_shadow_too() {
    let mut bench = Bench::new();
    bench.shadow(&candidate(), "*");
    bench.say(20, "darn");
    assert_eq!(bench.contexts.0.len(), 2);
    let order = bench.order(&Order::UserErased(UserErased {
        community: "c".into(),
        user: "u".into(),
        by: "me".into(),
        reason: String::new(),
        nonce: vec![9; 16],
        issued_at: 0,
    }));
    bench.mark(order);
    assert!(bench.contexts.0.is_empty());
}

#[test]
fn a_retry_is_a_retry_in_the_shadow_too() {
    let mut bench = Bench::new();
    bench.shadow(&candidate(), "*");
    let message = gavel_schemas::ChatMessage {
        message_id: "m1".into(),
        text: "darn".into(),
        ..bench::message()
    };
    bench.send(20, message.clone());
    bench.send(0, message);
    let again = bench.shadowed.as_ref().expect("a shadow");
    assert_eq!(
        (again.action.as_str(), again.duplicate_of),
        ("block", Some(2))
    );
}

#[test]
fn a_shadow_that_has_ended_does_not_come_back_with_the_next_policy() {
    let next = POLICY.replace("mask = 3", "mask = 4");
    for ends_by_force in [false, true] {
        let mut bench = Bench::new();
        bench.reload = true;
        bench.shadow(&candidate(), "*");
        if ends_by_force {
            let order = bench.publish(&candidate(), "*", 1);
            bench.mark(order);
        } else {
            bench.shadow(POLICY, "*");
        }
        let order = bench.publish(&next, "*", 1);
        bench.mark(order);
        bench.say(20, "darn");
        assert!(bench.shadowed.is_none(), "by force: {ends_by_force}");
    }
}

#[test]
fn a_shadow_that_has_ended_is_none_for_a_community_with_its_own_policy() {
    let mut bench = Bench::new();
    let order = bench.publish(&POLICY.replace("mask = 3", "mask = 4"), "c", 1);
    bench.mark(order);
    bench.shadow(&candidate(), "*");
    bench.say(20, "darn");
    assert!(bench.shadowed.is_some());
    bench.shadow(POLICY, "*");
    bench.say(20, "darn");
    assert!(bench.shadowed.is_none());
}
