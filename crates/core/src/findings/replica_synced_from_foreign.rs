//! A replica that copies a stranger who stands at its primary's address.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::Picture;
use crate::scenario::{At, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// A replica has a working link to the address of its primary, but somebody else answers
    /// there: a node of another cluster. Replication asks for nothing but the address and a
    /// password, so the replica has thrown its copy away and holds the stranger's keys now. On
    /// Redis the cluster still says `ok`; if this replica is promoted, it serves them.
    ///
    /// ## How it comes about
    /// The primary died and its IP was given to a workload of another cluster with the same (or
    /// no) password. Node ids are compared on the bus only; the replication link is not.
    ///
    /// ## What we look at
    /// The address that the replica's `INFO` names as its primary with the link up, who proves to
    /// be there, and whether both show the same `master_replid`. The stranger is in nobody's
    /// table, and the primary answers nowhere.
    ///
    /// ## The repair
    /// There is none for the copy: it is gone. Bring the true primary back from its own files, or
    /// take another replica of the shard whose `master_replid` is of the shard's own history, or a
    /// backup. Then cut the two workloads apart.
    ///
    /// ## Repair safety
    /// A failover to this replica would make the stranger's keys the shard's. Fence it first.
    ///
    /// ## By hand
    /// Block the replica's way to that address, prove what it holds, and start the true primary on
    /// its own directory. Give each cluster its own password or CA.
    pub struct ReplicaSyncedFromForeign {
        replica: NodeId, primary: NodeId, foreign: NodeId, at: Endpoint,
    }
    group: Replication, severity: Critical, after: [],
    obstacle: "our primary does not run, and what the replica holds is the stranger's: promoted, it \
               would serve foreign keys. Start the primary on its own disk, then recover again",
    since: "0.1",
}

impl Finding for ReplicaSyncedFromForeign {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (replica, _) in seen.members() {
            let (Some(primary), Some(info)) = (seen.primary_of(replica), seen.info_of(replica))
            else {
                continue;
            };
            let linked = info.is("role", "slave") && info.is("master_link_status", "up");
            let host = info.get("master_host").unwrap_or_default();
            let port = info.number("master_port").and_then(|port| u16::try_from(port).ok());
            let Some(port) = port.filter(|_| linked && seen.proved(primary).is_none()) else {
                continue;
            };
            let at = Endpoint::new(host, port);
            let Some(there) = seen.sighting_at(&at).map(|number| seen.sighting(number)) else {
                continue;
            };
            let Some(foreign) = there.myid.get().copied().filter(|id| *id != primary) else {
                continue;
            };
            let own = seen.proved(replica).and_then(|own| seen.sighting_at(&own.from));
            let (Some(own), Some(copied)) = (own, info.get("master_replid")) else { continue };
            let theirs = there.info.get().and_then(|info| info.get("master_replid"));
            // A member that the replica knows is a matter of roles, not of strangers. The primary
            // itself under a new id claims its own slots, and is `NODE_IDENTITY_LOST`.
            let claims = seen.own_row(foreign).map(|row| row.slots.clone()).unwrap_or_default();
            let is_itself =
                !claims.is_empty() && claims.difference(&seen.slots_of(primary)).is_empty();
            if seen.view_of(own, foreign).is_some() || theirs != Some(copied) || is_itself {
                continue;
            }
            let short = copied.get(..8).unwrap_or(copied).to_owned();
            let evidence = [
                Evidence::first_hand(
                    seen.sighting(own),
                    format!("copies {at}, the link is up, with the history {short}"),
                ),
                Evidence::first_hand(
                    there,
                    format!("is {}, in no table of ours, with the same history", foreign.short()),
                ),
            ];
            let subject = Subject::nodes([replica, primary, foreign])
                .with_slots(seen.slots_of(primary))
                .with_address(Some(at.clone()));
            out.push(Self { replica, primary, foreign, at }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a replica has copied a stranger: {} follows {}, where {} of another cluster answers in \
             the place of {}",
            seen.name(self.replica),
            self.at,
            self.foreign.short(),
            self.primary.short()
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let name = seen.name(self.replica);
        ByHand::of(Risk::MayLoseData)
            .then(format!("block the way from {name} to {} (client port), so that it copies no more", self.at))
            .command(seen.endpoint(self.replica), "CONFIG SET cluster-replica-no-failover yes")
            .command(seen.endpoint(self.replica), "INFO keyspace")
            .check("what it holds is the stranger's; nothing of ours is to be looked for there")
            .then(format!(
                "start {} with its own directory at an address of its own, and send CLUSTER MEET with \
                 that address from any member; or restore the shard from another replica or a backup",
                self.primary
            ))
            .check("the replica follows it, and its keys are ours again; then undo the two fences")
            .never(format!("FAILOVER FORCE or TAKEOVER on {name}: it would serve the stranger's keys"))
            .never("CLUSTER MEET of the stranger: it merges two clusters")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .keys(1_000)
            .kill(2)
            .stranger(At::Fresh)
            .send(6, "CLUSTER ADDSLOTSRANGE 0 16383")
            .stop(6)
            .start(6, At::Of(2))
            .wait(Until::Flag { on: 0, about: 2, flag: "noaddr" })
            .wait(Until::Field(5, "master_link_status", "up"))
            .not_on(
                Server::Valkey91,
                "promotes the replica within the node timeout, and then nothing shows whom it copied",
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SlotSet;
    use crate::observation::sketch::Sketch;
    use crate::observation::{Said, Silence};

    /// Primary 2 is gone, a stranger is at its address, and replica 5 copies that one.
    fn copied(claims: SlotSet) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(5, "master_replid", "feed");
        sketch.silence(2, Silence::Refused, Some(Silence::Refused));
        sketch.stranger(NodeId::made_up(99), Sketch::at(2), claims);
        sketch
    }

    fn found(sketch: &Sketch, history: &str) -> Vec<crate::diagnose::Found> {
        let mut seen = sketch.build();
        let at = Sketch::at(2);
        for sighting in seen.sightings.iter_mut().filter(|sighting| sighting.from == at) {
            sighting.myid = Said::This(NodeId::made_up(99));
            sighting.info = Said::This([("master_replid", history)].into_iter().collect());
        }
        let mut found = Vec::new();
        crate::diagnose::run::<ReplicaSyncedFromForeign>(&Picture::new(&seen), &ENTRY, &mut found);
        found
    }

    #[test]
    fn a_replica_with_a_strangers_history_is_found() {
        let found = found(&copied(SlotSet::all()), "feed");
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.nodes.contains(&Sketch::id(5)), "{found:#?}");
    }

    #[test]
    fn an_empty_stranger_is_one_and_the_primary_under_a_new_id_is_none() {
        assert_eq!(found(&copied(SlotSet::new()), "feed").len(), 1);
        assert_eq!(found(&copied(SlotSet::range(16_000, 16_001)), "feed"), []);
    }

    #[test]
    fn one_with_its_own_history_is_not() {
        assert_eq!(found(&copied(SlotSet::all()), "beef"), []);
    }

    #[test]
    fn a_healthy_shard_is_not() {
        assert_eq!(Sketch::healthy(3, 1).detect::<ReplicaSyncedFromForeign>(&ENTRY), []);
    }
}
