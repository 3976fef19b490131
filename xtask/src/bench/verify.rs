//! The search for keys that two primaries hold: `slotwright verify` against
//! `redis-cli --cluster check --cluster-search-multiple-owners`.

use std::path::Path;

use anyhow::{Context, ensure};
use slotwright_core::scenario::{Act, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;

use super::measure;
use crate::ci::{say, step};

/// How many times as fast as the peer we must be.
const TIMES: f64 = 40.0;

/// Runs both in turn on one cluster.
pub fn run(root: &Path, keys: usize, runs: usize) -> anyhow::Result<()> {
    step(root, "building slotwright", &["build", "--release", "--package", "slotwright"])?;
    let binaries = servers::ensure(&[Server::Redis70], &say)?;
    say(&format!("a cluster of three primaries with {keys} keys"));
    let scenario = Scenario::of(3, 0).node_timeout_ms(15_000).keys(keys);
    let mut cluster = Cluster::build(&scenario, Server::Redis70, &binaries)?;
    cluster.act(&Act::Wait(Until::Settled, 60_000))?;
    let seed = cluster.addresses(&[0]).first().context("a cluster without a node")?.to_string();
    let program = root.join("target/release/slotwright").display().to_string();
    let ours = [&program, "verify", &seed, "--no-canary"].map(str::to_owned);
    let search = "--cluster-search-multiple-owners";
    let theirs = ["redis-cli", "--cluster", "check", &seed, search].map(str::to_owned);
    let (ours, theirs) = measure::pair(runs, &ours, &theirs)?;
    let times = theirs.wall.as_secs_f64() / ours.wall.as_secs_f64();
    println!("peer: redis-cli --cluster check {search}; servers: {}", binaries[0].version);
    println!("{keys} keys in three primaries, medians of {runs} runs in turn\n");
    for (name, figures) in [("slotwright verify", ours), ("the peer", theirs)] {
        println!(
            "{name:<20} {:>9.1} ms wall {:>9.1} ms cpu {:>6.1} MB",
            figures.wall.as_secs_f64() * 1_000.0,
            figures.cpu.as_secs_f64() * 1_000.0,
            figures.peak_kib as f64 / 1_024.0
        );
    }
    println!("\n{times:.1} times as fast; beside the search, ours makes nine more checks");
    ensure!(times >= TIMES, "at least {TIMES} times as fast is wanted");
    Ok(())
}
