//! A write that met a replica: what the paste tells of how it came there.

use super::clients::CLUSTER_CLASSES;
use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// Words of roles that were changed on purpose or by an election.
const SWITCHED: [&str; 8] = [
    "cluster failover",
    "manual failover",
    "roles are swapped",
    "failed over",
    "failover election won",
    "promoted",
    "after failover",
    "after the failover",
];

/// Words of a connection that was put into the mode of reading replicas.
const READS: [&str; 4] = ["sends readonly", "> readonly", "\"readonly\"", "readonly on every"];

/// Words of a change of the library after which it began.
const REGRESSION: [&str; 7] = [
    "passed until",
    "worked until commit",
    "since commit",
    "since that change",
    "since version",
    "since the upgrade",
    "regression",
];

/// A cluster client whose map is from before a switch of roles that the paste shows.
pub(super) fn told(seen: &Seen, hit: Hit) -> Hit {
    let classes = seen.has(&CLUSTER_CLASSES) || seen.has(&["clusterconnection"]);
    let switched = seen.lines_with(&SWITCHED).into_iter().last();
    let Some(switched) = switched.filter(|_| classes) else { return hit };
    let script = seen.has(&["script", "eval"]);
    let reads = seen.lines_with(&READS).into_iter().next();
    let since = seen.lines_with(&REGRESSION).into_iter().next();
    let hit = hit.quote(switched).quotes(reads).quotes(since).note(
        "It is a cluster client, and the roles were switched before: the node that it wrote to was \
         the primary of its map and is a replica now. The map is old; the servers did what they \
         were told.",
    );
    let hit = match reads {
        Some(_) if script => hit.note(
            "Its connections are in READONLY mode. There the demoted node runs the script and \
             refuses only the write within it, with READONLY, where a connection without that mode \
             is answered MOVED. Without MOVED nothing makes this client read the map anew, so it \
             goes on so until it is closed; a switch by hand closes no connection.",
        ),
        _ => hit,
    };
    let hit = hit
        .check(
            "ROLE at the node that refused (slave), and CLUSTER SLOTS: the owner of the script's \
             key is another one. A new client object writes at once.",
        )
        .step(
            "Now: make the client object anew (or call what refreshes its map), and on this very \
             error do so and try once more.",
        );
    let hit = match since {
        Some(_) => hit.step(
            "It began with a change of the library: pin the release (or commit) before it, report \
             it there with these lines, and take the release that reads the map anew on READONLY.",
        ),
        None => hit.step(
            "Upgrade the library to a release that takes READONLY like MOVED (reads the map anew \
             and tries again), or refresh the map periodically where it can.",
        ),
    };
    hit.only_these_steps()
}
