//! The language of policies, feature by feature: words, phrases, misspellings, and what beats them.

mod room;

use gavel_schemas::ChatMessage;
use room::{DARN, HATE, of, problems, risk, room, room_with, rules};

#[test]
fn a_word_matches_as_a_whole_word() {
    let mut room = room(DARN);
    room.finds(
        "darn",
        &["darn", "oh DARN it", "(darn)", "darn, no", "'darn'"],
    );
    room.passes(&["darned", "goddarn", "darning", "dar n't"]);
}

#[test]
fn a_star_opens_the_beginning_or_the_end_of_a_word() {
    let mut room = room(&DARN.replace("[\"darn\"]", "[\"darn*\", \"*head\", \"*mud*\"]"));
    room.finds(
        "darn",
        &["darn", "darned", "blockhead", "head", "mudpie", "unmuddy"],
    );
    room.passes(&["goddarn", "headless", "me ad"]);
    // The hit reaches to the end of the pattern; what follows is not hidden.
    assert_eq!(room.hear("darned").masked_text.as_deref(), Some("****ed"));
}

#[test]
fn several_words_are_found_one_after_another_whatever_stands_between() {
    let mut room = room(&DARN.replace("\"darn\"]", "\"nobody likes you\"]"));
    room.finds(
        "darn",
        &[
            "nobody likes you",
            "Nobody  likes\nyou!",
            "nobody-likes-you",
            "nobody. likes. you",
        ],
    );
    room.passes(&[
        "nobody really likes you",
        "nobody likes your",
        "likes you nobody",
    ]);
}

#[test]
fn a_partial_term_is_found_inside_words() {
    let mut room = room(&format!(
        "{DARN}partial = true\nexceptions = [\"darning\"]\n"
    ));
    room.finds("darn", &["darn", "goddarnit", "xxdarnxx", "goddarn3d"]);
    room.passes(&["darning", "dar ning"]);
}

#[test]
fn the_highest_risk_of_a_topic_is_its_label_and_topics_have_labels_of_their_own() {
    let rules = r#"
[[term]]
id = "a"
match = ["darn"]
topic = "rude"
risk = 2
[[term]]
id = "b"
match = ["crud"]
topic = "rude"
risk = 4
[[term]]
id = "c"
match = ["i will find you"]
topic = "threat"
risk = 6
"#;
    let verdict = room(rules).hear("darn you crud, I will find you");
    assert_eq!(
        (
            risk(&verdict, "rude"),
            risk(&verdict, "threat"),
            risk(&verdict, "spam")
        ),
        (Some(4), Some(6), None)
    );
    assert_eq!(room::rules(&verdict), "a b c");
}

#[test]
fn a_term_without_risk_marks_a_message_and_changes_nothing() {
    let verdict = room(&DARN.replace("risk = 3", "risk = 0")).hear("darn");
    assert_eq!(
        (
            verdict.action.as_str(),
            risk(&verdict, "rude"),
            rules(&verdict).as_str()
        ),
        ("allow", Some(0), "darn")
    );
}

#[test]
fn weak_hits_of_a_topic_count_only_in_company() {
    let weak = |id: &str, word: &str, topic: &str, weight: &str| {
        format!(
            "[[term]]\nid = \"{id}\"\nmatch = [\"{word}\"]\ntopic = \"{topic}\"\nrisk = 3\nweight = {weight}\n"
        )
    };
    let rules = [
        weak("a", "alone", "threat", "0.4"),
        weak("b", "secret", "threat", "0.3"),
        weak("c", "address", "pii", "0.4"),
        weak("d", "dark", "threat", "0.05"),
        weak("e", "knife", "threat", "0.5"),
    ]
    .concat();
    let mut room = room(&rules);
    // 0.6 * 0.7 = 0.42 is less than even that both are wrong.
    room.finds("a b", &["alone with a secret", "a secret, when alone"]);
    // One half counts by itself.
    room.finds("e", &["a knife"]);
    // The same twice, another topic, or too little together.
    room.passes(&[
        "alone",
        "alone alone alone",
        "alone at this address",
        "alone in the dark",
    ]);
}

#[test]
fn a_term_of_a_language_is_deaf_to_other_known_languages() {
    let mut room = room(&format!("{DARN}language = \"de\"\n"));
    let mut ask = |language: Option<&'static str>| {
        let verdict = room.send(
            60,
            ChatMessage {
                language: language.map(Into::into),
                ..of("darn")
            },
        );
        verdict.action
    };
    assert_eq!(
        [None, Some("de"), Some("DE-at"), Some("de_CH")].map(&mut ask),
        ["mask"; 4]
    );
    assert_eq!(
        [Some("en"), Some("den"), Some("nl")].map(&mut ask),
        ["allow"; 3]
    );
}

