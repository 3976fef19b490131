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
