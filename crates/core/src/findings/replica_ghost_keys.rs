//! A replica holds keys that its primary does not hold.

use super::counted::{brief, is_migrating, keys_in};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::{Picture, Role, Sighting};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// A replica holds keys in slots where its primary holds none. Reads from the replica return
    /// keys that were deleted or moved away, and after a failover they come back for everybody.
    ///
    /// ## How it comes about
    /// Up to Redis 7.0 the deletion of keys in a slot that was lost to another owner is not told
    /// to the replicas (`delKeysInSlot`; tried: primary 1 key, replica 4). Other ways: a writable
    /// replica (`replica-read-only no`), a script that wrote only there, a replica that followed a
    /// stranger for a while.
    ///
    /// ## What we look at
    /// The number of keys in each slot on the primary and on the replica. Counted are slots that
    /// the primary does not own, and, when both were at the same replication offset, slots of its
    /// own. *Near it:* the primary holds them as well (KEYS_IN_FOREIGN_SLOT).
    ///
    /// ## The repair
    /// Let the replica load the whole data set of its primary again: `CLUSTER REPLICATE` to
    /// another primary and back, or a restart without its data files. Upgrade from 7.0 to end the
    /// cause.
    ///
    /// ## Repair safety
    /// The primary is alive and has the true data. While the replica loads, the shard has one copy
    /// less: do one replica at a time.
    ///
    /// ## By hand
    /// Stop the replica, set its dump and AOF files aside, start it again.
    pub struct ReplicaGhostKeys { replica: NodeId, primary: NodeId, slots: SlotSet, keys: u64 }
    group: Data, severity: Warning, after: [KeysInForeignSlot],
    settles: true,
    obstacle: "keys that the primary does not have are dropped by a full sync only, for which the \
               replica must be started without its data files: no command of ours drops a copy to \
               be rid of keys that may be wanted",
    since: "0.1",
}

impl Finding for ReplicaGhostKeys {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, _) in seen.members().filter(|(id, _)| seen.role(*id) == Some(Role::Replica)) {
            let Some(replica) = seen.proved(id) else { continue };
            let Some(primary_id) = seen.primary_of(id) else { continue };
            let Some(primary) = seen.proved(primary_id) else { continue };
            let (Some(ours), Some(theirs)) = (replica.census.get(), primary.census.get()) else {
                continue;
            };
            if is_migrating(primary) || is_migrating(replica) || !follows(replica) {
                continue;
            }
            let Some(row) = seen.own_row(primary_id) else { continue };
            let open: SlotSet = row.open.iter().map(|mark| mark.slot()).collect();
            let mut slots = ours
                .occupied()
                .intersection(&theirs.counted)
                .difference(&theirs.occupied())
                .difference(&open);
            if !at_rest(replica, primary) {
                slots = slots.difference(&row.slots);
            }
            if slots.is_empty() {
                continue;
            }
            let keys = keys_in(ours, &slots);
            let subject = Subject::node(id).with_slots(slots.clone());
            let evidence = [
                Evidence::first_hand(replica, format!("{keys} keys in slots {}", brief(&slots))),
                Evidence::first_hand(primary, format!("no key in slots {}", brief(&slots))),
            ];
            out.push(Self { replica: id, primary: primary_id, slots, keys }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a replica holds {} keys in slots {} that its primary does not have: {}",
            self.keys,
            brief(&self.slots),
            seen.name(self.replica)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let slot = self.slots.first().map_or(0, crate::model::Slot::get);
        ByHand::of(Risk::DropsCopy)
            .command(seen.endpoint(self.replica), format!("CLUSTER GETKEYSINSLOT {slot} 100"))
            .command(seen.endpoint(self.primary), format!("CLUSTER COUNTKEYSINSLOT {slot}"))
            .check("that these keys are wanted nowhere: the next steps drop them")
            .then(format!(
                "stop the replica {}, set its dump.rdb and AOF folder aside, keep its nodes.conf, \
                 start it again",
                seen.name(self.replica)
            ))
            .command(seen.endpoint(self.replica), "INFO replication")
            .check("master_link_status:up before the next replica")
            .never("fail over to this replica before: deleted keys come back for all clients")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1).keys(300).send(3, "DEBUG POPULATE 60 ghost").census()
    }
}

fn follows(replica: &Sighting) -> bool {
    replica.info.get().is_some_and(|info| {
        info.is("master_link_status", "up") && !info.is("master_sync_in_progress", "1")
    })
}

/// Whether the replica had all that the primary had written, so that equal moments are compared.
fn at_rest(replica: &Sighting, primary: &Sighting) -> bool {
    let offset = |s: &Sighting, name: &str| s.info.get().and_then(|info| info.number(name));
    let theirs = offset(primary, "master_repl_offset");
    theirs.is_some() && theirs == offset(replica, "slave_repl_offset")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Census, Said};

    fn holds(sketch: &mut Sketch, node: usize, keys: &[(u16, u64)]) {
        let census = Census { counted: SlotSet::all(), keys: keys.to_vec() };
        sketch.nodes[node].sighting.census = Said::This(census);
    }

    #[test]
    fn keys_that_only_the_replica_has_are_found() {
        let mut sketch = Sketch::healthy(3, 1);
        holds(&mut sketch, 0, &[(1, 5)]);
        holds(&mut sketch, 3, &[(1, 5), (9_000, 4)]);
        let found = sketch.detect::<ReplicaGhostKeys>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.slots.to_string(), "9000");
    }

    #[test]
    fn a_replica_under_load_is_not_blamed_for_keys_of_its_own_slots() {
        let mut sketch = Sketch::healthy(3, 1);
        holds(&mut sketch, 0, &[(1, 5)]);
        holds(&mut sketch, 3, &[(1, 5), (2, 1)]);
        sketch.info(0, "master_repl_offset", "1010");
        assert_eq!(sketch.detect::<ReplicaGhostKeys>(&ENTRY), []);
        sketch.info(0, "master_repl_offset", "1000");
        assert_eq!(sketch.detect::<ReplicaGhostKeys>(&ENTRY).len(), 1);
    }
}
