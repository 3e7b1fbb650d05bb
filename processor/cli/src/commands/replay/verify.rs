//! `gavel replay verify` and `gavel replay merge`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use gavel_judge::ENGINE;
use gavel_runtime::config::Topics;
use gavel_runtime::replay::{self, Began, PartitionReport, Progress};
use serde::{Deserialize, Serialize};

use super::options::{Files, Scope};
use super::progress::Shown;
use super::verify_page;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::{Out, expand, read_whole};

/// Of the report's file; a later one may add fields and keeps the number.
const FORMAT: u32 = 1;

/// Fold the log again and compare every verdict, byte for byte
///
/// Also compared: key and headers of each verdict, every further copy, the order, the dead letter of each refused record, and every
/// checkpoint on the way. Begins at the beginning of the log or, for a later stretch, at the nearest checkpoint before it; what lies
/// before the first such place is said to be unverifiable, never different. Verification ends at the end that each partition has when
/// its turn comes; records there that have no verdict yet are counted, not held against anybody.
///
/// Exit codes: 0 everything was derived again; 1 something differs (the first difference is shown with both sides); 4 nothing differs,
/// but not all of what was asked for can be verified; 2 and 3 as for every command.
#[derive(Args)]
pub struct Verify {
    #[command(flatten)]
    scope: Scope,

    /// Do not compare the checkpoints on the way
    #[arg(long)]
    skip_checkpoints: bool,

    /// Keep what is done in this directory: the same command goes on there when it was interrupted
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,

    /// Also print a digest of each partition's final state, to compare with `state inspect --digest`
    #[arg(long)]
    digest: bool,

    #[command(flatten)]
    files: Files,

    #[command(flatten)]
    brokers: Brokers,
}

/// Put the reports of several `replay verify --report` together
///
/// For an audit that was split over machines by --partitions. Exit codes as those of verify, over all of them.
#[derive(Args)]
pub struct Merge {
    /// Reports, also s3://BUCKET/PREFIX/ for all of those there; a partition may stand in one of them
    #[arg(value_name = "FILE", required = true)]
    reports: Vec<PathBuf>,

    #[command(flatten)]
    files: Files,
}

/// A verification, whole.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub format: u32,
    /// Of the binary that verified.
    pub engine: u32,
    /// When it began, in milliseconds since 1970.
    pub at: i64,
    pub seconds: f64,
    pub messages: String,
    pub verdicts: String,
    pub partitions: Vec<PartitionReport>,
}

/// What a verification came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Equal,
    Differs,
    /// Nothing differs, and not everything could be looked at.
    Incomplete,
}

impl Report {
    pub fn result(&self) -> Outcome {
        if !self.partitions.iter().all(PartitionReport::is_equal) {
            return Outcome::Differs;
        }
        let open = |report: &PartitionReport| report.unverifiable_before.is_some();
        if self.partitions.iter().any(open) {
            Outcome::Incomplete
        } else {
            Outcome::Equal
        }
    }

    pub fn sum(&self, of: impl Fn(&PartitionReport) -> u64) -> u64 {
        self.partitions.iter().map(of).sum()
    }

    fn json(&self) -> String {
        // Numbers, texts, lists and maps with texts as keys: there is nothing JSON could refuse.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Prints, writes, and ends as the result demands.
    fn show(&self, globals: &Globals, files: &Files, digest: bool) -> Result<(), Failure> {
        files.write(|| self.json(), || verify_page::page(self))?;
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => {
                for report in &self.partitions {
                    out.json(&without_digest(report, digest))?;
                }
            }
            Output::Table => {
                out.line(&table(&self.partitions, digest))?;
                for report in &self.partitions {
                    details(&mut out, report)?;
                }
            }
        }
        out.finish()?;
        self.end()
    }

    fn end(&self) -> Result<(), Failure> {
        let count = |what: &dyn Fn(&PartitionReport) -> bool| {
            self.partitions.iter().filter(|report| what(report)).count()
        };
        let all = self.partitions.len();
        match self.result() {
            Outcome::Equal => Ok(()),
            Outcome::Differs => Err(Failure::difference(
                format!(
                    "{} of {all} partitions differ",
                    count(&|report| !report.is_equal())
                ),
                "what is shown as found was not derived from this log; keep all topics and checkpoints as they are and find out who wrote it",
            )),
            Outcome::Incomplete => Err(Failure::incomplete(
                format!(
                    "nothing differs, but of {} of {all} partitions a part cannot be verified",
                    count(&|report| report.unverifiable_before.is_some())
                ),
                "retention is shorter than the audit: keep messages and anchors (checkpoints.anchor_keep_ms) for the whole audit window; --from leaves the part out",
            )),
        }
    }
}

impl Verify {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, self.scope.flags())?;
        let wanted = replay::Verify {
            effort: self.scope.effort(self.work),
            stretch: self.scope.stretch(),
            checkpoints: !self.skip_checkpoints,
        };
        let (at, began) = (jiff::Timestamp::now().as_millisecond(), Instant::now());
        let progress = Arc::new(Progress::default());
        let shown = Shown::start(&progress);
        let partitions = replay::verify(&config, &wanted, &progress);
        shown.stop();
        let Topics {
            messages, verdicts, ..
        } = config.topics;
        let report = Report {
            format: FORMAT,
            engine: ENGINE,
            at,
            seconds: began.elapsed().as_secs_f64(),
            messages,
            verdicts,
            partitions: partitions?,
        };
        report.show(globals, &self.files, self.digest)
    }
}

