//! A primary holds keys of slots that it does not own.

use super::counted::{self, brief, keys_in};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, Slot, SlotSet};
use crate::observation::{OpenSlot, Picture};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// A primary holds keys of slots that belong to somebody else, and the owner holds none of
    /// them. No client can reach these keys: whoever asks for them is sent to the owner with
    /// `MOVED` and gets nothing. `DBSIZE`, `SCAN` and the memory of the node still count them, so
    /// sums look right while reads miss.
    ///
    /// ## How it comes about
    /// A slot was given away without its keys (`SETSLOT NODE` on the target alone, `ADDSLOTS` by a
    /// repair tool, a takeover), a reshard was interrupted and its marks were removed with
    /// `SETSLOT STABLE`, a snapshot was restored to a node that owns other slots, or keys were
    /// loaded past the ownership check.
    ///
    /// ## What we look at
    /// The number of keys in each slot on each primary (`CLUSTER COUNTKEYSINSLOT`), against the
    /// slots that the primary itself claims, imports or migrates. An import whose other side, heard
    /// itself, owns the slot and moves it to nobody is none: up to Redis 8.2 a node that starts
    /// with keys of foreign slots marks them so. Slots in an atomic migration are left out. *Near
    /// it:* both sides hold keys of the slot (KEY_ON_TWO_PRIMARIES); both marks of the move still
    /// stand (SLOT_OPEN); the node is in no cluster (ORPHAN_DATA_NODE).
    ///
    /// ## The repair
    /// Bring the keys to the owner: mark the slot as importing at the holder, which lets it run
    /// MIGRATE on the slot, migrate the keys to the owner, take the mark away. Tried on Redis
    /// 7.0.15, 8.2.3 and Valkey 9.1.2. If the keys are known to be rubbish, they are deleted
    /// instead.
    ///
    /// ## Repair safety
    /// MIGRATE keeps one copy at every moment and, without REPLACE, refuses to overwrite a key
    /// that the owner has meanwhile. **Do not restart the holder first:** Valkey since 8.0 and
    /// Redis since 8.4 delete such keys when they start (`verifyClusterConfigWithData`); older
    /// ones mark the slots as importing and keep them.
    ///
    /// ## By hand
    /// For each slot the printed steps; `GETKEYSINSLOT` lists the names.
    pub struct KeysInForeignSlot { node: NodeId, slots: SlotSet, keys: u64 }
    group: Data, severity: Error,
    after: [OwnerDisownsSlots, SlotOwnerDisagreement, SlotClaimedTwice],
    repair: [Claim, Gather], since: "0.1",
}

impl Finding for KeysInForeignSlot {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let counted = counted::primaries(seen);
        let occupied: Vec<(NodeId, SlotSet)> =
            counted.iter().map(|one| (one.id, one.census.occupied())).collect();
        for one in &counted {
            let stranded = imported_alone(seen, one.id).intersection(&one.census.occupied());
            let mut slots = one.foreign.union(&stranded);
            for (_, others) in occupied.iter().filter(|(id, _)| *id != one.id) {
                slots = slots.difference(others);
            }
            if slots.is_empty() {
                continue;
            }
            let keys = keys_in(one.census, &slots);
            let says = format!("{keys} keys in slots {}, none of which is mine", brief(&slots));
            out.push(
                Self { node: one.id, slots: slots.clone(), keys },
                Subject::node(one.id).with_slots(slots),
                [Evidence::first_hand(one.sighting, says)],
            );
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} keys in slots {} are out of reach: they lie at a primary that does not own them, {}",
            self.keys,
            brief(&self.slots),
            seen.name(self.node)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let Some(slot) = self.slots.first() else { return ByHand::of(Risk::ReadOnly) };
        let holder = seen.endpoint(self.node);
        let hand = ByHand::of(Risk::MovesOwnership)
            .command(holder.clone(), format!("CLUSTER GETKEYSINSLOT {slot} 100"))
            .check("whether these keys are wanted; the same steps apply to each of the slots");
        let hand = match owner_of(seen, slot, self.node) {
            Some(owner) => to_owner(hand, seen, slot, self.node, owner),
            None => hand.then(format!(
                "nobody owns slot {slot}: give it to the node that holds its keys, with CLUSTER \
                 ADDSLOTS {slot} there"
            )),
        };
        hand.never(
            "restart the holder before its keys are moved: Valkey since 8.0 and Redis since \
                    8.4 delete keys of foreign slots at the start",
        )
        .never("MIGRATE with REPLACE before both copies were compared")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).bare().send(0, "DEBUG POPULATE 60 stray").census()
    }
}

