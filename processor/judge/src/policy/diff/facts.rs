//! A document taken apart into named things and their properties.
//!
//! Invariant: every field of a document is in here, or two policies could differ and nobody would be told. The structs are taken apart
//! field by field without `..`, so that a new field does not compile until it has its words.

use super::{Fact, Group, Value};
use crate::policy::document::{
    Allow, Channel, Consequence, ContextKind, ContextRule, Detector, DetectorRule, Document, Field,
    Guard, Levels, LinkAction, Normalise, SameText, Step, Strikes, Term, Thresholds, TrustLevel,
    TrustShift, Words,
};
use crate::policy::lint::{decimal, duration};
use std::collections::{BTreeMap, BTreeSet};

/// What of a document is compared under each name; the other document is there for what both share.
type Of = fn(&Document, &Document) -> Group;

/// In the order in which somebody reads a policy.
pub(super) const GROUPS: [(&str, Of); 15] = [
    ("policy", head),
    ("normalise", |own, _| single(normalise(&own.normalise))),
    ("audience", audiences),
    ("channel", |own, _| channels(&own.channels)),
    ("trust", |own, _| single(trust(&own.trust))),
    ("class", |own, _| classes(&own.words)),
    ("ordinary", ordinary),
    ("guard", |own, _| guards(&own.guards)),
    ("term", |own, _| terms(&own.terms)),
    ("allow", |own, _| allows(&own.allows)),
    ("detector", |own, _| detectors(&own.detectors)),
    ("context", |own, _| contexts(&own.contexts)),
    ("strikes", |own, _| strikes(own.strikes.as_ref())),
    ("step", |own, _| steps(own.strikes.as_ref())),
    ("tests", tests),
];

fn single(facts: Vec<Fact>) -> Group {
    BTreeMap::from([(String::new(), facts)])
}

fn one(what: &str, value: impl ToString, usual: &'static str) -> Fact {
    Fact {
        what: what.to_owned(),
        value: Value::One(value.to_string()),
        usual,
    }
}

fn flag(what: &str, value: bool) -> Fact {
    one(what, if value { "yes" } else { "no" }, "no")
}

fn many(what: &str, values: &[String]) -> Fact {
    Fact {
        what: what.to_owned(),
        value: Value::Many(values.iter().cloned().collect()),
        usual: "",
    }
}

fn head(own: &Document, other: &Document) -> Group {
    // Each part of a document has its group here or below.
    let Document {
        engine,
        id,
        topics,
        normalise: _,
        audiences: _,
        channels: _,
        trust: _,
        words: _,
        ordinary: _,
        guards: _,
        terms: _,
        allows: _,
        detectors: _,
        contexts: _,
        strikes: _,
        tests: _,
    } = own;
    let mut facts = vec![
        one("id", id, ""),
        one("engine", engine, ""),
        many("topics", topics),
    ];
    let same: BTreeSet<&String> = topics.iter().collect();
    // New topics move the others; that is no news of its own.
    if same == other.topics.iter().collect() {
        facts.push(one("order of topics", topics.join(", "), ""));
    }
    single(facts)
}

fn normalise(of: &Normalise) -> Vec<Fact> {
    let Normalise {
        leet,
        spaced,
        repeats,
        join,
    } = of;
    let join = join.map_or("no".to_owned(), |join| {
        format!("last {} within {}", join.last, duration(join.within))
    });
    vec![
        flag("digits and signs read as letters", *leet),
        flag("spaced letters joined", *spaced),
        flag("long runs shortened", *repeats),
        one("messages read together", join, "no"),
    ]
}

fn audiences(own: &Document, other: &Document) -> Group {
    let mut group = Group::new();
    for (name, Thresholds { default, topics }) in &own.audiences {
        group.insert(name.clone(), levels(default));
        let others = other.audiences.get(name).map(|other| &other.topics);
        let named: BTreeSet<&String> = topics
            .keys()
            .chain(others.into_iter().flat_map(BTreeMap::keys))
            .collect();
        for topic in named {
            let of_topic = topics.get(topic);
            let mut facts = levels(of_topic.unwrap_or(default));
            facts.push(flag("levels of its own", of_topic.is_some()));
            group.insert(format!("{name}/{topic}"), facts);
        }
    }
    group
}

fn levels(of: &Levels) -> Vec<Fact> {
    let Levels {
        flag,
        mask,
        block,
        escalate,
        queue,
    } = of;
    let level = |what: &str, level: &Option<u8>| {
        let text = level.map_or("never".to_owned(), |level| level.to_string());
        one(what, text, "never")
    };
    let unnamed = if escalate.is_some() {
        "default"
    } else {
        "none"
    };
    vec![
        level("flag", flag),
        level("mask", mask),
        level("block", block),
        level("escalate", escalate),
        one("queue", queue.as_deref().unwrap_or(unnamed), "none"),
    ]
}

