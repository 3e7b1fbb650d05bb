//! `gavel state erase`.

use clap::Args;
use gavel_runtime::orders::Orders;

use super::with_reason;
use crate::commands::policy::Authorship;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

/// Have a user forgotten: strikes, mutes, trust, counters and short texts
///
/// Writes the order into the control topic and a marker into every message partition. Behind it nothing is remembered of what the user did
/// before, by the policy in force and by every candidate that ever judged in shadow. The user's records in the topics themselves go with
/// their retention, stores before their next checkpoint, and checkpoints made before the marker within checkpoints.erase_within_ms. `gavel
/// state erase-proof` shows what is left. Run it again if it was interrupted; that also forgets what was said since.
#[derive(Args)]
pub struct Erase {
    /// The user's community
    #[arg(long)]
    community: String,

    /// The user
    #[arg(long)]
    user: String,

    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    authorship: Authorship,

    #[command(flatten)]
    brokers: Brokers,
}

impl Erase {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let author = with_reason(self.authorship, self.dry_run, "a user is erased")?;
        let mut orders = Orders::open(&config)?;
        let (community, user) = (self.community.as_str(), self.user.as_str());
        let erasure = orders.weigh_erasure(community, user)?;
        let erased = if self.dry_run {
            None
        } else {
            Some(orders.erase(community, user, author)?)
        };
        let order = erased.map(|done| done.order).or(erasure.order);
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "community": community,
                "user": user,
                "order": order,
                "resumed": erasure.order.is_some(),
                "partitions": erasure.partitions,
                "marked": erased.is_some(),
            }))?,
            Output::Table => {
                let who = crate::table::printable(&format!("{community}/{user}"));
                let partitions = erasure.partitions;
                out.line(&match (erased, erasure.order) {
                    (None, None) => {
                        format!("{who} would be forgotten in {partitions} partitions")
                    }
                    (None, Some(order)) => format!(
                        "{who} is forgotten by order {order} already; its markers would be sent again to {partitions} partitions"
                    ),
                    (Some(done), _) if done.resumed => format!(
                        "{who} is forgotten by order {}, whose markers were sent again to {partitions} partitions",
                        done.order
                    ),
                    (Some(done), _) => format!(
                        "{who} is forgotten from here on: order {}, marked in {partitions} partitions",
                        done.order
                    ),
                })?;
            }
        }
        Ok(out.finish()?)
    }
}
