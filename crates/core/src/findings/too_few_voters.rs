//! A cluster with so few voting primaries that the loss of one cannot be decided on.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{Picture, Role};
use crate::scenario::Scenario;

finding! {
    /// ## What it means
    /// Only primaries that own slots vote. With one or two of them, losing one leaves no majority:
    /// its replica is never elected, the cluster stays down until the primary is back or somebody
    /// forces a failover.
    ///
    /// ## How it comes about
    /// A cluster made with fewer than three primaries, or all slots were resharded to one or two.
    /// Primaries without slots do not count, however many there are.
    ///
    /// ## What we look at
    /// The primaries with slots in the view that most nodes share (`cluster_size`).
    ///
    /// ## The repair
    /// Spread the slots over at least three primaries, each with a replica on another host.
    ///
    /// ## Repair safety
    /// Moving slots keeps every key.
    ///
    /// ## By hand
    /// Add primaries, or use those without slots, and reshard slots to them. Until then, after the
    /// loss of a primary, `CLUSTER FAILOVER TAKEOVER` on its replica is the only way, and it needs
    /// proof that the primary is dead.
    pub struct TooFewVoters { voters: Vec<NodeId>, empty: Vec<NodeId> }
    group: Slots, severity: Warning, after: [
        ClusterSplitIslands, NodeIdentityLost, ResetMistake, OrphanDataNode, SlotsUnassigned,
        QuorumLost, ForgotSlotOwner, ForgottenNodeZombie, LeftoverState, MinorityPartition,
        SinglePrimaryOwnsAll,
    ],
    settles: true,
    obstacle: "a majority needs three primaries with slots: nodes must be added, and slots moved to \
               them with their keys",
    since: "0.1",
}

impl Finding for TooFewVoters {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let voters = seen.voters();
        let members = seen.members().count();
        // A single node on its own is no cluster that could elect anybody.
        if voters.is_empty() || voters.len() > 2 || members < 2 {
            return;
        }
        let empty: Vec<NodeId> = seen
            .members()
            .map(|(id, _)| id)
            .filter(|id| seen.role(*id) == Some(Role::Primary) && !voters.contains(id))
            .collect();
        let evidence: Vec<Evidence> = seen
            .agreed()
            .into_iter()
            .flat_map(|agreed| &agreed.by)
            .map(|observer| {
                let text = format!("{} primaries own slots", voters.len());
                Evidence::first_hand(seen.sighting(*observer), text)
            })
            .collect();
        let subject = Subject::nodes(voters.iter().copied().chain(empty.iter().copied()));
        out.push(Self { voters, empty }, subject, evidence);
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let empty = match self.empty.len() {
            0 => String::new(),
            1 => "; 1 primary without slots does not vote".to_owned(),
            count => format!("; {count} primaries without slots do not vote"),
        };
        format!(
            "only {} of the primaries own slots, so after the loss of one nobody can be elected{empty}",
            self.voters.len()
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let first = self.voters.first().and_then(|id| seen.endpoint(*id));
        let way = ByHand::of(Risk::MovesOwnership).command(first, "CLUSTER NODES");
        let way = if self.empty.is_empty() {
            way.then("add primaries until there are at least three, each with a replica")
        } else {
            let names: Vec<String> = self.empty.iter().map(|id| seen.name(*id)).collect();
            way.then(format!("use the primaries without slots: {}", names.join(", ")))
        };
        way.then("reshard slots to them, keys and all")
            .check("cluster_size in CLUSTER INFO is at least 3")
            .never("wait for an automatic failover: with this number of voters there is none")
    }

    fn scenario() -> Scenario {
        Scenario::of(2, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn two_primaries_are_too_few() {
        let found = Sketch::healthy(2, 1).detect::<TooFewVoters>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
    }

    #[test]
    fn three_are_enough_and_one_alone_is_no_cluster() {
        assert_eq!(Sketch::healthy(3, 0).detect::<TooFewVoters>(&ENTRY), []);
        assert_eq!(Sketch::healthy(1, 0).detect::<TooFewVoters>(&ENTRY), []);
    }
}
