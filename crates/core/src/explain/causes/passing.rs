//! Errors of the seconds of a failover, and pods that cannot reach one another's client port.

use std::collections::BTreeSet;

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "DOWN_DURING_FAILOVER",
        title: "For the seconds of a failover the cluster refuses commands, as it is meant to",
        side: Side::Nobody,
        when: failover_window,
        cause: "Between the loss of a primary and the promotion of its replica (node timeout plus \
            about a second or two; a managed service some ten seconds) its slots have no owner. \
            With cluster-require-full-coverage yes, the default, every node then answers \
            CLUSTERDOWN, for the other slots too. The text says that it works again afterwards, so \
            nothing is broken.",
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

/// The seconds of a day of the first time in a line, `17:19:27.406`.
fn clock(text: &str) -> Option<u32> {
    let word = text.split_whitespace().find(|word| word.matches(':').count() == 2)?;
    let mut parts = word.split(['.', ',']).next()?.split(':').map(str::parse::<u32>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    (hours < 24 && minutes < 60 && seconds < 61).then(|| hours * 3_600 + minutes * 60 + seconds)
}

/// The node timeout that the settings name, in milliseconds.
fn limit(seen: &Seen) -> Option<String> {
    let value = &seen.setting("cluster-node-timeout")?.value;
    value.parse::<u32>().ok().filter(|ms| *ms >= 100).map(|ms| format!("{ms} ms"))
}

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
    let (failed, line) = agreed?;
    let told = *seen.lines_with(&WAS_DOWN).first()?;
    let healed = *seen.lines_with(&HEALED).first()?;
    let begin = clock(&seen.lines.get(first)?.text);
    let gap = begin.zip(clock(&line.text)).and_then(|(from, to)| to.checked_sub(from));
    let lost = seen.says_fail() || seen.flips() >= 2;
    (!lost && gap.is_none_or(|s| (1..=180).contains(&s))).then(|| {
        Hit::of(80)
            .quote(first)
            .quote(failed)
            .quote(told)
            .quote(healed)
            .fact_if("gap", gap.map(|s| s.to_string()))
            .fact_if("limit", limit(seen))
    })
}

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
    Some(hit.less_if(40, seen.says_fail() || !seen.failing().is_empty()))
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
