//! One partition's messages, folded beside its verdicts.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gavel_judge::{Code, Ruling};
use gavel_schemas::{Inbound, Order, decode_inbound, peek_verdict_identity};
use gavel_state::Checkpoint;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;

use super::Verify;
use super::saved::Saved;
use crate::hex::hex;
use crate::kafka::{LogReader, raw_headers};
use crate::replay::beginning::Beginning;
use crate::replay::chain::Chain;
use crate::replay::dead_letters::{DeadLetters, Refused};
use crate::replay::pairing::{Copy, Pairing};
use crate::replay::report::{CheckpointMet, Difference, OrderMet, PartitionReport, Side};
use crate::replay::run::Run;
use crate::replay::straight::stored_digest;
use crate::replay::{ReplayError, StraightFold};
use crate::shell::record_of;
use crate::verdict_search;
use crate::verdict_tail::VerdictsOf;

/// Between two times that what is done is written down.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// A partition on its way.
pub struct Walk<'a> {
    run: &'a Run<'a>,
    wanted: &'a Verify,
    fold: StraightFold,
    /// Whether letters can be told apart: not after a loss, when offsets of two logs meet in one topic.
    letters: Option<DeadLetters>,
    pairing: Pairing,
    chain: Chain,
    /// Whether the verdict topic may have lost the first verdicts of the stretch to retention.
    may_be_expired: bool,
    /// Offset of the last record folded, or the one before the first.
    last: i64,
    /// First record whose verdict this run has seen.
    compared_from: i64,
    /// Offset after the last record wanted, and the end of the messages when it was last asked for.
    end: i64,
    grown_to: i64,
    checkpoints: VecDeque<Checkpoint>,
    /// Users whose erasure was ordered, as `community/user`.
    erased: BTreeSet<(String, String)>,
    opened: gavel_judge::Opened,
    report: PartitionReport,
    saves: Option<(PathBuf, Instant)>,
}

/// Which of the two has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Message,
    Verdict,
    Both,
    /// What is left lies behind the stretch.
    All,
}

impl<'a> Walk<'a> {
    pub fn through(
        run: &'a Run<'a>,
        wanted: &'a Verify,
        partition: i32,
    ) -> Result<PartitionReport, ReplayError> {
        let path = run
            .past
            .scratch
            .path(&format!("partition-{partition}.json"));
        let saved = wanted.effort.work.as_ref().and_then(|_| Saved::read(&path));
        let (beginning, saved) = match Walk::begin(run, wanted, partition, saved) {
            Ok(begun) => begun,
            Err(ReplayError::LostHistory { .. }) => return unverifiable(run, partition),
            Err(error) => return Err(error),
        };
        if let Some(saved) = saved.as_ref().filter(|saved| saved.is_whole) {
            return Ok(saved.report.clone());
        }
        let mut messages = beginning.messages;
        let mut verdicts =
            LogReader::open(run.past.config, &run.past.config.topics.verdicts, partition)?;
        let held = verdicts.bounds()?;
        let verdicts_from = match &saved {
            Some(saved) => saved.verdicts_from,
            None if beginning.from == beginning.opened.start => held.start,
            None => {
                let of = VerdictsOf {
                    log_id: &beginning.opened.log_id,
                    partition,
                };
                verdict_search::place(&mut verdicts, held, of, beginning.from)?
            }
        };
        let places = if wanted.checkpoints {
            run.past.checkpoints(&beginning.opened, partition)?
        } else {
            Vec::new()
        };
        let (next, from, end) = (beginning.next, beginning.from, beginning.to);
        run.expect(end - next);
        let log_id = beginning.opened.log_id.clone();
        let fresh = PartitionReport {
            partition,
            log_id: log_id.clone(),
            began: beginning.began,
            from,
            end,
            unverifiable_before: beginning.unverifiable_before,
            damaged: beginning.damaged,
            ..PartitionReport::default()
        };
        let mut walk = Walk {
            run,
            wanted,
            fold: beginning.fold,
            letters: if beginning.opened.context_complete {
                Some(DeadLetters::open(run.past.config, partition)?)
            } else {
                None
            },
            pairing: Pairing::new(),
            chain: match &saved {
                Some(saved) => Chain::go_on(saved.link, saved.boundary + 1),
                None => Chain::new(&log_id, partition, from),
            },
            may_be_expired: held.start > 0 && verdicts_from == held.start,
            last: next - 1,
            compared_from: next.max(from),
            end,
            grown_to: end,
            checkpoints: places
                .into_iter()
                .filter(|place| (next..end).contains(&place.boundary))
                .collect(),
            erased: erased(run),
            opened: beginning.opened,
            report: match saved {
                Some(saved) => PartitionReport {
                    end,
                    ..saved.report
                },
                None => fresh,
            },
            saves: wanted.effort.work.as_ref().map(|_| (path, Instant::now())),
        };
        messages.start(next);
        walk.lead_in(&mut messages, from)?;
        verdicts.start(verdicts_from);
        let mut message = messages.read_to(end)?;
        let mut verdict = verdicts.read_to(held.end)?;
        loop {
            let done = match (&message, &verdict) {
                (Some(message), Some(verdict)) => walk.meet(message, verdict)?,
                (Some(message), None) => walk.not_yet_judged(message)?,
                (None, Some(verdict)) => walk.behind(verdict)?,
                (None, None) => Done::All,
            };
            if done == Done::All {
                break;
            }
            if matches!(done, Done::Message | Done::Both) {
                drop(message);
                message = messages.read_to(end)?;
                if let Some(message) = &message {
                    let place = verdict
                        .as_ref()
                        .map_or(held.end, |verdict| verdict.offset());
                    let place = if done == Done::Both { place + 1 } else { place };
                    walk.save_now_and_then(message.offset(), place)?;
                }
            }
            if matches!(done, Done::Verdict | Done::Both) {
                drop(verdict);
                verdict = verdicts.read_to(held.end)?;
            }
        }
        walk.finish(held.end)
    }

