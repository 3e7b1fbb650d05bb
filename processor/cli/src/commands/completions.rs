//! `gavel completions`: a script for the shell.

use std::io::Write;

use clap::Args;

use crate::failure::Failure;
use crate::help;

/// Print a completion script for a shell
#[derive(Args)]
pub struct Completions {
    /// The shell; for bash: `gavel completions bash > ~/.local/share/bash-completion/completions/gavel`
    shell: clap_complete::Shell,
}

impl Completions {
    pub fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut help::command(), "gavel", &mut script);
        std::io::stdout().write_all(&script)?;
        Ok(())
    }
}
