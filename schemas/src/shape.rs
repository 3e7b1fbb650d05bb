//! What a datum of a schema looks like, for walking over it without keeping anything.
//!
//! No input can make the walk expensive: each array or map item is paid for out of a budget of one item per byte of the
//! datum (only items of no size, such as `null`, can run out of it), each field that may have no size out of one that is little more, and
//! nesting ends at [`limits::NESTING`]. Without this, a dozen bytes could announce a million `null`s, sixteen records of a hundred `null` fields that
//! contain each other could take for ever to read from no bytes at all, or a file of `[[[[…` could exhaust the stack.

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
    records: Vec<Fields>,
    named: HashMap<Name, Shape>,
}

#[derive(Debug, Default)]
struct Fields {
    shapes: Box<[Shape]>,
    /// How many of them a datum may have no byte of.
    maybe_empty: usize,
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
                self.records.push(Fields::default());
                let shape = self.define(&record.name, Shape::Record(index));
                let shapes: Box<[Shape]> = record
                    .fields
                    .iter()
                    .map(|field| self.compile(&field.schema))
                    .collect::<Result<_, _>>()?;
                let maybe_empty = shapes.iter().filter(|shape| self.maybe_empty(shape));
                self.records[index] = Fields {
                    maybe_empty: maybe_empty.count(),
                    shapes,
                };
                shape
            }
            Schema::Ref { name } => self
                .named
                .get(name)
                .cloned()
                .ok_or_else(|| UndefinedName(name.to_string()))?,
        })
    }

    /// Whether a value may have no bytes. A record that is not compiled yet, since it contains itself, may.
    fn maybe_empty(&self, shape: &Shape) -> bool {
        match shape {
            Shape::Null | Shape::Fixed(0) => true,
            Shape::Record(index) => {
                let fields = &self.records[*index];
                fields.maybe_empty == fields.shapes.len()
            }
            Shape::Boolean
            | Shape::Int
            | Shape::Long
            | Shape::Bytes
            | Shape::String
            | Shape::Fixed(_)
            | Shape::Enum(_)
            | Shape::Array(_)
            | Shape::Map(_)
            | Shape::Union(_) => false,
        }
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
    /// Fields that may have no bytes.
    empties: usize,
}

/// Such fields in a datum besides one for every byte: envelopes have a few.
const EMPTIES: usize = 1_024;

impl Budget {
    /// One array or map item for every byte.
    pub(crate) fn for_datum(datum: &[u8]) -> Budget {
        Budget {
            items: datum.len(),
            empties: EMPTIES + datum.len(),
        }
    }

    fn spend_empties(&mut self, fields: usize) -> Result<(), Refusal> {
        let left = self.empties.checked_sub(fields);
        self.empties = left.ok_or(Refusal::OverBudget)?;
        Ok(())
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
                let fields = &self.records[*index];
                budget.spend_empties(fields.maybe_empty)?;
                for field in &fields.shapes {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::put_long;

    fn walk(avsc: &str, datum: &[u8]) -> Result<(), Refusal> {
        let schema = Schema::parse_str(avsc).expect("a schema");
        let mut shapes = Shapes::default();
        let root = shapes.compile(&schema).expect("complete");
        let mut cursor = Cursor::new(datum);
        shapes.skip(&root, &mut cursor, &mut Budget::for_datum(datum))?;
        cursor.finish()
    }

    /// Numbers as Avro writes them.
    fn longs(values: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        for value in values {
            put_long(*value, &mut out);
        }
        out
    }

    const NULLS: &str = r#"{"type": "array", "items": "null"}"#;
    const LISTS_OF_NULLS: &str =
        r#"{"type": "array", "items": {"type": "array", "items": "null"}}"#;
    const TREE: &str = r#"{"type": "record", "name": "Tree", "fields": [
        {"name": "branches", "type": {"type": "array", "items": "Tree"}}]}"#;
    const LONGS: &str = r#"{"type": "array", "items": "long"}"#;

    #[test]
    fn a_million_nulls_in_a_few_bytes_are_refused_before_the_first() {
        for count in [1_000_000, i64::MAX] {
            assert_eq!(walk(NULLS, &longs(&[count, 0])), Err(Refusal::OverBudget));
            let sized = longs(&[-count, 0, 0]);
            assert_eq!(walk(NULLS, &sized), Err(Refusal::OverBudget));
        }
        assert_eq!(
            walk(NULLS, &longs(&[i64::MIN, 0, 0])),
            Err(Refusal::OverBudget)
        );
    }

