//! Pods and controllers: pods that ended and are not made again, and operators that dial no pod.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "K8S_PODS_ENDED",
        title: "Pods have ended with their machine and nobody made them again",
        side: Side::Platform,
        when: ended,
        cause: "[[<<pods>>: ]]the pod object is there and no process: the machine was shut down or \
            taken away in an orderly way (graceful node shutdown, a spot or preemptible machine, \
            an upgrade), and kubelet ended the pod as Succeeded or Failed. Several versions of \
            Kubernetes leave such a pod of a StatefulSet standing, because its name is taken, and \
            start none in its place. While it lasts its shard is without that node; two such pods \
            can be a whole shard, or the majority of the voters.",
        check: "kubectl describe pod: Status Succeeded or Failed with 'imminent node shutdown' (or \
            NodeShutdown, Preempted), and the events of the machine at that time.",
        fix: &[
            "Look which nodes these pods are (CLUSTER NODES on a living one) and that their claims \
             exist (kubectl get pvc). Then kubectl delete pod <name> for each ended one: its \
             process is gone already and its volume stays, so the StatefulSet makes the pod again \
             with its nodes.conf and data.",
            "A new address is told to the others by the node itself as long as it reaches one of \
             them; otherwise CLUSTER MEET it from a living node.",
            "For good: members of one shard on different machines (anti-affinity), no spot \
             machines for primaries and replicas of one shard, a PodDisruptionBudget, a current \
             Kubernetes.",
        ],
        never: &[
            "Do not remove the claims or the StatefulSet: the data are on the claims.",
            "Do not forget the nodes or fix slots for it: they come back under their ids.",
        ],
        like: &["K8S_NODE_LOST_POD_STUCK", "K8S_EVICTED", "SHARD_DOWN"],
    },
    Cause {
        code: "OPERATOR_DIALS_NO_POD",
        title: "The operator dials a pod that has no address: its reconciliation stands still",
        side: Side::Platform,
        when: no_pod,
        cause: "The line is the operator's, no client's: 'dial tcp :<port>' without a host is what \
            is left when it asks Kubernetes for the address of a pod that is not there (or not \
            scheduled yet). It counts pods by the size that it wants or wanted, so after a \
            scale-down whose pods are gone already, or before the last pod of a scale-up, it dials \
            nothing and repeats the step. The servers are not concerned by that line.[[ Pods \
            listed: <<pods>>.]]",
        check: "kubectl get pods against the size in the custom resource and the replicas of the \
            StatefulSets; and on the nodes: does the table still list members that have no pod, \
            with slots or without?",
        fix: &[
            "Pause the operator. If slots belong to a node whose pod is gone: bring that pod back \
             (StatefulSet replicas up again, same claim), let it come back into the table, reshard \
             its slots away, and only then scale down.",
            "If the missing node owns no slots: on every living node CLUSTER FORGET its id (within \
             a minute), set the sizes in the custom resource and the StatefulSet equal, and let \
             the operator go on, upgraded.",
        ],
        never: &[
            "Do not remove the claim of the missing pod before its slots are elsewhere.",
            "Do not change announced addresses for it.",
        ],
        like: &["K8S_SCALE_DOWN_WITH_SLOTS", "K8S_OPERATOR_FIGHT"],
    },
    Cause {
        code: "REPLICA_HAS_MORE_KEYS",
        title: "A replica counts more keys than its primary: expired ones, or keys of its own",
        side: Side::Cluster,
        when: more_keys,
        cause: "The replica has <<theirs>> keys, its primary <<ours>>, and the link is up. A \
            replica removes nothing by itself: it waits for the DEL that its primary sends when \
            IT finds a key expired, so keys that have expired and that nobody reads stay in \
            DBSIZE, INFO and memory of the replica until the primary's cycle comes to them (and \
            servers before 3.2 even return them to readers). That makes a small difference. A \
            large one that stays means keys that the primary does not have at all: written to the \
            replica while it was writable, or left over from before a resync that did not replace \
            the data (older versions).",
        check: "Take a few keys of the replica (SCAN there) and ask both: TTL on the replica, \
            EXISTS on the primary. TTL -2 or 0: expired and not yet removed, harmless. A TTL that \
            runs (or -1), and the primary does not know the key: the replica has keys of its own.",
        fix: &[
            "Expired ones only: let the primary find them sooner (hz 50 or active-expire-effort, \
             6.0 and later; or a SCAN over the primary), and size the replica's memory for them.",
            "Keys of its own: replica-read-only yes, then let it copy anew from its primary (it \
             drops what is only there, so look at these keys first). Before any failover: a \
             promotion would bring them back.",
            "Upgrade a 3.x server: expiry on replicas was mended in 3.2 and 4.0.",
        ],
        never: &["Do not fail over to this replica before the difference is explained."],
        like: &["REPLICA_READ_ANOMALY", "REPLICA_LINK_DOWN"],
    },
];

