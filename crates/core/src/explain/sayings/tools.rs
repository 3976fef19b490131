//! What redis-cli --cluster, redis-trib and their like say.

use super::{Saying, say};

pub(super) static SAYINGS: &[Saying] = &[
    say(
        "MIGRATE_BUSYKEY",
        88,
        &["target key*exists. replace it for fix"],
        "redis-trib (and old redis-cli) stops here: a move was cut short (a timeout, a network \
         fault) after the key had arrived, so both ends have it and the slot is still open. The \
         source is the owner until the slot is finished, which is why the target answers MOVED to \
         a DEL; nothing has to be deleted by hand.",
    ),
    say(
        "CLI_ARGUMENTS_WRONG",
        86,
        &[
            "wrong number of arguments for specified --cluster sub command",
            "unknown --cluster subcommand",
            "you need to pass either a valid address",
            "wrong number of arguments for specified sub command",
        ],
        "",
    ),
    say(
        "CLI_ARGUMENTS_WRONG",
        80,
        &[
            "no such master id",
            "target node is also listed among the source nodes",
            "[err] unknown node id",
            "is not known or is not a master",
        ],
        "The id is not one of a primary in the table of the node that was asked: copy all 40 \
         letters from CLUSTER NODES there. (add-node with a wrong master id has sent MEET all the \
         same: the node is a member without slots now, and only CLUSTER REPLICATE is left to do.)",
    ),
    say(
        "CLI_ARGUMENTS_WRONG",
        78,
        &["unrecognized option or bad number of args for"],
        "The option is spelt otherwise or unknown to this version of the tool: compare <tool> \
         --version with the version that introduced it (--cluster-use-atomic-slot-migration: \
         valkey-cli 9.1), and take the tool of the servers' version.",
    ),
    say(
        "MAXCLIENTS_EXHAUSTED",
        84,
        &["error registering fd event for the new client"],
        "The process may open fewer files than maxclients needs (clients, bus links and files \
         count): LimitNOFILE= in the systemd unit, ulimits nofile of the container, then restart \
         the nodes one by one; 'maxclients has been reduced' at the start is the same reason.",
    ),
    say(
        "CANNOT_CONNECT_NODE",
        60,
        &["unable to load info for node", "some node failed to send cluster meet"],
        "",
    ),
    say(
        "PLAIN_AGAINST_TLS",
        64,
        &["protocol error, got \"\\x15\"", "as reply type byte"],
        "The first byte of the answer is that of a TLS alert (\\x15): a plain client on a TLS port. \
         Call redis-cli with --tls --cacert (and --cert, --key where clients must show one).",
    ),
    say(
        "CLI_WITHOUT_TLS",
        50,
        &["server closed the connection"],
        "The server closed without a word: a TLS port and a call without --tls, protected mode, \
         maxclients, the bus port in place of the client port, or a server that is ending.",
    ),
];
