//! Commands that a server refuses, and what the refusal means.

use crate::explain::cause::{Cause, Hit, Side};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "REPLICAOF_IN_CLUSTER_MODE",
        title: "REPLICAOF (SLAVEOF) does not exist in cluster mode",
        side: Side::Command,
        when: |seen| {
            seen.says(
                92,
                &[
                    "replicaof not allowed in cluster mode",
                    "slaveof not allowed in cluster mode",
                    "replicaof directive not allowed in cluster mode",
                    "slaveof directive not allowed in cluster mode",
                ],
            )
        },
        cause: "In cluster mode roles are part of the cluster's table, so a node becomes a \
            replica by \
            CLUSTER REPLICATE of a primary's node id, not by REPLICAOF with an address. A \
            replicaof line in the configuration file stops the server at its start for the same \
            reason.",
        check: "INFO server shows redis_mode:cluster; grep replicaof in the configuration.",
        fix: &[
            "Remove replicaof/slaveof from the configuration. The node must know the primary \
             (CLUSTER MEET \
             first) and be empty; then on the future replica: CLUSTER REPLICATE <node id of the \
             primary>.",
            "Sentinel and replication operators use REPLICAOF: do not point them at a cluster.",
        ],
        never: &["Do not switch cluster-enabled off on a node that has slots, to get past this."],
        like: &["CLUSTER_DISABLED_ON_NODE"],
    },
    Cause {
        code: "REPLICATE_UNKNOWN_NODE",
        title: "CLUSTER REPLICATE names an id that this node does not know",
        side: Side::Command,
        when: |seen| {
            let unknown = seen.says(88, &["unknown node ", "no such node", "no such master id"])?;
            let context =
                ["cluster replicate", "--cluster-slave", "--cluster-master-id", "add-node"];
            seen.has(&context).then_some(unknown)
        },
        cause: "The node was told to copy a primary whose id is not in its own table[[ \
            (<<id>>)]]: it was \
            not met yet, gossip has not arrived (a few seconds after MEET), the id belongs to \
            another \
            cluster, or it is the id of a node that has since got a new one.",
        check: "CLUSTER NODES on the node that refused, and CLUSTER MYID on the primary: is that \
            id there?",
        fix: &[
            "CLUSTER MEET <ip> <port> of a member, wait until CLUSTER NODES here lists the \
             primary without \
             handshake, then CLUSTER REPLICATE again.",
            "If MEET never completes, the bus port between the two is closed: see \
             BUS_PORT_BLOCKED.",
        ],
        never: &["Do not reset the primary to get the wanted id: its slots would be lost with it."],
        like: &["BUS_PORT_BLOCKED", "HANDSHAKE_NEVER_COMPLETES"],
    },
    Cause {
        code: "RESHARD_SOURCE_BECAME_REPLICA",
        title: "The source gave away its last slot and became a replica in the middle of the \
            reshard",
        side: Side::Command,
        when: |seen| {
            let hit = seen.says(84, &["please use setslot only with masters"])?;
            let moving = seen.has(&["moving slot", "reshard", "rebalance", "--cluster-from"]);
            moving.then(|| hit.more_if(8, seen.version().is_some_and(|version| version >= (6, 2))))
        },
        cause: "Since 6.2 (cluster-allow-replica-migration yes, the default) a primary that \
            loses its last \
            slot turns into a replica of the one that got it. The tool tells the target first, \
            so the \
            source changes its role before the tool's own SETSLOT reaches it and answers 'use \
            SETSLOT \
            only with masters' (redis/redis#9223). The slot itself has moved; nothing is lost.",
        check: "redis-cli --cluster check: all 16384 slots covered, none open; CLUSTER NODES \
            shows the old \
            source as slave.",
        fix: &[
            "If the check is clean the move is complete: the emptied node is a replica now; \
             remove it with \
             del-node if it was meant to go.",
            "To keep it a primary while you work: CONFIG SET cluster-allow-replica-migration no \
             on the source \
             before the last slots move (and yes again later).",
            "If the check shows open slots, finish them one by one with the counts of both sides \
             in view.",
        ],
        never: &[
            "Do not reset the emptied node before the check is clean.",
            "Do not run --cluster fix on a slot whose keys you have not counted on both sides.",
        ],
        like: &["SLOT_BUSY_OR_LOCAL_COMMAND", "SLOT_OPEN"],
    },
    Cause {
        code: "CREATE_ON_SLOTS_OF_EARLIER_ATTEMPT",
        title: "A node already has slots from an earlier attempt to create the cluster",
        side: Side::Command,
        when: |seen| {
            let hit = seen.says(78, &["is already busy"])?;
            let create = seen.has(&[
                "can i set the above configuration",
                "redis-trib",
                "--cluster create",
                "performing hash slots allocation",
                "addslots",
            ]);
            create.then(|| hit.more_if(10, seen.has(&["slot 0 is already busy"])))
        },
        cause: "create gives slots with ADDSLOTS, which a node refuses for a slot that its own \
            table already \
            gives to somebody: an earlier attempt (or an older cluster) is still in its \
            nodes.conf. The \
            attempt has stopped half way, so some nodes have slots of it and others not.",
        check: "CLUSTER INFO and CLUSTER NODES on every node named, and DBSIZE: is it left-over \
            state only, or a \
            cluster with keys that somebody uses?",
        fix: &[
            "If any node holds keys (DBSIZE above 0), stop: find out whose they are first.",
            "If all are empty: on each node CLUSTER RESET SOFT (refused while keys are there, \
             which \
             protects you); CLUSTER INFO must then show known_nodes 1 and slots_assigned 0.",
            "Run create once, with all nodes.",
        ],
        never: &[
            "Do not empty a node to get past the refusal before you know whose keys it has.",
            "Do not DELSLOTS on some nodes of a cluster that is in use.",
        ],
        like: &["LEFTOVER_CLUSTER_STATE_ON_NODE"],
    },
    Cause {
        code: "FRAMEWORK_WITHOUT_CLUSTER_SUPPORT",
        title: "This framework does not support Redis Cluster",
        side: Side::Client,
        when: |seen| {
            let symptom = [
                "moved ",
                "crossslot",
                "select is not allowed in cluster mode",
                "cluster mode",
                "hash to the same slot",
            ];
            let hit = Hit::of(0);
            let framework = [
                ("Celery (kombu)", &["celery", "kombu"][..]),
                ("Sidekiq", &["sidekiq"]),
                ("Django channels_redis without sharding", &["channels_redis"]),
                ("RQ", &["rq.worker", "from rq import"]),
                ("Resque", &["resque"]),
            ];
            let (name, words) = framework.into_iter().find(|(_, words)| seen.has(words))?;
            let lines = seen.lines_with(&symptom);
            (!lines.is_empty()).then(|| {
                Hit { score: 98, ..hit }
                    .quotes(lines)
                    .quotes(seen.lines_with(words).into_iter().take(1))
                    .fact("name", name)
            })
        },
        cause: "<<name>> speaks to one Redis server: it uses keys of different slots in one \
            command or \
            script, other databases than 0, and does not follow MOVED. A cluster refuses all of \
            that, \
            and no setting of the cluster changes it. The cluster is not at fault.",
        check: "The documentation of <<name>>: which brokers it supports; redis-cli -c against \
            the cluster \
            answers normally.",
        fix: &[
            "Give <<name>> a Redis or Valkey of its own without cluster mode (one primary with \
             replicas, \
             Sentinel for failover), and keep the cluster for what speaks cluster.",
        ],
        never: &[
            "Do not repair, reshard or recreate the cluster: it is healthy.",
            "Do not switch cluster-enabled off on nodes that hold slots.",
        ],
        like: &["CROSSSLOT_NO_HASH_TAG", "NON_CLUSTER_CLIENT"],
    },
    Cause {
        code: "CLIENT_SEES_UNCOVERED_SLOTS",
        title: "The client refuses to work because its map does not cover all slots",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                72,
                &[
                    "not all slots covered",
                    "all slots are not covered",
                    "not all slots are covered",
                ],
            )
        },
        cause: "The client asked the cluster for its map and got fewer than 16384 slots with a \
            live \
            owner[[ (<<count>>)]]. Either slots belong to nobody, or primaries are flagged fail \
            and the \
            client leaves them out, or the map came from a node with an old table.",
        check: "CLUSTER INFO on every node: slots_assigned below 16384 means slots without owner; \
            slots_assigned 16384 with slots_fail or slots_pfail above 0 means an owner is down.",
        fix: &[
            "An owner is down: bring that primary back, or let its replica take over; slots \
             return with it.",
            "Slots without owner: find the node that has their keys (CLUSTER COUNTKEYSINSLOT on \
             each node) \
             before any slot is given away.",
            "Send CLUSTER NODES of all nodes to tell which of the two it is.",
        ],
        never: &[
            "Do not switch the client's coverage check off as the cure: keys of those slots stay \
             unreachable.",
            "Do not give slots to a node (ADDSLOTS, --cluster fix) before their keys are found.",
        ],
        like: &["SHARD_DOWN", "UNASSIGNED_SLOTS_SHARD_FORGOTTEN"],
    },
    Cause {
        code: "IOREDIS_OFFLINE_QUEUE_OFF",
        title: "ioredis is told not to queue, so its own CLUSTER SLOTS fails before it is \
            connected",
        side: Side::Client,
        when: |seen| {
            let off = seen
                .says(0, &["enableofflinequeue: false", "enableofflinequeue options is false"])?;
            let failed = seen.has(&[
                "failed to refresh slots cache",
                "stream isn't writeable",
                "clusterallfailederror",
            ]);
            failed.then_some(Hit { score: 91, ..off })
        },
        cause: "With enableOfflineQueue false in redisOptions a command is refused until the \
            connection is \
            ready. ioredis sends CLUSTER SLOTS to its start nodes on connections that are just \
            being \
            opened, so that question itself is refused ('Stream isn't writeable and \
            enableOfflineQueue options is false') and the map cannot be had. The cluster is \
            healthy.",
        check: "The same program with enableOfflineQueue left out of redisOptions; lastNodeError \
            of the error.",
        fix: &[
            "Take enableOfflineQueue out of redisOptions. To fail fast set it on the Cluster \
             options only, \
             and wait for the 'ready' event before the first command (or use lazyConnect with \
             await connect()).",
            "maxRetriesPerRequest and commandTimeout bound the waiting instead.",
        ],
        never: &["Do not repair the cluster: nothing is wrong with it."],
        like: &["IOREDIS_ALL_STARTUP_NODES_FAILED"],
    },
];
