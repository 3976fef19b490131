//! No key is lost because of us: every deletion is followed back to what led to it.
//!
//! A key is lost when its newest version is on no server and on no disk. The last deletion of that
//! version is the one that counts; its lineage are the commands of ours without which it would not
//! have come about: the command that deleted, or that gave the slot away, or that made the epoch
//! which won, or that brought the winner and the loser together, or that made a replica follow
//! somebody else. A lineage without a command of ours is the servers' own doing. What the user
//! agreed
//! to lose beforehand, the writes that a dead primary had not replicated, is no harm by us.

use std::collections::BTreeSet;

use slotwright_core::model::SlotSet;

use super::{Deed, Ledger, missing};
use crate::server::{Cause, Id, Key, slot_of};
use crate::world::{Deleted, World};

/// What led to deletions.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<'a> {
    /// The world, with what came to pass in it.
    pub world: &'a World,
    /// What we did.
    pub deeds: &'a [Deed],
    /// When we began.
    pub since: u64,
}

/// The lost keys that are lost because of us, and how. `without_us`: those that the same faults
/// cost when nobody does anything.
pub fn check(lineage: Lineage<'_>, ledger: &Ledger, without_us: &BTreeSet<Key>) -> Option<String> {
    let mut how = BTreeSet::new();
    let mut keys = 0;
    for key in missing(ledger, &lineage.world.all_keys()) {
        let version = ledger.get(&key).copied().unwrap_or(0);
        let Some(last) = lineage.last_deletion(key, version) else {
            how.insert("nothing says how".to_owned());
            keys += 1;
            continue;
        };
        // A server throws stray keys away when it starts, whoever has the slot meanwhile.
        if lineage.origin(last).cause == Cause::StartCheck && without_us.contains(&key) {
            continue;
        }
        let led = lineage.of(last);
        // A MEET only tells what gossip tells too, sooner or later.
        if led.iter().all(|deed| deed.joins.is_some()) && without_us.contains(&key) {
            continue;
        }
        // The user agreed to what a newer claim costs the one that it replaces, in the slots that
        // it takes: who makes the two meet later adds nothing to that.
        let claim_agreed = lineage.lost_the_slot(last)
            && led.iter().any(|deed| deed.agreed && deed.epoch.is_some());
        let allowed = |deed: &Deed| deed.agreed || (claim_agreed && deed.joins.is_some());
        if let Some(deed) = led.iter().find(|deed| !allowed(deed)) {
            keys += 1;
            how.insert(format!(
                "{:?} at node {}, because of {}",
                last.cause,
                last.node,
                deed.line()
            ));
        }
    }
    let how: Vec<String> = how.into_iter().take(3).collect();
    (keys > 0).then(|| format!("no harm: {keys} keys are gone: {}", how.join("; ")))
}

