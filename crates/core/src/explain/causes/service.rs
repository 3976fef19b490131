//! Who starts the process, and who else talks to it.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::Seen;

pub(super) static CAUSES: &[Cause] = &[
    Cause {
        code: "PROXY_NOT_SET_UP_FOR_CLUSTER",
        title: "Envoy stands in between, and its upstream is not set up for a cluster",
        side: Side::Client,
        when: proxy_setup,
        cause: "What comes back is what Envoy should have dealt with itself. MOVED passes through \
            when the upstream is a plain list (STRICT_DNS, STATIC, MAGLEV) and not of type \
            envoy.clusters.redis, since then Envoy spreads keys over the nodes by its own hash; \
            NOAUTH, although the client logged in at Envoy, says that Envoy itself sends the nodes \
            no password; 'Unexpected response to cluster slot command' that a node answered \
            Envoy's CLUSTER SLOTS with an error (password, TLS, cluster mode disabled). The \
            cluster is healthy.",
        check: "redis-cli -c to a node directly, with the password and TLS, works; Envoy's /clusters \
            and /config_dump: cluster_type, typed_extension_protocol_options, transport_socket.",
        fix: &[
            "cluster_type envoy.clusters.redis with lb_policy CLUSTER_PROVIDED, and settings \
             enable_redirection true (MOVED and ASK during moves).",
            "auth_password (and auth_username) in RedisProtocolOptions of the cluster: \
             downstream_auth_password is for the clients only.",
            "TLS to the nodes: a transport_socket of the cluster, with the name as sni.",
        ],
        never: &["Do not repair the cluster, and do not move slots because of MOVED."],
        like: &["PROXY_REFUSES_COMMAND", "AUTH_MISMATCH"],
    },
    Cause {
        code: "SERVICE_START_TIMEOUT",
        title: "systemd ends the server before it has loaded its data",
        side: Side::Platform,
        when: start_timeout,
        cause: "The unit's start has a limit (TimeoutStartSec, 90 s by default), and with \
            Type=notify the server reports itself ready only after it has loaded its RDB or AOF \
            (or never, when it was built without systemd or 'supervised' is not set). So systemd \
            sends SIGTERM in the middle of loading, and each new start begins anew. The data is \
            not at fault.",
        check: "systemctl show -p TimeoutStartUSec,Type,NotifyAccess on the unit; 'supervised' in \
            redis.conf; and how long the loading took when it last succeeded ('DB loaded from \
            disk').",
        fix: &[
            "systemctl edit the unit: TimeoutStartSec=infinity (or well above the loading time) \
             and TimeoutStopSec likewise, then daemon-reload and start it.",
            "Type=notify needs 'supervised systemd' (or auto) in redis.conf and a server built \
             with libsystemd; otherwise use Type=simple (Type=forking goes with daemonize yes).",
            "If a replica took over meanwhile, the node comes back as its replica by itself.",
        ],
        never: &[
            "Do not move the data files away to make it start faster.",
            "Do not restart it again and again: each attempt loads from the beginning.",
        ],
        like: &["NODE_LOADING", "AOF_OR_RDB_CORRUPT"],
    },
    Cause {
        code: "SERVER_ATTACKED",
        title: "Somebody from outside uses this server: it was open and has been attacked",
        side: Side::Platform,
        when: attacked,
        cause: "The settings or keys are those of well-known attacks on open servers: dir or \
            dbfilename point to a cron or ssh directory, keys like backup1 hold a command, or the \
            node was made a replica of an unknown address. An attacker who reaches the port \
            without a password does that to run programs on the machine. What else goes wrong \
            (failing saves, vanished keys, a read-only node) follows from it.",
        check: "CONFIG GET dir dbfilename, INFO replication (master_host), CLIENT LIST: addresses \
            and paths that nobody of yours set; and the security group: is the port open to the \
            world?",
        fix: &[
            "Close the port to the outside at once (firewall, security group, bind).",
            "Set dir and dbfilename back (CONFIG SET), save, and set masterauth and requirepass or \
             ACL users on all nodes; keep protected mode on.",
            "Take the machine for compromised: look at cron, authorized_keys and processes, or \
             build it anew; load the data from a copy that is older than the attack.",
        ],
        never: &[
            "Do not only set dir back and go on: the port is still open.",
            "Do not run the server as root, and do not loosen rights so that the save succeeds.",
        ],
        like: &["DISK_ERROR_MISCONF", "PROTECTED_MODE"],
    },
    Cause {
        code: "CONFIG_FILE_NOT_READ",
        title: "The server does not find or may not read its configuration file",
        side: Side::Platform,
        when: |seen| seen.says(92, &["can't open config file", "can't open config-file"]),
        cause: "The path in the command is looked up inside the container or on the machine where \
            the process runs, by the user of the process. The file is not there (mounted under \
            another path, or the mount made a directory of it because the file was missing on \
            the host) or its rights forbid it. The server ends at once; data and slots have no \
            part in it.",
        check: "ls -l of the very path inside the container (docker run --entrypoint ls ...), beside \
            the mounts of the container and the command.",
        fix: &[
            "Make the path in the command the path of the mount, inside; give the process's user \
             (redis, or uid 1001 with Bitnami) the right to read it.",
            "A directory of that name on the host came from an earlier start: put the file in its \
             place, then start again.",
        ],
        never: &["Do not start it without the file: it would run with cluster-enabled no."],
        like: &["CLUSTER_DISABLED_ON_NODE", "UNKNOWN_DIRECTIVE"],
    },
    Cause {
        code: "BINARY_NOT_FOR_THIS_MACHINE",
        title: "The server's program does not fit this machine",
        side: Side::Platform,
        when: |seen| {
            let hit = seen.says(
                88,
                &[
                    "unsupported system page size",
                    "exec format error",
                    "illegal instruction",
                    "version `glibc_",
                    "error while loading shared libraries",
                ],
            )?;
            seen.has(&["redis", "valkey", "jemalloc"]).then_some(hit)
        },
        cause: "The program was built for another processor, another page size of memory or another \
            C library: 'Unsupported system page size' is a jemalloc built for 4 KB pages on a \
            kernel with 16 or 64 KB (Raspberry Pi 5, Apple silicon, some ARM servers), 'exec \
            format error' an image of another architecture. It ends before it reads anything.",
        check: "uname -m and getconf PAGESIZE on the machine; docker image inspect: Architecture.",
        fix: &[
            "Take an image or package for this architecture; for the page size a build with \
             --with-lg-page=16 (or MALLOC=libc), or boot the kernel with 4 KB pages.",
            "The node then starts on its own files as before.",
        ],
        never: &["Do not touch nodes.conf or the data files: they are not at fault."],
        like: &["SERVER_CRASHED"],
    },
    Cause {
        code: "SCRIPT_NOT_RUNNABLE",
        title: "The start script of the container cannot be run",
        side: Side::Platform,
        when: |seen| {
            let hit = seen
                .says(84, &["\\r': command not found", "bad interpreter", "^m: no such file"])
                .or_else(|| seen.line_says(78, &["exec ", ".sh", "no such file or directory"]))
                .or_else(|| seen.line_says(78, &["exec", ".sh", "permission denied"]))?;
            Some(hit.and(seen, 8, &["autocrlf", "windows", "wsl"]))
        },
        cause: "The container ends before the server starts. 'No such file' for a script that is \
            there speaks of the interpreter in its first line: the file has Windows line ends (a \
            carriage return behind the name), or the image has no bash. 'Permission denied' is a \
            missing right to run it.",
        check: "file <script>: does it say CRLF? head -1 of it: is that interpreter in the image? ls \
            -l: has it x?",
        fix: &["Write it with Unix line ends (dos2unix, git config core.autocrlf input and a \
             .gitattributes of '*.sh text eol=lf'), name /bin/sh, chmod +x; build the image anew."],
        never: &["Do not touch the volumes: the server never read them."],
        like: &["CONFIG_FILE_NOT_READ"],
    },
    Cause {
        code: "K8S_NO_EXTERNAL_IP",
        title: "The Services of type LoadBalancer get no address",
        side: Side::Platform,
        when: |seen| {
            let row = seen.line_says(74, &["loadbalancer", "<pending>"])?;
            Some(row.more_if(12, seen.has(&["no resources found", "externalaccess"])))
        },
        cause: "EXTERNAL-IP stands at <pending>: nothing in this Kubernetes hands out addresses to \
            Services of type LoadBalancer (minikube, kind and bare metal have nobody who does), or \
            the cloud refuses (quota, subnet, rights). A chart with external access for each node \
            waits for these addresses before it starts any pod, since the nodes are to announce \
            them.",
        check: "kubectl describe svc: its events; and is there a controller for load balancers at all?",
        fix: &[
            "Give Kubernetes one (MetalLB, minikube tunnel, the cloud's controller), then upgrade \
             the release with the addresses (cluster.externalAccess.service.loadBalancerIP).",
            "If clients are inside only, leave external access off.",
        ],
        never: &["Do not put one shared address in front of all nodes instead."],
        like: &["ANNOUNCED_IP_UNREACHABLE_FROM_CLIENT", "SINGLE_VIP_FRONT"],
    },
    Cause {
        code: "IDLE_CONNECTION_CUT",
        title: "Idle connections are cut on the way, and the next command fails",
        side: Side::Network,
        when: idle_cut,
        cause: "The connection was closed by somebody else while the client did not use it: a \
            balancer, NAT or firewall with an idle limit (AWS NLB 350 s, Azure 4 min), or the \
            server itself with 'timeout' above 0. The client learns of it at its next command: \
            'Connection reset by peer', 'Broken pipe', 'Unexpected end of stream'. The cluster \
            goes on well.",
        check: "CONFIG GET timeout tcp-keepalive; do the errors come only after a pause, and does a \
            client that pings every minute have none?",
        fix: &[
            "Let the client test or refresh idle connections (Jedis testWhileIdle or testOnBorrow, \
             redis-py health_check_interval=30, Lettuce and ioredis keepAlive, go-redis \
             ConnMaxIdleTime below the limit).",
            "tcp-keepalive 60 on the servers, and timeout 0, or above the client's idle time.",
        ],
        never: &["Do not repair the cluster for it."],
        like: &["CLIENT_POOL_EXHAUSTED", "PLAIN_AGAINST_TLS", "MAXCLIENTS_EXHAUSTED"],
    },
    Cause {
        code: "CONNTRACK_TABLE_FULL",
        title: "The kernel drops packets: its table of connections is full",
        side: Side::Platform,
        when: |seen| {
            seen.says(
                93,
                &["nf_conntrack: table full", "ip_conntrack: table full", "conntrack: table full"],
            )
        },
        cause: "The firewall of the machine keeps a row for each connection, and the table \
            (net.netfilter.nf_conntrack_max) is full, so new connections and packets of idle ones \
            are dropped. Nodes then miss each other's pings and clients time out, by turns and \
            without a fault in any of them.",
        check: "sysctl net.netfilter.nf_conntrack_count nf_conntrack_max on every machine at such a \
            time, and dmesg for 'table full, dropping packet'.",
        fix: &[
            "Raise net.netfilter.nf_conntrack_max (and the hash size) on all machines, in their \
             configuration too.",
            "Find who opens so many connections (clients without a pool, short timeouts); exempt \
             the client and bus ports from tracking where the firewall allows it.",
        ],
        never: &["Do not repair slots and do not raise only the node timeout: packets are lost."],
        like: &["TIMEOUT_FLAPPING", "CLIENT_RECONNECT_STORM"],
    },
    Cause {
        code: "HTTP_ON_REDIS_PORT",
        title: "Something speaks HTTP to the Redis port: a probe, a scraper or a balancer",
        side: Side::Platform,
        when: |seen| {
            let hit = seen.says(
                72,
                &[
                    "possible security attack detected",
                    "post or host: commands to redis",
                    "unknown command 'get / http",
                    "unknown command `get / http",
                ],
            )?;
            Some(hit.less_if(20, seen.says_fail() || !seen.failing().is_empty()))
        },
        cause: "The server got lines of an HTTP request (POST or Host:) and closed the connection, \
            as it must, since web pages can be made to send such requests. Inside a private \
            network that is mostly no attack but a health check of a balancer or Kubernetes \
            (httpGet), a metrics scraper that was given port 6379, or a service mesh. The \
            cluster is not harmed by it.",
        check: "The address in the line ('Connection from ... aborted') and its rhythm: a fixed \
            interval is a probe. Whose address is it (node, balancer, Prometheus)?",
        fix: &[
            "Make that check a TCP check, or redis-cli ping; give the scraper the exporter's port \
             (9121) instead.",
            "If the address is none of yours: close the port to the outside, and set a password.",
        ],
        never: &["Do not repair the cluster for it, and do not switch protected mode off."],
        like: &["CLIENT_ON_BUS_PORT"],
    },
    Cause {
        code: "PROXY_REFUSES_COMMAND",
        title: "A proxy in between answers, and does not know the command or has no server for it",
        side: Side::Client,
        when: |seen| super::answerers::proxy(seen).or_else(|| proxy(seen)),
        cause: "Between client and cluster stands a proxy[[ (<<proxy>>)]] that understands a part \
            of the commands only: those with one key, mostly no MULTI, no blocking and pub/sub \
            commands, no CLUSTER, no SELECT. Its errors ('unsupported command', 'no upstream \
            host', 'upstream failure') are its own and not those of a node. 'No upstream host' \
            says that it has not learnt the slots yet, or that no node of its list answers its \
            CLUSTER SLOTS (password, TLS, addresses that it cannot reach).",
        check: "The same command sent to a node directly (redis-cli -c -h <node>): does it work \
            there? Then it is the proxy. Its own log and statistics (Envoy: /clusters, \
            upstream_cx_connect_fail).",
        fix: &[
            "Behind a proxy use a plain client and only the commands that it lists; for \
             transactions, scripts over several keys, pub/sub let the application use a cluster \
             client and dial the nodes.",
            "Envoy: cluster_type envoy.clusters.redis, lb_policy CLUSTER_PROVIDED, auth_password \
             in the cluster's protocol options, enable_redirection for MOVED and ASK.",
        ],
        never: &["Do not repair the cluster: the answer does not come from it."],
        like: &["SINGLE_VIP_FRONT", "UNSUPPORTED_IN_CLUSTER"],
    },
];

