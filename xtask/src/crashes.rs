//! `cargo xtask crashes`: the tool is killed at its n-th send, write and fsync, n = 1, 2, 3 … until
//! a run completes. The next run, told nothing but the target, must end healthy with every key.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, bail, ensure};
use slotwright_core::findings;
use slotwright_core::scenario::{Act, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers::{self, Binary};

use crate::ci::{say, step};

/// Findings whose scenarios are recovered in several steps, of every part of the planner.
const CODES: [&str; 12] = [
    "ALL_ADDRESSES_STALE",
    "PEER_ADDRESS_STALE",
    "FORGOTTEN_NODE_ZOMBIE",
    "NODE_IDENTITY_LOST",
    "RESET_MISTAKE",
    "SLOTS_UNASSIGNED",
    "SLOT_OPEN",
    "SLOT_OWNERLESS_AFTER_SOURCE_FIRST",
    "KEYS_IN_FOREIGN_SLOT",
    "KEY_ON_TWO_PRIMARIES",
    "GHOST_NODE_ENTRIES",
    "EMPTY_PRIMARY",
];

/// What is counted. `sendto` is every question and every command; `write` every line of the
/// journal and of the terminal; `fsync` every line of the journal that is on disk.
const CALLS: [&str; 3] = ["fsync", "write", "sendto"];

/// Keys of each cluster.
const KEYS: usize = 300;
/// A run that is not over by then hangs.
const RUN_SECONDS: &str = "180";

/// A scenario, and the call that is counted.
#[derive(Clone, Copy, Debug)]
struct Series {
    code: &'static str,
    call: &'static str,
}

/// How a series went.
#[derive(Debug, Default)]
struct Tally {
    crashes: usize,
    complaints: Vec<String>,
}

/// Runs all series. `every` leaves out crash points: 1 takes each.
pub fn run(
    root: &Path,
    every: usize,
    jobs: usize,
    server: Server,
    codes: &[String],
) -> anyhow::Result<()> {
    ensure!(every > 0, "--every is at least 1");
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        bail!("strace is needed; install it with: apt-get install strace");
    }
    step(root, "building slotwright", &["build", "--package", "slotwright"])?;
    let binaries = servers::ensure(&[server], &say)?;
    let wanted = |code: &&&str| codes.is_empty() || codes.iter().any(|one| one == **code);
    let series =
        CODES.iter().filter(wanted).flat_map(|code| CALLS.iter().map(|call| Series { code, call }));
    let queue: Mutex<VecDeque<Series>> = Mutex::new(series.collect());
    let done: Mutex<BTreeMap<String, Tally>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(series) = lock(&queue).pop_front() {
                    let tally = crash(root, series, every, server, &binaries);
                    let mut tally = tally.unwrap_or_else(|error| Tally {
                        crashes: 0,
                        complaints: vec![format!("{error:#}")],
                    });
                    let name = format!("{} at {}", series.code, series.call);
                    println!("{name:<48} {:>4} crash points", tally.crashes);
                    for complaint in &mut tally.complaints {
                        println!("    {complaint}");
                    }
                    lock(&done).insert(name, tally);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let crashes: usize = done.values().map(|tally| tally.crashes).sum();
    let complaints: usize = done.values().map(|tally| tally.complaints.len()).sum();
    println!("\n{} series, {crashes} crash points, {complaints} went wrong", done.len());
    ensure!(complaints == 0, "a run after a crash did not end healthy with every key");
    ensure!(crashes > 0, "no run was killed");
    Ok(())
}

fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One series: a fresh broken cluster for each crash point.
fn crash(
    root: &Path,
    series: Series,
    every: usize,
    server: Server,
    binaries: &[Binary],
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut at = 1;
    loop {
        let mut cluster = broken(series.code, server, binaries)?;
        let before = names(&mut cluster)?;
        let seeds = seeds(&mut cluster);
        let journals = root.join(".cache/crash-journals").join(format!("{}-{at}", series.code));
        let inject = format!("inject={}:signal=KILL:when={at}", series.call);
        let trace = format!("trace={}", series.call);
        let strace = ["strace", "-f", "-q", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let (killed, _) = recover(root, &strace, &seeds, &journals)?;
        if killed == Some(0) {
            return Ok(tally);
        }
        tally.crashes += 1;
        let (code, said) = recover(root, &[], &seeds, &journals)?;
        let what = format!("killed at {} {at}", series.call);
        if code != Some(0) {
            tally.complaints.push(format!("{what}: the next run ended with {code:?}: {said}"));
        }
        let after = names(&mut cluster)?;
        let lost = before.difference(&after).count();
        if lost > 0 {
            tally.complaints.push(format!("{what}: {lost} of {} keys are gone", before.len()));
        }
        at += every;
    }
}

fn broken(code: &str, server: Server, binaries: &[Binary]) -> anyhow::Result<Cluster> {
    let entry = findings::ALL.iter().find(|entry| entry.code() == code);
    let mut scenario: Scenario = (entry.with_context(|| format!("no finding {code}"))?.scenario)();
    if !scenario.bare {
        scenario.keys = scenario.keys.max(KEYS);
    }
    let mut cluster = Cluster::build(&scenario, server, binaries)?;
    cluster.act(&Act::Wait(Until::Settled, 30_000))?;
    for act in &scenario.acts {
        cluster.act(act)?;
    }
    Ok(cluster)
}

fn seeds(cluster: &mut Cluster) -> String {
    cluster.addresses(&[]).iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The exit code of a run, and its last words; no exit code when it was killed.
fn recover(
    root: &Path,
    under: &[&str],
    seeds: &str,
    journals: &Path,
) -> anyhow::Result<(Option<i32>, String)> {
    let program = root.join("target/debug/slotwright").display().to_string();
    let folder = journals.display().to_string();
    let ours = [&program, "recover", seeds, "--yes", "--journal-dir", &folder];
    let allow = CODES.join(",");
    let allow = ["--allow", &allow];
    let output = Command::new("timeout")
        .arg(RUN_SECONDS)
        .args(under)
        .args(ours)
        .args(allow)
        .stdin(Stdio::null())
        .output()
        .context("run slotwright")?;
    // strace ends as its child did: 128 + 9 or by the same signal.
    let code = output.status.code().filter(|code| *code != 137);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let last: Vec<&str> = said.lines().rev().take(12).collect();
    Ok((code, last.into_iter().rev().collect::<Vec<_>>().join(" / ")))
}

/// The keys on all nodes that run.
fn names(cluster: &mut Cluster) -> anyhow::Result<std::collections::BTreeSet<String>> {
    let mut all = std::collections::BTreeSet::new();
    for node in 0..cluster.addresses(&[]).len() {
        if let Ok(found) = cluster.ask(node, "KEYS *") {
            all.extend(found.text().lines().map(str::to_owned));
        }
    }
    Ok(all)
}
