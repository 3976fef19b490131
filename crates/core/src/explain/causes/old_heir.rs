//! A replica that never finished its copy when its primary was declared failed: nobody stands for
//! election.

use crate::explain::cause::Hit;
use crate::explain::clock;
use crate::explain::lines::Line;
use crate::explain::seen::Seen;

/// The default of cluster-replica-validity-factor, and seconds of repl-ping-replica-period.
const FACTOR: u32 = 10;
const PING_SECONDS: u32 = 10;

const BEGINS: [&str; 4] = [
    "full resync from master",
    "full resync from primary",
    "sync started",
    "full sync from master",
];
const DONE: [&str; 3] = [
    "sync: finished with success",
    "successful partial resynchronization",
    "finished with success",
];
const BREAKS: [&str; 5] = [
    "timeout receiving bulk data from",
    "unexpected reply to psync",
    "i/o error trying to sync",
    "timeout connecting to the",
    "error condition on socket for sync",
];
const AGREED: [&str; 2] = ["as failing (quorum reached)", "fail message received from"];
const ELECTION: [&str; 4] = [
    "start of election",
    "starting a failover election",
    "failover election won",
    "failover auth granted",
];

fn says(line: &Line, words: &[&str]) -> bool {
    words.iter().any(|word| line.lower.contains(word))
}

/// The replica that wrote a line of its log: what stands before `:S `.
fn replica(line: &Line) -> Option<&str> {
    line.text.split_once(":S ").map(|(writer, _)| writer)
}

/// A copy that was begun long before a primary was declared failed and not finished by then, and no
/// election in any log.
pub(super) fn unfinished(seen: &Seen) -> Option<Hit> {
    if seen.has(&ELECTION) {
        return None;
    }
    let failed = seen.lines.iter().position(|line| says(line, &AGREED))?;
    let before = seen.lines.get(..failed)?;
    let (begun, line) = before
        .iter()
        .enumerate()
        .find(|(_, line)| replica(line).is_some() && says(line, &BEGINS))?;
    let writer = replica(line)?;
    let of_it = |line: &Line| replica(line) == Some(writer);
    let own = || seen.lines.iter().enumerate().skip(begun).filter(|(_, line)| of_it(line));
    let (broke, _) = own().find(|(_, line)| says(line, &BREAKS))?;
    let done = own().any(|(at, line)| at < broke && says(line, &DONE));
    let age = clock::between(seen, begun, failed)?;
    let timeout = clock::node_timeout(seen).unwrap_or(clock::NODE_TIMEOUT_MS);
    let factor = seen.settings.iter().find(|s| s.name.ends_with("-validity-factor"));
    let factor = factor.and_then(|s| s.value.parse::<u32>().ok()).unwrap_or(FACTOR);
    let limit = timeout.saturating_mul(factor) / 1_000 + PING_SECONDS;
    if done || factor == 0 || age <= limit {
        return None;
    }
    let stalls = own().find(|(_, line)| line.lower.contains("reading from")).map(|(at, _)| at);
    let back = seen.lines_with(&["nobody is serving its slots after some time"]);
    let name = writer.trim();
    let hit = Hit::of(82)
        .quotes([begun, failed, broke])
        .quotes(back.first().copied())
        .quotes(stalls)
        .fact("age", format!("the limit is {timeout} ms × {factor} + {PING_SECONDS} s = {limit} s"))
        .fact("copy", age.to_string())
        .fact("not_here", "no restart is seen here")
        .note(format!(
            "Here {name} began its copy {age} s before the failure was agreed on and never \
             finished it: the copy broke off and was begun again. So its data counted as too old, \
             it did not stand, and no log has a line 'Start of election'; nobody else may take \
             these slots."
        ));
    let hit = if back.is_empty() {
        hit
    } else {
        hit.note(
            "Nor did a failover end the outage that is seen here: the line 'is reachable again and \
             nobody is serving its slots after some time' is a primary that came back by itself.",
        )
    };
    Some(cured(hit, stalls.is_some()))
}

fn cured(hit: Hit, stalls: bool) -> Hit {
    let first = if stalls {
        "Find out why the copy does not finish: its primary answers with errors of its own reads \
         ('Reading from master: Connection timed out') or not at all, so look at that machine \
         first (disk while it saves, memory and swap, network); repl-timeout on both ends above \
         the time of a copy comes second."
    } else {
        "Find out why the copy does not finish: disk and memory on both ends, the network between \
         them, and repl-timeout on both ends above the time of saving, sending and loading."
    };
    hit.check(
        "INFO replication on that replica: master_link_status and master_link_down_since_seconds \
         against the limit; its log may say 'Currently unable to failover: Disconnected from \
         master for longer than allowed'.",
    )
    .step(
        "While slots are not served: bring their failed primary back with its own files; it has \
           the only whole copy.",
    )
    .step(first)
    .step(
        "Where being available counts more than the age of the data: a larger validity factor, or \
         0, on all nodes (cluster-replica-validity-factor, cluster-slave-validity-factor before \
         5.0); or CLUSTER FAILOVER FORCE on the replica when the primary cannot come back, after \
         DBSIZE there has shown that it has the keys: in the middle of a copy it may have none.",
    )
    .only_these_steps()
}
