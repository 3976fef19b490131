//! Most of the primaries that vote are gone: nothing can be agreed on any more.

use super::coverage::{best_replica, down_by, missed_by};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// Fewer than half of the voting primaries are alive. The cluster refuses every key, and it
    /// cannot help itself: no failure can be agreed on (peers stay at `fail?`), so no replica can
    /// be elected, even if every replica is in order.
    ///
    /// ## How it comes about
    /// A zone or a rack is lost, several hosts are evicted together, or volumes are gone.
    ///
    /// ## What we look at
    /// Each primary with slots: whether it answers a client or its bus, and whether the others
    /// miss it. A primary that answers at another address is an addressing fault, not lost;
    /// primaries that live behind a partition are lost only from this side.
    ///
    /// ## The repair
    /// Bring primaries back: a majority is enough, and nothing is lost. Else promote the best
    /// replica of each dead primary with `CLUSTER FAILOVER TAKEOVER`, one after the other.
    ///
    /// ## Repair safety
    /// `TAKEOVER` asks nobody. If the old primaries live behind a partition, there will be two
    /// owners, and the writes of one of them are lost. It is safe only with proof of their death:
    /// the host is off, the volume detached. It also loses what had not been replicated.
    ///
    /// ## By hand
    /// Start the dead primaries on their own directories. Only with proof of death: on the replica
    /// with the greatest `slave_repl_offset` of each dead primary, `CLUSTER FAILOVER TAKEOVER`;
    /// wait until all nodes see it before the next one.
    pub struct QuorumLost { dead: Vec<NodeId>, alive: usize, needed: usize }
    group: Slots, severity: Critical, after: [
        AllAddressesStale, PeerAddressStale, NodeIdentityLost, DuplicateNodeIdLive,
        ClonedClusterHijack, ClusterSplitIslands, BusPortBlocked, MtuBlackhole, TlsBusMismatch,
        TlsCertInvalid, AnnounceAddressWrong, SourceAddressMismatch, NodeLoading, NodeHung,
        ClusterDisabledOnNode, NotRedis, LeftoverState,
    ],
    repair: [Promote, GiveUp], since: "0.1",
}

impl Finding for QuorumLost {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let voters = seen.voters();
        let needed = voters.len() / 2 + 1;
        let mut evidence = Vec::new();
        let dead: Vec<NodeId> = voters
            .iter()
            .copied()
            .filter(|id| {
                if seen.is_alive(*id) {
                    return false;
                }
                let missed = missed_by(seen, *id);
                let is_dead = !missed.is_empty();
                evidence.extend(missed);
                is_dead
            })
            .collect();
        let alive = voters.len() - dead.len();
        if alive >= needed || dead.is_empty() {
            return;
        }
        for id in &dead {
            if let Some(silence) = seen.sighting_of(*id).and_then(|s| s.ping.silence()) {
                let text = format!("{}: {}", seen.name(*id), silence.describe());
                evidence.push(Evidence::ours(text));
            }
        }
        evidence.extend(down_by(seen));
        let subject = Subject { whole_cluster: true, ..Subject::nodes(dead.clone()) };
        out.push(Self { dead, alive, needed }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let names: Vec<String> = self.dead.iter().take(4).map(|id| seen.name(*id)).collect();
        let more = if self.dead.len() > 4 { ", ..." } else { "" };
        format!(
            "{} of {} voting primaries are left, {} are needed: nothing can be elected; gone are \
             {}{more}",
            self.alive,
            self.alive + self.dead.len(),
            self.needed,
            names.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let way = ByHand::of(Risk::MayLoseData).then(
            "bring the dead primaries back on their own directories: as soon as a majority is \
             there, the cluster heals by itself, and nothing is lost",
        );
        let replicas: Vec<NodeId> =
            self.dead.iter().filter_map(|id| best_replica(seen, *id)).collect();
        if replicas.is_empty() {
            return never(way.then(
                "if a host is lost: restore its volume with its nodes.conf elsewhere, start it, \
                 and CLUSTER MEET it from a live member",
            ));
        }
        let way = way.check(
            "the dead primaries are dead for certain: hosts off, volumes detached, not merely out \
             of sight. Only then go on",
        );
        never(replicas.into_iter().fold(way, |way, replica| {
            way.command(seen.endpoint(replica), "CLUSTER FAILOVER TAKEOVER")
                .check("every live node shows it as master with the slots")
        }))
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .kill(0)
            .kill(1)
            .wait(Until::Flag { on: 2, about: 0, flag: "fail?" })
            .wait(Until::Flag { on: 2, about: 1, flag: "fail?" })
            .wait(Until::State(2, "fail"))
    }
}

fn never(way: ByHand) -> ByHand {
    way.never(
        "TAKEOVER while the old primaries may live behind a partition: two owners, lost writes",
    )
    .never("redis-cli --cluster fix or create: the slots of the dead primaries would be given away")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;
    use crate::observation::{LinkState, Silence};

    fn without(dead: &[usize]) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for n in dead {
            sketch.silence(*n, Silence::Refused, Some(Silence::Refused));
        }
        for n in dead {
            sketch.flagged(*n, Flag::Suspected, LinkState::Disconnected);
        }
        sketch
    }

    #[test]
    fn two_of_three_dead_is_found() {
        let found = without(&[0, 1]).detect::<QuorumLost>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.starts_with("1 of 3 voting primaries are left"));
        let takeovers = found[0].by_hand.steps.iter().filter(|step| {
            matches!(step, crate::diagnose::Step::Command { argv, .. }
                if argv.last().is_some_and(|word| word == "TAKEOVER"))
        });
        assert_eq!(takeovers.count(), 2);
    }

    #[test]
    fn one_of_three_dead_is_not() {
        assert_eq!(without(&[0]).detect::<QuorumLost>(&ENTRY), []);
    }
}
