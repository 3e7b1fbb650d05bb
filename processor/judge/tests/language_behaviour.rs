//! What a user does over time: windows, values, steps, strikes, mutes; and what an edit of a rule leaves.

mod bench;
mod room;

use bench::Bench;
use gavel_schemas::{ChatMessage, VerdictRecord};
use room::{Room, effects, of, problems, risk, room, rules};

fn context(kind: &str, group: &str, gte: u32, more: &str) -> String {
    format!(
        "[[context]]\nid = \"often\"\ntype = \"{kind}\"\ngroup_by = [{group}]\ntimespan = \"10s\"\ncondition = {{ gte = {gte} }}\n\
         then = {{ topic = \"spam\", risk = 2 }}\n{more}\n"
    )
}

const DARN: &str = "[[term]]\nid = \"darn\"\nmatch = [\"darn\"]\ntopic = \"rude\"\nrisk = 2\n";

/// What is said of each of these messages, so many seconds apart.
fn each(room: &mut Room, seconds: i64, texts: &[&str]) -> Vec<String> {
    texts
        .iter()
        .map(|text| rules(&room.say(seconds, text)))
        .collect()
}

/// One user in a channel, perhaps in answer to somebody.
fn at<'a>(channel: &'a str, text: &'a str, reply_to: Option<&'a str>) -> ChatMessage<'a> {
    ChatMessage {
        channel: channel.into(),
        reply_to: reply_to.map(Into::into),
        ..of(text)
    }
}

#[test]
fn messages_are_counted_in_a_window_that_moves_with_them() {
    let mut flood = room(&context("event_count", "\"user\"", 3, ""));
    assert_eq!(
        each(&mut flood, 4, &["a", "b", "c", "d"]),
        ["", "", "often", "often"]
    );
    // Ten seconds later the first of the last three is not in the window any more.
    assert_eq!(each(&mut flood, 5, &["e", "f", "g"]), ["often", "", ""]);
    assert_eq!(rules(&flood.say(60, "h")), "");
}

#[test]
fn users_and_communities_count_for_themselves() {
    let mut flood = room(&context("event_count", "\"user\"", 2, ""));
    assert_eq!(rules(&flood.say(1, "a")), "");
    assert_eq!(
        rules(&flood.send(
            1,
            ChatMessage {
                user: "v".into(),
                ..of("b")
            }
        )),
        ""
    );
    assert_eq!(
        rules(&flood.send(
            1,
            ChatMessage {
                community: "d".into(),
                ..of("c")
            }
        )),
        ""
    );
    assert_eq!(
        rules(&flood.send(1, at("another channel", "d", None))),
        "often"
    );
}

#[test]
fn grouped_by_channel_each_channel_counts_for_itself() {
    let mut flood = room(&context("event_count", "\"user\", \"channel\"", 2, ""));
    let mut say = |channel: &'static str| rules(&flood.send(1, at(channel, "x", None)));
    assert_eq!(
        ["a", "b", "a", "c", "b"].map(&mut say),
        ["", "", "often", "", "often"]
    );
}

#[test]
fn grouped_by_fingerprint_only_the_same_text_counts() {
    let mut copies = room(&context(
        "event_count",
        "\"user\", \"text.fingerprint\"",
        3,
        "",
    ));
    let texts = [
        "buy gold",
        "hello",
        "BUY gold!",
        "who",
        "buy  g o l d",
        "bye",
        "bu\u{200b}y, gold.",
    ];
    // Case, punctuation and invisible characters make no other text.
    assert_eq!(
        each(&mut copies, 1, &texts),
        ["", "", "", "", "", "", "often"]
    );
}

#[test]
fn grouped_by_near_texts_nearly_the_same_text_counts_too() {
    let rules = |same: &str| {
        room(&context(
            "event_count",
            &format!("\"user\", \"text.{same}\""),
            3,
            "",
        ))
    };
    let texts = [
        "selling my account with all skins, whisper me for the price, very cheap",
        "anyone up for ranked tonight after the raid?",
        "selling my account with all skins, whisper me for the price, so cheap 12",
        "selling my account with all skins, whisper me for a price, very cheap 99",
    ];
    assert_eq!(each(&mut rules("near"), 1, &texts), ["", "", "", "often"]);
    assert_eq!(each(&mut rules("fingerprint"), 1, &texts), [""; 4]);
}

#[test]
fn copies_of_short_texts_are_copies_whatever_is_joined() {
    let join = "[policy.normalise]\njoin_messages = { last = 4, within = \"20s\" }\n";
    for same in ["fingerprint", "near"] {
        let rules = context("event_count", &format!("\"user\", \"text.{same}\""), 3, "");
        let mut copies = room(&format!("{rules}{join}"));
        assert_eq!(
            each(&mut copies, 1, &["gold", "hi", "gold", "gold"]),
            ["", "", "", "often"],
            "{same}"
        );
    }
    let values = context("value_count", "\"user\"", 3, "field = \"text.fingerprint\"");
    assert_eq!(
        each(
            &mut room(&format!("{values}{join}")),
            1,
            &["a", "a", "a", "a"]
        ),
        [""; 4]
    );
}

