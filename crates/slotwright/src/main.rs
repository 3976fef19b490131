//! The command line of slotwright.

mod cli;
mod render;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use cli::failure::Failure;

/// Finds out why a Redis or Valkey Cluster is broken, with proof.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Looks at a cluster and reports root causes, with proof and the way out
    Check(Box<cli::check::CheckArgs>),
    /// The page of a finding, or the cause behind pasted evidence
    Explain(cli::explain::ExplainArgs),
    /// Real servers on this machine, broken on purpose
    Lab(cli::lab::LabArgs),
    /// A completion script for a shell
    Completions(cli::papers::CompletionsArgs),
    /// Man pages, one for each command
    Man(cli::papers::ManArgs),
    /// The JSON schema of what `check -o json` writes
    Schema,
}

fn main() -> ExitCode {
    let done = match Args::parse().verb {
        Verb::Check(args) => cli::check::check(&args),
        Verb::Explain(args) => cli::explain::explain(&args),
        Verb::Lab(args) => cli::lab::lab(&args).map_err(Failure::from),
        Verb::Completions(args) => cli::papers::completions(&args, Args::command()),
        Verb::Man(args) => cli::papers::man(&args, Args::command()),
        Verb::Schema => cli::papers::schema(),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let (message, hint) = match &failure {
                Failure::User { message, hint } => (message, hint.as_deref()),
                Failure::Environment(message) => (message, None),
            };
            render::failure(message, hint);
            ExitCode::from(failure.exit_code())
        }
    }
}
