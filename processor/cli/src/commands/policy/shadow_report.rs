//! `gavel policy shadow-report`.

use std::collections::BTreeMap;
use std::thread;

use clap::Args;
use gavel_runtime::shadow_report::{Figures, Report, Said, Sample, Wanted, report};

use crate::failure::Failure;
use crate::options::{Brokers, Globals, Output, PartitionList, partition_list};
use crate::output::Out;
use crate::table::printable;

/// Actions from mild to strict, the order of the matrix; another word stands behind them.
const ACTIONS: [&str; 4] = ["allow", "flag", "mask", "block"];
/// Parts of a whole in a share: a ten-thousandth of a percent.
const WHOLE: u64 = 1_000_000;

/// Compare what a candidate says in shadow with the verdicts
///
/// Reads verdicts and shadow verdicts from the place on where the candidate began, and joins them by log, partition and offset. The
/// candidate's counters, strikes and mutes began empty: soon after its activation it is milder than it would be in the long run.
/// Shadow verdicts may be missing (dropped under load, lost in a crash, the topic was not there); those messages are counted apart.
/// Verdicts hold no text: --texts reads that of the samples from the messages. Audiences stand in messages only.
#[derive(Args)]
pub struct ShadowReport {
    /// The shadow of this community; without it, that of all
    #[arg(long)]
    community: Option<String>,

    /// From this order on: that of a shadow, also of one that has ended, or of anything activated while it lasted
    #[arg(long, value_name = "ORDER")]
    since: Option<i64>,

    /// Only the newest N verdicts of each partition
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    last: Option<i64>,

    /// At most N compared messages of each partition, from the beginning
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "last")]
    limit: Option<u64>,

    /// Only these, for example 0-3 or 0,2,5
    #[arg(long, value_name = "LIST", value_parser = partition_list)]
    partitions: Option<PartitionList>,

    /// Lines of each list: rules, topics, channels, users
    #[arg(long, value_name = "N", default_value = "10")]
    top: usize,

    /// Differing messages shown of each kind of change
    #[arg(long, value_name = "N", default_value = "3")]
    samples: usize,

    /// Show the samples' words and audience, read from the messages
    #[arg(long)]
    texts: bool,

    /// Exit with 1 if the candidate blocks or mutes a larger share of the compared messages that the policy in force does not
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    max_new_blocks: Option<u64>,

    #[command(flatten)]
    brokers: Brokers,
}

impl ShadowReport {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let config = globals.config(&self.brokers, Vec::new())?;
        let wanted = Wanted {
            community: self.community,
            since: self.since,
            last: self.last,
            limit: self.limit,
            partitions: self.partitions.map(|list| list.0).unwrap_or_default(),
            samples: self.samples,
            texts: self.texts,
            threads: thread::available_parallelism().map_or(1, usize::from),
        };
        let report = report(&config, &wanted)?;
        let mut out = Out::new();
        match globals.output_or(Output::Table) {
            Output::Json => out.json(&json(&report, self.top))?,
            Output::Table => print(&mut out, &report, self.top)?,
        }
        out.finish()?;
        match self.max_new_blocks {
            Some(most) => gate(&report.tally.figures, most),
            None => Ok(()),
        }
    }
}

/// Fails if too much is new, and if nothing shows that it is not.
fn gate(figures: &Figures, most: u64) -> Result<(), Failure> {
    if figures.compared == 0 {
        return Err(Failure::difference(
            "nothing was compared, so nothing shows that the candidate does not block too much",
            "wait until it has judged some messages, or report from an earlier order with --since",
        ));
    }
    let is_more = u128::from(figures.new_blocks) * u128::from(WHOLE)
        > u128::from(most) * u128::from(figures.compared);
    if !is_more {
        return Ok(());
    }
    Err(Failure::difference(
        format!(
            "the candidate newly blocks or mutes {} of {} messages ({}), more than {}",
            figures.new_blocks,
            figures.compared,
            percent(figures.new_blocks, figures.compared),
            percent(most, WHOLE)
        ),
        "look at the samples (--texts), mend the candidate, and try it in shadow again",
    ))
}

