//! What another policy would have decided, with the counters, strikes and trust that it would have produced.
//!
//! Invariant: up to the stretch the past is folded as it was; from its first record on the candidate judges, in the same fold, with the
//! contexts that it found there. So a stretch that begins with the log gives what a log under the candidate would have given, and the
//! candidate that judged in truth differs nowhere.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gavel_judge::Policy;
use gavel_schemas::{
    Inbound, QuietVerdict, RegisteredSchemas, VerdictRecord, decode_inbound_with, decode_verdict,
    peek_quiet_verdict, peek_verdict_identity,
};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use serde::{Deserialize, Serialize};

use super::beginning::{Began, Damaged, Stretch};
use super::run::{Effort, Progress, Run, each};
use super::{ReplayError, StraightFold};
use crate::config::Config;
use crate::kafka::LogReader;
use crate::orders::EVERYWHERE;
use crate::shadow_report::tally::{Figures, Sample, Tally};
use crate::shell::record_of;
use crate::verdict_search;
use crate::verdict_tail::VerdictsOf;

/// What is asked.
#[derive(Debug, Clone)]
pub struct WhatIf {
    pub effort: Effort,
    pub stretch: Stretch,
    pub candidate: Arc<Policy>,
    /// What it is compared with.
    pub baseline: Baseline,
    /// The candidate judges this community; `None`: all that have no policy of their own.
    pub community: Option<String>,
    /// Milliseconds of a step of the curve over time.
    pub step_ms: i64,
    /// Samples of each kind of change.
    pub samples: usize,
}

/// What a candidate is compared with.
#[derive(Debug, Clone)]
pub enum Baseline {
    /// The verdicts of the verdict topic.
    Recorded,
    /// What this policy would have decided.
    Policy(Arc<Policy>),
}

/// Figures of one step of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub messages: u64,
    /// Blocked or muted.
    pub baseline: u64,
    pub candidate: u64,
    pub new_blocks: u64,
    pub lost_blocks: u64,
}

/// Where one partition was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    pub partition: i32,
    pub log_id: String,
    pub began: Began,
    pub from: i64,
    pub to: i64,
    /// Wanted records before this offset could not be judged: neither the beginning of the log nor a checkpoint is left.
    pub unverifiable_before: Option<i64>,
    /// Messages without a recorded verdict.
    pub without_baseline: u64,
    pub damaged: Vec<Damaged>,
}

