//! rdkafka, RocksDB and threads around the machine of `crate::lane` and the procedure of `crate::restore`.

mod checkpointer;
mod clients;
mod context;
mod effects;
mod farewell;
mod gate;
mod leftovers;
mod murmur2;
mod outbox;
mod restorer;
mod shadow;
mod stored;
mod thread;
mod world;

pub use checkpointer::{Checkpointer, Checkpoints, LogStart};
pub use farewell::{Farewell, marker};
pub use leftovers::{Held, Leftovers};
pub use murmur2::partition_of;
pub use outbox::{OutputTopics, dead_letter_value, headers_of};
pub use restorer::Restorers;
pub use thread::{Error, LaneHandle, LaneParts, Mail, record_of, start};
pub use world::{WorldParts, partition_dir};
