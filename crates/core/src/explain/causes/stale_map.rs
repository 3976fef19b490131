//! Clients whose map of the cluster is old, or that go round in circles by it.

use super::after_failover;
use super::announced::{UNREACHABLE, ipv4s};
use super::clients::{CLUSTER_CLASSES, FAILED_TO_REACH};
use super::{dialled, removed, replaced};
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source};
use crate::model::SLOT_COUNT;

/// What is particular about Lettuce.
const LETTUCE: &str = "Lettuce before 7.0 (and so Spring Data Redis) refreshes neither \
    periodically nor on events unless told to.";

/// Signs that a Lettuce client was told to refresh its map.
const REFRESHES: [&str; 5] = [
    "enableperiodicrefresh",
    "enablealladaptive",
    "enableadaptive",
    "refresh.period",
    "refresh.adaptive",
];

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "CLIENT_STALE_TOPOLOGY",
        title: "The client goes by an old map of the cluster",
        side: Side::Client,
        when: |seen| {
            let lettuce = seen.says(
                84,
                &[
                    "this partition is not known in the cluster view",
                    "this connection point is not known",
                    "but commandflags.noredirect was specified",
                ],
            );
            let hit = lettuce
                .or_else(|| dialled::gone(seen))
                .or_else(|| replaced::under_one_name(seen))
                .or_else(|| dials_one_again(seen))
                .or_else(|| gives_up_after_a_failover(seen))
                .or_else(|| after_failover::client_is_behind(seen))
                .or_else(|| removed::names_of_removed_nodes(seen))
                .or_else(|| removed::one_name_two_nodes(seen))
                .or_else(|| after_failover::refuses_by_old_roles(seen))
                .or_else(|| dials_who_was_stopped(seen))
                .or_else(|| after_failover::dials_what_was_stopped(seen))
                .or_else(|| {
                    let shown = [" moved ", "moved <"];
                    let hit = seen.says(74, &shown).filter(|_| seen.has(&CLUSTER_CLASSES))?;
                    let helps =
                        ["is to restart", "until restart", "until a restart", "after a restart"];
                    seen.has(&helps).then_some(hit)
                })
                .or_else(|| {
                    let gone = ["nonodeexception", "no node", "movederror", "timeout"];
                    let switch = [
                        "after \"failover",
                        "after failover",
                        "after a failover",
                        "after the failover",
                        "nodes were replaced",
                    ];
                    let helps = [
                        "only restart",
                        "restart of the app",
                        "until we restart",
                        "restarting the app",
                        "only a restart",
                    ];
                    seen.says_all(76, &[&gone, &switch, &helps])
                })
                .or_else(|| {
                    seen.says(
                        68,
                        &[
                            "cannot determine a partition",
                            "hasn't been discovered yet",
                            "moved to unreachable node",
                            "currently not connected. commands are rejected",
                        ],
                    )
                })
                .or_else(|| {
                    seen.says_all(
                        68,
                        &[
                            &[
                                "command timed out",
                                "commandtimeoutexception",
                                "rediscommandtimeoutexception",
                                "unable to connect to",
                                "cannot reconnect",
                            ],
                            &["lettuce", "spring", "redisson"],
                        ],
                    )
                    // Who never had a connection has no old map.
                    .map(|hit| hit.less_if(10, dialled::never_connected(seen)))
                })
                .or_else(|| {
                    seen.says_all(
                        66,
                        &[
                            &[
                                "until restart",
                                "until i restart",
                                "restarting the app",
                                "restart the application",
                                "still connects to the old",
                                "old ip",
                                "old node",
                                "old address",
                                "the old ones",
                                "before the restart",
                                "new ip",
                                "new address",
                                "only a restart",
                                "until we restart",
                                "restarting php",
                                "cache_slots",
                                "until it is restarted",
                                "after restarting the",
                                "after a restart of the app",
                                "new process works",
                                "fresh process",
                            ],
                            &[
                                "jedis",
                                "lettuce",
                                "spring",
                                "ioredis",
                                "redisson",
                                "redis.exceptions",
                                "go-redis",
                                "stackexchange",
                                "phpredis",
                                "redisclusterexception",
                                "redis-rs",
                                "node-redis",
                                "rueidis",
                                "glide",
                                "fred",
                                "client",
                            ],
                            &FAILED_TO_REACH,
                        ],
                    )
                });
            let lettuce = matches!(seen.client(), None | Some("Lettuce"));
            hit.map(|hit| {
                hit.less_if(14, seen.says_fail())
                    .less_if(20, super::outside::behind_nat(seen).is_some())
                    .fact_if("lettuce", (lettuce && !seen.has(&REFRESHES)).then_some(LETTUCE))
            })
        },
        cause: "The client still holds the map from its start: after a failover or a change of \
            addresses it goes on to dead or demoted nodes until it is restarted. [[<<lettuce>> ]]A \
            cached DNS answer does the same. The cluster itself is healthy when redis-cli -c \
            works.",
        check: "Compare the address in the error with CLUSTER SLOTS now; and does a restarted \
            client work?",
        fix: &[
            "Lettuce: ClusterTopologyRefreshOptions with enablePeriodicRefresh(30 s) and \
             enableAllAdaptiveRefreshTriggers(); Spring: \
             spring.data.redis.lettuce.cluster.refresh.adaptive=true and .period=30s.",
            "Jedis (5.1 and later): topologyRefreshPeriod; ioredis: slotsRefreshInterval; \
             Redisson: scanInterval; JVM: networkaddress.cache.ttl; phpredis: \
             redis.clusters.cache_slots 0, or a restart of php-fpm after the nodes' addresses \
             changed.",
            "Name several start nodes.",
        ],
        never: &["Do not repair the cluster for it, and do not only raise timeouts."],
        like: &[
            "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
            "CLIENT_SEES_UNCOVERED_SLOTS",
            "SHARD_DOWN",
        ],
    },
    Cause {
        code: "CLIENT_REDIRECT_LOOP",
        title: "The client is redirected until it gives up",
        side: Side::Client,
        when: |seen| {
            seen.says(
                62,
                &[
                    "too many cluster redirections",
                    "ttl exhausted",
                    "too many redirections",
                    "no more cluster attempts left",
                    "redirected too many times",
                    "timed out attempting to find data in the correct node",
                    "maxredirect",
                    "redirection loop detected",
                ],
            )
            // Then it was not redirected: every try met the same answer.
            .map(|hit| hit.less_if(26, seen.has(&["clusterdown the cluster is down"])))
            .map(|hit| hit.less_if(14, seen.has(&["cluster state changed: fail"])))
            .or_else(|| moved_in_a_cluster_client(seen))
        },
        cause: "MOVED or ASK led from node to node (or the same error was repeated) up to the \
            limit. Reasons: two nodes \
            that name each other as owner, an owner that cannot be reached, a load balancer or \
            proxy that answers for all \
            nodes, or a cluster that is down ('Last error: CLUSTERDOWN'). Jedis counts failed \
            connections as attempts too: what failed stands in the suppressed exceptions, and \
            most often it is an announced address that the client cannot reach.",
        check: "The 'last error' in the text (Jedis: 'Suppressed'). Then, from the client's own host, \
            redis-cli -h <start node> cluster slots, and compare: the address in the error is not \
            in it: the client's map is old; it is in it and nc -vz does not reach it from there: \
            the announced address; it answers, and GET of the key there is MOVED back: the owners \
            are in dispute; CLUSTERDOWN: slots are not served.",
        fix: &[
            "An old map: a new client object reads it anew at once; for ever: Jedis 5.1 and later \
             with topologyRefreshPeriod, Lettuce with periodic and adaptive refresh, ioredis \
             slotsRefreshInterval, Redisson scanInterval.",
            "An announced address that this host does not reach: cluster-announce-ip (and the ports) \
             on the nodes, or the client's mapping (ioredis natMap, Redisson natMapper, Jedis \
             HostAndPortMapper, Lettuce MappingSocketAddressResolver).",
            "MOVED back and forth: compare CLUSTER NODES of both nodes; if they still differ \
             after two node timeouts, the owners are in dispute: slotwright explain \
             SLOT_OWNER_DISAGREEMENT.",
            "A proxy or virtual IP between: let the client dial the nodes themselves.",
            "CLUSTERDOWN: find out which slots are not served.",
        ],
        never: &["Do not only raise the limit."],
        like: &[
            "SLOT_OWNER_DISAGREEMENT",
            "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
            "SINGLE_VIP_FRONT",
        ],
    },
    Cause {
        code: "SINGLE_VIP_FRONT",
        title: "A load balancer or one Service stands in front of all nodes",
        side: Side::Platform,
        when: |seen| {
            if let Some(hit) = super::one_proxy::in_front(seen) {
                return Some(hit);
            }
            let front = seen.says(
                50,
                &[
                    "load balancer",
                    "loadbalancer",
                    "haproxy",
                    "nlb ",
                    "nlb.",
                    "ingress",
                    "nodeport",
                    "clusterip",
                    "envoy",
                    "twemproxy",
                    "elb.amazonaws.com",
                ],
            )?;
            let policy = seen.has(&["networkpolicy", "network policy"]);
            (!policy && seen.has(&["moved", "cluster", "redirection"])).then(|| {
                let ahead = seen.has(&["in front of", "as the only uri", "round robin"]);
                front.more_if(10, seen.has(&["moved "])).more_if(12, ahead)
            })
        },
        cause: "Each connection through the balancer ends at some node. A cluster client needs \
            the nodes themselves: it may \
            use the front as a seed only, and then dials the announced addresses.",
        check: "Do the addresses in CLUSTER SLOTS lead past the balancer, and can the client \
            reach them?",
        fix: &[
            "Use the front only as the start node, and announce per-node addresses that clients \
             reach (one Service or port per node).",
        ],
        never: &[
            "Do not announce the shared address for all nodes.",
            "Do not take a client without cluster support to get rid of redirects: it gets them as \
             errors.",
        ],
        like: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
    },
];

