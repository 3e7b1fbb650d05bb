//! Verifies a log: folds every partition from where its history begins and compares each verdict with the verdict topic.
//!
//! Invariant: a partition passes only if every record below the end has, as its first verdict and in the order of the
//! records, exactly the bytes that the fold gives, with the record's key and headers; every further copy is identical; and
//! every refused record has its dead letter. It stops at the first difference, because all that follows may follow from it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gavel_judge::Ruling;
use gavel_schemas::peek_verdict_identity;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::dead_letters::{DeadLetters, Refused};
use super::pairing::{Copy, Pairing};
use super::report::{Difference, PartitionReport, Side};
use super::{ReplayError, StraightFold};
use crate::config::Config;
use crate::control;
use crate::hex::hex;
use crate::kafka::{BrokerError, Cluster, LogReader, raw_headers};
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
        return Err(BrokerError::NoPartition {
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
        let not_opened = || ReplayError::NotOpened {
            partition,
            control: config.topics.control.clone(),
        };
        let opened = control.opened(partition).ok_or_else(not_opened)?;
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
            fold: StraightFold::new(&opened, partition, control)?,
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
        let Ok(identity) = peek_verdict_identity(value) else {
            let what = format!(
                "offset {} of the verdict topic holds no verdict",
                verdict.offset()
            );
            return Ok(Some(
                Difference::new(self.messages.next_offset(), what).found(value),
            ));
        };
        let source = identity.source_offset;
        if identity.log_id != self.report.log_id {
            self.report.foreign += 1;
            Ok(None)
        } else if identity.source_partition != self.report.partition {
            let (theirs, ours) = (identity.source_partition, self.report.partition);
            let what = format!("a verdict of partition {theirs} stands in partition {ours}");
            Ok(Some(Difference::new(source, what).found(value)))
        } else if source < self.messages.next_offset() {
            self.another_copy(source, verdict)
        } else if source >= self.report.end {
            self.judged_since(source, value)
        } else {
            self.first_copy(source, verdict)
        }
    }

    /// A verdict from behind the end: right if the log has grown so far since this verification began.
    fn judged_since(
        &mut self,
        source: i64,
        value: &[u8],
    ) -> Result<Option<Difference>, ReplayError> {
        if source >= self.grown_to {
            self.grown_to = self.messages.bounds()?.end;
        }
        let what = "a verdict for an offset that the log does not have yet";
        Ok((source >= self.grown_to).then(|| Difference::new(source, what).found(value)))
    }

    /// Folds up to the record of this verdict and compares.
    fn first_copy(
        &mut self,
        source: i64,
        verdict: &BorrowedMessage<'_>,
    ) -> Result<Option<Difference>, ReplayError> {
        let value = verdict.payload().unwrap_or_default();
        while let Some(message) = self.messages.read_to(self.report.end)? {
            let (offset, record) = (message.offset(), record_of(&message));
            self.report.records += 1;
            self.progress.done.fetch_add(1, Ordering::Relaxed);
            if offset > source {
                break;
            }
            if offset < source && !self.verdicts_begin && self.report.equal == 0 {
                self.fold.judge(&record, |_| ())?;
                self.report.expired += 1;
                continue;
            }
            if offset < source {
                let derived = self
                    .fold
                    .judge(&record, |ruling| Side::of(ruling.verdict))?;
                let what = format!("no verdict: the topic goes on with that of offset {source}");
                return Ok(Some(Difference::new(offset, what).derived(Some(derived))));
            }
            let (difference, refusal) = self.fold.judge(&record, |ruling| {
                (compare(ruling, &message, verdict), ruling.dead_letter)
            })?;
            if difference.is_some() {
                return Ok(difference);
            }
            self.report.equal += 1;
            self.pairing
                .first(source, verdict.offset(), verdict.key(), value);
            let (Some(refusal), Some(letters)) = (refusal, &mut self.letters) else {
                return Ok(None);
            };
            let reason = refusal.code();
            let wrong = letters.expect(&Refused {
                offset,
                reason,
                value: message.payload(),
            })?;
            self.report.dead_letters = letters.found;
            return Ok(wrong
                .map(|what| Difference::new(offset, format!("refused as {reason}, but {what}"))));
        }
        Ok(Some(
            Difference::new(source, "a verdict for an offset that has no record").found(value),
        ))
    }

    fn another_copy(
        &mut self,
        source: i64,
        verdict: &BorrowedMessage<'_>,
    ) -> Result<Option<Difference>, ReplayError> {
        let value = verdict.payload().unwrap_or_default();
        let difference = match self.pairing.copy(source, verdict.key(), value) {
            Copy::Identical => {
                self.report.copies += 1;
                return Ok(None);
            }
            Copy::Unknown
                if self.report.expired > 0 && self.pairing.is_before_the_first(source) =>
            {
                self.report.uncompared += 1;
                return Ok(None);
            }
            Copy::Differs { first } => {
                let first = self.verdict_at(first)?;
                Difference::new(source, "a copy differs from the first verdict").derived(first)
            }
            Copy::Unknown => Difference::new(
                source,
                "a verdict for an offset that has no record, or out of order",
            ),
            Copy::Forgotten => Difference::new(
                source,
                "a copy that is too far behind its first to be compared",
            ),
        };
        Ok(Some(difference.found(value)))
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
        Ok(record.map(|record| Side::of(record.payload().unwrap_or_default())))
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

/// What differs between a verdict and what the fold gives for its message.
fn compare(
    ruling: &Ruling<'_>,
    message: &BorrowedMessage<'_>,
    verdict: &BorrowedMessage<'_>,
) -> Option<Difference> {
    let value = verdict.payload().unwrap_or_default();
    let key = message.key().filter(|_| ruling.key_kept);
    let own_headers = if ruling.headers_kept {
        headers(message)
    } else {
        Vec::new()
    };
    let what = if value != ruling.verdict {
        "the verdict differs"
    } else if verdict.key() != key {
        "the verdict has another key than the message"
    } else if headers(verdict) != own_headers {
        "the verdict has other headers than the message"
    } else {
        return None;
    };
    Some(
        Difference::new(message.offset(), what)
            .derived(Some(Side::of(ruling.verdict)))
            .found(value),
    )
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
