//! Disguises that come off, and innocent texts that only look like them.

mod room;

use room::{Room, of, problems, room, room_with};

const DARN: &str = r#"
[[term]]
id = "darn"
match = ["darn", "shoot"]
topic = "rude"
risk = 3
"#;

#[test]
fn every_disguise_comes_off_and_is_named() {
    let mut room = room(DARN);
    for (text, disguise) in [
        ("darn", ""),
        ("DaRN", ""),
        ("dárn", ""),
        ("d4rn", "leet"),
        ("$h00t", "leet"),
        ("sh()()t", "not found"),
        ("d\u{200b}a\u{2060}r\u{ad}n", "invisible"),
        ("d\u{e0061}arn", "invisible"),
        ("dаrn", "confusable"),
        ("ԁаrո", "confusable"),
        ("daяn", "confusable"),
        ("ｄａｒｎ", "full-width"),
        ("𝒹𝒶𝓇𝓃", "full-width"),
        ("ⓓⓐⓡⓝ", "full-width"),
        ("🅳🅰🆁🅽", "emoji-letters"),
        ("🇩🇦🇷🇳", "emoji-letters"),
        ("🇩 🇦 🇷 🇳", "emoji-letters+spaced"),
        ("d\u{336}\u{310}a\u{336}r\u{489}n\u{336}", "marks"),
        ("daaaaarn", "repeat"),
        ("dddaaarrrnnn", "repeat"),
        ("shoooot", "repeat"),
        ("shooooooooot", "repeat"),
        ("d a r n", "spaced"),
        ("d.a.r.n", "spaced"),
        ("d-a-r-n", "spaced"),
        ("d_a_r_n", "spaced"),
        ("d, a, r, n", "spaced"),
        ("D  A  R  N", "spaced"),
        ("d\na\nr\nn", "spaced"),
        ("\u{202e}nrad", "reversed"),
        ("so \u{202e}nrad\u{202c} it", "reversed"),
        ("d 4 r n", "leet+spaced"),
        ("d\u{200b}4rn", "invisible+leet"),
        ("ｄ４rn", "full-width+leet"),
    ] {
        assert_eq!(room.disguise(text), disguise, "{text}");
    }
}

#[test]
fn a_disguised_word_is_hidden_with_its_disguise_and_nothing_else() {
    let mut room = room(DARN);
    for (text, masked) in [
        ("oh D.A.R.N it", "oh ******* it"),
        ("oh d\u{200b}arn it", "oh ***** it"),
        ("oh d\u{336}arn\u{336} it", "oh ****** it"),
        ("oh 🅳🅰🆁🅽 it", "oh **** it"),
        ("oh \u{202e}nrad\u{202c} it", "oh \u{202e}****\u{202c} it"),
        ("oh daaarn it", "oh ****** it"),
    ] {
        assert_eq!(
            room.hear(text).masked_text.as_deref(),
            Some(masked),
            "{text}"
        );
    }
}

#[test]
fn numbers_and_units_stay_what_they_are() {
    // Every reading of the numbers as letters is a term here.
    let rules = r#"
[[term]]
id = "number"
match = ["as", "ass", "asas", "ivi", "lvl", "lvi", "ass ass", "ks", "gs", "ist", "lst", "znd", "zoo", "he", "bob", "boss", "soo", "sos", "iookm", "tt"]
topic = "rude"
risk = 3
partial = false
fuzzy = true
"#;
    room(rules).passes(&[
        "45 45", "45s", "1v1", "1 v 1", "45455", "455", "4 5 5", "20ks", "1st", "2nd", "200",
        "500", "505", "100km", "24/7", "3.14", "80085", "v1.2.3", "77", "5:05", "1,000", "h3",
        "x2", "10k",
    ]);
}

#[test]
fn innocent_words_stay_innocent() {
    let rules = r#"
[[term]]
id = "bad"
match = ["ass", "cunt", "fuck", "cock", "dick", "homo", "hell", "tit", "tits", "shit", "cum", "sex", "rape", "nig", "spic", "fag"]
topic = "rude"
risk = 5
fuzzy = true
[[allow]]
match = ["dick van dyke", "moby dick"]
max_risk = 5
"#;
    let mut room = room(rules);
    room.passes(&[
        "assessment",
        "class assignment",
        "Scunthorpe",
        "Kung Fu",
        "Dick Van Dyke",
        "Moby-Dick",
        "Cockburn",
        "Shomo",
        "but it's",
        "let's hit the road",
        "it\u{2019}s hit or miss",
        "I'd ick",
        "he'll",
        "we'll shell",
        "title",
        "shitake",
        "document",
        "cumulative",
        "Essex",
        "grapes",
        "night",
        "snigger",
        "suspicious",
        "a s",
        "as sad as",
        "I am gay",
        "muslims and jews",
        "black people",
        "the trans community",
        "class as usual",
        "has he",
        "pass it",
        "push it",
        "was hit",
        "it is he",
        "as it's",
        "*sighs* ok",
        "f",
        "u",
        "c u",
        "s o s",
        "i t",
        "o.k.",
        "U.S.A.",
        "A B C D",
        "x y z",
        "q.e.d.",
        "e.g. this",
        "wtf?!",
        "ok...so",
        "lol!!!",
        "yes!!1",
    ]);
    room.finds(
        "bad",
        &[
            "s hit",
            "'s hit'",
            "you dick",
            "what the h3ll",
            "a s s",
            "c0ck",
        ],
    );
}

