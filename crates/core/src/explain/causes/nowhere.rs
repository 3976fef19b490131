//! Redirects that lead nowhere: the address is empty.

use crate::explain::cause::Hit;
use crate::explain::seen::{Seen, is_ipv4};

const WHY: &str = "Here the client followed a MOVED (or ASK) whose address is empty. A server gives \
    that when it does not know the host to name: 7.0 and later for 'the same host that you asked' \
    or with cluster-preferred-endpoint-type unknown-endpoint, and any version while a node of the \
    map has no address yet, as in the seconds of a failover or when a node comes back. Clients \
    that read it as a host of its own find no such node. If it ended with the failover, nothing is \
    to be repaired.";

const CHECK: &str = "CLUSTER SLOTS of EVERY node now: an empty or '?' host in a row = that node needs \
    its address (or host name) announced; a host everywhere = it was passing, and the client's \
    release and retries decide.";

const PASSING: &str = "A passing one: the newest release of the library (Redisson reads an empty \
    address as that of the node it asked in later 3.x), retryAttempts times retryInterval longer \
    than a failover (some 15 seconds), scanInterval 2000; a new client object if it does not \
    recover.";

const LASTING: &str = "A lasting one, on servers of your own: CONFIG SET cluster-announce-ip (or \
    cluster-announce-hostname) on the node whose row is empty, and in its configuration.";

/// A client shows a redirect whose address is empty: `addr=rediss://, ... redirect=MOVED`.
pub(super) fn redirected(seen: &Seen) -> Option<Hit> {
    let empty = ["addr=rediss://,", "addr=redis://,", "addr=null,", "addr=//:"];
    let redirect = ["redirect=moved", "redirect=ask"];
    let at = seen.lines.iter().position(|line| {
        let names = |words: &[&str]| words.iter().any(|word| line.lower.contains(word));
        names(&redirect) && names(&empty)
    })?;
    let hit = Hit::of(81).quote(at).note(WHY).check(CHECK);
    Some(hit.step(PASSING).step(LASTING).only_these_steps())
}

/// A node that nobody ever met, so that nobody told it its address: with the address at which it
/// was asked, where a prompt shows it.
pub(super) fn never_told(seen: &Seen, hit: Hit) -> Hit {
    let alone = seen.number("cluster_known_nodes") == Some(1);
    let Some(known) = seen.field_line("cluster_known_nodes").filter(|_| alone) else { return hit };
    let well = seen.field("cluster_state") == Some("ok");
    let state =
        if well { ", and it says cluster_state:ok: slots and data are in order" } else { "" };
    let hit = hit.more_if(8, true).quote(known).note(format!(
        "It knows nobody but itself (cluster_known_nodes:1), so nobody ever told it its \
         address{state}. A client that takes the empty host as it stands has no address to \
         connect to; others go on with the one that they asked."
    ));
    let Some(ip) = prompt(seen) else { return hit };
    // What is this machine for everybody is nothing to announce.
    let (value, note) = if ip.starts_with("127.") {
        ("<its ip>", format!(": the one at which its clients reach it (it was asked at {ip} here)"))
    } else {
        (ip, String::new())
    };
    hit.step(format!(
        "CONFIG SET cluster-announce-ip {value} on the node{note}, the same in its configuration; \
         CLUSTER SLOTS shows it at once."
    ))
    .step("Or a client library that takes the empty host for the one that it asked.")
    .only_these_steps()
}

/// `127.0.0.2` of `127.0.0.2:6379> CLUSTER SLOTS`.
fn prompt(seen: &Seen) -> Option<&str> {
    seen.lines.iter().find_map(|line| {
        let (place, rest) = line.text.split_once('>')?;
        let (ip, port) = place.trim().rsplit_once(':')?;
        let asked = rest.to_lowercase().contains("cluster");
        (asked && is_ipv4(ip) && port.parse::<u16>().is_ok()).then_some(ip)
    })
}
