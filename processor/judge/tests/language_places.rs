//! Who reads and where: audiences, channels, queues, links; and what is recognised by its form.

mod room;

use gavel_schemas::{ChatMessage, VerdictRecord};
use room::{Room, effects, of, problems, room, rules};

const AUDIENCES: &str = r#"
[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }
[audience.under13]
default = { flag = 1, mask = 2, block = 4 }
threat = { block = 1, escalate = 1, queue = "children" }
[audience.adult]
default = { flag = 4, block = 6 }
rude = {}
[channel]
"kids-*" = { audience = "under13" }
"kids-parents" = { audience = "adult" }
"*-night" = { audience = "adult" }
"*after*" = { audience = "adult" }
[[term]]
id = "heck"
match = ["heck"]
topic = "rude"
risk = 2
[[term]]
id = "evil"
match = ["evil"]
topic = "hate"
risk = 5
[[term]]
id = "regret"
match = ["regret"]
topic = "threat"
risk = 1
[[term]]
id = "worst"
match = ["worst"]
topic = "hate"
risk = 7
"#;

fn says(
    room: &mut Room,
    audience: Option<&'static str>,
    channel: &'static str,
    text: &'static str,
) -> VerdictRecord {
    let message = ChatMessage {
        audience: audience.map(Into::into),
        channel: channel.into(),
        ..of(text)
    };
    room.send(60, message)
}

#[test]
fn the_same_message_has_another_verdict_before_each_audience() {
    let mut room = room(AUDIENCES);
    for (audience, text, action) in [
        (None, "heck", "flag"),
        (Some("under13"), "heck", "mask"),
        (Some("adult"), "heck", "allow"),
        (Some("martians"), "heck", "flag"),
        (Some(""), "heck", "flag"),
        (None, "evil", "block"),
        (Some("under13"), "evil", "block"),
        (Some("adult"), "evil", "flag"),
        (None, "regret", "allow"),
        (Some("under13"), "regret", "block"),
    ] {
        assert_eq!(
            says(&mut room, audience, "lobby", text).action,
            action,
            "{audience:?} {text}"
        );
    }
    // The labels are the same for all.
    let verdict = says(&mut room, Some("adult"), "lobby", "heck");
    assert_eq!(room::risk(&verdict, "rude"), Some(2));
}

#[test]
fn a_channel_sets_the_audience_and_the_longest_pattern_counts() {
    let mut room = room(AUDIENCES);
    for (channel, action) in [
        ("lobby", "flag"),
        ("kids-lobby", "mask"),
        ("kids-", "mask"),
        ("kids-parents", "allow"),
        ("late-night", "allow"),
        ("soonafterwards", "allow"),
        ("mykids-", "flag"),
        // `kids-*` and `*-night` are of different length.
        ("kids-night", "allow"),
    ] {
        assert_eq!(
            says(&mut room, Some("default"), channel, "heck").action,
            action,
            "{channel}"
        );
    }
    // It outranks what the message says.
    assert_eq!(
        says(&mut room, Some("adult"), "kids-lobby", "heck").action,
        "mask"
    );
}

#[test]
fn an_escalation_goes_to_the_queue_of_its_topic_and_audience() {
    let mut room = room(AUDIENCES);
    assert_eq!(
        effects(&says(&mut room, None, "a", "worst")),
        ["escalate default"]
    );
    assert_eq!(
        effects(&says(&mut room, Some("under13"), "a", "regret")),
        ["escalate children"]
    );
    assert_eq!(
        effects(&says(&mut room, Some("under13"), "a", "worst")),
        [""; 0]
    );
    assert_eq!(effects(&says(&mut room, None, "a", "evil")), [""; 0]);
}

#[test]
fn only_what_reaches_mask_is_hidden() {
    let rules = AUDIENCES.replace("risk = 5", "risk = 3");
    let verdict = says(&mut room(&rules), None, "lobby", "what the heck, evil");
    assert_eq!(verdict.masked_text.as_deref(), Some("what the heck, ****"));
}

