//! The first page of help: commands by what they are for.

use clap::CommandFactory;

use crate::Cli;

/// Commands in the order in which somebody meets them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Start here", &["demo", "judge"]),
    (
        "Run",
        &["run", "topics", "schemas", "produce", "verdicts", "load"],
    ),
    ("Policies", &["policy"]),
    ("Audit", &["replay", "state"]),
];

/// Below all help pages.
const EXIT_CODES: &str = "\
Exit codes:
  0  done; nothing differs
  1  a check failed or something differs
  2  wrong usage or configuration
  3  a broker, a file or a disk failed
  4  (replay) nothing differs, but not everything asked for could be looked at

Settings: flags win over GAVEL_<SECTION>_<KEY> variables, these over the file of --config.
`gavel settings` lists all of them.";

/// The command line with its help pages laid out.
pub fn command() -> clap::Command {
    let command = Cli::command()
        .after_help(EXIT_CODES)
        .disable_help_subcommand(true);
    let groups = grouped(&command);
    command.help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}"))
}

fn grouped(command: &clap::Command) -> String {
    let mut rest: Vec<&clap::Command> = command.get_subcommands().collect();
    let mut page = String::new();
    for (title, names) in GROUPS {
        let (group, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|sub| names.contains(&sub.get_name()));
        rest = others;
        append(&mut page, title, group);
    }
    append(&mut page, "More", rest);
    page
}

fn append(page: &mut String, title: &str, group: Vec<&clap::Command>) {
    if group.is_empty() {
        return;
    }
    page.push_str(&format!("{title}:\n"));
    for sub in group {
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        page.push_str(&format!("  {:<12} {about}\n", sub.get_name()));
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_on_the_first_page_with_its_purpose() {
        let page = command().render_help().to_string();
        for sub in Cli::command().get_subcommands() {
            assert!(
                sub.get_about().is_some(),
                "{} says nothing about itself",
                sub.get_name()
            );
            assert!(
                page.contains(&format!("\n  {:<12} ", sub.get_name())),
                "{} is missing:\n{page}",
                sub.get_name()
            );
        }
        assert!(page.contains("Exit codes:"), "{page}");
    }
}
