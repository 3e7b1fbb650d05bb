//! Context rules: what a user does over time.

use super::super::document::{ContextKind, ContextRule, Field, SameText};
use super::super::error::did_you_mean;
use super::super::source;
use super::Parser;
use std::collections::BTreeSet;
use toml::Spanned;

/// Most events that one window counts to: their times are kept.
const GTE_MAX: i64 = 100;
/// Most events that all windows of a policy count to: what is kept of one user is bounded.
pub(crate) const EVENTS: usize = 512;
/// Most rules in a row.
const STEPS: usize = 8;

impl Parser<'_> {
    pub(super) fn contexts(&mut self, rules: Vec<source::Context>) -> Vec<ContextRule> {
        let mut compiled: Vec<ContextRule> = Vec::new();
        for rule in rules {
            let id = rule.id.get_ref();
            if compiled.iter().any(|earlier| earlier.id == *id) {
                self.problems.at(
                    rule.id.span().start,
                    format!("context rule id `{id}` is used twice; its counters are kept under it"),
                );
            }
            let kind = self.kind(&rule);
            let (by_channel, by_text) = self.group(&rule.group_by);
            if by_text.is_some() && kind != ContextKind::EventCount {
                self.problems.at(
                    rule.group_by.span().start,
                    "only `event_count` counts the same text; leave `text.…` out of `group_by`",
                );
            }
            let gte = self.gte(&rule, kind);
            self.steps(&rule, kind);
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
                kind,
                by_channel,
                by_text,
                rules: rule.rules.into_iter().map(Spanned::into_inner).collect(),
                gte,
            });
        }
        let events: usize = compiled.iter().map(|rule| rule.gte as usize).sum();
        if events > EVENTS {
            self.problems.add(format!("the context rules count to {events} events of one user together; at most {EVENTS} are kept"));
        }
        compiled.sort_by(|a, b| a.id.cmp(&b.id));
        compiled
    }

    fn kind(&mut self, rule: &source::Context) -> ContextKind {
        let kind = match rule.kind.get_ref().as_str() {
            "event_count" => ContextKind::EventCount,
            "value_count" => ContextKind::ValueCount(self.field(rule)),
            "temporal_ordered" => ContextKind::TemporalOrdered,
            other => {
                let hint = did_you_mean(other, &["event_count", "value_count", "temporal_ordered"]);
                self.problems.at(
                    rule.kind.span().start,
                    format!("unknown type `{other}`{hint}"),
                );
                ContextKind::EventCount
            }
        };
        if let Some(field) = rule
            .field
            .as_ref()
            .filter(|_| rule.kind.get_ref() != "value_count")
        {
            self.problems.at(
                field.span().start,
                "`field` belongs to `type = \"value_count\"`",
            );
        }
        kind
    }

    fn field(&mut self, rule: &source::Context) -> Field {
        const FIELDS: [&str; 3] = ["channel", "text.fingerprint", "reply_to"];
        let Some(field) = &rule.field else {
            self.problems.at(
                rule.kind.span().start,
                format!("`value_count` counts the different values of a `field`: one of {}; for the same text again use event_count with group_by = [\"user\", \"text.fingerprint\"]", FIELDS.join(", ")),
            );
            return Field::Text;
        };
        match field.get_ref().as_str() {
            "channel" => Field::Channel,
            "text.fingerprint" => Field::Text,
            "reply_to" => Field::ReplyTo,
            other => {
                self.problems.at(
                    field.span().start,
                    format!("unknown field `{other}`{}", did_you_mean(other, &FIELDS)),
                );
                Field::Text
            }
        }
    }

    fn group(&mut self, group: &Spanned<Vec<String>>) -> (bool, Option<SameText>) {
        const GROUPS: [&str; 4] = ["user", "channel", "text.fingerprint", "text.near"];
        let (mut user, mut by_channel, mut by_text) = (false, false, None);
        for key in group.get_ref() {
            match key.as_str() {
                "user" => user = true,
                "channel" => by_channel = true,
                "text.fingerprint" => by_text = Some(SameText::Fingerprint),
                "text.near" => by_text = Some(SameText::Near),
                other => self.problems.at(
                    group.span().start,
                    format!(
                        "unknown key `{other}` in `group_by`{}",
                        did_you_mean(other, &GROUPS)
                    ),
                ),
            }
        }
        if !user {
            self.problems.at(
                group.span().start,
                "`group_by` must hold \"user\": counters belong to users",
            );
        }
        (by_channel, by_text)
    }

    fn gte(&mut self, rule: &source::Context, kind: ContextKind) -> u32 {
        match (&rule.condition, kind) {
            (None, ContextKind::TemporalOrdered) => {
                u32::try_from(rule.rules.len()).unwrap_or(u32::MAX)
            }
            (None, _) => {
                self.problems.at(
                    rule.kind.span().start,
                    "`condition` is missing, such as condition = { gte = 5 }",
                );
                1
            }
            (Some(condition), kind) => {
                let gte = *condition.gte.get_ref();
                let at = condition.gte.span().start;
                if kind == ContextKind::TemporalOrdered {
                    self.problems.at(at, "`temporal_ordered` has no `condition`: it fires when the last of its rules speaks");
                } else if !(1..=GTE_MAX).contains(&gte) {
                    self.problems.at(
                        at,
                        format!("gte {gte} is out of range: 1 to {GTE_MAX} events"),
                    );
                }
                u32::try_from(gte).unwrap_or(1)
            }
        }
    }

    fn steps(&mut self, rule: &source::Context, kind: ContextKind) {
        let count = rule.rules.len();
        if kind == ContextKind::TemporalOrdered && !(2..=STEPS).contains(&count) {
            self.problems.at(
                rule.kind.span().start,
                format!("`temporal_ordered` needs `rules`, 2 to {STEPS} of them, in their order"),
            );
        }
        let mut seen = BTreeSet::new();
        for named in &rule.rules {
            if !seen.insert(named.get_ref()) && kind != ContextKind::TemporalOrdered {
                self.problems.at(
                    named.span().start,
                    format!("rule `{}` is named twice", named.get_ref()),
                );
            }
        }
    }

    /// Context rules may name terms, detectors, other context rules and `topic/NAME`.
    pub(super) fn named_rules(&mut self, contexts: &[ContextRule], known: &BTreeSet<&str>) {
        for rule in contexts {
            for named in &rule.rules {
                let problem = if let Some(topic) = named.strip_prefix("topic/") {
                    (!self.topics.iter().any(|known| known == topic)).then(|| {
                        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
                        format!(
                            "topic `{topic}` is not in policy.topics{}",
                            did_you_mean(topic, &topics)
                        )
                    })
                } else if let Some(other) = contexts.iter().find(|other| other.id == *named) {
                    (!other.rules.is_empty() || other.id == rule.id)
                        .then(|| format!("`{named}` names rules itself; a context rule may name only those that do not"))
                } else if known.contains(named.as_str()) {
                    None
                } else {
                    let near: Vec<&str> = known
                        .iter()
                        .copied()
                        .chain(contexts.iter().map(|rule| rule.id.as_str()))
                        .collect();
                    let hint = super::super::error::nearest(named, &near)
                        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    Some(format!("there is no rule `{named}`{hint}"))
                };
                if let Some(problem) = problem {
                    self.problems
                        .add(format!("context rule `{}`: {problem}", rule.id));
                }
            }
        }
    }
}
