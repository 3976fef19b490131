//! The states in which `redis-cli --cluster fix` loses or strands keys, for both of us: copies of
//! the same broken cluster, mended by either way, then what happens next anyway.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};
use slotwright_core::model::Slot;
use slotwright_core::scenario::{Act, At, Reply, Scenario, Server, Until};
use slotwright_lab::cluster::Cluster;
use slotwright_lab::servers::{self, Binary};

use super::recover::{count, moved, peer, reborn, seeds, until_ok};
use crate::ci::{say, step};

/// A row of the matrix.
struct Case {
    name: &'static str,
    /// Replicas of each of the three primaries.
    replicas: usize,
    /// Keys beside the cluster's own, before anything is broken.
    more_keys: fn(&mut Cluster) -> anyhow::Result<()>,
    /// What breaks the cluster.
    breaks: fn(&mut Cluster) -> anyhow::Result<()>,
    /// What the peer is told beside `fix`.
    option: Option<&'static str>,
    /// What happens after the repair: who was away returns, who is known is met.
    then: fn() -> Vec<Act>,
    /// Copies on each server.
    trials: usize,
}

const FORCE: Option<&str> = Some("--cluster-fix-with-unreachable-masters");
const SEARCH: Option<&str> = Some("--cluster-search-multiple-owners");

/// Keys in the slot that is moved, and how many of them have moved.
const SLOT_KEYS: usize = 5_000;
const MOVED_KEYS: usize = 3_000;
/// Of a slot of the first primary.
const TAG: &str = "{b}";

const CASES: [Case; 8] = [
    Case {
        name: "all addresses changed; met afterwards",
        replicas: 0,
        more_keys: nothing,
        breaks: |cluster| act(cluster, moved()),
        option: FORCE,
        then: meet,
        trials: 1,
    },
    Case {
        name: "nodes.conf gone, data there",
        replicas: 0,
        more_keys: nothing,
        breaks: |cluster| act(cluster, reborn()),
        option: FORCE,
        then: Vec::new,
        trials: 1,
    },
    Case {
        name: "a primary down, which returns",
        replicas: 0,
        more_keys: nothing,
        breaks: |cluster| act(cluster, down()),
        option: FORCE,
        then: || vec![Act::Start(2, At::Same, Vec::new())],
        trials: 1,
    },
    Case {
        name: "a primary that loads its data",
        replicas: 0,
        more_keys: nothing,
        breaks: |cluster| act(cluster, loading()),
        option: FORCE,
        then: Vec::new,
        trials: 1,
    },
    Case {
        name: "two of three primaries dead, replicas live",
        replicas: 1,
        more_keys: nothing,
        breaks: |cluster| act(cluster, two_dead()),
        option: FORCE,
        then: Vec::new,
        trials: 1,
    },
    Case {
        name: "keys in a slot of another primary",
        replicas: 0,
        more_keys: strays,
        breaks: nothing,
        option: None,
        then: Vec::new,
        trials: 1,
    },
    Case {
        name: "a slot going to two, one key moved",
        replicas: 0,
        more_keys: one_slot,
        breaks: to_two,
        option: None,
        then: Vec::new,
        trials: 5,
    },
    Case {
        name: "a slot of 5000 keys, 60 % moved",
        replicas: 0,
        more_keys: one_slot,
        breaks: half_moved,
        option: SEARCH,
        then: Vec::new,
        trials: 20,
    },
];

fn act(cluster: &mut Cluster, acts: Vec<Act>) -> anyhow::Result<()> {
    for act in acts {
        cluster.act(&act)?;
    }
    Ok(())
}

fn meet() -> Vec<Act> {
    let meet =
        |about: usize| format!("CLUSTER MEET {{ip{about}}} {{port{about}}} {{cport{about}}}");
    (1..3).map(|about| Act::Send(0, meet(about), Reply::Fine)).collect()
}

fn down() -> Vec<Act> {
    let fail = |on| Act::Wait(Until::Flag { on, about: 2, flag: "fail" }, 20_000);
    vec![Act::Kill(2), fail(0), fail(1)]
}

