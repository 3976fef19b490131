//! `cargo xtask crashes`: the tool is killed at its n-th send, write and fdatasync, n = 1, 2, 3 …
//! until a run completes. The next run, told nothing but the target, must end healthy with every
//! key.
//!
//! A run that is killed before its first step is on record has only looked: the cluster is as it
//! was, and the next crash point is tried on the same one. Of these, unless all are wanted
//! (`--full`), ever fewer are taken until the first that is killed later; from there each is.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, bail, ensure};
use slotwright_core::findings;
use slotwright_core::journal::{self, Entry};
use slotwright_core::scenario::{Act, Reply, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers::{self, Binary};

use crate::ci::{say, step};

/// Findings whose scenarios are recovered in several steps, of every part of the planner.
pub const CODES: [&str; 12] = [
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
/// journal and of the terminal; `fdatasync` every line of the journal that is on disk.
const CALLS: [&str; 3] = ["fdatasync", "write", "sendto"];

/// Keys of each cluster.
const KEYS: usize = 300;
/// A run that is not over by then hangs.
const RUN_SECONDS: &str = "180";

/// A scenario, and the call that is counted.
#[derive(Clone, Debug)]
struct Series {
    code: String,
    call: &'static str,
}

/// How a series went.
#[derive(Debug, Default)]
struct Tally {
    /// Runs that were killed after their first step was on record.
    crashes: usize,
    /// Runs that were killed before.
    looked: usize,
    complaints: Vec<String>,
}

/// Which crash points are taken.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    /// Each n-th only, of those after the first step.
    pub every: usize,
    /// Those before the first step as well, one by one.
    pub full: bool,
}

/// Runs all series.
pub fn run(
    root: &Path,
    points: Points,
    jobs: usize,
    server: Server,
    codes: &[String],
) -> anyhow::Result<()> {
    ensure!(points.every > 0, "--every is at least 1");
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        bail!("strace is needed; install it with: apt-get install strace");
    }
    step(root, "building slotwright", &["build", "--package", "slotwright"])?;
    std::fs::create_dir_all(root.join(".cache"))?;
    // Whoever builds meanwhile does not change the program between two runs; one that a killed
    // series left running keeps its own file.
    let fresh = program(root).with_extension("new");
    std::fs::copy(root.join("target/debug/slotwright"), &fresh).context("copy it")?;
    std::fs::rename(&fresh, program(root)).context("put it in place")?;
    let binaries = servers::ensure(&[server], &say)?;
    let codes = wanted(codes)?;
    let series = |code: &String| CALLS.map(|call| Series { code: code.clone(), call });
    let queue: Mutex<VecDeque<Series>> = Mutex::new(codes.iter().flat_map(series).collect());
    let done: Mutex<BTreeMap<String, Tally>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(series) = lock(&queue).pop_front() {
                    let mut tally = Tally::default();
                    let crashed = crash(root, &series, points, server, &binaries, &mut tally);
                    tally.complaints.extend(crashed.err().map(|error| format!("{error:#}")));
                    let name = format!("{} at {}", series.code, series.call);
                    println!(
                        "{name:<48} {:>4} crash points, and {:>3} before the first step",
                        tally.crashes, tally.looked
                    );
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
    let looked: usize = done.values().map(|tally| tally.looked).sum();
    println!(
        "\n{}: {} series, {crashes} crash points, {looked} before the first step, {complaints} went \
         wrong",
        server.name(),
        done.len()
    );
    ensure!(complaints == 0, "a run after a crash did not end healthy with every key");
    ensure!(crashes > 0, "no run was killed");
    Ok(())
}

/// The findings that are named, whichever they are; else those of [`CODES`].
fn wanted(codes: &[String]) -> anyhow::Result<Vec<String>> {
    let known = |code: &&String| findings::ALL.iter().any(|entry| entry.code() == **code);
    if let Some(unknown) = codes.iter().find(|code| !known(code)) {
        bail!("no finding {unknown}; `slotwright lab list` has them");
    }
    let all = || CODES.map(str::to_owned).to_vec();
    Ok(if codes.is_empty() { all() } else { codes.to_vec() })
}

pub fn lock<T>(what: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    what.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One series: a fresh broken cluster for each crash point that may have changed it.
fn crash(
    root: &Path,
    series: &Series,
    points: Points,
    server: Server,
    binaries: &[Binary],
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let mut place = Search { at: 1, stride: 1, looked: 0, found: points.full };
    let mut untouched = None;
    loop {
        let mut cluster = match untouched.take() {
            Some(cluster) => cluster,
            None => broken(&series.code, server, binaries)?,
        };
        let before = names(&mut cluster)?;
        let seeds = seeds(&mut cluster);
        let at = place.at;
        let name = format!("{}-{}-{}-{at}", server.name(), series.code, series.call);
        let journals = root.join(".cache/crash-journals").join(name);
        if journals.exists() {
            std::fs::remove_dir_all(&journals)?;
        }
        let inject = format!("inject={}:signal=KILL:when={at}", series.call);
        let trace = format!("trace={}", series.call);
        let strace = ["strace", "-f", "-q", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let (killed, _) = recover(root, &strace, &seeds, &journals)?;
        if killed == Some(0) && place.found {
            return Ok(());
        }
        if killed.is_none() && !has_begun_a_step(&journals)? {
            tally.looked += 1;
            untouched = Some(cluster);
            place.before_the_first_step(points.full);
            continue;
        }
        if place.go_back() {
            continue;
        }
        if killed == Some(0) {
            return Ok(());
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
        place.at += points.every;
    }
}

/// The way to the first crash point after a step was begun: in strides that double, and one by one
/// from the last that was still before it.
struct Search {
    at: usize,
    stride: usize,
    /// The last that was killed before its first step.
    looked: usize,
    found: bool,
}

impl Search {
    fn before_the_first_step(&mut self, full: bool) {
        self.looked = self.at;
        self.at += if self.found { 1 } else { self.stride };
        if !full {
            self.stride *= 2;
        }
    }

    /// After a stride that went beyond the first step: takes it again from where it began, half as
    /// long. False when the first one is found.
    fn go_back(&mut self) -> bool {
        self.found |= self.at <= self.looked + 1;
        if self.found {
            return false;
        }
        self.stride = ((self.at - self.looked) / 2).max(1);
        self.at = self.looked + self.stride;
        true
    }
}

/// Whether the run of this journal came to a step.
fn has_begun_a_step(journals: &Path) -> anyhow::Result<bool> {
    for file in std::fs::read_dir(journals).into_iter().flatten() {
        let read = journal::read(&std::fs::read(file?.path())?);
        let begun = |entry: &Entry| matches!(entry, Entry::StepBegun { .. });
        // A torn line may be the beginning of one.
        if read.damage.is_some() || read.entries.iter().any(begun) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The copy of the program that runs.
fn program(root: &Path) -> PathBuf {
    root.join(".cache/slotwright-that-crashes")
}

/// A cluster of real servers, broken as the scenario of a finding says.
pub fn broken(code: &str, server: Server, binaries: &[Binary]) -> anyhow::Result<Cluster> {
    let entry = findings::ALL.iter().find(|entry| entry.code() == code);
    let mut scenario: Scenario = (entry.with_context(|| format!("no finding {code}"))?.scenario)();
    if !scenario.bare {
        scenario.keys = scenario.keys.max(KEYS);
    }
    let mut cluster = Cluster::build(&scenario, server, binaries)?;
    cluster.act(&Act::Wait(Until::Settled, 30_000))?;
    // Who is started again has its keys, as with any persistence.
    cluster.act(&Act::SendAll("SAVE".to_owned(), Reply::Fine))?;
    for act in &scenario.acts {
        cluster.act(act)?;
    }
    Ok(cluster)
}

/// The addresses of all that run, as a target.
pub fn seeds(cluster: &mut Cluster) -> String {
    cluster.addresses(&[]).iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The exit code of a run, and its last words; no exit code when it was killed.
fn recover(
    root: &Path,
    under: &[&str],
    seeds: &str,
    journals: &Path,
) -> anyhow::Result<(Option<i32>, String)> {
    let program = program(root).display().to_string();
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
pub fn names(cluster: &mut Cluster) -> anyhow::Result<std::collections::BTreeSet<String>> {
    let mut all = std::collections::BTreeSet::new();
    for node in 0..cluster.addresses(&[]).len() {
        if let Ok(found) = cluster.ask(node, "KEYS *") {
            all.extend(found.text().lines().map(str::to_owned));
        }
    }
    Ok(all)
}
