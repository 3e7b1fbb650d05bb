//! An erased user is forgotten wherever anything may be remembered.

mod bench;

use bench::{Bench, POLICY, T};
use gavel_judge::PartitionState;
use gavel_schemas::{Order, UserErased};

fn order(bench: &mut Bench) -> i64 {
    bench.order(&Order::UserErased(UserErased {
        community: "c".into(),
        user: "u".into(),
        by: "me".into(),
        reason: "asked for it".into(),
        nonce: vec![9; 16],
        issued_at: 0,
    }))
}

/// A candidate that differs from others by this number.
fn candidate(number: u32) -> String {
    POLICY.replace("gte = 4 }", &format!("gte = {number} }}"))
}

#[test]
fn candidates_whose_shadow_was_replaced_or_has_ended_forget_too() {
    let mut bench = Bench::new();
    bench.reload = true;
    for number in [10, 11] {
        bench.shadow(&candidate(number), "*");
        bench.say(20, "crud");
    }
    bench.shadow(&candidate(12), "c");
    bench.say(20, "crud");
    bench.shadow(POLICY, "*");
    bench.shadow(POLICY, "c");
    bench.say(20, "crud");
    assert_eq!(bench.contexts.0.len(), 4, "one in force, three candidates");
    let number = order(&mut bench);
    assert_eq!(bench.mark(number).code, "control");
    assert!(bench.contexts.0.is_empty(), "{:?}", bench.contexts.0.keys());
}

#[test]
fn a_candidate_that_was_ordered_later_but_came_before_the_marker_forgets_too() {
    let mut bench = Bench::new();
    let number = order(&mut bench);
    for later in [10, 11] {
        bench.shadow(&candidate(later), "*");
        bench.say(20, "crud");
    }
    bench.mark(number);
    assert!(bench.contexts.0.is_empty(), "{:?}", bench.contexts.0.keys());
}

#[test]
fn orders_that_have_not_come_into_force_here_decide_nothing() {
    let run = |seen: bool| {
        let mut bench = Bench::new();
        let number = order(&mut bench);
        if seen {
            bench.publish(&candidate(10), "*", 1);
        }
        bench.say(20, "crud");
        let verdict = bench.mark(number);
        (verdict, bench.contexts, bench.fold.state().to_bytes())
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn others_are_not_forgotten() {
    let mut bench = Bench::new();
    for user in ["u", "uu", ""] {
        let message = gavel_schemas::ChatMessage {
            user: user.into(),
            ..bench::message()
        };
        bench.send(1, message);
    }
    let number = order(&mut bench);
    bench.mark(number);
    let left: Vec<&[u8]> = bench.contexts.0.keys().map(Vec::as_slice).collect();
    assert_eq!(left, [b"c/".as_slice(), b"c/uu"]);
}

#[test]
fn the_partition_remembers_when_it_last_forgot_somebody() {
    let mut bench = Bench::new();
    bench.reload = true;
    bench.say(1, "hello");
    let state = bench.fold.state();
    assert_eq!(state.erased_at(), None);
    assert!(!String::from_utf8_lossy(&state.to_bytes()).contains("erased_at"));
    let number = order(&mut bench);
    bench.mark(number);
    assert_eq!(bench.fold.state().erased_at(), Some(T + 1_000));
    bench.say(5, "hello");
    assert_eq!(bench.fold.state().erased_at(), Some(T + 1_000));
    bench.mark(number);
    let state = PartitionState::from_bytes(&bench.fold.state().to_bytes()).expect("a state");
    assert_eq!(state.erased_at(), Some(T + 6_000));
}
