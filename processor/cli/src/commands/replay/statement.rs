//! `gavel replay statement`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, ValueEnum};
use gavel_runtime::config::Flag;
use gavel_runtime::replay::{
    self, Decision, Looked, Progress, ReplayError, Scratch, Sink, Statement as Wanted,
};

use super::options::Stint;
use super::progress::Shown;
use super::statement_counts::{Counts, FORMAT, Report};
use super::statement_row::{COLUMNS, Row, Said};
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::{Out, Whole, write_whole};
use crate::share::percent;

/// What stands in each row unless another text is given.
const REDRESS: &str = "You can object to this decision, free of charge, through our internal complaint system for at least six months. You can also \
                       turn to a certified out-of-court dispute settlement body, or to a court.";

/// List the decisions that restricted somebody, as a regulator asks for them
///
/// One row for each recorded verdict that blocked or masked a message or muted an account, each once, whatever copies stand in the topic;
/// with the fields of a statement of reasons (Article 17(3) of the EU's Digital Services Act, in the words of the Commission's database)
/// as far as the record shows them, and when a person overturned the decision. docs/audit.md says which field comes from where and which
/// are left to you. Verdicts are told as they were recorded: `gavel replay verify` proves them.
///
/// Without --texts no word that a user wrote is in it, but accounts and message ids are: treat it as personal data. In CSV a cell that
/// a spreadsheet would take for a formula (one that begins with = + - @ or a tab) gets an apostrophe in front, and what is invisible is
/// written as \u{…}; JSON lines hold everything as it was.
///
/// Exit codes: 0 everything asked for is there; 4 retention has removed a part of the verdicts (the rows that are left are written);
/// 2 and 3 as for every command.
#[derive(Args)]
pub struct Statement {
    #[command(flatten)]
    stint: Stint,

    /// Only decisions about this community
    #[arg(long, value_name = "C")]
    community: Option<String>,

    /// Also verdicts that only called people (escalate)
    #[arg(long)]
    escalations: bool,

    /// With the words: masked texts, and the messages themselves where they are still in the log
    #[arg(long)]
    texts: bool,

    /// Where the decisions apply, for example DE,FR
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    territory: Vec<String>,

    /// What can be done against a decision, the same in every row
    #[arg(long, value_name = "TEXT", default_value = REDRESS, hide_default_value = true)]
    redress: String,

    /// How rows are written
    #[arg(long, value_enum, value_name = "FORM", default_value = "csv")]
    format: Format,

    /// Write the rows here and print a summary [default: rows to standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write figures for a transparency report here, as JSON
    #[arg(long, value_name = "FILE")]
    counts: Option<PathBuf>,

    #[command(flatten)]
    brokers: Brokers,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Comma-separated, with a heading
    Csv,
    /// One JSON object per line
    Jsonl,
}

/// The rows of one partition, until those of the partitions before it are written.
struct Part<'a> {
    file: Rows,
    said: &'a Said,
    counts: &'a Mutex<Counts>,
}

enum Rows {
    Csv(Box<csv::Writer<File>>),
    Jsonl(BufWriter<File>),
}

