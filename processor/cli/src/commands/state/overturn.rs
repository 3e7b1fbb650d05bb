//! `gavel state overturn`.

use clap::Args;
use gavel_runtime::orders::{Appealed, Orders, Overturned};

use super::with_reason;
use crate::commands::policy::Authorship;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

/// Overturn a verdict: undo what followed from it for its user
///
/// For appeals. Looks for the verdict, writes the order into the control topic and its marker into the partition of the message. From
/// there on the user stands as without that message: its strike points are taken out, those of the others are counted again by the
/// policy in force, and mutes and trust follow from that; nothing ever gets worse. A mute that other messages would have brought
/// alone stays. The producer's retry of the message is let through. The marker's own verdict, code `overturned`, says what changed. Works
/// while the user's context knows the message: the last 16 with consequences, the last 8 others. Run it again if it was interrupted.
#[derive(Args)]
pub struct Overturn {
    /// The message that the verdict is about, as `gavel verdicts` shows it
    #[arg(value_name = "PARTITION:OFFSET", value_parser = place)]
    message: (i32, i64),

    /// Say what would be overturned, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    authorship: Authorship,

    #[command(flatten)]
    brokers: Brokers,
}

impl Overturn {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let author = with_reason(self.authorship, self.dry_run, "a verdict is overturned")?;
        let mut orders = Orders::open(&config)?;
        let (partition, offset) = self.message;
        let appealed = orders.weigh_overturning(partition, offset)?;
        let overturned = if self.dry_run {
            None
        } else {
            Some(orders.overturn(&appealed, author)?)
        };
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "partition": partition,
                "offset": offset,
                "log_id": appealed.log_id,
                "community": appealed.community,
                "user": appealed.user,
                "message_id": appealed.message_id,
                "code": appealed.code,
                "action": appealed.action,
                "order": overturned.as_ref().map(|done| done.order).or(appealed.order),
                "resumed": appealed.order.is_some(),
                "marker": overturned.as_ref().and_then(|done| done.marker),
            }))?,
            Output::Table => out.line(&sentence(&appealed, overturned.as_ref()))?,
        }
        Ok(out.finish()?)
    }
}

fn sentence(appealed: &Appealed, overturned: Option<&Overturned>) -> String {
    let Appealed {
        partition,
        offset,
        community,
        user,
        code,
        action,
        ..
    } = appealed;
    let verdict = crate::table::printable(&format!(
        "the verdict about {partition}:{offset} ({action}, {code}) of {community}/{user}"
    ));
    match (overturned, appealed.order) {
        (None, None) => format!("{verdict} would be overturned"),
        (None, Some(order)) => {
            format!(
                "{verdict} is overturned by order {order} already; its marker would be sent again"
            )
        }
        (Some(done), _) => {
            let order = done.order;
            let again = if done.resumed { "again, " } else { "" };
            let marker = done.marker.map_or_else(
                || format!("marked {again}in partition {partition}"),
                |at| format!("marked {again}at {partition}:{at}"),
            );
            format!("{verdict} is overturned: order {order}, {marker}")
        }
    }
}

fn place(text: &str) -> Result<(i32, i64), String> {
    let number = |(partition, offset): (&str, &str)| {
        let (partition, offset): (i32, i64) = (partition.parse().ok()?, offset.parse().ok()?);
        (partition >= 0 && offset >= 0).then_some((partition, offset))
    };
    text.split_once(':')
        .and_then(number)
        .ok_or_else(|| "two numbers, such as 3:1841".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_partition_and_offset() {
        assert_eq!(place("3:1841"), Ok((3, 1841)));
        for wrong in ["", "3", "3:", ":1", "3:x", "-1:4", "3:-4", "3:4:5"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
