//! The runtime: lanes, partition lifecycle, restorer, replay, telemetry. rdkafka lives only here.

pub mod checkpoint;
mod clock;
pub mod config;
pub mod control;
pub mod demo;
pub mod erasure_proof;
pub mod hex;
pub mod http;
pub mod inspect;
pub mod kafka;
pub mod lane;
pub mod lines;
pub mod load;
pub mod orders;
pub mod produce;
pub mod replay;
pub mod restore;
pub mod run;
pub mod shadow_report;
pub mod shell;
pub mod telemetry;
pub mod topics;
mod verdict_search;
pub mod verdict_tail;
pub mod verdicts;
