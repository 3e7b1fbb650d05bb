//! Finds the shadow verdict of each verdict of a partition.
//!
//! Invariant: only messages for which the candidate should have spoken count: behind the marker of its order, before that of the next
//! one, in a community that it judges, and not while it was in force itself. What memory holds does not grow with the topics: both are
//! read side by side, the shadow topic ahead by a bounded number of offsets, because what was sent anew after a crash stands later.

use std::collections::BTreeMap;

use gavel_schemas::{Inbound, VerdictRecord, decode_inbound, decode_verdict};
use rdkafka::Message;

use super::tally::Tally;
use super::{ReportError, Wanted};
use crate::config::Config;
use crate::kafka::{Bounds, Cluster, LogReader};

/// How far the shadow topic is read ahead, in offsets of the messages.
const AHEAD: i64 = 20_000;
/// How much earlier than its order a marker's verdict may seem to stand: brokers' clocks differ.
const CLOCKS_MS: i64 = 60_000;

/// What is compared: a candidate, from an order on.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub log_ids: BTreeMap<i32, String>,
    pub candidate: String,
    /// The order whose marker begins it, with the broker's time of it.
    pub from: (i64, i64),
    /// The next order in shadow of this scope.
    pub to: Option<i64>,
    /// One community, or all but those that have a candidate of their own.
    pub community: Option<String>,
    pub elsewhere: Vec<String>,
}

impl Span {
    fn covers(&self, verdict: &VerdictRecord) -> bool {
        match &self.community {
            Some(community) => verdict.community == *community,
            None => !self.elsewhere.contains(&verdict.community),
        }
    }

    /// Whether the candidate should have spoken about a message with this verdict.
    fn expects(&self, verdict: &VerdictRecord) -> bool {
        let is_message = matches!(verdict.code.as_str(), "judged" | "muted" | "no-policy");
        is_message && verdict.policy != self.candidate && self.covers(verdict)
    }
}

/// The shadow topic's side, ahead of the other.
struct Shadows<'a> {
    span: &'a Span,
    log_id: &'a str,
    reader: LogReader,
    end: i64,
    /// Source offset up to which it has been read.
    seen_to: i64,
    waiting: BTreeMap<i64, VerdictRecord>,
}

impl Shadows<'_> {
    /// What the candidate said of this offset, and how many earlier ones nobody asked for.
    fn take(&mut self, offset: i64) -> Result<(Option<VerdictRecord>, u64), ReportError> {
        while self.seen_to < offset.saturating_add(AHEAD) {
            let Some(record) = self.reader.read_to(self.end)? else {
                self.seen_to = i64::MAX;
                break;
            };
            let Ok(shadow) = decode_verdict(record.payload().unwrap_or_default()) else {
                continue;
            };
            if shadow.log_id != self.log_id {
                continue;
            }
            self.seen_to = self.seen_to.max(shadow.source_offset);
            let ours = shadow.policy == self.span.candidate && self.span.covers(&shadow);
            if ours && shadow.source_offset >= offset {
                self.waiting.insert(shadow.source_offset, shadow);
            }
        }
        let mut rest = self.waiting.split_off(&offset);
        let found = rest.remove(&offset);
        let unasked = std::mem::replace(&mut self.waiting, rest).len();
        Ok((found, u64::try_from(unasked).unwrap_or(u64::MAX)))
    }
}

/// Whether the candidate judges at this place of the log.
enum Begun {
    /// Neither its marker nor a word of it was met.
    No,
    /// It has spoken, so its marker lies before what is read.
    Heard,
    Marked,
}

