//! `gavel policy check`.

use std::path::PathBuf;

use clap::Args;
use gavel_judge::TestFailure;

use super::{load, unusable};
use crate::failure::Failure;
use crate::options::{Globals, Output};
use crate::output::Out;
use crate::table::printable;

/// Compile a policy and run its own tests; exit 1 if anything fails
#[derive(Args)]
pub struct Check {
    /// The policy, a TOML file; its term lists are found beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Check {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let document = load(&self.file)?;
        let failures = gavel_judge::run_tests(&document).map_err(unusable)?;
        let warnings: &[&str] = if document.tests() == 0 {
            &["no [[test]]: nothing shows that the policy does what its author means"]
        } else {
            &[]
        };
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "id": document.id(),
                "digest": document.digest().to_string(),
                "engine": document.engine(),
                "topics": document.topics(),
                "terms": document.terms(),
                "tests": document.tests(),
                "failed": failures.iter().map(described).collect::<Vec<_>>(),
                "warnings": warnings,
            }))?,
            Output::Table => {
                out.line(&format!("{}  {}", document.digest(), document.id()))?;
                out.line(&format!(
                    "engine {}, {} topics, {} terms, {} tests of which {} failed",
                    document.engine(),
                    document.topics().len(),
                    document.terms(),
                    document.tests(),
                    failures.len()
                ))?;
                for warning in warnings {
                    out.line(&format!("warning: {warning}"))?;
                }
                for failure in &failures {
                    out.line(&format!(
                        "failed: {} ({})",
                        printable(&failure.test),
                        printable(&failure.text)
                    ))?;
                    for difference in &failure.differences {
                        out.line(&format!("  {}", printable(difference)))?;
                    }
                }
            }
        }
        out.finish()?;
        if failures.is_empty() {
            return Ok(());
        }
        Err(Failure::difference(
            format!("{} of {} tests failed", failures.len(), document.tests()),
            "mend the policy or the tests' expectations",
        ))
    }
}

fn described(failure: &TestFailure) -> serde_json::Value {
    serde_json::json!({"test": failure.test, "text": failure.text, "differences": failure.differences})
}
