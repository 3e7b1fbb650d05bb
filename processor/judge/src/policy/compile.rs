//! The compiled policy: everything by index, nothing by search.

use super::document::{
    Consequence, ContextRule, Document, Levels, RISK_MAX, Strikes, Thresholds, TrustLevel,
    TrustShift,
};
use super::error::PolicyError;
use crate::ENGINE;
use crate::digest::Digest;
use crate::text::{Matcher, Meaning, Patterns};
use std::collections::BTreeMap;

/// What the fold judges by.
#[derive(Debug)]
pub struct Policy {
    digest: Digest,
    digest_text: String,
    engine: u32,
    pub(crate) topics: Vec<String>,
    pub(crate) terms: Vec<Term>,
    pub(crate) matcher: Matcher,
    pub(crate) contexts: Vec<CompiledContext>,
    pub(crate) strikes: Option<Strikes>,
    audiences: BTreeMap<String, Audience>,
    channels: Vec<(String, String)>,
    trust: TrustShift,
    /// By topic: trust does not move its thresholds.
    pinned: Vec<bool>,
}

#[derive(Debug)]
pub(crate) struct Term {
    pub id: String,
    pub topic: usize,
    pub risk: u8,
}

#[derive(Debug)]
pub(crate) struct CompiledContext {
    pub rule: ContextRule,
    pub topic: usize,
    /// Names the rule's counters; from its id alone, so an edited rule keeps them.
    pub key: u64,
}

/// Thresholds of one audience, by topic.
#[derive(Debug)]
pub(crate) struct Audience(Vec<Levels>);

impl Policy {
    pub fn compile(document: &Document) -> Result<Policy, PolicyError> {
        let Document {
            engine,
            topics,
            terms,
            allows,
            contexts,
            strikes,
            audiences,
            channels,
            trust,
            ..
        } = document;
        if *engine != ENGINE {
            return Err(PolicyError::one(format!(
                "the policy asks for engine {engine}; this binary carries {ENGINE}"
            )));
        }
        let topic_of = |name: &str| {
            let found = topics.iter().position(|topic| topic == name);
            found.ok_or_else(|| PolicyError::one(format!("topic `{name}` is not in policy.topics")))
        };
        let mut patterns = Patterns::default();
        let mut compiled = Vec::with_capacity(terms.len());
        for (index, term) in terms.iter().enumerate() {
            let index = u32::try_from(index).map_err(|_| PolicyError::one("too many terms"))?;
            if term.risk > RISK_MAX {
                return Err(PolicyError::one(format!(
                    "term `{}`: risk {} is out of range",
                    term.id, term.risk
                )));
            }
            for pattern in &term.patterns {
                if !patterns.add(pattern, term.partial, Meaning::Term(index)) {
                    return Err(PolicyError::one(format!(
                        "term `{}`: nothing of `{pattern}` is left to match once it is normalised",
                        term.id
                    )));
                }
            }
            for exception in &term.exceptions {
                patterns.add(exception, false, Meaning::Exception(index));
            }
            compiled.push(Term {
                id: term.id.clone(),
                topic: topic_of(&term.topic)?,
                risk: term.risk,
            });
        }
        for allow in allows {
            for pattern in &allow.patterns {
                patterns.add(pattern, false, Meaning::Allow(allow.max_risk));
            }
        }
        let audience = |thresholds: &Thresholds| {
            Audience(
                topics
                    .iter()
                    .map(|topic| *thresholds.topics.get(topic).unwrap_or(&thresholds.default))
                    .collect(),
            )
        };
        if !audiences.contains_key("default") {
            return Err(PolicyError::one("[audience.default] is missing"));
        }
        let contexts = contexts.iter().map(|rule| {
            Ok(CompiledContext {
                topic: topic_of(&rule.topic)?,
                key: key_of(&rule.id),
                rule: rule.clone(),
            })
        });
        let digest = document.digest();
        Ok(Policy {
            digest,
            digest_text: digest.to_string(),
            engine: *engine,
            topics: topics.clone(),
            terms: compiled,
            matcher: patterns.build().map_err(|error| {
                PolicyError::one(format!("the terms cannot be compiled: {error}"))
            })?,
            contexts: contexts.collect::<Result<_, PolicyError>>()?,
            strikes: strikes.clone(),
            audiences: audiences
                .iter()
                .map(|(name, thresholds)| (name.clone(), audience(thresholds)))
                .collect(),
            channels: channels.clone(),
            trust: trust.clone(),
            pinned: topics
                .iter()
                .map(|topic| trust.pinned.contains(topic))
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
            .find(|(pattern, _)| fits(pattern, channel))
            .map(|(_, audience)| audience.as_str());
        let named = of_channel
            .or(audience)
            .and_then(|name| self.audiences.get_key_value(name));
        // `default` exists: compile refuses a policy without it.
        named.map_or_else(
            || ("default", &self.audiences["default"]),
            |(name, audience)| (name.as_str(), audience),
        )
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

    pub(crate) fn risk_of(&self, term: u32) -> u8 {
        self.terms.get(term as usize).map_or(0, |term| term.risk)
    }
}

impl Audience {
    pub fn levels(&self, topic: usize) -> Levels {
        self.0.get(topic).copied().unwrap_or_default()
    }
}

impl Levels {
    /// Whether `risk` reaches `level`, moved by `shift`; a level never moves below 1, so what is harmless stays allowed.
    pub(crate) fn reached(level: Option<u8>, shift: i8, risk: u8) -> bool {
        level.is_some_and(|level| i16::from(risk) >= (i16::from(level) + i16::from(shift)).max(1))
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

fn key_of(id: &str) -> u64 {
    let hash = blake3::hash(id.as_bytes());
    let mut key = [0u8; 8];
    key.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(key)
}

/// `trade-*`, `*-kids`, `*x*` or an exact name.
fn fits(pattern: &str, channel: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(rest), Some(_)) => channel.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(suffix), None) => channel.ends_with(suffix),
        (None, Some(prefix)) => channel.starts_with(prefix),
        (None, None) => pattern == channel,
    }
}
