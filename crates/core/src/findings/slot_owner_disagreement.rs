//! Nodes that hold different primaries for the owner of a slot.

use std::collections::BTreeSet;

use super::counted::brief;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId, SlotSet};
use crate::observation::{Opinion, Picture};
use crate::scenario::{Act, Scenario};

finding! {
    /// ## What it means
    /// Some nodes give a slot to another owner than most do. Clients that learn their map from
    /// them are sent astray: chains of `MOVED`, `Nodes don't agree about configuration!`,
    /// `startup_nodes could not agree on a valid slots cache` (redis-py).
    ///
    /// ## How it comes about
    /// Slot commands are local: `ADDSLOTS`, `DELSLOTS` or `SETSLOT NODE` on some nodes only. Or a
    /// partition, a lost update, equal epochs, or a tool that sets slots over and over.
    ///
    /// ## What we look at
    /// Each node's own map of slots to ids. Nodes that differ for longer than a gossip round are
    /// in error; the claimants' config epochs tell whose claim wins. An owner that gives some of
    /// its slots to nobody, after a DELSLOTS, is one as well.
    ///
    /// ## The repair
    /// The claimant that holds the keys gets a higher epoch; its claim then spreads by itself. An
    /// observer that believes in a node that does not claim the slot is told the owner.
    ///
    /// ## Repair safety
    /// `CLUSTER BUMPEPOCH` on the node with the keys loses nothing. On a node without the keys it
    /// makes the true owner delete them. Nor is it for one with an old table whose slots have a
    /// newer owner that does not answer: that one has what was written since.
    ///
    /// ## By hand
    /// Count the keys of the slots on all claimants, `CLUSTER BUMPEPOCH` on the one that holds
    /// them, and look again after twice the node timeout. Find out who sends slot commands.
    pub struct SlotOwnerDisagreement {
        slots: SlotSet, owner: Option<NodeId>, dissenters: Vec<Endpoint>,
    }
    group: Slots, severity: Error, after: [
        ClusterSplitIslands, SlotClaimedTwice, SlotOwnerlessAfterSourceFirst, ResetMistake,
        ForgotSlotOwner, ForgottenNodeZombie, NodeIdentityLost, MinorityPartition, ShardDown,
        DuplicateNodeIdLive, ClonedClusterHijack, QuorumLost, AllAddressesStale, BusPortBlocked,
        MembershipAsymmetric, SourceAddressMismatch, OrphanDataNode, LeftoverState,
        EpochContaminatedByForeignNode, BusOneWayPartition, PrimaryNoaddrMasked, NodeLoading,
        NodeHung, FailoverBlockedByEpoch, ReplicaTooStale, FailoverDisabled, SlotsUnassigned,
        HandshakeNeverCompletes, AddressReusedByForeignNode, LoopbackAddress, MtuBlackhole,
        TlsBusMismatch, BusPortWrong, ForgetNodeReturns, OwnerDisownsSlots, TlsCertInvalid,
        ReplicationChainOrCycle,
    ],
    settles: true, repair: [Claim], since: "0.1",
}

