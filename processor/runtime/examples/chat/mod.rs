//! The chat of a drain: who writes what, the same in every run.
//!
//! Invariant: `preload`, which fills a topic, and `fold`, which needs none, say the same in the same order, so that their figures are of the
//! same work.

use gavel_schemas::{ChatMessage, encode_message};

const ROOMS: u64 = 50;

/// Messages of `users` users, skewed: a few talk much.
pub struct Chat {
    users: u64,
    texts: Vec<String>,
    random: u64,
    number: u64,
}

/// A record to be; the buffers are used again.
#[derive(Default)]
pub struct Sent {
    pub key: String,
    pub value: Vec<u8>,
}

impl Chat {
    /// Texts from a file, one per line.
    pub fn new(users: u64, texts: &str) -> Result<Chat, Box<dyn std::error::Error>> {
        let texts: Vec<String> = std::fs::read_to_string(texts)?
            .lines()
            .map(str::to_owned)
            .collect();
        if users == 0 || texts.is_empty() {
            return Err("there must be a user and a text".into());
        }
        Ok(Chat {
            users,
            texts,
            random: 0x1234_5678_9abc_def0,
            number: 0,
        })
    }

    pub fn next(&mut self, sent: &mut Sent) {
        // The square of a uniform number: half of the messages come from a quarter of the users... and a long tail.
        let uniform = self.roll() % self.users;
        let is_skewed = self.roll().is_multiple_of(2);
        let user = if is_skewed {
            uniform * uniform / self.users
        } else {
            uniform
        };
        let user = format!("u{user}");
        let text = self.roll() % self.texts.len() as u64;
        let message = ChatMessage {
            message_id: format!("m{}", self.number).into(),
            community: "arena".into(),
            channel: format!("room-{}", self.number % ROOMS).into(),
            user: user.as_str().into(),
            text: self.texts[text as usize].as_str().into(),
            kind: "message".into(),
            ..ChatMessage::default()
        };
        self.number += 1;
        sent.value.clear();
        encode_message(&message, &mut sent.value);
        sent.key = format!("arena/{user}");
    }

    /// Xorshift.
    fn roll(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
