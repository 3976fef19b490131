//! `cargo xtask sim`: random schedules by the hundred thousand, in the modelled world.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use slotwright_sim::trial::{Bug, Script, run, shrink};

/// Violations that are shown in full.
const SHOWN: usize = 5;

/// What came of many schedules.
#[derive(Default)]
struct Sum {
    healthy: u64,
    left: BTreeMap<String, u64>,
    marks: BTreeMap<String, u64>,
    bad: Vec<(u64, Vec<String>)>,
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

/// Runs schedules with the seeds from `seed` on.
pub fn run_many(schedules: u64, seed: u64, jobs: usize) -> anyhow::Result<()> {
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
    for (mark, count) in &sum.marks {
        println!("  {count:>9}  {mark}");
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
    println!(
        "\n{schedules} schedules (seeds {seed} to {}): {} healthy, {} with a reason why not, {} \
         violations; {:.0} schedules a second on {jobs} threads",
        seed + schedules - 1,
        sum.healthy,
        schedules - sum.healthy - bad.len() as u64,
        bad.len(),
        schedules as f64 / seconds,
    );
    ensure!(bad.is_empty(), "replay one: cargo xtask sim --replay {}", bad[0].0);
    Ok(())
}

fn take(sum: &mut Sum, seed: u64) {
    let trial = run(&Script::of(seed), None);
    for mark in trial.marks.keys() {
        *sum.marks.entry(mark.clone()).or_default() += 1;
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
    for (mark, count) in own.marks {
        *sum.marks.entry(mark).or_default() += count;
    }
    sum.bad.extend(own.bad);
}

/// Runs one seed again, shortens it when it fails, and tells the story.
pub fn replay(seed: u64, bug: Option<Bug>) -> anyhow::Result<()> {
    let script = Script::of(seed);
    let whole = run(&script, bug);
    let short = if whole.violations.is_empty() { script } else { shrink(&script, bug) };
    println!("{short:#?}");
    let trial = run(&short, bug);
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
    ensure!(trial.violations.is_empty(), "seed {seed} is violated");
    Ok(())
}

/// Each planted bug must be caught by a checker.
pub fn bugs(jobs: usize, within: Duration) -> anyhow::Result<()> {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        let begun = Instant::now();
        let (next, caught) = (AtomicU64::new(0), AtomicBool::new(false));
        let found = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                scope.spawn(|| {
                    while begun.elapsed() < within && !caught.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let script = Script::of(seed);
                        let violations = run(&script, Some(bug)).violations;
                        // What is violated without the bug, the bug is not caught by.
                        let ours =
                            !violations.is_empty() && run(&script, None).violations.is_empty();
                        if ours && !caught.swap(true, Ordering::Relaxed) {
                            *found.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                                Some((seed, violations));
                        }
                    }
                });
            }
        });
        let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let seconds = begun.elapsed().as_secs_f64();
        match found {
            Some((seed, violations)) => {
                let what = violations.first().map_or("", String::as_str);
                let what: String = what.chars().take(90).collect();
                println!(
                    "{:<20} caught in {seconds:>5.1} s, seed {seed}: {what}",
                    format!("{bug:?}")
                );
            }
            None => {
                println!("{:<20} not caught in {seconds:.1} s", format!("{bug:?}"));
                missed.push(format!("{bug:?}"));
            }
        }
    }
    ensure!(missed.is_empty(), "not caught: {}", missed.join(", "));
    Ok(())
}
