//! Kubernetes, operators and charts.

use std::collections::BTreeSet;

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::figures::places;
use crate::explain::seen::{Pod, Seen, is_ipv4};
use crate::explain::table::Row;
use crate::explain::template::list;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "SCALED_DOWN_WITH_SLOTS",
        title: "Nodes were removed that still owned slots",
        side: Side::Command,
        when: |seen| {
            let scaled = seen.says(
                70,
                &[
                    "scaled down",
                    "scale down",
                    "scaled from",
                    "--replicas=",
                    "cluster.nodes=",
                    "clustersize: 3",
                    "downscale",
                ],
            )?;
            let lost = seen.has(&[
                "not all 16384",
                "master,fail",
                "cluster_slots_fail:",
                "hash slot not served",
                "clusterdown",
            ]);
            let mut owners = seen.failing();
            owners.retain(|row| !row.slots.is_empty());
            lost.then(|| {
                scaled
                    .more_if(14, !owners.is_empty())
                    .quotes(owners.iter().map(|row| row.line).take(3))
                    .fact_if("places", (!owners.is_empty()).then(|| list(&places(owners), 4)))
            })
        },
        cause: "The number of pods was lowered while the pods that went still owned slots. A \
            StatefulSet takes away the highest numbers without asking the cluster, so the slots \
            (and the keys) went with them: their rows stay as master,fail with slots[[ \
            (<<places>>)]], and with full coverage required the whole cluster refuses commands. \
            Their volumes normally still exist.",
        check: "kubectl get pvc: are the volumes of the removed pods still there? CLUSTER NODES: \
            which failed rows own slots?",
        fix: &[
            "Scale up again to the old number: the pods come back with their volumes, ids and \
             slots, and the cluster heals by itself (or after CLUSTER MEET by their new IPs).",
            "Then move the slots off first (reshard or rebalance with weight 0), wait until the \
             nodes own none, FORGET them on every node, and only then lower the number again.",
        ],
        never: &[
            "Do not delete the volumes (PVC) of the removed pods: they hold the only copy of \
             those keys.",
            "Do not run --cluster fix and do not ADDSLOTS the missing slots: that makes them \
             empty.",
        ],
        like: &["SHARD_DOWN", "UNASSIGNED_SLOTS_SHARD_FORGOTTEN"],
    },
    Cause {
        code: "K8S_LIVENESS_KILLS_LOADING",
        title: "The liveness probe kills the pod while it loads",
        side: Side::Platform,
        when: |seen| {
            let probe = seen.says(70, &["liveness probe failed"])?;
            Some(
                probe.and(seen, 18, &["loading", "flushing old data", "loading db in memory"]).and(
                    seen,
                    4,
                    &["killing", "restart"],
                ),
            )
        },
        cause: "The pod is restarted by its liveness probe before the data set is loaded (or the \
            full sync done), so it begins anew each \
            time. The data are fine.",
        check: "Restarts at a constant age, with LOADING in the probe's output or 'Loading' as \
            the last log line; period × threshold \
            against the load time.",
        fix: &["Add a startupProbe that allows the longest load; let the liveness probe accept \
             every reply (also LOADING, MISCONF, \
            NOAUTH, MASTERDOWN) as alive; raise timeoutSeconds."],
        never: &["Do not delete the data so that it starts faster."],
        like: &["NODE_LOADING", "OOM_KILLED"],
    },
    Cause {
        code: "K8S_READINESS_DEADLOCK",
        title: "Readiness waits for the cluster, and the cluster waits for ready pods",
        side: Side::Platform,
        when: |seen| {
            let ready = seen.says(66, &["readiness probe failed"])?;
            Some(ready.and(
                seen,
                12,
                &["cluster_state", "cluster state", "orderedready", "cluster is down"],
            ))
        },
        cause: "The readiness probe demands cluster_state:ok. After a full restart no pod can \
            become ready before the others run; an \
            OrderedReady StatefulSet then starts only pod 0, Services and DNS names stay empty, \
            and nobody finds anybody.",
        check: "The probe's command (cluster_state?), podManagementPolicy, and which pods exist.",
        fix: &[
            "podManagementPolicy: Parallel, publishNotReadyAddresses: true on the headless \
             Service, and a readiness probe that asks \
             the process only.",
            "Now: MEET the pods by their IPs from one of them (kubectl exec).",
        ],
        never: &["Do not delete volumes or create the cluster anew."],
        like: &["K8S_DNS_NOT_READY_HIDDEN", "ALL_ADDRESSES_STALE"],
    },
    Cause {
        code: "K8S_DNS_NOT_READY_HIDDEN",
        title: "Names of pods that are not ready do not resolve",
        side: Side::Platform,
        when: |seen| {
            let waits = seen.says(66, &["setting redis config file"]);
            let done = ["redis setup finished", "ready to accept connections"];
            if let Some(hit) = waits.filter(|_| !seen.has(&done)) {
                let probe = ["probe failed: could not connect", "probe failed: dial"];
                let hit = hit.and(seen, 12, &probe);
                return Some(hit.and(seen, 12, &["getent", "nslookup", "dns", "resolve"]).note(
                    "The image stops at this line while it asks for the names of all nodes, and \
                     goes on only when each of them resolves: with fewer pods than names in \
                     REDIS_NODES, or pods that start one after the other, that is never. The \
                     probes then find no server and the pod is killed. Start all pods at once \
                     (podManagementPolicy Parallel, replicas = nodes of the chart), and give \
                     the probes a longer initialDelaySeconds; no data is concerned.",
                ));
            }
            seen.says_all(
                82,
                &[
                    &[
                        "enotfound",
                        "unknownhostexception",
                        "no such host",
                        "name or service not known",
                        "name does not resolve",
                        "could not resolve",
                        "failed to resolve",
                        "unable to resolve",
                        "no address associated with hostname",
                        "temporary failure in name resolution",
                        "eai_again",
                    ],
                    &["headless", ".svc", "svc.cluster.local"],
                ],
            )
        },
        cause: "The name of a pod under a headless Service exists only while the pod is ready, \
            unless the Service has publishNotReadyAddresses: true. Right after a restart the names \
            are missing (and the miss is cached for about 30 s).",
        check: "kubectl get endpointslices of the headless Service, and publishNotReadyAddresses.",
        fix: &["publishNotReadyAddresses: true on the headless Service (keep a second one for \
             clients); start scripts retry; check the \
            namespace in the name."],
        never: &["Do not recreate the cluster."],
        like: &["CLIENT_SEED_DNS_FAILED", "K8S_READINESS_DEADLOCK"],
    },
    Cause {
        code: "K8S_PVC_STUCK",
        title: "A pod cannot get its volume",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                90,
                &[
                    "volume node affinity conflict",
                    "multi-attach error",
                    "failedattachvolume",
                    "failedmount",
                    "unbound immediate persistentvolumeclaims",
                    "persistentvolumeclaim is not bound",
                ],
            )
        },
        cause: "The pod waits for its volume: it is in another zone, still attached to a lost \
            machine, or not provisioned. Its node of the \
            cluster is absent as long as that lasts.",
        check: "kubectl describe pod and pvc: zone of the volume, the machine to which it is \
            attached.",
        fix: &["Bring capacity in the volume's zone; detach from a machine only after that is \
             surely off."],
        never: &[
            "Do not delete the claim: the data and the id are on it.",
            "Do not force-delete the pod while the old machine may run it.",
        ],
        like: &["SHARD_DOWN"],
    },
    Cause {
        code: "K8S_UNSCHEDULABLE",
        title: "A pod cannot be placed on any machine",
        side: Side::Platform,
        when: |seen| {
            let hit = seen.says(
                80,
                &[
                    "didn't match pod's node affinity",
                    "didn't match pod anti-affinity",
                    "didn't satisfy existing pods anti-affinity",
                    "insufficient memory",
                    "insufficient cpu",
                    "didn't tolerate",
                    "had untolerated taint",
                    "had taint",
                    "no preemption victims found",
                    "too many pods",
                    "didn't match pod topology spread",
                ],
            )?;
            seen.has(&["nodes are available", "failedscheduling", "pending"]).then_some(hit)
        },
        cause: "The scheduler finds no machine for the pod: too little memory or CPU left, a \
            taint, or an anti-affinity that forbids a second member on one machine. The node of \
            the cluster is absent as long as the pod is Pending; its volume and data are not \
            touched.",
        check: "kubectl describe pod: the FailedScheduling line counts the machines for each \
            reason.",
        fix: &[
            "Add a machine (in the zone of the pod's volume), or take another workload away; \
             correct requests, taints or the anti-affinity.",
            "The pod then starts with its own volume and joins again; if its address changed, \
             CLUSTER MEET it there from a member.",
        ],
        never: &[
            "Do not delete the volume or its claim to make the pod fit elsewhere.",
            "Do not FORGET the absent node and do not assign its slots: its data come back with it.",
        ],
        like: &["K8S_PVC_STUCK", "SHARD_DOWN"],
    },
    Cause {
        code: "K8S_IMAGE_PULL",
        title: "The image of the pod cannot be fetched",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                84,
                &[
                    "imagepullbackoff",
                    "errimagepull",
                    "failed to pull image",
                    "toomanyrequests: you have reached your pull rate limit",
                    "manifest unknown",
                ],
            )
        },
        cause: "The registry does not give the image: a tag that was removed or renamed, a rate \
            limit, missing credentials. The node of the cluster is absent until then; its data \
            are on its volume.",
        check: "kubectl describe pod: the text behind 'Failed to pull image'.",
        fix: &[
            "Name an image and tag that exist (the same server version), or give the pull secret; \
             the pod then starts with its own volume.",
        ],
        never: &[
            "Do not take an older server version because its image is there: it may not read the \
             data files.",
            "Do not delete the claims.",
        ],
        like: &["K8S_UNSCHEDULABLE", "SHARD_DOWN"],
    },
    Cause {
        code: "K8S_EVICTED",
        title: "The machine was short of a resource and the pod was evicted",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                84,
                &["the node was low on resource", "node was low on resource", "exceeded its local"],
            )
            .or_else(|| {
                seen.events
                    .iter()
                    .find(|event| event.reason == "Evicted")
                    .map(|event| Hit::of(76).quote(event.line))
            })
        },
        cause: "The kubelet ended the pod because its machine ran out of memory or disk (or the \
            pod wrote more than its ephemeral-storage limit). What was on a claim is kept; what \
            was on emptyDir is gone, and with it nodes.conf, if it was there.",
        check: "Is dir of the server on a claim? kubectl describe node: conditions \
            MemoryPressure, DiskPressure.",
        fix: &[
            "Make room on the machine, give the pod requests equal to limits (class Guaranteed), \
             and put dir on a claim.",
            "On a claim, the pod comes back with its id and data. If dir was not on one, promote \
             the shard's replica before anything of the old id is forgotten.",
        ],
        never: &["Do not restart the other members of the same shard meanwhile."],
        like: &["K8S_EPHEMERAL_STORAGE", "OOM_KILLED"],
    },
    Cause {
        code: "K8S_EPHEMERAL_STORAGE",
        title: "Nodes lose their data and id at each restart: no persistent volume",
        side: Side::Platform,
        when: |seen| {
            let hit = seen.says(
                64,
                &[
                    "emptydir",
                    "persistence.enabled=false",
                    "no volumeclaimtemplates",
                    "without persistence",
                    "persistence: false",
                    "storage: ephemeral",
                    "pruned persistentvolumeclaim",
                ],
            );
            let hit = hit.or_else(|| persistence_off(seen))?;
            Some(hit.and(
                seen,
                20,
                &[
                    "no cluster configuration found",
                    "new node id",
                    "noaddr",
                    "data loss",
                    "lost",
                    "rescheduled",
                    "master,fail",
                    "cluster_known_nodes:1",
                    "delete a pod",
                    "deleted a pod",
                    "pod restart",
                ],
            ))
        },
        cause: "dir is on storage that ends with the pod, so a restarted pod has neither \
            nodes.conf nor data: it comes back with a new id, and \
            its old id stays as failed.",
        check: "The volumes of the pod and CONFIG GET dir: is dir on a claim?",
        fix: &[
            "Its data is not to be found again on its own: the shard's other member has it. See \
             that a replica was promoted (it now owns the slots of the old id). A shard that had \
             no other member has lost its keys; its slots are decided upon last.",
            "Then let the new, empty pod join: CLUSTER MEET its address from a member, CLUSTER \
             REPLICATE <the shard's primary> on it, and only after that forget the old id, on all \
             nodes.",
            "For good: volumeClaimTemplates mounted at dir (persistence.enabled=true); until then \
             never restart two members of one shard at a time.",
        ],
        never: &["Do not FORGET old ids that own slots before a replica was promoted."],
        like: &["NODE_IDENTITY_LOST"],
    },
    Cause {
        code: "K8S_SIDECAR_MESH",
        title: "A service mesh intercepts the bus",
        side: Side::Platform,
        when: |seen| {
            if seen.has(&["redis_proxy", "envoy.clusters.redis"]) {
                return None;
            }
            seen.says(
                62,
                &["istio", "linkerd", "envoy", "127.0.0.6", "sidecar", "filter_chain_not_found"],
            )
            .map(|h| {
                h.and(
                    seen,
                    12,
                    &[
                        "bad message length",
                        "fail?",
                        "handshake",
                        "connection reset",
                        "waiting for the cluster",
                    ],
                )
                .more_if(8, seen.has(&["istio-proxy", "linkerd-proxy", "127.0.0.6"]))
                .more_if(16, seen.has(&["filter_chain_not_found", "istio-injection=enabled"]))
            })
        },
        cause: "The mesh's proxy takes the connections of the bus (client port + 10000) and of \
            replication: source addresses become the proxy's \
            (127.0.0.6), mutual TLS of the mesh breaks a protocol that it does not know.",
        check: "Does it work with injection off for these pods? INFO replication: \
            slave0:ip=127.0.0.6?",
        fix: &["Exclude the client and bus ports from interception (in and out), set \
             cluster-announce-ip to the pod's IP, hold the application \
            until the proxy runs."],
        never: &["Do not reset nodes for it."],
        like: &["BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "K8S_SCALE_DOWN_WITH_SLOTS",
        title: "Pods were removed while they owned slots",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                70,
                &[
                    "scale --replicas",
                    "scaled down",
                    "scale down",
                    "scale in",
                    "scaling down",
                    "scaledown",
                    "reduced replicas",
                    "scale-in",
                ],
            )
            .or_else(|| seen.line_says(74, &["successfulrescale", "new size"]))
            .or_else(|| seen.line_says(66, &["delete pod", "in statefulset"]))
            .map(|h| {
                h.more_if(
                    10,
                    !seen.failing().is_empty()
                        || seen.says_fail()
                        || seen.has(&["clusterdown", "not covered"]),
                )
            })
            .map(|hit| left_empty(seen, hit))
        },
        cause: "The number of pods was lowered before their slots were moved away: the removed \
            nodes[[ (<<failing>>)]] still own slots. Their volumes are \
            usually kept.",
        check: "kubectl get pvc: are the claims of the removed pods there?",
        fix: &[
            "Scale up again (same claims, same ids), move the slots away with a reshard, forget \
             the nodes, then scale down.",
        ],
        never: &["Do not run --cluster fix before that; do not delete the claims."],
        like: &["SHARD_DOWN"],
    },
    Cause {
        code: "K8S_OPERATOR_FIGHT",
        title: "An operator or script works against the repair",
        side: Side::Platform,
        when: |seen| {
            let acts = [
                "reconcil",
                "operator log",
                "rediscluster controller",
                "controller_redis",
                "\"msg\":\"could not execute command\"",
                "\"logger\":\"controller",
                "fixuntrustednodes",
            ];
            // The name of an operator says where it runs, not that it did something.
            let named = ["redis-operator", "redis operator", "kubeblocks"];
            let deeds = [
                "cluster meet",
                "cluster forget",
                "cluster replicate",
                "reset",
                "recreat",
                "--cluster",
                "\"--cluster\"",
                "is not empty. either",
                "flushall",
                "failed to",
            ];
            let hit = seen
                .says(42, &acts)
                .or_else(|| seen.says(42, &named).filter(|_| seen.has(&deeds)))?;
            // It makes a cluster anew over nodes that remember one.
            let creates = seen.has(&["is not empty. either", "--cluster create"])
                || seen.has(&["\"--cluster\",\"create\"", "\"--cluster\", \"create\""]);
            let empties = ["flushall", "reset can't be called with master nodes containing keys"];
            let hit = hit.and(seen, 40, &empties);
            // Who adds a node to a cluster that has all slots does its work; the node is at fault.
            let well = seen.has(&["[ok] all 16384 slots covered"]);
            let adds = super::refused_members::adds(seen) && well;
            let remakes = creates && seen.has(&["is not empty. either"]) && !adds;
            let hit = hit.more_if(42, remakes).and(
                seen,
                14,
                &["cluster meet", "cluster forget", "reset", "recreat", "failed to", "error"],
            );
            Some(super::operators::beside_the_nodes(seen, hit))
        },
        cause: "A controller changes the cluster at the same time (MEET, FORGET, REPLICATE, \
            create, restarts), by what it believes; if it asks one node that is new, restarted or \
            has an old table, it takes the cluster for missing and repeats the wrong step, such \
            as create over nodes that belong to a cluster with data ('is not empty').",
        check: "The operator's log around the times of 'cluster meet/forget/reset', and its \
            version's known bugs.",
        fix: &[
            "Pause it (scale it to 0, or its pause or skip-reconcile annotation) before \
             repairing by hand.",
            "Look at every node's CLUSTER NODES and DBSIZE. Where a cluster with slots and keys \
             is there, the restarted node joins that one: CLUSTER MEET its present address from a \
             member; if it came back empty under a new id, as a new replica.",
            "When cluster_state is ok everywhere, let the operator go on, upgraded.",
        ],
        never: &[
            "Do not empty or reset the nodes that refuse create as 'not empty': they may hold the \
             data.",
            "Do not delete the custom resource: that may delete the claims.",
        ],
        like: &["ALL_ADDRESSES_STALE"],
    },
    Cause {
        code: "K8S_NODE_LOST_POD_STUCK",
        title: "A pod is stuck on a lost machine",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                68,
                &[" terminating ", "nodelost", "notready", "node is not ready", "nodenotready"],
            )
            .filter(|_| seen.has(&["kubectl", "pod", "redis-", "valkey-"]))
            .filter(|_| !seen.has(&["systemd["]) && !ended_and_runs_again(seen))
        },
        cause: "The machine does not answer; the StatefulSet does not replace the pod until it \
            is certain that the old one is gone.",
        check: "kubectl get nodes, and whether that machine is really off.",
        fix: &[
            "Make sure that the machine is off, then taint it node.kubernetes.io/out-of-service \
             (or delete the node object); the pod moves.",
        ],
        never: &[
            "Do not force-delete the pod while the machine may still run it: two processes would \
             have one id.",
        ],
        like: &["K8S_PVC_STUCK"],
    },
    Cause {
        code: "NODE_CRASH_LOOP",
        title: "A container starts and ends again and again",
        side: Side::Platform,
        when: |seen| {
            let bad: Vec<_> = seen
                .pods
                .iter()
                .filter(|p| p.status.contains("CrashLoop") || p.status == "Error")
                .filter(|p| !is_job(p))
                .collect();
            if let Some(pod) = bad.first() {
                let names: Vec<String> =
                    bad.iter().map(|p| format!("{} ({} restarts)", p.name, p.restarts)).collect();
                return Some(Hit::of(56).quote(pod.line).fact("pods", list(&names, 4)));
            }
            seen.says(50, &["crashloopbackoff", "back-off restarting"])
        },
        cause: "[[<<pods>>. ]]The last log lines of the former container say why it ended: a \
            configuration or nodes.conf that does not load (exit 1), memory \
            (137), a probe (143), a crash (139).",
        check: "kubectl logs --previous, and Last State in kubectl describe pod.",
        fix: &[
            "Act on that line; stop the restarts (scale or pause) before anything is changed on \
             the volume.",
        ],
        never: &["Do not delete the volume or nodes.conf to make it start."],
        like: &["NODES_CONF_CORRUPT", "OOM_KILLED", "K8S_LIVENESS_KILLS_LOADING"],
    },
    Cause {
        code: "K8S_SERVICE_IP_AS_NODE",
        title: "The cluster is made of Service addresses instead of the pods' own",
        side: Side::Platform,
        when: made_of_service_ips,
        cause: "The nodes are named by <<places>>, which are virtual addresses of Services \
            (CLUSTER-IP). A Service passes on only the ports that it lists, so the bus port \
            (client port + 10000) is not among them, and a node that connects out comes from its \
            pod's address and not from the Service's: the peer it meets is never the one it \
            expects, and the handshake does not end.",
        check: "kubectl get svc beside kubectl get pods -o wide: which of the two lists has the \
            addresses that were given to create or MEET? And does the Service list port 16379?",
        fix: &[
            "Simplest: a StatefulSet with a headless Service (clusterIP: None), and create with the \
             pods' own IPs.",
            "If the Services' addresses shall last: one Service for each pod with both ports \
             (6379 and 16379), and on each node cluster-announce-ip set to its Service's address.",
            "If the nodes of the attempt are new and empty (DBSIZE 0 on each), blank them (stop, \
             move nodes.conf aside, start) before the next one.",
        ],
        never: &[
            "Do not repeat create over the half-joined nodes.",
            "Do not put one Service with several pods behind one node address.",
        ],
        like: &["BUS_PORT_BLOCKED", "ANNOUNCE_ADDRESS_WRONG"],
    },
    Cause {
        code: "SHARD_COLOCATED",
        title: "A primary and its replica are on one machine",
        side: Side::Platform,
        when: |seen| {
            let warned = seen.says(
                74,
                &["are in the same host as their master", "are in the same host as their primary"],
            );
            if warned.is_some() {
                return warned;
            }
            if let Some(hit) = shard_at_one_address(seen) {
                return Some(hit);
            }
            let table = seen.table()?;
            let pair = table.rows.iter().find_map(|row| {
                let above = row.primary.as_ref()?;
                let primary = table.rows.iter().find(|p| p.id == *above)?;
                let machine = |ip: &str| {
                    seen.pods.iter().find(|pod| pod.ip.as_deref() == Some(ip))?.machine.clone()
                };
                let (a, b) = (machine(&row.address.ip)?, machine(&primary.address.ip)?);
                (a == b).then_some((row, primary, a))
            })?;
            Some(
                Hit::of(50)
                    .quote(pair.0.line)
                    .quote(pair.1.line)
                    .fact("machine", pair.2)
                    .fact("places", format!("{} and {}", pair.1.place(), pair.0.place())),
            )
        },
        cause: "<<places>> are one shard and run on <<machine>>: when that machine goes, the \
            shard goes.",
        check: "kubectl get pods -o wide beside CLUSTER NODES.",
        fix: &[
            "Nothing is broken by it: first settle whatever else is wrong with the cluster.",
            "Set anti-affinity (or add a replica on another machine), so that the next restart \
             parts them.",
            "Or, once all is well, swap replicas between shards, one at a time: CLUSTER REPLICATE \
             <primary on another machine> on a replica whose present primary is up; wait for \
             master_link_status:up. It drops that replica's copy and costs a full sync.",
        ],
        never: &["Do not move both members at a time, and no replica whose primary is down."],
        like: &["REPLICA_PILEUP"],
    },
    Cause {
        code: "PRIMARIES_COLOCATED",
        title: "Most primaries with slots are on one machine, whose loss takes the majority",
        side: Side::Platform,
        when: primaries_on_one_machine,
        cause: "<<many>> of <<voters>> primaries with slots run on <<machine>>. When that machine \
            goes, too few are left to vote, so no replica can be elected, however many live on \
            other machines: the cluster stays down until it is back. Failovers move primaries \
            together over time, also where they were spread at first.",
        check: "The machine of each pod (kubectl get pods -o wide) or the ip of each row, beside the \
            rows with slots in CLUSTER NODES.",
        fix: &[
            "While all are up: CLUSTER FAILOVER (without FORCE) on replicas on other machines, one \
             after the other, until no machine has half of the primaries. It loses nothing.",
            "Spread them for good: three machines or zones at least, with topologySpreadConstraints \
             or anti-affinity.",
        ],
        never: &[
            "Do not use FORCE or TAKEOVER for it: the primaries are well.",
            "Do not shut the machine down before the primaries are spread.",
        ],
        like: &["SHARD_COLOCATED", "QUORUM_LOST"],
    },
];

