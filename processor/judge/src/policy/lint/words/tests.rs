//! Lints of words, each with the smallest policy that has it.

use super::super::Lint;
use super::super::tests::{DARN, lints, lints_beside, names};

fn term(id: &str, patterns: &str, rest: &str) -> String {
    format!("[[term]]\nid = \"{id}\"\nmatch = [{patterns}]\ntopic = \"vulgar\"\n{rest}\n")
}

fn with(rest: &str) -> Vec<Lint> {
    lints(&format!("{DARN}{rest}"))
}

#[test]
fn a_pattern_that_another_term_of_the_topic_has_too_changes_nothing() {
    let found = with(&term("lesser", "\"D\u{430}rn\", \"heck\"", "risk = 2"));
    assert_eq!(names(&found), [("repeated-pattern", "lesser")]);
    assert!(
        found[0].what.contains("stands in term `darn` too"),
        "{found:?}"
    );
    // Of equals the first counts; what only one of them excepts is not the same.
    assert_eq!(
        names(&with(&term("equal", "\"darn\"", "risk = 3"))),
        [("repeated-pattern", "equal")]
    );
    assert_eq!(
        with(&term("worse", "\"darn\"", "risk = 4\nlanguage = \"de\"")),
        []
    );
    assert_eq!(
        names(&with(&term("worse", "\"darn\"", "risk = 4"))),
        [("repeated-pattern", "darn")]
    );
    assert_eq!(with(&term("open", "\"darn*\"", "risk = 2")), []);
}

#[test]
fn a_term_that_a_context_rule_counts_is_not_idle() {
    let rule = "[[context]]\nid = \"again\"\ntype = \"event_count\"\ngroup_by = [\"user\"]\nrules = [\"lesser\"]\n\
        timespan = \"10m\"\ncondition = { gte = 3 }\nthen = { topic = \"vulgar\", risk = 3 }\n";
    assert_eq!(
        with(&format!("{}{rule}", term("lesser", "\"darn\"", "risk = 0"))),
        []
    );
    assert_eq!(
        names(&with(&term("zero", "\"heck\"", "risk = 0"))),
        [("harmless-term", "zero")]
    );
}

#[test]
fn a_term_whose_every_pattern_is_allowed_never_fires() {
    let found = with("[[allow]]\nmatch = [\"darn\"]\nmax_risk = 3\n");
    assert_eq!(names(&found), [("dead-term", "darn")]);
    let two = term("two", "\"heck\", \"what the heck\"", "risk = 3");
    let found = with(&format!(
        "{two}[[allow]]\nmatch = [\"heck\"]\nmax_risk = 3\n"
    ));
    assert_eq!(names(&found), [("dead-term", "two")]);
    let found = with(&format!(
        "{two}[[allow]]\nmatch = [\"the heck\"]\nmax_risk = 3\n"
    ));
    assert_eq!(found, []);
}

#[test]
fn an_allow_that_says_the_contrary_of_a_term_is_told_with_who_wins() {
    let two = term("two", "\"heck\", \"what the heck\"", "risk = 3");
    let found = with(&format!(
        "{two}[[allow]]\nmatch = [\"what the heck\"]\nmax_risk = 4\n"
    ));
    assert_eq!(names(&found), [("allow-contradicts", "two")]);
    assert!(found[0].what.contains("does not find it"), "{found:?}");
    let found = with("[[allow]]\nmatch = [\"Darn\"]\nmax_risk = 2\n");
    assert_eq!(
        names(&found),
        [("allow-contradicts", "darn"), ("idle-allow", "")]
    );
    assert!(found[0].what.contains("has risk 3 and wins"), "{found:?}");
}

#[test]
fn an_allow_that_meets_no_hit_beats_nothing() {
    let allow = |pattern: &str, risk: u8| {
        with(&format!(
            "[[allow]]\nmatch = [\"{pattern}\"]\nmax_risk = {risk}\n"
        ))
    };
    assert_eq!(names(&allow("kung fu", 4)), [("idle-allow", "")]);
    assert_eq!(names(&allow("darn it", 2)), [("idle-allow", "")]);
    assert_eq!(allow("darn it", 3), []);
    // The way in which a disguised word is written can be allowed.
    assert_eq!(allow("d4rn co", 3), []);
}

