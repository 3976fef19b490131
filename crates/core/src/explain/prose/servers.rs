//! What people tell of servers: memory, roles, addresses, what is up and what is down.

use super::sentences::{Shape, Words};
use super::{PLAIN, Statement};

use Shape::{InTurn, Wide};

const MEMORY: Words = &["memory", "rss", "ram "];

const DOUBLES: Words = &[
    "double",
    "twice",
    "2x",
    "2 times",
    "two times",
    "spike",
    "peaks",
    "peak ",
    "shoots up",
    "jumps",
    "surge",
    "explode",
];

const SAVES: Words = &[
    "bgsave",
    "bg save",
    "rdb",
    "snapshot",
    "background sav",
    "background save",
    "saving to disk",
    "save to disk",
    "when saving",
    "during save",
    "fork",
    "aof rewrite",
    "rewriteaof",
    "bgrewriteaof",
    "aofrw",
    "full sync",
    "full resync",
    "sync with replica",
];

const OTHERS: Words = &[
    "other node",
    "other cluster node",
    "other redis node",
    "others",
    "other master",
    "other replica",
    "other redis",
    "rest of",
    "remaining node",
    "other member",
    "other pod",
    "peers",
];

const KNOW: Words = &[
    "know", "aware", "have", "had", "has ", "see", "show", "learn", "updated", "correct", "right",
];

const NEW: Words = &["new", "correct", "right", "updated", "current", "actual"];

const PLACE: Words = &["ip", "address", "one"];

const ITSELF: Words = &[
    "itself",
    "own ip",
    "own address",
    "own entry",
    "own line",
    "own row",
    "myself",
    "node which went down",
    "node that went down",
    "node that was restarted",
    "restarted node",
    "restarted redis",
    "only new generated",
    "only for restarted",
];

const STALE: Words =
    &["old", "previous", "stale", "not update", "not change", "not refresh", "still"];

const DOWN: Words = &[
    "killed",
    "kill",
    "dead",
    "die",
    "fail",
    "crash",
    "stop",
    "shut",
    "went down",
    "goes down",
    "go down",
    "are down",
    "down",
    "lost",
];

const PRIMARY: Words = &["master", "primary"];

const REPLICA: Words = &["slave", "replica", "secondary"];

const BOTH: Words = &[
    "both",
    "and slave",
    "and replica",
    "and all slave",
    "and all replica",
    "and also slave",
    "with slave",
    "and then slave",
    "plus slave",
    "plus replica",
    "together with slave",
    "together with replica",
];

const NOT_TAKES: Words = &[
    "not promot",
    "not become",
    "not turn",
    "not elect",
    "not take over",
    "not taking over",
    "not takeover",
    "not failover",
    "not fail over",
    "not happen",
    "not upgrade",
    "remains slave",
    "remain slave",
    "stays slave",
    "stay slave",
    "stays as slave",
    "still slave",
    "remains replica",
    "stays replica",
    "cannot become",
    "cannot be promot",
];

const AGAIN: Words = &[
    "over and over",
    "again and again",
    "in loop",
    "loop",
    "repeatedly",
    "endless",
    "every minute",
    "every few",
    "constantly",
    "continuously",
    "keep",
    "never finish",
    "not finish",
];

const RESYNC: Words = &[
    "full resync",
    "full sync",
    "resync",
    "full synchroni",
    "syncing with master",
    "sync with master",
    "sync from master",
];

const NEW_IPS: Words = &[
    "ip refreshed",
    "ips refreshed",
    "ip changed",
    "ips changed",
    "ip change",
    "ips change",
    "new ip",
    "different ip",
    "get new ip",
    "got new ip",
    "new addresses",
];

const LOADS: Words = &[
    "loaded into ram",
    "loaded in ram",
    "loads into memory",
    "loaded into memory",
    "loading dataset",
    "loading data",
    "load data",
    "load dataset",
    "while loading",
    "still loading",
    "finish loading",
    "finishes loading",
    "load rdb",
    "loads rdb",
];

const NEW_ID: Words = &[
    "new node id",
    "new id",
    "different node id",
    "different id",
    "new nodeid",
    "another id",
    "other id",
    "new cluster id",
];

const RESTART: Words = &[
    "restart",
    "reboot",
    "recreat",
    "redeploy",
    "deleted pod",
    "pod deleted",
    "comes back",
    "start",
];

