//! What is said, by whom, and by which policy it is judged. The same on every machine.

use crate::corpus::{self, Corpus, Dice, leet};
use gavel_judge::{Policy, Record, Timestamp};
use gavel_schemas::{ChatMessage, encode_message};
use std::sync::Arc;

/// Who speaks by turns. Not more: instructions do not feel the size of a memory, but a context is complete only after eight messages, and
/// nothing is counted before.
pub const USERS: usize = 1_000;
const TERMS: usize = 10_000;
/// Fewer than the corpus has for curves: under callgrind its substrings would take longer than all that is counted.
const VOCABULARY: usize = 4_000;
const BEGAN: i64 = 1_767_636_000_000;
/// Milliseconds between records.
const APART: i64 = 50;

/// One record of a message partition; its place in the list is its offset.
pub struct Sent {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl Sent {
    pub fn record(&self, offset: usize) -> Record<'_> {
        let offset = offset as i64;
        Record {
            offset,
            timestamp: Timestamp::LogAppend(BEGAN + offset * APART),
            key: Some(&self.key),
            value: Some(&self.value),
            headers_len: 0,
        }
    }
}

pub struct Chat {
    corpus: Corpus,
    dice: Dice,
}

impl Chat {
    pub fn new() -> Chat {
        Chat {
            corpus: Corpus::sized(VOCABULARY, TERMS),
            dice: Dice(11),
        }
    }

    pub fn policy(&self, terms: usize) -> Arc<Policy> {
        let list = corpus::term_list(&self.corpus, terms, 80);
        corpus::compiled(&corpus::parse(corpus::MEASURED, &list))
    }

    /// Lines of 60 bytes on average. Of a hundred, four hold a term: two as it is, one in leet, one in letters of another alphabet; three
    /// more hold a harmless word in leet.
    pub fn lines(&mut self, count: usize) -> Vec<String> {
        let mut line = |_| {
            let length = 20 + self.dice.below(75);
            let mut text = self.corpus.message_of(&mut self.dice, length);
            let disguise: Option<fn(&str) -> String> = match self.dice.below(100) {
                0 => Some(leet),
                1 => Some(look_alikes),
                _ => None,
            };
            if let Some(disguise) = disguise {
                let term = self.dice.below(1_000);
                text.push(' ');
                text.push_str(&disguise(&self.corpus.terms[term]));
            }
            text
        };
        (0..count).map(&mut line).collect()
    }

    /// Texts of exactly `length` bytes, as somebody writes who pastes pages.
    pub fn pages(&mut self, count: usize, length: usize) -> Vec<String> {
        let mut page = |_| {
            let mut text = self.corpus.message_of(&mut self.dice, length);
            while text.len() > length {
                text.pop();
            }
            text.extend(std::iter::repeat_n('.', length - text.len()));
            text
        };
        (0..count).map(&mut page).collect()
    }
}

fn look_alikes(word: &str) -> String {
    let swap = |ch| match ch {
        'a' => 'а',
        'c' => 'с',
        'e' => 'е',
        'i' => 'і',
        'o' => 'о',
        'p' => 'р',
        other => other,
    };
    word.chars().map(swap).collect()
}

/// The text as record `number` of the topic says it, by one of so many users.
pub fn message(text: &str, number: usize, users: usize) -> ChatMessage<'_> {
    ChatMessage {
        message_id: format!("message-{number:08}").into(),
        community: "north".into(),
        channel: "lobby".into(),
        user: format!("user-{:05}", number % users).into(),
        text: text.into(),
        sent_at: BEGAN + number as i64 * APART,
        ..ChatMessage::default()
    }
}

pub fn sent(texts: &[String], users: usize) -> Vec<Sent> {
    let one = |(number, text): (usize, &String)| {
        let message = message(text, number, users);
        let key = format!("{}/{}", message.community, message.user).into_bytes();
        let mut value = Vec::new();
        encode_message(&message, &mut value);
        Sent { key, value }
    };
    texts.iter().enumerate().map(one).collect()
}
