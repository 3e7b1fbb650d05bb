//! `gavel state inspect`.

use clap::Args;
use gavel_runtime::inspect::{self, Partition};

use crate::failure::Failure;
use crate::options::{Brokers, DataDir, Globals, Output};
use crate::output::Out;

/// Show what the partition stores of a data directory hold, without changing them
///
/// Prints one JSON object per partition: `partition`, `log_id`, `boundary` (offset of the last record that the state holds),
/// `verdict_end`, `clock` (milliseconds since 1970), `contexts` (users remembered), `expired`, `state` (clock and activations),
/// and with --digest `digest`. With --user: `partition`, `user`, `expired`, `context`. The processor must be stopped.
#[derive(Args)]
pub struct Inspect {
    /// Only this partition
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,

    /// What is remembered of this user
    #[arg(long, value_name = "COMMUNITY/USER")]
    user: Option<String>,

    /// Also print a digest of each partition's state, to compare with another store or with `replay verify --digest`
    #[arg(long, conflicts_with = "user")]
    digest: bool,

    #[command(flatten)]
    data_dir: DataDir,
}

impl Inspect {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&Brokers::default(), self.data_dir.flags())?;
        let stores = inspect::DataDir::new(&config.run.data_dir);
        let partitions = match self.partition {
            Some(partition) => vec![partition],
            None => stores.partitions()?,
        };
        match &self.user {
            Some(user) => show_user(&stores, &partitions, user),
            None => self.show(globals, &stores, &partitions),
        }
    }

    fn show(
        &self,
        globals: &Globals,
        stores: &inspect::DataDir,
        partitions: &[i32],
    ) -> Result<(), Failure> {
        let mut out = Out::new();
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header([
            "PARTITION",
            "BOUNDARY",
            "VERDICTS",
            "CLOCK",
            "USERS",
            "EXPIRED",
            "LOG",
            "DIGEST",
        ]);
        for partition in partitions {
            let stored = stores.partition(*partition, self.digest)?;
            if self.partition.is_some() && stored.boundary < 0 {
                return Err(Failure::difference(
                    format!("nothing is stored yet for partition {partition}"),
                    "the processor stores a partition about once a second while it judges",
                ));
            }
            match globals.output_or(Output::Json) {
                Output::Json => out.json(&stored)?,
                Output::Table => {
                    table.add_row(row(stored));
                }
            }
        }
        if globals.output_or(Output::Json) == Output::Table {
            out.line(&table.trim_fmt())?;
        }
        Ok(out.finish()?)
    }
}

fn row(stored: Partition) -> [String; 8] {
    [
        stored.partition.to_string(),
        stored.boundary.to_string(),
        stored.verdict_end.to_string(),
        stored.clock.to_string(),
        stored.contexts.to_string(),
        stored.expired.to_string(),
        stored.log_id,
        stored.digest.unwrap_or_default(),
    ]
}

fn show_user(stores: &inspect::DataDir, partitions: &[i32], user: &str) -> Result<(), Failure> {
    if !user.contains('/') {
        return Err(Failure::usage(
            format!("`{user}` names no user"),
            "write --user COMMUNITY/USER",
        ));
    }
    let mut out = Out::new();
    let mut found = false;
    for partition in partitions {
        if let Some(stored) = stores.user(*partition, user)? {
            found = true;
            out.json(&stored)?;
        }
    }
    out.finish()?;
    if found {
        return Ok(());
    }
    Err(Failure::difference(
        format!("nothing is remembered of {user}"),
        "check the spelling; contexts expire after 90 days",
    ))
}
