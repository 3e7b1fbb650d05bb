//! The runtime: lanes, partition lifecycle, restorer, replay, telemetry. rdkafka lives only here.

pub mod config;
pub mod control;
pub mod kafka;
pub mod orders;
pub mod lines;
pub mod produce;
pub mod topics;
pub mod verdicts;
pub mod http;
pub mod lane;
pub mod restore;
pub mod run;
pub mod shell;
pub mod telemetry;
pub mod hex;
pub mod replay;
pub mod inspect;
pub mod demo;
