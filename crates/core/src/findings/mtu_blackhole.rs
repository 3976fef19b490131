//! The nodes' connections stand, but what they send to each other vanishes.

use super::hearing::{Cut, Ear, cut, ears, mostly_connected};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::NodeId;
use crate::observation::{LinkState, Picture, Silence};
use crate::scenario::{Act, Cut as Fault, Port, Scenario, Until};

finding! {
    /// ## What it means
    /// Every node answers clients, and the nodes' links to each other count as connected, yet no
    /// node gets an answer from another. Small packets pass, those of the bus do not: a bus ping
    /// has at least 2256 bytes and never fits one packet of a usual network.
    ///
    /// ## How it comes about
    /// The MTU of an overlay (VXLAN, WireGuard, IPIP) is larger than the path's and the ICMP
    /// message that would tell is blocked; jumbo frames on one side only. A firewall that drops
    /// the bus port's packets without a word looks the same in the tables, because a node counts a
    /// link as connected from the moment it dials; so does a mesh proxy that accepts and forwards
    /// nothing.
    ///
    /// Full syncs of replicas stall as well (`MASTER <-> REPLICA sync: receiving` never ends), and
    /// large replies such as `CLUSTER SLOTS` time out for clients.
    ///
    /// ## What we look at
    /// Pairs of live nodes with a right address and a connected link, of which one flags the other
    /// `fail?`. Loading and hung nodes are left out: they do not answer us either.
    ///
    /// ## The repair
    /// Find the largest packet that passes from node to node, then set the MTU of the overlay to
    /// it, or clamp the MSS. If small packets do not pass either, open the bus port.
    ///
    /// ## Repair safety
    /// Nothing in the servers is changed.
    ///
    /// ## By hand
    /// From one node's host or pod: `ping -M do -s 1472 OTHER` against `ping -s 100 OTHER`, or
    /// `tracepath OTHER`. If both pings pass, `nc -vz OTHER BUSPORT` tells whether the port is
    /// dropped.
    pub struct MtuBlackhole { ids: Vec<NodeId> }
    group: Bus, severity: Critical,
    after: [
        AllAddressesStale, AnnounceAddressWrong, PeerAddressStale, SourceAddressMismatch,
        LoopbackAddress, HostnameAsAnnounceIp, IllegalAddress, DualStackMismatch,
        DuplicateNodeIdLive, ClonedClusterHijack, TlsBusMismatch, TlsCertInvalid, BusPortBlocked,
    ],
    settles: true,
    obstacle: "large packets are lost on the way, and no command to a server changes that",
    since: "0.1",
}

impl Finding for MtuBlackhole {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(ears) = ears(seen) else { return };
        if !matches!(cut(seen, &ears), Cut::AllApart) || !mostly_connected(&ears) {
            return;
        }
        let probes: Vec<Option<&Silence>> = ears
            .iter()
            .filter_map(|ear| seen.bus_at(&seen.usual_row(ear.id)?.address.bus()?))
            .map(|said| said.silence())
            .collect();
        let count = |wanted: fn(&Silence) -> bool| {
            probes.iter().filter(|said| said.is_some_and(wanted)).count()
        };
        if 2 * count(|said| matches!(said, Silence::Refused | Silence::TimedOut)) > ears.len() {
            return;
        }
        let swallowed_ours = 2 * count(|said| matches!(said, Silence::NoReply)) > ears.len();
        let evidence: Vec<Evidence> = ears.iter().flat_map(|ear| tell(seen, ear)).collect();
        let ids: Vec<NodeId> = ears.iter().map(|ear| ear.id).collect();
        let subject = Subject::cluster().with_nodes(ids.iter().copied());
        let pushed = out.push(Self { ids }, subject, evidence);
        if !swallowed_ours {
            pushed.doubt(
                "a firewall that drops the bus port between the nodes looks the same; ping with \
                 large packets from node to node to tell",
            );
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!(
            "{} nodes answer clients and hold connections to each other, but no bus packet arrives: \
             large packets vanish on the way",
            self.ids.len()
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let host = self.ids.iter().find_map(|id| Some(seen.endpoint(*id)?.host));
        let host = host.unwrap_or_else(|| "OTHER".to_owned());
        ByHand::of(Risk::ReadOnly)
            .check(format!("from another node: ping -c 3 -s 100 {host} passes"))
            .check(format!(
                "from another node: ping -c 3 -M do -s 1472 {host} fails; tracepath {host} tells the \
                 size that passes"
            ))
            .then("set the MTU of the overlay or interface to that size, or clamp the MSS of TCP")
            .then("if the large ping passes too, the bus port is dropped by a firewall: open it")
            .check("CLUSTER NODES shows no fail? any more; no restart is needed")
            .never("CLUSTER RESET or FORGET: membership is in order")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .in_namespace()
            .act(Act::Sever {
                from: vec![0, 1, 2],
                to: vec![0, 1, 2],
                port: Port::Bus,
                cut: Fault::DropLong,
            })
            .wait(Until::Flag { on: 0, about: 1, flag: "fail?" })
            .wait(Until::Flag { on: 1, about: 2, flag: "fail?" })
            .wait(Until::Flag { on: 2, about: 0, flag: "fail?" })
            .wait(Until::State(0, "fail"))
    }
}

fn tell(seen: &Picture<'_>, ear: &Ear) -> Vec<Evidence> {
    let unheard = ear.unheard.iter().filter(|(_, link)| *link == LinkState::Connected).take(2);
    let mut evidence: Vec<Evidence> = unheard
        .map(|(observer, _)| {
            let says =
                format!("connected to {}, but it does not answer on the bus", ear.id.short());
            Evidence::first_hand(seen.sighting(*observer), says)
        })
        .collect();
    if let Some(sighting) = seen.proved(ear.id) {
        evidence.push(Evidence::first_hand(sighting, "answers clients"));
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Certainty;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;

    fn silent_links() -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..3 {
            sketch.flagged(n, Flag::Suspected, LinkState::Connected);
        }
        sketch
    }

    #[test]
    fn links_that_stand_and_stay_silent() {
        let found = silent_links().detect::<MtuBlackhole>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            matches!(found[0].certainty, Certainty::Suspected(_)),
            "a dropped port looks alike"
        );
    }

    #[test]
    fn when_our_own_long_probe_vanishes_too_it_is_certain() {
        let mut sketch = silent_links();
        for probe in &mut sketch.bus {
            probe.said = crate::observation::Said::Nothing(Silence::NoReply);
        }
        assert_eq!(sketch.detect::<MtuBlackhole>(&ENTRY)[0].certainty, Certainty::Certain);
    }

    #[test]
    fn refused_connections_are_a_closed_port() {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..3 {
            sketch.flagged(n, Flag::Suspected, LinkState::Disconnected);
        }
        assert_eq!(sketch.detect::<MtuBlackhole>(&ENTRY), []);
    }
}
