//! A line of the labelled file: a message, and what is right about it.
//!
//! Invariant: only the fields of ChatMessage reach the fold, in the form in which `gavel judge` takes them; whatever else the
//! line holds can neither change a verdict nor refuse it. Otherwise a policy would be measured on something that it never judges.

use std::collections::BTreeSet;
use std::fmt;

use gavel_schemas::{Refusal, limits};
use serde_json::{Map, Value};

/// The fields of ChatMessage.
const FIELDS: [&str; 11] = [
    "message_id",
    "community",
    "channel",
    "user",
    "sent_at",
    "text",
    "audience",
    "language",
    "kind",
    "revises",
    "reply_to",
];

/// One readable line.
pub struct Labelled {
    /// From 1.
    pub number: u64,
    /// The message as one JSON object.
    pub message: Vec<u8>,
    pub text: String,
    pub channel: String,
    pub audience: Option<String>,
    /// None: context only.
    pub truth: Option<Truth>,
    pub group: Option<String>,
}

/// What somebody says is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    /// Something is wrong with the message, or nothing is.
    Any(bool),
    /// Exactly these topics are right; none: it is clean.
    Topics(BTreeSet<String>),
}

/// Why a line cannot be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    NotAnObject,
    NoText,
    Label,
    Group,
    /// A topic or a group over 512 bytes.
    LongName,
    /// The fold would refuse it.
    Refused(Refusal),
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NotAnObject => out.write_str("not one JSON object"),
            Problem::NoText => out.write_str("`text` is missing or not a string"),
            Problem::Label => {
                out.write_str("`label` is none of true, false, null, a topic and a list of topics")
            }
            Problem::Group => out.write_str("`group` is not a string"),
            Problem::LongName => write!(
                out,
                "a topic of `label`, or `group`, is over {} bytes",
                limits::STRING_BYTES
            ),
            Problem::Refused(refusal) => write!(out, "refused/{}: {refusal}", refusal.code()),
        }
    }
}

/// Reads a line. What the fold would refuse is found by the fold.
pub fn read(number: u64, line: &[u8]) -> Result<Labelled, Problem> {
    if line.len() > limits::RECORD_BYTES {
        return Err(Problem::Refused(Refusal::TooLarge));
    }
    let line = std::str::from_utf8(line).map_err(|_| Problem::Refused(Refusal::InvalidUtf8))?;
    let mut fields: Map<String, Value> =
        serde_json::from_str(line).map_err(|_| Problem::NotAnObject)?;
    let truth = fields
        .remove("label")
        .map_or(Ok(None), |label| truth_of(&label))?;
    let group = match fields.remove("group") {
        None | Some(Value::Null) => None,
        Some(Value::String(group)) => Some(short(group)?),
        Some(_) => return Err(Problem::Group),
    };
    fields.retain(|name, value| FIELDS.contains(&name.as_str()) && !value.is_null());
    // Counters of a user whom nobody named must be nobody's.
    fields
        .entry("user")
        .or_insert_with(|| Value::String(format!("line-{number}")));
    let string = |name: &str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    Ok(Labelled {
        number,
        text: string("text").ok_or(Problem::NoText)?,
        channel: string("channel").unwrap_or_default(),
        audience: string("audience"),
        truth,
        group,
        message: Value::Object(fields).to_string().into_bytes(),
    })
}

fn truth_of(label: &Value) -> Result<Option<Truth>, Problem> {
    match label {
        Value::Null => Ok(None),
        Value::Bool(any) => Ok(Some(Truth::Any(*any))),
        Value::String(topic) => Ok(Some(Truth::Topics(BTreeSet::from([short(topic.clone())?])))),
        Value::Array(topics) => {
            let topic = |topic: &Value| short(topic.as_str().ok_or(Problem::Label)?.to_owned());
            Ok(Some(Truth::Topics(
                topics.iter().map(topic).collect::<Result<_, Problem>>()?,
            )))
        }
        Value::Number(_) | Value::Object(_) => Err(Problem::Label),
    }
}

fn short(name: String) -> Result<String, Problem> {
    if name.len() > limits::STRING_BYTES {
        return Err(Problem::LongName);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> String {
        let labelled = read(7, line.as_bytes()).expect("readable");
        String::from_utf8(labelled.message).expect("JSON")
    }

    #[test]
    fn only_fields_of_a_message_reach_the_fold() {
        assert_eq!(
            message(r#"{"text":"a","label":true,"group":"g","raw":[[1]],"audience":null}"#),
            r#"{"text":"a","user":"line-7"}"#
        );
        assert_eq!(
            message(r#"{"user":"ada","text":"a","sent_at":5,"channel":"c"}"#),
            r#"{"channel":"c","sent_at":5,"text":"a","user":"ada"}"#
        );
    }

    #[test]
    fn a_label_is_a_truth_a_topic_some_topics_or_nothing() {
        let truth = |label: &str| {
            let line = format!(r#"{{"text":"a","label":{label}}}"#);
            read(1, line.as_bytes()).map(|labelled| labelled.truth)
        };
        let topics =
            |names: &[&str]| Truth::Topics(names.iter().map(ToString::to_string).collect());
        assert_eq!(truth("false"), Ok(Some(Truth::Any(false))));
        assert_eq!(truth("null"), Ok(None));
        assert_eq!(truth(r#""a""#), Ok(Some(topics(&["a"]))));
        assert_eq!(truth(r#"["b","a","b"]"#), Ok(Some(topics(&["a", "b"]))));
        assert_eq!(truth("[]"), Ok(Some(topics(&[]))));
        for wrong in ["1", "{}", "[1]", r#"[["a"]]"#] {
            assert_eq!(truth(wrong), Err(Problem::Label), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let problem = |line: &[u8]| read(1, line).err();
        assert_eq!(problem(b"[]"), Some(Problem::NotAnObject));
        assert_eq!(problem(b"{} {}"), Some(Problem::NotAnObject));
        assert_eq!(problem(br#"{"text":1}"#), Some(Problem::NoText));
        assert_eq!(problem(br#"{"text":"a","group":1}"#), Some(Problem::Group));
        let long = format!(r#"{{"text":"a","label":"{}"}}"#, "x".repeat(513));
        assert_eq!(problem(long.as_bytes()), Some(Problem::LongName));
        assert_eq!(
            problem(b"{\"text\":\"\xff\"}"),
            Some(Problem::Refused(Refusal::InvalidUtf8))
        );
    }
}
