//! `gavel settings`: what can be chosen.

use std::fmt::Write as _;

use clap::Args;
use gavel_runtime::config::{Config, Key};

use crate::failure::Failure;
use crate::options::{Globals, Output};
use crate::output::Out;

/// Print every setting with its meaning, unit, default and variable
///
/// The page is itself a file for --config, with every setting commented out.
#[derive(Args)]
pub struct Settings {}

/// Width of the page.
const WIDTH: usize = 100;

impl Settings {
    pub fn run(self, globals: &Globals) -> Result<(), Failure> {
        let mut out = Out::new();
        for (section, keys) in Config::sections() {
            match globals.output_or(Output::Table) {
                Output::Json => {
                    for key in *keys {
                        out.json(&serde_json::json!({
                            "section": section,
                            "key": key.name,
                            "variable": variable(section, key),
                            "meaning": meaning(key),
                        }))?;
                    }
                }
                Output::Table => {
                    out.line(&format!("[{section}]"))?;
                    for key in *keys {
                        out.line(&described(section, key))?;
                    }
                }
            }
        }
        Ok(out.finish()?)
    }
}

fn described(section: &str, key: &Key) -> String {
    let mut page = String::new();
    let mut line = String::from("#");
    for word in meaning(key).split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            page.push_str(&line);
            page.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(page, "{line}");
    let _ = writeln!(page, "# {}", variable(section, key));
    let _ = writeln!(page, "#{} =", key.name);
    page
}

/// The documentation as one paragraph.
fn meaning(key: &Key) -> String {
    key.doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn variable(section: &str, key: &Key) -> String {
    format!(
        "GAVEL_{}_{}",
        section.to_uppercase(),
        key.name.to_uppercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_an_empty_configuration_that_names_every_variable() {
        let mut page = String::new();
        for (section, keys) in Config::sections() {
            let _ = writeln!(page, "[{section}]");
            page.extend(keys.iter().map(|key| described(section, key)));
        }
        assert!(
            page.lines()
                .all(|line| line.is_empty() || line.starts_with(['#', '['])),
            "{page}"
        );
        assert!(
            page.lines().all(|line| line.chars().count() <= WIDTH),
            "{page}"
        );
        assert!(
            page.contains("# GAVEL_KAFKA_BOOTSTRAP_SERVERS\n#bootstrap_servers =\n"),
            "{page}"
        );
    }
}
