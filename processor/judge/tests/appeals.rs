//! An overturned verdict: the user stands as without that message, and nobody else is touched.

mod bench;

use bench::{Bench, message, mute};
use gavel_judge::{ContextView, describe_context};
use gavel_schemas::{
    ChatMessage, ControlMarker, Order, VerdictOverturned, VerdictRecord, encode_marker,
};
use proptest::prelude::*;

/// `darn` is one point, `crud` two; `scam` mutes by a rule, whatever else was said.
const POLICY: &str = r#"
[policy]
id = "appeals"
topics = ["rude"]
[audience.default]
default = { flag = 2, mask = 3, block = 5 }
[trust]
untrusted = -2
[[term]]
id = "darn"
match = ["darn"]
topic = "rude"
risk = 3
[[term]]
id = "crud"
match = ["crud"]
topic = "rude"
risk = 5
[[term]]
id = "scam"
match = ["scam"]
topic = "rude"
risk = 1
[[context]]
id = "scams"
type = "event_count"
group_by = ["user"]
rules = ["scam"]
timespan = "1s"
condition = { gte = 1 }
then = { topic = "rude", risk = 1, action = "mute", for = "30s" }
[strikes]
per_risk = { "3" = 1.0, "5" = 2.0 }
half_life = "1h"
at = [ { gte = 2.0, trust = "untrusted" }, { gte = 3.5, action = "mute", for = "10m" }, { gte = 6.0, action = "mute", for = "2h" } ]
"#;

fn chat() -> Bench {
    under(POLICY)
}

fn under(policy: &str) -> Bench {
    let mut bench = Bench::empty();
    bench.reload = true;
    let order = bench.publish(policy, "*", 1);
    assert_eq!(bench.mark(order).code, "control");
    bench
}

fn appeal(offset: i64) -> VerdictOverturned {
    VerdictOverturned {
        log_id: "log".into(),
        source_partition: 0,
        source_offset: offset,
        community: "c".into(),
        user: "u".into(),
        message_id: "m1".into(),
        by: "desk".into(),
        reason: "it was a quotation".into(),
        nonce: vec![7; 16],
        issued_at: 0,
    }
}

fn order(bench: &mut Bench, appeal: VerdictOverturned) -> VerdictRecord {
    let number = bench.order(&Order::VerdictOverturned(appeal));
    bench.mark(number)
}

fn overturn(bench: &mut Bench, verdict: &VerdictRecord) -> VerdictRecord {
    order(bench, appeal(verdict.source_offset))
}

fn view(bench: &Bench) -> ContextView {
    describe_context(&bench.contexts.0[b"c/u".as_slice()]).expect("a context")
}

/// What must be equal for two users who stand alike.
fn standing(bench: &Bench) -> (i64, u64, i64, &'static str, u64) {
    let view = view(bench);
    (
        view.mute_until,
        view.strikes,
        view.strikes_at,
        view.trust,
        view.trust_floor,
    )
}

fn effects(verdict: &VerdictRecord) -> Vec<(&str, Option<i64>, Option<&str>)> {
    let effects = verdict.effects.iter();
    effects
        .map(|effect| (effect.kind.as_str(), effect.until, effect.trust.as_deref()))
        .collect()
}

#[test]
fn the_markers_verdict_takes_the_other_one_back() {
    let mut bench = chat();
    let crud = bench.say(0, "crud");
    bench.at += 1_000;
    let undone = overturn(&mut bench, &crud);
    assert_eq!(
        (undone.code.as_str(), undone.action.as_str()),
        ("overturned", "allow")
    );
    assert_eq!(undone.overturns, Some(crud.source_offset));
    assert_eq!(
        [&undone.community, &undone.user, &undone.message_id],
        ["c", "u", "m1"]
    );
    assert_eq!((&undone.policy, undone.judged_at), (&crud.policy, bench.at));
    assert_eq!(effects(&undone), [("trust", None, Some("normal"))]);
    assert_eq!(standing(&bench), (0, 0, 0, "normal", 0));
    assert!(view(&bench).consequences.is_empty());
}

