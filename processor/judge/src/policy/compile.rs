//! The compiled policy: everything by index, nothing by search.

use super::document::{
    Channel, Consequence, ContextRule, Detector, Document, Guard, Join, Levels, LinkAction,
    RISK_MAX, Strikes, Thresholds, TrustLevel, TrustShift, Urls,
};
use super::error::PolicyError;
use super::pattern::Pattern;
use crate::ENGINE;
use crate::digest::Digest;
use crate::ruling::Action;
use crate::text::{Facts, GuardFacts, How, Matcher, Meaning, Patterns, Undo, Unusable};
use std::collections::BTreeMap;

/// What the fold judges by.
#[derive(Debug)]
pub struct Policy {
    digest: Digest,
    digest_text: String,
    engine: u32,
    pub(crate) topics: Vec<String>,
    /// Terms, then detectors, then links that a channel does not allow: what hits name.
    pub(crate) rules: Vec<Rule>,
    pub(crate) matcher: Matcher,
    pub(crate) undo: Undo,
    pub(crate) join: Option<Join>,
    /// By index of their rules.
    pub(crate) detectors: Vec<(u32, Detector)>,
    /// Index of the rule of links that a channel does not allow.
    pub(crate) link_rule: u32,
    pub(crate) contexts: Vec<CompiledContext>,
    pub(crate) strikes: Option<Strikes>,
    pub(super) audiences: BTreeMap<String, Audience>,
    pub(super) channels: Vec<Channel>,
    trust: TrustShift,
    /// By topic: trust does not move its thresholds.
    pinned: Vec<bool>,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub id: String,
    /// None: it brings no risk, only an action.
    pub topic: Option<usize>,
    /// Thousandths: how often a bare hit is right.
    pub weight: u32,
}

#[derive(Debug)]
pub(crate) struct CompiledContext {
    pub rule: ContextRule,
    pub topic: usize,
    /// Names the rule's counters; from its id alone, so an edited rule keeps them.
    pub key: u64,
    /// What must have spoken for a message to count.
    pub named: Vec<Named>,
}

/// What a context rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    Rule(u32),
    Topic(usize),
    Context(usize),
}

/// Thresholds of one audience, by topic.
#[derive(Debug)]
pub(crate) struct Audience(Vec<Levels>);

/// The id of the rule of links that a channel does not allow.
const LINK_RULE: &str = "channel/urls";

