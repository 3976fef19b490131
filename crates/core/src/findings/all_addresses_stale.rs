//! Every node came back with a new address, and no table holds one that works.

use super::whereabouts::{Place, meet, place, through_a_tunnel};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Role};
use crate::scenario::{At, Scenario, Until};

finding! {
    /// ## What it means
    /// The servers run, with their data and their slots, but each one looks for the others at
    /// addresses where they no longer are. No node can find any other, so none can reach a
    /// majority and every one of them says `cluster_state:fail`. It does not heal by itself.
    ///
    /// ## How it comes about
    /// Nodes find each other only by the addresses in `nodes.conf`. A node that moved is found
    /// again when *it* reaches at least one peer at an address that is still true: its ping
    /// carries its id, and the peer corrects the entry. When all addresses changed in one window
    /// there is no such peer: a StatefulSet deleted and created again, a rollout with the
    /// `Parallel` policy, scaled to 0 and back, a node pool or a docker network made anew.
    ///
    /// In the log of each primary: `Cluster state changed: ok` two seconds after the start (the
    /// picture restored from `nodes.conf` looks healthy) and `Cluster state changed: fail` about
    /// one `cluster-node-timeout` later; Valkey 8.1 and later add `I am part of a minority
    /// partition`. `CLUSTER INFO` has all slots assigned, the slots of others as `pfail` and never
    /// as `fail`, and no message received. Clients get dead addresses from `CLUSTER SLOTS`:
    /// ioredis raises `ClusterAllFailedError: Failed to refresh slots cache.` or loops in silence,
    /// Lettuce says `Unable to connect to`, Jedis `Failed to connect to`.
    ///
    /// ## What we look at
    /// For every node that answered: its id, and what all the others record for that id. The
    /// finding stands when no node that answers is recorded, by any other, at an address where it
    /// really is. If the addresses are right and only the bus is closed it is `BUS_PORT_BLOCKED`;
    /// if `cluster-announce-ip` holds the old address it is `ANNOUNCE_ADDRESS_WRONG`; if the ids
    /// are new it is `NODE_IDENTITY_LOST`.
    ///
    /// ## The repair
    /// From **one** primary send `CLUSTER MEET` with the new address of every other node. MEET of
    /// an id that is already known only corrects its address; ids, slots, epochs and data stay as
    /// they are. The rest learn from that primary. Then send one MEET from any other node back to
    /// that primary: it never received one, so it still reports its own old address to clients.
    /// Wait two node timeouts; the state turns `ok` by itself.
    ///
    /// ## Repair safety
    /// No data can be lost by it. Make sure first that each id is held by one live process, and
    /// that the new addresses are those of this cluster: a MEET of a foreign cluster would merge
    /// the two.
    ///
    /// ## By hand
    /// The commands are printed with the real addresses. To prevent it: set `cluster-announce-ip`
    /// from the pod's IP at each start, or give each pod a Service of its own.
    ///
    /// Never reset, forget or recreate anything here: only the addresses are wrong. A deleted
    /// `nodes.conf` loses the identity, and Valkey 8.0 or Redis 8.4 and later delete the keys of
    /// slots that a starting node does not own.
    pub struct AllAddressesStale { hub: NodeId, others: Vec<NodeId> }
    group: Addressing, severity: Critical, after: [],
    repair: [Meet], since: "0.1",
}

