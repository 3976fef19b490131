//! A primary that was away for less than the node timeout: nobody had to take over.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::clock;
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "BACK_BEFORE_NODE_TIMEOUT",
    title: "The primary was back before the node timeout, so there was no failover, as it is meant",
    side: Side::Nobody,
    when: back_in_time,
    cause: "Nothing is wrong here: the primary was away for <<gap>> s, and a node is suspected \
        only after cluster-node-timeout (<<limit>>) without an answer; then the majority must \
        agree before a replica may ask for votes. It came back before that, with its own id and \
        slots, and its replica took up the stream again. A container that is started again within \
        seconds never leads to a failover.",
    check: "CLUSTER INFO now: state ok, 16384 slots ok; the ids in CLUSTER NODES before and after \
        are the same, at most an address has changed.",
    fix: &[
        "Nothing is to be repaired.",
        "Before a planned restart of a primary: CLUSTER FAILOVER (without options) on its replica; \
         that takes about a second and loses nothing.",
        "To see a failover in a test: keep the process away for longer than the node timeout plus \
         some seconds (stop it and leave it stopped).",
    ],
    never: &[
        "Do not lower cluster-node-timeout to a second or two for it: then pauses that are usual \
         lead to failovers.",
        "Do not promote the replica by force.",
    ],
    like: &["REPLICA_LINK_CAME_BACK", "FAIL_AFTER_NODE_TIMEOUT", "REPLICA_TOO_STALE"],
}];

/// How people say that they expected a failover.
const EXPECTED: [&str; 13] = [
    "not promoted",
    "isn't promoted",
    "never promoted",
    "no failover",
    "not fail over",
    "not failover",
    "does not become",
    "doesn't become",
    "did not become",
    "does not switch",
    "doesn't switch",
    "did not switch",
    "not converted",
];

fn back_in_time(seen: &Seen) -> Option<Hit> {
    let lost = *seen
        .lines_with(&["connection with master lost", "connection with primary lost"])
        .first()?;
    let back = [
        "successful partial resynchronization",
        "sync: finished with success",
        "sync: finished successfully",
    ];
    let through = seen.lines_with(&back).into_iter().find(|at| *at > lost)?;
    let gap = clock::between(seen, lost, through)?;
    let limit = clock::node_timeout(seen);
    let agreed = seen.has(&["as failing (quorum reached)", "fail message received", "election"]);
    let told = *seen.lines_with(&EXPECTED).first()?;
    let ill = agreed || seen.says_fail() || !seen.failing().is_empty();
    let limit_seconds = limit.unwrap_or(clock::NODE_TIMEOUT_MS) / 1_000;
    (!ill && gap < limit_seconds).then(|| {
        Hit::of(86).quote(told).quote(lost).quote(through).fact("gap", gap.to_string()).fact(
            "limit",
            limit.map_or_else(
                || format!("{limit_seconds} s by default"),
                |ms| format!("here {ms} ms"),
            ),
        )
    })
}
