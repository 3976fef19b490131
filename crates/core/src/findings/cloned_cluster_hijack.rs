//! A copy of the whole cluster runs, and the two have found each other.

use super::duplicates::{is_a_copy, twice};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::Picture;
use crate::scenario::{Act, Scenario};

finding! {
    /// ## What it means
    /// Most ids of the cluster live twice. The bus knows nodes by their id alone, so the nodes of
    /// both sets take each other for members that moved. Clients of the original read and write
    /// the copy for a part of the slots, while every node of both sets says `cluster_state:ok`.
    ///
    /// ## How it comes about
    /// A backup of whole volumes, `nodes.conf` included, was started with a route to the original:
    /// a restore "into staging", a cloned namespace, VM snapshots. The copies know the original's
    /// addresses from the file, dial them, and are accepted.
    ///
    /// Right after, each log of the original has one `Address updated for node` per peer with an
    /// address of the copy, then silence.
    ///
    /// ## What we look at
    /// Ids that answer from two processes (different `run_id`), when they are more than half.
    ///
    /// ## The repair
    /// Cut the network between the two sets, or stop the copies, at once. Then, on the original,
    /// MEET each true address from one node, and that node from another. Then check the replicas:
    /// one that followed a primary of the copy was overwritten.
    ///
    /// ## Repair safety
    /// Cutting the network loses nothing. Writes that went to the copies must be exported from
    /// there before those are thrown away.
    ///
    /// ## By hand
    /// Decide which addresses are the original first; the printed list shows both of each id. A
    /// restored copy must be started without a route to the original, or with a fresh identity.
    pub struct ClonedClusterHijack { ids: Vec<NodeId>, at: Vec<Vec<Endpoint>> }
    group: Addressing, severity: Critical, after: [],
    obstacle: "both copies answer to the same ids, so that a command by id goes to either: they must \
               be parted first, and which is the original only a person knows",
    since: "0.1",
}

impl Finding for ClonedClusterHijack {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let found = twice(seen);
        if !is_a_copy(seen, &found) {
            return;
        }
        let evidence: Vec<Evidence> = found
            .iter()
            .flat_map(|one| {
                one.processes.iter().map(|sighting| {
                    Evidence::first_hand(sighting, format!("is {}", one.id.short()))
                })
            })
            .collect();
        let ids: Vec<NodeId> = found.iter().map(|one| one.id).collect();
        let at = found
            .iter()
            .map(|one| one.processes.iter().map(|sighting| sighting.from.clone()).collect())
            .collect();
        let subject = Subject::cluster().with_nodes(ids.iter().copied());
        out.push(Self { ids, at }, subject, evidence);
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!(
            "{} ids live twice: a copy of the cluster runs and is taken for the original",
            self.ids.len()
        )
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::DropsCopy);
        for (id, at) in self.ids.iter().zip(&self.at).take(50) {
            let at: Vec<String> = at.iter().map(ToString::to_string).collect();
            steps = steps.check(format!("which is the original of {id}: {}", at.join(" or ")));
        }
        steps
            .then("cut the network between the two sets (client and bus ports), or stop the copies")
            .then("export from the copies what clients wrote to them, if it matters")
            .then("from one node of the original: CLUSTER MEET with the true address of every other node of the original")
            .then("from another node of the original: CLUSTER MEET with the address of that one")
            .check("look again: every id answers from one process only, and every replica's keys are those of its primary")
            .never("start a restored copy with its nodes.conf and a route to the original")
            .never("CLUSTER FORGET or RESET on the original: its ids are right")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0).keys(300).act(Act::Twin(0)).act(Act::Twin(1)).act(Act::Twin(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    fn copied(count: usize) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..count {
            let mut copy = sketch.nodes[n].clone();
            copy.sighting.from = Endpoint::new(format!("10.0.9.{}", n + 1), 6379);
            if let Said::This(info) = &mut copy.sighting.info {
                info.set("run_id", &format!("copy{n}"));
            }
            sketch.nodes.push(copy);
        }
        sketch
    }

    #[test]
    fn every_id_lives_twice() {
        let found = copied(3).detect::<ClonedClusterHijack>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.whole_cluster);
    }

    #[test]
    fn one_twin_is_no_copied_cluster() {
        assert_eq!(copied(1).detect::<ClonedClusterHijack>(&ENTRY), []);
    }
}
