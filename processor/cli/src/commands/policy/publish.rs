//! `gavel policy publish`.

use std::path::PathBuf;

use clap::Args;
use gavel_runtime::orders::Orders;

use super::load;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

/// Write a policy into the control topic, from where it can be activated; run again, it writes nothing
#[derive(Args)]
pub struct Publish {
    /// The policy, a TOML file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    brokers: Brokers,
}

impl Publish {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let document = load(&self.file)?;
        let published = Orders::open(&config)?.publish(&document)?;
        let digest = published.digest.to_string();
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "digest": digest,
                "bytes": published.bytes,
                "chunks_written": published.written,
            }))?,
            Output::Table if published.written == 0 => {
                out.line(&format!("{digest} was published before"))?
            }
            Output::Table => out.line(&format!(
                "{digest} published in {} chunks",
                published.written
            ))?,
        }
        Ok(out.finish()?)
    }
}
