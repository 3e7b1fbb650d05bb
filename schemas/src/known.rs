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

/// One version of a record's schema.
struct Version {
    known: Known,
    shapes: Shapes,
    root: Shape,
}

impl Version {
    fn built_in(avsc: &str) -> Version {
        let known = Known::built_in(avsc);
        let mut shapes = Shapes::default();
        match shapes.compile(&known.schema) {
            Ok(root) => Version {
                known,
                shapes,
                root,
            },
            Err(error) => unreachable!("a schema of this crate is not complete: {error}"),
        }
    }

    /// Checks that a datum is one whole record of this version.
    fn check(&self, datum: &[u8]) -> Result<(), Refusal> {
        let mut cursor = Cursor::new(datum);
        let mut budget = Budget::for_datum(datum);
        self.shapes.skip(&self.root, &mut cursor, &mut budget)?;
        cursor.finish()
    }
}

/// A record with all the versions that it may have been written with.
pub(crate) struct Readable {
    record: &'static str,
    today: Version,
    old: Vec<Version>,
}

impl Readable {
    pub(crate) fn built_in(record: &'static str, avsc: &str, old: &[&str]) -> Readable {
        Readable {
            record,
            today: Version::built_in(avsc),
            old: old.iter().map(|avsc| Version::built_in(avsc)).collect(),
        }
    }

    fn version(&self, fingerprint: u64) -> Option<&Version> {
        std::iter::once(&self.today)
            .chain(&self.old)
            .find(|version| version.known.fingerprint == fingerprint)
    }

    /// Whether values with this fingerprint can be read here.
    pub(crate) fn knows(&self, fingerprint: u64) -> bool {
        self.version(fingerprint).is_some()
    }

    /// Decodes a datum, resolving an older version to today's.
    pub(crate) fn decode<T: DeserializeOwned>(
        &self,
        fingerprint: u64,
        datum: &[u8],
    ) -> Result<T, DecodeError> {
        let version = self
            .version(fingerprint)
            .ok_or(DecodeError::UnknownSchema { fingerprint })?;
        version
            .check(datum)
            .map_err(|refusal| DecodeError::Damaged {
                record: self.record,
                refusal,
            })?;
        let read = if fingerprint == self.today.known.fingerprint {
            self.read_today(datum)
        } else {
            self.read_old(&version.known, datum)
        };
        read.map_err(|error| DecodeError::Unresolved {
            record: self.record,
            source: Box::new(error),
        })
    }

    fn read_today<T: DeserializeOwned>(&self, mut datum: &[u8]) -> Result<T, apache_avro::Error> {
        GenericDatumReader::builder(&self.today.known.schema)
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
            .reader_schema(&self.today.known.schema)
            .human_readable(false)
            .build()?
            .read_value(&mut datum)?;
        apache_avro::from_value(&value)
    }

    /// Encodes a value as a single object. The type's fields are those of the schema, which the tests of this crate check.
    pub(crate) fn encode<T: Serialize>(&self, value: &T) -> Vec<u8> {
        let mut out = self.today.known.header.to_vec();
        let written = GenericDatumWriter::builder(&self.today.known.schema)
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
