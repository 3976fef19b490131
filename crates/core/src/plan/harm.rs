//! How bad a state is, as an ordered tuple: what a step may never make worse comes first.
//!
//! [`Harm::of`] reads it off an observation with a census; the simulator fills the same tuple from
//! its world's truth and holds every step to [`Harm::risen_since`]. Invariants: pure; a greater
//! tuple is a worse state; nothing is guessed where somebody was silent or was not counted, that is
//! an [`Unknown`].
//!
//! Counts tell keys apart by slot only. So the figures about keys are what the counts prove: at
//! least so many are gone, at least so many have one copy.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::{Flag, NodeId, SlotSet};
use crate::observation::{Observation, Picture};

use super::live::{self, Live};

/// The harm in a state, worst kind first; compared in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Harm {
    /// Keys that were there and are nowhere.
    pub unrecoverable_keys: u64,
    /// Keys of which no shard has two copies.
    pub single_keys: u64,
    /// Slots that no primary serves.
    pub unservable_slots: u16,
    /// Slots that two primaries claim.
    pub contested_slots: u16,
    /// Votes that are missing to a majority; below zero: voters to spare.
    pub votes_short: i64,
    /// Slots that are on their way between two nodes.
    pub open_slots: u16,
    /// Nodes whose table gives slots to other owners than most tables do.
    pub disagreeing: usize,
    /// Owners of slots that no replica follows.
    pub lone_primaries: usize,
}

/// Which of the first three figures is greater than it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rise {
    /// Keys are gone.
    Unrecoverable {
        /// How many more.
        keys: u64,
    },
    /// Keys have one copy now.
    Single {
        /// How many more.
        keys: u64,
    },
    /// Slots are served by nobody now.
    Unservable {
        /// How many more.
        slots: u16,
    },
}

impl fmt::Display for Rise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unrecoverable { keys } => write!(f, "{keys} keys are gone"),
            Self::Single { keys } => write!(f, "{keys} more keys have one copy"),
            Self::Unservable { slots } => write!(f, "{slots} more slots are served by nobody"),
        }
    }
}

/// Why the harm cannot be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// A member shows no table.
    Silent(NodeId),
    /// The keys of a node were not counted in all slots.
    NotCounted(NodeId),
    /// An id answers from two processes.
    Twice(String),
}

/// The most keys of each slot that any one node was seen to hold: so many there were.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ledger {
    most: BTreeMap<u16, u64>,
}

impl Ledger {
    /// Takes in what an observation counted. Silent nodes change nothing.
    pub fn take(&mut self, seen: &Observation) {
        let counted = seen.sightings.iter().filter_map(|sighting| sighting.census.get());
        for (slot, keys) in counted.flat_map(|census| census.keys.iter().copied()) {
            let most = self.most.entry(slot).or_default();
            *most = keys.max(*most);
        }
    }
}

impl Harm {
    /// The harm that an observation shows; `ledger` says what there was.
    ///
    /// # Errors
    /// When somebody was silent or not counted.
    pub fn of(seen: &Observation, ledger: &Ledger) -> Result<Self, Unknown> {
        let picture = Picture::new(seen);
        if let Some(silent) = picture.silent_members().first() {
            return Err(Unknown::Silent(*silent));
        }
        let live = live::all(&picture).map_err(|why| Unknown::Twice(why.text))?;
        let counted = |node: &Live<'_>| node.census().is_some_and(|c| c.counted == SlotSet::all());
        if let Some(node) = live.iter().find(|node| !counted(node)) {
            return Err(Unknown::NotCounted(node.id));
        }
        let shards = counts(&live);
        let (served, contested) = claims(&live);
        let owners: BTreeSet<NodeId> = picture.voters().into_iter().collect();
        let alive = owners.iter().filter(|id| picture.is_alive(**id)).count();
        let majority = owners.len() / 2 + 1;
        let open: BTreeSet<u16> =
            live.iter().flat_map(|node| node.own.open.iter().map(|o| o.slot().get())).collect();
        Ok(Self {
            unrecoverable_keys: gone(&shards, ledger),
            single_keys: single(&shards),
            unservable_slots: served.complement().len(),
            contested_slots: contested.len(),
            votes_short: signed(majority) - signed(alive),
            open_slots: u16::try_from(open.len()).unwrap_or(u16::MAX),
            disagreeing: picture.opinions().iter().skip(1).map(|opinion| opinion.by.len()).sum(),
            lone_primaries: owners.iter().filter(|id| !is_followed(&live, **id)).count(),
        })
    }

