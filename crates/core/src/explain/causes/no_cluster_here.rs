//! A cluster client against a server that has no CLUSTER command at all.

use crate::explain::cause::{Hit, Side};
use crate::explain::seen::Seen;

use super::clients::CLUSTER_CLASSES;

/// Names of services whose plain offers have no CLUSTER command, in small letters.
const SERVICES: [&str; 8] = [
    "memorystore",
    "memory store",
    "gcp",
    "google cloud",
    "azure cache",
    "upstash",
    "heroku",
    "digitalocean",
];

/// Clients, each with how its class for one server is made.
const PLAIN: [(&str, &str); 10] = [
    ("phpredis", "phpredis: $redis = new \\Redis(); $redis->connect('<host>', <port>)"),
    ("Predis", "Predis: new Predis\\Client('tcp://<host>:<port>') without the option cluster"),
    ("redis-py", "redis-py: redis.Redis(host='<host>', port=<port>)"),
    ("Jedis", "Jedis: new JedisPooled(\"<host>\", <port>)"),
    ("Lettuce", "Lettuce: RedisClient.create(\"redis://<host>:<port>\")"),
    ("Redisson", "Redisson: useSingleServer() (or useReplicatedServers())"),
    ("ioredis", "ioredis: new Redis({ host: '<host>', port: <port> })"),
    ("node-redis", "node-redis: createClient({ url: 'redis://<host>:<port>' })"),
    ("go-redis", "go-redis: redis.NewClient(&redis.Options{Addr: \"<host>:<port>\"})"),
    ("GLIDE", "GLIDE: GlideClient in place of GlideClusterClient"),
];

/// The command is CLUSTER, a client of clusters asked for it, and nothing says that the server was
/// one.
pub(super) fn asked(seen: &Seen, hit: Hit) -> Hit {
    let unknown =
        ["unknown command `cluster`", "unknown command 'cluster'", "unknown command cluster"];
    let Some(at) = seen.lines_with(&unknown).first().copied() else { return hit };
    let clustered =
        seen.has(&["rename-command", "cluster_enabled:1", "cluster-enabled yes", "moved "]);
    let Some(class) = seen.lines_with(&CLUSTER_CLASSES).first().copied() else { return hit };
    if clustered || seen.server_rows().next().is_some() {
        return hit;
    }
    let service = seen.lines_with(&SERVICES).first().copied();
    let hit = Hit { side: Some(Side::Client), ..hit }
        .more_if(8, true)
        .more_if(14, service.is_some())
        .quote(at)
        .quote(class)
        .quotes(service)
        .note(
            "So there are no slots to map, and the cluster client can do nothing here: more start \
             nodes, longer time-outs or another login change nothing. Nothing is broken on the \
             server.",
        );
    let hit = if service.is_some() {
        hit.check(
            "The service's console or description: is the instance of the type with a cluster? INFO \
             server there says redis_mode:standalone if it is not.",
        )
    } else {
        hit
    };
    let plain = PLAIN.iter().find(|(client, _)| Some(*client) == seen.client());
    let plain = plain.map_or("the library's class for one server", |(_, made)| *made);
    hit.step(format!(
        "Use the plain client with the service's primary endpoint: {plain}. Reads for replicas go to \
         the read endpoint of the service, over a second connection of that class."
    ))
    .step(
        "If a cluster is wanted: create an instance of the service's cluster type (in Google Cloud \
         Memorystore for Redis Cluster or for Valkey), copy the data over, and keep the cluster \
         client.",
    )
    .only_these_steps()
}
