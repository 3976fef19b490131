//! The command line of slotwright.

mod cli;
mod render;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use cli::failure::Failure;
use cli::target::without_login;

/// Finds out why a Redis or Valkey Cluster is broken, with proof.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[command(help_template = cli::EXAMPLES_FIRST, before_help = "Examples:
  slotwright check 10.0.0.1:6379
  slotwright recover 10.0.0.1:6379
  slotwright explain SLOTS_UNASSIGNED
  kubectl logs redis-0 | slotwright explain -")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Looks at a cluster and reports root causes, with proof and the way out
    Check(Box<cli::check::CheckArgs>),
    /// Shows what `recover` would send first, to whom and why; reads only
    Plan(Box<cli::plan::PlanArgs>),
    /// Mends a broken cluster without losing a key, round by round, once you agree
    Recover(Box<cli::recover::RecoverArgs>),
    /// What earlier runs of `recover` sent, and what came of it
    Journal(cli::journal::JournalArgs),
    /// Proves that a cluster works: slots, owners, replicas, keys, and a key written and read
    Verify(Box<cli::verify::VerifyArgs>),
    /// The page of a finding, or the cause behind pasted evidence
    Explain(cli::explain::ExplainArgs),
    /// Real servers on this machine, broken on purpose
    Lab(cli::lab::LabArgs),
    /// A completion script for a shell
    Completions(cli::papers::CompletionsArgs),
    /// Man pages, one for each command
    Man(cli::papers::ManArgs),
    /// The JSON schema of what `check`, `verify` and `explain` write with `-o json`
    Schema(cli::papers::SchemaArgs),
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Help and version. What is wrong may repeat an argument, and that may be anything.
        Err(said) if !said.use_stderr() => said.exit(),
        Err(wrong) => {
            render::usage(&without_logins(wrong.render().to_string()));
            return ExitCode::from(2);
        }
    };
    if let Verb::Explain(explain) = &args.verb
        && let Some(wrong) = cli::explain::lacks_evidence(explain, &mut Args::command())
    {
        render::usage(&wrong);
        return ExitCode::from(2);
    }
    let done = match args.verb {
        Verb::Check(args) => cli::check::check(&args),
        Verb::Plan(args) => cli::plan::plan(&args),
        Verb::Recover(args) => cli::recover::recover(&args),
        Verb::Journal(args) => cli::journal::journal(&args),
        Verb::Verify(args) => cli::verify::verify(&args),
        Verb::Explain(args) => cli::explain::explain(&args),
        Verb::Lab(args) => cli::lab::lab(&args).map_err(Failure::from),
        Verb::Completions(args) => cli::papers::completions(&args, Args::command()),
        Verb::Man(args) => cli::papers::man(&args, Args::command()),
        Verb::Schema(args) => cli::papers::schema(&args),
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

/// A message without the logins of URIs that stand among the arguments.
fn without_logins(message: String) -> String {
    let words: Vec<String> = std::env::args().filter(|word| word.contains('@')).collect();
    let values = words.iter().filter_map(|word| Some(word.split_once('=')?.1));
    let repeated = words.iter().map(String::as_str).chain(values);
    repeated.fold(message, |message, word| message.replace(word, &without_login(word)))
}
