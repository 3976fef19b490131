//! A DNS name stands where an IP belongs.

use super::illegal_address::readdress;
use super::odd_addresses::{Text, read, recorded};
use super::whereabouts::is_out_of_reach;
use crate::diagnose::{ByHand, Evidence, Finding, Severity, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// `cluster-announce-ip` of a node is a name. Its peers store the name and resolve it each
    /// time they connect: it works until the resolver hides or changes it, and then the node
    /// counts as failed. Clients are given a name where they expect an IP.
    ///
    /// ## How it comes about
    /// The field takes any text (every Redis and Valkey tried here accepts it). It holds 46 bytes,
    /// so the long name of a StatefulSet pod is cut off. `CLUSTER MEET` with a name is refused
    /// with `ERR Invalid node address specified`. A headless Service does not resolve a pod that
    /// is not ready, and a node without its peers never gets ready.
    ///
    /// ## What we look at
    /// The address column of every table, and `cluster-announce-ip`.
    ///
    /// ## The repair
    /// Announce the IP, and put the name into `cluster-announce-hostname` with
    /// `cluster-preferred-endpoint-type hostname` (7.0 and later) where clients need a name.
    ///
    /// ## Repair safety
    /// `CONFIG SET` counts at once and changes nothing but the address.
    ///
    /// ## By hand
    /// The commands are printed.
    pub struct HostnameAsAnnounceIp { id: NodeId, text: String }
    group: Addressing, severity: Warning, after: [LoopbackAddress],
    repair: [Meet, Readdress], since: "0.1",
}

impl Finding for HostnameAsAnnounceIp {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for (id, (text, mut evidence)) in recorded(seen, |text| read(text) == Text::Name) {
            let broken = seen.member(id).is_some_and(|member| {
                member.rows.iter().any(|record| {
                    let row = seen.row(record.row);
                    row.address.ip == text && is_out_of_reach(row)
                })
            });
            let found = seen.addresses_of(&text);
            if !found.is_empty() {
                let says = format!("the name {text} resolves to {}", found.join(", "));
                evidence.push(Evidence::ours(says));
            }
            let subject = Subject::node(id).with_slots(seen.slots_of(id));
            let pushed = out.push(Self { id, text }, subject, evidence);
            if broken && seen.proved(id).is_some() {
                pushed.severity(Severity::Error);
            }
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!("{} announces the name \"{}\" where an IP belongs", seen.name(self.id), self.text)
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = readdress(seen, self.id, &self.text);
        let hostname = format!("CONFIG SET cluster-announce-hostname {}", self.text);
        steps
            .command(seen.endpoint(self.id), hostname)
            .then("where clients need the name: CONFIG SET cluster-preferred-endpoint-type hostname on every node")
            .never("rely on a name that resolves only while the pod is ready")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .send(2, "CONFIG SET cluster-announce-ip localhost")
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " localhost:".to_owned()))
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn a_name_in_the_place_of_an_ip() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.config(2, "cluster-announce-ip", "redis-2.redis");
        sketch.rows_about(2, |row| row.address.ip = "redis-2.redis".to_owned());
        let found = sketch.detect::<HostnameAsAnnounceIp>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].severity, Severity::Warning, "it works for now");
    }

    #[test]
    fn an_announced_hostname_is_as_it_should_be() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.rows_about(2, |row| row.address.hostname = Some("redis-2.redis".to_owned()));
        assert_eq!(sketch.detect::<HostnameAsAnnounceIp>(&ENTRY), []);
    }
}
