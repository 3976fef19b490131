//! More of [`super::known`]: what is particular about frameworks, charts and tools that stand
//! between a person and the cluster. A sentence here never makes a cause fit.

use super::known::Note;

/// Containers that were told to meet themselves.
const CREATED_BY_LOCALHOST: Note = Note {
    code: "DOCKER_BUS_PORT_NOT_PUBLISHED",
    words: &[
        &["docker", "container", "compose"],
        &["create"],
        &["127.0.0.1:7", "127.0.0.1:6", "localhost:7", "localhost:6"],
    ],
    sentence: "And create was given 127.0.0.1: inside each container that is the container itself, \
        so every node is told to meet itself. From the host the published ports make it look \
        right. Give create the containers' addresses in one Docker network (run redis-cli inside \
        it), or run the nodes with network_mode host.",
};

/// Containers on a desktop machine have no part in its network.
const HOST_NETWORK_OF_A_DESKTOP: Note = Note {
    code: "CANNOT_CONNECT_NODE",
    words: &[
        &["docker desktop", "docker for mac", "docker for windows", "macos", "my mac", "macbook"],
        &[
            "network_mode: host",
            "network_mode: \"host\"",
            "--net=host",
            "--net host",
            "network host",
        ],
    ],
    sentence: "On macOS and Windows containers run in a virtual machine, and host networking is the \
        network of that machine, not of the desktop: nothing listens on the desktop's 127.0.0.1 \
        (Docker Desktop 4.34 and later can switch host networking on). Use a bridge network with \
        published ports and cluster-announce-ip, -port and -bus-port instead.",
};

