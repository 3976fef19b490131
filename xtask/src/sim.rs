//! `cargo xtask sim`: random schedules by the hundred thousand, in the modelled world.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use slotwright_sim::marks;
use slotwright_sim::prefixes;
use slotwright_sim::regressions::Regression;
use slotwright_sim::trial::{Bug, Script, run, shrink, tell};

/// Violations that are shown in full.
const SHOWN: usize = 20;

/// So many schedules must bring up every mark; fewer only say what they did not.
const MARKS_FROM: u64 = 100_000;

/// What came of many schedules.
#[derive(Default)]
struct Sum {
    healthy: u64,
    left: BTreeMap<String, u64>,
    marks: BTreeMap<String, Mark>,
    bad: Vec<(u64, Vec<String>)>,
}

/// How often a mark came up.
#[derive(Clone, Copy)]
struct Mark {
    schedules: u64,
    /// The least seed of these.
    first: u64,
}

/// The same words again, to an optimised build.
pub fn launch(root: &Path) -> anyhow::Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["run", "--release", "--quiet", "--package", "xtask", "--"])
        .args(std::env::args().skip(1))
        .current_dir(root)
        .status()
        .context("run the optimised xtask")?;
    if status.success() { Ok(()) } else { bail!("the simulation failed: {status}") }
}

/// Runs the scripts that are kept, then schedules with the seeds from `seed` on.
pub fn run_many(root: &Path, schedules: u64, seed: u64, jobs: usize) -> anyhow::Result<()> {
    let mut names = kept(root)?;
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                let mut own = Sum::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= schedules {
                        break;
                    }
                    take(&mut own, seed + number);
                }
                merge(&mut sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner), own);
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let seconds = begun.elapsed().as_secs_f64();
    println!("what came up, and in how many schedules:");
    for (name, mark) in &sum.marks {
        println!("  {:>9}  {name} (first: {})", mark.schedules, mark.first);
    }
    println!("what was left in those that did not end healthy:");
    for (left, count) in &sum.left {
        println!("  {count:>9}  {left}");
    }
    let mut bad = sum.bad;
    bad.sort();
    for (seed, violations) in bad.iter().take(SHOWN) {
        println!("seed {seed}: {}", violations.join("; "));
    }
    names.extend(sum.marks.keys().cloned());
    for mark in marks::unforeseen(&names) {
        println!("said never to come up, and does (crates/sim/src/marks.rs): {mark}");
    }
    let missing = marks::missing(schedules, &names);
    println!(
        "\nseeds {seed} to {}: {} healthy, {} with a reason why not\n\
         {:.0} schedules a second a core ({jobs} threads, {seconds:.0} s; {:.0} a second of their \
         own time)\n{} violations\n{} marks at zero{}",
        seed + schedules - 1,
        sum.healthy,
        schedules - sum.healthy - bad.len() as u64,
        schedules as f64 / seconds / jobs as f64,
        schedules as f64 / own_seconds(),
        bad.len(),
        missing.len(),
        if missing.is_empty() { String::new() } else { format!(": {}", missing.join(", ")) },
    );
    ensure!(bad.is_empty(), "replay one: cargo xtask sim --replay {}", bad[0].0);
    ensure!(
        missing.is_empty() || schedules < MARKS_FROM,
        "{schedules} schedules, and these never came up: {}",
        missing.join(", ")
    );
    Ok(())
}

/// Runs the scripts that are kept: all marks that they bring up.
fn kept(root: &Path) -> anyhow::Result<BTreeSet<String>> {
    let all = Regression::all(&root.join("crates/sim/scripts")).context("the kept scripts")?;
    let mut marks = BTreeSet::new();
    for (name, _, regression) in &all {
        let came_up = regression.try_out();
        marks.extend(came_up.map_err(|e| anyhow!("{name}: {e}"))?.into_keys());
    }
    println!("{} kept scripts are as they must be", all.len());
    Ok(marks)
}

/// Looks for a schedule that brings up a mark, from a seed on, and prints it as a file, shortened.
pub fn find(mark: &str, schedules: u64, seed: u64) -> anyhow::Result<()> {
    let reaches = |script: &Script| {
        let trial = run(script, None);
        trial.violations.is_empty() && trial.marks.contains_key(mark)
    };
    let mut scripts = (seed..seed.saturating_add(schedules)).map(Script::of);
    let Some(script) = scripts.find(reaches) else {
        bail!("none of {schedules} schedules from seed {seed} on brings up {mark}")
    };
    let why = format!("Brings up what random schedules hardly ever do (seed {}).", script.seed);
    let script = shrink(&script, reaches);
    print!("{}", Regression { why, bug: None, reaches: vec![mark.to_owned()], script }.text()?);
    Ok(())
}

/// Seconds that this process has had a core for: what a schedule costs, whoever else is at work.
fn own_seconds() -> f64 {
    let Ok(used) = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF) else {
        return f64::NAN;
    };
    let time = used.user_time();
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

fn take(sum: &mut Sum, seed: u64) {
    let trial = run(&Script::of(seed), None);
    for mark in trial.marks.into_keys() {
        count(sum, mark, Mark { schedules: 1, first: seed });
    }
    if !trial.violations.is_empty() {
        sum.bad.push((seed, trial.violations));
    } else if trial.healthy {
        sum.healthy += 1;
    } else {
        let code = |left: &String| left.split(':').next().unwrap_or_default().to_owned();
        let codes: Vec<String> = trial.left.iter().map(code).collect();
        *sum.left.entry(codes.join(", ")).or_default() += 1;
    }
}

