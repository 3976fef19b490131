//! The others record a node where its connections come from, and it does not listen there.

use super::whereabouts::{Place, is_at, is_out_of_reach, numeric, place};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{LinkState, Picture};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A node reaches its peers, but they record it at an address where it does not listen: the
    /// address that its outgoing connections come from. It sees them all, they hold it for dead.
    ///
    /// ## How it comes about
    /// Without `cluster-announce-ip` the receiver takes the sender's address from the connection.
    /// Redis 6.2 bound outgoing connections to the first `bind` address; since 7.0 it is
    /// `bind-source-addr` or the kernel's choice, so an upgrade changes what is recorded on hosts
    /// with several addresses. NAT between hosts does the same.
    ///
    /// After a MEET the sender lists the peer and the peer never keeps the sender. Valkey 8.1 and
    /// later repeat `Sending MEET packet ... no inbound link`.
    ///
    /// ## What we look at
    /// A node whose own links stand, which others seek in vain at an address where it does not
    /// answer. A moved node that cannot reach the others is `PEER_ADDRESS_STALE`; an address from
    /// the settings is `ANNOUNCE_ADDRESS_WRONG`.
    ///
    /// ## The repair
    /// Set `cluster-announce-ip` of the node to the address where it listens (or
    /// `bind-source-addr`, at the next start).
    ///
    /// ## Repair safety
    /// It counts at once and changes nothing but the address.
    ///
    /// ## By hand
    /// The command is printed.
    pub struct SourceAddressMismatch { id: NodeId, recorded: Endpoint }
    group: Addressing, severity: Error,
    after: [
        AllAddressesStale, DuplicateNodeIdLive, ClonedClusterHijack, AnnounceAddressWrong,
        LoopbackAddress, HostnameAsAnnounceIp, IllegalAddress, DualStackMismatch,
    ],
    settles: true, repair: [Readdress], since: "0.1",
}

impl Finding for SourceAddressMismatch {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, member) in seen.members().filter(|(_, member)| !member.proved.is_empty()) {
            let Some(sighting) = seen.proved(id) else { continue };
            let mut evidence = Vec::new();
            let mut recorded = None;
            for record in &member.rows {
                let row = seen.row(record.row);
                let (Place::Wrong, Some(at)) = (place(seen, row), row.address.client()) else {
                    continue;
                };
                // A record that equals the node's own belief is an old one, not a source address.
                if seen.own_row(id).is_some_and(|own| own.address.ip == row.address.ip) {
                    continue;
                }
                for observer in record.by.iter().filter(|observer| reaches(seen, id, **observer)) {
                    let says = format!("seeks {} at {at} in vain", id.short());
                    evidence.push(Evidence::first_hand(seen.sighting(*observer), says));
                    recorded.get_or_insert_with(|| at.clone());
                }
            }
            let Some(recorded) = recorded else { continue };
            evidence.push(Evidence::first_hand(sighting, "has working links to them"));
            let source = seen.config_of(id).and_then(|config| config.get("bind-source-addr"));
            if let Some(source) = source.filter(|source| !source.is_empty()) {
                evidence
                    .push(Evidence::first_hand(sighting, format!("bind-source-addr is {source}")));
            }
            let subject = Subject::node(id).with_slots(seen.slots_of(id));
            out.push(Self { id, recorded }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} is recorded at {}, where its connections come from but where it does not listen",
            seen.name(self.id),
            self.recorded
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible);
        let steps = match numeric(seen, self.id) {
            Some(at) => steps.command(
                seen.endpoint(self.id),
                format!("CONFIG SET cluster-announce-ip {}", at.host),
            ),
            None => steps.then("set cluster-announce-ip of the node to the IP where it listens"),
        };
        steps
            .then("put cluster-announce-ip or bind-source-addr into its start-up")
            .check("CLUSTER NODES at the others shows it there, connected")
            .never("CLUSTER FORGET of the entry: the node lives")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .option_of(2, "--bind-source-addr 127.0.0.1")
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " 127.0.0.1:".to_owned()))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), " 127.0.0.1:".to_owned()))
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
    }
}

/// Whether a node has a working link to an observer.
fn reaches(seen: &Picture<'_>, id: NodeId, observer: usize) -> bool {
    let (Some(member), Some(other)) = (seen.member(id), seen.id_of(observer)) else { return false };
    member.proved.iter().any(|own| {
        seen.view_of(*own, other).is_some_and(|(row, _)| {
            row.link == LinkState::Connected
                && !is_out_of_reach(row)
                && is_at(seen, other, &row.address)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flag;
    use crate::observation::sketch::Sketch;

    #[test]
    fn it_reaches_them_and_they_seek_it_elsewhere() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.rows_about(2, |row| row.address.ip = "10.0.7.1".to_owned());
        sketch.flagged(2, Flag::Failed, LinkState::Disconnected);
        let found = sketch.detect::<SourceAddressMismatch>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        let steps = format!("{:?}", found[0].by_hand.steps);
        assert!(steps.contains(r#""cluster-announce-ip", "10.0.0.3""#), "{steps}");
    }

    #[test]
    fn a_moved_node_that_reaches_nobody_is_another_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.moves(2, "10.0.9.3");
        for n in 0..3 {
            sketch.flagged(n, Flag::Failed, LinkState::Disconnected);
        }
        assert_eq!(sketch.detect::<SourceAddressMismatch>(&ENTRY), []);
    }
}
