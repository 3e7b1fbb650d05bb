//! What a marker did.

use super::{Taken, context_key};
use crate::explanation::MarkedOrder;
use crate::fold::Fold;
use crate::state::Activation;
use gavel_schemas::{ControlMarker, Order};
use std::collections::BTreeMap;

impl Fold {
    /// The order that a marker named, and what is different since.
    pub(super) fn marked(&self, marker: &ControlMarker<'_>, taken: &Taken<'_>) -> MarkedOrder {
        let mut told = MarkedOrder {
            number: marker.order,
            kind: marker.kind.to_owned(),
            counts: taken.refusal.is_none(),
            by: None,
            reason: None,
            changed: Vec::new(),
        };
        // Who forged a marker shall not be told whose order he hit upon.
        let recorded = taken.control.order(marker.order);
        let Some(recorded) = recorded.filter(|recorded| recorded.sha256 == marker.sha256) else {
            return told;
        };
        let changed = &mut told.changed;
        let (by, reason) = match recorded.order() {
            Order::PolicyActivated(order) => {
                let (before, after) = (&taken.state, &self.state);
                activations("in force", &before.activations, &after.activations, changed);
                activations("in shadow", &before.shadows, &after.shadows, changed);
                (&order.by, &order.reason)
            }
            Order::UserErased(order) => {
                let mut key = Vec::new();
                context_key(&mut key, None, &order.community, &order.user);
                let who = format!("{}/{}", order.community, order.user);
                changed.push(if taken.overlay.has_removed(&key) {
                    format!("nothing is remembered of {who} any more")
                } else {
                    format!("nothing was remembered of {who}")
                });
                (&order.by, &order.reason)
            }
            Order::VerdictOverturned(order) => {
                let (verdict, who) = (
                    order.source_offset,
                    format!("{}/{}", order.community, order.user),
                );
                changed.push(if taken.verdict.overturns.is_some() {
                    format!("what followed for {who} from the verdict of offset {verdict} was undone")
                } else {
                    format!("nothing that followed from the verdict of offset {verdict} is remembered of {who}")
                });
                (&order.by, &order.reason)
            }
            Order::SchemaRegistered(order) => {
                let id = format!("{}:{}", order.framing, order.id);
                let (before, after) = (taken.state.schemas(), self.state.schemas());
                changed.push(if before.len() < after.len() {
                    format!("values that begin with schema id {id} are read from here on")
                } else if before.contains(&marker.order) {
                    format!("schema id {id} was known already")
                } else {
                    format!("what schema id {id} means is settled by another order, or by none")
                });
                (&order.by, &order.reason)
            }
            Order::HistoryAccepted(order) => (&order.by, &order.reason),
            Order::PolicyDocument(_) | Order::LogOpened(_) => return told,
        };
        (told.by, told.reason) = (Some(by.clone()), Some(reason.clone()));
        told
    }
}

type Activations = BTreeMap<String, Activation>;

fn activations(where_: &str, before: &Activations, after: &Activations, changed: &mut Vec<String>) {
    for (scope, activation) in after {
        match before.get(scope) {
            Some(same) if same == activation => {}
            Some(other) => changed.push(format!(
                "policy {} is {where_} for {scope}, instead of {}",
                activation.digest, other.digest
            )),
            None => changed.push(format!(
                "policy {} is {where_} for {scope}",
                activation.digest
            )),
        }
    }
    for (scope, activation) in before {
        if !after.contains_key(scope) {
            changed.push(format!(
                "policy {} is not {where_} for {scope} any more",
                activation.digest
            ));
        }
    }
}
