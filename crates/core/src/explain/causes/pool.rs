//! A pool without a free connection that is reported as something else.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// What a library says when it has tried one node after the other.
const ENVELOPES: [&str; 3] = [
    "no reachable node in cluster",
    "could not get a resource from the pool",
    "no more cluster attempts",
];

/// A pool that throws at once when it is used up, below a library that takes this for a node that
/// cannot be reached (Jedis before 2.8.1: `JedisSlotBasedConnectionHandler.getConnection` caught
/// every exception of the pool as one of the connection).
pub(super) fn throws_when_full(seen: &Seen) -> Option<Hit> {
    let envelope = *seen.lines_with(&ENVELOPES).first()?;
    let at_once = seen.lines.iter().position(|line| {
        let code: String = line.lower.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        ["blockwhenexhaustedfalse", "maxwaitmillis0", "maxwait0ms"].iter().any(|w| code.contains(w))
    })?;
    // Whoever is refused or gets no answer has another reason beside it.
    let refused = ["connection refused", "connect timed out", "unknownhost", "no route to host"];
    if seen.has(&refused) {
        return None;
    }
    let load = seen.lines_with(&["under load", "load test", "stress", "concurren", "many threads"]);
    Some(
        Hit::of(82)
            .more_if(6, !load.is_empty())
            .quote(envelope)
            .quote(at_once)
            .quotes(load.into_iter().take(1))
            .note(
                "Here the pool is told not to wait (blockWhenExhausted false): when all its \
                 connections are in use it throws at once. Older releases (Jedis before 2.8.1) \
                 take that for a node that cannot be reached, try the others, whose pools are as \
                 full, and report 'no reachable node in cluster'. No node is down.",
            )
            .check(
                "The trace or a debugger at the pool: 'Pool exhausted' below the text that is \
                 shown; and the error goes away with fewer threads.",
            )
            .step(
                "setBlockWhenExhausted(true) with a limit (setMaxWaitMillis), and setMaxTotal at \
                 the number of threads that talk to one node at a time.",
            )
            .step(
                "Give connections back (close, try-with-resources) and upgrade the library (Jedis \
                 2.8.1 and later say that the pool is exhausted).",
            )
            .only_these_steps(),
    )
}
