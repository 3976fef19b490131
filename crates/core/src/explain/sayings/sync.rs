//! What primaries and replicas say of copying.

use super::{Saying, say};

pub(super) static SAYINGS: &[Saying] = &[
    say(
        "REPLICA_AUTH_FAILED",
        97,
        &[
            "error reply to ping from master*noperm",
            "error reply to ping from primary*noperm",
            "master aborted replication with an error: noperm",
            "primary aborted replication with an error: noperm",
        ],
        "The primary refused the replica's very first commands. The user of the link (masteruser) \
         must be on there, with +psync +replconf +ping: ACL SETUSER <user> on +psync +replconf \
         +ping, on every node, as roles change.",
    ),
    say(
        "REPLICA_AUTH_FAILED",
        97,
        &[
            "error reply to ping from master*noauth",
            "error reply to ping from primary*noauth",
            "master aborted replication with an error: noauth",
            "primary aborted replication with an error: noauth",
        ],
        "",
    ),
    say(
        "REPLICA_LINK_DOWN",
        70,
        &[
            "unable to connect to master",
            "unable to connect to primary",
            "unable to connect to target primary",
        ],
        "The end of the line tells which: refused = nobody listens at that address (the primary is \
         down, or has moved); timed out or no route = an address that nobody has any more, or a \
         firewall; invalid argument = no address at all.",
    ),
    say(
        "REPLICA_LINK_DOWN",
        66,
        &[
            "did not respond to command during sync handshake",
            "did not respond to auth command during",
            "did not respond to replconf command",
            "did not reply to psync, will try later",
            "error reply to ping from master",
            "error reply to ping from primary",
            "error sending command to master",
            "i/o error reading bulk count from",
            "i/o error writing to master",
            "i/o error writing to primary",
            "connection with primary lost",
            "write error sending the psync command",
            "unable to send psync to",
        ],
        "The primary took the connection and then answered nothing or broke it: it stalls, is \
         being stopped, or something between the two cuts the connection. Its own log of the same \
         second says which.",
    ),
    say(
        "REPLICA_LINK_DOWN",
        64,
        &[
            "is currently unable to psync but should be in the future",
            "does not support psync or is in error state",
            "unexpected reply to psync from",
        ],
        "The reply in the line is the reason: LOADING (it reads its data, wait), NOMASTERLINK (it \
         is a replica itself and not in sync), NOAUTH/NOPERM (masterauth, rights).",
    ),
    say(
        "REPLICA_LINK_DOWN",
        72,
        &["bad protocol from master", "bad protocol from primary", "wrong +fullresync syntax"],
        "At that address something answers that is no primary of this protocol: another program or \
         proxy, a TLS port (tls-replication on one side only), or the bus port.",
    ),
    say(
        "REPLICA_LINK_DOWN",
        74,
        &["link with master is down", "link with primary is down"],
        "A replica that is not in sync refuses reads because replica-serve-stale-data is no. Mend \
         its link to the primary (INFO replication: master_link_status, and its log).",
    ),
    say(
        "FULL_SYNC_LOOP",
        88,
        &[
            "timeout receiving bulk data from primary",
            "i/o error trying to sync with primary",
            "replica main thread detected rdb download failure",
            "dual channel replication: aborting dual channel sync",
            "provisional primary closed connection",
            "dual channel sync failed",
        ],
        "",
    ),
    say(
        "FULL_SYNC_LOOP",
        86,
        &[
            "writing to the db dump file needed for",
            "failed trying to rename the temp db into",
            "failed trying to sync the temp db to disk",
        ],
        "The replica cannot write the copy that it receives: its disk is full, or its directory \
         not writable (df -h, df -i, rights of dir).",
    ),
    say(
        "FULL_SYNC_LOOP",
        82,
        &[
            "sync failed. bgsave child returned an error",
            "sync failed. can't open",
            "bgsave for replication failed",
            "bgsave failed, replication can't continue",
        ],
        "The primary's own save for the copy failed: its disk or its memory (fork), not the \
         replica. The lines before it in the primary's log name it.",
    ),
    say(
        "FULL_SYNC_LOOP",
        78,
        &[
            "write error sending db to replica",
            "read error sending db to replica",
            "write error sending rdb preamble to replica",
            "background transfer error",
            "background rdb transfer error",
        ],
        "The connection to the replica broke in the middle of the copy: the replica ended \
         (killed, restarted by a probe, no memory), or the network did.",
    ),
    say(
        "FULL_SYNC_EXPECTED",
        40,
        &[
            "partial resynchronization not accepted",
            "partial resynchronization not possible",
            "that is greater than the primary replication offset",
            "that is greater than the master replication offset",
        ],
        "",
    ),
    say(
        "REPLICATION_STREAM_REFUSED",
        88,
        &[
            "is sending an error to its",
            "panicked sending an error to its",
            "master using the inline protocol. desync",
            "primary using the inline protocol. desync",
        ],
        "",
    ),
    say(
        "FULL_SYNC_LOOP",
        70,
        &[
            "dual channel replication: error",
            "dual channel replication: replica main channel failed",
            "dual channel replication: primary rejected",
            "main channel error while reading from",
            "replica bio thread: error",
            "disk-based sync: error",
        ],
        "",
    ),
    say(
        "REPLICA_LINK_DOWN",
        62,
        &["aborted replication with an error"],
        "The error in the line is the primary's own answer to the replica.",
    ),
    say(
        "REPLICA_LINK_DOWN",
        44,
        &["connection with replica*lost", "reconnecting to master*", "reconnecting to primary*"],
        "",
    ),
];