    /// From what an earlier run saved, if that still counts.
    fn begin(
        run: &Run<'_>,
        wanted: &Verify,
        partition: i32,
        saved: Option<Saved>,
    ) -> Result<(Beginning, Option<Saved>), ReplayError> {
        if let Some(saved) = saved {
            let place = (saved.boundary, saved.report.began);
            if let Some(beginning) = run.past.go_on(partition, wanted.stretch, place)?
                && beginning.opened.log_id == saved.report.log_id
            {
                return Ok((beginning, Some(saved)));
            }
        }
        Ok((run.past.begin(partition, wanted.stretch)?, None))
    }

    /// Folds up to the first record that is verified.
    fn lead_in(&mut self, messages: &mut LogReader, from: i64) -> Result<(), ReplayError> {
        while let Some(message) = messages.read_to(from)? {
            self.pass_checkpoints(message.offset())?;
            self.fold.judge(&record_of(&message), |_| ())?;
            self.last = message.offset();
            self.report.lead_in += 1;
            self.run.count();
        }
        Ok(())
    }

    /// The next message and the next verdict.
    fn meet(
        &mut self,
        message: &BorrowedMessage<'_>,
        verdict: &BorrowedMessage<'_>,
    ) -> Result<Done, ReplayError> {
        let value = verdict.payload().unwrap_or_default();
        let Some(source) = self.source(verdict) else {
            return Ok(Done::Verdict);
        };
        let offset = message.offset();
        if source == offset {
            self.compare(message, verdict)?;
            return Ok(Done::Both);
        }
        if source > offset {
            if self.may_be_expired && self.report.equal == 0 {
                self.fold_one(message, None, |_| ())?;
                self.report.expired += 1;
            } else {
                let derived = self.fold_one(message, None, |ruling| Side::of(ruling.verdict))?;
                let what = format!("no verdict: the topic goes on with that of offset {source}");
                self.differs(Difference::new(offset, what).derived(Some(derived)));
            }
            return Ok(Done::Message);
        }
        if source > self.last {
            let what = "a verdict for an offset that has no record";
            self.differs(Difference::new(source, what).found(value));
        } else {
            self.another_copy(source, verdict)?;
        }
        Ok(Done::Verdict)
    }

    /// A verdict when there is no message left.
    fn behind(&mut self, verdict: &BorrowedMessage<'_>) -> Result<Done, ReplayError> {
        let value = verdict.payload().unwrap_or_default();
        let Some(source) = self.source(verdict) else {
            return Ok(Done::Verdict);
        };
        if source <= self.last {
            self.another_copy(source, verdict)?;
            return Ok(Done::Verdict);
        }
        if source < self.end {
            let what = "a verdict for an offset that has no record";
            self.differs(Difference::new(source, what).found(value));
            return Ok(Done::Verdict);
        }
        if self.wanted.stretch.to.is_some() {
            return Ok(Done::All);
        }
        // Right if the log has grown so far since this verification began.
        if source >= self.grown_to {
            let config = self.run.past.config;
            let cluster = &self.run.past.cluster;
            let bounds = cluster.bounds(&config.topics.messages, self.report.partition)?;
            self.grown_to = bounds.end;
        }
        if source >= self.grown_to {
            let what = "a verdict for an offset that the log does not have yet";
            self.differs(Difference::new(source, what).found(value));
        }
        Ok(Done::Verdict)
    }

