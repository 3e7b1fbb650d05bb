//! Judging a message: retry, mute, text, windows, thresholds, strikes, in this order.

use super::{Contexts, Fold, HaltReason, Place, Scratch};
use crate::context::{Context, FRAGMENT_BYTES, Fragment, NoContext, Said, Window, context_expired};
use crate::policy::{
    CompiledContext, ContextKind, Detector, Field, Named, Policy, SameText, TrustLevel, Urls,
};
use crate::ruling::{Action, Code};
use crate::text::{Hit, Marks, Span, fingerprint, fnv, near_fingerprint, nearly};
use gavel_schemas::ChatMessage;

/// Err: the fold cannot go on.
type Judged = Result<(Action, Code), HaltReason>;

impl Fold {
    /// Judges a message by the policy in force, then by the candidate in shadow, each with contexts of its own.
    pub(super) fn hear<C: Contexts>(
        &mut self,
        place: Place,
        message: &ChatMessage<'_>,
        contexts: &mut C,
    ) -> Result<Judged, C::Error> {
        let policy = self.policy_of(&message.community);
        let shadow = self.shadow_of(&message.community, policy.as_deref());
        if let Some((order, _)) = shadow {
            // Whatever can fail for the candidate fails before anything has changed.
            let scratch = &mut self.scratch;
            context_key(
                &mut scratch.key,
                Some(order),
                &message.community,
                &message.user,
            );
            if contexts.load(&scratch.key, &mut scratch.bytes)?
                && let Err(error) = scratch.context.decode(&scratch.bytes)
            {
                return Ok(Err(corrupt(&error)));
            }
        }
        let judged = match policy {
            None => {
                self.write_message(
                    place,
                    message,
                    Verdict::without_policy(Code::NoPolicy, Action::Allow),
                );
                Ok((Action::Allow, Code::NoPolicy))
            }
            Some(policy) => self.judge(place, message, &policy, None, contexts)?,
        };
        if let (Ok(_), Some((order, candidate))) = (&judged, shadow) {
            let Scratch {
                verdict, shadow, ..
            } = &mut self.scratch;
            std::mem::swap(verdict, shadow);
            let shadowed = self.judge(place, message, &candidate, Some(order), contexts)?;
            let Scratch {
                verdict, shadow, ..
            } = &mut self.scratch;
            std::mem::swap(verdict, shadow);
            if let Err(reason) = shadowed {
                return Ok(Err(reason));
            }
        }
        Ok(judged)
    }

    fn judge<C: Contexts>(
        &mut self,
        place: Place,
        message: &ChatMessage<'_>,
        policy: &Policy,
        shadow: Option<i64>,
        contexts: &mut C,
    ) -> Result<Judged, C::Error> {
        let scratch = &mut self.scratch;
        context_key(&mut scratch.key, shadow, &message.community, &message.user);
        let known = contexts.load(&scratch.key, &mut scratch.bytes)?
            && !context_expired(&scratch.bytes, place.now);
        scratch.context.clear();
        if known && let Err(error) = scratch.context.decode(&scratch.bytes) {
            return Ok(Err(corrupt(&error)));
        }
        let digest = content_digest(message, &mut scratch.bytes);
        let before = if message.message_id.is_empty() {
            None
        } else {
            scratch.context.said_before(&digest)
        };
        if let Some(said) = before {
            self.match_text(policy, message);
            self.scratch.weigh(policy);
            self.decide(policy, message, place.now);
            // The same again: nothing follows from it a second time.
            self.scratch.decision.action = Some(said.action);
            (
                self.scratch.decision.mute_until,
                self.scratch.decision.trust,
            ) = (None, None);
            self.scratch.decision.queues.clear();
            let verdict = Verdict {
                policy: Some(policy),
                code: said.code,
                action: said.action,
                duplicate_of: Some(said.offset),
            };
            self.write_message(place, message, verdict);
            return Ok(Ok((said.action, said.code)));
        }
        let (action, code) = if place.now < self.scratch.context.mute_until {
            self.scratch.context.forget_fragments(policy, place.now);
            self.scratch.decision.clear(policy.topics.len());
            self.scratch.found.hits.clear();
            (Action::Block, Code::Muted)
        } else {
            self.match_text(policy, message);
            self.match_joined(policy, message, place.now);
            self.scratch.weigh(policy);
            self.count(policy, message, place.now);
            self.decide(policy, message, place.now);
            self.strike(policy, place.now);
            (
                self.scratch.decision.action.unwrap_or(Action::Allow),
                Code::Judged,
            )
        };
        let scratch = &mut self.scratch;
        if let Some(until) = scratch.decision.mute_until {
            scratch.context.mute_until = scratch.context.mute_until.max(until);
        }
        scratch.context.say(Said {
            digest,
            offset: place.offset,
            action,
            code,
        });
        scratch.context.encode(place.now, &mut scratch.bytes);
        contexts.store(&scratch.key, &scratch.bytes)?;
        self.write_message(
            place,
            message,
            Verdict {
                policy: Some(policy),
                code,
                action,
                duplicate_of: None,
            },
        );
        Ok(Ok((action, code)))
    }