/// It needs half a millisecond for each key, longer than the others wait.
fn loading() -> Vec<Act> {
    let slow = ["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"];
    let fail = |on| Act::Wait(Until::Flag { on, about: 2, flag: "fail" }, 20_000);
    vec![Act::Stop(2), fail(0), fail(1), Act::Start(2, At::Same, slow.map(str::to_owned).to_vec())]
}

fn two_dead() -> Vec<Act> {
    let down = |on| Act::Wait(Until::State(on, "fail"), 20_000);
    vec![Act::Kill(0), Act::Kill(1), down(2), down(3), down(4)]
}

fn nothing(_: &mut Cluster) -> anyhow::Result<()> {
    Ok(())
}

/// Keys that a primary has got of slots that it does not own.
fn strays(cluster: &mut Cluster) -> anyhow::Result<()> {
    fine(cluster, 0, "DEBUG POPULATE 300 stray")
}

fn half_moved(cluster: &mut Cluster) -> anyhow::Result<()> {
    let slot = slot();
    // Another node has the greatest epoch, so that a claim of the taker is a new one.
    fine(cluster, 2, "CLUSTER BUMPEPOCH")?;
    fine(cluster, 1, &format!("CLUSTER SETSLOT {slot} IMPORTING {{id0}}"))?;
    fine(cluster, 0, &format!("CLUSTER SETSLOT {slot} MIGRATING {{id1}}"))?;
    migrate(cluster, 1, slot, MOVED_KEYS)
}

fn to_two(cluster: &mut Cluster) -> anyhow::Result<()> {
    let slot = slot();
    fine(cluster, 1, &format!("CLUSTER SETSLOT {slot} IMPORTING {{id0}}"))?;
    fine(cluster, 2, &format!("CLUSTER SETSLOT {slot} IMPORTING {{id0}}"))?;
    fine(cluster, 0, &format!("CLUSTER SETSLOT {slot} MIGRATING {{id1}}"))?;
    migrate(cluster, 1, slot, 1)
}

/// Fills one slot of the first primary.
fn one_slot(cluster: &mut Cluster) -> anyhow::Result<()> {
    for first in (0..SLOT_KEYS).step_by(500) {
        let pairs: Vec<String> =
            (first..first + 500).map(|n| format!("{TAG}:{n} value-{n}")).collect();
        fine(cluster, 0, &format!("MSET {}", pairs.join(" ")))?;
    }
    Ok(())
}

fn slot() -> Slot {
    Slot::of_key(TAG.as_bytes())
}

fn migrate(cluster: &mut Cluster, to: usize, slot: Slot, keys: usize) -> anyhow::Result<()> {
    let mut left = keys;
    while left > 0 {
        let batch = left.min(200);
        let found = cluster.ask(0, &format!("CLUSTER GETKEYSINSLOT {slot} {batch}"))?.text();
        let names: Vec<&str> = found.lines().collect();
        let names = names.join(" ");
        fine(cluster, 0, &format!("MIGRATE {{ip{to}}} {{port{to}}} \"\" 0 5000 KEYS {names}"))?;
        left -= batch;
    }
    Ok(())
}

fn fine(cluster: &mut Cluster, on: usize, command: &str) -> anyhow::Result<()> {
    let answer = cluster.ask(on, command)?;
    match answer.error() {
        Some(error) => bail!("{command:.60} at node {on}: {error}"),
        None => Ok(()),
    }
}

/// What became of the copies.
#[derive(Default)]
struct Outcome {
    trials: usize,
    /// Copies in which every node said ok in the end.
    ok: usize,
    /// Copies in which keys were lost.
    losses: usize,
    /// Keys on no node any more.
    lost: usize,
    /// Keys that no client gets, because their node does not own their slot.
    stranded: usize,
}

impl Outcome {
    fn text(&self) -> String {
        format!(
            "ok {:>2}/{:<2} lost {:>6} in {:>2} stray {:>6}",
            self.ok, self.trials, self.lost, self.losses, self.stranded
        )
    }
}

