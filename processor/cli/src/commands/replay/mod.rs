//! `gavel replay`: the past, asked again.

mod options;
mod progress;
mod verify;
mod verify_page;
pub mod what_if;
mod what_if_page;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Globals;

/// Ask the past: derive verdicts from the log again
#[derive(Subcommand)]
pub enum Replay {
    Verify(verify::Verify),
    Merge(verify::Merge),
    WhatIf(what_if::WhatIf),
}

impl Replay {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            Replay::Verify(verify) => verify.run(globals),
            Replay::Merge(merge) => merge.run(globals),
            Replay::WhatIf(what_if) => what_if.run(globals),
        }
    }
}
