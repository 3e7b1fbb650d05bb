//! What is matched: words, terms, allows, guards, detectors.

use super::super::document::{Allow, Detector, DetectorRule, Guard, Join, Normalise, Term, Words};
use super::super::error::did_you_mean;
use super::super::pattern::{self, GAP_MAX, Pattern};
use super::super::{csv, source};
use super::{Lists, Parser};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// Most messages that are read together.
const JOIN_MAX: u32 = 8;
/// Longest time between them, in milliseconds: until then their text is kept.
const JOIN_WITHIN: i64 = 300_000;
pub(in super::super) const DETECTORS: [&str; 13] = [
    "email",
    "phone",
    "card",
    "iban",
    "ip",
    "postal",
    "url",
    "domain",
    "look_alike",
    "invite",
    "caps",
    "repetition",
    "emoji",
];

impl Parser<'_> {
    pub(super) fn normalise(&mut self, normalise: Option<source::Normalise>) -> Normalise {
        let mut compiled = Normalise::default();
        let Some(normalise) = normalise else {
            return compiled;
        };
        let always = [
            ("nfkc", &normalise.nfkc),
            ("strip_invisible", &normalise.strip_invisible),
            ("confusables", &normalise.confusables),
        ];
        for (key, value) in always {
            if let Some(value) = value.as_ref().filter(|value| !value.get_ref()) {
                self.problems.at(value.span().start, format!("`{key}` is always on: without it every word has a hundred spellings; write true, or leave it out"));
            }
        }
        if let Some(leet) = &normalise.leet {
            compiled.leet = match leet.get_ref().as_str() {
                "beside_letters" => true,
                "off" => false,
                other => {
                    let hint = did_you_mean(other, &["beside_letters", "off"]);
                    self.problems
                        .at(leet.span().start, format!("unknown `leet` `{other}`{hint}"));
                    true
                }
            };
        }
        if let Some(repeat) = &normalise.max_repeat {
            compiled.repeats = match repeat.get_ref() {
                0 => false,
                1 | 2 => true,
                other => {
                    self.problems.at(repeat.span().start, format!("max_repeat {other}: 2 reads long runs as two letters and as one, 0 leaves them"));
                    true
                }
            };
        }
        compiled.spaced = normalise.join_spaced.unwrap_or(true);
        compiled.join = normalise.join_messages.map(|join| {
            let (last, at) = (*join.last.get_ref(), join.last.span().start);
            if !(2..=JOIN_MAX).contains(&last) {
                self.problems.at(
                    at,
                    format!("last = {last} is out of range: 2 to {JOIN_MAX} messages"),
                );
            }
            let within = self.duration(&join.within);
            if within > JOIN_WITHIN {
                self.problems.at(
                    join.within.span().start,
                    "`within` is at most 5m: until then the text of short messages is kept",
                );
            }
            Join { last, within }
        });
        compiled
    }

    pub(super) fn words(
        &mut self,
        words: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
        lists: Lists<'_>,
    ) -> BTreeMap<String, Words> {
        let mut compiled = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (name, value) in words {
            let at = name.span().start;
            let name = name.into_inner();
            if !pattern::is_class_name(&name) {
                self.problems.at(at, format!("`{name}` is no name for a class: begin with a letter, then letters, digits, `-` and `_`"));
            }
            let words = self.class(at, &name, value.into_inner(), lists);
            places.insert(name.clone(), at);
            compiled.insert(name, words);
        }
        self.flatten(&mut compiled, &places);
        compiled
    }

    fn class(&mut self, at: usize, name: &str, value: toml::Value, lists: Lists<'_>) -> Words {
        let mut words = Words {
            patterns: Vec::new(),
            fuzzy: false,
        };
        match value {
            toml::Value::Array(all) => self.strings(at, name, all, &mut words.patterns),
            toml::Value::Table(table) => {
                for (key, value) in table {
                    match (key.as_str(), value) {
                        ("match", toml::Value::Array(all)) => {
                            self.strings(at, name, all, &mut words.patterns)
                        }
                        ("fuzzy", toml::Value::Boolean(fuzzy)) => words.fuzzy = fuzzy,
                        ("lists", toml::Value::Array(all)) => {
                            let mut files = Vec::new();
                            self.strings(at, name, all, &mut files);
                            for file in files {
                                self.word_list(at, &file, lists, &mut words.patterns);
                            }
                        }
                        ("match" | "lists" | "fuzzy", _) => {
                            self.problems.at(at, format!("class `{name}`: `match` and `lists` are lists of texts, `fuzzy` is true or false"));
                        }
                        (other, _) => {
                            let hint = did_you_mean(other, &["match", "fuzzy", "lists"]);
                            self.problems
                                .at(at, format!("class `{name}`: unknown key `{other}`{hint}"));
                        }
                    }
                }
            }
            _ => {
                let problem = format!(
                    "class `{name}` is a list of words, or a table with `match`, `lists` and `fuzzy`"
                );
                self.problems.at(at, problem);
                return words;
            }
        }
        if words.patterns.is_empty() {
            self.problems.at(at, format!("class `{name}` has no words"));
        }
        words
    }

    fn strings(&mut self, at: usize, name: &str, values: Vec<toml::Value>, into: &mut Vec<String>) {
        for value in values {
            match value {
                toml::Value::String(text) => into.push(text),
                other => self
                    .problems
                    .at(at, format!("class `{name}`: `{other}` is no text")),
            }
        }
    }

    pub(super) fn word_list(
        &mut self,
        at: usize,
        file: &str,
        lists: Lists<'_>,
        into: &mut Vec<String>,
    ) {
        match lists(file) {
            Ok(text) => into.extend(csv::words(&text)),
            Err(error) => self
                .problems
                .at(at, format!("list `{file}` cannot be read: {error}")),
        }
    }

    /// Puts the words of a class in the place of its name in another.
    fn flatten(&mut self, classes: &mut BTreeMap<String, Words>, places: &BTreeMap<String, usize>) {
        let names: Vec<String> = classes.keys().cloned().collect();
        for name in &names {
            let at = places.get(name).copied().unwrap_or_default();
            let (mut open, mut seen, mut flat) =
                (vec![name.clone()], BTreeSet::new(), BTreeSet::new());
            while let Some(next) = open.pop() {
                if !seen.insert(next.clone()) {
                    continue;
                }
                for pattern in classes
                    .get(&next)
                    .map(|words| words.patterns.clone())
                    .unwrap_or_default()
                {
                    match pattern
                        .strip_prefix('@')
                        .filter(|inner| pattern::is_class_name(inner))
                    {
                        Some(inner) if classes.contains_key(inner) => open.push(inner.to_owned()),
                        Some(inner) => {
                            let known: Vec<&str> = names.iter().map(String::as_str).collect();
                            self.problems.at(
                                at,
                                format!(
                                    "class `{name}`: there is no class `{inner}`{}",
                                    did_you_mean(inner, &known)
                                ),
                            );
                        }
                        None => {
                            match Pattern::parse(&pattern) {
                                Ok(Pattern::Plain(_)) => {}
                                Ok(Pattern::Phrase(_)) => self.problems.at(at, format!("class `{name}`: `{pattern}` is a phrase; a class holds words and names of classes")),
                                Err(problem) => self.problems.at(at, format!("class `{name}`: {problem}")),
                            }
                            flat.insert(pattern);
                        }
                    }
                }
            }
            if let Some(words) = classes.get_mut(name) {
                // Others are flattened from what they were written as; what they get here they would get anyway.
                words.patterns = flat.into_iter().collect();
            }
        }
    }

    pub(super) fn guards(
        &mut self,
        guards: BTreeMap<Spanned<String>, source::Guard>,
    ) -> BTreeMap<String, Guard> {
        let mut compiled = BTreeMap::new();
        for (name, guard) in guards {
            let at = name.span().start;
            if guard.before.is_empty() && guard.after.is_empty() && !guard.quoted {
                self.problems.at(at, "a guard needs `before`, `after` or `quoted`; without, it would guard everything");
            }
            let within = guard.within.as_ref().map_or(0, |within| *within.get_ref());
            if within > GAP_MAX {
                self.problems.at(
                    at,
                    format!("within = {within} is out of range: 0 to {GAP_MAX} words"),
                );
            }
            compiled.insert(
                name.into_inner(),
                Guard {
                    before: self.patterns(guard.before),
                    after: self.patterns(guard.after),
                    within,
                    quoted: guard.quoted,
                    lowers_to: guard.lowers_to.map_or(0, |risk| self.risk(&risk)),
                    topics: guard
                        .topics
                        .into_iter()
                        .map(|topic| self.topic(topic))
                        .collect::<BTreeSet<_>>()
                        .into_iter()
                        .collect(),
                },
            );
        }
        compiled
    }

    pub(super) fn patterns(&mut self, patterns: Vec<Spanned<String>>) -> Vec<String> {
        for pattern in &patterns {
            if let Err(problem) = Pattern::parse(pattern.get_ref()) {
                self.problems.at(pattern.span().start, problem);
            }
        }
        let unique: BTreeSet<String> = patterns.into_iter().map(Spanned::into_inner).collect();
        unique.into_iter().collect()
    }

    pub(super) fn term(&mut self, term: source::Term) -> Term {
        if term.patterns.is_empty() {
            self.problems.at(
                term.id.span().start,
                format!("term `{}` has nothing in `match`", term.id.get_ref()),
            );
        }
        let guards: BTreeSet<String> = term.guards.into_iter().map(Spanned::into_inner).collect();
        Term {
            topic: self.topic(term.topic),
            risk: self.risk(&term.risk),
            patterns: self.patterns(term.patterns),
            exceptions: self.patterns(term.exceptions),
            weight: self.weight(term.weight),
            language: term.language,
            partial: term.partial,
            fuzzy: term.fuzzy,
            guards: guards.into_iter().collect(),
            id: term.id.into_inner(),
        }
    }

    fn weight(&mut self, weight: Option<Spanned<f64>>) -> u32 {
        let weight = weight.map_or(1_000, |weight| self.thousandths(&weight, 1_000));
        u32::try_from(weight).unwrap_or(u32::MAX)
    }

    pub(super) fn allow(&mut self, allow: source::Allow) -> Allow {
        Allow {
            max_risk: self.risk(&allow.max_risk),
            patterns: self.patterns(allow.patterns),
        }
    }

    /// Names that patterns and terms use must be there.
    pub(super) fn named_words(
        &mut self,
        terms: &[Term],
        allows: &[Allow],
        words: &BTreeMap<String, Words>,
        guards: &BTreeMap<String, Guard>,
    ) {
        let known: Vec<&str> = words.keys().map(String::as_str).collect();
        let mut check = |whose: &str, patterns: &[String]| {
            for pattern in patterns
                .iter()
                .filter_map(|pattern| Pattern::parse(pattern).ok())
            {
                for class in pattern
                    .classes()
                    .filter(|class| !words.contains_key(*class))
                {
                    self.problems.add(format!(
                        "{whose}: there is no `[words]` class `{class}`{}",
                        did_you_mean(class, &known)
                    ));
                }
            }
        };
        for term in terms {
            check(&format!("term `{}`", term.id), &term.patterns);
            check(&format!("term `{}`", term.id), &term.exceptions);
        }
        for allow in allows {
            check("an [[allow]]", &allow.patterns);
        }
        for (name, guard) in guards {
            check(&format!("guard `{name}`"), &guard.before);
            check(&format!("guard `{name}`"), &guard.after);
        }
        let known: Vec<&str> = guards.keys().map(String::as_str).collect();
        for term in terms {
            for guard in term
                .guards
                .iter()
                .filter(|guard| !guards.contains_key(*guard))
            {
                self.problems.add(format!(
                    "term `{}`: there is no guard `{guard}`{}",
                    term.id,
                    did_you_mean(guard, &known)
                ));
            }
        }
    }

    /// A domain in lower case, without scheme and path.
    pub(super) fn domain(&mut self, at: usize, domain: &str) -> String {
        let lower = domain.trim().trim_start_matches("*.").to_lowercase();
        if !lower.contains('.') || lower.contains(['/', ':', ' ', '*']) {
            self.problems.at(at, format!("`{domain}` is no domain: write it like example.com; what is below it counts too"));
        }
        lower
    }

    pub(super) fn detectors(&mut self, detectors: Vec<source::Detector>) -> Vec<DetectorRule> {
        let mut compiled = Vec::new();
        for mut rule in detectors {
            let enabled = rule.enabled.unwrap_or(true);
            let detector = self.detector(&mut rule);
            let weight = self.weight(rule.weight.take());
            let (topic, risk) = (self.topic(rule.topic), self.risk(&rule.risk));
            if let Some(detector) = detector.filter(|_| enabled) {
                compiled.push(DetectorRule {
                    id: rule.id.into_inner(),
                    topic,
                    risk,
                    weight,
                    detector,
                });
            }
        }
        compiled.sort_by(|a, b| a.id.cmp(&b.id));
        compiled
    }

    fn detector(&mut self, rule: &mut source::Detector) -> Option<Detector> {
        let kind = rule.kind.get_ref().clone();
        let at = rule.kind.span().start;
        let detector = match kind.as_str() {
            "email" => Detector::Email,
            "phone" => Detector::Phone,
            "card" => Detector::Card,
            "iban" => Detector::Iban,
            "ip" => Detector::Ip,
            "postal" => Detector::Postal,
            "url" => Detector::Url {
                allow: self.domains(rule.allow.take()),
            },
            "domain" | "look_alike" => {
                if rule.domains.is_none() {
                    self.problems
                        .at(at, format!("a `{kind}` detector needs `domains`"));
                }
                let domains = self.domains(rule.domains.take());
                if kind == "domain" {
                    Detector::Domain { domains }
                } else {
                    Detector::LookAlike { domains }
                }
            }
            "invite" => Detector::Invite {
                domains: self.domains(rule.domains.take()),
            },
            "caps" => Detector::Caps {
                letters: self.number(rule.letters.take(), 12, 1..=1_000),
                percent: self.number(rule.percent.take(), 80, 1..=100),
            },
            "repetition" => Detector::Repetition {
                times: self.number(rule.times.take(), 10, 3..=1_000),
            },
            "emoji" => Detector::Emoji {
                count: self.number(rule.count.take(), 10, 1..=1_000),
            },
            other => {
                self.problems.at(
                    at,
                    format!(
                        "unknown detector `{other}`{}",
                        did_you_mean(other, &DETECTORS)
                    ),
                );
                return None;
            }
        };
        let left = [
            ("allow", rule.allow.as_ref().map(|value| value.span().start)),
            (
                "domains",
                rule.domains.as_ref().map(|value| value.span().start),
            ),
            (
                "letters",
                rule.letters.as_ref().map(|value| value.span().start),
            ),
            (
                "percent",
                rule.percent.as_ref().map(|value| value.span().start),
            ),
            ("times", rule.times.as_ref().map(|value| value.span().start)),
            ("count", rule.count.as_ref().map(|value| value.span().start)),
        ];
        for (key, at) in left.into_iter().filter_map(|(key, at)| Some((key, at?))) {
            self.problems
                .at(at, format!("a `{kind}` detector has no `{key}`"));
        }
        Some(detector)
    }

    fn domains(&mut self, domains: Option<Spanned<Vec<String>>>) -> Vec<String> {
        let Some(domains) = domains else {
            return Vec::new();
        };
        let at = domains.span().start;
        let unique: BTreeSet<String> = domains
            .get_ref()
            .iter()
            .map(|domain| self.domain(at, domain))
            .collect();
        unique.into_iter().collect()
    }

    fn number(
        &mut self,
        value: Option<Spanned<u32>>,
        usual: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> u32 {
        let Some(value) = value else { return usual };
        if !range.contains(value.get_ref()) {
            self.problems.at(
                value.span().start,
                format!(
                    "{} is out of range: {} to {}",
                    value.get_ref(),
                    range.start(),
                    range.end()
                ),
            );
        }
        value.into_inner()
    }
}