/// Millionths of a share such as `0.1%`.
fn share(text: &str) -> Result<u64, String> {
    let wrong =
        || "write a percentage from 0% to 100% such as 0.1%, with at most four decimals".to_owned();
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(decimals) || decimals.len() > 4 || whole.len() > 3 {
        return Err(wrong());
    }
    let parse = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
    let millionths = parse(whole)? * (WHOLE / 100) + parse(&format!("{decimals:0<4}"))?;
    if millionths > WHOLE {
        return Err(wrong());
    }
    Ok(millionths)
}

/// A share as a percentage with as many decimals as it needs to be told from nothing.
fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".into();
    }
    let percentage = part as f64 * 100.0 / whole as f64;
    if part > 0 && percentage < 0.1 {
        format!("{percentage:.4}%")
    } else {
        format!("{percentage:.1}%")
    }
}

fn json(report: &Report, top: usize) -> serde_json::Value {
    let tally = &report.tally;
    let mut actions: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for ((active, candidate), count) in &tally.actions {
        actions.entry(active).or_default().insert(candidate, *count);
    }
    let users = |users: Vec<(&str, u64)>| {
        let top: Vec<_> = users
            .iter()
            .take(top)
            .map(|(user, messages)| serde_json::json!({"user": user, "messages": messages}))
            .collect();
        serde_json::json!({"count": users.len(), "top": top})
    };
    let channels: Vec<_> = channels(report, top)
        .into_iter()
        .map(|(channel, figures)| serde_json::json!({"channel": channel, "figures": figures}))
        .collect();
    serde_json::json!({
        "candidate": report.candidate.to_string(),
        "in_force": report.in_force.map(|digest| digest.to_string()),
        "since": report.since,
        "figures": tally.figures,
        "verdict_only": tally.verdict_only,
        "shadow_only": tally.shadow_only,
        "waiting": tally.waiting,
        "actions": actions,
        "topics": tally.topics,
        "rules": tally.rules,
        "newly_muted": users(tally.newly_muted()),
        "no_longer_muted": users(tally.no_longer_muted()),
        "channels": channels,
        "samples": report.samples,
    })
}

/// The channels with the most differences.
fn channels(report: &Report, top: usize) -> Vec<(&String, &Figures)> {
    let mut channels: Vec<_> = report
        .tally
        .channels
        .iter()
        .filter(|(_, figures)| figures.differing > 0)
        .collect();
    channels.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.differing));
    channels.truncate(top);
    channels
}

fn print(out: &mut Out, report: &Report, top: usize) -> Result<(), Failure> {
    let tally = &report.tally;
    let figures = &tally.figures;
    let share = |part: u64| percent(part, figures.compared);
    let in_force = report
        .in_force
        .map_or("nothing".to_owned(), |digest| digest.to_string());
    out.line(&format!(
        "candidate        {} since order {}",
        report.candidate, report.since
    ))?;
    out.line(&format!("in force         {in_force}"))?;
    out.line(&format!("compared         {}", figures.compared))?;
    for (what, count) in [
        ("differing", figures.differing),
        ("newly blocked", figures.new_blocks),
        ("not any more", figures.lost_blocks),
    ] {
        out.line(&format!("{what:<16} {count} ({})", share(count)))?;
    }
    for (what, count, why) in [
        (
            "no shadow",
            tally.verdict_only,
            "dropped, failed or lost in a crash: see gavel_shadow_verdicts_total",
        ),
        (
            "no verdict",
            tally.shadow_only,
            "removed from the verdict topic by retention",
        ),
        (
            "waiting",
            tally.waiting,
            "behind the newest shadow verdict: on their way, or none arrive any more",
        ),
    ] {
        if count > 0 {
            out.line(&format!("{what:<16} {count} ({why})"))?;
        }
    }
    if figures.compared == 0 {
        return Ok(());
    }
    out.line(&format!("\n{}", matrix(report)))?;
    let rules = tally.rules.iter().map(|(rule, change)| {
        let (after, before) = (change.candidate_only, change.active_only);
        (
            after + before,
            [printable(rule), after.to_string(), before.to_string()].to_vec(),
        )
    });
    list(
        out,
        &["RULE", "CANDIDATE ONLY", "IN FORCE ONLY"],
        rules.collect(),
        top,
    )?;
    let topics = tally.topics.iter().map(|(topic, change)| {
        let counts = [change.appears, change.vanishes, change.higher, change.lower];
        let mut row = vec![printable(topic)];
        row.extend(counts.map(|count| count.to_string()));
        (counts.iter().sum(), row)
    });
    let heading = ["TOPIC", "APPEARS", "VANISHES", "HIGHER", "LOWER"];
    list(out, &heading, topics.collect(), top)?;
    let rows = channels(report, top).into_iter().map(|(channel, figures)| {
        let counts = [
            figures.compared,
            figures.differing,
            figures.new_blocks,
            figures.lost_blocks,
        ];
        let mut row = vec![printable(channel)];
        row.extend(counts.map(|count| count.to_string()));
        (figures.differing, row)
    });
    let heading = [
        "CHANNEL",
        "COMPARED",
        "DIFFERING",
        "NEWLY BLOCKED",
        "NOT ANY MORE",
    ];
    list(out, &heading, rows.collect(), top)?;
    for (what, users) in [
        ("NEWLY MUTED", tally.newly_muted()),
        ("NO LONGER MUTED", tally.no_longer_muted()),
    ] {
        let heading = format!("{what} ({} users)", users.len());
        let rows = users
            .iter()
            .map(|(user, count)| (*count, vec![printable(user), count.to_string()]));
        list(out, &[&heading, "MESSAGES"], rows.collect(), top)?;
    }
    for sample in &report.samples {
        out.line(&format!("\n{}", described(sample)))?;
    }
    Ok(())
}

