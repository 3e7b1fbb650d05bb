//! What a user does over time: windows, values, steps, and what they are counted by.

mod room;

use gavel_schemas::ChatMessage;
use room::{Room, context, effects, of, problems, risk, room, rules};

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
fn a_rule_that_names_a_topic_hears_other_context_rules_whatever_their_ids() {
    for id in ["aaa", "zzz"] {
        let hears = context("event_count", "\"user\"", 1, "rules = [\"topic/spam\"]")
            .replace("\"often\"", &format!("\"{id}\""))
            .replace("topic = \"spam\"", "topic = \"rude\"");
        let both = format!("{}{hears}", context("event_count", "\"user\"", 2, ""));
        let mut said = each(&mut room(&both), 1, &["a", "b"]);
        assert_eq!(said.remove(0), "");
        assert!(
            said[0].contains("often") && said[0].contains(id),
            "{said:?}"
        );
    }
    // Those that name topics do not hear one another.
    let pair = |first: &str, second: &str| {
        let rule = |id: &str, hears: &str, says: &str| {
            context(
                "event_count",
                "\"user\"",
                1,
                &format!("rules = [\"topic/{hears}\"]"),
            )
            .replace("\"often\"", &format!("\"{id}\""))
            .replace("topic = \"spam\"", &format!("topic = \"{says}\""))
        };
        let rules = format!(
            "{DARN}{}{}",
            rule(first, "rude", "spam"),
            rule(second, "spam", "hate")
        );
        each(&mut room(&rules), 1, &["darn"]).remove(0)
    };
    assert_eq!(pair("aaa", "zzz"), "aaa darn");
    assert_eq!(pair("zzz", "aaa"), "darn zzz");
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
        (
            context(
                "value_count",
                "\"user\", \"text.near\"",
                2,
                "field = \"channel\"",
            ),
            "only `event_count` counts the same text",
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
