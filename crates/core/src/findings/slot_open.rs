//! A slot that is marked as migrating or importing, with nobody known to be moving it.

use super::counted::brief;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, Slot, SlotSet};
use crate::observation::{OpenSlot, Picture};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// A slot is marked as moving (MIGRATING at its owner, IMPORTING at the target). While the
    /// mark stands, keys of the slot may sit on both sides: clients see `ASK` and `TRYAGAIN`, and
    /// multi-key commands on the slot fail.
    ///
    /// ## How it comes about
    /// A reshard was interrupted: the tool was killed, timed out, or met an error on one key. Up
    /// to Redis 8.2 a node that starts with keys of a slot it does not own marks it as importing
    /// by itself (`verifyClusterConfigWithData`).
    ///
    /// ## What we look at
    /// The `[slot->-id]` and `[slot-<-id]` marks, which each node shows on its own row only, and
    /// the key counts of the slot where a census was taken. From Valkey 8.0 on a replica is told
    /// the marks of its primary (`clusterCommandSetSlot`): these are no move of their own.
    ///
    /// ## The repair
    /// Finish the move when both sides carry the mark: move the rest of the keys, then give the
    /// slot to the target, on the target first. Where only one side carries it and the other side
    /// holds no key of the slot, take the mark away with `SETSLOT STABLE`.
    ///
    /// ## Repair safety
    /// Moving keys with MIGRATE keeps a copy at every moment. `STABLE` on a target that holds keys
    /// of the slot makes them unreachable, so the count comes first.
    ///
    /// ## By hand
    /// Count the keys of the slot on both sides, then follow the printed commands in order.
    pub struct SlotOpen { slots: SlotSet, from: Option<NodeId>, to: Option<NodeId> }
    group: Slots, severity: Warning, after: [KeysInForeignSlot, SlotOwnerDisagreement],
    repair: [Finish], since: "0.1",
}

