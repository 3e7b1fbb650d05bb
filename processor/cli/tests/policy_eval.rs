//! `gavel policy eval`: exact figures, gates that a build can rely on, and a page that hostile texts cannot break.

mod common;

use std::path::PathBuf;

use common::{Ran, gavel, text};
use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str = r#"
[policy]
id = "measured"
topics = ["rude", "threat", "spam"]

[audience.default]
default = { flag = 2, mask = 3, block = 5 }

[audience.adult]
default = { flag = 4, mask = 5, block = 6 }

[channel]
"adult-*" = { audience = "adult" }

[[term]]
id = "rude-drat"
match = ["drat"]
topic = "rude"
risk = 3

[[term]]
id = "rude-crud"
match = ["crud"]
topic = "rude"
risk = 2

[[term]]
id = "threat-find"
match = ["find you"]
topic = "threat"
risk = 6

[[context]]
id = "flood"
type = "event_count"
group_by = ["user"]
timespan = "10s"
condition = { gte = 3 }
then = { topic = "spam", risk = 4, action = "mute", for = "60s" }
"#;

const EVENING: i64 = 1_767_636_000_000;

struct Files {
    directory: TempDir,
    policy: PathBuf,
}

impl Files {
    fn new() -> Files {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let policy = directory.path().join("policy.toml");
        std::fs::write(&policy, POLICY).expect("the policy is written");
        Files { directory, policy }
    }

    fn eval(&self, input: &[u8], flags: &[&str]) -> Ran {
        let mut arguments = vec!["policy", "eval", text(&self.policy), "--labels", "-"];
        arguments.extend(flags);
        gavel(&arguments, input, &Default::default())
    }

    fn report(&self, lines: &[Value], flags: &[&str]) -> Value {
        let mut all = vec!["--output", "json"];
        all.extend(flags);
        let mut reports = self.eval(&bytes(lines), &all).expect(0).json();
        assert_eq!(reports.len(), 1, "one JSON object");
        reports.remove(0)
    }

    fn page(&self, lines: &[Value], flags: &[&str]) -> String {
        let file = self.directory.path().join("page.html");
        let mut all = vec!["--html", text(&file)];
        all.extend(flags);
        self.eval(&bytes(lines), &all).expect(0);
        std::fs::read_to_string(&file).expect("the page is UTF-8")
    }
}

fn bytes(lines: &[Value]) -> Vec<u8> {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.join("\n").into_bytes()
}

/// Three right hits, one false, two missed, four clean.
fn ten() -> Vec<Value> {
    vec![
        json!({"text": "drat", "label": true, "group": "words"}),
        json!({"text": "oh drat", "label": true, "group": "words"}),
        json!({"text": "I will find you", "label": true, "audience": "adult", "group": "threats"}),
        json!({"text": "crud oil", "label": false, "group": "words"}),
        json!({"text": "you fool", "label": true}),
        json!({"text": "you fool", "label": true}),
        json!({"text": "hello", "label": false}),
        json!({"text": "hello you", "label": false}),
        json!({"text": "drat", "label": false, "channel": "adult-1"}),
        json!({"text": "bye", "label": false, "audience": "nobody knows it"}),
        json!({"text": "drat"}),
        json!({"text": "drat", "label": null}),
    ]
}

fn counts(figures: &Value) -> [u64; 4] {
    ["tp", "fp", "fn", "tn"].map(|name| figures[name].as_u64().expect("a count"))
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let list = list.as_array().expect("a list");
    list.iter()
        .find(|one| one["name"] == name)
        .unwrap_or_else(|| panic!("{name} is missing in {list:?}"))
}

#[test]
fn the_figures_of_ten_lines_are_those_of_a_hand_count() {
    let report = Files::new().report(&ten(), &[]);
    assert_eq!(report["lines"]["labelled"], 10);
    assert_eq!(report["lines"]["context"], 2);
    let overall = &report["overall"];
    assert_eq!(counts(overall), [3, 1, 2, 4]);
    assert_eq!(overall["precision"]["value"], 0.75);
    assert_eq!(overall["recall"]["value"], 0.6);
    assert_eq!(overall["f1"], 0.666_667);
    assert_eq!(overall["clean_flagged"]["value"], 0.2);
    // The roots of (3/4 - p)² = 1.96² p (1 - p) / 4.
    assert_eq!(overall["precision"]["low"], 0.300_642);
    assert_eq!(overall["precision"]["high"], 0.954_413);
}

