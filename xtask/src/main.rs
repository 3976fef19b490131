//! `cargo xtask`: what one can do in this repository.
//!
//! `demo` and `test` are the two commands of the README; `ci` is what runs before anything lands.

mod ci;
mod codegen;
mod new_finding;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What one can do in this repository")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what the tests need, then runs all of them.
    Test,
    /// What must pass before anything lands: test, fmt, clippy, tidy, codegen --check.
    Ci,
    /// Writes findings/mod.rs, docs/findings and the other generated files.
    Codegen {
        /// Only say whether they are up to date.
        #[arg(long)]
        check: bool,
    },
    /// Checks the house rules that no compiler checks.
    Tidy,
    /// Writes the file of a new finding.
    NewFinding {
        /// Its name in kebab case: half-moved-slot.
        name: String,
    },
}

fn main() -> ExitCode {
    let root = root();
    let done = match Args::parse().task {
        Task::Test => ci::test(&root),
        Task::Ci => ci::run(&root),
        Task::Codegen { check } => codegen::run(&root, check),
        Task::Tidy => tidy::run(&root),
        Task::NewFinding { name } => new_finding::run(&root, &name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The top folder of the repository.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}