#[test]
fn an_exception_beats_the_term_it_belongs_to_and_no_other() {
    let rules = format!(
        "{DARN}exceptions = [\"darn good\", \"so darn*\"]\n{}",
        DARN.replace("id = \"darn\"", "id = \"other\"")
    );
    let mut room = room(&rules);
    room.finds(
        "other",
        &["darn good", "a DARN g00d pie", "so darned good darn good"],
    );
    room.finds("darn other", &["darn", "good darn"]);
    // Elsewhere in the same message the word still counts.
    assert_eq!(
        room.hear("darn good, darn").masked_text.as_deref(),
        Some("**** good, ****")
    );
}

#[test]
fn an_allow_beats_every_overlapping_hit_up_to_its_risk() {
    let rules = format!(
        "{DARN}{}[[allow]]\nmatch = [\"darn tough socks\", \"mr darn\"]\nmax_risk = 3\n",
        DARN.replace("\"darn\"", "\"darn tough\"")
            .replace("risk = 3", "risk = 4")
            .replace("id = \"darn tough\"", "id = \"worse\"")
    );
    let mut room = room(&rules);
    room.passes(&["hello Mr. Darn!", "mr d4rn"]);
    // Risk 4 is more than the entry allows.
    room.finds("worse", &["darn tough socks"]);
    room.finds("darn", &["mrs darn", "mr darn darn"]);
}

#[test]
fn i_hate_those_groups_is_caught_in_every_spelling_and_love_is_not() {
    let mut room = room(HATE);
    room.finds(
        "hate",
        &[
            "I hate those groups",
            "I h4te those g r o u p s",
            "I HATE all of those gr0ups",
            "i despise klingons",
            "can't stand dwarves",
            "h a t e k l i n g o n s",
            "I h@t3 the klin\u{200b}gons",
            "hаte klingons",
            "ihateklingons",
            "i haet klignons",
            "i h*te kl*ngons",
            "hate gnomes",
        ],
    );
    room.passes(&[
        "I love groups",
        "I love klingons",
        "klingons",
        "gnomes and dwarves",
        "klingons hate",
    ]);
}

#[test]
fn a_gap_holds_so_many_words_and_no_more() {
    let mut room = room(&HATE.replace("(0..3)", "(1..2)"));
    room.finds("hate", &["hate all klingons", "hate all the klingons"]);
    room.passes(&["hate klingons", "hate all of the klingons"]);
    // Without a gap nothing stands between.
    let mut next = self::room(&HATE.replace(" (0..3)", ""));
    next.finds("hate", &["hate klingons"]);
    next.passes(&["hate all klingons"]);
}

#[test]
fn the_end_of_a_sentence_keeps_the_words_of_a_phrase_apart() {
    let mut room = room(HATE);
    room.passes(&[
        "That is what I hate. Klingons came later.",
        "i hate it! klingons?",
        "hate\nklingons",
    ]);
    room.finds("hate", &["I hate, really, Klingons.", "hate: klingons"]);
}

#[test]
fn anchors_hold_a_phrase_to_the_beginning_and_the_end_of_the_message() {
    let phrase = |pattern: &str| room(&DARN.replace("[\"darn\"]", &format!("[\"{pattern}\"]")));
    let mut alone = phrase("^ ez $");
    alone.finds("darn", &["ez", "EZ!", "  ez..."]);
    alone.passes(&["ez game", "so ez", "ez ez"]);
    let mut first = phrase("^ ez (0..1) game");
    first.finds("darn", &["ez game", "ez little game, thanks"]);
    first.passes(&["that was an ez game"]);
    let mut last = phrase("report (0..2) them $");
    last.finds("darn", &["please report all of them", "report them"]);
    last.passes(&["report them now"]);
}

#[test]
fn classes_hold_words_of_other_classes_even_in_a_circle() {
    let rules = r#"
[words]
a = ["ant", "@b"]
b = ["bee", "@c"]
c = ["cat", "@a"]
[[term]]
id = "two"
match = ["@a @b", "@c (1..1) crawl*"]
topic = "rude"
risk = 3
"#;
    let mut room = room(rules);
    room.finds(
        "two",
        &["ant bee", "cat ant", "bee cat", "cat will crawling"],
    );
    room.passes(&["ant dog", "ant", "cat crawling"]);
    assert!(problems("[words]\na = [\"@nothing\"]\n").contains("there is no class `nothing`"));
    assert!(problems("[words]\na = [\"x (0..1) y\"]\n").contains("is a phrase"));
}

