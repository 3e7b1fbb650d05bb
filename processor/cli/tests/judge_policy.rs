//! `gavel policy check`, help and completions: what needs no broker.

mod common;

use std::path::{Path, PathBuf};

use common::{gavel, run, text};
use tempfile::TempDir;

const POLICY: &str = r#"
[policy]
id = "checked"
lists = ["terms/en.csv"]
topics = ["rude"]

[audience.default]
default = { flag = 2, mask = 3 }

[[test]]
in = { text = "what a clod" }
expect = { action = "mask", topic = "rude", risk = 3, matched = ["rude-1"] }
"#;

fn files(policy: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("policy.toml");
    std::fs::write(&path, policy).expect("the policy is written");
    std::fs::create_dir(directory.path().join("terms")).expect("a directory");
    std::fs::write(
        directory.path().join("terms/en.csv"),
        "id,match,topic,risk\nrude-1,clod,rude,3\n",
    )
    .expect("the list is written");
    (directory, path)
}

#[test]
fn a_good_policy_prints_its_digest_and_counts() {
    let (_directory, policy) = files(POLICY);
    let ran = run(&["policy", "check", text(&policy), "--output", "json"]).expect(0);
    let checked = &ran.json()[0];
    assert_eq!(checked["digest"].as_str().map(str::len), Some(64));
    assert_eq!(
        (&checked["terms"], &checked["tests"], &checked["engine"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(
        (&checked["warnings"], &checked["failed"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    let people = run(&["policy", "check", text(&policy)]).expect(0);
    assert!(
        people
            .stdout
            .starts_with(checked["digest"].as_str().expect("a digest")),
        "{}",
        people.stdout
    );
}

#[test]
fn the_digest_follows_the_meaning_and_not_the_writing() {
    let digest = |policy: &str| {
        let (_directory, path) = files(policy);
        run(&["policy", "check", text(&path), "--output", "json"])
            .expect(0)
            .json()[0]["digest"]
            .to_string()
    };
    assert_eq!(
        digest(POLICY),
        digest(&format!("# a comment\n{}", POLICY.replace(" = ", "=")))
    );
    assert_ne!(
        digest(POLICY),
        digest(&POLICY.replace("flag = 2", "flag = 1"))
    );
}

#[test]
fn a_failing_test_is_shown_with_what_was_found() {
    let (_directory, policy) = files(&POLICY.replace("action = \"mask\"", "action = \"block\""));
    let ran =
        run(&["policy", "check", text(&policy)]).expect_error(1, "error: 1 of 1 tests failed");
    assert!(
        ran.stdout.contains("what a clod") && ran.stdout.contains("expected block, found mask"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_policy_without_tests_is_warned_about() {
    let untested = POLICY
        .split("[[test]]")
        .next()
        .expect("the part before the test");
    let (_directory, policy) = files(untested);
    let ran = run(&["policy", "check", text(&policy)]).expect(0);
    assert!(
        ran.stdout.contains("warning[no-tests] no [[test]]"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_missing_list_names_the_file() {
    let (directory, policy) = files(POLICY);
    std::fs::remove_file(directory.path().join("terms/en.csv")).expect("it was there");
    run(&["policy", "check", text(&policy)]).expect_error(1, "en.csv");
}

#[test]
fn a_config_with_a_typo_names_file_line_and_the_nearest_key() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = directory.path().join("gavel.toml");
    std::fs::write(&config, "[kafka]\nbootstrap_sevrers = \"x:1\"\n").expect("the file is written");
    let ran =
        run(&["topics", "check", "--config", text(&config)]).expect_error(2, "gavel.toml:2: ");
    assert!(
        ran.stderr.contains("did you mean `bootstrap_servers`?"),
        "{}",
        ran.stderr
    );
    let variables = [("GAVEL_RUN_LANE".to_owned(), "2".to_owned())].into();
    let ran = gavel(&["topics", "check"], b"", &variables).expect_error(2, "GAVEL_RUN_LANE");
    assert!(
        ran.stderr.contains("did you mean GAVEL_RUN_LANES?"),
        "{}",
        ran.stderr
    );
    run(&["topics", "check", "-X", "acks=1"]).expect_error(2, "`acks` is refused");
    run(&["topics", "check", "-X", "acks"]).expect_error(2, "-X: expected key=value");
}

#[test]
fn the_page_of_settings_is_a_configuration_that_changes_nothing() {
    let page = run(&["settings"]).expect(0).stdout;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = directory.path().join("gavel.toml");
    std::fs::write(&config, page).expect("the file is written");
    let ran = run(&["topics", "check", "--config", text(&config), "-X", "acks=1"]).expect(2);
    assert_eq!(
        ran.stderr
            .lines()
            .filter(|line| !line.starts_with("next"))
            .count(),
        1,
        "{}",
        ran.stderr
    );
    let keys = run(&["settings", "--output", "json"]).expect(0).json();
    assert!(
        keys.iter()
            .any(|key| key["variable"] == "GAVEL_RUN_DRAIN_MS" && key["meaning"] != ""),
        "{keys:?}"
    );
}

#[test]
fn help_groups_the_commands_and_tells_the_exit_codes() {
    let ran = run(&["--help"]).expect(0);
    for part in [
        "Start here:",
        "Run:",
        "Policies:",
        "Audit:",
        "Exit codes:",
        "  judge",
        "  topics",
        "  replay",
    ] {
        assert!(
            ran.stdout.contains(part),
            "{part} is missing in\n{}",
            ran.stdout
        );
    }
    run(&["juge"]).expect_error(2, "judge");
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&["completions", shell]).expect(0);
        assert!(ran.stdout.contains("verdicts"), "{shell}");
    }
}

#[test]
fn the_starter_policy_passes_its_own_tests_with_every_list_that_lies_beside_it() {
    let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/starter");
    let directory = tempfile::tempdir().expect("a temporary directory");
    for part in ["terms", "words"] {
        let copy = directory.path().join(part);
        std::fs::create_dir(&copy).expect("a directory");
        for file in std::fs::read_dir(starter.join(part)).expect("it is there") {
            let file = file.expect("a file").path();
            let name = file.file_name().expect("a name");
            std::fs::copy(&file, copy.join(name)).expect("copied");
        }
    }
    let policy = std::fs::read_to_string(starter.join("policy.toml")).expect("it is there");
    for lists in [
        "",
        ", \"terms/europe.csv\"",
        ", \"terms/europe.csv\", \"terms/asia.csv\"",
    ] {
        let with = policy.replace(
            "\"terms/world.csv\"]",
            &format!("\"terms/world.csv\"{lists}]"),
        );
        assert_eq!(with == policy, lists.is_empty());
        let file = directory.path().join("policy.toml");
        std::fs::write(&file, with).expect("written");
        let ran = run(&["policy", "check", text(&file), "--output", "json"]).expect(0);
        let checked = &ran.json()[0];
        assert_eq!(checked["failed"], serde_json::json!([]));
        assert!(checked["tests"].as_u64() >= Some(150));
    }
}
