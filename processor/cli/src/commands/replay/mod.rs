//! `gavel replay`: the past, asked again.

mod explain;
mod options;
mod past;
mod progress;
mod sentence;
mod statement;
mod statement_counts;
mod statement_row;
mod steps;
mod timeline;
mod verify;
mod verify_page;
pub mod what_if;
mod what_if_page;
mod words;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Globals;

/// Ask the past: derive verdicts from the log again
#[derive(Subcommand)]
pub enum Replay {
    Verify(verify::Verify),
    Merge(verify::Merge),
    Explain(explain::Explain),
    Timeline(timeline::Timeline),
    WhatIf(what_if::WhatIf),
    Statement(statement::Statement),
}

impl Replay {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            Replay::Verify(verify) => verify.run(globals),
            Replay::Merge(merge) => merge.run(globals),
            Replay::Explain(explain) => explain.run(globals),
            Replay::Timeline(timeline) => timeline.run(globals),
            Replay::WhatIf(what_if) => what_if.run(globals),
            Replay::Statement(statement) => statement.run(globals),
        }
    }
}
