//! Writing orders: first into `chat.control`, where the offset becomes the order's number, then a marker into each message
//! partition, where the order gets its place in time.
//!
//! Invariant: a marker is sent only after its order has been read back from the control log, so no marker can name a number
//! that is not there, and nothing is activated that does not compile here. Everything can be run again: a half-finished
//! activation is finished with the same number, and the fold ignores the markers that it has already met.

use std::time::{SystemTime, UNIX_EPOCH};

use gavel_judge::{ControlLog, Digest, Document, ENGINE, NoPolicy, Policy, PolicyError};
use gavel_schemas::{
    ControlMarker, LogOpened, Order, PolicyActivated, PolicyDocument, encode_marker, encode_order,
    limits,
};
use sha2::Digest as _;

use crate::config::Config;
use crate::control::{ControlError, ControlReader};
use crate::hex::hex;
use crate::kafka::{BrokerError, Cluster, Outgoing, Sender};

/// The scope of an activation that holds for every community without one of its own.
pub const EVERYWHERE: &str = "*";

/// Why an order was not written, or not spread.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the log has no identity yet: `{control}` holds no LogOpened")]
    NotOpened { control: String },
    #[error("`{messages}` has {found} partitions, but the log was opened with {opened}")]
    PartitionsChanged {
        messages: String,
        found: i32,
        opened: i32,
    },
    #[error("no complete policy {digest} in `{control}`")]
    NotPublished { digest: Digest, control: String },
    #[error("policy {digest} cannot be used: {source}")]
    Policy { digest: Digest, source: PolicyError },
    #[error("policy {digest} fails its own tests: {}", .failed.join("; "))]
    Tests { digest: Digest, failed: Vec<String> },
    #[error(
        "policy {digest} is for engine {engine}, but `*` runs engine {current}; only `*` may change the engine"
    )]
    EngineOfScope {
        digest: Digest,
        engine: u32,
        current: u32,
    },
    #[error(
        "`{scope}` is no scope: use `*` or one community, without `/` and at most {} bytes",
        limits::STRING_BYTES
    )]
    Scope { scope: String },
    #[error("no randomness for the order's nonce: {0}")]
    Nonce(getrandom::Error),
    #[error("the order was acknowledged but is not in `{control}` when read back")]
    Vanished { control: String },
}

impl OrderError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            OrderError::Broker(error) => error.next_step(),
            OrderError::Control(error) => error.next_step(),
            OrderError::NotOpened { .. } => {
                "run `gavel topics create --partitions N`, or `gavel topics adopt` for topics that exist".into()
            }
            OrderError::PartitionsChanged { .. } => {
                "check [topics]; the number of partitions is fixed for the life of a log, because users would move".into()
            }
            OrderError::NotPublished { .. } => "run `gavel policy publish FILE` first, or activate the file itself".into(),
            OrderError::Policy { .. } => "run `gavel policy check FILE`, then publish again".into(),
            OrderError::Tests { .. } => "run `gavel policy check FILE`, mend the policy or its tests, then publish again".into(),
            OrderError::EngineOfScope { .. } => "activate a policy of the new engine for `*` first".into(),
            OrderError::Scope { .. } => "check --community".into(),
            OrderError::Nonce(_) => "try again; this machine's random source does not answer".into(),
            OrderError::Vanished { .. } => "check that nobody deletes or replaces the control topic, then run again".into(),
        }
    }
}

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

/// What `activate` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activated {
    /// Offset of the order in the control topic.
    pub order: i64,
    pub digest: Digest,
    /// True when the newest activation of the scope named this policy already, and only its markers were sent (again).
    pub resumed: bool,
    /// Message partitions that have its marker.
    pub partitions: i32,
}

/// What to activate.
#[derive(Debug, Clone)]
pub struct Activation {
    pub digest: Digest,
    /// `*` or one community.
    pub scope: String,
    pub author: Author,
    /// Record time of the markers in milliseconds since 1970, for topics with CreateTime; `None`: now.
    pub marker_time: Option<i64>,
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
            issued_at: now_ms(),
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

