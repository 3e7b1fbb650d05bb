//! `gavel produce`: JSON lines into the message topic.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gavel_runtime::produce::{self, Framing, Options, RecordTime};

use super::input;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

/// Send chat messages from JSON lines, and wait until brokers have them
///
/// Each line is a JSON object with the fields of ChatMessage; only `user` and `text` are required. The key is
/// `community/user` and the partitioner Java's murmur2, so that a user stays on one partition: every producer must do the
/// same. Lines that would be refused are named and skipped; then the exit code is 1. Empty lines are skipped.
#[derive(Args)]
pub struct Produce {
    /// JSON lines; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// How messages are written: Avro single objects, or the JSON lines as they stand
    #[arg(long, value_enum, default_value = "avro")]
    framing: FramingArg,

    /// The record time asked for; brokers ignore it unless the topic has CreateTime
    #[arg(long, value_enum, value_name = "TIME", default_value = "now")]
    record_time: RecordTimeArg,

    #[command(flatten)]
    brokers: Brokers,
}

#[derive(ValueEnum, Clone, Copy)]
pub(super) enum FramingArg {
    Avro,
    Json,
}

impl From<FramingArg> for Framing {
    fn from(framing: FramingArg) -> Framing {
        match framing {
            FramingArg::Avro => Framing::Avro,
            FramingArg::Json => Framing::Json,
        }
    }
}

#[derive(ValueEnum, Clone, Copy)]
enum RecordTimeArg {
    Now,
    SentAt,
}

impl Produce {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let options = Options {
            framing: Framing::from(self.framing),
            record_time: match self.record_time {
                RecordTimeArg::Now => RecordTime::Now,
                RecordTimeArg::SentAt => RecordTime::SentAt,
            },
        };
        let name = self.file.display().to_string();
        let report = produce::produce(&config, options, input(&self.file)?, &mut |bad| {
            eprintln!(
                "{name}:{}: not sent: {}: {}",
                bad.line,
                bad.reason.code(),
                bad.reason
            );
        })?;
        let acked: u64 = report.acked.values().sum();
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "topic": config.topics.messages,
                "acked": acked,
                "bad": report.bad,
                "blank": report.blank,
                "partitions": report.acked,
            }))?,
            Output::Table => out.line(&format!(
                "{acked} messages acknowledged by {} partitions of {}; {} bad lines, {} blank",
                report.acked.len(),
                config.topics.messages,
                report.bad,
                report.blank
            ))?,
        }
        out.finish()?;
        if report.bad > 0 {
            return Err(Failure::difference(
                format!("{} lines were not sent", report.bad),
                "mend the lines named above and send those",
            ));
        }
        Ok(())
    }
}
