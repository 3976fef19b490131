//! The nodes are where the tables say and answer clients, but not each other: the bus port is shut.

use super::hearing::{Cut, Ear, cut, ears, mostly_connected};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{LinkState, Picture, Silence};
use crate::scenario::{Act, Cut as Fault, Port, Scenario, Until};

finding! {
    /// ## What it means
    /// The client ports work and the addresses in the tables are right, but the connections
    /// between the nodes do not come about: the cluster bus port (client port + 10000, or
    /// `cluster-port`) is closed from node to node. Without the bus the nodes hold each other for
    /// dead.
    ///
    /// ## How it comes about
    /// A NetworkPolicy, security group or firewall that names only 6379; a Service, container or
    /// host port that maps only 6379; a policy rolled out to one node.
    ///
    /// After a restart the log says `Cluster state changed: ok` at two seconds and `fail` about
    /// one `cluster-node-timeout` later. `CLUSTER MEET` answers OK and nothing happens; `redis-cli
    /// --cluster create` hangs at `Waiting for the cluster to join`.
    ///
    /// ## What we look at
    /// For each node that answers us at the recorded address: whether the other nodes' links to
    /// its bus stand. Shut for all of them means that its bus port is closed. Our own probe of the
    /// bus port is quoted, but it is made from here and not from node to node. Wrong addresses are
    /// `ALL_ADDRESSES_STALE`; connections that stand and stay silent are `MTU_BLACKHOLE`.
    ///
    /// ## The repair
    /// Open the bus port for TCP between all members, both ways. The nodes retry by themselves
    /// every 100 ms; no restart, no MEET.
    ///
    /// ## Repair safety
    /// Nothing in the servers is changed. The bus has no password: open it to the members only.
    ///
    /// ## By hand
    /// From one node's host or pod: `nc -vz ADDRESS BUSPORT` for another one. Then mend the
    /// policy. Do not repeat MEET or reset anything while the port is closed: each failed MEET
    /// only adds entries in `handshake`.
    pub struct BusPortBlocked { shut: Vec<NodeId>, everywhere: bool }
    group: Bus, severity: Error,
    after: [
        AllAddressesStale, AnnounceAddressWrong, PeerAddressStale, SourceAddressMismatch,
        LoopbackAddress, HostnameAsAnnounceIp, IllegalAddress, DualStackMismatch,
        DuplicateNodeIdLive, ClonedClusterHijack, TlsBusMismatch, TlsCertInvalid,
    ],
    settles: true,
    obstacle: "the network keeps the bus ports shut, and no command to a server opens them",
    since: "0.1",
}

impl Finding for BusPortBlocked {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let Some(ears) = ears(seen) else { return };
        let kind = cut(seen, &ears);
        let everywhere = matches!(kind, Cut::AllApart);
        let shut: Vec<&Ear> = match kind {
            Cut::AllApart if !vanishes(seen, &ears) => ears.iter().collect(),
            Cut::Pairs => ears.iter().filter(|ear| is_shut(ear)).collect(),
            _ => return,
        };
        if shut.is_empty() {
            return;
        }
        let evidence: Vec<Evidence> = shut.iter().flat_map(|ear| tell(seen, ear)).collect();
        let ids: Vec<NodeId> = shut.iter().map(|ear| ear.id).collect();
        let subject = if everywhere {
            Subject::cluster().with_nodes(ids.iter().copied())
        } else {
            Subject::nodes(ids.iter().copied())
        };
        let pushed = out.push(Self { shut: ids, everywhere }, subject, evidence);
        if everywhere {
            pushed.severity(Severity::Critical);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        if self.everywhere {
            return format!(
                "all {} nodes answer clients at the recorded addresses, but no node reaches the bus \
                 port of another",
                self.shut.len()
            );
        }
        let names: Vec<String> = self.shut.iter().take(3).map(|id| seen.name(*id)).collect();
        format!(
            "the other nodes cannot connect to the bus port of {}, which answers clients at the \
             recorded address",
            names.join(", ")
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::ReadOnly);
        for bus in self.shut.iter().take(5).filter_map(|id| bus_of(seen, *id)) {
            steps = steps.check(format!(
                "from another node's host or pod: nc -vz {} {} (expected to fail now)",
                bus.host, bus.port
            ));
        }
        let told = self.shut.iter().filter_map(|id| Some((*id, announced(seen, *id)?)));
        for (id, port) in told.take(5) {
            steps = steps.check(format!(
                "{} has cluster-announce-bus-port {port}: is that mapped to the bus port on which \
                 it listens (cluster-port, or the client port + 10000)? If it is not, CONFIG SET \
                 cluster-announce-bus-port 0 is all that is needed",
                seen.name(id)
            ));
        }
        steps
            .then("open these bus ports for TCP between all members, both ways (firewall, security group, NetworkPolicy, port mapping)")
            .check("CLUSTER NODES shows connected at every node; no restart is needed")
            .never("CLUSTER RESET, or MEET again and again: membership is in order, and failed MEETs leave handshake entries")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .in_namespace()
            .act(Act::Sever {
                from: vec![0, 1, 2],
                to: vec![0, 1, 2],
                port: Port::Bus,
                cut: Fault::Reject,
            })
            .wait(Until::Flag { on: 0, about: 1, flag: "fail?" })
            .wait(Until::Flag { on: 1, about: 2, flag: "fail?" })
            .wait(Until::Flag { on: 2, about: 0, flag: "fail?" })
            .wait(Until::State(0, "fail"))
    }
}

