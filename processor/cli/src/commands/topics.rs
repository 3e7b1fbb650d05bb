//! `gavel topics`: create, adopt, check.

use clap::{Args, Subcommand, ValueEnum};
use gavel_runtime::topics::{self, Drift, Report, TimestampType, TopicsError, Wanted};

use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

/// Create the topics, take over existing ones, or compare them with what they must be
#[derive(Subcommand)]
pub enum Topics {
    Create(Create),
    Adopt(Adopt),
    Check(Check),
}

/// Create the five topics and open the log; what exists already is left as it is, and a difference is refused
#[derive(Args)]
pub struct Create {
    /// Partitions of messages, verdicts, dead letters and shadow verdicts. Fixed for the life of the log
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    partitions: i32,

    /// Replicas of every topic [default: 3, or as many as there are brokers]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(i32).range(1..=100))]
    replication_factor: Option<i32>,

    /// Who stamps messages: the broker, so that no client can lie about time, or the producer, for back-fills
    #[arg(long, value_enum, value_name = "WHO", default_value = "log-append")]
    timestamp_type: Timestamps,

    /// How long messages, verdicts and dead letters are kept: the audit window (7d, 36h, forever)
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = retention_ms)]
    retention: i64,

    #[command(flatten)]
    brokers: Brokers,
}

/// Open the log of topics that something else made, at the offsets where they begin now
#[derive(Args)]
pub struct Adopt {
    #[command(flatten)]
    brokers: Brokers,
}

/// Compare the topics with what they must be; exit 1 if something differs
///
/// Topics that keep records for longer than erased users may take to be gone (checkpoints.erase_within_ms) are shown, too, and are no
/// difference: whether that is lawful depends on what producers encrypt.
#[derive(Args)]
pub struct Check {
    #[command(flatten)]
    brokers: Brokers,
}

#[derive(ValueEnum, Clone, Copy)]
enum Timestamps {
    LogAppend,
    Create,
}

impl Topics {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            Topics::Create(create) => create.run(globals),
            Topics::Adopt(adopt) => {
                let config = globals.config(&adopt.brokers, Vec::new())?;
                finish(globals, topics::adopt(&config))
            }
            Topics::Check(check) => check.run(globals),
        }
    }
}

impl Create {
    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let wanted = Wanted {
            partitions: self.partitions,
            replication: self.replication_factor,
            timestamps: match self.timestamp_type {
                Timestamps::LogAppend => TimestampType::LogAppend,
                Timestamps::Create => TimestampType::Create,
            },
            retention_ms: self.retention,
        };
        finish(globals, topics::create(&config, &wanted))
    }
}

impl Check {
    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let drift = topics::check(&config)?;
        show_drift(globals, &drift)?;
        let different = drift.iter().filter(|drift| !drift.is_advice).count();
        if different == 0 {
            return Ok(());
        }
        Err(Failure::difference(
            format!("{different} settings differ"),
            "run the commands of the last column",
        ))
    }
}

fn finish(globals: &Globals, result: Result<Report, TopicsError>) -> Result<(), Failure> {
    let report = match result {
        Ok(report) => report,
        Err(error) => {
            if let TopicsError::Drift(drift) = &error {
                show_drift(globals, drift)?;
            }
            return Err(error.into());
        }
    };
    let mut out = Out::new();
    match globals.output_or(Output::Table) {
        Output::Json => out.json(&serde_json::json!({
            "created": report.created,
            "existed": report.existed,
            "log_id": report.opened.log_id,
            "partitions": report.opened.partitions,
            "opened_now": report.opened.written,
        }))?,
        Output::Table => {
            for name in &report.created {
                out.line(&format!("created  {name}"))?;
            }
            for name in &report.existed {
                out.line(&format!("existed  {name}"))?;
            }
            let opened = &report.opened;
            let when = if opened.written {
                "opened"
            } else {
                "was opened before"
            };
            out.line(&format!(
                "log {} {when} with {} partitions",
                opened.log_id, opened.partitions
            ))?;
        }
    }
    Ok(out.finish()?)
}

fn show_drift(globals: &Globals, drift: &[Drift]) -> Result<(), Failure> {
    let mut out = Out::new();
    match globals.output_or(Output::Table) {
        Output::Json => {
            for one in drift {
                out.json(one)?;
            }
        }
        Output::Table if drift.is_empty() => out.line("nothing differs")?,
        Output::Table => {
            let mut table = comfy_table::Table::new();
            table.load_preset(comfy_table::presets::NOTHING);
            table.set_header(["TOPIC", "WHAT", "FOUND", "WANTED", "MEND"]);
            for one in drift {
                table.add_row([&one.topic, &one.what, &one.found, &one.wanted, &one.mend]);
            }
            out.line(&table.trim_fmt())?;
        }
    }
    Ok(out.finish()?)
}

/// Milliseconds of a time such as `7d`; -1 for `forever`.
fn retention_ms(text: &str) -> Result<i64, String> {
    const UNITS: [(&str, i64); 4] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ];
    if text == "forever" {
        return Ok(-1);
    }
    UNITS
        .iter()
        .find_map(|(unit, ms)| {
            text.strip_suffix(unit)?
                .parse::<i64>()
                .ok()
                .filter(|n| *n > 0)?
                .checked_mul(*ms)
        })
        .ok_or_else(|| "write a whole number with d, h, m or s, or `forever`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(retention_ms("7d"), Ok(604_800_000));
        assert_eq!(retention_ms("90s"), Ok(90_000));
        assert_eq!(retention_ms("forever"), Ok(-1));
        for wrong in ["7", "", "d", "-1d", "0h", "1.5d", "9223372036854775807d"] {
            assert!(retention_ms(wrong).is_err(), "{wrong}");
        }
    }
}
