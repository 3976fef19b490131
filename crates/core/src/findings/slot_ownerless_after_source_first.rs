//! A slot whose owner, by its own words, has given it to a node that does not know of it.

use super::counted::brief;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// The node that everybody holds for the owner of a slot says that another one owns it, and
    /// that one says that the first does. Each sends clients to the other: `Too many Cluster
    /// redirections` (ioredis), `TTL exhausted` (redis-py), `No more cluster attempts left`
    /// (Jedis).
    ///
    /// ## How it comes about
    /// A move of a slot was finished in the wrong order: `CLUSTER SETSLOT n NODE` went to the
    /// source first, and whoever sent it died before the target was told.
    ///
    /// ## What we look at
    /// The slots on each node's own row, against the owner that its peers record.
    ///
    /// ## The repair
    /// Tell the target that it owns the slot, then the source, then the others.
    ///
    /// ## Repair safety
    /// The source only lets go of a slot when it holds no key of it, so nothing can be lost. Count
    /// the keys on both sides all the same.
    ///
    /// ## By hand
    /// `CLUSTER SETSLOT n NODE <target>` on the target, then on the source, then on the other
    /// primaries.
    pub struct SlotOwnerlessAfterSourceFirst { slots: SlotSet, source: NodeId, target: NodeId }
    group: Slots, severity: Critical, after: [
        ResetMistake, NodeIdentityLost, ClusterSplitIslands, ForgottenNodeZombie, ForgotSlotOwner,
        DuplicateNodeIdLive, ClonedClusterHijack,
    ],
    settles: true, repair: [Finish], since: "0.1",
}

impl Finding for SlotOwnerlessAfterSourceFirst {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(agreed) = seen.agreed().filter(|_| seen.opinions().len() > 1) else { return };
        for (source, slots) in &agreed.owners {
            let Some(own) = seen.own_row(*source) else { continue };
            let given = slots.difference(&own.slots);
            let Some(sighting) = seen.proved(*source).filter(|_| !given.is_empty()) else {
                continue;
            };
            let Some(observer) = seen.sighting_at(&sighting.from) else { continue };
            for (row, _) in seen.view(observer).filter(|(row, _)| row.id != *source) {
                let slots = row.slots.intersection(&given);
                let Some(target) = seen.own_row(row.id).filter(|_| !slots.is_empty()) else {
                    continue;
                };
                let slots = slots.difference(&target.slots);
                if slots.is_empty() {
                    continue;
                }
                let mut evidence = vec![Evidence::first_hand(
                    sighting,
                    format!("gives slots {} to {}", brief(&slots), seen.name(row.id)),
                )];
                evidence.extend(seen.proved(row.id).map(|target| {
                    let text = format!("does not claim slots {}", brief(&slots));
                    Evidence::first_hand(target, text)
                }));
                let subject = Subject::nodes([*source, row.id]).with_slots(slots.clone());
                out.push(Self { slots, source: *source, target: row.id }, subject, evidence);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "nobody owns slots {}: {} says {} does, which does not know of it",
            brief(&self.slots),
            seen.name(self.source),
            seen.name(self.target)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let slot = self.slots.first().map_or(0, |slot| slot.get());
        let tell = format!("CLUSTER SETSLOT {slot} NODE {}", self.target);
        ByHand::of(Risk::MovesOwnership)
            .command(seen.endpoint(self.source), format!("CLUSTER COUNTKEYSINSLOT {slot}"))
            .check(
                "0: the source let go of it with all keys moved; the same for each slot. Any other \
                 number: stop here, these keys are nowhere else, and the slot stays at the source",
            )
            .command(seen.endpoint(self.target), tell.clone())
            .command(seen.endpoint(self.source), tell)
            .check("both give the slot to the target in CLUSTER NODES")
            .never(
                "give the slot away while the source holds keys of it: they cannot be reached then",
            )
            .never("SETSLOT NODE on the source before the target, the order that led here")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send(0, "CLUSTER SETSLOT 7 NODE {id1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn an_owner_that_points_elsewhere_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        let slot = SlotSet::range(7, 7);
        sketch.row(0, 0, |row| row.slots = row.slots.difference(&slot));
        sketch.row(0, 1, |row| row.slots = row.slots.union(&slot));
        let found = sketch.detect::<SlotOwnerlessAfterSourceFirst>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots, slot);
    }

    #[test]
    fn a_third_node_that_errs_is_another_matter() {
        let mut sketch = Sketch::healthy(3, 0);
        let slot = SlotSet::range(7, 7);
        sketch.row(2, 0, |row| row.slots = row.slots.difference(&slot));
        sketch.row(2, 1, |row| row.slots = row.slots.union(&slot));
        assert_eq!(sketch.detect::<SlotOwnerlessAfterSourceFirst>(&ENTRY), []);
    }
}
