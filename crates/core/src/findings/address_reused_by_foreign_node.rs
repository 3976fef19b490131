//! A server of another cluster answers where a member used to be.

use super::counted::brief;
use super::islands::{Island, islands, missing};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Endpoint, Flag, NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{At, Scenario, Until};

finding! {
    /// ## What it means
    /// At the address that the tables record (or recorded) for a member, a server with another id
    /// and slots of its own answers: somebody else's node. The member is thereby unreachable for
    /// all who know it by this address only.
    ///
    /// ## How it comes about
    /// The IP of a stopped pod was given to a pod of another cluster while the old owner's id was
    /// still in the tables. Peers that dial it get an unexpected id and blank the entry
    /// (`noaddr`); Valkey 8 and later log `PONG contains mismatching sender ID`, Redis is silent.
    /// The stranger's epochs may be credited to the entry, and replicas that dial the address copy
    /// the stranger's data.
    ///
    /// ## What we look at
    /// An id that no process holds, recorded at an address (or without one), and a node there that
    /// no member lists and that claims slots the lost one never had, or lists nodes that are not
    /// ours.
    ///
    /// ## The repair
    /// Give the true owner a way back: start it and MEET its new address. If it is gone for good,
    /// let its replica take over, then forget its id. Block the bus between workloads, and give
    /// each cluster its own password or CA, so that replication cannot cross.
    ///
    /// ## Repair safety
    /// Before a replica takes over, make sure that it did not copy the stranger's data.
    ///
    /// ## By hand
    /// Never MEET the stranger: that merges the two clusters.
    pub struct AddressReusedByForeignNode { lost: NodeId, foreign: NodeId, at: Endpoint }
    group: Addressing, severity: Error, after: [
        AllAddressesStale, ClonedClusterHijack, ReplicaSyncedFromForeign,
    ],
    obstacle: "the member itself does not run where we can reach it, and the one in its place is \
               somebody else's: start the member at an address of its own, then recover again",
    since: "0.1",
}

impl Finding for AddressReusedByForeignNode {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let islands = islands(seen);
        let Some((main, others)) = islands.split_first() else { return };
        let gone = missing(seen, main);
        for other in others {
            for foreign in &other.live {
                let Some(lost) = victim(seen, other, *foreign, &gone) else { continue };
                let Some(sighting) = seen.proved(*foreign) else { continue };
                let slots = seen.slots_of(lost.0);
                let own = seen.own_row(*foreign).map(|row| row.slots.clone()).unwrap_or_default();
                let mut evidence = vec![Evidence::first_hand(
                    sighting,
                    format!(
                        "is {} of another cluster ({} nodes, slots {own})",
                        foreign.short(),
                        other.ids.len()
                    ),
                )];
                evidence.extend(hearsay(seen, lost.0));
                let subject = Subject::nodes([lost.0, *foreign]).with_slots(slots.clone());
                let found = Self { lost: lost.0, foreign: *foreign, at: sighting.from.clone() };
                let subject = subject.with_address(Some(sighting.from.clone()));
                let pushed = out.push(found, subject, evidence);
                if !slots.is_empty() {
                    pushed.severity(Severity::Critical);
                }
                if !lost.1 {
                    pushed.doubt("the lost node's entry has no address any more to compare with");
                }
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let slots = seen.slots_of(self.lost);
        let what = if slots.is_empty() {
            String::new()
        } else {
            format!(", the owner of slots {}", brief(&slots))
        };
        format!(
            "a node of another cluster answers at {} in the place of {}{what}",
            self.at,
            self.lost.short()
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible)
            .check(format!("{} at {} belongs to somebody else", self.foreign, self.at))
            .then("block the bus and client ports between the two workloads")
            .then(format!(
                "start {} with its own directory at another address, and send CLUSTER MEET with that \
                 address from any member",
                self.lost
            ));
        let heir = seen.replicas_of(self.lost).into_iter().find(|id| seen.proved(*id).is_some());
        let steps = match heir {
            Some(heir) => steps
                .then("only if it is gone for good:")
                .check(format!("{} holds our keys, not the stranger's", seen.name(heir)))
                .command(seen.endpoint(heir), "CLUSTER FAILOVER FORCE"),
            None => steps,
        };
        steps
            .never("CLUSTER MEET of the stranger: it merges two clusters, and one side's keys are lost")
            .never("CLUSTER RESET or FLUSHALL on the stranger: it is somebody else's data")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .keys(1_000)
            .kill(2)
            .stranger(At::Fresh)
            .send(3, "CLUSTER ADDSLOTSRANGE 0 16383")
            .stop(3)
            .start(3, At::Of(2))
            .wait(Until::Flag { on: 0, about: 2, flag: "noaddr" })
            .wait(Until::Flag { on: 1, about: 2, flag: "noaddr" })
    }
}

/// The lost id whose place a foreign node took, and whether the address proves it.
fn victim(
    seen: &Picture<'_>,
    island: &Island,
    foreign: NodeId,
    gone: &[NodeId],
) -> Option<(NodeId, bool)> {
    let at = &seen.proved(foreign)?.from;
    let here: Vec<NodeId> = seen.believed_at(at).collect();
    let own = seen.own_row(foreign).map(|row| row.slots.clone()).unwrap_or_default();
    gone.iter()
        .filter(|lost| is_foreign(seen, island, &own, **lost))
        .filter_map(|lost| {
            let same = here.contains(lost);
            let blanked = seen
                .member(*lost)?
                .rows
                .iter()
                .any(|record| seen.row(record.row).flags.has(Flag::NoAddress));
            (same || blanked).then_some((!same, *lost))
        })
        .min()
        .map(|(differs, lost)| (lost, !differs))
}

/// Whether the stranger cannot be the lost node under a new id: it has companions, or slots that
/// the lost one (and its shard) never had.
fn is_foreign(seen: &Picture<'_>, island: &Island, own: &SlotSet, lost: NodeId) -> bool {
    let shard = seen.primary_of(lost).map(|id| seen.slots_of(id)).unwrap_or_default();
    island.ids.len() > 1 || !own.difference(&seen.slots_of(lost).union(&shard)).is_empty()
}

fn hearsay(seen: &Picture<'_>, lost: NodeId) -> Vec<Evidence> {
    let Some(member) = seen.member(lost) else { return Vec::new() };
    member
        .rows
        .iter()
        .flat_map(|record| record.by.iter().take(2).map(move |observer| (record.row, *observer)))
        .map(|(row, observer)| {
            let row = seen.row(row);
            let says = format!("{} is {} at {}", lost.short(), row.flags, row.address);
            Evidence::hearsay(seen.sighting(observer), says)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn at_the_place_of_node_2(slots: SlotSet) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(2, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(2, Flag::Suspected, LinkState::Disconnected);
        sketch.stranger(NodeId::made_up(99), Sketch::at(2), slots);
        sketch
    }

    #[test]
    fn a_node_with_slots_of_its_own_is_a_foreigner() {
        let found =
            at_the_place_of_node_2(SlotSet::all()).detect::<AddressReusedByForeignNode>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Critical);
    }

    #[test]
    fn an_empty_newcomer_is_a_lost_identity() {
        let found =
            at_the_place_of_node_2(SlotSet::new()).detect::<AddressReusedByForeignNode>(&ENTRY);
        assert_eq!(found, []);
    }
}
