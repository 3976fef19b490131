//! A primary without a replica, while others have more than one.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// One primary has no replica while another has several. When it dies, its slots are down,
    /// although a spare copy machine stands beside.
    ///
    /// ## How it comes about
    /// A mistaken `CLUSTER REPLICATE`, a lost node, or automatic replica migration that is switched
    /// off (`cluster-allow-replica-migration no`).
    ///
    /// ## What we look at
    /// The live replicas of each primary with slots.
    ///
    /// ## The repair
    /// Let a replica of the best covered primary follow the one without.
    ///
    /// ## Repair safety
    /// It costs a full synchronisation and loses nothing; take one replica at a time, never all of
    /// a shard.
    ///
    /// ## By hand
    /// `CLUSTER REPLICATE <id of the primary>` on the spare replica.
    pub struct OrphanedPrimary { primary: NodeId, spare: NodeId, donor: NodeId }
    group: Replication, severity: Warning, after: [
        NodeDown, ShardDown, QuorumLost, AllAddressesStale, NodeHung, NodeLoading, NodeIdentityLost,
        ForgotSlotOwner, ClusterSplitIslands, ReplicaTooStale, MinorityPartition,
        PrimaryNoaddrMasked, GhostNodeEntries, ResetMistake, ForgetNodeReturns, SlotClaimedTwice,
        TooFewVoters, FailoverDisabled, FailoverBlockedByEpoch, FullCoverageMasked,
        ForgottenNodeZombie, NotRedis, AuthMismatch, ClusterDisabledOnNode, EmptyPrimary,
        FailoverNoVotes,
    ],
    settles: true, repair: [Attach], since: "0.1",
}

impl Finding for OrphanedPrimary {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let voters = seen.voters();
        let alive = |id: NodeId| -> Vec<NodeId> {
            seen.replicas_of(id).into_iter().filter(|id| seen.is_alive(*id)).collect()
        };
        let Some(donor) = voters.iter().copied().max_by_key(|id| alive(*id).len()) else { return };
        let spares = alive(donor);
        let Some(spare) = spares.last().copied().filter(|_| spares.len() > 1) else { return };
        for primary in voters.iter().copied().filter(|id| alive(*id).is_empty()) {
            let evidence: Vec<Evidence> = [(primary, 0), (donor, spares.len())]
                .into_iter()
                .filter_map(|(id, count)| {
                    let text = format!("has {count} live replicas");
                    Some(Evidence::first_hand(seen.proved(id)?, text))
                })
                .collect();
            // A dead replica of it is the cause; both belong together.
            let subject = Subject::nodes([primary, donor]).with_nodes(seen.replicas_of(primary));
            out.push(Self { primary, spare, donor }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "a primary has no replica while another has a spare one: {}, spare at {}",
            seen.name(self.primary),
            seen.name(self.spare)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::Reversible)
            .check(format!("{} keeps another replica in sync", seen.name(self.donor)))
            .command(seen.endpoint(self.spare), format!("CLUSTER REPLICATE {}", self.primary))
            .check("master_link_status:up at the moved replica")
            .never("move all replicas of one shard at the same time")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .option("--cluster-allow-replica-migration no")
            .send(3, "CLUSTER REPLICATE {id1}")
            .wait(crate::scenario::Until::Field(3, "master_link_status", "up"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_spare_beside_an_orphan_is_found() {
        let mut sketch = Sketch::healthy(3, 1);
        for observer in 0..6 {
            sketch.row(observer, 3, |row| row.primary = Some(Sketch::id(1)));
        }
        let found = sketch.detect::<OrphanedPrimary>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.nodes.contains(&Sketch::id(0)));
    }

    #[test]
    fn no_replicas_at_all_or_one_each_is_a_choice() {
        assert_eq!(Sketch::healthy(3, 0).detect::<OrphanedPrimary>(&ENTRY), []);
        assert_eq!(Sketch::healthy(3, 1).detect::<OrphanedPrimary>(&ENTRY), []);
    }
}
