//! What a step is called in the library that the paste shows.
//!
//! A cause's own steps name several libraries; whoever runs one of them wants that one first.

use super::seen::Seen;

/// A step for one library.
struct Step {
    /// The library, as [`Seen::client`] names it.
    client: &'static str,
    /// The cause.
    code: &'static str,
    /// The step.
    says: &'static str,
}

const fn step(client: &'static str, code: &'static str, says: &'static str) -> Step {
    Step { client, code, says }
}

const STALE: &str = "CLIENT_STALE_TOPOLOGY";
const FORGOT: &str = "CLIENT_FORGOT_START_NODES";
const ANNOUNCED: &str = "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT";
const NAME: &str = "TLS_NAME_MISMATCH";
const AUTH: &str = "AUTH_MISMATCH";
const TRY_AGAIN: &str = "TRYAGAIN_WHILE_SLOT_MOVES";
const PLAIN: &str = "NON_CLUSTER_CLIENT";

static STEPS: &[Step] = &[
    step(
        "redis-py",
        STALE,
        "redis-py puts the addresses of the map in place of the start nodes; when all of them \
         change at once (nodes replaced, pods restarted, a change of node type) it knows none that \
         lives. RedisCluster(host=<a name that stays: configuration endpoint or Service>, \
         dynamic_startup_nodes=False) keeps the name (4.5 and later); a new client object, or a \
         restart of the application, helps at once.",
    ),
    step(
        "redis-py",
        FORGOT,
        "RedisCluster(..., dynamic_startup_nodes=False) keeps the name that was given as the start \
         node; create a new client object on RedisClusterException.",
    ),
    step(
        "redis-py",
        ANNOUNCED,
        "redis-py (4 and later): address_remap=lambda a: <reachable (host, port)>; the older \
         redis-py-cluster: host_port_remap=[{'from_host': ..., 'to_host': ...}].",
    ),
    step("redis-py", NAME, "redis-py: ssl_check_hostname only with names announced."),
    step(
        "node-redis",
        NAME,
        "node-redis: createCluster({ rootNodes, nodeAddressMap: (address) => ({ host: '<name in \
         the certificate>', port: Number(address.split(':').pop()) }) }), or the name as \
         servername in defaults: { socket: { tls: true, servername: '<name in the certificate>' } \
         }.",
    ),
    step("go-redis", NAME, "go-redis: ClusterOptions.TLSConfig with ServerName set to the name."),
    step(
        "Lettuce",
        NAME,
        "Lettuce: a MappingSocketAddressResolver in ClientResources that puts the name in place of \
         the addresses of the map, so that peer verification has a name to check.",
    ),
    step(
        "Jedis",
        NAME,
        "Jedis: hostAndPortMapper(...) that puts the name in place of the address.",
    ),
    step(
        "StackExchange.Redis",
        NAME,
        "StackExchange.Redis: sslHost=<name in the certificate> in the configuration string.",
    ),
    step(
        "phpredis",
        NAME,
        "phpredis: the context ['peer_name' => '<name in the certificate>'] as the last argument \
         of RedisCluster.",
    ),
    step(
        "redis-py",
        AUTH,
        "redis-py: RedisCluster(username=..., password=...) holds for all nodes; in a URL it does \
         too.",
    ),
    step(
        "redis-py",
        PLAIN,
        "redis-py: redis.cluster.RedisCluster(host=..., port=...) in place of redis.Redis.",
    ),
    step(
        "go-redis",
        STALE,
        "go-redis keeps the addresses that its start names resolved to: give DNS names that stay \
         in Addrs, use v9 (it loads the map anew on MOVED, on errors and once a minute), and \
         restart the process when all addresses changed at once.",
    ),
    step(
        "go-redis",
        ANNOUNCED,
        "go-redis: ClusterOptions.Dialer (or NewClient with an own Dialer) that translates the \
         announced address; ClusterSlots for a fixed map.",
    ),
    step("go-redis", PLAIN, "go-redis: redis.NewClusterClient, or UniversalClient with two Addrs."),
    step(
        "Lettuce",
        STALE,
        "Lettuce: ClusterTopologyRefreshOptions.builder().enablePeriodicRefresh(Duration.ofSeconds(\
         30)).enableAllAdaptiveRefreshTriggers(), with names that stay as start nodes, and \
         .dynamicRefreshSources(false) where addresses change (else it asks the addresses that it \
         found, and when all of them changed nobody is left to ask); Spring \
         Boot 3: spring.data.redis.lettuce.cluster.refresh.adaptive=true and .period=30s \
         (spring.redis.lettuce... in 2.3 to 2.7; before that only by a bean with \
         ClusterClientOptions); and for nodes that vanish without a word SocketOptions with \
         keepAlive and tcpUserTimeout.",
    ),
    step("Lettuce", ANNOUNCED, "Lettuce: ClientResources with MappingSocketAddressResolver."),
    step(
        "Lettuce",
        AUTH,
        "Lettuce: the password on every RedisURI (RedisURI.Builder.withAuthentication), not on the \
         first only.",
    ),
    step("Lettuce", PLAIN, "Lettuce: RedisClusterClient.create in place of RedisClient."),
    step(
        "Jedis",
        STALE,
        "Jedis 5.1 and later: JedisCluster with topologyRefreshPeriod; older ones read the map \
         anew only on MOVED or a failed connection, and old ones from known nodes alone, so build \
         the JedisCluster anew after all addresses changed.",
    ),
    step("Jedis", ANNOUNCED, "Jedis: DefaultJedisClientConfig.hostAndPortMapper(...)."),
    step("Jedis", PLAIN, "Jedis: JedisCluster(nodes) in place of Jedis or JedisPool."),
    step(
        "ioredis",
        STALE,
        "ioredis: slotsRefreshInterval 5000, several start nodes by name, and clusterRetryStrategy \
         that returns a number (it then begins again from the start nodes).",
    ),
    step(
        "ioredis",
        ANNOUNCED,
        "ioredis: natMap: { '<announced ip:port>': { host, port }, ... } with an entry for EVERY \
         node of CLUSTER SLOTS; the keys must be the very addresses shown there.",
    ),
    step(
        "ioredis",
        NAME,
        "ioredis: new Redis.Cluster(nodes, { dnsLookup: (address, callback) => callback(null, \
         address), redisOptions: { tls: {} } }): dnsLookup stands beside redisOptions, not within.",
    ),
    step(
        "ioredis",
        AUTH,
        "ioredis: redisOptions: { username, password } (they hold for all nodes).",
    ),
    step("ioredis", PLAIN, "ioredis: new Redis.Cluster([{ host, port }]) in place of new Redis()."),
    step(
        "node-redis",
        STALE,
        "node-redis: several rootNodes by name, a current @redis/client (it discovers anew on \
         errors and MOVED), and an 'error' listener.",
    ),
    step("node-redis", ANNOUNCED, "node-redis: createCluster({ nodeAddressMap })."),
    step(
        "node-redis",
        AUTH,
        "node-redis: username and password in defaults, which hold for the nodes of the map; \
         rootNodes serve the first question only.",
    ),
    step(
        "StackExchange.Redis",
        STALE,
        "StackExchange.Redis: 2.6 and later reads the map anew on MOVED; configCheckSeconds 60, \
         abortConnect=false, and one ConnectionMultiplexer that is kept.",
    ),
    step(
        "StackExchange.Redis",
        ANNOUNCED,
        "StackExchange.Redis has no table of translation (a Tunnel of ConfigurationOptions can do \
         it): announce reachable addresses, or run the client inside. GetEndPoints() shows what it \
         was told.",
    ),
    step("Redisson", STALE, "Redisson: scanInterval 2000, and a dnsMonitoringInterval."),
    step("Redisson", ANNOUNCED, "Redisson: useClusterServers().setNatMapper(...)."),
    step("Redisson", PLAIN, "Redisson: useClusterServers() in place of useSingleServer()."),
    step(
        "phpredis",
        STALE,
        "phpredis: redis.clusters.cache_slots 0 (or restart php-fpm after the change), several \
         seeds.",
    ),
    step(
        "phpredis",
        ANNOUNCED,
        "phpredis has no table of translation: announce reachable addresses, or run PHP inside.",
    ),
    step(
        "Predis",
        PLAIN,
        "Predis: new Predis\\Client([...all nodes...], ['cluster' => 'redis']); without this \
         option it spreads keys by itself and does not follow MOVED.",
    ),
    step("phpredis", PLAIN, "phpredis: new RedisCluster(NULL, ['host:port', ...])."),
    step(
        "redis-rs",
        ANNOUNCED,
        "redis-rs has no table of translation: announce reachable addresses (cluster-announce-ip), \
         or run the program in the nodes' network.",
    ),
    step("redis-rs", PLAIN, "redis-rs: ClusterClient::new in place of Client::open."),
    step(
        "redis-rb",
        ANNOUNCED,
        "redis-rb: fixed_hostname, where one name in front leads to the right node by its port.",
    ),
    step(
        "Redisson",
        TRY_AGAIN,
        "Redisson: a current release, which repeats TRYAGAIN by itself (retryAttempts, \
         retryInterval); early ones hand it to the program.",
    ),
    step(
        "ioredis",
        TRY_AGAIN,
        "ioredis: retryDelayOnTryAgain (100 ms by default) is its pause; maxRedirections bounds \
         the tries, and each attempt counts.",
    ),
    step(
        "ioredis",
        "READS_SENT_TO_LOADING_REPLICA",
        "ioredis: redisOptions: { reconnectOnError: (error) => error.message.startsWith('LOADING') \
         ? 2 : false } connects anew and sends the read again; scaleReads: 'master' for as long as \
         replicas are added. Its ready check does not keep a replica that loads out.",
    ),
    step(
        "redis-rb",
        AUTH,
        "redis-rb: Redis.new(cluster: [...], password: '<password>'): as an option it holds for \
         all nodes; in the URL of a start node some releases use it there only.",
    ),
    step(
        "redis-rb",
        STALE,
        "redis-rb: the newest release (5 and later with redis-clustering reads the map anew on \
         errors), several start nodes by names that stay, and a new client object after all \
         addresses changed.",
    ),
    step("redis-rb", PLAIN, "redis-rb: Redis::Cluster.new(nodes: [...]) (redis-clustering)."),
];

/// The steps for a cause in the library that the paste shows.
pub(super) fn steps(code: &str, seen: &Seen) -> impl Iterator<Item = &'static str> {
    let client = seen.client();
    let fits = move |step: &&Step| Some(step.client) == client;
    let code = code.to_owned();
    STEPS.iter().filter(fits).filter(move |step| step.code == code).map(|step| step.says)
}

/// Whether a step is for a library that it begins with, or for a list of them.
pub(super) fn is_for_others(step: &str) -> bool {
    let named =
        |one: &Step| step.strip_prefix(one.client).is_some_and(|rest| rest.starts_with(':'));
    step.starts_with("Or translate in the client: ") || STEPS.iter().any(named)
}

#[cfg(test)]
mod tests {
    use super::super::causes;
    use super::*;

    #[test]
    fn each_step_is_for_a_cause() {
        for step in STEPS {
            assert!(causes::all().any(|cause| cause.code == step.code), "{}", step.code);
        }
    }
}
