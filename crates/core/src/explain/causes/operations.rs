//! What rolling updates, upgrades, tools and load do to a cluster.

use crate::explain::cause::{Cause, Hit, Side};

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "BUS_MESSAGE_REJECTED",
        title: "Servers of different versions drop each other's bus packets",
        side: Side::Cluster,
        when: |seen| {
            let rejected = seen.says(
                86,
                &["packet of length", "invalid cluster bus packet", "but expected length"],
            );
            rejected.or_else(|| {
                let lost = seen.failing();
                let over_links = lost.len() >= 2 && lost.iter().all(|row| row.linked == Some(true));
                let both: [&[&str]; 2] =
                    [&["6.2.", "6.0.", "5.0.", "4.0."], &["7.2.", "7.4.", "8.0."]];
                let named = seen.says_all(66, &both).filter(|_| over_links);
                let mixed = named.or_else(|| {
                    seen.says_all(
                        66,
                        &[
                            &["6.2", "6.0", "5.0", "4.0."],
                            &["7.2", "7.4", "8.0"],
                            &["upgrad", "mixed", "rolling"],
                        ],
                    )
                })?;
                seen.has(&["fail?", "handshake", "pfail", "master,fail"])
                    .then(|| mixed.more_if(18, over_links))
            })
        },
        cause: "Since 7.0 a bus packet can carry extensions (shard id, host name, forgotten \
            nodes). Redis 7.2 and 7.4 send them to everybody; servers before 7.0 take a packet \
            that is longer than they expect for broken and drop it. So old nodes flag new ones \
            fail?, or they never join, while every port is open (redis/redis#13401, #13465).",
        check: "INFO server redis_version on every node; which pairs fail: only old against new?",
        fix: &[
            "Do not stay in the mix: bring all nodes to one version, replicas first, then \
             CLUSTER FAILOVER and the \
             old primaries.",
            "From 6.2 go by 7.0 (without cluster-announce-hostname), or straight to a version that \
             sends extensions only to those who know them (Redis 8.0, Valkey 7.2.4 and later).",
        ],
        never: &[
            "Do not FORGET or reset nodes for it: they are fine.",
            "A firewall is not the cause when only pairs of old and new fail.",
        ],
        like: &["BUS_PORT_BLOCKED", "MIXED_VERSIONS"],
    },
    Cause {
        code: "LIGHT_MESSAGE_LINK_LOOP",
        title: "Pub/sub traffic keeps bus links from coming back (a Valkey bug)",
        side: Side::Cluster,
        when: |seen| seen.says(94, &["lightweight message of type"]),
        cause: "A new bus link must begin with a PING. Under heavy pub/sub these Valkey versions \
            (8.0, 8.1.0 to 8.1.4, 9.0.0) send a light publish message first; the receiver closes \
            the link, and so on for ever (valkey-io/valkey#2817). Subscribers behind the receiver \
            get nothing.",
        check: "CLUSTER LINKS: create-time of the link is always some milliseconds ago; INFO \
            server for the version.",
        fix: &[
            "Pause the publishers for one node timeout: the links come up and stay.",
            "Upgrade to 8.1.5, 9.0.1 or later, replicas first.",
        ],
        never: &["Do not restart all nodes at once for it."],
        like: &["BUS_BUFFER_GROWTH"],
    },
    Cause {
        code: "MIGRATE_BLOCKS_NODE",
        title: "Moving a huge key stops source and target for seconds",
        side: Side::Command,
        when: |seen| {
            let slow = seen
                .says_all(
                    70,
                    &[
                        &["migrate", "reshard", "rebalance", "moving slot"],
                        &[
                            "big key",
                            "huge key",
                            "large key",
                            "bigkey",
                            "restore-asking",
                            "gb zset",
                        ],
                    ],
                )
                .or_else(|| seen.line_says(70, &["timeout", "command=migrate"]))?;
            let hurt = ["timeout", "failover", "fail", "blocked", "stuck", "latency"];
            seen.has(&hurt).then(|| slow.and(seen, 8, &["as failing", "ioerr"]))
        },
        cause: "MIGRATE dumps, sends and restores a key in one go, and both servers do nothing \
            else meanwhile. A key of hundreds of megabytes takes longer than cluster-node-timeout, \
            so the others flag the node and promote its replica in the middle of the move; the \
            slot is left open and the key may be on both sides.",
        check: "MEMORY USAGE of the largest keys of the slot (redis-cli --bigkeys on a replica); \
            SLOWLOG GET shows MIGRATE or RESTORE-ASKING.",
        fix: &[
            "Let the failover settle, then finish the open slot with the counts of both sides in \
             view.",
            "Raise cluster-node-timeout on all nodes above the time of the largest transfer before \
             going on, move with --cluster-pipeline 1, and let the application split the giant \
             key.",
            "Valkey 9.0 and Redis 8.4 move slots in the background instead.",
        ],
        never: &["Do not restart the node that is busy with the transfer."],
        like: &["MIGRATE_IOERR_AMBIGUOUS", "NODE_HUNG"],
    },
    Cause {
        code: "REPLICA_READ_ANOMALY",
        title: "Reads from replicas are old, missing or redirected",
        side: Side::Client,
        when: |seen| {
            let reads = seen.says(
                60,
                &[
                    "scalereads",
                    "readfrom",
                    "read_from_replicas",
                    "readonly: true",
                    "routerandomly",
                    "routebylatency",
                    "usereplicas",
                    "replica_preferred",
                ],
            )?;
            let odd = seen.has(&[
                "stale",
                "old value",
                "returns nil",
                "returns null",
                "missing",
                "masterdown",
                "moved ",
                "inconsistent",
            ]);
            // MOVED alone is said of writes too.
            let moved = !seen.has(&["stale", "old value", "returns n", "missing", "masterdown"]);
            let down = seen.has(&["masterdown", "loading redis is", "loading valkey is"]);
            let odd = odd || down;
            odd.then(|| {
                reads.more_if(8, seen.says_ok()).less_if(10, moved && !down).more_if(18, down)
            })
        },
        cause: "Replicas answer with what they have: replication is asynchronous, so a read right \
            after a write may miss it; during a full sync they say LOADING or MASTERDOWN; a \
            connection without READONLY gets MOVED; while a slot is moved, replicas before Valkey \
            8.0 answer nil where the primary would say ASK.",
        check: "The same read from the primary; INFO replication on both: is the replica's \
            offset behind?",
        fix: &[
            "Read from the primary what must be fresh, and during repairs and moves everything.",
            "Where old reads do: bound the lag (min-replicas-max-lag tells it), and let the client \
             fall back to the primary on LOADING, MASTERDOWN and nil.",
        ],
        never: &["Do not resync or rebuild the replica when its offset keeps up."],
        like: &["REPLICA_LINK_DOWN", "CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "K8S_ROLLING_TOO_FAST",
        title: "The next pod was restarted before the last one was in sync",
        side: Side::Platform,
        when: |seen| {
            let rolling = seen.says(
                58,
                &[
                    "rollout restart",
                    "rolling update",
                    "rolling restart",
                    "kubectl drain",
                    "node drain",
                    "node rotation",
                    "evicted",
                    "helm upgrade",
                    "spot",
                ],
            )?;
            let hurt = seen.has(&[
                "master,fail",
                "clusterdown",
                "cluster_slots_fail",
                "disconnected from master",
                "master_link_status:down",
                "lost keys",
                "data loss",
                "dbsize",
            ]);
            let stale = !seen.stale_rows().is_empty();
            (hurt && !stale).then(|| {
                rolling.more_if(10, seen.has(&["poddisruptionbudget", "pdb", "maxunavailable"]))
            })
        },
        cause: "A pod counts as ready as soon as it answers PING, long before its replica has its \
            data again. The update or drain then takes the next member of the same shard (or the \
            majority of primaries) while the first still loads: for a moment the shard has no \
            complete copy, a replica with old or no data may be elected, or nobody can vote.",
        check: "Times: when did each pod restart, and when did its log say 'MASTER <-> REPLICA \
            sync: Finished with success'? Were primary and replica of one shard down together?",
        fix: &[
            "Stop the rollout (kubectl rollout pause) and let every shard come back on its own \
             volumes first.",
            "Gate each step on: cluster_state ok on all nodes, every replica's \
             master_link_status up, offsets \
             close, for two node timeouts; hand over with CLUSTER FAILOVER before a primary's \
             pod goes.",
            "PodDisruptionBudget with maxUnavailable 1, primary and replica on different machines.",
        ],
        never: &[
            "Do not rebuild or fix slots while pods are still coming back.",
            "Do not delete volumes of pods that look broken: one may hold the only complete copy.",
        ],
        like: &["SHARD_DOWN", "QUORUM_LOST", "UNSYNCED_REPLICA_PROMOTED"],
    },
    Cause {
        code: "UNSYNCED_REPLICA_PROMOTED",
        title: "A replica without the data was promoted, and the keys seem gone",
        side: Side::Cluster,
        when: |seen| {
            let won = seen.says(
                72,
                &["failover election won", "failover auth granted", "i'm the new master"],
            )?;
            let empty = seen.has(&[
                "offset 0)",
                "offset: 0",
                "master_sync_in_progress:1",
                "full resync from master",
                "keys=0",
                "dbsize 0",
                "lost keys",
                "data loss",
                "keys are gone",
                "empty after failover",
            ]);
            empty.then(|| won.and(seen, 12, &["rank #0, offset 0", "offset 0)"]))
        },
        cause: "The winner of the election had no or old data: it was the only candidate, had just \
            been attached to this primary, or was in its first full sync (its log says offset 0). \
            The former primary may still have everything on its disk, but if it simply comes back \
            it obeys the newer epoch, becomes a replica of the empty winner and flushes its \
            data.",
        check: "DBSIZE and INFO replication of the winner; is the former primary's volume (RDB, \
            AOF, nodes.conf) still there? Do not start it yet.",
        fix: &[
            "Keep the former primary down and copy its data files away: they are the last copy.",
            "Load the copy into a server of its own (no cluster, another port), and copy the \
             missing keys to the cluster from there; or bring it back as the winner with an \
             offline raised configEpoch, only with the winner stopped.",
            "Then set cluster-replica-validity-factor above 0 and gate restarts on replicas in \
             sync.",
        ],
        never: &[
            "Do not start the former primary on its files into the running cluster: it wipes \
             them by a full sync.",
            "Do not write much to the winner before the copy is safe.",
        ],
        like: &["EMPTY_PRIMARY_RESTART_WIPED_SHARD", "K8S_ROLLING_TOO_FAST"],
    },
    Cause {
        code: "FIX_TOOL_DESTRUCTIVE",
        title: "--cluster fix gave slots away whose keys are elsewhere",
        side: Side::Command,
        when: |seen| {
            let fixed = seen.says(
                66,
                &[
                    "--cluster fix",
                    "redis-trib.rb fix",
                    "redis-trib fix",
                    "cluster-fix-with-unreachable-masters",
                    "fixing slots coverage",
                    "covering slot",
                ],
            )?;
            let gone = seen.has(&[
                "keys are gone",
                "lost keys",
                "data loss",
                "keys missing",
                "lost data",
                "dbsize",
                "keys disappeared",
                "has been lost",
            ]);
            let covering = seen.has(&["covering slot", "cluster-fix-with-unreachable-masters"]);
            let gone = gone || seen.has(&["deleting keys in"]);
            (gone || covering).then(|| fixed.more_if(14, gone && covering))
        },
        cause: "fix looks at the nodes that it can reach now. Slots of primaries that were only \
            away (another address, restarting, partitioned) counted as uncovered, and it gave \
            them, empty, to others. When the true owner returns it learns the newer epoch, gives \
            the slots up and deletes its keys of them as dirty (or at its next start).",
        check: "CLUSTER NODES: scattered single slots with fresh config epochs at odd owners; is \
            the former owner still down, with its RDB and AOF?",
        fix: &[
            "If the former owner is still down: leave it down and copy its data files away first.",
            "Give the slots back before it returns: move the few new keys away, then make the \
             former owner the owner again on the nodes that hold the slots, and only then start \
             it.",
            "If it is back already and empty: load the copy of its RDB into a server of its own \
             and copy the keys into the cluster.",
        ],
        never: &[
            "Do not run fix again.",
            "Do not start the former owner before the slots are its own again.",
        ],
        like: &["UNASSIGNED_SLOTS_SHARD_FORGOTTEN", "KEYS_DELETED_ON_START"],
    },
    Cause {
        code: "CONFIG_NOT_PERSISTED",
        title: "Settings changed at run time are lost with the next restart",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                84,
                &[
                    "rewriting config file: permission denied",
                    "rewriting config file: read-only",
                    "rewriting config file: ",
                    "the server is running without a config file",
                ],
            )
        },
        cause: "CONFIG SET changes the running server only, and CONFIG REWRITE cannot write here: \
            the file is a read-only mount (a ConfigMap), belongs to another user, or there is \
            none. After a restart the old value is back, such as an old password on one node of \
            six.",
        check: "INFO server config_file, and the owner and mount of that file; CONFIG GET of the \
            setting on every node.",
        fix: &[
            "Change the source: the ConfigMap, chart values, operator resource or template; then \
             restart one node after the other, replicas first.",
            "Until then repeat the CONFIG SET on every node after a restart.",
        ],
        never: &["Do not make the data directory or the secret world-writable for it."],
        like: &["CONFIG_DRIFT", "AUTH_MISMATCH"],
    },
    Cause {
        code: "GOSSIP_TOO_SLOW",
        title: "In a big cluster, news of joins and failures spread too slowly",
        side: Side::Cluster,
        when: |seen| {
            let many = seen.number("cluster_known_nodes").filter(|known| *known >= 150)?;
            let slow = seen.has(&[
                "minutes",
                "slow",
                "handshake",
                "fail?",
                "pfail",
                "fail message received",
                "differ",
            ]);
            slow.then(|| {
                Hit::of(70)
                    .less_if(10, seen.has(&["clear fail state"]))
                    .quotes(seen.field_line("cluster_known_nodes"))
                    .fact("nodes", many.to_string())
            })
        },
        cause: "With <<nodes>> nodes each packet carries news of a tenth of them, chosen at \
            random, so it takes many rounds until a join or a failure is known everywhere; with a \
            short node timeout the pings alone load every node (they grow with the square of the \
            number). Nodes stay in handshake or fail? for minutes, and views differ meanwhile.",
        check: "cluster_stats_messages_* per second and the CPU of the nodes; does \
            cluster_known_nodes differ between \
            nodes, and does it settle?",
        fix: &[
            "Add nodes in small batches and wait until cluster_known_nodes is equal everywhere; \
             MEET a new node with several old ones.",
            "Raise cluster-node-timeout moderately (15 to 30 seconds), fewer instances per \
             machine, none on a machine that swaps or saves for all at once.",
            "Upgrade: 7.0.3 and later build pings much faster; Valkey 9.1 lets you raise \
             cluster-message-gossip-perc.",
        ],
        never: &["Do not FORGET and re-add nodes that are merely late."],
        like: &["TIMEOUT_FLAPPING", "BUS_PORT_BLOCKED"],
    },
    Cause {
        code: "SNAPSHOT_ON_WRONG_NODE",
        title: "A backup was restored into a node that owns other slots",
        side: Side::Command,
        when: |seen| {
            let restored = seen.says(
                62,
                &["dump.rdb", "restored", "restore the rdb", "copied rdb", "backup", "snapshot"],
            )?;
            let odd = seen.has(&[
                "i have keys for slot",
                "i have keys for unassigned slot",
                "taking responsibility for it",
                "importing state",
                "keys missing",
                "key not found",
                "deleting keys in",
            ]);
            odd.then(|| {
                restored
                    .more_if(16, seen.has(&["i have keys for"]) && seen.has(&["restor", "backup"]))
            })
        },
        cause: "Each node loads only its own slots. The RDB holds keys of slots that this node \
            does not own (pod numbers and shards part ways with every failover and reshard), so at \
            start the server marks those slots as importing, claims unassigned ones, or (Redis \
            8.4, Valkey 8.0 and later) deletes the keys.",
        check: "Which slots does each RDB hold (redis-cli --rdb into a scratch server, or count by \
            CLUSTER KEYSLOT), beside the owner in CLUSTER NODES?",
        fix: &[
            "Stop the node and keep the RDB aside; nothing is lost while the file is.",
            "Match files to owners by their slots, not by name, and restore each with its own \
             nodes.conf; or load each file into a scratch server without cluster mode and copy the \
             keys in through a cluster client.",
        ],
        never: &[
            "Do not start a node on a file of other slots to see what happens.",
            "Do not overwrite the only copy of the RDB: the server saves over it.",
        ],
        like: &["KEYS_IN_FOREIGN_SLOT", "KEYS_DELETED_ON_START"],
    },
    Cause {
        code: "CLIENT_RECONNECT_STORM",
        title: "Clients reconnect all at once and keep the cluster from recovering",
        side: Side::Client,
        when: |seen| {
            let storm = seen.says(
                70,
                &[
                    "reconnect storm",
                    "connection storm",
                    "thundering herd",
                    "cmdstat_cluster|slots:calls=",
                    "cmdstat_cluster:calls=",
                ],
            )?;
            let load =
                seen.has(&["rejected_connections", "total_connections_received", "cpu", "100%"]);
            load.then_some(storm)
        },
        cause: "After an outage every client instance asks for the map and opens its pools again, \
            many times a second: CLUSTER SLOTS and TLS handshakes take the servers' only thread, \
            pings of the bus are answered late, and nodes are flagged fail by the load itself.",
        check: "INFO commandstats cluster|slots per second, total_connections_received and \
            rejected_connections per second.",
        fix: &[
            "Let clients in slowly: shed part of them at the load balancer or by a network \
             policy, and open it step by \
             step.",
            "Back-off with jitter in every client, smaller pools; Valkey 8.0 and later answers \
             CLUSTER SLOTS from a cache.",
        ],
        never: &["Do not restart nodes to get rid of the connections: all of them come again."],
        like: &["MAXCLIENTS_EXHAUSTED", "NODE_HUNG"],
    },
    Cause {
        code: "K8S_SERVICE_SELECTOR_OVERLAP",
        title: "Pods of two clusters stand behind one Service or label",
        side: Side::Platform,
        when: |seen| {
            let overlap = seen.says(
                66,
                &["same label", "same selector", "same labels", "two clusters", "another cluster"],
            )?;
            let service =
                seen.has(&["selector", "service", "endpoints", "statefulset", "headless"]);
            service
                .then(|| overlap.more_if(10, seen.has(&["cluster meet", "known_nodes", "merged"])))
        },
        cause: "The selector of the Service matches the pods of both deployments. Clients that \
            start from its name meet now the one and now the other cluster, and a script or \
            operator that sends CLUSTER MEET to its addresses joins the two: slots that both own \
            go to the one with the higher epoch, and the other side's primaries become replicas \
            and flush their data.",
        check: "kubectl get endpointslices of the Service, and CLUSTER MYID or CLUSTER NODES at \
            each address: do the ids \
            belong to one graph?",
        fix: &[
            "Make the labels differ and the selector exact before anything is met or restarted.",
            "If the two have met already: cut the networks between them first, then FORGET the \
             foreign ids on every node of each side.",
        ],
        never: &[
            "No MEET by a Service name or an unchecked list of addresses.",
            "No --cluster fix on two merged clusters.",
        ],
        like: &["CLONED_CLUSTER_HIJACK", "SINGLE_VIP_FRONT"],
    },
    Cause {
        code: "SLOT_IMBALANCE_OR_HOTSPOT",
        title: "One shard carries far more load or memory than the others",
        side: Side::Application,
        when: |seen| {
            seen.says_all(
                66,
                &[
                    &[
                        "hot key",
                        "hotkey",
                        "hotspot",
                        "hot spot",
                        "one shard",
                        "one node",
                        "unbalanced",
                    ],
                    &["cpu", "memory", "oom", "qps", "ops", "latency"],
                    &["hash tag", "hashtag", "{", "big key", "other nodes are", "others are idle"],
                ],
            )
        },
        cause: "Slots are spread evenly, load is not: one hash tag puts all its keys into one \
            slot, one big or hot key lives on one node, and a rebalance by the number of slots \
            does not change that.",
        check: "redis-cli --bigkeys and --hotkeys (LFU) on that node; CLUSTER SLOT-STATS (Redis \
            8.2, Valkey 8.0) for keys, \
            CPU and bytes per slot.",
        fix: &[
            "Split the tag or the key (suffix by a hash of the member), read hot keys through a \
             local cache.",
            "Move whole slots by their statistics, not by their number.",
        ],
        never: &["Do not add nodes and rebalance by slot count for a single hot slot: it moves \
        as a whole."],
        like: &["MAXMEMORY_REACHED"],
    },
    Cause {
        code: "K8S_TERMINATION_TOO_FAST",
        title: "Pods are killed before the server has shut down in order",
        side: Side::Platform,
        when: |seen| {
            let short = seen.says(
                64,
                &[
                    "terminationgraceperiodseconds",
                    "terminationgraceperiod",
                    "prestop",
                    "sigterm",
                    "exit code 137",
                ],
            )?;
            let hurt = seen.has(&[
                "failover",
                "truncated",
                "short read or oom loading",
                "unexpected end of file",
                "write outage",
                "downtime",
            ]);
            (hurt && !seen.has(&["oomkilled", "oom killed"])).then_some(short)
        },
        cause: "On SIGTERM the server saves and (7.0 and later) waits up to ten seconds for its \
            replicas. A shorter grace period, or a shell as process 1 that does not hand the \
            signal on, ends it by SIGKILL: the AOF is cut short, and each primary's restart is an \
            unplanned failover with a node timeout of refused writes.",
        check: "Does the log of the old pod end with 'User requested shutdown' and 'bye bye'? \
            terminationGracePeriodSeconds \
            beside the time of a save.",
        fix: &[
            "Raise terminationGracePeriodSeconds above save time plus shutdown-timeout, and exec \
             the server so that it is process 1.",
            "preStop on a primary: CLUSTER FAILOVER on one of its replicas, and wait until the \
             role has changed; Valkey 9.0: shutdown-on-sigterm failover.",
        ],
        never: &["No force deletion (--grace-period=0) of pods with data."],
        like: &["AOF_OR_RDB_CORRUPT", "K8S_ROLLING_TOO_FAST"],
    },
];
