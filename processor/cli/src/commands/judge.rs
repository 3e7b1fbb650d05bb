//! `gavel judge`: a file of messages, without Kafka.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use gavel_runtime::lines::LineReader;
use gavel_runtime::replay::FileJudge;
use gavel_schemas::decode_verdict;

use super::{input, policy};
use crate::failure::Failure;
use crate::options::{Globals, Output};
use crate::output::Out;
use crate::table;

/// Judge a file of messages without Kafka, by the same fold
///
/// Each line is a JSON object with the fields of ChatMessage; only `user` and `text` are required. `sent_at` (RFC 3339, or whole
/// milliseconds since 1970) is the record time; without it, or outside the years 2001 to 2100, the clock stands still. The line
/// number, from 0, is the offset, and empty lines count as offsets but get no verdict. A line that is no message gets a `refused`
/// verdict. The policy is active before line 0. Prints one verdict per line as JSON with the fields of verdict.avsc.
#[derive(Args)]
pub struct Judge {
    /// The policy, a TOML file; its term lists are found beside it
    #[arg(long, value_name = "POLICY")]
    policy: PathBuf,

    /// JSON lines; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Judge {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let policy = policy::compile(&policy::load(&self.policy)?)?;
        let output = globals.output_or(Output::Json);
        let mut judge = FileJudge::new(Arc::new(policy));
        let mut lines = LineReader::new(input(&self.file)?);
        let mut out = Out::new();
        if output == Output::Table {
            out.line(&table::heading())?;
        }
        let unreadable = |error| {
            Failure::broken(
                format!("{}: {error}", self.file.display()),
                "check the file",
            )
        };
        while lines.advance().map_err(unreadable)? {
            if lines.line().is_empty() {
                continue;
            }
            let offset = i64::try_from(lines.number() - 1).unwrap_or(i64::MAX);
            let verdict = judge
                .judge(offset, lines.line(), |ruling| {
                    decode_verdict(ruling.verdict)
                })?
                .map_err(|error| Failure::broken(error, "report this with the line"))?;
            match output {
                Output::Json => out.json(&verdict)?,
                Output::Table => out.line(&table::row(&verdict))?,
            }
        }
        Ok(out.finish()?)
    }
}
