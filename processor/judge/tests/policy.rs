//! Policies as authors write them, with the mistakes that authors make.

use gavel_judge::{Document, Policy, TestVerdict, run_tests, test_verdicts};

const GOOD: &str =
    "[policy]\nid = \"p\"\ntopics = [\"vulgar\"]\n[audience.default]\ndefault = { flag = 2 }\n";

fn problems(text: &str) -> Vec<String> {
    let parsed = Document::parse("policy.toml", text, &mut |name| {
        if name == "good.csv" {
            Ok("id,match,topic,risk\nw1,darn,vulgar,3\n".into())
        } else {
            Err("no such file".into())
        }
    });
    parsed.err().map(|error| error.problems).unwrap_or_default()
}

#[track_caller]
fn one(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

#[test]
fn a_typo_names_the_line_and_the_nearest_key() {
    assert_eq!(
        one(&GOOD.replace("topics =", "topcis =")),
        "policy.toml:3: unknown key `topcis`; did you mean `topics`?"
    );
    let term =
        format!("{GOOD}[[term]]\nid = \"a\"\nmatch = [\"x\"]\ntopic = \"vulgar\"\nrsik = 3\n");
    assert_eq!(
        one(&term),
        "policy.toml:10: unknown key `rsik`; did you mean `risk`?"
    );
}

#[test]
fn mistakes_are_named_with_their_line_and_their_mend_all_at_once() {
    let text = format!(
        "{GOOD}[[term]]\nid = \"a\"\nmatch = [\"x*y\"]\ntopic = \"vulgr\"\nrisk = 9\n[[context]]\nid = \"f\"\ntype = \"event_cuont\"\n\
         group_by = [\"user\"]\ntimespan = \"10 seconds\"\ncondition = {{ gte = 0 }}\nthen = {{ topic = \"vulgar\", risk = 1, action = \"mute\" }}\n"
    );
    let found = problems(&text).join("\n");
    for expected in [
        "policy.toml:8: `x*y`: `*` stands only at an end",
        "policy.toml:9: topic `vulgr` is not in policy.topics; did you mean `vulgar`?",
        "policy.toml:10: risk 9 is out of range: 0 (harmless) to 7 (worst)",
        "policy.toml:13: unknown type `event_cuont`; did you mean `event_count`?",
        "policy.toml:15: `10 seconds` is no time",
        "policy.toml:16: gte 0 is out of range",
        "policy.toml:17: a mute needs `for`",
    ] {
        assert!(
            found.contains(expected),
            "`{expected}` is missing in:\n{found}"
        );
    }
}

#[test]
fn what_no_engine_here_can_do_is_refused_by_name() {
    assert!(
        one(&GOOD.replace("id = \"p\"", "id = \"p\"\nengine = 2"))
            .contains("engine 2 is not carried")
    );
    assert!(one(&format!("{GOOD}[words]\nslur = 3\n")).contains("class `slur` is a list of words"));
    assert!(one(&format!("{GOOD}[phrase]\nid = 3\n")).contains("unknown key `phrase`"));
}

#[test]
fn a_list_error_names_the_list_and_its_line() {
    let with = |list: &str, text: &str| {
        let policy = GOOD.replace("topics =", "lists = [\"words.csv\"]\ntopics =");
        let parsed = Document::parse("policy.toml", &policy, &mut |_| {
            if list.is_empty() {
                Err("not there".into())
            } else {
                Ok(text.to_owned())
            }
        });
        parsed
            .err()
            .map(|error| error.problems.join("\n"))
            .unwrap_or_default()
    };
    assert!(with("", "").contains("policy.toml:3: list `words.csv` cannot be read: not there"));
    assert!(
        with(
            "x",
            "id,match,topic,risk\nw1,darn,vulgar,3\nw2,heck,vulgar,12\n"
        )
        .contains("words.csv:3: risk `12` is out of range")
    );
    assert!(
        with("x", "id,match,topc,risk\n")
            .contains("words.csv:1: unknown column `topc`; did you mean `topic`?")
    );
    assert_eq!(
        with("x", "id,match,topic,risk\nw1,darn|heck,vulgar,3\n"),
        ""
    );
}

#[test]
fn the_digest_is_that_of_the_meaning_not_of_the_spelling() {
    let digest = |text: &str| {
        Document::parse("p.toml", text, &mut |_| Err(String::new()))
            .expect("valid")
            .digest()
    };
    let reordered = "# a comment\n[audience.default]\ndefault = { flag = 2 }\n[policy]\ntopics = [ \"vulgar\" ]\n  id = 'p'\n";
    assert_eq!(digest(GOOD), digest(reordered));
    assert_ne!(digest(GOOD), digest(&GOOD.replace("flag = 2", "flag = 3")));
}

#[test]
fn canonical_bytes_read_back_and_no_other_form_is_accepted() {
    let document = Document::parse("p.toml", GOOD, &mut |_| Err(String::new())).expect("valid");
    let canonical = document.canonical();
    assert_eq!(
        Document::from_canonical(&canonical).expect("canonical"),
        document
    );
    let spaced = String::from_utf8(canonical)
        .expect("JSON")
        .replace("\":", "\": ");
    assert!(Document::from_canonical(spaced.as_bytes()).is_err());
}

#[test]
fn the_sample_policy_compiles_and_passes_its_own_tests() {
    let text = include_str!("../samples/demo.toml");
    let document = Document::parse("demo.toml", text, &mut |_| Err(String::new()))
        .unwrap_or_else(|error| panic!("{error}"));
    Policy::compile(&document).expect("it compiles");
    assert_eq!(run_tests(&document).expect("it compiles"), []);
    assert!(document.tests() >= 8);
}

/// What becomes of the inline tests of a policy with a flood rule and a German word.
fn tested(tests: &str) -> Vec<TestVerdict> {
    let text = format!(
        "{GOOD}[[term]]\nid = \"de\"\nmatch = [\"mist\"]\ntopic = \"vulgar\"\nrisk = 3\nlanguage = \"de\"\n\
         [[context]]\nid = \"flood\"\ntype = \"event_count\"\ngroup_by = [\"user\"]\ntimespan = \"10s\"\ncondition = {{ gte = 2 }}\n\
         then = {{ topic = \"vulgar\", risk = 1, action = \"mute\", for = \"60s\" }}\n{tests}"
    );
    let document = Document::parse("p.toml", &text, &mut |_| Err(String::new())).expect("valid");
    test_verdicts(&document).expect("it compiles")
}

#[test]
fn an_inline_test_expects_effects() {
    let flood = "[[test]]\nmessages = [{ text = \"a\" }, { text = \"b\", at = \"1s\" }]\n";
    assert!(tested(&format!("{flood}expect = {{ effects = [\"mute\"] }}\n"))[0].passed());
    let failed = tested(&format!(
        "{flood}expect = {{ effects = [\"trust\", \"mute\"] }}\n"
    ));
    assert_eq!(
        failed[0].differences,
        ["effects: expected {\"mute\", \"trust\"}, found {\"mute\"}"]
    );
    let alone = tested("[[test]]\nin = { text = \"a\" }\nexpect = { effects = [\"mute\"] }\n");
    assert_eq!(
        alone[0].differences,
        ["effects: expected {\"mute\"}, found {}"]
    );
    let typo =
        format!("{GOOD}[[test]]\nin = {{ text = \"a\" }}\nexpect = {{ effects = [\"muted\"] }}\n");
    assert_eq!(
        one(&typo),
        "policy.toml:6: unknown effect `muted`; did you mean `mute`?"
    );
}

#[test]
fn an_inline_test_passes_the_language_of_a_message_on() {
    let test = |language: &str| {
        format!(
            "[[test]]\nin = {{ text = \"mist\", language = \"{language}\" }}\nexpect = {{ action = \"flag\" }}\n"
        )
    };
    let verdicts = tested(&format!("{}{}", test("de-AT"), test("en")));
    assert!(verdicts[0].passed(), "{:?}", verdicts[0].differences);
    assert_eq!(
        verdicts[1].differences,
        ["action: expected flag, found allow"]
    );
}

#[test]
fn the_verdict_of_an_inline_test_names_the_rules_that_spoke() {
    let verdicts = tested(
        "[[test]]\nmessages = [{ text = \"first\" }, { text = \"mist\", at = \"1m\" }]\nexpect = { action = \"block\" }\n",
    );
    let verdict = verdicts[0].verdict.as_ref().expect("a verdict");
    assert_eq!(verdict.reasons[0].rule, "de");
    assert!(
        verdicts[0].speaks_of("first")
            && verdicts[0].speaks_of("mist")
            && verdicts[0].speaks_of("de")
    );
    assert!(!verdicts[0].speaks_of("flood"));
}

#[test]
fn a_failing_inline_test_says_what_differs() {
    let text = format!(
        "{GOOD}[[term]]\nid = \"a\"\nmatch = [\"darn\"]\ntopic = \"vulgar\"\nrisk = 3\n[[test]]\nin = {{ text = \"darn\" }}\nexpect = {{ action = \"allow\", risk = 4 }}\n"
    );
    let document = Document::parse("p.toml", &text, &mut |_| Err(String::new())).expect("valid");
    let failures = run_tests(&document).expect("it compiles");
    assert_eq!(
        failures[0].differences,
        [
            "action: expected allow, found flag",
            "risk: expected 4, found 3"
        ]
    );
}
