//! The policy: from the author's files to what the fold looks things up in.

mod age_bands;
mod compile;
mod csv;
mod diff;
mod document;
mod error;
mod lint;
mod origin;
mod parse;
pub(crate) mod pattern;
mod reference;
mod source;
mod tests_inline;

pub use age_bands::AgeBand;
pub use compile::Policy;
pub(crate) use compile::{CompiledContext, Named};
pub(crate) use diff::demand;
pub use diff::{Change, ChangeKind, Definition, Detail, PolicyDiff, Property};
pub use document::Document;
#[cfg(test)]
pub(crate) use document::Step;
pub(crate) use document::{
    Consequence, ContextKind, Detector, Field, Levels, SameText, Strikes, TrustLevel, Urls,
};
pub use error::PolicyError;
pub use lint::{Lint, lint};
pub(crate) use origin::AudienceOrigin;
pub(crate) use parse::EVENTS;
pub use parse::Lists;
pub use reference::{policy_reference, policy_schema};
pub use tests_inline::{TestFailure, TestVerdict, run_tests, test_verdicts};
