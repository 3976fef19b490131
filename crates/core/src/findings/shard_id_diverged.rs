//! A node that the servers list in another shard than its own.

use std::collections::BTreeMap;

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{Picture, Role, Sighting};
use crate::scenario::{Act, Reply, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// Since 7.2 every node has a shard id, and a replica has its primary's. Here that does not
    /// fit: `CLUSTER SHARDS` lists a replica in another shard than its primary, or a primary
    /// without slots in the shard of another one. Replication goes on. Clients that read `CLUSTER
    /// SHARDS` miss a replica or find two primaries, and some versions refuse to start again on
    /// their `nodes.conf` (`Unrecoverable error: corrupted cluster config file`).
    ///
    /// ## How it comes about
    /// `CLUSTER RESET SOFT` of a replica, which keeps the id of its old shard before Valkey 9.0; an
    /// upgrade from before 7.2; or a file that was saved between a change of the primary and the
    /// next packet from it.
    ///
    /// ## What we look at
    /// The shard in which `CLUSTER SHARDS` of each node lists a replica, or a primary without
    /// slots, against the shards of the primaries there.
    ///
    /// ## The repair
    /// A primary without slots becomes a replica: with that it takes the shard id of its primary. A
    /// replica takes its primary's when it starts on a version that compares them on load (Redis
    /// 8.0, Valkey 8.0.5, 8.1.4, 9.0).
    ///
    /// ## Repair safety
    /// A primary without slots and keys loses nothing. A restart on a version that does not mend it
    /// may fail; nothing is lost, the file has to be edited by hand then.
    ///
    /// ## By hand
    /// `CLUSTER MYSHARDID` on both. `CLUSTER REPLICATE <id of a primary>` on the empty one. With a
    /// replica stopped, set `shard-id=` on its `myself` row in `nodes.conf` to its primary's, and
    /// start it.
    pub struct ShardIdDiverged { node: NodeId, primary: NodeId, is_replica: bool }
    group: Slots, severity: Warning, after: [
        NodeIdentityLost, ClusterSplitIslands, MembershipAsymmetric, HandshakeNeverCompletes,
    ],
    settles: true, repair: [Attach], since: "0.1",
}

impl Finding for ShardIdDiverged {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let lists = lists(seen);
        for (node, _) in seen.members() {
            if seen.proved(node).is_none() {
                continue;
            }
            let is_replica = seen.role(node) == Some(Role::Replica);
            let others: Vec<NodeId> = if is_replica {
                seen.primary_of(node).into_iter().collect()
            } else if seen.opinions().iter().any(|opinion| opinion.owners.contains_key(&node)) {
                continue;
            } else {
                seen.voters()
            };
            for primary in others.into_iter().filter(|id| *id != node) {
                let evidence = told_by(seen, &lists, node, primary, is_replica);
                if !evidence.is_empty() {
                    let subject = Subject::nodes([node, primary]);
                    out.push(Self { node, primary, is_replica }, subject, evidence);
                }
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let (node, primary) = (seen.name(self.node), seen.name(self.primary));
        if self.is_replica {
            format!("a replica has another shard id than its primary: {node} of {primary}")
        } else {
            format!("a primary without slots has the shard id of another one: {node} of {primary}")
        }
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let (node, primary) = (seen.endpoint(self.node), seen.endpoint(self.primary));
        let risk = if self.is_replica { Risk::ReadOnly } else { Risk::Reversible };
        let steps = ByHand::of(risk)
            .command(primary, "CLUSTER MYSHARDID")
            .command(node.clone(), "CLUSTER MYSHARDID");
        let steps = if self.is_replica {
            steps.then("copy nodes.conf of both aside before either of them is restarted").then(
                "restart the replica on a version that takes the shard id of its primary on load: \
                 Redis 8.0, Valkey 8.0.5, 8.1.4, 9.0, or later",
            )
        } else {
            steps
                .command(node.clone(), "DBSIZE")
                .check("0: what it holds is dropped by the next step")
                .command(node, format!("CLUSTER REPLICATE {}", self.primary))
        };
        steps
            .check("CLUSTER SHARDS lists both in one shard, on every node")
            .never("remove nodes.conf or reset the replica: its identity and its copy go with it")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1)
            .not_on(Server::Redis70, "it has no shard ids")
            .not_on(Server::Valkey91, "a reset gives a new shard id, and a load the primary's")
            .send(3, "CLUSTER RESET SOFT")
            .act(Act::Send(3, "FLUSHALL".to_owned(), Reply::Fine))
            .send(3, "CLUSTER MEET {ip0} {port0} {cport0}")
            .wait(Until::Knows { on: 3, about: 1, known: true })
            .wait(Until::Knows { on: 3, about: 2, known: true })
            .wait(Until::State(3, "ok"))
    }
}