    #[test]
    fn items_without_size_are_paid_for_once_for_the_whole_datum() {
        assert_eq!(walk(NULLS, &longs(&[2, 0])), Ok(()));
        // Each inner list alone is within the budget of 24 items, all eight together are not.
        let mut datum = longs(&[8]);
        for _ in 0..8 {
            datum.extend(longs(&[20, 0]));
        }
        datum.push(0);
        assert_eq!(walk(LISTS_OF_NULLS, &datum), Err(Refusal::OverBudget));
    }

    #[test]
    fn items_with_a_size_never_run_out_of_budget() {
        let many = [longs(&[10_000]), vec![0; 10_000], longs(&[0])].concat();
        assert_eq!(walk(LONGS, &many), Ok(()));
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        // A tree of one path: a record and a list on each level.
        let path = |records: usize| [vec![2; records - 1], vec![0; records]].concat();
        assert_eq!(walk(TREE, &path(limits::NESTING / 2)), Ok(()));
        assert_eq!(
            walk(TREE, &path(limits::NESTING / 2 + 1)),
            Err(Refusal::TooDeep)
        );
        assert_eq!(walk(TREE, &path(100_000)), Err(Refusal::TooDeep));
    }

    #[test]
    fn a_record_that_only_contains_itself_is_too_deep_and_not_endless() {
        let endless = r#"{"type": "record", "name": "Endless", "fields": [
            {"name": "first", "type": "Endless"}, {"name": "second", "type": "Endless"}]}"#;
        assert_eq!(walk(endless, b""), Err(Refusal::TooDeep));
    }

    #[test]
    fn a_sized_block_must_have_the_size_it_announces() {
        let block = |bytes: i64| longs(&[-2, bytes, 5, 6, 0]);
        assert_eq!(walk(LONGS, &block(2)), Ok(()));
        for wrong in [0, 1, 3, 4, -1, i64::MAX, i64::MIN] {
            assert_eq!(walk(LONGS, &block(wrong)), Err(Refusal::MalformedAvro));
        }
    }

    #[test]
    fn every_type_is_stepped_over_exactly() {
        let all = r#"{"type": "record", "name": "All", "fields": [
            {"name": "a", "type": "null"},
            {"name": "b", "type": "boolean"},
            {"name": "c", "type": "int"},
            {"name": "d", "type": "long"},
            {"name": "e", "type": "float"},
            {"name": "f", "type": "double"},
            {"name": "g", "type": "bytes"},
            {"name": "h", "type": "string"},
            {"name": "i", "type": {"type": "fixed", "name": "F", "size": 3}},
            {"name": "j", "type": {"type": "enum", "name": "E", "symbols": ["x", "y"]}},
            {"name": "k", "type": {"type": "map", "values": "F"}},
            {"name": "l", "type": ["null", "E"]},
            {"name": "m", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4}},
            {"name": "n", "type": {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}},
            {"name": "o", "type": {"type": "string", "logicalType": "uuid"}},
            {"name": "p", "type": {"type": "int", "logicalType": "date"}}]}"#;
        let fields: [&[u8]; 16] = [
            b"",
            &[1],
            &[0x80, 0x01],
            &[0x80, 0x80, 0x01],
            &[0; 4],
            &[0; 8],
            &[2, 0xFF],
            &[4, 0xC3, 0xA9],
            &[0xFF; 3],
            &[2],
            &[2, 2, b'k', 0xFF, 0xFF, 0xFF, 0],
            &[2, 2],
            &[2, 9],
            &[0; 12],
            &[2, b'u'],
            &[2],
        ];
        let datum = fields.concat();
        assert_eq!(walk(all, &datum), Ok(()));
        for end in 0..datum.len() {
            assert_eq!(walk(all, &datum[..end]), Err(Refusal::MalformedAvro));
        }
        assert_eq!(
            walk(all, &[datum.as_slice(), &[0]].concat()),
            Err(Refusal::TrailingBytes)
        );
    }

    #[test]
    fn values_that_their_type_does_not_have_are_malformed() {
        let words = r#"{"type": "enum", "name": "E", "symbols": ["x", "y"]}"#;
        for (avsc, datum) in [
            (r#""boolean""#, &[2][..]),
            (words, &[4]),
            (words, &[1]),
            (r#"["null", "int"]"#, &[4]),
            (r#""int""#, &longs(&[1 << 31])),
        ] {
            assert_eq!(walk(avsc, datum), Err(Refusal::MalformedAvro), "{avsc}");
        }
        assert_eq!(walk(r#""string""#, &[2, 0xFF]), Err(Refusal::InvalidUtf8));
    }
}
