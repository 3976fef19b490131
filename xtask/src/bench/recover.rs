//! `slotwright recover` on the cases of the runbook: how long until every node says ok, beside what
//! the servers themselves need, and what the other ways do to copies of the same broken cluster.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use slotwright_core::model::SlotSet;
use slotwright_core::observation::{Observation, Picture, Role};
use slotwright_core::scenario::{Act, At, ConfEdit, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers::{self, Binary};
use slotwright_net::{Limits, Target, block_on, observe};

use crate::ci::{say, step};

/// How long a way may take before it counts as not healed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at the state.
const POLL: Duration = Duration::from_millis(5);
/// How long keys may be counted again until everybody has told.
const COUNTED_WITHIN: Duration = Duration::from_secs(10);
/// What we may take beyond what the servers need.
const MARGIN: Duration = Duration::from_secs(1);

/// A row of the runbook.
struct Case {
    name: &'static str,
    /// What breaks the cluster.
    acts: fn() -> Vec<Act>,
    /// The fewest commands that mend it, known beforehand: what is left is the servers' own time.
    floor: fn(&mut Cluster) -> anyhow::Result<()>,
    /// The node that will never come back.
    gone: Option<usize>,
}

const CASES: [Case; 4] = [
    Case { name: "(a) all addresses changed", acts: moved, floor: meet_all, gone: None },
    Case { name: "(b) slots lost, tables torn", acts: torn, floor: add_back, gone: None },
    Case { name: "(c) nodes.conf gone, data there", acts: reborn, floor: take_over, gone: None },
    Case { name: "(d) node gone for good", acts: dead, floor: share_out, gone: Some(2) },
];

pub(super) fn moved() -> Vec<Act> {
    let stop = (0..3).map(Act::Stop);
    let start = (0..3).map(|node| Act::Start(node, At::Fresh, Vec::new()));
    let fail = (0..3).map(|node| Act::Wait(Until::State(node, "fail"), 20_000));
    stop.chain(start).chain(fail).collect()
}

fn meet_all(cluster: &mut Cluster) -> anyhow::Result<()> {
    for (on, about) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        let meet = format!("CLUSTER MEET {{ip{about}}} {{port{about}}} {{cport{about}}}");
        fine(cluster, on, &meet)?;
    }
    Ok(())
}

fn torn() -> Vec<Act> {
    use slotwright_core::scenario::Reply::Fine;
    vec![
        Act::Send(0, "CLUSTER DELSLOTSRANGE 0 2000".to_owned(), Fine),
        Act::Send(1, "CLUSTER DELSLOTSRANGE 0 999".to_owned(), Fine),
        Act::Send(1, "CLUSTER DELSLOTSRANGE 6000 6500".to_owned(), Fine),
        Act::Send(2, "CLUSTER DELSLOTSRANGE 6000 6200".to_owned(), Fine),
        Act::Wait(Until::State(0, "fail"), 20_000),
        Act::Wait(Until::State(1, "fail"), 20_000),
    ]
}

fn add_back(cluster: &mut Cluster) -> anyhow::Result<()> {
    for (on, range) in [(0, "0 2000"), (1, "6000 6500")] {
        fine(cluster, on, &format!("CLUSTER ADDSLOTSRANGE {range}"))?;
        fine(cluster, on, "CLUSTER BUMPEPOCH")?;
    }
    Ok(())
}

pub(super) fn reborn() -> Vec<Act> {
    vec![
        Act::Stop(2),
        Act::Conf(2, ConfEdit::Delete),
        Act::Start(2, At::Same, Vec::new()),
        Act::Wait(Until::Flag { on: 0, about: 2, flag: "noaddr" }, 20_000),
        Act::Wait(Until::Flag { on: 1, about: 2, flag: "noaddr" }, 20_000),
    ]
}

