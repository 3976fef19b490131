//! The question for slots that is answered with nothing: the proof that no map exists.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// How tools and libraries show a list with nothing in it.
const EMPTY: [&str; 9] = [
    "(empty list or set)",
    "(empty array)",
    "(empty list)",
    "(empty set)",
    "[]",
    "*0",
    "array()",
    "array(0)",
    "{}",
];

/// Whether a line is an empty reply, alone or behind the `> ` or `:` of what asked.
pub(in crate::explain) fn is_empty_reply(lower: &str) -> bool {
    let text = lower.trim().trim_end_matches(['\\', 'r', 'n', ';']);
    let text = text.trim_start_matches("=>").trim();
    EMPTY.contains(&text) || text.starts_with("(empty ")
}

/// The line of a command for slots whose answer is empty.
pub(super) fn asked(seen: &Seen) -> Option<usize> {
    seen.lines.windows(2).position(|pair| match pair {
        [ask, answer] => ask.lower.contains("cluster s") && is_empty_reply(&answer.lower),
        _ => false,
    })
}

/// Errors of clients that got a map with nothing in it.
const MAPLESS: [&str; 9] = [
    "couldn't map cluster keyspace",
    "slots list is empty",
    "cannot load cluster slots",
    "failed to refresh slots cache",
    "cannot be connected. please provide",
    "does not hold any slot",
    "cluster has no nodes",
    "no reachable node in cluster",
    "didn't get any slots",
];

/// The node knows itself alone and has no slot: nothing else is left, and a client that asks it
/// gets nothing to go by.
pub(super) fn settled(seen: &Seen, hit: Hit) -> Hit {
    let asked = asked(seen);
    let alone = seen.number("cluster_known_nodes") == Some(1)
        && seen.number("cluster_slots_assigned") == Some(0);
    let hit = match asked {
        Some(at) => hit.more_if(12, alone).quote(at).quote(at + 1),
        None => hit,
    };
    let error = seen.lines_with(&MAPLESS).first().copied();
    let hit = match error.filter(|_| asked.is_some() || alone) {
        Some(at) => hit.quote(at).note(
            "The node was reached and answered: its list of slots is empty, and a cluster client \
             makes its map of that list. So it has no node for any key, which is what its error \
             says in its own words; timeouts, the library and the network have no part in it.",
        ),
        None => hit,
    };
    if alone && one_local_node(seen) { local(hit) } else { hit }
}

/// Words of more servers than one, or of walls around this one.
const MORE: [&str; 9] =
    ["redis-1", "redis1", "node1", "node-1", "docker", "container", "kube", "pod", "statefulset"];

/// Whether one server on this machine is all that the text names.
fn one_local_node(seen: &Seen) -> bool {
    let local = |host: &str| host.starts_with("127.") || host == "localhost";
    let places: Vec<_> = seen.addresses.keys().collect();
    let here = match places[..] {
        [] => seen.has(&["localhost", "127.0.0.1"]),
        [(host, _)] => local(host),
        _ => false,
    };
    here && !seen.has(&MORE)
}

fn local(hit: Hit) -> Hit {
    hit.step(
        "One server on this machine is all that the text shows. If nothing needs a cluster here: \
         cluster-enabled no in its configuration, start it again, and use the plain client class \
         (phpredis new Redis(), redis-py Redis, ioredis new Redis()).",
    )
    .step(
        "To develop with the cluster client on this one node (DBSIZE 0, and no other cluster has \
         it): give it all 16384 slots, redis-cli -p <port> CLUSTER ADDSLOTSRANGE 0 16383 (7.0 and \
         later), before that from bash redis-cli -p <port> CLUSTER ADDSLOTS {0..16383}. \
         cluster_state becomes ok within seconds; there is no replica and no failover.",
    )
    .step(
        "For a real cluster: at least three servers in cluster mode, and redis-cli's create over \
         the addresses of ALL of them; over this one alone it is refused.",
    )
    .only_these_steps()
    .check(
        "Afterwards CLUSTER SLOTS names 0-16383 and CLUSTER INFO says cluster_state:ok; then the \
         client's first command.",
    )
}
