//! `gavel policy diff`.

use std::path::Path;

use clap::Args;
use gavel_judge::{Change, ChangeKind, ControlLog, Detail, Digest, Document};
use gavel_runtime::control::read_whole;
use gavel_runtime::orders::{EVERYWHERE, history};

use super::load;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;
use crate::table::printable;

/// The name of the policy that is in force.
const CURRENT: &str = "current";

/// Say what changes when one policy takes the place of another; exit 0 if both mean the same, 1 if not
///
/// Compares what policies mean and not how they are written: rules by their ids, allows by their patterns, thresholds by
/// audience and topic. Brokers are asked only for digests and for `current`.
#[derive(Args)]
pub struct Diff {
    /// A TOML file, the digest of a published policy, or `current`: the one in force
    #[arg(value_name = "OLD")]
    old: String,

    /// Likewise
    #[arg(value_name = "NEW")]
    new: String,

    /// `current` is that of this community, or of all if it has none of its own
    #[arg(long)]
    community: Option<String>,

    #[command(flatten)]
    brokers: Brokers,
}

impl Diff {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let mut control = None;
        let old = self.document(&self.old, globals, &mut control)?;
        let new = self.document(&self.new, globals, &mut control)?;
        let diff = old.diff(&new);
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&diff)?,
            Output::Table if diff.is_empty() => {
                out.line(&format!("both mean the same: {}", diff.to))?
            }
            Output::Table => {
                out.line(&format!("old  {}  {}", diff.from, printable(old.id())))?;
                out.line(&format!("new  {}  {}", diff.to, printable(new.id())))?;
                let mut group = "";
                for change in &diff.changes {
                    if change.group != group {
                        group = change.group;
                        let of_group = diff.changes.iter().filter(|one| one.group == group);
                        out.line(&format!("\n{}", heading(group, of_group)))?;
                    }
                    show(&mut out, change)?;
                }
            }
        }
        out.finish()?;
        if diff.is_empty() {
            return Ok(());
        }
        Err(Failure::difference(
            format!("{} things differ", diff.changes.len()),
            "",
        ))
    }

    /// A file if there is one of this name: a digest is no name for a file.
    fn document(
        &self,
        name: &str,
        globals: &Globals,
        control: &mut Option<ControlLog>,
    ) -> Result<Document, Failure> {
        let path = Path::new(name);
        let digest = name.parse::<Digest>();
        if path.exists() || (digest.is_err() && name != CURRENT) {
            return load(path);
        }
        if control.is_none() {
            let config = globals.config(&self.brokers, Vec::new())?;
            *control = Some(read_whole(&config)?);
        }
        let found = control.as_ref().and_then(|control| {
            let digest = match digest {
                Ok(digest) => Some(digest),
                Err(_) => self.current(control),
            };
            control.document(&digest?)
        });
        found.ok_or_else(|| {
            if name == CURRENT {
                Failure::usage(
                    "no policy is in force there, or it is not complete in the control topic",
                    "run `gavel policy activate FILE` first, or compare files",
                )
            } else {
                Failure::usage(
                    format!("no complete policy {name} in the control topic"),
                    "check the digest and the brokers; `gavel policy publish FILE` writes a policy there",
                )
            }
        })
    }

    fn current(&self, control: &ControlLog) -> Option<Digest> {
        let scope = self.community.as_deref().unwrap_or(EVERYWHERE);
        history::in_force(control, scope)
    }
}

/// `TERM  2 added, 1 changed`.
fn heading<'a>(group: &str, changes: impl Iterator<Item = &'a Change>) -> String {
    let (mut added, mut removed, mut changed) = (0, 0, 0);
    for change in changes {
        match change.kind {
            ChangeKind::Added => added += 1,
            ChangeKind::Removed => removed += 1,
            ChangeKind::Changed => changed += 1,
        }
    }
    let counts: Vec<String> = [(added, "added"), (removed, "removed"), (changed, "changed")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{}  {}", group.to_uppercase(), counts.join(", "))
}

/// One line for what has one thing to say, else a line for each.
fn show(out: &mut Out, change: &Change) -> std::io::Result<()> {
    let sign = match change.kind {
        ChangeKind::Added => '+',
        ChangeKind::Removed => '-',
        ChangeKind::Changed => '~',
    };
    let name = if change.name.is_empty() {
        change.group.to_owned()
    } else {
        format!("{} {}", change.group, printable(&change.name))
    };
    match change.details.as_slice() {
        [] => out.line(&format!("{sign} {name}")),
        [detail] => out.line(&format!("{sign} {name}: {}", said(detail))),
        details => {
            out.line(&format!("{sign} {name}:"))?;
            details
                .iter()
                .try_for_each(|detail| out.line(&format!("    {}", said(detail))))
        }
    }
}

fn said(detail: &Detail) -> String {
    printable(&detail.to_string())
}
