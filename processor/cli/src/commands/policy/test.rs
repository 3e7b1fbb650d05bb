//! `gavel policy test`.

use std::io;
use std::path::PathBuf;

use clap::Args;
use gavel_judge::TestVerdict;

use super::{load, unusable};
use crate::failure::Failure;
use crate::options::{Globals, Output};
use crate::output::Out;
use crate::table::{self, printable};

/// Run a policy's own tests and nothing else; exit 1 if one fails
///
/// Of a failed test it says what differs and what spoke: rules, with the disguises that were undone, and effects.
#[derive(Args)]
pub struct Test {
    /// The policy, a TOML file; its term lists are found beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Only tests with this in their texts, their names or the rules that spoke
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    /// Also print the tests that pass
    #[arg(long, short)]
    verbose: bool,
}

impl Test {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let document = load(&self.file)?;
        let mut verdicts = gavel_judge::test_verdicts(&document).map_err(unusable)?;
        if let Some(filter) = &self.filter {
            verdicts.retain(|one| one.speaks_of(filter));
            if verdicts.is_empty() {
                return Err(Failure::usage(
                    format!("none of {} tests holds `{filter}`", document.tests()),
                    "give --filter a part of a test's text, or of the id of a rule that speaks in it",
                ));
            }
        }
        let failed = verdicts.iter().filter(|one| !one.passed()).count();
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "id": document.id(),
                "digest": document.digest().to_string(),
                "run": verdicts.len(),
                "failed": failed,
                "tests": verdicts
                    .iter()
                    .filter(|one| self.verbose || !one.passed())
                    .map(described)
                    .collect::<Vec<_>>(),
            }))?,
            Output::Table => {
                for one in verdicts.iter().filter(|one| self.verbose || !one.passed()) {
                    show(&mut out, one)?;
                }
                out.line(&format!("{} tests, {failed} failed", verdicts.len()))?;
            }
        }
        out.finish()?;
        if failed == 0 {
            return Ok(());
        }
        Err(Failure::difference(
            format!("{failed} of {} tests failed", verdicts.len()),
            "mend the policy or the tests' expectations",
        ))
    }
}

/// A test's outcome as JSON.
pub fn described(one: &TestVerdict) -> serde_json::Value {
    serde_json::json!({
        "test": one.test,
        "text": one.text,
        "passed": one.passed(),
        "differences": one.differences,
        "action": one.verdict.as_ref().map(|verdict| &verdict.action),
        "why": one.verdict.as_ref().map(table::why),
    })
}

/// A test's outcome for people.
pub fn show(out: &mut Out, one: &TestVerdict) -> io::Result<()> {
    let how = if one.passed() { "passed" } else { "failed" };
    out.line(&format!(
        "{how}: {} ({})",
        printable(&one.test),
        printable(&one.text)
    ))?;
    if one.passed() {
        return Ok(());
    }
    for difference in &one.differences {
        out.line(&format!("  {}", printable(difference)))?;
    }
    if let Some(verdict) = &one.verdict {
        let labels: Vec<String> = verdict
            .labels
            .iter()
            .map(|label| format!("{}:{}", label.topic, label.risk))
            .collect();
        let why = table::why(verdict);
        let spoke = if why.is_empty() {
            "no rule".to_owned()
        } else {
            printable(&why)
        };
        out.line(
            format!(
                "  spoke: {spoke}; {} {}",
                verdict.action,
                printable(&labels.join(" "))
            )
            .trim_end(),
        )?;
    }
    Ok(())
}
