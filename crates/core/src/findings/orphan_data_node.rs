//! A node that belongs to no cluster and holds keys.

use super::counted::all_keys;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId, SlotSet};
use crate::observation::Picture;
use crate::scenario::{Act, At, Scenario};

finding! {
    /// ## What it means
    /// A node that knows only itself, and that no member of the cluster lists, holds keys. No
    /// client of the cluster can reach them. It may be the "lost" range that somebody is looking
    /// for, or the remains of an old deployment.
    ///
    /// ## How it comes about
    /// A node lost its `nodes.conf` and kept its data; it was removed with FORGET while it held
    /// data; a volume of an old release was mounted again; a server for something else was named
    /// by mistake.
    ///
    /// ## What we look at
    /// Among the addresses that were dialled: a node whose table has one row, its own, which
    /// nobody else lists, and whose `INFO` counts keys (`db0:keys=`). *Near it:* members hold
    /// slots for an id that nobody carries, and this node stands in its place
    /// (NODE_IDENTITY_LOST); members still list this very id (RESET_MISTAKE).
    ///
    /// ## The repair
    /// Find out whose keys they are before anything else. If they are wanted, copy them key by key
    /// into the cluster through a cluster client, or follow NODE_IDENTITY_LOST when the slots they
    /// belong to have no other holder. If they are not wanted, keep a copy of the file and stop
    /// the node.
    ///
    /// ## Repair safety
    /// Reading and saving change nothing. A MEET is what must not happen unprepared: a node that
    /// joins and finds its slots taken by others deletes its keys or becomes an empty replica.
    ///
    /// ## By hand
    /// Save, copy the file, look at some keys, then decide.
    pub struct OrphanDataNode { at: Endpoint, node: Option<NodeId>, keys: u64, slots: SlotSet }
    group: Data, severity: Warning, after: [NodeIdentityLost, ResetMistake, ClusterDisabledOnNode],
    obstacle: "it belongs to no cluster and has keys: whose they are only a person knows, and joined \
               to this one it would delete those whose slots have an owner",
    since: "0.1",
}

impl Finding for OrphanDataNode {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        if seen.members().count() < 3 {
            // With one or two ids nobody can say which of them is the cluster.
            return;
        }
        for (observer, sighting) in seen.sightings() {
            let Some(id) = seen.id_of(observer) else { continue };
            let alone = seen.view(observer).count() == 1;
            let listed = seen.member(id).is_some_and(|member| !member.rows.is_empty());
            let keys = sighting.info.get().map_or(0, all_keys);
            if !alone || listed || keys == 0 {
                continue;
            }
            let slots = seen.own_row(id).map(|row| row.slots.clone()).unwrap_or_default();
            let says = format!("I hold {keys} keys and know no other node");
            out.push(
                Self { at: sighting.from.clone(), node: Some(id), keys, slots },
                Subject::node(id).with_address(Some(sighting.from.clone())),
                [Evidence::first_hand(sighting, says)],
            );
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!("a node outside the cluster holds {} keys: {}", self.keys, self.at)
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let at = || Some(self.at.clone());
        ByHand::of(Risk::ReadOnly)
            .command(at(), "INFO keyspace")
            .command(at(), "BGSAVE")
            .then("copy its dump.rdb (or its AOF folder) to a safe place")
            .command(at(), "SCAN 0 COUNT 20")
            .check("whose keys these are, and whether the cluster has them too")
            .never("CLUSTER MEET it as it is: where its slots have owners, its keys are deleted")
            .never("empty it to make a create or join script happy: these may be the only copies")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .keys(100)
            .act(Act::Stranger {
                at: At::Fresh,
                options: vec!["--cluster-enabled".to_owned(), "yes".to_owned()],
                server: None,
            })
            .send(3, "DEBUG POPULATE 50 orphan")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    fn with_stranger(keys: &str) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        let at = Endpoint::new("10.0.9.9", 6379);
        sketch.stranger(NodeId::made_up(99), at, SlotSet::new());
        sketch.info(3, "db0", &format!("keys={keys},expires=0,avg_ttl=0"));
        sketch
    }

    #[test]
    fn keys_on_a_node_that_nobody_knows_are_found() {
        let found = with_stranger("50").detect::<OrphanDataNode>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("50 keys"), "{}", found[0].message);
        assert!(found[0].subject.nodes.contains(&NodeId::made_up(99)));
    }

    #[test]
    fn an_empty_stranger_and_a_member_are_not_this() {
        assert_eq!(with_stranger("0").detect::<OrphanDataNode>(&ENTRY), []);
        let mut sketch = Sketch::healthy(3, 0);
        sketch.info(0, "db0", "keys=10,expires=0,avg_ttl=0");
        assert_eq!(sketch.detect::<OrphanDataNode>(&ENTRY), []);
    }
}
