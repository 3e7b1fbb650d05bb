//! `gavel policy activate`: into force, into the shadow, and out of it.

use std::path::Path;

use clap::Args;
use gavel_judge::Digest;
use gavel_runtime::orders::{Activated, Activation, EVERYWHERE, Orders};

use super::{Authorship, load, place};
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

/// Put a policy in force from here on, or try it in shadow
///
/// Writes the order into the control topic, then a marker into every message partition, where it takes its place among the
/// messages. If it was interrupted, run it again: when the policy is already the newest one of its scope, only the markers are
/// sent again, and those that had arrived are ignored. A file is published first if need be.
///
/// With --shadow the policy becomes a candidate: it judges every message beside the policy in force, with counters and strikes of
/// its own that begin empty, and what it would have said goes to the shadow topic. Verdicts stay exactly as they are.
/// `gavel policy shadow-report` compares the two; --end-shadow stops it. A community with a candidate
/// of its own is not judged by that of all.
#[derive(Args)]
pub struct Activate {
    /// The digest of a published policy, or a TOML file
    #[arg(
        value_name = "DIGEST|FILE",
        required_unless_present = "end_shadow",
        conflicts_with = "end_shadow"
    )]
    policy: Option<String>,

    /// As a candidate that judges beside the policy in force
    #[arg(long, conflicts_with = "end_shadow")]
    shadow: bool,

    /// End the shadow of this scope
    #[arg(long)]
    end_shadow: bool,

    /// Only for this community; without it, for all that have none of their own
    #[arg(long)]
    community: Option<String>,

    #[command(flatten)]
    authorship: Authorship,

    #[command(flatten)]
    brokers: Brokers,
}

impl Activate {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let mut orders = Orders::open(&config)?;
        let scope = self.community.unwrap_or_else(|| EVERYWHERE.to_owned());
        let author = self.authorship.author();
        let Some(policy) = self.policy else {
            let ended = orders.end_shadow(&scope, author)?;
            let said = said_of_end(&scope, &ended);
            return show(globals, &scope, true, &ended, &said);
        };
        let digest = match policy.parse::<Digest>() {
            Ok(digest) => digest,
            Err(_) => orders.publish(&load(Path::new(&policy))?)?.digest,
        };
        let activated = orders.activate(&Activation {
            digest,
            scope: scope.clone(),
            shadow: self.shadow,
            author,
            marker_time: None,
        })?;
        let said = said_of_activation(&scope, self.shadow, &activated);
        show(globals, &scope, self.shadow, &activated, &said)
    }
}

fn said_of_activation(scope: &str, shadow: bool, activated: &Activated) -> String {
    let (digest, order, partitions) = (activated.digest, activated.order, activated.partitions);
    let place = place(scope);
    match (shadow, activated.resumed) {
        (false, true) => format!(
            "{digest} is the newest policy {place} already (order {order}); its markers were sent again to {partitions} partitions"
        ),
        (false, false) => format!(
            "{digest} is in force {place} from here on: order {order}, marked in {partitions} partitions"
        ),
        (true, true) => format!(
            "{digest} is the candidate {place} already (order {order}); its markers were sent again to {partitions} partitions"
        ),
        (true, false) => format!(
            "{digest} judges in shadow {place} from here on: order {order}, marked in {partitions} partitions"
        ),
    }
}

fn said_of_end(scope: &str, ended: &Activated) -> String {
    let (order, partitions, place) = (ended.order, ended.partitions, place(scope));
    if ended.resumed {
        format!(
            "nothing judges in shadow {place} since order {order}; its markers were sent again to {partitions} partitions"
        )
    } else {
        format!(
            "nothing judges in shadow {place} from here on: order {order}, marked in {partitions} partitions"
        )
    }
}

fn show(
    globals: &Globals,
    scope: &str,
    shadow: bool,
    activated: &Activated,
    said: &str,
) -> Result<(), Failure> {
    let mut out = Out::new();
    match globals.output_or(Output::Table) {
        Output::Json => out.json(&serde_json::json!({
            "order": activated.order,
            "scope": scope,
            "shadow": shadow,
            "digest": activated.digest.to_string(),
            "resumed": activated.resumed,
            "partitions": activated.partitions,
        }))?,
        Output::Table => out.line(said)?,
    }
    Ok(out.finish()?)
}
