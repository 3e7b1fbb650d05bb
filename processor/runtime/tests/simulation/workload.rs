//! What producers and operators write: chat with retries and floods, plain and behind a registry's ids, poison, appeals and erasures, real and
//! forged orders.

use crate::cluster::{Cluster, Rng};
use gavel_judge::{Digest, Document};
use gavel_schemas::{
    ChatMessage, ControlMarker, LogOpened, Order, PolicyActivated, PolicyDocument,
    SchemaRegistered, UserErased, VerdictOverturned, avsc, encode_marker, encode_message,
    encode_order,
};
use sha2::Digest as _;

pub const LOG_ID: &str = "simulated-log";

const POLICY: &str = r#"
[policy]
id = "simulation"
topics = ["vulgar", "spam"]
[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }
[[term]]
id = "t1"
match = ["darn"]
topic = "vulgar"
risk = 3
[[term]]
id = "t2"
match = ["heck"]
topic = "vulgar"
risk = RISK
[[context]]
id = "flood"
type = "event_count"
group_by = ["user"]
timespan = "10s"
condition = { gte = 4 }
then = { topic = "spam", risk = 4, action = "mute", for = "20s" }
[strikes]
per_risk = { "3" = 1.0, "4" = 1.0, "5" = 2.0 }
half_life = "1h"
at = [ { gte = 4.0, action = "mute", for = "1m" } ]
"#;

const TEXTS: [&str; 6] = [
    "hello there",
    "darn it",
    "what the heck",
    "gg",
    "d a r n",
    "nice one",
];

/// Ids of a registry that records begin with.
const IDS: usize = 4;
/// Bytes in front of a datum that a registry's id takes the place of.
const SINGLE_OBJECT: usize = 10;

#[derive(Clone)]
struct Sent {
    partition: i32,
    offset: i64,
    key: Vec<u8>,
    message: ChatMessage<'static>,
}

pub struct Workload {
    policies: Vec<(Digest, Vec<u8>)>,
    sent: Vec<Sent>,
    /// Orders whose markers are not in every partition yet.
    unfinished: Vec<(i32, Vec<u8>)>,
    ids: u64,
}

impl Workload {
    pub fn new(cluster: &mut Cluster) -> Workload {
        let partitions = cluster.messages.len() as i32;
        let opened = LogOpened {
            log_id: LOG_ID.into(),
            partitions,
            engine: 1,
            starts: vec![0; partitions as usize],
            nonce: vec![0; 16],
            issued_at: 0,
        };
        cluster.append_order(encode_order(&Order::LogOpened(opened)));
        let policies = ["4", "6", "7"].map(|risk| {
            let text = POLICY.replace("RISK", risk);
            let document =
                Document::parse("simulation.toml", &text, &mut |_| Err("no lists".into()))
                    .expect("the policy is valid");
            (document.digest(), document.canonical())
        });
        Workload {
            policies: policies.to_vec(),
            sent: Vec::new(),
            unfinished: Vec::new(),
            ids: 0,
        }
    }

    /// One thing arrives.
    pub fn step(&mut self, cluster: &mut Cluster, rng: &mut Rng) {
        let partition = rng.below(cluster.messages.len()) as i32;
        match rng.below(40) {
            0 => self.activate(cluster, rng),
            1 | 2 => self.finish_activation(cluster, rng),
            3 => self.forge(cluster, rng, partition),
            4 | 5 => {
                let poison: [Option<Vec<u8>>; 4] = [
                    None,
                    Some(Vec::new()),
                    Some(vec![0xc3, 1, 7, 7]),
                    Some(b"{\"user\":1}".to_vec()),
                ];
                cluster.append(
                    partition,
                    Some(b"c/poison".to_vec()),
                    poison[rng.below(4)].clone(),
                );
            }
            6 => cluster.append_hole(partition),
            7 => self.retry(cluster, rng, false),
            8 => self.retry(cluster, rng, true),
            9 => self.overturn(cluster, rng),
            10 if rng.once_in(4) => self.erase(cluster, rng),
            11 => self.register(cluster, rng),
            12 => self.say(cluster, rng, partition, true),
            _ => self.say(cluster, rng, partition, false),
        }
    }

    /// Behind a registry's id, or as a single object.
    fn say(&mut self, cluster: &mut Cluster, rng: &mut Rng, partition: i32, behind_id: bool) {
        self.ids += 1;
        let user = format!("u{}", rng.below(7));
        let message = ChatMessage {
            message_id: format!("m{}", self.ids).into(),
            community: "c".into(),
            channel: "lobby".into(),
            user: user.clone().into(),
            sent_at: 0,
            text: TEXTS[rng.below(TEXTS.len())].into(),
            audience: None,
            language: None,
            kind: "message".into(),
            revises: None,
            reply_to: None,
        };
        let key = format!("c/{user}").into_bytes();
        if behind_id {
            let mut value = Vec::new();
            encode_message(&message, &mut value);
            let id = rng.below(IDS) as u32;
            let value = [&[0], &id.to_be_bytes()[..], &value[SINGLE_OBJECT..]].concat();
            cluster.append(partition, Some(key), Some(value));
            return;
        }
        self.send(cluster, partition, key, message);
    }

    fn retry(&mut self, cluster: &mut Cluster, rng: &mut Rng, changed: bool) {
        let recent = self.sent.len().saturating_sub(12);
        let Some(mut sent) = rng.pick(&self.sent[recent..]).cloned() else {
            return;
        };
        if changed {
            sent.message.text = "darn heck".into();
        }
        self.send(cluster, sent.partition, sent.key, sent.message);
    }

