//! From the author's files to the canonical document, with every problem named by file and line.

use super::document::{
    Allow, Consequence, ContextKind, ContextRule, Document, Levels, RISK_MAX, Step, Strikes, Term,
    Test, TestMessage, Thresholds, TrustLevel, TrustShift,
};
use super::error::{PolicyError, Problems, did_you_mean};
use super::{csv, source};
use crate::ENGINE;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// Longest window, mute or half-life: a context is forgotten after 90 days.
const LONGEST_MS: i64 = 90 * 86_400_000;
/// Most events that a window can count to: their times are kept.
const GTE_MAX: i64 = 100;
/// What an action may be called in a `then` or `at`.
const CONSEQUENCES: [&str; 5] = ["flag", "mask", "block", "mute", "escalate"];

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
        self.unsupported(&file);
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
        let repeated: BTreeSet<&str> = terms
            .windows(2)
            .filter(|pair| pair[0].id == pair[1].id)
            .map(|pair| pair[0].id.as_str())
            .collect();
        for id in repeated {
            self.problems.add(format!("term id `{id}` is used more than once; ids name rules in verdicts, so each needs its own"));
        }
        let audiences = self.audiences(file.audience);
        let channels = self.channels(file.channel, &audiences);
        let trust = self.trust(file.trust);
        let allows = file
            .allow
            .into_iter()
            .map(|allow| self.allow(allow))
            .collect();
        let contexts = self.contexts(file.context);
        let strikes = file.strikes.map(|strikes| self.strikes(strikes));
        let tests = file
            .test
            .into_iter()
            .enumerate()
            .filter_map(|(index, test)| self.test(index, test))
            .collect();
        Document {
            engine,
            id: file.policy.id.into_inner(),
            topics: self.topics.clone(),
            audiences,
            channels,
            trust,
            terms,
            allows,
            contexts,
            strikes,
            tests,
        }
    }

    fn unsupported(&mut self, file: &source::File) {
        let all = [
            ("words", &file.words),
            ("phrase", &file.phrase),
            ("detector", &file.detector),
            ("policy.normalise", &file.policy.normalise),
        ];
        for (key, value) in all {
            if let Some(value) = value {
                self.problems.at(
                    value.span().start,
                    format!("`{key}` is not supported by engine {ENGINE}; remove it"),
                );
            }
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

    fn patterns(&mut self, patterns: Vec<Spanned<String>>) -> Vec<String> {
        for pattern in &patterns {
            if let Err(problem) = csv::check_pattern(pattern.get_ref()) {
                self.problems.at(pattern.span().start, problem);
            }
        }
        let unique: BTreeSet<String> = patterns.into_iter().map(Spanned::into_inner).collect();
        unique.into_iter().collect()
    }

    fn term(&mut self, term: source::Term) -> Term {
        if term.patterns.is_empty() {
            self.problems.at(
                term.id.span().start,
                format!("term `{}` has nothing in `match`", term.id.get_ref()),
            );
        }
        let weight = term
            .weight
            .map_or(1_000, |weight| self.thousandths(&weight, 1_000));
        Term {
            topic: self.topic(term.topic),
            risk: self.risk(&term.risk),
            patterns: self.patterns(term.patterns),
            exceptions: self.patterns(term.exceptions),
            weight: u32::try_from(weight).unwrap_or(u32::MAX),
            language: term.language,
            partial: term.partial,
            id: term.id.into_inner(),
        }
    }

    fn allow(&mut self, allow: source::Allow) -> Allow {
        Allow {
            max_risk: self.risk(&allow.max_risk),
            patterns: self.patterns(allow.patterns),
        }
    }

    fn audiences(
        &mut self,
        audiences: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, source::Levels>>,
    ) -> BTreeMap<String, Thresholds> {
        let mut compiled = BTreeMap::new();
        for (name, table) in audiences {
            let mut thresholds = Thresholds::default();
            for (topic, levels) in table {
                let levels = self.levels(&levels);
                if topic.get_ref() == "default" {
                    thresholds.default = levels;
                } else {
                    thresholds.topics.insert(self.topic(topic), levels);
                }
            }
            compiled.insert(name.into_inner(), thresholds);
        }
        if !compiled.contains_key("default") {
            self.problems.add("[audience.default] is missing: it judges messages without an audience, or with an unknown one".to_owned());
        }
        compiled
    }

    fn levels(&mut self, levels: &source::Levels) -> Levels {
        let mut level = |level: &Option<Spanned<u8>>| level.as_ref().map(|level| self.risk(level));
        Levels {
            flag: level(&levels.flag),
            mask: level(&levels.mask),
            block: level(&levels.block),
            escalate: level(&levels.escalate),
        }
    }

    fn channels(
        &mut self,
        channels: BTreeMap<Spanned<String>, source::Channel>,
        audiences: &BTreeMap<String, Thresholds>,
    ) -> Vec<(String, String)> {
        let mut compiled = Vec::new();
        for (pattern, channel) in channels {
            let known: Vec<&str> = audiences.keys().map(String::as_str).collect();
            if !known.contains(&channel.audience.get_ref().as_str()) {
                let hint = did_you_mean(channel.audience.get_ref(), &known);
                self.problems.at(
                    channel.audience.span().start,
                    format!(
                        "there is no audience `{}`{hint}",
                        channel.audience.get_ref()
                    ),
                );
            }
            if let Some(urls) = channel.urls {
                self.problems.at(
                    urls.span().start,
                    format!("`urls` is not supported by engine {ENGINE}; remove it"),
                );
            }
            compiled.push((pattern.into_inner(), channel.audience.into_inner()));
        }
        // The most specific pattern first; the order in the file does not matter.
        compiled.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
        compiled
    }

    fn trust(&mut self, trust: source::Trust) -> TrustShift {
        let mut shift = |shift: Option<Spanned<i8>>| {
            let Some(shift) = shift else { return 0 };
            if shift.get_ref().unsigned_abs() > RISK_MAX {
                self.problems.at(
                    shift.span().start,
                    format!(
                        "a shift of {} is out of range: -{RISK_MAX} to {RISK_MAX}",
                        shift.get_ref()
                    ),
                );
            }
            shift.into_inner()
        };
        let (untrusted, trusted) = (shift(trust.untrusted), shift(trust.trusted));
        let pinned: BTreeSet<String> = trust
            .pinned
            .into_iter()
            .map(|topic| self.topic(topic))
            .collect();
        TrustShift {
            untrusted,
            trusted,
            pinned: pinned.into_iter().collect(),
        }
    }

    fn contexts(&mut self, rules: Vec<source::Context>) -> Vec<ContextRule> {
        let mut compiled: Vec<ContextRule> = Vec::new();
        for rule in rules {
            if compiled
                .iter()
                .any(|earlier| earlier.id == *rule.id.get_ref())
            {
                self.problems.at(
                    rule.id.span().start,
                    format!(
                        "context rule id `{}` is used twice; its counters are kept under it",
                        rule.id.get_ref()
                    ),
                );
            }
            match rule.kind.get_ref().as_str() {
                "event_count" => {}
                "value_count" | "temporal_ordered" => {
                    self.problems.at(
                        rule.kind.span().start,
                        format!(
                            "`type = \"{}\"` is not supported by engine {ENGINE}",
                            rule.kind.get_ref()
                        ),
                    );
                }
                other => {
                    let hint =
                        did_you_mean(other, &["event_count", "value_count", "temporal_ordered"]);
                    self.problems.at(
                        rule.kind.span().start,
                        format!("unknown type `{other}`{hint}"),
                    );
                }
            }
            let group: Vec<&str> = rule.group_by.get_ref().iter().map(String::as_str).collect();
            let by_channel = match group.as_slice() {
                ["user"] => false,
                ["user", "channel"] | ["channel", "user"] => true,
                _ => {
                    let problem = format!(
                        "`group_by` is {group:?}; engine {ENGINE} knows [\"user\"] and [\"user\", \"channel\"]"
                    );
                    self.problems.at(rule.group_by.span().start, problem);
                    false
                }
            };
            let gte = *rule.condition.gte.get_ref();
            if !(1..=GTE_MAX).contains(&gte) {
                self.problems.at(
                    rule.condition.gte.span().start,
                    format!("gte {gte} is out of range: 1 to {GTE_MAX} events"),
                );
            }
            compiled.push(ContextRule {
                timespan: self.duration(&rule.timespan),
                topic: self.topic(rule.then.topic),
                risk: self.risk(&rule.then.risk),
                consequence: self.consequence(
                    rule.then.action,
                    rule.then.duration,
                    rule.then.queue,
                ),
                id: rule.id.into_inner(),
                kind: ContextKind::EventCount,
                by_channel,
                gte: u32::try_from(gte).unwrap_or(1),
            });
        }
        compiled.sort_by(|a, b| a.id.cmp(&b.id));
        compiled
    }

    fn consequence(
        &mut self,
        action: Option<Spanned<String>>,
        duration: Option<Spanned<String>>,
        queue: Option<String>,
    ) -> Option<Consequence> {
        let mutes = action
            .as_ref()
            .is_some_and(|action| action.get_ref() == "mute");
        if let Some(duration) = duration.as_ref().filter(|_| !mutes) {
            self.problems.at(
                duration.span().start,
                "`for` belongs to `action = \"mute\"`",
            );
        }
        let action = action?;
        match action.get_ref().as_str() {
            "flag" => Some(Consequence::Flag),
            "mask" => Some(Consequence::Mask),
            "block" => Some(Consequence::Block),
            "escalate" => Some(Consequence::Escalate(
                queue.unwrap_or_else(|| "default".to_owned()),
            )),
            "mute" => {
                if duration.is_none() {
                    self.problems.at(
                        action.span().start,
                        "a mute needs `for`, such as for = \"60s\"",
                    );
                }
                Some(Consequence::Mute(
                    duration.map_or(0, |duration| self.duration(&duration)),
                ))
            }
            other => {
                self.problems.at(
                    action.span().start,
                    format!(
                        "unknown action `{other}`{}",
                        did_you_mean(other, &CONSEQUENCES)
                    ),
                );
                None
            }
        }
    }

    fn strikes(&mut self, strikes: source::Strikes) -> Strikes {
        let mut per_risk = [0u64; RISK_MAX as usize + 1];
        for (risk, points) in &strikes.per_risk {
            let points = self.thousandths(points, 1_000_000);
            match risk
                .get_ref()
                .parse::<usize>()
                .ok()
                .and_then(|risk| per_risk.get_mut(risk))
            {
                Some(slot) => *slot = points,
                None => self.problems.at(
                    risk.span().start,
                    format!("`{}` is no risk: \"0\" to \"{RISK_MAX}\"", risk.get_ref()),
                ),
            }
        }
        let mut steps: Vec<Step> = Vec::new();
        for step in strikes.at {
            let gte = self.thousandths(&step.gte, 1_000_000_000);
            let trust = step.trust.and_then(|trust| match trust.get_ref().as_str() {
                "untrusted" => Some(TrustLevel::Untrusted),
                "normal" => Some(TrustLevel::Normal),
                "trusted" => Some(TrustLevel::Trusted),
                other => {
                    let hint = did_you_mean(other, &["untrusted", "normal", "trusted"]);
                    self.problems.at(
                        trust.span().start,
                        format!("unknown trust level `{other}`{hint}"),
                    );
                    None
                }
            });
            steps.push(Step {
                gte,
                trust,
                consequence: self.consequence(step.action, step.duration, step.queue),
            });
        }
        steps.sort_by_key(|step| step.gte);
        Strikes {
            per_risk,
            half_life: self.duration(&strikes.half_life),
            steps,
        }
    }

    fn test(&mut self, index: usize, test: Spanned<source::Test>) -> Option<Test> {
        let at = test.span().start;
        let test = test.into_inner();
        let inputs = match (test.input, test.messages) {
            (Some(input), messages) if messages.is_empty() => vec![input],
            (None, messages) if !messages.is_empty() => messages,
            _ => {
                self.problems.at(at, "a test has either `in` or `messages`");
                return None;
            }
        };
        let mut messages = Vec::new();
        for input in inputs {
            let since = input.at.as_ref().map_or(0, |at| self.duration_or_zero(at));
            if messages
                .last()
                .is_some_and(|last: &TestMessage| last.at > since)
            {
                self.problems.at(
                    at,
                    "the messages of a test must be in the order of their times",
                );
            }
            let user = input.user.unwrap_or_else(|| "user".to_owned());
            messages.push(TestMessage {
                at: since,
                user,
                channel: input.channel,
                audience: input.audience,
                text: input.text,
            });
        }
        let expect = test.expect;
        let name = format!("test {}", index + 1);
        Some(Test {
            name,
            messages,
            action: expect.action,
            code: expect.code,
            topic: expect.topic,
            risk: expect.risk,
            matched: expect.matched,
            masked: expect.masked,
        })
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
