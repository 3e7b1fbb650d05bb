//! Why one record has its verdict: the log is folded up to it for its user alone, and the step that judges it is asked.
//!
//! Invariant: what is explained is what the fold derives, and what stands in the verdict topic is compared with it; an explanation of a
//! verdict that was not derived from this log says so.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use gavel_judge::Explanation;
use gavel_schemas::{Inbound, Order, VerdictRecord, decode_inbound_with};
use rdkafka::Message;
use serde::Serialize;

use super::for_user::{Beginning, UserFold, Walked, Who};
use super::recorded::{Recorded, recorded};
use super::{OpenedLog, Place, Progress, ReplayError};
use crate::config::Config;
use crate::shell::record_of;

/// Past strikes that are told.
const STRIKES: usize = 50;

/// An explanation with what only the log can tell.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedRecord {
    pub place: Place,
    pub log_id: String,
    /// Offset from which the log was folded, and records gone through.
    pub folded_from: i64,
    pub folded: u64,
    pub recorded: Recorded,
    /// Messages that brought the user points, oldest first, this one included; at most the newest 50.
    pub strikes: Vec<PastStrike>,
    /// What muted the user: before this message, or with it.
    pub muted_by: Option<PastMute>,
    /// When the message came whose retry this is.
    pub first_copy_at: Option<i64>,
    /// The order by which a person found the verdict wrong, later.
    pub overturned: Option<Overturned>,
    pub explanation: Explanation,
}

/// An order about a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overturned {
    /// Number of the order.
    pub order: i64,
    pub by: String,
    pub reason: String,
}

/// A message that brought points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastStrike {
    pub offset: i64,
    pub at: i64,
    /// Thousandths of a point.
    pub added: u64,
    pub total: u64,
    pub action: String,
    /// Rules that spoke.
    pub rules: Vec<String>,
}

/// A message that muted its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastMute {
    pub offset: i64,
    pub at: i64,
    pub until: i64,
    /// `strikes` and context rules.
    pub rules: Vec<String>,
}

/// Explains the record at a place.
pub fn explain(
    config: &Config,
    place: Place,
    progress: &Progress,
) -> Result<ExplainedRecord, ReplayError> {
    let mut log = OpenedLog::open(config, place.partition)?;
    let who = subject(&mut log, place)?;
    let beginning = Beginning::of(config, &log, &who, place.offset)?;
    let first = beginning.first;
    progress.total.fetch_add(
        u64::try_from(place.offset - first).unwrap_or(0),
        Ordering::Relaxed,
    );
    let control = std::sync::Arc::clone(&log.control);
    let mut fold = UserFold::new(&log.opened, log.partition, control, beginning, who)?;
    let mut past = Past::default();
    let mut folded = 0;
    log.messages.start(first);
    while let Some(message) = log.messages.read_to(place.offset)? {
        folded += 1;
        progress.done.fetch_add(1, Ordering::Relaxed);
        if let Some(walked) = fold.walk(&record_of(&message))? {
            past.take(&walked);
        }
    }
    let message = log
        .messages
        .read_to(place.offset + 1)?
        .ok_or(ReplayError::Vanished {
            partition: place.partition,
            offset: place.offset,
        })?;
    let record = record_of(&message);
    let explanation = fold.explain(&record)?;
    let derived = fold.derive(&record)?;
    drop(message);
    past.take_explained(&explanation);
    let verdict = &explanation.verdict;
    Ok(ExplainedRecord {
        place,
        log_id: log.opened.log_id.clone(),
        folded_from: first,
        folded,
        recorded: recorded(config, &log, place.offset, &derived)?,
        muted_by: past.mute_of(&explanation),
        first_copy_at: verdict
            .duplicate_of
            .and_then(|first| time_at(&mut log, first)),
        strikes: past.strikes.into(),
        overturned: overturned(&log, verdict),
        explanation,
    })
}

/// The first order that takes this verdict back. It counts for the user of the message only.
fn overturned(log: &OpenedLog, verdict: &VerdictRecord) -> Option<Overturned> {
    log.control.orders().find_map(|one| match one.order() {
        Order::VerdictOverturned(order)
            if (&order.log_id, order.source_partition, order.source_offset)
                == (
                    &verdict.log_id,
                    verdict.source_partition,
                    verdict.source_offset,
                )
                && (&order.community, &order.user) == (&verdict.community, &verdict.user) =>
        {
            Some(Overturned {
                order: one.offset,
                by: order.by.clone(),
                reason: order.reason.clone(),
            })
        }
        _ => None,
    })
}

