//! The policy: from the author's files to what the fold looks things up in.

mod compile;
mod csv;
mod document;
mod error;
mod parse;
mod source;
mod tests_inline;

pub use compile::Policy;
pub use document::Document;
pub(crate) use document::{Consequence, Levels, TrustLevel};
pub use error::PolicyError;
pub use parse::Lists;
pub use tests_inline::{TestFailure, run_tests};
