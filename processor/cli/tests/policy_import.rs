//! `gavel policy import`: other people's lists become lists of a policy, or say why not.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{Ran, gavel, run, text};
use tempfile::TempDir;

const SURGE: &str = "\
text,canonical_form_1,canonical_form_2,canonical_form_3,category_1,category_2,category_3,severity_rating,severity_description
darn,darn,,,mild oaths / exclamations,,,1,Mild
d@rn,darn,,,mild oaths / exclamations,,,1.4,Mild
h*ck,heck,,,mild oaths / exclamations,,,1.4,Mild
clod,clod,,,other / general insult,mental disability,,2.8,Severe
";

const DSOJEVIC: &str = r#"[
  {"id": "darn", "match": "da*rn|darns", "tags": ["general"], "severity": 1, "exceptions": ["mac*", "*ing needle"]},
  {"id": "clod", "match": "clod", "tags": ["insult"], "severity": 4},
  {"id": "drat", "match": "drat", "tags": ["general"], "severity": 2, "allow_partial": true}
]"#;

const DISCORD: &str = r#"[
  {"id": "1", "name": "Mild Oaths", "event_type": 1, "trigger_type": 1, "enabled": true, "actions": [{"type": 1}],
   "trigger_metadata": {"keyword_filter": ["darn", "heck*", "*drat*"], "regex_patterns": ["c[l1]od"],
                        "presets": [], "allow_list": ["drat race"]}},
  {"id": "2", "name": "Presets", "event_type": 1, "trigger_type": 4, "enabled": true, "actions": [],
   "trigger_metadata": {"presets": [1, 2, 3], "allow_list": []}}
]"#;

fn written(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(name);
    std::fs::write(&path, content).expect("the list is written");
    (directory, path)
}

fn import(name: &str, content: impl AsRef<[u8]>, more: &[&str]) -> Ran {
    let (_directory, list) = written(name, content);
    let arguments = [&["policy", "import", text(&list)], more].concat();
    run(&arguments)
}

/// The rows of a list of terms, as id, match, topic, risk, partial, exceptions, language.
fn rows(csv: &str) -> Vec<Vec<&str>> {
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some("id,match,topic,risk,partial,exceptions,language")
    );
    lines.map(|line| line.split(',').collect()).collect()
}

/// Imports, names the list and its topics in a policy, and gives what this policy says to each message.
fn judged(
    name: &str,
    content: &str,
    more: &[&str],
    policy: &str,
    messages: &[&str],
) -> Vec<String> {
    let (directory, list) = written(name, content);
    let terms = directory.path().join("terms.csv");
    let arguments = [&["policy", "import", text(&list), "-o", text(&terms)], more].concat();
    run(&arguments).expect(0);
    let path = directory.path().join("policy.toml");
    std::fs::write(&path, policy).expect("the policy is written");
    run(&["policy", "check", text(&path)]).expect(0);
    let input: String = messages
        .iter()
        .map(|message| format!("{}\n", serde_json::json!({"user": "ada", "text": message})))
        .collect();
    let arguments = ["judge", "--policy", text(&path), "-"];
    let verdicts = gavel(&arguments, input.as_bytes(), &BTreeMap::new()).expect(0);
    let said = |verdict: &serde_json::Value| {
        let rule = verdict["reasons"][0]["rule"].as_str().unwrap_or_default();
        format!("{} {rule}", verdict["action"].as_str().unwrap_or_default())
    };
    verdicts.json().iter().map(said).collect()
}

fn policy(topics: &str) -> String {
    format!(
        "[policy]\nid = \"imported\"\nlists = [\"terms.csv\"]\ntopics = [{topics}]\n\
         [audience.default]\ndefault = {{ flag = 1, block = 5 }}\n"
    )
}

