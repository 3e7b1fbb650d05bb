//! `gavel replay what-if`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use gavel_judge::{ControlLog, Digest, ENGINE, Policy};
use gavel_runtime::control;
use gavel_runtime::orders::{EVERYWHERE, history};
use gavel_runtime::replay::{
    Baseline, Covered, Differences, Progress, ReplayError, Supposed, WhatIf as Wanted, what_if,
};
use gavel_runtime::shadow_report::Sample;
use serde::{Deserialize, Serialize};

use super::options::{Files, Scope};
use super::progress::Shown;
use super::what_if_page;
use crate::commands::policy::load;
use crate::differences;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::{Out, read_whole};
use crate::share::{gate, percent, share};
use crate::table::{printable, time};

/// Of the report's file; a later one may add fields and keeps the number.
const FORMAT: u32 = 1;
/// An hour.
pub const STEP_MS: i64 = 3_600_000;

/// Judge the past by another policy, with the counters, strikes and mutes that it would have produced
///
/// Folds the messages of a stretch under the candidate and compares what it decides with what was decided: by topic, rule, audience,
/// channel and user, with samples, and with those who would no longer be muted. Contexts at the beginning of the stretch are those of
/// the past: take a stretch that is longer than the longest window and half-life, or the whole log. Nothing is written to any topic.
///
/// With --max-new-blocks the exit code is 1 when the candidate blocks or mutes a larger share of messages that were not; the report
/// (--report) then says so, and `gavel policy activate --after-what-if REPORT` refuses it. Exit code 4: a part of the stretch could not
/// be judged, because neither the beginning of the log nor a checkpoint is left.
#[derive(Args)]
pub struct WhatIf {
    /// The candidate: a TOML file, or the digest of a published policy
    #[arg(long, value_name = "FILE|DIGEST")]
    policy: String,

    /// What it is compared with: `recorded`, the verdicts as they were given, or a policy as for --policy
    #[arg(long, value_name = "recorded|FILE|DIGEST", default_value = "recorded")]
    baseline: String,

    /// As if it were activated for this community; without it, for all that have no policy of their own
    #[arg(long)]
    community: Option<String>,

    #[command(flatten)]
    scope: Scope,

    /// Lines of each list: rules, topics, channels, users
    #[arg(long, value_name = "N", default_value = "10")]
    top: usize,

    /// Differing messages shown of each kind of change
    #[arg(long, value_name = "N", default_value = "3")]
    samples: usize,

    /// Exit with 1 if the candidate newly blocks or mutes a larger share of the compared messages
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    max_new_blocks: Option<u64>,

    #[command(flatten)]
    files: Files,

    #[command(flatten)]
    brokers: Brokers,
}

/// A comparison, whole.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub format: u32,
    pub engine: u32,
    /// When it was asked, in milliseconds since 1970.
    pub at: i64,
    pub seconds: f64,
    pub messages: String,
    pub candidate: String,
    pub candidate_id: String,
    /// `recorded`, or the digest of a policy.
    pub baseline: String,
    pub community: Option<String>,
    /// What judged the scope when it was asked.
    pub in_force: Option<String>,
    /// Whether no partition was left out.
    pub every_partition: bool,
    pub budget: Option<Budget>,
    pub compared: u64,
    pub new_blocks: u64,
    pub lost_blocks: u64,
    pub differing: u64,
    pub partitions: Vec<Covered>,
    /// Everything else, for people.
    pub differences: serde_json::Value,
}

/// The share of new blocks that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Millionths of the compared messages.
    pub max_new_blocks: u64,
    pub is_kept: bool,
}

impl Report {
    /// Err: the file is none, with the reason.
    pub fn read(path: &Path) -> Result<Report, String> {
        let text = read_whole(path)?;
        let report: Report = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        if report.format == FORMAT {
            Ok(report)
        } else {
            Err(format!("it has format {}", report.format))
        }
    }

    /// Some records that were asked for could not be judged.
    pub fn is_incomplete(&self) -> bool {
        let open = |covered: &Covered| covered.unverifiable_before.is_some();
        self.partitions.iter().any(open)
    }
}