fn take_over(cluster: &mut Cluster) -> anyhow::Result<()> {
    for on in [0, 1] {
        fine(cluster, on, "CLUSTER FORGET {was2}")?;
    }
    let table = cluster.ask(2, "CLUSTER NODES")?.text();
    let own = table.lines().find(|line| line.contains("myself")).context("no row of its own")?;
    let own: SlotSet = own
        .split(' ')
        .skip(8)
        .filter_map(|word| {
            word.split('-').map(|end| end.parse().ok()).collect::<Option<Vec<u16>>>()
        })
        .fold(SlotSet::new(), |mut all, ends| {
            if let (Some(first), Some(last)) = (ends.first(), ends.last()) {
                all.insert(*first, *last);
            }
            all
        });
    let mut whole = SlotSet::new();
    whole.insert(10_923, 16_383);
    for range in whole.difference(&own).ranges() {
        fine(cluster, 2, &format!("CLUSTER ADDSLOTSRANGE {} {}", range.first, range.last))?;
    }
    fine(cluster, 2, "CLUSTER SET-CONFIG-EPOCH 100")?;
    for on in [0, 1] {
        fine(cluster, on, "CLUSTER MEET {ip2} {port2} {cport2}")?;
    }
    Ok(())
}

fn dead() -> Vec<Act> {
    let fail = |on| Act::Wait(Until::Flag { on, about: 2, flag: "fail" }, 20_000);
    let down = |on| Act::Wait(Until::State(on, "fail"), 20_000);
    vec![Act::Kill(2), fail(0), fail(1), down(0), down(1)]
}

fn share_out(cluster: &mut Cluster) -> anyhow::Result<()> {
    for on in [0, 1] {
        fine(cluster, on, "CLUSTER FORGET {id2}")?;
    }
    for (on, range) in [(0, "10923 13652"), (1, "13653 16383")] {
        fine(cluster, on, &format!("CLUSTER ADDSLOTSRANGE {range}"))?;
        fine(cluster, on, "CLUSTER BUMPEPOCH")?;
    }
    Ok(())
}

fn fine(cluster: &mut Cluster, on: usize, command: &str) -> anyhow::Result<()> {
    let answer = cluster.ask(on, command)?;
    ensure!(answer.error().is_none(), "{command} at node {on}: {}", answer.text());
    Ok(())
}

/// What became of a copy.
struct Done {
    /// From the call until every node said ok; `None`: not within [`PATIENCE`], or not at all.
    ok_after: Option<Duration>,
    /// Keys that the owner of their slot serves.
    served: u64,
    /// Keys on any primary.
    anywhere: u64,
}

/// Runs all cases on all servers.
pub fn run(root: &Path, keys: usize, servers: &[Server]) -> anyhow::Result<()> {
    step(root, "building slotwright", &["build", "--release", "--package", "slotwright"])?;
    let binaries = servers::ensure(&Server::ALL, &say)?;
    println!("three primaries, {keys} keys; the same broken cluster for each way");
    println!(
        "seconds from the call until every node says ok; keys served of keys that were left\n"
    );
    println!(
        "{:<12}{:<34}{:>7}{:>7}{:>18}  {:<26}{:<26}",
        "server", "case", "floor", "ours", "keys", "--cluster fix, forced", "reset soft and create"
    );
    let mut worse = Vec::new();
    for server in servers {
        for case in &CASES {
            let row = Row::of(root, case, *server, keys, &binaries)?;
            println!("{}", row.text());
            worse.extend(row.complaint());
        }
    }
    if !worse.is_empty() {
        bail!("{}", worse.join("; "));
    }
    println!("\nno key lost by us, and never more than {} s beyond the floor", MARGIN.as_secs());
    Ok(())
}

struct Row {
    server: Server,
    case: &'static str,
    left: u64,
    floor: Done,
    ours: Done,
    fix: Done,
    runbook: Done,
}

