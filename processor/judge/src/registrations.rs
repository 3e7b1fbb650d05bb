//! Which schema each id of a registry means in a log.
//!
//! Invariant: an id means one schema for good and everywhere: that of the first order in the control log that names it and whose schema can
//! be used. A registry never gives an id a second meaning, so a later order for it is a mistake, and counts for nothing in whatever partition
//! its marker comes first. From where on an id is known in a partition is for its markers to say.

use gavel_schemas::{
    MessageSchema, RegisteredSchemas, SchemaId, SchemaRegistered, UnusableSchema, limits,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A registration that counts.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Number of its order.
    pub order: i64,
    pub id: SchemaId,
    pub schema: Arc<MessageSchema>,
}

/// The registrations of a control log.
#[derive(Debug, Clone, Default)]
pub struct Registrations {
    by_order: BTreeMap<i64, Registration>,
    /// To the order that counts.
    by_id: BTreeMap<SchemaId, i64>,
}

/// Why an order registers nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRegistration {
    #[error("schema {id} is registered by order {order}")]
    Taken { id: SchemaId, order: i64 },
    #[error(
        "{} schemas are registered, and there is room for no more",
        limits::SCHEMAS
    )]
    TooMany,
    #[error(transparent)]
    NoId(#[from] gavel_schemas::NoSchemaId),
    #[error(transparent)]
    Unusable(#[from] UnusableSchema),
}

impl Registrations {
    /// Takes in the next order of the control log.
    pub(crate) fn append(&mut self, order: i64, registered: &SchemaRegistered) {
        if let Ok(registration) = self.weigh(order, registered) {
            self.by_id.insert(registration.id, order);
            self.by_order.insert(order, registration);
        }
    }

    /// What an order behind all of these comes to. Depends on the control log up to this order alone.
    fn weigh(
        &self,
        order: i64,
        registered: &SchemaRegistered,
    ) -> Result<Registration, NoRegistration> {
        let id = SchemaId::of_order(&registered.framing, &registered.id)?;
        let schema = self.admit(id, &registered.schema)?;
        Ok(Registration {
            order,
            id,
            schema: Arc::new(schema),
        })
    }

    /// Whether a schema could be registered now.
    pub fn admit(&self, id: SchemaId, schema: &str) -> Result<MessageSchema, NoRegistration> {
        if let Some(order) = self.by_id.get(&id).copied() {
            return Err(NoRegistration::Taken { id, order });
        }
        let schema = MessageSchema::compile(schema)?;
        if self.by_id.len() >= limits::SCHEMAS {
            return Err(NoRegistration::TooMany);
        }
        Ok(schema)
    }

    /// The one with this order's number, if it counts.
    pub fn of_order(&self, order: i64) -> Option<&Registration> {
        self.by_order.get(&order)
    }

    pub fn of_id(&self, id: SchemaId) -> Option<&Registration> {
        self.by_order.get(self.by_id.get(&id)?)
    }

    /// Those that count, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.by_order.values()
    }

    /// Numbers of those that stand before an order.
    pub(crate) fn before(&self, order: i64) -> impl Iterator<Item = i64> {
        self.by_order.range(..order).map(|(number, _)| *number)
    }

    /// What ids mean where these orders have been met.
    pub(crate) fn schemas(&self, met: impl Fn(i64) -> bool) -> RegisteredSchemas {
        let mut schemas = RegisteredSchemas::default();
        for registration in self.iter().filter(|registration| met(registration.order)) {
            schemas.insert(registration.id, Arc::clone(&registration.schema));
        }
        schemas
    }
}