fn channels(of: &[Channel]) -> Group {
    let facts = of.iter().map(|channel| {
        let Channel {
            pattern,
            audience,
            urls,
        } = channel;
        let other = urls.as_ref().map_or("not said", |urls| match urls.other {
            LinkAction::Allow => "allow",
            LinkAction::Flag => "flag",
            LinkAction::Mask => "mask",
            LinkAction::Block => "block",
        });
        let allowed = urls.as_ref().map_or(&[][..], |urls| &urls.allow);
        let facts = vec![
            one(
                "audience",
                audience.as_deref().unwrap_or("the message's"),
                "the message's",
            ),
            one("other links", other, "not said"),
            many("links allowed", allowed),
        ];
        (pattern.clone(), facts)
    });
    facts.collect()
}

fn trust(of: &TrustShift) -> Vec<Fact> {
    let TrustShift {
        untrusted,
        trusted,
        pinned,
    } = of;
    vec![
        one("untrusted", untrusted, "0"),
        one("trusted", trusted, "0"),
        many("pinned topics", pinned),
    ]
}

fn classes(of: &BTreeMap<String, Words>) -> Group {
    let facts = of.iter().map(|(name, Words { patterns, fuzzy })| {
        (
            name.clone(),
            vec![flag("fuzzy", *fuzzy), many("words", patterns)],
        )
    });
    facts.collect()
}

/// How many only the first has, and how many only the other.
fn counted<T: Ord>(own: &BTreeSet<T>, other: &BTreeSet<T>) -> (usize, usize) {
    (own.difference(other).count(), other.difference(own).count())
}

fn ordinary(own: &Document, other: &Document) -> Group {
    let words: BTreeSet<&String> = own.ordinary.iter().collect();
    let others = other.ordinary.iter().collect();
    count("words", words.len(), counted(&words, &others))
}

fn count(what: &str, number: usize, (new, gone): (usize, usize)) -> Group {
    let value = Value::Count { number, new, gone };
    single(vec![Fact {
        what: what.to_owned(),
        value,
        usual: "0",
    }])
}

fn guards(of: &BTreeMap<String, Guard>) -> Group {
    let facts = of.iter().map(|(name, guard)| {
        let Guard {
            before,
            after,
            within,
            quoted,
            lowers_to,
            topics,
        } = guard;
        let facts = vec![
            many("before", before),
            many("after", after),
            one("words between", within, "0"),
            flag("quoted", *quoted),
            one("lowers to risk", lowers_to, "0"),
            many("topics", topics),
        ];
        (name.clone(), facts)
    });
    facts.collect()
}

pub(super) fn terms(of: &[Term]) -> Group {
    let facts = of.iter().map(|term| {
        let Term {
            id,
            patterns,
            topic,
            risk,
            weight,
            language,
            partial,
            fuzzy,
            guards,
            exceptions,
        } = term;
        let facts = vec![
            one("topic", topic, ""),
            one("risk", risk, ""),
            one("weight", share(*weight), "1"),
            one("language", language.as_deref().unwrap_or("any"), "any"),
            flag("partial", *partial),
            flag("fuzzy", *fuzzy),
            many("patterns", patterns),
            many("exceptions", exceptions),
            many("guards", guards),
        ];
        (id.clone(), facts)
    });
    facts.collect()
}

