//! How a record written with one schema becomes today's record: compiled once per known writer, run for each record.
//!
//! A plan decodes straight into borrowed fields whatever the version of the writer, so an old producer costs no more than a
//! new one. A writer that cannot be read without loss is an error when the plan is compiled, never while records arrive.

use crate::shape::{Budget, Shape, Shapes, UndefinedName};
use crate::wire::Cursor;
use crate::{Refusal, limits};
use apache_avro::Schema;

/// How long a string may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Every string but the text.
    String,
    Text,
}

impl Limit {
    #[inline]
    pub(crate) fn check(self, value: &str) -> Result<(), Refusal> {
        match self {
            Limit::String if value.len() > limits::STRING_BYTES => Err(Refusal::StringTooLong),
            Limit::Text if value.len() > limits::TEXT_BYTES => Err(Refusal::TextTooLong),
            Limit::String | Limit::Text => Ok(()),
        }
    }
}

/// A field that today's record wants, and the slot of the [`Row`] that it goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// A writer without this field cannot be read.
    pub(crate) required: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Long,
    String(usize, Limit),
    NullableString(usize, Limit),
    Fixed(usize),
}

/// Strings of the widest record.
const STRINGS: usize = 10;

impl Kind {
    /// The type, as a person writes it.
    const fn name(self) -> &'static str {
        match self {
            Kind::Long => "long",
            Kind::String(..) => "string",
            Kind::NullableString(..) => "a union of null and string",
            Kind::Fixed(_) => "fixed",
        }
    }
}

/// The fields of one record as they were found; `None`: not written, take the default.
#[derive(Debug, Default)]
pub(crate) struct Row<'a> {
    pub(crate) long: Option<i64>,
    pub(crate) strings: [Option<&'a str>; STRINGS],
    pub(crate) fixed: &'a [u8],
}

#[derive(Debug)]
enum Step {
    Int,
    Long,
    String(usize, Limit),
    NullableString {
        slot: usize,
        limit: Limit,
        null_branch: i64,
    },
    Fixed(usize),
    Skip(Shape),
}

/// One writer's layout as steps.
#[derive(Debug)]
pub(crate) struct Plan {
    steps: Box<[Step]>,
    shapes: Shapes,
}

/// Why a schema cannot be read as today's record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("the schema is no record")]
    NoRecord,
    #[error("field `{0}` has no default and is not written")]
    Missing(&'static str),
    #[error("field `{field}` is written with a type that does not resolve to {wanted}")]
    Unreadable {
        field: &'static str,
        wanted: &'static str,
    },
    #[error(transparent)]
    Undefined(#[from] UndefinedName),
}

impl Plan {
    pub(crate) fn compile(writer: &Schema, wanted: &[Wanted]) -> Result<Plan, PlanError> {
        let Schema::Record(record) = writer else {
            return Err(PlanError::NoRecord);
        };
        let written = |name: &str| record.fields.iter().any(|field| field.name == name);
        if let Some(missing) = wanted
            .iter()
            .find(|wanted| wanted.required && !written(wanted.name))
        {
            return Err(PlanError::Missing(missing.name));
        }
        let mut shapes = Shapes::default();
        let steps = record
            .fields
            .iter()
            .map(|field| {
                // Compiled even where it is not used: a later field may refer to a name defined in this one.
                let shape = shapes.compile(&field.schema)?;
                match wanted.iter().find(|wanted| wanted.name == field.name) {
                    None => Ok(Step::Skip(shape)),
                    Some(wanted) => step(wanted.kind, &shape).ok_or(PlanError::Unreadable {
                        field: wanted.name,
                        wanted: wanted.kind.name(),
                    }),
                }
            })
            .collect::<Result<_, PlanError>>()?;
        Ok(Plan { steps, shapes })
    }

    /// Decodes a whole datum: nothing may follow it.
    pub(crate) fn decode<'a>(&self, datum: &'a [u8]) -> Result<Row<'a>, Refusal> {
        let mut cursor = Cursor::new(datum);
        let mut budget = Budget::for_datum(datum);
        let mut row = Row::default();
        for step in &self.steps {
            match step {
                Step::Int => row.long = Some(i64::from(cursor.int()?)),
                Step::Long => row.long = Some(cursor.long()?),
                Step::String(slot, limit) => {
                    row.strings[*slot] = Some(limited(&mut cursor, *limit)?);
                }
                Step::NullableString {
                    slot,
                    limit,
                    null_branch,
                } => match cursor.long()? {
                    branch if branch == *null_branch => {}
                    0 | 1 => row.strings[*slot] = Some(limited(&mut cursor, *limit)?),
                    _ => return Err(Refusal::MalformedAvro),
                },
                Step::Fixed(size) => row.fixed = cursor.take(*size)?,
                Step::Skip(shape) => self.shapes.skip(shape, &mut cursor, &mut budget)?,
            }
        }
        cursor.finish()?;
        Ok(row)
    }
}

