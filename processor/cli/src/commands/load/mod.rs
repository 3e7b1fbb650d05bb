//! `gavel load`: an open-loop load, and how long verdicts take under it.

mod arguments;
mod page;
mod plots;
mod text;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gavel_runtime::config::Config;
use gavel_runtime::load::{
    self, Arrivals, Burst, Crowd, LoadError, Plan, Progress, Report, Slo, Texts, Traffic,
};
use gavel_runtime::produce::Framing;
use indicatif::{ProgressBar, ProgressStyle};

use super::input;
use super::produce::FramingArg;
use super::run::signals;
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::Out;
use arguments::{Ramp, burst, ramp, rate, seconds, share, zipf};

/// Send a load of made-up chat and measure how long its verdicts take
///
/// It writes real messages into the message topic, and their verdicts stay: use topics of your own, or a `--community` that
/// consumers know. Messages leave by a schedule that no slow answer moves, and a verdict's time counts from when its message was
/// meant to leave, so a stall is in the figures with everything that it kept waiting. A verdict that does not come counts as
/// 60 s. Exits with 1 if an SLO is missed, if a verdict is missing (unless `--slo missing<N` allows it), or if the run is
/// void because the generator itself was late. Ctrl-C ends it early, with a report.
#[derive(Args)]
pub struct Load {
    /// Messages a second
    #[arg(long, value_name = "N", value_parser = rate, required_unless_present = "ramp")]
    rate: Option<f64>,

    /// Messages a second that change linearly over the measured time
    #[arg(long, value_name = "FROM..TO", value_parser = ramp, conflicts_with = "rate")]
    ramp: Option<Ramp>,

    /// Multiply the rate at the end of every period: 3x2/10 is three times the rate for 2 s of every 10 s
    #[arg(long, value_name = "FACTORxSECONDS/EVERY", value_parser = burst)]
    burst: Option<Burst>,

    /// How messages follow each other: evenly, or as independent people write
    #[arg(long, value_enum, default_value = "even")]
    arrivals: ArrivalsArg,

    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    seconds: f64,

    /// Seconds at the first rate, before that, which are not measured
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5")]
    warm_up: f64,

    /// Seconds to wait for verdicts after the last message
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    drain: f64,

    /// What must hold, else exit code 1; can be given again: p99<30ms, others.p99<30ms, max<1s, missing<10, missing<0.1%
    /// (p50, p90, p99, p99.9, max; us, ms, s)
    #[arg(long = "slo", value_name = "FIGURE<BOUND")]
    slos: Vec<Slo>,

    /// Show the figures of a void run; they are called void all the same, and the exit code is 1
    #[arg(long)]
    allow_late: bool,

    /// Write the report as one HTML page that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    #[command(flatten)]
    chat: Chat,

    #[command(flatten)]
    brokers: Brokers,
}

/// Who writes what.
#[derive(Args)]
#[command(next_help_heading = "Chat")]
struct Chat {
    /// Users
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000), default_value = "10000")]
    users: u32,

    /// How unevenly they write: the k-th in proportion to 1/k^EXPONENT; 0: all the same
    #[arg(long, value_name = "EXPONENT", value_parser = zipf, default_value = "1")]
    zipf: f64,

    /// Let one more user write this part of all messages (0.2, or 20%), and report the others apart
    #[arg(long, value_name = "P", value_parser = share)]
    hot_share: Option<f64>,

    /// Texts, one per line, instead of made-up ones
    #[arg(long, value_name = "FILE", conflicts_with = "text_bytes")]
    texts: Option<PathBuf>,

    /// Bytes of made-up texts, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=16_384), default_value = "80")]
    text_bytes: u64,

    /// How messages are written
    #[arg(long, value_enum, default_value = "avro")]
    framing: FramingArg,

    /// Community of every message
    #[arg(long, value_name = "NAME", default_value = "load")]
    community: String,

    /// The same seed gives the same arrivals, users and texts
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,

    /// Sending threads, each with a producer of its own; more than one only if the generator is late
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16), default_value = "1")]
    senders: u8,
}

#[derive(ValueEnum, Clone, Copy)]
enum ArrivalsArg {
    Even,
    Poisson,
}

