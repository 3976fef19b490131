//! What people tell of clients: where they connect to, from where it works, since when it does not.

use super::sentences::Shape;
use super::words::{
    ANSWERS, CHANGE, CLIENT, DIALS, FAILS, FROM_AFAR, GONE, HOST, INNER, INSIDE, KEEPS, LOGIN_OFF,
    LOGIN_ON, LOOPBACK, MAP, MAPPED, NODE, NOT_FOLLOW, NOT_REACHED, OLD, OUTSIDE, RESTARTED_APP,
    SENDS, SET, SINCE, TLS_OFF, TLS_ON, TRIES, WORKS,
};
use super::{PLAIN, Statement};
use crate::explain::causes;
use crate::explain::seen::Seen;

use Shape::{InTurn, Together, Wide};

/// Whether the paste holds no word of TLS in the client's own settings.
fn client_is_plain(seen: &Seen) -> bool {
    !seen.has(&causes::endpoints::SPEAKS_TLS)
}

/// Whether nothing says that the servers themselves do not join.
fn no_join(seen: &Seen) -> bool {
    !seen.has(&["waiting for the cluster to join", "cluster_state:fail", "fail?", "handshake"])
}

/// Whether an address is that of the very machine.
fn is_here(ip: &str) -> bool {
    ip == "localhost" || ip.starts_with("127.") || ip == "0.0.0.0"
}

/// Whether somebody uses a client, and the tables show no failed owner.
fn a_client(seen: &Seen) -> bool {
    no_join(seen)
        && !seen.owners().iter().any(|row| row.is_failing())
        && (seen.client().is_some()
            || seen.has(&[
                "client",
                "application",
                "our app",
                "my app",
                "spring",
                "service",
                "library",
                " app ",
            ]))
}

const NODES_AMONG_THEM: &[&str] = &[
    "replica keep",
    "replica still",
    "slave still",
    "slave keep",
    "nodes keep",
    "nodes still",
    "slave tries",
    "replica tries",
    "sentinel",
    "exporter",
];