/// The primary dropped the keys of slots that it lost, and did not tell its replica.
fn untold(at: usize, surplus: u64, level: bool) -> Hit {
    let offsets = if level { " (the offsets are equal, so nothing is on its way)" } else { "" };
    Hit::of(94)
        .quote(at)
        .note(format!(
            "Here it is another reason: the primary lost slots to another primary and deleted their \
             keys ('dirty slot'), and servers before 7.2 do not replicate that deletion \
             (redis/redis#10967). So the replica still has these {surplus} keys{offsets}. They \
             belong to slots that this shard does not own; nobody is sent there for them, and a \
             promotion would show them as foreign keys."
        ))
        .step(
            "First look whether the new owner of these slots has the keys (CLUSTER COUNTKEYSINSLOT \
             <slot> there, beside the replica's count). If it lacks some, this replica is the last \
             copy: keep its RDB aside before anything else.",
        )
        .step(
            "Then let this one replica copy anew: stop it, move its RDB and AOF aside (not its \
             nodes.conf), start it. It comes back with exactly what its primary has.",
        )
        .step("For good: upgrade to 7.2 or later, which sends the deletion to the replicas.")
        .check(
            "CLUSTER COUNTKEYSINSLOT <slot> for the slots in the 'dirty slot' lines: on the \
             replica, on its primary (0) and on their new owner.",
        )
        .only_these_steps()
}

/// A primary that deletes keys while it runs lost these slots to another one; nothing of that comes
/// from a start.
pub(super) fn lost_at_runtime(seen: &Seen, hit: Hit) -> Hit {
    if seen.has(&["deleting keys in the slot"]) {
        return hit;
    }
    hit.less_if(20, more_keys(seen).is_some()).note(
        "'Dirty slot' is said at run time and not at a start: another primary claimed these slots \
         with a newer epoch (SETSLOT NODE, a failover, --cluster fix) while this one still had \
         keys of them. After a move that was finished in order there are none left to delete.",
    )
}

fn ended(seen: &Seen) -> Option<Hit> {
    const WORDS: [&str; 3] =
        ["imminent node shutdown", "reason: nodeshutdown", "reason:           terminated"];
    let done = |status: &str| matches!(status, "Completed" | "Succeeded" | "Terminated");
    let named = ["redis", "valkey", "keydb"];
    let pods = seen.pods.iter().filter(|pod| {
        let job = ["job", "create", "init", "update", "hook"].iter().any(|w| pod.name.contains(w));
        done(&pod.status) && pod.ready.starts_with("0/") && !job
    });
    let pods: Vec<_> = pods.collect();
    let why = seen.lines_with(&WORDS);
    let ours = pods.iter().any(|pod| named.iter().any(|name| pod.name.contains(name)));
    if pods.is_empty() || (!ours && why.is_empty()) {
        return None;
    }
    let names: Vec<String> = pods.iter().map(|pod| pod.name.clone()).collect();
    let hit = Hit::of(if why.is_empty() { 76 } else { 90 });
    let hit = hit.quotes(pods.iter().map(|pod| pod.line).take(3)).quotes(why.into_iter().take(1));
    Some(hit.fact("pods", list(&names, 4)))
}

fn no_pod(seen: &Seen) -> Option<Hit> {
    const OPERATOR: [&str; 4] =
        ["k8sutils", "\"logger\":\"controller", "\"controller\":\"redis", "\"controllergroup\""];
    let at = seen.lines.iter().position(|line| {
        let empty = line
            .lower
            .split_once("dial tcp :")
            .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
        empty && OPERATOR.iter().any(|word| line.lower.contains(word))
    })?;
    let names: Vec<String> = seen.pods.iter().map(|pod| pod.name.clone()).collect();
    let hit =
        Hit::of(88).quote(at).quotes(seen.lines_with(&["downscal", "scaling"]).into_iter().take(1));
    Some(hit.fact_if("pods", (!names.is_empty()).then(|| list(&names, 8))))
}

/// `db0:keys=10,expires=9,avg_ttl=1` of a replica with a link, and of a primary.
fn more_keys(seen: &Seen) -> Option<Hit> {
    let keys =
        |text: &str| -> Option<u64> { text.split_once("keys=")?.1.split(',').next()?.parse().ok() };
    let count = |block: &crate::explain::seen::Block| {
        Some((*block.lines.get("db0")?, keys(block.fields.get("db0")?)?))
    };
    let replicas = seen.blocks.iter().filter(|b| b.fields.is("role", "slave"));
    let (line, theirs) =
        replicas.filter(|b| b.fields.is("master_link_status", "up")).find_map(count)?;
    let is_replica = |b: &&crate::explain::seen::Block| b.fields.is("role", "slave");
    let others: Vec<(usize, u64)> =
        seen.blocks.iter().filter(|b| !is_replica(b)).filter_map(count).collect();
    let [(own_line, ours)] = others[..] else { return None };
    let more = theirs > ours.saturating_add(ours / 5).saturating_add(100);
    let lost = seen.lines_with(&["deleting keys in dirty slot"]).first().copied();
    let offset = |name: &str| seen.number(name);
    let level = offset("slave_repl_offset").zip(offset("master_repl_offset"));
    more.then(|| {
        let hit = match lost {
            Some(at) => untold(at, theirs - ours, level.is_some_and(|(a, b)| a == b)),
            None => Hit::of(72),
        };
        hit.quote(line)
            .quote(own_line)
            .fact("theirs", theirs.to_string())
            .fact("ours", ours.to_string())
    })
}