fn merge(sum: &mut Sum, own: Sum) {
    sum.healthy += own.healthy;
    for (left, count) in own.left {
        *sum.left.entry(left).or_default() += count;
    }
    for (name, mark) in own.marks {
        count(sum, name, mark);
    }
    sum.bad.extend(own.bad);
}

fn count(sum: &mut Sum, name: String, more: Mark) {
    let mark = sum.marks.entry(name).or_insert(Mark { schedules: 0, first: more.first });
    mark.schedules += more.schedules;
    mark.first = mark.first.min(more.first);
}

/// Runs one seed again, shortens it when it fails, and tells the story.
pub fn replay(seed: u64, bug: Option<&str>) -> anyhow::Result<()> {
    let named = |name: &str| {
        let found = Bug::ALL.iter().copied().find(|bug| format!("{bug:?}") == name);
        found.with_context(|| format!("no bug is named {name}"))
    };
    let bug = bug.map(named).transpose()?;
    let script = Script::of(seed);
    let whole = run(&script, bug);
    let fails = |script: &Script| !run(script, bug).violations.is_empty();
    let short = if whole.violations.is_empty() { script } else { shrink(&script, fails) };
    let trial = tell(&short, bug);
    for line in &trial.story {
        println!("{line}");
    }
    for left in &trial.left {
        println!("left: {left}");
    }
    for violation in &trial.violations {
        println!("violation: {violation}");
    }
    println!("healthy: {}, rounds: {}", trial.healthy, trial.rounds);
    let why = trial.violations.first().cloned().unwrap_or_default();
    println!("as a file of crates/sim/scripts:");
    print!("{}", Regression { why, bug, reaches: Vec::new(), script: short }.text()?);
    ensure!(trial.violations.is_empty(), "seed {seed} is violated");
    Ok(())
}

/// Kills the runs of so many schedules at every record of their journals.
pub fn prefixes(schedules: u64, seed: u64, jobs: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let sum = Mutex::new(prefixes::Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= schedules {
                        break;
                    }
                    let own = prefixes::try_all(seed + number);
                    sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(own);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    for (script, what) in sum.bad.iter().take(SHOWN) {
        println!("seed {}, {:?}: {what}", script.seed, script.kill);
    }
    println!(
        "{} journals (seeds {seed} to {}): read at {} whole records and torn at {} bytes; {} runs \
         killed at a record and started again, {} ended healthy; {} violations; {:.0} s",
        sum.journals,
        seed + schedules.saturating_sub(1),
        sum.tears.boundaries,
        sum.tears.torn,
        sum.kills,
        sum.healthy,
        sum.bad.len(),
        begun.elapsed().as_secs_f64(),
    );
    if let Some((script, what)) = sum.bad.first() {
        let regression = Regression {
            why: what.clone(),
            bug: None,
            reaches: Vec::new(),
            script: script.clone(),
        };
        print!("{}", regression.text()?);
        bail!("{} violations", sum.bad.len());
    }
    Ok(())
}

/// A planted bug that was caught.
struct Caught {
    seed: u64,
    violation: String,
}

/// Each planted bug must be caught by a checker.
pub fn bugs(jobs: usize, within: Duration, only: Option<&str>) -> anyhow::Result<()> {
    let mut missed = Vec::new();
    let begun = Instant::now();
    let mut caught = 0;
    println!("{:<18} {:>7} {:>7}  caught by", "bug", "seconds", "seed");
    for bug in Bug::ALL.iter().filter(|bug| only.is_none_or(|name| format!("{bug:?}") == name)) {
        let since = Instant::now();
        let found = catch(*bug, jobs, within);
        let (name, seconds) = (format!("{bug:?}"), since.elapsed().as_secs_f64());
        match found {
            Some(Caught { seed, violation }) => {
                let what: String = violation.chars().take(90).collect();
                println!("{name:<18} {seconds:>7.1} {seed:>7}  {what}");
                caught += 1;
            }
            None => {
                println!("{name:<18} {seconds:>7.1}       -  missed: {}", bug.about());
                missed.push(name);
            }
        }
    }
    println!(
        "\n{caught} of {} planted bugs are caught within {} s each on {jobs} threads; {:.0} s in all",
        caught + missed.len(),
        within.as_secs(),
        begun.elapsed().as_secs_f64(),
    );
    ensure!(missed.is_empty(), "not caught: {}", missed.join(", "));
    Ok(())
}

/// The first schedule found in which a bug is caught.
fn catch(bug: Bug, jobs: usize, within: Duration) -> Option<Caught> {
    let begun = Instant::now();
    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while begun.elapsed() < within && !done.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let script = Script::of(seed);
                    let violations = run(&script, Some(bug)).violations;
                    let Some(violation) = violations.into_iter().next() else { continue };
                    // What is violated without the bug, the bug is not caught by.
                    if run(&script, None).violations.is_empty()
                        && !done.swap(true, Ordering::Relaxed)
                    {
                        *found.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                            Some(Caught { seed, violation });
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
