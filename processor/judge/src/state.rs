//! What a partition remembers besides its users: time, policies, and which registrations of schemas it has met.

use crate::clock::Clock;
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Version of the stored form before any schema was registered.
const FORMAT: u32 = 1;
/// The same from the first registration on, so that a program that knows of none refuses the state by its number.
const WITH_SCHEMAS: u32 = 2;

/// The activation in force for a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The order's number; an older one changes nothing.
    pub order: i64,
    pub digest: Digest,
}

/// State of a partition without its contexts. `Default` is before the first record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionState {
    format: u32,
    pub(crate) clock: Clock,
    /// By scope: `*` or a community.
    pub(crate) activations: BTreeMap<String, Activation>,
    /// Candidates that judge beside the policies in force, by scope.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) shadows: BTreeMap<String, Activation>,
    /// Shadows that have ended: the order that put the candidate there, or ended it. Kept because an older order changes nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) ended_shadows: BTreeMap<String, Activation>,
    /// The clock at the last marker that had a user forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) erased_at: Option<i64>,
    /// Numbers of the orders that made a registry's schema known here; at most as many as the control log counts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    schemas: BTreeSet<i64>,
}

/// Stored bytes that are no state of a partition.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CorruptState {
    #[error("the partition's state cannot be read: {0}")]
    Malformed(String),
    #[error(
        "the partition's state has format {found}, this binary reads {FORMAT} and {WITH_SCHEMAS}"
    )]
    Format { found: u32 },
}

impl Default for PartitionState {
    fn default() -> PartitionState {
        PartitionState {
            format: FORMAT,
            clock: Clock::default(),
            activations: BTreeMap::new(),
            shadows: BTreeMap::new(),
            ended_shadows: BTreeMap::new(),
            erased_at: None,
            schemas: BTreeSet::new(),
        }
    }
}

impl PartitionState {
    pub fn to_bytes(&self) -> Vec<u8> {
        // Integers, strings and a map with string keys: there is nothing JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<PartitionState, CorruptState> {
        let state: PartitionState = serde_json::from_slice(bytes)
            .map_err(|error| CorruptState::Malformed(error.to_string()))?;
        if state.format == state.format() {
            Ok(state)
        } else {
            Err(CorruptState::Format {
                found: state.format,
            })
        }
    }

    /// Which format holds all of it.
    fn format(&self) -> u32 {
        if self.schemas.is_empty() {
            FORMAT
        } else {
            WITH_SCHEMAS
        }
    }

    /// From here on the schema of this order is known.
    pub(crate) fn register(&mut self, order: i64) {
        self.schemas.insert(order);
        self.format = self.format();
    }

    /// Orders whose schemas are known here.
    pub fn schemas(&self) -> &BTreeSet<i64> {
        &self.schemas
    }

    /// Milliseconds since 1970; 0 before any time counted.
    pub fn clock(&self) -> i64 {
        self.clock.now()
    }

    /// Activations in force, by scope.
    pub fn activations(&self) -> &BTreeMap<String, Activation> {
        &self.activations
    }

    /// Candidates in shadow, by scope.
    pub fn shadows(&self) -> &BTreeMap<String, Activation> {
        &self.shadows
    }

    /// When the last order to forget a user counted, in milliseconds since 1970. What was stored before may still hold that user.
    pub fn erased_at(&self) -> Option<i64> {
        self.erased_at
    }

    /// The policies in force, and those in shadow.
    pub fn policies(&self) -> impl Iterator<Item = Digest> + '_ {
        self.activations
            .values()
            .chain(self.shadows.values())
            .map(|activation| activation.digest)
    }
}
