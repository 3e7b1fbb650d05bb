//! `gavel schemas`: what the ids of schema registries mean.

mod add;
mod list;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Globals;

/// Make the ids of a schema registry known, for producers that write them instead of a fingerprint
#[derive(Subcommand)]
pub enum Schemas {
    Add(add::Add),
    List(list::List),
}

impl Schemas {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            Schemas::Add(add) => add.run(globals),
            Schemas::List(list) => list.run(globals),
        }
    }
}
