//! Kafka clients as the contract wants them.
//!
//! Invariant: every client of the process is made here, with what the contract fixes set last, so that no raw setting
//! and no default of librdkafka (`auto.offset.reset=largest`, `check.crcs=false`, a CRC32 partitioner) can apply.
//! It prevents a reader that silently skips to the end of a log, and a producer that reorders or gives up.

mod access;
mod assigned;
mod client;
mod cluster;
mod eager;
mod error;
mod headers;
mod log;
mod reader;
mod sender;
mod token_file;
mod tokens;
mod topic_id;

pub use access::{Authenticated, ClientSettings};
pub use client::{
    admin_client, admin_config, lane_consumer_config, lane_producer_config, load_producer_config,
    producer_config, reader_config, shadow_producer_config,
};
pub use cluster::{Cluster, TopicLayout};
pub use eager::{Deliveries, EagerSender, Marked, Queued};
pub use error::BrokerError;
pub use headers::{header_bytes, raw_headers};
pub use log::BrokerLog;
pub use reader::{Bounds, LogReader, TopicReader};
pub use sender::{Outgoing, Sender, Sent};
pub use tokens::{Token, TokenSource};

use std::time::Duration;

/// How long a command waits for a broker before it says that none answered.
pub const PATIENCE: Duration = Duration::from_secs(10);
