//! Schemas that are not of this project, each known by the id that a registry gave it.
//!
//! Whether a schema can be used is settled once, when its order is read, and depends on its text alone. Whoever wrote it, no datum of it
//! costs more than a small multiple of its size: see [`Shapes`](crate::shape::Shapes).

use crate::inbound::{message, message_plan};
use crate::plan::{Plan, PlanError};
use crate::{ChatMessage, Refusal, SchemaId, limits};
use apache_avro::Schema;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A writer's schema whose records are messages.
#[derive(Debug)]
pub struct MessageSchema {
    name: String,
    plan: Plan,
}

/// Why no message can be read from what a schema writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSchema {
    #[error(
        "the schema has {bytes} bytes, more than the {} allowed",
        limits::SCHEMA_BYTES
    )]
    TooLarge { bytes: usize },
    #[error("not an Avro schema: {0}")]
    NotAvro(String),
    #[error("its records cannot be read as ChatMessage: {0}")]
    Unresolved(String),
}

impl MessageSchema {
    /// Reads a schema and compiles what its records mean.
    ///
    /// The name of the record is free. Fields are matched by their names: `user` and `text` must be there, what is not has the
    /// default of `chat_message.avsc`, and what that does not know is stepped over.
    ///
    /// # Errors
    /// [`UnusableSchema`], which names the field.
    pub fn compile(avsc: &str) -> Result<MessageSchema, UnusableSchema> {
        if avsc.len() > limits::SCHEMA_BYTES {
            return Err(UnusableSchema::TooLarge { bytes: avsc.len() });
        }
        let schema =
            Schema::parse_str(avsc).map_err(|error| UnusableSchema::NotAvro(error.to_string()))?;
        let unresolved = |error: PlanError| UnusableSchema::Unresolved(error.to_string());
        let plan = message_plan(&schema).map_err(unresolved)?;
        check_sent_at(&schema)?;
        let name = schema.name().map(ToString::to_string);
        Ok(MessageSchema {
            name: name.unwrap_or_default(),
            plan,
        })
    }

    /// Its record's full name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn decode<'a>(&self, datum: &'a [u8]) -> Result<ChatMessage<'a>, Refusal> {
        Ok(message(&self.plan.decode(datum)?))
    }
}

/// Avro reads any number as any other; a time in microseconds would silently lie in the year 50,000.
fn check_sent_at(schema: &Schema) -> Result<(), UnusableSchema> {
    let Schema::Record(record) = schema else {
        return Ok(());
    };
    let sent_at = record.fields.iter().find(|field| field.name == "sent_at");
    match sent_at.map(|field| &field.schema) {
        None | Some(Schema::Int | Schema::Long | Schema::TimestampMillis) => Ok(()),
        Some(_) => Err(UnusableSchema::Unresolved(
            "field `sent_at` counts no milliseconds since 1970: write it as timestamp-millis"
                .into(),
        )),
    }
}

/// What the ids of registries mean at some place of a log.
#[derive(Clone, Debug, Default)]
pub struct RegisteredSchemas {
    schemas: BTreeMap<SchemaId, Arc<MessageSchema>>,
}

static NONE: RegisteredSchemas = RegisteredSchemas {
    schemas: BTreeMap::new(),
};

impl RegisteredSchemas {
    /// No id is known.
    pub fn none() -> &'static RegisteredSchemas {
        &NONE
    }

    /// From here on the id is known.
    pub fn insert(&mut self, id: SchemaId, schema: Arc<MessageSchema>) {
        self.schemas.insert(id, schema);
    }

    pub fn get(&self, id: SchemaId) -> Option<&MessageSchema> {
        self.schemas.get(&id).map(Arc::as_ref)
    }
}