#[test]
fn different_channels_are_counted_once_each() {
    let mut hopping = room(&context(
        "value_count",
        "\"user\"",
        3,
        "field = \"channel\"",
    ));
    let mut say = |channel: &'static str| rules(&hopping.send(1, at(channel, "x", None)));
    assert_eq!(
        ["a", "b", "a", "a", "b", "c", "a"].map(&mut say),
        ["", "", "", "", "", "often", "often"]
    );
}

#[test]
fn different_texts_are_counted_once_each() {
    let mut many = room(&context(
        "value_count",
        "\"user\"",
        3,
        "field = \"text.fingerprint\"",
    ));
    assert_eq!(
        each(&mut many, 1, &["a", "b", "A!", "b", "c"]),
        ["", "", "", "", "often"]
    );
}

#[test]
fn answers_to_different_messages_are_counted_and_messages_that_answer_nothing_are_not() {
    let mut pestering = room(&context(
        "value_count",
        "\"user\"",
        2,
        "field = \"reply_to\"",
    ));
    let mut say = |reply: Option<&'static str>| rules(&pestering.send(1, at("lobby", "x", reply)));
    assert_eq!(
        [None, Some("m1"), None, Some("m1"), Some("m2")].map(&mut say),
        ["", "", "", "", "often"]
    );
}

#[test]
fn different_values_may_be_counted_by_channel() {
    let mut pestering = room(&context(
        "value_count",
        "\"user\", \"channel\"",
        2,
        "field = \"reply_to\"",
    ));
    let mut say = |channel: &'static str, reply: &'static str| {
        rules(&pestering.send(1, at(channel, "x", Some(reply))))
    };
    assert_eq!(
        [say("a", "m1"), say("b", "m2"), say("a", "m3")],
        ["", "", "often"]
    );
}

#[test]
fn a_rule_that_names_rules_counts_only_what_they_speak_about() {
    let detector =
        "[[detector]]\nid = \"shout\"\ntype = \"caps\"\ntopic = \"spam\"\nrisk = 1\nletters = 5\n";
    let rules_of = |named: &str| {
        let often = context("event_count", "\"user\"", 2, &format!("rules = [{named}]"));
        room(&format!("{DARN}{detector}{often}"))
    };
    let texts = ["darn", "hello", "STOP NOW", "darn"];
    assert_eq!(
        each(&mut rules_of("\"darn\""), 1, &texts),
        ["darn", "", "shout", "darn often"]
    );
    assert_eq!(
        each(&mut rules_of("\"darn\", \"shout\""), 1, &texts),
        ["darn", "", "often shout", "darn often"]
    );
    assert_eq!(
        each(&mut rules_of("\"topic/rude\""), 1, &texts),
        ["darn", "", "shout", "darn often"]
    );
    assert!(
        problems(&context("event_count", "\"user\"", 2, "rules = [\"drn\"]"))
            .contains("there is no rule `drn`")
    );
}

#[test]
fn a_rule_may_count_how_often_another_context_rule_fires() {
    let floods = "[[context]]\nid = \"floods\"\ntype = \"event_count\"\ngroup_by = [\"user\"]\ntimespan = \"1h\"\ncondition = { gte = 2 }\n\
                  rules = [\"often\"]\nthen = { topic = \"spam\", risk = 5, action = \"mute\", for = \"1m\" }\n";
    let mut room = room(&format!(
        "{}{floods}",
        context("event_count", "\"user\"", 2, "")
    ));
    assert_eq!(each(&mut room, 1, &["a", "b"]), ["", "often"]);
    assert_eq!(rules(&room.say(60, "c")), "");
    let again = room.say(1, "d");
    assert_eq!(
        (rules(&again).as_str(), effects(&again)),
        ("floods often", vec!["mute".to_owned()])
    );
    assert!(
        problems(&context(
            "event_count",
            "\"user\"",
            2,
            "rules = [\"often\"]"
        ))
        .contains("names rules itself")
    );
}

#[test]
fn what_a_guard_or_an_exception_took_away_does_not_count() {
    let guarded = format!(
        "{DARN}exceptions = [\"darn socks\"]\nguards = [\"not\"]\n[guard.not]\nbefore = [\"not\"]\n{}",
        context("event_count", "\"user\"", 1, "rules = [\"darn\"]")
    );
    assert_eq!(
        each(&mut room(&guarded), 1, &["not darn", "darn socks", "darn"]),
        ["", "", "darn often"]
    );
}