impl Finding for SlotOpen {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut moves: std::collections::BTreeMap<_, (SlotSet, Vec<Evidence>)> = Default::default();
        for observer in seen.observers() {
            let Some(me) = seen.id_of(observer) else { continue };
            let copied = seen.primary_of(me).and_then(|id| seen.own_row(id));
            let is_a_copy = |mark: &&OpenSlot| copied.is_some_and(|row| row.open.contains(mark));
            let marks = seen.own_row(me).into_iter().flat_map(|row| &row.open);
            for mark in marks.filter(|mark| !is_a_copy(mark)) {
                let (pair, word) = match mark {
                    OpenSlot::Migrating { to, .. } => ((me, *to), "migrating to"),
                    OpenSlot::Importing { from, .. } => ((*from, me), "importing from"),
                };
                let other = if pair.0 == me { pair.1 } else { pair.0 };
                let (slots, evidence) = moves.entry(pair).or_default();
                slots.insert(mark.slot().get(), mark.slot().get());
                evidence.push(Evidence::first_hand(
                    seen.sighting(observer),
                    format!("slot {} is {word} {}", mark.slot(), seen.name(other)),
                ));
            }
        }
        for ((from, to), (slots, evidence)) in moves {
            let subject = Subject::nodes([from, to]).with_slots(slots.clone());
            out.push(Self { slots, from: Some(from), to: Some(to) }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let name = |id: Option<NodeId>| id.map_or_else(|| "nobody".to_owned(), |id| seen.name(id));
        let (slots, are) = if self.slots.len() == 1 { ("slot", "is") } else { ("slots", "are") };
        format!(
            "{slots} {} {are} open: marked as moving from {} to {}",
            brief(&self.slots),
            name(self.from),
            name(self.to)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let slot = self.slots.first().map_or(0, Slot::get);
        let (Some(from), Some(to)) = (self.from, self.to) else {
            return ByHand::of(Risk::ReadOnly);
        };
        if !self.is_plain_move(seen, from, to) {
            return count_first(seen, slot);
        }
        let (source, target) = (seen.endpoint(from), seen.endpoint(to));
        let address =
            target.as_ref().map_or_else(String::new, |t| format!("{} {}", t.host, t.port));
        ByHand::of(Risk::MovesOwnership)
            .command(source.clone(), format!("CLUSTER COUNTKEYSINSLOT {slot}"))
            .command(target.clone(), format!("CLUSTER COUNTKEYSINSLOT {slot}"))
            .check("both counts; for each of the slots the same steps apply")
            .command(target.clone(), format!("CLUSTER SETSLOT {slot} IMPORTING {from}"))
            .command(source.clone(), format!("CLUSTER SETSLOT {slot} MIGRATING {to}"))
            .command(source.clone(), format!("CLUSTER GETKEYSINSLOT {slot} 100"))
            .then(format!("at the source, for the keys listed: MIGRATE {address} \"\" 0 5000 KEYS ..., until none is left"))
            .command(target, format!("CLUSTER SETSLOT {slot} NODE {to}"))
            .command(source, format!("CLUSTER SETSLOT {slot} NODE {to}"))
            .never("SETSLOT STABLE on the target while it holds keys of the slot: they become unreachable")
            .never("SETSLOT NODE on the source first: nobody owns the slot until the target is told")
            .never("redis-cli --cluster fix: on Valkey it deletes keys left at the source of a half-moved slot")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .keys(3_000)
            .send(1, "CLUSTER SETSLOT 7 IMPORTING {id0}")
            .send(0, "CLUSTER SETSLOT 7 MIGRATING {id1}")
    }
}

impl SlotOpen {
    /// Whether finishing the move is the safe way: both ends carry the mark, and all nodes agree
    /// that the source owns the slots. With another owner, `SETSLOT NODE` on an importing target
    /// raises its epoch, and the true owner deletes its keys (`clusterUpdateSlotsConfigWith`).
    fn is_plain_move(&self, seen: &Picture<'_>, from: NodeId, to: NodeId) -> bool {
        let marked = |id: NodeId, mark: fn(OpenSlot, NodeId) -> bool, other: NodeId| {
            let row = seen.own_row(id);
            self.slots.iter().all(|slot| {
                row.is_some_and(|row| {
                    row.open.iter().any(|open| open.slot() == slot && mark(*open, other))
                })
            })
        };
        let giving = |open: OpenSlot, other: NodeId| match open {
            OpenSlot::Migrating { to, .. } => to == other,
            OpenSlot::Importing { .. } => false,
        };
        let taking = |open: OpenSlot, other: NodeId| match open {
            OpenSlot::Importing { from, .. } => from == other,
            OpenSlot::Migrating { .. } => false,
        };
        let owned = seen.opinions().iter().all(|opinion| {
            let slots = opinion.owners.get(&from);
            slots.is_some_and(|owned| self.slots.difference(owned).is_empty())
        });
        owned && marked(from, giving, to) && marked(to, taking, from)
    }
}

/// Where the marks do not tell a plain move, only the counts tell which way is safe.
fn count_first(seen: &Picture<'_>, slot: u16) -> ByHand {
    let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
    seen.voters()
        .into_iter()
        .take(12)
        .fold(ByHand::of(Risk::ReadOnly), |way, id| way.command(seen.endpoint(id), count.clone()))
        .check("who holds keys of the slot, and whom CLUSTER NODES of the nodes names as its owner")
        .then(
            "keys only at the owner: the mark is a leftover; take it away with SETSLOT STABLE on \
             the node that carries it. Keys elsewhere: bring them to the owner first (slotwright \
             explain KEYS_IN_FOREIGN_SLOT)",
        )
        .never(
            "SETSLOT NODE on the node with the mark: it raises its epoch, and the owner deletes \
             its keys of the slot",
        )
        .never("SETSLOT STABLE on a node that holds keys of the slot and does not own it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn marks_of_both_sides_make_one_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        let slot = Slot::new(7).expect("a slot");
        sketch.row(0, 0, |row| row.open = vec![OpenSlot::Migrating { slot, to: Sketch::id(1) }]);
        sketch.row(1, 1, |row| row.open = vec![OpenSlot::Importing { slot, from: Sketch::id(0) }]);
        let found = sketch.detect::<SlotOpen>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots, SlotSet::one(slot));
        assert_eq!(found[0].evidence.len(), 2);
    }

    #[test]
    fn slots_that_nobody_moves_are_no_finding() {
        assert_eq!(Sketch::healthy(3, 1).detect::<SlotOpen>(&ENTRY), []);
    }

    #[test]
    fn a_mark_that_a_replica_has_of_its_primary_is_one_with_it() {
        let mut sketch = Sketch::healthy(3, 1);
        let slot = Slot::new(7).expect("a slot");
        let give = OpenSlot::Migrating { slot, to: Sketch::id(1) };
        let take = OpenSlot::Importing { slot, from: Sketch::id(0) };
        sketch.row(0, 0, |row| row.open = vec![give]).row(3, 3, |row| row.open = vec![give]);
        sketch.row(1, 1, |row| row.open = vec![take]).row(4, 4, |row| row.open = vec![take]);
        let found = sketch.detect::<SlotOpen>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].evidence.len(), 2);
        sketch.row(1, 1, |row| row.open.clear());
        assert_eq!(sketch.detect::<SlotOpen>(&ENTRY).len(), 2, "its primary has it no more");
    }

    fn commands(found: &crate::diagnose::Found) -> String {
        format!("{:?}", found.by_hand.steps)
    }

    #[test]
    fn a_move_is_finished_only_from_the_owner_and_with_both_marks() {
        let slot = Slot::new(7).expect("a slot");
        let give = vec![OpenSlot::Migrating { slot, to: Sketch::id(1) }];
        let take = |from| vec![OpenSlot::Importing { slot, from: Sketch::id(from) }];
        let mut plain = Sketch::healthy(3, 0);
        plain.row(0, 0, |row| row.open = give);
        plain.row(1, 1, |row| row.open = take(0));
        assert!(commands(&plain.detect::<SlotOpen>(&ENTRY)[0]).contains("\"NODE\""));
        // One mark only; and a mark that names a source which does not own the slot.
        for from in [0, 2] {
            let mut sketch = Sketch::healthy(3, 0);
            sketch.row(1, 1, |row| row.open = take(from));
            let found = sketch.detect::<SlotOpen>(&ENTRY);
            let commands = commands(&found[0]);
            assert!(!commands.contains("\"SETSLOT\""), "{commands}");
            assert!(commands.contains("COUNTKEYSINSLOT"), "{commands}");
        }
    }
}
