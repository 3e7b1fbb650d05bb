//! `gavel policy check`, `test`, `diff`, `schema` and `reference`: the author's tools, none of which needs a broker.

mod common;

use std::path::PathBuf;

use common::{Ran, run, text};
use serde_json::json;
use tempfile::TempDir;

const POLICY: &str = r#"
[policy]
id = "authored"
topics = ["rude", "threat"]

[audience.default]
default = { flag = 2, mask = 3 }

[audience.under13]
default = { flag = 1, mask = 2 }
threat = { block = 2, escalate = 3, queue = "safety" }

[[term]]
id = "rude-1"
match = ["clod"]
topic = "rude"
risk = 3

[[term]]
id = "threat-1"
match = ["i will find you"]
topic = "threat"
risk = 3

[[test]]
in = { text = "what a cl0d" }
expect = { action = "mask", matched = ["rude-1"] }

[[test]]
in = { text = "I will find you" }
expect = { action = "mask", topic = "threat" }
"#;

struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a temporary directory"))
    }

    fn write(&self, name: &str, policy: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, policy).expect("the policy is written");
        path
    }
}

fn policy(command: &str, policy: &str, flags: &[&str]) -> Ran {
    let files = Files::new();
    let path = files.write("policy.toml", policy);
    let mut arguments = vec!["policy", command, text(&path)];
    arguments.extend(flags);
    run(&arguments)
}

#[test]
fn check_warns_of_what_does_nothing_and_fails_for_it_only_when_asked() {
    assert!(
        !policy("check", POLICY, &["--deny-warnings"])
            .expect(0)
            .stdout
            .contains("warning")
    );
    let idle = format!("{POLICY}\n[[allow]]\nmatch = [\"kung fu\"]\nmax_risk = 4\n");
    let ran = policy("check", &idle, &[]).expect(0);
    assert!(
        ran.stdout
            .contains("warning[idle-allow] the allow of `kung fu` beats nothing"),
        "{}",
        ran.stdout
    );
    policy("check", &idle, &["--deny-warnings"]).expect_error(1, "1 warnings, and --deny-warnings");
    let checked = &policy("check", &idle, &["--output", "json"])
        .expect(0)
        .json()[0];
    assert_eq!(checked["warnings"][0]["lint"], "idle-allow");
    assert!(checked["warnings"][0]["mend"].is_string());
}

#[test]
fn check_prints_the_table_of_topics_by_audiences() {
    let ran = policy("check", POLICY, &["--table"]).expect(0);
    for part in [
        "| TOPIC  | default | under13",
        "| threat | flag 2  | block 2",
        "escalate 3 to safety",
    ] {
        assert!(
            ran.stdout.contains(part),
            "`{part}` is missing in\n{}",
            ran.stdout
        );
    }
    assert!(
        !policy("check", POLICY, &[])
            .expect(0)
            .stdout
            .contains("TOPIC")
    );
    let checked = &policy("check", POLICY, &["--output", "json"])
        .expect(0)
        .json()[0];
    assert_eq!(
        checked["table"][3],
        json!({"topic": "threat", "audience": "under13", "flag": null, "mask": null, "block": 2, "escalate": 3, "queue": "safety", "own": true})
    );
}

#[test]
fn test_runs_the_inline_tests_and_names_the_rules_that_spoke() {
    let ran = policy("test", POLICY, &[]).expect(0);
    assert_eq!(ran.stdout, "2 tests, 0 failed\n");
    let ran = policy("test", POLICY, &["--verbose"]).expect(0);
    assert!(
        ran.stdout
            .starts_with("passed: test 1 (what a cl0d)\npassed: test 2"),
        "{}",
        ran.stdout
    );
    let wrong = POLICY.replace("matched = [\"rude-1\"]", "matched = []");
    let ran = policy("test", &wrong, &[]).expect_error(1, "1 of 2 tests failed");
    for part in [
        "failed: test 1 (what a cl0d)\n  matched: expected {}, found {\"rude-1\"}\n",
        "  spoke: rude-1[7..11](leet) \"what a ****\"; mask rude:3\n",
        "2 tests, 1 failed\n",
    ] {
        assert!(
            ran.stdout.contains(part),
            "`{part}` is missing in\n{}",
            ran.stdout
        );
    }
    let ran = policy("test", &wrong, &["--output", "json"]).expect(1);
    let tested = &ran.json()[0];
    assert_eq!((&tested["run"], &tested["failed"]), (&json!(2), &json!(1)));
    assert_eq!(tested["tests"][0]["action"], "mask");
}

#[test]
fn test_runs_only_what_the_filter_names() {
    let wrong = POLICY.replace("matched = [\"rude-1\"]", "matched = []");
    let ran = policy("test", &wrong, &["--filter", "threat-1"]).expect(0);
    assert_eq!(ran.stdout, "1 tests, 0 failed\n");
    policy("test", POLICY, &["--filter", "nothing"])
        .expect_error(2, "none of 2 tests holds `nothing`");
}

#[test]
fn diff_says_what_changes_in_words_of_the_policy() {
    let files = Files::new();
    let old = files.write("old.toml", POLICY);
    let same = files.write("same.toml", &format!("# a remark\n{POLICY}"));
    let ran = run(&["policy", "diff", text(&old), text(&same)]).expect(0);
    assert!(
        ran.stdout.starts_with("both mean the same: "),
        "{}",
        ran.stdout
    );
    let changed = POLICY
        .replacen("risk = 3", "risk = 4", 1)
        .replace("block = 2, escalate = 3", "block = 1, escalate = 2");
    let new = files.write(
        "new.toml",
        &format!(
            "{changed}\n[[term]]\nid = \"rude-2\"\nmatch = [\"boor\"]\ntopic = \"rude\"\nrisk = 2\n"
        ),
    );
    let ran = run(&["policy", "diff", text(&old), text(&new)]).expect_error(1, "3 things differ");
    for part in [
        "\nAUDIENCE  1 changed\n~ audience under13/threat:\n    block 2 -> 1\n    escalate 3 -> 2\n",
        "\nTERM  1 added, 1 changed\n~ term rude-1: risk 3 -> 4\n+ term rude-2:\n    topic rude\n    risk 2\n    patterns + \"boor\"\n",
    ] {
        assert!(
            ran.stdout.contains(part),
            "`{part}` is missing in\n{}",
            ran.stdout
        );
    }
    let ran = run(&["policy", "diff", text(&old), text(&new), "--output", "json"]).expect(1);
    let diff = &ran.json()[0];
    assert_eq!(
        diff["changes"][1],
        json!({"group": "term", "name": "rude-1", "kind": "changed", "details": [{"what": "risk", "from": "3", "to": "4"}]})
    );
    run(&["policy", "diff", text(&old), "missing.toml"])
        .expect_error(2, "missing.toml: cannot be read");
}

#[test]
fn the_schema_and_the_reference_are_printed() {
    let schema: serde_json::Value =
        serde_json::from_str(&run(&["policy", "schema"]).expect(0).stdout).expect("JSON");
    assert_eq!(schema["title"], "Gavel policy");
    let page = run(&["policy", "reference"]).expect(0).stdout;
    assert!(
        page == include_str!("../../../docs/policy-reference.md"),
        "docs/policy-reference.md is stale; renew it with: cargo run --release -p gavel -- policy reference > docs/policy-reference.md"
    );
}