/// Rows of the largest counts first; nothing when there are none.
fn list(
    out: &mut Out,
    heading: &[&str],
    mut rows: Vec<(u64, Vec<String>)>,
    top: usize,
) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(heading);
    for (_, row) in rows.iter().take(top) {
        table.add_row(row);
    }
    out.line(&format!("\n{}", table.trim_fmt()))?;
    if rows.len() > top {
        out.line(&format!("and {} more", rows.len() - top))?;
    }
    Ok(())
}

/// Rows: what is in force; columns: the candidate.
fn matrix(report: &Report) -> String {
    let actions = &report.tally.actions;
    let mut names: Vec<&str> = ACTIONS.to_vec();
    for (active, candidate) in actions.keys() {
        for name in [active, candidate] {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    let columns = names.iter().map(|name| format!("-> {}", printable(name)));
    table.set_header(std::iter::once("IN FORCE".to_owned()).chain(columns));
    for active in &names {
        let counts = names.iter().map(|candidate| {
            let count = actions.get(&((*active).to_owned(), (*candidate).to_owned()));
            count.map_or_else(|| ".".to_owned(), ToString::to_string)
        });
        table.add_row(std::iter::once(printable(active)).chain(counts));
    }
    table.trim_fmt()
}

fn described(sample: &Sample) -> String {
    let side = |said: &Said| {
        let mut words = vec![said.action.clone()];
        if said.code != "judged" {
            words.push(format!("[{}]", said.code));
        }
        words.extend(said.effects.iter().map(|effect| format!("+{effect}")));
        words.extend(said.rules.iter().map(|rule| printable(rule)));
        words.join(" ")
    };
    let id = if sample.message_id.is_empty() {
        String::new()
    } else {
        format!(" {}", printable(&sample.message_id))
    };
    let mut text = format!(
        "{}:{}{id}  {}/{} by {}\n  in force   {}\n  candidate  {}",
        sample.partition,
        sample.offset,
        printable(&sample.community),
        printable(&sample.channel),
        printable(&sample.user),
        side(&sample.active),
        side(&sample.candidate)
    );
    if let Some(words) = &sample.text {
        let audience = sample.audience.as_deref().unwrap_or("default");
        text.push_str(&format!(
            "\n  {}: {}",
            printable(audience),
            printable(words)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exact_to_a_ten_thousandth_of_a_percent() {
        assert_eq!(share("0.1%"), Ok(1_000));
        assert_eq!(share("100%"), Ok(1_000_000));
        assert_eq!(share("0.0001%"), Ok(1));
        assert_eq!(share("5%"), Ok(50_000));
        for wrong in ["", "%", "5", "-1%", "101%", "0.00001%", ".5%", "1.%", "x%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_gate_lets_exactly_the_share_through() {
        let figures = |new_blocks| Figures {
            compared: 1_000,
            new_blocks,
            ..Figures::default()
        };
        assert!(gate(&figures(1), 1_000).is_ok());
        assert!(gate(&figures(2), 1_000).is_err());
        assert!(gate(&figures(0), 0).is_ok());
        assert!(
            gate(&Figures::default(), WHOLE).is_err(),
            "nothing compared"
        );
    }
}
