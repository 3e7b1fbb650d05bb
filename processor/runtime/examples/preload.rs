//! Fills the message topic for the drains of `scripts/bench`: COUNT chat messages of USERS users, deterministic.

mod chat;

use chat::{Chat, Sent};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, servers, topic, count, users, texts] = arguments.as_slice() else {
        return Err("usage: preload BOOTSTRAP TOPIC COUNT USERS TEXTS".into());
    };
    let count: u64 = count.parse()?;
    let mut chat = Chat::new(users.parse()?, texts)?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2")
        .set("linger.ms", "50")
        .set("batch.num.messages", "10000")
        .create()?;
    let mut sent = Sent::default();
    for index in 0..count {
        chat.next(&mut sent);
        let mut record = BaseRecord::to(topic).key(&sent.key).payload(&sent.value);
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
