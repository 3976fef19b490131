//! Two primaries with slots that have the same config epoch, and keep it.

use std::collections::BTreeMap;

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{ConfigEpoch, Flag, NodeId};
use crate::observation::Picture;
use crate::scenario::{Scenario, Server};

/// Why no server can be brought to show this alone. Tried with an epoch edited into `nodes.conf`:
/// without a cut it was gone before the first look, with one it stood beneath the cut.
const NEVER_ALONE: &str = "the node with the smaller id raises its epoch at the first packet from \
                           the other, so only a cut between the two keeps it, and the cut is then \
                           the root cause";

finding! {
    /// ## What it means
    /// Two primaries that own slots have the same config epoch. The epoch decides whose claim to a
    /// slot wins. Between these two nothing decides: if both ever claim the same slot, each keeps
    /// its own opinion, and so do those who heard one of them first.
    ///
    /// ## How it comes about
    /// Every primary starts with epoch 0; `CLUSTER FAILOVER TAKEOVER`, `CLUSTER BUMPEPOCH` and
    /// `CLUSTER SETSLOT NODE` take the next epoch without asking anybody, so two nodes can take the
    /// same one. The server mends it itself: when the two hear each other, the one with the
    /// smaller id takes a new epoch (log: `configEpoch collision with node`). It lasts only where
    /// no packet of the one arrives at the other.
    ///
    /// ## What we look at
    /// The epoch that each primary with slots shows on its own row of `CLUSTER NODES`, in two looks
    /// in a row, for primaries that know each other.
    ///
    /// ## The repair
    /// Let the two hear each other on the bus; they part by themselves within a second. Where that
    /// is not possible and they share no slot, one of them may take a new epoch.
    ///
    /// ## Repair safety
    /// `CLUSTER BUMPEPOCH` changes nothing but the epoch, as long as nobody else claims a slot of
    /// this node. Where both claim one, the node that is raised wins it, and the other deletes its
    /// keys of it: that is `SLOT_CLAIMED_TWICE`, and its keys come first.
    ///
    /// ## By hand
    /// `CLUSTER NODES` on both: is the other connected? Open the bus between them both ways. Never
    /// raise an epoch before it is certain that no slot is claimed by both.
    pub struct EpochCollision { nodes: Vec<NodeId>, epoch: ConfigEpoch }
    group: Slots, severity: Warning, after: [
        BusOneWayPartition, BusPortBlocked, MinorityPartition, MtuBlackhole, TlsBusMismatch,
        TlsCertInvalid, MembershipAsymmetric, ClusterSplitIslands, AllAddressesStale,
        PeerAddressStale, AnnounceAddressWrong, SourceAddressMismatch, LoopbackAddress,
        HostnameAsAnnounceIp, IllegalAddress, DualStackMismatch, AddressPermutedNoaddr,
        PrimaryNoaddrMasked, DuplicateNodeIdLive, ClonedClusterHijack, NodeDown, NodeHung,
        NodeLoading, SlotClaimedTwice, SlotOwnerDisagreement, EpochContaminatedByForeignNode,
        ForgottenNodeZombie, TimeoutFlapping,
    ],
    settles: true,
    obstacle: "while the two do not hear each other no command parts their epochs for good; once they \
               do, the one with the smaller id raises its own",
    since: "0.1",
}

impl Finding for EpochCollision {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut at: BTreeMap<ConfigEpoch, Vec<NodeId>> = BTreeMap::new();
        for id in seen.voters() {
            let own = seen.own_row(id).filter(|row| row.flags.has(Flag::Primary));
            if let Some(row) = own.filter(|_| seen.proved(id).is_some()) {
                at.entry(row.epoch).or_default().push(id);
            }
        }
        for (epoch, ids) in at {
            let nodes: Vec<NodeId> = ids
                .iter()
                .copied()
                .filter(|id| ids.iter().any(|other| agree_to_differ(seen, *id, *other, epoch)))
                .collect();
            if nodes.len() < 2 {
                continue;
            }
            let says = format!("owns slots and has config epoch {epoch}");
            let evidence: Vec<Evidence> = nodes
                .iter()
                .filter_map(|id| Some(Evidence::first_hand(seen.proved(*id)?, says.clone())))
                .collect();
            let subject = Subject::nodes(nodes.iter().copied());
            out.push(Self { nodes, epoch }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} primaries with slots have the same config epoch {}: {}",
            self.nodes.len(),
            self.epoch,
            super::settings::names(seen, &self.nodes)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut way = ByHand::of(Risk::ReadOnly);
        for id in self.nodes.iter().take(3) {
            way = way.command(seen.endpoint(*id), "CLUSTER NODES");
        }
        way.check("each shows the others as connected, and no slot is claimed by two of them")
            .then("open the bus ports between these nodes both ways; the epochs part by themselves")
            .check("their own rows of CLUSTER NODES show different epochs")
            .never(
                "CLUSTER BUMPEPOCH while a slot is claimed by two of them: the others delete their \
                 keys of it",
            )
            .never(
                "CLUSTER SET-CONFIG-EPOCH on a node with peers: it is refused, and needs a reset",
            )
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .not_on(Server::Redis70, NEVER_ALONE)
            .not_on(Server::Redis82, NEVER_ALONE)
            .not_on(Server::Valkey91, NEVER_ALONE)
    }
}

/// Whether two nodes are of one cluster and hold each other for a primary with this epoch. A node
/// that has not heard of the other's new epoch yet names an old one.
fn agree_to_differ(seen: &Picture<'_>, one: NodeId, other: NodeId, epoch: ConfigEpoch) -> bool {
    let names = |who: NodeId, whom: NodeId| {
        let observer = seen.proved(who).and_then(|own| seen.sighting_at(&own.from));
        observer
            .and_then(|observer| seen.view_of(observer, whom))
            .is_some_and(|(row, _)| row.flags.has(Flag::Primary) && row.epoch == epoch)
    };
    one != other && (names(one, other) || names(other, one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SlotSet;
    use crate::observation::sketch::Sketch;

    /// Primaries 0 and 1 have epoch 7, and everybody says so.
    fn collided() -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        for observer in 0..6 {
            for about in [0, 1, 3, 4] {
                sketch.row(observer, about, |row| row.epoch = ConfigEpoch(7));
            }
        }
        sketch
    }

    #[test]
    fn two_owners_of_slots_with_one_epoch_are_found() {
        let found = collided().detect::<EpochCollision>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::nodes([Sketch::id(0), Sketch::id(1)]));
        assert!(found[0].message.contains("config epoch 7"), "{}", found[0].message);
    }

    #[test]
    fn replicas_have_the_epoch_of_their_primary() {
        assert_eq!(Sketch::healthy(3, 2).detect::<EpochCollision>(&ENTRY), []);
    }

    #[test]
    fn primaries_without_slots_collide_with_nobody() {
        let mut sketch = collided();
        for observer in 0..6 {
            sketch.row(observer, 1, |row| row.slots = SlotSet::new());
        }
        assert_eq!(sketch.detect::<EpochCollision>(&ENTRY), []);
    }

    #[test]
    fn looks_before_and_after_a_new_epoch_are_no_collision() {
        // Node 0 had epoch 7 when it answered; node 1 took it afterwards and knows 0 with 8.
        let mut sketch = collided();
        sketch.row(0, 1, |row| row.epoch = ConfigEpoch(2));
        sketch.row(1, 0, |row| row.epoch = ConfigEpoch(8));
        assert_eq!(sketch.detect::<EpochCollision>(&ENTRY), []);
    }
}