impl Load {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let plan = self.plan()?;
        plan.check().map_err(LoadError::from)?;
        // A file that cannot be written is found before the load, not after it.
        let html = self.html.as_deref().map(writable).transpose()?;
        let stop = signals()?;
        warn(&config, &plan);
        let progress = Arc::new(Progress::default());
        let watching = Watching::start(&progress, stop);
        let report = load::run(&config, &plan, &progress);
        watching.stop();
        let report = match report? {
            void if void.void.is_some() && !self.allow_late => void.withholding_latencies(),
            report => report,
        };
        if let Some(path) = html {
            let written = std::fs::write(path, page::page(&report));
            written.map_err(|error| unwritable(path, &error))?;
        }
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&report)?,
            Output::Table => text::write(&report, &mut out)?,
        }
        out.finish()?;
        verdict(&report)
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let chat = &self.chat;
        let Ramp { from, to } = match (self.ramp, self.rate) {
            (Some(ramp), _) => ramp,
            (None, rate) => Ramp::constant(rate.unwrap_or_default()),
        };
        let texts = match &chat.texts {
            Some(path) => Texts::read(input(path)?, chat.seed).map_err(|error| {
                Failure::usage(
                    format!("{}: {error}", path.display()),
                    "write one text per line, as UTF-8",
                )
            })?,
            None => Texts::made_up(chat.text_bytes as usize, chat.seed),
        };
        Ok(Plan {
            traffic: Traffic {
                arrivals: match self.arrivals {
                    ArrivalsArg::Even => Arrivals::Even,
                    ArrivalsArg::Poisson => Arrivals::Poisson,
                },
                from_per_second: from,
                to_per_second: to,
                burst: self.burst,
                warm_up_seconds: self.warm_up,
                seconds: self.seconds,
            },
            crowd: Crowd {
                users: chat.users,
                zipf_exponent: chat.zipf,
                hot_share: chat.hot_share,
            },
            texts,
            framing: Framing::from(chat.framing),
            community: chat.community.clone(),
            seed: chat.seed,
            senders: usize::from(chat.senders),
            drain: Duration::from_secs_f64(self.drain),
            slos: self.slos.clone(),
        })
    }
}

/// What is about to be done to a topic that others may read.
fn warn(config: &Config, plan: &Plan) {
    eprintln!(
        "warning: sends {} messages of community `{}` into `{}` at {}; their verdicts stay in `{}`",
        text::grouped(plan.messages()),
        plan.community,
        config.topics.messages,
        config.kafka.bootstrap_servers,
        config.topics.verdicts
    );
}

/// The end of the command: what the report says as an exit code.
fn verdict(report: &Report) -> Result<(), Failure> {
    if let Some(void) = &report.void {
        return Err(Failure::difference(
            format!("the run is void: {void}"),
            "use a lower --rate, --senders 2, or a machine (or cores) of its own; --allow-late shows the figures all the same",
        ));
    }
    let missed: Vec<String> = report
        .slos
        .iter()
        .filter(|outcome| !outcome.met)
        .map(|outcome| format!("{} is missed: {}", outcome.slo, outcome.measured))
        .collect();
    if missed.is_empty() {
        return Ok(());
    }
    let next = if report.counts.received == 0 {
        "no verdict came: does a processor run on these topics (`gavel run`)?"
    } else if report.counts.missing > 0 {
        "look at the processor's lag and log; --drain waits longer, --slo missing<N allows some"
    } else {
        "see the seconds of the report for when it was slow"
    };
    Err(Failure::difference(missed.join("\n"), next))
}

fn writable(path: &Path) -> Result<&Path, Failure> {
    let opened = std::fs::File::options()
        .append(true)
        .create(true)
        .open(path);
    opened.map_err(|error| unwritable(path, &error))?;
    Ok(path)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::broken(
        format!("{}: cannot be written: {error}", path.display()),
        "check the path of --html",
    )
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Failure {
        match error {
            LoadError::Broker(error) => error.into(),
            LoadError::Plan(error) => {
                let next = error.next_step();
                Failure::usage(error, next)
            }
            LoadError::Name(_) => {
                Failure::broken(error, "the system gives no random bytes; mend that")
            }
            LoadError::Panicked => Failure::broken(error, "this is a defect; report it"),
        }
    }
}

/// Passes Ctrl-C on, and shows a bar on a terminal.
struct Watching {
    done: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Watching {
    fn start(progress: &Arc<Progress>, stop: std::sync::mpsc::Receiver<()>) -> Watching {
        let done = Arc::new(AtomicBool::new(false));
        let (seen, progress) = (Arc::clone(&done), Arc::clone(progress));
        let thread = thread::spawn(move || {
            let bar = std::io::stderr().is_terminal().then(bar);
            while !seen.load(Ordering::Acquire) {
                if stop.recv_timeout(Duration::from_millis(200)).is_ok() {
                    progress.stop.store(true, Ordering::Release);
                }
                if let Some(bar) = &bar {
                    show(bar, &progress);
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        });
        Watching { done, thread }
    }

    fn stop(self) {
        self.done.store(true, Ordering::Release);
        // A bar that failed is no reason to fail.
        drop(self.thread.join());
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} sent, {msg}, {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let sent = progress.sent.load(Ordering::Relaxed);
    let received = progress.received.load(Ordering::Relaxed);
    bar.set_length(progress.planned.load(Ordering::Relaxed));
    bar.set_position(sent);
    bar.set_message(format!(
        "{} without a verdict",
        sent.saturating_sub(received)
    ));
}
