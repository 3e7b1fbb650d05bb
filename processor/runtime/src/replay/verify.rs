//! Verifies a log: folds every partition from where its history begins and compares each verdict with the verdict topic.
//!
//! Invariant: a partition passes only if every record below the end has, as its first verdict and in the order of the
//! records, exactly the bytes that the fold gives, with the record's key and headers; every further copy is identical; and
//! every refused record has its dead letter. It stops at the first difference, because all that follows may follow from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gavel_judge::{ControlLog, Ruling};
use gavel_schemas::{VerdictIdentity, decode_verdict, peek_verdict_identity};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use serde::Serialize;

use super::dead_letters::{DeadLetters, Refused};
use super::pairing::{Copy, Pairing};
use super::{ReplayError, StraightFold};
use crate::config::Config;
use crate::control;
use crate::hex::hex;
use crate::kafka::{Cluster, LogReader, raw_headers};
use crate::shell::record_of;

/// What to verify.
#[derive(Debug, Clone, Default)]
pub struct Verify {
    /// Empty: all.
    pub partitions: Vec<i32>,
    /// Partitions folded at the same time.
    pub threads: usize,
}

/// How far it is. Shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Offsets to go through; grows while partitions are opened.
    pub total: AtomicU64,
    pub done: AtomicU64,
}

/// One partition, up to the end that it had when its verification began.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PartitionReport {
    pub partition: i32,
    pub log_id: String,
    /// Offset after the last record folded.
    pub end: i64,
    /// Records folded.
    pub records: u64,
    /// Records whose verdict is in the topic, byte for byte.
    pub equal: u64,
    /// Further copies, all identical.
    pub copies: u64,
    /// Records at the end that have no verdict yet.
    pub not_yet_judged: u64,
    /// Records at the beginning whose verdicts the topic's retention has removed.
    pub expired: u64,
    /// Records of the verdict topic that belong to an earlier log.
    pub foreign: u64,
    /// Refused records whose dead letter is there.
    pub dead_letters: u64,
    /// Digest of the state after the last record: that of `gavel state inspect --digest` once all is stored.
    pub digest: String,
    pub difference: Option<Difference>,
}

/// The first thing that is not as the fold says.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Offset of the message.
    pub offset: i64,
    pub what: String,
    /// What the fold gives.
    pub derived: Option<Side>,
    /// What the topic holds.
    pub found: Option<Side>,
}

/// A verdict to look at.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Side {
    Verdict(Box<gavel_schemas::VerdictRecord>),
    /// Bytes that are no verdict, as hexadecimal.
    Undecodable {
        bytes: String,
    },
}

impl Side {
    fn of(value: &[u8]) -> Option<Side> {
        Some(match decode_verdict(value) {
            Ok(verdict) => Side::Verdict(Box::new(verdict)),
            Err(_) => Side::Undecodable {
                bytes: hex(&value[..value.len().min(1_024)]),
            },
        })
    }
}

/// Verifies the wanted partitions, several at a time; reports in the order of partitions.
pub fn verify(
    config: &Config,
    wanted: &Verify,
    progress: &Progress,
) -> Result<Vec<PartitionReport>, ReplayError> {
    let count = Cluster::new(config)?
        .require(&config.topics.messages)?
        .partitions;
    let mut partitions = if wanted.partitions.is_empty() {
        (0..count).collect()
    } else {
        wanted.partitions.clone()
    };
    if let Some(partition) = partitions
        .iter()
        .copied()
        .find(|partition| !(0..count).contains(partition))
    {
        let topic = config.topics.messages.clone();
        return Err(crate::kafka::BrokerError::NoPartition {
            topic,
            partition,
            partitions: count,
        }
        .into());
    }
    partitions.sort_unstable_by(|a, b| b.cmp(a));
    partitions.dedup();
    let threads = wanted.threads.clamp(1, partitions.len().max(1));
    let queue = Mutex::new(partitions);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let work = || -> Result<Vec<PartitionReport>, ReplayError> {
        let mut reports = Vec::new();
        while let Some(partition) = next() {
            reports.push(Walk::through(config, partition, progress)?);
        }
        Ok(reports)
    };
    let mut reports = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            reports.extend(worker.join().map_err(|_| ReplayError::Panicked)??);
        }
        Ok::<(), ReplayError>(())
    })?;
    reports.sort_unstable_by_key(|report| report.partition);
    Ok(reports)
}

/// One partition's messages, folded beside its verdicts.
struct Walk<'a> {
    config: &'a Config,
    progress: &'a Progress,
    fold: StraightFold,
    messages: LogReader,
    /// Whether letters can be told apart: not after a loss, when offsets of two logs meet in one topic.
    letters: Option<DeadLetters>,
    pairing: Pairing,
    /// Whether the verdict topic still has its beginning.
    verdicts_begin: bool,
    /// End of the messages when it was last asked for.
    grown_to: i64,
    report: PartitionReport,
}

