//! One primary owns far more than its share of the slots.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A primary owns more than twice the average number of slots, so it gets more than twice the
    /// share of keys, memory and requests. Nothing is wrong by itself: weights may be meant so.
    ///
    /// ## How it comes about
    /// A shard was added and never got its share, a shard was removed into a single other one, a
    /// rebalance was stopped half way, or larger machines were given more on purpose.
    ///
    /// ## What we look at
    /// The number of slots of each owner by most tables, against the average, in clusters of three
    /// owners or more. *Near it:* other primaries own nothing at all (EMPTY_PRIMARY,
    /// SINGLE_PRIMARY_OWNS_ALL); few keys get most requests, which slots do not show.
    ///
    /// ## The repair
    /// Rebalance, by weights if the machines differ. Look at the bytes and requests of slots first
    /// (`CLUSTER SLOT-STATS`, Redis since 8.2, Valkey since 8.0): a few big slots outweigh many.
    ///
    /// ## Repair safety
    /// Slots are moved one by one with their keys in place at every moment.
    ///
    /// ## By hand
    /// Compare memory and requests of the primaries, then rebalance if they differ as well.
    pub struct SlotImbalance { node: NodeId, slots: u16, average: u16 }
    group: Slots, severity: Info, after: [SinglePrimaryOwnsAll],
    obstacle: "nothing is broken, the slots are uneven: moving them with their keys is a rebalance, \
               not a repair",
    since: "0.1",
}

impl Finding for SlotImbalance {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(agreed) = seen.agreed() else { return };
        let owners = u16::try_from(agreed.owners.len()).unwrap_or(u16::MAX);
        if owners < 3 {
            return;
        }
        let average = agreed.assigned.len() / owners;
        for (id, slots) in agreed.owners.iter().filter(|(_, slots)| slots.len() / 2 > average) {
            let says = format!("{} slots of {}", slots.len(), id.short());
            let by = agreed.by.iter().take(3);
            let evidence = by.map(|n| Evidence::hearsay(seen.sighting(*n), says.clone()));
            out.push(
                Self { node: *id, slots: slots.len(), average },
                Subject::node(*id),
                evidence.collect::<Vec<_>>(),
            );
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a primary owns {} slots where the average is {}: {}",
            self.slots,
            self.average,
            seen.name(self.node)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = seen.endpoint(self.node);
        let seed = at.as_ref().map_or_else(String::new, ToString::to_string);
        ByHand::of(Risk::MovesOwnership)
            .command(at.clone(), "INFO memory")
            .command(at, "INFO stats")
            .check("whether memory and requests are uneven too, and whether weights are meant so")
            .then(format!("redis-cli --cluster rebalance {seed}"))
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .send(1, "CLUSTER DELSLOTSRANGE 5461 10900")
            .send(0, "CLUSTER DELSLOTSRANGE 5461 10900")
            .send(0, "CLUSTER ADDSLOTSRANGE 5461 10900")
            .send(2, "CLUSTER DELSLOTSRANGE 10923 16300")
            .send(0, "CLUSTER DELSLOTSRANGE 10923 16300")
            .send(0, "CLUSTER ADDSLOTSRANGE 10923 16300")
            .send(0, "CLUSTER BUMPEPOCH")
            .wait(Until::Settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SlotSet;
    use crate::observation::sketch::Sketch;

    #[test]
    fn more_than_twice_the_average_is_told() {
        let mut sketch = Sketch::healthy(3, 0);
        for observer in 0..3 {
            sketch.row(observer, 0, |row| row.slots = SlotSet::range(0, 14_000));
            sketch.row(observer, 1, |row| row.slots = SlotSet::range(14_001, 15_000));
            sketch.row(observer, 2, |row| row.slots = SlotSet::range(15_001, 16_383));
        }
        let found = sketch.detect::<SlotImbalance>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, crate::diagnose::Severity::Info);
    }

    #[test]
    fn equal_shares_and_a_cluster_of_two_are_not_told() {
        assert_eq!(Sketch::healthy(6, 1).detect::<SlotImbalance>(&ENTRY), []);
        let mut sketch = Sketch::healthy(2, 0);
        for observer in 0..2 {
            sketch.row(observer, 0, |row| row.slots = SlotSet::range(0, 16_000));
            sketch.row(observer, 1, |row| row.slots = SlotSet::range(16_001, 16_383));
        }
        assert_eq!(sketch.detect::<SlotImbalance>(&ENTRY), []);
    }
}
