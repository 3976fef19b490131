//! The nodes that were looked at form more than one cluster.

use super::islands::{Island, islands, missing};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{At, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// The nodes fall into groups that do not know each other at all: each group is a cluster of
    /// its own, with its own view of the slots. Clients get one or the other, by the seed they
    /// ask.
    ///
    /// ## How it comes about
    /// A bootstrap job ran twice or with a part of the pods; two creators ran at once; `redis-cli
    /// --cluster create` stopped half way; most nodes lost their identity and the cluster was
    /// created anew beside the rest. Or a spare node was never joined.
    ///
    /// ## What we look at
    /// Who lists whom, by id: the connected groups among the nodes that showed their tables. Nodes
    /// that know each other and do not hear each other are one group (`MINORITY_PARTITION`).
    ///
    /// ## The repair
    /// Find the group that holds the data: keys per slot, epochs, replication offsets. Nodes of a
    /// group without any key are reset and joined to it. Where both hold data it is a merge:
    /// export the keys of the one and write them to the other as a client.
    ///
    /// ## Repair safety
    /// Joining an empty node loses nothing. A MEET between two groups with data lets the one with
    /// the greater epoch take the slots of the other, and the keys there are deleted.
    ///
    /// ## By hand
    /// The groups are printed. Never MEET across groups that both have keys.
    pub struct ClusterSplitIslands { main: Vec<NodeId>, other: Vec<NodeId>, slots: SlotSet }
    group: Addressing, severity: Error,
    after: [
        NodeIdentityLost, AddressReusedByForeignNode, ClonedClusterHijack, BusPortWrong,
        HandshakeNeverCompletes, LeftoverState,
    ],
    settles: true, repair: [Meet], since: "0.1",
}

impl Finding for ClusterSplitIslands {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let islands = islands(seen);
        let Some((main, others)) = islands.split_first() else { return };
        for other in others {
            let slots = other.live.iter().filter_map(|id| seen.own_row(*id));
            let slots = slots.fold(SlotSet::new(), |all, row| all.union(&row.slots));
            let spare = other.ids.len() == 1 && slots.is_empty();
            let evidence: Vec<Evidence> = tell(seen, main).chain(tell(seen, other)).collect();
            let subject = Subject::nodes(other.ids.iter().copied()).with_slots(slots.clone());
            let found = Self { main: main.live.clone(), other: other.live.clone(), slots };
            let pushed = out.push(found, subject, evidence);
            if spare {
                let nobody_missing = missing(seen, main).is_empty();
                pushed.severity(if nobody_missing { Severity::Info } else { Severity::Warning });
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let names: Vec<String> = self.other.iter().take(3).map(|id| seen.name(*id)).collect();
        let more = self.other.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        if self.other.len() == 1 && self.slots.is_empty() {
            return format!("a node belongs to no cluster: {}", names.join(", "));
        }
        format!(
            "{} nodes form a cluster of their own, which the other {} do not know: {}{more}",
            self.other.len(),
            self.main.len(),
            names.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible);
        for id in self.other.iter().take(20) {
            steps = steps.command(seen.endpoint(*id), "INFO keyspace");
        }
        let first = self.main.first().copied();
        if let Some(at) = first.and_then(|id| seen.endpoint(id)) {
            steps = steps.check(format!("the cluster of {at} is the one that holds the data"));
        }
        steps
            .then("only if these nodes hold no key: CLUSTER RESET SOFT on each, then CLUSTER MEET of each from one node of the other group, then CLUSTER REPLICATE or a reshard")
            .then("if they hold keys: export them and write them to the other cluster as a client")
            .never("CLUSTER MEET between two groups that both hold keys: one side's slots and keys are lost")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .stranger(At::Fresh)
            .stranger(At::Fresh)
            .send(3, "CLUSTER MEET {ip4} {port4} {cport4}")
            .wait(Until::Knows { on: 3, about: 4, known: true })
            .wait(Until::Knows { on: 4, about: 3, known: true })
            .beyond_repair(&Server::ALL, "the other island owns no slot: it may be anybody's")
    }
}

fn tell<'a>(seen: &'a Picture<'_>, island: &'a Island) -> impl Iterator<Item = Evidence> + 'a {
    island.live.iter().take(3).filter_map(|id| {
        let says = format!("is {} and lists {} ids of its group", id.short(), island.ids.len());
        Some(Evidence::first_hand(seen.proved(*id)?, says))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;
    use crate::observation::sketch::Sketch;

    fn two_groups(small: usize) -> Sketch {
        let mut sketch = Sketch::healthy(6, 0);
        for n in 0..6 {
            let keep = |other: usize| (n < small) == (other < small);
            let ids: Vec<NodeId> = (0..6).filter(|m| keep(*m)).map(Sketch::id).collect();
            let table = sketch.nodes[n].table.as_mut().expect("drawn");
            table.retain(|row| ids.contains(&row.id));
        }
        sketch
    }

    #[test]
    fn two_clusters_of_one_deployment() {
        let found = two_groups(2).detect::<ClusterSplitIslands>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.nodes.len(), 2);
        assert_eq!(found[0].severity, Severity::Error);
    }

    #[test]
    fn a_spare_node_is_only_worth_a_word() {
        let mut sketch = Sketch::healthy(3, 0);
        let id = NodeId::made_up(99);
        sketch.stranger(id, Endpoint::new("10.0.9.9", 6379), SlotSet::new());
        let found = sketch.detect::<ClusterSplitIslands>(&ENTRY);
        assert_eq!(found[0].severity, Severity::Info);
    }
}