/// Whether a pod is one of a Job that failed: it ran once, and no server is in it.
/// What is left of the cluster knows nobody and has no slot.
fn left_empty(seen: &Seen, hit: Hit) -> Hit {
    let block = seen.blocks.iter().find(|block| {
        block.fields.is("cluster_known_nodes", "1")
            && block.fields.is("cluster_slots_assigned", "0")
    });
    let Some(block) = block else { return hit };
    let tls = if seen.has(&["http request", "ssl routines"]) {
        " The TLS line beside it comes from somebody who speaks plainly to a TLS port (a probe, an \
         exporter, a client); that is to be set right, and no slot depends on it."
    } else {
        ""
    };
    hit.quotes(block.lines.get("cluster_slots_assigned").copied()).note(format!(
        "The node that was asked knows only itself and owns no slot: it is not the old cluster (a \
         new id, an empty volume, or never joined). The slots and keys are with the ids on the \
         volumes of the former pods. A cluster has at least three primaries, so it cannot be \
         shrunk below that at all.{tls}"
    ))
}

/// Whether every pod that was once 'Terminating' is 'Running' further down: the lines of a watch.
fn ended_and_runs_again(seen: &Seen) -> bool {
    let ending: Vec<_> = seen.pods.iter().filter(|pod| pod.status == "Terminating").collect();
    !ending.is_empty()
        && ending.iter().all(|old| {
            let mut later = seen.pods.iter().filter(|pod| pod.line > old.line);
            later.any(|pod| pod.name == old.name && pod.status == "Running")
        })
}

