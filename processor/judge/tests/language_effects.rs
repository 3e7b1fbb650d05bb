//! What follows for a user: an edit that leaves counters, strikes, trust, mutes, and texts that are not kept.

mod bench;
mod room;

use bench::Bench;
use room::{context, effects, problems, room, rules};

const DARN: &str = "[[term]]\nid = \"darn\"\nmatch = [\"darn\"]\ntopic = \"rude\"\nrisk = 2\n";
const HEAD: &str = "[policy]\nid = \"p\"\ntopics = [\"rude\", \"spam\", \"threat\"]\n[audience.default]\ndefault = { flag = 1, block = 5 }\n";

#[test]
fn an_edited_rule_keeps_its_counters_and_a_renamed_one_begins_anew() {
    let first = format!("{HEAD}{}", context("event_count", "\"user\"", 5, ""));
    for (edited, fires) in [
        (first.replace("gte = 5", "gte = 3"), true),
        (first.replace("10s", "1h"), false),
        (
            first.replace("10s", "1h").replace("gte = 5", "gte = 4"),
            false,
        ),
        (
            first.replace("10s", "1h").replace("gte = 5", "gte = 3"),
            true,
        ),
        (
            first
                .replace("gte = 5", "gte = 3")
                .replace("\"often\"", "\"other\""),
            false,
        ),
        (
            first.replace("gte = 5", "gte = 3").replace("10s", "2s"),
            false,
        ),
    ] {
        let mut bench = Bench::empty();
        let order = bench.publish(&first, "*", 1);
        bench.mark(order);
        bench.say(1, "a");
        bench.say(1, "b");
        let order = bench.publish(&edited, "*", 1);
        bench.mark(order);
        assert_eq!(!rules(&bench.say(1, "c")).is_empty(), fires, "{edited}");
    }
}

#[test]
fn strikes_and_mutes_outlive_the_policy_that_gave_them() {
    let strict = format!(
        "{HEAD}{DARN}[strikes]\nper_risk = {{ \"2\" = 1.0 }}\nhalf_life = \"1d\"\nat = [{{ gte = 2.0, action = \"mute\", for = \"1h\" }}]\n"
    );
    let mut bench = Bench::empty();
    let order = bench.publish(&strict, "*", 1);
    bench.mark(order);
    bench.say(1, "darn");
    let order = bench.publish(&strict.replace("gte = 2.0", "gte = 1.9"), "*", 1);
    bench.mark(order);
    assert_eq!(effects(&bench.say(1, "darn")), ["mute"]);
    let order = bench.publish(HEAD, "*", 1);
    bench.mark(order);
    assert_eq!(bench.say(1, "sorry").code, "muted");
    assert_eq!(bench.say(3_600, "sorry").code, "judged");
}

const TRUST: &str = r#"
[audience.default]
default = { flag = 3, block = 6 }
[trust]
untrusted = -2
trusted = 1
pinned = ["threat"]
[[term]]
id = "crud"
match = ["crud"]
topic = "rude"
risk = 4
[[term]]
id = "mild"
match = ["mild"]
topic = "rude"
risk = 1
[[term]]
id = "regret"
match = ["regret"]
topic = "threat"
risk = 2
[strikes]
per_risk = { "4" = 1.0 }
half_life = "1d"
at = [{ gte = 2.0, trust = "untrusted" }, { gte = 5.0, trust = "normal" }, { gte = 6.0, action = "escalate", queue = "often" }]
"#;

#[test]
fn an_untrusted_user_has_lower_thresholds_but_for_pinned_topics() {
    let mut room = room(TRUST);
    assert_eq!(room.say(1, "mild").action, "allow");
    assert_eq!(effects(&room.say(1, "crud")), [""; 0]);
    let second = room.say(1, "crud");
    // The step binds from the next message on.
    assert_eq!(second.action, "flag");
    assert_eq!(effects(&second), ["trust untrusted"]);
    assert_eq!(rules(&second), "crud strikes");
    let moved = |verdict: gavel_schemas::VerdictRecord| verdict.action;
    assert_eq!(moved(room.say(1, "mild")), "flag");
    assert_eq!(moved(room.say(1, "crud")), "block");
    assert_eq!(moved(room.say(1, "regret")), "allow", "pinned");
    assert_eq!(
        moved(room.say(1, "hello")),
        "allow",
        "no risk is never moved"
    );
}