#[test]
fn a_class_may_hold_several_words_in_a_row_and_open_ones() {
    let rules = HATE.replace("\"klingons\"", "\"klingon*\", \"people of qo'nos\"");
    let mut room = room(&rules);
    room.finds(
        "hate",
        &["hate the people of Qo'noS", "i hate klingonish stuff"],
    );
    room.passes(&["hate the people of earth"]);
}

#[test]
fn words_and_terms_come_from_lists() {
    let head = "[policy]\nid = \"p\"\ntopics = [\"rude\", \"hate\"]\nlists = [\"terms.csv\"]\n";
    let rules = "[words]\nhate = [\"hate\"]\ngroup = { lists = [\"groups.txt\"], match = [\"elves\"] }\n[guard.not]\nbefore = [\"not\"]\n";
    let lists = [
        (
            "terms.csv",
            "id,match,topic,risk,weight,partial,exceptions,language,fuzzy,guards\n\
             l1,darn|heck*,rude,3,,,heckler|darn good,,,\n\
             l2,@hate (0..2) @group,hate,5,1,false,,,,not\n\
             l3,crud,rude,2,,true,,de,,\n\
             l4,bother,rude,2,0.3,,,,true,\n",
        ),
        (
            "groups.txt",
            "# far away\nklingons romulans # and near\nvulcans\n",
        ),
    ];
    let mut room = room_with(head, rules, &lists);
    room.finds("l1", &["darn", "heckin"]);
    room.finds("l2", &["hate those romulans", "hate elves"]);
    room.finds("l3", &["macrudx"]);
    room.passes(&[
        "heckler",
        "darn good",
        "not hate elves",
        "bother",
        "hate near",
    ]);
}

const HYDRANT: &str = r#"
[[term]]
id = "fuzzy"
match = ["hydrant", "crud"]
topic = "rude"
risk = 3
fuzzy = true
"#;

#[test]
fn a_fuzzy_word_is_known_swapped_shortened_doubled_starred_and_split() {
    let mut room = room(HYDRANT);
    for (texts, disguise) in [
        (["hydratn", "hdyrant", "rcud"], "misspelt"),
        (["hydrnt", "hydrat", "hyrant"], "misspelt"),
        (["hyddrant", "hhydrant", "crudd"], "misspelt"),
        (["h*drant", "hydr***", "cr*d"], "censored"),
        (["hyd rant", "h ydrant", "cru-d"], "split"),
    ] {
        for text in texts {
            assert_eq!(room.disguise(text), disguise, "{text}");
        }
    }
    // Not the first letter, not two at once, and short words not by a missing letter.
    room.passes(&["*ydrant", "hydr", "drant", "ydrant", "crd", "c***"]);
    let mut strict = self::room(&HYDRANT.replace("fuzzy = true", ""));
    strict.finds("fuzzy", &["hydrant"]);
    strict.passes(&["hydratn", "hyddrant", "h*drant", "hyd rant"]);
}

#[test]
fn words_run_together_are_found_in_phrases() {
    let mut room = room(HATE);
    assert_eq!(room.disguise("ihateklingons"), "glued");
    room.finds("hate", &["hateklingons", "ihateklingons!!"]);
    // Taken apart only where every piece is known.
    room.passes(&["whateklingons", "hateklingonsx"]);
}

#[test]
fn an_ordinary_word_is_no_misspelling_and_no_piece() {
    let head = "[policy]\nid = \"p\"\ntopics = [\"rude\"]\nordinary = [\"ordinary.txt\"]\n";
    let rules = "[[term]]\nid = \"t\"\nmatch = [\"penance\", \"moral\"]\ntopic = \"rude\"\nrisk = 3\nfuzzy = true\n";
    let ordinary = [("ordinary.txt", "pen ance mortal morals # words\nmorral")];
    let mut with = room_with(head, rules, &ordinary);
    with.passes(&["pen ance", "mortal", "morals", "morral"]);
    with.finds("t", &["pe nance", "mmoral", "penance", "moral"]);
    let mut without = room_with(head, rules, &[("ordinary.txt", "hello")]);
    without.finds("t", &["pen ance", "morral"]);
}

#[test]
fn what_a_pattern_cannot_be_is_refused_with_its_reason() {
    for (pattern, reason) in [
        ("a*b", "stands only at an end"),
        ("!!!", "no letter, digit or emoji"),
        ("@hate (0..9) x", "is no gap"),
        ("@nobody", "there is no `[words]` class `nobody`"),
    ] {
        let found = problems(&DARN.replace("\"darn\"]", &format!("\"{pattern}\"]")));
        assert!(found.contains(reason), "{pattern}: {found}");
    }
}