    /// Orders that a scope be judged by a published policy from here on, and tells every message partition.
    pub fn activate(&mut self, activation: &Activation) -> Result<Activated, OrderError> {
        let partitions = self.message_partitions()?;
        let engine = self.usable_engine(&activation.digest)?;
        check_scope(&activation.scope)?;
        self.check_engine(activation, engine)?;
        let resumed = newest_activation(self.control(), &activation.scope)
            .filter(|(_, order)| order.digest == activation.digest.to_string())
            .map(|(number, _)| number);
        let order = match resumed {
            Some(number) => number,
            None => {
                let order = Order::PolicyActivated(PolicyActivated {
                    scope: activation.scope.clone(),
                    digest: activation.digest.to_string(),
                    engine: engine.cast_signed(),
                    shadow: false,
                    by: activation.author.by.clone(),
                    reason: activation.author.reason.clone(),
                    nonce: nonce()?,
                    issued_at: now_ms(),
                });
                self.write(&activation.scope, &order)?
            }
        };
        self.mark(order, partitions, activation.marker_time)?;
        Ok(Activated {
            order,
            digest: activation.digest,
            resumed: resumed.is_some(),
            partitions,
        })
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

    /// The engine of a policy that is completely published and compiles.
    fn usable_engine(&self, digest: &Digest) -> Result<u32, OrderError> {
        match self.control().compile(digest) {
            Ok(policy) => self.check_tests(digest).map(|()| policy.engine()),
            Err(NoPolicy::Incomplete(digest)) => Err(OrderError::NotPublished {
                digest,
                control: self.control_topic(),
            }),
            Err(NoPolicy::Invalid { digest, source }) => Err(OrderError::Policy { digest, source }),
        }
    }

    /// A policy's inline tests are its author's word for what it does: it goes into force only if they hold.
    fn check_tests(&self, digest: &Digest) -> Result<(), OrderError> {
        let document = self.control().document(digest);
        let failures =
            document.map_or(Ok(Vec::new()), |document| gavel_judge::run_tests(&document));
        let failures = failures.map_err(|source| OrderError::Policy {
            digest: *digest,
            source,
        })?;
        if failures.is_empty() {
            return Ok(());
        }
        let failed = failures
            .iter()
            .map(|failure| format!("{} ({})", failure.test, failure.differences.join(", ")))
            .collect();
        Err(OrderError::Tests {
            digest: *digest,
            failed,
        })
    }

    /// Only `*` may change the engine; the fold would refuse the marker of a community that tries.
    fn check_engine(&self, activation: &Activation, engine: u32) -> Result<(), OrderError> {
        if activation.scope == EVERYWHERE {
            return Ok(());
        }
        match newest_activation(self.control(), EVERYWHERE) {
            Some((_, everywhere)) if everywhere.engine != engine.cast_signed() => {
                Err(OrderError::EngineOfScope {
                    digest: activation.digest,
                    engine,
                    current: everywhere.engine.cast_unsigned(),
                })
            }
            Some(_) | None => Ok(()),
        }
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

    /// Sends the marker of an order to every message partition.
    fn mark(&self, order: i64, partitions: i32, time: Option<i64>) -> Result<(), OrderError> {
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
        for partition in 0..partitions {
            self.sender.send_one(Outgoing {
                topic: &self.config.topics.messages,
                partition: Some(partition),
                key: None,
                value: &value,
                timestamp: time,
                headers: None,
            })?;
        }
        Ok(())
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
                issued_at: now_ms(),
            }))
        })
        .collect()
}

/// Number and content of the newest activation of a scope that judges for real.
pub fn newest_activation(control: &ControlLog, scope: &str) -> Option<(i64, PolicyActivated)> {
    control
        .orders()
        .filter_map(|recorded| match recorded.order() {
            Order::PolicyActivated(order) if order.scope == scope && !order.shadow => {
                Some((recorded.offset, order.clone()))
            }
            _ => None,
        })
        .last()
}

fn check_scope(scope: &str) -> Result<(), OrderError> {
    let named = !scope.is_empty() && !scope.contains('/') && scope.len() <= limits::STRING_BYTES;
    if scope == EVERYWHERE || named {
        Ok(())
    } else {
        Err(OrderError::Scope {
            scope: scope.to_owned(),
        })
    }
}

fn nonce() -> Result<Vec<u8>, OrderError> {
    let mut bytes = vec![0; 16];
    getrandom::fill(&mut bytes).map_err(OrderError::Nonce)?;
    Ok(bytes)
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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

    #[test]
    fn the_newest_activation_of_a_scope_is_that_of_the_scope_and_for_real() {
        let activated = |scope: &str, digest: &str, shadow: bool| {
            Order::PolicyActivated(PolicyActivated {
                scope: scope.into(),
                digest: digest.into(),
                engine: 1,
                shadow,
                by: String::new(),
                reason: String::new(),
                nonce: vec![0; 16],
                issued_at: 0,
            })
        };
        let mut control = ControlLog::new();
        let orders = [
            ("*", "a", false),
            ("c", "b", false),
            ("*", "d", false),
            ("*", "e", true),
        ];
        for (offset, (scope, digest, shadow)) in (10..).zip(orders) {
            control.append(offset, &encode_order(&activated(scope, digest, shadow)));
        }
        let newest = |scope| {
            newest_activation(&control, scope).map(|(number, order)| (number, order.digest))
        };
        assert_eq!(newest("*"), Some((12, "d".into())));
        assert_eq!(newest("c"), Some((11, "b".into())));
        assert_eq!(newest("x"), None);
    }

    #[test]
    fn a_scope_is_everything_or_one_community() {
        for scope in ["*", "lobby", "ž"] {
            assert!(check_scope(scope).is_ok(), "{scope}");
        }
        for scope in ["", "a/b", &"x".repeat(513)] {
            assert!(check_scope(scope).is_err(), "{scope}");
        }
    }
}
