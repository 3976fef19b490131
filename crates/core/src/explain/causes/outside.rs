//! Clients outside the nodes' network, by what the text says of the way between.

use super::announced::{ipv4s, is_inner};
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;
use crate::explain::template::list;
use crate::wire::logs;

/// Words of a way into a network that is closed otherwise.
const WAYS: [&str; 16] = [
    "behind nat",
    "behind a nat",
    " nat ",
    "nat gateway",
    "natted",
    "tunnel",
    "port-forward",
    "port forward",
    "portforward",
    "bastion",
    "jump host",
    "jumphost",
    "outside the vpc",
    "outside of the vpc",
    "outside vpc",
    "elastic ip",
];

/// What a client says of an address that a redirect or the map named.
const TOLD: [&str; 6] = [
    "hasn't been discovered yet",
    "moved ",
    "redirected to",
    "unable to connect to",
    "cannot connect to",
    "can't connect to",
];

/// Words of a client that was set up for one server.
const SINGLE: [&str; 6] = [
    "usesingleserver",
    "singleserver",
    "single server",
    "singleservice",
    "single-server",
    "singleserverconfig",
];

/// A client behind NAT or a tunnel is sent to an inner address.
pub(super) fn behind_nat(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let way = *seen.lines_with(&WAYS).first()?;
    let lines = seen.lines.iter().enumerate().filter(|(_, line)| {
        TOLD.iter().any(|word| line.lower.contains(word)) && logs::parse(&line.text).is_none()
    });
    let told: Vec<(usize, String)> = lines
        .flat_map(|(at, line)| ipv4s(&line.text).map(move |ip| (at, ip.to_owned())))
        .filter(|(_, ip)| is_inner(ip) && !ip.starts_with("127."))
        .take(4)
        .collect();
    let first = told.first()?;
    let mut ips: Vec<String> = told.iter().map(|(_, ip)| ip.clone()).collect();
    ips.dedup();
    let hit = Hit::of(80).quote(first.0).quote(way).fact("announced", list(&ips, 4)).note(format!(
        "{} is an address of the nodes' own network, which the map or a redirect named; the client \
         comes in from outside (NAT, a tunnel or a forwarded port) and has no way to it. A start \
         node that answers changes nothing about that.",
        list(&ips, 4)
    ));
    let hit = service_keeps_addresses(seen, hit);
    Some(match seen.lines_with(&SINGLE).first() {
        Some(at) => hit.quote(*at).note(
            "One-server mode cannot serve a cluster with several shards: it gets MOVED for each key \
             of another shard and follows nowhere.",
        ).step(
            "Use the cluster mode of the client with its translation of addresses (Redisson: \
             useClusterServers().setNatMapper(...) with an entry for every node), a forwarded \
             address for EVERY node; or run the client inside the network (VPN, peering).",
        ),
        None => hit,
    })
}

/// On a managed service nobody can announce other addresses.
fn service_keeps_addresses(seen: &Seen, hit: Hit) -> Hit {
    if !seen.has(&["elasticache", "amazonaws", "memorydb", "memorystore", "azure"]) {
        return hit;
    }
    let inside = "A managed service does not let its nodes announce other addresses: run the client \
        inside the VPC (or by VPN or peering), or translate in the client with a forwarded address \
        for EVERY node.";
    hit.step(inside).only_these_steps()
}
