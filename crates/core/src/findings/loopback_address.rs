//! A node is recorded at an address of the machine itself, in a cluster that spans machines.

use std::net::IpAddr;

use super::illegal_address::readdress;
use super::odd_addresses::{Text, read, recorded};
use super::whereabouts::is_loopback;
use crate::diagnose::{ByHand, Finding, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// A node is recorded as `127.0.0.1` (or a link-local address), while others have routable
    /// ones. Whoever follows the record dials itself.
    ///
    /// ## How it comes about
    /// `CLUSTER MEET 127.0.0.1` or `--cluster create 127.0.0.1:...` was run on the host itself:
    /// the receiver takes its own IP from the connection and logs `IP address for this node
    /// updated to 127.0.0.1`. Or `cluster-announce-ip` says so. go-redis hides it, because it puts
    /// the seed's host in the place of a loopback address; other clients fail.
    ///
    /// ## What we look at
    /// The address column of every table. A cluster that lives on loopback addresses, on one
    /// machine, is fine and not reported; if one of its members has a routable address, that one is
    /// the odd one.
    ///
    /// ## The repair
    /// MEET the node by its routable IP from another host, or set `cluster-announce-ip`.
    ///
    /// ## Repair safety
    /// Nothing but the address changes.
    ///
    /// ## By hand
    /// The commands are printed.
    pub struct LoopbackAddress { id: NodeId, text: String }
    group: Addressing, severity: Error, after: [],
    repair: [Meet, Readdress], since: "0.1",
}

impl Finding for LoopbackAddress {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let (local, routable): (Vec<NodeId>, Vec<NodeId>) =
            seen.members().map(|(id, _)| id).partition(|id| !has_routable(seen, *id));
        if routable.is_empty() || (local.len() > routable.len() && lives_here(seen)) {
            return;
        }
        let found = recorded(seen, is_of_the_machine);
        for (id, (text, evidence)) in found {
            let subject = Subject::node(id).with_slots(seen.slots_of(id));
            out.push(Self { id, text }, subject, evidence);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "{} is recorded at {}, which is every machine's own address",
            seen.name(self.id),
            self.text
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        readdress(seen, self.id, &self.text)
            .never("create or MEET with 127.0.0.1 when nodes live on several hosts")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .in_namespace()
            .send(2, "CONFIG SET cluster-announce-ip 127.0.0.1")
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " 127.0.0.1:".to_owned()))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), " 127.0.0.1:".to_owned()))
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
    }
}

/// Whether somebody, or the node itself, records a routable address for it.
fn has_routable(seen: &Picture<'_>, id: NodeId) -> bool {
    let others = seen.member(id).into_iter().flat_map(|member| &member.rows);
    let rows = others.map(|record| seen.row(record.row)).chain(seen.own_row(id));
    rows.map(|row| &row.address.ip)
        .any(|ip| matches!(read(ip), Text::Ip(_)) && !is_of_the_machine(ip))
}

/// Whether all who showed a table were dialled on this machine.
fn lives_here(seen: &Picture<'_>) -> bool {
    let mut told = seen.sightings().filter(|(_, sighting)| sighting.nodes.get().is_some());
    told.all(|(_, sighting)| is_loopback(&sighting.from.host))
}

fn is_of_the_machine(text: &str) -> bool {
    let link_local = match text.parse() {
        Ok(IpAddr::V4(ip)) => ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_unicast_link_local(),
        Err(_) => false,
    };
    link_local || is_loopback(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn one_loopback_among_routable_addresses() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.rows_about(2, |row| row.address.ip = "127.0.0.1".to_owned());
        let found = sketch.detect::<LoopbackAddress>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.nodes, [Sketch::id(2)].into());
    }

    /// All on this machine, but node 2 says that it is elsewhere.
    fn one_abroad(nodes: usize) -> Sketch {
        let mut sketch = Sketch::healthy(nodes, 0);
        for about in 0..nodes {
            let here = format!("127.0.0.{}", about + 1);
            let ip = if about == 2 { "10.9.9.9".to_owned() } else { here.clone() };
            for observer in 0..nodes {
                sketch.row(observer, about, |row| row.address.ip.clone_from(&ip));
            }
            sketch.moves(about, &here);
        }
        sketch
    }

    #[test]
    fn on_one_machine_the_routable_address_is_the_odd_one() {
        assert_eq!(one_abroad(3).detect::<LoopbackAddress>(&ENTRY), []);
        let mut sketch = one_abroad(3);
        sketch.moves(1, "10.0.0.2");
        let found = sketch.detect::<LoopbackAddress>(&ENTRY);
        assert!(!found.is_empty(), "one of them is on another machine");
    }

    #[test]
    fn a_cluster_on_one_machine_is_fine() {
        let mut sketch = Sketch::healthy(3, 0);
        for observer in 0..3 {
            for about in 0..3 {
                sketch.row(observer, about, |row| row.address.ip = "127.0.0.1".to_owned());
            }
        }
        assert_eq!(sketch.detect::<LoopbackAddress>(&ENTRY), []);
    }
}
