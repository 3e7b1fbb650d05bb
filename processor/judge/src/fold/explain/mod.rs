//! A step that changes nothing and tells everything.
//!
//! Invariant: there is no second judge. The fold's own step runs over contexts that nobody keeps, what it left in its scratch memory is
//! read, and state and policies are put back; so an explanation cannot differ from the verdict that it explains, and a fold that was asked
//! goes on as if it had not been.

mod counted;
mod decided;
mod orders;
mod overlay;
mod words;

use super::message::context_key;
use super::{Contexts, Fold, HaltReason, Patience, Record, Step, scoped};
use crate::clock::Timestamp;
use crate::context::{Context, context_expired};
use crate::control::ControlLog;
use crate::explanation::{Explanation, JudgingPolicy, RecordKind, Refused, TheRecord, WrittenWith};
use crate::policy::{Document, Policy};
use crate::state::PartitionState;
use gavel_schemas::{
    ChatMessage, Inbound, Order, Refusal, SchemaId, VerdictRecord, decode_inbound_with,
    decode_verdict, limits,
};
use overlay::Overlay;
use std::sync::Arc;

/// What asking for an explanation came to.
#[derive(Debug)]
pub enum Explained {
    Explanation(Box<Explanation>),
    /// As of a step.
    Await {
        order: i64,
    },
    Halt(HaltReason),
}

/// A step that was taken, with what is needed to tell of it.
struct Taken<'a> {
    record: &'a Record<'a>,
    inbound: Result<Inbound<'a>, Refusal>,
    control: &'a ControlLog,
    /// The state before the step.
    state: PartitionState,
    overlay: Overlay,
    verdict: VerdictRecord,
    refusal: Option<Refusal>,
}

/// A message and what judged it.
struct Heard<'a> {
    message: &'a ChatMessage<'a>,
    policy: &'a Policy,
    document: Option<&'a Document>,
    now: i64,
    before: Context,
    after: Context,
    known: bool,
    verdict: &'a VerdictRecord,
}

impl Heard<'_> {
    fn is_retry(&self) -> bool {
        self.verdict.duplicate_of.is_some()
    }

    /// Whether windows and strikes were counted.
    fn is_judged(&self) -> bool {
        self.verdict.code == "judged" && !self.is_retry()
    }

    /// Whether the text was looked at.
    fn is_read(&self) -> bool {
        self.is_retry() || self.is_judged()
    }
}

impl Fold {
    /// What `step` would do with this record, and why. Changes nothing: call `step` to go on.
    pub fn explain<C: Contexts>(
        &mut self,
        record: &Record<'_>,
        control: &ControlLog,
        patience: Patience,
        contexts: &mut C,
    ) -> Result<Explained, C::Error> {
        let inbound = match record.value {
            _ if record
                .key
                .is_some_and(|key| key.len() > limits::STRING_BYTES) =>
            {
                Err(Refusal::KeyTooLong)
            }
            None => Err(Refusal::EmptyValue),
            Some(value) => decode_inbound_with(value, &self.schemas),
        };
        let state = self.state.clone();
        let (policies, shadows) = (self.policies.clone(), self.shadows.clone());
        let schemas = self.schemas.clone();
        if !matches!(inbound, Ok(Inbound::Marker(_))) {
            // A candidate would judge after the policy in force, in the same memory.
            self.shadows.clear();
        }
        self.scratch.forget();
        let mut overlay = Overlay::default();
        let step = self.step(record, control, patience, &mut overlay.over(contexts));
        let outcome = step.map(|step| match step {
            Step::Verdict(ruling) => Ok((ruling.verdict.to_vec(), ruling.dead_letter)),
            Step::Await { order } => Err(Explained::Await { order }),
            Step::Halt(reason) => Err(Explained::Halt(reason)),
        });
        let explained = outcome.map(|outcome| match outcome {
            Err(other) => other,
            Ok((bytes, refusal)) => {
                let taken = Taken {
                    record,
                    inbound,
                    control,
                    state: state.clone(),
                    overlay,
                    // The fold's own bytes are a verdict.
                    verdict: decode_verdict(&bytes).unwrap_or_default(),
                    refusal,
                };
                Explained::Explanation(Box::new(self.tell(taken)))
            }
        });
        (self.state, self.policies, self.shadows) = (state, policies, shadows);
        self.schemas = schemas;
        explained
    }

