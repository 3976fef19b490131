//! `CLUSTER SLOTS` names nodes without an endpoint that a client could dial.

use std::collections::BTreeSet;

use super::settings::names;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Severity, Sink, Subject};
use crate::model::{Flag, NodeId};
use crate::observation::{Picture, SlotsNode};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// The slot map that nodes hand to clients has entries that cannot be dialled: NULL, an empty
    /// text, `?`, or port 0. ioredis connects and closes in a loop without any error, or reports
    /// `getaddrinfo ENOTFOUND ?`; go-redis reports `redis: nil` or dials `:0`; redis-py raises a
    /// TypeError. The servers themselves are in order.
    ///
    /// ## How it comes about
    /// `cluster-preferred-endpoint-type hostname` while a node announces no hostname gives `?`;
    /// `unknown-endpoint` gives NULL on purpose, which means "the address that you used to reach
    /// me" and works only where one address leads to each node and the client knows the rule. An
    /// empty text comes from a node that does not know its own IP.
    ///
    /// ## What we look at
    /// The raw answer of every node to `CLUSTER SLOTS`. Not the nodes of which the teller has no
    /// address at all (`noaddr`): there the address is what is lost, and other findings tell of it.
    ///
    /// ## The repair
    /// Set `cluster-announce-hostname` on all nodes first, wait until all tables show the names,
    /// then set the type; or go back to the type `ip`.
    ///
    /// ## Repair safety
    /// It changes what clients are told from then on; nothing else.
    ///
    /// ## By hand
    /// The printed commands go back to IPs. Never switch the type before the names are known.
    pub struct ClientNullOrUnknownEndpoint { kind: Kind, tellers: Vec<NodeId>, about: Vec<NodeId> }
    group: Clients, severity: Error, after: [
        AddressReusedByForeignNode, SelfAddressUnknown, PrimaryNoaddrMasked,
        AddressPermutedNoaddr, NodeIdentityLost, ShardDown, AddressReusedByForeignNode,
        ClusterSplitIslands,
    ],
    settles: true, repair: [Settle], since: "0.1",
}

/// In which way an endpoint cannot be dialled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// NULL.
    Null,
    /// An empty text.
    Empty,
    /// `?`.
    QuestionMark,
    /// A host with port 0.
    PortZero,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Null, Self::Empty, Self::QuestionMark, Self::PortZero];

    fn of(node: &SlotsNode) -> Option<Self> {
        match node.endpoint.as_deref() {
            None => Some(Self::Null),
            Some("") => Some(Self::Empty),
            Some("?") => Some(Self::QuestionMark),
            Some(_) if node.port == 0 => Some(Self::PortZero),
            Some(_) => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Empty => "an empty text",
            Self::QuestionMark => "\"?\"",
            Self::PortZero => "port 0",
        }
    }
}

/// Whether a teller has lost the address of a node: what it tells clients is but the outcome.
fn is_lost(seen: &Picture<'_>, teller: usize, about: NodeId) -> bool {
    seen.view_of(teller, about).is_some_and(|(row, _)| row.flags.has(Flag::NoAddress))
}

