//! A server that refuses CLUSTER where the deployment is one primary with copies by design.
//!
//! There nobody forgot to load a file: whoever switches cluster mode on breaks what works.

use super::clients::CLUSTER_CLASSES;
use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[NO_CLUSTER];

const NO_CLUSTER: Cause = Cause {
    code: "REPLICATION_TAKEN_FOR_CLUSTER",
    title: "This is one primary with replicas[[ (<<kind>>)]], and no Redis Cluster",
    side: Side::Client,
    when: by_design,
    cause: "'Cluster support disabled' means cluster-enabled no, and here that is meant so: what \
        was deployed is replication[[ (by <<sign>>)]]. One server is the primary, the \
        others hold a copy of ALL its keys; there are no slots and nothing is sharded[[. \
        <<watcher>>]]. Nothing is broken, and nothing was forgotten. Switching the mode on would \
        not make a cluster of it: the servers would start without slots and refuse REPLICAOF, \
        which is what holds this deployment together.",
    check: "INFO replication on each server: one says role:master with connected_slaves, the others \
        name it as master_host; INFO server says redis_mode:standalone.",
    fix: &[
        "For a spare that takes over, without sharding: keep it as it is, and use no CLUSTER \
         command and no cluster client with it.[[ <<connect>>]]",
        "For several primaries, each with a part of the keys: deploy a Redis Cluster of its own \
         beside it (a chart or operator that says cluster, such as bitnami/redis-cluster; three \
         primaries at least, with a replica each), copy the keys over with a tool that reads here \
         and writes there through a cluster client, then change the programs to cluster clients.",
    ],
    never: &[
        "Do not set cluster-enabled yes in this deployment.",
        "Do not run --cluster create over its servers, and do not give its addresses to a cluster \
         client.",
    ],
    like: &[],
};

/// How a deployment names itself, in small letters: its kind, and whether Sentinel watches it.
struct Sign {
    words: &'static [&'static str],
    kind: &'static str,
    watched: bool,
}

static SIGNS: &[Sign] = &[
    Sign {
        words: &["redis-ha", "redisfailover", "valkey-ha", "redissentinel", "redis-sentinel"],
        kind: "replication with Sentinel",
        watched: true,
    },
    Sign {
        words: &[
            "redis sentinel",
            "valkey sentinel",
            "-c sentinel",
            "sentinel.enabled",
            "sentinel monitor",
            "sentinel masters",
            "redis_mode:sentinel",
            "+monitor master",
            "+switch-master",
            "mymaster",
            ":26379",
            " 26379",
            "sentinel.conf",
            "with sentinel",
            "image: redis/sentinel",
        ],
        kind: "replication with Sentinel",
        watched: true,
    },
    Sign {
        words: &[
            "architecture=replication",
            "architecture: replication",
            "redisreplication",
            "redis_replication_mode",
            "valkey_replication_mode",
            "master-replica",
            "master-slave",
            "--replicaof ",
            "--slaveof ",
        ],
        kind: "replication without Cluster",
        watched: false,
    },
];

/// Signs that the servers are members all the same, or are made to be.
const MEANT: [&str; 8] = [
    "cluster_enabled:1",
    "redis-cluster-0",
    "valkey-cluster-0",
    "bitnami/redis-cluster",
    "cluster_state:",
    "clustercfg",
    "redis_cluster_creator",
    "redis_cluster_replicas",
];

const ANSWERS: [&str; 3] = [
    "cluster support disabled",
    "cluster mode is not enabled",
    "is not configured as a cluster node",
];

/// Where the server says that it is none of a cluster, and how surely: in an answer, or in INFO
/// beside talk of clusters.
fn denied(seen: &Seen) -> Option<(usize, u8)> {
    if let Some(at) = seen.lines_with(&ANSWERS).first() {
        return Some((*at, 94));
    }
    let at = seen.field_is(80, "redis_mode", &["standalone"])?.quotes.first().copied()?;
    (by_name(seen).is_some() && seen.has(&CLUSTER_CLASSES)).then_some((at, 80))
}

fn by_design(seen: &Seen) -> Option<Hit> {
    let (answer, score) = denied(seen)?;
    if seen.has(&MEANT) || seen.server_rows().next().is_some() {
        return None;
    }
    let (at, kind, watched) = by_name(seen).or_else(|| by_info(seen))?;
    // Beside Sentinel that line is the mistake itself; elsewhere it says what was wanted.
    if !watched && seen.has(&["cluster-enabled yes"]) {
        return None;
    }
    let sign = seen.lines.get(at)?.text.trim();
    let hit = Hit::of(score)
        .quote(answer)
        .quote(at)
        .quotes(seen.lines_with(SIGNS.first().map_or(&[], |sign| sign.words)).into_iter().take(1))
        .fact("kind", kind)
        .fact("sign", format!("'{}'", sign.chars().take(120).collect::<String>()));
    if !watched {
        return Some(hit.fact("connect", PLAIN));
    }
    Some(hit.fact("watcher", WATCHER).fact("connect", THROUGH_SENTINEL).check(ASK_SENTINEL))
}

fn by_name(seen: &Seen) -> Option<(usize, &'static str, bool)> {
    SIGNS.iter().find_map(|sign| {
        let lines = seen.lines.iter().enumerate();
        let holds = |lower: &str| sign.words.iter().any(|word| lower.contains(word));
        let mut named = lines.filter(|(_, line)| holds(&line.lower)).map(|(at, _)| at);
        // The line that names it best is the list of containers, where there is one.
        let containers = seen.lines.iter().position(|line| {
            let words: Vec<&str> = line.lower.split_whitespace().collect();
            let server = words.contains(&"redis") || words.contains(&"valkey");
            sign.watched && words.len() <= 4 && words.contains(&"sentinel") && server
        });
        let at = containers.or_else(|| named.next())?;
        Some((at, sign.kind, sign.watched))
    })
}

/// A server that INFO calls standalone, with replicas of its own or with a primary.
fn by_info(seen: &Seen) -> Option<(usize, &'static str, bool)> {
    let standalone = |block: &crate::explain::seen::Block| {
        block.fields.is("redis_mode", "standalone") || block.fields.is("cluster_enabled", "0")
    };
    seen.blocks.iter().find(|block| standalone(block))?;
    let at = seen.blocks.iter().find_map(|block| {
        let copies = block.fields.number("connected_slaves").is_some_and(|count| count > 0);
        let name = if copies { "connected_slaves" } else { "master_host" };
        block.lines.get(name).copied()
    })?;
    Some((at, "replication without Cluster", false))
}

const WATCHER: &str = "Sentinel beside the servers watches the primary and makes another one \
    primary when it dies";

const THROUGH_SENTINEL: &str = "Programs connect through Sentinel: port 26379 and the name of the \
    primary (SENTINEL MASTERS shows it), with the library's Sentinel class (JedisSentinelPool, \
    redis-sentinel:// of Lettuce, ioredis { sentinels, name }, redis-py Sentinel(...).master_for, \
    go-redis NewFailoverClient).";

const PLAIN: &str = "Programs use the plain client with the primary's address (its Service), and a \
    replica's for reads that may be a moment old.";

const ASK_SENTINEL: &str = "redis-cli -p 26379 SENTINEL MASTERS where Sentinel runs: the name, the \
    primary's address and num-slaves; INFO replication on each server: one says role:master, the \
    others name it as master_host.";