    fn tell(&mut self, taken: Taken<'_>) -> Explanation {
        let kind = match &taken.inbound {
            Ok(Inbound::Message(_)) => RecordKind::Message,
            Ok(Inbound::Marker(_)) => RecordKind::Marker,
            Err(_) => RecordKind::Unreadable,
        };
        let mut explanation = Explanation {
            record: the_record(&taken, self.partition, kind),
            refused: taken.refusal.map(|refusal| Refused {
                code: refusal.code(),
                meaning: refusal.to_string(),
            }),
            order: None,
            policy: None,
            text: None,
            hits: Vec::new(),
            too_weak: Vec::new(),
            excused: Vec::new(),
            rules: Vec::new(),
            topics: Vec::new(),
            decided: None,
            struck: None,
            before: None,
            after: None,
            verdict: taken.verdict.clone(),
        };
        match &taken.inbound {
            Ok(Inbound::Marker(marker)) => {
                explanation.order = Some(self.marked(marker, &taken));
            }
            Ok(Inbound::Message(message)) if taken.refusal.is_none() => {
                self.tell_message(message, &taken, &mut explanation);
            }
            Ok(Inbound::Message(_)) | Err(_) => {}
        }
        explanation
    }

    fn tell_message(
        &mut self,
        message: &ChatMessage<'_>,
        taken: &Taken<'_>,
        explanation: &mut Explanation,
    ) {
        let Some(policy) = self.policy_of(&message.community) else {
            explanation.decided = Some(decided::without_policy());
            return;
        };
        let document = taken.control.document(&policy.digest());
        explanation.policy = Some(self.judging(message, &policy, document.as_ref(), taken));
        let now = taken.verdict.judged_at;
        let mut key = Vec::new();
        context_key(&mut key, None, &message.community, &message.user);
        let read = |bytes: Option<&[u8]>| {
            let mut context = Context::default();
            let known = bytes
                .is_some_and(|bytes| !context_expired(bytes, now) && context.decode(bytes).is_ok());
            (context, known)
        };
        let (before, known) = read(taken.overlay.before(&key));
        let heard = Heard {
            message,
            policy: &policy,
            document: document.as_ref(),
            now,
            before,
            after: read(taken.overlay.after(&key)).0,
            known,
            verdict: &taken.verdict,
        };
        if heard.is_read() {
            self.tell_text(&heard, explanation);
            self.tell_topics(&heard, explanation);
        }
        if heard.is_judged() {
            explanation.rules = self.counted_rules(&heard);
            explanation.struck = self.struck(&heard);
        }
        explanation.decided = Some(self.decided(&heard, explanation));
        explanation.before = Some(counted::remembered(&heard, &heard.before, heard.known));
        explanation.after = Some(counted::remembered(&heard, &heard.after, true));
    }

    fn judging(
        &self,
        message: &ChatMessage<'_>,
        policy: &Arc<Policy>,
        document: Option<&Document>,
        taken: &Taken<'_>,
    ) -> JudgingPolicy {
        let scope = scoped(&self.policies, &message.community)
            .map_or_else(String::new, |(scope, _)| scope.clone());
        let order = taken
            .state
            .activations
            .get(&scope)
            .map_or(-1, |activation| activation.order);
        let activated = match taken.control.order(order).map(|recorded| recorded.order()) {
            Some(Order::PolicyActivated(activated)) => Some(activated),
            _ => None,
        };
        JudgingPolicy {
            digest: policy.digest_text().to_owned(),
            id: document.map(|document| document.id().to_owned()),
            scope,
            order,
            activated_by: activated.map(|order| order.by.clone()),
            reason: activated.map(|order| order.reason.clone()),
            engine: policy.engine(),
        }
    }
}

fn the_record(taken: &Taken<'_>, partition: i32, kind: RecordKind) -> TheRecord {
    let record = taken.record;
    let (broker_time, set_by_broker) = match record.timestamp {
        Timestamp::Missing => (None, false),
        Timestamp::Create(at) => (Some(at), false),
        Timestamp::LogAppend(at) => (Some(at), true),
    };
    let message = match &taken.inbound {
        Ok(Inbound::Message(message)) => serde_json::to_value(message).ok(),
        Ok(Inbound::Marker(_)) | Err(_) => None,
    };
    TheRecord {
        partition,
        offset: record.offset,
        broker_time,
        set_by_broker,
        clock: taken.verdict.judged_at,
        key: record
            .key
            .map(|key| String::from_utf8_lossy(key).into_owned()),
        value_bytes: record.value.map_or(0, <[u8]>::len),
        written_with: record.value.and_then(|value| written_with(value, taken)),
        kind,
        message,
    }
}

/// The registry's id that a value begins with.
fn written_with(value: &[u8], taken: &Taken<'_>) -> Option<WrittenWith> {
    let id = SchemaId::of_value(value)?;
    let registration = taken.control.registrations().of_id(id);
    let met = registration.filter(|one| taken.state.schemas().contains(&one.order));
    Some(WrittenWith {
        id: id.to_string(),
        order: met.map(|registration| registration.order),
    })
}
