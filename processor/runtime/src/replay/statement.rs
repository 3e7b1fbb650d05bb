//! The decisions that restricted somebody, as they were recorded.
//!
//! Invariant: nothing is judged here and nothing left out: each restrictive verdict of the stretch is told once, in the order of its
//! partition, whatever copies stand beside it. Whether it was right to be given is what a verification says.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use gavel_judge::{ControlLog, Digest};
use gavel_schemas::{
    Inbound, Order, RegisteredSchemas, VerdictRecord, decode_inbound_with, decode_verdict,
};
use rdkafka::Message;
use serde::Serialize;

use super::ReplayError;
use super::beginning::{Bound, Stretch};
use super::run::{Effort, Progress, Run, each};
use crate::config::Config;
use crate::kafka::LogReader;
use crate::verdict_search;
use crate::verdict_tail::VerdictsOf;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Statement {
    pub effort: Effort,
    pub stretch: Stretch,
    /// Only verdicts about this community.
    pub community: Option<String>,
    /// Verdicts that only called people, too.
    pub escalations: bool,
    /// Whether the words of the messages are looked up.
    pub texts: bool,
}

/// What became of a complaint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appeal {
    /// Somebody decided that the verdict was wrong, and from this time on, in milliseconds since 1970, it was undone.
    Undone(i64),
    /// The same, and there was nothing left to undo.
    TooLate,
}

/// One restrictive verdict.
#[derive(Debug)]
pub struct Decision<'a> {
    pub verdict: &'a VerdictRecord,
    /// Id of the policy that judged; empty if there was none, or if it is not in the control log.
    pub policy: &'a str,
    pub appeal: Option<Appeal>,
    /// The words, if they were asked for and are still in the log.
    pub text: Option<String>,
    pub language: Option<String>,
}

/// What was looked at in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looked {
    pub partition: i32,
    pub log_id: String,
    /// Offsets of the messages asked about: the first, and the one after the last.
    pub from: i64,
    pub to: i64,
    /// Offset after the last message that has a verdict.
    pub judged_to: i64,
    /// Retention has removed the verdicts about messages before this offset.
    pub gone_before: Option<i64>,
    /// Verdicts about messages, restrictive or not; each once.
    pub verdicts: u64,
    /// Records of the verdict topic that are no verdicts.
    pub unreadable: u64,
}

/// Where the decisions of one partition go.
pub trait Sink {
    fn tell(&mut self, decision: &Decision<'_>) -> io::Result<()>;
    /// There are no more: what was told must be there after this.
    fn finish(self) -> io::Result<()>;
}

/// Tells the restrictive verdicts of the wanted partitions, several at a time; `open` makes the place for those of one.
pub fn statement<S: Sink>(
    config: &Config,
    wanted: &Statement,
    progress: &Progress,
    open: impl Fn(i32) -> io::Result<S> + Sync,
) -> Result<Vec<Looked>, ReplayError> {
    each(config, &wanted.effort, progress, |run, partition| {
        let mut sink = open(partition).map_err(ReplayError::Output)?;
        let looked = Reading::open(run, wanted, partition)?.through(&mut sink)?;
        sink.finish().map_err(ReplayError::Output)?;
        Ok(looked)
    })
}

/// One partition of verdicts on its way.
struct Reading<'a> {
    run: &'a Run<'a>,
    wanted: &'a Statement,
    verdicts: LogReader,
    /// Offsets of the verdict topic.
    places: Range<i64>,
    /// Times of the stretch whose beginning is not in the message topic any more: the verdicts tell them.
    since: Option<i64>,
    /// By the offset of the message: whose verdict somebody ordered to be overturned, and when it was undone, if it was.
    appeals: BTreeMap<i64, (Whose, Option<i64>)>,
    /// Ids by digest, as verdicts write it.
    policies: BTreeMap<String, String>,
    words: Option<LogReader>,
    schemas: RegisteredSchemas,
    /// Where the messages begin and end that are still there.
    messages: Range<i64>,
    looked: Looked,
}

