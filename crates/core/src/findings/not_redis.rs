//! An address of a member at which something else than a Redis or Valkey server answers.

use super::client_port::{Door, doors, peers_on, place, quote};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Silence};
use crate::scenario::{Act, Fake, Scenario, Until};

finding! {
    /// ## What it means
    /// Something listens where a member of the cluster is recorded, and it does not speak the
    /// Redis protocol: it sends other bytes, more than any server would, closes at once, or says
    /// nothing while the bus port is closed. Clients report protocol errors (`Protocol error, got
    /// "H" as reply type byte`) or hang.
    ///
    /// ## How it comes about
    /// The address was given to another program: an IP or a port was reused after the node had
    /// gone, a port mapping or a service points to the wrong place, a load balancer or a mesh
    /// proxy answers for a dead backend, or the client port speaks TLS while we do not.
    ///
    /// ## What we look at
    /// The first bytes that the client port sends, the bus port that belongs to it, and what the
    /// other nodes hold the member for. A port that closes at once while the bus answers may be a
    /// TLS port or a server out of clients, so that alone is not reported here.
    ///
    /// ## The repair
    /// Find out what listens there, give the address back to the node or start the node elsewhere,
    /// and let the others learn the new address (`CLUSTER MEET` from the node that moved).
    ///
    /// ## Repair safety
    /// Nothing in the cluster is changed by looking. No password should be sent to such an
    /// address: whoever listens there would have it.
    ///
    /// ## By hand
    /// `ss -ltnp` on the host, `kubectl get endpointslices`, the port mappings. Never `CLUSTER
    /// FORGET` the member before its own process was found: it may be alive at another address.
    pub struct NotRedis { at: Endpoint, id: Option<NodeId>, does: String }
    group: Process, severity: Error, after: [
        AddressReusedByForeignNode, AnnounceAddressWrong, AllAddressesStale, PeerAddressStale,
        ProtectedMode, MaxclientsExhausted,
    ],
    obstacle: "something that is no Redis listens at the address of a member: free the address, or \
               start the member elsewhere",
    since: "0.1",
}

impl Finding for NotRedis {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for door in doors(seen) {
            let Some(does) = strangeness(&door, seen) else { continue };
            let at = door.sighting.from.clone();
            let mut evidence = vec![Evidence::ours(format!("{at} {does}"))];
            if let Some(Err(why)) = door.bus(seen) {
                evidence.push(Evidence::ours(format!("its bus port: {}", why.describe())));
            }
            evidence.extend(door.id().into_iter().flat_map(|id| peers_on(seen, id).evidence));
            out.push(Self { at, id: door.id(), does }, door.subject(), evidence);
        }
    }

    fn message(&self, _: &Picture<'_>) -> String {
        format!("no Redis or Valkey answers at {}: it {}", place(&self.at, self.id), self.does)
    }

    fn by_hand(&self, _: &Picture<'_>) -> ByHand {
        ByHand::of(Risk::ReadOnly)
            .then(format!("on the host of {}: ss -ltnp, what listens at this port?", self.at))
            .then("behind a mapping, a service or a proxy: where does this address lead to?")
            .then("if the port speaks TLS, look again with --tls")
            .then("free the address and start the node there, or start the node elsewhere")
            .check("the others show the member without fail, at the address where it now lives")
            .never("send a password to this address before it is known who listens")
            .never("CLUSTER FORGET the member before its own process was found")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 1).kill(5).act(Act::Pretend(5, Fake::Garbage)).wait(Until::Flag {
            on: 0,
            about: 5,
            flag: "fail",
        })
    }
}

/// What an address does that no server does; for members and named addresses only.
fn strangeness(door: &Door<'_>, seen: &Picture<'_>) -> Option<String> {
    if door.ids.is_empty() && !door.is_named(seen) {
        return None;
    }
    let closed_bus = matches!(
        door.bus(seen),
        Some(Err(Silence::Refused | Silence::NoRoute | Silence::Garbage(_)))
    );
    match door.trouble()? {
        Silence::Garbage(text) => Some(format!("does not speak the protocol: {}", quote(text))),
        Silence::Closed if closed_bus => {
            Some("closes the connection at once, and its bus port is closed".to_owned())
        }
        Silence::NoReply if closed_bus => {
            Some("accepts connections and says nothing, and its bus port is closed".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn garbage_at_the_address_of_a_member_is_found() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::Garbage("type byte 'H'".to_owned()), Some(Silence::Refused));
        let found = sketch.detect::<NotRedis>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("type byte 'H'"));
        assert!(found[0].by_hand.never.iter().any(|line| line.contains("password")));
    }

    #[test]
    fn silence_with_a_closed_bus_is_no_server() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::NoReply, Some(Silence::Refused));
        assert_eq!(sketch.detect::<NotRedis>(&ENTRY).len(), 1);
    }

    #[test]
    fn a_port_that_closes_while_the_bus_answers_is_not_judged() {
        let mut sketch = Sketch::healthy(3, 1);
        sketch.silence(5, Silence::Closed, None);
        assert_eq!(sketch.detect::<NotRedis>(&ENTRY), []);
        sketch.silence(5, Silence::Refused, Some(Silence::Refused));
        assert_eq!(sketch.detect::<NotRedis>(&ENTRY), []);
    }
}
