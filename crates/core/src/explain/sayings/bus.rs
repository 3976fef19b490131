//! What nodes say of each other: links, handshakes, suspicion, votes.

use super::{Saying, say};

pub(super) static SAYINGS: &[Saying] = &[
    say(
        "BUS_PORT_BLOCKED",
        66,
        &["connection with node*connection refused", "unable to connect to cluster node*refused"],
        "Refused: at that address nobody listens on the bus port. The node is down, has another \
         address by now, or its bus port is another one (cluster-port, \
         cluster-announce-bus-port). Is its process up, and at this address?",
    ),
    say(
        "BUS_PORT_BLOCKED",
        70,
        &[
            "connection with node*timed out",
            "connection with node*no route",
            "connection with node*unreachable",
            "unable to connect to cluster node*timed out",
            "unable to connect to cluster node*no route",
        ],
        "No answer at all: an address that nobody has any more, or a firewall that drops packets.",
    ),
    say(
        "TLS_BUS_MISMATCH",
        86,
        &[
            "connection with node*wrong version number",
            "connection with node*ssl",
            "error accepting cluster node connection*wrong version number",
            "error accepting cluster node connection*unexpected eof",
            "error accepting cluster node connection*http request",
            "error accepting cluster node connection: (null)",
        ],
        "",
    ),
    say(
        "BUS_LINK_BROKEN",
        46,
        &[
            "i/o error reading from node link",
            "i/o error writing to node link",
            "error accepting cluster node:",
            "error creating an accepting connection for cluster node",
        ],
        "",
    ),
    say(
        "HANDSHAKE_NEVER_COMPLETES",
        80,
        &["clusterbus handshake timeout", "handshake timedout", "handshake with node*timed out"],
        "",
    ),
    say(
        "MEMBERSHIP_DIFFERS",
        66,
        &[
            "ignoring fail message from unknown node",
            "from unknown node*about",
            "received unknown node",
        ],
        "",
    ),
    say(
        "SHARD_ID_DIVERGED",
        88,
        &[
            "diverges from existing primary shard id",
            "differs from existing primary shard id",
            "mismatch in topology information for sender node",
        ],
        "",
    ),
    say(
        "BUS_MESSAGE_REJECTED",
        80,
        &[
            "gossiped*nodes with invalid ids",
            "packet with extension data that exceeds total packet length",
            "packet with gossip count*that exceeds total packet length",
            "packet with message length that exceeds",
            "packet with missing null terminator",
        ],
        "",
    ),
    say(
        "MIXED_VERSIONS",
        72,
        &["received unknown extension type", "does not support light cluster header"],
        "This line alone is harmless: a newer peer adds something to its pings that this version \
         does not know and passes over (7.0 against 7.2 and later). It ends when the upgrade is \
         finished; links, slots and votes do not suffer by it.",
    ),
    say(
        "SHARD_DOWN",
        45,
        &[
            "possibly failing",
            "as failing (quorum reached)",
            "fail message received from",
            "reported node*as not reachable",
        ],
        "'Possibly failing' (fail?) is one node's own view: no answer on the bus for \
         cluster-node-timeout. 'Quorum reached' (fail): the majority of primaries agree. Either \
         the process is down or stalls, or its bus port or address is not reachable; its own log \
         of that minute tells them apart.",
    ),
    say(
        "TIMEOUT_FLAPPING",
        44,
        &["clear fail state for node*reachable again"],
        "The node was given up and came back: a stall, a restart or a short break of the network. \
         Once is nothing to act on; again and again is.",
    ),
    say(
        "FAILOVER_NO_VOTES",
        50,
        &["failover election in progress for epoch*resetting the election", "cannot reach quorum"],
        "",
    ),
    say(
        "SLOT_OPEN",
        64,
        &["failover occurred in migration", "failover occurred during slot import"],
        "A failover happened while slots were on the move: the marks of the move were handed to \
         the new primary. Look at both ends (CLUSTER NODES on each) and finish the slots one by \
         one.",
    ),
    say(
        "PLAIN_AGAINST_TLS",
        54,
        &[
            "protocol error (*from client",
            "protocol error: too big",
            "protocol error: expected '$'",
            "protocol error: unbalanced quotes",
            "protocol error: invalid multibulk",
        ],
        "Bytes that are no command came to a client port: a TLS client on the plain port (the \
         text shows \\x16\\x03), a scanner, or a balancer's health check. The address in the line \
         is who sent them.",
    ),
    say(
        "BUS_PORT_BLOCKED",
        56,
        &["connection with node*failed:"],
        "The reason stands at the end of the line.",
    ),
    say("FAILOVER_NO_VOTES", 48, &["currently unable to failover:"], ""),
    say("FAILOVER_NO_VOTES", 38, &["starting a failover election for epoch"], ""),
];
