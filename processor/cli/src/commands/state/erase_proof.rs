//! `gavel state erase-proof`.

use clap::Args;
use gavel_runtime::config::Flag;
use gavel_runtime::erasure_proof::{Finding, Proof, Sought, search};

use crate::failure::Failure;
use crate::options::{Brokers, DataDir, Globals, Output};
use crate::output::Out;
use crate::table::printable;

/// Look whether an erased user is still in a data directory or in checkpoints
///
/// Reads every file of the data directory, also what was set aside, and every object of the checkpoints, and searches them for the user's
/// context, the user's name as it is in keys, and the bytes of each --canary. Tables are searched as what they hold besides. Prints one
/// object (or row) per finding: `place`, `kind` (store, aside, file, checkpoint), `found`, `until` (milliseconds since 1970 at which it
/// goes by itself; null: it should not be there), then what was searched. A user who has spoken since the erasure has a context again.
///
/// Exit codes: 0 nothing found; 1 found what should be gone; 4 found only what has time left.
#[derive(Args)]
pub struct EraseProof {
    /// The user's community
    #[arg(long)]
    community: String,

    /// The user
    #[arg(long)]
    user: String,

    /// Other bytes to search for, such as words that the user wrote; can be given again
    #[arg(long = "canary", value_name = "TEXT")]
    canaries: Vec<String>,

    /// Where checkpoints are: a directory, s3://BUCKET/PREFIX, or `none` [default: checkpoints.store]
    #[arg(long, value_name = "ADDRESS")]
    checkpoints: Option<String>,

    #[command(flatten)]
    data_dir: DataDir,
}

impl EraseProof {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let mut flags = self.data_dir.flags();
        flags.extend(self.checkpoints.map(|value| Flag {
            name: "--checkpoints",
            section: "checkpoints",
            key: "store",
            value,
        }));
        let config = globals.config(&Brokers::default(), flags)?;
        if let Some(empty) = self.canaries.iter().find(|canary| canary.len() < 4) {
            return Err(Failure::usage(
                format!("--canary `{empty}` would be found anywhere"),
                "give at least four bytes that nobody else wrote",
            ));
        }
        let sought = Sought {
            community: self.community,
            user: self.user,
            canaries: self.canaries,
        };
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        let proof = search(&config, &sought)?;
        print(globals, &proof)?;
        let is_late = |finding: &&Finding| finding.until.is_none_or(|until| until <= now);
        let late = proof.findings.iter().filter(is_late).count();
        if late > 0 {
            Err(Failure::difference(
                format!("{late} findings should be gone"),
                "see `Erasing a user` in docs/operations.md: a processor that owns the partition purges its store before the next checkpoint and sweeps old ones; did the user speak again?",
            ))
        } else if !proof.findings.is_empty() {
            Err(Failure::incomplete(
                format!("{} findings have time left", proof.findings.len()),
                "run it again when they have expired",
            ))
        } else {
            Ok(())
        }
    }
}

fn print(globals: &Globals, proof: &Proof) -> Result<(), Failure> {
    let mut out = Out::new();
    match globals.output_or(Output::Json) {
        Output::Json => {
            for finding in &proof.findings {
                out.json(finding)?;
            }
            out.json(&serde_json::json!({
                "searched": { "files": proof.files, "objects": proof.objects, "bytes": proof.bytes },
                "findings": proof.findings.len(),
            }))?;
        }
        Output::Table => {
            if !proof.findings.is_empty() {
                let mut table = comfy_table::Table::new();
                table.load_preset(comfy_table::presets::NOTHING);
                table.set_header(["KIND", "FOUND", "UNTIL", "PLACE"]);
                for finding in &proof.findings {
                    let until = finding
                        .until
                        .map_or_else(|| "should be gone".to_owned(), |until| until.to_string());
                    let kind = format!("{:?}", finding.kind).to_lowercase();
                    table.add_row([
                        kind,
                        printable(&finding.found),
                        until,
                        printable(&finding.place),
                    ]);
                }
                out.line(&table.trim_fmt())?;
            }
            out.line(&format!(
                "{} files, {} objects, {} bytes searched; {} findings",
                proof.files,
                proof.objects,
                proof.bytes,
                proof.findings.len()
            ))?;
        }
    }
    Ok(out.finish()?)
}
