//! `gavel policy eval`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use gavel_judge::{Action, Policy as CompiledPolicy};
use gavel_runtime::lines::LineReader;
use gavel_runtime::replay::FileJudge;
use gavel_schemas::{Refusal, decode_verdict};

use super::{compile, load};
use crate::commands::input;
use crate::eval::{
    self, Changes, Compared, Criterion, Gates, Heading, Judged, Labelled, Positive, Problem,
    Report, Score, Share, Unreadable,
};
use crate::failure::Failure;
use crate::options::{Globals, Output};
use crate::output::Out;

/// Measure a policy on labelled messages; exit 1 if a gate is not met
///
/// Each line is a JSON object with the fields of ChatMessage, of which only `text` is required, and `label`: true (something is
/// wrong with it), false (clean), null or missing (context only: judged, not counted), or the topics that are right, as a string
/// or a list of strings (an empty list: clean). `group` names a slice. Other fields are ignored.
///
/// A line is flagged when its action is at least that of `--at`, or with `--topics` when a label of such a topic has at least
/// the risk of `--risk`. Intervals are of 95 %, by Wilson. A gate that cannot be measured is not met.
#[derive(Args)]
pub struct Eval {
    /// The policy, a TOML file; its term lists are found beside it
    #[arg(value_name = "POLICY")]
    policy: PathBuf,

    /// Labelled messages as JSON lines; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,

    /// The least action that counts as flagged
    #[arg(
        long,
        value_enum,
        value_name = "ACTION",
        default_value = "flag",
        conflicts_with = "topics"
    )]
    at: At,

    /// Only these topics count, by their risk and not by actions
    #[arg(long, value_name = "TOPIC,…", value_delimiter = ',')]
    topics: Vec<String>,

    /// From which risk on a label says its topic
    #[arg(long, value_name = "RISK", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=7))]
    risk: i32,

    /// Judge in the file's order with its users and times, so that floods, strikes and mutes count; otherwise each line by itself
    #[arg(long)]
    stateful: bool,

    /// Another policy on the same lines: what the measured one does better and worse
    #[arg(long, value_name = "POLICY")]
    compare: Option<PathBuf>,

    /// Wrongly judged texts shown of each kind
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1_000))]
    worst: u16,

    /// Write a page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Of the clean lines, at most so many may be flagged: 1% or 0.01
    #[arg(long, value_name = "SHARE", help_heading = "Gates")]
    max_false_positives: Option<Share>,

    /// Of the flagged lines, at least so many must be right
    #[arg(long, value_name = "SHARE", help_heading = "Gates")]
    min_precision: Option<Share>,

    /// Of the lines that should be flagged, at least so many must be
    #[arg(long, value_name = "SHARE", help_heading = "Gates")]
    min_recall: Option<Share>,

    /// F1, the harmonic mean of precision and recall
    #[arg(long, value_name = "SHARE", help_heading = "Gates")]
    min_f1: Option<Share>,
}

#[derive(ValueEnum, Clone, Copy)]
enum At {
    Flag,
    Mask,
    Block,
}

