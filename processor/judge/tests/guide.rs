//! The guide for authors: every example in it is a policy that does what the guide says.

mod room;

use gavel_judge::{Document, Policy, lint, run_tests};
use room::Room;

const GUIDE: &str = include_str!("../../../docs/policy.md");

/// What examples are added to: the first policy of the guide, with all topics.
const HEAD: &str = "[policy]\nid = \"guide\"\ntopics = [\"vulgar\", \"insult\", \"hate\", \"threat\", \"pii\", \"spam\"]\n";
const AUDIENCE: &str = "[audience.default]\ndefault = { flag = 2, mask = 3, block = 5 }\n";
const DARN: &str =
    "[[term]]\nid = \"vul-darn\"\nmatch = [\"darn*\", \"dang\"]\ntopic = \"vulgar\"\nrisk = 3\n";

struct Block {
    line: usize,
    /// What stands behind the fence: `toml`, or `csv` and a file's name.
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
                blocks.push(Block {
                    line,
                    info,
                    text: String::new(),
                });
            }
        } else if let Some(block) = blocks.last_mut().filter(|_| open) {
            block.text += text;
            block.text += "\n";
        }
    }
    assert!(!open, "a block is not closed");
    blocks
}

fn whole(block: &Block) -> String {
    if block.text.starts_with("[policy]") {
        return block.text.clone();
    }
    let audience = if block.text.contains("[audience.default]") {
        ""
    } else {
        AUDIENCE
    };
    format!("{HEAD}{audience}{DARN}{}", block.text)
}

fn parse(block: &Block, files: &[Block]) -> Document {
    let mut file = |name: &str| {
        let found = files.iter().find(|block| {
            block
                .info
                .split_once(' ')
                .is_some_and(|(_, file)| file == name)
        });
        found
            .map(|block| block.text.clone())
            .ok_or("the guide shows no such file".to_owned())
    };
    Document::parse("policy.md", &whole(block), &mut file)
        .unwrap_or_else(|error| panic!("the example in line {}: {error}", block.line))
}

#[test]
fn every_example_is_a_policy_that_passes_its_tests() {
    let (examples, files): (Vec<Block>, Vec<Block>) =
        blocks().into_iter().partition(|block| block.info == "toml");
    assert!(examples.len() >= 20, "{}", examples.len());
    for block in &examples {
        let document = parse(block, &files);
        Policy::compile(&document).unwrap_or_else(|error| panic!("line {}: {error}", block.line));
        assert!(
            document.tests() > 0,
            "the example in line {} shows nothing",
            block.line
        );
        let failures = run_tests(&document).expect("it compiles");
        assert!(failures.is_empty(), "line {}: {failures:#?}", block.line);
    }
}

#[test]
fn all_examples_that_add_to_the_first_policy_make_one_together() {
    // But for those with audiences and channels of their own, which would meet.
    let mut text = format!("{HEAD}{AUDIENCE}{DARN}");
    for block in blocks().iter().filter(|block| block.info == "toml") {
        if !block.text.starts_with("[policy]") && !block.text.contains("[audience.default]") {
            let rules: Vec<&str> = block.text.split("[[test]]").take(1).collect();
            text += &rules.concat();
        }
    }
    Room::under(&text, &[]);
}

#[test]
fn no_warning_names_a_rule_of_an_example() {
    let (examples, files): (Vec<Block>, Vec<Block>) =
        blocks().into_iter().partition(|block| block.info == "toml");
    for block in &examples {
        let document = parse(block, &files);
        for found in lint(&document) {
            // The topics of all examples stand in the head of each, levels are for what is added later, and of long windows the guide
            // itself speaks.
            let about_the_base = matches!(
                found.lint,
                "topic-without-rule" | "unreached-level" | "points-without-rule" | "long-window"
            );
            assert!(about_the_base, "line {}: {found:?}", block.line);
        }
    }
}

