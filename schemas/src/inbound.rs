//! One value of `chat.messages` becomes a message, a marker or a refusal.
//!
//! Which bytes decode, and to what, is part of the engine: framings, known writers and limits are fixed here, and the result
//! depends on the value and on the registrations met before it alone. Cost is bounded by a small multiple of the value's size.

use crate::avsc::{self, CHAT_MESSAGE_KNOWN, CONTROL_MARKER_KNOWN, Known, split_header};
use crate::message::DEFAULT_KIND;
use crate::plan::{Kind, Limit, Plan, Row, Wanted};
use crate::registered::RegisteredSchemas;
use crate::schema_id::split_framed;
use crate::{ChatMessage, ControlMarker, Refusal, decode_json_message, limits};
use apache_avro::Schema;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What a value of `chat.messages` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound<'a> {
    Message(ChatMessage<'a>),
    Marker(ControlMarker<'a>),
}

/// As [`decode_inbound_with`], at a place of the log where no registry's id is known.
///
/// # Errors
/// As there.
pub fn decode_inbound(value: &[u8]) -> Result<Inbound<'_>, Refusal> {
    decode_inbound_with(value, RegisteredSchemas::none())
}

/// Decodes one value of `chat.messages` within the decode budget, by the registrations known at its place of the log.
///
/// Avro strings are borrowed from `value`, and nothing is allocated for them; JSON strings are borrowed where they have no
/// escapes.
///
/// # Errors
/// The [`Refusal`] that the record's verdict carries. Where several apply, always the same one.
pub fn decode_inbound_with<'a>(
    value: &'a [u8],
    registered: &RegisteredSchemas,
) -> Result<Inbound<'a>, Refusal> {
    match value {
        [] => Err(Refusal::EmptyValue),
        _ if value.len() > limits::RECORD_BYTES => Err(Refusal::TooLarge),
        [b'{', ..] => decode_json_message(value).map(Inbound::Message),
        [0xC3, 0x01, ..] => {
            let (fingerprint, datum) = split_header(value).ok_or(Refusal::MalformedAvro)?;
            decode_datum(fingerprint, datum)
        }
        [0x00 | 0x03, ..] => decode_framed(value, registered),
        _ => Err(Refusal::UnknownFraming),
    }
}

/// Out of line: producers with a registry are not to cost the others anything.
#[inline(never)]
fn decode_framed<'a>(
    value: &'a [u8],
    registered: &RegisteredSchemas,
) -> Result<Inbound<'a>, Refusal> {
    let (id, datum) = split_framed(value)?;
    let schema = registered.get(id).ok_or(Refusal::UnregisteredSchema)?;
    schema.decode(datum).map(Inbound::Message)
}

/// A schema that records of `chat.messages` may be written with.
struct Writer {
    fingerprint: u64,
    record: Record,
    plan: Plan,
}

#[derive(Clone, Copy)]
enum Record {
    Message,
    Marker,
}

/// The writers that engine 1 knows, the likeliest first. Adding one needs a new engine number: a record refused as
/// `unknown-schema` must be refused again when the log is folded once more.
static WRITERS: LazyLock<Vec<Writer>> = LazyLock::new(|| {
    let mut writers = vec![
        writer(&CHAT_MESSAGE_KNOWN, Record::Message),
        writer(&CONTROL_MARKER_KNOWN, Record::Marker),
    ];
    for old in avsc::OLD_CHAT_MESSAGES.iter().rev() {
        writers.push(writer(&Known::built_in(old), Record::Message));
    }
    writers
});

fn writer(known: &Known, record: Record) -> Writer {
    let compiled = match record {
        Record::Message => message_plan(&known.schema),
        Record::Marker => Plan::compile(&known.schema, &MARKER_FIELDS),
    };
    match compiled {
        Ok(plan) => Writer {
            fingerprint: known.fingerprint,
            record,
            plan,
        },
        Err(error) => unreachable!("a known writer's schema has no plan: {error}"),
    }
}

fn decode_datum(fingerprint: u64, datum: &[u8]) -> Result<Inbound<'_>, Refusal> {
    let writer = WRITERS
        .iter()
        .find(|writer| writer.fingerprint == fingerprint)
        .ok_or(Refusal::UnknownSchema)?;
    let row = writer.plan.decode(datum)?;
    match writer.record {
        Record::Message => Ok(Inbound::Message(message(&row))),
        Record::Marker => marker(&row).map(Inbound::Marker),
    }
}

pub(crate) fn message_plan(writer: &Schema) -> Result<Plan, crate::plan::PlanError> {
    Plan::compile(writer, &MESSAGE_FIELDS)
}

const MESSAGE_FIELDS: [Wanted; 11] = [
    string("message_id", 0),
    string("community", 1),
    string("channel", 2),
    Wanted {
        required: true,
        ..string("user", 3)
    },
    Wanted {
        name: "sent_at",
        kind: Kind::Long,
        required: false,
    },
    Wanted {
        name: "text",
        kind: Kind::String(4, Limit::Text),
        required: true,
    },
    nullable("audience", 5),
    nullable("language", 6),
    string("kind", 7),
    nullable("revises", 8),
    nullable("reply_to", 9),
];

const fn string(name: &'static str, slot: usize) -> Wanted {
    Wanted {
        name,
        kind: Kind::String(slot, Limit::String),
        required: false,
    }
}

const fn nullable(name: &'static str, slot: usize) -> Wanted {
    Wanted {
        name,
        kind: Kind::NullableString(slot, Limit::String),
        required: false,
    }
}

pub(crate) fn message<'a>(row: &Row<'a>) -> ChatMessage<'a> {
    let [
        message_id,
        community,
        channel,
        user,
        text,
        audience,
        language,
        kind,
        revises,
        reply_to,
    ] = row.strings;
    let or_empty = |value: Option<&'a str>| Cow::Borrowed(value.unwrap_or(""));
    ChatMessage {
        message_id: or_empty(message_id),
        community: or_empty(community),
        channel: or_empty(channel),
        user: or_empty(user),
        sent_at: row.long.unwrap_or(0),
        text: or_empty(text),
        audience: audience.map(Cow::Borrowed),
        language: language.map(Cow::Borrowed),
        kind: Cow::Borrowed(kind.unwrap_or(DEFAULT_KIND)),
        revises: revises.map(Cow::Borrowed),
        reply_to: reply_to.map(Cow::Borrowed),
    }
}

const MARKER_FIELDS: [Wanted; 3] = [
    Wanted {
        name: "order",
        kind: Kind::Long,
        required: true,
    },
    Wanted {
        required: true,
        ..string("kind", 0)
    },
    Wanted {
        name: "sha256",
        kind: Kind::Fixed(32),
        required: true,
    },
];

fn marker<'a>(row: &Row<'a>) -> Result<ControlMarker<'a>, Refusal> {
    let (Some(order), [Some(kind), ..], Ok(sha256)) = (row.long, row.strings, row.fixed.try_into())
    else {
        return Err(Refusal::MalformedAvro);
    };
    Ok(ControlMarker {
        order,
        kind,
        sha256,
    })
}