    fn match_text(&mut self, policy: &Policy, message: &ChatMessage<'_>) {
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
    fn match_joined(&mut self, policy: &Policy, message: &ChatMessage<'_>, now: i64) {
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

    fn count(&mut self, policy: &Policy, message: &ChatMessage<'_>, now: i64) {
        let Some(keep) = policy
            .contexts
            .iter()
            .map(|compiled| compiled.rule.timespan)
            .max()
        else {
            return;
        };
        self.scratch.context.forget(now, keep);
        // Rules that name topics or context rules come after those that name neither, and hear what had been said until then: an order of
        // their ids would decide otherwise.
        let hears_rules = |compiled: &CompiledContext| {
            compiled
                .named
                .iter()
                .any(|named| !matches!(named, Named::Rule(_)))
        };
        for later in [false, true] {
            let Scratch {
                heard, decision, ..
            } = &mut self.scratch;
            heard.clone_from(&decision.risks);
            for (index, compiled) in policy.contexts.iter().enumerate() {
                if hears_rules(compiled) == later && self.scratch.fires(compiled, message, now) {
                    let scratch = &mut self.scratch;
                    scratch.decision.fired.push(index);
                    scratch.decision.risk(compiled.topic, compiled.rule.risk);
                    if let Some(consequence) = &compiled.rule.consequence {
                        scratch
                            .decision
                            .consequence(consequence, now, scratch.context.mute_until);
                    }
                }
            }
        }
    }

    fn decide(&mut self, policy: &Policy, message: &ChatMessage<'_>, now: i64) {
        let scratch = &mut self.scratch;
        let trust = trust_of(policy, &scratch.context, now);
        scratch.decision.decide(
            policy,
            &message.channel,
            message.audience.as_deref(),
            trust,
            &scratch.found,
        );
    }

    fn strike(&mut self, policy: &Policy, now: i64) {
        let Some(strikes) = &policy.strikes else {
            return;
        };
        let scratch = &mut self.scratch;
        let highest = scratch.decision.highest_risk();
        let points = strikes
            .per_risk
            .get(usize::from(highest))
            .copied()
            .unwrap_or(0);
        if points == 0 {
            return;
        }
        let before = trust_of(policy, &scratch.context, now);
        let total = scratch
            .context
            .strikes_left(now, strikes.half_life)
            .saturating_add(points);
        (scratch.context.strikes, scratch.context.strikes_at) = (total, now);
        for step in strikes.steps.iter().filter(|step| total >= step.gte) {
            scratch.decision.struck = true;
            if let Some(consequence) = &step.consequence
                && let Some(ms) = consequence.mute()
            {
                let until = scratch.context.mute_until.max(now.saturating_add(ms));
                scratch.decision.mute_until = scratch.decision.mute_until.max(Some(until));
            } else if let Some(consequence) = &step.consequence {
                // The message at hand is decided; only what follows for the user counts here.
                let action = scratch.decision.action;
                scratch
                    .decision
                    .consequence(consequence, now, scratch.context.mute_until);
                scratch.decision.action = action;
            }
        }
        let reached = strikes.steps.iter().filter(|step| total >= step.gte);
        if let Some((trust, gte)) = reached
            .filter_map(|step| Some((step.trust?, step.gte)))
            .next_back()
        {
            (scratch.context.trust, scratch.context.trust_floor) = (trust, (gte / 2).max(1));
        }
        let after = trust_of(policy, &scratch.context, now);
        scratch.decision.trust = (after != before).then_some(after);
    }
}

/// Where a user's context lives: `community/user`, and for a candidate its own, behind a byte that no text begins with. A later
/// candidate starts with empty contexts.
pub(super) fn context_key(key: &mut Vec<u8>, shadow: Option<i64>, community: &str, user: &str) {
    key.clear();
    if let Some(order) = shadow {
        key.push(0xff);
        key.extend_from_slice(&order.to_be_bytes());
    }
    key.extend_from_slice(community.as_bytes());
    key.push(b'/');
    key.extend_from_slice(user.as_bytes());
}

fn corrupt(error: &NoContext) -> HaltReason {
    HaltReason::CorruptContext {
        detail: error.to_string(),
    }
}

/// What `write_message` needs to know besides the decision.
pub(super) struct Verdict<'a> {
    pub policy: Option<&'a Policy>,
    pub code: Code,
    pub action: Action,
    pub duplicate_of: Option<i64>,
}

impl Verdict<'_> {
    fn without_policy(code: Code, action: Action) -> Verdict<'static> {
        Verdict {
            policy: None,
            code,
            action,
            duplicate_of: None,
        }
    }
}

