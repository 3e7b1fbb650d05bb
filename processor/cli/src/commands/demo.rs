//! `gavel demo`: the whole way, in one process, in a few seconds.

use crate::failure::Failure;
use crate::options::{Globals, Output};
use crate::output::Out;
use crate::table;
use clap::Args;
use gavel_judge::Document;
use gavel_runtime::config::{Config, Flag};
use gavel_runtime::demo::{self, DemoError, Embedded, Judged};
use gavel_runtime::inspect::DataDir as Stores;
use gavel_runtime::replay::{self, Effort, Progress, Verify};
use gavel_schemas::decode_json_message;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const POLICY: &str = include_str!("../../../judge/samples/demo.toml");
const CHAT: &str = include_str!("../../../judge/samples/demo.jsonl");
/// In the middle of the chat somebody sends this.
const GARBLED: &[u8] = b"\xc3\x01not a record that any schema knows";
/// Messages a second: the sample is through in about three seconds.
const PER_SECOND: u32 = 120;
/// Lanes of the demo's processor: with more, the embedded broker would take seconds to share the partitions out.
const LANES: usize = 1;
/// Rows of the table before it is cut, unless everything is asked for.
const TEXT: usize = 34;

/// See it work: an embedded broker, a sample policy and chat, verdicts, and the proof
///
/// Needs nothing installed and writes only to a temporary directory. With --bootstrap-servers it does the same on a real broker, on
/// topics of its own (gavel-demo-…) which it leaves there.
#[derive(Args)]
pub struct Demo {
    /// Show every verdict, also the plain ones
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    brokers: crate::options::Brokers,
}

impl Demo {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let started = Instant::now();
        let scratch = Scratch::new()?;
        let mut config = self.config(globals, &scratch)?;
        let embedded = if self.brokers.is_given() {
            demo::create_topics(&config)?;
            None
        } else {
            let embedded = Embedded::start(&config.topics)?;
            config.kafka.bootstrap_servers = embedded.servers();
            Some(embedded)
        };
        let policy = Document::parse("demo.toml", POLICY, &mut |list| {
            Err(format!("the demo has no list `{list}`"))
        })
        .map_err(|error| {
            Failure::broken(
                error,
                "the sample policy in this binary is broken; report it",
            )
        })?;
        let mut lines: Vec<Vec<u8>> = CHAT.lines().map(|line| line.as_bytes().to_vec()).collect();
        lines.insert(lines.len() / 2, GARBLED.to_vec());
        let outcome = demo::run(&config, &policy, &lines, PER_SECOND)?;
        let reports = replay::verify(
            &config,
            &Verify {
                effort: Effort {
                    threads: LANES,
                    ..Effort::default()
                },
                ..Verify::default()
            },
            &Arc::new(Progress::default()),
        )?;
        let shown = Shown {
            lines: &lines,
            judged: &outcome.judged,
            all: self.all,
        };
        match globals.output_or(Output::Table) {
            Output::Json => shown.json(&reports)?,
            Output::Table => {
                let mut out = Out::new();
                shown.verdicts(&mut out)?;
                shown.summary(&mut out, scratch.path())?;
                proof(&mut out, &reports)?;
                next(&mut out, &config, embedded.is_some(), started.elapsed())?;
                out.finish()?;
            }
        }
        match reports.iter().find(|report| !report.is_equal()) {
            None => Ok(()),
            Some(report) => Err(Failure::difference(
                format!(
                    "partition {} differs from its second fold",
                    report.partition
                ),
                "this is a defect; report it",
            )),
        }
    }

    fn config(&self, globals: &Globals, scratch: &Scratch) -> Result<Config, Failure> {
        let flag = |section, key, value: String| Flag {
            name: "gavel demo",
            section,
            key,
            value,
        };
        let mut flags = vec![
            flag(
                "run",
                "data_dir",
                scratch.path().to_string_lossy().into_owned(),
            ),
            flag("run", "lanes", LANES.to_string()),
        ];
        if self.brokers.is_given() {
            let prefix = format!("gavel-demo-{}", std::process::id());
            flags.push(flag("kafka", "group", prefix.clone()));
            for topic in ["messages", "verdicts", "dead_letters", "control", "shadow"] {
                flags.push(flag(
                    "topics",
                    topic,
                    format!("{prefix}.{}", topic.replace('_', "-")),
                ));
            }
        } else {
            // The mock answers a group of the new protocol at once; with the classic one it waits for seconds.
            flags.push(flag("kafka", "protocol", "consumer".to_owned()));
            flags.push(flag("kafka", "fetch_wait_max_ms", "5".to_owned()));
        }
        globals.config(&self.brokers, flags)
    }
}

struct Shown<'a> {
    lines: &'a [Vec<u8>],
    judged: &'a [Judged],
    all: bool,
}

