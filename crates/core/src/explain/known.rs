//! What is particular about some wordings: a bug with its number, a setting of one library, a rule
//! of one service. A cause says what happened in general; these sentences are added to it when the
//! text has the words.
//!
//! Deliberately absent: naming a cause. A sentence here never makes a cause fit.

use super::seen::Seen;
use super::wordings;

/// A sentence that belongs to a cause when each group of phrases has a line with one of its words,
/// which are in small letters.
pub(super) struct Note {
    /// The code of the cause.
    pub code: &'static str,
    /// Groups of phrases.
    pub words: &'static [&'static [&'static str]],
    /// The sentence.
    pub sentence: &'static str,
}

/// A step that is added to the fix of some causes when a line has one of the words.
struct Step {
    /// The codes of the causes.
    codes: &'static [&'static str],
    /// One of them, in small letters.
    words: &'static [&'static str],
    /// None of them.
    unless: &'static [&'static str],
    /// The step.
    sentence: &'static str,
}

/// What a framework sends at its start.
const SPRING_SESSION_CONFIG: Note = Note {
    code: "COMMAND_RENAMED_OR_DISABLED",
    words: &[&["configurenotifykeyspaceevents", "notify-keyspace-events", "spring.session"]],
    sentence: "Spring Session sends CONFIG at its start to switch keyspace events on, and \
            managed services refuse CONFIG: declare a bean ConfigureRedisAction.NO_OP (or \
            spring.session.redis.configure-action=none), and set notify-keyspace-events (gxE) in \
            the parameter group of the service.",
};

