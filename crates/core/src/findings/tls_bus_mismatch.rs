//! Some nodes speak TLS on the cluster bus and others do not.

use super::client_port::peers_on;
use super::settings::{Split, by_setting, names, split};
use crate::diagnose::{ByHand, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Act, At, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// `tls-cluster` is `yes` on some nodes and `no` on others. The two kinds cannot talk to each
    /// other on the bus at all: each side holds the other for failed, although every client port
    /// may answer. The log says `Error accepting cluster node connection: error:...:wrong version
    /// number` on the side with TLS and `Bad message length or signature received on the Cluster
    /// bus` on the other.
    ///
    /// ## How it comes about
    /// A rollout of TLS node by node. The bus cannot speak both: there is no order of restarts
    /// that keeps the nodes together.
    ///
    /// ## What we look at
    /// `tls-cluster` of every node that shows its settings, and whom the others hold for failed.
    ///
    /// ## The repair
    /// The same setting everywhere: take the few back to what the many have. A switch of the whole
    /// cluster needs a moment in which all nodes are down together, or a second cluster to move
    /// to.
    ///
    /// ## Repair safety
    /// Restarting the nodes that stand apart with the old setting loses nothing as long as they
    /// keep their directory, and a replica with the data is not restarted at the same time as its
    /// primary.
    ///
    /// ## By hand
    /// Restart the printed nodes with the setting of the others, one at a time. Never go on with
    /// the rollout in the hope that it heals at the end: with half of the nodes on each side no
    /// side has a majority.
    pub struct TlsBusMismatch { split: Split, apart: Vec<NodeId>, peers: String }
    group: Security, severity: Error, after: [],
    obstacle: "which of the two a bus speaks is settled at the start: the nodes that stand apart must \
               be restarted with the setting of the others",
    since: "0.1",
}

impl Finding for TlsBusMismatch {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let values = by_setting(seen, "tls-cluster");
        let Some(split) = split("tls-cluster", &values) else { return };
        let apart: Vec<NodeId> = split.nodes().collect();
        let verdicts: Vec<_> = apart.iter().map(|id| peers_on(seen, *id)).collect();
        let peers = verdicts.iter().find(|v| v.is_bad()).map(|v| v.describe()).unwrap_or_default();
        let mut evidence = split.evidence(seen);
        evidence.extend(verdicts.into_iter().flat_map(|verdict| verdict.evidence));
        // Both sides lose each other, so it concerns everybody.
        let subject = Subject::cluster().with_nodes(apart.iter().copied());
        out.push(Self { split, apart, peers }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let peers = if self.peers.is_empty() { String::new() } else { format!("; {}", self.peers) };
        format!(
            "tls-cluster is {} on {} and {} on the others: they cannot talk on the bus{peers}",
            self.split.apart.first().map_or("another", |(value, _)| value.as_str()),
            names(seen, &self.apart),
            self.split.usual
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        self.apart
            .iter()
            .fold(ByHand::of(Risk::Reversible), |steps, id| {
                steps
                    .then(format!(
                        "restart {} with tls-cluster {} on its own directory",
                        seen.name(*id),
                        self.split.usual
                    ))
                    .check("the others show it connected and without fail; then the next one")
            })
            .then(
                "a switch of the whole cluster needs all nodes down together, or a second cluster",
            )
            .never("go on node by node: half of the nodes on each side leaves no side a majority")
    }

    fn scenario() -> Scenario {
        let words = "--tls-cluster yes --tls-port 6390 --tls-cert-file server.crt \
                     --tls-key-file server.key --tls-ca-cert-file ca.crt --tls-auth-clients no";
        Scenario::of(3, 1)
            .not_on(Server::Redis82, "this build speaks no TLS")
            .not_on(Server::Valkey91, "this build speaks no TLS")
            .kill(5)
            .act(Act::Certificate(5))
            .act(Act::Start(5, At::Same, words.split_whitespace().map(str::to_owned).collect()))
            .wait(Until::Flag { on: 0, about: 5, flag: "fail" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn one_node_with_tls_on_its_bus_is_found() {
        let mut sketch = Sketch::healthy(3, 0);
        (0..3).for_each(|n| {
            sketch.config(n, "tls-cluster", if n == 2 { "yes" } else { "no" });
        });
        let found = sketch.detect::<TlsBusMismatch>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].subject.whole_cluster);
        assert!(found[0].message.starts_with("tls-cluster is yes on 10.0.0.3:6379"));
    }

    #[test]
    fn the_same_everywhere_or_unknown_is_no_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        assert_eq!(sketch.detect::<TlsBusMismatch>(&ENTRY), []);
        (0..3).for_each(|n| {
            sketch.config(n, "tls-cluster", "yes");
        });
        assert_eq!(sketch.detect::<TlsBusMismatch>(&ENTRY), []);
    }
}
