//! `gavel policy import`.
//!
//! Invariant: what is written was accepted by the policy's own reader first, and appears at once: a file half written would be a list
//! that ends in the middle of the alphabet.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::Failure;
use crate::import::{self, Choices, Format, Gathered, ImportError, Note, gather, slug};
use crate::options::{Globals, Output};
use crate::output::{Out, write_whole};
use crate::table::printable;

/// Read a word list that others keep into a list of terms
#[derive(Args)]
pub struct Import {
    /// The list; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// How the list is written [default: guessed from its content]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,

    /// Where the terms go, as CSV for `lists` of a policy [default: standard output]
    #[arg(short, long = "to", value_name = "FILE")]
    output_file: Option<PathBuf>,

    /// Where the list's exemptions go, as TOML for a policy [default: standard error]
    #[arg(long, value_name = "FILE")]
    allow_output: Option<PathBuf>,

    /// Replace files that exist
    #[arg(long)]
    force: bool,

    /// The topic of all terms [default: made of the list's own categories]
    #[arg(long, value_name = "NAME", value_parser = name)]
    topic: Option<String>,

    /// The topic of one of the list's categories; can be given again. Nothing before `=` means: terms without a category
    #[arg(long, value_name = "FROM=TO", value_parser = mapping)]
    topic_map: Vec<(String, String)>,

    /// The risk of all terms [default: from the list's severities, else 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=7))]
    risk: Option<u8>,

    /// Find every term inside words too
    #[arg(long)]
    partial: bool,

    /// The language of all terms, for instance `en` or `pt-BR`
    #[arg(long, value_name = "TAG", value_parser = language)]
    language: Option<String>,

    /// What every id begins with [default: the name of the list's file]
    #[arg(long, value_name = "TEXT", value_parser = name)]
    id_prefix: Option<String>,
}

fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("it needs a name on one line".to_owned());
    }
    Ok(text.to_owned())
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("expected FROM=TO")?;
    Ok((from.trim().to_owned(), name(to)?))
}

fn language(text: &str) -> Result<String, String> {
    let is_tag = !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if is_tag {
        Ok(text.to_owned())
    } else {
        Err("a language tag has letters, digits and `-`".to_owned())
    }
}

