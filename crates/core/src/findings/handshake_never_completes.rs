//! A MEET is tried and gets nowhere: the entry stays in `handshake` and vanishes.

use std::collections::BTreeMap;

use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, Flag};
use crate::observation::Picture;
use crate::scenario::{Act, Scenario, Until};

finding! {
    /// ## What it means
    /// A node tries to get to know another one and has no success. The entry with a random id and
    /// the flag `handshake` lives for one node timeout (at least a second), vanishes, and comes
    /// back when somebody sends the MEET again. `CLUSTER MEET` itself answers OK.
    ///
    /// ## How it comes about
    /// The address or bus port is not reachable from the node that was sent the MEET; or the other
    /// one cannot dial back; the versions or TLS settings do not fit; the node timeout is too
    /// short for a large cluster under load. Valkey 8.1 and later log `Clusterbus handshake
    /// timeout`.
    ///
    /// ## What we look at
    /// Rows with `handshake` that are still (or again) there at a second look.
    ///
    /// ## The repair
    /// Make the bus port of each reachable from the other, then MEET again, always from one and
    /// the same node. Raise `cluster-node-timeout` for the time of the join if the cluster is
    /// large.
    ///
    /// ## Repair safety
    /// A failed handshake leaves nothing behind.
    ///
    /// ## By hand
    /// `nc -vz ADDRESS BUSPORT` from the host of the node that shows the entry, and the reverse.
    pub struct HandshakeNeverCompletes { to: Endpoint, bus_port: u16, by: Vec<Endpoint> }
    group: Bus, severity: Warning,
    after: [
        AllAddressesStale, BusPortBlocked, BusPortWrong, MtuBlackhole, SourceAddressMismatch,
        LoopbackAddress, AnnounceAddressWrong, HostnameAsAnnounceIp, IllegalAddress,
        MembershipAsymmetric, MinorityPartition, BusOneWayPartition, TlsBusMismatch, TlsCertInvalid,
        NodeHung, NodeLoading,
    ],
    settles: true,
    obstacle: "the other end does not answer on the bus, or nobody is there: another MEET would end \
               like those before",
    since: "0.1",
}

impl Finding for HandshakeNeverCompletes {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let rows = seen.observation().rows.as_slice();
        if !rows.iter().any(|row| row.flags.has(Flag::Handshake)) {
            return;
        }
        let mut tries: BTreeMap<(Endpoint, u16), Vec<usize>> = BTreeMap::new();
        for observer in seen.observers() {
            for (row, _) in seen.view(observer).filter(|(row, _)| row.flags.has(Flag::Handshake)) {
                let Some(at) = row.address.client() else { continue };
                let bus = row.address.bus().map_or(0, |bus| bus.port);
                tries.entry((at, bus)).or_default().push(observer);
            }
        }
        for ((to, bus_port), by) in tries {
            let evidence: Vec<Evidence> = by
                .iter()
                .map(|observer| {
                    let says = format!("in handshake with {to}, bus port {bus_port}");
                    Evidence::first_hand(seen.sighting(*observer), says)
                })
                .collect();
            let id = seen.sighting_at(&to).and_then(|number| seen.id_of(number));
            let subject = Subject::address(to.clone()).with_nodes(id);
            let by = by.iter().map(|observer| seen.sighting(*observer).from.clone()).collect();
            out.push(Self { to, bus_port, by }, subject, evidence);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        let by: Vec<String> = self.by.iter().take(3).map(ToString::to_string).collect();
        format!("{} tries to get to know {}, and the handshake never ends", by.join(", "), self.to)
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::ReadOnly);
        let alive = seen.sighting_at(&self.to).is_some_and(|n| seen.id_of(n).is_some());
        steps = if alive {
            steps.check(format!("CLUSTER MYID at {} is a node that should join", self.to))
        } else {
            steps.then(format!(
                "nobody tells its id at {}: find out who repeats the MEET (an operator, a job) and \
                 stop it, or start the node there",
                self.to
            ))
        };
        for by in self.by.iter().take(3) {
            steps = steps.check(format!(
                "from the host of {by}: nc -vz {} {} passes, and the way back too",
                self.to.host, self.bus_port
            ));
        }
        steps
            .then("MEET again, always from one and the same node")
            .never("MEET in a loop: every failed one leaves an entry in handshake for a while")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .act(Act::Repeat(0, "CLUSTER MEET 127.0.255.99 6379 16379".to_owned(), 300))
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), "127.0.255.99".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Flags, NodeId};
    use crate::observation::LinkState;
    use crate::observation::sketch::Sketch;

    #[test]
    fn an_entry_in_handshake_is_told_by_its_address() {
        let mut sketch = Sketch::healthy(3, 0);
        let mut row = sketch.nodes[0].table.as_ref().expect("drawn")[2].clone();
        row.id = NodeId::made_up(77);
        row.flags = Flags::none().with(Flag::Handshake);
        row.link = LinkState::Disconnected;
        row.address.ip = "10.0.8.8".to_owned();
        sketch.nodes[0].table.as_mut().expect("drawn").push(row);
        let found = sketch.detect::<HandshakeNeverCompletes>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject, Subject::address(Endpoint::new("10.0.8.8", 6379)));
    }

    #[test]
    fn members_in_order_are_no_handshake() {
        assert_eq!(Sketch::healthy(3, 1).detect::<HandshakeNeverCompletes>(&ENTRY), []);
    }
}