#[test]
fn audiences_and_channels_must_mean_something() {
    for (rules, problem) in [
        (
            "[channel]\n\"a\" = { audience = \"kids\" }\n",
            "there is no audience `kids`",
        ),
        ("[channel]\n\"a\" = {}\n", "it changes nothing"),
        (
            "[channel]\n\"a\" = { urls = { other = \"mute\" } }\n",
            "unknown action `mute`",
        ),
        (
            "[channel]\n\"a\" = { urls = { allow = [\"example\"], other = \"block\" } }\n",
            "is no domain",
        ),
        (
            "[audience.kids]\ndefault = { flag = 8 }\n",
            "risk 8 is out of range",
        ),
        (
            "[audience.kids]\nrud = { flag = 1 }\n",
            "did you mean `rude`",
        ),
    ] {
        let found = problems(rules);
        assert!(found.contains(problem), "{problem}: {found}");
    }
}

fn detector(kind: &str, more: &str) -> Room {
    room(&format!(
        "[[detector]]\nid = \"found\"\ntype = \"{kind}\"\ntopic = \"pii\"\nrisk = 4\n{more}\n"
    ))
}

#[test]
fn what_names_a_person_is_recognised_and_hidden() {
    for (kind, text, masked) in [
        (
            "email",
            "mail ada@example.com now",
            "mail *************** now",
        ),
        (
            "email",
            "ada (at) example (dot) com",
            "**************************",
        ),
        ("phone", "call +49 30 1234567", "call **************"),
        ("phone", "it's (415) 867-5309!", "it's **************!"),
        ("card", "use 4111 1111 1111 1111", "use *******************"),
        (
            "iban",
            "DE89 3704 0044 0532 0130 00 please",
            "*************************** please",
        ),
        ("ip", "join 93.184.216.34", "join *************"),
        (
            "postal",
            "I live at 221b Baker Street",
            "I live at *****************",
        ),
    ] {
        let verdict = detector(kind, "").hear(text);
        assert_eq!(verdict.masked_text.as_deref(), Some(masked), "{kind}");
    }
}

#[test]
fn other_numbers_name_nobody() {
    for kind in ["email", "phone", "card", "iban", "ip", "postal"] {
        detector(kind, "").passes(&[
            "1000000000 gold",
            "2024-11-21 10:30",
            "1234 5678 9012 3456",
            "v10.4.3.2",
            "192.168.0.1",
            "12 people on the street",
            "@ada hi",
            "45 45 45",
            "level 80, 1v1, 24/7",
            "look at that",
            "order 4158675309",
        ]);
    }
}

#[test]
fn links_are_found_unless_their_domain_is_allowed() {
    let mut links = detector("url", "allow = [\"example.com\", \"*.Example.ORG\"]");
    links.finds(
        "found",
        &[
            "see http://evil.net/x",
            "evil[.]net",
            "evil dot com",
            "example.com.evil.net",
            "notexample.com",
            "hxxps://evil.example",
        ],
    );
    links.passes(&[
        "https://example.com/a",
        "www.example.com",
        "a.b.example.org",
        "ok.so what",
        "trust.me",
        "1.5",
        "e.g. this",
    ]);
}

#[test]
fn named_domains_are_found_and_no_others() {
    let mut domains = detector("domain", "domains = [\"evil.net\"]");
    domains.finds("found", &["evil.net", "http://a.evil.net/b"]);
    domains.passes(&["evil.com", "notevil.net", "http://example.com/evil.net"]);
}

#[test]
fn look_alikes_of_named_domains_are_found_and_those_themselves_are_not() {
    let mut domains = detector("look_alike", "domains = [\"paypal.com\"]");
    domains.finds(
        "found",
        &[
            "paypa1.com",
            "paypal.com.evil.ru",
            "paypal-login.com",
            "раураl.com",
        ],
    );
    domains.passes(&["paypal.com", "www.paypal.com", "paypal.de", "example.com"]);
}

#[test]
fn invitations_are_found_and_so_are_links_to_domains_that_count_as_such() {
    let mut invites = detector("invite", "domains = [\"join.example.com\"]");
    invites.finds(
        "found",
        &[
            "discord.gg/abc",
            "https://discord.com/invite/abc",
            "t.me/x",
            "join.example.com",
        ],
    );
    invites.passes(&["discord.com/channels/1", "discord.gg", "example.com"]);
}

#[test]
fn shouting_is_measured_in_letters_and_percent() {
    let mut usual = detector("caps", "");
    assert_eq!(usual.action("STOP IT RIGHT NOW"), "mask");
    usual.passes(&["GG WP", "STOP it right now please", "1234567890123"]);
    let mut own = detector("caps", "letters = 4\npercent = 50");
    own.finds("found", &["GGwp", "STOP it"]);
    own.passes(&["GGw", "stop IT"]);
}