impl Sink for Part<'_> {
    fn tell(&mut self, decision: &Decision<'_>) -> io::Result<()> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.add(decision);
        drop(counts);
        let row = Row::of(decision, self.said);
        match &mut self.file {
            Rows::Csv(file) => Ok(file.write_record(row.cells())?),
            Rows::Jsonl(file) => {
                serde_json::to_writer(&mut *file, &row)?;
                file.write_all(b"\n")
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self.file {
            Rows::Csv(mut file) => file.flush(),
            Rows::Jsonl(mut file) => file.flush(),
        }
    }
}

impl Statement {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        // Nothing is folded: no checkpoint is looked for, and a store that cannot be reached is no hindrance.
        let without = Flag {
            name: "--checkpoints",
            section: "checkpoints",
            key: "store",
            value: "none".to_owned(),
        };
        let config = globals.config(&self.brokers, vec![without])?;
        let wanted = Wanted {
            effort: self.stint.effort(None),
            stretch: self.stint.stretch(),
            community: self.community.clone(),
            escalations: self.escalations,
            texts: self.texts,
        };
        let said = Said {
            territory: self.territory.clone(),
            redress: self.redress.clone(),
            texts: self.texts,
        };
        // Before the work, so that a wrong path costs nothing.
        let file = self.out.as_deref().map(Whole::begin).transpose()?;
        let at = jiff::Timestamp::now().as_millisecond();
        let scratch = Scratch::passing().map_err(ReplayError::Scratch)?;
        let path = |partition: i32| scratch.path(&format!("rows-{partition}"));
        let counts = Mutex::new(Counts::default());
        let progress = Arc::new(Progress::default());
        let shown = Shown::start(&progress);
        let looked = replay::statement(&config, &wanted, &progress, |partition| {
            let file = File::create_new(path(partition))?;
            Ok(Part {
                file: match self.format {
                    Format::Csv => Rows::Csv(Box::new(csv::Writer::from_writer(file))),
                    Format::Jsonl => Rows::Jsonl(BufWriter::new(file)),
                },
                said: &said,
                counts: &counts,
            })
        });
        shown.stop();
        let looked = looked?;
        let counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        let write = |into: &mut dyn Write| {
            if self.format == Format::Csv {
                writeln!(into, "{}", COLUMNS.join(","))?;
            }
            looked.iter().try_for_each(|one| {
                let mut rows = File::open(path(one.partition))?;
                io::copy(&mut rows, into).map(drop)
            })
        };
        let mut out = Out::new();
        let report = Report {
            format: FORMAT,
            at,
            messages: &config.topics.messages,
            verdicts: &config.topics.verdicts,
            community: self.community.as_deref(),
            escalations: self.escalations,
            partitions: &looked,
            counts: &counts,
        };
        match file {
            Some(file) => {
                file.fill(write)?;
                match globals.output_or(Output::Table) {
                    Output::Json => out.json(&report)?,
                    Output::Table => summary(&mut out, &report)?,
                }
            }
            None => write(out.raw())?,
        }
        if let Some(path) = &self.counts {
            // Numbers, texts and maps with texts as keys: there is nothing JSON could refuse.
            let text = serde_json::to_string_pretty(&report).unwrap_or_default();
            write_whole(path, &text)?;
        }
        out.finish()?;
        end(&looked)
    }
}

fn summary(out: &mut Out, report: &Report<'_>) -> io::Result<()> {
    let all = &report.counts.all;
    let verdicts: u64 = report.partitions.iter().map(|one| one.verdicts).sum();
    for (what, count, of) in [
        ("verdicts", verdicts, None),
        ("decisions", all.decisions, Some(verdicts)),
        ("mutes", all.mutes, Some(all.decisions)),
        ("overturned", all.overturned, Some(all.decisions)),
        ("sent again", all.retries, None),
    ] {
        let share = of.map_or_else(String::new, |of| format!(" ({})", percent(count, of)));
        out.line(&format!("{what:<12} {count}{share}"))?;
    }
    Ok(())
}

fn end(looked: &[Looked]) -> Result<(), Failure> {
    let unreadable: u64 = looked.iter().map(|one| one.unreadable).sum();
    if unreadable > 0 {
        tracing::warn!(
            records = unreadable,
            "records of the verdict topic are no verdicts and were skipped"
        );
    }
    let gone: Vec<String> = looked
        .iter()
        .filter_map(|one| Some(format!("{} before {}", one.partition, one.gone_before?)))
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    Err(Failure::incomplete(
        format!(
            "the verdict topic does not hold the whole stretch any more; gone (partition and offset): {}",
            gone.join(", ")
        ),
        "keep verdicts (retention.ms) longer than you report about; --from leaves the part out",
    ))
}