impl Policy {
    /// Slow for a large policy: never on a lane.
    pub fn compile(document: &Document) -> Result<Policy, PolicyError> {
        if document.engine != ENGINE {
            return Err(PolicyError::one(format!(
                "the policy asks for engine {}; this binary carries {ENGINE}",
                document.engine
            )));
        }
        if !document.audiences.contains_key("default") {
            return Err(PolicyError::one("[audience.default] is missing"));
        }
        let topics = &document.topics;
        let normalise = &document.normalise;
        let undo = Undo {
            leet: normalise.leet,
            spaced: normalise.spaced,
            repeats: normalise.repeats,
        };
        let (rules, matcher) = patterns(document, undo)?;
        let terms = document.terms.len();
        let detectors = document.detectors.iter().enumerate();
        let contexts: Vec<CompiledContext> = contexts(document, &rules)?;
        let digest = document.digest();
        let audience = |thresholds: &Thresholds| {
            let of_topic = |topic| {
                thresholds
                    .topics
                    .get(topic)
                    .unwrap_or(&thresholds.default)
                    .clone()
            };
            Audience(topics.iter().map(of_topic).collect())
        };
        Ok(Policy {
            digest,
            digest_text: digest.to_string(),
            engine: document.engine,
            topics: topics.clone(),
            link_rule: (rules.len() - 1) as u32,
            rules,
            matcher,
            undo,
            join: normalise.join,
            detectors: detectors
                .map(|(index, rule)| ((terms + index) as u32, rule.detector.clone()))
                .collect(),
            contexts,
            strikes: document.strikes.clone(),
            audiences: document
                .audiences
                .iter()
                .map(|(name, thresholds)| (name.clone(), audience(thresholds)))
                .collect(),
            channels: document.channels.clone(),
            trust: document.trust.clone(),
            pinned: topics
                .iter()
                .map(|topic| document.trust.pinned.contains(topic))
                .collect(),
        })
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn digest_text(&self) -> &str {
        &self.digest_text
    }

    pub fn engine(&self) -> u32 {
        self.engine
    }

    /// The audience that judges: the channel's if a pattern fits, else the message's if it is known, else `default`.
    pub(crate) fn audience(&self, channel: &str, audience: Option<&str>) -> &Audience {
        self.named_audience(channel, audience).1
    }

    /// The name of the audience that judges.
    pub fn audience_name(&self, channel: &str, audience: Option<&str>) -> &str {
        self.named_audience(channel, audience).0
    }

    fn named_audience(&self, channel: &str, audience: Option<&str>) -> (&str, &Audience) {
        let of_channel = self
            .channels
            .iter()
            .filter(|rule| rule.audience.is_some() && fits(&rule.pattern, channel))
            .find_map(|rule| rule.audience.as_deref());
        let named = of_channel
            .or(audience)
            .and_then(|name| self.audiences.get_key_value(name));
        // `default` exists: compile refuses a policy without it.
        named.map_or_else(
            || ("default", &self.audiences["default"]),
            |(name, audience)| (name.as_str(), audience),
        )
    }

    /// What links a channel allows, if it says.
    pub(crate) fn urls(&self, channel: &str) -> Option<&Urls> {
        let mut fitting = self
            .channels
            .iter()
            .filter(|rule| fits(&rule.pattern, channel));
        fitting.find_map(|rule| rule.urls.as_ref())
    }

    /// How far this user's thresholds move for a topic.
    pub(crate) fn shift(&self, topic: usize, trust: TrustLevel) -> i8 {
        if self.pinned.get(topic).copied().unwrap_or(true) {
            return 0;
        }
        match trust {
            TrustLevel::Untrusted => self.trust.untrusted,
            TrustLevel::Normal => 0,
            TrustLevel::Trusted => self.trust.trusted,
        }
    }

    /// Whether a rule looks at the form of one message: shouting, repeating, picture walls.
    pub(crate) fn is_about_form(&self, index: u32) -> bool {
        let at = self
            .detectors
            .binary_search_by_key(&index, |(rule, _)| *rule);
        at.is_ok_and(|at| {
            matches!(
                self.detectors[at].1,
                Detector::Caps { .. } | Detector::Repetition { .. } | Detector::Emoji { .. }
            )
        })
    }

    pub(crate) fn rule(&self, index: u32) -> Option<&Rule> {
        self.rules.get(index as usize)
    }
}

/// The rules that hits name, and the matcher that finds them.
fn patterns(document: &Document, undo: Undo) -> Result<(Vec<Rule>, Matcher), PolicyError> {
    let Document {
        topics,
        terms,
        words,
        guards,
        detectors,
        ..
    } = document;
    let topic_of = |name: &str| topic(topics, name);
    let mut patterns = Patterns::new(undo);
    document
        .ordinary
        .iter()
        .for_each(|word| patterns.ordinary(word));
    for (name, class) in words {
        let mut plain = Vec::with_capacity(class.patterns.len());
        for pattern in &class.patterns {
            match Pattern::parse(pattern).map_err(PolicyError::one)? {
                Pattern::Plain(pattern) => plain.push(pattern),
                Pattern::Phrase(_) => {
                    return Err(PolicyError::one(format!(
                        "class `{name}` holds the phrase `{pattern}`"
                    )));
                }
            }
        }
        let how = How {
            partial: false,
            fuzzy: class.fuzzy,
        };
        patterns
            .class(name, &plain, how)
            .map_err(|error| about(&format!("class `{name}`"), &error))?;
    }
    let guard_names: Vec<&String> = guards.keys().collect();
    for (number, (name, guard)) in guards.iter().enumerate() {
        add_guard(&mut patterns, number as u16, guard)
            .map_err(|error| error.prefixed(&format!("guard `{name}`")))?;
    }
    let guards_of = |topic: &str, named: &[String]| -> Box<[u16]> {
        let applies = |name: &&String, guard: &Guard| {
            named.contains(name) || guard.topics.iter().any(|one| one == topic)
        };
        let all = guard_names.iter().zip(guards.values()).enumerate();
        all.filter(|(_, (name, guard))| applies(name, guard))
            .map(|(number, _)| number as u16)
            .collect()
    };
    let mut rules = Vec::with_capacity(terms.len() + detectors.len() + 1);
    for (index, term) in terms.iter().enumerate() {
        let index = u32::try_from(index).map_err(|_| PolicyError::one("too many terms"))?;
        let whose = || format!("term `{}`", term.id);
        if term.risk > RISK_MAX {
            return Err(PolicyError::one(format!(
                "{}: risk {} is out of range",
                whose(),
                term.risk
            )));
        }
        let how = How {
            partial: term.partial,
            fuzzy: term.fuzzy,
        };
        let all = term
            .patterns
            .iter()
            .map(|pattern| (pattern, how, Meaning::Term(index)));
        let exceptions = term
            .exceptions
            .iter()
            .map(|pattern| (pattern, How::default(), Meaning::Exception(index)));
        for (pattern, how, meaning) in all.chain(exceptions) {
            add(&mut patterns, pattern, how, meaning).map_err(|error| error.prefixed(&whose()))?;
        }
        patterns.term(Facts {
            risk: term.risk,
            language: term.language.as_deref().map(Into::into),
            guards: guards_of(&term.topic, &term.guards),
        });
        rules.push(Rule {
            id: term.id.clone(),
            topic: Some(topic_of(&term.topic)?),
            weight: term.weight,
        });
    }
    for rule in detectors {
        patterns.term(Facts {
            risk: rule.risk,
            language: None,
            guards: Box::default(),
        });
        rules.push(Rule {
            id: rule.id.clone(),
            topic: Some(topic_of(&rule.topic)?),
            weight: rule.weight,
        });
    }
    // No [[allow]] reaches it: a domain may hold any word.
    patterns.term(Facts {
        risk: u8::MAX,
        language: None,
        guards: Box::default(),
    });
    rules.push(Rule {
        id: LINK_RULE.to_owned(),
        topic: None,
        weight: 1_000,
    });
    for allow in &document.allows {
        for pattern in &allow.patterns {
            add(
                &mut patterns,
                pattern,
                How::default(),
                Meaning::Allow(allow.max_risk),
            )
            .map_err(|error| error.prefixed("an [[allow]]"))?;
        }
    }
    let matcher = patterns
        .build()
        .map_err(|error| about("the terms", &error))?;
    Ok((rules, matcher))
}

fn add(
    patterns: &mut Patterns,
    pattern: &str,
    how: How,
    meaning: Meaning,
) -> Result<(), PolicyError> {
    let parsed = Pattern::parse(pattern).map_err(PolicyError::one)?;
    patterns
        .add(&parsed, how, meaning)
        .map_err(|error| PolicyError::one(error.to_string()))
}

fn add_guard(patterns: &mut Patterns, number: u16, guard: &Guard) -> Result<(), PolicyError> {
    patterns.guard(GuardFacts {
        before: !guard.before.is_empty(),
        after: !guard.after.is_empty(),
        within: guard.within,
        quoted: guard.quoted,
        lowers_to: guard.lowers_to,
    });
    let before = guard
        .before
        .iter()
        .map(|pattern| (pattern, Meaning::Before(number)));
    let after = guard
        .after
        .iter()
        .map(|pattern| (pattern, Meaning::After(number)));
    for (pattern, meaning) in before.chain(after) {
        add(patterns, pattern, How::default(), meaning)?;
    }
    Ok(())
}

fn about(whose: &str, error: &Unusable) -> PolicyError {
    PolicyError::one(format!("{whose}: {error}"))
}

fn topic(topics: &[String], name: &str) -> Result<usize, PolicyError> {
    let found = topics.iter().position(|topic| topic == name);
    found.ok_or_else(|| PolicyError::one(format!("topic `{name}` is not in policy.topics")))
}

fn contexts(document: &Document, rules: &[Rule]) -> Result<Vec<CompiledContext>, PolicyError> {
    let compiled = document.contexts.iter().map(|rule| {
        let named = rule.rules.iter().map(|name| {
            if let Some(name) = name.strip_prefix("topic/") {
                return Ok(Named::Topic(topic(&document.topics, name)?));
            }
            let context = document.contexts.iter().position(|other| other.id == *name);
            let found = rules
                .iter()
                .position(|rule| rule.id == *name)
                .map(|index| Named::Rule(index as u32));
            found.or(context.map(Named::Context)).ok_or_else(|| {
                PolicyError::one(format!(
                    "context rule `{}`: there is no rule `{name}`",
                    rule.id
                ))
            })
        });
        Ok(CompiledContext {
            topic: topic(&document.topics, &rule.topic)?,
            key: key_of(&rule.id),
            named: named.collect::<Result<_, PolicyError>>()?,
            rule: rule.clone(),
        })
    });
    compiled.collect()
}

impl Audience {
    pub fn levels(&self, topic: usize) -> Option<&Levels> {
        self.0.get(topic)
    }
}

impl Levels {
    /// Whether `risk` reaches `level`, moved by `shift`; a level never moves below 1, so what is harmless stays allowed.
    pub(crate) fn reached(level: Option<u8>, shift: i8, risk: u8) -> bool {
        level.is_some_and(|level| i16::from(risk) >= (i16::from(level) + i16::from(shift)).max(1))
    }

