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
    #[error("field `{0}` is written with a type that does not resolve")]
    Unreadable(&'static str),
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
                    Some(wanted) => {
                        step(wanted.kind, &shape).ok_or(PlanError::Unreadable(wanted.name))
                    }
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
