//! `gavel schemas add`.

use std::path::PathBuf;

use clap::Args;
use gavel_runtime::orders::Orders;
use gavel_schemas::{SchemaId, limits};

use crate::commands::input;
use crate::commands::policy::Authorship;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;
use crate::table::printable;

/// Register the schema that messages behind an id are written with
///
/// Writes the order into the control topic and a marker into every message partition. Values that begin with the id are read from its
/// marker on; what came before stays refused as `unregistered-schema`. Register a schema before its producers start, and after every
/// processor runs a release that knows this command. An id means one schema for good. Run it again if it was interrupted.
#[derive(Args)]
pub struct Add {
    /// confluent:NUMBER, or glue:UUID of the schema version
    #[arg(value_name = "ID")]
    id: SchemaId,

    /// The writer's schema as the registry has it, in Avro's JSON; `-` reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    authorship: Authorship,

    #[command(flatten)]
    brokers: Brokers,
}

impl Add {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let schema = read(&self.file)?;
        let mut orders = Orders::open(&config)?;
        let registering = orders.weigh_registration(self.id, &schema)?;
        let registered = if self.dry_run {
            None
        } else {
            Some(orders.register(self.id, &schema, self.authorship.author())?)
        };
        let order = registered.map(|done| done.order).or(registering.order);
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&serde_json::json!({
                "id": self.id.to_string(),
                "record": registering.record,
                "order": order,
                "resumed": registering.order.is_some(),
                "partitions": registering.partitions,
                "marked": registered.is_some(),
            }))?,
            Output::Table => {
                let id = self.id;
                let record = printable(&registering.record);
                let partitions = registering.partitions;
                out.line(&match (registered, registering.order) {
                    (None, None) => {
                        format!("{id} would mean {record} in {partitions} partitions")
                    }
                    (None, Some(order)) => format!(
                        "{id} means {record} by order {order} already; its markers would be sent again to {partitions} partitions"
                    ),
                    (Some(done), _) if done.resumed => format!(
                        "{id} means {record} by order {}, whose markers were sent again to {partitions} partitions",
                        done.order
                    ),
                    (Some(done), _) => format!(
                        "{id} means {record} from here on: order {}, marked in {partitions} partitions",
                        done.order
                    ),
                })?;
            }
        }
        Ok(out.finish()?)
    }
}

/// One byte more than a schema can have is read, and no more.
fn read(path: &std::path::Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    let limit = limits::SCHEMA_BYTES as u64 + 1;
    input(path)?
        .take(limit)
        .read_to_string(&mut text)
        .map_err(|error| {
            Failure::usage(
                format!("{}: cannot be read: {error}", path.display()),
                "a schema is JSON in UTF-8",
            )
        })?;
    Ok(text)
}
