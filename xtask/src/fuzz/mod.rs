//! `cargo xtask fuzz`: the parsers on millions of inputs, as a plain loop.
//!
//! Inputs are mutations of real texts, and sometimes bytes out of nothing. All randomness comes
//! from one seed, so that a failure can be repeated: a panic prints the target, the seed and the
//! number of the input. The same targets run under coverage guidance in `fuzz/`.

mod linear;
mod mutate;
pub mod targets;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

/// Builds with optimisation and runs there: a debug build would take ten times as long.
pub fn launch(root: &Path, inputs: u64, seed: u64, only: Option<&str>) -> anyhow::Result<()> {
    let (inputs, seed) = (inputs.to_string(), seed.to_string());
    let mut words = vec!["run", "--release", "--quiet", "--package", "xtask", "--"];
    words.extend(["fuzz-here", "--inputs", &inputs, "--seed", &seed]);
    words.extend(only.map(|name| ["--only", name]).into_iter().flatten());
    let status = Command::new(env!("CARGO"))
        .args(&words)
        .current_dir(root)
        .status()
        .context("run the optimised xtask")?;
    if status.success() { Ok(()) } else { bail!("fuzzing failed: {status}") }
}

/// Runs every target on its share of the inputs, then measures whether its time is linear.
pub fn run(inputs: u64, seed: u64, only: Option<&str>) -> anyhow::Result<()> {
    let chosen: Vec<&targets::Target> =
        targets::ALL.iter().filter(|target| only.is_none_or(|name| name == target.name)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = targets::ALL.iter().map(|target| target.name).collect();
        bail!("no such target; there are {}", names.join(", "));
    }
    let weights: u64 = chosen.iter().map(|target| target.weight).sum();
    let mut total = 0;
    for target in chosen {
        let begun = Instant::now();
        let share = (inputs * target.weight).div_ceil(weights);
        let bytes = one(target, share, seed);
        total += share;
        println!(
            "{:<16} {share:>10} inputs, {:>6} MB, {:>6.1} s, no panic; {}",
            target.name,
            bytes / 1_000_000,
            begun.elapsed().as_secs_f64(),
            linear::check(target)?
        );
    }
    println!("{total} inputs in total, seed {seed}");
    Ok(())
}

fn one(target: &targets::Target, inputs: u64, seed: u64) -> u64 {
    let mut random = mutate::Random::new(seed);
    let mut bytes = 0;
    let mut input = Vec::new();
    for number in 0..inputs {
        mutate::make(&mut random, target.seeds, &mut input);
        bytes += input.len() as u64;
        let done = std::panic::catch_unwind(|| (target.run)(&input));
        if let Err(panic) = done {
            eprintln!("target {}, seed {seed}, input {number}:", target.name);
            eprintln!("{:?}", String::from_utf8_lossy(&input));
            std::panic::resume_unwind(panic);
        }
    }
    bytes
}
