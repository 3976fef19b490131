//! What a server says when it does not start, ends or was ended.

use super::{Saying, say};

pub(super) static SAYINGS: &[Saying] = &[
    say(
        "SERVER_REFUSES_TO_START",
        96,
        &["can't open the log file"],
        "The file that logfile names cannot be opened: its directory does not exist in this \
         container or machine, or belongs to another user. Create or mount the directory, owned \
         by the server's user, or set logfile to \"\" (standard output, as containers want it).",
    ),
    say(
        "SERVER_REFUSES_TO_START",
        95,
        &[
            "startup because of acl errors",
            "critical error while loading acls",
            "error loading acls, opening file",
            "error in user declaration",
        ],
        "The ACL file (or a line of user in the configuration) does not load: correct the line \
         that the message names (rules that this version does not know, a user twice, a missing \
         file), and give all nodes the same file.",
    ),
    say(
        "SERVER_REFUSES_TO_START",
        95,
        &[
            "failed to configure tls",
            "failed to load certificate",
            "failed to load private key",
            "failed to configure ca certificate",
            "either tls-ca-cert-file or tls-ca-cert-dir must be specified",
            "failed to configure ciphers",
            "failed to load dh params",
            "invalid tls-protocols",
        ],
        "The TLS settings do not load: a certificate, key or CA file is missing, not readable for \
         the server's user, no PEM, or key and certificate do not belong together. \
         tls-ca-cert-file (or -dir) is needed as soon as tls-cluster, tls-replication or \
         tls-auth-clients is on. openssl x509 and openssl pkey on the very files tell which one.",
    ),
    say(
        "SERVER_REFUSES_TO_START",
        94,
        &["your current 'ulimit -n' of*is not enough"],
        "The process may open too few files. Raise LimitNOFILE (systemd), ulimits (Docker) or \
         nofile (limits.conf) above maxclients + 32, or lower maxclients.",
    ),
    say(
        "SERVER_REFUSES_TO_START",
        94,
        &["configured to not listen anywhere"],
        "port is 0, and neither tls-port nor a Unix socket is set.",
    ),
    say(
        "SERVER_REFUSES_TO_START",
        94,
        &["failed to bind to specified addresses", "failed opening unix socket"],
        "An address of bind is none of this machine's, or the path of the socket cannot be written.",
    ),
    say(
        "SERVER_REFUSES_TO_START",
        94,
        &["can't initialize background jobs", "can't initialize io thread"],
        "The system allows no more threads: a limit of processes (pids of the container, ulimit -u) \
         or a seccomp profile of an old container runtime that does not know this libc's calls.",
    ),
    say(
        "SERVER_REFUSES_TO_START",
        93,
        &["arm64-cow-bug", "kernel has a bug that could lead to data corruption"],
        "This kernel (ARM64) can corrupt data in a background save, so the server refuses it: \
         update the kernel; ignore-warnings ARM64-COW-BUG only where no save is ever made.",
    ),
    say(
        "SERVER_REFUSES_TO_START",
        93,
        &["but it is required for the cluster bus"],
        "tls-cluster is yes, and this program was built without TLS.",
    ),
    say(
        "KEYS_IN_DB_NONZERO",
        93,
        &["data file was created with a*configured to handle more than"],
        "",
    ),
    say(
        "CONFIG_FILE_NOT_READ",
        56,
        &["no config file specified, using the default config"],
        "The server runs with its defaults (port 6379, no cluster mode): the configuration that \
         was meant was not on its command line.",
    ),
    say(
        "SERVER_WAS_STOPPED",
        52,
        &[
            "received sigterm scheduling shutdown",
            "received sigint scheduling shutdown",
            "user requested shutdown",
            "is now ready to exit, bye bye",
        ],
        "",
    ),
    say(
        "SERVER_WAS_STOPPED",
        60,
        &[
            "this is a voting primary. shutting down may cause",
            "unable to find a replica to perform the auto failover on shutdown",
        ],
        "A primary with slots was told to stop and no replica could take over first: CLUSTER \
         FAILOVER on a replica in sync, then stop the old primary.",
    ),
    say(
        "DISK_ERROR_MISCONF",
        86,
        &[
            "error trying to save the db, can't exit",
            "errors trying to shut down the server",
            "errors trying to shutdown",
        ],
        "The server was told to stop and refuses, because its last save fails. If it is killed \
         now (at the end of the grace period), what was written since the last save is lost: make \
         room on the disk, BGSAVE, and only then stop it; or fail over to a replica in sync first.",
    ),
    say(
        "OOM_KILLED",
        88,
        &[
            "redis aborting for out of memory",
            "valkey aborting for out of memory",
            "out of memory allocating",
        ],
        "The server itself got no more memory from the system and ended: the machine, the \
         container's limit or ulimit -v is full. maxmemory well below the limit prevents it.",
    ),
    say(
        "MAXMEMORY_REACHED",
        66,
        &["set via config set*is smaller than the current memory usage"],
        "",
    ),
    say(
        "NODE_HUNG",
        62,
        &[
            "is slow to execute redis code paths",
            "is slow to execute valkey code paths",
            "watchdog timer expired",
        ],
        "The process gets too little processor time: CPU limits (throttling), noisy neighbours, \
         a virtual machine that was moved.",
    ),
    say(
        "NODE_HUNG",
        58,
        &["asynchronous aof fsync is taking too long"],
        "The disk is too slow for the AOF: writes wait for it, and a node that stands still for \
         cluster-node-timeout is replaced. Look at the disk (iostat), move saves and rewrites \
         apart, no-appendfsync-on-rewrite yes where that loss is bearable.",
    ),
    say(
        "SERVER_CRASHED",
        90,
        &["slot_stats*network_bytes_out >="],
        "This assertion is a known fault of Valkey 8.1.0: counting the bytes of a slot after a \
         failover (replicas' READONLY clients, a promotion). 8.1.1 and later have it mended: \
         upgrade all nodes, replicas first. Until then cluster-slot-stats-enabled no avoids it. \
         The data are not damaged; the shard is served by its replica.",
    ),
    say(
        "SERVER_CRASHED",
        90,
        &["!ispausedactions(pause_action_replica)"],
        "The assertion says that a write happened while writes were paused for a manual \
         failover: a module (or an expiry or eviction) wrote in that moment. Upgrade to the newest \
         patch release, look whether the module is made for this version, and fail over with \
         the module's clients stopped until then.",
    ),
    say(
        "MAXCLIENTS_EXHAUSTED",
        84,
        &["accept: too many open files", "accepting client connection: accept"],
        "",
    ),
    say(
        "SERVER_WAS_STOPPED",
        44,
        &["shutdown manually aborted", "there is a child saving an .rdb. killing it"],
        "",
    ),
    say(
        "SERVER_CRASHED",
        86,
        &["software failure. press left mouse", "memory error detected", "suspect ram error"],
        "If the report speaks of RAM: test the machine's memory (redis-server --test-memory, \
         memtest86) before the node is trusted again.",
    ),
    say(
        "CONFIG_NOT_PERSISTED",
        74,
        &["config rewrite failed", "config-rewrite-force-all failed"],
        "The server cannot write its configuration file (a ConfigMap is read-only, the directory \
         belongs to another user), so what was set at run time is gone at the next start.",
    ),
    say("MAXCLIENTS_EXHAUSTED", 40, &["server can't set maximum open files"], ""),
    say(
        "SERVER_REFUSES_TO_START",
        92,
        &["environment variable is empty or not set. set the environment variable allow_empty"],
        "The image's own setup stops before the server: no password was given (the Secret is \
         missing, or its key has another name). Give it; ALLOW_EMPTY_PASSWORD=yes only where \
         nobody else reaches the nodes.",
    ),
    say(
        "OOM_KILLED",
        68,
        &["code=killed, status=9/kill", "exited with code 137", "exit code 137", "exit code: 137"],
        "Signal 9 (137 = 128 + 9): the kernel's out-of-memory killer most often, else a person, a \
         probe or a stop that waited too long (docker stop: 10 s). dmesg or Last State tells.",
    ),
    say(
        "NODE_CRASH_LOOP",
        48,
        &["exited with code 1", "exited with code 139", "code=exited, status=1/failure"],
        "Code 1: the server refused something at its start, its own last line says what; 139: it \
         crashed.",
    ),
    say(
        "SELINUX_OR_PERMISSION",
        76,
        &[
            "chown: changing ownership of*operation not permitted",
            "mkdir: cannot create directory*permission denied",
        ],
        "The container runs as a user that may not change the volume: set securityContext.fsGroup \
         (and runAsUser) to the image's user, or have the volume owned by it; on NFS \
         no_root_squash or an export for that user.",
    ),
    say(
        "K8S_LIVENESS_KILLS_LOADING",
        66,
        &[
            "liveness probe errored",
            "liveness probe failed*timed out",
            "liveness probe failed*timeout",
        ],
        "The probe itself got no answer within its timeoutSeconds: a busy server or a CPU limit is \
         enough for it. A probe that times out says nothing about the data.",
    ),
    say("K8S_IMAGE_PULL", 80, &["back-off pulling image"], ""),
    say(
        "K8S_PVC_STUCK",
        74,
        &["mountvolume.setup failed for volume*not found"],
        "What is missing is a Secret or ConfigMap that is mounted as a volume, and no claim: create \
         it in this namespace, or correct its name.",
    ),
    say(
        "K8S_DNS_NOT_READY_HIDDEN",
        58,
        &["not ready, waiting for all the nodes to be ready"],
        "The image's start or create script waits until every name in its list answers: a pod that \
         does not run, a name that does not resolve yet (publishNotReadyAddresses, \
         podManagementPolicy Parallel), a password, or a port that is closed between pods. The \
         line before it names the reason.",
    ),
];