#[test]
fn a_plain_list_becomes_terms_of_one_topic() {
    let list = "# words\nDarn*\nkung fu\n\ndarn* \n#heck\n";
    let ran = import(
        "my words.txt",
        list,
        &["--topic", "rude", "--language", "en"],
    )
    .expect(0);
    assert_eq!(
        rows(&ran.stdout),
        [
            ["my-words-darn", "darn*", "rude", "4", "", "", "en"],
            ["my-words-kung-fu", "kung fu", "rude", "4", "", "", "en"],
            ["my-words-heck", "#heck", "rude", "4", "", "", "en"],
        ]
    );
    for part in [
        "guessed: the list is plain",
        "3 terms with 3 patterns, 1 merged, 0 skipped",
        "policy.topics needs: \"rude\"",
    ] {
        assert!(ran.stderr.contains(part), "{part}:\n{}", ran.stderr);
    }
}

#[test]
fn a_surge_list_brings_its_categories_and_severities() {
    let more = [
        "--topic-map",
        "other / general insult=insult",
        "--id-prefix",
        "s",
    ];
    let ran = import("list.csv", SURGE, &more).expect(0);
    assert_eq!(
        rows(&ran.stdout),
        [
            ["s-darn", "darn", "mild-oaths-exclamations", "3", "", "", ""],
            ["s-clod", "clod", "insult", "6", "", "", ""],
        ]
    );
    for part in [
        "guessed: the list is surge",
        "skipped 1: line 4: `h*ck`: `*` stands only at an end",
        "2 terms with 2 patterns, 1 merged, 1 skipped",
    ] {
        assert!(ran.stderr.contains(part), "{part}:\n{}", ran.stderr);
    }
}

