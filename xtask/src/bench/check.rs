//! `slotwright check` against `redis-cli --cluster check`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use slotwright_core::diagnose::diagnose;
use slotwright_core::scenario::{Act, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers::{self, Binary};

use super::fake;
use super::measure::{self, Figures};
use crate::ci::{say, step};

/// How long the diagnosis of a large, healthy cluster takes, without any network.
pub fn judge(nodes: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    let seen = fake::observation(nodes);
    println!(
        "{nodes} nodes, {} distinct rows, read in {:.0} ms",
        seen.rows.as_slice().len(),
        begun.elapsed().as_secs_f64() * 1000.0
    );
    let mut best = f64::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let report = diagnose(&seen);
        best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
        if let Some(root) = report.roots.first() {
            bail!("a healthy cluster, yet: {} {}", root.found.code, root.found.message);
        }
    }
    println!("judged in {best:.0} ms");
    Ok(())
}

/// The same for each finding alone: which one is slow.
pub fn judge_each(nodes: usize) {
    let seen = fake::observation(nodes);
    let begun = Instant::now();
    let picture = slotwright_core::observation::Picture::new(&seen);
    println!("{:>8.1} ms the picture", begun.elapsed().as_secs_f64() * 1000.0);
    let mut times: Vec<(f64, String)> = slotwright_core::findings::ALL
        .iter()
        .map(|entry| {
            let begun = Instant::now();
            (entry.detect)(&picture, entry, &mut Vec::new());
            (begun.elapsed().as_secs_f64() * 1000.0, entry.code())
        })
        .collect();
    times.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (ms, code) in times.iter().take(12) {
        println!("{ms:>8.1} ms {code}");
    }
}

/// Runs everything and prints a table of ratios.
pub fn run(root: &Path, runs: usize) -> anyhow::Result<()> {
    step(root, "building slotwright", &["build", "--release", "--package", "slotwright"])?;
    step(root, "building the stand-ins", &["build", "--release", "--package", "xtask"])?;
    let binaries = servers::ensure(&[Server::Redis70], &say)?;
    println!("peer: redis-cli --cluster check; servers: {}", binaries[0].version);
    println!("medians of {runs} runs in turn; ours / the peer's\n");
    println!("{HEADING}");
    for (primaries, replicas) in [(3, 1), (15, 1)] {
        real(root, runs, primaries, replicas, &binaries)?;
    }
    stand_ins(root, runs, 100, true)?;
    stand_ins(root, runs.min(5), 1000, false)?;
    println!("\nthe diagnosis alone:");
    judge_optimised(root)
}

const HEADING: &str = "situation                    wall ms        ratio   cpu ms         peak MB";

/// Real nodes on loopback.
fn real(
    root: &Path,
    runs: usize,
    primaries: usize,
    replicas: usize,
    binaries: &[Binary],
) -> anyhow::Result<()> {
    let scenario = Scenario::of(primaries, replicas).node_timeout_ms(15_000);
    let mut cluster = Cluster::build(&scenario, Server::Redis70, binaries)?;
    cluster.act(&Act::Wait(Until::Settled, 60_000))?;
    let addresses = cluster.addresses(&[0]);
    let seed = addresses.first().context("a cluster without a node")?.to_string();
    let (ours, theirs) = measure::pair(runs, &our_command(root, &seed), &their_command(&seed))?;
    print_pair(&format!("{} real nodes", primaries * (1 + replicas)), ours, theirs);
    Ok(())
}

/// Stand-ins that answer after 1 ms. The peer asks one node after the other, so for the largest
/// cluster it is left out.
fn stand_ins(root: &Path, runs: usize, nodes: usize, with_peer: bool) -> anyhow::Result<()> {
    let mut served = StandIns::start(root, nodes)?;
    let seed = fake::endpoint(0).to_string();
    let situation = format!("{nodes} nodes, 1 ms away");
    if with_peer {
        let (ours, theirs) = measure::pair(runs, &our_command(root, &seed), &their_command(&seed))?;
        print_pair(&situation, ours, theirs);
    } else {
        let ours = measure::alone(runs, &our_command(root, &seed))?;
        println!(
            "{situation:<24} {:>8.1} / {:<8} {:>6} {:>7.1} / {:<7} {:>6.1} / -",
            ms(ours.wall),
            "-",
            "-",
            ms(ours.cpu),
            "-",
            mb(ours)
        );
    }
    served.end()
}

fn our_command(root: &Path, seed: &str) -> Vec<String> {
    let program = root.join("target/release/slotwright").display().to_string();
    vec![program, "check".to_owned(), seed.to_owned()]
}

fn their_command(seed: &str) -> Vec<String> {
    ["redis-cli", "--cluster", "check", seed].map(str::to_owned).to_vec()
}

fn print_pair(situation: &str, ours: Figures, theirs: Figures) {
    println!(
        "{situation:<24} {:>8.1} / {:<8.1} {:>6.3} {:>7.1} / {:<7.1} {:>6.1} / {:.1}",
        ms(ours.wall),
        ms(theirs.wall),
        ours.wall.as_secs_f64() / theirs.wall.as_secs_f64(),
        ms(ours.cpu),
        ms(theirs.cpu),
        mb(ours),
        mb(theirs)
    );
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mb(figures: Figures) -> f64 {
    f64::from(u32::try_from(figures.peak_kib).unwrap_or(u32::MAX)) / 1024.0
}

fn judge_optimised(root: &Path) -> anyhow::Result<()> {
    let program = root.join("target/release/xtask");
    let status = Command::new(program).args(["bench", "judge", "1000"]).status()?;
    ensure!(status.success(), "judging failed: {status}");
    Ok(())
}

/// The process that serves the stand-ins: one of its own, so that it does not share our time.
struct StandIns(Child);

impl StandIns {
    fn start(root: &Path, nodes: usize) -> anyhow::Result<Self> {
        let program = root.join("target/release/xtask");
        let mut process = Command::new(program)
            .args(["bench", "fake-cluster", &nodes.to_string(), "1"])
            .stdout(Stdio::piped())
            .spawn()
            .context("start the stand-ins")?;
        let mut first = String::new();
        let output = process.stdout.take().context("the stand-ins have no output")?;
        BufReader::new(output).read_line(&mut first)?;
        ensure!(first.trim() == "ready", "the stand-ins did not come up");
        Ok(Self(process))
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        // Ended already when all went well.
        drop(self.end());
    }
}