impl WhatIf {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, self.scope.flags())?;
        let control = control::read_whole(&config)?;
        let (candidate_id, candidate) = policy(&control, &self.policy)?;
        let (baseline, named) = match self.baseline.as_str() {
            "recorded" => (Baseline::Recorded, "recorded".to_owned()),
            other => {
                let (_, baseline) = policy(&control, other)?;
                let digest = baseline.digest().to_string();
                (Baseline::Policy(baseline), digest)
            }
        };
        let place = self.community.as_deref().unwrap_or(EVERYWHERE);
        let in_force = history::in_force(&control, place).map(|digest| digest.to_string());
        let effort = self.scope.effort(None);
        let every_partition = effort.partitions.is_empty();
        let wanted = Wanted {
            effort,
            stretch: self.scope.stretch(),
            candidate: Arc::clone(&candidate),
            baseline,
            community: self.community.clone(),
            step_ms: STEP_MS,
            samples: self.samples,
        };
        let (at, began) = (jiff::Timestamp::now().as_millisecond(), Instant::now());
        let progress = Arc::new(Progress::default());
        let shown = Shown::start(&progress);
        let supposed = what_if(&config, &wanted, &progress);
        shown.stop();
        let Supposed {
            partitions,
            differences: found,
            samples,
        } = supposed?;
        let figures = &found.tally.figures;
        let kept = self.max_new_blocks.map(|most| (most, gate(figures, most)));
        let report = Report {
            format: FORMAT,
            engine: ENGINE,
            at,
            seconds: began.elapsed().as_secs_f64(),
            messages: config.topics.messages.clone(),
            candidate: candidate.digest().to_string(),
            candidate_id,
            baseline: named,
            community: self.community,
            in_force,
            every_partition,
            budget: kept.as_ref().map(|(most, kept)| Budget {
                max_new_blocks: *most,
                is_kept: kept.is_ok(),
            }),
            compared: figures.compared,
            new_blocks: figures.new_blocks,
            lost_blocks: figures.lost_blocks,
            differing: figures.differing,
            partitions,
            differences: json(&found, &samples, self.top),
        };
        self.files.write(
            // Numbers, texts, lists and maps with texts as keys: there is nothing JSON could refuse.
            || serde_json::to_string_pretty(&report).unwrap_or_default(),
            || what_if_page::page(&report, &found, &samples, self.top),
        )?;
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&report)?,
            Output::Table => print(&mut out, &report, &found, &samples, self.top)?,
        }
        out.finish()?;
        if let Some((_, kept)) = kept {
            kept?;
        }
        if report.is_incomplete() {
            return Err(Failure::incomplete(
                "a part of the stretch could not be judged: neither the beginning of the log nor a checkpoint is left",
                "begin later with --from, or keep messages and anchors longer",
            ));
        }
        Ok(())
    }
}

/// A file, or what the control topic holds under this digest; with its id.
fn policy(control: &ControlLog, named: &str) -> Result<(String, Arc<Policy>), Failure> {
    if let Ok(digest) = named.parse::<Digest>() {
        let compiled = control.compile(&digest).map_err(ReplayError::from)?;
        let document = control.document(&digest);
        return Ok((
            document
                .map(|document| document.id().to_owned())
                .unwrap_or_default(),
            compiled,
        ));
    }
    let document = load(Path::new(named))?;
    let compiled = Policy::compile(&document)
        .map_err(|error| Failure::usage(error, "mend the policy: `gavel policy check FILE`"))?;
    Ok((document.id().to_owned(), Arc::new(compiled)))
}

fn json(found: &Differences, samples: &[Sample], top: usize) -> serde_json::Value {
    let mut value = differences::json(&found.tally, samples, top);
    let users: Vec<_> = found.worst_users(top).into_iter().collect();
    if let Some(fields) = value.as_object_mut() {
        fields.extend([
            ("audiences".into(), serde_json::json!(found.audiences)),
            ("users".into(), serde_json::json!(users)),
            ("over_time".into(), serde_json::json!(found.over_time)),
        ]);
    }
    value
}

fn print(
    out: &mut Out,
    report: &Report,
    found: &Differences,
    samples: &[Sample],
    top: usize,
) -> Result<(), Failure> {
    let share = |part: u64| percent(part, report.compared);
    out.line(&format!(
        "candidate        {} {}",
        printable(&report.candidate_id),
        report.candidate
    ))?;
    out.line(&format!("baseline         {}", report.baseline))?;
    if let (Some(first), Some(last)) = (
        found.over_time.keys().next(),
        found.over_time.keys().next_back(),
    ) {
        out.line(&format!(
            "between          {} and {}",
            time(*first),
            time(last + STEP_MS)
        ))?;
    }
    out.line(&format!("compared         {}", report.compared))?;
    for (what, count) in [
        ("differing", report.differing),
        ("newly blocked", report.new_blocks),
        ("not any more", report.lost_blocks),
    ] {
        out.line(&format!("{what:<16} {count} ({})", share(count)))?;
    }
    let missing: u64 = report
        .partitions
        .iter()
        .map(|covered| covered.without_baseline)
        .sum();
    if missing > 0 {
        out.line(&format!(
            "no verdict       {missing} (not judged yet, or removed by retention)"
        ))?;
    }
    differences::print(out, &found.tally, samples, top)?;
    let row = |name: &str, figures: &gavel_runtime::shadow_report::Figures| {
        let counts = [figures.differing, figures.new_blocks, figures.lost_blocks];
        let mut row = vec![printable(name)];
        row.extend(counts.map(|count| count.to_string()));
        (figures.differing, row)
    };
    for (what, rows) in [
        (
            "AUDIENCE",
            found
                .audiences
                .iter()
                .map(|(name, one)| row(name, one))
                .collect(),
        ),
        (
            "USER",
            found
                .worst_users(top)
                .into_iter()
                .map(|(name, one)| row(name, one))
                .collect::<Vec<_>>(),
        ),
    ] {
        let heading = [what, "DIFFERING", "NEWLY BLOCKED", "NOT ANY MORE"];
        differences::list(out, &heading, rows, top)?;
    }
    for covered in &report.partitions {
        if let Some(before) = covered.unverifiable_before {
            out.line(&format!(
                "\npartition {}: not judged before offset {before}",
                covered.partition
            ))?;
        }
    }
    Ok(())
}
