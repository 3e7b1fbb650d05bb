//! A context for people.

use super::{Context, long};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct ContextView {
    pub expires_at: i64,
    pub mute_until: i64,
    /// Thousandths of a point as of `strikes_at`.
    pub strikes: u64,
    pub strikes_at: i64,
    /// Level that a step of the strikes gave; it holds while at least `trust_floor` thousandths of a point are left. 0: none was given.
    pub trust: &'static str,
    pub trust_floor: u64,
    /// What single messages brought, oldest first: what an appeal can take back.
    pub consequences: Vec<ConsequenceView>,
    /// Source offsets of the messages among which retries are recognised.
    pub messages: Vec<i64>,
    /// Events counted in windows.
    pub events: usize,
}

/// What one message brought its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsequenceView {
    /// Source offset of the message.
    pub offset: i64,
    pub at: i64,
    /// Thousandths of a point.
    pub points: u64,
    /// End of a mute by context rules; 0: none.
    pub mute_until: i64,
}

/// Reads a stored context; None if it is none.
pub fn describe_context(context: &[u8]) -> Option<ContextView> {
    let mut decoded = Context::default();
    decoded.decode(context).ok()?;
    let standing = decoded.standing;
    let consequences = decoded.ledger.entries().iter();
    Some(ContextView {
        expires_at: long(context, 1)?,
        mute_until: standing.mute_until,
        strikes: standing.strikes,
        strikes_at: standing.strikes_at,
        trust: standing.trust.as_str(),
        trust_floor: standing.trust_floor,
        consequences: consequences
            .map(|given| ConsequenceView {
                offset: given.offset,
                at: given.at,
                points: given.points,
                mute_until: given.mute_until,
            })
            .collect(),
        messages: decoded.said.iter().map(|said| said.offset).collect(),
        events: decoded.events.len(),
    })
}
