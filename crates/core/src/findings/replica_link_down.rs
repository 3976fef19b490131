//! A replica that is not connected to its primary.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Act, Cut, Port, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// A replica does not receive the stream of its primary. Its copy grows older; after a while
    /// it may no longer be elected; with `replica-serve-stale-data no` it answers `-MASTERDOWN`.
    ///
    /// ## How it comes about
    /// Replication uses the client port, not the bus: that port may be closed between the two
    /// while the cluster looks healthy. Other causes have findings of their own: a wrong password,
    /// an incompatible version, an old address, a primary that is down or loading.
    ///
    /// ## What we look at
    /// `master_link_status` in `INFO` of the replica, the address it dials, and the address where
    /// its primary answers. A replica that gets the data of its primary, or that its primary has in
    /// line for that, is none.
    ///
    /// ## The repair
    /// Open the client port of the primary to the replica; it reconnects by itself. A replica that
    /// dials an address where its primary was, although its table has the right one, is told
    /// `CLUSTER REPLICATE` with the same primary (Redis: gossip corrects the table and not the
    /// replication; Valkey corrects both).
    ///
    /// ## Repair safety
    /// The command makes a replica of the same primary of it; it is sent only while the primary
    /// shows keys of every slot that the replica has keys of.
    ///
    /// ## By hand
    /// Read the replica's log (`Connecting to MASTER`, `Error condition on socket for SYNC`), and
    /// try the primary's client port from the replica's host. Do not promote it before comparing
    /// offsets, and do not reset it.
    pub struct ReplicaLinkDown {
        replica: NodeId, primary: Option<NodeId>, dials: String, for_s: i64,
    }
    group: Replication, severity: Error, after: [
        ShardDown, QuorumLost, NodeDown, NodeHung, NodeLoading, NotRedis, ReplicaAuthFailed,
        RdbVersionIncompatible, ReplicaTooStale, FailoverDisabled, FailoverBlockedByEpoch,
        AllAddressesStale, PeerAddressStale, SelfAddressStale, SelfAddressUnknown,
        AddressPermutedNoaddr, PrimaryNoaddrMasked, NodeIdentityLost, DuplicateNodeIdLive,
        ClonedClusterHijack, AnnounceAddressWrong, LoopbackAddress, SourceAddressMismatch,
        HostnameAsAnnounceIp, IllegalAddress, DualStackMismatch, AddressReusedByForeignNode,
        TlsBusMismatch, TlsCertInvalid, AuthMismatch, PasswordDrift, ProtectedMode,
        MaxclientsExhausted, BusyScript, MinorityPartition, ClusterDisabledOnNode,
        FullCoverageMasked, BusPortBlocked, MtuBlackhole, AclDiverged, CommandRenamed,
        DiskErrorMisconf, ClusterSplitIslands, ForgetNodeReturns, ForgotSlotOwner, ResetMistake,
        EmptyPrimaryRestartWipedShard, ForgottenNodeZombie, GhostNodeEntries, FailoverNoVotes,
        FullSyncLoop, ReplicationChainOrCycle,
    ],
    settles: true, repair: [Attach], since: "0.1",
}

impl Finding for ReplicaLinkDown {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (replica, _) in seen.members() {
            let (Some(info), Some(sighting)) = (seen.info_of(replica), seen.proved(replica)) else {
                continue;
            };
            let down = info.is("role", "slave") && info.is("master_link_status", "down");
            if !down || seen.is_being_copied(replica) {
                continue;
            }
            let host = info.get("master_host").unwrap_or_default();
            let dials = format!("{host}:{}", info.get("master_port").unwrap_or_default());
            let for_s = info.signed("master_link_down_since_seconds").unwrap_or(-1);
            let primary = seen.primary_of(replica);
            let text = format!("is not connected to its primary; it dials {dials}");
            let evidence = [Evidence::first_hand(sighting, text)];
            let subject = Subject::node(replica).with_nodes(primary);
            out.push(Self { replica, primary, dials, for_s }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let since = match self.for_s {
            0.. => format!(" for {} s", self.for_s),
            _ => String::new(),
        };
        format!("a replica has no link to its primary{since}: {}", seen.name(self.replica))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let primary = self.primary.and_then(|id| seen.endpoint(id));
        ByHand::of(Risk::ReadOnly)
            .command(seen.endpoint(self.replica), "INFO replication")
            .then(format!(
                "from the replica's host: does a TCP connection to {} come about? That is the \
                 client port; an open bus says nothing of it",
                self.dials
            ))
            .command(primary, "INFO replication")
            .then("open the client port between the two, or mend what the replica's log names")
            .check("master_link_status:up at the replica")
            .never("promote this replica before its offset is compared with its siblings'")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .in_namespace()
            .act(Act::Sever { from: vec![3], to: vec![0], port: Port::Client, cut: Cut::Reject })
            .send(0, "CLIENT KILL TYPE replica")
            .wait(Until::Field(3, "master_link_status", "down"))
            .beyond_repair(&Server::ALL, "the client port is closed between the two")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_broken_link_is_found() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(3, "master_link_status", "down");
        let found = sketch.detect::<ReplicaLinkDown>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.nodes.contains(&Sketch::id(0)));
    }

    #[test]
    fn a_replica_that_its_primary_has_in_line_is_not() {
        let mut sketch = Sketch::healthy(3, 1);
        let line = |state| format!("ip=10.0.0.4,port=6379,state={state},offset=0,lag=0");
        sketch.info(3, "master_link_status", "down").info(0, "slave0", &line("wait_bgsave"));
        assert_eq!(sketch.detect::<ReplicaLinkDown>(&ENTRY), []);
        sketch.info(0, "rdb_last_bgsave_status", "err");
        assert_eq!(sketch.detect::<ReplicaLinkDown>(&ENTRY).len(), 1, "it is not begun");
        sketch.info(0, "rdb_last_bgsave_status", "ok").info(0, "slave0", &line("online"));
        assert_eq!(sketch.detect::<ReplicaLinkDown>(&ENTRY).len(), 1, "of an older link");
    }

    #[test]
    fn a_running_sync_is_not() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.info(3, "master_link_status", "down").info(3, "master_sync_in_progress", "1");
        assert_eq!(sketch.detect::<ReplicaLinkDown>(&ENTRY), []);
    }
}