impl<'a> Walk<'a> {
    fn through(
        config: &'a Config,
        partition: i32,
        progress: &'a Progress,
    ) -> Result<PartitionReport, ReplayError> {
        let mut messages = LogReader::open(config, &config.topics.messages, partition)?;
        let bounds = messages.bounds()?;
        // After the end of the messages, so that every order which they name is there.
        let control = Arc::new(control::read_whole(config)?);
        let mut verdicts = LogReader::open(config, &config.topics.verdicts, partition)?;
        let verdict_bounds = verdicts.bounds()?;
        verdicts.start(verdict_bounds.start);
        let (fold, opened) = open_fold(config, partition, &control)?;
        if bounds.start > opened.start {
            return Err(ReplayError::LostHistory {
                partition,
                start: bounds.start,
                opened: opened.start,
            });
        }
        messages.start(opened.start);
        progress.total.fetch_add(
            u64::try_from(bounds.end - opened.start).unwrap_or(0),
            Ordering::Relaxed,
        );
        let mut walk = Walk {
            config,
            progress,
            fold,
            messages,
            letters: if opened.context_complete {
                Some(DeadLetters::open(config, partition)?)
            } else {
                None
            },
            pairing: Pairing::new(),
            verdicts_begin: verdict_bounds.start == 0,
            grown_to: bounds.end,
            report: PartitionReport {
                partition,
                log_id: opened.log_id,
                end: bounds.end,
                ..Default::default()
            },
        };
        while let Some(verdict) = verdicts.read_to(verdict_bounds.end)? {
            if let Some(difference) = walk.meet(&verdict)? {
                walk.report.difference = Some(difference);
                return Ok(walk.report);
            }
        }
        walk.rest()?;
        Ok(walk.report)
    }

    /// Takes the next record of the verdict topic.
    fn meet(&mut self, verdict: &BorrowedMessage<'_>) -> Result<Option<Difference>, ReplayError> {
        let value = verdict.payload().unwrap_or_default();
        let Ok(VerdictIdentity {
            log_id,
            source_partition,
            source_offset,
        }) = peek_verdict_identity(value)
        else {
            let what = format!(
                "offset {} of the verdict topic holds no verdict",
                verdict.offset()
            );
            return Ok(Some(Difference {
                offset: self.messages.next_offset(),
                what,
                derived: None,
                found: Side::of(value),
            }));
        };
        if log_id != self.report.log_id {
            self.report.foreign += 1;
            return Ok(None);
        }
        if source_partition != self.report.partition {
            let what = format!(
                "a verdict of partition {source_partition} stands in partition {}",
                self.report.partition
            );
            return Ok(Some(Difference {
                offset: source_offset,
                what,
                derived: None,
                found: Side::of(value),
            }));
        }
        if source_offset < self.messages.next_offset() {
            return self.another_copy(source_offset, verdict);
        }
        if source_offset >= self.report.end {
            return self.judged_since(source_offset, value);
        }
        self.first_copy(source_offset, verdict)
    }

    /// A verdict from behind the end: right if the log has grown so far since this verification began.
    fn judged_since(&mut self, source: i64, value: &[u8]) -> Result<Option<Difference>, ReplayError> {
        if source >= self.grown_to {
            self.grown_to = self.messages.bounds()?.end;
        }
        Ok((source >= self.grown_to).then(|| Difference {
            offset: source,
            what: "a verdict for an offset that the log does not have yet".into(),
            derived: None,
            found: Side::of(value),
        }))
    }

    /// Folds up to the record of this verdict and compares.
    fn first_copy(
        &mut self,
        source: i64,
        verdict: &BorrowedMessage<'_>,
    ) -> Result<Option<Difference>, ReplayError> {
        while let Some(message) = self.messages.read_to(self.report.end)? {
            let offset = message.offset();
            self.report.records += 1;
            self.progress.done.fetch_add(1, Ordering::Relaxed);
            if offset == source {
                let compared = self.fold.judge(&record_of(&message), |ruling| {
                    compare(ruling, &message, verdict)
                })?;
                let Compared {
                    difference,
                    refused,
                } = compared;
                if difference.is_some() {
                    return Ok(difference);
                }
                self.report.equal += 1;
                self.pairing.first(
                    source,
                    verdict.offset(),
                    verdict.key(),
                    verdict.payload().unwrap_or_default(),
                );
                let (Some(reason), Some(letters)) = (refused, &mut self.letters) else {
                    return Ok(None);
                };
                let wrong = letters.expect(&Refused {
                    offset,
                    reason,
                    value: message.payload(),
                })?;
                self.report.dead_letters = letters.found;
                return Ok(wrong.map(|what| Difference {
                    offset,
                    what: format!("refused as {reason}, but {what}"),
                    derived: None,
                    found: None,
                }));
            }
            if offset > source {
                let what = "a verdict for an offset that has no record".to_owned();
                let found = Side::of(verdict.payload().unwrap_or_default());
                return Ok(Some(Difference {
                    offset: source,
                    what,
                    derived: None,
                    found,
                }));
            }
            let derived = self
                .fold
                .judge(&record_of(&message), |ruling| Side::of(ruling.verdict))?;
            if !self.verdicts_begin && self.report.equal == 0 {
                self.report.expired += 1;
                continue;
            }
            let what = format!("no verdict: the topic goes on with that of offset {source}");
            return Ok(Some(Difference {
                offset,
                what,
                derived,
                found: None,
            }));
        }
        let what = "a verdict for an offset that has no record".to_owned();
        let found = Side::of(verdict.payload().unwrap_or_default());
        Ok(Some(Difference {
            offset: source,
            what,
            derived: None,
            found,
        }))
    }

