//! All that one user said and what came of it, with the orders that touched the user.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use gavel_judge::{ControlLog, Digest, Standing};
use gavel_schemas::{
    ControlMarker, Inbound, Order, PolicyActivated, VerdictRecord, decode_inbound_with,
};
use rdkafka::Message;
use serde::Serialize;

use super::for_user::{Beginning, UserFold, Who};
use super::{OpenedLog, Progress, ReplayError};
use crate::config::Config;
use crate::kafka::Cluster;
use crate::shell::{partition_of, record_of};

const EVERYWHERE: &str = "*";

/// What happened to a user.
#[derive(Debug, Clone, Serialize)]
pub struct Timeline {
    pub community: String,
    pub user: String,
    pub partitions: Vec<i32>,
    /// Records gone through.
    pub folded: u64,
    /// By partition, then in the order of the log.
    pub entries: Vec<TimelineEntry>,
}

/// A record of the user's, or an order.
#[derive(Debug, Clone, Serialize)]
pub struct TimelineEntry {
    pub partition: i32,
    pub offset: i64,
    /// The fold's clock.
    pub at: i64,
    pub message: Option<Said>,
    pub order: Option<TimelineOrder>,
    pub verdict: VerdictRecord,
    pub before: Standing,
    pub after: Standing,
}

/// What was said.
#[derive(Debug, Clone, Serialize)]
pub struct Said {
    pub message_id: String,
    pub channel: String,
    pub kind: String,
    pub text: String,
}

/// An order that touched the user.
#[derive(Debug, Clone, Serialize)]
pub struct TimelineOrder {
    pub number: i64,
    pub kind: &'static str,
    pub by: String,
    pub reason: String,
    /// Of an activation: name and digest of the policy, its scope, and whether it judges in shadow only.
    pub policy: Option<String>,
    pub digest: Option<String>,
    pub scope: Option<String>,
    pub shadow: bool,
    /// Of an overturned verdict: the offset of the message.
    pub overturned: Option<i64>,
}

/// Folds the partitions for a user: the one that the key belongs to, or those that are named.
pub fn timeline(
    config: &Config,
    who: &Who,
    partitions: &[i32],
    progress: &Progress,
) -> Result<Timeline, ReplayError> {
    let (cluster, topic) = (Cluster::new(config)?, &config.topics.messages);
    let own;
    let named = if partitions.is_empty() {
        let count = cluster.require(topic)?.partitions;
        own = [partition_of(who.key().as_bytes(), count)];
        &own
    } else {
        partitions
    };
    let wanted = cluster.partitions(topic, named)?;
    let mut timeline = Timeline {
        community: who.community.clone(),
        user: who.user.clone(),
        partitions: wanted,
        folded: 0,
        entries: Vec::new(),
    };
    for partition in timeline.partitions.clone() {
        let mut log = OpenedLog::open(config, partition)?;
        let beginning = Beginning::of(config, &log, who, log.bounds.end)?;
        timeline.walk(&mut log, who, beginning, progress)?;
    }
    Ok(timeline)
}

impl Timeline {
    fn walk(
        &mut self,
        log: &mut OpenedLog,
        who: &Who,
        beginning: Beginning,
        progress: &Progress,
    ) -> Result<(), ReplayError> {
        let first = beginning.first;
        let total = u64::try_from(log.bounds.end - first).unwrap_or(0);
        progress.total.fetch_add(total, Ordering::Relaxed);
        let control = Arc::clone(&log.control);
        let mut fold = UserFold::new(&log.opened, log.partition, control, beginning, who.clone())?;
        let mut own = BTreeSet::new();
        log.messages.start(first);
        while let Some(message) = log.messages.read_to(log.bounds.end)? {
            self.folded += 1;
            progress.done.fetch_add(1, Ordering::Relaxed);
            let Some(walked) = fold.walk(&record_of(&message))? else {
                continue;
            };
            let (mut said, mut order) = (None, None);
            match decode_inbound_with(message.payload().unwrap_or_default(), fold.schemas()) {
                Ok(Inbound::Message(message)) => {
                    own.insert(walked.verdict.source_offset);
                    said = Some(Said {
                        message_id: message.message_id.into_owned(),
                        channel: message.channel.into_owned(),
                        kind: message.kind.into_owned(),
                        text: message.text.into_owned(),
                    });
                }
                Ok(Inbound::Marker(marker)) if walked.verdict.code != "refused" => {
                    let touches = Touches {
                        who,
                        log_id: &log.opened.log_id,
                        partition: log.partition,
                        own: &own,
                    };
                    order = touches.order(&marker, fold.control());
                }
                Ok(Inbound::Marker(_)) | Err(_) => {}
            }
            if said.is_none() && order.is_none() {
                continue;
            }
            self.entries.push(TimelineEntry {
                partition: log.partition,
                offset: walked.verdict.source_offset,
                at: walked.verdict.judged_at,
                message: said,
                order,
                verdict: walked.verdict,
                before: walked.before,
                after: walked.after,
            });
        }
        Ok(())
    }
}

/// Which orders are about a user.
struct Touches<'a> {
    who: &'a Who,
    log_id: &'a str,
    partition: i32,
    /// Offsets of the user's messages.
    own: &'a BTreeSet<i64>,
}

impl Touches<'_> {
    fn order(&self, marker: &ControlMarker<'_>, control: &ControlLog) -> Option<TimelineOrder> {
        let mut orders = control.orders();
        let recorded = orders.find(|recorded| recorded.offset == marker.order)?;
        let told = |by: &str, reason: &str| TimelineOrder {
            number: recorded.offset,
            kind: recorded.kind(),
            by: by.to_owned(),
            reason: reason.to_owned(),
            policy: None,
            digest: None,
            scope: None,
            shadow: false,
            overturned: None,
        };
        match recorded.order() {
            Order::PolicyActivated(order) => {
                let concerns = order.scope == EVERYWHERE || order.scope == self.who.community;
                concerns.then(|| TimelineOrder {
                    policy: policy_id(order, control),
                    digest: Some(order.digest.clone()),
                    scope: Some(order.scope.clone()),
                    shadow: order.shadow,
                    ..told(&order.by, &order.reason)
                })
            }
            Order::UserErased(order) => self
                .who
                .is(&order.community, &order.user)
                .then(|| told(&order.by, &order.reason)),
            Order::VerdictOverturned(order) => {
                let is_own = order.log_id == self.log_id
                    && order.source_partition == self.partition
                    && self.own.contains(&order.source_offset);
                is_own.then(|| TimelineOrder {
                    overturned: Some(order.source_offset),
                    ..told(&order.by, &order.reason)
                })
            }
            Order::PolicyDocument(_)
            | Order::LogOpened(_)
            | Order::HistoryAccepted(_)
            | Order::SchemaRegistered(_) => None,
        }
    }
}

fn policy_id(order: &PolicyActivated, control: &ControlLog) -> Option<String> {
    let digest: Digest = order.digest.parse().ok()?;
    Some(control.document(&digest)?.id().to_owned())
}
