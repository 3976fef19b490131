//! Clients that know clusters by themselves, and what keeps them from following all the same.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "CLUSTER_CLIENT_MISUSED",
    title: "The client knows clusters; an option or the way it is used keeps it from following",
    side: Side::Client,
    when: misused,
    cause: "The cluster answers rightly and is not at fault, and the library is one that can follow \
        it.",
    check: "The same command with redis-cli -c -h <start node> works.",
    fix: &["Keep the client library at a current release."],
    never: &["Do not move slots, and do not follow MOVED by hand in the application."],
    like: &["NON_CLUSTER_CLIENT", "CLIENT_STALE_TOPOLOGY"],
}];

/// One way of using a library wrongly.
struct Misuse {
    /// Groups of words in small letters, without blanks around signs; one of each must stand there.
    words: &'static [&'static [&'static str]],
    /// Words that speak against it.
    not: &'static [&'static str],
    /// How sure it is.
    score: u8,
    /// What is wrong.
    says: &'static str,
    /// What helps.
    step: &'static str,
}

const MOVED: &[&str] = &["moved "];

/// Signs of StackExchange.Redis, which follows redirects without being told to.
const SER: &[&str] = &["stackexchange.redis", "connectionmultiplexer"];

static MISUSES: &[Misuse] = &[
    Misuse {
        words: &[
            &["predis"],
            &["\"cluster\", \"redis\"", "'cluster', 'redis'", "\"cluster\",\"redis\""],
        ],
        not: &[],
        score: 88,
        says: "The options of Predis are a list ('cluster', 'redis') in place of a map ('cluster' => \
            'redis'), so the option cluster is not set at all: Predis then spreads keys over the \
            servers by a hash of its own and shows MOVED as an error.",
        step: "Predis: $options = ['cluster' => 'redis'] (with =>), as the second argument of new \
            Predis\\Client; the password belongs into 'parameters' => ['password' => ...] for all \
            nodes.",
    },
    Misuse {
        words: &[
            &["scalereads"],
            &["enableautopipelining: true", "enableautopipelining:true", "autopipelining.js"],
            &["moved ", "all keys in the pipeline should", "readonly you can't", "crossslot"],
        ],
        not: &["scalereads: 'master'", "scalereads: \"master\""],
        score: 91,
        says: "It is the pair of options of ioredis: enableAutoPipelining gathers all commands of \
            one tick by slot into one pipeline, and scaleReads (other than 'master') sends a \
            pipeline to a replica, writes with it. The replica answers MOVED, ioredis changes its \
            map by that, and the pipeline then spans two nodes ('All keys in the pipeline should \
            belong to the same slots allocation group'). The application's keys are not at \
            fault, and hash tags mend nothing.",
        step: "ioredis: upgrade to its newest release (mended in 5.9.3 and later, redis/ioredis#2064 \
            and #2072); until then scaleReads: 'master' with auto-pipelining, or \
            enableAutoPipelining: false; or two clients, one for reads from replicas without \
            pipelining, one for the rest.",
    },
    Misuse {
        words: &[
            &["enableautopipelining: true", "enableautopipelining:true", "autopipelining.js"],
            &["all keys in the pipeline should"],
        ],
        not: &[".pipeline("],
        score: 80,
        says: "The pipeline is not the application's: enableAutoPipelining of ioredis gathers the \
            commands of one tick by the slots' nodes, and its map changed in between (a failover, \
            a moved slot, MOVED from a replica), so the pipeline spans two nodes now. Keys need no \
            hash tags for it.",
        step: "ioredis: its newest release; if it goes on, enableAutoPipelining: false. What else \
            stands in the log at that time (MOVED, a failover, scaleReads) tells why the map \
            changes.",
    },
    Misuse {
        words: &[&["predis"], &["pipeline"], MOVED],
        not: &[],
        score: 78,
        says: "A pipeline (or transaction) of Predis 1.x does not follow MOVED. A plain command does, \
            and loads the map by it; so when the pipeline is the first thing that a process does, \
            the node is guessed and the answer MOVED becomes an exception. After any other command \
            the map is there and the same pipeline works.",
        step: "Upgrade to Predis 2.x or later; until then send one plain command first (EXISTS of \
            the key), or leave the pipeline out. All keys of one pipeline in one slot (a hash tag) \
            is safest.",
    },
    Misuse {
        words: &[&["standalone v", "as a standalone", "servertype: standalone"], MOVED],
        not: &["cluster_enabled:0", "cluster support disabled"],
        score: 88,
        says: "The client takes the node for a single server ('Standalone'), and that node says \
            MOVED: it is one of a cluster. Clients find the mode out by INFO, CLUSTER NODES and \
            CONFIG GET, and StackExchange.Redis goes on with defaults (standalone, an old version \
            such as v2.0.0) when these are refused: an ACL user without them (-@admin, -@dangerous \
            take them away), commands disabled in the client's command map, or a proxy.",
        step: "Let that user do what the client asks at its start, on ALL nodes: ACL SETUSER <user> \
            +info +cluster|nodes +cluster|slots +config|get +role +ping +echo +client|setname \
            (before 7.0 +cluster), and ACL SAVE (or the aclfile). To tell first: redis-cli --user \
            <user> INFO server and CLUSTER NODES say NOPERM. Then a new ConnectionMultiplexer.",
    },
    Misuse {
        words: &[
            &["session.save_handler = redis", "session.save_handler=redis", "save_handler redis"],
            &["tcp://"],
            &["cluster"],
            &["connection closed", "moved", "went away", "read error", "session_start"],
        ],
        not: &["save_handler = rediscluster", "save_handler=rediscluster"],
        score: 86,
        says: "PHP's session handler 'redis' knows no cluster: several tcp:// places are separate \
            servers for it, over which it spreads the sessions by a hash of its own. It follows no \
            MOVED and no failover, so all sessions of a server that is down fail. The cluster \
            itself does its failover.",
        step: "session.save_handler = rediscluster and session.save_path = \
            \"seed[]=host1:port&seed[]=host2:port&timeout=2&read_timeout=2&failover=error\" (with \
            auth=... where a password is set), and a current phpredis (5.3 or later).",
    },
    Misuse {
        words: &[
            &["-@dangerous", "-@admin", "-cluster", "-info"],
            &["readonly you can't write", "moved ", "until we reboot", "until restart"],
            &["failover", "fail over", "failed over", "switchover", "restart"],
        ],
        not: &["+info", "+cluster", "noperm", "replica-user", "replication user"],
        score: 84,
        says: "After a failover a client learns who is primary now by asking: INFO replication, \
            CLUSTER NODES, SLOTS or SHARDS, ROLE, CONFIG GET, and a subscription. The rules that \
            are shown take these away: -@admin and -@dangerous hold CLUSTER's and CONFIG's \
            subcommands, INFO, ROLE and REPLICAOF. So the client gets NOPERM to its own questions \
            (often without a word in its log), keeps the roles of its start, and writes go on to \
            the old primary, which is a replica now. The failover itself did what it should.",
        step: "Give the client's user back what it asks, on ALL nodes: ACL SETUSER <user> +info +role \
            +ping +echo +config|get +client +subscribe +cluster|nodes +cluster|slots \
            +cluster|shards +cluster|info +readonly (before 7.0 +cluster and +config), behind the \
            rules that take away, then ACL SAVE or the aclfile; and make the client objects anew. \
            To see it before: redis-cli --user <user> info replication and cluster nodes say \
            NOPERM, and ACL LOG on the nodes lists them.",
    },
    Misuse {
        words: &[SER, MOVED],
        not: &[],
        score: 76,
        says: "StackExchange.Redis is cluster-aware always: there is no other class to take. It \
            shows MOVED when it has no connection to the node that is named (yet): a \
            ConnectionMultiplexer that was made a moment ago (one for each call, in a using \
            block), with one endpoint only, or an old release after a failover or a change of nodes.",
        step: "StackExchange.Redis: ONE ConnectionMultiplexer for the whole process (static, Lazy or \
            a singleton), never one per call and never disposed after use; all nodes as \
            endpoints (or several), abortConnect=false; a current release (2.6 and later reads the \
            map anew on MOVED). Then: can this machine reach the node that MOVED names (nc -vz)?",
    },
    Misuse {
        words: &[&["jediscluster"], &[".auth("], &["noauth", "authentication required"]],
        not: &[],
        score: 86,
        says: "auth() on a JedisCluster does not log in: it is a command to one node, while each \
            pooled connection to each node needs the password when it is made. Jedis before 2.9 \
            has no password for JedisCluster at all.",
        step: "Jedis 2.9 and later: the password in the constructor, new JedisCluster(nodes, \
            connectionTimeout, soTimeout, maxAttempts, password, poolConfig); 4 and later: \
            DefaultJedisClientConfig.builder().user(...).password(...). No call of auth().",
    },
    Misuse {
        words: &[
            &["rediscluster", "redis cluster"],
            &["->script("],
            &["unknown script subcommand", "$6\\r\\nscript\\r\\n"],
        ],
        not: &[],
        score: 88,
        says: "In phpredis the commands of RedisCluster that belong to no key (script, info, ping, \
            flush, keys of a node) take the node FIRST: a key (its slot tells which) or [host, \
            port]. Here the subcommand stands in that place and is swallowed, so the server gets \
            SCRIPT without one and refuses it.",
        step: "phpredis: $redis->script($keyOrNode, 'exists', $sha), and load the script on every \
            primary: foreach ($redis->_masters() as $node) $redis->script($node, 'load', $lua). Or \
            call eval, which brings it along.",
    },
    Misuse {
        words: &[
            &["rediscluster("],
            &["ssl=true"],
            &["cannot be connected", "at least one reachable", "certificate"],
        ],
        not: &[
            "ssl_ca_certs",
            "ssl_cert_reqs",
            "timed out",
            "timeout",
            "restart",
            "authentication req",
            "noauth",
        ],
        score: 68,
        says: "TLS is switched on (ssl=True) and no CA is named: the client checks the server's \
            certificate by default, an error of that check is hidden behind 'cannot be connected', \
            and the names in it must fit what is dialled. A network that is closed looks the same \
            from here.",
        step: "redis-py and redis-py-cluster: ssl_ca_certs='<bundle of CAs>' (certifi.where(), or \
            /etc/ssl/certs/ca-certificates.crt, for public services), ssl_cert_reqs='required', \
            and the service's own name as the start node. To tell apart first: openssl s_client \
            -connect <host>:<port> -servername <host> from this machine; no answer there = network \
            or security group.",
    },
];