#[test]
fn each_section_of_the_contents_is_there() {
    let anchor = |heading: &str| {
        let kept = heading
            .chars()
            .filter(|ch| ch.is_alphanumeric() || matches!(ch, ' ' | '-'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    let headings: Vec<String> = GUIDE
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(anchor)
        .collect();
    let links: Vec<&str> = GUIDE
        .split("](#")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    assert!(links.len() >= 13);
    for link in links {
        assert!(headings.iter().any(|heading| heading == link), "{link}");
    }
}

fn base(rules: &str) -> Room {
    Room::under(&format!("{HEAD}{AUDIENCE}{rules}"), &[])
}

fn term(pattern: &str, more: &str) -> String {
    format!("[[term]]\nid = \"t\"\nmatch = [\"{pattern}\"]\ntopic = \"vulgar\"\nrisk = 3\n{more}\n")
}

#[test]
fn what_the_table_of_patterns_says_is_so() {
    let mut word = base(&term("darn", ""));
    word.finds("t", &["darn", "Darn!", "(DARN)"]);
    word.passes(&["darned"]);
    let mut open = base(&term("darn*", ""));
    open.finds("t", &["darn", "darned", "darning"]);
    open.passes(&["goddarn"]);
    let mut suffix = base(&term("*head", ""));
    suffix.finds("t", &["head", "blockhead"]);
    suffix.passes(&["headless"]);
    let mut row = base(&term("nobody likes you", ""));
    row.finds("t", &["nobody likes you", "nobody - likes... you"]);
    row.passes(&["nobody really likes you"]);
    base(&term("darn", "partial = true")).finds("t", &["goddarnit"]);
    base(&term("ass", "")).passes(&["class", "assessment"]);
}

#[test]
fn what_the_text_about_disguises_says_is_so() {
    let mut room = base(DARN);
    room.finds(
        "vul-darn",
        &[
            "dárn",
            "d\u{336}a\u{336}rn",
            "d\u{200b}arn",
            "🅳🅰🆁🅽",
            "ⓓⓐⓡⓝ",
            "\u{202e}nrad",
        ],
    );
    let mut fuzzy = base(&term("blasted", "fuzzy = true"));
    fuzzy.finds("t", &["blatsed", "bblasted", "bl***ed", "blas ted"]);
    base(&term("darn", "fuzzy = true")).passes(&["dan", "drn"]);
    base(&term("可恶", "partial = true")).finds("t", &["你真可恶啊"]);
    base(&term("可恶", "")).passes(&["你真可恶啊"]);
    base(&term("darn", "")).passes(&["darn2", "da🔥rn"]);
    base(&term("ass", "")).passes(&["as$"]);
    let head = format!("{}ordinary = [\"o\"]\n{AUDIENCE}", HEAD);
    let penance = term("penance", "fuzzy = true");
    Room::under(&format!("{head}{penance}"), &[("o", "pen ance")]).passes(&["pen ance"]);
    base(&format!(
        "[words]\ncan = [\"can't\"]\n{}",
        term("@can darn", "")
    ))
    .passes(&["cant darn"]);
}

#[test]
fn an_escalation_is_besides_whatever_else_is_done() {
    let rules = format!(
        "{}{}",
        term("darn", ""),
        "[audience.kids]\ndefault = { escalate = 1 }\n"
    );
    let verdict = base(&rules).send(
        0,
        gavel_schemas::ChatMessage {
            audience: Some("kids".into()),
            ..room::of("darn")
        },
    );
    assert_eq!(verdict.action, "allow");
    assert_eq!(room::effects(&verdict), ["escalate default"]);
}

#[test]
fn the_first_policy_of_the_guide_is_what_later_examples_are_added_to() {
    let blocks = blocks();
    let first = &blocks[0].text;
    let document = |text: &str| {
        let document = Document::parse("p", text, &mut |_| Err(String::new())).expect("valid");
        let text = String::from_utf8(document.canonical()).expect("JSON");
        text[text.find("\"terms\"").unwrap()..text.find("\"detectors\"").unwrap()].to_owned()
    };
    assert_eq!(
        document(first),
        document(&format!("{HEAD}{AUDIENCE}{DARN}"))
    );
    assert!(first.contains("flag = 2, mask = 3, block = 5"));
}
