//! What people tell of keys and commands, and of deeds on the cluster that did not do what they
//! expected.

use super::sentences::{Shape, Words};
use super::{PLAIN, Statement};
use crate::explain::seen::Seen;

use Shape::{InTurn, Together};

const LISTS: Words = &["keys *", "keys command", "scan", "dbsize", "keys pattern", "getkeys"];

const PART: Words = &[
    "only part",
    "part of",
    "some of",
    "some keys",
    "not all",
    "only some",
    "from one node",
    "of one node",
    "only from",
    "different",
    "incomplete",
    "subset",
    "one node only",
    "fewer",
];

const ONE_OF: Words = &[
    "one node",
    "one master",
    "one shard",
    "one primary",
    "one of node",
    "one of master",
    "one of shard",
    "one of nodes",
    "one of masters",
    "one of shards",
    "single node",
    "single shard",
    "one instance",
    "some node",
    "first node",
    "first shard",
];

const MORE: Words = &[
    "much more",
    "far more",
    "a lot more",
    "lot more",
    "way more",
    "more memory",
    "more keys",
    "more cpu",
    "higher",
    "most of",
    "almost all",
    "double",
    "times more",
];

const THAN: Words = &["than", "others", "other node", "rest", "compared"];

const LOAD: Words =
    &["memory", "cpu", "load", "traffic", "keys", "data", "requests", "distribution", "usage"];

const UNEVEN: Words = &[
    "not distributed even",
    "not even",
    "not equal",
    "uneven",
    "unbalanced",
    "imbalance",
    "not balanced",
    "skewed",
    "not spread",
];

const KEYS: Words = &["keys", "key ", "data", "entries", "records"];

const VANISH: Words = &[
    "disappear",
    "vanish",
    "missing",
    "evicted",
    "removed without",
    "deleted without",
    "lost without",
    "gone",
    "being deleted",
    "get deleted",
];

const FULL: Words = &["memory full", "maxmemory", "memory limit", "evict", "without ttl", "no ttl"];

const SAYS: Words =
    &["get", "got", "gives", "return", "error", "throw", "exception", "receiv", "say"];

const FORGOTTEN: Words = &[
    "old node",
    "dead node",
    "removed node",
    "failed node",
    "deleted node",
    "stale node",
    "ghost node",
    "non existing node",
    "old entries",
    "old pod",
];

const LISTED: Words =
    &["still show", "still list", "still see", "still in", "remain", "still appear"];

/// Whether nothing says that the cluster is down.
fn not_down(seen: &Seen) -> bool {
    seen.has(&["cluster"]) && !seen.says_fail() && seen.failing().is_empty()
}

