//! `gavel replay explain`: why one message got its verdict.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use clap::Args;
use gavel_runtime::config::Config;
use gavel_runtime::replay::{self, Bound, ExplainedRecord, Part, Place, Progress};
use serde::Serialize;

use super::options::bound;
use super::progress::Shown;
use super::{sentence, steps};
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output};
use crate::output::{Out, write_whole};
use crate::story::{self, Story};
use crate::table::printable;

/// Say why one message got its verdict, from the log alone
///
/// PLACE is `partition:offset`, as verdicts carry it (source_partition, source_offset), or the message's id, for which the message
/// topic is searched (`id:` before an id that looks like a place). The partition is folded from where its history begins (where
/// that is gone, from the oldest checkpoint that is left), for the message's user alone, and what the fold decided is told step by step; the verdict is compared with the one in the verdict topic.
/// The exit code is 1 if they differ. Whoever may run this reads the user's words: treat what it prints like the chat itself.
#[derive(Args)]
pub struct Explain {
    /// `partition:offset`, or a message id
    #[arg(value_name = "PLACE")]
    place: String,

    /// Search for the id in this partition only
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,

    /// Search from here on: a time such as 2026-01-05T18:00:00Z, or with --partition an offset [default: all]
    #[arg(long, value_name = "WHEN", value_parser = bound)]
    from: Option<Bound>,

    /// Search up to here, which is not included
    #[arg(long, value_name = "WHEN", value_parser = bound)]
    to: Option<Bound>,

    /// Also write a page that can be sent to whoever asks
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    #[command(flatten)]
    brokers: Brokers,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Answer<'a> {
    summary: Vec<String>,
    /// All messages with the id, where one was asked for; the first is the one that is explained.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    found: Vec<Place>,
    #[serde(flatten)]
    told: &'a ExplainedRecord,
}

impl Explain {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let (place, found) = self.find(&config)?;
        let progress = Arc::new(Progress::default());
        let shown = Shown::start(&progress);
        let told = replay::explain(&config, place, &progress);
        shown.stop();
        let told = told?;
        let story = tell(&told, &found);
        if let Some(path) = &self.html {
            write_whole(path, &story::page(&story))?;
        }
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&Answer {
                summary: sentence::sentences(&told),
                found,
                told: &told,
            })?,
            Output::Table => {
                story::write(&story, &mut out)?;
                if let Some(path) = &self.html {
                    out.line(&format!("\npage: {}", path.display()))?;
                }
            }
        }
        out.finish()?;
        match told.recorded.verdict {
            replay::RecordedAs::Differs | replay::RecordedAs::Missing => Err(Failure::difference(
                format!("the recorded verdict: {}", told.recorded.verdict.as_str()),
                "run `gavel replay verify` for this partition; keep both topics as they are",
            )),
            replay::RecordedAs::Identical
            | replay::RecordedAs::Gone
            | replay::RecordedAs::NotYet => Ok(()),
        }
    }

    /// The place that was meant, and all places with the id, if an id was given.
    fn find(&self, config: &Config) -> Result<(Place, Vec<Place>), Failure> {
        if let Some(place) = place(&self.place) {
            return Ok((place, Vec::new()));
        }
        let offsets = [self.from, self.to].into_iter().flatten();
        if self.partition.is_none()
            && offsets
                .into_iter()
                .any(|one| matches!(one, Bound::Offset(_)))
        {
            return Err(Failure::usage(
                "an offset means something in one partition only",
                "name it with --partition, or give a time such as 2026-01-05T18:00:00Z",
            ));
        }
        let id = self.place.strip_prefix("id:").unwrap_or(&self.place);
        let plan = replay::plan(
            config,
            &Part {
                partitions: self.partition.into_iter().collect(),
                from: self.from,
                to: self.to,
            },
        )?;
        eprintln!(
            "searching {} records of {} partitions for the id {}; --partition, --from and --to search less",
            plan.records(),
            plan.partitions(),
            printable(id)
        );
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let progress = Arc::new(Progress::default());
        let shown = Shown::start(&progress);
        let found = replay::find(config, &plan, id, threads, &progress);
        shown.stop();
        let found = found?;
        let Some(first) = found.first().copied() else {
            return Err(replay::ReplayError::NoMessage {
                id: printable(id),
                records: plan.records(),
            }
            .into());
        };
        Ok((first, found))
    }
}

/// `3:17`, and nothing that only begins like it.
fn place(text: &str) -> Option<Place> {
    let (partition, offset) = text.split_once(':')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(partition) || !digits(offset) {
        return None;
    }
    Some(Place {
        partition: partition.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

fn tell(told: &ExplainedRecord, found: &[Place]) -> Story {
    let place = told.place;
    let verdict = &told.explanation.verdict;
    let whose = if verdict.user.is_empty() {
        String::new()
    } else {
        format!(" by {} in {}", verdict.user, verdict.community)
    };
    let (badge, tone) = sentence::badge(told);
    let mut sentences = sentence::sentences(told);
    if let [_, others @ ..] = found
        && !others.is_empty()
    {
        let places = others
            .iter()
            .map(|one| format!("{}:{}", one.partition, one.offset));
        sentences.push(format!(
            "The same id stands at {}, too; this is the first.",
            places.collect::<Vec<_>>().join(", ")
        ));
    }
    Story {
        title: format!("Record {}:{}{whose}", place.partition, place.offset),
        badge,
        tone,
        sentences,
        steps: steps::steps(told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_two_numbers_and_all_else_is_an_id() {
        assert_eq!(
            place("3:17"),
            Some(Place {
                partition: 3,
                offset: 17
            })
        );
        for id in ["id:3:17", "3:17:1", "3", "a:1", "3:", "-1:2", "3:+7"] {
            assert_eq!(place(id), None, "{id}");
        }
    }
}
