//! Reads the file, the environment and the flags into one configuration, remembering where each word stood, so that
//! an error can point at it.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::setting::{Key, Section, Written, nearest, suggestion};
use super::{Checkpoints, Config, Http, Kafka, Log, Run, Store, Topics, Traces};

/// Prefix of the variables that are settings, before the section's name.
const PREFIX: &str = "GAVEL_";

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub file: Option<PathBuf>,
    /// The environment; variables without `GAVEL_<section>_` are nobody's business here.
    pub environment: Vec<(String, String)>,
    pub flags: Vec<Flag>,
    /// Raw librdkafka settings given with `-X`, each `key=value`.
    pub properties: Vec<String>,
}

/// One setting given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As typed, for errors: `--lanes`.
    pub name: &'static str,
    pub section: &'static str,
    pub key: &'static str,
    pub value: String,
}

const SECTIONS: [(&str, &[Key]); 8] = [
    (Kafka::TABLE, Kafka::KEYS),
    (Topics::TABLE, Topics::KEYS),
    (Run::TABLE, Run::KEYS),
    (Store::TABLE, Store::KEYS),
    (Checkpoints::TABLE, Checkpoints::KEYS),
    (Http::TABLE, Http::KEYS),
    (Traces::TABLE, Traces::KEYS),
    (Log::TABLE, Log::KEYS),
];

impl Config {
    /// Every section with its documented keys.
    pub fn sections() -> &'static [(&'static str, &'static [Key])] {
        &SECTIONS
    }

    fn take(
        &mut self,
        section: &str,
        key: &str,
        written: &Written<'_>,
    ) -> Option<Result<(), String>> {
        match section {
            Kafka::TABLE => self.kafka.take(key, written),
            Topics::TABLE => self.topics.take(key, written),
            Run::TABLE => self.run.take(key, written),
            Store::TABLE => self.store.take(key, written),
            Checkpoints::TABLE => self.checkpoints.take(key, written),
            Http::TABLE => self.http.take(key, written),
            Traces::TABLE => self.traces.take(key, written),
            Log::TABLE => self.log.take(key, written),
            _ => None,
        }
    }
}

impl Sources {
    /// The configuration as far as it can be read, and what could not.
    pub(super) fn read(&self) -> (Config, Vec<String>) {
        let mut config = Config::default();
        let mut problems = Vec::new();
        if let Some(path) = &self.file {
            match std::fs::read_to_string(path) {
                Ok(text) => read_file(path, &text, &mut config, &mut problems),
                Err(error) => problems.push(format!("{}: cannot be read: {error}", path.display())),
            }
        }
        for (name, value) in &self.environment {
            read_variable(name, value, &mut config, &mut problems);
        }
        for flag in &self.flags {
            if let Some(Err(error)) =
                config.take(flag.section, flag.key, &Written::Text(&flag.value))
            {
                problems.push(format!("{}: {error}", flag.name));
            }
        }
        for property in &self.properties {
            match property.split_once('=') {
                Some((key, value)) => config.kafka.properties.set(key.trim(), value.trim()),
                None => problems.push(format!("-X: expected key=value, found `{property}`")),
            }
        }
        (config, problems)
    }
}

fn read_file(path: &Path, text: &str, config: &mut Config, problems: &mut Vec<String>) {
    let at = |offset: usize| format!("{}:{}", path.display(), line(text, offset));
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let place = at(error.span().map_or(0, |span| span.start));
            problems.push(format!("{place}: {}", error.message()));
            return;
        }
    };
    for (section, value) in document.get_ref() {
        let name: &str = section.get_ref();
        let place = at(section.span().start);
        let Some((_, keys)) = SECTIONS.iter().find(|(table, _)| *table == name) else {
            let near = suggestion(name, SECTIONS.iter().map(|(table, _)| *table));
            problems.push(format!("{place}: unknown section `{name}`{near}"));
            continue;
        };
        match value.get_ref() {
            DeValue::Table(table) => read_table(name, keys, table, config, &mut |offset, error| {
                problems.push(format!("{}: {error}", at(offset)));
            }),
            _ => problems.push(format!(
                "{place}: `{name}` is a section; write `[{name}]` and its keys below"
            )),
        }
    }
}

fn read_table(
    section: &str,
    keys: &[Key],
    table: &DeTable<'_>,
    config: &mut Config,
    problem: &mut dyn FnMut(usize, String),
) {
    for (key, value) in table {
        let value: &Spanned<DeValue<'_>> = value;
        match config.take(section, key.get_ref(), &Written::Toml(value.get_ref())) {
            Some(Ok(())) => {}
            Some(Err(error)) => problem(
                value.span().start,
                format!("`{section}.{}`: {error}", key.get_ref()),
            ),
            None => {
                let near = suggestion(key.get_ref(), keys.iter().map(|key| key.name));
                problem(
                    key.span().start,
                    format!("unknown key `{}` in [{section}]{near}", key.get_ref()),
                );
            }
        }
    }
}

fn read_variable(name: &str, value: &str, config: &mut Config, problems: &mut Vec<String>) {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return;
    };
    let Some((section, key)) = rest.split_once('_') else {
        return;
    };
    let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
    let Some((_, keys)) = SECTIONS.iter().find(|(table, _)| *table == section) else {
        return;
    };
    match config.take(&section, &key, &Written::Text(value)) {
        Some(Ok(())) => {}
        Some(Err(error)) => problems.push(format!("{name}: {error}")),
        None => {
            let variable = |key: &str| {
                format!(
                    "{PREFIX}{}_{}",
                    section.to_ascii_uppercase(),
                    key.to_ascii_uppercase()
                )
            };
            let near = match nearest(&key, keys.iter().map(|key| key.name)) {
                Some(near) => format!("did you mean {}?", variable(near)),
                None => {
                    let all: Vec<String> = keys.iter().map(|key| variable(key.name)).collect();
                    format!("valid are: {}", all.join(", "))
                }
            };
            problems.push(format!("{name}: no such setting; {near}"));
        }
    }
}

/// Line number, from 1, of a byte offset.
fn line(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}
