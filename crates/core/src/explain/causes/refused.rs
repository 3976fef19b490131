//! Commands that a server refuses, and what the refusal means.

use super::holes;
use super::local_slots;
use super::products::{self, Stands};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::lines::Line;
use crate::explain::seen::Seen;
use crate::explain::table::Row;
use crate::model::Flag;

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
        cause: "In cluster mode roles are part of the cluster's table, so a node becomes a replica \
            by CLUSTER REPLICATE of a primary's node id, not by REPLICAOF with an address. A \
            replicaof line in the configuration file stops the server at its start for the same \
            reason.",
        check: "INFO server shows redis_mode:cluster; grep replicaof in the configuration.",
        fix: &[
            "Remove replicaof/slaveof from the configuration. The node must know the primary \
             (CLUSTER MEET first) and be empty; then on the future replica: CLUSTER REPLICATE \
             <node id of the primary>.",
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
        cause: "The node was told to copy a primary whose id is not in its own table[[ (<<id>>)]]: \
            it was not met yet, gossip has not arrived (a few seconds after MEET), the id belongs \
            to another cluster, or it is the id of a node that has since got a new one.",
        check: "CLUSTER NODES on the node that refused, and CLUSTER MYID on the primary: is that \
            id there?",
        fix: &[
            "CLUSTER MEET <ip> <port> of a member, wait until CLUSTER NODES here lists the primary \
             without handshake, then CLUSTER REPLICATE again.",
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
            let refused = seen.says(84, &["please use setslot only with masters"]);
            let hit = refused.or_else(|| {
                let became = ["reconfiguring myself as a replica"];
                seen.says_all(80, &[&["moving slot", "moving slots"], &became])
            })?;
            let moving =
                seen.has(&["moving slot", "slots from", "reshard", "rebalance", "--cluster-from"]);
            moving.then(|| hit.more_if(8, seen.version().is_some_and(|version| version >= (6, 2))))
        },
        cause: "Since 6.2 (cluster-allow-replica-migration yes, the default) a primary that loses \
            its last slot turns into a replica of the one that got it. The tool tells the target \
            first, so the source changes its role before the tool's own SETSLOT reaches it and \
            answers 'use SETSLOT only with masters' (redis/redis#9223). The slot itself has moved; \
            nothing is lost.",
        check: "redis-cli --cluster check: all 16384 slots covered, none open; CLUSTER NODES shows \
            the old source as slave.",
        fix: &[
            "If the check is clean the move is complete: the emptied node is a replica now; remove \
             it with del-node if it was meant to go.",
            "To keep it a primary while you work: CONFIG SET cluster-allow-replica-migration no on \
             the source before the last slots move (and yes again later).",
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
            let hit = seen.says(82, &["is already busy"])?;
            let create = seen.has(&[
                "can i set the above configuration",
                "redis-trib",
                "--cluster create",
                "performing hash slots allocation",
            ]);
            // Typed at a cluster that lives, it is no create that is refused.
            let create = create || seen.has(&["addslots"]) && !local_slots::lives(seen);
            create.then(|| hit.more_if(6, seen.has(&["slot 0 is already busy"])))
        },
        cause: "create gives slots with ADDSLOTS, which a node refuses for a slot that its own \
            table already gives to somebody: an earlier attempt (or an older cluster) is still in \
            its nodes.conf. The check before it looks at known nodes and keys only, not at slots. \
            The attempt has stopped half way, so some nodes may have slots of it and others not.",
        check: "CLUSTER INFO and CLUSTER NODES on every node named, and DBSIZE: is it left-over \
            state only, or a cluster with keys that somebody uses?",
        fix: &[
            "If any node holds keys (DBSIZE above 0), stop: find out whose they are first.",
            "If all are empty, replicas as well: on each node CLUSTER RESET SOFT (a primary refuses \
             it while it has keys; a replica does not, and drops its copy); CLUSTER INFO must then \
             show known_nodes 1 and slots_assigned 0.",
            "Run create once, with all nodes.",
        ],
        never: &[
            "Do not empty a node to get past the refusal before you know whose keys it has.",
            "Do not DELSLOTS on some nodes of a cluster that is in use.",
        ],
        like: &["LEFTOVER_CLUSTER_STATE_ON_NODE"],
    },
    Cause {
        code: "BIND_ADDRESS_NOT_HERE",
        title: "The server is told to listen on an address that this machine does not have",
        side: Side::Platform,
        when: |seen| seen.says(92, &["cannot assign requested address"]),
        cause: "bind (or the address of the bus) names an IP that no interface of this machine or \
            container has: a pod or host that came back on another IP with the old configuration, \
            a virtual IP that is on another machine now, or an announce address used as a bind \
            address.",
        check: "ip addr on the machine (or in the pod), beside bind, bind-source-addr and \
            cluster-announce-ip.",
        fix: &[
            "Bind to what the machine has: in containers bind 0.0.0.0 ::0 with a password and \
             protected-mode on; announce the outside address with cluster-announce-ip instead of \
             binding to it.",
            "Start the server again on its own data and nodes.conf.",
        ],
        never: &["Do not start it on an empty directory instead: it would get a new node id."],
        like: &["PORT_IN_USE"],
    },
    Cause {
        code: "TOOL_STOPS_AT_DEAD_NODE",
        title: "The tool stops at a dead node that is still in the table",
        side: Side::Command,
        when: |seen| {
            let tool = seen.has(&["add-node", "del-node", "reshard", "rebalance", "redis-trib"]);
            let stuck = seen.lines_with(&[
                "could not connect to redis at",
                "could not connect to valkey at",
                "sorry, can't connect to node",
            ]);
            let acts =
                seen.has(&[">>> removing node", ">>> adding node", ">>> performing cluster check"]);
            if let Some(at) = stuck.first().filter(|_| tool && acts && seen.failing().is_empty()) {
                let place = seen
                    .word_after("could not connect to redis at ")
                    .or_else(|| seen.word_after("could not connect to valkey at "))
                    .or_else(|| seen.word_after("can't connect to node "))?;
                let place = place.trim_end_matches(':').to_owned();
                // An address of the command itself is not one that the table told.
                let typed = |line: &Line| {
                    let named = ["--cluster", ">>> adding"].iter().any(|w| line.lower.contains(w));
                    named && line.text.contains(&place)
                };
                let told = !seen.lines.iter().any(typed);
                let ghost = |row: &&Row| row.place() == place && row.flags.has(Flag::Handshake);
                let ghost = seen.server_rows().find(ghost).map(|row| row.line);
                let hit = Hit::of(70).more_if(12, ghost.is_some()).quote(*at).quotes(ghost);
                let hit = hit.fact("id", "<its id>").fact("place", &*place);
                return told.then_some(hit);
            }
            let dead = seen.failing();
            let named = dead.iter().find(|row| {
                let place = row.place();
                stuck
                    .iter()
                    .any(|at| seen.lines.get(*at).is_some_and(|line| line.text.contains(&place)))
            })?;
            // What stops the tool is then the shard that nobody serves, not the dead entry.
            let served = |owner: &&&Row| {
                let follows = |row: &Row| row.primary.as_ref() == Some(&owner.id);
                seen.rows().any(|row| follows(row) && !row.is_failing())
            };
            let lost = dead.iter().any(|row| !row.slots.is_empty() && !served(&row))
                && seen.has(&["not all 16384 slots are covered"]);
            (tool && !stuck.is_empty()).then(|| {
                Hit::of(if lost { 64 } else { 88 })
                    .quotes(stuck.iter().copied().take(1))
                    .quote(named.line)
                    .fact("place", named.place())
                    .fact("id", named.id.clone())
                    .fact_if("slots", (!named.slots.is_empty()).then(|| named.slots.to_string()))
            })
        },
        cause: "redis-cli --cluster add-node, del-node, reshard and rebalance connect to every \
            node of the table first. <<place>> is gone but still listed as failed, so the tool \
            hangs or ends there, or says 'No such node ID' (redis/redis#9957, \
            valkey-io/valkey#3208). The servers' own command does not need the dead node.[[ It \
            still owns slots <<slots>>: those come first.]]",
        check: "Is that machine gone for good, and does its row own no slots? CLUSTER NODES on \
            several nodes.",
        fix: &[
            "If it can come back: start it on its own files; the tool then works again.",
            "If it is gone for good and owns no slots: CLUSTER FORGET <<id>> on every remaining \
             node within 60 seconds (redis-cli --cluster call <any node> CLUSTER FORGET <<id>> \
             sends it to all that answer).",
            "Check CLUSTER NODES on all nodes after a minute, then run the tool again.",
        ],
        never: &[
            "FORGET on one node only: gossip brings the entry back after a minute.",
            "Do not FORGET a node that owns slots before a replica has taken them over.",
            "No --cluster fix to get past it.",
        ],
        like: &["GHOST_NODE_ENTRIES", "CANNOT_CONNECT_NODE"],
    },
    Cause {
        code: "SUBSCRIBER_LEFT_BEHIND",
        title: "A subscriber stays on a node that no longer serves it after a failover",
        side: Side::Client,
        when: |seen| {
            let hit = seen.says(62, &["pub/sub", "pubsub", "subscriber", "subscription"])?;
            let silent = seen.has(&[
                "no messages",
                "stops receiving",
                "no longer receiv",
                "not receiving",
                "gets no messages",
                "messages are lost",
            ]);
            let moved = seen.has(&["failover", "demoted", "restart", "resharding", "new master"]);
            (silent && moved).then(|| hit.more_if(6, seen.client().is_some()))
        },
        cause: "Classic pub/sub is broadcast to all nodes, so a client may subscribe on any one of \
            them and stays there. When that node stalls, is cut off or its connection dies without \
            a word, the client sees no error (a subscriber only reads) and gets no messages; \
            sharded pub/sub (SSUBSCRIBE) is ended by the server when its slot moves and must be \
            asked for again. Messages of the meantime are gone in any case: pub/sub keeps \
            nothing.",
        check: "CLIENT LIST TYPE pubsub on every node: where is the subscriber now; PUBSUB \
            NUMSUB there.",
        fix: &[
            "Give the subscriber a keepalive (TCP keepalive, client pings) and resubscribe on \
             every topology change; newer clients do both (ioredis autoResubscribe, Lettuce node \
             message propagation).",
            "What must not be lost belongs in a stream (XADD, consumer groups) instead of pub/sub.",
        ],
        never: &["Do not repair the cluster for it: it did its failover."],
        like: &["CLIENT_STALE_TOPOLOGY"],
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
                "keys must be in the same slot",
                "keys must in same slot",
                "include cross slot keys",
            ];
            let hit = Hit::of(0);
            let product =
                products::named(seen).filter(|product| product.stands == Stands::Without)?;
            let lines = seen.lines_with(&symptom);
            (!lines.is_empty()).then(|| {
                let hit = Hit { score: 98, ..hit }.quotes(lines).fact("name", product.name);
                super::other_db::of_a_framework(seen, hit, product.name)
                    .quotes(products::lines(product, seen).into_iter().take(1))
            })
        },
        cause: "<<name>> speaks to one Redis server: it uses keys of different slots in one \
            command or script, other databases than 0, and does not follow MOVED. A cluster \
            refuses all of that, and no setting of the cluster changes it. The cluster is not at \
            fault.",
        check: "The documentation of <<name>>: which brokers it supports.",
        fix: &[
            "Give <<name>> a Redis or Valkey of its own without cluster mode (one primary with \
             replicas, Sentinel for failover), and keep the cluster for what speaks cluster.",
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
            let hit = seen.says(72, holes::UNCOVERED)?;
            let named = seen.word_after("failed masters according to cluster status: [");
            let down = named.map(|place| place.trim_matches(['/', '[', ']']).to_owned());
            if down.is_none() && seen.serves_all() {
                return Some(holes::hole_of_the_client(seen, hit));
            }
            Some(hit.more_if(8, down.is_some()).fact_if("down", down))
        },
        cause: "[[The client names the owner that is missing: <<down>> is flagged fail, and its \
            slots are not served; start that process with its own files, or let its replica \
            take over. ]]The client asked the cluster for its map and got fewer than 16384 slots \
            with a live owner[[ (<<count>>)]]. Either slots belong to nobody, or primaries are \
            flagged fail and the client leaves them out, or the map came from a node with an old table.",
        check: "CLUSTER INFO on every node: slots_assigned below 16384 means slots without owner; \
            slots_assigned 16384 with slots_fail or slots_pfail above 0 means an owner is down.",
        fix: &[
            "An owner is down: bring that primary back, or let its replica take over; slots \
             return with it.",
            "Slots without owner: find the node that has their keys (CLUSTER COUNTKEYSINSLOT on \
             each node) before any slot is given away.",
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
        code: "CLIENT_FORGOT_START_NODES",
        title: "The client struck all start nodes off its list after errors, and asks nobody now",
        side: Side::Client,
        when: |seen| {
            let none = seen.says(84, &["at least one reachable node: none"]);
            none.or_else(|| jedis_without_start_nodes(seen)).or_else(|| dropped_one(seen)).or_else(
                || {
                    seen.says_all(
                        76,
                        &[
                            &["no reachable node in cluster", "no more cluster attempts left"],
                            &[
                                "until restart",
                                "until we restart",
                                "until the restart",
                                "only a restart",
                            ],
                        ],
                    )
                },
            )
        },
        cause: "The client removes a node from its list at each connection error or timeout. After \
            one bad moment (a slow command, a failover, a restart of the nodes) the list is empty, \
            and as nobody is left to ask for the map, it fails for ever, although the cluster is \
            well again: a fault of the library (redis-py's asyncio cluster says 'reachable node: \
            None'; Jedis before 4.0 lost its start nodes when the first look failed). A new \
            process works.",
        check: "redis-cli -h <start node> cluster info from the client's machine says ok while the \
            client goes on failing, and a fresh process of the same application works.",
        fix: &[
            "Upgrade the library; until then build the client object anew when this error occurs.",
            "redis-py: give several startup_nodes by names that last and \
             dynamic_startup_nodes=False; set socket_timeout above the slowest command.",
            "Find what timed out first: SLOWLOG GET on the node that the first error names.",
        ],
        never: &["Do not repair the cluster for it."],
        like: &["CLIENT_SEEDS_UNREACHABLE", "CLIENT_STALE_TOPOLOGY"],
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
            // The error alone names no other reason; what else the text says comes before it.
            let alone = seen.has(&["cluster isn't ready"]) && seen.lines.len() <= 3;
            (failed || alone).then_some(Hit { score: 91, ..off })
        },
        cause: "With enableOfflineQueue false in redisOptions a command is refused until the \
            connection is ready. ioredis sends CLUSTER SLOTS to its start nodes on connections \
            that are just being opened, so that question itself is refused ('Stream isn't \
            writeable and enableOfflineQueue options is false') and the map cannot be had. The \
            cluster is healthy.",
        check: "The same program with enableOfflineQueue left out of redisOptions; lastNodeError \
            of the error.",
        fix: &[
            "Take enableOfflineQueue out of redisOptions. To fail fast set it on the Cluster \
             options only, and wait for the 'ready' event before the first command (or use \
             lazyConnect with await connect()).",
            "maxRetriesPerRequest and commandTimeout bound the waiting instead.",
        ],
        never: &["Do not repair the cluster: nothing is wrong with it."],
        like: &["IOREDIS_ALL_STARTUP_NODES_FAILED"],
    },
];

