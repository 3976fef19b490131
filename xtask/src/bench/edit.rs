//! How long it takes from saving a finding until its tests have run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};

/// The findings that are edited: of several groups, short and long.
const FINDINGS: [&str; 5] =
    ["slot_open", "node_down", "ghost_node_entries", "slot_owner_disagreement", "acl_diverged"];
/// Where a statement is put in.
const PLACE: &str = "fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {\n";

/// Changes the code of each finding as many times, runs its tests each time, and prints how long
/// that took.
pub fn run(root: &Path, runs: usize) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for finding in FINDINGS {
        let edited = Edited::new(root.join(format!("crates/core/src/findings/{finding}.rs")))?;
        test(root, finding)?;
        let mut times = Vec::new();
        for run in 0..runs.max(1) {
            edited.save(run)?;
            let begun = Instant::now();
            test(root, finding)?;
            times.push(begun.elapsed().as_secs_f64());
        }
        print(&format!("{finding}.rs"), &mut times);
        all.append(&mut times);
    }
    print("all", &mut all);
    Ok(())
}

fn print(what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    println!(
        "edit {what:<28} its tests have run: median {:.1} s, slowest {:.1} s of {} edits",
        times[times.len() / 2],
        times[times.len() - 1],
        times.len()
    );
}

/// What `cargo finding` does.
fn test(root: &Path, finding: &str) -> anyhow::Result<()> {
    let filter = format!("findings::{finding}::");
    let output = Command::new(env!("CARGO"))
        .args(["finding", &filter])
        .current_dir(root)
        .output()
        .context("run cargo finding")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the tests failed:\n{said}");
    ensure!(!said.contains("running 0 tests"), "no test of {finding} ran");
    Ok(())
}

/// A file that gets its text back.
struct Edited {
    file: PathBuf,
    text: String,
}

impl Edited {
    fn new(file: PathBuf) -> anyhow::Result<Self> {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(Self { file, text })
    }

    /// Puts in a statement that the compiler cannot leave out, another one each time.
    fn save(&self, run: usize) -> anyhow::Result<()> {
        let statement =
            format!("        if std::hint::black_box({run}) == usize::MAX {{ return; }}");
        let text = self.text.replacen(PLACE, &format!("{PLACE}{statement}\n"), 1);
        ensure!(text != self.text, "{} has no {PLACE:?} any more", self.file.display());
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
