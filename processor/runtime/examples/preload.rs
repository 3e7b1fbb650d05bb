//! Fills the message topic for `scripts/speed`: COUNT chat messages of USERS users (skewed: a few talk much), deterministic.
//! Texts come from TEXTS, one per line, else from a small vocabulary.

use gavel_schemas::{ChatMessage, encode_message};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;

const WORDS: [&str; 24] = [
    "gg", "nice", "play", "raid", "starts", "soon", "who", "has", "keys", "lol", "wait", "for",
    "me", "darn", "that", "was", "close", "trade", "potion", "north", "gate", "heal", "please",
    "thanks",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, servers, topic, count, users, texts @ ..] = arguments.as_slice() else {
        return Err("usage: preload BOOTSTRAP TOPIC COUNT USERS [TEXTS]".into());
    };
    let (count, users): (u64, u64) = (count.parse()?, users.parse()?);
    let texts: Vec<String> = match texts.first() {
        Some(path) => std::fs::read_to_string(path)?
            .lines()
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    };
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2")
        .set("linger.ms", "50")
        .set("batch.num.messages", "10000")
        .create()?;
    let mut random = 0x1234_5678_9abc_def0_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut value = Vec::new();
    for index in 0..count {
        // The square of a uniform number: half of the messages come from a quarter of the users... and a long tail.
        let uniform = next() % users;
        let user = format!(
            "u{}",
            if next() % 2 == 0 {
                uniform * uniform / users
            } else {
                uniform
            }
        );
        let text = match texts.len() {
            0 => (0..4 + next() % 14)
                .map(|_| WORDS[(next() % 24) as usize])
                .collect::<Vec<_>>()
                .join(" "),
            n => texts[(next() % n as u64) as usize].clone(),
        };
        let message = ChatMessage {
            message_id: format!("m{index}").into(),
            community: "arena".into(),
            channel: format!("room-{}", index % 50).into(),
            user: user.as_str().into(),
            sent_at: 0,
            text: text.as_str().into(),
            audience: None,
            language: None,
            kind: "message".into(),
            revises: None,
            reply_to: None,
        };
        value.clear();
        encode_message(&message, &mut value);
        let key = format!("arena/{user}");
        let mut record = BaseRecord::to(topic).key(&key).payload(&value);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(5));
            record = back;
        }
        if index % 1024 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(20));
    }
    println!("{{\"events\":{count}}}");
    Ok(())
}
