//! Registering what a schema registry's id means.
//!
//! Invariant: an order is written only for a schema that every partition will be able to use, and only for an id that means nothing yet. It
//! can be run again: the same order is marked again, which changes nothing where its marker stands already.

use gavel_judge::{NoRegistration, Registration};
use gavel_schemas::{Order, SchemaId, SchemaRegistered};

use super::{Author, OrderError, Orders, nonce};
use crate::clock::wall_ms;

/// What a registration would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registering {
    /// The order that registered this schema before.
    pub order: Option<i64>,
    /// Full name of the schema's record.
    pub record: String,
    /// Message partitions that get its marker.
    pub partitions: i32,
}

/// What `register` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    pub order: i64,
    /// True when the order stood there already, and only its markers were sent again.
    pub resumed: bool,
    pub partitions: i32,
}

impl Orders<'_> {
    /// Looks at what a registration would come to.
    pub fn weigh_registration(
        &self,
        id: SchemaId,
        schema: &str,
    ) -> Result<Registering, OrderError> {
        let partitions = self.message_partitions()?;
        if let Some(known) = self.registered(id, schema)? {
            return Ok(Registering {
                order: Some(known.order),
                record: known.schema.name().to_owned(),
                partitions,
            });
        }
        let admitted = self.control().registrations().admit(id, schema);
        let schema = admitted.map_err(|source| OrderError::Schema { id, source })?;
        Ok(Registering {
            order: None,
            record: schema.name().to_owned(),
            partitions,
        })
    }

    /// Writes the order, unless it stands there already, and its marker into every message partition.
    pub fn register(
        &mut self,
        id: SchemaId,
        schema: &str,
        author: Author,
    ) -> Result<Registered, OrderError> {
        let Registering {
            order: before,
            partitions,
            ..
        } = self.weigh_registration(id, schema)?;
        let order = match before {
            Some(order) => order,
            None => {
                let order = Order::SchemaRegistered(SchemaRegistered {
                    framing: id.framing().to_owned(),
                    id: id.id(),
                    schema: schema.to_owned(),
                    by: author.by,
                    reason: author.reason,
                    nonce: nonce()?,
                    issued_at: wall_ms(),
                });
                let written = self.write(&id.to_string(), &order)?;
                // Had somebody else registered the id meanwhile, theirs stands first and counts.
                let counts = self.registered(id, schema)?;
                counts.map_or(written, |registration| registration.order)
            }
        };
        self.mark(order, 0..partitions, None)
            .map_err(|source| OrderError::NotMarked {
                order,
                finish: format!("gavel schemas add {id} FILE"),
                source: Box::new(source),
            })?;
        Ok(Registered {
            order,
            resumed: before.is_some(),
            partitions,
        })
    }

    /// The registration of this id, which must be of this schema.
    fn registered(&self, id: SchemaId, schema: &str) -> Result<Option<Registration>, OrderError> {
        let Some(known) = self.control().registrations().of_id(id) else {
            return Ok(None);
        };
        let mut orders = self.control().orders();
        let recorded = orders.find(|recorded| recorded.offset == known.order);
        let is_same = recorded.is_some_and(|recorded| {
            matches!(recorded.order(), Order::SchemaRegistered(order) if is_same(&order.schema, schema))
        });
        if is_same {
            return Ok(Some(known.clone()));
        }
        Err(OrderError::Schema {
            id,
            source: NoRegistration::Taken {
                id,
                order: known.order,
            },
        })
    }
}

/// The same JSON, however it is laid out.
fn is_same(one: &str, other: &str) -> bool {
    let parsed = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || parsed(one).is_some_and(|value| Some(value) == parsed(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_the_same_in_another_layout_and_in_no_other_words() {
        let one = r#"{"type": "record", "name": "R", "fields": []}"#;
        let other = "{\n  \"name\": \"R\", \"fields\": [],\n  \"type\": \"record\"\n}\n";
        assert!(is_same(one, other));
        assert!(!is_same(one, &other.replace('R', "S")));
        assert!(is_same("{", "{") && !is_same("{", "["));
    }
}