impl Finding for AllAddressesStale {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(lost) = lost(seen) else { return };
        let (hub, others) = in_order(seen, &lost);
        let tunnel = lost.iter().any(|(id, old, _)| {
            seen.proved(*id).is_some_and(|sighting| through_a_tunnel(&sighting.from, old))
        });
        let evidence: Vec<Evidence> = lost
            .iter()
            .filter_map(|(id, old, observers)| {
                let sighting = seen.proved(*id)?;
                let says = format!(
                    "answers as {}, which {observers} other nodes seek at {old} in vain",
                    id.short()
                );
                Some(Evidence::first_hand(sighting, says))
            })
            .collect();
        let subject = Subject::cluster().with_nodes(lost.iter().map(|(id, ..)| *id));
        let pushed = out.push(Self { hub, others }, subject, evidence);
        if tunnel {
            pushed.doubt(
                "we reach the nodes through a tunnel; make sure that they cannot reach each other \
                 at the recorded addresses",
            );
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let all = self.others.len() + 1;
        let state = seen.proved(self.hub).and_then(|sighting| sighting.cluster_info.get());
        let fails = state.is_some_and(|info| info.is("cluster_state", "fail"));
        format!(
            "all {all} nodes that answer have new addresses, and every table still holds the old \
             ones: no node can find another{}",
            if fails { ", so the cluster is down" } else { "" }
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let hub = seen.endpoint(self.hub);
        let mut steps = ByHand::of(Risk::Reversible);
        for id in std::iter::once(&self.hub).chain(&self.others) {
            if let Some(at) = seen.endpoint(*id) {
                steps = steps.check(format!("CLUSTER MYID at {at} still answers {id}"));
            }
        }
        for id in &self.others {
            steps = steps.command(hub.clone(), meet(seen, *id));
        }
        steps = steps.check(format!(
            "after about {} s CLUSTER NODES at each node shows the new addresses, connected",
            (2 * seen.node_timeout_ms()).div_ceil(1000)
        ));
        if let Some(other) = self.others.first() {
            steps = steps.command(seen.endpoint(*other), meet(seen, self.hub));
        }
        steps
            .check("CLUSTER INFO says cluster_state:ok at every node")
            .never("CLUSTER RESET or CLUSTER FORGET: ids, slots and data are in order, only the addresses are old")
            .never("delete nodes.conf: the nodes lose their identity and their slots")
            .never("redis-cli --cluster create or fix: both give slots away whose keys are still there")
    }

    fn scenario() -> Scenario {
        let mut scenario = Scenario::of(3, 1).keys(1_000);
        for node in 0..6 {
            scenario = scenario.stop(node);
        }
        for node in 0..6 {
            scenario = scenario.start(node, At::Fresh);
        }
        for (on, about) in [(0, 1), (1, 2), (2, 0), (3, 0)] {
            scenario = scenario.wait(Until::Flag { on, about, flag: "fail?" });
        }
        scenario.wait(Until::State(0, "fail")).wait(Until::State(1, "fail"))
    }
}

/// Every live node with the address that most others record and the number of those who do; `None`
/// unless at least two are sought in vain by all who know them.
fn lost(seen: &Picture<'_>) -> Option<Vec<(NodeId, Endpoint, usize)>> {
    let mut lost = Vec::new();
    let (mut dead, mut taken) = (0, 0);
    for (id, member) in seen.members().filter(|(_, member)| !member.proved.is_empty()) {
        let mut old: Option<(Endpoint, usize)> = None;
        for record in &member.rows {
            let row = seen.row(record.row);
            match place(seen, row) {
                Place::Wrong => {}
                Place::Missing => continue,
                Place::Right | Place::Announced | Place::Unknown => return None,
            }
            let Some(at) = row.address.client() else { continue };
            let by_a_member = seen
                .sighting_at(&at)
                .and_then(|n| seen.id_of(n))
                .is_some_and(|other| seen.member(other).is_some_and(|m| !m.rows.is_empty()));
            if by_a_member {
                taken += record.by.len();
            } else {
                dead += record.by.len();
            }
            match &mut old {
                Some((known, count)) if *known == at => *count += record.by.len(),
                Some(_) => {}
                None => old = Some((at, record.by.len())),
            }
        }
        if let Some((at, count)) = old {
            lost.push((id, at, count));
        }
    }
    (lost.len() >= 2 && dead > taken).then_some(lost)
}

/// The node to send the MEETs from, and those to name: live owners of slots first, by address.
fn in_order(seen: &Picture<'_>, lost: &[(NodeId, Endpoint, usize)]) -> (NodeId, Vec<NodeId>) {
    let mut order: Vec<_> = lost
        .iter()
        .map(|(id, ..)| {
            let owner = seen.own_row(*id).is_some_and(|row| !row.slots.is_empty())
                && seen.role(*id) == Some(Role::Primary);
            (!owner, seen.endpoint(*id), *id)
        })
        .collect();
    order.sort();
    (order[0].2, order[1..].iter().map(|(.., id)| *id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Certainty, Step};
    use crate::model::Flag;
    use crate::observation::LinkState;
    use crate::observation::sketch::Sketch;

    fn all_moved(primaries: usize, replicas: usize) -> Sketch {
        let mut sketch = Sketch::healthy(primaries, replicas);
        for n in 0..primaries * (1 + replicas) {
            sketch.flagged(n, Flag::Suspected, LinkState::Disconnected);
            sketch.cluster_info(n, "cluster_state", "fail");
        }
        for n in 0..primaries * (1 + replicas) {
            sketch.moves(n, &format!("10.0.9.{}", n + 1));
        }
        sketch
    }

    #[test]
    fn all_pods_moved_and_the_commands_name_the_new_addresses() {
        let found = all_moved(3, 0).detect::<AllAddressesStale>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].certainty, Certainty::Certain);
        assert!(found[0].message.contains("so the cluster is down"), "{}", found[0].message);
        let sent: Vec<String> = found[0]
            .by_hand
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Command { on, argv } => Some(format!("{on}> {}", argv.join(" "))),
                _ => None,
            })
            .collect();
        assert_eq!(
            sent,
            [
                "10.0.9.1:6379> CLUSTER MEET 10.0.9.2 6379",
                "10.0.9.1:6379> CLUSTER MEET 10.0.9.3 6379",
                "10.0.9.2:6379> CLUSTER MEET 10.0.9.1 6379",
            ]
        );
    }

    #[test]
    fn it_is_the_only_root_cause() {
        let report = all_moved(3, 1).report();
        let roots: Vec<&str> = report.roots.iter().map(|root| root.found.code.as_str()).collect();
        assert_eq!(roots, ["ALL_ADDRESSES_STALE"]);
    }

    #[test]
    fn one_address_that_is_still_true_lets_the_others_heal() {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..3 {
            sketch.flagged(n, Flag::Suspected, LinkState::Disconnected);
        }
        sketch.moves(0, "10.0.9.1").moves(1, "10.0.9.2");
        assert_eq!(sketch.detect::<AllAddressesStale>(&ENTRY), []);
    }

    #[test]
    fn a_tunnel_to_a_healthy_cluster_is_no_move() {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..3 {
            sketch.moves(n, "127.0.0.1");
            sketch.nodes[n].sighting.from.port = 7000 + u16::try_from(n).expect("few");
        }
        assert_eq!(sketch.detect::<AllAddressesStale>(&ENTRY), []);
    }
}
