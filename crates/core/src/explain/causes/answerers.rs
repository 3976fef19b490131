//! Who answers `unknown command 'cluster'`: every server knows CLUSTER, in cluster mode or not, so
//! it is a Sentinel, a proxy, or somebody who took the command away.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// The answer of somebody who has no CLUSTER at all.
const NO_CLUSTER: [&str; 3] =
    ["unknown command 'cluster", "unknown command `cluster", "unknown command cluster"];

/// Signs of Sentinels: their port, and the names of a client's settings for them.
const SENTINELS: [&str; 5] = [":26379", " 26379", "sentinel monitor", "sentinels", "mastername"];

/// Signs of proxies that speak the protocol themselves, by name and by their usual port. Envoy says
/// 'unsupported command' of its own; 'unknown command' behind it comes from the server.
const PROXIES: [(&str, &str); 8] = [
    ("predixy", "predixy"),
    (":7617", "predixy"),
    ("twemproxy", "twemproxy"),
    ("nutcracker", "twemproxy"),
    (":22121", "twemproxy"),
    ("codis", "Codis"),
    ("redis-cluster-proxy", "redis-cluster-proxy"),
    ("camellia", "camellia"),
];

/// Sentinels are asked for CLUSTER.
pub(super) fn sentinel(seen: &Seen) -> Option<Hit> {
    let at = *seen.lines_with(&NO_CLUSTER).first()?;
    let sentinels = *seen.lines_with(&SENTINELS).first()?;
    let clustered = seen.has(&["cluster_state:", "cluster_enabled:1"]);
    (!clustered).then(|| {
        Hit::of(90)
            .quote(at)
            .quote(sentinels)
            .note(
                "Who answers here is a Sentinel (port 26379): it does not know CLUSTER, where a server \
                 without cluster mode says 'cluster support disabled'. The client took its cluster \
                 form: some choose it when several addresses are given and the master's name is \
                 not (go-redis UniversalClient and what is built on it).",
            )
            .check(
                "redis-cli -p 26379 info server says redis_mode:sentinel, and redis-cli -p 26379 \
                 sentinel masters names what it watches.",
            )
            .step(
                "Give the client the master's name beside the Sentinels' addresses (master_name, \
                 MasterName, name: 'mymaster'), so that it takes its Sentinel form; or its cluster \
                 form with the nodes' own port, if a cluster is meant.",
            )
    })
}

/// A proxy is asked for CLUSTER.
pub(super) fn proxy(seen: &Seen) -> Option<Hit> {
    let at = *seen.lines_with(&NO_CLUSTER).first()?;
    let (line, name) = PROXIES.iter().find_map(|(sign, name)| {
        let line = *seen.lines_with(&[sign]).first()?;
        Some((line, *name))
    })?;
    Some(Hit::of(90).quote(at).quote(line).fact("proxy", name).note(
        "The proxy follows the cluster itself and has no CLUSTER for its clients, so a cluster client \
         finds no map there; nothing was renamed on the nodes. Behind it a plain client is right \
         (Lettuce RedisClient, Jedis, go-redis NewClient); a cluster client dials the nodes.",
    ))
}