#[test]
fn a_mute_that_needed_the_message_ends() {
    let mut bench = chat();
    let first = bench.say(0, "crud");
    let second = bench.say(20, "crud");
    assert_eq!(mute(&second), Some(bench.at + 600_000));
    assert_eq!(bench.say(60, "hello").code, "muted");
    let undone = overturn(&mut bench, &first);
    // Two points of the other are left: still untrusted.
    assert_eq!(effects(&undone), [("unmute", None, None)]);
    assert_eq!(bench.say(1, "hello").code, "judged");
}

#[test]
fn a_mute_that_other_messages_bring_alone_stays() {
    let mut bench = chat();
    let first = bench.say(0, "crud");
    bench.say(1, "crud scam");
    let begun = bench.at;
    let undone = overturn(&mut bench, &first);
    assert_eq!(effects(&undone), [("unmute", Some(begun + 30_000), None)]);
    assert_eq!(bench.say(29, "hello").code, "muted");
    assert_eq!(bench.say(1, "hello").code, "judged");
}

#[test]
fn a_mute_by_a_rule_ends_with_its_message() {
    let mut bench = chat();
    let scam = bench.say(0, "scam");
    assert_eq!(bench.say(1, "hello").code, "muted");
    assert_eq!(
        effects(&overturn(&mut bench, &scam)),
        [("unmute", None, None)]
    );
    assert_eq!(bench.say(1, "hello").code, "judged");
}

#[test]
fn a_mute_that_is_over_anyway_is_no_effect() {
    let mut bench = chat();
    let scam = bench.say(0, "scam");
    bench.at += 30_000;
    let undone = overturn(&mut bench, &scam);
    assert_eq!(
        (undone.code.as_str(), undone.effects.len()),
        ("overturned", 0)
    );
}

#[test]
fn an_inspected_context_shows_what_each_message_brought() {
    let mut bench = chat();
    let crud = bench.say(0, "crud");
    bench.say(1, "hello");
    let scam = bench.say(1, "scam darn");
    let shown = view(&bench).consequences;
    let shown: Vec<_> = shown
        .iter()
        .map(|one| (one.offset, one.at, one.points, one.mute_until))
        .collect();
    assert_eq!(
        shown,
        [
            (crud.source_offset, crud.judged_at, 2_000, 0),
            (
                scam.source_offset,
                scam.judged_at,
                1_000,
                scam.judged_at + 30_000
            )
        ]
    );
}

#[test]
fn an_order_about_somebody_or_something_else_changes_nothing() {
    let mut bench = chat();
    let crud = bench.say(0, "crud");
    let other = ChatMessage {
        user: "other".into(),
        text: "crud".into(),
        ..message()
    };
    bench.send(0, other);
    let before = bench.contexts.clone();
    let offset = crud.source_offset;
    for wrong in [
        appeal(offset + 1),
        appeal(offset - 1),
        VerdictOverturned {
            user: "other".into(),
            ..appeal(offset)
        },
        VerdictOverturned {
            community: "d".into(),
            ..appeal(offset)
        },
        VerdictOverturned {
            community: "c/u".into(),
            user: String::new(),
            ..appeal(offset)
        },
        VerdictOverturned {
            log_id: "former".into(),
            ..appeal(offset)
        },
        VerdictOverturned {
            source_partition: 1,
            ..appeal(offset)
        },
        VerdictOverturned {
            message_id: "m".repeat(513),
            ..appeal(offset)
        },
    ] {
        let verdict = order(&mut bench, wrong.clone());
        assert_eq!(
            (
                verdict.code.as_str(),
                verdict.overturns,
                verdict.user.as_str()
            ),
            ("control", None, ""),
            "{wrong:?}"
        );
        assert_eq!(bench.contexts, before, "{wrong:?}");
    }
    overturn(&mut bench, &crud);
    assert_ne!(
        bench.contexts.0[b"c/u".as_slice()],
        before.0[b"c/u".as_slice()]
    );
    assert_eq!(
        bench.contexts.0[b"c/other".as_slice()],
        before.0[b"c/other".as_slice()]
    );
}