    /// The most severe action whose level is reached.
    pub(crate) fn action(&self, shift: i8, risk: u8) -> Action {
        let order = [
            (self.block, Action::Block),
            (self.mask, Action::Mask),
            (self.flag, Action::Flag),
        ];
        order
            .into_iter()
            .find(|(level, _)| Levels::reached(*level, shift, risk))
            .map_or(Action::Allow, |(_, action)| action)
    }
}

impl Consequence {
    pub(crate) fn mute(&self) -> Option<i64> {
        if let Consequence::Mute(ms) = self {
            Some(*ms)
        } else {
            None
        }
    }
}

impl LinkAction {
    pub(crate) fn action(self) -> Action {
        match self {
            LinkAction::Allow => Action::Allow,
            LinkAction::Flag => Action::Flag,
            LinkAction::Mask => Action::Mask,
            LinkAction::Block => Action::Block,
        }
    }
}

fn key_of(id: &str) -> u64 {
    let hash = blake3::hash(id.as_bytes());
    let mut key = [0u8; 8];
    key.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(key)
}

/// `trade-*`, `*-kids`, `*x*` or an exact name.
pub(super) fn fits(pattern: &str, channel: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(rest), Some(_)) => channel.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(suffix), None) => channel.ends_with(suffix),
        (None, Some(prefix)) => channel.starts_with(prefix),
        (None, None) => pattern == channel,
    }
}