#[test]
fn slices_are_by_the_audience_that_judged_by_group_and_by_risk() {
    let report = Files::new().report(&ten(), &[]);
    let audiences = &report["by_audience"];
    assert_eq!(counts(named(audiences, "default")), [2, 1, 2, 3]);
    assert_eq!(counts(named(audiences, "adult")), [1, 0, 0, 1]);
    assert_eq!(counts(named(&report["by_group"], "words")), [2, 1, 0, 0]);
    assert_eq!(counts(named(&report["by_group"], "threats")), [1, 0, 0, 0]);
    let at_risk = |risk: usize| counts(&report["by_risk"][risk - 1]);
    // The channel of adults does not flag `drat`, but its risk is there.
    assert_eq!(at_risk(2), [3, 2, 2, 3]);
    assert_eq!(at_risk(3), [3, 1, 2, 4]);
    assert_eq!(at_risk(4), [1, 0, 4, 5]);
    assert_eq!(at_risk(7), [0, 0, 5, 5]);
    assert_eq!(report["by_risk"][6]["precision"], Value::Null);
    assert_eq!(report["by_topic"], Value::Null);
}

#[test]
fn blame_is_by_rule_topic_and_disguise() {
    let mut lines = ten();
    lines.push(json!({"text": "d r a t", "label": false}));
    let report = Files::new().report(&lines, &[]);
    let blame = |list: &str, name: &str| {
        let one = named(&report[list], name);
        (one["wrong"].clone(), one["right"].clone())
    };
    assert_eq!(blame("rules", "rude-crud"), (json!(1), json!(0)));
    assert_eq!(blame("rules", "rude-drat"), (json!(1), json!(2)));
    assert_eq!(blame("rules", "threat-find"), (json!(0), json!(1)));
    assert_eq!(blame("flagged_topics", "rude"), (json!(2), json!(2)));
    assert_eq!(blame("evasions", "spaced"), (json!(1), json!(0)));
}