#[test]
fn an_imported_list_with_exceptions_judges_as_its_author_meant() {
    let said = judged(
        "list.json",
        DSOJEVIC,
        &[],
        &policy(r#""general", "insult""#),
        &[
            "well darned",
            "daaaarn",
            "ada macdarn",
            "my darning needle",
            "clod",
            "clods",
            "hydrate hydratation",
        ],
    );
    assert_eq!(
        said,
        [
            "flag list-darn",
            "flag list-darn",
            "allow ",
            "allow ",
            "block list-clod",
            "allow ",
            "flag list-drat"
        ]
    );
}

#[test]
fn discord_rules_bring_keywords_and_allowed_words_and_name_the_rest() {
    let ran = import("rules.json", DISCORD, &["--output", "json"]).expect(0);
    assert_eq!(
        rows(&ran.stdout),
        [
            ["rules-darn", "darn", "mild-oaths", "4", "", "", ""],
            ["rules-heck", "heck*", "mild-oaths", "4", "", "", ""],
            ["rules-drat", "drat", "mild-oaths", "4", "true", "", ""],
        ]
    );
    let summary: serde_json::Value = ran
        .stderr
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .expect("a summary");
    assert_eq!(
        (
            &summary["format"],
            &summary["terms"],
            &summary["topics"]["mild-oaths"]
        ),
        (&"discord".into(), &3.into(), &3.into())
    );
    let skipped = summary["skipped"].to_string();
    assert!(
        skipped.contains("c[l1]od") && skipped.contains("rule `Presets`"),
        "{skipped}"
    );
    let allow = summary["allow"].as_str().expect("the allowed words");
    let said = judged(
        "rules.json",
        DISCORD,
        &[],
        &format!("{}\n{allow}", policy(r#""mild-oaths""#)),
        &["drat it", "what a drat race", "heckler"],
    );
    assert_eq!(said, ["flag rules-drat", "allow ", "flag rules-heck"]);
}

#[test]
fn allowed_words_go_to_a_file_of_their_own_if_one_is_named() {
    let (directory, list) = written("rules.json", DISCORD);
    let allow = directory.path().join("allow.toml");
    let ran = run(&[
        "policy",
        "import",
        text(&list),
        "--allow-output",
        text(&allow),
    ])
    .expect(0);
    let toml = std::fs::read_to_string(&allow).expect("it is written");
    assert!(
        toml.contains("match = [\"drat race\"]\nmax_risk = 4\n"),
        "{toml}"
    );
    assert!(!ran.stderr.contains("[[allow]]"), "{}", ran.stderr);
}

#[test]
fn a_file_is_replaced_only_by_force_and_only_by_a_whole_list() {
    let (directory, list) = written("list.txt", "darn\n");
    let terms = directory.path().join("terms.csv");
    let to = |list: &Path, more: &[&str]| {
        let arguments = [
            "policy",
            "import",
            text(list),
            "--topic",
            "x",
            "-o",
            text(&terms),
        ];
        run(&[&arguments, more].concat())
    };
    let ran = to(&list, &[]).expect(0);
    assert!(ran.stdout.starts_with("1 terms"), "{}", ran.stdout);
    to(&list, &[]).expect_error(2, "exists already");
    let (_other, broken) = written("broken.txt", b"heck\n\xff\n");
    to(&broken, &["--force"]).expect_error(1, "line 2: not UTF-8");
    let kept = std::fs::read_to_string(&terms).expect("it is there");
    assert!(kept.contains("list-darn"), "{kept}");
    std::fs::write(&list, "heck\n").expect("the list is written");
    to(&list, &["--force"]).expect(0);
    let replaced = std::fs::read_to_string(&terms).expect("it is there");
    assert!(
        replaced.contains("list-heck") && !replaced.contains("darn"),
        "{replaced}"
    );
    let files = std::fs::read_dir(directory.path())
        .expect("a directory")
        .count();
    assert_eq!(
        files, 2,
        "nothing else is left beside the list and its terms"
    );
}

#[test]
fn hostile_lists_end_in_an_error_that_names_the_line() {
    let topic = ["--topic", "x"];
    let long = format!("darn\n{}\n", "x".repeat(10 << 20));
    import("long.txt", &long, &topic).expect_error(1, "line 2 has 10485760 bytes");
    import("empty.txt", "", &topic).expect_error(1, "the list is empty");
    import("stars.txt", "a*b\n", &topic).expect_error(1, "nothing of the list can be imported");
    let bomb = format!("{{\"rules\":{}", "[".repeat(1 << 20));
    import("bomb.json", &bomb, &topic).expect_error(1, "line 1: ");
    let bomb = format!("{{\"x\":{}", "{\"x\":".repeat(1 << 20));
    import("bomb.json", &bomb, &["--format", "discord"]).expect_error(1, "line 1: EOF");
    let severity = DSOJEVIC.replace("\"severity\": 4", "\"severity\": 11");
    import("s.json", &severity, &[]).expect_error(1, "line 3: severity 11 is unknown");
    let severity = SURGE.replace(",2.8,", ",high,");
    import("s.csv", &severity, &[]).expect_error(1, "line 5: severity_rating `high` is unknown");
}

#[test]
fn a_list_without_categories_asks_for_a_topic() {
    let ran = import("list.txt", "darn\n", &[]).expect_error(1, "line 1: no topic");
    assert!(ran.stderr.contains("--topic"), "{}", ran.stderr);
    import("list.txt", "darn\n", &["--topic-map", "=rude"]).expect(0);
    import("list.txt", "darn\n", &["--topic", "x", "--risk", "8"]).expect_error(2, "--risk");
}

#[test]
fn standard_input_is_read_and_ids_do_not_depend_on_the_order_of_lines() {
    let ids = |list: &str| {
        let arguments = ["policy", "import", "-", "--topic", "x"];
        let ran = gavel(&arguments, list.as_bytes(), &BTreeMap::new()).expect(0);
        let mut ids: Vec<String> = rows(&ran.stdout)
            .iter()
            .map(|row| format!("{} {}", row[0], row[1]))
            .collect();
        ids.sort();
        ids
    };
    let forward = ids("kung-fu\nkung fu\n点\nkung.fu*\n");
    assert_eq!(forward, ids("kung.fu*\n点\nkung fu\nkung-fu\n"));
    assert_eq!(forward.len(), 4);
    assert!(
        forward.iter().all(|id| id.starts_with("plain-")),
        "{forward:?}"
    );
}
