//! Bulk lists: CSV with the header id,match,topic,risk and optionally weight,partial,exceptions,language,fuzzy,guards; and lists of
//! plain words.

use super::document::{RISK_MAX, Term};
use super::error::{Problems, did_you_mean, nearest};
use super::pattern::Pattern;

const COLUMNS: [&str; 10] = [
    "id",
    "match",
    "topic",
    "risk",
    "weight",
    "partial",
    "exceptions",
    "language",
    "fuzzy",
    "guards",
];
pub(super) const REQUIRED: usize = 4;
/// What each column holds, for the author's reference.
const MEANINGS: [&str; COLUMNS.len()] = [
    "Names the rule in verdicts; each rule of a policy has its own.",
    "Patterns, any of which is a hit; several are parted by `|`.",
    "One of `policy.topics`.",
    "0 harmless to 7 worst.",
    "0 to 1 with three decimals: how often a bare hit is right. Default: 1.",
    "`true`: it is found inside words too. Default: `false`.",
    "Patterns that beat this term where they overlap its hit, parted by `|`. Default: none.",
    "Only in messages of this language. Default: every language.",
    "`true`: it is also found misspelt, starred out or in pieces. Default: `false`.",
    "Names of guards, parted by `|`. Default: those of its topic.",
];
/// Between several patterns or exceptions in one cell.
const SEPARATOR: char = '|';

/// The columns with what they hold.
pub(super) fn columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    COLUMNS.into_iter().zip(MEANINGS)
}

/// Reads a list; what is wrong goes to `problems` with the list's name and line.
pub(super) fn read(
    name: &str,
    text: &str,
    topics: &[String],
    problems: &mut Problems<'_>,
) -> Vec<Term> {
    let mut reader = ::csv::ReaderBuilder::new()
        .flexible(false)
        .trim(::csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            problems.add(format!("{name}:1: {error}"));
            return Vec::new();
        }
    };
    let mut complete = true;
    for column in header.iter().filter(|column| !COLUMNS.contains(column)) {
        let hint = nearest(column, &COLUMNS).map_or_else(
            || format!("; known: {}", COLUMNS.join(", ")),
            |near| format!("; did you mean `{near}`?"),
        );
        problems.add(format!("{name}:1: unknown column `{column}`{hint}"));
        complete = false;
    }
    for column in COLUMNS[..REQUIRED]
        .iter()
        .filter(|column| !header.iter().any(|found| found == **column))
    {
        problems.add(format!(
            "{name}:1: column `{column}` is missing; the header begins id,match,topic,risk"
        ));
        complete = false;
    }
    if !complete {
        return Vec::new();
    }
    let place = |column: &str| header.iter().position(|found| found == column);
    let places = COLUMNS.map(place);
    let mut terms = Vec::new();
    for row in reader.records() {
        match row {
            Ok(row) => {
                let line = row.position().map_or(0, ::csv::Position::line);
                let cell = |column: usize| {
                    places[column]
                        .and_then(|place| row.get(place))
                        .unwrap_or("")
                };
                match term(cell, topics) {
                    Ok(term) => terms.push(term),
                    Err(problem) => problems.add(format!("{name}:{line}: {problem}")),
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, ::csv::Position::line);
                problems.add(format!("{name}:{line}: {error}"));
            }
        }
    }
    terms
}

fn term<'r>(cell: impl Fn(usize) -> &'r str, topics: &[String]) -> Result<Term, String> {
    let (id, topic) = (cell(0), cell(2));
    if id.is_empty() {
        return Err("`id` is empty; it names the rule in verdicts".to_owned());
    }
    if !topics.iter().any(|known| known == topic) {
        let known: Vec<&str> = topics.iter().map(String::as_str).collect();
        return Err(format!(
            "topic `{topic}` is not in policy.topics{}",
            did_you_mean(topic, &known)
        ));
    }
    let risk = cell(3).parse::<u8>().ok().filter(|risk| *risk <= RISK_MAX);
    let risk = risk.ok_or_else(|| {
        format!(
            "risk `{}` is out of range: 0 (harmless) to {RISK_MAX} (worst)",
            cell(3)
        )
    })?;
    let flag = |column: usize| match cell(column) {
        "" | "false" => Ok(false),
        "true" => Ok(true),
        other => Err(format!(
            "`{}` is `{other}`: true, false or empty",
            COLUMNS[column]
        )),
    };
    let patterns = patterns_of(cell(1))?;
    if patterns.is_empty() {
        return Err(format!("term `{id}` has nothing in `match`"));
    }
    let language = Some(cell(7))
        .filter(|language| !language.is_empty())
        .map(str::to_owned);
    Ok(Term {
        id: id.to_owned(),
        patterns,
        topic: topic.to_owned(),
        risk,
        weight: weight(cell(4))?,
        language,
        partial: flag(5)?,
        fuzzy: flag(8)?,
        guards: cells_of(cell(9)),
        exceptions: patterns_of(cell(6))?,
    })
}

fn patterns_of(cell: &str) -> Result<Vec<String>, String> {
    let all = cells_of(cell);
    all.iter()
        .try_for_each(|pattern| Pattern::parse(pattern).map(|_| ()))?;
    Ok(all)
}

fn cells_of(cell: &str) -> Vec<String> {
    let mut all: Vec<String> = cell
        .split(SEPARATOR)
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Thousandths.
fn weight(cell: &str) -> Result<u32, String> {
    if cell.is_empty() {
        return Ok(1_000);
    }
    let (whole, part) = cell.split_once('.').unwrap_or((cell, ""));
    let digits = part.len() <= 3
        && cell
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let parsed = if digits {
        format!("{whole}{part:0<3}").parse::<u32>().ok()
    } else {
        None
    };
    parsed.filter(|weight| *weight <= 1_000).ok_or_else(|| {
        format!("weight `{cell}` is out of range: 0 to 1, with at most three decimals")
    })
}

/// Words of a plain list: parted by white space or lines; what follows a `#` is a remark.
pub(super) fn words(text: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    lines
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}
