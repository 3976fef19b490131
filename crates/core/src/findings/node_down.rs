//! A member whose process is gone or out of reach, and that the others miss.

use super::client_port::{peers_on, place};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Role, Sighting, Silence};
use crate::scenario::{Scenario, Server, Until};

finding! {
    /// ## What it means
    /// A member of the cluster does not accept connections, and other members miss it as well. Its
    /// copy of the data does not help anybody now. If it is a primary and a replica took its
    /// place, the shard works without a reserve.
    ///
    /// ## How it comes about
    /// The process ended: killed by the kernel for memory (exit code 137), crashed (139, `REDIS
    /// BUG REPORT START` in the log), ended by a probe (143), or it refuses to start (1). Starting
    /// fails over and over with `Unrecoverable error: corrupted cluster config file`, `Sorry, the
    /// cluster configuration file ... is already used by a different ... Cluster node`, `Fatal:
    /// can't update cluster config file` (disk full), `Bad file format reading the append only
    /// file`, `Short read or OOM loading DB`, `Can't handle RDB format version`, `Bad directive or
    /// wrong number of arguments` (after an upgrade) or `bind: Address already in use`. Or its
    /// host is down: then connections are not refused, they time out.
    ///
    /// ## What we look at
    /// Our own connection attempt to every address that any node records for it (refused, timed
    /// out, no route), its bus port, and the flags `fail?` and `fail` and the link column of the
    /// other nodes. A node that answers on its bus is not down. A node that accepts connections
    /// and says nothing is `NODE_HUNG`; one that lives at another address has an addressing fault.
    ///
    /// ## The repair
    /// Read the last lines of its log and its exit code, mend that cause, and start it again on
    /// its own directory with its own `nodes.conf`: it rejoins by itself, whatever happened
    /// meanwhile.
    ///
    /// ## Repair safety
    /// Starting a node on its own directory cannot lose data, with one exception: a primary
    /// without persistence comes back empty, and if it comes back before a replica took its place,
    /// its replicas copy the emptiness. In that case promote a replica first (`CLUSTER FAILOVER
    /// TAKEOVER` or `FORCE` on it), then start the old one.
    ///
    /// ## By hand
    /// Look at the orchestrator (`kubectl get pods -o wide`, `kubectl logs --previous`,
    /// `journalctl -u`), mend, start, and wait until `CLUSTER NODES` of the others shows it
    /// without `fail`. Never delete its `nodes.conf` or its data files to make it start: it
    /// returns as a stranger or empty.
    pub struct NodeDown {
        id: NodeId, at: Endpoint, role: Option<Role>, why: Silence, peers: String,
    }
    group: Process, severity: Error, after: [
        AllAddressesStale, PeerAddressStale, SelfAddressStale, SelfAddressUnknown,
        AddressPermutedNoaddr, PrimaryNoaddrMasked, DuplicateNodeIdLive, ClonedClusterHijack,
        NodeIdentityLost, GhostNodeEntries, LoopbackAddress, SourceAddressMismatch,
        AnnounceAddressWrong, HostnameAsAnnounceIp, DualStackMismatch, AddressReusedByForeignNode,
        ClusterSplitIslands, BusPortBlocked, BusPortWrong, MinorityPartition, BusOneWayPartition,
        ShardDown, QuorumLost, FullCoverageMasked, ReplicaTooStale, FailoverDisabled,
        FailoverBlockedByEpoch, ForgottenNodeZombie, ForgetNodeReturns, ForgotSlotOwner,
        ResetMistake, EmptyPrimaryRestartWipedShard, TlsBusMismatch, TlsCertInvalid,
        FailoverNoVotes, ReplicationChainOrCycle,
    ],
    repair: [GiveUp], since: "0.1",
}

