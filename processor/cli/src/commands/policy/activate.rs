//! `gavel policy activate`: into force, into the shadow, and out of it.

use std::path::{Path, PathBuf};

use clap::Args;
use gavel_judge::Digest;
use gavel_runtime::orders::{Activated, Activation, EVERYWHERE, Orders, history};

use super::{Authorship, load, place};
use crate::commands::replay::what_if::Report;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;
use crate::table::time;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

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

    /// Only if this report of `gavel replay what-if --max-new-blocks … --report FILE` is about this policy, kept its budget and still holds
    #[arg(long, value_name = "REPORT", conflicts_with_all = ["shadow", "end_shadow"])]
    after_what_if: Option<PathBuf>,

    /// Days after which such a report no longer counts
    #[arg(long, value_name = "DAYS", default_value = "7", requires = "after_what_if", value_parser = clap::value_parser!(i64).range(1..))]
    max_age: i64,

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
        if let Some(path) = &self.after_what_if {
            let in_force = history::in_force(orders.control(), &scope);
            let wrong = Report::read(path).and_then(|report| {
                holds(&report, &digest, &scope, in_force.as_ref(), self.max_age)
            });
            wrong.map_err(|wrong| {
                Failure::difference(
                    format!("{}: {wrong}; nothing was activated", path.display()),
                    format!("`gavel replay what-if --policy {digest} --max-new-blocks 0.1% --report FILE`, over all partitions"),
                )
            })?;
        }
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

/// Err: why the report does not speak for this activation.
fn holds(
    report: &Report,
    digest: &Digest,
    scope: &str,
    in_force: Option<&Digest>,
    max_age_days: i64,
) -> Result<(), String> {
    let age = jiff::Timestamp::now().as_millisecond() - report.at;
    let about = report.community.as_deref().unwrap_or(EVERYWHERE);
    if report.candidate != digest.to_string() {
        return Err(format!("it is about the policy {}", report.candidate));
    }
    if about != scope {
        return Err(format!("it is about the scope `{about}`"));
    }
    if report.baseline != "recorded" {
        return Err("it does not compare with the verdicts as they were given".into());
    }
    if report.in_force.as_deref() != in_force.map(Digest::to_string).as_deref() {
        return Err("another policy has come into force since".into());
    }
    if !(-HOUR_MS..=max_age_days * DAY_MS).contains(&age) {
        return Err(format!(
            "it was made at {}, too long ago (--max-age)",
            time(report.at)
        ));
    }
    if !report.every_partition || report.is_incomplete() {
        return Err("it leaves out a part of the messages".into());
    }
    match report.budget {
        Some(budget) if budget.is_kept => Ok(()),
        Some(_) => Err("the candidate exceeds the budget for new blocks".into()),
        None => Err("it has no budget for new blocks".into()),
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