    /// The worst of the first three that is greater than before: what no step of ours may do.
    pub fn risen_since(&self, before: &Self) -> Option<Rise> {
        let more = |now: u64, then: u64| now.checked_sub(then).filter(|more| *more > 0);
        if let Some(keys) = more(self.unrecoverable_keys, before.unrecoverable_keys) {
            return Some(Rise::Unrecoverable { keys });
        }
        if let Some(keys) = more(self.single_keys, before.single_keys) {
            return Some(Rise::Single { keys });
        }
        let slots = self.unservable_slots.saturating_sub(before.unservable_slots);
        (slots > 0).then_some(Rise::Unservable { slots })
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Of each slot with keys: what the members of each shard hold.
fn counts(live: &[Live<'_>]) -> BTreeMap<u16, BTreeMap<NodeId, Vec<u64>>> {
    let mut shards: BTreeMap<u16, BTreeMap<NodeId, Vec<u64>>> = BTreeMap::new();
    for node in live {
        let shard = node.own.primary.unwrap_or(node.id);
        for (slot, keys) in node.census().map(|c| c.keys.as_slice()).unwrap_or_default() {
            shards.entry(*slot).or_default().entry(shard).or_default().push(*keys);
        }
    }
    shards
}

/// Shards may hold different keys of a slot, the members of one hold the same: there are at most
/// as many as the fullest member of each has together.
fn gone(shards: &BTreeMap<u16, BTreeMap<NodeId, Vec<u64>>>, ledger: &Ledger) -> u64 {
    let fullest = |held: &Vec<u64>| held.iter().copied().max().unwrap_or(0);
    let there = |slot: &u16| -> u64 {
        shards.get(slot).map_or(0, |shards| shards.values().map(fullest).sum())
    };
    ledger.most.iter().map(|(slot, most)| most.saturating_sub(there(slot))).sum()
}

/// What the fullest member of a shard has more than the next, where no other shard has as many.
fn single(shards: &BTreeMap<u16, BTreeMap<NodeId, Vec<u64>>>) -> u64 {
    let of_slot = |shards: &BTreeMap<NodeId, Vec<u64>>| -> u64 {
        let doubled = |held: &Vec<u64>| {
            let mut held = held.clone();
            held.sort_unstable();
            let next = held.len().checked_sub(2).and_then(|at| held.get(at).copied());
            (held.last().copied().unwrap_or(0), next.unwrap_or(0))
        };
        let most = shards.values().map(|held| doubled(held).0).max().unwrap_or(0);
        let safe: u64 = shards.values().map(|held| doubled(held).1).sum();
        most.saturating_sub(safe)
    };
    shards.values().map(of_slot).sum()
}

/// The slots that some primary claims for itself, and those that two do.
fn claims(live: &[Live<'_>]) -> (SlotSet, SlotSet) {
    live.iter().fold((SlotSet::new(), SlotSet::new()), |(served, contested), node| {
        let own = node.claims();
        (served.union(&own), contested.union(&served.intersection(&own)))
    })
}

/// A replica counts once it has the data: while it copies, it may have nothing.
fn is_followed(live: &[Live<'_>], primary: NodeId) -> bool {
    live.iter().any(|node| {
        let copies = node.own.primary == Some(primary) && node.own.flags.has(Flag::Replica);
        let info = node.sighting.info.get();
        copies && info.is_some_and(|info| info.is("master_link_status", "up"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slot;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, LinkState, OpenSlot, Said, Silence};

    /// Primaries 0 to 2, their replicas 3 to 5; slot 5 is node 0's.
    fn counted(keys: [&[(u16, u64)]; 6]) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for (node, keys) in sketch.nodes.iter_mut().zip(keys) {
            let census = Census { counted: SlotSet::all(), keys: keys.to_vec() };
            node.sighting.census = Said::This(census);
        }
        sketch
    }

    fn harm(sketch: &Sketch, ledger: &Ledger) -> Harm {
        Harm::of(&sketch.build(), ledger).expect("all was said")
    }

    fn ledger(sketch: &Sketch) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.take(&sketch.build());
        ledger
    }

    const WHOLE: [&[(u16, u64)]; 6] = [&[(5, 3)], &[], &[], &[(5, 3)], &[], &[]];

    #[test]
    fn a_healthy_cluster_has_one_voter_to_spare_and_no_harm() {
        let sketch = counted(WHOLE);
        let expected = Harm { votes_short: -1, ..Harm::default() };
        assert_eq!(harm(&sketch, &ledger(&sketch)), expected);
    }

    #[test]
    fn keys_that_were_there_and_are_nowhere_are_gone() {
        let before = counted(WHOLE);
        let after = counted([&[(5, 1)], &[], &[], &[(5, 1)], &[], &[]]);
        let (ledger, was) = (ledger(&before), harm(&before, &Ledger::default()));
        let now = harm(&after, &ledger);
        assert_eq!(now.unrecoverable_keys, 2);
        assert_eq!(now.risen_since(&was), Some(Rise::Unrecoverable { keys: 2 }));
        assert_eq!(was.risen_since(&now), None, "less harm is no rise");
        assert!(now > was);
    }

    #[test]
    fn keys_on_their_way_are_not_gone() {
        let before = counted(WHOLE);
        let after = counted([&[(5, 1)], &[(5, 2)], &[], &[(5, 1)], &[(5, 2)], &[]]);
        assert_eq!(harm(&after, &ledger(&before)).unrecoverable_keys, 0);
        assert_eq!(harm(&after, &ledger(&before)).single_keys, 0);
    }

    #[test]
    fn a_copy_less_makes_keys_single() {
        let after = counted([&[(5, 3)], &[], &[], &[(5, 1)], &[], &[]]);
        let now = harm(&after, &Ledger::default());
        assert_eq!(now.single_keys, 2);
        let was = harm(&counted(WHOLE), &Ledger::default());
        assert_eq!(now.risen_since(&was), Some(Rise::Single { keys: 2 }));
    }

    #[test]
    fn slots_without_and_with_two_owners_are_told_apart() {
        let mut sketch = counted(WHOLE);
        sketch.row(0, 0, |row| row.slots = row.slots.difference(&SlotSet::range(0, 3)));
        let now = harm(&sketch, &Ledger::default());
        assert_eq!((now.unservable_slots, now.contested_slots), (4, 0));
        assert_eq!(now.disagreeing, 1);
        let was = harm(&counted(WHOLE), &Ledger::default());
        assert_eq!(now.risen_since(&was), Some(Rise::Unservable { slots: 4 }));
        sketch.row(1, 1, |row| row.slots = row.slots.union(&SlotSet::range(2, 6)));
        let now = harm(&sketch, &Ledger::default());
        assert_eq!((now.unservable_slots, now.contested_slots), (2, 3));
    }

    #[test]
    fn a_replica_that_still_copies_does_not_count() {
        let mut sketch = counted(WHOLE);
        sketch.info(3, "master_link_status", "down");
        assert_eq!(harm(&sketch, &Ledger::default()).lone_primaries, 1);
    }

    #[test]
    fn an_open_slot_is_counted_once() {
        let mut sketch = counted(WHOLE);
        let slot = Slot::new(5).expect("a slot");
        let (from, to) = (Sketch::id(0), Sketch::id(1));
        sketch.row(0, 0, |row| row.open.push(OpenSlot::Migrating { slot, to }));
        sketch.row(1, 1, |row| row.open.push(OpenSlot::Importing { slot, from }));
        assert_eq!(harm(&sketch, &Ledger::default()).open_slots, 1);
    }

    #[test]
    fn the_order_of_the_tuple_is_the_order_of_the_harm() {
        let gone = Harm { unrecoverable_keys: 1, ..Harm::default() };
        let unserved = Harm { unservable_slots: 16_384, single_keys: 9, ..Harm::default() };
        assert!(gone > unserved);
        let short = Harm { votes_short: 1, ..Harm::default() };
        assert_eq!(short.risen_since(&Harm::default()), None, "not of the first three");
    }

    #[test]
    fn silence_is_no_figure() {
        let mut sketch = counted(WHOLE);
        sketch.silence(3, Silence::TimedOut, None);
        let told = Harm::of(&sketch.build(), &Ledger::default());
        assert_eq!(told, Err(Unknown::Silent(Sketch::id(3))));
        let mut sketch = counted(WHOLE);
        sketch.nodes[2].sighting.census = Said::default();
        sketch.flagged(2, Flag::Suspected, LinkState::Connected);
        let told = Harm::of(&sketch.build(), &Ledger::default());
        assert_eq!(told, Err(Unknown::NotCounted(Sketch::id(2))));
    }
}
