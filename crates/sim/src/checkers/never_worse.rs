//! No step makes anything worse, not for a moment: the first three figures of [`Harm`], read off
//! the world's truth right before and right after a command of ours.
//!
//! A replica whose link stands, or is about to stand, counts as holding what its source holds: that
//! is what it will have a tick later.

use std::collections::{BTreeMap, BTreeSet};

use slotwright_core::model::SlotSet;
use slotwright_core::plan::harm::Harm;

use super::{Ledger, missing};
use crate::server::{Id, Key};
use crate::world::World;

/// Every server dials those whom it does not reach so often (`clusterCron`, ten times a second).
const DIALLED_WITHIN_MS: u64 = 100;

/// The harm in the world. The figures about votes and views are no part of it.
pub fn truth(world: &World, ledger: &Ledger, with_keys: bool) -> Harm {
    let mut harm = Harm::default();
    (harm.unservable_slots, harm.contested_slots) = slots(world);
    if with_keys {
        harm.unrecoverable_keys = missing(ledger, &world.all_keys()).len() as u64;
        harm.single_keys = single(world, ledger);
    }
    harm
}

/// Whether a command may change who has which keys.
pub fn touches_keys(words: &[String]) -> bool {
    let quiet = ["MEET", "FORGET", "ADDSLOTS", "ADDSLOTSRANGE", "DELSLOTS", "DELSLOTSRANGE"];
    let verb = words.get(1).map(String::as_str).unwrap_or_default();
    !quiet.contains(&verb) && !words.iter().any(|word| word == "STABLE" || word == "BUMPEPOCH")
}

/// What a command made worse. Where the claims changed by themselves since its guard was read right
/// before, at `guarded`, nobody could have known what it does now.
///
/// A key that goes to the owner of its slot has as many copies there as the owner has replicas:
/// where it was nobody could read it, so MIGRATE may leave one copy of it.
pub fn check(
    before: &Harm,
    after: &Harm,
    words: &[String],
    guarded: Option<&Fence>,
) -> Option<String> {
    let mut after = *after;
    if guarded.is_some_and(|then| then.slots != (before.unservable_slots, before.contested_slots)) {
        after.unservable_slots = after.unservable_slots.min(before.unservable_slots);
        after.contested_slots = after.contested_slots.min(before.contested_slots);
    }
    if words.first().is_some_and(|word| word == "MIGRATE") {
        after.single_keys = after.single_keys.min(before.single_keys);
    }
    let rise = after.risen_since(before)?;
    let line: String = words.join(" ").chars().take(60).collect();
    Some(format!("never worse: {rise} through {line}"))
}

/// What is so when a guard is read: what forbids a failover, and how slots are claimed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fence {
    /// How many are served by nobody, and how many are claimed twice.
    slots: (u16, u16),
    /// How many voters hear each primary that lives.
    heard: BTreeMap<usize, usize>,
    /// The replicas that the servers are about to elect.
    elected: BTreeSet<usize>,
}

impl Fence {
    /// As it stands now.
    pub fn now(world: &World) -> Self {
        let all = || 0..world.nodes.len();
        let voters = |primary: usize| {
            let hears = move |other: &usize| {
                let voter = &world.nodes[*other];
                let cut = world.cut.contains(&(primary, *other))
                    || world.cut.contains(&(*other, primary));
                voter.is_live() && voter.votes() && !cut && finds(world, primary, *other)
            };
            all().filter(hears).count()
        };
        // Of a circle of replicas none is a primary. One that started a moment ago nobody has
        // dialled yet.
        let leads = |n: &usize| {
            let node = &world.nodes[*n];
            let dialled = world.now >= node.started_at + DIALLED_WITHIN_MS;
            node.primary.is_none() && node.is_live() && dialled
        };
        let stands = |n: usize| {
            let election = &world.nodes[n].election;
            election.asked && (election.manual || world.is_fresh(n))
        };
        let elected = |n: &usize| stands(*n) && world.can_be_elected(*n);
        Self {
            slots: slots(world),
            heard: all().filter(leads).map(|n| (n, voters(n))).collect(),
            elected: all().filter(elected).collect(),
        }
    }