/// An Envoy that answers for a cluster, and passes on what it should have dealt with itself.
fn proxy_setup(seen: &Seen) -> Option<Hit> {
    let ours = ["redis_proxy", "envoy.clusters.redis", "load_assignment", "lb_endpoints"];
    let config = *seen.lines_with(&ours).first()?;
    if seen.has(&["unsupported command"]) {
        return None;
    }
    let symptom = seen.says(
        88,
        &[
            "moved ",
            "noauth",
            "unexpected response to cluster slot",
            "no upstream host",
            "upstream failure",
        ],
    )?;
    Some(
        symptom
            .quote(config)
            .quotes(seen.lines_with(&["strict_dns", "maglev"]).into_iter().take(1)),
    )
}

fn start_timeout(seen: &Seen) -> Option<Hit> {
    let hit = seen.says(
        90,
        &[
            "start operation timed out",
            "start-pre operation timed out",
            "failed with result 'timeout'",
        ],
    )?;
    let server = ["redis", "valkey", "keydb"];
    seen.has(&server).then(|| hit.and(seen, 4, &["received sigterm scheduling shutdown"]))
}

/// A connection ended without a word, and the text speaks of a pause before it.
fn idle_cut(seen: &Seen) -> Option<Hit> {
    let ended = [
        "connection reset by peer",
        "unexpected end of stream",
        "broken pipe",
        "connection closed by server",
        "econnreset",
        "socket closed unexpectedly",
    ];
    let idles = [
        "idle",
        "without traffic",
        "no traffic",
        "inactiv",
        "first command after",
        "first request after",
        "after some minutes",
        "overnight",
    ];
    let hit = seen.says(42, &ended)?;
    let closes = seen
        .settings
        .iter()
        .find(|s| s.name == "timeout" && s.value.parse::<u32>().is_ok_and(|s| s > 0));
    let troubled = seen.says_fail() || !seen.failing().is_empty();
    Some(
        hit.and(seen, 32, &idles)
            .more_if(30, closes.is_some())
            .quotes(closes.map(|setting| setting.line))
            .less_if(40, troubled || seen.has(&["bad message length", "ssl", "tls", "istio"])),
    )
}

