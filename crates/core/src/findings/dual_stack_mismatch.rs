//! Some nodes are recorded by IPv4 and some by IPv6.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::odd_addresses::{Text, read};
use super::whereabouts::{is_out_of_reach, numeric};
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::NodeId;
use crate::observation::Picture;
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// The tables mix the two families of addresses. A node that listens on one family is dead to
    /// all who seek it by the other, and clients get a mixture that not all of them can dial.
    ///
    /// ## How it comes about
    /// Hosts or pods have both families; the family used by `CLUSTER MEET` decides what is
    /// recorded. `bind 0.0.0.0` listens on IPv4 only; `cluster-announce-ip` has one value. Clients
    /// on Node 17 and later take the first address that the resolver names, often IPv6, and are
    /// refused.
    ///
    /// ## What we look at
    /// The families in the address column of all tables, and whether the links to the smaller
    /// family stand.
    ///
    /// ## The repair
    /// One family for the bus everywhere: announce it, or MEET by it. On Valkey,
    /// `cluster-announce-client-ipv4` and `-ipv6` tell clients the other one.
    ///
    /// ## Repair safety
    /// Nothing but addresses changes.
    ///
    /// ## By hand
    /// The commands are printed.
    pub struct DualStackMismatch { few: BTreeSet<NodeId>, six: bool }
    group: Addressing, severity: Warning, after: [],
    repair: [Readdress], since: "0.1",
}

impl Finding for DualStackMismatch {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let mut families: [BTreeSet<NodeId>; 2] = Default::default();
        let mut broken: BTreeSet<NodeId> = BTreeSet::new();
        for (id, member) in seen.members() {
            for record in &member.rows {
                let row = seen.row(record.row);
                let Text::Ip(ip) = read(&row.address.ip) else { continue };
                families[usize::from(is_six(&ip))].insert(id);
                if is_out_of_reach(row) && seen.proved(id).is_some() {
                    broken.insert(id);
                }
            }
        }
        let [four, six] = families;
        if four.is_empty() || six.is_empty() {
            return;
        }
        let fewer_six = six.len() <= four.len();
        let few = if fewer_six { six } else { four };
        let evidence: Vec<Evidence> = few.iter().flat_map(|id| tell(seen, *id)).collect();
        let fails = !few.is_disjoint(&broken);
        let subject = Subject::nodes(few.iter().copied());
        let pushed = out.push(Self { few, six: fewer_six }, subject, evidence);
        if fails {
            pushed.severity(Severity::Error);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let names: Vec<String> = self.few.iter().take(3).map(|id| seen.name(*id)).collect();
        let (few, many) = if self.six { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
        format!("{} recorded by {few} while the others use {many}", names.join(", "))
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let mut steps = ByHand::of(Risk::Reversible);
        let word = if self.six { "IPv4" } else { "IPv6" };
        for id in &self.few {
            let here = numeric(seen, *id).filter(|at| {
                at.host.parse().is_ok_and(|ip| is_six(&ip) != self.six)
                    && seen.config_of(*id).is_some_and(|c| !c.is("cluster-announce-ip", ""))
            });
            if let Some(here) = here {
                let line = format!("CONFIG SET cluster-announce-ip {}", here.host);
                steps = steps.command(seen.endpoint(*id), line);
                continue;
            }
            steps = steps.then(format!(
                "at {}: CONFIG SET cluster-announce-ip to its {word} address (and in its start-up)",
                seen.name(*id)
            ));
        }
        steps
            .check("bind makes every node listen on that family (client and bus port)")
            .check("CLUSTER NODES shows one family, all connected")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .send(2, "CONFIG SET cluster-announce-ip ::1")
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " ::1:".to_owned()))
            .wait(Until::Answers(0, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
            .wait(Until::Answers(1, "CLUSTER NODES".to_owned(), " disconnected".to_owned()))
    }
}

fn tell(seen: &Picture<'_>, id: NodeId) -> Vec<Evidence> {
    let Some(member) = seen.member(id) else { return Vec::new() };
    member
        .rows
        .iter()
        .flat_map(|record| record.by.iter().take(2).map(|observer| (record.row, *observer)))
        .map(|(row, observer)| {
            let says = format!("{} is at {}", id.short(), seen.row(row).address);
            Evidence::hearsay(seen.sighting(observer), says)
        })
        .collect()
}

/// IPv4 written as IPv6 (`::ffff:10.0.0.1`) reaches an IPv4 listener.
fn is_six(ip: &IpAddr) -> bool {
    ip.to_canonical().is_ipv6()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;

    #[test]
    fn one_node_by_the_other_family() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.rows_about(2, |row| row.address.ip = "fd00::3".to_owned());
        let found = sketch.detect::<DualStackMismatch>(&ENTRY);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].subject.nodes, [Sketch::id(2)].into());
    }

    #[test]
    fn mapped_addresses_are_of_the_same_family() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.rows_about(2, |row| row.address.ip = "::ffff:10.0.0.3".to_owned());
        assert_eq!(sketch.detect::<DualStackMismatch>(&ENTRY), []);
    }
}