    fn another_copy(
        &mut self,
        source: i64,
        verdict: &BorrowedMessage<'_>,
    ) -> Result<Option<Difference>, ReplayError> {
        let value = verdict.payload().unwrap_or_default();
        let (what, first) = match self.pairing.copy(source, verdict.key(), value) {
            Copy::Identical => {
                self.report.copies += 1;
                return Ok(None);
            }
            Copy::Differs { first } => ("a copy differs from the first verdict", Some(first)),
            Copy::Unknown => (
                "a verdict for an offset that has no record, or out of order",
                None,
            ),
            Copy::Forgotten => (
                "a copy that is too far behind its first to be compared",
                None,
            ),
        };
        let derived = first
            .map(|place| self.verdict_at(place))
            .transpose()?
            .flatten();
        Ok(Some(Difference {
            offset: source,
            what: what.into(),
            derived,
            found: Side::of(value),
        }))
    }

    /// Reads one verdict again.
    fn verdict_at(&self, place: i64) -> Result<Option<Side>, ReplayError> {
        let mut reader = LogReader::open(
            self.config,
            &self.config.topics.verdicts,
            self.report.partition,
        )?;
        reader.start(place);
        let record = reader.read_to(place + 1)?;
        Ok(record.and_then(|record| Side::of(record.payload().unwrap_or_default())))
    }

    /// Folds what has no verdict yet.
    fn rest(&mut self) -> Result<(), ReplayError> {
        while let Some(message) = self.messages.read_to(self.report.end)? {
            self.fold.judge(&record_of(&message), |_| ())?;
            self.report.records += 1;
            self.report.not_yet_judged += 1;
            self.progress.done.fetch_add(1, Ordering::Relaxed);
        }
        self.report.digest = hex(&self.fold.digest()?);
        Ok(())
    }
}

/// Where a partition's history begins, and under which name.
struct History {
    log_id: String,
    start: i64,
    context_complete: bool,
}

fn open_fold(
    config: &Config,
    partition: i32,
    control: &Arc<ControlLog>,
) -> Result<(StraightFold, History), ReplayError> {
    let opened = control
        .opened(partition)
        .ok_or_else(|| ReplayError::NotOpened {
            partition,
            control: config.topics.control.clone(),
        })?;
    let history = History {
        log_id: opened.log_id.clone(),
        start: opened.start,
        context_complete: opened.context_complete,
    };
    let fold = StraightFold::new(
        &history.log_id,
        partition,
        history.context_complete,
        Arc::clone(control),
    )?;
    Ok((fold, history))
}

/// What a comparison gave.
struct Compared {
    difference: Option<Difference>,
    /// The code of the refusal whose dead letter must be there.
    refused: Option<&'static str>,
}

fn compare(
    ruling: &Ruling<'_>,
    message: &BorrowedMessage<'_>,
    verdict: &BorrowedMessage<'_>,
) -> Compared {
    let value = verdict.payload().unwrap_or_default();
    let key = if ruling.key_kept { message.key() } else { None };
    let what = if value != ruling.verdict {
        Some("the verdict differs")
    } else if verdict.key() != key {
        Some("the verdict has another key than the message")
    } else if headers(verdict)
        != if ruling.headers_kept {
            headers(message)
        } else {
            Vec::new()
        }
    {
        Some("the verdict has other headers than the message")
    } else {
        None
    };
    let difference = what.map(|what| Difference {
        offset: message.offset(),
        what: what.into(),
        derived: Side::of(ruling.verdict),
        found: Side::of(value),
    });
    Compared {
        difference,
        refused: ruling.dead_letter.map(|refusal| refusal.code()),
    }
}

/// Headers as one string of bytes: lengths, keys and values.
fn headers(record: &BorrowedMessage<'_>) -> Vec<u8> {
    let mut all = Vec::new();
    raw_headers(record, |key, value| {
        all.extend_from_slice(&key.len().to_le_bytes());
        all.extend_from_slice(key);
        all.extend_from_slice(
            &value
                .map_or(-1, |value| value.len().cast_signed())
                .to_le_bytes(),
        );
        all.extend_from_slice(value.unwrap_or_default());
    });
    all
}