/// Classes and options of libraries that follow redirects by themselves.
const AWARE: [&str; 17] = [
    "clusterclient::new",
    "clusterclientbuilder",
    "strictrediscluster(",
    "new rediscluster(",
    "rediscluster(startup",
    "rediscluster(host",
    "jediscluster",
    "new redis.cluster(",
    "redisclusterclient",
    "newclusterclient(",
    "createcluster(",
    "useclusterservers",
    "'cluster' => 'redis'",
    "\"cluster\" => \"redis\"",
    "'cluster'=>'redis'",
    "stackexchange.redis",
    "connectionmultiplexer",
];

/// Whether the client that the text shows follows redirects by itself.
pub(super) fn is_aware(seen: &Seen) -> bool {
    seen.has(&AWARE)
}

fn misused(seen: &Seen) -> Option<Hit> {
    let fits = |misuse: &&Misuse| {
        misuse.words.iter().all(|group| seen.has(group)) && !seen.has(misuse.not)
    };
    let misuse = MISUSES.iter().find(fits)?;
    let lines = misuse.words.iter().filter_map(|group| seen.lines_with(group).first().copied());
    let hit = Hit::of(misuse.score).quotes(lines.skip(1));
    // What it was answered shows what comes of it.
    let hit = hit.quotes(seen.lines_with(MOVED).into_iter().take(1));
    Some(hit.note(misuse.says).step(misuse.step))
}
