//! One node does not get through to another, while the way back and all other ways are open.

use super::hearing::{Cut, cut, ears};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Flag, NodeId};
use crate::observation::{LinkState, Picture};
use crate::scenario::{Act, Cut as Fault, Port, Scenario, Until};

finding! {
    /// ## What it means
    /// A node does not reach the bus of another one that lives, that answers clients, and that
    /// other nodes do reach. With one such observer nothing happens yet: it alone flags the node
    /// `fail?`. When half of the primaries are cut off like this, a healthy node is declared
    /// failed.
    ///
    /// ## How it comes about
    /// An asymmetric firewall or connection-tracking table, a policy on one side only, a bad
    /// route, a network card that is half dead.
    ///
    /// ## What we look at
    /// Each node's own links and flags. A stale address is `PEER_ADDRESS_STALE`; a node that
    /// nobody reaches is `BUS_PORT_BLOCKED`; two groups that do not hear each other at all are
    /// `MINORITY_PARTITION`. `send-buffer-used` of `CLUSTER LINKS` grows at the cut-off side.
    ///
    /// ## The repair
    /// Mend the path from the one to the other. Until then, `cluster-link-sendbuf-limit` (7.0)
    /// keeps the waiting bytes within bounds.
    ///
    /// ## Repair safety
    /// Nothing in the servers is changed.
    ///
    /// ## By hand
    /// From the host or pod of the first node: `nc -vz OTHER BUSPORT`, and the reverse for
    /// comparison.
    pub struct BusOneWayPartition { from: Vec<NodeId>, to: NodeId }
    group: Bus, severity: Warning,
    after: [
        AllAddressesStale, AnnounceAddressWrong, PeerAddressStale, SourceAddressMismatch,
        LoopbackAddress, HostnameAsAnnounceIp, IllegalAddress, DualStackMismatch,
        DuplicateNodeIdLive, ClonedClusterHijack, TlsBusMismatch, TlsCertInvalid, MinorityPartition,
        BusPortBlocked, MtuBlackhole, NodeLoading,
    ],
    settles: true,
    obstacle: "the network lets packets through in one direction only, and no command to a server \
               opens it",
    since: "0.1",
}

impl Finding for BusOneWayPartition {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(ears) = ears(seen) else { return };
        if !matches!(cut(seen, &ears), Cut::Pairs) {
            return;
        }
        for ear in ears.iter().filter(|ear| !ear.heard.is_empty()) {
            let unheard: Vec<_> = ear
                .unheard
                .iter()
                .filter(|(observer, _)| own_experience(seen, *observer, ear.id))
                .collect();
            let from: Vec<NodeId> =
                unheard.iter().filter_map(|(observer, _)| seen.id_of(*observer)).collect();
            if from.is_empty() {
                continue;
            }
            let mut evidence: Vec<Evidence> = unheard
                .iter()
                .take(3)
                .map(|(observer, link)| {
                    let word = match link {
                        LinkState::Disconnected => "no link",
                        LinkState::Connected => "no answer",
                    };
                    let says = format!("{word} to the bus of {}", ear.id.short());
                    Evidence::first_hand(seen.sighting(*observer), says)
                })
                .collect();
            evidence.extend(ear.heard.first().map(|observer| {
                Evidence::first_hand(seen.sighting(*observer), format!("hears {}", ear.id.short()))
            }));
            let many = 2 * from.len() >= from.len() + ear.heard.len();
            let subject = Subject::nodes(from.iter().copied().chain([ear.id]));
            let pushed = out.push(Self { from, to: ear.id }, subject, evidence);
            if many {
                pushed.severity(Severity::Error);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let names: Vec<String> = self.from.iter().take(3).map(|id| seen.name(*id)).collect();
        let more = self.from.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "{}{more} cannot reach the bus of {}, which lives and hears others",
            names.join(", "),
            seen.name(self.to)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let bus = seen.usual_row(self.to).and_then(|row| row.address.bus());
        let mut steps = ByHand::of(Risk::ReadOnly);
        for from in self.from.iter().take(3) {
            if let (Some(at), Some(bus)) = (seen.endpoint(*from), &bus) {
                steps = steps.check(format!(
                    "from the host of {at}: nc -vz {} {} fails, and the reverse passes",
                    bus.host, bus.port
                ));
            }
        }
        steps
            .then("mend the path in that direction: firewall, policy, route, network card")
            .check("the fail? flag vanishes by itself")
            .never("CLUSTER FORGET of the node: it lives, and the others hear it")
    }

    fn scenario() -> Scenario {
        Scenario::of(5, 0)
            .in_namespace()
            .act(Act::Sever { from: vec![0], to: vec![1], port: Port::Bus, cut: Fault::Reject })
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
    }
}

/// A `fail` may be hearsay: the flag counts when the observer has no link or suspects by itself.
fn own_experience(seen: &Picture<'_>, observer: usize, id: NodeId) -> bool {
    seen.view_of(observer, id).is_some_and(|(row, _)| {
        row.link == LinkState::Disconnected || row.flags.has(Flag::Suspected)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn one_observer_does_not_get_through() {
        let mut sketch = Sketch::healthy(5, 0);
        sketch.row(0, 1, |row| {
            row.flags = row.flags.with(Flag::Suspected);
            row.link = LinkState::Disconnected;
        });
        let found = sketch.detect::<BusOneWayPartition>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::nodes([Sketch::id(0), Sketch::id(1)]));
        assert_eq!(found[0].severity, Severity::Warning);
    }

    #[test]
    fn a_node_that_nobody_reaches_is_another_finding() {
        let mut sketch = Sketch::healthy(5, 0);
        sketch.flagged(1, Flag::Failed, LinkState::Disconnected);
        assert_eq!(sketch.detect::<BusOneWayPartition>(&ENTRY), []);
    }
}