#[inline]
fn limited<'a>(cursor: &mut Cursor<'a>, limit: Limit) -> Result<&'a str, Refusal> {
    let value = cursor.string()?;
    limit.check(value)?;
    Ok(value)
}

/// How a written type becomes the wanted one; `None`: not at all.
fn step(wanted: Kind, written: &Shape) -> Option<Step> {
    match (wanted, written) {
        (Kind::Long, Shape::Long) => Some(Step::Long),
        (Kind::Long, Shape::Int) => Some(Step::Int),
        (Kind::String(slot, limit) | Kind::NullableString(slot, limit), Shape::String)
            if slot < STRINGS =>
        {
            Some(Step::String(slot, limit))
        }
        (Kind::NullableString(slot, limit), Shape::Union(branches)) if slot < STRINGS => {
            let null_branch = match **branches {
                [Shape::Null, Shape::String] => 0,
                [Shape::String, Shape::Null] => 1,
                _ => return None,
            };
            Some(Step::NullableString {
                slot,
                limit,
                null_branch,
            })
        }
        (Kind::Fixed(size), Shape::Fixed(written)) if size == *written => Some(Step::Fixed(size)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::{message, message_plan};

    fn plan(fields: &str) -> Result<Plan, PlanError> {
        let avsc = format!(r#"{{"type": "record", "name": "ChatMessage", "fields": [{fields}]}}"#);
        message_plan(&Schema::parse_str(&avsc).expect("a schema"))
    }

    const USER_AND_TEXT: &str =
        r#"{"name": "user", "type": "string"}, {"name": "text", "type": "string"}"#;

    #[test]
    fn written_types_that_widen_to_the_wanted_ones_are_read() {
        let plan = plan(&format!(
            r#"{{"name": "audience", "type": "string"}}, {{"name": "language", "type": ["string", "null"]}},
            {{"name": "reply_to", "type": ["string", "null"]}}, {{"name": "sent_at", "type": "int"}}, {USER_AND_TEXT}"#
        ))
        .expect("a plan");
        let row = plan
            .decode(b"\x02a\x00\x02l\x02\x08\x02u\x02t")
            .expect("a row");
        let message = message(&row);
        assert_eq!(message.audience.as_deref(), Some("a"));
        assert_eq!(message.language.as_deref(), Some("l"));
        assert_eq!(message.reply_to, None);
        assert_eq!(message.sent_at, 4);
        assert_eq!((&*message.user, &*message.text), ("u", "t"));
    }

    #[test]
    fn a_writer_without_a_required_field_has_no_plan() {
        let missing = plan(r#"{"name": "user", "type": "string"}"#);
        assert!(matches!(missing, Err(PlanError::Missing("text"))));
    }

    #[test]
    fn a_written_type_that_loses_something_has_no_plan() {
        for unreadable in [
            r#""long""#,
            r#"["null", "string"]"#,
            r#"{"type": "array", "items": "string"}"#,
        ] {
            let channel =
                format!(r#"{{"name": "channel", "type": {unreadable}}}, {USER_AND_TEXT}"#);
            assert!(matches!(
                plan(&channel),
                Err(PlanError::Unreadable {
                    field: "channel",
                    ..
                })
            ));
        }
        assert!(matches!(
            message_plan(&Schema::String),
            Err(PlanError::NoRecord)
        ));
    }

    #[test]
    fn a_type_that_one_skipped_field_defines_can_be_used_by_another() {
        let plan = plan(&format!(
            r#"{{"name": "first", "type": {{"type": "record", "name": "Pair", "fields": [
                {{"name": "a", "type": "int"}}, {{"name": "b", "type": "int"}}]}}}},
            {USER_AND_TEXT}, {{"name": "last", "type": ["null", "Pair"]}}"#
        ))
        .expect("a plan");
        assert!(plan.decode(b"\x02\x04\x02u\x02t\x02\x06\x08").is_ok());
        assert!(plan.decode(b"\x02\x04\x02u\x02t\x02\x06").is_err());
    }

    #[test]
    fn a_bomb_in_a_skipped_field_is_refused() {
        let plan = plan(&format!(
            r#"{{"name": "nulls", "type": {{"type": "array", "items": "null"}}}}, {USER_AND_TEXT}"#
        ))
        .expect("a plan");
        assert!(plan.decode(b"\x04\x00\x02u\x02t").is_ok());
        let million = b"\x80\x89\x7a\x00\x02u\x02t";
        assert_eq!(plan.decode(million).err(), Some(Refusal::OverBudget));
    }
}