/// What differs.
#[derive(Debug, Clone, Default)]
pub struct Differences {
    pub tally: Tally,
    /// By the beginning of each step, in milliseconds since 1970.
    pub over_time: BTreeMap<i64, Step>,
    /// Differing messages by audience and by `community/user`.
    pub audiences: BTreeMap<String, Figures>,
    pub users: BTreeMap<String, Figures>,
    samples: Vec<Sample>,
    /// Messages that both let pass without a word, by `community/channel`; part of the tally once a partition is done.
    quiet: HashMap<String, u64>,
    channel: String,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Supposed {
    pub partitions: Vec<Covered>,
    pub differences: Differences,
    pub samples: Vec<Sample>,
}

/// Compares the wanted partitions.
pub fn what_if(
    config: &Config,
    wanted: &WhatIf,
    progress: &Progress,
) -> Result<Supposed, ReplayError> {
    let parts = each(config, &wanted.effort, progress, |run, partition| {
        through(run, wanted, partition)
    })?;
    let mut all = Differences::default();
    let mut partitions = Vec::new();
    for (covered, differences) in parts {
        partitions.push(covered);
        all.merge(differences);
    }
    let mut samples = std::mem::take(&mut all.samples);
    let kept = all.tally.samples(wanted.samples);
    samples.retain(|sample| {
        let place = (sample.partition, sample.offset);
        kept.iter().any(|one| (one.partition, one.offset) == place)
    });
    Ok(Supposed {
        partitions,
        differences: all,
        samples,
    })
}

/// One side of the comparison besides the candidate.
enum Beside {
    Recorded(Box<Recorded>),
    Fold(Box<StraightFold>),
}

/// The recorded verdicts, in the order of their messages.
struct Recorded {
    reader: LogReader,
    end: i64,
    log_id: String,
    partition: i32,
    /// The verdict read last and the offset of its message, unless it was handed out.
    source: Option<i64>,
    value: Vec<u8>,
}

impl Recorded {
    /// The first verdict of this message; false if the topic does not have it.
    fn of(&mut self, offset: i64, into: &mut Vec<u8>) -> Result<bool, ReplayError> {
        loop {
            match self.source {
                Some(source) if source > offset => return Ok(false),
                Some(source) if source == offset => {
                    std::mem::swap(&mut self.value, into);
                    self.source = None;
                    return Ok(true);
                }
                // A copy, or a verdict that nobody asked for.
                _ => {}
            }
            let Some(verdict) = self.reader.read_to(self.end)? else {
                return Ok(false);
            };
            let value = verdict.payload().unwrap_or_default();
            self.source = None;
            if let Ok(identity) = peek_verdict_identity(value)
                && identity.log_id == self.log_id
                && identity.source_partition == self.partition
            {
                self.source = Some(identity.source_offset);
                self.value.clear();
                self.value.extend_from_slice(value);
            }
        }
    }
}

fn through(
    run: &Run<'_>,
    wanted: &WhatIf,
    partition: i32,
) -> Result<(Covered, Differences), ReplayError> {
    let mut candidate = run.past.begin(partition, wanted.stretch)?;
    let (next, from, to) = (candidate.next, candidate.from, candidate.to);
    run.expect(to - next);
    let scope = wanted.community.as_deref().unwrap_or(EVERYWHERE);
    let mut messages = candidate.messages;
    messages.start(next);
    let mut beside = match &wanted.baseline {
        Baseline::Recorded => {
            let topic = &run.past.config.topics.verdicts;
            let mut reader = LogReader::open(run.past.config, topic, partition)?;
            let held = reader.bounds()?;
            let first = if from == candidate.opened.start {
                held.start
            } else {
                let log_id = &candidate.opened.log_id;
                let of = VerdictsOf { log_id, partition };
                verdict_search::place(&mut reader, held, of, from)?
            };
            reader.start(first);
            Beside::Recorded(Box::new(Recorded {
                reader,
                end: held.end,
                log_id: candidate.opened.log_id.clone(),
                partition,
                source: None,
                value: Vec::new(),
            }))
        }
        Baseline::Policy(_) => Beside::Fold(Box::new(run.past.begin_beside(
            partition,
            &candidate.opened,
            candidate.began,
        )?)),
    };
    // The past, as it was.
    while let Some(message) = messages.read_to(from)? {
        let record = record_of(&message);
        candidate.fold.judge(&record, |_| ())?;
        if let Beside::Fold(fold) = &mut beside {
            fold.judge(&record, |_| ())?;
        }
        run.count();
    }
    candidate.fold.suppose(scope, Arc::clone(&wanted.candidate));
    if let (Beside::Fold(fold), Baseline::Policy(policy)) = (&mut beside, &wanted.baseline) {
        fold.suppose(scope, Arc::clone(policy));
    }
    let mut covered = Covered {
        partition,
        log_id: candidate.opened.log_id,
        began: candidate.began,
        from,
        to,
        unverifiable_before: candidate.unverifiable_before,
        without_baseline: 0,
        damaged: candidate.damaged,
    };
    let mut differences = Differences::default();
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    while let Some(message) = messages.read_to(to)? {
        let record = record_of(&message);
        let is_message = candidate.fold.judge(&record, |ruling| {
            ours.clear();
            ours.extend_from_slice(ruling.verdict);
            ruling.code.is_of_a_message()
        })?;
        let found = match &mut beside {
            Beside::Recorded(recorded) => recorded.of(record.offset, &mut theirs)?,
            Beside::Fold(fold) => {
                fold.judge(&record, |ruling| {
                    theirs.clear();
                    theirs.extend_from_slice(ruling.verdict);
                })?;
                true
            }
        };
        run.count();
        if !is_message {
            continue;
        }
        if !found {
            covered.without_baseline += 1;
            continue;
        }
        let schemas = candidate.fold.schemas();
        differences.compare((&message, schemas), (&theirs, &ours), wanted)?;
    }
    for (channel, count) in std::mem::take(&mut differences.quiet) {
        differences.tally.quiet(&channel, count);
    }
    Ok((covered, differences))
}

impl Differences {
    /// Those with the most differing messages.
    pub fn worst_users(&self, most: usize) -> Vec<(&String, &Figures)> {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_by_key(|(user, figures)| (std::cmp::Reverse(figures.differing), *user));
        users.truncate(most);
        users
    }

