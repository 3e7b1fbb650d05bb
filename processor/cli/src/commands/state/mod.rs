//! `gavel state`: what is stored, and orders about it.

mod accept_history;
mod inspect;

use clap::Subcommand;

use crate::failure::Failure;
use crate::options::Globals;

/// Look at what is stored for partitions and users; accept that a partition's history is lost
#[derive(Subcommand)]
pub enum State {
    Inspect(inspect::Inspect),
    AcceptHistory(accept_history::AcceptHistory),
}

impl State {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            State::Inspect(inspect) => inspect.run(globals),
            State::AcceptHistory(accept) => accept.run(globals),
        }
    }
}