impl<'a> Reading<'a> {
    fn open(
        run: &'a Run<'a>,
        wanted: &'a Statement,
        partition: i32,
    ) -> Result<Reading<'a>, ReplayError> {
        let config = run.past.config;
        let (opened, mut range) = run.past.place(partition, wanted.stretch)?;
        let log = run.past.log(partition);
        let mut since = None;
        if let Some(Bound::Time(time)) = wanted.stretch.from
            && range.start <= log.start
            && log.start > opened.start
        {
            // Messages go before their verdicts: what the topic says of this time may be too late.
            range.start = opened.start;
            since = Some(time);
        }
        let mut verdicts = LogReader::open(config, &config.topics.verdicts, partition)?;
        let held = verdicts.bounds()?;
        let log_id = opened.log_id;
        let first = if range.start == opened.start {
            held.start
        } else {
            let of = VerdictsOf {
                log_id: &log_id,
                partition,
            };
            verdict_search::place(&mut verdicts, held, of, range.start)?
        };
        let appeals = ordered(&run.past.control, &log_id, partition);
        let words = match wanted.texts {
            true => Some(LogReader::open(config, &config.topics.messages, partition)?),
            false => None,
        };
        run.expect(held.end - first);
        Ok(Reading {
            run,
            wanted,
            verdicts,
            places: first..held.end,
            since,
            appeals,
            policies: BTreeMap::new(),
            words,
            schemas: run.past.control.all_schemas(),
            messages: log.start..log.end,
            looked: Looked {
                partition,
                log_id,
                from: range.start,
                to: range.end,
                judged_to: range.start,
                // Until a verdict shows that nothing is missing.
                gone_before: (held.start > 0 && first == held.start && !range.is_empty())
                    .then_some(range.end),
                verdicts: 0,
                unreadable: 0,
            },
        })
    }

    fn through(mut self, sink: &mut impl Sink) -> Result<Looked, ReplayError> {
        self.find_appeals()?;
        self.verdicts.start(self.places.start);
        if let Some(words) = &mut self.words {
            words.start(self.messages.start.max(self.looked.from));
        }
        let mut is_first = true;
        while let Some(record) = self.verdicts.read_to(self.places.end)? {
            self.run.count();
            let Some(Ok(verdict)) = record.payload().map(decode_verdict) else {
                self.looked.unreadable += 1;
                continue;
            };
            if verdict.log_id != self.looked.log_id
                || verdict.source_partition != self.looked.partition
            {
                continue;
            }
            let offset = verdict.source_offset;
            if std::mem::take(&mut is_first) && self.looked.gone_before.is_some() {
                let gone = offset > self.looked.from;
                self.looked.gone_before = gone.then_some(offset.min(self.looked.to));
            }
            if offset >= self.looked.to {
                // First copies stand in the order of their messages: all that were wanted have been seen.
                break;
            }
            if offset < self.looked.judged_to {
                continue;
            }
            self.looked.judged_to = offset + 1;
            let is_early = self.since.is_some_and(|since| verdict.judged_at < since);
            if is_early || matches!(verdict.code.as_str(), "control" | "overturned") {
                continue;
            }
            if (self.wanted.community.as_ref()).is_some_and(|wanted| *wanted != verdict.community) {
                continue;
            }
            self.looked.verdicts += 1;
            if !restricts(&verdict, self.wanted.escalations) {
                continue;
            }
            let policy = name(&mut self.policies, &self.run.past.control, &verdict.policy);
            let (text, language) = match &mut self.words {
                Some(words) => {
                    // What was refused was not known at its place, even if it became known later.
                    let is_refused = verdict.code == "refused";
                    let schemas = if is_refused {
                        RegisteredSchemas::none()
                    } else {
                        &self.schemas
                    };
                    said(words, offset, (self.messages.end, schemas))?
                }
                None => (None, None),
            };
            // An order for anybody else changes nothing.
            let appeal = self.appeals.get(&offset).and_then(|(whose, undone)| {
                let is_theirs = *whose == (verdict.community.clone(), verdict.user.clone());
                is_theirs.then(|| undone.map_or(Appeal::TooLate, Appeal::Undone))
            });
            let decision = Decision {
                verdict: &verdict,
                policy,
                appeal,
                text,
                language,
            };
            sink.tell(&decision).map_err(ReplayError::Output)?;
        }
        Ok(self.looked)
    }

    /// When the verdicts that orders are about were undone; to the very end, since an appeal may come long after the stretch.
    fn find_appeals(&mut self) -> Result<(), ReplayError> {
        if self.appeals.is_empty() {
            return Ok(());
        }
        self.run.expect(self.places.end - self.places.start);
        self.verdicts.start(self.places.start);
        while let Some(record) = self.verdicts.read_to(self.places.end)? {
            self.run.count();
            let Some(Ok(verdict)) = record.payload().map(decode_verdict) else {
                continue;
            };
            if verdict.log_id == self.looked.log_id
                && let Some(undone) = verdict.overturns
                && let Some((_, at)) = self.appeals.get_mut(&undone)
            {
                at.get_or_insert(verdict.judged_at);
            }
        }
        Ok(())
    }
}

/// Community and user.
type Whose = (String, String);

/// Messages of this partition whose verdicts somebody ordered to be overturned.
fn ordered(
    control: &ControlLog,
    log_id: &str,
    partition: i32,
) -> BTreeMap<i64, (Whose, Option<i64>)> {
    let orders = control.orders().filter_map(|one| match one.order() {
        Order::VerdictOverturned(order)
            if order.log_id == log_id && order.source_partition == partition =>
        {
            let whose = (order.community.clone(), order.user.clone());
            Some((order.source_offset, (whose, None)))
        }
        _ => None,
    });
    orders.collect()
}

/// Whether somebody may do or show less than before.
fn restricts(verdict: &VerdictRecord, escalations: bool) -> bool {
    // As consumers do: a word that nobody knows is `block`.
    !matches!(verdict.action.as_str(), "allow" | "flag")
        || verdict
            .effects
            .iter()
            .any(|effect| effect.kind == "mute" || (escalations && effect.kind == "escalate"))
}

/// The id of the policy with this digest.
fn name<'a>(
    known: &'a mut BTreeMap<String, String>,
    control: &ControlLog,
    digest: &str,
) -> &'a str {
    if !known.contains_key(digest) {
        let parsed: Option<Digest> = digest.parse().ok();
        let document = parsed.and_then(|digest| control.document(&digest));
        let id = document.map(|document| document.id().to_owned());
        known.insert(digest.to_owned(), id.unwrap_or_default());
    }
    known.get(digest).map_or("", String::as_str)
}

/// Words and language of the message at `offset`, which lies behind all that were asked for before.
fn said(
    words: &mut LogReader,
    offset: i64,
    (end, schemas): (i64, &RegisteredSchemas),
) -> Result<(Option<String>, Option<String>), ReplayError> {
    // What is far is jumped to.
    const NEAR: i64 = 1_000;
    if offset > words.next_offset() + NEAR {
        words.start(offset);
    }
    let end = end.min(offset + 1);
    while let Some(record) = words.read_to(end)? {
        if record.offset() == offset
            && let Some(value) = record.payload()
            && let Ok(Inbound::Message(message)) = decode_inbound_with(value, schemas)
        {
            return Ok((
                Some(message.text.into()),
                message.language.map(|language| language.into()),
            ));
        }
    }
    Ok((None, None))
}
