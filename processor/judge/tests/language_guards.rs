//! Guards: where a hit says something else than it seems to.

mod room;

use room::{DARN, HATE, risk, room};

const GUARDED: &str = r#"
[[term]]
id = "evil"
match = ["evil"]
topic = "hate"
risk = 5
"#;

#[test]
fn a_guard_before_a_hit_makes_it_harmless_within_so_many_words() {
    let rules = format!(
        "{GUARDED}guards = [\"not\"]\n[words]\nno = [\"not\", \"never\", \"by no means\"]\n[guard.not]\nbefore = [\"@no\", \"isn't\"]\nwithin = 2\n"
    );
    let mut room = room(&rules);
    room.passes(&[
        "not evil",
        "never evil",
        "they are not so very evil",
        "by no means evil",
        "isn't evil",
    ]);
    room.finds(
        "evil",
        &[
            "evil",
            "not all that really evil",
            "evil, not good",
            "nothing evil",
            "It is not. Evil is.",
        ],
    );
    // Only the guarded hit.
    assert_eq!(room.hear("not evil but so they say evil").reasons.len(), 1);
}

#[test]
fn a_guard_after_a_hit_looks_the_other_way() {
    let rules = format!(
        "{GUARDED}guards = [\"wrong\"]\n[guard.wrong]\nafter = [\"is wrong to say\"]\nwithin = 1\nlowers_to = 1\n"
    );
    let mut room = room(&rules);
    let lowered = room.hear("evil it is wrong to say");
    assert_eq!(
        (risk(&lowered, "hate"), lowered.action.as_str()),
        (Some(1), "flag")
    );
    assert_eq!(risk(&room.hear("it is wrong to say evil"), "hate"), Some(5));
    assert_eq!(
        risk(&room.hear("evil you know it is wrong to say"), "hate"),
        Some(5)
    );
}

#[test]
fn a_guard_may_ask_for_quotation_marks_alone_or_besides() {
    let quoted =
        format!("{GUARDED}guards = [\"quote\"]\n[guard.quote]\nquoted = true\nlowers_to = 1\n");
    let mut room = room(&quoted);
    for text in [
        "they wrote \"you are evil\" there",
        "«evil»",
        "“pure evil”",
        "„evil“",
    ] {
        assert_eq!(risk(&room.hear(text), "hate"), Some(1), "{text}");
    }
    for text in [
        "they wrote \"hello\" evil",
        "evil \"",
        "\"hello\" evil \"hello\"",
        "it's evil's",
    ] {
        assert_eq!(risk(&room.hear(text), "hate"), Some(5), "{text}");
    }
    let both = quoted.replace(
        "quoted = true",
        "before = [\"said\"]\nwithin = 4\nquoted = true",
    );
    let mut room = self::room(&both);
    assert_eq!(
        risk(&room.hear("he said \"you are evil\""), "hate"),
        Some(1)
    );
    assert_eq!(risk(&room.hear("he said you are evil"), "hate"), Some(5));
    assert_eq!(risk(&room.hear("\"you are evil\""), "hate"), Some(5));
}

#[test]
fn a_guard_with_before_and_after_wants_both() {
    let rules = format!(
        "{GUARDED}guards = [\"both\"]\n[guard.both]\nbefore = [\"saying\"]\nafter = [\"is wrong\"]\n"
    );
    let mut room = room(&rules);
    room.passes(&["saying evil is wrong"]);
    room.finds("evil", &["saying evil", "evil is wrong"]);
}

#[test]
fn a_guard_of_a_topic_guards_all_its_terms_and_no_others() {
    let rules = format!("{GUARDED}{DARN}[guard.not]\nbefore = [\"not\"]\ntopics = [\"hate\"]\n");
    let mut room = room(&rules);
    room.passes(&["not evil"]);
    room.finds("darn", &["not darn"]);
}

#[test]
fn a_guard_never_raises_a_risk() {
    let rules =
        format!("{GUARDED}guards = [\"loud\"]\n[guard.loud]\nbefore = [\"so\"]\nlowers_to = 6\n");
    assert_eq!(risk(&room(&rules).hear("so evil"), "hate"), Some(5));
}

#[test]
fn a_guarded_phrase_is_measured_from_its_first_and_to_its_last_word() {
    let rules = format!(
        "{}\nguards = [\"not\"]\n[guard.not]\nbefore = [\"dont\", \"don't\"]\nafter = []\nwithin = 0\n",
        HATE.trim_end()
    );
    let mut room = room(&rules);
    room.passes(&["i don't hate the klingons", "dont hate klingons"]);
    room.finds("hate", &["don't you hate klingons", "hate klingons dont"]);
}
