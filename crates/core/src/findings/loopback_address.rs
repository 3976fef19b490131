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
    /// The address column of every table. A cluster that lives on loopback addresses altogether,
    /// on one machine, is fine and not reported.
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
        let found = recorded(seen, is_of_the_machine);
        let routable = seen.members().any(|(id, member)| {
            let others = member.rows.iter().map(|record| seen.row(record.row));
            others.chain(seen.own_row(id)).any(|row| {
                matches!(read(&row.address.ip), Text::Ip(_)) && !is_of_the_machine(&row.address.ip)
            })
        });
        if !routable {
            return;
        }
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
