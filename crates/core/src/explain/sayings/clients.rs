//! What client libraries say, each in its own words.

use super::{Saying, say};

pub(super) static SAYINGS: &[Saying] = &[
    say(
        "CLIENT_SEEDS_UNREACHABLE",
        58,
        &[
            "all the root nodes are unavailable",
            "cannot obtain initial redis cluster topology",
            "error sending 'cluster slots' command to redis server",
            "could not retrieve cluster information",
            "can't update cluster state",
            "redisc: all nodes failed",
            "redisc: too many attempts",
            "failed to fetch slots",
            "cluster connection not found",
            "clusterconnectionnotfound",
            "allconnectionsunavailable",
            "unable to send command at a specific node",
            "cluster retry deadline exceeded",
            "rediscommandtimeout*cluster topology",
            "no connection to any redis cluster node",
            "slot refresh error",
            "failed to update shards with all nodes",
            "failed to sync cluster",
            "cluster sync failed",
            "no reachable node",
            "redis error - kind: io",
            "redix.connectionerror",
            "failed to connect to redis (",
        ],
        "",
    ),
    say(
        "CLIENT_OPTIONS_MISPLACED",
        84,
        &[
            "`startupnodes` should contain at least one node",
            "requires at least one node to discover the cluster",
            "must pass seeds",
            "any redis cluster node can be made: no node provided",
        ],
        "The list of start nodes reached the library empty: a configuration variable that is not \
         set, a name that was misspelt, or a string where a list is wanted. Print what is handed \
         over.",
    ),
    say(
        "CLIENT_OPTIONS_MISPLACED",
        90,
        &["natmapping:", "natmapping :", "\"natmapping\"", "nat_map:"],
        "ioredis' option is called natMap; an unknown name is passed over without a word, so \
         nothing is translated. And its keys must be the very addresses that CLUSTER SLOTS shows \
         now ('ip:port'); pods that were restarted have others.",
    ),
    say(
        "CLUSTER_NOT_CREATED",
        70,
        &["didn't get any slots from server"],
        "The node answered CLUSTER SLOTS with an empty list.",
    ),
    say(
        "CLIENT_SEES_UNCOVERED_SLOTS",
        72,
        &[
            "lacks the slots",
            "is uncovered",
            "slotuncoverederror",
            "slot has no redis node",
            "has no redis node",
            "no targets were found to execute",
            "cannot find node*slot",
            "no endpoint for slot",
            "failed to find cluster owner",
            "no known node for slot",
            "kind: cluster, details: failed",
            "no shard for slot",
            "server has fail flag",
        ],
        "",
    ),
    say(
        "CLIENT_STALE_TOPOLOGY",
        62,
        &["error processing response from redis node"],
        "phpredis says so when a node of its map breaks the connection in place of an answer: \
         most often a node that is gone or was demoted, while the map is kept between requests \
         (redis.clusters.cache_slots = 1, persistent connections). Switch the cache off or restart \
         php-fpm after a failover, give several seeds, and take phpredis 5.3 or later.",
    ),
    say(
        "CLIENT_REDIRECT_LOOP",
        64,
        &["too many moved error", "too many ask error", "movederror: too many"],
        "redis-plus-plus says so when each try was answered by MOVED: it cannot connect to the \
         node that MOVED names and asks the same one again.",
    ),
    say(
        "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
        70,
        &["cluster_async: poll_flush: recover"],
        "redis-rs has its map (SlotMap) and goes on connecting ('Recover') to the addresses in it: \
         they are not reachable from where it runs.",
    ),
    say(
        "CROSSSLOT_NO_HASH_TAG",
        84,
        &[
            "received crossed slots",
            "should be executed to a slot in a node",
            "couldn't send pipelining to single node",
            "command keys must be in the same slot",
            "command keys must in same slot",
        ],
        "",
    ),
    say(
        "UNSUPPORTED_IN_CLUSTER",
        70,
        &[
            "over clusters of connections",
            "transaction over aggregate connections",
            "unexpected response length for cluster pipeline",
        ],
        "",
    ),
    say(
        "UNSUPPORTED_IN_CLUSTER",
        78,
        &["cannot use '*' with redis-cluster"],
        "Predis sends a command to the owner of its keys' slot: in cluster mode it refuses one \
         without keys (EVAL with 0 keys, KEYS, MULTI) or with keys of several slots, since it \
         cannot tell where that is to go.",
    ),
    say(
        "READONLY_WRITE_TO_REPLICA",
        76,
        &["command cannot be issued to a replica"],
        "StackExchange.Redis refuses by itself: the command writes and CommandFlags.DemandReplica \
         (PreferReplica) sends it to a replica. The servers are not concerned.",
    ),
    say(
        "IDLE_CONNECTION_CUT",
        46,
        &[
            "connection closed prematurely",
            "socketclosed on",
            "stacklessclosedchannelexception",
            "read error on connection to",
        ],
        "",
    ),
    say(
        "CLIENT_TIMEOUT",
        56,
        &[
            "command still hasn't been written into connection",
            "request queue size exceeded",
            "connectiontimeouterror",
            "timeout reading from",
            "the client is offline",
            "unable to send command! node source",
        ],
        "",
    ),
    say("CLIENT_SEED_DNS_FAILED", 78, &["unabletoresolvephysicalconnection"], ""),
    say("NON_CLUSTER_CLIENT", 60, &["moved: an error was signalled by the server"], ""),
    say(
        "PROXY_REFUSES_COMMAND",
        74,
        &["no healthy upstream", "err upstream failure", "redis upstream failure"],
        "The proxy (Envoy and its like) found no server behind it in health: its list of hosts, \
         its health check (a password? TLS?) or the servers themselves.",
    ),
    say(
        "CLIENT_STALE_TOPOLOGY",
        80,
        &["redis.clusters.cache_slots = 1", "redis.clusters.cache_slots=1", "cache_slots = on"],
        "phpredis keeps the map of slots between requests (redis.clusters.cache_slots = 1): after \
         a failover or a change of addresses it goes on to nodes that are gone, and a name that \
         does not resolve any more is that of such a node. CLUSTER SLOTS does not list it: set \
         cache_slots to 0 or restart php-fpm; and take a phpredis that drops the cache on errors.",
    ),
    say(
        "CLIENT_SEEDS_UNREACHABLE",
        54,
        &[
            "no connections available in the pool",
            "error connecting to redis on",
            "error,no_connection",
        ],
        "",
    ),
    say("CLIENT_TIMEOUT", 46, &["redis*context deadline exceeded"], ""),
    say(
        "CLIENT_MAP_DURING_MOVE",
        66,
        &["redis.exceptions.askerror", "redis.exceptions.tryagainerror"],
        "",
    ),
    say(
        "CROSSSLOT_NO_HASH_TAG",
        80,
        &["bad lua script for redis cluster"],
        "This is a cluster of a cloud that reads the script's text: every key must come as \
         KEYS[n] (not as ARGV or a name made in the script), and all of them in one slot. Change \
         the script or the library; ARGV in place of KEYS is refused there.",
    ),
    say(
        "TLS_CERT_INVALID",
        82,
        &["pkix path building failed", "unable to find valid certification path"],
        "The JVM does not trust the CA of the servers: put it into the trust store (or the \
         client's SslOptions).",
    ),
    say(
        "AUTH_MISMATCH",
        72,
        &[
            "warning: auth failed",
            "authenticationfailed",
            "password authentication failed",
            "kind: auth, details",
        ],
        "",
    ),
    say(
        "READONLY_WRITE_TO_REPLICA",
        76,
        &[
            "by the server - readonly",
            "by the server: - readonly",
            "redis.exceptions.readonlyerror",
        ],
        "",
    ),
    say(
        "CLIENT_MAP_DURING_MOVE",
        66,
        &["by the server - tryagain", "by the server - ask:", "by the server: - ask:"],
        "",
    ),
    say(
        "COMMAND_RENAMED_OR_DISABLED",
        72,
        &["unknown command 'asking'", "unknown command `asking`"],
        "",
    ),
    say("CLIENT_SEEDS_UNREACHABLE", 46, &["redis*dial tcp*connection refused"], ""),
    say("CLIENT_SEED_DNS_FAILED", 70, &["could not resolve hostname"], ""),
    say(
        "PROXY_NOT_SET_UP_FOR_CLUSTER",
        80,
        &["unexpected response to cluster slot command"],
        "Envoy's cluster of type envoy.clusters.redis asked the upstream for CLUSTER SLOTS and got \
         something else: an error (NOAUTH: auth_password is not set for the upstream; 'cluster \
         support disabled'), or a TLS port without transport_socket. Ask the same address with \
         redis-cli, with and without --tls and password.",
    ),
    say(
        "UNSUPPORTED_IN_CLUSTER",
        78,
        &["is not supported for jediscluster", "pipeline is currently not supported"],
        "Jedis before 4 (and Spring Data Redis over Jedis) has no pipeline and no transaction in \
         cluster mode: send the commands singly, use Jedis 4's ClusterPipeline, or Lettuce.",
    ),
    say("SELECT_NOT_ALLOWED", 84, &["argument 'db' is not possible to use in cluster mode"], ""),
    say(
        "UNSUPPORTED_IN_CLUSTER",
        70,
        &["ambiguousnodeerror", "cluster client doesn't know which node"],
        "redis-cluster-client says so for a command without a key: it would go to any node, and \
         nobody said which. Use the form that goes over all nodes (scan_each, keys) or name the \
         key. If it says so of a command that HAS a key, its table of commands is empty or \
         incomplete (COMMAND was refused by an ACL, or failed at the start), or the gem is too old \
         for the command.",
    ),
    say(
        "CLIENT_OPTIONS_MISPLACED",
        84,
        &["not available unless admin mode is enabled"],
        "StackExchange.Redis refuses by itself: server commands (CLUSTER, CONFIG, FLUSHDB, KEYS of \
         a server) need allowAdmin=true in the connection string. No node is concerned.",
    ),
    say(
        "CLIENT_OPTIONS_MISPLACED",
        86,
        &["typeerror: invalid protocol"],
        "node-redis reads a start node as a URL: it begins with redis:// or rediss://; 'host:port' \
         alone makes the host the protocol.",
    ),
    say(
        "CLIENT_OPTIONS_MISPLACED",
        68,
        &["port should be >= 0 and < 65536. received"],
        "The port that reached the socket is no number: an environment variable that is not set \
         (Number(undefined) is NaN), a name of an option that was misspelt, or 'host:port' in one \
         text. If CLUSTER SLOTS names IPv6 addresses, it is rather the client that splits them at \
         the wrong colon. Print the start nodes that are handed over.",
    ),
    say(
        "CLIENT_OPTIONS_MISPLACED",
        86,
        &["shared dict*not found", "failed to create lock: dictionary not found"],
        "resty-redis-cluster keeps its map in a shared dictionary of nginx: lua_shared_dict \
         redis_cluster_slot_locks 100k; in the http block (Kong: nginx_http_lua_shared_dict), and \
         the name in dict_name must be that one.",
    ),
    say(
        "CLIENT_POOL_EXHAUSTED",
        64,
        &["unable to acquire connection! increase"],
        "Redisson says so of a pool that is used up, and as well of a node to which no connection \
         can be made. Always the same address in it: that node; all addresses under load: the pool \
         (masterConnectionPoolSize, slaveConnectionPoolSize) or threads that hold connections in \
         blocking calls.",
    ),
    say(
        "CLIENT_TIMEOUT",
        50,
        &["redis server response timeout", "redisresponsetimeoutexception"],
        "",
    ),
    say(
        "IDLE_CONNECTION_CUT",
        46,
        &["jedisconnectionexception: unexpected end of stream"],
        "The other end closed without an answer. On the very first command: TLS against plain (or \
         the reverse), maxclients, protected mode. After a while without traffic: an idle timeout \
         between (timeout of the server, a balancer, NAT), or a connection that two threads share.",
    ),
    say(
        "TRANSACTION_ABORTED",
        70,
        &["error processing exec across the cluster"],
        "phpredis begins MULTI on each node that the keys lead to, and one of them refused EXEC \
         (MOVED after a change of the map, a lost connection): the others may have executed \
         theirs. Keep a transaction in one slot.",
    ),
    say(
        "CLI_TOO_OLD_FOR_CLUSTER",
        86,
        &["bad number of args for: '--tls'", "unrecognized option*'--tls'"],
        "This redis-cli was built without TLS (make BUILD_TLS=yes) or is older than 6.0: 'redis-cli \
         --help' lists --tls when it can. Take that of the server's own image or package \
         (redis-tools 6 and later), or go through stunnel.",
    ),
];