#[test]
fn a_weak_hit_has_company_in_earlier_messages_where_a_context_rule_names_it() {
    let weak = |id: &str, word: &str| {
        format!(
            "[[term]]\nid = \"{id}\"\nmatch = [\"{word}\"]\ntopic = \"threat\"\nrisk = 3\nweight = 0.4\n"
        )
    };
    let steps = "[[context]]\nid = \"steps\"\ntype = \"temporal_ordered\"\ngroup_by = [\"user\"]\nrules = [\"age\", \"alone\"]\ntimespan = \"7d\"\n\
                 then = { topic = \"threat\", risk = 5, action = \"escalate\", queue = \"children\" }\n";
    let mut room = room(&format!(
        "{}{}{steps}",
        weak("age", "how old are you"),
        weak("alone", "are you alone")
    ));
    let first = room.say(60, "how old are you?");
    assert_eq!(
        (rules(&first).as_str(), first.action.as_str()),
        ("", "allow")
    );
    let second = room.say(3_600, "are you alone?");
    assert_eq!(
        (risk(&second, "threat"), effects(&second)),
        (Some(5), vec!["escalate children".to_owned()])
    );
    assert_eq!(rules(&second), "steps");
}

const STEPS: &str = "[[term]]\nid = \"age\"\nmatch = [\"how old\"]\ntopic = \"threat\"\nrisk = 1\n\
    [[term]]\nid = \"alone\"\nmatch = [\"are you alone\"]\ntopic = \"threat\"\nrisk = 1\n\
    [[context]]\nid = \"steps\"\ntype = \"temporal_ordered\"\ngroup_by = [\"user\"]\nrules = [\"age\", \"alone\"]\ntimespan = \"1h\"\n\
    then = { topic = \"threat\", risk = 5 }\n";

#[test]
fn steps_count_in_their_order_and_within_the_time_since_the_first() {
    let fires = |seconds: i64, texts: &[&str]| {
        let mut room = room(STEPS);
        each(&mut room, seconds, texts)
            .iter()
            .any(|rules| rules.contains("steps"))
    };
    assert!(fires(60, &["how old", "nice", "are you alone"]));
    assert!(!fires(60, &["are you alone", "how old"]));
    assert!(
        !fires(60, &["how old are you alone"]),
        "one message takes one step"
    );
    assert!(fires(60, &["how old", "how old are you alone"]));
    assert!(
        !fires(3_600, &["how old", "are you alone"]),
        "an hour later the first is forgotten"
    );
    assert!(fires(3_599, &["how old", "are you alone"]));
}

#[test]
fn steps_may_be_taken_by_channel() {
    let mut room = room(&STEPS.replace("[\"user\"]", "[\"user\", \"channel\"]"));
    assert_eq!(rules(&room.send(1, at("a", "how old", None))), "age");
    assert_eq!(
        rules(&room.send(1, at("b", "are you alone", None))),
        "alone"
    );
    assert_eq!(
        rules(&room.send(1, at("a", "are you alone", None))),
        "alone steps"
    );
}

#[test]
fn windows_are_bounded() {
    for (rule, problem) in [
        (
            context("event_count", "\"user\"", 101, ""),
            "gte 101 is out of range",
        ),
        (
            context("event_count", "\"channel\"", 2, ""),
            "must hold \"user\"",
        ),
        (
            context("event_count", "\"user\"", 2, "").replace("10s", "91d"),
            "is too long: at most 90d",
        ),
        (
            context("event_count", "\"user\"", 2, "field = \"channel\""),
            "`field` belongs to",
        ),
        (
            context("value_count", "\"user\"", 2, ""),
            "counts the different values of a `field`",
        ),
        (
            context("value_count", "\"user\"", 2, "field = \"text\""),
            "unknown field `text`",
        ),
        (STEPS.replace(", \"alone\"]", "]"), "needs `rules`, 2 to 8"),
        (
            STEPS.replace("then =", "condition = { gte = 2 }\nthen ="),
            "has no `condition`",
        ),
    ] {
        let found = problems(&rule);
        assert!(found.contains(problem), "{problem}: {found}");
    }
    let many: String = (0..6)
        .map(|n| {
            context("event_count", "\"user\"", 100, "")
                .replace("\"often\"", &format!("\"often-{n}\""))
        })
        .collect();
    assert!(problems(&many).contains("at most 512"));
}

#[test]
fn a_busy_user_is_counted_to_the_end_of_a_window_and_not_beyond_it() {
    let mut room = room(&context("event_count", "\"user\"", 100, ""));
    let said: Vec<String> = (0..100)
        .map(|n| rules(&room.say(0, &n.to_string())))
        .collect();
    assert_eq!(said.iter().filter(|rules| *rules == "often").count(), 1);
    assert_eq!(rules(&room.say(9, "more")), "often");
    assert_eq!(rules(&room.say(1, "more")), "");
}

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
    let moved = |verdict: VerdictRecord| verdict.action;
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
