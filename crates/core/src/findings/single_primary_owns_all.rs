//! One primary owns every slot while others own none.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Flag, NodeId};
use crate::observation::{Picture, Role};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// All 16384 slots belong to one primary, although there are other primaries. The cluster
    /// works, but it is one server: all load and memory are there, and it is the only voter. When
    /// it dies, nobody can elect a replica in its place, and everything is down until a person
    /// forces it.
    ///
    /// ## How it comes about
    /// Slots were given out with a script that named one node, a rebalance was stopped, the nodes
    /// that were added never got slots, or a repair tool gave every slot to the node it ran on.
    ///
    /// ## What we look at
    /// The owners of slots by most tables, and live primaries without slots beside them. *Near
    /// it:* a cluster with two voters (TOO_FEW_VOTERS); one empty primary among several owners
    /// (EMPTY_PRIMARY); one owner with much more than its share (SLOT_IMBALANCE).
    ///
    /// ## The repair
    /// Move a share of the slots, with their keys, to the empty primaries.
    ///
    /// ## Repair safety
    /// Slots are moved one by one with their keys in place at every moment; it can be stopped and
    /// taken up again.
    ///
    /// ## By hand
    /// `redis-cli --cluster rebalance` with empty primaries included does it from outside.
    pub struct SinglePrimaryOwnsAll { owner: NodeId, empty: Vec<NodeId> }
    group: Slots, severity: Warning, after: [ResetMistake],
    obstacle: "nothing is broken, the slots are uneven: moving them with their keys is a rebalance, \
               not a repair",
    since: "0.1",
}

impl Finding for SinglePrimaryOwnsAll {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(agreed) = seen.agreed() else { return };
        let [owner] = *seen.voters() else { return };
        let all = agreed.owners.get(&owner).is_some_and(|slots| slots.complement().is_empty());
        let empty: Vec<NodeId> = seen
            .members()
            .filter(|(id, member)| *id != owner && !member.rows.is_empty())
            .map(|(id, _)| id)
            .filter(|id| seen.role(*id) == Some(Role::Primary) && seen.proved(*id).is_some())
            .filter(|id| seen.usual_row(*id).is_some_and(|row| !row.flags.has(Flag::Failed)))
            .collect();
        if !all || empty.is_empty() {
            return;
        }
        let evidence: Vec<Evidence> = agreed
            .by
            .iter()
            .take(6)
            .map(|n| {
                let says = format!("all slots belong to {}", owner.short());
                Evidence::first_hand(seen.sighting(*n), says)
            })
            .collect();
        let subject = Subject::node(owner).with_nodes(empty.iter().copied());
        out.push(Self { owner, empty }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let others = match self.empty.len() {
            1 => "another owns none".to_owned(),
            many => format!("{many} others own none"),
        };
        format!(
            "one primary owns all slots while {others}, so nobody is left to vote when it dies: {}",
            seen.name(self.owner)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = seen.endpoint(self.owner);
        let seed = at.as_ref().map_or_else(String::new, ToString::to_string);
        ByHand::of(Risk::MovesOwnership)
            .command(at.clone(), "CLUSTER NODES")
            .check("that the empty primaries are meant to own slots, and have the memory for them")
            .then(format!("redis-cli --cluster rebalance {seed} --cluster-use-empty-masters"))
            .command(at, "CLUSTER INFO")
            .check("cluster_size is 3 or more")
            .never(
                "ADDSLOTS at the empty primaries: the slots have an owner with keys, which would \
                    be deleted",
            )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .bare()
            .send(1, "CLUSTER FLUSHSLOTS")
            .send(2, "CLUSTER FLUSHSLOTS")
            .send(0, "CLUSTER DELSLOTSRANGE 5461 16383")
            .send(0, "CLUSTER ADDSLOTSRANGE 5461 16383")
            .send(0, "CLUSTER BUMPEPOCH")
            .wait(Until::Settled)
            .wait(Until::Field(1, "cluster_size", "1"))
            .wait(Until::Field(2, "cluster_size", "1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SlotSet;
    use crate::observation::sketch::Sketch;

    #[test]
    fn all_slots_at_one_of_three_primaries_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        for observer in 0..3 {
            sketch.row(observer, 0, |row| row.slots = SlotSet::all());
            sketch.row(observer, 1, |row| row.slots = SlotSet::new());
            sketch.row(observer, 2, |row| row.slots = SlotSet::new());
        }
        let found = sketch.detect::<SinglePrimaryOwnsAll>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("2 others own none"), "{}", found[0].message);
    }

    #[test]
    fn a_cluster_of_one_primary_with_replicas_is_as_it_should_be() {
        assert_eq!(Sketch::healthy(1, 2).detect::<SinglePrimaryOwnsAll>(&ENTRY), []);
        assert_eq!(Sketch::healthy(3, 1).detect::<SinglePrimaryOwnsAll>(&ENTRY), []);
    }
}