impl<'a> Lineage<'a> {
    /// The last copy that went. One that was moved lives on.
    fn last_deletion(&self, key: Key, version: u64) -> Option<&'a Deleted> {
        let of_it = |one: &&Deleted| one.key == key && one.version >= version;
        self.world.deleted.iter().filter(of_it).rfind(|one| one.cause != Cause::Moved)
    }

    /// Whether who had a deleted key had lost its very slot to a newer claim: a stray key goes
    /// with what it was beside.
    fn lost_the_slot(&self, one: &Deleted) -> bool {
        let slot = SlotSet::one(slot_of(one.key));
        self.world.lost.iter().any(|lost| {
            lost.node == one.node && lost.at <= one.at && !lost.slots.intersection(&slot).is_empty()
        })
    }

    /// The commands of ours that led to a deletion.
    pub fn of(&self, one: &Deleted) -> Vec<&'a Deed> {
        let slot = SlotSet::one(slot_of(one.key));
        match one.cause {
            Cause::Moved => Vec::new(),
            Cause::Command => self.deeds_at(one.at, Some(one.node)),
            Cause::Replaced => self.deeds_at(one.at, None),
            Cause::DirtySlot => self.claim(one.node, one.by, &slot, one.at),
            Cause::StartCheck => self.taken(one.node, one.by, &slot, one.at),
            Cause::FullSync => self.copied(one, &slot),
        }
    }

    fn deeds_at(&self, at: u64, node: Option<usize>) -> Vec<&'a Deed> {
        let there = |deed: &&Deed| deed.at == at && node.is_none_or(|node| deed.node == node);
        self.deeds.iter().filter(there).collect()
    }

    fn before(&self, at: u64) -> impl Iterator<Item = &'a Deed> {
        self.deeds.iter().filter(move |deed| deed.at <= at)
    }

    /// Whether both are of one shard: a replica that is elected inherits its primary's claims.
    fn akin(&self, one: Id, other: Id) -> bool {
        self.world.are_one_shard(one, other)
    }

    /// Who gave these slots to this node or its shard.
    fn gave(&self, to: Option<Id>, slots: &SlotSet, at: u64) -> Vec<&'a Deed> {
        let gives = |deed: &&Deed| {
            deed.gives.as_ref().is_some_and(|(whom, given)| {
                to.is_some_and(|to| self.akin(to, *whom)) && !given.intersection(slots).is_empty()
            })
        };
        self.before(at).filter(gives).collect()
    }

    /// Who made the slots foreign to the server that threw their keys away: they may have been that
    /// before, in its own table.
    fn taken(&self, node: usize, by: Option<Id>, slots: &SlotSet, at: u64) -> Vec<&'a Deed> {
        let free = |deed: &&Deed| {
            let foreign = deed.foreign.get(node);
            foreign.is_none_or(|foreign| !slots.difference(foreign).is_empty())
        };
        self.gave(by, slots, at).into_iter().filter(free).collect()
    }

    /// How the claim of a winner came to be greater than that of a loser who heard of it.
    fn claim(&self, loser: usize, to: Option<Id>, slots: &SlotSet, at: u64) -> Vec<&'a Deed> {
        let Some(winner) = to else { return Vec::new() };
        let own = self.world.nodes[loser].id;
        // Within a shard one inherits from the other: who gave it the slots has no part in that.
        // Nor has who gave it what was foreign to the loser then: that took it for its own later.
        let mut led =
            if self.akin(own, winner) { Vec::new() } else { self.taken(loser, to, slots, at) };
        let lost =
            |one: &&crate::world::Lost| one.node == loser && one.at == at && one.to == winner;
        let epoch = self.world.lost.iter().find(lost).map(|one| one.epoch);
        // A claim that the winner made by itself is not of what we did before it, or could know;
        // nor is one of the loser, to a slot that it had stray keys of: these had stayed.
        let took = self.took(winner, slots, at);
        let took = took.max(self.took(own, slots, at).filter(|_| !self.let_go(loser, at)));
        let after = |deed: &&'a Deed| took.is_none_or(|took| deed.known_at > took);
        led.extend(self.before(at).filter(after).filter(|deed| {
            let made = deed.id == winner && deed.epoch.is_some() && deed.epoch == epoch;
            let stood = deed.id == winner && deed.words.get(1).is_some_and(|w| w == "FAILOVER");
            let met = deed.joins.as_ref().is_some_and(|(these, those)| {
                (these.contains(&winner) && those.contains(&own))
                    || (those.contains(&winner) && these.contains(&own))
            });
            made || stood || met
        }));
        led
    }

    /// When a server last took one of these slots for its own, by itself.
    fn took(&self, who: Id, slots: &SlotSet, at: u64) -> Option<u64> {
        let itself = |(when, id, which): &&(u64, Id, SlotSet)| {
            *id == who && *when <= at && !which.intersection(slots).is_empty()
        };
        self.world.took.iter().rfind(itself).map(|(when, ..)| *when)
    }

    /// Whether we made a node let go of slots: what it takes then is of our doing.
    fn let_go(&self, node: usize, at: u64) -> bool {
        self.before(at).any(|deed| {
            let command = deed.words.get(1).map(String::as_str);
            deed.node == node && matches!(command, Some("DELSLOTS" | "DELSLOTSRANGE" | "RESET"))
        })
    }

    /// Why a replica took over data without the key: whom it follows, and why that one lacks it.
    fn copied(&self, one: &Deleted, slot: &SlotSet) -> Vec<&'a Deed> {
        let follows = |(at, node, _): &&(u64, usize, Id)| *node == one.node && *at <= one.at;
        let mut led = Vec::new();
        if let Some((at, node, _)) = self.world.followed.iter().rfind(follows)
            && *at >= self.since
        {
            led.extend(self.deeds_at(*at, Some(*node)));
            let lost =
                || self.world.lost.iter().filter(|lost| lost.node == *node && lost.at == *at);
            let all = lost().fold(SlotSet::new(), |all, lost| all.union(&lost.slots));
            let claims: Vec<(bool, Vec<&Deed>)> = lost()
                .map(|lost| {
                    // A stray key goes with the last of the slots that were its holder's own.
                    let takes_all = all.difference(&lost.slots).is_empty();
                    let takes_it = takes_all || !lost.slots.intersection(slot).is_empty();
                    (takes_it, self.claim(*node, Some(lost.to), &lost.slots, *at))
                })
                .collect();
            // It heard at the same moment that the servers had given the slot to somebody else.
            if !claims.iter().any(|(takes_it, deeds)| *takes_it && deeds.is_empty()) {
                led.extend(claims.into_iter().flat_map(|(_, deeds)| deeds));
            }
        }
        if let Some(first) = self.at_the_source(one) {
            led.extend(self.of(first));
        }
        led
    }

    /// Why the one that was copied lacked the key.
    fn at_the_source(&self, one: &Deleted) -> Option<&'a Deleted> {
        let source = self.world.nodes.iter().position(|node| Some(node.id) == one.by);
        let there = |other: &&Deleted| {
            Some(other.node) == source
                && other.key == one.key
                && (self.since..=one.at).contains(&other.at)
                && other.cause != Cause::FullSync
        };
        self.world.deleted.iter().rfind(there)
    }

    /// The deletion that a replica only repeated.
    fn origin(&self, one: &'a Deleted) -> &'a Deleted {
        match one.cause {
            Cause::FullSync => self.at_the_source(one).unwrap_or(one),
            _ => one,
        }
    }
}
