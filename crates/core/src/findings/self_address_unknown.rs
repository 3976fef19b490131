//! A node that owns slots does not know its own IP.

use super::whereabouts::{meet, numeric};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Act, At, ConfEdit, Scenario, Server, Until};

finding! {
    /// ## What it means
    /// The node lists itself as `:6379 myself` and answers `CLUSTER SLOTS` with an empty host. By
    /// the documentation a client then uses the address at which it asked; not all do.
    ///
    /// ## How it comes about
    /// Nobody ever sent it a MEET or a ping: a cluster of one node, or a node after a reset. It
    /// sets its IP from the first of either, or from `cluster-announce-ip`.
    ///
    /// ioredis skips the node, so its slots have no owner; with one node it loops in silence. On
    /// `MOVED 1 :6379` it dials its own host, and so does go-redis.
    ///
    /// ## What we look at
    /// The own row of each node that owns slots.
    ///
    /// ## The repair
    /// `CLUSTER MEET` to it from a peer; for a lone node `CONFIG SET cluster-announce-ip`.
    ///
    /// ## Repair safety
    /// Only the address changes.
    ///
    /// ## By hand
    /// The command is printed.
    pub struct SelfAddressUnknown { id: NodeId }
    group: Addressing, severity: Warning,
    after: [NodeIdentityLost, AddressReusedByForeignNode, ClusterSplitIslands, AllAddressesStale],
    repair: [Meet], since: "0.1",
}

impl Finding for SelfAddressUnknown {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, _) in seen.members() {
            let (Some(own), Some(sighting)) = (seen.own_row(id), seen.proved(id)) else { continue };
            if own.address.ip.is_empty() && !own.slots.is_empty() {
                let says = format!("lists itself at {} with slots {}", own.address, own.slots);
                out.push(Self { id }, Subject::node(id), [Evidence::first_hand(sighting, says)]);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} owns slots and does not know its own IP: clients are told an empty host",
            seen.name(self.id)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible);
        let peer = seen
            .member(self.id)
            .and_then(|member| member.rows.iter().find_map(|record| record.by.first()).copied());
        let steps = match (peer, numeric(seen, self.id)) {
            (Some(peer), _) => {
                steps.command(Some(seen.sighting(peer).from.clone()), meet(seen, self.id))
            }
            (None, Some(at)) => steps
                .command(
                    seen.endpoint(self.id),
                    format!("CONFIG SET cluster-announce-ip {}", at.host),
                )
                .then("put it into the start-up of the node, from its present IP at each start"),
            (None, None) => steps.then("set cluster-announce-ip to the node's IP"),
        };
        steps.check("CLUSTER SLOTS at the node names its IP")
    }

    fn scenario() -> Scenario {
        Scenario::of(1, 0)
            .stop(0)
            .act(Act::Conf(0, ConfEdit::Replace("{ip0}:".to_owned(), ":".to_owned())))
            .start(0, At::Same)
            .wait(Until::State(0, "ok"))
            .beyond_repair(&Server::ALL, "it is alone: there is nobody who could tell it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_lone_owner_without_an_ip() {
        let mut sketch = Sketch::healthy(1, 0);
        sketch.row(0, 0, |row| row.address.ip.clear());
        let found = sketch.detect::<SelfAddressUnknown>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let steps = format!("{:?}", found[0].by_hand.steps);
        assert!(steps.contains("cluster-announce-ip"), "{steps}");
    }

    #[test]
    fn a_spare_node_without_slots_harms_nobody() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.row(5, 5, |row| row.address.ip.clear());
        assert_eq!(sketch.detect::<SelfAddressUnknown>(&ENTRY), []);
    }
}
