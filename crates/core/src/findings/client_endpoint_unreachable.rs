//! Clients are told endpoints that lead nowhere from here, while the nodes themselves answer.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::names;
use crate::diagnose::{ByHand, Evidence, Finding, Risk, Sink, Subject};
use crate::model::{Endpoint, NodeId};
use crate::observation::{Picture, Silence};
use crate::scenario::{Scenario, Until};

finding! {
    /// ## What it means
    /// `CLUSTER SLOTS` sends clients to endpoints that do not lead to the nodes: the name does not
    /// resolve, or the address refuses or swallows connections, while the same node answers at the
    /// address where we reached it. A client gets as far as its seed and no further: ioredis loops
    /// with `node error`, Jedis `Failed to connect`, Lettuce `Unable to connect`, redis-py hangs
    /// at the first command.
    ///
    /// ## How it comes about
    /// `cluster-announce-hostname` with names that exist in another network only (or nowhere yet);
    /// announced private addresses behind NAT; per-pod names of a headless service that are not
    /// published while a pod is not ready (`publishNotReadyAddresses`).
    ///
    /// ## What we look at
    /// Every endpoint of every node's `CLUSTER SLOTS`: whether its name resolves from here and
    /// whether a connection comes about from here. Another vantage point may see it otherwise, so
    /// look from where the clients run.
    ///
    /// ## The repair
    /// Make the names resolve, or announce what clients can reach (`cluster-announce-hostname`,
    /// `cluster-announce-ip`), or go back to the endpoint type `ip`.
    ///
    /// ## Repair safety
    /// Changing the type or the hostname changes what clients are told and nothing else. Changing
    /// `cluster-announce-ip` changes what the other nodes dial, too: be sure that they can.
    ///
    /// ## By hand
    /// `getent hosts NAME` and `nc -vz HOST PORT` from the client's host. Never announce an IP
    /// that only clients can reach: the bus needs it as well.
    pub struct ClientEndpointUnreachable { told: Vec<(String, NodeId)>, tellers: Vec<NodeId> }
    group: Clients, severity: Error, after: [
        ClientNullOrUnknownEndpoint, AllAddressesStale, PeerAddressStale, SelfAddressStale,
        SelfAddressUnknown, AnnounceAddressWrong, HostnameAsAnnounceIp, LoopbackAddress,
        SourceAddressMismatch, DualStackMismatch, AddressPermutedNoaddr, PrimaryNoaddrMasked,
        DuplicateNodeIdLive, ClonedClusterHijack, NodeIdentityLost, AddressReusedByForeignNode,
        NodeDown, ShardDown, MinorityPartition,
    ],
    settles: true,
    obstacle: "which name or address the clients reach is known where they run, not here",
    since: "0.1",
}

impl Finding for ClientEndpointUnreachable {
    fn detect(seen: &Picture<'_>, out: &mut Sink<Self>) {
        let lost: BTreeSet<&str> = seen
            .observation()
            .names
            .iter()
            .filter(|lookup| lookup.said.silence() == Some(&Silence::NameNotFound))
            .map(|lookup| lookup.name.as_str())
            .collect();
        let mut told: BTreeMap<(String, NodeId), String> = BTreeMap::new();
        let (mut tellers, mut evidence) = (BTreeSet::new(), Vec::new());
        for (number, sighting) in seen.sightings() {
            let Some(ranges) = sighting.slots.get() else { continue };
            let mut dead = BTreeSet::new();
            for node in ranges.iter().flat_map(|range| &range.nodes) {
                let (Some(host), Some(id)) = (&node.endpoint, node.id) else { continue };
                if seen.proved(id).is_none() {
                    continue;
                }
                let endpoint = Endpoint::new(host.clone(), node.port);
                if let Some(why) = unreachable(seen, &endpoint, &lost) {
                    dead.insert(host.clone());
                    told.insert((endpoint.to_string(), id), why);
                }
            }
            if !dead.is_empty() {
                tellers.extend(seen.id_of(number));
                let list = dead.iter().map(|host| super::client_port::quote(host));
                let says = format!("CLUSTER SLOTS names {}", list.collect::<Vec<_>>().join(", "));
                evidence.push(Evidence::first_hand(sighting, says));
            }
        }
        if told.is_empty() {
            return;
        }
        evidence.extend(told.iter().map(|((at, _), why)| Evidence::ours(format!("{at}: {why}"))));
        let subject = Subject::nodes(told.keys().map(|(_, id)| *id));
        let told = told.into_keys().collect();
        out.push(Self { told, tellers: tellers.into_iter().collect() }, subject, evidence);
    }