impl Finding for NodeDown {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members() {
            let tried: Vec<&Sighting> =
                member.presumed.iter().map(|number| seen.sighting(*number)).collect();
            let reasons: Option<Vec<&Silence>> = tried.iter().map(|one| absence(one)).collect();
            let Some(why) = reasons.as_ref().and_then(|reasons| reasons.first()) else { continue };
            let Some(at) = tried.first().map(|one| one.from.clone()) else { continue };
            if !member.proved.is_empty() || seen.is_alive(id) {
                continue;
            }
            let verdict = peers_on(seen, id);
            if !verdict.is_bad() {
                continue;
            }
            let peers = verdict.describe();
            let mut evidence = verdict.evidence;
            evidence.extend(
                tried
                    .iter()
                    .zip(reasons.iter().flatten())
                    .map(|(one, why)| Evidence::ours(format!("{}: {}", one.from, why.describe()))),
            );
            let subject = Subject::node(id).with_address(Some(at.clone()));
            let why = (*why).clone();
            out.push(Self { id, at, role: seen.role(id), why, peers }, subject, evidence);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let who = match self.role {
            Some(Role::Primary) => "the primary",
            Some(Role::Replica) => "the replica",
            None => "the node",
        };
        let place = place(&self.at, Some(self.id));
        format!("{who} {place} is down: {}, and {}", self.why.describe(), self.peers)
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let witness = seen.observers().next().map(|number| seen.sighting(number).from.clone());
        let first = if self.why == Silence::Refused {
            format!(
                "on the host of {}: is the process there? Read the end of its log and its exit \
                 code (137 killed for memory, 139 crashed, 1 refused to start)",
                self.at
            )
        } else {
            format!(
                "is the host of {} up, and may packets pass to it? Nothing answers at all there",
                self.at
            )
        };
        let steps = ByHand::of(Risk::ReadOnly)
            .then(first)
            .then("mend what the log names, and keep a copy of the directory before changing it");
        let steps = if self.role == Some(Role::Primary) && !seen.slots_of(self.id).is_empty() {
            steps.check(
                "it still owns slots: does it persist (RDB or AOF)? If not, promote one of its \
                 replicas before it starts, or they copy its emptiness",
            )
        } else {
            steps
        };
        steps
            .then("start it on its own directory, with its own nodes.conf")
            .command(witness, "CLUSTER NODES")
            .check(format!("the row of {} has lost its fail flag", self.id))
            .never("delete its nodes.conf or its data files to make it start")
            .never("CLUSTER FORGET while it owns slots or may come back")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .kill(5)
            .wait(Until::Flag { on: 0, about: 5, flag: "fail" })
            .beyond_repair(&Server::ALL, "nobody said that its disk is gone")
    }
}

/// Why nobody is there, if nobody is.
fn absence(sighting: &Sighting) -> Option<&Silence> {
    let absent =
        |why: &&Silence| matches!(why, Silence::Refused | Silence::TimedOut | Silence::NoRoute);
    sighting.ping.silence().filter(absent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::LinkState;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_refused_address_that_the_others_miss_is_down() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::Refused, Some(Silence::Refused));
        sketch.flagged(5, Flag::Failed, LinkState::Disconnected);
        let found = sketch.detect::<NodeDown>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(
            found[0].subject,
            Subject::node(Sketch::id(5)).with_address(Some(Sketch::at(5)))
        );
        assert!(found[0].message.starts_with("the replica 10.0.0.6:6379"), "{}", found[0].message);
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("nodes.conf")));
    }

    #[test]
    fn an_address_that_only_we_cannot_reach_is_not_down() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::TimedOut, None);
        assert_eq!(sketch.detect::<NodeDown>(&ENTRY), []);
        sketch.silence(5, Silence::Refused, None);
        sketch.flagged(5, Flag::Suspected, LinkState::Disconnected);
        assert_eq!(sketch.detect::<NodeDown>(&ENTRY), [], "its bus still answers");
    }

    #[test]
    fn a_node_that_is_connected_and_silent_is_not_down() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::NoReply, Some(Silence::NoReply));
        sketch.flagged(5, Flag::Failed, LinkState::Connected);
        assert_eq!(sketch.detect::<NodeDown>(&ENTRY), []);
    }
}
