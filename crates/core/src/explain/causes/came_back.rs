//! A replica's link that broke and was made again: the log ends well.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "REPLICA_LINK_CAME_BACK",
    title: "The replica lost its primary for a while and reached it again",
    side: Side::Nobody,
    when: came_back,
    cause: "The log shows attempts that failed and, after the last of them, one that got through[[: \
        <<last>>]]. So address, password and TLS are right; for some time nobody answered at \
        [[<<host>>]]. [[<<service>> ]]repl-timeout (60 seconds by default) is the limit of the \
        transfer and of connecting alike: where packets are dropped in place of refused, each \
        attempt hangs for that long before the next one is made.",
    check: "INFO replication on the replica now: master_link_status:up, and slave_repl_offset near \
        the primary's; and what the primary (or its Service) did at the time of the first \
        failure.",
    fix: &[
        "Nothing is to be repaired if the link is up now.",
        "If it comes again: why the primary did not answer then (a restart, a Service without a \
         ready endpoint, a stall, a packet filter). A shorter repl-timeout makes the next attempt \
         come sooner, and must stay above the time of a full copy.",
    ],
    never: &["Do not restart, reset or promote the replica for it."],
    like: &["REPLICA_LINK_DOWN", "FULL_SYNC_LOOP", "K8S_SERVICE_IP_AS_NODE"],
}];

/// What a replica says when an attempt fails.
const FAILED: [&str; 10] = [
    "timeout connecting to the master",
    "timeout connecting to the primary",
    "error condition on socket for sync",
    "connection with master lost",
    "connection with primary lost",
    "master timeout: no data",
    "primary timeout: no data",
    "error reply to ping",
    "unable to connect to master",
    "unable to connect to primary",
];

/// What it says when one gets through.
const THROUGH: [&str; 8] = [
    "master replied to ping, replication can continue",
    "primary replied to ping, replication can continue",
    "successful partial resynchronization",
    "accepted a partial resynchronization",
    "sync: finished with success",
    "sync: finished successfully",
    "replica sync: finished",
    "enabled replication",
];

/// More failures than this are no passing trouble.
const FAILURES_MAX: usize = 3;

fn came_back(seen: &Seen) -> Option<Hit> {
    let failed = seen.lines_with(&FAILED);
    let (first, last) = (*failed.first()?, *failed.last()?);
    let through = *seen.lines_with(&THROUGH).last()?;
    let refused =
        ["noauth", "wrongpass", "noperm", "aborted replication", "full resync", "loading"];
    let worse = seen.has(&refused) || seen.has(&["master_link_status:down", "i/o error"]);
    // Who goes on to fail after that line did not come back.
    let later = seen.lines.iter().skip(through + 1).any(|line| {
        ["sync started", "lost", "timeout", "error", "failed"]
            .iter()
            .any(|w| line.lower.contains(w))
    });
    let told = seen.client().is_some() || seen.says_fail() || !seen.tables.is_empty();
    if through < last || failed.len() > FAILURES_MAX || worse || later || told {
        return None;
    }
    let host =
        seen.word_after("connecting to master ").or(seen.word_after("connecting to primary "));
    let host = host.map(|word| word.trim_end_matches(['.', ',']).to_owned());
    let service = host.as_deref().is_some_and(|host| host.contains(".svc"));
    let text = seen.lines.get(through)?.text.trim().to_owned();
    Some(
        Hit::of(68)
            .quote(first)
            .quote(through)
            .fact_if("host", host)
            .fact("last", format!("'{}'", text.rsplit(" * ").next().unwrap_or(&text)))
            .fact_if("service", service.then_some(SERVICE)),
    )
}

const SERVICE: &str = "That name is a Service of Kubernetes: while none of its pods is ready it has \
    no endpoint, and a ClusterIP without one swallows packets.";