#[test]
fn the_worst_are_the_riskiest_false_positives_and_the_most_common_misses() {
    let mut lines = ten();
    lines.push(json!({"text": "sorry", "label": true}));
    lines.push(json!({"text": "ah, drat", "label": false}));
    let report = Files::new().report(&lines, &["--worst", "1"]);
    let wrong = &report["false_positives"][0];
    assert_eq!(
        (&wrong["text"], &wrong["line"]),
        (&json!("ah, drat"), &json!(14))
    );
    assert_eq!(
        wrong["rules"],
        json!([{"rule": "rude-drat", "matched": "drat", "evasion": ""}])
    );
    let missed = &report["false_negatives"][0];
    assert_eq!(
        (&missed["text"], &missed["count"]),
        (&json!("you fool"), &json!(2))
    );
    for list in ["false_positives", "false_negatives"] {
        assert_eq!(report[list].as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn what_counts_as_flagged_is_an_action_or_the_risk_of_topics() {
    let files = Files::new();
    let overall = |flags: &[&str]| counts(&files.report(&ten(), flags)["overall"]);
    assert_eq!(overall(&["--at", "mask"]), [3, 0, 2, 5]);
    assert_eq!(overall(&["--at", "block"]), [1, 0, 4, 5]);
    assert_eq!(overall(&["--topics", "threat"]), [1, 0, 4, 5]);
    assert_eq!(overall(&["--topics", "rude,threat"]), [3, 2, 2, 3]);
    assert_eq!(overall(&["--topics", "rude", "--risk", "3"]), [2, 1, 3, 4]);
    files
        .eval(b"", &["--topics", "rood"])
        .expect_error(2, "has no topic `rood`");
    files
        .eval(b"", &["--topics", "rude", "--at", "mask"])
        .expect_error(2, "--at");
}

#[test]
fn labels_can_be_topics() {
    let lines = [
        json!({"text": "drat", "label": "rude"}),
        json!({"text": "drat, I will find you", "label": ["threat"]}),
        json!({"text": "crud", "label": []}),
        json!({"text": "boo", "label": ["rude", "racism"]}),
    ];
    let files = Files::new();
    let report = files.report(&lines, &[]);
    assert_eq!(counts(&report["overall"]), [2, 1, 1, 0]);
    let by_topic = &report["by_topic"];
    assert_eq!(counts(named(&by_topic["topics"], "rude")), [1, 2, 1, 0]);
    assert_eq!(counts(named(&by_topic["topics"], "threat")), [1, 0, 0, 3]);
    assert_eq!(counts(named(&by_topic["topics"], "spam")), [0, 0, 0, 4]);
    assert_eq!(counts(named(&by_topic["topics"], "racism")), [0, 0, 1, 3]);
    assert_eq!(by_topic["unknown"], json!(["racism"]));
    assert_eq!(counts(&by_topic["micro"]), [2, 2, 2, 10]);
    // F1 of rude 0.4, threat 1, racism 0; spam does not occur.
    assert_eq!(by_topic["macro_average"]["f1"], 0.466_667);
    let only = files.report(&lines, &["--topics", "threat"]);
    assert_eq!(counts(&only["overall"]), [1, 0, 0, 3]);
    assert_eq!(only["by_topic"]["topics"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_line_changes_another_only_when_asked_to() {
    let line = |second: i64, label: Value| json!({"text": "hi", "user": "ada", "sent_at": EVENING + second * 1_000, "label": label});
    let lines = [
        line(0, json!(false)),
        line(1, json!(null)),
        line(2, json!(true)),
        line(3, json!(false)),
    ];
    let files = Files::new();
    let alone = files.report(&lines, &[]);
    assert_eq!(counts(&alone["overall"]), [0, 0, 1, 2]);
    assert_eq!(alone["lines"]["muted"], 0);
    let together = files.report(&lines, &["--stateful"]);
    // The third is the flood, counting the one without a label; the fourth is muted.
    assert_eq!(counts(&together["overall"]), [1, 1, 0, 1]);
    assert_eq!(together["lines"]["muted"], 1);
    assert_eq!(named(&together["rules"], "(muted)")["wrong"], 1);
    let nobody = [
        json!({"text": "hi", "label": false}),
        json!({"text": "hi", "label": false}),
        json!({"text": "hi", "label": false}),
    ];
    let ran = files.eval(&bytes(&nobody), &["--stateful"]).expect(0);
    assert!(ran.stdout.contains("3 labelled lines have no `sent_at`"));
    let nobody = files.report(&nobody, &["--stateful"]);
    assert_eq!(counts(&nobody["overall"]), [0, 0, 0, 3]);
}

#[test]
fn gates_decide_the_exit_code() {
    let files = Files::new();
    let input = bytes(&ten());
    let gate = |flags: &[&str]| files.eval(&input, flags);
    gate(&["--min-precision", "0.75", "--min-recall", "60%"]).expect(0);
    gate(&["--min-f1", "0.6666", "--max-false-positives", "20%"]).expect(0);
    gate(&["--min-f1", "0.666667"]).expect_error(1, "does not meet --min-f1 0.666667");
    gate(&["--max-false-positives", "19.9999%"]).expect_error(1, "--max-false-positives 0.199999");
    gate(&["--min-precision", "0.8", "--min-recall", "0.7"])
        .expect_error(1, "--min-precision 0.8, --min-recall 0.7");
    gate(&["--min-f1", "1.5"]).expect_error(2, "write 0.7 or 70%");
    let ran = gate(&["--min-recall", "0.9", "--output", "json"]).expect(1);
    assert_eq!(
        ran.json()[0]["gates"],
        json!([{"gate": "min-recall", "wanted": 0.9, "measured": 0.6, "met": false}])
    );
    let clean = bytes(&[json!({"text": "hi", "label": false})]);
    let ran = files.eval(&clean, &["--min-precision", "0"]).expect(1);
    assert!(ran.stdout.contains("cannot be measured"), "{}", ran.stdout);
}

#[test]
fn lines_that_cannot_be_read_are_named_and_fail_only_when_all_are() {
    let files = Files::new();
    let long = json!({"text": "x".repeat(16 * 1024 + 1), "label": true}).to_string();
    let bad = format!("not json\n\n[]\n{{\"text\":\"a\",\"label\":7}}\n{long}\n");
    let good = json!({"text": "drat", "label": true}).to_string();
    let ran = files
        .eval(format!("{bad}{good}").as_bytes(), &["--output", "json"])
        .expect(0);
    let report = &ran.json()[0];
    assert_eq!(counts(&report["overall"]), [1, 0, 0, 0]);
    let unreadable = &report["lines"]["unreadable"];
    assert_eq!(unreadable["count"], 4);
    let lines: Vec<_> = [0, 1, 2, 3]
        .map(|at| &unreadable["first"][at]["line"])
        .into();
    assert_eq!(lines, [1, 3, 4, 5]);
    let ran = files.eval(bad.as_bytes(), &[]);
    let ran = ran.expect_error(2, "none of 4 lines can be read");
    assert!(ran.stderr.contains("line 5: refused/text-too-long"));
    let many = "x\n".repeat(50);
    let ran = files.eval(many.as_bytes(), &[]).expect(2);
    assert!(ran.stderr.contains("line 10:") && !ran.stderr.contains("line 11:"));
    files
        .eval(b"{\"text\":\"a\"}\n", &[])
        .expect_error(2, "no line has a label");
    files.eval(b"", &[]).expect_error(2, "no line has a label");
}

#[test]
fn hostile_texts_stay_text() {
    let files = Files::new();
    let hostile = [
        "drat <script>alert(1)</script> <img src=x onerror=alert(1)> </td></table>",
        "drat \u{202e}\u{2066}\u{200b}\u{feff}\u{61c}\u{ad}\u{e0041}\u{1b}[31m",
        "drat \" ' & `",
    ];
    let mut lines: Vec<Value> = hostile
        .iter()
        .map(|text| json!({"text": text, "label": false, "group": text, "audience": text}))
        .collect();
    let long = format!("drat {}", "猫".repeat(5_000));
    lines.push(json!({"text": long, "label": ["<b>", "\u{202e}"]}));
    lines.push(json!({"text": format!("crud {}", "猫".repeat(5_000)), "label": []}));
    let page = files.page(&lines, &[]);
    for forbidden in [
        "<script",
        "<img",
        "onerror=alert(1)>",
        "<b>\u{202e}",
        "http://",
        "https://",
        "url(",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(
        page.matches("</table>").count(),
        page.matches("<table").count()
    );
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("default-src 'none'"));
    let out = files.eval(&bytes(&lines), &[]).expect(0).stdout;
    for text in [&page, &out] {
        for c in hostile[1]
            .chars()
            .filter(|c| !c.is_ascii_graphic() && *c != ' ')
        {
            assert!(!text.contains(c), "{}", c.escape_unicode());
            let escaped = c.escape_unicode().to_string();
            assert!(text.contains(&escaped), "{escaped}");
        }
        assert!(text.len() < 60_000, "{} bytes", text.len());
    }
}

#[test]
fn the_page_has_its_plots_and_the_same_figures() {
    let page = Files::new().page(&ten(), &["--min-f1", "0.5"]);
    assert!(page.contains("class=\"curve\"") && page.contains("class=\"bars\""));
    assert!(page.contains("prefers-color-scheme:dark"));
    for figure in ["0.7500", "0.6000", "0.6667", "0.2000", "3 of 4", "3 of 5"] {
        assert!(page.contains(figure), "{figure}");
    }
    assert!(page.contains("--min-f1 0.5: <b class=\"good\">met</b>"));
}

#[test]
fn two_policies_are_compared_line_by_line() {
    let files = Files::new();
    let other = files.directory.path().join("other.toml");
    let text_of_other = POLICY
        .replace("\"measured\"", "\"other\"")
        .replace("\"crud\"", "\"fool\"");
    std::fs::write(&other, text_of_other).expect("the other policy is written");
    let report = files.report(&ten(), &["--compare", text(&other)]);
    let compared = &report["compared"];
    assert_eq!(compared["policy"]["id"], "other");
    assert_eq!(counts(&report["overall"]), [3, 1, 2, 4]);
    assert_eq!(counts(&compared["overall"]), [5, 0, 0, 5]);
    assert_eq!(
        (&compared["better"], &compared["worse"]),
        (&json!(0), &json!(3))
    );
    let worse = &compared["worse_lines"];
    assert_eq!(
        (&worse[0]["text"], &worse[0]["count"]),
        (&json!("you fool"), &json!(2))
    );
    assert_eq!(worse[1]["text"], "crud oil");
}
