//! A registry's name for a schema, and the framings that carry it.
//!
//! The two framings say nothing of each other: `confluent:7` and `glue:…` are different ids whatever their schemas are.

use crate::Refusal;
use std::fmt;
use std::str::FromStr;

/// Which schema of which kind of registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaId {
    /// Of a Confluent schema registry, or one that speaks like it.
    Confluent(u32),
    /// The UUID of a schema version in AWS Glue.
    Glue([u8; 16]),
}

/// A text that names no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no schema: write confluent:NUMBER or glue:UUID")]
pub struct NoSchemaId(String);

impl SchemaId {
    /// As an order carries it.
    ///
    /// # Errors
    /// [`NoSchemaId`]: not what [`framing`](SchemaId::framing) and [`id`](SchemaId::id) give for any id, to the letter.
    pub fn of_order(framing: &str, id: &str) -> Result<SchemaId, NoSchemaId> {
        let parsed: SchemaId = format!("{framing}:{id}").parse()?;
        // One spelling only: what another program reads here must be the same.
        if parsed.framing() == framing && parsed.id() == id {
            Ok(parsed)
        } else {
            Err(NoSchemaId(format!("{framing}:{id}")))
        }
    }

    /// The id that a value of `chat.messages` begins with, if it has a framing with one.
    pub fn of_value(value: &[u8]) -> Option<SchemaId> {
        let (id, _) = split_framed(value).ok()?;
        Some(id)
    }

    pub const fn framing(self) -> &'static str {
        match self {
            SchemaId::Confluent(_) => "confluent",
            SchemaId::Glue(_) => "glue",
        }
    }

    /// Without the framing.
    pub fn id(self) -> String {
        match self {
            SchemaId::Confluent(number) => number.to_string(),
            SchemaId::Glue(uuid) => {
                let digits = format!("{:032x}", u128::from_be_bytes(uuid));
                let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
                parts.join("-")
            }
        }
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.framing(), self.id())
    }
}

impl FromStr for SchemaId {
    type Err = NoSchemaId;

    fn from_str(text: &str) -> Result<SchemaId, NoSchemaId> {
        let id = match text.split_once(':') {
            Some(("confluent", number)) => confluent(number),
            Some(("glue", uuid)) => glue(uuid),
            Some(_) | None => None,
        };
        id.ok_or_else(|| NoSchemaId(text.to_owned()))
    }
}

fn confluent(number: &str) -> Option<SchemaId> {
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.parse().ok().filter(|_| digits)?;
    Some(SchemaId::Confluent(number))
}

/// Hyphens where they belong, digits of either case.
fn glue(uuid: &str) -> Option<SchemaId> {
    let lengths = uuid.split('-').map(str::len);
    if !lengths.eq([8, 4, 4, 4, 12]) {
        return None;
    }
    let digits = uuid.replace('-', "");
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| hex)?;
    Some(SchemaId::Glue(number.to_be_bytes()))
}

/// Glue: no compression.
const PLAIN: u8 = 0;
/// Glue: the datum is compressed by zlib.
const ZLIB: u8 = 5;

/// Takes a value that begins with `00` or `03` apart: id and datum.
///
/// A compressed datum is refused: what an inflater makes of damaged bytes would become a part of every verdict for ever, and Kafka
/// compresses whole batches better.
pub(crate) fn split_framed(value: &[u8]) -> Result<(SchemaId, &[u8]), Refusal> {
    match value {
        [0x00, rest @ ..] => {
            let (id, datum) = rest.split_first_chunk().ok_or(Refusal::MalformedAvro)?;
            Ok((SchemaId::Confluent(u32::from_be_bytes(*id)), datum))
        }
        [0x03, PLAIN, rest @ ..] => {
            let (id, datum) = rest.split_first_chunk().ok_or(Refusal::MalformedAvro)?;
            Ok((SchemaId::Glue(*id), datum))
        }
        [0x03, ZLIB, ..] => Err(Refusal::CompressedDatum),
        _ => Err(Refusal::UnknownFraming),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63";

    #[test]
    fn an_id_has_one_spelling_in_an_order() {
        for text in [
            "confluent:0",
            "confluent:4294967295",
            &format!("glue:{UUID}"),
        ] {
            let id: SchemaId = text.parse().expect("an id");
            assert_eq!(id.to_string(), text);
            assert_eq!(SchemaId::of_order(id.framing(), &id.id()), Ok(id));
        }
        let upper: SchemaId = format!("glue:{}", UUID.to_uppercase())
            .parse()
            .expect("an id");
        assert_eq!(upper.id(), UUID);
        assert!(SchemaId::of_order("glue", &UUID.to_uppercase()).is_err());
        assert!(SchemaId::of_order("confluent", "07").is_err());
    }

    #[test]
    fn what_names_no_schema_is_no_id() {
        for wrong in [
            "",
            "7",
            "confluent:",
            "confluent:-1",
            "confluent:+1",
            "confluent:4294967296",
            "Confluent:7",
            "glue:7",
            "glue:b7b4a7f09c964e4aa687fb5de9ef0c63",
            "glue:+7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63",
            "glue:b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c6g",
            "glue:b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c6é",
        ] {
            assert!(wrong.parse::<SchemaId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_value_is_taken_apart_behind_its_id() {
        assert_eq!(
            split_framed(b"\0\0\0\x01\x02datum"),
            Ok((SchemaId::Confluent(258), b"datum".as_slice()))
        );
        let glue = [&[3, 0][..], &[0xab; 16], b"datum"].concat();
        assert_eq!(
            split_framed(&glue),
            Ok((SchemaId::Glue([0xab; 16]), b"datum".as_slice()))
        );
        for (short, long) in [(&b"\0\0\0\x01\x02"[..], 5), (&glue[..], 18)] {
            for end in 1..long {
                assert!(split_framed(&short[..end]).is_err());
            }
        }
        assert_eq!(split_framed(&[3, 5]), Err(Refusal::CompressedDatum));
        assert_eq!(split_framed(&[3, 1]), Err(Refusal::UnknownFraming));
        assert_eq!(split_framed(&[3]), Err(Refusal::UnknownFraming));
    }
}
