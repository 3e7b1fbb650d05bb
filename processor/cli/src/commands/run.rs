//! `gavel run`: the processor, until it is told to stop.

use crate::failure::Failure;
use crate::logging;
use crate::options::{Brokers, DataDir, Globals};
use clap::Args;
use gavel_runtime::config::{Config, Flag};
use gavel_runtime::run::Processor;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Between two looks at the file of settings.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Judge chat: read messages, write verdicts, keep state; until SIGTERM or Ctrl-C
///
/// Several processors on one group share the partitions. On SIGTERM it finishes what is in flight, stores and leaves the group,
/// within two seconds; with `run.instance_id` it stays in the group unless there is a file `leave` in its data directory, or its StatefulSet wants it no more. A kill loses nothing: the next start folds what is missing again.
#[derive(Args)]
pub struct Run {
    /// Threads that each own a consumer, a producer and some partitions [default: 1]
    #[arg(long, value_name = "N")]
    lanes: Option<usize>,

    /// Verdicts read from the verdict topic's end at a restart, to learn what is out already; 0 = none [default: 2000]
    #[arg(long, value_name = "RECORDS")]
    tail_scan: Option<u64>,

    /// Start although no policy is active: every message is allowed with the code `no-policy`
    #[arg(long)]
    allow_no_policy: bool,

    /// Address of /metrics, /healthz and /readyz; port 0 takes a free one [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,

    #[command(flatten)]
    data_dir: DataDir,

    #[command(flatten)]
    brokers: Brokers,
}

impl Run {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let mut flags = self.data_dir.flags();
        let mut set = |name, section, key, value: Option<String>| {
            flags.extend(value.map(|value| Flag {
                name,
                section,
                key,
                value,
            }));
        };
        set(
            "--lanes",
            "run",
            "lanes",
            self.lanes.map(|lanes| lanes.to_string()),
        );
        set(
            "--tail-scan",
            "run",
            "tail_scan",
            self.tail_scan.map(|records| records.to_string()),
        );
        set(
            "--allow-no-policy",
            "run",
            "allow_no_policy",
            self.allow_no_policy.then(|| "true".to_owned()),
        );
        set("--listen", "http", "listen", self.listen);
        let config = globals.config(&self.brokers, flags.clone())?;
        let again = || globals.config(&self.brokers, flags.clone());
        let mut watched = Watched::start(globals, config.clone())?;
        let signals = signals()?;
        let processor = Processor::start(&config, true)?;
        let mut ended = None;
        while signals.try_recv().is_err() && ended.is_none() {
            ended = processor.ended(Duration::from_millis(50));
            watched.look(again);
        }
        tracing::info!("stopping");
        Ok(processor.stop()?)
    }
}

/// The settings of a running processor, looked at again now and then: what is logged may change, the rest waits for a restart.
struct Watched {
    /// The filter of the command line or of GAVEL_LOG stands for ever.
    is_fixed: bool,
    config: Config,
    looked: Instant,
    /// Said once, until something else is to be said.
    told: Option<String>,
}

impl Watched {
    fn start(globals: &Globals, config: Config) -> Result<Watched, Failure> {
        let is_fixed = globals.log.is_some();
        if !is_fixed {
            logging::change(&config.log.filter).map_err(|problem| {
                Failure::usage(
                    format!("log.filter: {problem}"),
                    "write a level, or levels by target such as info,gavel_runtime=debug",
                )
            })?;
        }
        Ok(Watched {
            is_fixed,
            config,
            looked: Instant::now(),
            told: None,
        })
    }

    fn look(&mut self, again: impl Fn() -> Result<Config, Failure>) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        let said = match again() {
            Ok(config) => self.take(config),
            Err(failure) => Some(format!(
                "the settings cannot be read any more, so a restart would fail: {}",
                failure.message()
            )),
        };
        if said != self.told {
            if let Some(said) = &said {
                tracing::warn!("{said}");
            }
            self.told = said;
        }
    }

    /// What is to be said about settings that were read again.
    fn take(&mut self, mut config: Config) -> Option<String> {
        let filter = std::mem::replace(&mut config.log, self.config.log.clone()).filter;
        if !self.is_fixed && filter != self.config.log.filter {
            if let Err(problem) = logging::change(&filter) {
                return Some(format!("log.filter: {problem}; the one before stays"));
            }
            tracing::warn!(filter, "from now on other lines are logged");
            self.config.log.filter = filter;
            config.log = self.config.log.clone();
        }
        (config != self.config).then(|| {
            "settings other than log.filter have changed: they are in force after a restart".into()
        })
    }
}

/// Receives one message when the process is asked to stop. From here on SIGTERM and SIGINT no longer kill it.
pub(super) fn signals() -> Result<mpsc::Receiver<()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let (asked, receiver) = mpsc::channel();
    let broken = |error: std::io::Error| {
        Failure::broken(
            format!("signals cannot be caught: {error}"),
            "start it from a shell or a supervisor",
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    let (mut terminate, mut interrupt) = {
        let _context = runtime.enter();
        (
            signal(SignalKind::terminate()).map_err(broken)?,
            signal(SignalKind::interrupt()).map_err(broken)?,
        )
    };
    let wait = move || {
        runtime.block_on(async {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        });
        let _nobody_waits = asked.send(());
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .map_err(broken)?;
    Ok(receiver)
}
