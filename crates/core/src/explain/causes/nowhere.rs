//! Redirects that lead nowhere: the address is empty.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

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
