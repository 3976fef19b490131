//! An owner gives some of its own slots to nobody, while the others give them to it.

use std::collections::BTreeMap;

use super::counted::brief;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::{Opinion, Picture};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A primary has dropped slots from its own table, and nobody else was told: all others send
    /// clients there, and it answers `CLUSTERDOWN Hash slot not served`. Its own state is `fail`,
    /// that of the others `ok`, so half of the probes are green.
    ///
    /// ## How it comes about
    /// `CLUSTER DELSLOTS` or `DELSLOTSRANGE` is local: sent to the owner only, it leaves the tables
    /// of all others as they were (J13). A script that was cut off after its first command, or
    /// "give the slots back" typed on the wrong node.
    ///
    /// ## What we look at
    /// The owner's own table beside those of the others. *Near it:* one that owns no slot any more
    /// was reset (RESET_MISTAKE); slots that it gives to another are claimed
    /// (SLOT_OWNER_DISAGREEMENT); slots that nobody gives to anybody are SLOTS_UNASSIGNED.
    ///
    /// ## The repair
    /// `CLUSTER ADDSLOTS` of these slots on the same node: its keys were never deleted.
    ///
    /// ## Repair safety
    /// The keys are where they were, and all others still point there: nothing is lost. Given to
    /// another node, these keys would be.
    ///
    /// ## By hand
    /// The printed `CLUSTER ADDSLOTSRANGE`.
    pub struct OwnerDisownsSlots { owner: NodeId, slots: SlotSet }
    group: Slots, severity: Error, after: [
        ResetMistake, NodeIdentityLost, DuplicateNodeIdLive, ClonedClusterHijack,
        AddressReusedByForeignNode, SlotClaimedTwice, SlotOwnerlessAfterSourceFirst, LeftoverState,
        ClusterSplitIslands, EmptyPrimaryRestartWipedShard, OrphanDataNode,
    ],
    settles: true, repair: [Claim], since: "0.1",
}

impl Finding for OwnerDisownsSlots {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some((agreed, others)) = seen.opinions().split_first() else { return };
        let mut all: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
        for opinion in others {
            for id in opinion.by.iter().filter_map(|n| seen.id_of(*n)) {
                let slots = disowned(id, agreed, opinion);
                if !slots.is_empty() {
                    let known = all.entry(id).or_default();
                    *known = known.union(&slots);
                }
            }
        }
        for (owner, slots) in all {
            let Some(sighting) = seen.proved(owner) else { continue };
            let own = format!("gives slots {} to nobody", brief(&slots));
            let mut evidence = vec![Evidence::first_hand(sighting, own)];
            evidence.extend(agreed.by.iter().take(3).map(|n| {
                let says = format!("gives slots {} to {}", brief(&slots), owner.short());
                Evidence::hearsay(seen.sighting(*n), says)
            }));
            let subject = Subject::node(owner).with_slots(slots.clone());
            out.push(Self { owner, slots }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} gives {} of its own slots to nobody, and all others give them to it: {}",
            seen.name(self.owner),
            self.slots.len(),
            brief(&self.slots)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = seen.endpoint(self.owner);
        let first = self.slots.first().map_or(0, |slot| slot.get());
        let ends = self.slots.ranges().iter().take(12).map(|r| format!("{} {}", r.first, r.last));
        let ends: Vec<String> = ends.collect();
        ByHand::of(Risk::MovesOwnership)
            .command(at.clone(), format!("CLUSTER COUNTKEYSINSLOT {first}"))
            .check(
                "no other primary holds keys of these slots (slotwright check --census counts all)",
            )
            .command(at.clone(), format!("CLUSTER ADDSLOTSRANGE {}", ends.join(" ")))
            .command(at, "CLUSTER INFO")
            .check("cluster_state:ok and cluster_slots_assigned:16384")
            .never("give them to another node: the keys here would be deleted")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .keys(300)
            .send(1, "CLUSTER DELSLOTSRANGE 7000 7200")
            .wait(Until::State(1, "fail"))
            .wait(Until::Field(1, "cluster_slots_assigned", "16183"))
    }
}

/// What an owner gives to nobody, itself included, while most others give it to it. One that owns
/// none of its slots any more was reset, or is another: that is another finding.
fn disowned(id: NodeId, agreed: &Opinion, opinion: &Opinion) -> SlotSet {
    let own = opinion.owners.get(&id).filter(|own| !own.is_empty());
    let given = agreed.owners.get(&id);
    own.zip(given).map_or_else(SlotSet::new, |(own, given)| {
        given.difference(own).difference(&opinion.assigned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn an_owner_that_dropped_some_of_its_slots_is_found_and_one_without_any_is_not() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.row(0, 0, |row| row.slots = row.slots.difference(&SlotSet::range(5, 9)));
        let found = sketch.detect::<OwnerDisownsSlots>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots, SlotSet::range(5, 9));
        assert!(found[0].message.starts_with("10.0.0.1:6379"), "{}", found[0].message);
        sketch.row(0, 0, |row| row.slots = SlotSet::new());
        assert!(sketch.detect::<OwnerDisownsSlots>(&ENTRY).is_empty(), "it was reset");
    }

    #[test]
    fn slots_that_it_gives_to_another_are_no_hole() {
        let mut sketch = Sketch::healthy(3, 0);
        let slots = SlotSet::range(5, 9);
        sketch.row(0, 0, |row| row.slots = row.slots.difference(&slots));
        sketch.row(0, 1, |row| row.slots = row.slots.union(&slots));
        assert_eq!(sketch.detect::<OwnerDisownsSlots>(&ENTRY), []);
    }

    #[test]
    fn a_forgotten_replica_does_not_hide_it() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.row(1, 1, |row| row.slots = row.slots.difference(&SlotSet::range(6_000, 6_009)));
        let id = Sketch::id(4);
        sketch.nodes[1].table.as_mut().expect("a table").retain(|row| row.id != id);
        let report = sketch.report();
        let roots: Vec<&str> = report.roots.iter().map(|root| root.found.code.as_str()).collect();
        assert!(roots.contains(&"OWNER_DISOWNS_SLOTS"), "{roots:?}");
    }
}