/// What a node told of shards: the number of each node's.
struct List<'a> {
    observer: usize,
    by: &'a Sighting,
    shard_of: BTreeMap<NodeId, usize>,
}

fn lists<'a>(seen: &'a Picture<'_>) -> Vec<List<'a>> {
    let told = seen.sightings().filter_map(|(observer, by)| {
        let shards = by.shards.get()?;
        let mut shard_of = BTreeMap::new();
        for (number, shard) in shards.iter().enumerate() {
            for node in &shard.nodes {
                shard_of.entry(node.id).or_insert(number);
            }
        }
        Some(List { observer, by, shard_of })
    });
    told.collect()
}

/// Who lists a replica apart from its primary, or a primary without slots together with another.
fn told_by(
    seen: &Picture<'_>,
    lists: &[List<'_>],
    node: NodeId,
    primary: NodeId,
    is_replica: bool,
) -> Vec<Evidence> {
    let told = lists.iter().filter(|list| {
        let row = seen.view_of(list.observer, node).map(|(row, _)| row);
        // Who has not heard yet what the node is now lists it rightly by what it knows.
        let same = row.is_some_and(|row| row.primary == is_replica.then_some(primary));
        same && list.are_together(node, primary) == Some(!is_replica)
    });
    told.map(|list| {
        let says = if is_replica {
            "CLUSTER SHARDS lists the replica in another shard than its primary"
        } else {
            "CLUSTER SHARDS lists both primaries in one shard"
        };
        Evidence::hearsay(list.by, says)
    })
    .collect()
}

impl List<'_> {
    /// Whether two nodes are listed in one shard; `None` when one is not listed.
    fn are_together(&self, a: NodeId, b: NodeId) -> Option<bool> {
        Some(self.shard_of.get(&a)? == self.shard_of.get(&b)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Flag, SlotSet};
    use crate::observation::sketch::Sketch;
    use crate::observation::{Fields, Said, Shard, ShardNode};

    fn shards(groups: &[&[usize]]) -> Sketch {
        let mut sketch = Sketch::healthy(3, 1);
        let member = |n: &usize| ShardNode { id: Sketch::id(*n), fields: Fields::default() };
        let shards = groups
            .iter()
            .map(|group| Shard { slots: SlotSet::new(), nodes: group.iter().map(member).collect() })
            .collect();
        sketch.nodes[1].sighting.shards = Said::This(shards);
        sketch
    }

    fn reset(sketch: &mut Sketch) {
        for observer in 0..6 {
            sketch.row(observer, 3, |row| {
                row.flags = row.flags.without(Flag::Replica).with(Flag::Primary);
                row.primary = None;
            });
        }
    }

    #[test]
    fn a_replica_in_a_shard_of_its_own_is_found() {
        let found = shards(&[&[0], &[1, 4], &[2, 5], &[3]]).detect::<ShardIdDiverged>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.nodes.contains(&Sketch::id(3)));
    }

    #[test]
    fn an_empty_primary_in_the_shard_of_another_is_found() {
        let mut sketch = shards(&[&[0, 3], &[1, 4], &[2, 5]]);
        reset(&mut sketch);
        let found = sketch.detect::<ShardIdDiverged>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("without slots"), "{}", found[0].message);
        let mut apart = shards(&[&[0], &[1, 4], &[2, 5], &[3]]);
        reset(&mut apart);
        assert_eq!(apart.detect::<ShardIdDiverged>(&ENTRY), []);
    }

    #[test]
    fn together_or_not_listed_is_not() {
        let whole = shards(&[&[0, 3], &[1, 4], &[2, 5]]);
        assert_eq!(whole.detect::<ShardIdDiverged>(&ENTRY), []);
        let short = shards(&[&[0], &[1, 4], &[2, 5]]);
        assert_eq!(short.detect::<ShardIdDiverged>(&ENTRY), []);
    }

    #[test]
    fn who_has_not_heard_of_the_reset_is_no_witness() {
        let mut sketch = shards(&[&[0, 3], &[1, 4], &[2, 5]]);
        reset(&mut sketch);
        sketch.row(1, 3, |row| row.primary = Some(Sketch::id(0)));
        assert_eq!(sketch.detect::<ShardIdDiverged>(&ENTRY), []);
    }
}