    fn message(&self, seen: &Picture<'_>) -> String {
        let ids: BTreeSet<NodeId> = self.told.iter().map(|(_, id)| *id).collect();
        let (first, _) = self.told.first().map_or(("", None), |(at, id)| (at.as_str(), Some(id)));
        format!(
            "clients are told endpoints that lead nowhere from here ({}), for {}",
            super::client_port::quote(first),
            names(seen, &ids.into_iter().collect::<Vec<_>>())
        )
    }

    fn by_hand(&self, seen: &Picture<'_>) -> ByHand {
        let start =
            self.told.iter().take(3).fold(ByHand::of(Risk::Reversible), |steps, (at, _)| {
                steps.then(format!(
                    "from the host of a client: does {at} resolve, and does it connect?"
                ))
            });
        let start = start.then("make the names resolve there, or announce what clients can reach");
        self.tellers
            .iter()
            .fold(start.then("or let clients be told IPs:"), |steps, id| {
                steps.command(seen.endpoint(*id), "CONFIG SET cluster-preferred-endpoint-type ip")
            })
            .check("CLUSTER SLOTS of every node gives endpoints that clients can dial")
            .never("announce an IP that only clients can reach: the bus uses it as well")
    }

    fn scenario() -> Scenario {
        let named = |scenario: Scenario, n: usize| {
            scenario.send(n, &format!("CONFIG SET cluster-announce-hostname node-{n}.invalid"))
        };
        let shown = |scenario: Scenario, n: usize| {
            let name = format!("node-{n}.invalid");
            scenario.wait(Until::Answers((n + 1) % 3, "CLUSTER NODES".to_owned(), name))
        };
        let scenario = (0..3).fold(Scenario::of(3, 0), named);
        (0..3).fold(scenario, shown).send_all("CONFIG SET cluster-preferred-endpoint-type hostname")
    }
}

/// Why an endpoint leads nowhere from here, if it does not.
fn unreachable(seen: &Picture<'_>, endpoint: &Endpoint, lost: &BTreeSet<&str>) -> Option<String> {
    if lost.contains(endpoint.host.as_str()) {
        return Some("the name does not resolve".to_owned());
    }
    match seen.sighting(seen.sighting_at(endpoint)?).ping.silence()? {
        why @ (Silence::Refused | Silence::TimedOut | Silence::NoRoute) => Some(why.describe()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::sketch::Sketch;
    use crate::observation::{NameLookup, Observation, Said};

    fn found_in(seen: &Observation) -> Vec<crate::diagnose::Found> {
        let mut found = Vec::new();
        crate::diagnose::run::<ClientEndpointUnreachable>(&Picture::new(seen), &ENTRY, &mut found);
        found
    }

    fn named(said: Said<Vec<String>>) -> Observation {
        let mut sketch = Sketch::healthy(3, 0);
        let Said::This(ranges) = &mut sketch.nodes[0].sighting.slots else { unreachable!() };
        ranges[1].nodes[0].endpoint = Some("node-1.invalid".to_owned());
        let mut seen = sketch.build();
        seen.names = vec![NameLookup { name: "node-1.invalid".to_owned(), said }];
        seen
    }

    #[test]
    fn a_name_that_does_not_resolve_is_found() {
        let found = found_in(&named(Said::Nothing(Silence::NameNotFound)));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("node-1.invalid:6379"), "{}", found[0].message);
        assert_eq!(found[0].subject, Subject::node(Sketch::id(1)));
    }

    #[test]
    fn a_name_that_resolves_and_a_lookup_that_timed_out_are_no_finding() {
        assert_eq!(found_in(&named(Said::This(vec!["10.0.0.2".to_owned()]))), []);
        assert_eq!(found_in(&named(Said::Nothing(Silence::TimedOut))), []);
    }

    #[test]
    fn an_endpoint_of_a_node_that_answers_nowhere_is_another_finding() {
        let mut sketch = Sketch::healthy(3, 0);
        sketch.silence(2, Silence::Refused, Some(Silence::Refused));
        assert_eq!(found_in(&sketch.build()), []);
    }
}
