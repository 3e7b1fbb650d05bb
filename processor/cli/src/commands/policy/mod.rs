//! `gavel policy`: the author's loop, one module per command.

mod activate;
mod check;
mod diff;
mod eval;
mod history;
mod import;
mod publish;
mod reference;
mod rollback;
mod shadow_report;
mod test;

use std::path::Path;

use clap::{Args, Subcommand};
use gavel_judge::{Document, Policy as CompiledPolicy, PolicyError};
use gavel_runtime::orders::{Author, EVERYWHERE};

use crate::failure::Failure;
use crate::options::Globals;

/// Write a policy (import, check, test, diff, eval), try it in shadow, put it in force, go back
#[derive(Subcommand)]
pub enum Policy {
    Import(import::Import),
    Check(check::Check),
    Test(test::Test),
    Diff(diff::Diff),
    Eval(Box<eval::Eval>),
    Publish(publish::Publish),
    Activate(activate::Activate),
    Schema(reference::Schema),
    Reference(reference::Reference),
    Rollback(rollback::Rollback),
    History(history::History),
    ShadowReport(shadow_report::ShadowReport),
}

impl Policy {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        match self {
            Policy::Import(import) => import.run(globals),
            Policy::Check(check) => check.run(globals),
            Policy::Test(test) => test.run(globals),
            Policy::Diff(diff) => diff.run(globals),
            Policy::Eval(eval) => eval.run(globals),
            Policy::Publish(publish) => publish.run(globals),
            Policy::Activate(activate) => activate.run(globals),
            Policy::Schema(schema) => schema.run(globals),
            Policy::Reference(reference) => reference.run(globals),
            Policy::Rollback(rollback) => rollback.run(globals),
            Policy::History(history) => history.run(globals),
            Policy::ShadowReport(report) => report.run(globals),
        }
    }
}

/// Who orders it and why; both stand in the order for good.
#[derive(Args)]
pub struct Authorship {
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
}

impl Authorship {
    pub fn author(self) -> Author {
        let Authorship { by, reason } = self;
        Author { by, reason }
    }
}

/// `everywhere`, or `in community C`.
fn place(scope: &str) -> String {
    if scope == EVERYWHERE {
        "everywhere".to_owned()
    } else {
        format!("in community {scope}")
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

pub(crate) fn unusable(error: PolicyError) -> Failure {
    Failure::difference(
        error,
        "mend the policy where it is named, then check it again",
    )
}