impl Import {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        // Before the work, so that nothing is done in vain.
        for path in [&self.output_file, &self.allow_output]
            .into_iter()
            .flatten()
        {
            self.check_target(path)?;
        }
        let bytes = self.read()?;
        let failed = |error: ImportError| self.failure(&error);
        let text = import::text_of(&bytes).map_err(failed)?;
        let format = self.format.unwrap_or_else(|| {
            let format = Format::guess(text);
            eprintln!(
                "guessed: the list is {}; --format says otherwise",
                format.name()
            );
            format
        });
        let choices = self.choices(format);
        let list = format.read(text).map_err(failed)?;
        let gathered = gather(list, &choices).map_err(|error| {
            if let ImportError::NothingLeft(skipped) = &error {
                explain(skipped, "skipped");
            }
            self.failure(&error)
        })?;
        let language = self.language.as_deref().unwrap_or_default();
        let csv = import::csv(&gathered.terms, language);
        let topics: Vec<&str> = gathered.topics.keys().map(String::as_str).collect();
        import::is_accepted(&csv, &topics)
            .map_err(|reason| self.failure(&ImportError::Refused(reason)))?;
        let allows = import::allows(&gathered.allows);
        if let Some(path) = self.allow_output.as_deref().filter(|_| !allows.is_empty()) {
            write_whole(path, &allows)?;
        }
        match &self.output_file {
            Some(path) => write_whole(path, &csv)?,
            None => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(csv.as_bytes())?;
                stdout.flush()?;
            }
        }
        self.report(globals, format, &gathered, &allows)
    }

    fn choices(&self, format: Format) -> Choices {
        let stem = self
            .file
            .file_stem()
            .map(|stem| slug(&stem.to_string_lossy()));
        let stem = stem.filter(|stem| !stem.is_empty());
        Choices {
            topic: self.topic.clone(),
            topic_map: self.topic_map.clone(),
            risk: self.risk,
            id_prefix: self
                .id_prefix
                .clone()
                .or(stem)
                .unwrap_or_else(|| format.name().to_owned()),
            partial: self.partial,
        }
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        let read = if self.file.as_os_str() == "-" {
            read_bounded(std::io::stdin().lock(), &mut bytes)
        } else {
            fs::File::open(&self.file).and_then(|file| read_bounded(file, &mut bytes))
        };
        read.map_err(|error| {
            Failure::usage(
                format!("{}: cannot be read: {error}", self.file.display()),
                "check the path of the list",
            )
        })?;
        if bytes.len() as u64 > import::LARGEST {
            return Err(self.failure(&ImportError::TooLarge));
        }
        Ok(bytes)
    }

    fn failure(&self, error: &ImportError) -> Failure {
        Failure::difference(
            printable(&format!("{}: {error}", self.file.display())),
            printable(&error.next_step()),
        )
    }

    fn check_target(&self, path: &Path) -> Result<(), Failure> {
        let Ok(found) = fs::symlink_metadata(path) else {
            return Ok(());
        };
        // A renamed file would take the place of the device or the link itself.
        if !found.is_file() {
            return Err(Failure::usage(
                format!("{}: not a regular file", path.display()),
                "name a file, or leave it out for standard output",
            ));
        }
        if self.force {
            return Ok(());
        }
        Err(Failure::usage(
            format!("{}: exists already", path.display()),
            "name another file, or replace this one with --force",
        ))
    }

    /// What was done. It is the result if the terms went to a file, else it goes beside them.
    fn report(
        &self,
        globals: &Globals,
        format: Format,
        gathered: &Gathered,
        allows: &str,
    ) -> Result<(), Failure> {
        let patterns: usize = gathered.terms.iter().map(|term| term.patterns.len()).sum();
        let mut lines = Vec::new();
        match globals.output_or(Output::Table) {
            Output::Json => {
                let notes = |notes: &[Note]| -> Vec<serde_json::Value> {
                    let note =
                        |note: &Note| serde_json::json!({"place": note.place, "text": note.text});
                    notes.iter().map(note).collect()
                };
                let summary = serde_json::json!({
                    "format": format.name(),
                    "terms": gathered.terms.len(),
                    "patterns": patterns,
                    "merged": gathered.merged,
                    "skipped": notes(&gathered.skipped),
                    "notes": notes(&gathered.notes),
                    "topics": gathered.topics,
                    "allow": allows,
                });
                lines.push(summary.to_string());
            }
            Output::Table => {
                explain(&gathered.notes, "note");
                explain(&gathered.skipped, "skipped");
                if !allows.is_empty() && self.allow_output.is_none() {
                    eprintln!(
                        "the list lets words pass, which belong into the policy itself:\n{allows}"
                    );
                }
                lines.push(format!(
                    "{} terms with {patterns} patterns, {} merged, {} skipped",
                    gathered.terms.len(),
                    gathered.merged,
                    gathered.skipped.len()
                ));
                for (topic, terms) in &gathered.topics {
                    lines.push(format!("  {terms:>6}  {}", printable(topic)));
                }
                let topics: Vec<String> = gathered
                    .topics
                    .keys()
                    .map(|topic| import::quoted(topic))
                    .collect();
                lines.push(format!(
                    "policy.topics needs: {}",
                    printable(&topics.join(", "))
                ));
            }
        }
        if self.output_file.is_none() {
            lines.iter().for_each(|line| eprintln!("{line}"));
            return Ok(());
        }
        let mut out = Out::new();
        lines.iter().try_for_each(|line| out.line(line))?;
        Ok(out.finish()?)
    }
}

fn read_bounded(from: impl Read, into: &mut Vec<u8>) -> std::io::Result<usize> {
    // One byte more than allowed shows that there is more.
    from.take(import::LARGEST + 1).read_to_end(into)
}

fn explain(notes: &[Note], kind: &str) {
    for (index, note) in notes.iter().enumerate() {
        let line = format!("{kind} {}: {}: {}", index + 1, note.place, note.text);
        eprintln!("{}", printable(&line));
    }
}
