//! Records that are read away from the hot path: verdicts and orders, through apache-avro and serde.
//!
//! apache-avro bounds memory only by a process-wide setting, so every value is first walked under this crate's own budget:
//! what reaches apache-avro is complete, well-formed and no larger than its topic allows.

use crate::avsc::{Known, split_header};
use crate::shape::{Budget, Shape, Shapes};
use crate::wire::Cursor;
use crate::{DecodeError, Refusal};
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Today's schema of a record and the older ones that it may have been written with.
pub(crate) struct Readable {
    record: &'static str,
    reader: Known,
    reader_shape: Walk,
    old_writers: Vec<(Known, Walk)>,
}

/// The layout of one version, for checking a datum before apache-avro decodes it.
struct Walk {
    shapes: Shapes,
    root: Shape,
}

impl Walk {
    fn compile(known: &Known) -> Walk {
        let mut shapes = Shapes::default();
        match shapes.compile(&known.schema) {
            Ok(root) => Walk { shapes, root },
            Err(error) => unreachable!("a schema of this crate is not complete: {error}"),
        }
    }

    fn whole(&self, datum: &[u8]) -> Result<(), Refusal> {
        let mut cursor = Cursor::new(datum);
        let mut budget = Budget::for_datum(datum);
        self.shapes.skip(&self.root, &mut cursor, &mut budget)?;
        cursor.finish()
    }
}

impl Readable {
    pub(crate) fn built_in(record: &'static str, avsc: &str, old: &[&str]) -> Readable {
        let reader = Known::built_in(avsc);
        Readable {
            record,
            reader_shape: Walk::compile(&reader),
            reader,
            old_writers: old
                .iter()
                .map(|avsc| {
                    let known = Known::built_in(avsc);
                    let walk = Walk::compile(&known);
                    (known, walk)
                })
                .collect(),
        }
    }

    pub(crate) fn header(&self) -> &[u8] {
        &self.reader.header
    }

    /// Whether values with this fingerprint can be read here.
    pub(crate) fn knows(&self, fingerprint: u64) -> bool {
        self.reader.fingerprint == fingerprint
            || self
                .old_writers
                .iter()
                .any(|(known, _)| known.fingerprint == fingerprint)
    }

    /// Decodes a datum, resolving an older writer's to today's schema.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        fingerprint: u64,
        datum: &[u8],
    ) -> Result<T, DecodeError> {
        let damaged = |refusal| DecodeError::Damaged {
            record: self.record,
            refusal,
        };
        if fingerprint == self.reader.fingerprint {
            self.reader_shape.whole(datum).map_err(damaged)?;
            return self
                .read_current(datum)
                .map_err(|error| self.unresolved(error));
        }
        let (writer, walk) = self
            .old_writers
            .iter()
            .find(|(known, _)| known.fingerprint == fingerprint)
            .ok_or(DecodeError::UnknownSchema { fingerprint })?;
        walk.whole(datum).map_err(damaged)?;
        self.read_old(writer, datum)
            .map_err(|error| self.unresolved(error))
    }

    fn read_current<T: DeserializeOwned>(&self, mut datum: &[u8]) -> Result<T, apache_avro::Error> {
        GenericDatumReader::builder(&self.reader.schema)
            .human_readable(false)
            .build()?
            .read_deser(&mut datum)
    }

    /// apache-avro resolves generic values only, so an older record takes the longer way round.
    fn read_old<T: DeserializeOwned>(
        &self,
        writer: &Known,
        mut datum: &[u8],
    ) -> Result<T, apache_avro::Error> {
        let value = GenericDatumReader::builder(&writer.schema)
            .reader_schema(&self.reader.schema)
            .human_readable(false)
            .build()?
            .read_value(&mut datum)?;
        apache_avro::from_value(&value)
    }

    fn unresolved(&self, error: apache_avro::Error) -> DecodeError {
        DecodeError::Unresolved {
            record: self.record,
            source: Box::new(error),
        }
    }

    /// Encodes a value as a single object. The type's fields are those of the schema, which the tests of this crate check.
    pub(crate) fn encode<T: Serialize>(&self, value: &T) -> Vec<u8> {
        let mut out = self.header().to_vec();
        let written = GenericDatumWriter::builder(&self.reader.schema)
            .human_readable(false)
            .build()
            .and_then(|writer| writer.write_ser(&mut out, value));
        match written {
            Ok(_) => out,
            Err(error) => unreachable!("{} does not fit its own schema: {error}", self.record),
        }
    }
}

