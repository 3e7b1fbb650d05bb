//! A lane: one thread that owns a consumer, a producer and its partitions. `Lane` is its sans-I/O state machine; the
//! rdkafka shell in `crate::shell` and the simulation drive the same code.
//!
//! Invariants: a partition is judged only between `restored` and `revoked`/`lost`; each offset is folded at most once
//! per assignment, in order; state is written only up to V; after a failed delivery nothing more is sent by that
//! producer and all that it touched is restored from S. What a candidate says in shadow is outside of all this: it goes out
//! through an effect without an answer, so no failure of it can reach a verdict.

/// Whether tests have seeded this defect. Always false, and compiled away, in what is released.
macro_rules! seeded {
    ($settings:expr, $bug:ident) => {{
        #[cfg(feature = "seeded-bugs")]
        let seeded = $settings.bug == Some($crate::lane::SeededBug::$bug);
        #[cfg(not(feature = "seeded-bugs"))]
        let seeded = false;
        seeded
    }};
}

#[cfg(feature = "seeded-bugs")]
mod bugs;
mod commit;
mod effects;
mod ledger;
mod live;
mod machine;
mod partition;
mod phase;

pub use effects::{Assignment, Delivery, Effects, NotTaken, Output, SeekLater, ShadowVerdict};
pub use ledger::{Kind, Ledger, OutOfOrder};
pub use live::{Ready, Retired};
pub use machine::{Lane, PartitionView, Recorded, Settings};
pub use phase::{HaltReason, Phase};

#[cfg(feature = "seeded-bugs")]
pub use bugs::SeededBug;
