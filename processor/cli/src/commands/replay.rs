//! `gavel replay`: verdicts derived once more.

mod explain;
mod past;
mod sentence;
mod steps;
mod timeline;
mod words;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use gavel_runtime::replay::{self, PartitionReport, Progress};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output, PartitionList, partition_list};
use crate::output::Out;

/// Derive verdicts from the log again
#[derive(Subcommand)]
pub enum Replay {
    Verify(Verify),
    Explain(explain::Explain),
    Timeline(timeline::Timeline),
}

/// Fold the log from its beginning and compare every verdict, byte for byte
///
/// Also compared: key and headers of each verdict, every further copy, the order, and the dead letter of each refused record.
/// Verification ends at the end that each partition has when its turn comes; records there that have no verdict yet are
/// counted, not held against anybody. The first difference is shown with both sides; the exit code is then 1.
#[derive(Args)]
pub struct Verify {
    /// Only these, for example 0-3 or 0,2,5
    #[arg(long, value_name = "LIST", value_parser = partition_list)]
    partitions: Option<PartitionList>,

    /// Also print a digest of each partition's final state, to compare with `state inspect --digest`
    #[arg(long)]
    digest: bool,

    /// Partitions folded at the same time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    parallel: Option<u16>,

    #[command(flatten)]
    brokers: Brokers,
}

impl Replay {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            Replay::Verify(verify) => verify.run(globals),
            Replay::Explain(explain) => explain.run(globals),
            Replay::Timeline(timeline) => timeline.run(globals),
        }
    }
}

impl Verify {
    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let threads = match self.parallel {
            Some(threads) => usize::from(threads),
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let wanted = replay::Verify {
            partitions: self.partitions.map(|list| list.0).unwrap_or_default(),
            threads,
        };
        let progress = Arc::new(Progress::default());
        let shown = Shown::start(&progress);
        let reports = replay::verify(&config, &wanted, &progress);
        shown.stop();
        let reports = reports?;
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => {
                for report in &reports {
                    out.json(&without_digest(report, self.digest))?;
                }
            }
            Output::Table => {
                out.line(&table(&reports, self.digest))?;
                for report in &reports {
                    if let Some(difference) = &report.difference {
                        let place = format!(
                            "partition {}, offset {}",
                            report.partition, difference.offset
                        );
                        out.line(&format!("\nfirst difference: {place}: {}", difference.what))?;
                        out.line(&format!("  derived: {}", json(&difference.derived)?))?;
                        out.line(&format!("  found:   {}", json(&difference.found)?))?;
                    }
                }
            }
        }
        out.finish()?;
        let different = reports
            .iter()
            .filter(|report| report.difference.is_some())
            .count();
        if different == 0 {
            return Ok(());
        }
        Err(Failure::difference(
            format!("{different} of {} partitions differ", reports.len()),
            "the verdicts shown as found were not derived from this log; keep both topics as they are and find out who wrote them",
        ))
    }
}

fn json<T: serde::Serialize>(side: &Option<T>) -> Result<String, Failure> {
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

fn table(reports: &[PartitionReport], digest: bool) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    let mut header = vec![
        "PARTITION",
        "RECORDS",
        "EQUAL",
        "COPIES",
        "DEAD LETTERS",
        "NOT YET JUDGED",
        "RESULT",
    ];
    header.extend(digest.then_some("DIGEST"));
    table.set_header(header);
    for report in reports {
        let result = match (&report.difference, report.equal) {
            (Some(_), _) => "DIFFERS",
            (None, 0) => "no verdicts",
            (None, _) => "equal",
        };
        let mut row = vec![
            report.partition.to_string(),
            report.records.to_string(),
            report.equal.to_string(),
            report.copies.to_string(),
            report.dead_letters.to_string(),
            report.not_yet_judged.to_string(),
            result.to_owned(),
        ];
        row.extend(digest.then(|| report.digest.clone()));
        table.add_row(row);
    }
    table.trim_fmt()
}

/// The bar on a terminal; nothing elsewhere.
struct Shown {
    done: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Shown {
    fn start(progress: &Arc<Progress>) -> Shown {
        let done = Arc::new(AtomicBool::new(false));
        let thread = std::io::stderr().is_terminal().then(|| {
            let (done, progress) = (Arc::clone(&done), Arc::clone(progress));
            thread::spawn(move || draw(&progress, &done))
        });
        Shown { done, thread }
    }

    fn stop(self) {
        self.done.store(true, Ordering::Release);
        if let Some(thread) = self.thread {
            // A bar that failed is no reason to fail.
            drop(thread.join());
        }
    }
}

fn draw(progress: &Progress, done: &AtomicBool) {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records, {per_sec}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    while !done.load(Ordering::Acquire) {
        bar.set_length(progress.total.load(Ordering::Relaxed));
        bar.set_position(progress.done.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(100));
    }
    bar.finish_and_clear();
}