fn is_job(pod: &Pod) -> bool {
    let named = ["-job-", "-hook-", "-init-", "provision", "-create-", "-update-"];
    pod.restarts == 0 && pod.status == "Error" && named.iter().any(|n| pod.name.contains(n))
}

/// A primary and its replica at one address, while others are spread over several: a failover
/// does not look at machines.
fn shard_at_one_address(seen: &Seen) -> Option<Hit> {
    let rows = &seen.table().filter(|_| seen.pods.is_empty())?.rows;
    let ips: BTreeSet<&str> = rows.iter().map(|row| row.address.ip.as_str()).collect();
    let pairs: Vec<(&Row, &Row)> = rows
        .iter()
        .filter_map(|row| {
            let above = row.primary.as_ref()?;
            Some((rows.iter().find(|primary| primary.id == *above)?, row))
        })
        .collect();
    let together = |pair: &&(&Row, &Row)| pair.0.address.ip == pair.1.address.ip;
    let first = pairs.iter().find(together)?;
    let apart = pairs.iter().any(|pair| pair.0.address.ip != pair.1.address.ip);
    (ips.len() >= 2 && apart && !first.0.address.ip.is_empty()).then(|| {
        Hit::of(43)
            .quote(first.0.line)
            .quote(first.1.line)
            .fact("machine", first.0.address.ip.clone())
            .fact("places", format!("{} and {}", first.0.place(), first.1.place()))
            .note(
                "Roles move with every failover, and no election looks at machines: what create \
                 spread well can come together later. Nothing is lost now.",
            )
            .step(format!(
                "Swap replicas: on a replica of another shard on another machine, CLUSTER \
                 REPLICATE {}; when it is in sync, on {} CLUSTER REPLICATE of the shard that lost \
                 its replica by that.",
                first.0.id,
                first.1.place()
            ))
    })
}