impl Row {
    fn of(
        root: &Path,
        case: &Case,
        server: Server,
        keys: usize,
        binaries: &[Binary],
    ) -> anyhow::Result<Self> {
        let broken = || -> anyhow::Result<Cluster> {
            let scenario = Scenario::of(3, 0).option("--appendonly yes").keys(keys);
            let mut cluster = Cluster::build(&scenario, server, binaries)?;
            cluster.act(&Act::Wait(Until::Settled, 20_000))?;
            for act in (case.acts)() {
                cluster.act(&act)?;
            }
            Ok(cluster)
        };
        let mut cluster = broken()?;
        let left = count(&mut cluster)?.1;
        let floor = timed(&mut cluster, |cluster| (case.floor)(cluster))?;
        drop(cluster);
        let mut cluster = broken()?;
        let ours = ours(root, case, &mut cluster)?;
        drop(cluster);
        let mut cluster = broken()?;
        let fix = timed(&mut cluster, forced_fix)?;
        drop(cluster);
        let runbook = timed(&mut broken()?, reset_and_create)?;
        Ok(Self { server, case: case.name, left, floor, ours, fix, runbook })
    }

    fn text(&self) -> String {
        let seconds = |done: &Done| match done.ok_after {
            Some(after) => format!("{:.2}", after.as_secs_f64()),
            None => "never".to_owned(),
        };
        let other = |done: &Done| {
            let (lost, stranded) =
                (self.left.saturating_sub(done.anywhere), done.anywhere - done.served);
            match done.ok_after {
                Some(after) if lost + stranded == 0 => format!("{:.2} s", after.as_secs_f64()),
                Some(after) => {
                    format!("{:.2} s, {lost} lost, {stranded} stray", after.as_secs_f64())
                }
                None => format!("not healed, {lost} lost"),
            }
        };
        format!(
            "{:<12}{:<34}{:>7}{:>7}{:>18}  {:<26}{:<26}",
            self.server.name(),
            self.case,
            seconds(&self.floor),
            seconds(&self.ours),
            format!("{} of {}", self.ours.served, self.left),
            other(&self.fix),
            other(&self.runbook)
        )
    }

    /// What must not be.
    fn complaint(&self) -> Option<String> {
        let (server, case) = (self.server.name(), self.case);
        if self.ours.served < self.left {
            return Some(format!(
                "{server} {case}: {} keys were left, {} are served",
                self.left, self.ours.served
            ));
        }
        match (self.ours.ok_after, self.floor.ok_after) {
            (None, _) => Some(format!("{server} {case}: not healed")),
            (Some(ours), Some(floor)) if ours > floor + MARGIN => Some(format!(
                "{server} {case}: {:.2} s, and the floor is {:.2} s",
                ours.as_secs_f64(),
                floor.as_secs_f64()
            )),
            _ => None,
        }
    }
}

/// Does something, and measures until every node says ok.
fn timed(
    cluster: &mut Cluster,
    way: impl FnOnce(&mut Cluster) -> anyhow::Result<()>,
) -> anyhow::Result<Done> {
    let begun = Instant::now();
    way(cluster)?;
    let ok_after = until_ok(cluster, begun)?;
    let (served, anywhere) = count(cluster)?;
    Ok(Done { ok_after, served, anywhere })
}

/// When every node that runs said ok.
pub(super) fn until_ok(cluster: &mut Cluster, begun: Instant) -> anyhow::Result<Option<Duration>> {
    let running = cluster.running();
    while begun.elapsed() < PATIENCE {
        if all_ok(cluster, &running)? {
            return Ok(Some(begun.elapsed()));
        }
        std::thread::sleep(POLL);
    }
    Ok(None)
}

