//! Slots that nobody owns.

use super::counted::keys_in;
use super::coverage::down_by;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::{Picture, Role};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// Some hash slots have no owner in the tables of most nodes. Their keys can be neither read
    /// nor written: `CLUSTERDOWN Hash slot not served`. With `cluster-require-full-coverage yes`,
    /// the default, the whole cluster refuses every key: `CLUSTERDOWN The cluster is down`. Jedis
    /// refuses such a map at start: `Cluster slots have holes.`
    ///
    /// ## How it comes about
    /// A `--cluster create` or a reshard that was interrupted, `CLUSTER DELSLOTS`, `CLUSTER FORGET`
    /// of an owner, a reset, or a node that lost its identity.
    ///
    /// ## What we look at
    /// The slots of all rows of each node's `CLUSTER NODES`, `cluster_slots_assigned`, and the keys
    /// that any node still holds in these slots. Slots that have an owner which is down are
    /// `SHARD_DOWN`; slots missing in one view only are `SLOT_OWNER_DISAGREEMENT`.
    ///
    /// ## The repair
    /// Find who still holds keys of these slots, on every node, replicas and detached volumes
    /// included. A node that holds them gets the slots back. Only slots without a key anywhere may
    /// go to any primary.
    ///
    /// ## Repair safety
    /// Giving a slot to the node that holds its keys loses nothing. Giving it to another makes the
    /// keys unreachable, and servers since Valkey 8.0 and Redis 8.4 delete them when their holder
    /// learns of it or restarts.
    ///
    /// ## By hand
    /// `CLUSTER COUNTKEYSINSLOT` on all nodes, `CLUSTER ADDSLOTSRANGE` on the node with the keys,
    /// then `CLUSTER BUMPEPOCH` there so that its claim wins. Never `redis-cli --cluster fix`
    /// before the count: it gives empty slots to any primary, and the true owner loses its keys
    /// when it comes back.
    pub struct SlotsUnassigned { slots: SlotSet, holder: Option<NodeId> }
    group: Slots, severity: Critical, after: [
        OwnerDisownsSlots, ForgotSlotOwner, ResetMistake, NodeIdentityLost, ClusterSplitIslands,
        ClonedClusterHijack, OrphanDataNode, MembershipAsymmetric, ReplicationChainOrCycle,
    ],
    settles: true, repair: [Claim], since: "0.1",
}

impl Finding for SlotsUnassigned {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(agreed) = seen.agreed() else { return };
        let slots = agreed.assigned.complement();
        if slots.is_empty() {
            return;
        }
        let mut evidence: Vec<Evidence> = agreed
            .by
            .iter()
            .map(|observer| {
                let text = format!("{} of 16384 slots have an owner here", agreed.assigned.len());
                Evidence::first_hand(seen.sighting(*observer), text)
            })
            .collect();
        evidence.extend(down_by(seen));
        let holder = holder(seen, &slots, &mut evidence);
        let covered = seen
            .sightings()
            .filter_map(|(_, sighting)| sighting.cluster_info.get())
            .any(|info| info.is("cluster_state", "ok"));
        let severity = if covered { Severity::Error } else { Severity::Critical };
        let subject = Subject::nodes(holder).with_slots(slots.clone());
        out.push(Self { slots, holder }, subject, evidence).severity(severity);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let slots = &self.slots;
        let keys = self.holder.map_or_else(String::new, |id| {
            format!("; keys of them are still at {}", seen.name(id))
        });
        match slots.len() {
            1 => format!("slot {slots} has no owner{keys}"),
            16_384 => {
                format!("no slot has an owner: the cluster was never created, or reset{keys}")
            }
            count => format!("{count} slots have no owner: {slots}{keys}"),
        }
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let ranges: Vec<String> = self
            .slots
            .ranges()
            .iter()
            .map(|range| format!("{} {}", range.first, range.last))
            .collect();
        let first = self.slots.first().map_or(0, |slot| slot.get());
        let add = format!("CLUSTER ADDSLOTSRANGE {}", ranges.join(" "));
        let way = ByHand::of(Risk::MovesOwnership);
        let way = match self.holder {
            Some(holder) => {
                let way = way.check(
                    "keys of these slots on another primary (slotwright check --census shows them) \
                     go to the new owner next, before that primary is started again: slotwright \
                     recover brings them",
                );
                // Who claims them already is only not heard: `ADDSLOTS` says that they are busy.
                let own = seen.own_row(holder).map(|row| &row.slots);
                let lacks = own.is_none_or(|own| !self.slots.difference(own).is_empty());
                let at = || seen.endpoint(holder);
                let way = if lacks { way.command(at(), add) } else { way };
                way.command(at(), "CLUSTER BUMPEPOCH")
            }
            None => seen
                .voters()
                .into_iter()
                .take(8)
                .fold(way, |way, id| {
                    let count = format!("CLUSTER COUNTKEYSINSLOT {first}");
                    way.command(seen.endpoint(id), count)
                })
                .check(
                    "no node, replica or detached volume holds keys of these slots (slotwright \
                     check --census counts all of them). Is a former owner only away? Then bring \
                     it back instead",
                )
                .command(seen.voters().first().and_then(|id| seen.endpoint(*id)), add),
        };
        way.check("cluster_slots_assigned:16384 in CLUSTER INFO of every node")
            .never(
                "redis-cli --cluster fix before the count: it gives the slots to any primary, and \
                 a former owner that comes back loses its keys",
            )
            .never("FLUSHALL or --cluster create: the other slots hold their keys")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).send_all("CLUSTER DELSLOTS 5").wait(Until::State(0, "fail"))
    }
}

