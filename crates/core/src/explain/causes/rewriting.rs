//! The AOF cannot be rewritten: writes go on, and the file grows.

use crate::explain::cause::{Cause, Hit, Side};
use crate::explain::seen::{Seen, Source};
use crate::explain::table::Row;

pub(super) static CAUSES: &[Cause] = &[Cause {
    code: "AOF_REWRITE_FAILS",
    title: "The append-only file cannot be rewritten, so it grows and grows",
    side: Side::Platform,
    when: failing,
    cause: "The forked child that writes the AOF anew ends with an error, again and again. \
        [[<<writes>> ]]The file[[ (here <<growth>>% above its last size)]] fills the \
        disk in the end, and a restart has to read all of it. [[<<why>>]]",
    check: "The line of the child (its own pid, ':C') just before 'terminated with error' names \
        the reason; INFO persistence: aof_last_bgrewrite_status, aof_current_size; CONFIG GET dir.",
    fix: &[
        "Mend what the child's line names (rights of dir, room on the disk, memory for the fork), \
         then BGREWRITEAOF once and look for 'Background AOF rewrite finished successfully'.",
    ],
    never: &[
        "Do not switch the AOF off and do not delete it: it is the present copy of the data.",
        "Do not delete the volume.",
    ],
    like: &["DISK_ERROR_MISCONF", "SELINUX_OR_PERMISSION", "FORK_FAILED"],
}];

/// A reason that the child names.
struct Reason {
    words: &'static [&'static str],
    why: &'static str,
    /// What of writes meanwhile.
    writes: &'static str,
    check: &'static str,
    step: &'static str,
}

const GOES_ON: &str = "The server goes on appending to the present file, which is open already, \
    and takes writes: no key is lost and no command is refused.";

static REASONS: &[Reason] = &[
    Reason {
        words: &["permission denied", "operation not permitted"],
        why: "The log says why: the server may not create a file in the data directory (Permission \
            denied).",
        writes: GOES_ON,
        check: "In the container or on the machine: id of the process, ls -ld of dir (CONFIG GET \
            dir) and of appendonlydir in it; ls -Z and ausearch -m avc where SELinux is on.",
        step: "Give the directory to the user of the process: chown -R <user> <dir>; in Kubernetes \
            securityContext fsGroup and runAsUser (Bitnami: 1001, or volumePermissions.enabled), \
            a volume that is not mounted read-only. Is dir itself the wrong one (the directory \
            from which the process was started), set it right for the next start.",
    },
    Reason {
        words: &["no space left", "disk quota exceeded"],
        why: "The log says why: no room on the disk. The new file needs room beside the old one.",
        writes: "Soon nothing can be appended either, and then writes are refused (MISCONF).",
        check: "df -h and df -i of dir.",
        step: "Make room or enlarge the volume (up to the size of the data once more), move \
            nothing of the AOF away.",
    },
    Reason {
        words: &["read-only file system"],
        writes: "Appending fails too then, and writes are refused (MISCONF).",
        why: "The log says why: the file system is read-only (mounted so, or switched by the \
            kernel after an error of the disk).",
        check: "mount | grep <dir>, and dmesg for errors of the disk.",
        step: "Mend the disk or the mount; if the disk is failing, let a replica on another \
            machine take over first (CLUSTER FAILOVER on it, while this node still answers).",
    },
    Reason {
        words: &["cannot allocate memory", "fork: "],
        why: "The log says why: the fork itself is refused for want of memory.",
        writes: GOES_ON,
        check: "sysctl vm.overcommit_memory; free memory against used_memory.",
        step: "vm.overcommit_memory=1 on the host, and memory for copy on write.",
    },
];

const SAID: [&str; 3] = [
    "background aof rewrite terminated with error",
    "background aof rewrite has repeatedly failed",
    "temp file for aof rewrite",
];

