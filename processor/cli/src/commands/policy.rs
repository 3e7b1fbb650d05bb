//! `gavel policy`: check, publish, activate.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gavel_judge::{Digest, Document, Policy as CompiledPolicy, PolicyError, TestFailure};
use gavel_runtime::orders::{Activation, Author, EVERYWHERE, Orders};

use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;
use crate::table::printable;

/// Check a policy, publish it, put it in force
#[derive(Subcommand)]
pub enum Policy {
    Check(Check),
    Publish(Publish),
    Activate(Activate),
}

/// Compile a policy and run its own tests; exit 1 if anything fails
#[derive(Args)]
pub struct Check {
    /// The policy, a TOML file; its term lists are found beside it
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Write a policy into the control topic, from where it can be activated; run again, it writes nothing
#[derive(Args)]
pub struct Publish {
    /// The policy, a TOML file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    brokers: Brokers,
}

/// Put a policy in force from here on
///
/// Writes the order into the control topic, then a marker into every message partition, where it takes its place among the
/// messages. If it was interrupted, run it again: when the policy is already the newest one of its scope, only the markers are
/// sent again, and those that had arrived are ignored. A file is published first if need be.
#[derive(Args)]
pub struct Activate {
    /// The digest of a published policy, or a TOML file
    #[arg(value_name = "DIGEST|FILE")]
    policy: String,

    /// Only for this community; without it, for all that have none of their own
    #[arg(long)]
    community: Option<String>,

    /// Who orders it, for the record [default: $USER]
    #[arg(
        long,
        env = "USER",
        hide_env = true,
        default_value = "",
        hide_default_value = true
    )]
    by: String,

    /// Why, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,

    #[command(flatten)]
    brokers: Brokers,
}

impl Policy {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            Policy::Check(check) => check.run(globals),
            Policy::Publish(publish) => publish.run(globals),
            Policy::Activate(activate) => activate.run(globals),
        }
    }
}

/// Reads a policy file and the term lists that it names, which are found beside it.
pub fn load(file: &Path) -> Result<Document, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(
            format!("{}: cannot be read: {error}", file.display()),
            "check the path of the policy",
        )
    })?;
    let directory = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut lists = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: cannot be read: {error}", path.display()))
    };
    Document::parse(&file.to_string_lossy(), &text, &mut lists).map_err(unusable)
}

/// Compiles a policy.
pub fn compile(document: &Document) -> Result<CompiledPolicy, Failure> {
    CompiledPolicy::compile(document).map_err(unusable)
}

fn unusable(error: PolicyError) -> Failure {
    Failure::difference(
        error,
        "mend the policy where it is named, then check it again",
    )
}

impl Check {
    fn run(self, globals: &Globals) -> Result<(), Failure> {
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

impl Publish {
    fn run(self, globals: &Globals) -> Result<(), Failure> {
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

impl Activate {
    fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let mut orders = Orders::open(&config)?;
        let digest = match self.policy.parse::<Digest>() {
            Ok(digest) => digest,
            Err(_) => orders.publish(&load(Path::new(&self.policy))?)?.digest,
        };
        let scope = self.community.unwrap_or_else(|| EVERYWHERE.to_owned());
        let activation = Activation {
            digest,
            scope: scope.clone(),
            author: Author {
                by: self.by,
                reason: self.reason,
            },
            marker_time: None,
        };
        let activated = orders.activate(&activation)?;
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "order": activated.order,
                "scope": scope,
                "digest": digest.to_string(),
                "resumed": activated.resumed,
                "partitions": activated.partitions,
            }))?,
            Output::Table => {
                let (order, partitions) = (activated.order, activated.partitions);
                let place = if scope == EVERYWHERE {
                    "everywhere".to_owned()
                } else {
                    format!("in community {scope}")
                };
                out.line(&if activated.resumed {
                    format!("{digest} is the newest policy {place} already (order {order}); its markers were sent again to {partitions} partitions")
                } else {
                    format!("{digest} is in force {place} from here on: order {order}, marked in {partitions} partitions")
                })?;
            }
        }
        Ok(out.finish()?)
    }
}
