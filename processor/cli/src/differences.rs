//! What two policies decide differently, as tables and as JSON.

use std::collections::BTreeMap;

use gavel_runtime::shadow_report::{Figures, Said, Sample, Tally};

use crate::failure::Failure;
use crate::output::Out;
use crate::table::printable;

/// Actions from mild to strict, the order of the matrix; another word stands behind them.
const ACTIONS: [&str; 4] = ["allow", "flag", "mask", "block"];

pub fn json(tally: &Tally, samples: &[Sample], top: usize) -> serde_json::Value {
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
    let channels: Vec<_> = channels(tally, top)
        .into_iter()
        .map(|(channel, figures)| serde_json::json!({"channel": channel, "figures": figures}))
        .collect();
    serde_json::json!({
        "figures": tally.figures,
        "actions": actions,
        "topics": tally.topics,
        "rules": tally.rules,
        "newly_muted": users(tally.newly_muted()),
        "no_longer_muted": users(tally.no_longer_muted()),
        "channels": channels,
        "samples": samples,
    })
}

/// The channels with the most differences.
pub fn channels(tally: &Tally, top: usize) -> Vec<(&String, &Figures)> {
    let mut channels: Vec<_> = tally
        .channels
        .iter()
        .filter(|(_, figures)| figures.differing > 0)
        .collect();
    channels.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.differing));
    channels.truncate(top);
    channels
}

/// Everything but the figures; nothing when nothing was compared.
pub fn print(out: &mut Out, tally: &Tally, samples: &[Sample], top: usize) -> Result<(), Failure> {
    let figures = &tally.figures;
    if figures.compared == 0 {
        return Ok(());
    }
    out.line(&format!("\n{}", matrix(tally)))?;
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
    let rows = channels(tally, top).into_iter().map(|(channel, figures)| {
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
    for sample in samples {
        out.line(&format!("\n{}", described(sample)))?;
    }
    Ok(())
}

/// Rows of the largest counts first; nothing when there are none.
pub fn list(
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
fn matrix(tally: &Tally) -> String {
    let actions = &tally.actions;
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

pub fn described(sample: &Sample) -> String {
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
