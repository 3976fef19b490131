//! What servers answer to commands.

use super::{Saying, say};

pub(super) static SAYINGS: &[Saying] = &[
    say(
        "NODE_ALREADY_MEMBER",
        86,
        &["can't replicate myself"],
        "The node was to become a replica of itself: it is in the cluster already (the command ran \
         a second time), and was taken for the primary to follow. Nothing has to be added any \
         more: on it, CLUSTER REPLICATE <id of the primary it shall copy>, where it has no slots \
         and no keys.",
    ),
    say("REPLICA_OF_UNKNOWN_PRIMARY", 84, &["i'm a replica but my master is unknown to me"], ""),
    say(
        "SLOT_BUSY_OR_LOCAL_COMMAND",
        74,
        &["i'm already the owner of hash slot", "i don't know about node"],
        "'already the owner': IMPORTING was sent to the source instead of the target. 'don't know \
         about node': the id is not in this node's table (a typing error, or not met yet).",
    ),
    say(
        "RESET_REFUSED_KEYS",
        84,
        &["db must be empty to perform cluster flushslots"],
        "CLUSTER FLUSHSLOTS makes a node forget all its slots, so it is refused while there are \
         keys. It is hardly ever what is wanted: to move slots, reshard them.",
    ),
    say(
        "REPLICATE_UNKNOWN_NODE",
        64,
        &["err unknown node"],
        "For FORGET: this node has forgotten it already, which is fine. For REPLICATE and SETSLOT: \
         copy the id from CLUSTER NODES of this very node.",
    ),
    say(
        "CLIENT_MAP_DURING_MOVE",
        66,
        &["(error) ask*:", "multiple keys request during rehashing"],
        "ASK and TRYAGAIN are answers of a slot on the move: ASK sends this one command to the \
         target (with ASKING), TRYAGAIN asks to repeat a command whose keys are on both sides. \
         Cluster clients do both by themselves; they end when the slot is closed. If nobody \
         moves anything, a move was left half done.",
    ),
    say("TRANSACTION_ABORTED", 50, &["execabort transaction discarded"], ""),
    say(
        "RDB_VERSION_INCOMPATIBLE",
        80,
        &["dump payload version or checksum are wrong"],
        "RESTORE or MIGRATE met data of a newer version than the target knows: move from the older \
         to the newer server, or upgrade the target first.",
    ),
    say(
        "MANAGED_SERVICE_FORBIDS_COMMAND",
        74,
        &[
            "wrong cluster subcommand or number of arguments",
            "err unknown cluster subcommand",
            "unknown subcommand 'setslot'",
            "unknown subcommand 'meet'",
            "unknown subcommand 'forget'",
            "unknown subcommand 'replicate'",
            "unknown subcommand 'failover'",
        ],
        "",
    ),
    say(
        "UNSUPPORTED_IN_CLUSTER",
        64,
        &["command is not allowed from script", "only (p|s)subscribe"],
        "",
    ),
    say(
        "SELECT_NOT_ALLOWED",
        82,
        &[
            "db index is out of range",
            "invalid db index",
            "argument 'db' must be 0",
            "querystring option can only be 0 in cluster mode",
            "not possible to use 'db' in cluster mode",
        ],
        "",
    ),
    say(
        "COMMAND_RENAMED_OR_DISABLED",
        64,
        &["unknown command `cluster`", "unknown command 'cluster'"],
        "'unknown command CLUSTER' (and not 'cluster support disabled') is what a server answers \
         that has no cluster at all: Memorystore for Redis and other managed single instances, a \
         proxy, or CLUSTER taken away by rename-command. If it is meant to be one server (with \
         replicas), use the plain client (Redis in place of RedisCluster); if a cluster is wanted, \
         create one of the service's cluster type.",
    ),
];
