//! The steps for the one reason that a line names, where the cause's own are for all its reasons.

use crate::explain::cause::Hit;
use crate::explain::seen::Seen;

/// A line that names one reason.
struct Fit {
    /// Words of it, in small letters.
    words: &'static [&'static str],
    /// The check of that reason.
    check: &'static str,
    /// What to do.
    steps: &'static [&'static str],
}

static FULL_SYNCS: &[Fit] = &[
    Fit {
        words: &["overcoming of output buffer limits"],
        check: "omem in that line of the primary against CONFIG GET client-output-buffer-limit \
            (replica): the buffer of what is written during the copy is full.",
        steps: &[
            "On the primary (and all nodes, in their configuration too): CONFIG SET \
             client-output-buffer-limit 'replica 1073741824 536870912 120' (1 GB and 512 MB in \
             bytes: CONFIG SET of servers before 2019 leaves units away; the class is called \
             slave before 5.0), above what is written in the time of one copy and load, as far as \
             its memory allows.",
            "Let it copy when few writes come, one replica at a time; Redis 7 and later share that \
             buffer among replicas, and repl-diskless-sync yes makes the copy shorter.",
        ],
    },
    Fit {
        words: &[
            "timeout receiving bulk data",
            "disconnecting timedout replica",
            "disconnecting timedout slave",
        ],
        check: "The time from 'Full resync' to that line against CONFIG GET repl-timeout (60 \
            seconds by default) on BOTH ends, and the speed of the replica's disk.",
        steps: &[
            "CONFIG SET repl-timeout on both ends above the time of saving, sending and loading \
             (for example 600), in the configuration too.",
            "If the transfer itself stands still: the disk or memory of the replica, or the \
             network between the two.",
        ],
    },
    Fit {
        words: &["last replica dropped, killing fork child"],
        check: "The replica's log at that second: why did IT hang up (a restart, a probe, no disk, \
            its own repl-timeout)? The primary only stops a copy that nobody reads.",
        steps: &[
            "Mend what the replica's log says: it is the replica that goes away in the middle.",
            "Several replicas: let one copy at a time (repl-diskless-sync-delay 5 lets them share \
             one copy).",
        ],
    },
    Fit {
        words: &["for lack of backlog"],
        check: "repl_backlog_size against what is written while a replica is away (the growth of \
            master_repl_offset per second times that time).",
        steps: &[
            "CONFIG SET repl-backlog-size above that amount on all nodes (1 MB is the default; some \
             hundred are usual), in the configuration too: short breaks then need no full copy.",
        ],
    },
];

/// Leaves the steps of the one reason, if the lines name exactly one.
pub(super) fn full_sync(seen: &Seen, hit: Hit) -> Hit {
    let named: Vec<&Fit> = FULL_SYNCS.iter().filter(|fit| seen.has(fit.words)).collect();
    match named.as_slice() {
        [fit] if hit.steps.is_empty() && hit.check.is_none() => of(fit, hit),
        _ => hit,
    }
}

fn of(fit: &Fit, hit: Hit) -> Hit {
    let hit = hit.check(fit.check);
    fit.steps.iter().fold(hit, |hit, step| hit.step(*step)).only_these_steps()
}

const IMPORT: Fit = Fit {
    words: &["importing data from", "--cluster import", "cluster-from"],
    check: "redis-cli -h <target> -p <port> ping without and with -a: NOAUTH and PONG. And the same at \
        the source (--cluster-from-pass).",
    steps: &[
        "An import uses two logins: -a (or --user and --pass) is for the cluster, --cluster-from-pass \
         (--cluster-from-user, or --cluster-from-askpass) for the source, since redis-cli 6.2. It \
         is the SOURCE that logs in at the cluster's nodes, by MIGRATE ... AUTH, which servers \
         before 4.0.7 do not know and older tools do not pass on: take a current redis-cli.",
        "No slot is open after a refused import: run it again with both logins and --cluster-copy, \
         so that the source keeps its keys.",
    ],
};

/// Leaves the steps of an import, where it is one: no slot is moved by it.
pub(super) fn import(seen: &Seen, hit: Hit) -> Hit {
    let imports = seen.has(IMPORT.words) && !seen.has(&["moving slot", "--cluster reshard"]);
    if imports && hit.steps.is_empty() { of(&IMPORT, hit) } else { hit }
}

const APPEND: Fit = Fit {
    words: &["errors writing to the aof file", "error writing to the aof file"],
    check: "df and df -i of dir (the AOF lies there), INFO persistence: aof_last_write_status, and the \
        error that stands in the same line of the log.",
    steps: &[
        "Remove what the line names (space, inodes, a quota, a read-only or failing volume). With \
         appendfsync everysec the server tries again each second and takes writes again by itself \
         after the first that succeeds; no save is needed for it.",
        "With appendfsync always the server ends: start it again after the space is there.",
    ],
};

/// Leaves the steps of an AOF that is not written: a save has no part in it.
pub(super) fn append_only(seen: &Seen, hit: Hit) -> Hit {
    let saves = ["bgsave", "saving db", "rdb", "snapshots"];
    let only = seen.has(APPEND.words) && !seen.has(&saves);
    if only && hit.steps.is_empty() && !hit.whole { of(&APPEND, hit) } else { hit }
}
