//! Writing orders: first into `chat.control`, where the offset becomes the order's number, then a marker into each message
//! partition, where the order gets its place in time.
//!
//! Invariant: a marker is sent only after its order has been read back from the control log, so no marker can name a number
//! that is not there, and nothing is activated that does not compile here. Everything can be run again: a half-finished
//! activation is finished with the same number, and the fold ignores the markers that it has already met.

mod accept;
mod activate;
mod erase;
mod error;
pub mod history;
mod overturn;
mod register;

pub use accept::{Acceptance, Accepted};
pub use activate::{Activated, Activation, RolledBack};
pub use erase::{Erased, Erasure};
pub use error::OrderError;
pub use overturn::{Appealed, Overturned};
pub use register::{Registered, Registering};

use gavel_judge::{ControlLog, Digest, Document, ENGINE, Policy};
use gavel_schemas::{
    ControlMarker, LogOpened, Order, PolicyDocument, encode_marker, encode_order, limits,
};
use sha2::Digest as _;
use std::ops::Range;

use crate::clock::wall_ms;
use crate::config::Config;
use crate::control::ControlReader;
use crate::hex::hex;
use crate::kafka::{Cluster, Outgoing, Sender};

/// The scope of an activation that holds for every community without one of its own.
pub const EVERYWHERE: &str = "*";

/// Who wants it and why; recorded in the order.
#[derive(Debug, Clone, Default)]
pub struct Author {
    pub by: String,
    pub reason: String,
}

/// What `open_log` found or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub log_id: String,
    pub partitions: i32,
    /// False when the log had been opened before; nothing was written then.
    pub written: bool,
}

/// What `publish` found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    pub digest: Digest,
    pub bytes: usize,
    /// Chunks written now; 0 when the complete document was there.
    pub written: usize,
}

/// Writes orders; holds the control log as far as it has read it.
pub struct Orders<'a> {
    config: &'a Config,
    control: ControlReader,
    sender: Sender,
}

impl<'a> Orders<'a> {
    /// Reads the control log as it is now.
    pub fn open(config: &'a Config) -> Result<Orders<'a>, OrderError> {
        let mut control = ControlReader::open(config)?;
        control.catch_up()?;
        Ok(Orders {
            config,
            control,
            sender: Sender::new(config)?,
        })
    }

    /// The control log as last read.
    pub fn control(&self) -> &ControlLog {
        self.control.log()
    }

    /// Gives the log its identity, unless it has one. `starts` is the first offset of each message partition.
    pub fn open_log(&mut self, starts: &[i64]) -> Result<Opened, OrderError> {
        if let Some(opened) = self.opened() {
            return Ok(opened);
        }
        let log_id = hex(&nonce()?);
        let order = Order::LogOpened(LogOpened {
            log_id: log_id.clone(),
            partitions: i32::try_from(starts.len()).unwrap_or(i32::MAX),
            engine: ENGINE.cast_signed(),
            starts: starts.to_vec(),
            nonce: nonce()?,
            issued_at: wall_ms(),
        });
        self.write(&log_id, &order)?;
        // Read back: had somebody else opened the log meanwhile, theirs stands first and counts.
        let opened = self.opened().ok_or_else(|| OrderError::Vanished {
            control: self.control_topic(),
        })?;
        Ok(Opened {
            written: opened.log_id == log_id,
            ..opened
        })
    }

    /// Writes the document in chunks, unless the complete document is there. It must compile.
    pub fn publish(&mut self, document: &Document) -> Result<Published, OrderError> {
        let digest = document.digest();
        Policy::compile(document).map_err(|source| OrderError::Policy { digest, source })?;
        let canonical = document.canonical();
        let mut published = Published {
            digest,
            bytes: canonical.len(),
            written: 0,
        };
        if self.control().document(&digest).is_some() {
            return Ok(published);
        }
        for order in chunks(document)? {
            self.send_order(&digest.to_string(), &order)?;
            published.written += 1;
        }
        self.control.catch_up()?;
        match self.control().document(&digest) {
            Some(_) => Ok(published),
            None => Err(OrderError::Vanished {
                control: self.control_topic(),
            }),
        }
    }
}

impl Orders<'_> {
    fn control_topic(&self) -> String {
        self.config.topics.control.clone()
    }

    fn opened(&self) -> Option<Opened> {
        let opened = self.control().opened(0)?;
        Some(Opened {
            log_id: opened.log_id.clone(),
            partitions: opened.partitions,
            written: false,
        })
    }

