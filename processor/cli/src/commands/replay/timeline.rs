//! `gavel replay timeline`: all that a user said and what came of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use gavel_runtime::replay::{self, Progress, Timeline as Told, TimelineEntry, Who};

use super::progress::Shown;
use super::words::{evasion, moment, number, points, span};
use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output, PartitionList, partition_list};
use crate::output::{Out, write_whole};
use crate::story::{self, Block, Cell, Step, Story, Tone};

/// Show all that a user said, what came of it, and the orders that touched the user
///
/// The partition that the key `community/user` belongs to is folded from where its history begins, for this user alone. A user whom a
/// producer has sent elsewhere is found with --partitions. Whoever may run this reads the user's words: treat what it prints like the
/// chat itself.
#[derive(Args)]
pub struct Timeline {
    /// The user's community
    #[arg(long)]
    community: String,

    /// The user
    #[arg(long)]
    user: String,

    /// Look here instead, for example 0-3 or 0,2,5
    #[arg(long, value_name = "LIST", value_parser = partition_list)]
    partitions: Option<PartitionList>,

    /// Also write a page that can be sent to whoever asks
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    #[command(flatten)]
    brokers: Brokers,
}

impl Timeline {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let who = Who {
            community: self.community,
            user: self.user,
        };
        let partitions = self.partitions.map(|list| list.0).unwrap_or_default();
        let progress = Arc::new(Progress::default());
        let shown = Shown::start(&progress);
        let told = replay::timeline(&config, &who, &partitions, &progress);
        shown.stop();
        let told = told?;
        let story = tell(&told);
        if let Some(path) = &self.html {
            write_whole(path, &story::page(&story))?;
        }
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&told)?,
            Output::Table => {
                story::write(&story, &mut out)?;
                if let Some(path) = &self.html {
                    out.line(&format!("\npage: {}", path.display()))?;
                }
            }
        }
        Ok(out.finish()?)
    }
}

fn tell(told: &Told) -> Story {
    let said = || told.entries.iter().filter(|entry| entry.message.is_some());
    let count = |action: &str| {
        let firsts = said().filter(|entry| entry.verdict.duplicate_of.is_none());
        firsts
            .filter(|entry| entry.verdict.action == action)
            .count()
    };
    let repeats = said()
        .filter(|entry| entry.verdict.duplicate_of.is_some())
        .count();
    let mutes = said()
        .flat_map(|entry| &entry.verdict.effects)
        .filter(|effect| effect.kind == "mute")
        .count();
    let blocked = count("block");
    let mut sentences = Vec::new();
    let partitions = told.partitions.iter().map(ToString::to_string);
    let partitions = partitions.collect::<Vec<_>>().join(", ");
    match said().next_back() {
        None => sentences.push(format!(
            "No message of this user stands in partition {partitions}. Community and user must be written as in the messages; a producer \
             with another partitioner sends users elsewhere (--partitions)."
        )),
        Some(last) => {
            sentences.push(format!(
                "{} messages: {} allowed, {} flagged, {} with words hidden, {blocked} blocked{}.",
                said().count(),
                count("allow"),
                count("flag"),
                count("mask"),
                if repeats > 0 {
                    format!(", and {repeats} sent once more")
                } else {
                    String::new()
                }
            ));
            // An appeal or an erasure after the last message changes where the user stands.
            sentences.push(standing(told.entries.last().unwrap_or(last), mutes));
        }
    }
    let undone = undone(told);
    if !undone.is_empty() {
        let many = if undone.len() == 1 {
            "1 verdict was".to_owned()
        } else {
            format!("{} verdicts were", undone.len())
        };
        sentences.push(format!(
            "{many} overturned since; the counts above are as it was decided first."
        ));
    }
    let (badge, tone) = match (blocked, mutes) {
        (_, 1..) => {
            let last = told.entries.last();
            let is_muted = last.is_some_and(|last| last.after.mute_until.is_some());
            let (now, tone) = match is_muted {
                true => ("", Tone::Bad),
                false => (", not any more", Tone::Careful),
            };
            (format!("Muted {mutes} time{}{now}", plural(mutes)), tone)
        }
        (1.., 0) => (format!("{blocked} blocked"), Tone::Careful),
        (0, 0) => ("Nothing blocked".to_owned(), Tone::Good),
    };
    Story {
        title: format!(
            "User {} in {}, partition {partitions}",
            told.user, told.community
        ),
        badge,
        tone,
        sentences,
        steps: vec![entries(told)],
    }
}