static NOTES: &[Note] = &[
    Note {
        code: "SERVER_CRASHED",
        words: &[&["'myself->numslots == 0' is not true", "myself->numslots == 0"]],
        sentence: "This assertion says that a node was to become a replica while it still owns \
            slots (CLUSTER REPLICATE, or a failover during a reshard): a known fault \
            (redis/redis#3173, #12268). The node starts again on its own files; move its slots \
            away before it is made a replica, and upgrade.",
    },
    Note {
        code: "SERVER_CRASHED",
        words: &[&["slot_info_pairs_count"]],
        sentence: "This assertion is a known fault of 7.2 when slots move while CLUSTER SLOTS or \
            NODES is answered (redis/redis#12695), fixed in 7.2.4. Upgrade all nodes to the newest \
            7.2 or later first; then look for open slots with --cluster check and finish the \
            move.",
    },
    Note {
        code: "SERVER_CRASHED",
        words: &[&["7.2.0", "v=7.2.0"], &["crashed by signal"], &["cluster"]],
        sentence: "Nodes of 7.2.0 crash when they meet older ones in a cluster \
            (redis/redis#12507), fixed in 7.2.1: upgrade to the newest 7.2 in one step.",
    },
    Note {
        code: "SERVER_CRASHED",
        words: &[&["clusterloadconfig"]],
        sentence: "The first frame is the reading of nodes.conf: that file is damaged (an empty or \
            half line after a full disk or power loss). Put it aside with a copy, and write the \
            node's row back with its id and slots as the other nodes' CLUSTER NODES show them.",
    },
    SPRING_SESSION_CONFIG,
    Note {
        code: "COMMAND_RENAMED_OR_DISABLED",
        words: &[&[
            "unknown command 'psubscribe",
            "unknown command `psubscribe",
            "unknown command 'subscribe",
            "unknown command 'publish",
            "unknown command 'eval",
            "unknown command `eval",
        ]],
        sentence: "Every Redis and Valkey server has this command, so who answers is most often none \
            of its own kind: a serverless or managed offer that leaves it out, or a proxy. Which \
            endpoint does the client dial? There a setting of the server is not to be had: the \
            program must do without (Socket.IO: createShardedAdapter or the streams adapter).",
    },
    Note { code: "SERVICE_REFUSES_COMMAND", ..SPRING_SESSION_CONFIG },
    Note {
        code: "CLUSTER_DISABLED_ON_NODE",
        words: &[&["redis.conf:/", "/redis.conf"], &["image:", "docker run", "docker-compose"]],
        sentence: "A mounted redis.conf is read only when the command names it: 'redis-server \
            <the path inside the container>'. Without it the image starts with its defaults, and \
            cluster-enabled is no.",
    },
    Note {
        code: "CANNOT_CONNECT_NODE",
        words: &[&[":110", ":111", ":112", ":113"], &["redirected to slot", "memorystore", "psc"]],
        sentence: "On Memorystore the nodes answer at the ports 11000-13047 behind the discovery \
            address: a firewall or an egress rule that lets 6379 through alone gives exactly this.",
    },
    Note {
        code: "FULL_SYNC_LOOP",
        words: &[&["output buffer limits"]],
        sentence: "The primary itself cut the replica off: what was written for it did not fit \
            into client-output-buffer-limit replica (the class is called slave before 5.0). What \
            is to fit there are the writes of one whole copy, and in repl-backlog-size those of a \
            short break, so that it needs no copy.",
    },
    Note {
        code: "TLS_CERT_INVALID",
        words: &[&["peer did not return a certificate", "certificate required"]],
        sentence: "Here the client presented no certificate at all: tls-auth-clients is yes by \
            default, so the server asks every client for one. Give the client a certificate and \
            key of that CA, or set tls-auth-clients optional (the bus goes on asking its peers).",
    },
    Note {
        code: "TLS_CERT_INVALID",
        words: &[&["failed to create ssl_ctx"]],
        sentence: "'Failed to create SSL_CTX' comes before any connection: redis-cli cannot read \
            the files of --cert, --key or --cacert (path, rights, a key that does not match, a \
            directory given as a file), or its OpenSSL is older than 1.1.1.",
    },
    Note {
        code: "PLAIN_AGAINST_TLS",
        words: &[&["addr=127.0.0.1:", "addr=[::1]:"], &["wrong version number"]],
        sentence: "The connection comes from the machine or pod itself (addr=127.0.0.1): a probe, \
            an exporter or a script that calls redis-cli without --tls. The nodes themselves are \
            not concerned.",
    },
    Note {
        code: "CLIENT_STALE_TOPOLOGY",
        words: &[&["commandflags.noredirect was specified"]],
        sentence: "StackExchange.Redis says this when it does not follow a redirect: for a command \
            that it may not resend, or because it has no connection to the node that MOVED names \
            (an address of the map that is unreachable from here). Upgrade to 2.6.96 or later, \
            which looks at the map anew, and test that every node of CLUSTER SLOTS can be \
            reached.",
    },
    Note {
        code: "CLIENT_STALE_TOPOLOGY",
        words: &[&["windows.net", "azure"]],
        sentence: "On Azure the shards stand at ports 13000-13999 (plain) and 15000-15999 (TLS) of \
            one address; scaling adds such ports, and the client must look at the map again.",
    },
    Note {
        code: "UNASSIGNED_SLOTS_SHARD_FORGOTTEN",
        words: &[&["uncovered slots have no keys across the cluster"]],
        sentence: "The tool found no key of these slots on the nodes that it reaches; a node that \
            is down or was removed it did not ask, so look there first.",
    },
    Note {
        code: "EMPTY_PRIMARY",
        words: &[&["\"health\""]],
        sentence: "When it stands in the same shard as the primary that has the slots, it is an old \
            primary that came back and did not become a replica (valkey-io/valkey#2261, #2279): \
            CLUSTER REPLICATE <id of the owner> on it, after DBSIZE there was looked at.",
    },
    Note {
        code: "CLIENT_SEEDS_UNREACHABLE",
        words: &[&["allconnectionsunavailable"]],
        sentence: "GLIDE says so when none of its connections stands: an address of the map that it \
            cannot reach, useTLS that does not match the servers, or a fault of its own (2.2.6 and \
            2.2.7 against ElastiCache without TLS, valkey-io/valkey-glide#5394): try the release \
            before and the newest.",
    },
    Note {
        code: "CLIENT_SENTINEL_OR_WRONG_MODE",
        words: &[&["standalone("]],
        sentence: "The standalone client of GLIDE wants to see one primary with its replicas; the \
            configuration endpoint of a cluster leads to another node at each connection, also to \
            replicas. Use GlideClusterClient.",
    },
    Note {
        code: "ACL_DENIES_CLUSTER_COMMANDS",
        words: &[&["no topology views found"]],
        sentence: "GLIDE hides the reason: the answer to its CLUSTER SLOTS was an error, here that \
            of a user without the right to it.",
    },
    Note {
        code: "REDIS_TRIB_GEM_TOO_NEW",
        words: &[&["[err] ask "]],
        sentence: "An ASK that the tool itself gets means that it sent an ordinary command for a \
            slot that it was just moving: a redis-trib of another version than the servers \
            (MIGRATE with several keys exists since 3.0.6 and 3.2). The slot is now open; finish it.",
    },
    Note {
        code: "MOVED_TO_PORT_ZERO",
        words: &[&["cluster reset", "new node id", "reset hard"]],
        sentence: "RESET HARD gave that node a new id, while its old id still owns the slots at the \
            others: a node under another name answers at the address, so the old one loses it. \
            The slots' keys are where that node's files or its replica are.",
    },
    Note {
        code: "FULL_SYNC_LOOP",
        words: &[&["disconnecting timedout"]],
        sentence: "'Disconnecting timedout' means that the replica acknowledged nothing for \
            repl-timeout (60 s by default): it is busy loading or stalled, its disk is slow, or \
            packets are lost between the two. Raise repl-timeout above the time of one load, and \
            look at the replica at that minute.",
    },
    Note {
        code: "DISK_ERROR_MISCONF",
        words: &[&[
            "needed for master <-> replica",
            "needed for primary <-> replica",
            "needed for master <-> slave",
        ]],
        sentence: "Here it is a replica that cannot store the copy it receives, so it never gets in \
            sync: its disk must hold the old and the new file side by side (or set \
            repl-diskless-load). The primary is not concerned.",
    },
    Note {
        code: "NODE_HUNG",
        words: &[&["eviction-del", "eviction-cycle"]],
        sentence: "The latency events are of evictions: at maxmemory the server frees a big key \
            within a command. Set lazyfree-lazy-eviction (and -expire, -server-del) yes, split big \
            keys, and leave room below maxmemory.",
    },
    Note {
        code: "STATE_FAIL_UNKNOWN_REASON",
        words: &[&["command while the cluster is down"]],
        sentence: "A script gets this text where a command gets CLUSTERDOWN, and libraries that try \
            a CLUSTERDOWN again do not know it. For a second or two during a failover it is to be \
            expected: let the application try the script again.",
    },
    Note {
        code: "K8S_SERVICE_IP_AS_NODE",
        words: &[&["loadbalancer"], &["waiting for the cluster to join"]],
        sentence: "Each node's balancer must pass the bus port as well, and pods must reach it from \
            inside (a balancer by name only, without an IP to announce, cannot serve: MEET and \
            cluster-announce-ip take numbers). Use balancers with fixed IPs, and the bus over the \
            pods' own addresses.",
    },
    Note {
        code: "CLUSTER_NOT_CREATED",
        words: &[
            &["slots list is empty", "empty cluster slots", "no slots"],
            &["remove", "forgot", "reset"],
        ],
        sentence: "If the rest of the cluster is well, only this start node is no member any more (it \
            was removed or reset) and knows no slots: strike it off the client's list. Jedis 4.3 \
            and later pass over such a node.",
    },
    Note {
        code: "CLIENT_SEES_UNCOVERED_SLOTS",
        words: &[&["property 'master' of undefined", "reading 'master'"]],
        sentence: "node-redis says so when its map has no node for the key's slot: CLUSTER SLOTS of \
            the start node did not cover it, or the nodes it names could not be reached \
            (nodeAddressMap translates addresses). Newer releases wait for the map; upgrade.",
    },
    Note {
        code: "AUTH_MISMATCH",
        words: &[&["iam"], &["memorystore", "elasticache", "memorydb", "access token"]],
        sentence: "With IAM the password is a token that ends (Memorystore 1 hour, ElastiCache and \
            MemoryDB 15 minutes): connections that stand go on, each new one is refused. Give the \
            client a credentials provider that fetches a fresh token for each connection.",
    },
    Note {
        code: "ACL_DENIES_CLUSTER_COMMANDS",
        words: &[&["one of the keys used as arguments", "permissions to access one of the keys"]],
        sentence: "Here the command is allowed and the key is not: no ~pattern of the user fits its \
            name. Add the pattern (ACL SETUSER <user> ~session:*) on all nodes.",
    },
    Note {
        code: "REPLICA_LINK_DOWN",
        words: &[&["state=wait_bgsave", "state=send_bulk"]],
        sentence: "The primary lists the replica in a state other than online: a full copy is under \
            way (wait_bgsave: the save for it is not done; send_bulk: it is being sent). Until \
            then WAIT counts no replica. If it does not end, look at rdb_last_bgsave_status and \
            the primary's log.",
    },
    Note {
        code: "READONLY_WRITE_TO_REPLICA",
        words: &[&["script:", "user_script"]],
        sentence: "The refusal came from within a script; some libraries look at the map again for \
            a plain READONLY or MOVED only, so scripts go on to the old node: upgrade the library, \
            or refresh its map on this error.",
    },
    Note {
        code: "K8S_EPHEMERAL_STORAGE",
        words: &[&["pruned persistentvolumeclaim"]],
        sentence: "The claims were deleted with the release (pruning). Take the volumes for lost \
            only after kubectl get pv: with reclaim policy Retain they are still there, Released, \
            and can be bound again. Exempt claims from pruning (Prune=false).",
    },
    Note {
        code: "SLOT_BUSY_OR_LOCAL_COMMAND",
        words: &[&["invalid or out of range slot"]],
        sentence: "Slots are numbered 0 to 16383: 16384 is one too many, and the refusal of that \
            one is harmless. For a whole range use ADDSLOTSRANGE (7.0 and later).",
    },
    Note {
        code: "SLOT_BUSY_OR_LOCAL_COMMAND",
        words: &[&["is not known or not a master", "is not known or not a primary"]],
        sentence: "The tool wants the id of a living primary, as CLUSTER NODES of the node that was \
            asked shows it: not of a replica, not the shortened id, and not of a node that was \
            never joined (add-node first).",
    },
    Note {
        code: "NODES_CONF_LOCKED",
        words: &[&["nfs", "efs", "azure files", "azurefile"]],
        sentence: "On NFS the lock outlives the machine that held it: after a machine is lost, the \
            server goes on refusing until the file server drops the lock (redis/redis#7474). Make \
            sure that the old machine is really off; then a copy of the file put in its place \
            (cp, mv) carries no lock. Block storage (one volume for each node) has no such fault.",
    },
    Note {
        code: "AUTH_MISMATCH",
        words: &[&["tcp-check", "tcpchk", "haproxy"]],
        sentence: "The one that is refused is the check of the balancer: it sends PING without AUTH. \
            Let it send 'AUTH <password>' first (tcp-check send), or count NOAUTH as alive. A \
            balancer in front of a cluster can serve as a start node only.",
    },
    Note {
        code: "CLIENT_SEEDS_UNREACHABLE",
        words: &[&["127.0.0.1:6379", "localhost:6379", "::1:6379"], &["refused"]],
        sentence: "127.0.0.1:6379 is what a client takes when it was given no address (an unset \
            variable, options in the wrong place); in a container or pod that is the container \
            itself.",
    },
    Note {
        code: "REPLICATION_CHAIN_OR_CYCLE",
        words: &[&["i can only replicate a master", "i can only replicate a primary"]],
        sentence: "Here REPLICATE was refused, so nothing has changed: the id that was given \
            belongs to a replica. Give the id of that shard's primary (the fourth column of its \
            row in CLUSTER NODES).",
    },
    Note {
        code: "LEFTOVER_CLUSTER_STATE_ON_NODE",
        words: &[&["is not empty"], &["failed, retrying", "add-node"]],
        sentence: "A job that repeats add-node is refused by the node that its own first attempt \
            has already joined. Look at CLUSTER NODES of a member first: if the node stands there, \
            it is no stranger and must not be blanked; stop the job, and give the node slots \
            (rebalance --cluster-use-empty-masters) or a primary (CLUSTER REPLICATE on it).",
    },
    Note {
        code: "FORGOTTEN_NODE_REINTRODUCES_ITSELF",
        words: &[&["cluster reset"]],
        sentence: "CLUSTER RESET makes this node forget the others, and not the others this node: \
            they know its address and meet it again within seconds (valkey-io/valkey#1757). Send \
            CLUSTER FORGET <its id> to all others within a minute of the RESET, or stop it.",
    },
    Note {
        code: "FAILOVER_NO_VOTES",
        words: &[&["already voted for epoch"]],
        sentence: "'Already voted' is a collision: two replicas asked in the same epoch, and each \
            voter has one vote in an epoch. The loser asks again by itself after four node \
            timeouts; it lasts longer where many primaries die at once on one machine. Spread \
            primaries over machines, and keep the node timeout small enough for that wait.",
    },
    Note {
        code: "MIGRATE_TARGET_REFUSED",
        words: &[&["dump payload version"]],
        sentence: "'DUMP payload version' says that the target is older than the source and cannot \
            read its format: keys move to nodes of the same or a newer version only. Upgrade the \
            target, then finish the slot; until then let it stay open.",
    },
    Note {
        code: "AUTH_MISMATCH",
        words: &[&["redis-cli", "valkey-cli"], &["wrongpass"]],
        sentence: "On a command line the shell changes a password with $, !, & or quotes in it \
            before redis-cli sees it: put it in single quotes, or into REDISCLI_AUTH.",
    },
    Note {
        code: "K8S_OPERATOR_FIGHT",
        words: &[&["flushall", "can't be called with master nodes containing keys"]],
        sentence: "This controller tries to reset nodes that hold keys and empties them for it: \
            pause it at once, before anything else, and copy the RDB and AOF files of every node \
            away (OT-CONTAINER-KIT/redis-operator#1069).",
    },
    Note {
        code: "ACL_DENIES_CLUSTER_COMMANDS",
        words: &[&["executing the script can't run", "executing the function can't run"]],
        sentence: "The right is missed inside a script: the user may run EVAL, but not the command \
            that the script calls at the line in the message; grant that command, on all nodes.",
    },
    Note {
        code: "CLIENT_PARSES_NODES_WRONG",
        words: &[&["reloadneeded"]],
        sentence: "redis-cluster-client before 0.4.4 names the nodes by IP, while MOVED names them \
            by host name when cluster-preferred-endpoint-type is hostname, so it never finds the \
            node that is meant (redis-rb/redis-cluster-client#205): upgrade the gem.",
    },
    Note {
        code: "CLIENT_REDIRECT_LOOP",
        words: &[&["rediscluster", "phpredis"], &["timed out attempting to find data"]],
        sentence: "phpredis gives up so when a node of its map does not answer within the timeout: \
            during a failover for a moment (retry once; redis.clusters.cache_slots 0 if it stays), \
            for ever when an announced address cannot be reached from PHP.",
    },
    Note {
        code: "CROSSSLOT_NO_HASH_TAG",
        words: &[&["non local key"]],
        sentence: "The script touches a key that lives on another node: a name built inside the \
            script, or a key that was not given in KEYS. Pass every key in KEYS, all with one tag.",
    },
    Note {
        code: "REDIS_TRIB_OUTDATED",
        words: &[&["hash slot not served", "slots_assigned:0"]],
        sentence: "So the step that makes the cluster ended here and no slot was handed out, which is \
            what 'Hash slot not served' says: CLUSTER INFO shows slots_assigned 0 on each node. \
            Run redis-cli --cluster create <all addresses> --cluster-replicas 1 once (with the \
            new, empty nodes only), in the image's start script in place of redis-trib.rb.",
    },
    Note {
        code: "MIGRATE_TARGET_REFUSED",
        words: &[&["clusterdown"]],
        sentence: "A node that joined a moment ago holds the cluster for down until it has heard of all \
            slots and two seconds more: wait until CLUSTER INFO ON THE TARGET says \
            cluster_state:ok with all nodes known, and only then move slots to it \
            (redis/redis#3774). The slot at which it stopped is open on both sides: finish that \
            one first.",
    },
    Note {
        code: "MIGRATE_BUSYKEY",
        words: &[&["ioerr", "error or timeout reading", "timeout reading"]],
        sentence: "The earlier MIGRATE ran into its timeout (IOERR): the source gave up waiting and \
            kept the key, while the target had already stored it. So the key is on both, the \
            slot is still open, and the source's copy counts as long as nobody wrote to the \
            target after ASK.",
    },
    Note {
        code: "MIGRATE_BUSYKEY",
        words: &[&[
            "output buffer limits",
            "big key",
            "large key",
            "hlen",
            "memory usage",
            "entries",
        ]],
        sentence: "A big key is behind it: MIGRATE sends it in one piece and both nodes answer nobody \
            meanwhile. If that takes longer than MIGRATE's timeout it is copied but not deleted; \
            longer than the node timeout, and the nodes are failed over in the middle. Before \
            the next attempt raise --cluster-timeout (for example 600000) and, on all nodes for \
            that time, cluster-node-timeout and the output buffer limit of the target's \
            replicas; or split the key into smaller ones first. A key that cannot be sent at all \
            keeps its slot where it is.",
    },
    Note {
        code: "AOF_OR_RDB_CORRUPT",
        words: &[&["rdbchecksum no"], &["append only file", "append-only file"]],
        sentence: "rdbchecksum no stands in the settings: with an AOF that begins with an RDB \
            (aof-use-rdb-preamble yes) the versions 4.0.0 to 4.0.9 write such a file and cannot \
            read it back (redis/redis#4902, #4931). The file may then be whole: start a copy of it \
            with 4.0.10 or later, and set rdbchecksum yes.",
    },
    Note {
        code: "DISK_ERROR_MISCONF",
        words: &[&["errors writing to the aof", "aof_last_write_status:err"]],
        sentence: "Here it is the AOF: the server tries the same write again every second, and \
            accepts commands as soon as one succeeds; a BGSAVE has no part in it. The words behind \
            'AOF file:' are the system's: no space (df, quota, size of the volume), read-only, or \
            'resource temporarily unavailable' and I/O errors, which come from the storage (NFS, \
            network volume, throttling) and not from Redis: look at the volume and dmesg. Probes \
            that only look at the exit code of redis-cli ping stay green. Do not restart before a \
            replica is in sync: what could not be written is in memory only.",
    },
    Note {
        code: "MIGRATE_AUTH_OR_TLS_FAILED",
        words: &[&["importing data from", "--cluster import"]],
        sentence: "Here it is an import from a server outside: no slot moves and none was left \
            open. redis-cli passes the cluster's password on (-a, --user) in import from 6.2 on, \
            with --cluster-from-pass for the source (redis/redis#6489, #7994); 5.x and 6.0 cannot, \
            with -a either. Keys that were copied before are where they belong.",
    },
    Note {
        code: "CLUSTER_DISABLED_ON_NODE",
        words: &[&["redis_replication_mode"]],
        sentence: "REDIS_REPLICATION_MODE makes a primary with a replica of it, and no cluster: that \
            server has cluster-enabled no. Either use the plain client (new Redis(...)) with it, \
            or the image for clusters (bitnami/redis-cluster with REDIS_NODES and \
            REDIS_CLUSTER_CREATOR).",
    },
    Note {
        code: "MANAGED_SERVICE_CLUSTER_MODE",
        words: &[&["failed to refresh slots"], &["timeout"]],
        sentence: "'timeout' as the last error: each start node has 1 second for TCP, TLS and CLUSTER \
            SLOTS together (slotsRefreshTimeout of ioredis); a security group that drops packets \
            looks the same. nc -vz <endpoint> 6379 from the client's machine tells the two \
            apart; raise slotsRefreshTimeout (to 5000) only for the first.",
    },
    Note {
        code: "CANNOT_CONNECT_NODE",
        words: &[
            &["--cluster create", "redis-trib.rb create"],
            &["connection refused"],
            &["127.0.0.1:", "localhost:"],
        ],
        sentence: "create starts no server: each address that it is given must be a process that \
            already runs, with its own port, its own dir (or cluster-config-file) and \
            cluster-enabled yes. One server on 6379 is one node only; start the others \
            (redis-server --port 6380 --cluster-enabled yes --dir <its own directory>, and so on) \
            and repeat; ss -ltnp shows which ports have one.",
    },
    Note {
        code: "LOOPBACK_ADDRESS",
        words: &[&["node updated to 127.", "now 127."]],
        sentence: "An address that goes to and fro between 127.0.0.1 and the real one comes from peers \
            on the same machine: they connect over loopback (bind lists 127.0.0.1 first, or they \
            were met by 127.0.0.1), and a node takes the source of the connection for the peer's \
            address, and the address at which it was met for its own. Nodes on other machines \
            then dial themselves, flag it fail and refuse votes. cluster-announce-ip on every \
            node ends it; before 4.0: bind the real IP only (or first) and MEET from another \
            machine by the real IP.",
    },
    Note {
        code: "NODES_CONF_UNWRITABLE",
        words: &[&["is already used by a different"]],
        sentence: "The message about the file that is already used follows from the first: the server \
            ended itself, the supervisor started it again at once, and a child of the dead one \
            (a save or a rewrite) still held the lock. It goes with that child (ps; let it end, \
            or end it by its pid). What has to be mended is why nodes.conf could not be written: \
            df -h and df -i, the rights of its directory, a read-only file system.",
    },
    Note {
        code: "TOOL_STOPS_AT_DEAD_NODE",
        words: &[&["moving slot", "slots from "]],
        sentence: "The tool ended in the middle of the move, so the last slot may be open (migrating on \
            one side, importing on the other): redis-cli --cluster check first, finish that \
            slot, then run it again. Why the node refuses comes before both: it may be a primary \
            with slots or the only replica of a shard.",
    },
    Note {
        code: "CLIENT_SENTINEL_OR_WRONG_MODE",
        words: &[&["+sdown sentinel"], &["quorum"]],
        sentence: "These are lines of Sentinel, and no Redis Cluster is involved: sentinels decide over \
            the failover of one primary with replicas. +sdown is one sentinel's view; +odown \
            needs the quorum, and the failover the majority of ALL sentinels. Here the sentinels \
            on the dead machine went down with it (+sdown sentinel), so neither is reached and \
            nothing is promoted. Place at least three sentinels on three machines, quorum 2, no \
            two of them with the primary. Now: start the machine again, or REPLICAOF NO ONE on \
            the replica once the old primary is certainly off.",
    },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["> readonly", "readonly mode", "scalereads"], &["moved "]],
        sentence: "A replica answers reads with MOVED to its primary as well, until the connection has \
            sent READONLY: that is meant so, and nothing is out of sync. Cluster clients send it \
            when reads from replicas are switched on (ioredis scaleReads, go-redis ReadOnly, \
            Lettuce ReadFrom, redis-py read_from_replicas); by hand it has to be sent once on \
            each connection.",
    },
    Note {
        code: "CLIENT_REDIRECT_LOOP",
        words: &[
            &["jedis"],
            &["ips changed", "ip changed", "node type", "addresses changed", "scaled"],
        ],
        sentence: "The nodes' addresses changed, and old Jedis (2.x and 3.x, Spring Boot 2.1 and \
            older) asks for the map only at nodes that it knows: the client's map is stale, not \
            the cluster. Restart the application now; upgrade to Jedis 5.1 or later (the start \
            node is asked again, topologyRefreshPeriod) or Lettuce with periodic and adaptive \
            refresh.",
    },
    Note {
        code: "MANAGED_SERVICE_CLUSTER_MODE",
        words: &[&["setstarttls(true", "starttls"]],
        sentence: "StartTLS is not TLS: neither Redis nor ElastiCache speaks it, so the handshake never \
            begins. Remove setStartTls(true), keep setUseSsl(true), and start from the \
            configuration endpoint.",
    },
    Note {
        code: "FULL_SYNC_LOOP",
        words: &[&["synchronization db from disk: no such file"]],
        sentence: "The file that the replica has just received is gone when it wants to load it: two \
            processes use one directory (each renames and removes dump.rdb and the temporary \
            files of the other), or the volume is shared between containers. One dir (or one \
            dbfilename) for each process; CONFIG GET dir and dbfilename on all of them, and \
            docker inspect for the mounts, show it.",
    },
    Note {
        code: "READONLY_WRITE_TO_REPLICA",
        words: &[&["cache.amazonaws.com", "primary endpoint", "maintenance window"]],
        sentence: "With a managed service the primary endpoint is a DNS name that moves at a failover; \
            a connection that stands stays at the old primary, which is a replica now. Let the \
            client reconnect on READONLY (StackExchange.Redis 2.6.70 and later looks at the \
            roles anew; abortConnect=false, a short DNS cache).",
    },
    Note {
        code: "CLIENT_REDIRECT_LOOP",
        words: &[&["too many cluster redirections"], &["last error: replyerror: moved", "moved "]],
        sentence: "ioredis says so after 16 redirects (maxRedirections). When it cannot connect to \
            the node that MOVED names, it asks another one, which answers MOVED again: so most \
            often that address cannot be reached from the client's host, and no two nodes are in \
            dispute.",
    },
    Note {
        code: "CLIENT_REDIRECT_LOOP",
        words: &[&["too many cluster redirections", "no more cluster attempts"], &["clusterdown"]],
        sentence: "The last error is CLUSTERDOWN, so nobody redirected: each try met a cluster that \
            refuses (ioredis: 16 tries, retryDelayOnClusterDown apart, less than 2 seconds). \
            CLUSTER INFO on the nodes tells which slots are not served; the client is right.",
    },
    Note {
        code: "CLIENT_REDIRECT_LOOP",
        words: &[
            &["no more cluster attempts left"],
            &["connect timed out", "connection refused", "failed to connect", "unknownhost"],
        ],
        sentence: "What failed here are connections and not redirects: Jedis counts each as an \
            attempt (maxAttempts, 5 by default), then asks a random node for the map. The address \
            in the suppressed exception is one of its map that this host does not reach.",
    },
    Note {
        code: "CLIENT_REDIRECT_LOOP",
        words: &[&["redirection loop detected"]],
        sentence: "Redisson says so when the node that MOVED names answers MOVED itself: an address \
            that leads to another node than is meant (a NAT or a natMapper that sends several \
            addresses to one, a balancer), or two tables that differ.",
    },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["redirect: slot ", "clusterredirectexception"]],
        sentence: "Spring Data Redis says so when MOVED comes through a standalone connection \
            (spring.data.redis.host or .url): give spring.data.redis.cluster.nodes (with \
            RedisClusterConfiguration in code) instead.",
    },
    Note {
        code: "NON_CLUSTER_CLIENT",
        words: &[&["jedisaskdataexception"]],
        sentence: "JedisAskDataException: the slot is just being moved and a plain Jedis does not \
            follow ASK. JedisCluster does.",
    },
    Note {
        code: "CLIENT_TIMEOUT",
        words: &[&["max retries per request"]],
        sentence: "MaxRetriesPerRequestError of ioredis speaks of the connection, not of a slow \
            command: it was lost or refused 20 times while the command waited. The client's \
            'error' events name the reason (ECONNREFUSED, ETIMEDOUT, NOAUTH, TLS). BullMQ workers \
            need maxRetriesPerRequest: null, which ends the message and not its reason.",
    },
    Note {
        code: "IOREDIS_ALL_STARTUP_NODES_FAILED",
        words: &[&["none of startup nodes is available"]],
        sentence: "'None of startup nodes is available' comes when the list of nodes has run empty \
            (each was dropped after its connection ended) and clusterRetryStrategy has given up: \
            the 'node error' events before it say why each one ended.",
    },
    Note {
        code: "CROSSSLOT_NO_HASH_TAG",
        words: &[&["bullmq", "bull:"]],
        sentence: "BullMQ runs scripts over several keys of one queue: give Queue, Worker, \
            QueueEvents and FlowProducer the same prefix in braces (prefix: '{myqueue}'), and the \
            keys of one queue share a slot. Jobs under the old prefix stay there: drain them first.",
    },
];

