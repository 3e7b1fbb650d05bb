//! What the crate promises, tried on both backends. One binary, because each one links the whole of RocksDB.

mod checkpoints;
mod damage;
mod epochs;
mod erasure;
mod kill;
mod objects;
mod schedules;
mod store;
mod support;
mod writer;