fn all_ok(cluster: &mut Cluster, running: &[usize]) -> anyhow::Result<bool> {
    for node in running {
        if !cluster.ask(*node, "CLUSTER INFO")?.text().contains("cluster_state:ok") {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn seeds(cluster: &mut Cluster) -> Vec<String> {
    let running = cluster.running();
    cluster.addresses(&running).iter().map(ToString::to_string).collect()
}

/// `slotwright recover`, as a process; the clock runs until every node says ok, and then until the
/// process has proved it.
fn ours(root: &Path, case: &Case, cluster: &mut Cluster) -> anyhow::Result<Done> {
    let program = root.join("target/release/slotwright");
    let mut words = vec!["recover".to_owned(), seeds(cluster).join(","), "--yes".to_owned()];
    let journals = root.join(".cache/bench-journals").display().to_string();
    words.extend(["--journal-dir".to_owned(), journals]);
    if let Some(gone) = case.gone {
        let head = cluster.expand(&format!("{{id{gone}}}"))?[..8].to_owned();
        words.extend(["--gone".to_owned(), head]);
        let asked = Command::new(&program).args(&words).output().context("run slotwright")?;
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        let mark = said.split_once("--accept-data-loss ").map(|(_, rest)| rest);
        let mark = mark.and_then(|rest| rest.split_whitespace().next());
        let mark = mark.with_context(|| format!("no loss to agree to: {said}"))?;
        words.extend(["--accept-data-loss".to_owned(), mark.to_owned()]);
    }
    let begun = Instant::now();
    let child = Command::new(&program)
        .args(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run slotwright")?;
    let ok_after = until_ok(cluster, begun)?;
    let output = child.wait_with_output()?;
    if output.status.code() != Some(0) {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        eprintln!("slotwright ended with {}:\n{said}", output.status);
    }
    let (served, anywhere) = count(cluster)?;
    Ok(Done { ok_after, served, anywhere })
}

/// `redis-cli --cluster fix` as those use it who must have their cluster back.
fn forced_fix(cluster: &mut Cluster) -> anyhow::Result<()> {
    let seed = seeds(cluster).first().cloned().context("nobody runs")?;
    peer(&["--cluster", "fix", &seed, "--cluster-fix-with-unreachable-masters"])
}

/// The wiki's way.
fn reset_and_create(cluster: &mut Cluster) -> anyhow::Result<()> {
    for node in cluster.running() {
        cluster.ask(node, "CLUSTER RESET SOFT")?;
    }
    let seeds = seeds(cluster);
    let mut words = vec!["--cluster", "create"];
    words.extend(seeds.iter().map(String::as_str));
    words.extend(["--cluster-replicas", "0", "--cluster-yes"]);
    peer(&words)
}

/// Runs the peer with yes to every question. Its exit code says nothing.
pub(super) fn peer(words: &[&str]) -> anyhow::Result<()> {
    let mut child = Command::new("timeout")
        .args(["30", "redis-cli"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("run redis-cli")?;
    if let Some(mut input) = child.stdin.take() {
        // It may have ended without a question.
        let _ = input.write_all(b"yes\nyes\nyes\nyes\n");
    }
    child.wait()?;
    Ok(())
}

/// Keys that are served, and keys that are on any primary.
pub(super) fn count(cluster: &mut Cluster) -> anyhow::Result<(u64, u64)> {
    // Who still loads its data has no count to give, and a machine that stands still for a moment
    // lets a look miss somebody.
    let until = Instant::now() + COUNTED_WITHIN;
    loop {
        match count_once(cluster) {
            Err(_) if Instant::now() < until => std::thread::sleep(POLL),
            counted => return counted,
        }
    }
}

/// The same by one look, which everybody who runs must answer.
fn count_once(cluster: &mut Cluster) -> anyhow::Result<(u64, u64)> {
    let running = cluster.running();
    let named = cluster.addresses(&running);
    let named = named
        .iter()
        .map(|at| slotwright_core::model::Endpoint::new(at.ip().to_string(), at.port()));
    let mut target = Target::new(named.collect());
    target.census = true;
    let seen: Observation = block_on(observe(&target, &Limits::default()))?;
    let picture = Picture::new(&seen);
    let answer = seen.sightings.iter().filter(|sighting| sighting.nodes.get().is_some()).count();
    ensure!(answer >= running.len(), "{answer} of {} that run answer", running.len());
    let (mut served, mut anywhere) = (0, 0);
    for (id, _) in picture.members() {
        let Some(sighting) = picture.proved(id) else { continue };
        if picture.role(id) != Some(Role::Primary) {
            continue;
        }
        let census = sighting.census.get().context("the keys were not counted")?;
        let own = picture.own_row(id).map(|row| row.slots.clone()).unwrap_or_default();
        for (slot, keys) in &census.keys {
            anywhere += keys;
            if slotwright_core::model::Slot::new(*slot).is_some_and(|slot| own.contains(slot)) {
                served += keys;
            }
        }
    }
    Ok((served, anywhere))
}
