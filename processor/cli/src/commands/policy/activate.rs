//! `gavel policy activate`.

use std::path::Path;

use clap::Args;
use gavel_judge::Digest;
use gavel_runtime::orders::{Activation, Author, EVERYWHERE, Orders};

use super::load;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

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

impl Activate {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
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