/// Directories into which nobody's server saves, and what attackers leave behind.
fn attacked(seen: &Seen) -> Option<Hit> {
    let places = [
        "/var/spool/cron",
        "/etc/cron.d",
        "/root/.ssh",
        ".ssh/authorized_keys",
        "dbfilename authorized_keys",
        "rdb file crontab",
        "rdb file root ",
    ];
    let left = ["\"backup1\"", "crackit", "system.exec", "kinsing", "module load /tmp/", "exp.so"];
    let hit = seen.says(95, &places).or_else(|| seen.says(90, &left))?;
    let quotes = seen.lines_with(&left).into_iter().take(1);
    let about = ["redis", "valkey", "rdb", "config get", "config set", "misconf", "slaveof"];
    seen.has(&about).then(|| hit.quotes(quotes))
}

fn proxy(seen: &Seen) -> Option<Hit> {
    let names = [
        ("Envoy", "envoy"),
        ("twemproxy", "twemproxy"),
        ("nutcracker", "nutcracker"),
        ("predixy", "predixy"),
        ("redis-cluster-proxy", "redis-cluster-proxy"),
        ("codis", "codis"),
    ];
    let (name, word) = names.into_iter().find(|(_, word)| seen.has(&[word]))?;
    let hit = seen.says(
        82,
        &[
            "unsupported command",
            "no upstream host",
            "upstream failure",
            "not supported in proxy",
            "command not supported",
            "no healthy upstream",
            "server unavailable",
        ],
    )?;
    Some(hit.quotes(seen.lines_with(&[word]).into_iter().take(1)).fact("proxy", name))
}
