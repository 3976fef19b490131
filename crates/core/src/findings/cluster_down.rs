//! A node refuses keys, and nothing else that was found says why: the last resort.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::Endpoint;
use crate::observation::Picture;
use crate::scenario::{Scenario, Server};

/// Seconds after its start in which a node may say `fail` without meaning anything: it waits for
/// gossip first (`CLUSTER_WRITABLE_DELAY`, and the rejoin delay of five seconds at most).
const YOUNG_S: u64 = 10;

finding! {
    /// ## What it means
    /// A node says `cluster_state:fail`: it answers every key with `CLUSTERDOWN`. No other finding
    /// explains it, so the cause lies in something that we do not know or could not see.
    ///
    /// ## How it comes about
    /// The server sets the state in `clusterUpdateState`: a slot without owner, an owner that is
    /// flagged `fail` (both only with `cluster-require-full-coverage yes`), or no majority of
    /// primaries in reach. After the cause is gone it waits for the rejoin delay, at most five
    /// seconds.
    ///
    /// ## What we look at
    /// `cluster_state` in each node's `CLUSTER INFO`, of nodes that `INFO` shows to be up for ten
    /// seconds. It stands beneath every other root cause of weight.
    ///
    /// ## The repair
    /// None can be given without the cause. The counts of `CLUSTER INFO` say which of the three
    /// rules holds; the log of the node has the moment of the change.
    ///
    /// ## Repair safety
    /// Looking changes nothing. Repairing a cluster whose cause is not known is how keys are lost.
    ///
    /// ## By hand
    /// Read `CLUSTER INFO` and `CLUSTER NODES` on the node, and its log around `Cluster state
    /// changed: fail`. Keep the observation (`slotwright check -o json`).
    pub struct ClusterDown { nodes: Vec<Endpoint>, asked: usize }
    group: Slots, severity: Error, after: [
        OwnerDisownsSlots,
        AclDeniesClusterCommands, AddressPermutedNoaddr, AddressReusedByForeignNode,
        AllAddressesStale, AnnounceAddressWrong, AofWriteError, AuthMismatch, BusOneWayPartition,
        BusPortBlocked,
        BusyScript, ClientEndpointUnreachable, ClientNullOrUnknownEndpoint,
        ClientSeedDnsAllOrNothing, ClonedClusterHijack, ClusterDisabledOnNode, ClusterSplitIslands,
        DiskErrorMisconf, DuplicateNodeIdLive, EmptyPrimaryRestartWipedShard,
        FailoverBlockedByEpoch, ForgotSlotOwner, ForgottenNodeZombie, FullCoverageMasked,
        IllegalAddress, KeysInForeignSlot, LoopbackAddress, MaxclientsExhausted, MaxmemoryReached,
        MembershipAsymmetric, MinorityPartition, MtuBlackhole, NodeDown, NodeHung, NodeIdentityLost,
        NotRedis, PeerAddressStale, PrimaryNoaddrMasked, ProtectedMode, QuorumLost,
        RdbVersionIncompatible, ReplicaAuthFailed, ReplicaLinkDown, ReplicaTooStale, ResetMistake,
        SelfAddressStale, ShardDown, SlotClaimedTwice, SlotOwnerDisagreement,
        SlotOwnerlessAfterSourceFirst, SlotsUnassigned, SourceAddressMismatch, TlsBusMismatch,
        TlsCertInvalid, WritesRefusedMinReplicas, TimeoutFlapping, FailoverNoVotes,
        ReplicationChainOrCycle,
    ],
    settles: true,
    obstacle: "what keeps the state from getting ok could not be seen, and a command without a cause \
               does harm",
    since: "0.1",
}

impl Finding for ClusterDown {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let (mut nodes, mut asked, mut evidence) = (Vec::new(), 0, Vec::new());
        for (_, sighting) in seen.sightings() {
            let Some(told) = sighting.cluster_info.get() else { continue };
            asked += 1;
            let uptime = sighting.info.get().and_then(|info| info.number("uptime_in_seconds"));
            if !told.is("cluster_state", "fail") || uptime.is_none_or(|seconds| seconds < YOUNG_S) {
                continue;
            }
            let count = |name: &str| told.get(name).unwrap_or("?").to_owned();
            let text = format!(
                "cluster_state:fail; slots assigned {}, pfail {}, fail {}",
                count("cluster_slots_assigned"),
                count("cluster_slots_pfail"),
                count("cluster_slots_fail")
            );
            evidence.push(Evidence::first_hand(sighting, text));
            nodes.push(sighting.from.clone());
        }
        if nodes.is_empty() {
            return;
        }
        let all = nodes.len() == asked;
        let subject = Subject::cluster();
        let pushed = out.push(Self { nodes, asked }, subject, evidence);
        if all {
            pushed.severity(Severity::Critical);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let names: Vec<String> = self.nodes.iter().take(4).map(ToString::to_string).collect();
        format!(
            "{} of {} nodes say cluster_state:fail and refuse keys: {}",
            self.nodes.len(),
            self.asked,
            names.join(", ")
        )
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let way = self.nodes.iter().take(4).fold(ByHand::of(Risk::ReadOnly), |way, node| {
            way.command(Some(node.clone()), "CLUSTER INFO")
        });
        way.check(
            "slots_assigned below 16384: a slot has no owner; slots_fail above 0: an owner is \
             flagged fail; neither: no majority of primaries is in reach of this node",
        )
        .then("read the node's log around 'Cluster state changed: fail'")
        .then("keep what is seen now: slotwright check -o json")
        .never("repair slots or reset nodes while the cause is not known")
    }

    fn scenario() -> Scenario {
        const WHY: &str =
            "each cause that can be staged has a finding of its own, which comes first";
        Server::ALL
            .into_iter()
            .fold(Scenario::of(3, 0), |scenario, server| scenario.not_on(server, WHY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn down(sketch: &mut Sketch, number: usize, uptime_s: &str) {
        sketch.cluster_info(number, "cluster_state", "fail").info(
            number,
            "uptime_in_seconds",
            uptime_s,
        );
    }

    #[test]
    fn a_state_that_nothing_explains_is_a_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        down(&mut sketch, 1, "3600");
        let found = sketch.detect::<ClusterDown>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.starts_with("1 of 3 nodes"), "{}", found[0].message);
        assert_eq!(found[0].severity, Severity::Error);
    }

    #[test]
    fn all_nodes_down_is_critical() {
        let mut sketch = Sketch::healthy(3, 0);
        (0..3).for_each(|number| down(&mut sketch, number, "3600"));
        assert_eq!(sketch.detect::<ClusterDown>(&ENTRY)[0].severity, Severity::Critical);
    }

    #[test]
    fn a_node_that_has_just_started_is_none() {
        let mut sketch = Sketch::healthy(3, 0);
        down(&mut sketch, 1, "3");
        assert_eq!(sketch.detect::<ClusterDown>(&ENTRY), []);
        assert_eq!(Sketch::healthy(3, 3).detect::<ClusterDown>(&ENTRY), []);
    }
}
