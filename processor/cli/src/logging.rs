//! Log lines to standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::options::{Globals, LogFormat};

/// Without a filter: what went wrong.
const DEFAULT: &str = "warn";
/// Of a process that runs for long: also what an operator must know.
const LONG: &str = "info";

/// Starts logging for the whole process. A filter that cannot be read falls back to the default, and says so.
pub fn start(globals: &Globals, runs_long: bool) {
    let wanted = globals
        .log
        .as_deref()
        .unwrap_or(if runs_long { LONG } else { DEFAULT });
    let (filter, unreadable) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT), Some(error)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match globals.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder
            .compact()
            .with_ansi(io::stderr().is_terminal())
            .init(),
    }
    if let Some(error) = unreadable {
        tracing::warn!(%error, filter = wanted, "the log filter cannot be read; using `{DEFAULT}`");
    }
}
