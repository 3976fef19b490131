//! One proxy or tunnel for the bytes of one address, in front of a cluster: what the redirects name
//! does not lead through it.

use super::endpoints;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// What passes the bytes of one address on, and how it is called.
const PROXIES: [(&str, &str); 13] = [
    ("haproxy", "HAProxy"),
    ("mode tcp", "the TCP proxy"),
    ("tcp proxy", "the TCP proxy"),
    ("proxy_pass", "nginx"),
    ("nginx", "nginx"),
    ("socat", "socat"),
    ("network load balancer", "the load balancer"),
    (" nlb", "the load balancer"),
    ("elb.amazonaws.com", "the load balancer"),
    ("ssh -l", "the tunnel"),
    ("ssh tunnel", "the tunnel"),
    ("port-forward", "the forwarded port"),
    ("stunnel", "stunnel"),
];

/// How it is said that an address did not answer.
const FAILED: [&str; 12] = [
    "could not connect",
    "connection reset",
    "connection refused",
    "econnrefused",
    "econnreset",
    "etimedout",
    "timed out",
    "i/o timeout",
    "no such host",
    "enotfound",
    "name or service not known",
    "no route to host",
];

/// A redirect was followed, the node that it names is not reached, and a proxy is told of.
pub(super) fn in_front(seen: &Seen) -> Option<Hit> {
    let (front, name) = PROXIES.iter().find_map(|(word, name)| {
        seen.lines.iter().position(|line| line.lower.contains(word)).map(|at| (at, *name))
    })?;
    let (told, host, failed) = seen.redirects.iter().find_map(|redirect| {
        let lines = seen.lines.iter().enumerate();
        let mut after =
            lines.filter(|(at, line)| *at > redirect.line && line.text.contains(&redirect.host));
        let failed = after.find(|(_, line)| FAILED.iter().any(|word| line.lower.contains(word)))?;
        Some((redirect.line, redirect.host.clone(), failed.0))
    })?;
    let hit = Hit::of(92).quote(told).quote(failed).quote(front).note(format!(
        "The way here: the question came through {name} to a node, which answered with a redirect \
         to {host}; that was followed, and the direct connection to {host} is what fails. {name} \
         carries the bytes of one address to one place: it does not read the redirects, and leads \
         to no other node. Cluster and client do what they should."
    ));
    Some(cured(seen, hit, &host))
}

/// The ways out, by who decides what the nodes announce.
fn cured(seen: &Seen, hit: Hit, host: &str) -> Hit {
    let provided = !endpoints::forms(seen).is_empty()
        || seen.has(&["elasticache", "memorydb", "memorystore", "azure", "amazonaws"]);
    let tls = if seen.has(&["--tls", "rediss://", "ssl_connect", "tls"]) {
        ", which keeps the name that the certificate is checked for"
    } else {
        ""
    };
    let hit = hit
        .check(format!(
            "From the client's machine: nc -vz {host} <port>, past the proxy. It fails there, and \
             answers from inside the nodes' network."
        ))
        .step(
            "Best: a way from the client's network to EVERY node (peering, a transit gateway, VPN, \
             with routes, DNS and security groups for it); the client then dials the nodes itself, \
             and the proxy is not needed.",
        )
        .step(format!(
            "Or one listener of the proxy for EVERY node, and in the client's network a private \
             DNS zone in which the name of each node ({host} and the others of CLUSTER SLOTS) \
             leads to its listener{tls}. After scaling or a replacement the list must follow."
        ));
    let hit = if provided {
        hit.note(
            "What the nodes announce is the provider's with a managed service: cluster-announce-ip \
             cannot be set there.",
        )
    } else {
        hit.step(
            "On servers of one's own the nodes can announce their listeners instead: \
             cluster-announce-ip and cluster-announce-port (7.0 and later: \
             cluster-announce-hostname), where the nodes reach each other by them as well.",
        )
    };
    hit.step(
        "Or a proxy that knows the cluster protocol, next to the nodes (Envoy with its Redis \
         filter, for instance), to which the application speaks as to one server.",
    )
    .only_these_steps()
}
