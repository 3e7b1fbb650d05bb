//! The fold: verdicts from records, and nothing else.
//!
//! Invariant: the verdicts of a partition are a function of its log and the control log. No I/O, no clock, no randomness, no map whose
//! order could be seen, no floating point in an outcome: clippy.toml beside this crate forbids them. What breaks this breaks every audit.

mod clock;
mod context;
mod control;
mod digest;
mod explanation;
mod fold;
mod memory_contexts;
mod policy;
mod registrations;
mod ruling;
mod state;
mod text;

pub use clock::Timestamp;
pub use context::{ConsequenceView, ContextView, context_expired, describe_context};
pub use control::{ControlLog, NoPolicy, Opened, RecordedOrder};
pub use digest::{Digest, NotADigest};
pub use explanation::{
    Because, CountedRule, CrossedText, Decided, Excused, Explanation, FoundHit, JudgedTopic,
    JudgingPolicy, MarkedOrder, ReadText, ReadView, RecordKind, Refused, Remembered,
    RememberedSaid, RememberedWindow, StrikeStep, Struck, TheRecord, ViewWord, WrittenWith,
};
pub use fold::{
    Contexts, Explained, Fold, HaltReason, Missing, Patience, Record, Ruling, Standing, Step,
};
pub use memory_contexts::MemoryContexts;
pub use policy::{
    AgeBand, Change, ChangeKind, Definition, Detail, Document, Lint, Lists, Policy, PolicyDiff,
    PolicyError, Property, TestFailure, TestVerdict, lint, policy_reference, policy_schema,
    run_tests, test_verdicts,
};
pub use registrations::{NoRegistration, Registration, Registrations};
pub use ruling::{Action, Code};
pub use state::{Activation, CorruptState, PartitionState};
pub use text::reads_as;

/// The engine of this binary: normaliser, matcher, Unicode tables, verdict layout, limits. It is part of every policy's digest, so
/// another engine starts at an activation and never at a deployment.
pub const ENGINE: u32 = 1;
