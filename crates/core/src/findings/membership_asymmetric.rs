//! A node lists another one that does not list it back.

use std::collections::{BTreeMap, BTreeSet};

use super::islands::islands;
use super::whereabouts::meet;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Act, At, Cut, Port, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// Some nodes list a node that does not list them. It answers their pings (a node answers
    /// pings of strangers too), so they show it as connected; but it never learns their slots,
    /// never votes for their replicas, and its own view and state are wrong.
    ///
    /// ## How it comes about
    /// The MEET was lost or the connection broke after the one side had added the other; the way
    /// back failed; or FORGET or RESET was sent to the one side only. Redis sends the MEET on the
    /// first connection only; Valkey 7.2.6 and later repeat it until it is answered, and Valkey
    /// 8.1 and later send it again to any peer without an inbound link.
    ///
    /// ## What we look at
    /// For each pair of nodes that answered: whether both list each other.
    ///
    /// ## The repair
    /// Check that the node belongs to this cluster. Then `CLUSTER MEET` from the one that does not
    /// know the other.
    ///
    /// ## Repair safety
    /// If the node holds slots or keys of its own, find out why before it joins: claims with a
    /// greater epoch win.
    ///
    /// ## By hand
    /// The commands are printed.
    pub struct MembershipAsymmetric { blind: NodeId, to: Vec<NodeId> }
    group: Bus, severity: Error,
    after: [
        NodeIdentityLost, SourceAddressMismatch, LoopbackAddress, BusPortBlocked, BusPortWrong,
        ClonedClusterHijack, DuplicateNodeIdLive, AllAddressesStale, ForgottenNodeZombie,
        ForgotSlotOwner, AnnounceAddressWrong, MtuBlackhole, MinorityPartition, ResetMistake,
        ForgetNodeReturns,
    ],
    settles: true, repair: [Meet], since: "0.1",
}

impl Finding for MembershipAsymmetric {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let views: Vec<(usize, NodeId)> =
            seen.observers().filter_map(|n| Some((n, seen.id_of(n)?))).collect();
        // Everybody is listed by all others. That tables are of one length says nothing: of two,
        // each may lack another one.
        let listed = |id: NodeId| -> usize {
            let rows = seen.member(id).map(|member| member.rows.as_slice()).unwrap_or_default();
            rows.iter().map(|row| row.by.len()).sum()
        };
        if views.iter().all(|(_, id)| listed(*id) + 1 >= views.len()) {
            return;
        }
        for island in islands(seen) {
            let mut blind: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
            for (observer, me) in
                views.iter().filter(|(_, id)| island.live.binary_search(id).is_ok())
            {
                let listed: BTreeSet<NodeId> =
                    seen.view(*observer).map(|(row, _)| row.id).collect();
                let unknown = island.live.iter().filter(|id| !listed.contains(id));
                let to: Vec<NodeId> =
                    unknown.copied().filter(|other| lists(seen, *other, *me)).collect();
                if !to.is_empty() {
                    blind.insert(*me, to);
                }
            }
            for (me, to) in blind {
                let evidence = tell(seen, me, &to);
                let subject = Subject::node(me).with_nodes(to.iter().copied());
                out.push(Self { blind: me, to }, subject, evidence);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let names: Vec<String> = self.to.iter().take(3).map(|id| seen.name(*id)).collect();
        let more = self.to.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "{} does not know nodes that know it: {}{more}",
            seen.name(self.blind),
            names.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible)
            .check(format!("{} belongs to this cluster", seen.name(self.blind)))
            .command(seen.endpoint(self.blind), "INFO keyspace")
            .check("it holds no keys and claims no slots of its own that another node serves");
        for other in &self.to {
            steps = steps.command(seen.endpoint(self.blind), meet(seen, *other));
        }
        steps.check("after two node timeouts both list each other")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .in_namespace()
            .stranger(At::Fresh)
            .act(Act::Sever { from: vec![3], to: vec![0, 1, 2], port: Port::Bus, cut: Cut::Reject })
            .send(0, "CLUSTER MEET {ip3} {port3} {cport3}")
            .wait(Until::Knows { on: 0, about: 3, known: true })
            .wait(Until::Knows { on: 1, about: 3, known: true })
            .wait(Until::Knows { on: 2, about: 3, known: true })
            .beyond_repair(&Server::ALL, "the network between them stays cut")
            .not_on(Server::Valkey91, "repeats the MEET until both know each other since 7.2.6")
    }
}

fn lists(seen: &Picture<'_>, observer: NodeId, id: NodeId) -> bool {
    seen.member(observer)
        .is_some_and(|member| member.proved.iter().any(|n| seen.view_of(*n, id).is_some()))
}

fn tell(seen: &Picture<'_>, me: NodeId, to: &[NodeId]) -> Vec<Evidence> {
    let mut evidence: Vec<Evidence> = to
        .iter()
        .take(5)
        .filter_map(|id| {
            Some(Evidence::first_hand(seen.proved(*id)?, format!("lists {}", me.short())))
        })
        .collect();
    if let Some(sighting) = seen.proved(me) {
        let says = format!("does not list {} of the nodes that list it", to.len());
        evidence.push(Evidence::first_hand(sighting, says));
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn one_node_knows_nobody_who_knows_it() {
        let mut sketch = Sketch::healthy(3, 0);
        let me = Sketch::id(2);
        sketch.nodes[2].table.as_mut().expect("drawn").retain(|row| row.id == me);
        let found = sketch.detect::<MembershipAsymmetric>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let meets = format!("{:?}", found[0].by_hand.steps).matches("MEET").count();
        assert_eq!(meets, 2);
    }

    #[test]
    fn an_id_that_both_forgot_is_no_asymmetry() {
        let mut sketch = Sketch::healthy(3, 0);
        for (a, b) in [(1, 2), (2, 1)] {
            let id = Sketch::id(b);
            sketch.nodes[a].table.as_mut().expect("drawn").retain(|row| row.id != id);
        }
        assert_eq!(sketch.detect::<MembershipAsymmetric>(&ENTRY), []);
    }

    #[test]
    fn tables_of_one_length_may_lack_different_nodes() {
        let mut sketch = Sketch::healthy(4, 0);
        for (on, about) in [(0, 3), (1, 3), (2, 3), (3, 0)] {
            let id = Sketch::id(about);
            sketch.nodes[on].table.as_mut().expect("drawn").retain(|row| row.id != id);
        }
        let blind: Vec<_> = sketch
            .detect::<MembershipAsymmetric>(&ENTRY)
            .iter()
            .flat_map(|found| found.subject.nodes.first().copied())
            .collect();
        assert_eq!(blind.len(), 2, "{blind:?}: nodes 1 and 2 do not know node 3, which knows them");
    }
}
