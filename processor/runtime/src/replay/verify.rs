//! Verifies a log: folds every partition again and compares each verdict with the verdict topic.
//!
//! Invariant: a partition passes only if every record of the stretch has, as its first verdict and in the order of the records, exactly
//! the bytes that the fold gives, with the record's key and headers; every further copy is identical; every refused record has its dead
//! letter; and every checkpoint on the way holds the fold's state. The fold reads nothing but the messages and the orders, so what
//! somebody did to one verdict is one difference.

mod run;
mod saved;
mod walk;

pub use run::{Progress, Verify, verify};
