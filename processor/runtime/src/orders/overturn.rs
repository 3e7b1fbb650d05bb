//! Overturning a verdict: what followed from it for its user is undone.
//!
//! Invariant: an order names a verdict that was looked at, with the user and the message that stand in it. What followed from it is for
//! the fold to know; so an order is never wrong about that, and one that is sent again changes nothing.

use gavel_schemas::{Order, VerdictOverturned};
use rdkafka::Message;

use super::{Author, OrderError, Orders, nonce};
use crate::clock::wall_ms;
use crate::kafka::{Bounds, BrokerError, Cluster, LogReader};
use crate::verdict_search::{self, Found};
use crate::verdict_tail::VerdictsOf;

/// A verdict that can be overturned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appealed {
    pub log_id: String,
    pub partition: i32,
    pub offset: i64,
    pub community: String,
    pub user: String,
    pub message_id: String,
    pub code: String,
    pub action: String,
    /// The order that overturned it already.
    pub order: Option<i64>,
}

/// What `overturn` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overturned {
    pub order: i64,
    /// True when the order stood there already, and only its marker was sent again.
    pub resumed: bool,
    /// Where the marker stands in the message partition; None if others deleted it meanwhile.
    pub marker: Option<i64>,
}

impl Orders<'_> {
    /// Looks at the verdict about the message at `offset`.
    pub fn weigh_overturning(&self, partition: i32, offset: i64) -> Result<Appealed, OrderError> {
        let partitions = self.message_partitions()?;
        let topic = &self.config.topics.verdicts;
        let opened = self
            .control()
            .opened(partition)
            .filter(|_| (0..partitions).contains(&partition))
            .ok_or_else(|| BrokerError::NoPartition {
                topic: self.config.topics.messages.clone(),
                partition,
                partitions,
            })?;
        let mut reader = LogReader::open(self.config, topic, partition)?;
        let of = VerdictsOf {
            log_id: &opened.log_id,
            partition,
        };
        let bounds = reader.bounds()?;
        let verdict = match verdict_search::find(&mut reader, bounds, of, offset)? {
            Found::Verdict(verdict) => *verdict,
            // The topic began later than the log: what was before is gone.
            Found::Nothing { oldest }
                if bounds.start > 0 && oldest.is_none_or(|at| offset < at) =>
            {
                return Err(OrderError::VerdictGone {
                    partition,
                    offset,
                    oldest,
                });
            }
            Found::Nothing { .. } => return Err(OrderError::NoVerdict { partition, offset }),
        };
        if let Some(first) = verdict.duplicate_of {
            return Err(OrderError::OfARetry {
                partition,
                offset,
                first,
            });
        }
        if !matches!(verdict.code.as_str(), "judged" | "muted") {
            return Err(OrderError::NotOverturnable {
                partition,
                offset,
                code: verdict.code,
            });
        }
        Ok(Appealed {
            order: self.overturned_by(&verdict.log_id, partition, offset),
            log_id: verdict.log_id,
            partition,
            offset,
            community: verdict.community,
            user: verdict.user,
            message_id: verdict.message_id,
            code: verdict.code,
            action: verdict.action,
        })
    }

    /// Writes the order, unless it stands there already, and its marker into the partition of the verdict.
    pub fn overturn(
        &mut self,
        appealed: &Appealed,
        author: Author,
    ) -> Result<Overturned, OrderError> {
        let Appealed {
            partition, offset, ..
        } = *appealed;
        let order = match appealed.order {
            Some(order) => order,
            None => {
                let order = Order::VerdictOverturned(VerdictOverturned {
                    log_id: appealed.log_id.clone(),
                    source_partition: partition,
                    source_offset: offset,
                    community: appealed.community.clone(),
                    user: appealed.user.clone(),
                    message_id: appealed.message_id.clone(),
                    by: author.by,
                    reason: author.reason,
                    nonce: nonce()?,
                    issued_at: wall_ms(),
                });
                let key = format!("{}/{partition}/{offset}", appealed.log_id);
                self.write(&key, &order)?
            }
        };
        let marker = self
            .mark_one(order, partition)
            .map_err(|source| OrderError::NotMarked {
                order,
                finish: format!("gavel state overturn {partition}:{offset} --reason …"),
                source: Box::new(source),
            })?;
        Ok(Overturned {
            order,
            resumed: appealed.order.is_some(),
            marker,
        })
    }

    fn overturned_by(&self, log_id: &str, partition: i32, offset: i64) -> Option<i64> {
        let same = |order: &Order| {
            matches!(order, Order::VerdictOverturned(order)
                if order.log_id == log_id && order.source_partition == partition && order.source_offset == offset)
        };
        let mut orders = self.control().orders();
        orders
            .find(|recorded| same(recorded.order()))
            .map(|recorded| recorded.offset)
    }

    /// Sends the marker into one partition and reads back where it stands.
    fn mark_one(&self, order: i64, partition: i32) -> Result<Option<i64>, OrderError> {
        let topic = &self.config.topics.messages;
        let cluster = Cluster::new(self.config)?;
        let before = cluster.bounds(topic, partition)?.end;
        let marker = self.mark(order, partition..partition + 1, None)?;
        let Bounds { start, end } = cluster.bounds(topic, partition)?;
        let mut reader = LogReader::open(self.config, topic, partition)?;
        reader.start(before.max(start));
        while let Some(record) = reader.read_to(end)? {
            if record.payload() == Some(&marker) {
                return Ok(Some(record.offset()));
            }
        }
        Ok(None)
    }
}
