//! Everything that needs a real Kafka, in one binary: each one more would be linked with the whole processor.

#[path = "../common/mod.rs"]
mod common;

mod admin;
mod bad_input;
mod erasure;
mod explain;
mod guide;
mod history;
mod load;
mod membership;
mod orders;
mod past;
mod processors;
mod registrations;
mod replay;
mod scaling;
mod shadow;
mod statement;
