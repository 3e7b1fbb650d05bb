//! `gavel schemas list`.

use clap::Args;
use gavel_judge::{ControlLog, Registration};
use gavel_runtime::control;
use gavel_schemas::{Order, SchemaRegistered};

use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;
use crate::table::{printable, time};

/// List what is registered, oldest first
///
/// A registration stands from its marker on, in each partition at its own place: `gavel state inspect` shows under `state.schemas` which
/// orders a partition has met. Orders that count for nothing (for an id that had a meaning already, say) are not shown.
#[derive(Args)]
pub struct List {
    #[command(flatten)]
    brokers: Brokers,
}

impl List {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let control = control::read_whole(&config)?;
        let all = registered(&control);
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Table => {
                let mut table = comfy_table::Table::new();
                table.load_preset(comfy_table::presets::NOTHING);
                table.set_header(["ORDER", "TIME", "ID", "RECORD", "BY", "REASON"]);
                for (registration, order) in all {
                    table.add_row([
                        registration.order.to_string(),
                        time(order.issued_at),
                        registration.id.to_string(),
                        printable(registration.schema.name()),
                        printable(&order.by),
                        printable(&order.reason),
                    ]);
                }
                out.line(&table.trim_fmt())?;
            }
            Output::Json => {
                for (registration, order) in all {
                    out.json(&serde_json::json!({
                        "order": registration.order,
                        "issued_at": order.issued_at,
                        "id": registration.id.to_string(),
                        "record": registration.schema.name(),
                        "schema": order.schema,
                        "by": order.by,
                        "reason": order.reason,
                    }))?;
                }
            }
        }
        Ok(out.finish()?)
    }
}

fn registered(control: &ControlLog) -> Vec<(&Registration, &SchemaRegistered)> {
    let orders = control.orders().filter_map(|recorded| {
        let registration = control.registrations().of_order(recorded.offset)?;
        match recorded.order() {
            Order::SchemaRegistered(order) => Some((registration, order)),
            _ => None,
        }
    });
    orders.collect()
}
