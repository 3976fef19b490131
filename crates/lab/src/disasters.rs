//! Combined disasters: two or three faults at once, chosen by a seed, on one cluster; then it is
//! recovered, and the keys are counted.
//!
//! What must hold, whatever the faults: the cluster is healthy afterwards or there is a reason why
//! not, and no key is gone that was still there when recovering began.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use fastrand::Rng;
use slotwright_core::diagnose::Risk;
use slotwright_core::scenario::{Act, At, ConfEdit, Look, Reply, Scenario, Server, Until};

use crate::cluster::Cluster;
use crate::error::Result;
use crate::look::Onlooker;
use crate::recover::{Healing, How, Must, heal};
use crate::servers::Binary;

/// Primaries, each with one replica: nodes 0 to 2, and 3 to 5 in the same order.
const PRIMARIES: usize = 3;
const NODES: usize = 2 * PRIMARIES;
/// Keys of each cluster.
const KEYS: usize = 300;
/// Slots of a primary, as the lab deals them out.
const SLOTS_EACH: u16 = 5_461;
/// How long a cluster may take to stand, in milliseconds.
const SETTLES_MS: u32 = 30_000;

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// A node restarts on another address.
    Moved(usize),
    /// All of them do.
    AllMoved,
    /// A node's process is killed.
    Killed(usize),
    /// Two of three primaries are killed.
    MajorityKilled,
    /// A node stands still for good.
    Frozen(usize),
    /// A primary no longer owns some of its slots, in its own table or in another's.
    SlotsDropped {
        /// Whose table.
        on: usize,
        /// The first; so many follow.
        first: u16,
        count: u16,
    },
    /// A slot is half way between two primaries: both marks, or only one.
    Open { from: usize, to: usize, slot: u16, marks: (bool, bool) },
    /// A node forgets another.
    Forgotten { on: usize, about: usize },
    /// A node loses its `nodes.conf` and starts on its data.
    Reborn(usize),
    /// Keys of slots that the node does not own.
    Stray(usize),
    /// A replica is reset, as the wiki says.
    ReplicaReset(usize),
    /// A node's claim becomes the newest.
    Bumped(usize),
    /// No replica may become a primary.
    NoFailover,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved(node) => write!(f, "node {node} moved"),
            Self::AllMoved => f.write_str("all moved"),
            Self::Killed(node) => write!(f, "node {node} killed"),
            Self::MajorityKilled => f.write_str("two primaries killed"),
            Self::Frozen(node) => write!(f, "node {node} frozen"),
            Self::SlotsDropped { on, first, count } => {
                write!(f, "node {on} dropped {count} slots from {first} on")
            }
            Self::Open { from, to, slot, marks: (source, target) } => {
                let marks = match (source, target) {
                    (true, true) => "both sides",
                    (true, false) => "the source",
                    _ => "the target",
                };
                write!(f, "slot {slot} open from {from} to {to} on {marks}")
            }
            Self::Forgotten { on, about } => write!(f, "node {on} forgot {about}"),
            Self::Reborn(node) => write!(f, "node {node} lost its nodes.conf"),
            Self::Stray(node) => write!(f, "node {node} has stray keys"),
            Self::ReplicaReset(node) => write!(f, "replica {node} reset"),
            Self::Bumped(node) => write!(f, "node {node} bumped its epoch"),
            Self::NoFailover => f.write_str("no failover allowed"),
        }
    }
}

impl Fault {
    fn random(rng: &mut Rng) -> Self {
        let (node, primary) = (rng.usize(..NODES), rng.usize(..PRIMARIES));
        let other = (primary + rng.usize(1..PRIMARIES)) % PRIMARIES;
        let base = u16::try_from(primary).unwrap_or(0) * SLOTS_EACH;
        match rng.u8(..14) {
            0 => Self::Moved(node),
            1 => Self::AllMoved,
            2 => Self::Killed(node),
            3 => Self::MajorityKilled,
            4 => Self::Frozen(node),
            5 | 6 => {
                let count = rng.u16(1..1_000);
                let on = if rng.bool() { primary } else { node };
                Self::SlotsDropped { on, first: base + rng.u16(..4_000), count }
            }
            7 => {
                let marks = [(true, true), (true, false), (false, true)][rng.usize(..3)];
                Self::Open { from: primary, to: other, slot: base + rng.u16(..SLOTS_EACH), marks }
            }
            8 => Self::Forgotten { on: other, about: primary },
            9 => Self::Reborn(primary),
            10 => Self::Stray(primary),
            11 => Self::ReplicaReset(PRIMARIES + primary),
            12 => Self::Bumped(primary),
            _ => Self::NoFailover,
        }
    }