impl Eval {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let criterion = self.criterion();
        let mut measured = self.judge(&self.policy, &criterion)?;
        let mut other = match &self.compare {
            Some(other) => Some(self.judge(other, &criterion)?),
            None => None,
        };
        let mut changes = Changes::new(self.worst.into());
        let (mut context, mut unreadable) = (0, Unreadable::default());
        let mut lines = LineReader::new(input(&self.labels)?);
        let broken = |error| {
            Failure::broken(
                format!("{}: {error}", self.labels.display()),
                "check the file",
            )
        };
        while lines.advance().map_err(broken)? {
            if lines.line().is_empty() {
                continue;
            }
            let number = lines.number();
            let line = match eval::read(number, lines.line()) {
                Ok(line) => line,
                Err(problem) => {
                    unreadable.add(number, &problem);
                    continue;
                }
            };
            let new = measured.say(&line)?;
            let old = match &mut other {
                Some(other) => Some(other.say(&line)?),
                None => None,
            };
            // Whether a record is refused does not depend on the policy.
            let new = match new {
                Ok(new) => new,
                Err(refusal) => {
                    unreadable.add(number, &Problem::Refused(refusal));
                    continue;
                }
            };
            let Some(truth) = &line.truth else {
                context += 1;
                continue;
            };
            measured.score.add(&line, truth, &new);
            if let (Some(other), Some(Ok(old))) = (&mut other, &old) {
                other.score.add(&line, truth, old);
                changes.add(&criterion, &line, truth, (&new, old));
            }
        }
        self.check_counts(&measured.score, context, &unreadable)?;
        let compared = other.map(|other| Compared::new(other.heading, &other.score, &changes));
        let gates = Gates {
            max_false_positives: self.max_false_positives,
            min_precision: self.min_precision,
            min_recall: self.min_recall,
            min_f1: self.min_f1,
        };
        let report = Report::new(
            (measured.heading, self.labels.display().to_string()),
            &measured.score,
            context,
            unreadable,
            &gates,
            compared,
        );
        self.show(&report, globals)
    }

    fn criterion(&self) -> Criterion {
        let positive = if self.topics.is_empty() {
            Positive::Action(match self.at {
                At::Flag => Action::Flag,
                At::Mask => Action::Mask,
                At::Block => Action::Block,
            })
        } else {
            Positive::Topics(self.topics.iter().cloned().collect())
        };
        Criterion {
            positive,
            risk: self.risk,
        }
    }

    fn judge(&self, file: &Path, criterion: &Criterion) -> Result<Judge, Failure> {
        let document = load(file)?;
        let policy = Arc::new(compile(&document)?);
        let known: BTreeSet<&str> = document.topics().iter().map(String::as_str).collect();
        if let Some(unknown) = self
            .topics
            .iter()
            .find(|topic| !known.contains(topic.as_str()))
        {
            return Err(Failure::usage(
                format!("{}: has no topic `{unknown}`", file.display()),
                format!("its topics are: {}", document.topics().join(", ")),
            ));
        }
        Ok(Judge {
            heading: Heading {
                id: document.id().to_owned(),
                digest: document.digest().to_string(),
                engine: document.engine(),
                topics: document.topics().to_vec(),
                file: file.display().to_string(),
                stateful: self.stateful,
            },
            stateful: self.stateful.then(|| FileJudge::new(Arc::clone(&policy))),
            policy,
            score: Score::new(criterion.clone(), self.worst.into()),
        })
    }

    fn check_counts(
        &self,
        score: &Score,
        context: u64,
        unreadable: &Unreadable,
    ) -> Result<(), Failure> {
        if score.overall.lines() > 0 {
            return Ok(());
        }
        let file = self.labels.display();
        if context > 0 || unreadable.count == 0 {
            return Err(Failure::usage(
                format!("{file}: no line has a label"),
                "give each message a `label`: true, false, or the topics that are right",
            ));
        }
        let mut error = format!("{file}: none of {} lines can be read", unreadable.count);
        for one in &unreadable.first {
            error.push_str(&format!("\nline {}: {}", one.line, one.problem));
        }
        Err(Failure::usage(
            error,
            "write one JSON object per line, with `text` and `label`",
        ))
    }

    fn show(&self, report: &Report, globals: &Globals) -> Result<(), Failure> {
        if let Some(file) = &self.html {
            std::fs::write(file, eval::page(report)).map_err(|error| {
                Failure::broken(
                    format!("{}: cannot be written: {error}", file.display()),
                    "check the path of the page",
                )
            })?;
        }
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(report)?,
            Output::Table => {
                eval::write(report, &mut out)?;
                if let Some(file) = &self.html {
                    out.line(&format!("\npage: {}", file.display()))?;
                }
            }
        }
        out.finish()?;
        let unmet: Vec<String> = report
            .unmet()
            .map(|gate| format!("--{} {}", gate.gate, gate.wanted))
            .collect();
        if unmet.is_empty() {
            return Ok(());
        }
        Err(Failure::difference(
            format!("the policy does not meet {}", unmet.join(", ")),
            "read the worst lines of the report, then mend the policy or the labels",
        ))
    }
}

/// One policy at work.
struct Judge {
    heading: Heading,
    policy: Arc<CompiledPolicy>,
    /// With the counters of all lines so far.
    stateful: Option<FileJudge>,
    score: Score,
}

impl Judge {
    /// Judges a line; without `--stateful` by a fold that knows nothing else, so that no line changes another.
    fn say(&mut self, line: &Labelled) -> Result<Result<Judged, Refusal>, Failure> {
        let mut alone;
        let judge = match &mut self.stateful {
            Some(judge) => judge,
            None => {
                alone = FileJudge::new(Arc::clone(&self.policy));
                &mut alone
            }
        };
        let offset = i64::try_from(line.number - 1).unwrap_or(i64::MAX);
        let (action, refusal, verdict) = judge.judge(offset, &line.message, |ruling| {
            (
                ruling.action,
                ruling.dead_letter,
                decode_verdict(ruling.verdict),
            )
        })?;
        if let Some(refusal) = refusal {
            return Ok(Err(refusal));
        }
        let audience = self
            .policy
            .audience_name(&line.channel, line.audience.as_deref())
            .to_owned();
        Ok(Ok(Judged {
            action,
            verdict: verdict
                .map_err(|error| Failure::broken(error, "report this with the line"))?,
            audience,
        }))
    }
}
