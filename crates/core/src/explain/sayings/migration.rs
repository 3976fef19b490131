//! What servers say of slots that they move by themselves (Valkey 9, Redis 8.4 and later).

use super::{Saying, say};

pub(super) static SAYINGS: &[Saying] = &[
    say(
        "ASM_STUCK_OR_FAILED",
        84,
        &[
            "slot migration*timed out",
            "timing out slot migration",
            "slot migration*connection lost",
            "connection lost to source. check",
            "connection lost to target. check",
            "slot migration transfer error",
            "slot migration transfer terminated by signal",
            "failed to process command during slot migration",
            "write error sending slot migration snapshot",
        ],
        "The job broke off; the source still owns the slots, and what the target had taken in is \
         dropped there. CLUSTER GETSLOTMIGRATIONS on both ends names the reason; mend that \
         (network, output buffer, memory), then start the same migration again.",
    ),
    say(
        "ASM_STUCK_OR_FAILED",
        84,
        &["slot migration*failed due to oom", "slot migration*failed to start slot snapshot"],
        "The source or target had no memory for it: the snapshot is a fork, and the target holds \
         the keys a second time. Make room, then start it again.",
    ),
    say(
        "ASM_STUCK_OR_FAILED",
        82,
        &[
            "slot migration*no longer all owned by myself",
            "slots are no longer owned by myself",
            "slots are no longer owned by source node",
            "target node does not agree about current slot ownership",
            "target node does not know the source node",
            "slots were unexpectedly assigned to myself during import",
            "is already being imported on the target by a different migration",
        ],
        "The two ends do not agree who owns the slots or know each other: a failover or another \
         move came in between. Wait two node timeouts, compare CLUSTER NODES of both, then start \
         the migration from the owner of now.",
    ),
    say(
        "ASM_STUCK_OR_FAILED",
        82,
        &[
            "failed to auth to target node",
            "failed to send auth command to target node",
            "target node did not respond to auth command",
            "received error during handshake to target",
        ],
        "The target refused the source's login: the password or user differs between the nodes.",
    ),
    say(
        "ASM_STUCK_OR_FAILED",
        86,
        &["unpaused before migration completed", "unpaused before failover completed"],
        "Writes were let through on the source before the target had announced itself as owner: \
         writes of that moment may be lost. Compare the newest writes of these slots with what \
         the application logged.",
    ),
    say(
        "ASM_STUCK_OR_FAILED",
        82,
        &["can not start import task"],
        "The destination has the job and waits: 'trim in progress': it still removes keys of an \
         earlier job from these slots (wait); 'server paused': CLIENT PAUSE or a failover; 'trim \
         is disabled by module': a module forbids it while it works (its background task, or \
         unload it); 'cluster is not ready': its state is not ok. It begins by itself when that \
         is over.",
    ),
    say(
        "ASM_STUCK_OR_FAILED",
        80,
        &[
            "slot migration*not found in cluster, aborting",
            "slot migration target dropped",
            "slot migration transfer, write error",
            "slot migration, read error",
            "failing migration.",
            "failing the migration",
            "failed to snapshot slot migration",
            "slot snapshot failed",
        ],
        "",
    ),
];
