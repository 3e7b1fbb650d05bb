//! `gavel policy rollback`.

use clap::Args;
use gavel_runtime::orders::{EVERYWHERE, Orders, RolledBack};

use super::{Authorship, place};
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

/// Put the policy in force again that was before the present one
///
/// It is a new activation: history is never rewritten, and messages that were judged stay judged. What "before" means is read from
/// the activations of the scope as from a stack: a policy that was not in it is put on top, and activating one that lies in it is a
/// way back to it, which takes away what lay above. After A, B, C a rollback goes to B and the next one to A, and a third is
/// refused; after A, B, rollback, D it goes to A again. It does not matter who went back, or with which command.
///
/// --to goes to any policy that was in force in this scope, also to one that was gone back from. Do not run a rollback again because
/// it was interrupted: it might go back one further. Look at `gavel policy history`, and let `gavel policy activate DIGEST` finish it.
#[derive(Args)]
pub struct Rollback {
    /// Only for this community; without it, for all that have none of their own
    #[arg(long)]
    community: Option<String>,

    /// Where to go: the number of an order, or a digest or its first eight digits or more
    #[arg(long, value_name = "DIGEST|ORDER")]
    to: Option<String>,

    #[command(flatten)]
    authorship: Authorship,

    #[command(flatten)]
    brokers: Brokers,
}

impl Rollback {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let mut orders = Orders::open(&config)?;
        let scope = self.community.unwrap_or_else(|| EVERYWHERE.to_owned());
        let author = self.authorship.author();
        let RolledBack { from, activated } = orders.rollback(&scope, self.to.as_deref(), author)?;
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "order": activated.order,
                "scope": scope,
                "from": {"order": from.0, "digest": from.1.to_string()},
                "to": activated.digest.to_string(),
                "partitions": activated.partitions,
            }))?,
            Output::Table => {
                out.line(&format!("from {} (order {})", from.1, from.0))?;
                out.line(&format!(
                    "to   {}: in force {} from here on, order {}, marked in {} partitions",
                    activated.digest,
                    place(&scope),
                    activated.order,
                    activated.partitions
                ))?;
            }
        }
        Ok(out.finish()?)
    }
}