/// Messages whose verdicts were overturned.
fn undone(told: &Told) -> BTreeSet<(i32, i64)> {
    let of = |entry: &TimelineEntry| {
        let order = entry.order.as_ref()?;
        Some((entry.partition, order.overturned?))
    };
    told.entries.iter().filter_map(of).collect()
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

fn standing(last: &TimelineEntry, mutes: usize) -> String {
    let after = &last.after;
    let muted = match after.mute_until {
        Some(until) => format!("muted until {}", moment(until)),
        None => "not muted".to_owned(),
    };
    format!(
        "After the last line here ({}) the user was {muted} and had {} of strikes; trust was {}. {mutes} mute{} in all.",
        moment(last.at),
        points(after.strikes),
        after.trust,
        plural(mutes)
    )
}

fn entries(told: &Told) -> Step {
    let undone = undone(told);
    let rows = told.entries.iter().map(|entry| {
        let is_undone =
            entry.message.is_some() && undone.contains(&(entry.partition, entry.offset));
        row(entry, is_undone)
    });
    Step::new("From the first to the last").with(Block::Grid {
        header: vec![
            "Time",
            "Place",
            "Channel",
            "Words",
            "Action",
            "Why",
            "Points",
            "Muted until",
            "Trust",
        ],
        rows: rows.collect(),
    })
}

fn row(entry: &TimelineEntry, is_undone: bool) -> Vec<Cell> {
    let (before, after) = (&entry.before, &entry.after);
    let strikes = if before.strikes == after.strikes {
        number(after.strikes)
    } else {
        format!("{} → {}", number(before.strikes), number(after.strikes))
    };
    let trust = if before.trust == after.trust {
        after.trust.to_owned()
    } else {
        format!("{} → {}", before.trust, after.trust)
    };
    let (channel, words, action) = match &entry.message {
        Some(said) => (
            Cell::Text(said.channel.clone()),
            Cell::Words(said.text.clone()),
            Cell::Action(entry.verdict.action.clone()),
        ),
        None => (
            Cell::Text(String::new()),
            Cell::Text(String::new()),
            Cell::Action("order".to_owned()),
        ),
    };
    vec![
        Cell::Text(moment(entry.at)),
        Cell::Number(format!("{}:{}", entry.partition, entry.offset)),
        channel,
        words,
        action,
        Cell::Text(format!(
            "{}{}",
            why(entry),
            if is_undone { "; overturned later" } else { "" }
        )),
        Cell::Number(strikes),
        Cell::Text(after.mute_until.map_or_else(String::new, moment)),
        Cell::Number(trust),
    ]
}

fn why(entry: &TimelineEntry) -> String {
    let Some(order) = &entry.order else {
        return why_judged(entry);
    };
    let what = match (order.kind, &order.policy, order.overturned) {
        ("policy-activated", policy, _) => format!(
            "policy {} {} for {}",
            policy.as_deref().unwrap_or("without a name"),
            if order.shadow {
                "in shadow"
            } else {
                "in force"
            },
            match order.scope.as_deref() {
                Some("*") | None => "all",
                Some(scope) => scope,
            }
        ),
        ("user-erased", _, _) => "what was remembered was erased".to_owned(),
        (_, _, Some(offset)) => format!("the verdict of offset {offset} was overturned"),
        (kind, _, None) => kind.to_owned(),
    };
    let why = if order.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", order.reason)
    };
    let by = if order.by.is_empty() {
        String::new()
    } else {
        format!(" by {}", order.by)
    };
    format!("order {}{by}: {what}{why}", order.number)
}

fn why_judged(entry: &TimelineEntry) -> String {
    let verdict = &entry.verdict;
    let text = entry.message.as_ref().map_or("", |said| &said.text);
    let mut parts = Vec::new();
    match verdict.code.as_str() {
        "judged" => {}
        "muted" => parts.push("the user was muted".to_owned()),
        "no-policy" => parts.push("no policy was in force".to_owned()),
        other => parts.push(other.to_owned()),
    }
    if let Some(first) = verdict.duplicate_of {
        parts.push(format!("repeat of offset {first}"));
    }
    let labels = verdict.labels.iter();
    parts.extend(labels.map(|label| format!("{} of risk {}", label.topic, label.risk)));
    for reason in verdict
        .reasons
        .iter()
        .filter(|reason| reason.rule != "strikes")
    {
        let mut said = format!("rule {}", reason.rule);
        let span = reason.start.unsigned_abs() as usize..reason.end.unsigned_abs() as usize;
        if let Some(words) = text.get(span).filter(|words| !words.is_empty()) {
            said.push_str(&format!(" “{words}”"));
        }
        if !reason.evasion.is_empty() {
            said.push_str(&format!(" ({})", evasion(&reason.evasion)));
        }
        parts.push(said);
    }
    for effect in &verdict.effects {
        parts.push(match (effect.until, &effect.queue, &effect.trust) {
            (Some(until), _, _) => format!("muted for {}", span(until - verdict.judged_at)),
            (None, Some(queue), _) => format!("people of queue {queue} asked"),
            (None, None, Some(trust)) => format!("trust {trust}"),
            (None, None, None) => effect.kind.clone(),
        });
    }
    parts.join("; ")
}
