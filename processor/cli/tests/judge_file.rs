//! `gavel judge`: the contract that scripts rely on.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Ran, gavel, run, text};
use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str = r#"
[policy]
id = "judge-file"
topics = ["rude", "spam"]

[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }

[[term]]
id = "rude-1"
match = ["drat"]
topic = "rude"
risk = 3

[[context]]
id = "flood"
type = "event_count"
group_by = ["user"]
timespan = "10s"
condition = { gte = 3 }
then = { topic = "spam", risk = 4, action = "mute", for = "60s" }
"#;

/// An evening in 2026, in milliseconds.
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

    fn judge(&self, input: &[u8]) -> Ran {
        gavel(
            &["judge", "--policy", text(&self.policy), "-"],
            input,
            &Default::default(),
        )
    }

    fn verdicts(&self, lines: &[Value]) -> Vec<Value> {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        self.judge(lines.join("\n").as_bytes()).expect(0).json()
    }
}

fn said(user: &str, text: &str, sent_at: i64) -> Value {
    json!({"user": user, "text": text, "sent_at": sent_at})
}

fn column<'a>(verdicts: &'a [Value], field: &str) -> Vec<&'a Value> {
    verdicts.iter().map(|verdict| &verdict[field]).collect()
}

#[test]
fn a_verdict_has_the_fields_of_the_schema_in_their_order() {
    let files = Files::new();
    let line = br#"{"message_id":"m1","community":"c","channel":"g","user":"u","text":"oh drat","sent_at":1767636000000}"#;
    let ran = files.judge(line).expect(0);
    let expected = [
        "log_id",
        "source_partition",
        "source_offset",
        "message_id",
        "community",
        "channel",
        "user",
        "sent_at",
        "judged_at",
        "code",
        "action",
        "effects",
        "labels",
        "reasons",
        "masked_text",
        "duplicate_of",
        "policy",
        "engine",
        "context_complete",
        "headers_dropped",
        "overturns",
    ];
    let places: Vec<usize> = expected
        .iter()
        .map(|field| {
            ran.stdout
                .find(&format!("\"{field}\":"))
                .unwrap_or_else(|| panic!("{field} is missing"))
        })
        .collect();
    assert!(places.is_sorted(), "{}", ran.stdout);
    let verdict = &ran.json()[0];
    assert_eq!(
        verdict.as_object().map(serde_json::Map::len),
        Some(expected.len())
    );
    assert_eq!(
        (
            &verdict["log_id"],
            &verdict["source_partition"],
            &verdict["source_offset"]
        ),
        (&json!("file"), &json!(0), &json!(0))
    );
    assert_eq!(
        (&verdict["action"], &verdict["masked_text"]),
        (&json!("mask"), &json!("oh ****"))
    );
    assert_eq!(verdict["reasons"][0]["rule"], "rude-1");
    assert_eq!(
        (
            &verdict["reasons"][0]["start"],
            &verdict["reasons"][0]["end"]
        ),
        (&json!(3), &json!(7))
    );
}

#[test]
fn only_user_and_text_are_required() {
    let verdicts = Files::new().verdicts(&[json!({"user": "u", "text": "hello"})]);
    assert_eq!(
        (
            &verdicts[0]["code"],
            &verdicts[0]["action"],
            &verdicts[0]["sent_at"]
        ),
        (&json!("judged"), &json!("allow"), &json!(0))
    );
}

#[test]
fn line_numbers_are_offsets_and_empty_lines_count_without_a_verdict() {
    let input = b"{\"user\":\"u\",\"text\":\"a\"}\n\n   \n{\"user\":\"u\",\"text\":\"b\"}\r\n{\"user\":\"u\",\"text\":\"c\"}";
    let verdicts = Files::new().judge(input).expect(0).json();
    assert_eq!(
        column(&verdicts, "source_offset"),
        [&json!(0), &json!(3), &json!(4)]
    );
}