impl Merge {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let mut merged: Option<Report> = None;
        let refused = |path: &Path, problem: &dyn std::fmt::Display| {
            Failure::usage(
                format!("{}: {problem}", path.display()),
                "name files that `gavel replay verify --report` has written, or s3://BUCKET/PREFIX/ with all of them",
            )
        };
        let mut reports = Vec::new();
        for path in &self.reports {
            reports.extend(expand(path).map_err(|problem| refused(path, &problem))?);
        }
        for path in &reports {
            let wrong = |problem: &dyn std::fmt::Display| refused(path, problem);
            let text = read_whole(path).map_err(|error| wrong(&error))?;
            let report: Report = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
            if report.format != FORMAT {
                return Err(wrong(&format!("it has format {}", report.format)));
            }
            match &mut merged {
                None => merged = Some(report),
                Some(all) => all.take_in(report).map_err(|problem| wrong(&problem))?,
            }
        }
        let Some(mut merged) = merged else {
            return Ok(());
        };
        merged.partitions.sort_by_key(|report| report.partition);
        merged.show(globals, &self.files, true)
    }
}

impl Report {
    /// Err: why the two do not belong together.
    fn take_in(&mut self, other: Report) -> Result<(), String> {
        if (&self.messages, &self.verdicts) != (&other.messages, &other.verdicts) {
            return Err(format!("it is about the topic {}", other.messages));
        }
        let partitions = self.partitions.iter().map(|report| report.partition);
        let known: std::collections::BTreeSet<i32> = partitions.collect();
        let twice = |report: &&PartitionReport| known.contains(&report.partition);
        if let Some(report) = other.partitions.iter().find(twice) {
            return Err(format!(
                "partition {} stands in another report too",
                report.partition
            ));
        }
        self.at = self.at.min(other.at);
        self.seconds = self.seconds.max(other.seconds);
        self.partitions.extend(other.partitions);
        Ok(())
    }
}

fn json<T: Serialize>(side: &Option<T>) -> Result<String, Failure> {
    match side {
        Some(side) => serde_json::to_string(side).map_err(|error| Failure::broken(error, "")),
        None => Ok("nothing".into()),
    }
}

/// The report as JSON; the digest only if it was asked for.
fn without_digest(report: &PartitionReport, digest: bool) -> serde_json::Value {
    let mut value = serde_json::json!(report);
    if let (Some(object), false) = (value.as_object_mut(), digest) {
        object.remove("digest");
    }
    value
}

/// What a partition came to, in a word or two.
pub fn result(report: &PartitionReport) -> &'static str {
    match report {
        report if !report.is_equal() => "DIFFERS",
        report if report.records == 0 && report.unverifiable_before.is_some() => "unverifiable",
        report if report.unverifiable_before.is_some() => "equal in part",
        report if report.equal == 0 => "no verdicts",
        _ => "equal",
    }
}

fn table(reports: &[PartitionReport], digest: bool) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    let mut header = vec![
        "PARTITION",
        "FROM",
        "RECORDS",
        "EQUAL",
        "COPIES",
        "DEAD LETTERS",
        "CHECKPOINTS",
        "NOT YET JUDGED",
        "RESULT",
    ];
    header.extend(digest.then_some("DIGEST"));
    table.set_header(header);
    for report in reports {
        let mut row = vec![
            report.partition.to_string(),
            report.from.to_string(),
            report.records.to_string(),
            report.equal.to_string(),
            report.copies.to_string(),
            report.dead_letters.to_string(),
            report.checkpoints.len().to_string(),
            report.not_yet_judged.to_string(),
            result(report).to_owned(),
        ];
        row.extend(digest.then(|| report.digest.clone()));
        table.add_row(row);
    }
    table.trim_fmt()
}

fn details(out: &mut Out, report: &PartitionReport) -> Result<(), Failure> {
    let partition = report.partition;
    if let Some(before) = report.unverifiable_before {
        out.line(&format!(
            "\npartition {partition}: unverifiable before offset {before}"
        ))?;
    }
    if let (Began::Checkpoint { boundary, .. }, lead_in) = (report.began, report.lead_in)
        && lead_in > 0
    {
        out.line(&format!(
            "\npartition {partition}: began at the checkpoint of offset {boundary}, {lead_in} records before the first one verified"
        ))?;
    }
    if report.erased > 0 {
        out.line(&format!(
            "\npartition {partition}: {} records of erased users are not as the fold says: erased",
            report.erased
        ))?;
    }
    if let Some(difference) = &report.difference {
        out.line(&format!(
            "\npartition {partition}: {} difference(s), the first at offset {}: {}",
            report.differences, difference.offset, difference.what
        ))?;
        out.line(&format!("  derived: {}", json(&difference.derived)?))?;
        out.line(&format!("  found:   {}", json(&difference.found)?))?;
        for place in &report.further {
            out.line(&format!("  then offset {}: {}", place.offset, place.what))?;
        }
    }
    let wrong = report.checkpoints.iter().filter_map(|checkpoint| {
        let wrong = checkpoint.wrong.as_ref()?;
        Some((checkpoint.boundary, wrong))
    });
    let unusable = report
        .damaged
        .iter()
        .map(|damaged| (damaged.boundary, &damaged.detail));
    for (boundary, wrong) in wrong.chain(unusable) {
        out.line(&format!(
            "\npartition {partition}: the checkpoint of offset {boundary}: {wrong}"
        ))?;
    }
    Ok(())
}
