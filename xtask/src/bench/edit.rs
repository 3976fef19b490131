//! How long it takes from saving a finding until its tests have run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};

/// The finding that is edited.
const FINDING: &str = "slot_open";
/// Words of its advice that get an addition.
const WORDS: &str = "on the source first";

/// Edits a finding as many times, runs its tests each time, and prints how long that took.
pub fn run(root: &Path, runs: usize) -> anyhow::Result<()> {
    let file = root.join(format!("crates/core/src/findings/{FINDING}.rs"));
    let edited = Edited::new(&file)?;
    test(root)?;
    let mut times = Vec::new();
    for run in 0..runs.max(1) {
        edited.save(run)?;
        let begun = Instant::now();
        test(root)?;
        times.push(begun.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    println!(
        "edit {FINDING}.rs, its tests have run: median {:.1} s, slowest {:.1} s of {} edits",
        times[times.len() / 2],
        times[times.len() - 1],
        times.len()
    );
    Ok(())
}

fn test(root: &Path) -> anyhow::Result<()> {
    let filter = format!("findings::{FINDING}");
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--package", "slotwright-core", "--lib", &filter])
        .current_dir(root)
        .output()
        .context("run cargo test")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the tests failed:\n{said}");
    ensure!(!said.contains("running 0 tests"), "no test of {FINDING} ran");
    Ok(())
}

/// A file that gets its text back.
struct Edited {
    file: PathBuf,
    text: String,
}

impl Edited {
    fn new(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        Ok(Self { file: file.to_owned(), text })
    }

    fn save(&self, run: usize) -> anyhow::Result<()> {
        let text = self.text.replacen(WORDS, &format!("{WORDS} (edit {run})"), 1);
        ensure!(text != self.text, "{FINDING} does not say {WORDS:?} any more");
        fs::write(&self.file, text).with_context(|| format!("write {}", self.file.display()))
    }
}

impl Drop for Edited {
    fn drop(&mut self) {
        if let Err(error) = fs::write(&self.file, &self.text) {
            eprintln!("{} did not get its text back: {error}", self.file.display());
        }
    }
}
