//! Schemas change only compatibly: every accepted version is read as today's record, by us as by apache-avro.

mod common;

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use apache_avro::types::Value;
use common::{
    PUBLISHED, any_value, damaged, header, message_value, oracle_datum, oracle_read, oracle_write,
    parse,
};
use gavel_schemas::{Inbound, avsc, decode_inbound};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn old_writers() -> Vec<Schema> {
    avsc::OLD_CHAT_MESSAGES
        .iter()
        .map(|avsc| parse(avsc))
        .collect()
}

/// A record of one of the old versions.
fn any_old_record() -> impl Strategy<Value = (Schema, Value)> {
    let records = old_writers().into_iter().map(|writer| {
        any_value(&writer)
            .prop_map(move |value| (writer.clone(), value))
            .boxed()
    });
    proptest::strategy::Union::new(records)
}

/// What apache-avro makes of the bytes must be what we make of them.
fn read_alike(writer: &Schema, bytes: &[u8]) -> Result<(), TestCaseError> {
    let reader = parse(avsc::CHAT_MESSAGE);
    let Ok(Inbound::Message(message)) = decode_inbound(bytes) else {
        return Err(TestCaseError::fail(
            "refused a record that its writer wrote",
        ));
    };
    prop_assert_eq!(
        Some(message_value(&message)),
        oracle_read(writer, &reader, bytes)
    );
    Ok(())
}

proptest! {
    #[test]
    fn every_old_version_is_read_as_apache_avro_resolves_it((writer, value) in any_old_record()) {
        read_alike(&writer, &oracle_write(&writer, &value))?;
    }

    #[test]
    fn old_versions_written_in_sized_blocks_are_read_alike(
        (writer, value) in any_old_record(),
        items_per_block in 1usize..4,
    ) {
        let mut bytes = header(&writer);
        write_in_sized_blocks(&writer, &value, items_per_block, &mut bytes);
        read_alike(&writer, &bytes)?;
    }

    #[test]
    fn what_we_accept_of_a_damaged_old_record_is_what_apache_avro_reads(
        (writer, value) in any_old_record(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in any::<u8>(),
    ) {
        let bytes = damaged(&oracle_write(&writer, &value), at, byte, how);
        if let Ok(Inbound::Message(message)) = decode_inbound(&bytes) {
            let reader = parse(avsc::CHAT_MESSAGE);
            prop_assert_eq!(oracle_read(&writer, &reader, &bytes), Some(message_value(&message)));
        }
    }

    #[test]
    fn every_truncation_of_an_old_record_is_refused((writer, value) in any_old_record()) {
        let bytes = oracle_write(&writer, &value);
        for end in 0..bytes.len() {
            prop_assert!(decode_inbound(&bytes[..end]).is_err());
        }
    }
}

/// Writes a datum with every array and map cut into blocks that announce their size in bytes (a negative count), as
/// streaming writers do. Scalars are apache-avro's.
fn write_in_sized_blocks(
    schema: &Schema,
    value: &Value,
    items_per_block: usize,
    out: &mut Vec<u8>,
) {
    let number = |value: i64| oracle_datum(&Schema::Long, &Value::Long(value));
    let mut blocks = |items: Vec<Vec<u8>>| {
        for block in items.chunks(items_per_block) {
            out.extend(number(-(block.len() as i64)));
            out.extend(number(block.concat().len() as i64));
            out.extend(block.concat());
        }
        out.push(0);
    };
    let item = |schema: &Schema, value: &Value| {
        let mut item = Vec::new();
        write_in_sized_blocks(schema, value, items_per_block, &mut item);
        item
    };
    match (schema, value) {
        (Schema::Array(array), Value::Array(values)) => {
            blocks(
                values
                    .iter()
                    .map(|value| item(&array.items, value))
                    .collect(),
            );
        }
        (Schema::Map(map), Value::Map(entries)) => {
            let entry = |(key, value): (&String, &Value)| {
                let key = oracle_datum(&Schema::String, &Value::String(key.clone()));
                [key, item(&map.types, value)].concat()
            };
            blocks(entries.iter().map(entry).collect());
        }
        (Schema::Union(union), Value::Union(branch, value)) => {
            out.extend(number(i64::from(*branch)));
            out.extend(item(&union.variants()[*branch as usize], value));
        }
        (Schema::Record(record), Value::Record(values)) => {
            for (field, (_, value)) in record.fields.iter().zip(values) {
                out.extend(item(&field.schema, value));
            }
        }
        (scalar, value) => out.extend(oracle_datum(scalar, value)),
    }
}

/// Each record's versions, today's last.
fn versions() -> BTreeMap<String, Vec<Schema>> {
    let mut versions: BTreeMap<String, Vec<Schema>> = BTreeMap::new();
    for (avsc, _) in PUBLISHED {
        let schema = parse(avsc);
        let name = schema.name().map(ToString::to_string).expect("a record");
        versions.entry(name).or_default().push(schema);
    }
    versions
}

#[test]
fn every_version_of_a_record_reads_every_other() {
    for versions in versions().values() {
        for writer in versions {
            for reader in versions {
                assert_eq!(
                    SchemaCompatibility::can_read(writer, reader),
                    Ok(Compatibility::Full),
                    "{} -> {}",
                    writer.canonical_form(),
                    reader.canonical_form()
                );
            }
        }
    }
}

#[test]
fn every_schema_file_is_published_and_its_fingerprint_is_its_own() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/avsc");
    let mut files: Vec<String> = [root.to_owned(), format!("{root}/old")]
        .iter()
        .flat_map(|directory| std::fs::read_dir(directory).expect("the directory is there"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| std::fs::read_to_string(path).expect("a schema"))
        .collect();
    files.sort_unstable();
    let mut published = PUBLISHED.map(|(avsc, _)| avsc.to_owned());
    published.sort_unstable();
    assert_eq!(files, published);
    let fingerprints: BTreeSet<u64> = PUBLISHED
        .iter()
        .map(|(_, fingerprint)| *fingerprint)
        .collect();
    assert_eq!(fingerprints.len(), PUBLISHED.len());
}

#[test]
fn strings_stand_where_other_formats_have_enums() {
    for versions in versions().values() {
        let today = versions.last().expect("a version");
        assert!(!today.canonical_form().contains("\"enum\""));
    }
}
