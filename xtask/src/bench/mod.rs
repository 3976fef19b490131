//! `cargo xtask bench`: figures as ratios against the peer in the same run, never a timed test.

mod check;
mod edit;
pub mod fake;
mod measure;
mod peer_losses;
mod recover;
mod verify;

use std::path::Path;
use std::time::Duration;

use clap::Subcommand;
use slotwright_core::scenario::Server;

/// What can be measured.
#[derive(Subcommand)]
pub enum Bench {
    /// `slotwright check` against `redis-cli --cluster check`: wall time, CPU, peak memory.
    Check {
        /// Runs of each command in each situation, after one that does not count.
        #[arg(long, default_value_t = 15)]
        runs: usize,
    },
    /// `slotwright recover` on the cases of the runbook, beside the servers' own floor and what
    /// `redis-cli --cluster fix` and the wiki's way do to copies.
    Recover {
        /// Keys in the cluster.
        #[arg(long, default_value_t = 100_000)]
        keys: usize,
        /// On this server only: redis-7.0, redis-8.2, valkey-9.1.
        #[arg(long, value_parser = server)]
        server: Vec<Server>,
    },
    /// The states in which `redis-cli --cluster fix` loses or strands keys, mended by both.
    PeerLosses {
        /// Keys in each cluster.
        #[arg(long, default_value_t = 30_000)]
        keys: usize,
        /// On this server only: redis-7.0, redis-8.2, valkey-9.1.
        #[arg(long, value_parser = server)]
        server: Vec<Server>,
    },
    /// `slotwright verify` against `redis-cli --cluster check --cluster-search-multiple-owners`.
    Verify {
        /// Keys in the cluster.
        #[arg(long, default_value_t = 1_000_000)]
        keys: usize,
        /// Runs of each, after one that does not count.
        #[arg(long, default_value_t = 7)]
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
        Bench::Recover { keys, server } => recover::run(root, *keys, all_unless(server)),
        Bench::PeerLosses { keys, server } => peer_losses::run(root, *keys, all_unless(server)),
        Bench::Verify { keys, runs } => verify::run(root, *keys, *runs),
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

/// The servers that were named, or all.
pub fn all_unless(named: &[Server]) -> &[Server] {
    if named.is_empty() { &Server::ALL } else { named }
}

/// A server by its name on the command line.
pub fn server(name: &str) -> Result<Server, String> {
    Server::named(name).ok_or_else(|| {
        format!("there is no server {name}; there are {}", Server::ALL.map(Server::name).join(", "))
    })
}
