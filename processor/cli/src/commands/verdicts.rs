//! `gavel verdicts`: what was decided.

use std::io;
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};
use gavel_runtime::verdicts::{self, Filter, From, Query};

use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;
use crate::table;

/// Read verdicts, each of them once
///
/// After a crash of the processor a verdict can stand in the topic twice, as identical copies. Copies are dropped here as
/// any consumer can: keep one number per source partition, the highest `source_offset` seen, and drop what is not higher.
/// Prints JSON lines with the fields of verdict.avsc; `--output table` is for people. Ends at the present end of the topic
/// unless `--follow`.
#[derive(Args)]
pub struct Verdicts {
    /// Where to begin
    #[arg(long, value_enum, default_value = "beginning")]
    from: FromArg,

    /// Only this partition
    #[arg(long, value_name = "P")]
    partition: Option<i32>,

    /// Only this user: `user`, or `community/user`
    #[arg(long)]
    user: Option<String>,

    /// Only this action: allow, flag, mask, block
    #[arg(long)]
    action: Option<String>,

    /// Only this code: judged, control, refused, muted, no-policy, overturned
    #[arg(long)]
    code: Option<String>,

    /// Stop after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// Go on as new verdicts come
    #[arg(long)]
    follow: bool,

    #[command(flatten)]
    brokers: Brokers,
}

#[derive(ValueEnum, Clone, Copy)]
enum FromArg {
    Beginning,
    End,
}

impl Verdicts {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let query = Query {
            from: match self.from {
                FromArg::Beginning => From::Beginning,
                FromArg::End => From::End,
            },
            partition: self.partition,
            follow: self.follow,
            filter: Filter {
                user: self.user,
                action: self.action,
                code: self.code,
            },
        };
        let output = globals.output_or(Output::Json);
        let mut out = if self.follow {
            Out::new().eager()
        } else {
            Out::new()
        };
        if output == Output::Table {
            out.line(&table::heading())?;
        }
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut broken: Option<io::Error> = None;
        let summary = verdicts::read(&config, &query, &mut |verdict| {
            left -= 1;
            let printed = match output {
                Output::Json => out.json(verdict),
                Output::Table => out.line(&table::row(verdict)),
            };
            match printed {
                Ok(()) if left > 0 => ControlFlow::Continue(()),
                Ok(()) => ControlFlow::Break(()),
                Err(error) => {
                    broken = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = broken {
            return Err(error.into());
        }
        out.finish()?;
        if summary.undecodable > 0 {
            tracing::warn!(
                records = summary.undecodable,
                "records of the verdict topic are no verdicts and were skipped"
            );
        }
        Ok(())
    }
}