/// A client that should follow redirects shows one as an error.
fn moved_in_a_cluster_client(seen: &Seen) -> Option<Hit> {
    let shown = ["errorreply: moved", "replyerror: moved", "responseerror: moved", "by the server"];
    seen.says(60, &shown).filter(|_| seen.has(&CLUSTER_CLASSES))
}

/// A node was stopped on purpose, the cluster went on, and the client still dials an address that
/// nobody answers at.
fn dials_who_was_stopped(seen: &Seen) -> Option<Hit> {
    seen.client()?;
    let stopped = seen.lines.iter().position(|line| {
        let words = line.lower.as_str();
        let told = ["killed the", "kill the", "stopped the", "took over", "after the failover"];
        if told.iter().any(|word| words.contains(word)) {
            return true;
        }
        let tool = ["docker", "compose", "kubectl", "systemctl", "redis-cli", "podman", "kill"];
        let deed = [" stop ", " kill ", "delete pod", "shutdown", "kill -9", " pause "];
        tool.iter().any(|word| words.contains(word)) && deed.iter().any(|d| words.contains(d))
    })?;
    let failed = seen.lines_with(&UNREACHABLE);
    let well = seen.says_ok() || seen.has(&["failover election won", "promoted"]);
    (well && !failed.is_empty())
        .then(|| Hit::of(82).quote(stopped).quotes(failed.into_iter().take(1)))
}