    /// What it is made of. A fault may hit a node that another one ended: then nothing happens.
    fn acts(self) -> Vec<Act> {
        let send = |node: usize, line: String| Act::Send(node, line, Reply::Any);
        let start = |node: usize, at: At| Act::Start(node, at, Vec::new());
        match self {
            Self::Moved(node) => vec![Act::Stop(node), start(node, At::Fresh)],
            Self::AllMoved => {
                let stop = (0..NODES).map(Act::Stop);
                stop.chain((0..NODES).map(|node| start(node, At::Fresh))).collect()
            }
            Self::Killed(node) => vec![Act::Kill(node)],
            Self::MajorityKilled => vec![Act::Kill(0), Act::Kill(1)],
            Self::Frozen(node) => vec![Act::Freeze(node)],
            Self::SlotsDropped { on, first, count } => {
                let last = first + count;
                vec![send(on, format!("CLUSTER DELSLOTSRANGE {first} {last}"))]
            }
            Self::Open { from, to, slot, marks: (source, target) } => {
                let migrating = format!("CLUSTER SETSLOT {slot} MIGRATING {{id{to}}}");
                let importing = format!("CLUSTER SETSLOT {slot} IMPORTING {{id{from}}}");
                let all = [(target, send(to, importing)), (source, send(from, migrating))];
                all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, act)| act).collect()
            }
            Self::Forgotten { on, about } => {
                vec![send(on, format!("CLUSTER FORGET {{id{about}}}"))]
            }
            Self::Reborn(node) => {
                vec![Act::Stop(node), Act::Conf(node, ConfEdit::Delete), start(node, At::Same)]
            }
            Self::Stray(node) => vec![send(node, "DEBUG POPULATE 60 stray".to_owned())],
            Self::ReplicaReset(node) => vec![send(node, "CLUSTER RESET SOFT".to_owned())],
            Self::Bumped(node) => vec![send(node, "CLUSTER BUMPEPOCH".to_owned())],
            Self::NoFailover => vec![Act::SendAll(
                "CONFIG SET cluster-replica-no-failover yes".to_owned(),
                Reply::Any,
            )],
        }
    }
}

/// What became of one disaster.
#[derive(Clone, Debug)]
pub struct Disaster {
    /// What it was made from.
    pub seed: u64,
    /// The server.
    pub server: Server,
    /// What happened, a text each.
    pub faults: Vec<String>,
    /// How its recovery went; an error when the cluster could not be built or broken.
    pub healing: std::result::Result<Healing, String>,
}

impl Disaster {
    /// Healthy, or with a reason why not, and no key lost.
    pub fn is_fine(&self) -> bool {
        self.healing.as_ref().is_ok_and(|healing| match &healing.how {
            How::Healed => true,
            How::Refused(reasons) => !reasons.is_empty(),
            How::Lost(_) | How::Failed(_) => false,
        })
    }
}

/// Makes and recovers disasters with these seeds, `jobs` at a time; the server goes round with the
/// seed. Tells each as it is over.
pub fn run_all(
    seeds: std::ops::Range<u64>,
    servers: &[Server],
    binaries: &[Binary],
    jobs: usize,
    tell: &(dyn Fn(&Disaster) + Sync),
) -> Vec<Disaster> {
    let queue: Mutex<VecDeque<u64>> = Mutex::new(seeds.collect());
    let done = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    let servers = servers.iter().cycle();
                    let turn = usize::try_from(seed % 64).unwrap_or(0);
                    let Some(server) = servers.clone().nth(turn) else { return };
                    let disaster = run(seed, *server, binaries);
                    tell(&disaster);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(disaster);
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|disaster| disaster.seed);
    done
}

/// Makes one disaster and recovers from it.
pub fn run(seed: u64, server: Server, binaries: &[Binary]) -> Disaster {
    let mut rng = Rng::with_seed(seed);
    let count = rng.usize(2..=3);
    let mut faults: Vec<Fault> = Vec::new();
    while faults.len() < count {
        let fault = Fault::random(&mut rng);
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    let healing = stage(&faults, server, binaries).map_err(|error| error.chain());
    Disaster { seed, server, faults: faults.iter().map(ToString::to_string).collect(), healing }
}

fn stage(faults: &[Fault], server: Server, binaries: &[Binary]) -> Result<Healing> {
    let scenario = Scenario::of(PRIMARIES, 1).option("--appendonly yes").keys(KEYS);
    let mut cluster = Cluster::build(&scenario, server, binaries)?;
    cluster.act(&Act::Wait(Until::Settled, SETTLES_MS))?;
    for fault in faults {
        for act in fault.acts() {
            // What an earlier fault ended cannot be hit again.
            let _hit = cluster.act(&act);
        }
    }
    let onlooker = Onlooker::new(&mut cluster, &Look::default())?;
    let target = onlooker.target().clone();
    Ok(heal(&mut cluster, &target, (None, Must::RefuseOrPass), Risk::DropsCopy))
}