#[test]
fn both_forms_of_time_are_the_same_time() {
    let verdicts = Files::new().verdicts(&[
        json!({"user": "u", "text": "a", "sent_at": EVENING}),
        json!({"user": "v", "text": "a", "sent_at": "2026-01-05T18:00:00Z"}),
        json!({"user": "w", "text": "a", "sent_at": "2026-01-05T19:00:00.000+01:00"}),
    ]);
    assert_eq!(column(&verdicts, "sent_at"), [&json!(EVENING); 3]);
    assert_eq!(column(&verdicts, "judged_at"), [&json!(EVENING); 3]);
}

#[test]
fn the_clock_stands_still_without_a_time_and_never_goes_back() {
    let verdicts = Files::new().verdicts(&[
        json!({"user": "a", "text": "x"}),
        said("b", "x", EVENING),
        json!({"user": "c", "text": "x"}),
        said("d", "x", EVENING - 5_000),
        said("e", "x", 5),
        said("f", "x", i64::MAX),
        said("g", "x", -1),
        said("h", "x", EVENING + 90_000),
    ]);
    let mut expected = vec![json!(0)];
    expected.extend(vec![json!(EVENING); 6]);
    expected.push(json!(EVENING + 90_000));
    assert_eq!(
        column(&verdicts, "judged_at"),
        expected.iter().collect::<Vec<_>>()
    );
}

#[test]
fn what_a_user_did_before_counts() {
    let mut lines: Vec<Value> = (0..4)
        .map(|n| said("flooder", &format!("n {n}"), EVENING + n * 1_000))
        .collect();
    lines.push(said("calm", "hello", EVENING + 3_000));
    lines.push(said("flooder", "again", EVENING + 120_000));
    let verdicts = Files::new().verdicts(&lines);
    let codes = ["judged", "judged", "judged", "muted", "judged", "judged"].map(|code| json!(code));
    assert_eq!(column(&verdicts, "code"), codes.iter().collect::<Vec<_>>());
    assert_eq!(verdicts[2]["effects"][0]["kind"], "mute");
    assert_eq!(
        verdicts[2]["effects"][0]["until"],
        json!(EVENING + 2_000 + 60_000)
    );
}

