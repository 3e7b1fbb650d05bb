//! What a datum of a schema looks like, for walking over it without keeping anything.
//!
//! No input can make the walk expensive: each array or map item is paid for out of a budget of one item per byte of the
//! datum (only items of no size, such as `null`, can run out of it), and nesting ends at [`limits::NESTING`]. Without this, a
//! dozen bytes could announce a million `null`s, or a file of `[[[[…` could exhaust the stack.

use crate::wire::Cursor;
use crate::{Refusal, limits};
use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};
use std::collections::HashMap;

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Null,
    Boolean,
    Int,
    Long,
    Bytes,
    String,
    Fixed(usize),
    /// The number of symbols.
    Enum(usize),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Union(Box<[Shape]>),
    /// Index into the arena, so that a type can contain itself.
    Record(usize),
}

/// The shapes of one schema and the records that they refer to.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    records: Vec<Box<[Shape]>>,
    named: HashMap<Name, Shape>,
}

/// The schema refers to a name that it does not define.
#[derive(Debug, thiserror::Error)]
#[error("the schema does not define {0}")]
pub(crate) struct UndefinedName(String);

impl Shapes {
    /// Compiles a schema. Call in the order of the text: a name must be defined before it is referred to.
    pub(crate) fn compile(&mut self, schema: &Schema) -> Result<Shape, UndefinedName> {
        Ok(match schema {
            Schema::Null => Shape::Null,
            Schema::Boolean => Shape::Boolean,
            Schema::Int | Schema::Date | Schema::TimeMillis => Shape::Int,
            Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Shape::Long,
            Schema::Float => Shape::Fixed(4),
            Schema::Double => Shape::Fixed(8),
            Schema::Bytes | Schema::BigDecimal | Schema::Uuid(UuidSchema::Bytes) => Shape::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Shape::String,
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                self.define(&fixed.name, Shape::Fixed(fixed.size))
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Shape::Bytes,
                InnerDecimalSchema::Fixed(fixed) => {
                    self.define(&fixed.name, Shape::Fixed(fixed.size))
                }
            },
            Schema::Enum(words) => self.define(&words.name, Shape::Enum(words.symbols.len())),
            Schema::Array(array) => Shape::Array(Box::new(self.compile(&array.items)?)),
            Schema::Map(map) => Shape::Map(Box::new(self.compile(&map.types)?)),
            Schema::Union(union) => Shape::Union(
                union
                    .variants()
                    .iter()
                    .map(|branch| self.compile(branch))
                    .collect::<Result<_, _>>()?,
            ),
            Schema::Record(record) => {
                let index = self.records.len();
                self.records.push(Box::default());
                let shape = self.define(&record.name, Shape::Record(index));
                self.records[index] = record
                    .fields
                    .iter()
                    .map(|field| self.compile(&field.schema))
                    .collect::<Result<_, _>>()?;
                shape
            }
            Schema::Ref { name } => self
                .named
                .get(name)
                .cloned()
                .ok_or_else(|| UndefinedName(name.to_string()))?,
        })
    }

    fn define(&mut self, name: &Name, shape: Shape) -> Shape {
        self.named.insert(name.clone(), shape.clone());
        shape
    }
}

/// What a walk may still cost.
#[derive(Debug)]
pub(crate) struct Budget {
    items: usize,
}

impl Budget {
    /// One array or map item for every byte.
    pub(crate) fn for_datum(datum: &[u8]) -> Budget {
        Budget { items: datum.len() }
    }

    fn spend(&mut self, items: usize) -> Result<(), Refusal> {
        self.items = self.items.checked_sub(items).ok_or(Refusal::OverBudget)?;
        Ok(())
    }
}

impl Shapes {
    /// Steps over one value, checking all that a decoder would check.
    pub(crate) fn skip(
        &self,
        shape: &Shape,
        cursor: &mut Cursor<'_>,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        self.skip_at(shape, cursor, budget, 0)
    }

    fn skip_at(
        &self,
        shape: &Shape,
        cursor: &mut Cursor<'_>,
        budget: &mut Budget,
        depth: usize,
    ) -> Result<(), Refusal> {
        match shape {
            Shape::Null => {}
            Shape::Boolean => {
                cursor.boolean()?;
            }
            Shape::Int => {
                cursor.int()?;
            }
            Shape::Long => {
                cursor.long()?;
            }
            Shape::Bytes => {
                cursor.bytes()?;
            }
            Shape::String => {
                cursor.string()?;
            }
            Shape::Fixed(size) => {
                cursor.take(*size)?;
            }
            Shape::Enum(symbols) => {
                index_below(*symbols, cursor)?;
            }
            Shape::Union(branches) => {
                let branch = index_below(branches.len(), cursor)?;
                self.skip_at(&branches[branch], cursor, budget, depth)?;
            }
            Shape::Record(index) => {
                let depth = deeper(depth)?;
                for field in &self.records[*index] {
                    self.skip_at(field, cursor, budget, depth)?;
                }
            }
            Shape::Array(items) => {
                let depth = deeper(depth)?;
                skip_blocks(cursor, budget, |cursor, budget| {
                    self.skip_at(items, cursor, budget, depth)
                })?;
            }
            Shape::Map(values) => {
                let depth = deeper(depth)?;
                skip_blocks(cursor, budget, |cursor, budget| {
                    cursor.string()?;
                    self.skip_at(values, cursor, budget, depth)
                })?;
            }
        }
        Ok(())
    }
}

fn deeper(depth: usize) -> Result<usize, Refusal> {
    if depth < limits::NESTING {
        Ok(depth + 1)
    } else {
        Err(Refusal::TooDeep)
    }
}

fn index_below(count: usize, cursor: &mut Cursor<'_>) -> Result<usize, Refusal> {
    usize::try_from(cursor.int()?)
        .ok()
        .filter(|index| *index < count)
        .ok_or(Refusal::MalformedAvro)
}

/// The blocks of an array or a map. A negative count is followed by the block's size in bytes, which must be right.
fn skip_blocks(
    cursor: &mut Cursor<'_>,
    budget: &mut Budget,
    mut skip_item: impl FnMut(&mut Cursor<'_>, &mut Budget) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    loop {
        let count = cursor.long()?;
        if count == 0 {
            return Ok(());
        }
        let promised_end = if count < 0 {
            let bytes = usize::try_from(cursor.long()?).map_err(|_| Refusal::MalformedAvro)?;
            Some(
                cursor
                    .remaining()
                    .checked_sub(bytes)
                    .ok_or(Refusal::MalformedAvro)?,
            )
        } else {
            None
        };
        let items = usize::try_from(count.unsigned_abs()).map_err(|_| Refusal::OverBudget)?;
        budget.spend(items)?;
        for _ in 0..items {
            skip_item(cursor, budget)?;
        }
        if promised_end.is_some_and(|end| end != cursor.remaining()) {
            return Err(Refusal::MalformedAvro);
        }
    }
}