#[test]
fn an_allow_may_beat_what_is_misspelt_what_stands_in_a_gap_and_what_shouts() {
    let allow = "[[allow]]\nmatch = [\"heckler\"]\nmax_risk = 4\n";
    assert_eq!(names(&with(allow)), [("idle-allow", "")]);
    assert_eq!(
        with(&format!(
            "{}{allow}",
            term("f", "\"hecklre\"", "risk = 3\nfuzzy = true")
        )),
        []
    );
    assert_eq!(
        with(&format!(
            "{}{allow}",
            term("gap", "\"you (0..3) muppet\"", "risk = 3")
        )),
        []
    );
    let caps = "[[detector]]\nid = \"caps\"\ntype = \"caps\"\ntopic = \"vulgar\"\nrisk = 2\n";
    assert_eq!(with(&format!("{caps}{allow}")), []);
}

#[test]
fn an_exception_without_a_word_of_its_term_excepts_nothing() {
    let found = lints(&term(
        "heck",
        "\"heck*\"",
        "risk = 3\nexceptions = [\"darning needle\", \"heckler\"]",
    ));
    assert_eq!(names(&found), [("idle-exception", "heck")]);
    assert!(found[0].what.contains("`darning needle`"), "{found:?}");
}

#[test]
fn a_part_of_ordinary_words_names_them() {
    let found = lints_beside(
        "class grass glass passing bass brass",
        &term("a", "\"ass\"", "risk = 3\npartial = true"),
    );
    assert_eq!(names(&found), [("hits-ordinary", "a")]);
    assert!(
        found[0]
            .what
            .contains("bass, brass, class, glass, grass and 1 more"),
        "{found:?}"
    );
    let found = lints_beside(
        "class",
        &term(
            "a",
            "\"ass\"",
            "risk = 3\npartial = true\nexceptions = [\"class\"]",
        ),
    );
    assert_eq!(names(&found), [("short-partial", "a")]);
    assert_eq!(lints_beside("class", &term("a", "\"ass\"", "risk = 3")), []);
    let found = lints_beside("darning", &term("a", "\"darn*\"", "risk = 3"));
    assert_eq!(names(&found), [("hits-ordinary", "a")]);
}

#[test]
fn a_short_word_is_not_looked_for_misspelt() {
    let found = lints(&term("a", "\"ass\", \"heck\"", "risk = 3\nfuzzy = true"));
    assert_eq!(names(&found), [("short-fuzzy", "a")]);
    let found = lints(&term(
        "a",
        "\"heck\"",
        "risk = 3\nfuzzy = true\npartial = true",
    ));
    assert_eq!(names(&found), [("fuzzy-partial", "a")]);
}

#[test]
fn a_term_that_is_an_ordinary_word_is_told() {
    let found = lints_beside("darn needle", DARN);
    assert_eq!(names(&found), [("ordinary-term", "darn")]);
}

#[test]
fn a_class_that_no_pattern_names_is_told_and_one_within_another_is_not() {
    let words = "[words]\nsmall = [\"wee\"]\nbig = [\"huge\", \"@small\"]\nlost = [\"where\"]\n";
    let found = lints(&format!(
        "{}{words}",
        term("a", "\"@big darn\"", "risk = 3")
    ));
    assert_eq!(names(&found), [("unused-class", "lost")]);
}

#[test]
fn a_guard_that_guards_nothing_is_told() {
    let guard = "[guard.quote]\nbefore = [\"says\"]\n";
    assert_eq!(names(&with(guard)), [("unused-guard", "quote")]);
    assert_eq!(with(&format!("{guard}topics = [\"vulgar\"]\n")), []);
    let found = with(&format!("{guard}topics = [\"vulgar\"]\nlowers_to = 5\n"));
    assert_eq!(names(&found), [("idle-guard", "quote")]);
}