pub(super) static STATEMENTS: &[Statement] = &[
    Statement {
        code: "SCAN_OR_KEYS_ONE_NODE",
        score: 68,
        shapes: &[
            InTurn(&[LISTS, &["return", "show", "give", "get", "see", "list", "find"], PART]),
            InTurn(&[&["only get", "only see", "only returns", "missing keys"], LISTS]),
        ],
        not: &["rebalance", "reshard"],
        when: |seen| seen.has(&["cluster"]) && !seen.says_fail(),
        ..PLAIN
    },
    Statement {
        code: "SLOT_IMBALANCE_OR_HOTSPOT",
        score: 68,
        shapes: &[
            InTurn(&[ONE_OF, &["us", "has", "have", "takes", "consum", "hold", "get"], MORE, THAN]),
            InTurn(&[ONE_OF, MORE, &["memory", "cpu", "keys", "traffic", "load", "request"]]),
            InTurn(&[LOAD, UNEVEN]),
            InTurn(&[UNEVEN, LOAD]),
            InTurn(&[ONE_OF, &["90%", "80%", "95%", "100%", "99%"], &["cpu", "memory", "keys"]]),
        ],
        not: &["replica", "slave", "before", "scan"],
        when: |seen| seen.has(&["cluster"]) && !seen.says_fail() && seen.failing().is_empty(),
        ..PLAIN
    },
    Statement {
        code: "NON_CLUSTER_CLIENT",
        score: 66,
        shapes: &[
            InTurn(&[SAYS, &["moved error", "moved response", "moved exception", "moved reply"]]),
            InTurn(&[&["moved error", "error moved"], SAYS]),
            InTurn(&[&["without -c", "no -c", "without c option"], &["moved"]]),
            InTurn(&[&["moved"], &["without -c", "no -c"]]),
        ],
        not: &["too many", "jediscluster", "cluster client", "rediscluster", "slot moved"],
        when: |seen| !seen.says_fail(),
        ..PLAIN
    },
    Statement {
        code: "CROSSSLOT_NO_HASH_TAG",
        score: 68,
        shapes: &[
            InTurn(&[
                &[
                    "mget",
                    "mset",
                    "multi",
                    "transaction",
                    "lua",
                    "eval",
                    "script",
                    "pipeline",
                    "sunion",
                    "rename",
                    "sinter",
                    "zunion",
                ],
                &[
                    "two keys",
                    "multiple keys",
                    "several keys",
                    "many keys",
                    "more than one key",
                    "different keys",
                    "different slots",
                ],
                &["not work", "fail", "error", "cannot", "not allowed", "not support"],
            ]),
            InTurn(&[&[
                "keys not hash to same slot",
                "keys in different slot",
                "not in same slot",
            ]]),
        ],
        when: not_down,
        ..PLAIN
    },
    Statement {
        code: "READONLY_WRITE_TO_REPLICA",
        score: 70,
        shapes: &[Together(&[
            &["readonly", "read only replica"],
            &["write", "set "],
            &["slave", "replica"],
        ])],
        not: &["read from", "reads from", "scale reads", "sentinel", "readonly command"],
        when: not_down,
        ..PLAIN
    },
    Statement {
        code: "PUBSUB_IN_CLUSTER",
        score: 68,
        shapes: &[
            Together(&[
                &["pubsub", "pub/sub", "publish"],
                &["broadcast", "all nodes", "every node", "forwarded"],
                &["traffic", "bandwidth", "network", "slow", "cpu", "memory"],
            ]),
            InTurn(&[
                &["publish"],
                &["not receive", "not get", "not deliver"],
                &["other node", "another node"],
            ]),
        ],
        when: not_down,
        ..PLAIN
    },
    Statement {
        code: "KEYS_EVICTED",
        score: 62,
        shapes: &[Together(&[KEYS, VANISH, FULL])],
        not: &["flushall", "after failover", "after restart", "pods"],
        when: not_down,
        ..PLAIN
    },
    Statement {
        code: "LOST_WRITES_AFTER_FAILOVER",
        score: 64,
        shapes: &[
            InTurn(&[
                &[
                    "after failover",
                    "after fail over",
                    "during failover",
                    "when master crash",
                    "after promot",
                    "after master",
                ],
                &["write", "update", "data", "keys", "record"],
                &["lost", "missing", "gone", "disappear", "rolled back"],
            ]),
            InTurn(&[
                &[
                    "lost write",
                    "lose write",
                    "losing write",
                    "lost some write",
                    "data loss",
                    "lost data",
                ],
                &["failover", "fail over", "promot"],
            ]),
        ],
        not: &["all data", "all keys", "empty"],
        when: |seen| seen.has(&["cluster"]) && !seen.has(&["sentinel"]),
        ..PLAIN
    },
    Statement {
        code: "GHOST_NODE_ENTRIES",
        score: 64,
        shapes: &[
            InTurn(&[LISTED, FORGOTTEN]),
            InTurn(&[FORGOTTEN, LISTED]),
            InTurn(&[LISTED, &["noaddr", "fail,noaddr"]]),
            InTurn(&[&["noaddr"], LISTED]),
        ],
        not: &["slots", "client", "application"],
        when: |seen| not_down(seen) && seen.client().is_none(),
        ..PLAIN
    },
    Statement {
        code: "BUS_PORT_BLOCKED",
        score: 66,
        shapes: &[
            InTurn(&[
                &["cluster meet", "meet command", "meet "],
                &["ok ", "return ok", "returns ok", "success"],
                &[
                    "not show",
                    "not appear",
                    "not join",
                    "not see",
                    "not add",
                    "not list",
                    "handshake",
                    "nothing",
                    "not happen",
                ],
            ]),
            InTurn(&[
                &["stuck", "hang", "wait"],
                &["handshake"],
                &["forever", "for ever", "then disappear"],
            ]),
        ],
        when: |seen| !seen.has(&["@"]),
        means: "MEET answers OK at once, whatever comes of it: it only begins a handshake over the \
            cluster bus (client port + 10000), which has to be open in both directions.",
        ..PLAIN
    },
    Statement {
        code: "REPLICA_AUTH_FAILED",
        score: 72,
        shapes: &[InTurn(&[
            &[
                "set requirepass",
                "adding requirepass",
                "adding password",
                "setting requirepass",
                "added requirepass",
                "requirepass set",
                "set password",
                "enabled password",
                "added password",
                "configured requirepass",
                "set up password",
                "enable auth",
                "enabled auth",
            ],
            &["slave", "replica", "replication", "failover", "sync"],
            &["cannot", "not ", "down", "fail", "stop"],
        ])],
        not: &["masterauth set", "with masterauth", "and masterauth"],
        when: |seen| !seen.has(&["masterauth"]) && seen.client().is_none(),
        means: "requirepass is what a server asks for; masterauth is what a replica sends to its \
            primary. With the first alone replicas are refused.",
        over: &[("REPLICA_LINK_DOWN", 10), ("AUTH_MISMATCH", 10)],
        ..PLAIN
    },
    Statement {
        code: "CLUSTER_NOT_CREATED",
        score: 64,
        shapes: &[InTurn(&[
            &["hash slot not served", "clusterdown", "not served"],
            &[
                "after i start",
                "after start",
                "i started",
                "just started",
                "just deployed",
                "fresh",
                "new cluster",
                "first start",
                "just installed",
            ],
        ])],
        not: &["restart", "worked", "killed"],
        when: |seen| !seen.has(&["--cluster create", "redis-trib", "[ok]", "cluster_state:"]),
        ..PLAIN
    },
    Statement {
        code: "EMPTY_PRIMARY",
        score: 64,
        shapes: &[InTurn(&[
            &[
                "add-node",
                "added node",
                "added new",
                "add node",
                "new node",
                "new master",
                "add new",
            ],
            &[
                "no slots",
                "not slots",
                "0 slots",
                "zero slots",
                "not have slots",
                "not have any slot",
                "not get any slot",
                "not receive",
                "empty",
                "no keys",
                "no data",
            ],
        ])],
        not: &["not empty", "is not empty"],
        when: not_down,
        ..PLAIN
    },
];