#[test]
fn the_switches_of_normalise_leave_what_they_name() {
    let with = |switch: &str| room(&format!("{DARN}[policy.normalise]\n{switch}\n"));
    let cases = [
        ("leet = \"off\"", "d4rn"),
        ("join_spaced = false", "d a r n"),
        ("max_repeat = 0", "daaaarn"),
    ];
    for (switch, _) in cases {
        let mut room = with(switch);
        for (other, text) in cases {
            let found = if other == switch { "" } else { "darn" };
            assert_eq!(room.found(text), found, "{switch}: {text}");
        }
        // These cannot be switched off.
        room.finds(
            "darn",
            &["d\u{200b}arn", "ｄａｒｎ", "dаrn", "DARN", "dárn"],
        );
    }
    for usual in [
        "leet = \"beside_letters\"",
        "join_spaced = true",
        "max_repeat = 2",
        "nfkc = true\nstrip_invisible = true\nconfusables = true",
    ] {
        with(usual).finds("darn", &["d4rn", "d a r n", "daaaarn"]);
    }
    for switch in ["nfkc", "strip_invisible", "confusables"] {
        let found = problems(&format!("[policy.normalise]\n{switch} = false\n"));
        assert!(found.contains("is always on"), "{found}");
    }
    assert!(problems("[policy.normalise]\nleet = \"of\"\n").contains("did you mean `off`"));
    assert!(problems("[policy.normalise]\nmax_repeat = 5\n").contains("max_repeat 5"));
}

#[test]
fn a_pattern_is_read_like_a_message() {
    let words = "[\"DÁRN\", \"ass-hat\", \"🍆🍆\", \"пиво\", \"くそ\"]";
    let mut room = room(&DARN.replace("[\"darn\", \"shoot\"]", words));
    room.finds("darn", &["darn", "ass hat", "a 🍆🍆 b", "ПИВО", "くそ"]);
    room.passes(&["🍆", "пив", "asshat"]);
}

const JOINED: &str = "[policy.normalise]\njoin_messages = { last = 4, within = \"20s\" }\n";

fn joining() -> Room {
    room(&format!("{DARN}{JOINED}"))
}

#[track_caller]
fn says(room: &mut Room, seconds: i64, texts: &[&str]) -> String {
    let mut last = String::new();
    for text in texts {
        let verdict = room.say(seconds, text);
        let reasons: Vec<String> = verdict
            .reasons
            .iter()
            .map(|reason| format!("{} {}", reason.rule, reason.evasion))
            .collect();
        last = reasons.join(", ");
    }
    last
}

#[test]
fn a_word_in_several_messages_is_read_together() {
    assert_eq!(
        says(&mut joining(), 1, &["d", "a", "r", "n"]),
        "darn joined-messages+spaced"
    );
    assert_eq!(
        says(&mut joining(), 1, &["d a", "r n"]),
        "darn joined-messages+spaced"
    );
    let phrase = format!(
        "{}{JOINED}",
        DARN.replace("[\"darn\"", "[\"you darn fool\"")
    );
    assert_eq!(
        says(&mut room(&phrase), 1, &["you", "darn", "fool"]),
        "darn joined-messages"
    );
    // Without the switch, nothing is.
    assert_eq!(says(&mut room(DARN), 1, &["d", "a", "r", "n"]), "");
    // The part of the word that stands in the last message is hidden.
    let mut room = joining();
    says(&mut room, 1, &["d", "a", "r"]);
    assert_eq!(room.say(1, "n it").masked_text.as_deref(), Some("* it"));
}

#[test]
fn only_the_last_messages_within_the_time_are_read_together() {
    // Four messages: the fifth from the end is forgotten.
    assert_eq!(says(&mut joining(), 1, &["s", "h", "o", "o", "t"]), "");
    assert_eq!(
        says(&mut joining(), 6, &["d", "a", "r", "n"]),
        "darn joined-messages+spaced"
    );
    // The first is 21 seconds old.
    assert_eq!(says(&mut joining(), 7, &["d", "a", "r", "n"]), "");
}

