//! A node outside the cluster remembers partners of an attempt that failed.

use super::counted::all_keys;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Flag, NodeId};
use crate::observation::Picture;
use crate::scenario::{Act, At, Scenario, Until};

finding! {
    /// ## What it means
    /// An empty node that is to become a member already knows other nodes, none of which answers.
    /// It is of no use and of no harm, but `--cluster create` and `add-node` refuse it: `[ERR]
    /// Node ... is not empty. Either the node already knows other nodes (check with CLUSTER NODES)
    /// or contains some key in database 0.`
    ///
    /// ## How it comes about
    /// An earlier `create` or join failed half way, or its partners were removed since. The table
    /// stays in `nodes.conf` and survives restarts, also when the volume is used for a new node.
    ///
    /// ## What we look at
    /// A node that owns no slot and holds no key, that no living node lists, while its table has
    /// other ids, none of which answered. *Near it:* it holds keys (ORPHAN_DATA_NODE); it owns
    /// slots (CLUSTER_SPLIT_ISLANDS); the living members list it (then it is one of them).
    ///
    /// ## The repair
    /// `CLUSTER RESET SOFT` on this node, which is empty, then join it as intended.
    ///
    /// ## Repair safety
    /// Nothing is lost by it: no keys, no slots, no member follows it. The counts are looked at
    /// again right before, because a reset empties a replica at once.
    ///
    /// ## By hand
    /// Count the keys, look at the table, then reset this one node.
    pub struct LeftoverState { node: NodeId, remembers: Vec<NodeId> }
    group: Operations, severity: Warning, after: [AllAddressesStale],
    obstacle: "only CLUSTER RESET makes it forget its dead partners, and we send none: nothing proves \
               that its empty state is not wanted",
    since: "0.1",
}

impl Finding for LeftoverState {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for observer in seen.observers() {
            let Some(id) = seen.id_of(observer) else { continue };
            let sighting = seen.sighting(observer);
            let Some(mine) = seen.own_row(id) else { continue };
            let Some(info) = sighting.info.get() else { continue };
            let listed = seen.member(id).is_some_and(|member| !member.rows.is_empty());
            let remembers: Vec<NodeId> = seen
                .view(observer)
                .filter(|(row, _)| row.id != id && !row.flags.has(Flag::Handshake))
                .map(|(row, _)| row.id)
                .collect();
            let forgotten = remembers.iter().all(|other| !seen.is_alive(*other));
            let maps_slots = seen.view(observer).any(|(row, _)| !row.slots.is_empty());
            let empty = mine.slots.is_empty() && !maps_slots && all_keys(info) == 0;
            if listed || remembers.is_empty() || !forgotten || !empty || is_alone(seen, observer) {
                continue;
            }
            let says = format!(
                "I own no slot, hold no key, and list {} nodes that do not answer",
                remembers.len()
            );
            let subject = Subject::node(id).with_nodes(remembers.iter().copied());
            out.push(Self { node: id, remembers }, subject, [Evidence::first_hand(sighting, says)]);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let partners = match self.remembers.len() {
            1 => "a dead partner".to_owned(),
            many => format!("{many} dead partners"),
        };
        format!(
            "an empty node outside the cluster remembers {partners} of an attempt that failed: {}",
            seen.name(self.node)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let at = || seen.endpoint(self.node);
        ByHand::of(Risk::DropsCopy)
            .command(at(), "DBSIZE")
            .command(at(), "CLUSTER NODES")
            .check("no key, no slot, not a replica, and none of the listed nodes is coming back")
            .command(at(), "CLUSTER RESET SOFT")
            .then("join it as intended")
            .never(
                "reset a node that holds keys or follows a primary: a replica is emptied at once",
            )
    }

    fn scenario() -> Scenario {
        let stranger = || Act::Stranger {
            at: At::Fresh,
            options: ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"]
                .map(str::to_owned)
                .to_vec(),
            server: None,
        };
        Scenario::of(3, 0)
            .act(stranger())
            .act(stranger())
            .send(3, "CLUSTER MEET {ip4} {port4} {cport4}")
            .wait(Until::Knows { on: 3, about: 4, known: true })
            .wait(Until::Knows { on: 4, about: 3, known: true })
            .kill(4)
            .wait(Until::Flag { on: 3, about: 4, flag: "fail?" })
    }
}

/// Whether nobody else showed a table: then there is no cluster that it is outside of.
fn is_alone(seen: &Picture<'_>, observer: usize) -> bool {
    seen.observers().all(|other| other == observer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, SlotSet};
    use crate::observation::sketch::Sketch;

    fn with_leftover() -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        let at = Endpoint::new("10.0.9.9", 6379);
        sketch.stranger(NodeId::made_up(99), at, SlotSet::new());
        let mut partner = sketch.nodes[0].table.as_ref().expect("a table")[0].clone();
        partner.id = NodeId::made_up(98);
        partner.flags = partner.flags.without(Flag::Myself);
        partner.slots = SlotSet::new();
        sketch.nodes[3].table.as_mut().expect("a table").push(partner);
        sketch.info(3, "redis_mode", "cluster");
        sketch
    }

    #[test]
    fn an_empty_node_with_a_dead_partner_is_found() {
        let found = with_leftover().detect::<LeftoverState>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("a dead partner"), "{}", found[0].message);
    }

    #[test]
    fn a_node_with_keys_and_a_member_are_not_this() {
        let mut sketch = with_leftover();
        sketch.info(3, "db0", "keys=1,expires=0,avg_ttl=0");
        assert_eq!(sketch.detect::<LeftoverState>(&ENTRY), []);
        assert_eq!(Sketch::healthy(3, 1).detect::<LeftoverState>(&ENTRY), []);
    }
}