/// Whose record this is, or whom an order is about.
fn subject(log: &mut OpenedLog, place: Place) -> Result<Who, ReplayError> {
    let no_record = ReplayError::NoRecord {
        partition: place.partition,
        offset: place.offset,
        start: log.bounds.start.max(log.opened.start),
        end: log.bounds.end,
    };
    if place.offset < log.opened.start
        || !(log.bounds.start..log.bounds.end).contains(&place.offset)
    {
        return Err(no_record);
    }
    log.messages.start(place.offset);
    let Some(record) = log.messages.read_to(place.offset + 1)? else {
        return Err(no_record);
    };
    let value = record.payload().unwrap_or_default();
    // Of whom it would be: whether it can be read at its place is for the fold to say.
    Ok(
        match decode_inbound_with(value, &log.control.all_schemas()) {
            Ok(Inbound::Message(message)) => Who {
                community: message.community.into_owned(),
                user: message.user.into_owned(),
            },
            Ok(Inbound::Marker(marker)) => {
                let mut orders = log.control.orders();
                let order = orders.find(|recorded| recorded.offset == marker.order);
                match order.map(|recorded| recorded.order()) {
                    Some(Order::UserErased(order)) => Who {
                        community: order.community.clone(),
                        user: order.user.clone(),
                    },
                    Some(Order::VerdictOverturned(order)) => Who {
                        community: order.community.clone(),
                        user: order.user.clone(),
                    },
                    _ => Who::default(),
                }
            }
            Err(_) => Who::default(),
        },
    )
}

/// The broker's time of a record, where the log still has it.
fn time_at(log: &mut OpenedLog, offset: i64) -> Option<i64> {
    log.messages.start(offset);
    let record = log.messages.read_to(offset + 1).ok()??;
    record.timestamp().to_millis()
}

/// What a user did before.
#[derive(Default)]
struct Past {
    strikes: VecDeque<PastStrike>,
    mute: Option<PastMute>,
}

impl Past {
    fn take(&mut self, walked: &Walked) {
        let (verdict, before, after) = (&walked.verdict, &walked.before, &walked.after);
        if let Some(overturned) = verdict.overturns {
            self.strikes.retain(|strike| strike.offset != overturned);
            self.mute = self.mute.take().filter(|mute| mute.offset != overturned);
            return;
        }
        if verdict.code == "control" {
            // Erased, or a policy under which the points count otherwise: those that are gone explain nothing.
            if after.struck_at.is_none() {
                self.strikes.clear();
            }
            return;
        }
        if after.strikes > before.strikes {
            self.strike(verdict, after.strikes - before.strikes, after.strikes);
        }
        self.mute(verdict);
    }

    fn take_explained(&mut self, explanation: &Explanation) {
        if let Some(struck) = explanation
            .struck
            .as_ref()
            .filter(|struck| struck.added > 0)
        {
            self.strike(&explanation.verdict, struck.added, struck.total);
        }
        self.mute(&explanation.verdict);
    }

    fn strike(&mut self, verdict: &VerdictRecord, added: u64, total: u64) {
        if self.strikes.len() == STRIKES {
            self.strikes.pop_front();
        }
        let mut rules: Vec<String> = verdict
            .reasons
            .iter()
            .filter(|reason| reason.rule != "strikes")
            .map(|reason| reason.rule.clone())
            .collect();
        rules.dedup();
        self.strikes.push_back(PastStrike {
            offset: verdict.source_offset,
            at: verdict.judged_at,
            added,
            total,
            action: verdict.action.clone(),
            rules,
        });
    }

    fn mute(&mut self, verdict: &VerdictRecord) {
        let mut mutes = verdict.effects.iter().filter_map(|effect| effect.until);
        let Some(until) = mutes.next() else { return };
        // Hits have a place in the text; what mutes has none.
        let rules = verdict.reasons.iter().filter(|reason| reason.end == 0);
        self.mute = Some(PastMute {
            offset: verdict.source_offset,
            at: verdict.judged_at,
            until,
            rules: rules.map(|reason| reason.rule.clone()).collect(),
        });
    }

    /// What brought the mute that binds at a record or begins with it.
    fn mute_of(&self, explanation: &Explanation) -> Option<PastMute> {
        let until = explanation.after.as_ref()?.mute_until?;
        self.mute.clone().filter(|mute| mute.until == until)
    }
}