    /// The number of message partitions, which must still be that of the opening.
    fn message_partitions(&self) -> Result<i32, OrderError> {
        let opened = self.opened().ok_or_else(|| OrderError::NotOpened {
            control: self.control_topic(),
        })?;
        let messages = &self.config.topics.messages;
        let found = Cluster::new(self.config)?.require(messages)?.partitions;
        if found != opened.partitions {
            return Err(OrderError::PartitionsChanged {
                messages: messages.clone(),
                found,
                opened: opened.partitions,
            });
        }
        Ok(found)
    }

    /// Writes an order and reads the control log to behind it; its number.
    fn write(&mut self, key: &str, order: &Order) -> Result<i64, OrderError> {
        let sha256 = self.send_order(key, order)?;
        self.control.catch_up()?;
        // Found by content, not by the offset in the ack: a retried request may be acknowledged without one.
        self.control()
            .orders()
            .find(|recorded| recorded.sha256 == sha256)
            .map(|recorded| recorded.offset)
            .ok_or_else(|| OrderError::Vanished {
                control: self.control_topic(),
            })
    }

    fn send_order(&self, key: &str, order: &Order) -> Result<[u8; 32], OrderError> {
        let value = encode_order(order);
        self.sender.send_one(Outgoing {
            topic: &self.config.topics.control,
            partition: Some(0),
            key: Some(key.as_bytes()),
            value: &value,
            timestamp: None,
            headers: None,
        })?;
        Ok(sha2::Sha256::digest(&value).into())
    }

    /// Sends the marker of an order to these message partitions; gives its bytes.
    fn mark(
        &self,
        order: i64,
        partitions: Range<i32>,
        time: Option<i64>,
    ) -> Result<Vec<u8>, OrderError> {
        let recorded = self
            .control()
            .orders()
            .find(|recorded| recorded.offset == order)
            .ok_or_else(|| OrderError::Vanished {
                control: self.control_topic(),
            })?;
        let mut value = Vec::new();
        encode_marker(
            &ControlMarker {
                order,
                kind: recorded.kind(),
                sha256: recorded.sha256,
            },
            &mut value,
        );
        for partition in partitions {
            self.sender.send_one(Outgoing {
                topic: &self.config.topics.messages,
                partition: Some(partition),
                key: None,
                value: &value,
                timestamp: time,
                headers: None,
            })?;
        }
        Ok(value)
    }
}

/// The orders that publish a document, one for each chunk.
fn chunks(document: &Document) -> Result<Vec<Order>, OrderError> {
    let digest = document.digest().to_string();
    let canonical = document.canonical();
    let pieces: Vec<&[u8]> = canonical.chunks(limits::CHUNK_BYTES).collect();
    let chunks = i32::try_from(pieces.len()).unwrap_or(i32::MAX);
    (0..chunks)
        .zip(pieces)
        .map(|(chunk, bytes)| {
            Ok(Order::PolicyDocument(PolicyDocument {
                digest: digest.clone(),
                chunk,
                chunks,
                bytes: bytes.to_vec(),
                nonce: nonce()?,
                issued_at: wall_ms(),
            }))
        })
        .collect()
}

fn nonce() -> Result<Vec<u8>, OrderError> {
    let mut bytes = vec![0; 16];
    getrandom::fill(&mut bytes).map_err(OrderError::Nonce)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gavel_schemas::decode_order;

    const POLICY: &str = r#"
[policy]
id = "orders"
lists = ["terms.csv"]
topics = ["rude"]
[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }
"#;

    fn document(terms: usize) -> Document {
        let rows: String = (0..terms)
            .map(|n| format!("term-{n},word{n:06}x,rude,3\n"))
            .collect();
        let mut list = |_: &str| Ok(format!("id,match,topic,risk\n{rows}"));
        Document::parse("policy.toml", POLICY, &mut list).expect("a valid policy")
    }

    #[test]
    fn a_document_in_chunks_is_the_document() {
        let document = document(30_000);
        let orders = chunks(&document).expect("there is randomness");
        assert!(orders.len() > 1, "too small to show anything");
        let mut control = ControlLog::new();
        for (offset, order) in (0..).zip(&orders) {
            assert!(
                control.document(&document.digest()).is_none(),
                "complete before its last chunk"
            );
            let value = encode_order(order);
            assert!(value.len() <= limits::ORDER_BYTES, "{} bytes", value.len());
            assert!(decode_order(&value).is_ok());
            control.append(offset, &value);
        }
        let read = control.document(&document.digest()).expect("complete");
        assert_eq!(read.canonical(), document.canonical());
    }
}
