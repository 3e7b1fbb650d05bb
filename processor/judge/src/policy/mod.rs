//! The policy: from the author's files to what the fold looks things up in.

mod compile;
mod csv;
mod document;
mod error;
mod parse;
pub(crate) mod pattern;
mod source;
mod tests_inline;

pub use compile::Policy;
pub(crate) use compile::{CompiledContext, Named};
pub use document::Document;
pub(crate) use document::{
    Consequence, ContextKind, Detector, Field, Levels, SameText, TrustLevel, Urls,
};
pub use error::PolicyError;
pub(crate) use parse::EVENTS;
pub use parse::Lists;
pub use tests_inline::{TestFailure, run_tests};
