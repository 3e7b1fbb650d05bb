//! From risks to the action.

use super::Heard;
use crate::explanation::{Because, Decided, Explanation, JudgedTopic};
use crate::fold::Fold;
use crate::policy::{AudienceOrigin, Consequence, Levels, TrustLevel};
use crate::ruling::Action;

/// What is decided where no policy is in force.
pub(super) fn without_policy() -> Decided {
    Decided {
        audience: String::new(),
        audience_from: "default".to_owned(),
        trust: TrustLevel::default().as_str(),
        because: vec![Because {
            action: Action::Allow.as_str(),
            kind: "no-policy",
            what: String::new(),
        }],
        nothing_to_mask: false,
    }
}

impl Fold {
    /// Topics with a risk: as the words brought it, with what the context rules added, and what the thresholds made of it.
    pub(super) fn tell_topics(&self, heard: &Heard<'_>, explanation: &mut Explanation) {
        let (policy, message, found) = (heard.policy, heard.message, &self.scratch.found);
        let audience = policy.audience(&message.channel, message.audience.as_deref());
        let trust = heard
            .before
            .standing
            .trust(policy.strikes.as_ref(), heard.now);
        let risks = self.scratch.decision.risks.iter().enumerate();
        let topics = risks.filter_map(|(topic, risk)| {
            let risk = (*risk)?;
            let name = policy.topics.get(topic)?;
            let levels = audience.levels(topic)?;
            let shift = policy.shift(topic, trust);
            // A hit that counts has at most its topic's risk, and one of them has brought it.
            let of_topic = found
                .hits
                .iter()
                .filter(|hit| policy.rule(hit.term).and_then(|rule| rule.topic) == Some(topic));
            let asks = Levels::reached(levels.escalate, shift, risk);
            let queue = levels.queue.clone().unwrap_or_else(|| "default".to_owned());
            Some(JudgedTopic {
                topic: name.clone(),
                from_words: of_topic.map(|hit| hit.risk).max(),
                risk,
                flag: levels.flag,
                mask: levels.mask,
                block: levels.block,
                escalate: levels.escalate,
                shift,
                action: levels.action(shift, risk).as_str(),
                queue: asks.then_some(queue),
            })
        });
        explanation.topics = topics.collect();
    }

    pub(super) fn decided(&self, heard: &Heard<'_>, explanation: &Explanation) -> Decided {
        let (policy, message) = (heard.policy, heard.message);
        let (audience, origin) =
            policy.audience_origin(&message.channel, message.audience.as_deref());
        let mut because: Vec<(Action, &'static str, String)> = Vec::new();
        if let Some(first) = heard.verdict.duplicate_of {
            because.push((action_of(heard), "retry", first.to_string()));
        } else if !heard.is_judged() {
            because.push((Action::Block, "mute", String::new()));
        } else {
            self.because_judged(heard, explanation, &mut because);
        }
        // The hardest first; among equals in the order of the policy.
        because.sort_by_key(|(action, _, _)| std::cmp::Reverse(*action));
        let hardest = because.first().map(|(action, _, _)| *action);
        let nothing_to_mask =
            heard.is_judged() && hardest == Some(Action::Mask) && action_of(heard) == Action::Block;
        Decided {
            audience,
            audience_from: match origin {
                AudienceOrigin::Channel(pattern) => format!("channel {pattern}"),
                AudienceOrigin::Message => "message".to_owned(),
                AudienceOrigin::Default => "default".to_owned(),
            },
            trust: heard
                .before
                .standing
                .trust(policy.strikes.as_ref(), heard.now)
                .as_str(),
            because: because
                .into_iter()
                .map(|(action, kind, what)| Because {
                    action: action.as_str(),
                    kind,
                    what,
                })
                .collect(),
            nothing_to_mask,
        }
    }

    fn because_judged(
        &self,
        heard: &Heard<'_>,
        explanation: &Explanation,
        because: &mut Vec<(Action, &'static str, String)>,
    ) {
        for topic in &explanation.topics {
            let own = named(topic.action);
            if own > Action::Allow {
                because.push((own, "topic", topic.topic.clone()));
            }
        }
        let fired = self.scratch.decision.fired.iter();
        for compiled in fired.filter_map(|index| heard.policy.contexts.get(*index)) {
            let own = match &compiled.rule.consequence {
                Some(Consequence::Flag) => Action::Flag,
                Some(Consequence::Mask) => Action::Mask,
                Some(Consequence::Block) => Action::Block,
                Some(Consequence::Mute(_) | Consequence::Escalate(_)) | None => continue,
            };
            because.push((own, "context", compiled.rule.id.clone()));
        }
        let has_link = |hit: &crate::text::Hit| hit.term == heard.policy.link_rule;
        if let Some(urls) = heard.policy.urls(&heard.message.channel)
            && self.scratch.found.hits.iter().any(has_link)
        {
            because.push((
                urls.other.action(),
                "links",
                heard.message.channel.to_string(),
            ));
        }
    }
}

fn action_of(heard: &Heard<'_>) -> Action {
    named(&heard.verdict.action)
}

fn named(word: &str) -> Action {
    let mut all = Action::ALL.into_iter();
    all.find(|action| action.as_str() == word)
        .unwrap_or(Action::Allow)
}