/// Addresses of Services (rows of `kubectl get svc`) that are dialled as nodes.
fn made_of_service_ips(seen: &Seen) -> Option<Hit> {
    let virtual_ip = |lower: &str| {
        let row = lower.contains("/tcp") && !lower.contains("->");
        let ip = lower.split_whitespace().skip(1).take(2).find(|word| is_ipv4(word))?;
        row.then(|| ip.to_owned())
    };
    let services: Vec<(usize, String)> = seen
        .lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, virtual_ip(&line.lower)?)))
        .collect();
    let used = |ip: &String| seen.addresses.keys().any(|(host, port)| host == ip && *port != 443);
    let named: Vec<&(usize, String)> = services.iter().filter(|(_, ip)| used(ip)).collect();
    let joins = seen.has(&["waiting for the cluster to join"]);
    let balancer =
        |at: usize| seen.lines.get(at).is_some_and(|line| line.lower.contains(" loadbalancer "));
    let balancers: Vec<usize> =
        services.iter().map(|(at, _)| *at).filter(|at| balancer(*at)).collect();
    if named.len() < 2 && balancers.len() >= 2 && joins {
        return Some(
            Hit::of(84)
                .quotes(balancers.iter().copied().take(3))
                .fact("places", "the addresses of one load balancer for each node"),
        );
    }
    let waits =
        seen.has(&["waiting for the cluster to join", "cluster meet", "handshake", "fail?"]);
    (named.len() >= 2 && waits).then(|| {
        let places: Vec<String> = named.iter().map(|(_, ip)| ip.clone()).collect();
        Hit::of(90)
            .quotes(named.iter().map(|(at, _)| *at).take(3))
            .quotes(seen.lines_with(&["waiting for the cluster to join"]).into_iter().take(1))
            .fact("places", list(&places, 4))
    })
}