const OK_STATE: Words = &[
    "cluster state ok",
    "cluster status ok",
    "cluster_state:ok",
    "cluster state shows ok",
    "cluster info shows ok",
    "shows cluster state ok",
    "shows cluster status ok",
    "cluster healthy",
    "state of cluster ok",
    "cluster state good",
    "cluster in ok state",
    "cluster info ok",
];

pub(super) static STATEMENTS: &[Statement] = &[
    Statement {
        code: "SAVE_DOUBLES_MEMORY",
        score: 76,
        shapes: &[
            Wide(&[MEMORY, DOUBLES, SAVES]),
            InTurn(&[&["fork", "bgsave", "bg save"], &["oom", "out of memory", "cannot allocate"]]),
            InTurn(&[&["oom", "out of memory"], &["when", "during", "while", "each time"], SAVES]),
        ],
        not: &["not double", "pubsub", "pub/sub", "cow bug"],
        over: &[("SERVER_WAS_STOPPED", 30), ("AOF_OR_RDB_CORRUPT", 20), ("OOM_KILLED", 20)],
        ..PLAIN
    },
    Statement {
        code: "SELF_ADDRESS_STALE",
        score: 78,
        shapes: &[
            InTurn(&[OTHERS, KNOW, NEW, PLACE, ITSELF, STALE]),
            InTurn(&[OTHERS, KNOW, NEW, PLACE, STALE, ITSELF]),
            InTurn(&[ITSELF, STALE, OTHERS, KNOW]),
            InTurn(&[STALE, ITSELF, OTHERS, KNOW]),
            InTurn(&[STALE, PLACE, ITSELF, OTHERS, KNOW]),
            InTurn(&[
                &["nodes updated", "others updated", "all nodes know"],
                PLACE,
                &["except"],
                ITSELF,
            ]),
            InTurn(&[
                &["still had", "still has", "still show"],
                &["old"],
                PLACE,
                OTHERS,
                KNOW,
                NEW,
            ]),
        ],
        not: &["slot"],
        when: |seen| !seen.says_fail(),
        means: "Only its own row is old, and the others have the new address: bus links, votes, \
            replication and the slots work, which is why the state is ok. What is wrong is what \
            this one node tells clients of itself.",
        over: &[("ALL_ADDRESSES_STALE", 50), ("PEER_ADDRESS_STALE", 20)],
        ..PLAIN
    },
    Statement {
        code: "SHARD_DOWN",
        score: 70,
        shapes: &[
            InTurn(&[BOTH, PRIMARY, REPLICA, DOWN]),
            InTurn(&[DOWN, PRIMARY, BOTH]),
            InTurn(&[PRIMARY, BOTH, DOWN]),
            InTurn(&[DOWN, BOTH, PRIMARY, REPLICA]),
        ],
        not: &[
            "not down",
            "not killed",
            "not fail",
            "both up",
            "slave each",
            "replica each",
            "replica takes over",
            "slave takes over",
            "replica took over",
            "is promoted",
            "was promoted",
        ],
        when: |seen| seen.has(&["cluster"]),
        means: "Primary and replica of one shard are both away: nobody is left who could serve its \
            slots, and no other primary takes them by itself, as it has none of their keys. The \
            data is on the disks of these two.",
        check: "CLUSTER NODES on a node that lives: both rows of that shard are flagged fail, and \
            the slots stand in the row of the one that was primary last.",
        steps: &[
            "Start the one that was primary last (else the other one) again with its own nodes.conf \
             and data; the state turns ok by itself.",
        ],
        over: &[("UNASSIGNED_SLOTS_SHARD_FORGOTTEN", 20), ("SERVER_WAS_STOPPED", 20)],
    },
    Statement {
        code: "SHARD_DOWN",
        score: 68,
        shapes: &[
            InTurn(&[PRIMARY, DOWN, REPLICA, NOT_TAKES]),
            InTurn(&[DOWN, PRIMARY, REPLICA, NOT_TAKES]),
            InTurn(&[REPLICA, NOT_TAKES, DOWN, PRIMARY]),
            InTurn(&[REPLICA, NOT_TAKES, PRIMARY, DOWN]),
            InTurn(&[&["failover not", "no failover", "no automatic failover"], DOWN, PRIMARY]),
            InTurn(&[DOWN, PRIMARY, &["failover not", "no failover", "no automatic failover"]]),
            InTurn(&[PRIMARY, DOWN, &["failover not", "no failover", "no automatic failover"]]),
        ],
        not: &["sentinel"],
        when: |seen| seen.has(&["cluster"]) && seen.client().is_none(),
        means: "A replica stands for election only when the majority of the primaries with slots \
            hold the primary for failed (fail, not fail?), which takes cluster-node-timeout and \
            more; when its own link to the primary was up lately enough \
            (cluster-replica-validity-factor); and when it is not forbidden to \
            (cluster-replica-no-failover). It is elected when more than half of the primaries with \
            slots are alive and vote: with two primaries, or when the majority was on the machine \
            that died, nobody is.",
        check: "The replica's log after the primary's death: 'Currently unable to failover: ...', \
            'Start of election delayed' or 'Failover attempt expired' name the reason; and how \
            many primaries with slots still live (CLUSTER NODES).",
        ..PLAIN
    },
    Statement {
        code: "FULL_SYNC_LOOP",
        score: 68,
        shapes: &[InTurn(&[REPLICA, AGAIN, RESYNC]), InTurn(&[REPLICA, RESYNC, AGAIN])],
        not: &["not loop", "sentinel"],
        ..PLAIN
    },
    Statement {
        code: "ALL_ADDRESSES_STALE",
        score: 66,
        shapes: &[
            InTurn(&[
                &["chang", "new", "different"],
                &["container ip", "pod ip", "ips ", "ip addresses"],
                &[
                    "cannot find each other",
                    "not find each other",
                    "cannot reach each other",
                    "not see each other",
                ],
            ]),
            InTurn(&[
                &["all pod", "all node", "every pod", "pods", "whole cluster", "all redis"],
                NEW_IPS,
            ]),
            InTurn(&[
                NEW_IPS,
                &["nodes.conf"],
                &["old", "stale", "invalid", "not update", "previous"],
            ]),
            InTurn(&[
                &["nodes.conf"],
                &["old ip", "stale ip", "invalid ip", "previous ip", "old address"],
            ]),
        ],
        not: &["except", "client", "application"],
        when: |seen| seen.has(&["cluster"]) && seen.client().is_none(),
        ..PLAIN
    },
    Statement {
        code: "K8S_LIVENESS_KILLS_LOADING",
        score: 66,
        shapes: &[
            InTurn(&[
                LOADS,
                &["then", "and", "before"],
                &[
                    "pod restart",
                    "pod killed",
                    "container restart",
                    "gets killed",
                    "get killed",
                    "restarted",
                    "kubernetes restart",
                    "k8s restart",
                ],
            ]),
            InTurn(&[&["liveness", "probe"], &["kill", "restart"], LOADS]),
        ],
        not: &["oom", "out of memory", "after restart"],
        when: |seen| seen.has(&["pod", "kubernetes", "k8s", "helm"]),
        over: &[("AOF_OR_RDB_CORRUPT", 20)],
        ..PLAIN
    },
    Statement {
        code: "NODE_IDENTITY_LOST",
        score: 68,
        shapes: &[
            InTurn(&[&[
                "not find cluster configuration",
                "not find nodes.conf",
                "no cluster configuration",
            ]]),
            InTurn(&[
                RESTART,
                &["creat", "as", "becomes"],
                &[
                    "new master with 0",
                    "empty master",
                    "new empty",
                    "fresh node",
                    "blank node",
                    "standalone",
                ],
            ]),
            InTurn(&[RESTART, NEW_ID]),
            InTurn(&[NEW_ID, &["after", "when", "each", "every"], RESTART]),
        ],
        not: &["kept", "same id"],
        when: |seen| seen.has(&["cluster"]),
        means: "A node that comes back under a new id did not find its nodes.conf: no lasting \
            volume at 'dir', another directory, or a start script that removes it.",
        over: &[("K8S_READINESS_DEADLOCK", 20), ("SERVER_WAS_STOPPED", 10)],
        ..PLAIN
    },
    Statement {
        shapes: &[InTurn(&[OK_STATE])],
        not: &["until", "was ok", "not ok", "before", "again", "becomes"],
        when: |seen| !seen.says_fail(),
        over: &[
            ("ALL_ADDRESSES_STALE", 18),
            ("UNASSIGNED_SLOTS_SHARD_FORGOTTEN", 18),
            ("SHARD_DOWN", 12),
            ("QUORUM_LOST", 18),
        ],
        ..PLAIN
    },
];