#[test]
fn messages_are_joined_by_user_and_by_channel() {
    let mut room = joining();
    let mut say = |user: &'static str, channel: &'static str, text: &'static str| {
        let message = gavel_schemas::ChatMessage {
            user: user.into(),
            channel: channel.into(),
            ..of(text)
        };
        room::rules(&room.send(1, message))
    };
    // Two users.
    say("ada", "lobby", "da");
    assert_eq!(say("bob", "lobby", "r n"), "");
    // One user in two channels.
    say("eve", "lobby", "d");
    say("eve", "lobby", "a");
    say("eve", "trade", "r");
    assert_eq!(say("eve", "trade", "n"), "");
}

#[test]
fn what_stands_in_one_message_is_found_there_and_only_once() {
    let mut room = joining();
    let first = room.say(1, "darn");
    assert_eq!(first.reasons[0].evasion, "");
    let second = room.say(1, "it");
    assert_eq!(room::rules(&second), "");
}

#[test]
fn long_messages_are_neither_kept_nor_joined_and_part_nothing() {
    let long =
        "a message of more than sixty-four bytes is read by itself, and its text is not kept";
    let mut room = joining();
    says(&mut room, 1, &["d", "a", long]);
    assert!(!room.remembers("sixty-four"));
    assert_eq!(
        says(&mut room, 1, &["r", "n"]),
        "darn joined-messages+spaced"
    );
}

#[test]
fn the_text_of_short_messages_is_kept_no_longer_than_it_is_needed() {
    let mut room = joining();
    says(&mut room, 1, &["zebra", "b", "c", "d"]);
    assert!(
        !room.remembers("zebra"),
        "only three are read with the next"
    );
    room.say(1, "okapi");
    assert!(room.remembers("okapi"));
    room.say(30, "hello");
    assert!(!room.remembers("okapi"), "its time is over");
    let mut without = self::room(DARN);
    without.say(1, "okapi");
    assert!(!without.remembers("okapi"), "nothing is joined");
}

#[test]
fn shouting_and_repeating_are_not_read_together() {
    let rules = format!(
        "{JOINED}{}{}{}",
        "[[detector]]\nid = \"caps\"\ntype = \"caps\"\ntopic = \"spam\"\nrisk = 2\nletters = 10\n",
        "[[detector]]\nid = \"again\"\ntype = \"repetition\"\ntopic = \"spam\"\nrisk = 2\ntimes = 3\n",
        "[[detector]]\nid = \"emoji\"\ntype = \"emoji\"\ntopic = \"spam\"\nrisk = 2\ncount = 3\n",
    );
    assert_eq!(says(&mut room(&rules), 2, &["GG", "GG WP", "NICE ONE"]), "");
    assert_eq!(says(&mut room(&rules), 2, &["lol", "lol", "lol"]), "");
    assert_eq!(says(&mut room(&rules), 2, &["😀", "😀", "😀"]), "");
}

#[test]
fn a_number_in_several_messages_is_read_together() {
    let rules = format!(
        "{JOINED}[[detector]]\nid = \"phone\"\ntype = \"phone\"\ntopic = \"pii\"\nrisk = 4\n"
    );
    assert_eq!(
        says(&mut room(&rules), 2, &["415", "867", "5309"]),
        "phone joined-messages"
    );
}

#[test]
fn join_messages_is_bounded() {
    for (join, problem) in [
        ("{ last = 9, within = \"20s\" }", "last = 9 is out of range"),
        ("{ last = 1, within = \"20s\" }", "last = 1 is out of range"),
        ("{ last = 4, within = \"6m\" }", "at most 5m"),
    ] {
        let found = problems(&format!("[policy.normalise]\njoin_messages = {join}\n"));
        assert!(found.contains(problem), "{found}");
    }
}

#[test]
fn an_evasive_phrase_is_found_among_innocent_groups() {
    let head = "[policy]\nid = \"p\"\ntopics = [\"hate\"]\nordinary = [\"ordinary.txt\"]\n";
    let rules = "[words]\nhate = { fuzzy = true, match = [\"hate\"] }\ngroup = { fuzzy = true, match = [\"women\", \"muslims\", \"gays\"] }\n\
        [[term]]\nid = \"hate\"\nmatch = [\"@hate (0..2) @group\"]\ntopic = \"hate\"\nrisk = 5\n";
    let mut room = room_with(
        head,
        rules,
        &[("ordinary.txt", "i gas guys haste hat the we")],
    );
    room.passes(&[
        "women",
        "muslims are my neighbours",
        "gays are great",
        "hate the guys",
        "the hat of women",
        "i hate gas",
    ]);
    room.finds(
        "hate",
        &[
            "i hate w0men",
            "h.a.t.e the muslim\u{200b}s",
            "ihatewomen",
            "i hate g a y s",
        ],
    );
}
