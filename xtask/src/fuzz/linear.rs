//! Whether a parser's time grows with its input and no faster.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::targets::Target;

/// Bytes of the small input; the large one is eight times that.
const SMALL: usize = 128 * 1024;

/// An eightfold input may take this many times as long. A quadratic parser takes 64 times.
const GROWTH_MAX: f64 = 20.0;

/// Repeats each seed to a small and a large input and compares the times.
pub fn check(target: &Target) -> anyhow::Result<String> {
    let mut worst = 0.0_f64;
    for seed in target.seeds.iter().filter(|seed| !seed.is_empty()) {
        let long =
            |length: usize| -> Vec<u8> { seed.iter().copied().cycle().take(length).collect() };
        let small = quickest(target, &long(SMALL));
        let large = quickest(target, &long(SMALL * 8));
        // Below this the clock says more about the machine than about the parser.
        if large > Duration::from_millis(2) {
            worst = worst.max(large.as_secs_f64() / small.as_secs_f64());
        }
    }
    if worst > GROWTH_MAX {
        bail!("{}: eight times the input takes {worst:.1} times as long", target.name);
    }
    Ok(format!("8x input takes at most {worst:.1}x"))
}

/// The quickest of some runs: what the parser takes when nothing disturbs it.
fn quickest(target: &Target, input: &[u8]) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        (target.run)(input);
        best = best.min(begun.elapsed());
    }
    best
}
