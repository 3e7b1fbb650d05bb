//! `gavel policy shadow-report`.

use std::thread;

use clap::Args;
use gavel_runtime::shadow_report::{Report, Wanted, report};

use crate::differences;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output, PartitionList, partition_list};
use crate::output::Out;
use crate::share::{gate, percent, share};

/// Compare what a candidate says in shadow with the verdicts
///
/// Reads verdicts and shadow verdicts from the place on where the candidate began, and joins them by log, partition and offset. The
/// candidate's counters, strikes and mutes began empty: soon after its activation it is milder than it would be in the long run.
/// Shadow verdicts may be missing (dropped under load, lost in a crash, the topic was not there); those messages are counted apart.
/// Verdicts hold no text: --texts reads that of the samples from the messages. Audiences stand in messages only.
#[derive(Args)]
pub struct ShadowReport {
    /// The shadow of this community; without it, that of all
    #[arg(long)]
    community: Option<String>,

    /// From this order on: that of a shadow, also of one that has ended, or of anything activated while it lasted
    #[arg(long, value_name = "ORDER")]
    since: Option<i64>,

    /// Only the newest N verdicts of each partition
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    last: Option<i64>,

    /// At most N compared messages of each partition, from the beginning
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "last")]
    limit: Option<u64>,

    /// Only these, for example 0-3 or 0,2,5
    #[arg(long, value_name = "LIST", value_parser = partition_list)]
    partitions: Option<PartitionList>,

    /// Lines of each list: rules, topics, channels, users
    #[arg(long, value_name = "N", default_value = "10")]
    top: usize,

    /// Differing messages shown of each kind of change
    #[arg(long, value_name = "N", default_value = "3")]
    samples: usize,

    /// Show the samples' words and audience, read from the messages
    #[arg(long)]
    texts: bool,

    /// Exit with 1 if the candidate blocks or mutes a larger share of the compared messages that the policy in force does not
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    max_new_blocks: Option<u64>,

    #[command(flatten)]
    brokers: Brokers,
}

impl ShadowReport {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let wanted = Wanted {
            community: self.community,
            since: self.since,
            last: self.last,
            limit: self.limit,
            partitions: self.partitions.map(|list| list.0).unwrap_or_default(),
            samples: self.samples,
            texts: self.texts,
            threads: thread::available_parallelism().map_or(1, usize::from),
        };
        let report = report(&config, &wanted)?;
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&json(&report, self.top))?,
            Output::Table => print(&mut out, &report, self.top)?,
        }
        out.finish()?;
        match self.max_new_blocks {
            Some(most) => gate(&report.tally.figures, most),
            None => Ok(()),
        }
    }
}

fn json(report: &Report, top: usize) -> serde_json::Value {
    let tally = &report.tally;
    let mut value = differences::json(tally, &report.samples, top);
    if let Some(fields) = value.as_object_mut() {
        fields.extend([
            ("candidate".into(), report.candidate.to_string().into()),
            (
                "in_force".into(),
                report.in_force.map(|digest| digest.to_string()).into(),
            ),
            ("since".into(), report.since.into()),
            ("verdict_only".into(), tally.verdict_only.into()),
            ("shadow_only".into(), tally.shadow_only.into()),
            ("waiting".into(), tally.waiting.into()),
        ]);
    }
    value
}

fn print(out: &mut Out, report: &Report, top: usize) -> Result<(), Failure> {
    let tally = &report.tally;
    let figures = &tally.figures;
    let share = |part: u64| percent(part, figures.compared);
    let in_force = report
        .in_force
        .map_or("nothing".to_owned(), |digest| digest.to_string());
    out.line(&format!(
        "candidate        {} since order {}",
        report.candidate, report.since
    ))?;
    out.line(&format!("in force         {in_force}"))?;
    out.line(&format!("compared         {}", figures.compared))?;
    for (what, count) in [
        ("differing", figures.differing),
        ("newly blocked", figures.new_blocks),
        ("not any more", figures.lost_blocks),
    ] {
        out.line(&format!("{what:<16} {count} ({})", share(count)))?;
    }
    for (what, count, why) in [
        (
            "no shadow",
            tally.verdict_only,
            "dropped, failed or lost in a crash: see gavel_shadow_verdicts_total",
        ),
        (
            "no verdict",
            tally.shadow_only,
            "removed from the verdict topic by retention",
        ),
        (
            "waiting",
            tally.waiting,
            "behind the newest shadow verdict: on their way, or none arrive any more",
        ),
    ] {
        if count > 0 {
            out.line(&format!("{what:<16} {count} ({why})"))?;
        }
    }
    differences::print(out, tally, &report.samples, top)
}