/// The primary that holds most keys of these slots, where they were counted. A replica's copies are
/// evidence only: it takes no slot.
fn holder(seen: &Picture<'_>, slots: &SlotSet, evidence: &mut Vec<Evidence>) -> Option<NodeId> {
    let mut holders = Vec::new();
    for (_, sighting) in seen.sightings() {
        let Some(census) = sighting.census.get() else { continue };
        let here = census.occupied().intersection(slots);
        if let (false, Some(id)) = (here.is_empty(), sighting.myid.get()) {
            let text = format!("holds keys of {} of these slots", here.len());
            evidence.push(Evidence::first_hand(sighting, text));
            if seen.role(*id) == Some(Role::Primary) {
                holders.push((keys_in(census, &here), *id));
            }
        }
    }
    holders.into_iter().max().map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Step, diagnose};
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, Said};

    #[test]
    fn a_hole_that_all_see_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        for observer in 0..3 {
            let hole = SlotSet::range(5, 6);
            sketch.row(observer, 0, |row| row.slots = row.slots.difference(&hole));
            sketch.cluster_info(observer, "cluster_state", "fail");
        }
        let found = sketch.detect::<SlotsUnassigned>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots, SlotSet::range(5, 6));
        assert_eq!(found[0].severity, Severity::Critical);
        assert!(found[0].message.contains("2 slots have no owner: 5-6"), "{}", found[0].message);
    }

    #[test]
    fn the_slots_go_to_the_primary_that_has_the_keys_beside_its_replica() {
        let mut sketch = Sketch::healthy(3, 1);
        let hole = SlotSet::range(6_000, 6_009);
        sketch.rows_about(1, |row| row.slots = row.slots.difference(&hole));
        sketch.row(1, 1, |row| row.slots = row.slots.difference(&hole));
        let mut seen = sketch.build();
        for (number, sighting) in seen.sightings.iter_mut().enumerate() {
            let keys = if [1, 4].contains(&number) { vec![(6_001, 3)] } else { Vec::new() };
            sighting.census = Said::This(Census { counted: SlotSet::all(), keys });
        }
        let report = diagnose(&seen);
        let found = report.all().find(|found| found.code == ENTRY.code()).expect("it is found");
        let first = found.by_hand.steps.iter().find(|step| matches!(step, Step::Command { .. }));
        let Some(Step::Command { on, argv }) = first else { panic!("{:?}", found.by_hand) };
        assert_eq!(*on, Sketch::at(1), "who has the keys, and no count of what was counted");
        assert_eq!(argv.join(" "), "CLUSTER ADDSLOTSRANGE 6000 6009");
    }

    #[test]
    fn a_hole_in_one_view_is_no_hole() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.row(1, 0, |row| row.slots = row.slots.difference(&SlotSet::range(5, 6)));
        assert_eq!(sketch.detect::<SlotsUnassigned>(&ENTRY), []);
    }
}
