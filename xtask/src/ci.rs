//! `test` and `ci`: the same steps on a developer's machine and before a change lands.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};
use slotwright_core::scenario::Server;
use slotwright_lab::servers;

/// Installs what the tests need, then runs all of them.
pub fn test(root: &Path) -> anyhow::Result<()> {
    say("the servers that the tests run on");
    for binary in servers::ensure(&Server::ALL, &say)? {
        say(&format!("{}: {}", binary.server.name(), binary.version));
    }
    servers::ensure_tools(&say)?;
    step(root, "all tests", &["test", "--workspace", "--no-fail-fast"])?;
    lab(root, "healthy clusters", &["healthy"])?;
    let record = ["run", "--all", "--recover", "--table", "docs/track-record.md"];
    lab(root, "every finding's scenario on every server, found and recovered", &record)
}

/// Runs a command of the lab with the program that the tests were built with: another build of it
/// would take as long as half of the tests.
fn lab(root: &Path, what: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("where is this program?")?;
    let program = program.with_file_name("slotwright");
    let mut command = Command::new(&program);
    command.arg("lab").args(arguments);
    timed(root, what, &mut command)
}

/// Everything that must pass before a change lands. The quick checks come first.
pub fn run(root: &Path) -> anyhow::Result<()> {
    say("generated files");
    crate::codegen::run(root, true)?;
    step(root, "formatting", &["fmt", "--all", "--check"])?;
    say("house rules");
    crate::tidy::run(root)?;
    step(root, "clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    test(root)
}

/// Runs cargo, says what for, and how long it took.
pub fn step(root: &Path, what: &str, arguments: &[&str]) -> anyhow::Result<()> {
    timed(root, what, Command::new(env!("CARGO")).args(arguments))
}

fn timed(root: &Path, what: &str, command: &mut Command) -> anyhow::Result<()> {
    say(what);
    let begun = Instant::now();
    let status = command.current_dir(root).status().with_context(|| format!("run {command:?}"))?;
    if !status.success() {
        bail!("{what}: {command:?} failed ({status})");
    }
    eprintln!("xtask: {what}: done in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// One line about what happens now.
pub fn say(what: &str) {
    eprintln!("xtask: {what}");
}
