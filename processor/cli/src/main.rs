//! The `gavel` command: arguments in, runtime calls, output.
//!
//! Invariant: standard output carries results only, so that it can be piped; everything else goes to standard error. Every
//! failure ends in one of the documented exit codes with an `error:` line and, where something can be done, a `next:` line.

mod commands;
mod differences;
mod eval;
mod failure;
mod help;
mod import;
mod logging;
mod options;
mod output;
mod page;
mod share;
mod story;
mod table;

use std::process::ExitCode;

use clap::{FromArgMatches, Parser, Subcommand};

use commands::{
    completions, demo, judge, load, policy, produce, replay, run, schemas, settings, state, topics,
    verdicts,
};
use options::Globals;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Judges chat in real time on Kafka, with verdicts that can be derived again, byte for byte.
#[derive(Parser)]
#[command(name = "gavel", version)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

// A new command is a variant here and an arm in `run`; its place in the help is in `help::GROUPS`.
#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Run(run::Run),
    Judge(judge::Judge),
    Produce(produce::Produce),
    Verdicts(verdicts::Verdicts),
    Load(Box<load::Load>),
    #[command(subcommand)]
    Policy(policy::Policy),
    #[command(subcommand)]
    Replay(replay::Replay),
    #[command(subcommand)]
    State(state::State),
    #[command(subcommand)]
    Topics(topics::Topics),
    #[command(subcommand)]
    Schemas(schemas::Schemas),
    Settings(settings::Settings),
    Completions(completions::Completions),
}

impl Command {
    fn run(self, globals: &Globals) -> Result<(), failure::Failure> {
        match self {
            Command::Demo(demo) => demo.run(globals),
            Command::Run(run) => run.run(globals),
            Command::Judge(judge) => judge.run(globals),
            Command::Produce(produce) => produce.run(globals),
            Command::Verdicts(verdicts) => verdicts.run(globals),
            Command::Load(load) => load.run(globals),
            Command::Policy(policy) => policy.run(globals),
            Command::Replay(replay) => replay.run(globals),
            Command::State(state) => state.run(globals),
            Command::Topics(topics) => topics.run(globals),
            Command::Schemas(schemas) => schemas.run(globals),
            Command::Settings(settings) => settings.run(globals),
            Command::Completions(completions) => completions.run(),
        }
    }
}

fn main() -> ExitCode {
    let matches = help::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    logging::start(&cli.globals);
    match cli.command.run(&cli.globals) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
