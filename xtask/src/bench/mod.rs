//! `cargo xtask bench`: figures as ratios against the peer in the same run, never a timed test.

mod check;
mod edit;
pub mod fake;
mod measure;

use std::path::Path;
use std::time::Duration;

use clap::Subcommand;

/// What can be measured.
#[derive(Subcommand)]
pub enum Bench {
    /// `slotwright check` against `redis-cli --cluster check`: wall time, CPU, peak memory.
    Check {
        /// Runs of each command in each situation, after one that does not count.
        #[arg(long, default_value_t = 15)]
        runs: usize,
    },
    /// From saving a finding until its tests have run.
    Edit {
        /// Edits.
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// The stand-ins of a large cluster, until the process is ended.
    #[command(hide = true)]
    FakeCluster {
        /// How many.
        nodes: usize,
        /// Milliseconds until they answer.
        delay_ms: u64,
    },
    /// How long the diagnosis alone takes, and which findings take most of it.
    #[command(hide = true)]
    Judge {
        /// How many nodes.
        nodes: usize,
    },
}

/// Runs a measurement.
pub fn run(root: &Path, bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Check { runs } => check::run(root, *runs),
        Bench::Edit { runs } => edit::run(root, *runs),
        Bench::FakeCluster { nodes, delay_ms } => {
            fake::serve(*nodes, Duration::from_millis(*delay_ms))
        }
        Bench::Judge { nodes } => {
            check::judge_each(*nodes);
            check::judge(*nodes)
        }
    }
}
