//! Log lines to standard error.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

use crate::options::{Globals, LogFormat};

/// What went wrong, and nothing else. A process that runs for long says more: log.filter.
const DEFAULT: &str = "warn";

/// Puts another filter in the place of the first.
type Reload = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

static RELOAD: OnceLock<Reload> = OnceLock::new();

/// Starts logging for the whole process. A filter that cannot be read falls back to the default, and says so.
pub fn start(globals: &Globals) {
    let wanted = globals.log.as_deref().unwrap_or(DEFAULT);
    let (filter, unreadable) = match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_writer(io::stderr);
    match globals.log_format {
        LogFormat::Json => {
            let builder = builder
                .json()
                .flatten_event(true)
                .with_env_filter(filter)
                .with_filter_reloading();
            let handle = builder.reload_handle();
            keep(move |filter| handle.reload(filter));
            builder.init();
        }
        LogFormat::Text => {
            let builder = builder
                .compact()
                .with_ansi(io::stderr().is_terminal())
                .with_env_filter(filter)
                .with_filter_reloading();
            let handle = builder.reload_handle();
            keep(move |filter| handle.reload(filter));
            builder.init();
        }
    }
    if let Some(error) = unreadable {
        tracing::warn!(%error, filter = wanted, "the log filter cannot be read; using `{DEFAULT}`");
    }
}

fn keep<E: std::fmt::Display>(reload: impl Fn(EnvFilter) -> Result<(), E> + Send + Sync + 'static) {
    // Logging is started once.
    let _first = RELOAD.set(Box::new(move |filter| {
        reload(filter).map_err(|error| error.to_string())
    }));
}

/// From now on these lines. The error says what is wrong with the filter; the one before stays then.
pub fn change(filter: &str) -> Result<(), String> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    RELOAD.get().map_or(Ok(()), |reload| reload(parsed))
}