impl Finding for SlotOwnerDisagreement {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some((agreed, others)) = seen.opinions().split_first() else { return };
        for opinion in others {
            // A node that knows of no slot at all stands outside; that is another finding.
            let slots = differing(agreed, opinion).intersection(&opinion.assigned);
            if slots.is_empty() {
                continue;
            }
            let owner = sole_owner(agreed, &slots);
            let dissenters: Vec<Endpoint> =
                opinion.by.iter().map(|n| seen.sighting(*n).from.clone()).collect();
            let mut evidence: Vec<Evidence> = opinion
                .by
                .iter()
                .map(|n| {
                    let whom = sole_owner(opinion, &slots)
                        .map_or_else(|| "others".to_owned(), |id| seen.name(id));
                    Evidence::hearsay(
                        seen.sighting(*n),
                        format!("gives slots {} to {whom}", brief(&slots)),
                    )
                })
                .collect();
            evidence.extend(agreed.by.iter().take(3).map(|n| {
                let whom = owner.map_or_else(|| "others".to_owned(), |id| seen.name(id));
                Evidence::hearsay(
                    seen.sighting(*n),
                    format!("gives slots {} to {whom}", brief(&slots)),
                )
            }));
            let nodes: BTreeSet<NodeId> =
                opinion.by.iter().filter_map(|n| seen.id_of(*n)).chain(owner).collect();
            let subject = Subject::nodes(nodes).with_slots(slots.clone());
            out.push(Self { slots, owner, dissenters }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let who: Vec<String> = self.dissenters.iter().take(4).map(ToString::to_string).collect();
        let owner = self.owner.map_or_else(|| "their owners".to_owned(), |id| seen.name(id));
        format!(
            "{} of {} nodes do not give slots {} to {owner}: {}",
            self.dissenters.len(),
            seen.observers().count(),
            brief(&self.slots),
            who.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let slot = self.slots.first().map_or(0, |slot| slot.get());
        let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
        seen.voters()
            .into_iter()
            .take(12)
            .fold(ByHand::of(Risk::MovesOwnership), |way, id| {
                way.command(seen.endpoint(id), count.clone())
            })
            .check(
                "exactly one node holds keys of the slots (slotwright check --census counts all)",
            )
            .then(
                "on that node, and on no other: CLUSTER BUMPEPOCH. If several hold keys, stop, and \
                 bring them together first",
            )
            .then("find out who sends slot commands, and stop it")
            .check("after twice the node timeout all nodes agree")
            .never("CLUSTER BUMPEPOCH on a node without the keys: the true owner deletes them")
    }

    fn scenario() -> Scenario {
        // One command heals by itself; a tool that repeats it is what keeps views apart.
        Scenario::of(3, 0).act(Act::Repeat(2, "CLUSTER SETSLOT 7 NODE {id1}".to_owned(), 5))
    }
}

/// The slots that two opinions give to different ids.
fn differing(a: &Opinion, b: &Opinion) -> SlotSet {
    let mut slots = SlotSet::new();
    for (id, theirs) in &b.owners {
        let ours = a.owners.get(id).cloned().unwrap_or_default();
        slots = slots.union(&theirs.difference(&ours));
    }
    slots
}

/// The one owner of all these slots, if there is one.
fn sole_owner(opinion: &Opinion, slots: &SlotSet) -> Option<NodeId> {
    opinion.owners.iter().find(|(_, owned)| slots.difference(owned).is_empty()).map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn one_node_that_errs_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        let slot = SlotSet::range(7, 7);
        sketch.row(2, 0, |row| row.slots = row.slots.difference(&slot));
        sketch.row(2, 1, |row| row.slots = row.slots.union(&slot));
        let found = sketch.detect::<SlotOwnerDisagreement>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots, slot);
        assert!(found[0].message.contains("10.0.0.3:6379"), "{}", found[0].message);
    }

    #[test]
    fn slots_of_several_owners_are_laid_to_none_of_them() {
        let mut sketch = Sketch::healthy(3, 0);
        for (slot, owner, other) in [(7, 0, 1), (6_000, 1, 2)] {
            let slot = SlotSet::range(slot, slot);
            sketch.row(2, owner, |row| row.slots = row.slots.difference(&slot));
            sketch.row(2, other, |row| row.slots = row.slots.union(&slot));
        }
        let found = sketch.detect::<SlotOwnerDisagreement>(&ENTRY);
        assert!(found[0].message.contains("slots 7,6000 to their owners"), "{found:#?}");
    }

    #[test]
    fn the_epoch_is_raised_only_where_the_keys_were_counted() {
        let mut sketch = Sketch::healthy(3, 0);
        let slot = SlotSet::range(7, 7);
        sketch.row(2, 0, |row| row.slots = row.slots.difference(&slot));
        sketch.row(2, 1, |row| row.slots = row.slots.union(&slot));
        let found = sketch.detect::<SlotOwnerDisagreement>(&ENTRY);
        let steps: Vec<String> =
            found[0].by_hand.steps.iter().map(|step| format!("{step:?}")).collect();
        let at = |words: &str| steps.iter().position(|step| step.contains(words));
        let (counted, raised) = (at("COUNTKEYSINSLOT"), at("BUMPEPOCH"));
        assert!(counted.is_some() && counted < raised, "{steps:#?}");
        assert_eq!(steps.iter().filter(|step| step.contains("COUNTKEYSINSLOT")).count(), 3);
        assert!(steps[raised.expect("it is named")].contains("stop"), "{steps:#?}");
    }

    #[test]
    fn a_node_that_knows_of_no_slot_is_not() {
        let mut sketch = Sketch::healthy(3, 0);
        for about in 0..3 {
            sketch.row(2, about, |row| row.slots = SlotSet::new());
        }
        assert_eq!(sketch.detect::<SlotOwnerDisagreement>(&ENTRY), []);
    }
}
