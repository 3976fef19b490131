//! Errors of the seconds of a failover, and pods that cannot reach one another's client port.

use std::collections::BTreeSet;

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::clock;
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "DOWN_DURING_FAILOVER",
        title: "For the seconds of a failover the cluster refuses commands, as it is meant to",
        side: Side::Nobody,
        when: |seen| {
            failover_window(seen)
                .or_else(|| tries_in_the_window(seen))
                .or_else(|| gives_up_in_a_switch(seen))
        },
        cause: "Between the loss of a primary and the promotion of its replica (node timeout plus \
            about a second or two; a managed service some ten seconds) its slots have no owner. \
            With cluster-require-full-coverage yes, the default, every node then answers \
            CLUSTERDOWN, for the other slots too.[[ <<passes>>]]",
        check: "CLUSTER INFO after the event: state ok, 16384 slots ok; and the length of the gap \
            against cluster-node-timeout.",
        fix: &[
            "Let the application repeat a command that got CLUSTERDOWN, TRYAGAIN or a lost \
             connection, with growing pauses, for longer than the gap; most libraries have an \
             option for it.",
            "Where the other shards should go on meanwhile: cluster-require-full-coverage no \
             (a managed service: its parameter group), and cluster-allow-reads-when-down yes for \
             reads. Writes to the lost shard fail all the same.",
            "A planned switch is shorter: CLUSTER FAILOVER on the replica, without options.",
        ],
        never: &["Do not run --cluster fix or assign slots in these seconds."],
        like: &["SHARD_DOWN", "CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "FAIL_AFTER_NODE_TIMEOUT",
        title: "A dead node was held for failed after the node timeout, as it is meant to be",
        side: Side::Nobody,
        when: agreed_in_time,
        cause: "Nothing is wrong here[[: the node was held for failed <<gap>> s after the first \
            refused connection]]. A refused connection is no failure by itself. A node is \
            suspected (fail?) when it gave no PONG for cluster-node-timeout[[ (here \
            <<limit>>)]], 15 s by default; then the majority of the primaries must report the \
            same, which comes with gossip, some seconds more; only then it is FAIL ('quorum \
            reached'), and only then its replica may ask for votes (in half a second to a second, \
            more with older data). Until then the replicas log 'Connection refused' for the \
            link to their primary.",
        check: "CLUSTER INFO now: state ok, 16384 slots ok; CONFIG GET cluster-node-timeout against \
            the time between the two lines.",
        fix: &[
            "Before a planned reboot of a machine: CLUSTER FAILOVER (without options) on a replica \
             elsewhere, for each primary there. That takes about a second and loses nothing.",
            "To be faster in unplanned cases: a lower cluster-node-timeout on all nodes (5000 is \
             common), not below the longest pause that a node has for forks, slow commands or the \
             network.",
            "Spread primaries so that no machine carries two, and let clients repeat commands for \
             longer than this gap.",
        ],
        never: &[
            "Do not open firewalls or MEET nodes for it, and do not promote replicas by force as a \
             routine.",
        ],
        like: &["DOWN_DURING_FAILOVER", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "POD_TRAFFIC_BLOCKED",
        title: "A pod of the cluster cannot reach another pod at its present address",
        side: Side::Platform,
        when: pod_to_pod,
        cause: "The redirect leads to <<ip>>, and that IS the present address of <<pod>>: the map \
            is right, and the client runs in a pod itself. So what fails is the way from pod to \
            pod: a NetworkPolicy that lets only labelled clients in (the nodes are clients of each \
            other too, for replication and MIGRATE), a mesh, or the pod network between the \
            machines.",
        check: "From the pod that fails: nc -vz <<ip>> 6379 and 16379 (the ports of the nodes); \
            the same from a pod on the other machine. kubectl describe networkpolicy shows who \
            may come in.",
        fix: &[
            "NetworkPolicy: allow the cluster's own pods (podSelector with their own label) and \
             the clients, both to the client port and, among the nodes, to the bus port (client \
             port + 10000).",
            "No policy in the way: look at the pod network between these two machines (firewall of \
             the machines, security groups, MTU).",
        ],
        never: &[
            "Do not change what the nodes announce: the addresses are right.",
            "Do not recreate the cluster and do not run --cluster fix.",
        ],
        like: &["BUS_PORT_BLOCKED", "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
    },
];

/// How a server says that a node is held for failed by the majority.
const AGREED: [&str; 3] = ["as failing (quorum reached)", "fail message received", "marking node "];

/// A machine that was down for a while, as people tell it.
const WAS_DOWN: [&str; 10] = [
    "reboot",
    "restarted",
    "powered off",
    "shut down",
    "shutdown",
    "went down",
    "killed",
    "drained",
    "crashed",
    "stopped",
];

/// What says that it went well in the end.
const HEALED: [&str; 9] = [
    "is reachable again",
    "clear fail state",
    "failover election won",
    "election got triggered",
    "election was triggered",
    "election started",
    "got promoted",
    "was promoted",
    "cluster state changed: ok",
];

/// A node that was refused, and held for failed by the majority a node timeout later.
fn agreed_in_time(seen: &Seen) -> Option<Hit> {
    let refused = seen.lines.iter().enumerate().find_map(|(at, line)| {
        let rest = line.lower.split_once("connection with node ")?.1;
        let id = rest.split_whitespace().next()?.to_owned();
        rest.contains("failed").then_some((at, id))
    });
    let (first, id) = refused?;
    let agreed = seen.lines.iter().enumerate().find(|(_, line)| {
        AGREED.iter().any(|mark| line.lower.contains(mark)) && line.lower.contains(&id)
    });
    let (failed, _) = agreed?;
    let told = *seen.lines_with(&WAS_DOWN).first()?;
    let healed = *seen.lines_with(&HEALED).first()?;
    let gap = clock::between(seen, first, failed);
    let lost = seen.says_fail() || seen.flips() >= 2;
    (!lost && gap.is_none_or(|s| (1..=180).contains(&s))).then(|| {
        Hit::of(80)
            .quote(first)
            .quote(failed)
            .quote(told)
            .quote(healed)
            .fact_if("gap", gap.map(|s| s.to_string()))
            .fact_if("limit", clock::node_timeout(seen).map(|ms| format!("{ms} ms")))
    })
}

const WORKS_AGAIN: &str = "The text says that it works again afterwards, so nothing is broken.";

fn failover_window(seen: &Seen) -> Option<Hit> {
    let down = ["clusterdown", "the redis cluster is down", "tryagain"];
    let switch = ["failover", "fail over", "maintenance", "promot"];
    let passes = [
        "works again",
        "work again",
        "recovers by itself",
        "back to normal",
        "everything is fine again",
        "it lasts ",
        "for a few seconds",
        "for some seconds",
    ];
    let hit = seen.says_all(82, &[&down, &switch, &passes])?;
    let hit = hit.fact("passes", WORKS_AGAIN);
    Some(hit.less_if(40, seen.says_fail() || !seen.failing().is_empty()))
}

/// A client used up its tries at a node that had just been stopped, before anybody could take over;
/// later it works.
fn tries_in_the_window(seen: &Seen) -> Option<Hit> {
    let gave_up =
        ["no more cluster attempts left", "too many cluster redirections", "ttl exhausted"];
    let stopped = ["kill -9", "killed", "we stop", "i stop", "stopped", "shut down", "crash"];
    let refused = ["connection refused", "econnrefused", "failed connecting to"];
    let hit = seen.says_all(82, &[&gave_up, &stopped, &refused])?;
    let later = ["later ", "after a while", "after some seconds", "works again", "then it works"];
    let passes = seen.lines.iter().any(|line| {
        let works = ["work", " ok", "fine", "recover"].iter().any(|w| line.lower.contains(w));
        works && later.iter().any(|w| line.lower.contains(w))
    });
    let tries = seen.lines_with(&["attempt 1", "retry 1", "try 1"]);
    let last = seen.lines.iter().rposition(|line| {
        ["attempt ", "retry "].iter().any(|w| line.lower.contains(w))
            && clock::seconds(&line.text).is_some()
    });
    let spread = tries.first().zip(last).and_then(|(a, b)| clock::between(seen, *a, b));
    if !passes || seen.says_fail() || !seen.failing().is_empty() {
        return None;
    }
    let window = clock::node_timeout(seen).map_or_else(
        || "cluster-node-timeout (15 s by default)".to_owned(),
        |ms| format!("cluster-node-timeout (here {ms} ms)"),
    );
    let all = spread.map_or_else(String::new, |s| format!(" (all within {} s)", s + 1));
    Some(
        hit.fact("passes", WORKS_AGAIN).note(format!(
            "The tries were used up at the node that had just been stopped{all}: the client repeats \
             at once, without a pause, while a replica can take over only after {window} plus a \
             second or two. Its message ('no more attempts', 'redirections') says how it ended and \
             not why. No node is to be repaired."
        ))
        .step(format!(
            "Make the tries last longer than {window} plus some seconds. Jedis 4 and later pauses \
             between them: JedisCluster with maxAttempts and maxTotalRetriesDuration (30 s); Jedis \
             3 and older does not, so repeat in the application with growing pauses, or upgrade. \
             ioredis: retryDelayOnFailover; redis-py: Retry with ExponentialBackoff."
        )),
    )
}

/// A client gave up in the second in which a planned switch was made, by the servers' own log.
fn gives_up_in_a_switch(seen: &Seen) -> Option<Hit> {
    let gave_up = [
        "timed out attempting to find data in the correct node",
        "too many cluster redirections",
        "no more cluster attempts left",
        "ttl exhausted",
    ];
    let error = *seen.lines_with(&gave_up).first()?;
    let asked =
        *seen.lines_with(&["manual failover user request accepted", "cluster failover"]).first()?;
    let won = *seen.lines_with(&["failover election won"]).first()?;
    let later = seen.has(&["failover attempt expired", "manual failover timed out"]);
    if later || seen.says_fail() || !seen.failing().is_empty() {
        return None;
    }
    let begun = seen.lines_with(&["manual failover user request accepted"]).first().copied();
    let took = begun.and_then(|at| clock::between(seen, at, won));
    let took = took.map_or_else(String::new, |s| match s {
        0 => " within a second".to_owned(),
        s => format!(" within {s} s"),
    });
    Some(Hit::of(84).quote(error).quote(asked).quote(won).note(format!(
        "By its log the replica was promoted{took}, so the servers are through with the switch. The \
         client's process still had the map of before: it followed MOVED to and fro between the \
         old primary (paused, then a replica) and the new one until its own limit was reached, and \
         the message says only that. A process that reads the map anew works."
    )).step(
        "Repeat the command in the application after such an error. phpredis: no map kept over a \
         switch (redis.clusters.cache_slots 0, or workers that are renewed), a current release, \
         and read_timeout longer than the switch.",
    ))
}

fn pod_to_pod(seen: &Seen) -> Option<Hit> {
    let fails = ["could not connect to", "connection timed out", "i/o timeout", "no route to host"];
    let known: BTreeSet<&str> = seen.pod_ips.iter().map(String::as_str).collect();
    let (at, ip) = seen.lines.iter().enumerate().find_map(|(at, line)| {
        fails.iter().any(|word| line.lower.contains(word)).then_some(())?;
        let words = line.text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        words.filter(|word| known.contains(word)).map(|word| (at, word.to_owned())).next()
    })?;
    let inside = seen.lines_with(&["kubectl exec", "/data#", "/data $", "root@"]);
    let sent = seen.lines_with(&["redirected to slot", "moved "]);
    let pod = seen.pods.iter().find(|pod| pod.ip.as_deref() == Some(ip.as_str()))?;
    let up = pod.status == "Running";
    (up && !inside.is_empty() && !sent.is_empty()).then(|| {
        Hit::of(91)
            .quotes(sent.into_iter().take(1))
            .quote(at)
            .quote(pod.line)
            .quotes(seen.lines_with(&["networkpolicy", "podselector"]).into_iter().take(2))
            .fact("ip", ip)
            .fact("pod", pod.name.clone())
    })
}