#[test]
fn repetitions_and_pictures_are_counted() {
    let mut again = detector("repetition", "times = 4");
    again.finds("found", &["noooo", "go go GO go", "!!!!"]);
    again.passes(&["nooo", "go go go", "          "]);
    let mut usual = detector("repetition", "");
    usual.finds("found", &["aaaaaaaaaa"]);
    usual.passes(&["aaaaaaaaa"]);
    let mut pictures = detector("emoji", "count = 3");
    pictures.finds("found", &["😀😀😀", "😀 hi 😀 ho 😀"]);
    pictures.passes(&["😀😀", "hello"]);
}

#[test]
fn a_detector_may_be_off_and_weak_and_must_be_known() {
    detector("email", "enabled = false").passes(&["ada@example.com"]);
    detector("email", "weight = 0.3").passes(&["ada@example.com"]);
    for (kind, more, problem) in [
        ("emial", "", "did you mean `email`"),
        ("email", "allow = [\"example.com\"]", "has no `allow`"),
        ("domain", "", "needs `domains`"),
        ("caps", "percent = 101", "101 is out of range"),
        ("repetition", "times = 2", "2 is out of range"),
        ("url", "allow = [\"example\"]", "is no domain"),
    ] {
        let found = problems(&format!(
            "[[detector]]\nid = \"x\"\ntype = \"{kind}\"\ntopic = \"pii\"\nrisk = 4\n{more}\n"
        ));
        assert!(found.contains(problem), "{problem}: {found}");
    }
}

#[test]
fn an_allow_beats_a_detector_up_to_its_risk() {
    let allow = |risk: u8| {
        detector(
            "email",
            &format!("[[allow]]\nmatch = [\"help@example.com\"]\nmax_risk = {risk}"),
        )
    };
    allow(4).passes(&["write to help@example.com"]);
    allow(4).finds("found", &["write to ada@example.com"]);
    allow(3).finds("found", &["write to help@example.com"]);
}

const LINKS: &str = r#"
[channel]
"news" = { urls = { allow = ["example.com"], other = "block" } }
"art" = { urls = { other = "mask" } }
"talk*" = { urls = { allow = ["example.com"], other = "flag" } }
"free" = { urls = { other = "allow" } }
"#;

#[test]
fn a_channel_says_which_links_may_be_posted_there() {
    let mut room = room(LINKS);
    for (channel, text, action) in [
        ("news", "http://evil.net", "block"),
        ("news", "see example.com/x", "allow"),
        ("news", "no links", "allow"),
        ("art", "see evil.net", "mask"),
        ("talk-1", "evil.net", "flag"),
        ("talk-1", "www.example.com", "allow"),
        ("free", "evil.net", "allow"),
        ("lobby", "evil.net", "allow"),
    ] {
        let verdict = says(&mut room, None, channel, text);
        assert_eq!(verdict.action, action, "{channel}: {text}");
        assert!(verdict.labels.is_empty(), "a link brings no risk");
    }
    let verdict = says(&mut room, None, "art", "see evil.net, ok");
    assert_eq!(
        (verdict.masked_text.as_deref(), rules(&verdict).as_str()),
        (Some("see ********, ok"), "channel/urls")
    );
}

#[test]
fn what_a_channel_allows_is_no_link_to_the_detector_there() {
    let mut room = room(&format!(
        "{LINKS}[[detector]]\nid = \"link\"\ntype = \"url\"\ntopic = \"spam\"\nrisk = 5\n"
    ));
    assert_eq!(says(&mut room, None, "news", "example.com").action, "allow");
    assert_eq!(
        says(&mut room, None, "lobby", "example.com").action,
        "block"
    );
    assert_eq!(
        rules(&says(&mut room, None, "free", "example.com")),
        "channel/urls link"
    );
}

#[test]
fn no_allow_opens_a_channel_to_links() {
    let mut room = room(&format!(
        "{LINKS}[[allow]]\nmatch = [\"kung fu\"]\nmax_risk = 7\n"
    ));
    assert_eq!(
        says(&mut room, None, "news", "kung-fu.evil.net").action,
        "block"
    );
}