/// Slots that this node imports, by its own words, while their owner moves them to nobody, by its
/// own. The owner answers for them alone, and redirects nobody (`getNodeByQuery`).
fn imported_alone(seen: &Picture<'_>, importer: NodeId) -> SlotSet {
    let alone = |mark: &&OpenSlot| {
        let OpenSlot::Importing { slot, from } = **mark else { return false };
        let owner = seen.own_row(from).filter(|row| row.slots.contains(slot));
        owner.is_some_and(|row| !row.open.contains(&OpenSlot::Migrating { slot, to: importer }))
    };
    let marks = seen.own_row(importer).into_iter().flat_map(|row| &row.open);
    marks.filter(alone).map(|mark| mark.slot()).collect()
}

/// Whom most observers hold for the owner, if it is another than the holder.
fn owner_of(seen: &Picture<'_>, slot: Slot, holder: NodeId) -> Option<NodeId> {
    let owners = &seen.agreed()?.owners;
    owners.iter().find(|(id, slots)| **id != holder && slots.contains(slot)).map(|(id, _)| *id)
}

fn to_owner(hand: ByHand, seen: &Picture<'_>, slot: Slot, holder: NodeId, owner: NodeId) -> ByHand {
    let (at, to) = (seen.endpoint(holder), seen.endpoint(owner));
    let address = to.map_or_else(String::new, |to| format!("{} {}", to.host, to.port));
    hand.command(at.clone(), format!("CLUSTER SETSLOT {slot} IMPORTING {owner}"))
        .then(format!(
            "at the holder, for the keys listed: MIGRATE {address} \"\" 0 5000 KEYS ..., until \
             GETKEYSINSLOT lists none"
        ))
        .command(at, format!("CLUSTER SETSLOT {slot} STABLE"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Step;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, Said, Silence};

    fn holds(sketch: &mut Sketch, node: usize, keys: &[(u16, u64)]) {
        let census = Census { counted: SlotSet::all(), keys: keys.to_vec() };
        sketch.nodes[node].sighting.census = Said::This(census);
    }

    #[test]
    fn keys_of_another_primarys_slots_are_found_with_the_way_home() {
        let mut sketch = Sketch::healthy(3, 0);
        holds(&mut sketch, 0, &[(1, 5), (16_000, 2)]);
        holds(&mut sketch, 2, &[(15_000, 2)]);
        let found = sketch.detect::<KeysInForeignSlot>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots.to_string(), "16000");
        let wanted = format!("CLUSTER SETSLOT 16000 IMPORTING {}", Sketch::id(2));
        assert!(
            found[0].by_hand.steps.iter().any(|step| matches!(step, Step::Command { on, argv }
                if *on == Sketch::at(0) && argv.join(" ") == wanted))
        );
    }

    #[test]
    fn keys_at_home_keys_on_the_way_and_keys_held_twice_are_not_this() {
        let mut sketch = Sketch::healthy(3, 0);
        holds(&mut sketch, 0, &[(1, 5)]);
        assert_eq!(sketch.detect::<KeysInForeignSlot>(&ENTRY), []);
        holds(&mut sketch, 0, &[(16_000, 2)]);
        holds(&mut sketch, 2, &[(16_000, 1)]);
        assert_eq!(sketch.detect::<KeysInForeignSlot>(&ENTRY), []);
        holds(&mut sketch, 2, &[]);
        let slot = Slot::new(16_000).expect("a slot");
        sketch.row(0, 0, |row| row.open = vec![OpenSlot::Importing { slot, from: Sketch::id(2) }]);
        sketch.row(2, 2, |row| row.open = vec![OpenSlot::Migrating { slot, to: Sketch::id(0) }]);
        assert_eq!(sketch.detect::<KeysInForeignSlot>(&ENTRY), []);
    }

    #[test]
    fn keys_imported_from_an_owner_that_moves_nothing_are_out_of_reach() {
        let mut sketch = Sketch::healthy(3, 0);
        holds(&mut sketch, 0, &[(16_000, 2)]);
        holds(&mut sketch, 2, &[]);
        let slot = Slot::new(16_000).expect("a slot");
        let import = OpenSlot::Importing { slot, from: Sketch::id(2) };
        sketch.row(0, 0, |row| row.open = vec![import]);
        let found = sketch.detect::<KeysInForeignSlot>(&ENTRY);
        let [one] = found.as_slice() else { panic!("{found:#?}") };
        assert_eq!(one.subject.slots.to_string(), "16000");
        // What an owner that was not heard moves is not known.
        sketch.silence(2, Silence::TimedOut, None);
        assert_eq!(sketch.detect::<KeysInForeignSlot>(&ENTRY), []);
    }
}