/// The bus port that a node was told to announce.
fn announced(seen: &Picture<'_>, id: NodeId) -> Option<u64> {
    seen.config_of(id)?.number("cluster-announce-bus-port").filter(|port| *port != 0)
}

/// Shut for every other live node, at least two of them, and not merely slow to answer.
fn is_shut(ear: &Ear) -> bool {
    ear.heard.is_empty()
        && ear.unheard.len() >= 2
        && ear.unheard.iter().any(|(_, link)| *link == LinkState::Disconnected)
}

/// Whether packets vanish instead of connections failing. A dropped SYN looks like a standing link
/// (`createClusterLink` sets the link when it dials); only a probe can tell the two apart.
fn vanishes(seen: &Picture<'_>, ears: &[Ear]) -> bool {
    let shut_for_us = ears
        .iter()
        .filter_map(|ear| seen.bus_at(&bus_of(seen, ear.id)?)?.silence())
        .filter(|silence| matches!(silence, Silence::Refused | Silence::TimedOut))
        .count();
    mostly_connected(ears) && 2 * shut_for_us <= ears.len()
}

fn bus_of(seen: &Picture<'_>, id: NodeId) -> Option<Endpoint> {
    seen.usual_row(id)?.address.bus()
}

fn tell(seen: &Picture<'_>, ear: &Ear) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    let bus = bus_of(seen, ear.id);
    let at = bus.as_ref().map_or_else(String::new, |bus| format!(" at {bus}"));
    for (observer, link) in ear.unheard.iter().take(3) {
        let word = match link {
            LinkState::Disconnected => "no link",
            LinkState::Connected => "no answer",
        };
        let says = format!("{word} to the bus of {}{at}", ear.id.short());
        evidence.push(Evidence::first_hand(seen.sighting(*observer), says));
    }
    if let Some(sighting) = seen.proved(ear.id) {
        evidence.push(Evidence::first_hand(sighting, "answers clients"));
    }
    if let Some(silence) = bus.as_ref().and_then(|at| seen.bus_at(at)).and_then(|s| s.silence()) {
        evidence.push(Evidence::ours(format!("bus port{at}: {}", silence.describe())));
    }
    evidence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::Found;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;

    fn all_apart(link: LinkState) -> Sketch {
        let mut sketch = Sketch::healthy(3, 0);
        for n in 0..3 {
            sketch.flagged(n, Flag::Suspected, link);
        }
        sketch
    }

    #[test]
    fn nobody_reaches_any_bus() {
        let found = all_apart(LinkState::Disconnected).detect::<BusPortBlocked>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Critical);
        assert!(found[0].subject.whole_cluster);
    }

    #[test]
    fn connections_that_hang_for_the_nodes_and_for_us_are_dropped_packets() {
        let mut sketch = all_apart(LinkState::Connected);
        assert_eq!(sketch.detect::<BusPortBlocked>(&ENTRY), [], "the bus answers us");
        for probe in &mut sketch.bus {
            probe.said = crate::observation::Said::Nothing(Silence::TimedOut);
        }
        assert_eq!(sketch.detect::<BusPortBlocked>(&ENTRY).len(), 1);
    }

    #[test]
    fn one_bus_is_shut_while_its_node_hears_all() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.flagged(1, Flag::Failed, LinkState::Disconnected);
        let found = sketch.detect::<BusPortBlocked>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::node(Sketch::id(1)));
        let asks_for_setting = |found: &Found| {
            format!("{:?}", found.by_hand.steps).contains("cluster-announce-bus-port 17777")
        };
        assert!(!asks_for_setting(&found[0]));
        sketch.config(1, "cluster-announce-bus-port", "17777");
        assert!(asks_for_setting(&sketch.detect::<BusPortBlocked>(&ENTRY)[0]));
    }

    #[test]
    fn a_dead_node_is_no_closed_port() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.flagged(1, Flag::Failed, LinkState::Disconnected);
        sketch.silence(1, Silence::Refused, Some(Silence::Refused));
        assert_eq!(sketch.detect::<BusPortBlocked>(&ENTRY), []);
    }

    #[test]
    fn a_node_that_has_just_come_back_is_heard() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.flagged(1, Flag::Failed, LinkState::Connected);
        assert_eq!(sketch.detect::<BusPortBlocked>(&ENTRY), []);
    }
}