#[test]
fn nothing_that_is_read_stops_it() {
    let hostile: Vec<Vec<u8>> = vec![
        b"garbage".to_vec(),
        b"{".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"{\"user\":\"u\",\"text\":\"\xc3\x28\"}".to_vec(),
        b"\xc3\x01\x00\x00\x00\x00\x00\x00\x00\x00".to_vec(),
        br#"{"user":"u","user":"v","text":"x"}"#.to_vec(),
        br#"{"user":1,"text":"x"}"#.to_vec(),
        br#"{"user":"u","text":"x","sent_at":"yesterday"}"#.to_vec(),
        br#"{"user":"u","text":"x","community":"a/b"}"#.to_vec(),
        format!(r#"{{"user":"{}","text":"x"}}"#, "u".repeat(600)).into_bytes(),
        format!(
            r#"{{"user":"{0}","community":"{0}","text":"x"}}"#,
            "u".repeat(300)
        )
        .into_bytes(),
        format!(r#"{{"user":"u","text":"{}"}}"#, "x".repeat(20_000)).into_bytes(),
        format!(
            r#"{{"user":"u","text":"x","more":{}{}}}"#,
            "[".repeat(5_000),
            "]".repeat(5_000)
        )
        .into_bytes(),
        vec![b'x'; 5_000_000],
    ];
    let reasons = [
        "unknown-framing",
        "malformed-json",
        "malformed-json",
        "unknown-framing",
        "unknown-framing",
        "unknown-framing",
        "invalid-utf8",
        "unknown-schema",
        "malformed-json",
        "malformed-json",
        "malformed-json",
        "bad-community",
        "string-too-long",
        "key-too-long",
        "text-too-long",
        "too-deep",
        "too-large",
    ];
    let mut input = hostile.join(&b'\n');
    input.extend_from_slice(b"\n{\"user\":\"u\",\"text\":\"still here\"}\n");
    let verdicts = Files::new().judge(&input).expect(0).json();
    assert_eq!(verdicts.len(), hostile.len() + 1);
    for (n, reason) in reasons.iter().enumerate() {
        let verdict = &verdicts[n];
        assert_eq!(
            (&verdict["code"], &verdict["action"]),
            (&json!("refused"), &json!("block")),
            "line {n}: {verdict}"
        );
        let rule = verdict["reasons"][0]["rule"].as_str().expect("a rule");
        assert_eq!(rule, format!("refused/{reason}"), "line {n}");
    }
    assert_eq!(verdicts[hostile.len()]["action"], "allow");
}

#[test]
fn the_same_lines_give_the_same_bytes_from_a_file_and_from_a_pipe() {
    let files = Files::new();
    let lines: Vec<String> = (0..500)
        .map(|n| {
            said(
                &format!("u{}", n % 7),
                &format!("drat {n}"),
                EVENING + n * 300,
            )
            .to_string()
        })
        .collect();
    let input = lines.join("\n");
    let path = files.directory.path().join("chat.jsonl");
    std::fs::write(&path, &input).expect("the chat is written");
    let from_file = run(&["judge", "--policy", text(&files.policy), text(&path)]).expect(0);
    assert_eq!(
        from_file.stdout,
        files.judge(input.as_bytes()).expect(0).stdout
    );
    assert_eq!(from_file.stdout.lines().count(), 500);
}

#[test]
fn a_table_shows_no_control_characters() {
    let files = Files::new();
    let line = json!({"user": "evil\u{1b}]0;title\u{7}", "text": "drat \u{1b}[2J"}).to_string();
    let arguments = [
        "judge",
        "--policy",
        text(&files.policy),
        "--output",
        "table",
        "-",
    ];
    let ran = gavel(&arguments, line.as_bytes(), &Default::default()).expect(0);
    assert!(
        ran.stdout.contains("rude:3") && ran.stdout.contains("rude-1[0..4]"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.chars().all(|c| !c.is_control() || c == '\n'),
        "{:?}",
        ran.stdout
    );
}

#[test]
fn wrong_usage_and_a_wrong_policy_are_told_apart() {
    let files = Files::new();
    run(&["judge", "-"]).expect_error(2, "--policy");
    run(&["judge", "--policy", "/nowhere.toml", "-"])
        .expect_error(2, "error: /nowhere.toml: cannot be read");
    run(&["judge", "--policy", text(&files.policy), "/nowhere.jsonl"])
        .expect_error(2, "error: /nowhere.jsonl: cannot be read");
    let typo = files.directory.path().join("typo.toml");
    std::fs::write(
        &typo,
        POLICY.replace("topic = \"rude\"", "topik = \"rude\""),
    )
    .expect("the policy is written");
    let ran = run(&["judge", "--policy", text(&typo), "-"]).expect_error(1, "typo.toml:");
    assert!(
        ran.stderr.contains("did you mean `topic`?") && ran.stderr.contains("next: "),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.is_empty());
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let files = Files::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gavel"))
        .args(["judge", "--policy", text(&files.policy), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    let line = said("u", &"x".repeat(5_000), EVENING).to_string() + "\n";
    let feeder = std::thread::spawn(move || while stdin.write_all(line.as_bytes()).is_ok() {});
    let mut stdout = BufReader::new(child.stdout.take().expect("it was piped"));
    let mut first = String::new();
    stdout.read_line(&mut first).expect("a verdict");
    drop(stdout);
    let output = child.wait_with_output().expect("the binary ends");
    feeder.join().expect("the feeder ends");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );
    assert!(first.contains("\"source_offset\":0"), "{first}");
}
