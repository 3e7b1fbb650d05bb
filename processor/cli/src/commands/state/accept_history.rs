//! `gavel state accept-history`.

use clap::Args;
use gavel_runtime::orders::{Acceptance, Author, Orders};

use super::with_reason;
use crate::commands::policy::Authorship;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;

/// Accept that the history of partitions is lost, and let them begin anew
///
/// The last way out of a partition that has halted with `lost-history`, `topic-recreated`, `log-truncated` or `verdicts-trimmed`,
/// after everything in docs/runbooks.md has failed. It cannot be taken back. Each partition gets a new log id; its users start
/// without strikes, mutes and trust; every verdict from there on says context_complete = false; policies stay in force as
/// chat.control has them. The order stands in chat.control for good, with name and reason. Restart the processors afterwards:
/// they set the old state aside.
#[derive(Args)]
pub struct AcceptHistory {
    /// The partition; may be given several times
    #[arg(long, value_name = "P", required = true, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,

    /// First record to be judged anew [default: the one after the newest that has a verdict, if the topic still has it]
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    from: Option<i64>,

    /// Say what would be accepted, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    authorship: Authorship,

    #[command(flatten)]
    brokers: Brokers,
}

impl AcceptHistory {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let author = with_reason(self.authorship, self.dry_run, "a loss is accepted")?;
        let mut orders = Orders::open(&config)?;
        // All of them are looked at before the first is accepted.
        let weighed: Result<Vec<Acceptance>, _> = self
            .partition
            .iter()
            .map(|partition| orders.weigh_acceptance(*partition, self.from))
            .collect();
        let mut out = Out::new();
        for acceptance in weighed? {
            let accepted = if self.dry_run {
                None
            } else {
                let author = Author {
                    by: author.by.clone(),
                    reason: author.reason.clone(),
                };
                Some(orders.accept_history(&acceptance, author)?)
            };
            match globals.output_or(Output::Table) {
                Output::Json => out.json(&serde_json::json!({
                    "partition": acceptance.partition,
                    "former_log_id": acceptance.former,
                    "start": acceptance.start,
                    "newest_with_verdict": acceptance.judged,
                    "log_start": acceptance.log_start,
                    "log_end": acceptance.log_end,
                    "order": accepted.as_ref().map(|accepted| accepted.order),
                    "log_id": accepted.as_ref().map(|accepted| accepted.log_id.as_str()),
                }))?,
                Output::Table => out.line(&sentence(&acceptance, accepted.is_some()))?,
            }
        }
        Ok(out.finish()?)
    }
}

fn sentence(acceptance: &Acceptance, done: bool) -> String {
    let Acceptance {
        partition,
        start,
        log_end,
        ..
    } = acceptance;
    let newest = acceptance.judged.map_or_else(
        || "no verdict of its log is left".to_owned(),
        |at| format!("offset {at} has the newest verdict"),
    );
    let waiting = log_end - start;
    let does = if done { "begins" } else { "would begin" };
    format!(
        "partition {partition}: {newest}; it {does} anew at offset {start}, with {waiting} records waiting and no context"
    )
}
