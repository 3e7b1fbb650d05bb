//! Verdicts as bytes.

use super::message::Verdict as Outcome;
use super::{Fold, Place};
use crate::context::Relief;
use crate::policy::Policy;
use crate::ruling::{Action, Code};
use crate::text::Span;
use gavel_schemas::{
    ChatMessage, Effect, Label, Reason, Refusal, Verdict, VerdictOverturned, encode_verdict, limits,
};

impl Fold {
    /// A verdict about a record that is no message.
    pub(super) fn write_plain(&mut self, place: Place, code: Code, action: Action) {
        self.write_unknown(place, code, action, &[]);
    }

    pub(super) fn write_refused(&mut self, place: Place, refusal: Refusal) {
        let rule = format!("refused/{}", refusal.code());
        let reason = Reason {
            rule: &rule,
            start: 0,
            end: 0,
            start_utf16: 0,
            end_utf16: 0,
            evasion: "",
        };
        self.write_unknown(place, Code::Refused, Action::Block, &[reason]);
    }

    fn write_unknown(&mut self, place: Place, code: Code, action: Action, reasons: &[Reason<'_>]) {
        let everywhere = self.policies.get(super::EVERYWHERE).cloned();
        self.scratch.verdict.clear();
        let verdict = Verdict {
            log_id: &self.log_id,
            source_partition: self.partition,
            source_offset: place.offset,
            message_id: "",
            community: "",
            channel: "",
            user: "",
            sent_at: 0,
            judged_at: place.now,
            code: code.as_str(),
            action: action.as_str(),
            effects: &[],
            labels: &[],
            reasons,
            masked_text: None,
            duplicate_of: None,
            policy: everywhere
                .as_ref()
                .map_or("", |policy| policy.digest_text()),
            engine: engine_of(everywhere.as_deref()),
            context_complete: self.context_complete,
            headers_dropped: place.headers_dropped,
            overturns: None,
        };
        encode_verdict(&verdict, &mut self.scratch.verdict);
    }

    /// The verdict of a marker that undid another one.
    pub(super) fn write_overturned(
        &mut self,
        place: Place,
        order: &VerdictOverturned,
        relief: Relief,
    ) {
        let policy = self.policy_of(&order.community);
        let unmute = relief.unmute.map(|until| Effect {
            kind: "unmute",
            until,
            queue: None,
            trust: None,
        });
        let trust = relief.trust.map(|trust| Effect {
            kind: "trust",
            until: None,
            queue: None,
            trust: Some(trust.as_str()),
        });
        let effects: Vec<Effect<'_>> = unmute.into_iter().chain(trust).collect();
        self.scratch.verdict.clear();
        let verdict = Verdict {
            log_id: &self.log_id,
            source_partition: self.partition,
            source_offset: place.offset,
            message_id: &order.message_id,
            community: &order.community,
            channel: "",
            user: &order.user,
            sent_at: 0,
            judged_at: place.now,
            code: Code::Overturned.as_str(),
            action: Action::Allow.as_str(),
            effects: &effects,
            labels: &[],
            reasons: &[],
            masked_text: None,
            duplicate_of: None,
            policy: policy.as_ref().map_or("", |policy| policy.digest_text()),
            engine: engine_of(policy.as_deref()),
            context_complete: self.context_complete,
            headers_dropped: place.headers_dropped,
            overturns: Some(order.source_offset),
        };
        encode_verdict(&verdict, &mut self.scratch.verdict);
    }

    /// A verdict about a message, from the decision in the scratch.
    pub(super) fn write_message(
        &mut self,
        place: Place,
        message: &ChatMessage<'_>,
        outcome: Outcome<'_>,
    ) {
        let scratch = &mut self.scratch;
        let (decision, found) = (&scratch.decision, &scratch.found);
        let (mut effects, mut labels, mut reasons, mut masked) =
            (Vec::new(), Vec::new(), Vec::new(), None);
        let evasions: Vec<String> = found
            .hits
            .iter()
            .take(limits::REASONS)
            .map(|hit| hit.marks.names())
            .collect();
        if let Some(policy) = outcome.policy {
            effects.extend(decision.mute_until.map(|until| Effect {
                kind: "mute",
                until: Some(until),
                queue: None,
                trust: None,
            }));
            effects.extend(decision.queues.iter().map(|queue| Effect {
                kind: "escalate",
                until: None,
                queue: Some(queue),
                trust: None,
            }));
            effects.extend(decision.trust.map(|trust| Effect {
                kind: "trust",
                until: None,
                queue: None,
                trust: Some(trust.as_str()),
            }));
            let risks = policy.topics.iter().zip(&decision.risks);
            labels.extend(risks.filter_map(|(topic, risk)| {
                Some(Label {
                    topic,
                    risk: i32::from((*risk)?),
                })
            }));
            #[cfg(feature = "seeded-bugs")]
            if self.hash_map_order {
                let order = std::hash::RandomState::new();
                labels.sort_by_key(|label| std::hash::BuildHasher::hash_one(&order, label.topic));
            }
            let zero = |rule| Reason {
                rule,
                start: 0,
                end: 0,
                start_utf16: 0,
                end_utf16: 0,
                evasion: "",
            };
            reasons.extend(
                decision
                    .fired
                    .iter()
                    .filter_map(|index| policy.contexts.get(*index))
                    .map(|compiled| zero(compiled.rule.id.as_str())),
            );
            reasons.extend(decision.struck.then(|| zero("strikes")));
            reasons.sort_by_key(|reason| reason.rule);
            // Hits are in order already.
            let mut names = evasions.iter();
            for hit in found
                .hits
                .iter()
                .take(limits::REASONS.saturating_sub(reasons.len()))
            {
                let (Some(rule), Some(evasion)) = (policy.rule(hit.term), names.next()) else {
                    continue;
                };
                reasons.push(reason(&rule.id, hit.span, evasion, &message.text));
            }
            if outcome.action == Action::Mask {
                let mut spans: Vec<Span> = found
                    .hits
                    .iter()
                    .filter(|hit| decision.masks(policy, hit))
                    .map(|hit| hit.span)
                    .collect();
                if spans.is_empty() {
                    spans.push(Span {
                        start: 0,
                        end: u32::MAX,
                    });
                }
                masked = Some(mask(&message.text, &spans));
            }
        }
        scratch.verdict.clear();
        let verdict = Verdict {
            log_id: &self.log_id,
            source_partition: self.partition,
            source_offset: place.offset,
            message_id: &message.message_id,
            community: &message.community,
            channel: &message.channel,
            user: &message.user,
            sent_at: message.sent_at,
            judged_at: place.now,
            code: outcome.code.as_str(),
            action: outcome.action.as_str(),
            effects: &effects,
            labels: &labels,
            reasons: &reasons,
            masked_text: masked.as_deref(),
            duplicate_of: outcome.duplicate_of,
            policy: outcome.policy.map_or("", Policy::digest_text),
            engine: engine_of(outcome.policy),
            context_complete: self.context_complete,
            headers_dropped: place.headers_dropped,
            overturns: None,
        };
        encode_verdict(&verdict, &mut scratch.verdict);
    }
}

fn engine_of(policy: Option<&Policy>) -> i32 {
    i32::try_from(policy.map_or(crate::ENGINE, Policy::engine)).unwrap_or(i32::MAX)
}

pub(super) fn reason<'a>(rule: &'a str, span: Span, evasion: &'a str, text: &str) -> Reason<'a> {
    let units = |from: u32, to: u32| {
        let part = text.get(from as usize..to as usize).unwrap_or_default();
        part.chars().map(char::len_utf16).sum::<usize>()
    };
    let start_utf16 = units(0, span.start);
    let end_utf16 = start_utf16 + units(span.start, span.end);
    // A text is at most 16 KiB.
    Reason {
        rule,
        start: span.start as i32,
        end: span.end as i32,
        start_utf16: start_utf16 as i32,
        end_utf16: end_utf16 as i32,
        evasion,
    }
}

/// The text with every character of the spans replaced by `*`. Spans are sorted by start.
fn mask(text: &str, spans: &[Span]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut spans = spans.iter().peekable();
    let mut hidden_to = 0u32;
    for (at, ch) in text.char_indices() {
        let at = at as u32;
        while let Some(span) = spans.next_if(|span| span.start <= at) {
            hidden_to = hidden_to.max(span.end);
        }
        masked.push(if at < hidden_to { '*' } else { ch });
    }
    masked
}