/// Takes apart a value that must be a single object of at most `limit` bytes.
pub(crate) fn open(value: &[u8], limit: usize) -> Result<(u64, &[u8]), DecodeError> {
    if value.len() > limit {
        return Err(DecodeError::TooLarge {
            bytes: value.len(),
            limit,
        });
    }
    split_header(value).ok_or(DecodeError::NotSingleObject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{VerdictRecord, avsc};
    use apache_avro::Schema;
    use apache_avro::types::Value;

    /// Today's verdict schema as an older program might have had it: without `duplicate_of`, with a field since removed.
    fn older_verdict() -> String {
        let duplicate_of = r#"{"name": "duplicate_of", "type": ["null", "long"]"#;
        assert!(avsc::VERDICT.contains(duplicate_of));
        avsc::VERDICT
            .replace(
                duplicate_of,
                r#"{"name": "lanes", "type": {"type": "array", "items": "int"}"#,
            )
            .replace(
                r#""default": null, "doc": "The message is a"#,
                r#""default": [], "doc": "The message is a"#,
            )
    }

    fn older_bytes(known: &Known) -> Vec<u8> {
        let Schema::Record(record) = &known.schema else {
            panic!("a record");
        };
        let values = record.fields.iter().map(|field| {
            let value = match &field.schema {
                Schema::String => Value::String(field.name.clone()),
                Schema::Int => Value::Int(4),
                Schema::Long => Value::Long(5),
                Schema::TimestampMillis => Value::TimestampMillis(6),
                Schema::Boolean => Value::Boolean(true),
                Schema::Union(_) => Value::Union(0, Box::new(Value::Null)),
                Schema::Array(_) if field.name == "lanes" => {
                    Value::Array(vec![Value::Int(1), Value::Int(2)])
                }
                Schema::Array(_) => Value::Array(Vec::new()),
                other => panic!("no value for {other:?}"),
            };
            (field.name.clone(), value)
        });
        let datum = GenericDatumWriter::builder(&known.schema)
            .build()
            .and_then(|writer| writer.write_value_to_vec(Value::Record(values.collect())))
            .expect("the value fits");
        [known.header.as_slice(), &datum].concat()
    }

    #[test]
    fn an_older_verdict_is_resolved_to_todays() {
        let older = older_verdict();
        let readable = Readable::built_in("verdict", avsc::VERDICT, &[&older]);
        let bytes = older_bytes(&Known::built_in(&older));
        let (fingerprint, datum) = open(&bytes, bytes.len()).expect("a single object");
        assert!(readable.knows(fingerprint));
        let read: VerdictRecord = readable.decode(fingerprint, datum).expect("a verdict");
        assert_eq!(read.log_id, "log_id");
        assert_eq!((read.source_partition, read.source_offset), (4, 5));
        assert_eq!((read.sent_at, read.judged_at), (6, 6));
        assert_eq!((read.duplicate_of, read.masked_text), (None, None));
        assert!(read.context_complete && read.headers_dropped);

        let cut = &datum[..datum.len() - 1];
        assert!(matches!(
            readable.decode::<VerdictRecord>(fingerprint, cut),
            Err(DecodeError::Damaged { .. })
        ));
    }

    #[test]
    fn a_version_that_is_not_known_is_named_by_its_fingerprint() {
        let older = Known::built_in(&older_verdict());
        let readable = Readable::built_in("verdict", avsc::VERDICT, &[]);
        let bytes = older_bytes(&older);
        let (fingerprint, datum) = open(&bytes, bytes.len()).expect("a single object");
        assert!(matches!(
            readable.decode::<VerdictRecord>(fingerprint, datum),
            Err(DecodeError::UnknownSchema { fingerprint }) if fingerprint == older.fingerprint
        ));
    }
}