    fn send(
        &mut self,
        cluster: &mut Cluster,
        partition: i32,
        key: Vec<u8>,
        message: ChatMessage<'static>,
    ) {
        let mut value = Vec::new();
        encode_message(&message, &mut value);
        let offset = cluster.append(partition, Some(key.clone()), Some(value));
        self.sent.push(Sent {
            partition,
            offset,
            key,
            message,
        });
    }

    /// A verdict is overturned, given or not yet; now and then the order is for another partition than its marker.
    fn overturn(&mut self, cluster: &mut Cluster, rng: &mut Rng) {
        let recent = self.sent.len().saturating_sub(60);
        let Some(sent) = rng.pick(&self.sent[recent..]).cloned() else {
            return;
        };
        let marker = ordered(
            cluster,
            &Order::VerdictOverturned(VerdictOverturned {
                log_id: LOG_ID.into(),
                source_partition: sent.partition,
                source_offset: sent.offset,
                community: "c".into(),
                user: sent.message.user.to_string(),
                message_id: sent.message.message_id.to_string(),
                by: "desk".into(),
                reason: String::new(),
                nonce: rng.next().to_le_bytes().repeat(2),
                issued_at: 0,
            }),
        );
        let partition = if rng.once_in(8) {
            rng.below(cluster.messages.len()) as i32
        } else {
            sent.partition
        };
        cluster.append(partition, None, Some(marker));
    }

    /// The markers follow one by one, or never.
    fn erase(&mut self, cluster: &mut Cluster, rng: &mut Rng) {
        let marker = ordered(
            cluster,
            &Order::UserErased(UserErased {
                community: "c".into(),
                user: format!("u{}", rng.below(7)),
                by: "operator".into(),
                reason: String::new(),
                nonce: rng.next().to_le_bytes().repeat(2),
                issued_at: 0,
            }),
        );
        for partition in cluster.messages.keys() {
            self.unfinished.push((*partition, marker.clone()));
        }
    }

    /// The markers follow one by one, or never. Most ids mean something already; some orders cannot be used.
    fn register(&mut self, cluster: &mut Cluster, rng: &mut Rng) {
        let schemas = [avsc::CHAT_MESSAGE, avsc::OLD_CHAT_MESSAGES[1], "\"int\""];
        let marker = ordered(
            cluster,
            &Order::SchemaRegistered(SchemaRegistered {
                framing: "confluent".into(),
                id: rng.below(IDS).to_string(),
                schema: schemas[rng.below(schemas.len())].into(),
                by: "operator".into(),
                reason: String::new(),
                nonce: rng.next().to_le_bytes().repeat(2),
                issued_at: 0,
            }),
        );
        for partition in cluster.messages.keys() {
            self.unfinished.push((*partition, marker.clone()));
        }
    }

    /// Publishes and activates, now and then in shadow; the markers follow one by one, or never.
    fn activate(&mut self, cluster: &mut Cluster, rng: &mut Rng) {
        let (digest, canonical) = self.policies[rng.below(self.policies.len())].clone();
        let nonce: Vec<u8> = rng.next().to_le_bytes().repeat(2);
        let half = canonical.len() / 2;
        for (chunk, bytes) in [&canonical[..half], &canonical[half..]]
            .into_iter()
            .enumerate()
        {
            let document = PolicyDocument {
                digest: digest.to_string(),
                chunk: chunk as i32,
                chunks: 2,
                bytes: bytes.to_vec(),
                nonce: nonce.clone(),
                issued_at: 0,
            };
            cluster.append_order(encode_order(&Order::PolicyDocument(document)));
        }
        let order = Order::PolicyActivated(PolicyActivated {
            scope: if rng.once_in(4) {
                "c".into()
            } else {
                "*".into()
            },
            digest: digest.to_string(),
            engine: 1,
            shadow: rng.once_in(3),
            by: "operator".into(),
            reason: String::new(),
            nonce,
            issued_at: 0,
        });
        let marker = ordered(cluster, &order);
        for partition in cluster.messages.keys() {
            self.unfinished.push((*partition, marker.clone()));
        }
    }

    fn finish_activation(&mut self, cluster: &mut Cluster, rng: &mut Rng) {
        if !self.unfinished.is_empty() {
            let (partition, marker) = self
                .unfinished
                .swap_remove(rng.below(self.unfinished.len()));
            cluster.append(partition, None, Some(marker));
        }
    }

    /// A marker with a number that does not exist (yet), or with the wrong hash.
    fn forge(&mut self, cluster: &mut Cluster, rng: &mut Rng, partition: i32) {
        let number = rng.below(cluster.control.len() + 4) as i64;
        cluster.append(
            partition,
            None,
            Some(marker(number, "policy-activated", [7; 32])),
        );
    }
}

/// Writes an order; gives its marker.
fn ordered(cluster: &mut Cluster, order: &Order) -> Vec<u8> {
    let value = encode_order(order);
    let number = cluster.append_order(value.clone());
    marker(number, order.kind(), sha2::Sha256::digest(&value).into())
}

fn marker(order: i64, kind: &str, sha256: [u8; 32]) -> Vec<u8> {
    let mut value = Vec::new();
    encode_marker(
        &ControlMarker {
            order,
            kind,
            sha256,
        },
        &mut value,
    );
    value
}