impl Finding for ClientNullOrUnknownEndpoint {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        for kind in Kind::ALL {
            let (mut tellers, mut about) = (BTreeSet::new(), BTreeSet::new());
            let mut evidence = Vec::new();
            for (number, sighting) in seen.sightings() {
                let (Some(ranges), Some(teller)) = (sighting.slots.get(), seen.id_of(number))
                else {
                    continue;
                };
                let undialable: BTreeSet<NodeId> = ranges
                    .iter()
                    .flat_map(|range| &range.nodes)
                    .filter(|node| Kind::of(node) == Some(kind))
                    .filter_map(|node| node.id)
                    .filter(|about| !is_lost(seen, number, *about))
                    .collect();
                if undialable.is_empty() {
                    continue;
                }
                let says = format!(
                    "CLUSTER SLOTS gives {} as the endpoint of {} nodes",
                    kind.word(),
                    undialable.len()
                );
                evidence.push(Evidence::first_hand(sighting, says));
                tellers.insert(teller);
                about.extend(undialable);
            }
            if tellers.is_empty() {
                continue;
            }
            let subject = Subject::nodes(tellers.iter().chain(&about).copied());
            let severity = if kind == Kind::Null { Severity::Warning } else { Severity::Error };
            let (tellers, about) = (tellers.into_iter().collect(), about.into_iter().collect());
            out.push(Self { kind, tellers, about }, subject, evidence).severity(severity);
        }
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        format!(
            "clients are told {} as the endpoint of {}: they cannot connect there",
            self.kind.word(),
            names(seen, &self.about)
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let steps = ByHand::of(Risk::Reversible);
        let steps = match self.kind {
            Kind::QuestionMark if !self.some_announce(seen) => {
                self.tellers.iter().fold(steps, |steps, id| {
                    let line = "CONFIG SET cluster-preferred-endpoint-type ip";
                    steps.command(seen.endpoint(*id), line)
                })
            }
            Kind::QuestionMark => steps.then(
                "CONFIG SET cluster-announce-hostname at those that clients are told as \"?\": the \
                 others announce a name",
            ),
            Kind::Null => steps.then(
                "unless a proxy needs it so: CONFIG SET cluster-preferred-endpoint-type ip on \
                 every node",
            ),
            Kind::Empty => steps.then(
                "a node that does not know its own IP learns it from a CLUSTER MEET that another \
                 node sends to its address; or set cluster-announce-ip",
            ),
            Kind::PortZero => {
                steps.then("set cluster-announce-port, and with TLS cluster-announce-tls-port")
            }
        };
        steps
            .then(
                "if names are wanted: CONFIG SET cluster-announce-hostname on every node first, \
                 wait until every CLUSTER NODES shows them, then set the type to hostname",
            )
            .check("CLUSTER SLOTS of every node gives addresses that the clients can dial")
            .never("set the type to hostname before every node announces one")
    }

    fn scenario() -> Scenario {
        Scenario::of(3, 0)
            .send_all("CONFIG SET cluster-preferred-endpoint-type hostname")
            .wait(Until::Answers(0, "CLUSTER SLOTS".to_owned(), "?".to_owned()))
    }
}

impl ClientNullOrUnknownEndpoint {
    /// Whether a node has a name for clients: then names are what is wanted.
    fn some_announce(&self, seen: &Picture<'_>) -> bool {
        seen.members().any(|(id, _)| {
            let name = seen.config_of(id).and_then(|c| c.get("cluster-announce-hostname"));
            name.is_some_and(|name| !name.is_empty())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::Said;
    use crate::observation::sketch::Sketch;

    fn told(sketch: &mut Sketch, teller: usize, change: impl Fn(&mut SlotsNode)) {
        let Said::This(ranges) = &mut sketch.nodes[teller].sighting.slots else { return };
        ranges.iter_mut().flat_map(|range| &mut range.nodes).for_each(change);
    }

    #[test]
    fn a_question_mark_is_an_error_and_null_a_warning() {
        let mut sketch = Sketch::healthy(3, 0);
        told(&mut sketch, 0, |node| node.endpoint = Some("?".to_owned()));
        told(&mut sketch, 1, |node| node.endpoint = None);
        let found = sketch.detect::<ClientNullOrUnknownEndpoint>(&ENTRY);
        let severities: Vec<_> = found.iter().map(|f| f.severity).collect();
        assert_eq!(severities, [Severity::Warning, Severity::Error]);
        assert!(found[1].message.contains("clients are told \"?\""), "{}", found[1].message);
    }

    #[test]
    fn port_zero_cannot_be_dialled() {
        let mut sketch = Sketch::healthy(3, 0);
        told(&mut sketch, 2, |node| node.port = 0);
        assert_eq!(sketch.detect::<ClientNullOrUnknownEndpoint>(&ENTRY).len(), 1);
    }

    #[test]
    fn who_lost_an_address_has_none_to_tell() {
        let mut sketch = Sketch::healthy(3, 0);
        let lost = Sketch::id(1);
        told(&mut sketch, 0, |node| {
            if node.id == Some(lost) {
                node.endpoint = Some(String::new());
            }
        });
        assert_eq!(sketch.detect::<ClientNullOrUnknownEndpoint>(&ENTRY).len(), 1);
        sketch.row(0, 1, |row| row.flags = row.flags.with(Flag::NoAddress));
        assert_eq!(sketch.detect::<ClientNullOrUnknownEndpoint>(&ENTRY), []);
    }

    #[test]
    fn addresses_and_names_are_no_finding() {
        let mut sketch = Sketch::healthy(3, 1);
        told(&mut sketch, 0, |node| node.endpoint = Some("node.test".to_owned()));
        assert_eq!(sketch.detect::<ClientNullOrUnknownEndpoint>(&ENTRY), []);
    }
}