/// An old Jedis whose first look for the map failed, while the servers are up by now.
fn jedis_without_start_nodes(seen: &Seen) -> Option<Hit> {
    const WELL: &[&str] = &[
        "until it is restarted",
        "is up since",
        "is reachable again",
        "works from the same host",
        "still not usable",
        "were still booting",
        "still be inited",
        "at application start",
        "keeps throwing",
    ];
    let hit = seen.says_all(80, &[&["no reachable node in cluster"], &["jedis"], WELL])?;
    Some(hit.note(
        "JedisCluster of 2.x and 3.x asks its start nodes once, in the constructor, and swallows \
         the failure: made while none of them answered (servers that were still starting), it \
         stays without any node, and renewing the map has nobody to ask. The servers need no \
         repair: restart the application or make a new JedisCluster, have it try again at its \
         start, and upgrade to Jedis 4 or later, which keeps the start nodes (and throws at once).",
    ))
}

/// ioredis dropped the only node it knows, and is sent to the same place by MOVED.
fn dropped_one(seen: &Seen) -> Option<Hit> {
    let at = seen.lines.iter().position(|line| {
        line.lower.contains("connectionpool remove ") && line.lower.contains("from the pool")
    })?;
    let place = seen.lines.get(at)?.lower.split_once("remove ")?.1.split(' ').next()?.to_owned();
    let moved = seen
        .lines
        .iter()
        .position(|line| line.lower.contains("moved ") && line.lower.contains(&place))?;
    Some(Hit::of(86).quote(at).quote(moved).note(format!(
        "ioredis removed {place} from its pool when that connection ended (in cluster mode it has \
         no retryStrategy for a node), and MOVED sends it to the very same place: a service with \
         one endpoint for all nodes (ElastiCache Serverless) ends connections now and then and \
         goes on at the same name. The map did not change, so ioredis does not dial it again. Make \
         the Cluster object anew on such an error (or on 'node error' / 'end'), set \
         slotsRefreshInterval, and upgrade ioredis; a restart helps until the next time.",
    )))
}
