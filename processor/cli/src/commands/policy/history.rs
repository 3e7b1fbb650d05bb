//! `gavel policy history`.

use clap::Args;
use gavel_judge::ControlLog;
use gavel_runtime::control;
use gavel_runtime::orders::history::{Activated, Standing, activations};

use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;
use crate::table::{printable, time};

/// Digits of a digest in the table; `rollback --to` takes as few.
const SHORT: usize = 12;

/// List what was activated, newest first
///
/// NOW says what stands: `in force`, `in shadow` (a candidate judges beside it), `no shadow` (this order ended one, or its candidate
/// is in force), and nothing for what a later order replaced. An order stands from its marker on, in each partition at its own place.
#[derive(Args)]
pub struct History {
    /// Only orders for this community
    #[arg(long)]
    community: Option<String>,

    /// Stop after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    #[command(flatten)]
    brokers: Brokers,
}

impl History {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let control = control::read_whole(&config)?;
        let wanted = |activation: &Activated<'_>| {
            let scope = self.community.as_deref();
            scope.is_none_or(|scope| activation.recorded.scope == scope)
        };
        let limit = self.limit.map_or(usize::MAX, |limit| limit as usize);
        let all = activations(&control);
        let shown = all
            .iter()
            .filter(|activation| wanted(activation))
            .take(limit);
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Table => {
                let mut table = comfy_table::Table::new();
                table.load_preset(comfy_table::presets::NOTHING);
                table.set_header([
                    "ORDER", "TIME", "SCOPE", "INTO", "NOW", "DIGEST", "POLICY", "BY", "REASON",
                ]);
                for activation in shown {
                    table.add_row(row(&control, activation));
                }
                out.line(&table.trim_fmt())?;
            }
            Output::Json => {
                for activation in shown {
                    out.json(&json(&control, activation))?;
                }
            }
        }
        Ok(out.finish()?)
    }
}

fn row(control: &ControlLog, activation: &Activated<'_>) -> [String; 9] {
    let recorded = activation.recorded;
    let into = if recorded.shadow { "shadow" } else { "force" };
    let now = match activation.standing {
        Standing::InForce => "in force",
        Standing::InShadow => "in shadow",
        Standing::NoShadow => "no shadow",
        Standing::Past => "",
    };
    let mut digest = activation.digest.to_string();
    digest.truncate(SHORT);
    [
        activation.order.to_string(),
        time(recorded.issued_at),
        printable(&recorded.scope),
        into.to_owned(),
        now.to_owned(),
        digest,
        printable(&policy_id(control, activation).unwrap_or_default()),
        printable(&recorded.by),
        printable(&recorded.reason),
    ]
}

fn json(control: &ControlLog, activation: &Activated<'_>) -> serde_json::Value {
    let recorded = activation.recorded;
    serde_json::json!({
        "order": activation.order,
        "issued_at": recorded.issued_at,
        "scope": recorded.scope,
        "shadow": recorded.shadow,
        "now": activation.standing.as_str(),
        "digest": activation.digest.to_string(),
        "policy": policy_id(control, activation),
        "by": recorded.by,
        "reason": recorded.reason,
    })
}

fn policy_id(control: &ControlLog, activation: &Activated<'_>) -> Option<String> {
    let document = control.document(&activation.digest)?;
    Some(document.id().to_owned())
}