#[test]
fn a_marker_that_does_not_fit_its_order_is_refused() {
    let mut bench = chat();
    let crud = bench.say(0, "crud");
    let number = bench.order(&Order::VerdictOverturned(appeal(crud.source_offset)));
    let before = bench.contexts.clone();
    let right = bench.control.orders().last().expect("the order").sha256;
    for (order, kind, sha256) in [
        (number, "verdict-overturned", [0; 32]),
        (number, "user-erased", right),
        (number - 1, "verdict-overturned", right),
    ] {
        let mut marker = Vec::new();
        let forged = ControlMarker {
            order,
            kind,
            sha256,
        };
        encode_marker(&forged, &mut marker);
        assert_eq!(
            bench.record(&marker).reasons[0].rule,
            "refused/marker-mismatch"
        );
    }
    assert_eq!(bench.contexts, before);
}

#[test]
fn overturning_twice_is_overturning_once() {
    let mut bench = chat();
    let first = bench.say(0, "crud");
    bench.say(1, "darn");
    assert_eq!(overturn(&mut bench, &first).code, "overturned");
    let once = bench.contexts.clone();
    let again = overturn(&mut bench, &first);
    assert_eq!((again.code.as_str(), again.overturns), ("control", None));
    assert_eq!(bench.contexts, once);
}

#[test]
fn the_retry_of_an_overturned_message_is_let_through() {
    let mut bench = chat();
    let named = |id: &'static str, text: &'static str| ChatMessage {
        message_id: id.into(),
        text: text.into(),
        ..message()
    };
    let crud = bench.send(0, named("m1", "crud"));
    bench.send(1, named("m2", "crud"));
    let unread = bench.send(1, named("m3", "hello"));
    assert_eq!(unread.code, "muted");
    for (verdict, retry) in [
        (&unread, named("m3", "hello")),
        (&crud, named("m1", "crud")),
    ] {
        let blocked = bench.send(1, retry.clone());
        assert_eq!(
            (blocked.action.as_str(), blocked.duplicate_of),
            ("block", Some(verdict.source_offset))
        );
        assert_eq!(overturn(&mut bench, verdict).code, "overturned");
        let again = bench.send(1, retry);
        assert_eq!(
            (again.action.as_str(), again.code.as_str()),
            ("allow", "judged")
        );
        assert_eq!(again.duplicate_of, Some(verdict.source_offset));
    }
}

#[test]
fn what_the_ledger_has_no_room_for_stays_and_the_rest_is_counted_upon_it() {
    let policy = POLICY.replace(", { gte = 3.5, action = \"mute\", for = \"10m\" }, { gte = 6.0, action = \"mute\", for = \"2h\" }", "");
    let run = |harmless: Option<usize>| {
        let mut bench = under(&policy);
        let verdicts: Vec<VerdictRecord> = (0..20)
            .map(|n| bench.say(300, if harmless == Some(n) { "hello" } else { "darn" }))
            .collect();
        (bench, verdicts)
    };
    let (mut bench, verdicts) = run(None);
    assert_eq!(view(&bench).consequences.len(), 16);
    let before = bench.contexts.clone();
    assert_eq!(overturn(&mut bench, &verdicts[3]).code, "control");
    assert_eq!(bench.contexts, before);
    assert_eq!(overturn(&mut bench, &verdicts[4]).code, "overturned");
    assert_eq!(standing(&bench), standing(&run(Some(4)).0));
}

#[test]
fn a_stricter_policy_meanwhile_gives_nothing_that_was_not_there() {
    let stricter = POLICY
        .replace("half_life = \"1h\"", "half_life = \"30d\"")
        .replace("gte = 3.5", "gte = 1.0")
        .replace("gte = 6.0", "gte = 1.5");
    let mut bench = chat();
    let first = bench.say(0, "darn");
    bench.say(3_600, "darn");
    let before = standing(&bench);
    let number = bench.publish(&stricter, "*", 1);
    bench.mark(number);
    let undone = overturn(&mut bench, &first);
    assert_eq!(
        (undone.code.as_str(), undone.effects.len()),
        ("overturned", 0)
    );
    let after = standing(&bench);
    assert_eq!((before.0, after.0), (0, 0));
    assert_eq!((after.1, after.2), (1_000, before.2), "one point of two");
    assert_eq!(bench.say(1, "hello").action, "allow");
}

