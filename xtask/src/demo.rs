//! `cargo xtask demo`: the outage that slotwright exists for, on real servers, in a minute.
//!
//! A cluster of three primaries with 100,000 keys serves a real client. All nodes restart on other
//! addresses, as pods do. The client prints its error, `slotwright check` names the cause,
//! `slotwright recover` mends it, the client works again and every key has its value. Each thing
//! that the demo claims is checked; when one does not hold, the demo fails.

use std::fmt::Write as _;
use std::hash::{Hash as _, Hasher as _};
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

/// How long the client may take to work again: its own pause between attempts, and its refresh.
const CLIENT_WORKS_WITHIN: Duration = Duration::from_secs(30);

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
    say(&format!("it lives at {}", list(&cluster.addresses(&[]))));

    say("an application with ioredis connects to redis-0, redis-1 and redis-2");
    let names = root.join(".cache/demo-names");
    point_names(&names, &mut cluster)?;
    let client = Client::start(root, &modules, &names)?;
    client.wait_for("served the first request", Duration::from_secs(20))?;

    break_it(&mut cluster, &names, &client)?;
    let seeds = cluster.addresses(&[]).iter().map(ToString::to_string).collect::<Vec<_>>();
    let seeds = seeds.join(",");
    say(&format!("$ slotwright check {seeds}"));
    let report = check(root, &seeds)?;
    println!("{report}");
    ensure!(report.contains("ALL_ADDRESSES_STALE"), "the report does not name the cause");

    let before = digest(&mut cluster)?;
    mend(root, &seeds, &mut cluster, &client)?;
    let after = digest(&mut cluster)?;
    ensure!(after.keys >= KEYS, "only {} of {KEYS} keys are left", after.keys);
    ensure!(before == after, "the keys differ: {before:?} before, {after:?} after");
    say(&format!(
        "all {} keys have the value that they had: digest {:016x} before and after ({:.0} s in all)",
        after.keys,
        after.sum,
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// All pods restart on other addresses; returns when the application has said that it fails.
fn break_it(cluster: &mut Cluster, names: &Path, client: &Client) -> anyhow::Result<()> {
    say("every node restarts on another address, as all pods of a StatefulSet do");
    for node in 0..3 {
        cluster.act(&Act::Stop(node))?;
    }
    let error = client.wait_for("ClusterAllFailedError", CLIENT_FAILS_WITHIN)?;
    say("the application says:");
    eprintln!("    {error}");
    for node in 0..3 {
        cluster.act(&Act::Start(node, At::Fresh, Vec::new()))?;
    }
    point_names(names, cluster)?;
    say(&format!(
        "now they live at {}, and their names follow; each nodes.conf still has the old addresses",
        list(&cluster.addresses(&[]))
    ));
    for node in 0..3 {
        cluster.act(&Act::Wait(Until::State(node, "fail"), 20_000))?;
    }
    say("every server says cluster_state:fail");
    Ok(())
}

/// `slotwright recover`; returns when the application is served again.
fn mend(root: &Path, seeds: &str, cluster: &mut Cluster, client: &Client) -> anyhow::Result<()> {
    say(&format!("$ slotwright recover {seeds} --yes"));
    let mending = Instant::now();
    let journals = root.join(".cache/demo-journals");
    recover(root, seeds, &journals)?;
    for node in 0..3 {
        cluster.act(&Act::Wait(Until::State(node, "ok"), 1_000))?;
    }
    let took = mending.elapsed().as_secs_f64();
    say(&format!("every server says cluster_state:ok, {took:.1} s after recover was called"));
    let served = client.wait_for("served again", CLIENT_WORKS_WITHIN)?;
    say("the application says:");
    eprintln!("    {served}");
    say(&format!("$ slotwright journal show --journal-dir {}", shown(root, &journals)));
    println!("{}", slotwright(root, &["journal", "show", "--journal-dir"], &journals)?.1);
    Ok(())
}

/// Lets `redis-0`, `redis-1` and `redis-2` mean where the nodes are now, as the DNS of a headless
/// Service does. The application looks there each time that it resolves a name.
fn point_names(file: &Path, cluster: &mut Cluster) -> anyhow::Result<()> {
    let mut lines = String::new();
    for (node, address) in cluster.addresses(&[]).iter().enumerate() {
        writeln!(lines, "{} redis-{node}:{}", address.ip(), address.port())?;
    }
    // At once, or the application could read half of it.
    let draft = file.with_extension("new");
    std::fs::write(&draft, lines)?;
    std::fs::rename(&draft, file).context("write the names")
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

/// Runs the program with a folder as the last argument; its exit code, and what it printed.
fn slotwright(root: &Path, args: &[&str], folder: &Path) -> anyhow::Result<(Option<i32>, String)> {
    let output = Command::new(root.join("target/debug/slotwright"))
        .args(args)
        .arg(folder)
        .stderr(Stdio::inherit())
        .output()
        .context("run slotwright")?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Runs `recover`, which prints for itself. It must end with exit code 0: healthy.
fn recover(root: &Path, seeds: &str, journals: &Path) -> anyhow::Result<()> {
    let status = Command::new(root.join("target/debug/slotwright"))
        .args(["recover", seeds, "--yes", "--color", "never", "--journal-dir"])
        .arg(journals)
        .status()
        .context("run slotwright")?;
    ensure!(status.code() == Some(0), "slotwright ended with {status}");
    Ok(())
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// Keys whose digests are asked for at once.
const KEYS_A_QUESTION: usize = 1_000;

/// How many keys there are on all nodes, and a sum over names and values in which no key can
/// change unnoticed. Keys that the live client writes do not count.
#[derive(Debug, PartialEq, Eq)]
struct Digest {
    keys: usize,
    sum: u64,
}

fn digest(cluster: &mut Cluster) -> anyhow::Result<Digest> {
    let mut digest = Digest { keys: 0, sum: 0 };
    for node in 0..3 {
        let names = cluster.ask(node, "KEYS key:*")?.text();
        let names: Vec<&str> = names.lines().collect();
        for part in names.chunks(KEYS_A_QUESTION) {
            // Answered for every key that is here, also while the cluster is down.
            let sums = cluster.ask(node, &format!("DEBUG DIGEST-VALUE {}", part.join(" ")))?;
            let sums = sums.text();
            ensure!(sums.lines().count() == part.len(), "a digest is missing: {sums}");
            for pair in part.iter().zip(sums.lines()) {
                let mut hasher = std::hash::DefaultHasher::new();
                pair.hash(&mut hasher);
                digest.sum = digest.sum.wrapping_add(hasher.finish());
            }
        }
        digest.keys += names.len();
    }
    Ok(digest)
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
    fn start(root: &Path, modules: &Path, names: &Path) -> anyhow::Result<Self> {
        let mut process = Command::new("node")
            .arg(root.join("xtask/demo/client.mjs"))
            .arg(names)
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
