//! `gavel policy check`.

use std::path::PathBuf;

use clap::Args;
use gavel_judge::{AgeBand, Document, Lint};

use super::{load, test, unusable};
use crate::failure::Failure;
use crate::options::{Globals, Output};
use crate::output::Out;
use crate::table::printable;

/// Compile a policy, say what in it does nothing, run its own tests; exit 1 if anything fails
///
/// Warnings name rules that never fire or never matter, levels that nothing reaches, words that hit innocent ones.
#[derive(Args)]
pub struct Check {
    /// The policy, a TOML file; its term lists are found beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Warnings are failures: exit 1
    #[arg(long)]
    deny_warnings: bool,

    /// Also print for each topic and audience the lowest risk at which each action starts
    #[arg(long)]
    table: bool,
}

impl Check {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let document = load(&self.file)?;
        let verdicts = gavel_judge::test_verdicts(&document).map_err(unusable)?;
        let failures: Vec<_> = verdicts.into_iter().filter(|one| !one.passed()).collect();
        let warnings = gavel_judge::lint(&document);
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "id": document.id(),
                "digest": document.digest().to_string(),
                "engine": document.engine(),
                "topics": document.topics(),
                "terms": document.terms(),
                "tests": document.tests(),
                "failed": failures.iter().map(test::described).collect::<Vec<_>>(),
                "warnings": warnings,
                "table": document.age_bands(),
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
                for warning in &warnings {
                    show_warning(&mut out, warning)?;
                }
                if self.table {
                    out.line("")?;
                    out.line(&age_table(&document))?;
                }
                for failure in &failures {
                    test::show(&mut out, failure)?;
                }
            }
        }
        out.finish()?;
        if !failures.is_empty() {
            return Err(Failure::difference(
                format!("{} of {} tests failed", failures.len(), document.tests()),
                "mend the policy or the tests' expectations",
            ));
        }
        if self.deny_warnings && !warnings.is_empty() {
            return Err(Failure::difference(
                format!("{} warnings, and --deny-warnings", warnings.len()),
                "mend what they name",
            ));
        }
        Ok(())
    }
}

fn show_warning(out: &mut Out, warning: &Lint) -> std::io::Result<()> {
    let rule = if warning.rule.is_empty() {
        String::new()
    } else {
        format!("{}: ", printable(&warning.rule))
    };
    out.line(&format!(
        "warning[{}] {rule}{}",
        warning.lint,
        printable(&warning.what)
    ))?;
    out.line(&format!("  {}", printable(&warning.mend)))
}

/// Topics downwards, audiences across.
fn age_table(document: &Document) -> String {
    let bands = document.age_bands();
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::ASCII_FULL_CONDENSED);
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    let mut header = vec!["TOPIC".to_owned()];
    let mut rows: Vec<Vec<String>> = Vec::new();
    for band in &bands {
        if rows
            .last()
            .is_none_or(|row| row[0] != printable(&band.topic))
        {
            rows.push(vec![printable(&band.topic)]);
        }
        if rows.len() == 1 {
            header.push(printable(&band.audience));
        }
        if let Some(row) = rows.last_mut() {
            row.push(cell(band));
        }
    }
    table.set_header(header);
    rows.into_iter().for_each(|row| {
        table.add_row(row);
    });
    let note = "The lowest risk at which each action starts; - never. Risks go from 1 to 7.";
    format!("{table}\n{note}")
}

fn cell(band: &AgeBand) -> String {
    let mut lines = Vec::new();
    for (action, level) in [
        ("flag", band.flag),
        ("mask", band.mask),
        ("block", band.block),
    ] {
        lines.extend(level.map(|level| format!("{action} {level}")));
    }
    if let (Some(level), Some(queue)) = (band.escalate, &band.queue) {
        lines.push(format!("escalate {level} to {}", printable(queue)));
    }
    if lines.is_empty() {
        "-".to_owned()
    } else {
        lines.join("\n")
    }
}
