//! `gavel policy schema` and `gavel policy reference`.

use clap::Args;

use crate::failure::Failure;
use crate::options::{Globals, Output};
use crate::output::Out;

/// Print the JSON Schema of a policy file, for editors
///
/// With taplo or the Even Better TOML extension: save it as gavel.schema.json and begin the policy with
/// `#:schema ./gavel.schema.json`.
#[derive(Args)]
pub struct Schema {}

impl Schema {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let schema = gavel_judge::policy_schema();
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&schema)?,
            Output::Table => out.line(&format!("{schema:#}"))?,
        }
        Ok(out.finish()?)
    }
}

/// Print every key of a policy file with its meaning, as Markdown
#[derive(Args)]
pub struct Reference {}

impl Reference {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let page = gavel_judge::policy_reference();
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({ "markdown": page }))?,
            Output::Table => out.line(page.trim_end())?,
        }
        Ok(out.finish()?)
    }
}