/// A client that logs each try chooses one and the same address again, and nobody answers there.
fn dials_one_again(seen: &Seen) -> Option<Hit> {
    let tries = seen.lines_with(&["determined node to execute"]);
    let host = |at: &usize| seen.lines.get(*at).and_then(|line| ipv4s(&line.text).next());
    let first = tries.first().and_then(host)?;
    let same = tries.len() >= 2 && tries.iter().all(|at| host(at) == Some(first));
    let failed = seen.lines_with(&UNREACHABLE);
    (same && !failed.is_empty()).then(|| {
        Hit::of(84).quotes(tries.into_iter().take(2)).quotes(failed.into_iter().take(1)).note(
            format!(
                "Every try went to {first}, at which nobody answers any more (a pod that was moved \
                 has a new address, a dead node was replaced). The client takes the slot's owner \
                 from its old map again each time and gives up when its tries are used up ('TTL \
                 exhausted'). Compare with CLUSTER NODES: is {first} still named there as an \
                 owner? If not, only the client is behind: make it read the map anew \
                 (initialize(), cluster_error_retry_attempts), start from names instead of \
                 addresses, and replace redis-py-cluster, which is no longer maintained, by \
                 redis-py 4.1 or later (redis.cluster.RedisCluster). If it is, the servers have \
                 not replaced the dead node: repair that first."
            ),
        )
    })
}

/// The client gives up after its tries, while the servers have done their failover: every slot is
/// served, and the dead node that is still listed owns none.
fn gives_up_after_a_failover(seen: &Seen) -> Option<Hit> {
    let gave_up =
        ["ttl exhausted", "no more cluster attempts left", "too many cluster redirections"];
    let at = seen.lines_with(&gave_up).into_iter().next()?;
    let table = seen.table().filter(|table| table.source == Source::Nodes)?;
    let dead = table.rows.iter().find(|row| row.is_failing() && row.slots.is_empty())?;
    let served = table.assigned().len() == SLOT_COUNT
        && table.rows.iter().all(|row| row.slots.is_empty() || !row.is_failing());
    served.then(|| {
        Hit::of(80).quote(at).quote(dead.line).note(format!(
            "The servers are through with it: all slots have a living owner, and {} is dead and \
             owns none. The client used up its tries at the dead node, because it does not read \
             the map anew when a connection fails: a fault or setting of the library, not of the \
             cluster. redis-py-cluster (rediscluster) is no longer maintained: redis-py 4.1 or \
             later (redis.cluster.RedisCluster) refreshes on connection errors.",
            dead.place()
        ))
    })
}
