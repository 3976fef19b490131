//! A primary is recorded with a greater epoch than its own: somebody else's, from its address.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{ConfigEpoch, NodeId};
use crate::observation::{Picture, Role};
use crate::scenario::{At, Scenario, Until};

finding! {
    /// ## What it means
    /// The others record a config epoch for a primary that the primary itself does not have. All
    /// works today; but when it fails, its replica stands for election with the true, lower epoch
    /// and is refused: `Failover auth denied to ...: slot N epoch (99) > reqEpoch (3)`, on Redis
    /// for ever.
    ///
    /// ## How it comes about
    /// For a time another server answered at the primary's recorded address: a recycled IP, a
    /// sibling after a swap. The receiver credits the answer's epochs to the node that it
    /// expected, before it notices that the id is another one (7.0 and later; Redis 7.0.15 and
    /// 8.2.3, Valkey 9.1.2). `cluster_current_epoch` jumps without an election.
    ///
    /// ## What we look at
    /// `cluster_my_epoch` of each primary against the epoch that the others list for its id. A
    /// lower one is ordinary delay; a greater one has no good reason, and no consequence where
    /// nobody gives it slots: what a node that was reset followed is remembered so.
    ///
    /// ## The repair
    /// While the primary lives and every member answers: `CLUSTER BUMPEPOCH` on it, which gives it
    /// an epoch above all others. A member that comes back later with an old table credits the new
    /// epoch to whom it seeks at that address, and defends its old slots with it. When the primary
    /// is already dead and its replica is refused: `CLUSTER FAILOVER TAKEOVER` on the best replica.
    ///
    /// ## Repair safety
    /// BUMPEPOCH changes only the epoch of a node that keeps its slots.
    ///
    /// ## By hand
    /// The command is printed.
    pub struct EpochContaminatedByForeignNode {
        id: NodeId, own: ConfigEpoch, recorded: ConfigEpoch,
    }
    group: Addressing, severity: Warning,
    after: [
        DuplicateNodeIdLive, ClonedClusterHijack, AddressReusedByForeignNode, AddressPermutedNoaddr,
        ShardIdDiverged,
    ],
    settles: true, repair: [Outbid], since: "0.1",
}

impl Finding for EpochContaminatedByForeignNode {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members() {
            let (Some(sighting), Some(own)) = (seen.proved(id), seen.own_row(id)) else { continue };
            let told = sighting.cluster_info.get().and_then(|i| i.number("cluster_my_epoch"));
            let own = ConfigEpoch(told.unwrap_or(own.epoch.0).max(own.epoch.0));
            if seen.role(id) != Some(Role::Primary) {
                continue;
            }
            let gives = |row: u32| !seen.row(row).slots.is_empty();
            if !member.own_row.into_iter().chain(member.rows.iter().map(|r| r.row)).any(gives) {
                continue;
            }
            let greater: Vec<_> =
                member.rows.iter().filter(|r| is_greater(seen, r.row, own)).collect();
            let Some(recorded) = greater.iter().map(|r| seen.row(r.row).epoch).max() else {
                continue;
            };
            let mut evidence =
                vec![Evidence::first_hand(sighting, format!("my epoch is {}", own.0))];
            evidence.extend(greater.iter().flat_map(|record| {
                record.by.iter().take(3).map(|observer| {
                    let epoch = seen.row(record.row).epoch.0;
                    let says = format!("{} has the epoch {epoch}", id.short());
                    Evidence::hearsay(seen.sighting(*observer), says)
                })
            }));
            out.push(Self { id, own, recorded }, Subject::node(id), evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} has the epoch {}, but others record {} for it: no replica of it can be elected",
            seen.name(self.id),
            self.own.0,
            self.recorded.0
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = || seen.endpoint(self.id);
        ByHand::of(Risk::Reversible)
            .command(at(), "INFO keyspace")
            .check("it is the owner: all nodes list its slots under its id, and its keys are there")
            .command(at(), "CLUSTER BUMPEPOCH")
            .check(format!(
                "its cluster_my_epoch is greater than {} and the others list the same",
                self.recorded.0
            ))
            .never("wait for the next failover to find out: the election is refused")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .stranger(At::Fresh)
            .send(3, "CLUSTER SET-CONFIG-EPOCH 99")
            .send(3, "CLUSTER ADDSLOTSRANGE 0 16383")
            .stop(3)
            .kill(2)
            .start(3, At::Of(2))
            .wait(Until::Flag { on: 0, about: 2, flag: "noaddr" })
            .wait(Until::Flag { on: 1, about: 2, flag: "noaddr" })
            .kill(3)
            .start(2, At::Same)
            .wait(Until::NoFlag { on: 0, about: 2, flag: "noaddr" })
            .wait(Until::NoFlag { on: 1, about: 2, flag: "noaddr" })
            .wait(Until::NoFlag { on: 0, about: 2, flag: "fail" })
            .wait(Until::NoFlag { on: 1, about: 2, flag: "fail" })
            .wait(Until::State(0, "ok"))
            .wait(Until::State(1, "ok"))
            .wait(Until::State(2, "ok"))
    }
}

fn is_greater(seen: &Picture<'_>, row: u32, own: ConfigEpoch) -> bool {
    let row = seen.row(row);
    row.flags.has(crate::model::Flag::Primary) && row.epoch > own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SlotSet;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_recorded_epoch_above_the_own_one() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.rows_about(1, |row| row.epoch = ConfigEpoch(99));
        let found = sketch.detect::<EpochContaminatedByForeignNode>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("99"), "{}", found[0].message);
    }

    #[test]
    fn of_one_without_slots_it_is_no_matter() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.rows_about(1, |row| {
            row.epoch = ConfigEpoch(99);
            row.slots = SlotSet::new();
        });
        assert_eq!(sketch.detect::<EpochContaminatedByForeignNode>(&ENTRY).len(), 1, "its own");
        sketch.row(1, 1, |row| row.slots = SlotSet::new());
        assert_eq!(sketch.detect::<EpochContaminatedByForeignNode>(&ENTRY), []);
    }

    #[test]
    fn a_recorded_epoch_below_is_delay() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.rows_about(1, |row| row.epoch = ConfigEpoch(1));
        assert_eq!(sketch.detect::<EpochContaminatedByForeignNode>(&ENTRY), []);
    }
}
