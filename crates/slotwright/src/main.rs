//! The command line of slotwright.

mod cli;
mod render;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Finds out why a Redis or Valkey Cluster is broken, with proof.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Real servers on this machine, broken on purpose.
    Lab(cli::lab::LabArgs),
}

fn main() -> ExitCode {
    let Verb::Lab(args) = Args::parse().verb;
    match cli::lab::lab(&args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            render::lab::progress(&format!("slotwright: {}", error.chain()));
            ExitCode::from(1)
        }
    }
}