/// Steps that are added to the fix.
static STEPS: &[Step] = &[
    Step {
        codes: STALE,
        words: BITNAMI,
        unless: &[],
        sentence: "Bitnami's image: REDIS_CLUSTER_DYNAMIC_IPS=yes (the default) resolves the names \
            in REDIS_NODES at each start and puts the new IPs into nodes.conf; that needs names \
            that resolve before the pods are ready (the headless Service with \
            publishNotReadyAddresses) and a volume that is kept. Else set \
            REDIS_CLUSTER_ANNOUNCE_IP from status.podIP (downward API), so that each node tells \
            its own address, and REDIS_CLUSTER_ANNOUNCE_HOSTNAME to <pod>.<headless service> for \
            the clients. In the image of Valkey these names begin with VALKEY_.",
    },
    Step {
        codes: STALE,
        words: &["kubectl", "statefulset", "pod/", "podip", "pod ip", ".svc.cluster.local"],
        unless: BITNAMI,
        sentence: "In the StatefulSet: env POD_IP from fieldRef status.podIP, and the argument \
            --cluster-announce-ip $(POD_IP) of redis-server (args expand it; redis.conf does not).",
    },
    Step {
        codes: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT"],
        words: &["vpce-", "privatelink", "private link"],
        unless: &[],
        sentence: "Let every node be reached: VPC peering or a transit gateway to the nodes' subnets; \
            or one listener of the balancer behind the endpoint for each node, each on a port of \
            its own, with the translation above in the client.",
    },
    Step {
        codes: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", "ANNOUNCE_ADDRESS_WRONG"],
        words: BITNAMI,
        unless: &[],
        sentence: "Bitnami's image: on each node REDIS_CLUSTER_DYNAMIC_IPS=no and \
            REDIS_CLUSTER_ANNOUNCE_IP=<the address that clients and nodes reach>, with \
            REDIS_CLUSTER_ANNOUNCE_PORT and REDIS_CLUSTER_ANNOUNCE_BUS_PORT where ports are \
            mapped (the chart: cluster.externalAccess.enabled); or \
            REDIS_CLUSTER_ANNOUNCE_HOSTNAME with REDIS_CLUSTER_PREFERRED_ENDPOINT_TYPE=hostname \
            where clients resolve names (7.0 and later).",
    },
    Step {
        codes: &["EMPTY_PRIMARY"],
        words: &["\"health\""],
        unless: &[],
        sentence: "It stands in a shard with an owner: if DBSIZE on it is 0, CLUSTER REPLICATE <id \
            of the owner> on it. With keys it refuses: copy its RDB and AOF away, and bring what \
            only it has to the owner first.",
    },
];

