//! From the author's files to the canonical document, with every problem named by file and line.

mod behaviour;
mod people;
mod rules;
mod tests;

use super::document::{Document, RISK_MAX, Term};
use super::error::{PolicyError, Problems, did_you_mean};
use super::{csv, source};
use crate::ENGINE;
pub(crate) use behaviour::EVENTS;
pub(super) use rules::DETECTORS;
use std::collections::BTreeSet;
use toml::Spanned;

/// Longest window, mute or half-life: a context is forgotten after 90 days.
const LONGEST_MS: i64 = 90 * 86_400_000;
/// What an action may be called in a `then` or `at`.
pub(super) const CONSEQUENCES: [&str; 5] = ["flag", "mask", "block", "mute", "escalate"];

/// Gives the text of a list that the policy names.
pub type Lists<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

impl Document {
    /// Reads a policy file; `lists` is asked for each CSV list that it names.
    pub fn parse(file_name: &str, text: &str, lists: Lists<'_>) -> Result<Document, PolicyError> {
        let mut problems = Problems::new(file_name, text);
        let file: source::File = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                problems.toml(&error);
                return Err(PolicyError {
                    problems: problems
                        .finish()
                        .map_or_else(|error| error.problems, |()| Vec::new()),
                });
            }
        };
        let mut parser = Parser {
            topics: file
                .policy
                .topics
                .iter()
                .map(|topic| topic.get_ref().clone())
                .collect(),
            problems,
        };
        let document = parser.document(file, lists);
        parser.problems.finish().map(|()| document)
    }
}

struct Parser<'a> {
    topics: Vec<String>,
    problems: Problems<'a>,
}

impl Parser<'_> {
    fn document(&mut self, file: source::File, lists: Lists<'_>) -> Document {
        let engine = file
            .policy
            .engine
            .as_ref()
            .map_or(ENGINE, |engine| *engine.get_ref());
        if let Some(found) = file
            .policy
            .engine
            .filter(|engine| *engine.get_ref() != ENGINE)
        {
            self.problems.at(
                found.span().start,
                format!(
                    "engine {} is not carried by this binary; write {ENGINE}, or leave it out",
                    found.get_ref()
                ),
            );
        }
        self.distinct_topics(&file.policy.topics);
        let mut terms: Vec<Term> = file.term.into_iter().map(|term| self.term(term)).collect();
        for list in &file.policy.lists {
            match lists(list.get_ref()) {
                Ok(text) => terms.extend(csv::read(
                    list.get_ref(),
                    &text,
                    &self.topics,
                    &mut self.problems,
                )),
                Err(error) => self.problems.at(
                    list.span().start,
                    format!("list `{}` cannot be read: {error}", list.get_ref()),
                ),
            }
        }
        terms.sort_by(|a, b| a.id.cmp(&b.id));
        let words = self.words(file.words, lists);
        let mut ordinary = Vec::new();
        for list in &file.policy.ordinary {
            self.word_list(list.span().start, list.get_ref(), lists, &mut ordinary);
        }
        ordinary.sort();
        ordinary.dedup();
        let guards = self.guards(file.guard);
        let detectors = self.detectors(file.detector);
        let audiences = self.audiences(file.audience);
        let channels = self.channels(file.channel, &audiences);
        let trust = self.trust(file.trust);
        let allows: Vec<_> = file
            .allow
            .into_iter()
            .map(|allow| self.allow(allow))
            .collect();
        let contexts = self.contexts(file.context);
        let strikes = file.strikes.map(|strikes| self.strikes(strikes));
        let tests = file.test.into_iter().enumerate();
        let tests = tests
            .filter_map(|(index, test)| self.test(index, test))
            .collect();
        self.named_words(&terms, &allows, &words, &guards);
        let named = terms
            .iter()
            .map(|term| term.id.as_str())
            .chain(detectors.iter().map(|rule| rule.id.as_str()));
        let named: Vec<&str> = named.collect();
        self.named_rules(&contexts, &named.iter().copied().collect());
        self.distinct_ids(
            named
                .into_iter()
                .chain(contexts.iter().map(|rule| rule.id.as_str()))
                .collect(),
        );
        Document {
            engine,
            id: file.policy.id.into_inner(),
            topics: self.topics.clone(),
            normalise: self.normalise(file.policy.normalise),
            audiences,
            channels,
            trust,
            words,
            ordinary,
            guards,
            terms,
            allows,
            detectors,
            contexts,
            strikes,
            tests,
        }
    }

    fn distinct_ids(&mut self, mut ids: Vec<&str>) {
        ids.sort_unstable();
        let repeated: BTreeSet<&str> = ids
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0])
            .collect();
        for id in repeated {
            self.problems.add(format!("rule id `{id}` is used more than once; ids name rules in verdicts, so each needs its own"));
        }
    }

    fn distinct_topics(&mut self, topics: &[Spanned<String>]) {
        for (index, topic) in topics.iter().enumerate() {
            if topics[..index]
                .iter()
                .any(|earlier| earlier.get_ref() == topic.get_ref())
            {
                self.problems.at(
                    topic.span().start,
                    format!("topic `{}` is named twice", topic.get_ref()),
                );
            }
        }
    }

    fn topic(&mut self, topic: Spanned<String>) -> String {
        let known: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        if !known.contains(&topic.get_ref().as_str()) {
            let hint = did_you_mean(topic.get_ref(), &known);
            self.problems.at(
                topic.span().start,
                format!("topic `{}` is not in policy.topics{hint}", topic.get_ref()),
            );
        }
        topic.into_inner()
    }

    fn risk(&mut self, risk: &Spanned<u8>) -> u8 {
        if *risk.get_ref() > RISK_MAX {
            self.problems.at(
                risk.span().start,
                format!(
                    "risk {} is out of range: 0 (harmless) to {RISK_MAX} (worst)",
                    risk.get_ref()
                ),
            );
        }
        *risk.get_ref()
    }

    /// A decimal as thousandths, exactly.
    fn thousandths(&mut self, value: &Spanned<f64>, most: u64) -> u64 {
        // The shortest text that reads back as this number is what the author wrote; from there on only integers.
        let text = value.get_ref().to_string();
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let parsed = if part.len() <= 3 {
            format!("{whole}{part:0<3}").parse::<u64>().ok()
        } else {
            None
        };
        match parsed.filter(|thousandths| *thousandths <= most) {
            Some(thousandths) => thousandths,
            None => {
                let problem = format!(
                    "{text} is out of range: 0 to {}, with at most three decimals",
                    most / 1_000
                );
                self.problems.at(value.span().start, problem);
                0
            }
        }
    }

    fn duration(&mut self, text: &Spanned<String>) -> i64 {
        let ms = self.duration_or_zero(text);
        if ms == 0 {
            self.problems
                .at(text.span().start, "the time must be longer than nothing");
        }
        ms
    }

    fn duration_or_zero(&mut self, text: &Spanned<String>) -> i64 {
        match milliseconds(text.get_ref()) {
            Some(ms) if ms <= LONGEST_MS => ms,
            Some(_) => {
                self.problems.at(
                    text.span().start,
                    format!("`{}` is too long: at most 90d", text.get_ref()),
                );
                1
            }
            None => {
                self.problems.at(
                    text.span().start,
                    format!(
                        "`{}` is no time: write a number and ms, s, m, h or d, such as \"10s\"",
                        text.get_ref()
                    ),
                );
                1
            }
        }
    }
}

/// `10s`, `1h`, `14d`.
fn milliseconds(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    text[..digits].parse::<i64>().ok()?.checked_mul(unit)
}
