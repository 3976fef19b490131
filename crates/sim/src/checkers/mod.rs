//! What must hold whatever befalls a cluster, one file for each property.
//!
//! A checker is a small pure thing: it is shown the world's truth and what the tool did, and says
//! in words what must not be, its own name first. It never looks with the tool's eyes, and it
//! changes nothing.
//! [`crate::trial`] stages a schedule and calls them.

pub mod bounded;
pub mod crash_safe;
pub mod exclusive;
pub mod idempotent;
pub mod never_worse;
pub mod no_harm;
pub mod read_only;
pub mod stable;

use std::collections::{BTreeMap, BTreeSet};

use slotwright_core::model::{NodeId, Slot, SlotSet};

use crate::commands::{Answer, addr_of, id_of};
use crate::server::{Id, Key, slot_of};
use crate::world::World;

/// The checker that speaks in a violation: each begins with the name of its property.
pub fn speaker(violation: &str) -> &str {
    violation.split(':').next().unwrap_or_default()
}

/// The keys that must not be lost, each with the newest version of its value.
pub type Ledger = BTreeMap<Key, u64>;

/// The keys of a ledger that are there no more, or with an older value only.
pub fn missing(ledger: &Ledger, now: &Ledger) -> BTreeSet<Key> {
    let gone = |key: &Key, version: &u64| now.get(key).is_none_or(|there| there < version);
    ledger.iter().filter(|(key, version)| gone(key, version)).map(|(key, _)| *key).collect()
}

/// A command of ours that a server got, with what it had to do with later events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deed {
    /// When.
    pub at: u64,
    /// When its guard was read: what came to pass after that, nobody could know.
    pub known_at: u64,
    /// Which server got it.
    pub node: usize,
    /// Its id then.
    pub id: Id,
    /// The command.
    pub words: Vec<String>,
    /// The config epoch that it made, if it made one.
    pub epoch: Option<u64>,
    /// Whom it gave which slots.
    pub gives: Option<(Id, SlotSet)>,
    /// Of these, what each server's table gave to another shard than its own already, and what it
    /// neither owned nor had a key of: one that came later was a stray key from its first moment.
    pub foreign: Vec<SlotSet>,
    /// The user agreed to lose what only the dropped copy has.
    pub agreed: bool,
    /// It brought nodes together that did not know each other: these, and those.
    pub joins: Option<(BTreeSet<Id>, BTreeSet<Id>)>,
}

impl Deed {
    /// Sends a command of ours, and keeps what must be known of it.
    pub fn carry_out(world: &mut World, n: usize, words: &[String], log: &mut Vec<Self>) -> Answer {
        let (id, before) = (world.nodes[n].id, world.nodes[n].config_epoch);
        let joins = joined(world, n, words);
        let gives = given(id, words);
        let foreign = gives.as_ref().map(|(_, slots)| foreign(world, slots)).unwrap_or_default();
        let answer = world.command(n, words);
        let after = world.nodes[n].config_epoch;
        log.push(Self {
            at: world.now,
            known_at: world.now,
            node: n,
            id,
            words: words.to_vec(),
            epoch: (after != before).then_some(after),
            gives: gives.filter(|_| answer.is_ok()),
            foreign,
            agreed: false,
            joins,
        });
        answer
    }

    /// The command as one line.
    pub fn line(&self) -> String {
        let line = self.words.join(" ");
        let short: String = line.chars().take(60).collect();
        format!("{} at node {}: {short}", self.at, self.node)
    }
}

/// Whom a command gives slots, and which.
fn given(own: Id, words: &[String]) -> Option<(Id, SlotSet)> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["CLUSTER", "ADDSLOTS", slots @ ..] => {
            let numbers = slots.iter().filter_map(|slot| slot.parse().ok());
            Some((own, numbers.filter_map(Slot::new).collect()))
        }
        ["CLUSTER", "ADDSLOTSRANGE", ends @ ..] => {
            let mut slots = SlotSet::new();
            for pair in ends.chunks(2) {
                let [first, last] = pair else { continue };
                slots.insert(first.parse().ok()?, last.parse().ok()?);
            }
            Some((own, slots))
        }
        ["CLUSTER", "SETSLOT", slot, "NODE", id] => {
            let to = id_of(NodeId::parse(id.as_bytes()).ok()?);
            Some((to, SlotSet::one(Slot::new(slot.parse().ok()?)?)))
        }
        _ => None,
    }
}

/// What each server gives to another shard, or neither owns nor has a key of, of these slots.
fn foreign(world: &World, slots: &SlotSet) -> Vec<SlotSet> {
    let others = |node: &crate::server::Node| {
        let own = node.slots_of(node.primary.unwrap_or(node.id));
        let held: SlotSet = node.keys.keys().map(|key| slot_of(*key)).collect();
        let given = slots.intersection(&node.assigned().difference(&own));
        given.union(&slots.difference(&held).difference(&own))
    };
    world.nodes.iter().map(others).collect()
}

/// The two groups that a MEET brings together, when neither end knows the other.
fn joined(world: &World, n: usize, words: &[String]) -> Option<(BTreeSet<Id>, BTreeSet<Id>)> {
    let [cluster, meet, ip, ..] = words else { return None };
    if (cluster.as_str(), meet.as_str()) != ("CLUSTER", "MEET") {
        return None;
    }
    let other = world.listener(addr_of(ip)?)?;
    let (here, there) = (&world.nodes[n], &world.nodes[other]);
    let strangers = here.peer(there.id).is_none() && there.peer(here.id).is_none();
    let group = |n: usize| -> BTreeSet<Id> {
        let node = &world.nodes[n];
        let known = node.peers.iter().filter(|peer| peer.handshake.is_none());
        known.map(|peer| peer.id).chain([node.id]).collect()
    };
    strangers.then(|| (group(n), group(other)))
}