pub(super) static STATEMENTS: &[Statement] = &[
    Statement {
        code: "LOOPBACK_ADDRESS",
        score: 76,
        shapes: &[
            InTurn(&[SET, HOST, DIALS, LOOPBACK]),
            InTurn(&[
                DIALS,
                LOOPBACK,
                &["instead", "rather than", "although", "even though", "but i"],
            ]),
            InTurn(&[DIALS, LOOPBACK, SET, &["server ip", "remote", "real ip", "host", "address"]]),
            InTurn(&[MAP, ANSWERS, LOOPBACK]),
            InTurn(&[&["nodes as", "node as", "nodes with", "hosts as"], LOOPBACK]),
            InTurn(&[FROM_AFAR, &["then", "but"], &["error", "refused", "econnrefused"], LOOPBACK]),
            InTurn(&[&["redirected to", "moved to", "directed to"], LOOPBACK]),
        ],
        not: &[
            "works with localhost",
            "work with localhost",
            "works on localhost",
            "sentinel",
            "bind 127.0.0.1",
            "bind to 127.0.0.1",
            "create-cluster",
            "port-forward",
            "tunnel",
        ],
        when: |seen| {
            let foreign = |ip: &str| !ip.is_empty() && !ip.starts_with("127.");
            let listed = seen.server_rows().any(|row| foreign(&row.address.ip));
            no_join(seen) && !listed && (seen.client().is_some() || seen.has(&["cluster"]))
        },
        means: "Here the client was given another host and ends at 127.0.0.1: it did reach its \
            start node, asked it for the map, and the map names 127.0.0.1 (the cluster was made \
            of 127.0.0.1 addresses, or announces them). So the start node, the network and the \
            firewall are not at fault.",
        check: "redis-cli -h <start node> -p <port> cluster slots from the client's machine: the \
            rows name 127.0.0.1.",
        over: &[("CLIENT_SEEDS_UNREACHABLE", 12), ("IOREDIS_ALL_STARTUP_NODES_FAILED", 12)],
        ..PLAIN
    },
    Statement {
        code: "LOOPBACK_ADDRESS",
        score: 70,
        shapes: &[InTurn(&[
            &["reconnect to", "connects to", "connect to", "connecting to"],
            LOOPBACK,
        ])],
        not: &["works", "without problem", "bind", "tunnel", "forward", "redis-cli"],
        when: |seen| {
            let seeds = causes::seed_ips(seen);
            no_join(seen) && !seeds.is_empty() && seeds.iter().all(|ip| !is_here(ip))
        },
        means: "The client's own settings name another host, and it ends at 127.0.0.1: that is what \
            the map of the start node names.",
        ..PLAIN
    },
    Statement {
        code: "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
        score: 76,
        shapes: &[
            Together(&[WORKS, INSIDE, FAILS, OUTSIDE]),
            Wide(&[
                &["docker server", "same server", "same machine", "same host"],
                WORKS,
                OUTSIDE,
                FAILS,
            ]),
            InTurn(&[&["only"], WORKS, INSIDE]),
        ],
        not: &["replica cannot", "slave cannot", "nodes cannot"],
        when: |seen| {
            no_join(seen)
                && seen.has(&["cluster"])
                && !seen.has(&["protected-mode is enabled", "running in protected mode"])
        },
        means: "It works from inside and fails from outside: so the servers are well, and what \
            differs is the way. Every node tells a cluster client the address of its own network \
            (container, pod or VPC), which is of no use outside, even where the start node's port \
            is published.",
        over: &[
            ("CLIENT_SEEDS_UNREACHABLE", 14),
            ("IOREDIS_ALL_STARTUP_NODES_FAILED", 14),
            ("CLIENT_TIMEOUT", 10),
        ],
        ..PLAIN
    },
    Statement {
        code: "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
        score: 74,
        shapes: &[InTurn(&[MAPPED, INNER, NOT_REACHED]), InTurn(&[INNER, MAPPED, NOT_REACHED])],
        not: &["replica", "slave", "cluster-announce-ip works"],
        when: |seen| no_join(seen) && seen.has(&["cluster"]) && !seen.has(&["old ip", "new ip"]),
        means: "The client is told an inner address, which is what the nodes announce, and it \
            cannot reach it from where it runs.",
        over: &[("CLIENT_SEEDS_UNREACHABLE", 10), ("IOREDIS_ALL_STARTUP_NODES_FAILED", 10)],
        ..PLAIN
    },
    Statement {
        code: "CLIENT_STALE_TOPOLOGY",
        score: 76,
        shapes: &[
            InTurn(&[KEEPS, SENDS, OLD, NODE]),
            InTurn(&[
                KEEPS,
                SENDS,
                NODE,
                &["which", "killed", "down", "dead", "old", "was removed"],
            ]),
            InTurn(&[KEEPS, SENDS, NODE, &["but"], NODE, &["down", "dead", "gone", "killed"]]),
            InTurn(&[&["stuck with", "holds on to"], OLD, NODE]),
            InTurn(&[TRIES, &["connect", "send", "write", "reach"], GONE, NODE]),
            InTurn(&[
                CLIENT,
                &["us", "append", "contain", "has "],
                &["old", "stale", "previous"],
                &["ip", "address", "node"],
            ]),
            InTurn(&[
                CLIENT,
                &["reconnect", "connect"],
                &["without restart", "not restart"],
                &["ip"],
                &["chang"],
            ]),
            InTurn(&[&["all", "if", "when"], &["ip"], &["chang"], CLIENT, &["not", "cannot"]]),
            InTurn(&[CLIENT, NOT_FOLLOW, CHANGE]),
            InTurn(&[CHANGE, CLIENT, NOT_FOLLOW]),
            InTurn(&[CLIENT, NOT_FOLLOW, &["topology"], CHANGE]),
            InTurn(&[CHANGE, CLIENT, FAILS, RESTARTED_APP]),
            InTurn(&[FAILS, RESTARTED_APP, CHANGE]),
            InTurn(&[
                NOT_FOLLOW,
                &["new master", "new slave", "new config", "new topology", "new primary"],
                CHANGE,
            ]),
            InTurn(&[CHANGE, NOT_FOLLOW, CLIENT]),
        ],
        not: NODES_AMONG_THEM,
        when: a_client,
        means: "The servers have done their part (a replica was promoted, or the nodes have new \
            addresses); it is the client that goes on with the map from before.",
        over: &[
            ("ALL_ADDRESSES_STALE", 24),
            ("CLIENT_TIMEOUT", 10),
            ("CLIENT_POOL_EXHAUSTED", 16),
            ("NON_CLUSTER_CLIENT", 12),
            ("CLIENT_REDIRECT_LOOP", 8),
            ("SHARD_DOWN", 20),
            ("SERVER_WAS_STOPPED", 20),
            ("CLIENT_SEEDS_UNREACHABLE", 10),
        ],
        ..PLAIN
    },
    Statement {
        code: "AUTH_MISMATCH",
        score: 74,
        shapes: &[Together(&[WORKS, LOGIN_OFF, FAILS, LOGIN_ON])],
        not: &["replica", "slave", "nodes cannot"],
        when: no_join,
        means: "The one difference that is told is the password: without it the very same client \
            works, so addresses and network are right. The client does not send the password to \
            every node (many take it for the start node only, or in another argument), or it \
            differs between the nodes.",
        over: &[
            ("CLIENT_SEEDS_UNREACHABLE", 20),
            ("IOREDIS_ALL_STARTUP_NODES_FAILED", 20),
            ("UNASSIGNED_SLOTS_SHARD_FORGOTTEN", 20),
        ],
        ..PLAIN
    },
    Statement {
        code: "PLAIN_AGAINST_TLS",
        score: 78,
        shapes: &[
            Together(&[WORKS, TLS_OFF, FAILS, TLS_ON]),
            Wide(&[
                &["transit encryption", "encryption mode"],
                &["required"],
                &["preferred"],
                FAILS,
            ]),
            InTurn(&[SINCE, TLS_ON, CLIENT, FAILS]),
            InTurn(&[TLS_ON, CLIENT, &["cannot connect", "not connect", "hang", "timeout"]]),
        ],
        not: &["certificate", "hostname", "altname", "bus", "replica", "nodes cannot"],
        when: |seen| client_is_plain(seen) && no_join(seen),
        means: "The one difference that is told is TLS: without it (or with 'preferred', which \
            takes both) the very same client works, so address, network and login are right. \
            'Required' answers nobody who speaks plainly, and nothing in the client's code or \
            settings here switches TLS on.",
        check: "redis-cli --tls -h <the same endpoint> -p <port> ping from the client's machine \
            answers PONG, and without --tls it gets nothing.",
        steps: &[
            "Switch TLS on in the client, for the start nodes and all nodes of the map: Jedis \
             DefaultJedisClientConfig.builder().ssl(true), Lettuce RedisURI.withSsl(true), \
             Redisson and others rediss://, ioredis redisOptions.tls = {} (with dnsLookup), \
             redis-py ssl=True, go-redis TLSConfig. Encryption stays on.",
        ],
        over: &[
            ("CLIENT_SEEDS_UNREACHABLE", 20),
            ("IOREDIS_ALL_STARTUP_NODES_FAILED", 20),
            ("MANAGED_SERVICE_CLUSTER_MODE", 12),
        ],
    },
];
