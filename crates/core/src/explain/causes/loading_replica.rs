//! Reads that a client sends to a replica which has not loaded its copy yet.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "READS_SENT_TO_LOADING_REPLICA",
    title: "Reads are sent to a replica that is still loading its copy",
    side: Side::Client,
    when: loading,
    cause: "The client spreads reads over replicas (<<option>>), and one of them answers LOADING: \
        it takes in the copy of its primary, or its own file after a start.[[ It is the new one, \
        by what is told: '<<told>>'.]] CLUSTER SLOTS lists a replica from the moment it has \
        joined, before it has any data, and the client hands its answer to the application. The \
        primaries and the slots are not concerned, and it passes by itself when the copy is \
        loaded.",
    check: "INFO persistence on that replica: loading:1, and loading_eta_seconds falls. The same \
        read from the primary answers.",
    fix: &[
        "Wait until the replica has loaded (INFO replication on it: master_link_status:up); \
         nothing on the servers is to be repaired.",
        "Until then, and whenever replicas are added or started anew, read from the primaries: \
         ioredis scaleReads: 'master', Lettuce ReadFrom.UPSTREAM, redis-py without \
         read_from_replicas, go-redis without ReadOnly and RouteBy options.",
        "For good: repeat a read that got LOADING (or MASTERDOWN) at the primary.",
    ],
    never: &[
        "Do not restart or remove that replica: it would begin anew.",
        "Do not fail over to it: it has no data yet.",
    ],
    like: &["NODE_LOADING", "REPLICA_READ_ANOMALY"],
}];

/// Options that send reads to replicas.
const READS: &[&str] = &[
    "scalereads",
    "readfrom",
    "read_from_replicas",
    "readonly: true",
    "readonly:true",
    "routerandomly",
    "routebylatency",
    "usereplicas",
    "replica_preferred",
    "readmode",
];

/// Signs that a replica came a short while ago.
const NEW: &[&str] = &[
    "new replica",
    "replica added",
    "added a replica",
    "add a replica",
    "replica was added",
    "replicas were added",
    "new slave",
    "added replica",
    "increase-replica-count",
    "scaled",
    "replica restarted",
    "restarted the replica",
];

fn loading(seen: &Seen) -> Option<Hit> {
    let said = seen.lines_with(&[
        "loading redis is loading",
        "loading valkey is loading",
        "busyloadingerror",
    ]);
    let first = *said.first()?;
    let option = seen.lines.iter().position(|line| {
        let master = ["'master'", "\"master\"", "upstream"];
        READS.iter().any(|word| line.lower.contains(word))
            && !master.iter().any(|word| line.lower.contains(word))
    })?;
    let text = |at: usize| {
        let text = seen.lines.get(at).map_or("", |line| line.text.as_str());
        text.trim().trim_end_matches([',', ';', '.']).to_owned()
    };
    let told = seen.lines_with(NEW).into_iter().find(|at| !said.contains(at));
    let kept = |text: String| (text.chars().count() <= 160).then_some(text);
    Some(
        Hit::of(82)
            .more_if(8, told.is_some())
            .quote(first)
            .quote(option)
            .quotes(told)
            .fact("option", kept(text(option)).unwrap_or_else(|| "as its options say".to_owned()))
            .fact_if("told", told.map(text).and_then(kept)),
    )
}