impl Shown<'_> {
    fn json(&self, reports: &[replay::PartitionReport]) -> Result<(), Failure> {
        let mut out = Out::new();
        for judged in self.judged {
            out.json(&judged.verdict)?;
        }
        let equal: u64 = reports.iter().map(|report| report.equal).sum();
        out.json(
            &serde_json::json!({ "verdicts": self.judged.len(), "equal_after_second_fold": equal }),
        )?;
        Ok(out.finish()?)
    }

    fn verdicts(&self, out: &mut Out) -> Result<(), Failure> {
        out.line(&format!("{:<TEXT$}  {}", "MESSAGE", table::heading()))?;
        let mut plain = 0;
        for judged in self.judged {
            let verdict = &judged.verdict;
            let remarkable = verdict.action != "allow"
                || verdict.duplicate_of.is_some()
                || !verdict.effects.is_empty();
            if self.all || remarkable {
                out.line(&format!(
                    "{}  {}",
                    self.text(judged.line),
                    table::row(verdict)
                ))?;
            } else {
                plain += 1;
            }
        }
        if plain > 0 {
            out.line(&format!(
                "… and {plain} messages that were simply allowed (--all shows them)"
            ))?;
        }
        Ok(())
    }

    /// The text as it would stand in a log: one line, nothing invisible, nothing that moves the cursor.
    fn text(&self, line: usize) -> String {
        let bytes = self.lines.get(line).map_or(&[][..], Vec::as_slice);
        let text = decode_json_message(bytes).map_or_else(
            |_| "(no message: raw bytes)".to_owned(),
            |message| message.text.into_owned(),
        );
        let plain = table::printable(&text);
        let cut: String = plain.chars().take(TEXT - 1).collect();
        if cut.chars().count() < plain.chars().count() {
            format!("{cut}…")
        } else {
            format!("{cut:<TEXT$}")
        }
    }

    fn summary(&self, out: &mut Out, data_dir: &Path) -> Result<(), Failure> {
        let mut actions: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut delays: Vec<Duration> = Vec::new();
        for judged in self.judged {
            *actions
                .entry((judged.verdict.action.as_str(), judged.verdict.code.as_str()))
                .or_default() += 1;
            delays.push(judged.delay);
        }
        delays.sort_unstable();
        let quantile = |percent: usize| {
            delays
                .get(delays.len().saturating_sub(1) * percent / 100)
                .map_or(0.0, Duration::as_secs_f64)
                * 1000.0
        };
        let counts: Vec<String> = actions
            .iter()
            .map(|((action, code), count)| format!("{action}/{code} {count}"))
            .collect();
        out.line("")?;
        out.line(&format!(
            "{} verdicts: {}",
            self.judged.len(),
            counts.join(", ")
        ))?;
        out.line(&format!(
            "from sending to receiving the verdict: p50 {:.1} ms, p99 {:.1} ms",
            quantile(50),
            quantile(99)
        ))?;
        let struck = strikes(data_dir, self.judged)?;
        out.line(&format!(
            "users with strikes: {}",
            if struck.is_empty() {
                "none".to_owned()
            } else {
                struck.join(", ")
            }
        ))?;
        Ok(())
    }
}

/// Users whose stored context holds strikes, with points and mute.
fn strikes(data_dir: &Path, judged: &[Judged]) -> Result<Vec<String>, Failure> {
    let stores = Stores::new(data_dir);
    let users: std::collections::BTreeSet<(i32, String)> = judged
        .iter()
        .map(|judged| {
            (
                judged.partition,
                format!("{}/{}", judged.verdict.community, judged.verdict.user),
            )
        })
        .collect();
    let mut struck = Vec::new();
    for (partition, name) in users {
        let Some(user) = stores.user(partition, &name)? else {
            continue;
        };
        let thousandths = user
            .context
            .get("strikes")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0);
        if thousandths > 0 {
            struck.push(format!(
                "{name} ({}.{:03})",
                thousandths / 1_000,
                thousandths % 1_000
            ));
        }
    }
    Ok(struck)
}

fn proof(out: &mut Out, reports: &[replay::PartitionReport]) -> Result<(), Failure> {
    let (records, equal) = reports.iter().fold((0, 0), |sum, report| {
        (sum.0 + report.records, sum.1 + report.equal)
    });
    out.line("")?;
    out.line(&format!("proof: the log was folded a second time, from its first record: {equal} of {records} verdicts have the same bytes"))?;
    Ok(())
}

fn next(out: &mut Out, config: &Config, embedded: bool, took: Duration) -> Result<(), Failure> {
    out.line("")?;
    out.line(&format!(
        "done in {:.1} s. What to type next:",
        took.as_secs_f64()
    ))?;
    out.line("  echo '{\"user\":\"ada\",\"text\":\"you d4rn n00b\"}' | gavel judge --policy processor/judge/samples/demo.toml --output table -")?;
    if embedded {
        out.line("  gavel demo --all                              every verdict")?;
        out.line("  scripts/kafka start                           a real broker for: gavel demo --bootstrap-servers HOST:PORT")?;
    } else {
        let topics = &config.topics;
        out.line(&format!(
            "  GAVEL_TOPICS_VERDICTS={} gavel verdicts --bootstrap-servers {}",
            topics.verdicts, config.kafka.bootstrap_servers
        ))?;
    }
    out.line("  gavel --help                                  everything else")?;
    Ok(())
}

/// A directory that goes with the demo.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> Result<Scratch, Failure> {
        let path = std::env::temp_dir().join(format!("gavel-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| {
            Failure::broken(
                format!("{}: {error}", path.display()),
                "set TMPDIR to a directory that can be written",
            )
        })?;
        Ok(Scratch(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is in the system's temporary directory.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Failure {
        match error {
            DemoError::Broker(error) => error.into(),
            DemoError::Order(error) => error.into(),
            DemoError::Topics(error) => error.into(),
            DemoError::Run(error) => error.into(),
            DemoError::Embedded { .. } | DemoError::Late { .. } => Failure::broken(
                error,
                "run it again with GAVEL_LOG=debug and look at the lines above",
            ),
        }
    }
}
