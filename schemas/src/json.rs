//! The JSON framing: one object with the fields of `ChatMessage`.
//!
//! It obeys the same rules as the Avro framing (defaults, limits, UTF-8, nothing after the record), so a producer can change
//! framings without a verdict changing. Strings without escapes are borrowed.

use crate::message::DEFAULT_KIND;
use crate::plan::Limit;
use crate::rfc3339::milliseconds;
use crate::{ChatMessage, Refusal, limits};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

/// Decodes a message written as one JSON object; white space around it is allowed.
///
/// A field that is missing has the schema's default, `user` and `text` are required, unknown fields are ignored, a known
/// field written twice is refused. `sent_at` is a whole number of milliseconds or an RFC 3339 date and time with an offset.
///
/// # Errors
/// The [`Refusal`] that the record's verdict would carry.
pub fn decode_json_message(value: &[u8]) -> Result<ChatMessage<'_>, Refusal> {
    if value.len() > limits::RECORD_BYTES {
        return Err(Refusal::TooLarge);
    }
    let text = std::str::from_utf8(value).map_err(|_| Refusal::InvalidUtf8)?;
    let refusal = Cell::new(Refusal::MalformedJson);
    let mut json = serde_json::Deserializer::from_str(text);
    let message = json
        .deserialize_map(Fields { refusal: &refusal })
        .map_err(|_| refusal.get())?;
    json.end().map_err(|_| Refusal::TrailingBytes)?;
    Ok(message)
}

/// Appends the message as one JSON object without line breaks. Nullable fields that are `None` are left out.
pub fn encode_message_json(message: &ChatMessage<'_>, out: &mut Vec<u8>) {
    // A `Vec` takes every byte and strings and numbers have a JSON form, so there is no error to pass on.
    if let Err(error) = serde_json::to_writer(out, message) {
        unreachable!("a message has no JSON form: {error}");
    }
}

/// Reads the object. serde's errors are text, so the refusal that an error stands for is kept beside them.
struct Fields<'c> {
    refusal: &'c Cell<Refusal>,
}

impl Fields<'_> {
    fn refuse<E: serde::de::Error>(&self, refusal: Refusal) -> E {
        self.refusal.set(refusal);
        E::custom(refusal)
    }

    /// Reads a value into an empty place; a second one is a duplicate field.
    fn fill<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
        &self,
        place: &mut Option<S::Value>,
        map: &mut A,
        seed: S,
    ) -> Result<(), A::Error> {
        if place.is_some() {
            return Err(A::Error::custom("a field is written twice"));
        }
        *place = Some(map.next_value_seed(seed)?);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ChatMessage<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object with the fields of ChatMessage")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ChatMessage<'de>, A::Error> {
        let string = Text {
            fields: &self,
            limit: Limit::String,
        };
        let nullable = Nullable(string);
        let mut message_id = None;
        let mut community = None;
        let mut channel = None;
        let mut user = None;
        let mut sent_at = None;
        let mut text = None;
        let mut audience = None;
        let mut language = None;
        let mut kind = None;
        let mut revises = None;
        let mut reply_to = None;
        while let Some(name) = map.next_key_seed(Name)? {
            match &*name {
                "message_id" => self.fill(&mut message_id, &mut map, string)?,
                "community" => self.fill(&mut community, &mut map, string)?,
                "channel" => self.fill(&mut channel, &mut map, string)?,
                "user" => self.fill(&mut user, &mut map, string)?,
                "sent_at" => self.fill(&mut sent_at, &mut map, SentAt)?,
                "text" => {
                    let seed = Text {
                        fields: &self,
                        limit: Limit::Text,
                    };
                    self.fill(&mut text, &mut map, seed)?;
                }
                "audience" => self.fill(&mut audience, &mut map, nullable)?,
                "language" => self.fill(&mut language, &mut map, nullable)?,
                "kind" => self.fill(&mut kind, &mut map, string)?,
                "revises" => self.fill(&mut revises, &mut map, nullable)?,
                "reply_to" => self.fill(&mut reply_to, &mut map, nullable)?,
                _ => {
                    let ignored: &RawValue = map.next_value()?;
                    if nesting(ignored.get()) > limits::NESTING {
                        return Err(self.refuse(Refusal::TooDeep));
                    }
                }
            }
        }
        Ok(ChatMessage {
            message_id: message_id.unwrap_or_default(),
            community: community.unwrap_or_default(),
            channel: channel.unwrap_or_default(),
            user: user.ok_or_else(|| A::Error::missing_field("user"))?,
            sent_at: sent_at.unwrap_or(0),
            text: text.ok_or_else(|| A::Error::missing_field("text"))?,
            audience: audience.flatten(),
            language: language.flatten(),
            kind: kind.unwrap_or(Cow::Borrowed(DEFAULT_KIND)),
            revises: revises.flatten(),
            reply_to: reply_to.flatten(),
        })
    }
}

/// How deep the arrays and objects of a well-formed JSON text lie.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Any string, borrowed where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}

/// A string within its limit.
#[derive(Clone, Copy)]
struct Text<'f, 'c> {
    fields: &'f Fields<'c>,
    limit: Limit,
}

impl<'de> DeserializeSeed<'de> for Text<'_, '_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        let value = Name.deserialize(json)?;
        self.limit
            .check(&value)
            .map_err(|refusal| self.fields.refuse(refusal))?;
        Ok(value)
    }
}

/// A string within its limit, or `null`.
#[derive(Clone, Copy)]
struct Nullable<'f, 'c>(Text<'f, 'c>);

impl<'de> DeserializeSeed<'de> for Nullable<'_, '_> {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Nullable<'_, '_> {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a string or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(json).map(Some)
    }
}

/// Milliseconds since 1970, as a whole number or as RFC 3339.
struct SentAt;

impl<'de> DeserializeSeed<'de> for SentAt {
    type Value = i64;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<i64, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for SentAt {
    type Value = i64;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number of milliseconds or an RFC 3339 date and time")
    }

    fn visit_i64<E>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<i64, E> {
        milliseconds(value).ok_or_else(|| E::custom("not an RFC 3339 date and time"))
    }
}
