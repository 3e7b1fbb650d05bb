//! The fingerprint that single objects carry: CRC-64-AVRO of the schema's Parsing Canonical Form.
//!
//! Producers in other languages compute it with their own library, so it must follow the specification exactly.
//! apache-avro's canonical form leaves a primitive that carried a logical type as `{"type":"long"}`, where the specification,
//! and with it Java and Python, write `"long"`: its fingerprints of our schemas would be nobody else's.

use apache_avro::Schema;

const PRIMITIVES: [&str; 8] = [
    "null", "boolean", "int", "long", "float", "double", "bytes", "string",
];

/// The fingerprint; a header holds it in little-endian order.
pub(crate) fn fingerprint(schema: &Schema) -> u64 {
    crc_64_avro(canonical_form(schema).as_bytes())
}

/// Names and symbols are plain identifiers, so a quoted pattern can only be the type that it looks like.
fn canonical_form(schema: &Schema) -> String {
    PRIMITIVES
        .iter()
        .fold(schema.canonical_form(), |form, primitive| {
            form.replace(
                &format!(r#"{{"type":"{primitive}"}}"#),
                &format!(r#""{primitive}""#),
            )
        })
}

/// Bit by bit, as the specification's table is made: it runs once per schema and process.
fn crc_64_avro(bytes: &[u8]) -> u64 {
    const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
    bytes.iter().fold(EMPTY, |fingerprint, byte| {
        (0..8).fold(fingerprint ^ u64::from(*byte), |rest, _| {
            (rest >> 1) ^ (EMPTY & (rest & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use apache_avro::rabin::Rabin;

    fn apache_avro_says(schema: &Schema) -> Vec<u8> {
        schema.fingerprint::<Rabin>().bytes
    }

    #[test]
    fn a_schema_without_logical_types_has_the_fingerprint_that_apache_avro_computes() {
        for avsc in [
            r#""int""#,
            r#"{"type": "array", "items": ["null", "string"], "doc": "stripped"}"#,
            r#"{"type": "record", "name": "R", "namespace": "n", "fields": [
                {"name": "type", "type": {"type": "enum", "name": "E", "symbols": ["long", "type"]}, "default": "long"},
                {"name": "self", "type": ["null", "R"], "default": null},
                {"name": "fixed", "type": {"type": "fixed", "name": "m.F", "size": 3}}]}"#,
        ] {
            let schema = Schema::parse_str(avsc).expect("a schema");
            assert_eq!(
                fingerprint(&schema).to_le_bytes().to_vec(),
                apache_avro_says(&schema)
            );
        }
    }

    #[test]
    fn a_logical_type_does_not_change_the_fingerprint() {
        let plain = r#"{"type": "record", "name": "R", "fields": [{"name": "at", "type": "long"}, {"name": "until", "type": ["null", "long"]}]}"#;
        let logical = plain.replace(
            r#""long""#,
            r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
        );
        let [plain, logical] =
            [plain, &logical].map(|avsc| Schema::parse_str(avsc).expect("a schema"));
        assert_eq!(fingerprint(&plain), fingerprint(&logical));
        assert_eq!(
            fingerprint(&plain).to_le_bytes().to_vec(),
            apache_avro_says(&plain)
        );
    }
}
