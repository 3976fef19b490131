//! `cargo xtask demo`: the outage that slotwright exists for, on real servers, in a minute.
//!
//! A cluster of three primaries with 100,000 keys serves a real client. All nodes restart on other
//! addresses, as pods do. The client prints its error, `slotwright check` names the cause. Each
//! thing that the demo claims is checked; when one does not hold, the demo fails.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use slotwright_core::scenario::{Act, At, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers;

use crate::ci::{say, step};

/// Keys in the cluster of the demo.
const KEYS: usize = 100_000;
/// How long the client may take to fail: its own retries and time-outs.
const CLIENT_FAILS_WITHIN: Duration = Duration::from_secs(60);

/// Runs the demo.
pub fn run(root: &Path) -> anyhow::Result<()> {
    let begun = Instant::now();
    let binaries = servers::ensure(&[Server::Redis70], &say)?;
    let modules = client_modules(root)?;
    step(root, "building slotwright", &["build", "--package", "slotwright"])?;

    say(&format!("a cluster of three primaries with {KEYS} keys, {}", binaries[0].version));
    let scenario = Scenario::of(3, 0).option("--appendonly yes").keys(KEYS);
    let mut cluster = Cluster::build(&scenario, Server::Redis70, &binaries)?;
    cluster.act(&Act::Wait(Until::Settled, 20_000))?;
    let before = cluster.addresses(&[]);
    say(&format!("it lives at {}", list(&before)));

    say("an application with ioredis connects");
    let client = Client::start(root, &modules, &before)?;
    client.wait_for("served the first request", Duration::from_secs(20))?;

    say("every node restarts on another address, as all pods of a StatefulSet do");
    for node in 0..3 {
        cluster.act(&Act::Stop(node))?;
    }
    for node in 0..3 {
        cluster.act(&Act::Start(node, At::Fresh, Vec::new()))?;
    }
    let after = cluster.addresses(&[]);
    say(&format!(
        "now they live at {}; their nodes.conf still name the old addresses",
        list(&after)
    ));

    let error = client.wait_for("ClusterAllFailedError", CLIENT_FAILS_WITHIN)?;
    say("the application says:");
    eprintln!("    {error}");
    for node in 0..3 {
        cluster.act(&Act::Wait(Until::State(node, "fail"), 20_000))?;
    }
    say("every server says cluster_state:fail");

    let seeds = after.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    say(&format!("$ slotwright check {seeds}"));
    let report = check(root, &seeds)?;
    println!("{report}");
    ensure!(report.contains("ALL_ADDRESSES_STALE"), "the report does not name the cause");

    let keys = keys_in(&mut cluster)?;
    ensure!(keys >= KEYS, "only {keys} of {KEYS} keys are left");
    say(&format!(
        "every one of the {KEYS} keys is still there; recovery is the next thing slotwright \
         learns ({:.0} s in all)",
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What `check` prints. It must end with exit code 3: findings at or above `error`.
fn check(root: &Path, seeds: &str) -> anyhow::Result<String> {
    let output = Command::new(root.join("target/debug/slotwright"))
        .args(["check", seeds, "--color", "never"])
        .stderr(Stdio::inherit())
        .output()
        .context("run slotwright")?;
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.code() != Some(3) {
        bail!("slotwright ended with {}, and said:\n{report}", output.status);
    }
    Ok(report)
}

/// `DBSIZE` of all nodes.
fn keys_in(cluster: &mut Cluster) -> anyhow::Result<usize> {
    let mut keys = 0;
    for node in 0..3 {
        keys += cluster.ask(node, "DBSIZE")?.text().parse::<usize>().context("DBSIZE")?;
    }
    Ok(keys)
}

/// Where the npm packages of the client lie; installs them, and Node.js, when they are missing.
fn client_modules(root: &Path) -> anyhow::Result<PathBuf> {
    let folder = root.join(".cache/demo-client");
    if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
        say("installing Node.js for the client of the demo");
        succeed(Command::new("apt-get").args(["install", "-y", "-q", "nodejs", "npm"]))?;
    }
    let lock = std::fs::read(root.join("xtask/demo/package-lock.json"))?;
    let installed = folder.join("node_modules/ioredis");
    if installed.exists() && std::fs::read(folder.join("package-lock.json")).ok() == Some(lock) {
        return Ok(folder);
    }
    say("installing ioredis for the client of the demo");
    std::fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(root.join("xtask/demo").join(file), folder.join(file))?;
    }
    let arguments = ["ci", "--no-audit", "--no-fund", "--silent"];
    succeed(Command::new("npm").args(arguments).current_dir(&folder))?;
    Ok(folder)
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("run {:?}", command.get_program()))?;
    if status.success() { Ok(()) } else { bail!("{:?} failed: {status}", command.get_program()) }
}

/// The application. It ends with the demo, whatever happens.
struct Client {
    process: Child,
    lines: Receiver<String>,
}

impl Client {
    fn start(root: &Path, modules: &Path, seeds: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut process = Command::new("node")
            .arg(root.join("xtask/demo/client.mjs"))
            .args(seeds.iter().map(ToString::to_string))
            .env("SLOTWRIGHT_DEMO_MODULES", modules)
            .stdout(Stdio::piped())
            .spawn()
            .context("start the client")?;
        let output = process.stdout.take().context("the client has no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, lines })
    }

    /// The next line that contains the text.
    fn wait_for(&self, text: &str, within: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).with_context(|| {
                format!("the client did not say {text:?} within {} s", within.as_secs())
            })?;
            if line.contains(text) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