/// Compares one partition.
pub(super) fn compare(
    config: &Config,
    wanted: &Wanted,
    span: &Span,
    partition: i32,
) -> Result<Tally, ReportError> {
    let topics = &config.topics;
    let mut verdicts = LogReader::open(config, &topics.verdicts, partition)?;
    let bounds = verdicts.bounds()?;
    let (start, time) = begin(config, wanted, span, (partition, bounds))?;
    verdicts.start(start);
    let mut markers = Markers {
        reader: LogReader::open(config, &topics.messages, partition)?,
        bounds: None,
    };
    let mut reader = LogReader::open(config, &topics.shadow, partition)?;
    // Asked for after the verdicts' end, so that what belongs to them is below it.
    let end = reader.bounds()?.end;
    let from = Cluster::new(config)?.offset_at(&topics.shadow, partition, time - CLOCKS_MS)?;
    reader.start(from.unwrap_or(end));
    let mut shadows = Shadows {
        span,
        log_id: span.log_ids.get(&partition).map_or("", String::as_str),
        reader,
        end,
        seen_to: -1,
        waiting: BTreeMap::new(),
    };
    let mut tally = Tally::default();
    let (mut begun, mut last, mut missing) = (Begun::No, -1, 0);
    while let Some(record) = verdicts.read_to(bounds.end)? {
        let Ok(verdict) = decode_verdict(record.payload().unwrap_or_default()) else {
            continue;
        };
        if verdict.log_id != shadows.log_id || verdict.source_offset <= last {
            continue;
        }
        last = verdict.source_offset;
        if verdict.code == "control" {
            match markers.order_at(last)? {
                Some(order) if order == span.from.0 && !matches!(begun, Begun::Marked) => {
                    // What the candidate said before belongs to an earlier shadow of it.
                    (begun, tally, missing) = (Begun::Marked, Tally::default(), 0);
                    shadows.take(last)?;
                }
                order if order.is_some() && order == span.to => break,
                Some(_) | None => {}
            }
            continue;
        }
        let (shadow, unasked) = shadows.take(last)?;
        tally.shadow_only += unasked;
        match shadow {
            Some(shadow) => {
                if matches!(begun, Begun::No) {
                    (begun, missing) = (Begun::Heard, 0);
                }
                tally.verdict_only += std::mem::take(&mut missing);
                tally.compare(&verdict, &shadow, wanted.samples);
            }
            None if span.expects(&verdict) && !matches!(begun, Begun::No) => missing += 1,
            None => {}
        }
        if wanted
            .limit
            .is_some_and(|limit| tally.figures.compared >= limit)
        {
            break;
        }
    }
    tally.waiting = missing;
    Ok(tally)
}

/// The first offset of the verdicts to read, and the time of what stands there.
fn begin(
    config: &Config,
    wanted: &Wanted,
    span: &Span,
    (partition, bounds): (i32, Bounds),
) -> Result<(i64, i64), ReportError> {
    let topic = &config.topics.verdicts;
    let cluster = Cluster::new(config)?;
    let ordered = cluster
        .offset_at(topic, partition, span.from.1 - CLOCKS_MS)?
        .unwrap_or(bounds.end);
    let last = wanted
        .last
        .map_or(ordered, |last| bounds.end.saturating_sub(last));
    if last <= ordered {
        return Ok((ordered, span.from.1));
    }
    let mut reader = LogReader::open(config, topic, partition)?;
    reader.start(last);
    let first = reader.read_to(bounds.end)?;
    let time = first.and_then(|record| record.timestamp().to_millis());
    Ok((last, time.unwrap_or(span.from.1)))
}

/// Which order a marker names: its verdict does not say.
struct Markers {
    reader: LogReader,
    bounds: Option<Bounds>,
}

impl Markers {
    fn order_at(&mut self, offset: i64) -> Result<Option<i64>, ReportError> {
        let bounds = match self.bounds {
            Some(bounds) => bounds,
            None => *self.bounds.insert(self.reader.bounds()?),
        };
        if !(bounds.start..bounds.end).contains(&offset) {
            return Ok(None);
        }
        self.reader.start(offset);
        let Some(record) = self.reader.read_to(offset + 1)? else {
            return Ok(None);
        };
        match decode_inbound(record.payload().unwrap_or_default()) {
            Ok(Inbound::Marker(marker)) => Ok(Some(marker.order)),
            Ok(Inbound::Message(_)) | Err(_) => Ok(None),
        }
    }
}
