//! Client libraries: their errors, their versions, their settings.

use super::announced::ipv4s;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source};

/// What clients say when an address does not answer.
pub(super) const FAILED_TO_REACH: [&str; 17] = [
    "connection refused",
    "econnrefused",
    "timed out",
    "timeout",
    "no route to host",
    "ehostunreach",
    "etimedout",
    "unreachable",
    "unable to connect",
    "cannot connect",
    "can't update cluster state",
    "connecting to",
    "i/o error",
    "connection reset",
    "still connect",
    "not connected",
    "can't communicate with any node",
];

/// Classes of clients that follow redirects.
pub(super) const CLUSTER_CLASSES: [&str; 6] = [
    "rediscluster",
    "clusterclient",
    "redis.cluster",
    "jediscluster",
    "redisclusterclient",
    "createcluster",
];

/// Classes of clients for one server.
const PLAIN_CLASSES: [&str; 8] = [
    "redis.newclient(",
    "new redis(",
    "redis.redis(",
    "strictredis(",
    "new jedis(",
    "new jedispool(",
    "redisclient.create(",
    "redis::client::open",
];

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "CLIENT_TOO_OLD_FOR_REDIS7_SLOTS",
        title: "The client library is too old for the CLUSTER SLOTS reply of Redis 7",
        side: Side::Client,
        when: |seen| {
            let go = seen.says(
                96,
                &["elements in cluster info address, expected 2 or 3", "elements in cluster info"],
            );
            go.or_else(|| {
                seen.says(
                    90,
                    &[
                        "cannot parse cluster slots",
                        "unexpected number of elements in cluster slots",
                    ],
                )
            })
            .or_else(|| {
                seen.says_all(
                    80,
                    &[
                        &["cluster slots"],
                        &[
                            "too many values to unpack",
                            "index out of range",
                            "expected 3",
                            "classcastexception",
                        ],
                    ],
                )
            })
            .or_else(|| super::formats::slots_not_read(seen))
        },
        cause: "The cluster is fine. From Redis 7.0 on[[ (here <<version>>)]] CLUSTER SLOTS \
            returns 4 elements per node: the fourth is metadata such as the host name. This \
            client[[ (<<client>>)]] expects 2 or 3 elements and stops with a parse error; that is \
            go-redis v8 for the text 'expected 2 or 3'. How many nodes or replicas there are is \
            irrelevant.",
        check: "The library's version: go-redis v8 (github.com/go-redis/redis/v8) cannot read \
            it, v9 can.",
        fix: &[
            "Upgrade go-redis to v9 (github.com/redis/go-redis/v9), or another old client to a \
             release that supports Redis 7.",
            "Until then stay on Redis 6.2 for this client.",
        ],
        never: &[
            "Do not reduce the number of nodes or replicas; it has nothing to do with it.",
            "Do not run --cluster fix: nothing is broken.",
        ],
        like: &["CLIENT_PARSES_NODES_WRONG"],
    },
    Cause {
        code: "CLIENT_PARSES_NODES_WRONG",
        title: "The client library cannot read a newer server's reply",
        side: Side::Client,
        when: |seen| {
            if let Some(hit) = super::formats::row_not_read(seen) {
                return Some(hit);
            }
            let hit = seen.says(
                80,
                &[
                    "cannot parse",
                    "numberformatexception",
                    "invalid literal for int()",
                    "could not parse",
                    "invalid port",
                    "parse error",
                    "cluster::reloadneeded",
                    "not ipv4/6 address, and asked not to resolve",
                ],
            )?;
            (seen.has(&["cluster"]) && !seen.has(&["config file"]))
                .then(|| hit.less_if(12, seen.client().is_none()))
        },
        cause: "Newer servers add fields to CLUSTER NODES and SLOTS (the bus port behind '@' \
            since 4.0, the host name \
            behind a comma since 7.0, more fields after it). An old client stumbles over them. \
            The cluster is healthy.",
        check: "The version of the client library against the server's; the same command by \
            redis-cli shows the field.",
        fix: &[
            "Upgrade the client library to a release that names support for this server version.",
        ],
        never: &["Do not change the cluster's tables for it."],
        like: &["CLIENT_TOO_OLD_FOR_REDIS7_SLOTS"],
    },
    Cause {
        code: "IOREDIS_ALL_STARTUP_NODES_FAILED",
        title: "ioredis: no start node answered CLUSTER SLOTS; the real reason is in lastNodeError",
        side: Side::Client,
        when: |seen| {
            let hit = seen.says(
                64,
                &[
                    "failed to refresh slots cache",
                    "none of startup nodes is available",
                    "clusterallfailederror",
                ],
            )?;
            Some(hit.fact_if("last", seen.word_after("lastnodeerror")))
        },
        cause: "ioredis asked every start node for CLUSTER SLOTS and none gave a proper answer \
            within 1 second each (slotsRefreshTimeout: TCP, TLS, AUTH and reply together). The \
            message is only the envelope: lastNodeError tells why. 'Connection is closed.' = \
            refused, reset or TLS against plain; 'timeout' = packets dropped, a node too slow, or \
            cold start; NOAUTH, NOPERM, LOADING, 'cluster support disabled' speak for themselves. \
            cluster_state:fail alone does NOT raise it.",
        check: "Print error.lastNodeError.message; then, from the client's own machine, \
            redis-cli -h <seed> cluster slots.",
        fix: &[
            "Remove the reason that lastNodeError names (address, port, password in \
             redisOptions, TLS).",
            "For 'timeout' on slow starts: slotsRefreshTimeout 5000 and more; name several start \
             nodes.",
            "For TLS: redisOptions.tls, and with managed services dnsLookup: (address, callback) \
             => callback(null, address).",
        ],
        never: &["Do not repair slots before a server says that slots are missing."],
        like: &["CLIENT_SEEDS_UNREACHABLE", "AUTH_MISMATCH", "PLAIN_AGAINST_TLS"],
    },
    Cause {
        code: "CLIENT_SEED_DNS_FAILED",
        title: "A start node's name does not resolve",
        side: Side::Client,
        when: |seen| {
            seen.says(
                78,
                &[
                    "enotfound ",
                    "'enotfound'",
                    "\"enotfound\"",
                    "eai_again",
                    "unknownhostexception",
                    "no such host",
                    "name or service not known",
                    "failed to resolve hostname",
                    "temporary failure in name resolution",
                    "nodename nor servname",
                    "no address associated with hostname",
                    "getaddrinfo",
                ],
            )
            .map(|h| h.less_if(20, seen.has(&["enotfound ?"])))
            // What does not resolve is an address already: no name server has a part in it.
            .map(|h| h.less_if(30, resolves_an_address(seen)))
        },
        cause: "A host name does not resolve where the client (or node) runs. ioredis gives up its \
            whole start when ANY one of the names fails, without an error event. On Kubernetes the \
            names of pods that are not ready are hidden unless the headless Service has \
            publishNotReadyAddresses: true; a short name works in its own namespace only.",
        check: "Resolve the very name from the client's pod or host (getent hosts <name>).",
        fix: &[
            "Correct the name or namespace; drop names of pods that no longer exist; name a \
             Service as the seed.",
            "publishNotReadyAddresses: true on the headless Service.",
        ],
        never: &["Do not repair the cluster for it."],
        like: &["K8S_DNS_NOT_READY_HIDDEN", "CLIENT_SEEDS_UNREACHABLE"],
    },
    Cause {
        code: "CLIENT_NULL_OR_UNKNOWN_ENDPOINT",
        title: "The map hands out '?' or no host: the preferred endpoint type has no value",
        side: Side::Cluster,
        when: |seen| {
            seen.says(
                90,
                &[
                    "enotfound ?",
                    "which does not identify a node",
                    "lookup ?:",
                    "dial tcp: lookup ?",
                ],
            )
            .or_else(|| {
                let slots = seen.tables.iter().filter(|table| table.source == Source::Slots);
                let row = slots.flat_map(|table| &table.rows).find(|row| row.address.ip == "?")?;
                Some(Hit::of(86).quote(row.line))
            })
            .or_else(|| {
                let kind = seen
                    .setting("cluster-preferred-endpoint-type")
                    .filter(|s| s.value.contains("hostname") || s.value.contains("unknown"))?;
                let missing =
                    seen.setting("cluster-announce-hostname").is_none_or(|s| s.value.is_empty());
                missing.then(|| Hit::of(62).quote(kind.line))
            })
        },
        cause: "cluster-preferred-endpoint-type is hostname (or unknown-endpoint), but a node has \
            no cluster-announce-hostname, so it hands out '?' or an empty host, which no client \
            can dial.",
        check: "CONFIG GET cluster-announce-hostname cluster-preferred-endpoint-type on every \
            node.",
        fix: &["Set cluster-announce-hostname on ALL nodes first, then the endpoint type; or go \
             back to type ip."],
        never: &["Do not set the type on some nodes only."],
        like: &["SELF_ADDRESS_UNKNOWN"],
    },
    Cause {
        code: "CLIENT_SEEDS_UNREACHABLE",
        title: "The client cannot reach any start node",
        side: Side::Network,
        when: |seen| {
            let hit = seen
                .says(
                    54,
                    &[
                        "cannot retrieve initial cluster partitions",
                        "error connecting to cluster",
                        "could not initialize cluster slots cache",
                        "redis cluster cannot be connected",
                        "it was not possible to connect to the redis server",
                        "all the root nodes are unavailable",
                        "couldn't map cluster keyspace",
                        "no reachable node in cluster",
                        "failed to create initial connections",
                        "can't communicate with any node",
                        "no connections left in the pool",
                        "can't connect to servers",
                        "no valid seeds",
                        "unable to establish a connection to redis cluster",
                        "cannot retrieve cluster partitions",
                        "connection to node in cluster not found",
                        "could not connect to any cluster nodes",
                        "failed to connect to all nodes of the cluster",
                        "nodemightbedown",
                        "could not fetch cluster information",
                        "cannot connect to any",
                        "allconnectionsunavailable",
                        "no topology views found",
                        "no available nodes",
                        "cannot load cluster slots",
                        "could not get a resource from the pool",
                    ],
                )
                .or_else(|| {
                    // A library that is known fails at a connection, and says no more.
                    let failed = ["refused", "reset by peer", "closed by server", "timed out"];
                    seen.client().and_then(|_| seen.says(32, &failed))
                })?;
            Some(hit.and(
                seen,
                12,
                &[
                    "connection refused",
                    "econnrefused",
                    "timed out",
                    "i/o timeout",
                    "connect timeout",
                    "unreachable",
                ],
            ))
        },
        cause: "No start node gave the client a map. [[The client is <<client>>. ]]The text is the \
            envelope; the cause stands behind it ('Caused by', 'Details', suppressed exceptions): \
            refused (wrong port, process down, bind), timed out (firewall, wrong address), closed \
            (TLS or protected mode), NOAUTH, or 'cluster support disabled'. Whether the cluster \
            itself works cannot be told from this line.",
        check: "From the client's own machine or pod: redis-cli -h <start node> -p <port> \
            cluster slots, with the client's \
            password and TLS.",
        fix: &[
            "Answer: slots: look at the announced addresses in it. Refused or timeout: address, \
             port, firewall, Service. \
             Error text: it names the cause.",
            "Name several start nodes.",
        ],
        never: &["Do not change the cluster before one of its nodes says that something is wrong."],
        like: &[
            "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
            "AUTH_MISMATCH",
            "CLUSTER_DISABLED_ON_NODE",
        ],
    },
    Cause {
        code: "NON_CLUSTER_CLIENT",
        title: "A plain client (or redis-cli without -c) talks to a cluster",
        side: Side::Client,
        when: |seen| {
            if let Some(hit) = seen
                .says(72, &["clusterredirectexception", "redirect: slot ", "jedisaskdataexception"])
            {
                return Some(super::plain_setting::named(seen, hit));
            }
            let hit = seen.says(56, &["moved "])?;
            let real = !seen.redirects.is_empty();
            let cluster_client =
                seen.has(&CLUSTER_CLASSES) || seen.has(&["too many cluster redirections"]);
            real.then(|| {
                hit.more_if(
                    12,
                    seen.has(&[
                        "redis-cli",
                        "(error) moved",
                        "responseerror",
                        "commanderror",
                        "replyerror: moved",
                        "jedismoveddataexception",
                        "redis.createclient",
                        "new redis(",
                    ]),
                )
                .more_if(8, seen.has(&PLAIN_CLASSES))
                .less_if(20, cluster_client || super::aware::is_aware(seen))
                .less_if(40, seen.client() == Some("StackExchange.Redis"))
            })
            .map(|hit| super::products::shows_moved(seen, super::redirected::told(seen, hit)))
            .map(|hit| super::plain_setting::named(seen, hit))
        },
        cause: "MOVED is no fault: the node says that another one owns this key's slot. A \
            cluster-aware client follows it \
            by itself; a plain client shows it as an error, and works only for the keys that \
            happen to be on the node \
            it is connected to. The cluster is healthy.",
        check: "The same command with redis-cli -c works; and the class of the client: Redis \
            against Redis.Cluster.",
        fix: &[
            "Use the library's cluster client (ioredis Redis.Cluster, node-redis createCluster, \
             redis-py RedisCluster, JedisCluster, go-redis NewClusterClient, phpredis \
             RedisCluster), or redis-cli -c.",
            "A program or plugin that has no cluster client inside: give it a Redis without \
             cluster mode (one primary with Sentinel, or a managed one with cluster mode off), or \
             a proxy that speaks to the cluster for it (Envoy, predixy).",
        ],
        never: &["Do not move slots because of MOVED."],
        like: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", "SINGLE_VIP_FRONT"],
    },
    Cause {
        code: "CLIENT_POOL_EXHAUSTED",
        title: "The client's connection pool is exhausted",
        side: Side::Client,
        when: |seen| {
            seen.says(
                76,
                &[
                    "connection pool timeout",
                    "connection pool exhausted",
                    "could not get a resource from the pool",
                    "maxconnectionserror",
                    "too many connections",
                    "pool exhausted",
                    "timeout waiting for idle object",
                ],
            )
            // A pool whose connections cannot be made is not too small, and Jedis says the same of
            // both.
            .map(|hit| {
                let full =
                    ["exhausted", "idle object", "pool timeout", "too many", "maxconnections"];
                let hit = hit.less_if(24, !seen.has(&full));
                let dials =
                    ["dial tcp", "etimedout", "econnrefused", "no route to host", "port-forward"];
                hit.less_if(30, seen.has(&dials))
            })
            .or_else(|| super::pool::throws_when_full(seen))
        },
        cause: "All connections of the pool are in use: too small for the load, connections that \
            are not given back, or one \
            node that does not answer and holds them all. The servers may be fine.",
        check: "connected_clients and latency on the servers; is one node slow or unreachable?",
        fix: &[
            "Give connections back (close, try-with-resources), size the pool for the load, set \
             timeouts; if one node hangs, look at that one.",
        ],
        never: &["Do not only raise the pool when a node hangs."],
        like: &["MAXCLIENTS_EXHAUSTED", "NODE_HUNG"],
    },
    Cause {
        code: "CLIENT_TIMEOUT",
        title: "Commands time out on the client",
        side: Side::Client,
        when: |seen| {
            seen.says(
                46,
                &[
                    "timeout performing",
                    "command timed out",
                    "read timed out",
                    "read timeout",
                    "sockettimeoutexception",
                    "the message timed out in the backlog",
                    "max retries per request",
                    "maxretriesperrequest",
                    "connect timeout",
                    "responsetimeout",
                ],
            )
        },
        cause: "A reply did not come in time. That can be a slow node (a long command, a fork, a \
            save, CPU), a node that is \
            unreachable at its announced address, or a client that is too busy (thread pool, \
            event loop).",
        check: "Is it always the same node? SLOWLOG, LATENCY and INFO on it; otherwise measure \
            redis-cli --latency from the \
            client's machine.",
        fix: &["Remove the slow command or the unreachable address; only then adapt timeouts. \
             StackExchange.Redis: read \
            the qs, in, WORKER and IOCP figures of the message."],
        never: &["Do not repair slots for timeouts."],
        like: &["NODE_HUNG", "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", "CLIENT_STALE_TOPOLOGY"],
    },
    Cause {
        code: "READONLY_WRITE_TO_REPLICA",
        title: "A write went to a replica",
        side: Side::Client,
        when: |seen| {
            seen.says(
                82,
                &[
                    "readonly you can't write against a read only",
                    "you can't write against a read only replica",
                    "you can't write against a read-only replica",
                    "readonly command failed",
                ],
            )
            // A server that moved keys was answered so, not a client.
            .map(|hit| hit.less_if(30, seen.has(&["target instance replied", "calling migrate"])))
            .map(|hit| super::readonly::told(seen, hit))
        },
        cause: "The client sent a write to a node that is a replica: its map is from before a \
            failover, it is pinned to one \
            node by a Service or a host name, or it is no cluster client. The cluster did what \
            it should.",
        check: "ROLE of that node now, and how the client picks its node.",
        fix: &["Use a cluster client and let it refresh its map (adaptive refresh, \
             slotsRefreshInterval); do not pin writes \
            to a pod."],
        never: &["Do not make replicas writable."],
        like: &["CLIENT_STALE_TOPOLOGY", "NON_CLUSTER_CLIENT"],
    },
    Cause {
        code: "CLIENT_SENTINEL_OR_WRONG_MODE",
        title: "A sentinel or single-server setting is used with a cluster, or the reverse",
        side: Side::Client,
        when: |seen| {
            let alone = seen.line_says(84, &["standalone(", "no primary node found"]);
            let asked = alone.or_else(|| super::answerers::sentinel(seen));
            if let Some(hit) = asked.or_else(|| cluster_class_at_sentinels(seen)) {
                return Some(hit);
            }
            seen.says(58, &["sentinel", "+monitor master"])
                .filter(|_| {
                    seen.has(&["cluster"])
                        && seen.has(&[
                            "no such master",
                            "unknown command 'sentinel'",
                            "unknown command `sentinel`",
                            "mastername",
                            "+switch-master",
                            "+monitor master",
                            "-failover-abort",
                        ])
                })
                .map(|hit| {
                    hit.more_if(
                        18,
                        seen.has(&["unknown command 'sentinel'", "unknown command `sentinel`"]),
                    )
                })
        },
        cause: "Sentinel and Cluster are two different things; a cluster has no sentinels and no \
            master name.",
        check: "INFO server: redis_mode.",
        fix: &[
            "redis_mode:cluster: take the client's cluster class (Redis.Cluster, RedisCluster, \
             JedisCluster, spring.data.redis.cluster.nodes) with several nodes, and no master \
             name.",
            "redis_mode:sentinel: the client's sentinel class with the sentinels' port (26379) and \
             the master's name; redis_mode:standalone: the plain class.",
        ],
        never: &["Do not mix sentinels into a cluster."],
        like: &["CLUSTER_DISABLED_ON_NODE"],
    },
];