/// The level that a step of the strikes gave, as long as at least half of the points for that step are left: a user who has just
/// reached a step stays there for a half-life and not for a millisecond.
fn trust_of(policy: &Policy, context: &Context, now: i64) -> TrustLevel {
    let half_life = policy
        .strikes
        .as_ref()
        .map_or(1, |strikes| strikes.half_life);
    let holds =
        context.trust_floor > 0 && context.strikes_left(now, half_life) >= context.trust_floor;
    if holds {
        context.trust
    } else {
        TrustLevel::default()
    }
}

/// All that makes two messages the same, which is everything but the time of sending. A strong hash: a weak one would let a sender
/// give a bad message the verdict of a good one.
fn content_digest(message: &ChatMessage<'_>, buffer: &mut Vec<u8>) -> [u8; 16] {
    buffer.clear();
    let fields = [
        &message.message_id,
        &message.community,
        &message.channel,
        &message.user,
        &message.text,
        &message.kind,
    ];
    for field in fields {
        buffer.extend_from_slice(&(field.len() as u64).to_le_bytes());
        buffer.extend_from_slice(field.as_bytes());
    }
    for field in [
        &message.audience,
        &message.language,
        &message.revises,
        &message.reply_to,
    ] {
        match field.as_deref() {
            None => buffer.push(0),
            Some(text) => {
                buffer.push(1);
                buffer.extend_from_slice(&(text.len() as u64).to_le_bytes());
                buffer.extend_from_slice(text.as_bytes());
            }
        }
    }
    let mut digest = [0u8; 16];
    digest.copy_from_slice(&blake3::hash(buffer).as_bytes()[..16]);
    digest
}

impl Scratch {
    /// Adds to `found` what stands in a text. Its plain view stays in `views`.
    fn read(&mut self, policy: &Policy, text: &str, urls: Option<&Urls>) {
        let overridden = self.cells.read(text);
        if overridden {
            self.cells.read_displayed(text);
            self.views.read(&self.cells, policy.undo);
            policy.matcher.look(
                &self.cells.cells,
                &self.views,
                &mut self.work,
                &mut self.found,
            );
            self.cells.read(text);
        }
        self.views.read(&self.cells, policy.undo);
        policy.matcher.look(
            &self.cells.cells,
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

    fn weigh(&mut self, policy: &Policy) {
        self.decision.hits(policy, &mut self.found);
    }

    /// Counts the message for a rule, if it is of its kind; whether the rule fires.
    fn fires(&mut self, compiled: &CompiledContext, message: &ChatMessage<'_>, now: i64) -> bool {
        let rule = &compiled.rule;
        let speaks = |named: &Named| match *named {
            Named::Rule(index) => self.decision.spoken.binary_search(&index).is_ok(),
            Named::Topic(topic) => self
                .heard
                .get(topic)
                .copied()
                .flatten()
                .is_some_and(|risk| risk > 0),
            Named::Context(index) => self.decision.fired.contains(&index),
        };
        let mut window = Window {
            key: compiled.key,
            timespan: rule.timespan,
            most: rule.gte as usize,
        };
        if rule.by_channel {
            window.key ^= fnv(message.channel.as_bytes());
        }
        if rule.kind == ContextKind::TemporalOrdered {
            let taken: Vec<u64> = (0u64..)
                .zip(&compiled.named)
                .filter(|(_, named)| speaks(named))
                .map(|(step, _)| step)
                .collect();
            let last = compiled.named.len() as u64 - 1;
            // From the last step back: one message takes one step of an order. All are taken, whether or not the last fires.
            let mut fired = false;
            for step in taken.into_iter().rev() {
                fired |= self.context.step(window, now, step) && step == last;
            }
            return fired;
        }
        if !compiled.named.is_empty() && !compiled.named.iter().any(speaks) {
            return false;
        }
        let count = match (rule.kind, rule.by_text) {
            (ContextKind::ValueCount(field), _) => {
                let value = match field {
                    Field::Channel => fnv(message.channel.as_bytes()),
                    Field::ReplyTo => match message.reply_to.as_deref() {
                        Some(reply) => fnv(reply.as_bytes()),
                        None => return false,
                    },
                    Field::Text => fingerprint(self.views.plain()),
                };
                self.context.count_different(window, now, value)
            }
            (_, None) => self.context.count(window, now, 0, |_, _| true),
            (_, Some(same)) => {
                // Other texts stand between.
                window.most = (4 * window.most).max(16);
                match same {
                    SameText::Fingerprint => self.context.count(
                        window,
                        now,
                        fingerprint(self.views.plain()),
                        |one, other| one == other,
                    ),
                    SameText::Near => self.context.count(
                        window,
                        now,
                        near_fingerprint(self.views.plain()),
                        nearly,
                    ),
                }
            }
        };
        count >= rule.gte as usize
    }
}
