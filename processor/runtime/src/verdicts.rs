//! Reads the verdict topic as any consumer should: one number kept per partition drops the repeats.
//!
//! Invariant: each verdict is handed out once. After a crash of the processor some are in the topic twice, as identical
//! copies, and always behind each other: an offset that is not higher than the last of its log is such a copy.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use gavel_schemas::{VerdictRecord, decode_verdict};
use rdkafka::Message;

use crate::config::Config;
use crate::kafka::{BrokerError, Cluster, TopicReader};

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Beginning,
    End,
}

/// Which verdicts are wanted.
#[derive(Debug, Clone)]
pub struct Query {
    pub from: From,
    /// One partition, or all.
    pub partition: Option<i32>,
    /// Go on after the end, until told to stop.
    pub follow: bool,
    pub filter: Filter,
}

/// Every condition that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `user`, or `community/user`.
    pub user: Option<String>,
    pub action: Option<String>,
    pub code: Option<String>,
}

/// What a read met besides the verdicts it handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Verdicts handed out.
    pub shown: u64,
    /// Copies dropped.
    pub repeats: u64,
    /// Records that are no verdicts.
    pub undecodable: u64,
}

/// How long one wait for more lasts while following.
const FOLLOW_WAIT: Duration = Duration::from_millis(200);

/// Hands every wanted verdict to `visit`, until the end as it was at the start (or for ever when following), or until
/// `visit` breaks.
pub fn read(
    config: &Config,
    query: &Query,
    visit: &mut dyn FnMut(&VerdictRecord) -> ControlFlow<()>,
) -> Result<Summary, BrokerError> {
    let topic = &config.topics.verdicts;
    let cluster = Cluster::new(config)?;
    let partitions = cluster.require(topic)?.partitions;
    let wanted: Vec<i32> = match query.partition {
        Some(partition) if !(0..partitions).contains(&partition) => {
            return Err(BrokerError::NoPartition {
                topic: topic.clone(),
                partition,
                partitions,
            });
        }
        Some(partition) => vec![partition],
        None => (0..partitions).collect(),
    };
    let mut ranges = Vec::new();
    for partition in wanted {
        let bounds = cluster.bounds(topic, partition)?;
        let from = if query.from == From::Beginning {
            bounds.start
        } else {
            bounds.end
        };
        ranges.push((partition, from..bounds.end));
    }
    let mut reader = TopicReader::open(config, topic, &ranges)?;
    let mut repeats = Repeats::default();
    let mut summary = Summary::default();
    loop {
        let record = if query.follow {
            reader.follow(FOLLOW_WAIT)?
        } else {
            reader.read()?
        };
        let Some(record) = record else {
            if query.follow {
                continue;
            }
            return Ok(summary);
        };
        let Ok(verdict) = decode_verdict(record.payload().unwrap_or_default()) else {
            summary.undecodable += 1;
            continue;
        };
        if repeats.is_repeat(&verdict) {
            summary.repeats += 1;
        } else if query.filter.takes(&verdict) {
            summary.shown += 1;
            if visit(&verdict).is_break() {
                return Ok(summary);
            }
        }
    }
}

impl Filter {
    pub fn takes(&self, verdict: &VerdictRecord) -> bool {
        let user = self
            .user
            .as_deref()
            .is_none_or(|wanted| match wanted.split_once('/') {
                Some((community, user)) => verdict.community == community && verdict.user == user,
                None => verdict.user == wanted,
            });
        user && self
            .action
            .as_deref()
            .is_none_or(|wanted| verdict.action == wanted)
            && self
                .code
                .as_deref()
                .is_none_or(|wanted| verdict.code == wanted)
    }
}

/// The last verdict of each source partition.
#[derive(Debug, Default)]
pub struct Repeats {
    last: BTreeMap<i32, (String, i64)>,
}

impl Repeats {
    /// Whether this verdict was met before; remembers it if not.
    pub fn is_repeat(&mut self, verdict: &VerdictRecord) -> bool {
        match self.last.get_mut(&verdict.source_partition) {
            Some((log_id, offset)) if *log_id == verdict.log_id => {
                let repeat = verdict.source_offset <= *offset;
                *offset = (*offset).max(verdict.source_offset);
                repeat
            }
            // Another log id begins a new history (an operator accepted a loss); its offsets start anew.
            _ => {
                self.last.insert(
                    verdict.source_partition,
                    (verdict.log_id.clone(), verdict.source_offset),
                );
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(log_id: &str, partition: i32, offset: i64) -> VerdictRecord {
        VerdictRecord {
            log_id: log_id.into(),
            source_partition: partition,
            source_offset: offset,
            community: "c".into(),
            user: "u".into(),
            code: "judged".into(),
            action: "allow".into(),
            engine: 1,
            context_complete: true,
            ..VerdictRecord::default()
        }
    }

    #[test]
    fn one_number_per_partition_drops_the_copies_of_a_crash() {
        let mut repeats = Repeats::default();
        let offsets = [
            (0, 0),
            (0, 1),
            (1, 0),
            (0, 3),
            (0, 1),
            (0, 3),
            (0, 4),
            (1, 1),
        ];
        let shown: Vec<bool> = offsets
            .iter()
            .map(|(p, o)| !repeats.is_repeat(&verdict("a", *p, *o)))
            .collect();
        assert_eq!(shown, [true, true, true, true, false, false, true, true]);
    }

    #[test]
    fn another_log_begins_anew() {
        let mut repeats = Repeats::default();
        assert!(!repeats.is_repeat(&verdict("a", 0, 9)));
        assert!(!repeats.is_repeat(&verdict("b", 0, 2)));
        assert!(repeats.is_repeat(&verdict("b", 0, 2)));
    }

    #[test]
    fn every_condition_must_hold() {
        let filter = |user: &str, action: Option<&str>| Filter {
            user: Some(user.into()),
            action: action.map(Into::into),
            code: None,
        };
        let verdict = verdict("a", 0, 0);
        assert!(filter("u", None).takes(&verdict) && filter("c/u", Some("allow")).takes(&verdict));
        assert!(
            !filter("d/u", None).takes(&verdict) && !filter("u", Some("block")).takes(&verdict)
        );
    }
}