#[test]
fn a_trusted_user_has_higher_thresholds() {
    let trusting = TRUST.replace(
        "{ gte = 2.0, trust = \"untrusted\" }",
        "{ gte = 1.0, trust = \"trusted\" }",
    );
    let mut room = room(&trusting.replace("block = 6", "block = 4"));
    assert_eq!(room.say(1, "crud").action, "block");
    assert_eq!(room.say(1, "crud").action, "flag");
    assert_eq!(room.hear("crud").action, "block", "somebody else");
}

#[test]
fn trust_comes_back_when_half_of_the_points_for_it_are_gone() {
    let mut room = room(TRUST);
    for _ in 0..2 {
        room.say(1, "crud");
    }
    // One of two points is left after a day.
    assert_eq!(room.say(86_400, "mild").action, "flag");
    assert_eq!(room.say(60, "mild").action, "allow");
}

#[test]
fn a_muted_user_is_blocked_unread_and_a_later_mute_never_shortens_an_earlier_one() {
    let mute = |id: &str, word: &str, time: &str| {
        format!(
            "[[term]]\nid = \"{id}\"\nmatch = [\"{word}\"]\ntopic = \"rude\"\nrisk = 1\n\
             [[context]]\nid = \"{id}-mutes\"\ntype = \"event_count\"\ngroup_by = [\"user\"]\nrules = [\"{id}\"]\ntimespan = \"1s\"\ncondition = {{ gte = 1 }}\n\
             then = {{ topic = \"rude\", risk = 1, action = \"mute\", for = \"{time}\" }}\n"
        )
    };
    let mut room = room(&format!(
        "{}{}",
        mute("a", "long", "1h"),
        mute("b", "short", "1m")
    ));
    let verdict = room.say(1, "long and short");
    assert_eq!(verdict.effects.len(), 1);
    assert_eq!(
        verdict.effects[0].until,
        Some(verdict.judged_at + 3_600_000)
    );
    let muted = room.say(120, "long");
    assert_eq!(
        (
            muted.code.as_str(),
            muted.action.as_str(),
            rules(&muted).as_str()
        ),
        ("muted", "block", "")
    );
    assert_eq!(room.say(3_481, "hello").code, "judged");
}

#[test]
fn what_is_muted_is_not_kept_to_be_read_together() {
    let rules = format!(
        "{DARN}[policy.normalise]\njoin_messages = {{ last = 4, within = \"20s\" }}\n[[context]]\nid = \"mutes\"\ntype = \"event_count\"\n\
        group_by = [\"user\"]\nrules = [\"darn\"]\ntimespan = \"1s\"\ncondition = {{ gte = 1 }}\nthen = {{ topic = \"rude\", risk = 1, action = \"mute\", for = \"1h\" }}\n"
    );
    let mut room = room(&rules);
    room.say(1, "okapi");
    room.say(1, "darn");
    room.say(60, "zebra");
    assert!(!room.remembers("okapi") && !room.remembers("zebra"));
}

#[test]
fn text_that_was_kept_goes_when_the_policy_no_longer_joins() {
    let joining =
        format!("{HEAD}[policy.normalise]\njoin_messages = {{ last = 4, within = \"20s\" }}\n");
    let mut bench = Bench::empty();
    let order = bench.publish(&joining, "*", 1);
    bench.mark(order);
    bench.say(1, "okapi");
    let order = bench.publish(HEAD, "*", 1);
    bench.mark(order);
    bench.say(1, "hello");
    let kept = |bench: &Bench| {
        bench
            .contexts
            .0
            .values()
            .any(|bytes| bytes.windows(5).any(|part| part == b"okapi"))
    };
    assert!(!kept(&bench));
}

#[test]
fn a_rule_demands_an_action_besides_its_risk() {
    for (action, expected) in [("flag", "flag"), ("mask", "block"), ("block", "block")] {
        let rule = context("event_count", "\"user\"", 1, "")
            .replace("risk = 2", &format!("risk = 0, action = \"{action}\""));
        assert_eq!(
            room(&rule).action("hello"),
            expected,
            "what nobody can hide is blocked"
        );
    }
    let rule = context("event_count", "\"user\"", 1, "")
        .replace("risk = 2", "risk = 0, action = \"escalate\", queue = \"q\"");
    let verdict = room(&rule).hear("hello");
    assert_eq!(
        (verdict.action.as_str(), effects(&verdict)),
        ("allow", vec!["escalate q".to_owned()])
    );
    let bad = context("event_count", "\"user\"", 1, "")
        .replace("risk = 2", "risk = 0, action = \"mute\"");
    assert!(problems(&bad).contains("a mute needs `for`"));
}