/// A cluster client is given the port of sentinels, or the name that they watch.
fn cluster_class_at_sentinels(seen: &Seen) -> Option<Hit> {
    let class = *seen.lines_with(&CLUSTER_CLASSES).first()?;
    let sentinels = seen.lines_with(&["26379", "mymaster", "sentinels:", "sentinels ="]);
    let clustered = seen.has(&["moved ", "cluster_state:", "cluster_enabled:1", "clustercfg"])
        || seen.server_rows().next().is_some();
    let first = *sentinels.first().filter(|_| !clustered)?;
    let chart = seen.lines_with(&["sentinel cluster", "bitnami/redis ", "bitnami/redis\""]);
    Some(
        Hit::of(78)
            .more_if(4, !chart.is_empty())
            .quote(first)
            .quote(class)
            .quotes(chart.into_iter().take(1))
            .note(
                "26379 is Sentinel's port (and 'mymaster' the name of what sentinels watch): this is                  replication with Sentinel, as the chart bitnami/redis makes it, and no Redis \
                 Cluster. The cluster client asks CLUSTER SLOTS there, which Sentinel does not \
                 know, and says only that no start node answered.",
            )
            .check(
                "redis-cli -p 26379 info server: redis_mode:sentinel; redis-cli -p 6379 info cluster: \
                 cluster_enabled:0.",
            )
            .step(
                "Use the client's Sentinel class: ioredis new Redis({ sentinels: [{ host, port: 26379 \
                 }], name: 'mymaster' }), Jedis JedisSentinelPool, Lettuce redis-sentinel://, \
                 redis-py Sentinel(...).master_for, go-redis NewFailoverClient. Or deploy a real \
                 cluster (chart bitnami/redis-cluster) and give the cluster client its port 6379.",
            ),
    )
}

/// Whether the name that "does not resolve" is an IP: the host was gone, and the error is how this
/// library or system says so.
fn resolves_an_address(seen: &Seen) -> bool {
    let said = ["name resolution", "enotfound ", "name or service not known", "no such host"];
    let failed: Vec<_> = seen
        .lines
        .iter()
        .filter(|line| said.iter().any(|word| line.lower.contains(word)))
        .collect();
    let literal = |text: &str| {
        let marks = ["connecting to ", "enotfound ", "lookup ", "connect to "];
        marks.iter().any(|mark| {
            let rest = text.split_once(mark).map_or("", |(_, rest)| rest);
            ipv4s(rest).next().is_some_and(|ip| rest.starts_with(ip))
        })
    };
    !failed.is_empty() && failed.iter().all(|line| literal(&line.lower))
}