/// Thousandths as `0.75`.
fn share(thousandths: u32) -> String {
    let text = decimal(thousandths.into());
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn allows(of: &[Allow]) -> Group {
    let mut highest: BTreeMap<&String, u8> = BTreeMap::new();
    for Allow { patterns, max_risk } in of {
        for pattern in patterns {
            // Of two allows of one pattern the higher counts.
            let slot = highest.entry(pattern).or_insert(*max_risk);
            *slot = (*slot).max(*max_risk);
        }
    }
    let facts = highest
        .into_iter()
        .map(|(pattern, risk)| (pattern.clone(), vec![one("up to risk", risk, "")]));
    facts.collect()
}

pub(super) fn detectors(of: &[DetectorRule]) -> Group {
    let facts = of.iter().map(|rule| {
        let DetectorRule {
            id,
            topic,
            risk,
            weight,
            detector,
        } = rule;
        let (kind, settings) = match detector {
            Detector::Email => ("email", vec![]),
            Detector::Phone => ("phone", vec![]),
            Detector::Card => ("card", vec![]),
            Detector::Iban => ("iban", vec![]),
            Detector::Ip => ("ip", vec![]),
            Detector::Postal => ("postal", vec![]),
            Detector::Url { allow } => ("url", vec![many("allowed domains", allow)]),
            Detector::Domain { domains } => ("domain", vec![many("domains", domains)]),
            Detector::LookAlike { domains } => ("look_alike", vec![many("domains", domains)]),
            Detector::Invite { domains } => ("invite", vec![many("domains", domains)]),
            Detector::Caps { letters, percent } => (
                "caps",
                vec![one("letters", letters, ""), one("percent", percent, "")],
            ),
            Detector::Repetition { times } => ("repetition", vec![one("times", times, "")]),
            Detector::Emoji { count } => ("emoji", vec![one("count", count, "")]),
        };
        let mut facts = vec![
            one("type", kind, ""),
            one("topic", topic, ""),
            one("risk", risk, ""),
            one("weight", share(*weight), "1"),
        ];
        facts.extend(settings);
        (id.clone(), facts)
    });
    facts.collect()
}

pub(super) fn contexts(of: &[ContextRule]) -> Group {
    let facts = of.iter().map(|rule| {
        let ContextRule {
            id,
            kind,
            by_channel,
            by_text,
            rules,
            timespan,
            gte,
            topic,
            risk,
            consequence,
        } = rule;
        let kind_name = match kind {
            ContextKind::EventCount => "messages",
            ContextKind::ValueCount(Field::Channel) => "different channels",
            ContextKind::ValueCount(Field::Text) => "different texts",
            ContextKind::ValueCount(Field::ReplyTo) => "different messages replied to",
            ContextKind::TemporalOrdered => "rules one after another",
        };
        let text = match by_text {
            None => "any",
            Some(SameText::Fingerprint) => "the same",
            Some(SameText::Near) => "nearly the same",
        };
        let rules = if *kind == ContextKind::TemporalOrdered {
            one("rules", rules.join(", "), "")
        } else {
            many("rules", rules)
        };
        let facts = vec![
            one("counts", kind_name, ""),
            flag("by channel", *by_channel),
            one("text", text, "any"),
            rules,
            one("at least", gte, ""),
            one("within", duration(*timespan), ""),
            one("topic", topic, ""),
            one("risk", risk, ""),
            one("action", action(consequence.as_ref()), "none"),
        ];
        (id.clone(), facts)
    });
    facts.collect()
}

pub(super) fn action(of: Option<&Consequence>) -> String {
    match of {
        None => "none".to_owned(),
        Some(Consequence::Flag) => "flag".to_owned(),
        Some(Consequence::Mask) => "mask".to_owned(),
        Some(Consequence::Block) => "block".to_owned(),
        Some(Consequence::Mute(ms)) => format!("mute {}", duration(*ms)),
        Some(Consequence::Escalate(queue)) => format!("escalate to {queue}"),
    }
}

pub(super) fn strikes(of: Option<&Strikes>) -> Group {
    let Some(Strikes {
        per_risk,
        half_life,
        // A group of their own.
        steps: _,
    }) = of
    else {
        return Group::new();
    };
    let mut facts: Vec<Fact> = per_risk
        .iter()
        .enumerate()
        .map(|(risk, points)| one(&format!("points of risk {risk}"), decimal(*points), "0.0"))
        .collect();
    facts.push(one("half-life", duration(*half_life), ""));
    single(facts)
}

pub(super) fn steps(of: Option<&Strikes>) -> Group {
    let mut group = Group::new();
    for step in of.into_iter().flat_map(|strikes| &strikes.steps) {
        let Step {
            gte,
            trust,
            consequence,
        } = step;
        let trust = match trust {
            None => "as before",
            Some(TrustLevel::Untrusted) => "untrusted",
            Some(TrustLevel::Normal) => "normal",
            Some(TrustLevel::Trusted) => "trusted",
        };
        let facts = vec![
            one("trust", trust, "as before"),
            one("action", action(consequence.as_ref()), "none"),
        ];
        let mut name = format!("at {}", decimal(*gte));
        // Steps at the same number of points stand in the author's order.
        while group.contains_key(&name) {
            name.push_str(", again");
        }
        group.insert(name, facts);
    }
    group
}

fn tests(own: &Document, other: &Document) -> Group {
    // A name is only the place in the file; the rest is what is tested.
    let all = |document: &Document| -> BTreeSet<String> {
        let tests = document.tests.iter().map(|test| {
            let mut test = test.clone();
            test.name.clear();
            serde_json::to_string(&test).unwrap_or_default()
        });
        tests.collect()
    };
    count("number", own.tests.len(), counted(&all(own), &all(other)))
}