/// `persistence:` of a chart's values, and a few lines below it `enabled: false`.
fn persistence_off(seen: &Seen) -> Option<Hit> {
    const NEAR: usize = 6;
    let head = seen.lines.iter().position(|line| line.lower.trim() == "persistence:")?;
    let below = seen.lines.iter().enumerate().skip(head + 1).take(NEAR);
    let (at, _) = below.into_iter().find(|(_, line)| line.lower.trim() == "enabled: false")?;
    Some(Hit::of(74).quote(head).quote(at))
}

/// More than half of the living primaries with slots on one machine of several.
fn primaries_on_one_machine(seen: &Seen) -> Option<Hit> {
    let owners = seen.owners();
    let machine = |row: &Row| {
        let pod = seen.pods.iter().find(|pod| pod.ip.as_deref() == Some(row.address.ip.as_str()));
        pod.and_then(|pod| pod.machine.clone()).filter(|_| seen.pods.len() > 1)
    };
    let all: Vec<String> = seen.table()?.rows.iter().filter_map(machine).collect();
    let several = all.iter().any(|one| Some(one) != all.first());
    if owners.len() < 3 || !several || owners.iter().any(|row| row.is_failing()) {
        return None;
    }
    let on = |name: &str| owners.iter().filter(|row| machine(row).as_deref() == Some(name)).count();
    let most = all.iter().max_by_key(|name| on(name))?;
    (2 * on(most) > owners.len()).then(|| {
        Hit::of(58)
            .quotes(owners.iter().map(|row| row.line).take(3))
            .fact("machine", most.clone())
            .fact("many", on(most).to_string())
            .fact("voters", owners.len().to_string())
    })
}
