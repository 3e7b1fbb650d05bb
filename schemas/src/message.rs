//! A chat message: what producers send and what the fold judges.
//!
//! Decoding borrows from the record's bytes, so that the hot path copies no string.

use crate::avsc::CHAT_MESSAGE_KNOWN;
use crate::wire::{put_long, put_nullable_string, put_string};
use serde::Serialize;
use std::borrow::Cow;

/// One message, in the field order of `chat_message.avsc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChatMessage<'a> {
    /// The producer's id; empty: none.
    pub message_id: Cow<'a, str>,
    pub community: Cow<'a, str>,
    pub channel: Cow<'a, str>,
    pub user: Cow<'a, str>,
    /// Milliseconds since 1970 as the client says; unchecked and informational. 0: unknown.
    pub sent_at: i64,
    pub text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Cow<'a, str>>,
    /// `message`, `edit`, `name`, or a word from the future.
    pub kind: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revises: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Cow<'a, str>>,
}

/// The schema's default of `kind`.
pub(crate) const DEFAULT_KIND: &str = "message";

impl Default for ChatMessage<'_> {
    /// The defaults of the schema; `user` and `text`, which have none there, are empty.
    fn default() -> Self {
        ChatMessage {
            message_id: Cow::Borrowed(""),
            community: Cow::Borrowed(""),
            channel: Cow::Borrowed(""),
            user: Cow::Borrowed(""),
            sent_at: 0,
            text: Cow::Borrowed(""),
            audience: None,
            language: None,
            kind: Cow::Borrowed(DEFAULT_KIND),
            revises: None,
            reply_to: None,
        }
    }
}

impl ChatMessage<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> ChatMessage<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        ChatMessage {
            message_id: own(self.message_id),
            community: own(self.community),
            channel: own(self.channel),
            user: own(self.user),
            sent_at: self.sent_at,
            text: own(self.text),
            audience: self.audience.map(own),
            language: self.language.map(own),
            kind: own(self.kind),
            revises: self.revises.map(own),
            reply_to: self.reply_to.map(own),
        }
    }
}

/// Appends the message as an Avro single object.
///
/// Limits are not checked here: they are the receiver's to keep, and a test must be able to break them.
pub fn encode_message(message: &ChatMessage<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&CHAT_MESSAGE_KNOWN.header);
    put_string(&message.message_id, out);
    put_string(&message.community, out);
    put_string(&message.channel, out);
    put_string(&message.user, out);
    put_long(message.sent_at, out);
    put_string(&message.text, out);
    put_nullable_string(message.audience.as_deref(), out);
    put_nullable_string(message.language.as_deref(), out);
    put_string(&message.kind, out);
    put_nullable_string(message.revises.as_deref(), out);
    put_nullable_string(message.reply_to.as_deref(), out);
}
