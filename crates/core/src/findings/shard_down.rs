//! A primary that all hold for failed, whose slots nobody took over.

use super::coverage::{best_replica, down_by, failed_by, is_majority};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{Scenario, Server, Until};

finding! {
    /// ## What it means
    /// The owner of some slots is marked FAIL by the others, and no replica has taken its place.
    /// Keys of these slots can be neither read nor written; with full coverage required, the
    /// default, no key of the cluster can (`CLUSTERDOWN The cluster is down`).
    ///
    /// ## How it comes about
    /// A primary without a replica died, primary and replica died together, or the replica that
    /// is left cannot be elected.
    ///
    /// ## What we look at
    /// The `fail` flag of a slot owner in the tables of most nodes, `cluster_slots_fail`, and which
    /// of its replicas answer. A node that loads its data, hangs, or lives at another address is
    /// marked FAIL as well; those causes have findings of their own and stand above this one.
    ///
    /// ## The repair
    /// In the order of what is lost: bring the primary back on its own data; else promote its best
    /// replica; else restore its volume with its own `nodes.conf`; only when nothing of it exists
    /// any more, give its slots away.
    ///
    /// ## Repair safety
    /// Bringing the primary back loses nothing. `CLUSTER FAILOVER FORCE` on a replica loses what
    /// had not been replicated. Giving the slots away accepts that their keys are lost.
    ///
    /// ## By hand
    /// Start the primary on its own directory. If it cannot come back and a replica lives, send
    /// `CLUSTER FAILOVER FORCE` to the replica with the greatest `slave_repl_offset`. Meanwhile
    /// `CONFIG SET cluster-require-full-coverage no` on all nodes serves the other shards. Never
    /// `CLUSTER FORGET` the dead primary while its data may come back.
    pub struct ShardDown { owner: NodeId, slots: SlotSet, replica: Option<NodeId> }
    group: Slots, severity: Critical, after: [
        AllAddressesStale, PeerAddressStale, NodeIdentityLost, PrimaryNoaddrMasked,
        AddressReusedByForeignNode, DuplicateNodeIdLive, ClonedClusterHijack, BusPortBlocked,
        BusPortWrong, MtuBlackhole, TlsBusMismatch, TlsCertInvalid, AnnounceAddressWrong,
        SourceAddressMismatch, LoopbackAddress, HostnameAsAnnounceIp, IllegalAddress, NodeHung,
        NodeLoading, NotRedis, ClusterDisabledOnNode, MinorityPartition, BusOneWayPartition,
        ClusterSplitIslands, QuorumLost, ReplicaTooStale, FailoverDisabled, FailoverBlockedByEpoch,
        RdbVersionIncompatible, FullCoverageMasked, BusyScript, ForgottenNodeZombie,
        ForgotSlotOwner, MaxclientsExhausted, ReplicaAuthFailed, FailoverNoVotes,
        ReplicationChainOrCycle,
    ],
    settles: true, repair: [Promote, GiveUp], since: "0.1",
}

impl Finding for ShardDown {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for owner in seen.voters() {
            let mut evidence = failed_by(seen, owner);
            if !is_majority(seen, owner, &evidence) {
                continue;
            }
            evidence.extend(down_by(seen));
            let replica = best_replica(seen, owner);
            if let Some(sighting) = replica.and_then(|id| seen.proved(id)) {
                let text = "is its replica and answers, but was not elected";
                evidence.push(Evidence::first_hand(sighting, text));
            }
            let slots = seen.slots_of(owner);
            let subject = Subject::node(owner).with_nodes(replica).with_slots(slots.clone());
            out.push(Self { owner, slots, replica }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let count = self.slots.len();
        let rest = match (self.replica, seen.replicas_of(self.owner).len()) {
            (Some(_), _) => "its replica lives but was not elected",
            (None, 0) => "it has no replica",
            (None, _) => "no replica of it answers",
        };
        format!("{count} slots are not served: {rest}, and down is {}", seen.name(self.owner))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let owner = seen.name(self.owner);
        let way = ByHand::of(Risk::MayLoseData).then(format!(
            "bring {owner} back: read its last log lines and exit code, mend that, start it on its \
             own directory with its own nodes.conf. This loses nothing"
        ));
        let way = match self.replica {
            Some(replica) => way
                .check(format!("{owner} cannot come back with its data; only then go on"))
                .command(seen.endpoint(replica), "INFO replication")
                .check("slave_repl_offset is the greatest among its replicas")
                .command(seen.endpoint(replica), "CLUSTER FAILOVER FORCE"),
            None => way.then(format!(
                "if its host is lost: restore its volume or snapshot, with its nodes.conf, on \
                 another host, start it there, and CLUSTER MEET it from a member. Its id is {}",
                self.owner
            )),
        };
        way.check("cluster_slots_fail:0 in CLUSTER INFO of every node")
            .never("CLUSTER FORGET the dead primary while its data may come back: its slots go with it")
            .never(
                "redis-cli --cluster fix --cluster-fix-with-unreachable-masters: it gives the \
                 slots away, and the primary deletes its keys when it returns",
            )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .kill(0)
            .wait(Until::Flag { on: 1, about: 0, flag: "fail" })
            .beyond_repair(&Server::ALL, "no replica, and nobody said that its disk is gone")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::{LinkState, Silence};

    use crate::observation::sketch::Sketch;

    #[test]
    fn a_failed_owner_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(0, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(0, Flag::Failed, LinkState::Disconnected);
        let found = sketch.detect::<ShardDown>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("it has no replica"), "{}", found[0].message);
    }

    #[test]
    fn a_failed_replica_or_a_mere_suspicion_is_not() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.flagged(4, Flag::Failed, LinkState::Disconnected);
        sketch.flagged(1, Flag::Suspected, LinkState::Disconnected);
        assert_eq!(sketch.detect::<ShardDown>(&ENTRY), []);
    }
}
