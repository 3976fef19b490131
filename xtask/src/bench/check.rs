//! `slotwright check` against `redis-cli --cluster check`.

use std::path::Path;
use std::time::Instant;

use anyhow::bail;
use slotwright_core::diagnose::diagnose;

use super::fake;

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

/// Runs everything.
pub fn run(_root: &Path, _runs: usize) -> anyhow::Result<()> {
    judge(1000)
}
