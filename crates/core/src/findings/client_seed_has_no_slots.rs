//! A seed that answers and knows no cluster: clients that ask it learn an empty slot map.

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Act, At, Scenario};

finding! {
    /// ## What it means
    /// A node that was named as a seed runs in cluster mode and belongs to no cluster: it knows
    /// only itself and no slot. A client that asks it first learns an empty map: ioredis connects
    /// and closes in a silent loop, Jedis `Cluster slots list is empty.`, redis-py `0 of 16384
    /// covered`, go-redis `redis: cluster has no nodes`.
    ///
    /// ## How it comes about
    /// A fresh pod stands behind the seed service before it was joined; a node lost its
    /// `nodes.conf` or was reset; a spare node was put into the list of seeds.
    ///
    /// ## What we look at
    /// `CLUSTER NODES` of every node that was named: one row, no slot, while other nodes form a
    /// cluster.
    ///
    /// ## The repair
    /// Join it (`CLUSTER MEET`, then `CLUSTER REPLICATE` of a primary), or take it out of the list
    /// of seeds. On Kubernetes: readiness of a pod should mean that it knows the slots.
    ///
    /// ## Repair safety
    /// Joining is safe as long as the node holds no keys. If it does, find out first whose they
    /// are.
    ///
    /// ## By hand
    /// The printed commands. Never give it slots with `ADDSLOTS`: the cluster has owners for them.
    pub struct ClientSeedHasNoSlots { seed: NodeId, keys: bool, member: Option<NodeId> }
    group: Clients, severity: Warning, after: [
        NodeIdentityLost, ResetMistake, OrphanDataNode, ForgottenNodeZombie, ForgetNodeReturns,
        AddressReusedByForeignNode, HandshakeNeverCompletes, BusPortWrong,
    ],
    settles: true,
    obstacle: "a node that knows nobody may be anybody's, and joining it is not for us to decide: let \
               a member CLUSTER MEET it, or take it out of the list of seeds",
    since: "0.1",
}

impl Finding for ClientSeedHasNoSlots {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(cluster) = seen.agreed().filter(|opinion| !opinion.assigned.is_empty()) else {
            return;
        };
        let member = cluster.owners.keys().copied().find(|id| seen.proved(*id).is_some());
        for at in &seen.observation().named {
            let Some(observer) = seen.sighting_at(at) else { continue };
            let Some(seed) = seen.id_of(observer) else { continue };
            let rows: Vec<_> = seen.view(observer).map(|(row, _)| row).collect();
            let [own] = rows.as_slice() else { continue };
            let listed = seen.member(seed).is_some_and(|member| !member.rows.is_empty());
            if !own.slots.is_empty() || listed {
                continue;
            }
            let sighting = seen.sighting(observer);
            let keys = sighting.info.get().is_some_and(|info| info.get("db0").is_some());
            out.push(
                Self { seed, keys, member },
                Subject::node(seed).with_address(Some(at.clone())),
                [Evidence::first_hand(sighting, "I know no other node and no slot")],
            );
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "the seed {} belongs to no cluster: a client that asks it learns an empty slot map",
            seen.name(self.seed)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible)
            .command(seen.endpoint(self.seed), "INFO keyspace")
            .check("it holds no key; if it does, find out first whose they are");
        let steps = match (seen.endpoint(self.seed), self.member.and_then(|id| seen.endpoint(id))) {
            (Some(seed), Some(member)) if !self.keys => {
                steps.command(Some(member), format!("CLUSTER MEET {} {}", seed.host, seed.port))
            }
            _ => steps,
        };
        steps
            .then("then make it a replica: CLUSTER REPLICATE of a primary's id, sent to it")
            .then("or take it out of the list of seeds")
            .never("ADDSLOTS on it: the cluster has owners for these slots")
    }

    fn scenario() -> Scenario {
        let spare = Act::Stranger {
            at: At::Fresh,
            options: vec!["--cluster-enabled".to_owned(), "yes".to_owned()],
            server: None,
        };
        Scenario::of(3, 0).act(spare).naming(&[0, 3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Observation;
    use crate::observation::sketch::Sketch;

    fn with_spare() -> Observation {
        let mut sketch = Sketch::healthy(3, 1);
        let spare = Sketch::id(5);
        for node in sketch.nodes.iter_mut().take(5) {
            node.table.as_mut().expect("drawn").retain(|row| row.id != spare);
        }
        sketch.nodes[5].table.as_mut().expect("drawn").retain(|row| row.id == spare);
        sketch.build()
    }

    fn found_in(seen: &Observation) -> Vec<crate::diagnose::Found> {
        let mut found = Vec::new();
        crate::diagnose::run::<ClientSeedHasNoSlots>(&Picture::new(seen), &ENTRY, &mut found);
        found
    }

    #[test]
    fn a_spare_node_that_is_a_seed_is_found() {
        let mut seen = with_spare();
        seen.named = vec![Sketch::at(0), Sketch::at(5)];
        let found = found_in(&seen);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.nodes.contains(&Sketch::id(5)));
    }

    #[test]
    fn a_spare_node_that_nobody_named_and_members_are_no_finding() {
        let mut seen = with_spare();
        seen.named = vec![Sketch::at(0)];
        assert_eq!(found_in(&seen), []);
        let mut seen = Sketch::healthy(3, 1).build();
        seen.named = (0..6).map(Sketch::at).collect();
        assert_eq!(found_in(&seen), []);
    }
}