    fn compare(
        &mut self,
        (message, schemas): (&BorrowedMessage<'_>, &RegisteredSchemas),
        (theirs, ours): (&[u8], &[u8]),
        wanted: &WhatIf,
    ) -> Result<(), ReplayError> {
        if let (Some(_), Some(quiet)) = (peek_quiet_verdict(theirs), peek_quiet_verdict(ours)) {
            self.step_of(quiet.judged_at, wanted).messages += 1;
            self.quiet(quiet);
            return Ok(());
        }
        let unreadable = |_| ReplayError::NoVerdict {
            partition: message.partition(),
            offset: message.offset(),
        };
        let baseline = decode_verdict(theirs).map_err(unreadable)?;
        let candidate = decode_verdict(ours).map_err(unreadable)?;
        let figures = self.tally.compare(&baseline, &candidate, wanted.samples);
        let step = self.step_of(candidate.judged_at, wanted);
        step.messages += 1;
        step.baseline += u64::from(Tally::is_blocked(&baseline));
        step.candidate += u64::from(Tally::is_blocked(&candidate));
        step.new_blocks += figures.new_blocks;
        step.lost_blocks += figures.lost_blocks;
        if figures.differing > 0 {
            self.differs((message, schemas), &baseline, &candidate, &figures);
        }
        Ok(())
    }

    fn step_of(&mut self, at: i64, wanted: &WhatIf) -> &mut Step {
        let begins = at.div_euclid(wanted.step_ms) * wanted.step_ms;
        self.over_time.entry(begins).or_default()
    }

    /// Most messages are like this, so they are counted by channel before they are added up.
    fn quiet(&mut self, verdict: QuietVerdict<'_>) {
        self.channel.clear();
        for part in [verdict.community, "/", verdict.channel] {
            self.channel.push_str(part);
        }
        match self.quiet.get_mut(&self.channel) {
            Some(count) => *count += 1,
            None => {
                self.quiet.insert(self.channel.clone(), 1);
            }
        }
    }

    fn differs(
        &mut self,
        (message, schemas): (&BorrowedMessage<'_>, &RegisteredSchemas),
        baseline: &VerdictRecord,
        candidate: &VerdictRecord,
        figures: &Figures,
    ) {
        let user = format!("{}/{}", candidate.community, candidate.user);
        self.users.entry(user).or_default().add(figures);
        let inbound = message
            .payload()
            .map(|value| decode_inbound_with(value, schemas));
        let Some(Ok(Inbound::Message(words))) = inbound else {
            return;
        };
        let audience = words.audience.as_deref().unwrap_or("default").to_owned();
        self.audiences
            .entry(audience.clone())
            .or_default()
            .add(figures);
        if self
            .tally
            .keeps(baseline.source_partition, baseline.source_offset)
        {
            let mut sample = Sample::of(baseline, candidate);
            sample.audience = Some(audience);
            sample.text = Some(words.text.into());
            self.samples.push(sample);
        }
    }

    fn merge(&mut self, other: Differences) {
        self.tally.merge(other.tally);
        self.samples.extend(other.samples);
        for (at, step) in other.over_time {
            let own = self.over_time.entry(at).or_default();
            own.messages += step.messages;
            own.baseline += step.baseline;
            own.candidate += step.candidate;
            own.new_blocks += step.new_blocks;
            own.lost_blocks += step.lost_blocks;
        }
        for (own, theirs) in [
            (&mut self.audiences, other.audiences),
            (&mut self.users, other.users),
        ] {
            for (name, figures) in theirs {
                own.entry(name).or_default().add(&figures);
            }
        }
    }
}
