//! Accepting that a partition's history is lost: the way on when nothing can bring it back.
//!
//! Invariant: the loss is recorded for ever, in `chat.control` and in every verdict that follows (`context_complete` = false, a log id of
//! its own), so nobody can take what was judged after it for what would have been judged without it.

use gavel_schemas::{HistoryAccepted, Order};

use super::{Author, OrderError, Orders, nonce};
use crate::clock::wall_ms;
use crate::hex::hex;
use crate::kafka::{Bounds, Cluster, LogReader};
use crate::verdict_tail::{self, VerdictsOf};

/// Verdicts at the end of the topic that are looked at for the newest.
const TAIL: u64 = 2_000;

/// What would be accepted, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    pub partition: i32,
    /// The log that ends.
    pub former: String,
    /// Where the new log of the partition begins: the first record that is judged with it.
    pub start: i64,
    /// Newest record that has a verdict of the former log, as far as the end of the verdict topic tells.
    pub judged: Option<i64>,
    /// First offset that the topic still has.
    pub log_start: i64,
    /// Offset after its last record.
    pub log_end: i64,
}

/// The order that accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub order: i64,
    pub log_id: String,
}

impl Orders<'_> {
    /// What accepting would mean. The new log begins at `from`, or behind the newest record that has a verdict.
    pub fn weigh_acceptance(
        &self,
        partition: i32,
        from: Option<i64>,
    ) -> Result<Acceptance, OrderError> {
        let opened = self
            .control()
            .opened(partition)
            .ok_or_else(|| OrderError::NotOpened {
                control: self.control_topic(),
            })?;
        let topics = &self.config.topics;
        let cluster = Cluster::new(self.config)?;
        let Bounds { start, end } = cluster.bounds(&topics.messages, partition)?;
        let mut verdicts = LogReader::open(self.config, &topics.verdicts, partition)?;
        let of = VerdictsOf {
            log_id: &opened.log_id,
            partition,
        };
        let bounds = cluster.bounds(&topics.verdicts, partition)?;
        let judged = verdict_tail::scan(&mut verdicts, bounds, of, TAIL)?.newest;
        let begin = from.unwrap_or_else(|| judged.map_or(start, |at| at + 1).clamp(start, end));
        if !(start..=end).contains(&begin) {
            return Err(OrderError::NotInLog {
                topic: topics.messages.clone(),
                partition,
                offset: begin,
                start,
                end,
            });
        }
        Ok(Acceptance {
            partition,
            former: opened.log_id,
            start: begin,
            judged,
            log_start: start,
            log_end: end,
        })
    }

    /// Writes the order. It needs no marker: what it changes is where a partition begins, which is read before anything is folded.
    pub fn accept_history(
        &mut self,
        acceptance: &Acceptance,
        author: Author,
    ) -> Result<Accepted, OrderError> {
        let log_id = hex(&nonce()?);
        let order = Order::HistoryAccepted(HistoryAccepted {
            partition: acceptance.partition,
            start_offset: acceptance.start,
            log_id: log_id.clone(),
            by: author.by,
            reason: author.reason,
            nonce: nonce()?,
            issued_at: wall_ms(),
        });
        let order = self.write(&acceptance.former, &order)?;
        Ok(Accepted { order, log_id })
    }
}
