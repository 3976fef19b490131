//! A command as a whole process: wall time, CPU time, peak memory.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};

/// The median of several runs.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// From start to exit.
    pub wall: Duration,
    /// User and system time of the process.
    pub cpu: Duration,
    /// Largest resident set in KiB.
    pub peak_kib: u64,
}

/// Runs the two commands in turn, so that a drift of the machine's speed hits both, and returns
/// the medians of each.
pub fn pair(runs: usize, ours: &[String], theirs: &[String]) -> anyhow::Result<(Figures, Figures)> {
    let (mut our_runs, mut their_runs) = (Vec::new(), Vec::new());
    once(ours)?;
    once(theirs)?;
    for _ in 0..runs {
        our_runs.push(once(ours)?);
        their_runs.push(once(theirs)?);
    }
    Ok((median(our_runs, peak(ours)?), median(their_runs, peak(theirs)?)))
}

/// The medians of one command.
pub fn alone(runs: usize, command: &[String]) -> anyhow::Result<Figures> {
    once(command)?;
    let all = (0..runs).map(|_| once(command)).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(median(all, peak(command)?))
}

fn once(command: &[String]) -> anyhow::Result<(Duration, Duration)> {
    let before = children_cpu()?;
    let begun = Instant::now();
    let status = quiet(command)?.status().with_context(|| format!("run {}", command[0]))?;
    let wall = begun.elapsed();
    // A check that finds nothing exits with 0; anything else is not what we measure.
    if !status.success() {
        bail!("{} ended with {status}", command.join(" "));
    }
    Ok((wall, children_cpu()? - before))
}

fn quiet(command: &[String]) -> anyhow::Result<Command> {
    let (program, arguments) = command.split_first().context("an empty command")?;
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(process)
}

fn children_cpu() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::new(
            u64::try_from(time.tv_sec()).unwrap_or(0),
            u32::try_from(time.tv_usec()).unwrap_or(0) * 1000,
        )
    };
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}

/// Peak memory, as GNU time reports it.
fn peak(command: &[String]) -> anyhow::Result<u64> {
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%M"])
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("run /usr/bin/time; install it with: apt-get install time")?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = text.lines().last().unwrap_or_default();
    last.trim().parse().with_context(|| format!("no peak memory in {last:?}"))
}

fn median(mut runs: Vec<(Duration, Duration)>, peak_kib: u64) -> Figures {
    let middle = runs.len() / 2;
    runs.sort_by_key(|(wall, _)| *wall);
    let wall = runs[middle].0;
    runs.sort_by_key(|(_, cpu)| *cpu);
    Figures { wall, cpu: runs[middle].1, peak_kib }
}