    fn is_heard(&self, primary: usize, quorum: usize) -> bool {
        self.heard.get(&primary).is_some_and(|voters| *voters >= quorum)
    }
}

/// Whether one of the two has the other where it lives. A primary that comes back elsewhere, and
/// seeks the others where they were, is heard by nobody.
fn finds(world: &World, primary: usize, voter: usize) -> bool {
    let has = |on: usize, about: usize| {
        let row = world.nodes[on].peer(world.nodes[about].id);
        row.is_some_and(|row| row.addr == Some(world.nodes[about].addr))
    };
    primary == voter || has(primary, voter) || has(voter, primary)
}

/// Why a failover is none of ours to order: its primary lives among a majority, or the servers are
/// at it themselves. What was otherwise when the guard was read right before, at `guarded`, nobody
/// could have known.
pub fn usurps(
    world: &World,
    n: usize,
    words: &[String],
    guarded: Option<&Fence>,
) -> Option<String> {
    let node = &world.nodes[n];
    let forced = words.iter().any(|word| word == "TAKEOVER" || word == "FORCE");
    if words.get(1).is_none_or(|word| word != "FAILOVER") || !forced {
        return None;
    }
    let primary = node.primary.and_then(|id| world.nodes.iter().position(|node| node.id == id))?;
    let now = Fence::now(world);
    let guarded = guarded.unwrap_or(&now);
    let quorum = node.quorum();
    if now.is_heard(primary, quorum) && guarded.is_heard(primary, quorum) {
        return Some(format!(
            "never worse: takes over from node {primary}, which lives and is heard"
        ));
    }
    // The same order by another run of ours only begins it anew.
    let again = node.election.manual && words.iter().any(|word| word == "FORCE");
    let decided = now.elected.contains(&n) && guarded.elected.contains(&n) && !again;
    decided.then(|| format!("never worse: node {n} takes over while it is being elected"))
}

/// How many slots no living primary claims for itself, and how many two claim.
fn slots(world: &World) -> (u16, u16) {
    let living = world.nodes.iter().filter(|node| node.is_live() && node.primary.is_none());
    let none = (SlotSet::new(), SlotSet::new());
    let (served, contested) = living.fold(none, |(served, contested), node| {
        (served.union(&node.slots), contested.union(&served.intersection(&node.slots)))
    });
    (served.complement().len(), contested.len())
}

/// What a server will have a tick later.
fn data(world: &World, n: usize) -> &BTreeMap<Key, u64> {
    let node = &world.nodes[n];
    let source = node.primary.and(node.master).and_then(|addr| world.listener(addr));
    let copies = |from: &usize| {
        *from != n && world.nodes[*from].is_live() && !world.cut.contains(&(n, *from))
    };
    match source.filter(copies) {
        Some(from) if node.is_live() => &world.nodes[from].keys,
        _ => &node.keys,
    }
}

/// Keys of which no shard has two copies.
fn single(world: &World, ledger: &Ledger) -> u64 {
    let mut shards: BTreeMap<Id, Vec<&BTreeMap<Key, u64>>> = BTreeMap::new();
    for (n, node) in world.nodes.iter().enumerate() {
        // A dead primary's disk stays a copy of its shard when its replica has taken over.
        let shard = node.shard.or(node.primary).unwrap_or(node.id);
        shards.entry(shard).or_default().push(data(world, n));
    }
    let copies = |key: &Key, version: &u64| {
        let in_shard = |held: &Vec<&BTreeMap<Key, u64>>| {
            held.iter().filter(|keys| keys.get(key).is_some_and(|own| own >= version)).count()
        };
        shards.values().map(in_shard).max().unwrap_or(0)
    };
    ledger.iter().filter(|(key, version)| copies(key, version) == 1).count() as u64
}