    /// Offset of the message that a record of the verdict topic is about; `None` if it is about none of this log, which is then counted.
    fn source(&mut self, verdict: &BorrowedMessage<'_>) -> Option<i64> {
        let value = verdict.payload().unwrap_or_default();
        let Ok(identity) = peek_verdict_identity(value) else {
            let what = format!(
                "offset {} of the verdict topic holds no verdict",
                verdict.offset()
            );
            self.differs(Difference::new(self.last + 1, what).found(value));
            return None;
        };
        let (source, theirs) = (identity.source_offset, identity.source_partition);
        if identity.log_id != self.report.log_id {
            self.report.foreign += 1;
            return None;
        }
        if theirs != self.report.partition {
            let ours = self.report.partition;
            let what = format!("a verdict of partition {theirs} stands in partition {ours}");
            self.differs(Difference::new(source, what).found(value));
            return None;
        }
        Some(source)
    }

    fn compare(
        &mut self,
        message: &BorrowedMessage<'_>,
        verdict: &BorrowedMessage<'_>,
    ) -> Result<(), ReplayError> {
        let (offset, value) = (message.offset(), verdict.payload());
        let (difference, refusal) = self.fold_one(message, value, |ruling| {
            (compare(ruling, message, verdict), ruling.dead_letter)
        })?;
        let place = verdict.offset();
        self.pairing
            .first(offset, place, verdict.key(), value.unwrap_or_default());
        if let Some(difference) = difference {
            // What else is wrong with this record follows from that.
            self.differs(difference);
            return Ok(());
        }
        self.report.equal += 1;
        let (Some(refusal), Some(letters)) = (refusal, &mut self.letters) else {
            return Ok(());
        };
        let reason = refusal.code();
        let wrong = letters.expect(&Refused {
            offset,
            reason,
            value: message.payload(),
        })?;
        self.report.dead_letters = letters.found;
        if let Some(what) = wrong {
            self.differs(Difference::new(
                offset,
                format!("refused as {reason}, but {what}"),
            ));
        }
        Ok(())
    }

    fn not_yet_judged(&mut self, message: &BorrowedMessage<'_>) -> Result<Done, ReplayError> {
        self.fold_one(message, None, |_| ())?;
        self.report.not_yet_judged += 1;
        Ok(Done::Message)
    }

