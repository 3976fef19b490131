//! A command whose run time redis-cli itself printed, longer than the node timeout.

use crate::explain::cause::Hit;
use crate::explain::clock;
use crate::explain::seen::Seen;

/// `(104.31s)` under a command: what redis-cli prints when an answer took long.
fn printed(text: &str) -> Option<f64> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix("s)")?;
    inner.parse::<f64>().ok().filter(|seconds| *seconds > 0.5)
}

/// A command held the server for longer than the node timeout, and the others replaced it.
pub(super) fn held_the_server(seen: &Seen) -> Option<Hit> {
    let limit = clock::node_timeout(seen).unwrap_or(clock::NODE_TIMEOUT_MS);
    let (at, seconds) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let seconds = printed(&line.text)?;
        (seconds * 1_000.0 > f64::from(limit)).then_some((at, seconds))
    })?;
    let from = at.saturating_sub(4);
    let asked = seen.lines.get(from..at)?.iter().rev().find_map(|line| {
        let (_, command) = line.text.split_once("> ")?;
        let name = command.split_whitespace().next()?;
        name.chars().all(|c| c.is_ascii_alphabetic()).then(|| name.to_uppercase())
    });
    let missed = seen.lines_with(&["as failing", "fail message received", "failover auth granted"]);
    let first = *missed.first()?;
    let name = asked.unwrap_or_else(|| "The command".to_owned());
    let whole = if ["FLUSHALL", "FLUSHDB"].contains(&name.as_str()) {
        " It frees every key in the main thread (4.0 and later free in the background with ASYNC). \
         And it did not reach the replica before that one was promoted: so the keys of this shard \
         are back, with the promoted copy."
    } else {
        ""
    };
    let became = seen.lines_with(&["reconfiguring myself as a replica"]);
    Some(
        Hit::of(86)
            .quote(at)
            .quote(first)
            .quotes(became)
            .note(format!(
                "{name} took {seconds} s (redis-cli prints it), and for so long the server answered \
                 nobody, the other nodes included. cluster-node-timeout is {limit} ms{}, so they \
                 held it for failed and promoted its replica; the node came back as a replica. \
                 Nothing is broken, and a failover is what such a command asks for.{whole}",
                if clock::node_timeout(seen).is_some() { "" } else { " by default" }
            ))
            .step(
                "Do not block the main thread: free big data in the background (UNLINK, ASYNC, \
                 lazyfree-lazy-user-flush yes, 4.0 and 6.2 on), work through big sets in pieces \
                 (SCAN family), and see SLOWLOG GET for the next ones.",
            )
            .step(
                "Look at DBSIZE of the node that is the primary now before anything is repeated: \
                 it has the data set of its replica.",
            ),
    )
}
