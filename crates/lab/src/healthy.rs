//! Looks at clusters with which nothing is wrong. Whatever is found there is a false alarm.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slotwright_core::diagnose::Found;
use slotwright_core::model::Slot;
use slotwright_core::scenario::{Act, At, Look, Scenario, Server, Until};

use crate::cluster::Cluster;
use crate::error::Result;
use crate::look::Onlooker;
use crate::run::{BETWEEN_LOOKS, grave};
use crate::servers::Binary;

/// Primaries, and replicas of each.
const SHAPES: [(usize, usize); 3] = [(3, 0), (3, 1), (6, 1)];
/// From this time after a failover on, nothing may be found.
const AFTER_FAILOVER: Duration = Duration::from_secs(2);
/// Looks at each situation.
const LOOKS: usize = 3;
/// How long a failover may take to settle.
const SETTLE_MS: u32 = 30_000;

/// What was found on a healthy cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// `3+3`: primaries and replicas.
    pub shape: String,
    /// The server.
    pub server: Server,
    /// `at rest`, `under load`, ...
    pub situation: String,
    /// The false alarms: root causes above Info, of any look.
    pub alarms: Vec<Found>,
    /// Why the situation did not come about, if it did not.
    pub broken: Option<String>,
}

impl Health {
    /// Whether it is as it should be.
    pub const fn is_fine(&self) -> bool {
        self.alarms.is_empty() && self.broken.is_none()
    }
}

/// Looks at healthy clusters of each shape on each of these servers, `jobs` at a time, and tells
/// what it found in each situation.
pub fn look_at_all(
    binaries: &[Binary],
    jobs: usize,
    tell: &(dyn Fn(&Health) + Sync),
) -> Vec<Health> {
    let all = SHAPES.into_iter().flat_map(|shape| binaries.iter().map(move |b| (shape, b)));
    let queue: Mutex<VecDeque<_>> = Mutex::new(all.collect());
    let done = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some((shape, binary)) = next() {
                    let health = look_at(shape, binary, binaries, tell);
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(health);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One healthy cluster in all its situations, one after the other.
fn look_at(
    shape: (usize, usize),
    binary: &Binary,
    binaries: &[Binary],
    tell: &(dyn Fn(&Health) + Sync),
) -> Vec<Health> {
    let (primaries, replicas_each) = shape;
    let mut all = Vec::new();
    let mut note = |situation: &str, looked: Result<Vec<Found>>| {
        let (alarms, broken) = match looked {
            Ok(alarms) => (alarms, None),
            Err(error) => (Vec::new(), Some(error.chain())),
        };
        let health = Health {
            shape: format!("{primaries}+{}", primaries * replicas_each),
            server: binary.server,
            situation: situation.to_owned(),
            alarms,
            broken,
        };
        tell(&health);
        all.push(health);
    };
    let scenario = Scenario::of(primaries, replicas_each).keys(2_000);
    match Cluster::build(&scenario, binary.server, binaries) {
        Err(error) => note("built", Err(error)),
        Ok(mut cluster) => {
            note("at rest", alarms(&mut cluster));
            if replicas_each > 0 {
                note("after a manual failover", after_manual_failover(&mut cluster, primaries));
                note("after a crash and a return", after_crash(&mut cluster, primaries));
            }
            note("under load", under_load(&mut cluster, primaries));
        }
    }
    all
}

fn after_manual_failover(cluster: &mut Cluster, primaries: usize) -> Result<Vec<Found>> {
    let replica = primaries;
    let acts = Scenario::of(0, 0)
        .send(replica, "CLUSTER FAILOVER")
        .wait(Until::Field(replica, "role", "master"))
        .act(Act::Wait(Until::Settled, SETTLE_MS))
        .acts;
    acts.iter().try_for_each(|act| cluster.act(act))?;
    std::thread::sleep(AFTER_FAILOVER);
    alarms(cluster)
}

fn after_crash(cluster: &mut Cluster, primaries: usize) -> Result<Vec<Found>> {
    let (primary, replica) = (1, primaries + 1);
    let acts = Scenario::of(0, 0)
        .kill(primary)
        .act(Act::Wait(Until::Field(replica, "role", "master"), SETTLE_MS))
        .start(primary, At::Same)
        .act(Act::Wait(Until::Field(primary, "role", "slave"), SETTLE_MS))
        .act(Act::Wait(Until::Settled, SETTLE_MS))
        .acts;
    acts.iter().try_for_each(|act| cluster.act(act))?;
    std::thread::sleep(AFTER_FAILOVER);
    alarms(cluster)
}

/// Writes to every node for the keys of every shard: who does not own one refuses it, which is
/// what a client with an old map does as well.
fn under_load(cluster: &mut Cluster, primaries: usize) -> Result<Vec<Found>> {
    let keys: Vec<String> = (0..200).map(|number| format!("load:{number}")).collect();
    let nodes = cluster.addresses(&[]);
    for (number, address) in nodes.into_iter().enumerate() {
        let mine = keys.iter().filter(|key| {
            usize::from(Slot::of_key(key.as_bytes()).get()) * primaries / 16_384
                == number % primaries
        });
        let commands =
            mine.map(|key| vec!["SET".to_owned(), key.clone(), "x".repeat(512)]).collect();
        cluster.background.repeat(address, commands, Duration::from_millis(1));
    }
    alarms(cluster)
}

fn alarms(cluster: &mut Cluster) -> Result<Vec<Found>> {
    let mut onlooker = Onlooker::new(cluster, &Look::default())?;
    let mut alarms: Vec<Found> = Vec::new();
    for _ in 0..LOOKS {
        for found in grave(&onlooker.look()?) {
            if !alarms.iter().any(|known| known.code == found.code) {
                alarms.push(found.clone());
            }
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    Ok(alarms)
}
