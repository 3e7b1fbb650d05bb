//! Reading a message: what stands in its text, alone and together with the short messages before it.
//!
//! Invariant: only what lies across messages is taken from reading them together; the message's own hits, views and fingerprint are those
//! of its own text.

use super::{Fold, Scratch};
use crate::context::{FRAGMENT_BYTES, Fragment};
use crate::policy::{Detector, Policy, Urls};
use crate::text::{Hit, Marks, Span, fnv};
use gavel_schemas::ChatMessage;

impl Fold {
    pub(super) fn match_text(&mut self, policy: &Policy, message: &ChatMessage<'_>) {
        let scratch = &mut self.scratch;
        let urls = policy.urls(&message.channel);
        scratch.found.clear();
        scratch.read(policy, &message.text, urls);
        scratch
            .found
            .settle(&policy.matcher, message.language.as_deref());
        scratch.decision.clear(policy.topics.len());
    }

    /// Reads short messages together with the short ones before: a word may stand in several.
    pub(super) fn match_joined(&mut self, policy: &Policy, message: &ChatMessage<'_>, now: i64) {
        let scratch = &mut self.scratch;
        scratch.context.forget_fragments(policy, now);
        let Some(join) = policy.join else { return };
        let channel = fnv(message.channel.as_bytes());
        let text = message.text.trim();
        if text.is_empty() || text.len() > 2 * FRAGMENT_BYTES {
            return;
        }
        let mut joined = std::mem::take(&mut scratch.joined);
        joined.clear();
        let fragments = scratch
            .context
            .fragments
            .iter()
            .filter(|fragment| fragment.channel == channel);
        for fragment in fragments {
            joined.push_str(&fragment.text);
            joined.push(' ');
        }
        if !joined.is_empty() {
            let boundary = joined.len() as u32;
            let lead = (message.text.len() - message.text.trim_start().len()) as u32;
            joined.push_str(text);
            // The message's own views and hits stay: its fingerprint is that of its own text.
            scratch.swap_apart();
            scratch.found.clear();
            scratch.read(policy, &joined, None);
            scratch
                .found
                .settle(&policy.matcher, message.language.as_deref());
            scratch.swap_apart();
            // What lies in one message was found there, and several short messages are no wall.
            let across = scratch.apart.hits.iter().filter(|hit| {
                hit.span.start < boundary
                    && boundary < hit.span.end
                    && !policy.is_about_form(hit.term)
            });
            scratch.found.hits.extend(across.map(|hit| Hit {
                span: Span {
                    start: lead,
                    end: lead + hit.span.end - boundary,
                },
                marks: hit.marks.with(Marks::JOINED),
                ..*hit
            }));
            scratch.found.hits.sort_unstable();
        }
        scratch.joined = joined;
        if text.len() <= FRAGMENT_BYTES {
            let fragment = Fragment {
                at: now,
                channel,
                text: text.to_owned(),
            };
            scratch
                .context
                .keep(fragment, join.last.saturating_sub(1) as usize);
        }
    }
}

impl Scratch {
    /// Adds to `found` what stands in a text. Its plain view stays in `views`.
    fn read(&mut self, policy: &Policy, text: &str, urls: Option<&Urls>) {
        let overridden = self.cells.read(text);
        if overridden {
            self.cells.read_displayed(text);
            self.views.read(&mut self.cells, policy.undo);
            policy.matcher.look(
                &mut self.cells,
                &self.views,
                &mut self.work,
                &mut self.found,
            );
            self.cells.read(text);
        }
        self.views.read(&mut self.cells, policy.undo);
        policy.matcher.look(
            &mut self.cells,
            &self.views,
            &mut self.work,
            &mut self.found,
        );
        if policy.detectors.is_empty() && urls.is_none() {
            return;
        }
        self.detected
            .look(text, &policy.detectors, urls.is_some(), &mut self.found);
        if let Some(urls) = urls {
            let detectors = &policy.detectors;
            let plain_url = |term: u32| {
                detectors.iter().any(|(index, detector)| {
                    *index == term && matches!(detector, Detector::Url { .. })
                })
            };
            let links = &self.detected.links;
            let allowed = |span: Span| {
                let at = links.partition_point(|link| link.span < span);
                links
                    .get(at)
                    .is_some_and(|link| link.span == span && link.within(&urls.allow))
            };
            self.found
                .hits
                .retain(|hit| !plain_url(hit.term) || !allowed(hit.span));
            let others = links.iter().filter(|link| !link.within(&urls.allow));
            self.found.hits.extend(others.map(|link| Hit {
                span: link.span,
                term: policy.link_rule,
                marks: Marks::NONE,
                cells: (0, 0),
                risk: u8::MAX,
            }));
        }
    }

    fn swap_apart(&mut self) {
        std::mem::swap(&mut self.found, &mut self.apart);
        std::mem::swap(&mut self.views, &mut self.views_apart);
    }

    pub(super) fn weigh(&mut self, policy: &Policy) {
        self.decision.hits(policy, &mut self.found);
    }
}