/// Addresses that changed.
const STALE: &[&str] = &["ALL_ADDRESSES_STALE", "PEER_ADDRESS_STALE", "SELF_ADDRESS_STALE"];

/// What shows that the image is Bitnami's.
const BITNAMI: &[&str] = &[
    "bitnami",
    "redis_nodes=redis",
    "redis_nodes: ",
    "redis_cluster_creator",
    "redis_cluster_dynamic",
];

/// The steps for a cause.
pub(super) fn steps(code: &str, seen: &Seen) -> Vec<&'static str> {
    let fits = |s: &&Step| s.codes.contains(&code) && seen.has(s.words) && !seen.has(s.unless);
    STEPS.iter().filter(fits).map(|step| step.sentence).collect()
}

/// The sentences of both tables.
fn all_notes() -> impl Iterator<Item = &'static Note> {
    NOTES.iter().chain(wordings::NOTES)
}

/// The sentences for a cause.
pub(super) fn notes(code: &str, seen: &Seen) -> Vec<&'static str> {
    let fits = |note: &&Note| note.code == code && note.words.iter().all(|group| seen.has(group));
    all_notes().filter(fits).map(|note| note.sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_belongs_to_a_cause_and_has_words_in_small_letters() {
        for note in all_notes() {
            assert!(
                super::super::causes::all().any(|cause| cause.code == note.code),
                "{}",
                note.code
            );
            assert!(!note.words.is_empty(), "{}", note.code);
            for word in note.words.iter().copied().flatten() {
                assert_eq!(word.to_lowercase(), **word);
            }
        }
    }
}