pub(super) static NOTES: &[Note] = &[
    HOST_NETWORK_OF_A_DESKTOP,
    Note { code: "CLIENT_SEEDS_UNREACHABLE", ..HOST_NETWORK_OF_A_DESKTOP },
    Note { code: "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", ..HOST_NETWORK_OF_A_DESKTOP },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["bull"], &["moved "]],
        sentence: "A queue of Bull or BullMQ needs two things in a cluster, and a hash tag alone \
            is not enough: a cluster connection (Bull: createClient: () => new \
            Redis.Cluster([...], { redisOptions: { tls, password } }); BullMQ: connection: new \
            Cluster([...])), where 'redis: { host }' makes a plain one; and the prefix in braces \
            (prefix: '{myapp}'). With ElastiCache and TLS add dnsLookup: (address, callback) => \
            callback(null, address).",
    },
    Note {
        code: "TLS_NAME_MISMATCH",
        words: &[&["did not match expected cn", "peer certificate cn"]],
        sentence: "PHP checks two things apart: who issued the certificate (verify_peer) and whose \
            name is in it (verify_peer_name). It is the name that fails here, and verify_peer=0 \
            does not touch it. Set the name that the certificate has (stream[peer_name]) or let \
            the map hand out names; stream[verify_peer_name]=0 gives up the check of the name \
            alone and wants verify_peer to stay on.",
    },
    Note {
        code: "TLS_NAME_MISMATCH",
        words: &[&["hostname_check_failed"]],
        sentence: "It is the client that refuses ('generated CLIENT ALERT'): Erlang and Elixir check \
            the name exactly and take no wildcard ('*.name.region.amazonaws.com') unless they are \
            told to: ssl options customize_hostname_check: [match_fun: \
            :public_key.pkix_verify_hostname_match_fun(:https)] (with server_name_indication set \
            to the host and cacerts from the system). If the library dials the addresses of the \
            map, it needs the host name for the check as well. No node is to be changed.",
    },
    Note {
        code: "CROSSSLOT_NO_HASH_TAG",
        words: &[&["redbeat"]],
        sentence: "RedBeat writes an entry and its schedule in one transaction: set \
            redbeat_key_prefix to a name in braces, '{redbeat}:', so that all of them share a slot \
            (sibson/redbeat#296), and let the entries be written anew under it.",
    },
    Note {
        code: "TLS_CERT_INVALID",
        words: &[&[
            "unknownissuer",
            "unable to get local issuer",
            "signed by unknown authority",
            "in certificate chain",
            "unable to verify the first certificate",
            "pkix path building",
            "depth_zero_self_signed",
        ]],
        sentence: "Who prints this has got the other side's certificate and does not know who issued \
            it: address, port and firewall are right, and no password was looked at yet. It is \
            mended where it is printed: the CA into that program's own trust (GLIDE and others \
            built on rustls take root certificates by an option or the system's bundle, Node.js \
            tls.ca or NODE_EXTRA_CA_CERTS, JVM trust store, Go RootCAs, redis-py ssl_ca_certs). \
            Managed services sign by public CAs: there the container has no bundle (package \
            ca-certificates), or the library was built without it. If only the intermediate is \
            missing, the server's tls-cert-file must hold the chain.",
    },
    Note {
        code: "TLS_CERT_INVALID",
        words: &[&["alert unknown ca", "unknown ca)", "certificate_unknown", "unknown ca "]],
        sentence: "An ALERT 'unknown ca' comes from the OTHER end: it refuses the certificate that \
            this side presented (or the CA of this side), so its trust has to be mended, not that \
            of the side that prints it.",
    },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["typeorm", "type: \"redis\"", "type: 'redis'"], &["moved "]],
        sentence: "If this is the cache of TypeORM: type 'redis' (and 'ioredis') is a client for \
            one server; type 'ioredis/cluster' with startupNodes follows redirects.",
    },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["getconnection("], &["getnodeid()", "nodeid", "getpartitionbyslot"]],
        sentence: "The command went over a connection to ONE node (getConnection(nodeId) of \
            Lettuce): such a connection is a plain one, it shows MOVED and neither follows it nor \
            refreshes the topology. Send keyed commands over the cluster connection itself (also \
            with setAutoFlushCommands), or, on MOVED, call refreshPartitions() and choose the node \
            of the slot anew. A slot has moved since the node was chosen; that is no fault.",
    },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["opensips", "cachedb_redis"]],
        sentence: "OpenSIPS' cachedb_redis reads the map when it connects to a server in cluster \
            mode, with a release that has the cluster support built in; a URL for one server, or \
            an old release, shows MOVED for each key of another node. Give it a start node of the \
            cluster with a release that follows redirects, or a Redis without cluster mode.",
    },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["django_redis", "django-redis"]],
        sentence: "django-redis' DefaultClient is for one server; for a cluster use Django's cache \
            with a redis-py RedisCluster client class, or a Redis without cluster mode.",
    },
    Note {
        code: "CLIENT_PARSES_NODES_WRONG",
        words: &[&["asked not to resolve"]],
        sentence: "Here the client takes numbers only: MOVED names the owner by host name (managed \
            services and cluster-preferred-endpoint-type hostname do so), and this client was \
            built not to resolve names in a redirect. Upgrade it to a release that does \
            (FreeRADIUS mended rlm_redis in 2023), or hand out addresses \
            (cluster-preferred-endpoint-type ip) where you may set that.",
    },
    Note {
        code: "CLUSTER_NOT_CREATED",
        words: &[&["helm upgrade", "helm install"], &["persistence", "storageclass", "volume"]],
        sentence: "The chart creates the cluster once, at install, in the pods of that time. An \
            upgrade that switches persistence on (or changes the storage) starts the pods on new, \
            empty volumes: blank nodes with new ids, and nobody creates a cluster of them again. \
            What was in memory before is gone with the old pods, unless a volume or a backup of it \
            is left; look for these first. Then create it over the pods' addresses (or install \
            anew, with persistence from the start).",
    },
    Note {
        code: "CLUSTER_NOT_CREATED",
        words: &[&["slots result count: 0", "does not hold any slot"]],
        sentence: "The node answers, and its list of slots is empty: that is why ioredis closes \
            the connection again ('does not hold any slot') and tries for ever. Either no cluster \
            was made of the nodes yet, or this start node is no member (removed, reset, never \
            joined); CLUSTER INFO and CLUSTER NODES on it tell. Timeouts and retries have no part \
            in it.",
    },
    Note {
        code: "TOOL_STOPS_AT_DEAD_NODE",
        words: &[&["forget"], &["can't connect to node", "could not connect to"]],
        sentence: "The tool takes its list of nodes from the one node it was given ('using node \
            ...'), so it is THAT node's table which still has the dead one: most often it was down \
            or stopped when FORGET was sent to the others, and learnt nothing of it. Send CLUSTER \
            FORGET <id> to that node now (and to any other that still lists it); the slots are \
            not concerned.",
    },
    Note {
        code: "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
        words: &[&["enableofflinequeue options is false"]],
        sentence: "enableOfflineQueue false only makes it visible at once: the cluster client is \
            not ready, because it cannot connect to the announced nodes. Leaving it on would queue \
            the commands and not connect either.",
    },
    Note {
        code: "CROSSSLOT_NO_HASH_TAG",
        words: &[&["worker.fetch", "requeuer.process", "gocraft"]],
        sentence: "These are lines of gocraft/work (Harbor's jobservice): its scripts use several \
            keys below one namespace. Put the namespace in braces \
            ('{harbor_job_service_namespace}'), or give it a Redis without cluster mode; the jobs \
            under the old names do not move by themselves.",
    },
    Note {
        code: "PEER_ADDRESS_STALE",
        words: &[&["docker", "container", "compose"]],
        sentence: "With several servers in one container all of them share its address: after a \
            start under another one none of them finds a peer until they are met again.",
    },
    Note {
        code: "PLAIN_AGAINST_TLS",
        words: &[&["sentinel"], &["wrong version number"]],
        sentence: "What speaks plainly here is Sentinel: it dials the nodes without TLS unless \
            its own file sets tls-replication yes with tls-port, certificate and CA. A cluster \
            does its failover by itself and has no use for Sentinel: stop it. The nodes and their \
            bus are not concerned.",
    },
    Note {
        code: "PLAIN_AGAINST_TLS",
        words: &[
            &["wrong version number", "http request"],
            &["readinessprobe", "livenessprobe", "startupprobe", "healthcheck"],
            &["redis-cli", "valkey-cli", "nc ", "tcpsocket"],
        ],
        sentence: "The probe of the pod calls redis-cli without --tls: each of its pings reaches \
            the TLS port as plain text and leaves this line, at the probe's period. Give the probe \
            --tls --cacert <ca> (and --cert, --key unless tls-auth-clients is no). A probe with \
            only 'redis-cli ping' may even pass, as redis-cli ends with 0. The nodes and their \
            bus are not concerned.",
    },
    Note {
        code: "CLIENT_STALE_TOPOLOGY",
        words: &[
            &["timed out", "timeout"],
            &[
                "15 minutes",
                "16 minutes",
                "15min",
                "unplug",
                "power off",
                "powered off",
                "network not working",
                "cut the network",
                "pull the cable",
                "iptables",
                "half-open",
                "half open",
            ],
        ],
        sentence: "A node that vanishes without a word (power, cable, firewall) leaves half-open \
            connections: nobody answers and nobody closes, so the client waits until TCP gives \
            up, about 15 minutes on Linux (tcp_retries2), whatever the topology refresh says. \
            Lettuce: SocketOptions with keepAlive and tcpUserTimeout (30 s, needs the epoll or \
            io_uring transport) and command timeouts; other clients: TCP keep-alive, read \
            timeouts, retries on a new connection.",
    },
    Note {
        code: "SLOT_OPEN",
        words: &[&["setslot"], &["migrating", "importing"]],
        sentence: "CLUSTER SETSLOT MIGRATING and IMPORTING only set marks, and nothing moves by \
            itself: somebody has to mark the target (IMPORTING) first and the source second, move \
            the keys with MIGRATE (CLUSTER GETKEYSINSLOT until it is empty), and name the new \
            owner with SETSLOT NODE on both. redis-cli --cluster reshard does all of it.",
    },
    CREATED_BY_LOCALHOST,
    Note { code: "BUS_PORT_BLOCKED", ..CREATED_BY_LOCALHOST },
    Note {
        code: "CLIENT_SEEDS_UNREACHABLE",
        words: &[&["127.0.0.1", "localhost"], &["refused"]],
        sentence: "The start node is 127.0.0.1 (localhost): that is the machine, container or \
            worker on which this code runs, and nothing listens there. When the code runs \
            elsewhere than the servers (a worker of Storm or Spark, a pod, a container), give the \
            servers' real addresses.",
    },
    Note {
        code: "CLIENT_SEEDS_UNREACHABLE",
        words: &[&["nodemightbedown"]],
        sentence: "redis-cluster-client says so when its map names no node for the slot after \
            three new looks; where CLUSTER INFO of all nodes says ok, it is the client's view that \
            is short: it asks a few nodes only (REDIS_CLIENT_MAX_STARTUP_SAMPLE, 1 means a single \
            one, which may be the one with an old table or none). Raise the sample to 3 or more, \
            upgrade the gem, and have the job tried again. The cluster is not to be repaired.",
    },
    Note {
        code: "MANAGED_SERVICE_CLUSTER_MODE",
        words: &[&[
            "connection timed out",
            "connect timeout",
            "user specified timeout",
            "timed out",
        ]],
        sentence: "What the text shows is a timeout and no refusal: TCP, TLS and the first answer \
            did not come about in time. From the client's own subnet nc -vz <endpoint> 6379 tells \
            why: no answer is a security group, another VPC or a missing route; an answer means \
            that the client's connect timeout (often 1 second) is too short for TLS and name \
            resolution at a cold start: raise it to some seconds and keep one client object \
            instead of a new one for each job.",
    },
    Note {
        code: "REDIS_CLI_MIGRATES_WRONG_KEYS",
        words: &[&["--user "], &["crossslot"]],
        sentence: "Here the tool was given --user without a password (-a or REDISCLI_AUTH): it \
            then counts the arguments of MIGRATE wrongly, and the empty text in them is taken for \
            a key (valkey-io/valkey#3844, redis/redis#15262). Give -a as well (any text, where the \
            user has nopass), or leave --user out and use the default user, until a release mends \
            it.",
    },
    Note {
        code: "MANUAL_FAILOVER_TIMED_OUT",
        words: &[
            &["failover requested by replica", "failover user request accepted"],
            &["shutdown handler", "forgetnode", "forced failover"],
        ],
        sentence: "Two requests for the same failover meet here: one from a node that is going \
            down, one from a controller (FORCE). Each new request throws the one under way away, \
            so both run into the timeout of 5 seconds. Let one of them do it: the controller \
            should look whether a failover is under way (or the replica is primary already) before \
            it sends its own, and try again after the timeout. The cluster needs no repair.",
    },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["[kong]", "kong", "rate-limiting"]],
        sentence: "Kong's rate-limiting plugins with policy redis speak to one server; only \
            newer or paid ones know clusters (cluster_nodes). Give the plugin a Redis without \
            cluster mode; counters need no cluster.",
    },
    Note {
        code: "UNSUPPORTED_IN_CLUSTER",
        words: &[&["jedisclusterconnection"]],
        sentence: "Spring Data Redis has no pipeline over Jedis in cluster mode. Take the Lettuce \
            connection factory, whose executePipelined works in a cluster, use multiGet/multiSet \
            for keys of one hash tag, or take the native JedisCluster (Jedis 4 and later: \
            ClusterPipeline).",
    },
    Note {
        code: "MANAGED_SERVICE_CLUSTER_MODE",
        words: &[
            &["redis://"],
            &["amazonaws.com", "cache.windows.net"],
            &["i/o timeout", "timed out", "eof"],
        ],
        sentence: "The address is given as redis://, which is plain. Where encryption in transit \
            is on, the server waits for a TLS greeting and the client for an answer, and the end \
            is a timeout. Use rediss:// (and the CA or the option to trust it, if the image lacks \
            one); that redis-cli --tls works from the same place proves the network to be open.",
    },
    Note {
        code: "MIGRATE_IOERR_AMBIGUOUS",
        words: &[&[
            "as failing (quorum reached)",
            "failover auth granted",
            "failover auth requested",
        ]],
        sentence: "A failover went with it: one huge key blocks the source while it is packed and \
            the target while it is unpacked, both answer no bus message for that time, and after \
            cluster-node-timeout the others hold the node for failed and promote its replica. \
            Before the next attempt raise cluster-node-timeout on ALL nodes above the time that \
            the key takes (CONFIG SET, back afterwards), or move the key's fields in portions \
            (HSCAN, HSET under a new name). The source keeps the key until the target said OK.",
    },
    Note {
        code: "ASM_STUCK_OR_FAILED",
        words: &[&["protocol error"]],
        sentence: "Here the target closed the stream because it could not read what came \
            (protocol error): that is no matter of network or password, but of the servers \
            themselves. Note both versions, take the newest patch release at both ends, and \
            start the job again when few writes come in; a move with redis-cli --cluster reshard \
            does not go that way. The target drops what it had received of the slots.",
    },
    Note {
        code: "K8S_OPERATOR_FIGHT",
        words: &[&["(0 slots) master"], &["is not empty. either the node already"]],
        sentence: "Its leader owns no slots any more (a restart without its table, or a reset), \
            and the node that it wants to add is 'not empty': that one may hold the only copy of \
            the data. Read DBSIZE on both before anything is reset or emptied; the node WITH the \
            keys has to become the primary that gets the slots (copy its RDB and AOF away \
            first), and the empty one its replica.",
    },
    Note {
        code: "DUAL_STACK_MISMATCH",
        words: &[&["changing old ip", "pod_ip", "bitnami", "kubernetes", "kubectl"]],
        sentence: "In a dual-stack Kubernetes a pod has an address of each family, and a start \
            script that looks its name up takes now one, now the other. Settle on one family: \
            announce status.podIP (or the address of the wanted family from status.podIPs) by \
            cluster-announce-ip on every node, a Service with one ipFamily for the names, bind \
            for both; then CLUSTER MEET each node at that address. Ids, slots and volumes stay.",
    },
    Note {
        code: "READONLY_WRITE_TO_REPLICA",
        words: &[&["scalereads"]],
        sentence: "Here the client's option scaleReads spreads commands over replicas ('all' or \
            'slave'). Queues (Bull, BullMQ) and most scripts write, and EVALSHA tells nobody \
            whether it does: set scaleReads: 'master' (the default) for the connection of the \
            queue, and keep another connection for plain reads.",
    },
    Note {
        code: "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
        words: &[&["vpce-", "privatelink", "private link"]],
        sentence: "A PrivateLink endpoint is one front for one target: it carries the first \
            question, but the map names the nodes' own private addresses, which only the other \
            network reaches; a plain client works, since it stays at the front. Peer the networks \
            (VPC peering, a transit gateway), or give every node a listener of its own and \
            translate in the client (redis-py 4 and later address_remap, ioredis natMap).",
    },
    Note {
        code: "PORT_IN_USE",
        words: &[&[
            "--net=host",
            "--net host",
            "--network host",
            "--network=host",
            "network_mode: host",
        ]],
        sentence: "With the host's network -p and ports: have no effect: the container IS on the \
            host, and each server listens at the port of its own configuration. Containers of one \
            image and one redis.conf all want the same port, so the first gets it and the others \
            end. Give each its own port (--port 7002, bus 17002) and its own directory; create \
            then with these ports.",
    },
    Note {
        code: "MIGRATE_BUSYKEY",
        words: &[&["while i still hold keys"]],
        sentence: "SETSLOT NODE is refused by the source as long as it holds a key of the slot: that \
            is right, and no reason to force it. The order is: the key first, then SETSLOT NODE.",
    },
    Note {
        code: "ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT",
        words: &[&["ttl exhausted"]],
        sentence: "'TTL exhausted' has nothing to do with the expiry of keys: the client's 16 tries \
            were used up, here at addresses that lead nowhere from its machine.",
    },
    Note {
        code: "CLIENT_STALE_TOPOLOGY",
        words: &[
            &["enablealladaptiverefreshtriggers", "enableadaptiverefreshtrigger"],
            &[
                "periodic refresh is not",
                "no periodic",
                "without periodic",
                "adaptive refresh only",
                "only adaptive",
            ],
        ],
        sentence: "Adaptive refresh alone is not enough: it acts on MOVED, ASK and attempts to \
            reconnect to a node that Lettuce knows, and asks only nodes that it knows. When all \
            nodes of a shard were replaced one after the other, nothing of that comes any more. \
            enablePeriodicRefresh beside it closes the gap.",
    },
    Note {
        code: "CLIENT_STALE_TOPOLOGY",
        words: &[&["can't update cluster state"]],
        sentence: "'Can't update cluster state' comes from Redisson's scan of the table \
            (scanInterval): it failed at the node that it asked, or at taking over what it read. \
            Redisson before 3.x loses a new primary at a failover; upgrade it, and give all nodes \
            as nodeAddresses.",
    },
    Note {
        code: "CLIENT_STALE_TOPOLOGY",
        words: &[&["is unknown to cluster"]],
        sentence: "'Node ... is unknown to cluster' is thrown by Spring Data Redis \
            (ClusterCommandExecutor) by its own list of nodes, made from what Jedis knows; no \
            server said it. Upgrade spring-data-redis and Jedis, or use Lettuce with its refresh.",
    },
    Note {
        code: "NODE_CRASH_LOOP",
        words: &[&["can't read", "cannot read"], &["nodes.conf"]],
        sentence: "The start script wants to put the present address into a nodes.conf that is not \
            there: an earlier start got as far as writing its own list of nodes and not as far \
            as a running server, or the volume is another one. Bitnami's chart needs \
            cluster.nodes = primaries times (1 + replicas), 6 for one replica each; 2 make no \
            cluster. With a new release that never had data: correct the values and install it \
            anew on empty volumes. With data: find the volume that has nodes.conf, and keep all \
            of them.",
    },
];