fn failing(seen: &Seen) -> Option<Hit> {
    let at = *seen.lines_with(&SAID).first()?;
    let refused =
        seen.has(&["misconf", "errors writing to the aof file", "error writing to the aof"]);
    let growth = seen.lines.iter().find_map(|line| {
        let (_, rest) = line.lower.split_once("rewriting of aof on ")?;
        rest.split('%').next()?.parse::<u64>().ok()
    });
    let hit = Hit::of(92)
        .less_if(40, refused)
        .fact_if("growth", growth.map(|percent| percent.to_string()));
    let found = reason(seen);
    Some(match found {
        Some((reason, line)) => hit
            .quote(line)
            .quote(at)
            .fact("why", reason.why)
            .fact("writes", reason.writes)
            .check(reason.check)
            .step(reason.step)
            .step(
                "Then BGREWRITEAOF once: aof_last_bgrewrite_status of INFO must be ok, and the \
                file small again.",
            )
            .only_these_steps(),
        None => hit.quote(at).fact(
            "writes",
            "As long as no command is answered with MISCONF, the server goes on appending to the \
             present file and takes writes.",
        ),
    })
}

/// The reason that the log names, with its line.
fn reason(seen: &Seen) -> Option<(&'static Reason, usize)> {
    let of = ["aof", "rewrit", "append", "fork", "temp", "rdb", "saving", "on disk"];
    let line = |reason: &&Reason| {
        seen.lines.iter().position(|line| {
            reason.words.iter().any(|word| line.lower.contains(word))
                && of.iter().any(|word| line.lower.contains(word))
        })
    };
    REASONS.iter().find_map(|reason| Some((reason, line(&reason)?)))
}

/// A save that failed: with the one reason that the log names, or with the usual ones.
pub(super) fn saved(seen: &Seen, hit: Hit) -> Hit {
    match reason(seen).filter(|_| !hit.whole) {
        Some((reason, line)) => hit
            .quote(line)
            .note(reason.why)
            .check(reason.check)
            .step(reason.step)
            .step(
                "Then BGSAVE (with the AOF on, BGREWRITEAOF too): writes are accepted again after \
                 the first good save.",
            )
            .only_these_steps(),
        None if hit.whole => hit,
        None => hit.fact("unsaid", UNSAID),
    }
}

/// The fork is refused: what the client sees of it, and the steps for this refusal.
pub(super) fn fork_refused(seen: &Seen, hit: Hit) -> Hit {
    let refused = seen.lines_with(&["misconf"]);
    let hit = match refused.first() {
        Some(at) => hit.quote(*at).note(
            "The MISCONF that the client gets is the consequence only: as the last save failed, \
             stop-writes-on-bgsave-error refuses writes until one succeeds; reads go on. The \
             reason is the fork.",
        ),
        None => hit,
    };
    if !seen.has(&["cannot allocate memory"]) || seen.has(&["resource temporarily"]) {
        return hit;
    }
    hit.step(
        "sysctl vm.overcommit_memory=1 on the host, and in its configuration. Leave memory for \
         copy on write: maxmemory below the machine's memory, or more of that; transparent huge \
         pages off.",
    )
    .step(
        "Then BGSAVE, and look for rdb_last_bgsave_status:ok in INFO persistence: writes are \
         accepted again with the first good save, without a restart.",
    )
    .only_these_steps()
}

/// A node that refuses writes and whose peers hold it for well.
pub(super) fn no_failover(seen: &Seen, hit: Hit) -> Hit {
    let Some(table) = seen.table().filter(|table| table.source == Source::Nodes) else {
        return hit;
    };
    if table.rows.iter().any(Row::is_failing) {
        return hit;
    }
    let hit = hit.note(
        "Nobody takes over, and that is by design: the node answers its peers on the bus as ever, \
         and nothing else counts for FAIL; no failover looks at disks or refused writes.",
    );
    let own = table.myself().filter(|row| row.is_primary() && !row.slots.is_empty());
    let heir = own.and_then(|own| {
        let of = |row: &&Row| row.primary.as_ref() == Some(&own.id) && row.linked == Some(true);
        table.rows.iter().find(of).map(|row| (own, row))
    });
    let Some((own, heir)) = heir else { return hit };
    hit.quote(own.line).step(format!(
        "Until then writes can be had from a replica: CLUSTER FAILOVER on it (without an option), \
         if its link is up and its own disk has room. The table was given by {}; if the log is of \
         this node too, that replica is {}.",
        own.place(),
        heir.place()
    ))
}

/// What it may be when nothing names it.
const UNSAID: &str =
    " (disk full, read-only, missing rights, a wrong dir; or no memory for the fork)";