#[test]
fn the_policy_in_force_decides_what_the_other_messages_bring() {
    let mut bench = chat();
    let first = bench.say(0, "crud");
    bench.say(1, "crud");
    assert_eq!(bench.say(1, "hello").code, "muted");
    let milder = POLICY[..POLICY.find("[strikes]").expect("a section")].to_owned();
    let number = bench.publish(&milder, "*", 1);
    bench.mark(number);
    assert_eq!(bench.say(1, "hello").code, "muted");
    assert_eq!(
        effects(&overturn(&mut bench, &first)),
        [("unmute", None, None)]
    );
    assert_eq!(bench.say(1, "hello").code, "judged");
}

#[test]
fn a_candidate_undoes_it_by_its_own_rules() {
    let candidate = POLICY.replace("\"3\" = 1.0", "\"3\" = 4.0");
    let mut bench = chat();
    bench.shadow(&candidate, "*");
    let darn = bench.say(0, "darn");
    let shadow_code = |bench: &Bench| bench.shadowed.as_ref().map(|verdict| verdict.code.clone());
    assert_eq!(bench.say(1, "hello").code, "judged");
    assert_eq!(shadow_code(&bench).as_deref(), Some("muted"));
    // Of the verdict in force only the point is taken back.
    let undone = overturn(&mut bench, &darn);
    assert_eq!(
        (undone.code.as_str(), undone.effects.len()),
        ("overturned", 0)
    );
    assert_eq!(bench.shadowed, None);
    bench.say(1, "hello");
    assert_eq!(shadow_code(&bench).as_deref(), Some("judged"));
}

#[test]
fn an_expired_context_is_not_brought_back() {
    let mut bench = chat();
    let crud = bench.say(0, "crud");
    bench.at += 91 * 86_400_000;
    let before = bench.contexts.clone();
    assert_eq!(overturn(&mut bench, &crud).code, "control");
    assert_eq!(bench.contexts, before);
}

#[test]
fn a_user_without_consequences_costs_one_byte_more_than_before() {
    let mut bench = chat();
    bench.say(0, "hello");
    // Format 2 had 46 bytes and 26 for a message.
    assert_eq!(bench.contexts.0[b"c/u".as_slice()].len(), 46 + 26 + 1);
}

const WORDS: [&str; 6] = ["hello", "darn", "crud", "scam", "scam crud", "darn crud"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whoever was muted because of the message said nothing that counts meanwhile, so the other history leaves that out.
    #[test]
    fn an_overturned_message_leaves_what_a_harmless_one_would_have_left(
        history in proptest::collection::vec((0i64..600, 0..WORDS.len()), 1..15),
        pick in any::<prop::sample::Index>(),
        later in 0i64..600,
    ) {
        let mut bench = chat();
        let verdicts: Vec<VerdictRecord> = history
            .iter()
            .map(|(seconds, word)| bench.say(*seconds, WORDS[*word]))
            .collect();
        let heard: Vec<usize> = (0..history.len()).filter(|n| verdicts[*n].code == "judged").collect();
        let wrong = heard[pick.index(heard.len())];
        let mut other = chat();
        for (n, (seconds, word)) in history.iter().enumerate() {
            if verdicts[n].code == "judged" {
                let text = if n == wrong { "hello" } else { WORDS[*word] };
                prop_assert_eq!(other.say(*seconds, text).code, "judged");
            } else {
                other.at += *seconds * 1_000;
            }
        }
        bench.at += later * 1_000;
        let before = view(&bench);
        let undone = overturn(&mut bench, &verdicts[wrong]);
        let after = view(&bench);
        prop_assert_eq!(standing(&bench), standing(&other));
        prop_assert_eq!(after.consequences.len(), view(&other).consequences.len());
        prop_assert!(after.mute_until <= before.mute_until);
        let shorter = after.mute_until < before.mute_until && bench.at < before.mute_until;
        let unmute = undone.effects.iter().find(|effect| effect.kind == "unmute");
        prop_assert_eq!(unmute.is_some(), shorter);
        let left = (after.mute_until > bench.at).then_some(after.mute_until);
        prop_assert!(unmute.is_none_or(|effect| effect.until == left));
    }
}
