//! `gavel state`: what is stored, and orders about it.

mod accept_history;
mod erase;
mod erase_proof;
mod inspect;
mod overturn;

use clap::Subcommand;
use gavel_runtime::orders::Author;

use crate::commands::policy::Authorship;
use crate::failure::Failure;
use crate::options::Globals;

/// Look at what is stored; overturn verdicts, erase users, accept that history is lost
#[derive(Subcommand)]
pub enum State {
    Inspect(inspect::Inspect),
    Overturn(overturn::Overturn),
    Erase(erase::Erase),
    EraseProof(erase_proof::EraseProof),
    AcceptHistory(accept_history::AcceptHistory),
}

impl State {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            State::Inspect(inspect) => inspect.run(globals),
            State::Overturn(overturn) => overturn.run(globals),
            State::Erase(erase) => erase.run(globals),
            State::EraseProof(proof) => proof.run(globals),
            State::AcceptHistory(accept) => accept.run(globals),
        }
    }
}

/// The author of an order that stands for good with its reason. `deed`: what is done, as the beginning of a sentence.
fn with_reason(authorship: Authorship, dry_run: bool, deed: &str) -> Result<Author, Failure> {
    let author = authorship.author();
    if author.reason.trim().is_empty() && !dry_run {
        return Err(Failure::usage(
            format!("{deed} with a reason"),
            "add --reason TEXT; --dry-run shows what would be done",
        ));
    }
    Ok(author)
}
