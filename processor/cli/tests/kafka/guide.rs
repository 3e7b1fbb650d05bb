//! The guide for auditors, clerks, authors and regulators: its commands are run in their order on a real Kafka, and what it shows is what
//! they print.

use std::path::Path;
use std::process::Command;

use crate::common::{Kafka, text};
use gavel_runtime::kafka::Cluster;

const GUIDE: &str = include_str!("../../../../docs/audit.md");
/// Stands for whatever is different each time: within a line, or as a line of its own for any lines.
const ANYTHING: &str = "…";

struct Block {
    line: usize,
    info: &'static str,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (line, text) in (1..).zip(GUIDE.lines()) {
        if let Some(info) = text.strip_prefix("```") {
            open = !open;
            if open {
                let text = String::new();
                blocks.push(Block { line, info, text });
            }
        } else if let Some(block) = blocks.last_mut().filter(|_| open) {
            block.text += text;
            block.text += "\n";
        }
    }
    assert!(!open, "a block is not closed");
    blocks
}

/// Lines without what only lays them out.
fn lines(text: &str) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = text.lines().map(words).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Whether a printed line is as shown.
fn line_matches(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn matches(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == ANYTHING => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, left)| line_matches(first, line) && matches(rest, left)),
    }
}

fn shell(kafka: &Kafka, directory: &Path, block: &Block) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_gavel"));
    let mut paths = vec![binary.parent().expect("a directory").to_owned()];
    let path = std::env::var_os("PATH").unwrap_or_default();
    paths.extend(std::env::split_paths(&path));
    let ran = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &block.text])
        .current_dir(directory)
        .env("PATH", std::env::join_paths(paths).expect("a path"))
        .envs(&kafka.variables)
        .output()
        .expect("bash runs");
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout).into_owned(),
        String::from_utf8_lossy(&ran.stderr).into_owned(),
    );
    assert!(
        ran.status.success(),
        "line {} of the guide: {}\n{out}\n{err}",
        block.line,
        ran.status
    );
    out
}

/// Waits until every message has its verdict.
fn wait_until_judged(kafka: &Kafka) {
    let config = kafka.config();
    let cluster = Cluster::new(&config).expect("a client");
    let topic = &config.topics.messages;
    let partitions = cluster.require(topic).expect("it is there").partitions;
    let ends = (0..partitions).map(|partition| {
        let bounds = cluster.bounds(topic, partition).expect("its bounds");
        usize::try_from(bounds.end).expect("offsets are positive")
    });
    kafka.wait_for_verdicts(ends.sum());
}

#[test]
fn the_guide_shows_what_its_commands_print() {
    let kafka = Kafka::for_test("guide").with("GAVEL_KAFKA_GROUP");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut processor = None;
    let mut printed = None;
    let mut compared = 0;
    for block in blocks() {
        match block.info {
            "sh" => {
                printed = Some(shell(&kafka, directory.path(), &block));
                // The first commands make the topics that it needs.
                processor.get_or_insert_with(|| kafka.start_processor(1));
                wait_until_judged(&kafka);
            }
            "text" => {
                let printed = printed.take().expect("what is shown follows a command");
                assert!(
                    matches(&lines(&block.text), &lines(&printed)),
                    "line {} of the guide shows\n{}\nand this was printed:\n{printed}",
                    block.line,
                    block.text
                );
                compared += 1;
            }
            other => panic!("line {}: nobody runs `{other}`", block.line),
        }
    }
    assert!(compared >= 9, "{compared}");
    for page in ["audit.html", "e4.html", "eve.html", "what-if.html"] {
        let page = directory.path().join(page);
        assert!(page.exists(), "{}", text(&page));
    }
}

#[test]
fn links_of_the_guide_lead_somewhere() {
    let anchor = |heading: &str| {
        let kept = heading
            .chars()
            .filter(|ch| ch.is_alphanumeric() || matches!(ch, ' ' | '-'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut links = 0;
    // What is fenced is no link, whatever it looks like.
    let prose: String = GUIDE.split("```").step_by(2).collect();
    for target in prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        let (file, section) = target.split_once('#').unwrap_or((target, ""));
        let page = match file {
            "" => GUIDE.to_owned(),
            file => std::fs::read_to_string(docs.join(file)).expect(target),
        };
        let mut headings = page.lines().filter_map(|line| line.strip_prefix("## "));
        assert!(
            section.is_empty() || headings.any(|heading| anchor(heading) == section),
            "{target}"
        );
        links += 1;
    }
    assert!(links >= 8, "{links}");
}

#[test]
fn anything_stands_for_a_part_of_a_line_or_for_lines() {
    for (shown, printed, is_equal) in [
        ("a … c", "a b b c", true),
        ("a … c", "a b", false),
        ("…", "", true),
        ("… a …", "b a c", true),
        ("a", "a b", false),
        ("a\n…\nd", "a\nb\nc\nd", true),
        ("a\n…", "a", true),
        ("a\n…\nd", "a\nb", false),
        ("a  b", " a b ", true),
    ] {
        assert_eq!(
            matches(&lines(shown), &lines(printed)),
            is_equal,
            "{shown} | {printed}"
        );
    }
}
