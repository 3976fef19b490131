//! Two live primaries that both say they own a slot.

use super::counted::brief;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{Act, Reply, Scenario};

finding! {
    /// ## What it means
    /// Two primaries serve the same slot and both accept writes. Which one a client meets depends
    /// on where it learnt its map. As soon as the cluster resolves the claim, the loser deletes
    /// its keys of the slot.
    ///
    /// ## How it comes about
    /// `CLUSTER ADDSLOTS` on a second node, a takeover behind a partition, a cluster created
    /// twice, or an old `nodes.conf` that was restored.
    ///
    /// ## What we look at
    /// The slots on the own rows of all nodes that answer: two of them contain the same slot.
    ///
    /// ## The repair
    /// Stop writes to the slot, compare the keys of both, copy what only the loser has, then raise
    /// the epoch of the chosen owner.
    ///
    /// ## Repair safety
    /// The loser's keys are deleted when it hears of a claim with a higher epoch, so copying comes
    /// first.
    ///
    /// ## By hand
    /// `CLUSTER GETKEYSINSLOT` and `DUMP` on both, `RESTORE` at the owner what is missing there,
    /// and only then `CLUSTER BUMPEPOCH` on the owner.
    pub struct SlotClaimedTwice { slots: SlotSet, one: NodeId, other: NodeId }
    group: Slots, severity: Critical, after: [
        ClusterSplitIslands, DuplicateNodeIdLive, ClonedClusterHijack, ForgottenNodeZombie,
        ForgotSlotOwner, MinorityPartition, NodeIdentityLost, OrphanDataNode, ForgetNodeReturns,
        BusPortBlocked, QuorumLost, LeftoverState, ResetMistake, ReplicationChainOrCycle,
    ],
    settles: true, repair: [Claim], since: "0.1",
}

impl Finding for SlotClaimedTwice {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut claimed: Vec<(NodeId, &SlotSet)> = Vec::new();
        let mut all = SlotSet::new();
        for (id, _) in seen.members() {
            let Some(row) = seen.own_row(id).filter(|row| !row.slots.is_empty()) else { continue };
            if all.intersection(&row.slots).is_empty() {
                all = all.union(&row.slots);
                claimed.push((id, &row.slots));
                continue;
            }
            for (other, theirs) in &claimed {
                let slots = theirs.intersection(&row.slots);
                if slots.is_empty() {
                    continue;
                }
                let says = |id: NodeId, epoch| {
                    let text = format!("claims slots {} with epoch {epoch}", brief(&slots));
                    seen.proved(id).map(|sighting| Evidence::first_hand(sighting, text))
                };
                let their_epoch = seen.own_row(*other).map_or(row.epoch, |row| row.epoch);
                let evidence = says(id, row.epoch).into_iter().chain(says(*other, their_epoch));
                let subject = Subject::nodes([id, *other]).with_slots(slots.clone());
                out.push(Self { slots: slots.clone(), one: *other, other: id }, subject, evidence);
            }
            claimed.push((id, &row.slots));
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "slots {} are claimed by two primaries, {} and {}",
            brief(&self.slots),
            seen.name(self.one),
            seen.name(self.other)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let slot = self.slots.first().map_or(0, |slot| slot.get());
        let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
        ByHand::of(Risk::MayLoseData)
            .then("stop the writers of these slots: what the loser takes from now on is lost")
            .command(seen.endpoint(self.one), count.clone())
            .command(seen.endpoint(self.other), count)
            .then(
                "choose the owner; copy the keys that only the other one holds (GETKEYSINSLOT and \
                 DUMP there, RESTORE at the owner)",
            )
            .then("on the owner, and only after the copy: CLUSTER BUMPEPOCH")
            .never(
                "CLUSTER BUMPEPOCH before the copy: the other one deletes its keys of these slots",
            )
    }

    fn scenario() -> Scenario {
        // The claim of the lower epoch loses at the next ping, so it is made again and again.
        Scenario::of(3, 0)
            .act(Act::Send(0, "CLUSTER DELSLOTS 16000".to_owned(), Reply::Fine))
            .act(Act::Repeat(0, "CLUSTER ADDSLOTS 16000".to_owned(), 3))
            .act(Act::Repeat(0, "CLUSTER DELSLOTS 16000".to_owned(), 160))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn two_claims_are_found() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.row(1, 1, |row| row.slots = row.slots.union(&SlotSet::range(0, 9)));
        let found = sketch.detect::<SlotClaimedTwice>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots, SlotSet::range(0, 9));
    }

    #[test]
    fn what_others_say_is_no_claim() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.row(2, 1, |row| row.slots = row.slots.union(&SlotSet::range(0, 9)));
        assert_eq!(sketch.detect::<SlotClaimedTwice>(&ENTRY), []);
    }
}
