//! A client library that ends the program by a fault of its own.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::stated::dotted;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "CLIENT_LIBRARY_FAULT",
    title: "The client library[[ (<<library>>)]] fails by a fault of its own",
    side: Side::Client,
    when: fault,
    cause: "The trace ends inside the library, with a fault that no server sends (a panic, a null \
        pointer, an index that is out of range): the library met a state that it does not expect, \
        most often an empty or half-changed map, because the connections to all nodes broke, a \
        node has no slots, or a reply has a form that is newer than it.[[ The version in the \
        trace is <<version>>.]] A library must answer with an error in such a case, so a later \
        release usually does.",
    check: "The changes of the library since that version for this very text; and what came before \
        it in the log (lost connections, a failover, 'too many open files'): that is what brought \
        it into this state. redis-cli -c from the same machine works: the servers are well.",
    fix: &[
        "Upgrade the library to its newest release; note its version beside that of the server.",
        "If connections were lost before: the limit of open files of the process (ulimit -n) and \
         whether every address in CLUSTER SLOTS is reachable from it.",
        "Until then start the process again when it ends (a supervisor), or catch the fault where \
         the language allows it, and make a new client object.",
    ],
    never: &["Do not repair the cluster for it."],
    like: &["CLIENT_STALE_TOPOLOGY", "CLIENT_SEES_UNCOVERED_SLOTS"],
}];

/// Faults of a program, and the places of libraries in traces.
const FAULTS: [&str; 9] = [
    "panicked at",
    "panic: runtime error",
    "panic: send on closed channel",
    "nullpointerexception",
    "indexoutofboundsexception",
    "classcastexception",
    "object reference not set",
    "cannot read properties of undefined",
    "undefined method",
];

const PLACES: [(&str, &str); 12] = [
    ("/redis-0.", "redis-rs"),
    ("/redis-1.", "redis-rs"),
    ("/fred-", "fred"),
    ("go-redis/", "go-redis"),
    ("redis/rueidis", "rueidis"),
    ("redis.clients.jedis.", "Jedis"),
    ("io.lettuce.core.", "Lettuce"),
    ("org.redisson.", "Redisson"),
    ("node_modules/ioredis/", "ioredis"),
    ("node_modules/@redis/client/", "node-redis"),
    ("stackexchange.redis.", "StackExchange.Redis"),
    ("gems/redis-cluster-client-", "redis-cluster-client"),
];

/// Lines below the fault in which the trace must name the library.
const NEAR: usize = 3;

fn fault(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let fault = FAULTS.iter().any(|mark| line.lower.contains(mark));
        let near = seen.lines.get(at..=(at + NEAR).min(seen.lines.len() - 1))?;
        let place = PLACES.iter().find(|(mark, _)| near.iter().any(|l| l.lower.contains(mark)))?;
        fault.then_some((at, place.1))
    });
    let (at, library) = at?;
    let version = seen.stated(&["/redis-", "/fred-", "redis-cluster-client-"]);
    Some(Hit::of(75).quote(at).fact("library", library).fact_if("version", version.map(dotted)))
}