/// Runs all cases.
pub fn run(root: &Path, keys: usize, servers: &[Server]) -> anyhow::Result<()> {
    step(root, "building slotwright", &["build", "--release", "--package", "slotwright"])?;
    let binaries = servers::ensure(&Server::ALL, &say)?;
    println!("{keys} keys in three primaries; every row on copies of the same broken cluster");
    println!("lost: on no node any more, in so many copies; stray: where no client finds them\n");
    println!("{:<12}{:<44}{:<40}redis-cli --cluster fix", "server", "case", "slotwright recover");
    let mut complaints = Vec::new();
    for server in servers {
        for case in &CASES {
            let (mut ours, mut theirs) = (Outcome::default(), Outcome::default());
            for _ in 0..case.trials {
                trial(case, *server, keys, &binaries, &mut ours, |cluster| mend(root, cluster))?;
                trial(case, *server, keys, &binaries, &mut theirs, |cluster| fix(case, cluster))?;
            }
            println!("{:<12}{:<44}{:<40}{}", server.name(), case.name, ours.text(), theirs.text());
            if ours.ok < ours.trials || ours.lost + ours.stranded > 0 {
                complaints.push(format!("{} {}: {}", server.name(), case.name, ours.text()));
            }
        }
    }
    if !complaints.is_empty() {
        bail!("{}", complaints.join("; "));
    }
    println!("\nno key lost or stranded by us");
    Ok(())
}

/// One copy, mended by one way.
fn trial(
    case: &Case,
    server: Server,
    keys: usize,
    binaries: &[Binary],
    outcome: &mut Outcome,
    way: impl FnOnce(&mut Cluster) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let scenario = Scenario::of(3, case.replicas).option("--appendonly yes").keys(keys);
    let mut cluster = Cluster::build(&scenario, server, binaries)?;
    cluster.act(&Act::Wait(Until::Settled, 20_000))?;
    (case.more_keys)(&mut cluster)?;
    let before = names(&mut cluster)?;
    (case.breaks)(&mut cluster)?;
    way(&mut cluster)?;
    act(&mut cluster, (case.then)())?;
    outcome.trials += 1;
    let ok = until_ok(&mut cluster, Instant::now())?.is_some();
    outcome.ok += usize::from(ok);
    // What a claim makes a server delete, it deletes within seconds: the losers have heard of it
    // once all tables agree, or never will.
    let _agreed = cluster.act(&Act::Wait(Until::Settled, 5_000));
    let after = names(&mut cluster)?;
    let lost = before.difference(&after).count();
    let found = before.len() - lost;
    outcome.lost += lost;
    outcome.losses += usize::from(lost > 0);
    outcome.stranded += found.saturating_sub(usize::try_from(count(&mut cluster)?.0)?);
    Ok(())
}

fn mend(root: &Path, cluster: &mut Cluster) -> anyhow::Result<()> {
    let journals = root.join(".cache/bench-journals").display().to_string();
    let seeds = seeds(cluster).join(",");
    let allow = "QUORUM_LOST,SHARD_DOWN,NODE_IDENTITY_LOST,KEY_ON_TWO_PRIMARIES";
    Command::new(root.join("target/release/slotwright"))
        .args(["recover", &seeds, "--yes", "--allow", allow, "--journal-dir", &journals])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("run slotwright")?;
    Ok(())
}

fn fix(case: &Case, cluster: &mut Cluster) -> anyhow::Result<()> {
    let seed = seeds(cluster).first().cloned().context("nobody runs")?;
    let words = ["--cluster", "fix", &seed].into_iter().chain(case.option);
    peer(&words.collect::<Vec<_>>())
}

/// The names of the keys on all nodes that run, replicas too. One that loads is waited for.
fn names(cluster: &mut Cluster) -> anyhow::Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for node in cluster.running() {
        cluster.act(&Act::Wait(Until::Field(node, "loading", "0"), 60_000))?;
        let found = cluster.ask(node, "KEYS *")?.text();
        all.extend(found.lines().map(str::to_owned));
    }
    Ok(all)
}