    /// Folds one record that is verified; `verdict` is what the topic holds for it.
    fn fold_one<R>(
        &mut self,
        message: &BorrowedMessage<'_>,
        verdict: Option<&[u8]>,
        show: impl FnOnce(&Ruling<'_>) -> R,
    ) -> Result<R, ReplayError> {
        let record = record_of(message);
        self.pass_checkpoints(record.offset)?;
        let (shown, code) = self
            .fold
            .judge(&record, |ruling| (show(ruling), ruling.code))?;
        self.chain.add(
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            verdict,
        );
        self.last = record.offset;
        self.report.records += 1;
        self.run.count();
        if !matches!(code, Code::Judged | Code::Muted | Code::NoPolicy)
            && let Some(Ok(Inbound::Marker(marker))) = record.value.map(decode_inbound)
        {
            self.report.orders.push(OrderMet {
                offset: record.offset,
                order: marker.order,
                kind: marker.kind.to_string(),
                counts: code != Code::Refused,
            });
        }
        Ok(shown)
    }

    /// Compares the checkpoints that were taken before the record at `next`.
    fn pass_checkpoints(&mut self, next: i64) -> Result<(), ReplayError> {
        while let Some(place) = self.checkpoints.front().copied()
            && place.boundary < next
        {
            self.checkpoints.pop_front();
            let wrong = self.compare_checkpoint(place)?;
            self.report.checkpoints.push(CheckpointMet {
                boundary: place.boundary,
                wrong,
            });
        }
        Ok(())
    }

    fn compare_checkpoint(&mut self, place: Checkpoint) -> Result<Option<String>, ReplayError> {
        let partition = self.report.partition;
        let name = format!("checkpoint-{partition}");
        let stored = self
            .run
            .past
            .install(&self.opened, partition, place, &name)?;
        let store = match stored {
            Ok(store) => store,
            Err(damage) => return Ok(Some(damage)),
        };
        let theirs = match stored_digest(&store) {
            Ok(digest) => digest,
            Err(damage) => return Ok(Some(damage.to_string())),
        };
        let ours = self.fold.digest_at(place.boundary)?;
        Ok(
            (ours != theirs)
                .then(|| "it holds another state than the fold at its place".to_owned()),
        )
    }

    fn another_copy(
        &mut self,
        source: i64,
        verdict: &BorrowedMessage<'_>,
    ) -> Result<(), ReplayError> {
        let value = verdict.payload().unwrap_or_default();
        let first_is_gone = source < self.compared_from
            || self.report.expired > 0 && self.pairing.is_before_the_first(source);
        let difference = match self.pairing.copy(source, verdict.key(), value) {
            Copy::Identical => {
                self.report.copies += 1;
                return Ok(());
            }
            Copy::Unknown if first_is_gone => {
                self.report.uncompared += 1;
                return Ok(());
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
        self.differs(difference.found(value));
        Ok(())
    }

    /// Reads one verdict again.
    fn verdict_at(&self, place: i64) -> Result<Option<Side>, ReplayError> {
        let config = self.run.past.config;
        let mut reader = LogReader::open(config, &config.topics.verdicts, self.report.partition)?;
        reader.start(place);
        let record = reader.read_to(place + 1)?;
        Ok(record.map(|record| Side::of(record.payload().unwrap_or_default())))
    }

    /// Counts a difference; that of an erased user as such.
    fn differs(&mut self, difference: Difference) {
        let sides = [&difference.derived, &difference.found];
        let is_erased = sides.into_iter().flatten().any(|side| match side {
            Side::Verdict(verdict) if !self.erased.is_empty() => self
                .erased
                .contains(&(verdict.community.clone(), verdict.user.clone())),
            _ => false,
        });
        if is_erased {
            self.report.erased += 1;
        } else {
            self.report.differs(difference);
        }
    }

    /// Between two blocks of the chain, when it is time; `next` is the record that comes, `place` the verdict.
    fn save_now_and_then(&mut self, next: i64, place: i64) -> Result<(), ReplayError> {
        let Some((_, last)) = &self.saves else {
            return Ok(());
        };
        if last.elapsed() >= SAVE_EVERY && self.chain.begins(next) {
            self.save(place, false)?;
        }
        Ok(())
    }

    fn save(&mut self, verdicts_from: i64, is_whole: bool) -> Result<(), ReplayError> {
        let Some((path, last)) = &mut self.saves else {
            return Ok(());
        };
        self.fold.store()?;
        self.chain.close();
        let saved = Saved {
            boundary: self.fold.boundary().unwrap_or(-1),
            link: self.chain.link(),
            verdicts_from,
            is_whole,
            report: self.report.clone(),
        };
        saved.write(path).map_err(ReplayError::Scratch)?;
        *last = Instant::now();
        Ok(())
    }

    fn finish(mut self, verdicts_end: i64) -> Result<PartitionReport, ReplayError> {
        self.pass_checkpoints(self.last + 1)?;
        self.report.digest = hex(&self.fold.digest()?);
        self.report.chain = self.chain.clone().head();
        self.save(verdicts_end, true)?;
        Ok(self.report)
    }
}

/// Nothing of the stretch can be derived.
fn unverifiable(run: &Run<'_>, partition: i32) -> Result<PartitionReport, ReplayError> {
    let log = run.past.log(partition);
    let opened = run.past.control.opened(partition);
    Ok(PartitionReport {
        partition,
        log_id: opened.map(|opened| opened.log_id).unwrap_or_default(),
        from: log.end,
        end: log.end,
        unverifiable_before: Some(log.end),
        ..PartitionReport::default()
    })
}

fn erased(run: &Run<'_>) -> BTreeSet<(String, String)> {
    let orders = run.past.control.orders();
    orders
        .filter_map(|recorded| match recorded.order() {
            Order::UserErased(order) => Some((order.community.clone(), order.user.clone())),
            _ => None,
        })
        .collect()
}

/// What differs between a verdict and what the fold gives for its message.
fn compare(
    ruling: &Ruling<'_>,
    message: &BorrowedMessage<'_>,
    verdict: &BorrowedMessage<'_>,
) -> Option<Difference> {
    let value = verdict.payload().unwrap_or_default();
    let key = message.key().filter(|_| ruling.key_kept);
    let has_headers = message.headers().is_some() || verdict.headers().is_some();
    let what = if value != ruling.verdict {
        "the verdict differs"
    } else if verdict.key() != key {
        "the verdict has another key than the message"
    } else if has_headers && !same_headers(message, verdict, ruling.headers_kept) {
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

fn same_headers(message: &BorrowedMessage<'_>, verdict: &BorrowedMessage<'_>, kept: bool) -> bool {
    let own = if kept { headers(message) } else { Vec::new() };
    headers(verdict) == own
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
